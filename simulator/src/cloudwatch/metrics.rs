//! What the load balancers measure: counted in short spans of the world's time as requests
//! pass, put together into periods when somebody asks.

use super::Passed;
use crate::Time;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

/// The span that requests are counted in, the shortest period that can be asked for.
pub(super) const RESOLUTION: Duration = Duration::from_secs(10);

/// How many spans are kept: six hours.
const KEPT: usize = 6 * 360;

pub(super) const NAMESPACE: &str = "AWS/ApplicationELB";

/// A load balancer, or a target group behind it.
type Source = (Arc<str>, Option<Arc<str>>);

/// Everything measured so far.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    sources: BTreeMap<Source, VecDeque<Span>>,
}

/// A metric as it is named in a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Metric {
    pub(super) account: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) dimensions: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Statistic {
    SampleCount,
    Average,
    Sum,
    Minimum,
    Maximum,
    Percentile(f64),
}

/// The samples of a metric in a period. Their spread is kept in steps of two percent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Samples {
    count: u64,
    sum: f64,
    least: f64,
    most: f64,
    spread: BTreeMap<i32, u64>,
}

#[derive(Debug, Default)]
struct Span {
    /// The span's beginning.
    at: i64,
    requests: u64,
    /// By class: 2xx to 5xx.
    target: [u64; 4],
    /// The balancer's own answers, by status.
    own: BTreeMap<u16, u64>,
    response_time: Samples,
    /// How many targets were healthy and unhealthy.
    hosts: Option<(u32, u32)>,
}

impl Metrics {
    pub(super) fn record(&mut self, now: Time, passed: &Passed) {
        let all = self.span(now, passed.load_balancer.clone(), None);
        all.record(passed);
        if passed.target_status.is_none() {
            *all.own.entry(passed.status).or_default() += 1;
        }
        if let Some(group) = &passed.target_group {
            self.span(now, passed.load_balancer.clone(), Some(group.clone())).record(passed);
        }
    }

    /// Counts a group's targets. That there are some is also why a minute without a request
    /// is one of nought requests.
    pub(super) fn count_hosts(
        &mut self,
        now: Time,
        balancer: Arc<str>,
        group: Arc<str>,
        healthy: u32,
        unhealthy: u32,
    ) {
        self.span(now, balancer.clone(), None);
        self.span(now, balancer, Some(group)).hosts = Some((healthy, unhealthy));
    }

    /// The samples of `from` (included) to `to` (excluded), if there are any.
    pub(super) fn samples(&self, metric: &Metric, from: Time, to: Time) -> Option<Samples> {
        let spans = self.spans(metric)?;
        let mut together: Option<Samples> = None;
        // The latest are asked for as a rule.
        let asked = spans.iter().rev().skip_while(|s| s.at >= to.0).take_while(|s| s.at >= from.0);
        for samples in asked.filter_map(|s| s.samples(&metric.name)) {
            together.get_or_insert_default().join(&samples);
        }
        together
    }

    /// When the first sample that is kept was taken, of whatever the same source measures.
    pub(super) fn since(&self, metric: &Metric) -> Option<Time> {
        self.spans(metric)?.front().map(|span| Time(span.at))
    }

    /// The metrics of an account that have data.
    pub(super) fn list(&self, account: &str) -> Vec<Metric> {
        const NAMES: [&str; 15] = [
            "RequestCount",
            "HTTPCode_Target_2XX_Count",
            "HTTPCode_Target_3XX_Count",
            "HTTPCode_Target_4XX_Count",
            "HTTPCode_Target_5XX_Count",
            "HTTPCode_ELB_3XX_Count",
            "HTTPCode_ELB_4XX_Count",
            "HTTPCode_ELB_5XX_Count",
            "HTTPCode_ELB_500_Count",
            "HTTPCode_ELB_502_Count",
            "HTTPCode_ELB_503_Count",
            "HTTPCode_ELB_504_Count",
            "TargetResponseTime",
            "HealthyHostCount",
            "UnHealthyHostCount",
        ];
        let mut listed = Vec::new();
        for ((balancer, group), spans) in self.sources.iter().filter(|((b, _), _)| account_of(b) == account) {
            let mut dimensions = vec![("LoadBalancer".to_owned(), balancer_dimension(balancer).to_owned())];
            if let Some(group) = group {
                dimensions.insert(0, ("TargetGroup".to_owned(), last_part(group).to_owned()));
            }
            for name in NAMES.iter().filter(|name| spans.iter().any(|s| s.samples(name).is_some())) {
                listed.push(Metric {
                    account: account.to_owned(),
                    namespace: NAMESPACE.to_owned(),
                    name: (*name).to_owned(),
                    dimensions: dimensions.clone(),
                });
            }
        }
        listed
    }

    fn spans(&self, metric: &Metric) -> Option<&VecDeque<Span>> {
        if metric.namespace != NAMESPACE {
            return None;
        }
        let mut balancer = None;
        let mut group = None;
        for (name, value) in &metric.dimensions {
            match name.as_str() {
                "LoadBalancer" => balancer = Some(value.as_str()),
                "TargetGroup" => group = Some(value.as_str()),
                _ => return None,
            }
        }
        let balancer = balancer?;
        let found = self.sources.iter().find(|((b, g), _)| {
            account_of(b) == metric.account
                && balancer_dimension(b) == balancer
                && g.as_deref().map(last_part) == group
        });
        found.map(|(_, spans)| spans)
    }

    fn span(&mut self, now: Time, balancer: Arc<str>, group: Option<Arc<str>>) -> &mut Span {
        let length = RESOLUTION.as_millis() as i64;
        let at = now.0 - now.0.rem_euclid(length);
        let spans = self.sources.entry((balancer, group)).or_default();
        if spans.back().is_none_or(|last| last.at < at) {
            if spans.len() == KEPT {
                spans.pop_front();
            }
            spans.push_back(Span { at, ..Span::default() });
        }
        let last = spans.len() - 1;
        &mut spans[last]
    }
}

impl Span {
    fn record(&mut self, passed: &Passed) {
        // A request for which no target could be chosen isn't counted as one.
        if passed.target_group.is_some() {
            self.requests += 1;
        }
        if let Some(status) = passed.target_status {
            if let Some(class) = usize::from(status / 100).checked_sub(2).filter(|class| *class < 4) {
                self.target[class] += 1;
            }
            self.response_time.add(passed.seconds);
        }
    }

    fn samples(&self, metric: &str) -> Option<Samples> {
        let own = |statuses: std::ops::Range<u16>| {
            Samples::ones(self.own.range(statuses).map(|(_, count)| *count).sum())
        };
        match metric {
            "RequestCount" if self.requests == 0 => Some(Samples::one(0.0)),
            "RequestCount" => Samples::ones(self.requests),
            "HTTPCode_Target_2XX_Count" => Samples::ones(self.target[0]),
            "HTTPCode_Target_3XX_Count" => Samples::ones(self.target[1]),
            "HTTPCode_Target_4XX_Count" => Samples::ones(self.target[2]),
            "HTTPCode_Target_5XX_Count" => Samples::ones(self.target[3]),
            "HTTPCode_ELB_3XX_Count" => own(300..400),
            "HTTPCode_ELB_4XX_Count" => own(400..500),
            "HTTPCode_ELB_5XX_Count" => own(500..600),
            "HTTPCode_ELB_500_Count" => own(500..501),
            "HTTPCode_ELB_502_Count" => own(502..503),
            "HTTPCode_ELB_503_Count" => own(503..504),
            "HTTPCode_ELB_504_Count" => own(504..505),
            "TargetResponseTime" => Some(self.response_time.clone()).filter(|t| t.count > 0),
            "HealthyHostCount" => self.hosts.map(|(healthy, _)| Samples::one(healthy.into())),
            "UnHealthyHostCount" => self.hosts.map(|(_, unhealthy)| Samples::one(unhealthy.into())),
            _ => None,
        }
    }
}

impl Samples {
    pub(super) fn get(&self, statistic: Statistic) -> f64 {
        match statistic {
            Statistic::SampleCount => self.count as f64,
            Statistic::Sum => self.sum,
            Statistic::Average => self.sum / self.count as f64,
            Statistic::Minimum => self.least,
            Statistic::Maximum => self.most,
            Statistic::Percentile(percent) => self.percentile(percent),
        }
    }

    fn one(value: f64) -> Samples {
        let mut samples = Samples::default();
        samples.add(value);
        samples
    }

    /// As many samples of one: what has happened so often. `None` when it hasn't at all, as such
    /// a metric isn't published then.
    fn ones(count: u64) -> Option<Samples> {
        (count > 0).then(|| Samples {
            count,
            sum: count as f64,
            least: 1.0,
            most: 1.0,
            spread: BTreeMap::from([(step(1.0), count)]),
        })
    }

    fn add(&mut self, value: f64) {
        let first = self.count == 0;
        self.least = if first { value } else { self.least.min(value) };
        self.most = if first { value } else { self.most.max(value) };
        self.count += 1;
        self.sum += value;
        *self.spread.entry(step(value)).or_default() += 1;
    }

    fn join(&mut self, other: &Samples) {
        let first = self.count == 0;
        self.least = if first { other.least } else { self.least.min(other.least) };
        self.most = if first { other.most } else { self.most.max(other.most) };
        self.count += other.count;
        self.sum += other.sum;
        for (step, count) in &other.spread {
            *self.spread.entry(*step).or_default() += count;
        }
    }

    fn percentile(&self, percent: f64) -> f64 {
        let wanted = (percent / 100.0 * self.count as f64).ceil();
        let mut passed = 0.0;
        for (step, count) in &self.spread {
            passed += *count as f64;
            if passed >= wanted {
                let middle = if *step == i32::MIN { 0.0 } else { 1.02_f64.powf(f64::from(*step) + 0.5) };
                return middle.clamp(self.least, self.most);
            }
        }
        self.most
    }
}

fn step(value: f64) -> i32 {
    if value > 0.0 { (value.ln() / 1.02_f64.ln()).floor() as i32 } else { i32::MIN }
}

impl Statistic {
    /// `Sum`, `Average`, … or a percentile, `p95`.
    pub(super) fn parse(name: &str) -> Option<Statistic> {
        Some(match name {
            "SampleCount" => Statistic::SampleCount,
            "Average" => Statistic::Average,
            "Sum" => Statistic::Sum,
            "Minimum" => Statistic::Minimum,
            "Maximum" => Statistic::Maximum,
            _ => {
                let percent: f64 = name.strip_prefix('p')?.parse().ok()?;
                Statistic::Percentile(Some(percent).filter(|p| (0.0..=100.0).contains(p))?)
            }
        })
    }
}

pub(super) fn unit(metric: &str) -> &'static str {
    if metric == "TargetResponseTime" { "Seconds" } else { "Count" }
}

fn account_of(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or_default()
}

/// `app/name/id` of a load balancer's ARN.
fn balancer_dimension(arn: &str) -> &str {
    arn.split_once(":loadbalancer/").map_or("", |(_, path)| path)
}

/// `targetgroup/name/id` of a group's ARN.
fn last_part(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const BALANCER: &str = "arn:aws:elasticloadbalancing:eu-central-1:222222222222:loadbalancer/app/front/0a";
    const GROUP: &str = "arn:aws:elasticloadbalancing:eu-central-1:222222222222:targetgroup/blue/0b";

    fn passed(target_status: Option<u16>, status: u16, seconds: f64) -> Passed {
        Passed {
            load_balancer: BALANCER.into(),
            target_group: (status != 503).then(|| GROUP.into()),
            target_status,
            status,
            seconds,
        }
    }

    fn sum(metrics: &Metrics, name: &str, group: bool, from: i64, to: i64) -> Option<f64> {
        let mut dimensions = vec![("LoadBalancer".to_owned(), "app/front/0a".to_owned())];
        if group {
            dimensions.push(("TargetGroup".to_owned(), "targetgroup/blue/0b".to_owned()));
        }
        let metric = Metric {
            account: "222222222222".into(),
            namespace: NAMESPACE.into(),
            name: name.into(),
            dimensions,
        };
        metrics.samples(&metric, Time(from), Time(to)).map(|s| s.get(Statistic::Sum))
    }

    #[test]
    fn requests_are_counted_where_they_belong() {
        let mut metrics = Metrics::default();
        for second in 0..90 {
            metrics.record(Time(second * 1000), &passed(Some(200), 200, 0.1));
        }
        metrics.record(Time(70_000), &passed(Some(500), 500, 0.1));
        metrics.record(Time(71_000), &passed(None, 502, 0.0));
        metrics.record(Time(72_000), &passed(None, 503, 0.0));
        assert_eq!(sum(&metrics, "RequestCount", false, 0, 60_000), Some(60.0));
        assert_eq!(sum(&metrics, "RequestCount", true, 60_000, 120_000), Some(32.0));
        assert_eq!(sum(&metrics, "HTTPCode_Target_2XX_Count", true, 0, 120_000), Some(90.0));
        // Errors are published only when there are some.
        assert_eq!(sum(&metrics, "HTTPCode_Target_5XX_Count", false, 0, 60_000), None);
        assert_eq!(sum(&metrics, "HTTPCode_Target_5XX_Count", false, 60_000, 120_000), Some(1.0));
        assert_eq!(sum(&metrics, "HTTPCode_ELB_5XX_Count", false, 60_000, 120_000), Some(2.0));
        assert_eq!(sum(&metrics, "HTTPCode_ELB_502_Count", false, 60_000, 120_000), Some(1.0));
        assert_eq!(sum(&metrics, "HTTPCode_ELB_5XX_Count", true, 60_000, 120_000), None);
        assert_eq!(sum(&metrics, "Nothing", false, 0, 120_000), None);
        assert_eq!(sum(&metrics, "RequestCount", false, 120_000, 180_000), None);
        let listed = metrics.list("222222222222");
        assert!(listed.iter().any(|m| m.name == "TargetResponseTime" && m.dimensions.len() == 2));
        assert!(!listed.iter().any(|m| m.name == "HealthyHostCount"));
        assert!(metrics.list("111111111111").is_empty());
    }

    #[test]
    fn a_minute_with_targets_and_without_requests_has_nought() {
        let mut metrics = Metrics::default();
        metrics.count_hosts(Time(60_000), BALANCER.into(), GROUP.into(), 2, 1);
        assert_eq!(sum(&metrics, "RequestCount", false, 60_000, 120_000), Some(0.0));
        assert_eq!(sum(&metrics, "UnHealthyHostCount", true, 60_000, 120_000), Some(1.0));
        assert_eq!(sum(&metrics, "HTTPCode_Target_2XX_Count", false, 60_000, 120_000), None);
    }

    #[test]
    fn statistics_of_response_times() {
        let mut samples = Samples::default();
        for millis in 1..=100 {
            samples.add(f64::from(millis) / 1000.0);
        }
        assert_eq!(samples.get(Statistic::SampleCount), 100.0);
        assert!((samples.get(Statistic::Average) - 0.0505).abs() < 1e-9);
        assert_eq!(samples.get(Statistic::Minimum), 0.001);
        assert_eq!(samples.get(Statistic::Maximum), 0.1);
        for (name, exact) in [("p50", 0.05), ("p95", 0.095), ("p100", 0.1)] {
            let value = samples.get(Statistic::parse(name).unwrap());
            assert!((value / exact - 1.0).abs() < 0.02, "{name}: {value}");
        }
        assert_eq!(Statistic::parse("p101"), None);
        assert_eq!(Statistic::parse("tm90"), None);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut metrics = Metrics::default();
        for span in 0..(KEPT as i64 + 10) {
            metrics.record(Time(span * 10_000), &passed(Some(200), 200, 0.1));
        }
        assert!(metrics.sources.values().all(|spans| spans.len() == KEPT));
    }
}
