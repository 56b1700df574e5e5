//! Alarms: what they watch, and when their state changes.

use super::metrics::{Metric, Metrics, NAMESPACE, Samples, Statistic};
use crate::{Time, elb, spec};
use serde_json::json;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Alarm {
    pub(super) account: String,
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) actions_enabled: bool,
    pub(super) ok_actions: Vec<String>,
    pub(super) alarm_actions: Vec<String>,
    pub(super) insufficient_data_actions: Vec<String>,
    pub(super) metric: Metric,
    /// As it was given: `Sum`, `p95`.
    pub(super) statistic: String,
    pub(super) period: Duration,
    pub(super) evaluation_periods: usize,
    /// How many of them have to breach; all when it isn't given.
    pub(super) datapoints_to_alarm: Option<usize>,
    pub(super) threshold: f64,
    pub(super) comparison: Comparison,
    /// `None` is told apart from `missing`, which it means.
    pub(super) treat_missing: Option<Treatment>,
    pub(super) unit: Option<String>,
    pub(super) configured: Time,
    pub(super) state: AlarmState,
    /// When it is evaluated next.
    pub(super) due: Time,
}

#[derive(Debug)]
pub(super) struct AlarmState {
    pub(super) value: Value,
    pub(super) reason: String,
    pub(super) data: Option<String>,
    pub(super) updated: Time,
    pub(super) transitioned: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Ok,
    Alarm,
    InsufficientData,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    GreaterOrEqual,
    Greater,
    LessOrEqual,
    Less,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    Missing,
    Ignore,
    Breaching,
    NotBreaching,
}

/// A period's data, if it had some.
type Point = Option<f64>;

impl Alarm {
    pub(super) fn of(account: &spec::Account, alarm: &spec::Alarm, now: Time) -> Alarm {
        let balancer = elb::dimension(&account.id, &alarm.load_balancer);
        let mut made = Alarm {
            account: account.id.clone(),
            arn: arn(&account.region, &account.id, &alarm.name),
            name: alarm.name.clone(),
            description: None,
            actions_enabled: true,
            ok_actions: Vec::new(),
            alarm_actions: Vec::new(),
            insufficient_data_actions: Vec::new(),
            metric: Metric {
                account: account.id.clone(),
                namespace: NAMESPACE.to_owned(),
                name: alarm.metric.clone(),
                dimensions: vec![("LoadBalancer".to_owned(), balancer)],
            },
            statistic: alarm.statistic.clone(),
            period: Duration::from_secs(alarm.period_seconds.max(1)),
            evaluation_periods: alarm.evaluation_periods.max(1) as usize,
            datapoints_to_alarm: None,
            threshold: alarm.threshold,
            comparison: Comparison::GreaterOrEqual,
            treat_missing: Treatment::parse(&alarm.treat_missing_data),
            unit: None,
            configured: now,
            state: AlarmState {
                value: Value::parse(&alarm.state).unwrap_or(Value::InsufficientData),
                reason: UNCHECKED.to_owned(),
                data: None,
                updated: now,
                transitioned: now,
            },
            due: now,
        };
        made.due = boundary_after(now, made.step());
        made
    }

    /// Evaluates at every moment that was due until now.
    pub(super) fn advance(&mut self, metrics: &Metrics, now: Time) {
        // A world that was held up needn't look at all that it slept through.
        let oldest = Time(now.0 - 20 * self.step().as_millis() as i64);
        if self.due < oldest {
            self.due = boundary_after(oldest, self.step());
        }
        while self.due <= now {
            let at = self.due;
            self.evaluate(metrics, at);
            self.due = boundary_after(at, self.step());
        }
    }

    pub(super) fn set(&mut self, value: Value, reason: String, data: Option<String>, at: Time) {
        if value != self.state.value {
            self.state.transitioned = at;
        }
        self.state = AlarmState { value, reason, data, updated: at, ..self.state };
    }

    /// How often it is evaluated: every period, but at least once a minute.
    pub(super) fn step(&self) -> Duration {
        self.period.min(Duration::from_secs(60))
    }

    fn evaluate(&mut self, metrics: &Metrics, at: Time) {
        let Some(statistic) = Statistic::parse(&self.statistic) else { return };
        let period = self.period.as_millis() as i64;
        // Two periods more than it takes, in case that some have no data.
        let ends = (0..self.evaluation_periods as i64 + 2).map(|back| at.0 - back * period);
        let points: Vec<(Time, Point)> = ends
            .map(|end| {
                let samples = metrics.samples(&self.metric, Time(end - period), Time(end));
                (Time(end - period), samples.map(|s: Samples| s.get(statistic)))
            })
            .collect();
        let Some(value) = self.decide(&points.iter().map(|(_, p)| *p).collect::<Vec<_>>()) else { return };
        if value == self.state.value {
            return;
        }
        let (reason, data) = self.reason(value, &points, at);
        self.set(value, reason, Some(data), at);
    }

    /// The state that the points (the latest first) lead to; `None` keeps the present one. Data
    /// that is there counts before the treatment of what is missing does.
    fn decide(&self, points: &[Point]) -> Option<Value> {
        let wanted = self.evaluation_periods;
        let to_alarm = self.datapoints_to_alarm.unwrap_or(wanted);
        let real: Vec<bool> = points
            .iter()
            .flatten()
            .take(wanted)
            .map(|v| self.comparison.breached(*v, self.threshold))
            .collect();
        let breaching = real.iter().filter(|b| **b).count();
        let missing = wanted - real.len();
        let alarm_if = |count: usize| Some(if count >= to_alarm { Value::Alarm } else { Value::Ok });
        if missing == 0 {
            return alarm_if(breaching);
        }
        match self.treat_missing.unwrap_or(Treatment::Missing) {
            Treatment::Breaching => alarm_if(breaching + missing),
            Treatment::NotBreaching => alarm_if(breaching),
            Treatment::Ignore if breaching < to_alarm && breaching == real.len() => None,
            Treatment::Missing if real.is_empty() => Some(Value::InsufficientData),
            Treatment::Missing if breaching == real.len() => Some(Value::Alarm),
            Treatment::Ignore | Treatment::Missing => alarm_if(breaching),
        }
    }

    /// Why the state is what it is now, in words and as data.
    fn reason(&self, value: Value, points: &[(Time, Point)], at: Time) -> (String, String) {
        let real: Vec<(Time, f64)> = points
            .iter()
            .filter_map(|(start, point)| Some((*start, (*point)?)))
            .take(self.evaluation_periods)
            .collect();
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        let missing = self.evaluation_periods - real.len();
        let treated = match self.treat_missing {
            Some(Treatment::Breaching) => Some("Breaching"),
            Some(Treatment::NotBreaching) => Some("NonBreaching"),
            _ => None,
        };
        let reason = if value == Value::InsufficientData {
            let verb = if missing == 1 { "was" } else { "were" };
            format!("Insufficient Data: {missing} datapoint{} {verb} unknown.", plural(missing))
        } else if let (true, Some(treated)) = (real.is_empty(), treated) {
            let verb = if missing == 1 { "was" } else { "were" };
            format!(
                "Threshold Crossed: no datapoints were received for {missing} period{} and {missing} missing \
                 datapoint{} {verb} treated as [{treated}].",
                plural(missing),
                plural(missing),
            )
        } else {
            let listed: Vec<String> =
                real.iter().map(|(start, v)| format!("{v:?} ({})", short(*start))).collect();
            let counted = real
                .iter()
                .filter(|(_, v)| self.comparison.breached(*v, self.threshold) == (value == Value::Alarm))
                .count();
            let verb = if counted == 1 { "was" } else { "were" };
            let not = if value == Value::Alarm { "" } else { "not " };
            let needed = match value {
                Value::Alarm => self.datapoints_to_alarm.unwrap_or(self.evaluation_periods),
                _ => {
                    self.evaluation_periods - self.datapoints_to_alarm.unwrap_or(self.evaluation_periods) + 1
                }
            };
            format!(
                "Threshold Crossed: {counted} out of the last {} datapoints [{}] {verb} {not}{} the threshold ({:?}) \
                 (minimum {needed} datapoint{} for {} -> {} transition).",
                real.len(),
                listed.join(", "),
                self.comparison.words(),
                self.threshold,
                plural(needed),
                self.state.value.name(),
                value.name(),
            )
        };
        let recent: Vec<f64> = real.iter().rev().map(|(_, v)| *v).collect();
        let data = json!({
            "version": "1.0",
            "queryDate": at.iso(),
            "startDate": real.last().map(|(start, _)| start.iso()),
            "statistic": self.statistic,
            "period": self.period.as_secs(),
            "recentDatapoints": recent,
            "threshold": self.threshold,
        });
        (reason, data.to_string())
    }
}

pub(super) const UNCHECKED: &str = "Unchecked: Initial alarm creation";

pub(super) fn arn(region: &str, account: &str, name: &str) -> String {
    format!("arn:aws:cloudwatch:{region}:{account}:alarm:{name}")
}

/// The first multiple of `step` after `at`.
pub(super) fn boundary_after(at: Time, step: Duration) -> Time {
    let step = step.as_millis() as i64;
    Time((at.0.div_euclid(step) + 1) * step)
}

/// As the reasons write a moment.
fn short(at: Time) -> String {
    chrono::DateTime::from_timestamp_millis(at.0).unwrap_or_default().format("%d/%m/%y %H:%M:%S").to_string()
}

impl Value {
    pub(super) fn name(self) -> &'static str {
        match self {
            Value::Ok => "OK",
            Value::Alarm => "ALARM",
            Value::InsufficientData => "INSUFFICIENT_DATA",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Value> {
        [Value::Ok, Value::Alarm, Value::InsufficientData].into_iter().find(|v| v.name() == name)
    }
}

impl Comparison {
    pub(super) const ALL: [Comparison; 4] =
        [Comparison::GreaterOrEqual, Comparison::Greater, Comparison::LessOrEqual, Comparison::Less];

    pub(super) fn name(self) -> &'static str {
        match self {
            Comparison::GreaterOrEqual => "GreaterThanOrEqualToThreshold",
            Comparison::Greater => "GreaterThanThreshold",
            Comparison::LessOrEqual => "LessThanOrEqualToThreshold",
            Comparison::Less => "LessThanThreshold",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Comparison::GreaterOrEqual => "greater than or equal to",
            Comparison::Greater => "greater than",
            Comparison::LessOrEqual => "less than or equal to",
            Comparison::Less => "less than",
        }
    }

    fn breached(self, value: f64, threshold: f64) -> bool {
        match self {
            Comparison::GreaterOrEqual => value >= threshold,
            Comparison::Greater => value > threshold,
            Comparison::LessOrEqual => value <= threshold,
            Comparison::Less => value < threshold,
        }
    }
}

impl Treatment {
    pub(super) fn name(self) -> &'static str {
        match self {
            Treatment::Missing => "missing",
            Treatment::Ignore => "ignore",
            Treatment::Breaching => "breaching",
            Treatment::NotBreaching => "notBreaching",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Treatment> {
        let all = [Treatment::Missing, Treatment::Ignore, Treatment::Breaching, Treatment::NotBreaching];
        all.into_iter().find(|m| m.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloudwatch::Passed;

    fn alarm(periods: usize, to_alarm: usize, missing: Treatment) -> Alarm {
        let account =
            spec::Account { id: "222222222222".into(), region: "eu-central-1".into(), ..Default::default() };
        let spec = spec::Alarm { name: "errors".into(), load_balancer: "front".into(), ..Default::default() };
        let mut alarm = Alarm::of(&account, &spec, Time(0));
        alarm.evaluation_periods = periods;
        alarm.datapoints_to_alarm = Some(to_alarm);
        alarm.treat_missing = Some(missing);
        alarm
    }

    /// `0`, `X` and `-` are a good, a breaching and a missing point, the latest last.
    fn decided(row: &str, periods: usize, to_alarm: usize, missing: Treatment) -> Option<&'static str> {
        let point = |c| match c {
            '0' => Some(0.0),
            'X' => Some(10.0),
            _ => None,
        };
        let points: Vec<Point> = row.chars().rev().map(point).collect();
        alarm(periods, to_alarm, missing).decide(&points).map(Value::name)
    }

    #[test]
    fn missing_data_is_treated_as_documented() {
        const OK: Option<&str> = Some("OK");
        const ALARM: Option<&str> = Some("ALARM");
        const UNKNOWN: Option<&str> = Some("INSUFFICIENT_DATA");
        const SAME: Option<&str> = None;
        let treatments =
            [Treatment::Missing, Treatment::Ignore, Treatment::Breaching, Treatment::NotBreaching];
        for (row, to_alarm, expected) in [
            ("0-X-X", 3, [OK, OK, OK, OK]),
            ("0----", 3, [OK, OK, OK, OK]),
            ("-----", 3, [UNKNOWN, SAME, ALARM, OK]),
            ("0XX-X", 3, [ALARM, ALARM, ALARM, ALARM]),
            ("--X--", 3, [ALARM, SAME, ALARM, OK]),
            ("0-X-X", 2, [ALARM, ALARM, ALARM, ALARM]),
            ("00X0X", 2, [ALARM, ALARM, ALARM, ALARM]),
            ("0-X--", 2, [OK, OK, ALARM, OK]),
            ("----0", 2, [OK, OK, ALARM, OK]),
            ("---X-", 2, [ALARM, SAME, ALARM, OK]),
        ] {
            for (treatment, expected) in treatments.into_iter().zip(expected) {
                assert_eq!(
                    decided(row, 3, to_alarm, treatment),
                    expected,
                    "{row}, {to_alarm}, {treatment:?}"
                );
            }
        }
    }

    #[test]
    fn errors_raise_the_alarm_at_the_period_s_end_and_it_clears_later() {
        let mut metrics = Metrics::default();
        let mut alarm = alarm(1, 1, Treatment::NotBreaching);
        let arn = |kind: &str| format!("arn:aws:elasticloadbalancing:eu-central-1:222222222222:{kind}");
        let error = Passed {
            load_balancer: arn(&format!("loadbalancer/{}", alarm.metric.dimensions[0].1)).into(),
            target_group: Some(arn("targetgroup/green/0b").into()),
            target_status: Some(500),
            status: 500,
            seconds: 0.1,
        };
        let errors =
            |metrics: &mut Metrics, at, count| (0..count).for_each(|_| metrics.record(Time(at), &error));
        errors(&mut metrics, 65_000, 4);
        alarm.advance(&metrics, Time(120_000));
        assert_eq!(alarm.state.value, Value::Ok);
        errors(&mut metrics, 125_000, 5);
        alarm.advance(&metrics, Time(179_999));
        assert_eq!(alarm.state.value, Value::Ok);
        alarm.advance(&metrics, Time(180_000));
        assert_eq!(alarm.state.value, Value::Alarm);
        assert_eq!(alarm.state.transitioned, Time(180_000));
        assert_eq!(
            alarm.state.reason,
            "Threshold Crossed: 1 out of the last 1 datapoints [5.0 (01/01/70 00:02:00)] was greater than or equal to \
             the threshold (5.0) (minimum 1 datapoint for OK -> ALARM transition)."
        );
        // The last real data counts as long as it is within reach.
        alarm.advance(&metrics, Time(300_000));
        assert_eq!(alarm.state.value, Value::Alarm);
        alarm.advance(&metrics, Time(360_000));
        assert_eq!(alarm.state.value, Value::Ok);
        assert!(alarm.state.reason.contains("treated as [NonBreaching]"), "{}", alarm.state.reason);
        assert_eq!(alarm.due, Time(420_000));
    }

    #[test]
    fn a_long_sleep_is_caught_up_with() {
        let metrics = Metrics::default();
        let mut alarm = alarm(1, 1, Treatment::Missing);
        alarm.advance(&metrics, Time(1_000_000_000));
        assert_eq!(alarm.state.value, Value::InsufficientData);
        assert!(alarm.due > Time(1_000_000_000));
    }
}
