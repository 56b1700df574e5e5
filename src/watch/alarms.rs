//! Alarms during a run: all in one call, told when their state changes.

use crate::{
    aws::{Clients, Failure},
    event::Event,
    report::Reporter,
    say::watch as say,
};
use aws_sdk_cloudwatch::types::AlarmType;
use std::{collections::BTreeMap, time::Duration};

/// One call takes so many names.
const PAGE: usize = 100;
/// CloudWatch evaluates a metric alarm once a minute, or with its period when that is shorter.
const EVALUATED: Duration = Duration::from_secs(60);
/// The shortest period that an alarm can have.
const SHORTEST: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlarmNow {
    pub name: String,
    /// `OK`, `ALARM`, `INSUFFICIENT_DATA`
    pub state: String,
    pub reason: String,
    /// Of a metric alarm; a composite one has none.
    pub period: Option<Duration>,
}

impl AlarmNow {
    pub fn in_alarm(&self) -> bool {
        self.state == "ALARM"
    }
}

/// The alarms by their names, as they are now. A name that nothing has is missing in the answer.
pub async fn describe(clients: &Clients, names: &[String]) -> Result<Vec<AlarmNow>, Failure> {
    let mut found = Vec::new();
    for names in names.chunks(PAGE) {
        // Without the types, composite alarms would be missing.
        let answer = clients
            .cloudwatch()
            .describe_alarms()
            .set_alarm_names(Some(names.to_vec()))
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm)
            .max_records(100)
            .send()
            .await
            .map_err(clients.failed("cloudwatch:DescribeAlarms"))?;
        let alarm = |name: Option<&str>, state: Option<&str>, reason: Option<&str>, period: Option<i32>| {
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            let period = period.and_then(|p| u64::try_from(p).ok()).map(Duration::from_secs);
            AlarmNow { name: text(name), state: text(state), reason: text(reason), period }
        };
        found.extend(answer.metric_alarms().iter().map(|a| {
            alarm(a.alarm_name(), a.state_value().map(|s| s.as_str()), a.state_reason(), a.period())
        }));
        found.extend(
            answer
                .composite_alarms()
                .iter()
                .map(|a| alarm(a.alarm_name(), a.state_value().map(|s| s.as_str()), a.state_reason(), None)),
        );
    }
    Ok(found)
}

#[derive(Debug, Default)]
pub struct AlarmWatch {
    names: Vec<String>,
    /// Those that nobody but the run acts on.
    ours: Vec<String>,
    states: BTreeMap<String, AlarmNow>,
    tripped: BTreeMap<String, AlarmNow>,
    next: Duration,
    /// They can't be read.
    blind: bool,
}

impl AlarmWatch {
    pub fn new(names: &[String], ours: &[String]) -> AlarmWatch {
        AlarmWatch { names: names.to_vec(), ours: ours.to_vec(), ..AlarmWatch::default() }
    }

    /// Those that went into ALARM during the run, whatever they are now.
    pub fn tripped(&self) -> impl Iterator<Item = &AlarmNow> {
        self.tripped.values()
    }

    /// Looks when a look can tell something new, and tells what changed. Answers an alarm that
    /// the run has to act on.
    pub async fn look(&mut self, clients: &Clients, report: &Reporter, now: Duration) -> Option<AlarmNow> {
        if now < self.next {
            return None;
        }
        self.next = now + self.read(clients, report).await?;
        self.ours.iter().filter_map(|name| self.states.get(name)).find(|alarm| alarm.in_alarm()).cloned()
    }

    /// Looks whenever the last look was.
    pub async fn look_once_more(&mut self, clients: &Clients, report: &Reporter) {
        self.read(clients, report).await;
    }

    /// Answers when the next look can tell something new.
    async fn read(&mut self, clients: &Clients, report: &Reporter) -> Option<Duration> {
        if self.names.is_empty() || self.blind {
            return None;
        }
        let seen = match describe(clients, &self.names).await {
            Ok(seen) => seen,
            Err(failure) if failure.may_pass() => return None,
            Err(failure) => {
                self.blind = true;
                let text = say::alarms_unseen(&failure, &self.ours);
                report.tell(match self.ours.is_empty() {
                    true => Event::Note { text },
                    false => Event::Warning { text },
                });
                return None;
            }
        };
        let rhythm = rhythm(&seen, &self.ours);
        for alarm in self.take(seen) {
            report.tell(Event::Alarm {
                reason: Some(alarm.reason).filter(|reason| alarm.state != "OK" && !reason.is_empty()),
                name: alarm.name,
                state: alarm.state,
            });
        }
        Some(rhythm)
    }

    /// Answers those whose state is another than before.
    fn take(&mut self, seen: Vec<AlarmNow>) -> Vec<AlarmNow> {
        let mut changed = Vec::new();
        for alarm in seen {
            let known = self.states.insert(alarm.name.clone(), alarm.clone());
            if alarm.in_alarm() {
                self.tripped.insert(alarm.name.clone(), alarm.clone());
            }
            if known.is_none_or(|known| known.state != alarm.state) {
                changed.push(alarm);
            }
        }
        changed
    }
}

/// As often as an alarm can change; those that the run acts on twice as often, so that half a
/// period is lost at the most.
fn rhythm(alarms: &[AlarmNow], ours: &[String]) -> Duration {
    let periods = alarms.iter().map(|alarm| {
        let period = alarm.period.unwrap_or(EVALUATED).clamp(SHORTEST, EVALUATED);
        if ours.contains(&alarm.name) { period / 2 } else { period }
    });
    periods.min().unwrap_or(EVALUATED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(name: &str, state: &str, period: u64) -> AlarmNow {
        let period = Some(Duration::from_secs(period));
        AlarmNow { name: name.into(), state: state.into(), reason: "why".into(), period }
    }

    #[test]
    fn only_changes_are_told_and_a_trip_is_kept() {
        let names = ["a".to_owned(), "b".to_owned()];
        let mut watch = AlarmWatch::new(&names, &names[..1]);
        let mut told = |seen: Vec<AlarmNow>| watch.take(seen).into_iter().map(|a| a.name).collect::<Vec<_>>();
        assert_eq!(told(vec![alarm("a", "OK", 60), alarm("b", "OK", 60)]), ["a", "b"]);
        assert!(told(vec![alarm("a", "OK", 60), alarm("b", "OK", 60)]).is_empty());
        assert_eq!(told(vec![alarm("a", "OK", 60), alarm("b", "ALARM", 60)]), ["b"]);
        assert_eq!(told(vec![alarm("a", "OK", 60), alarm("b", "OK", 60)]), ["b"]);
        assert_eq!(watch.tripped().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn no_look_is_made_that_can_tell_nothing_new() {
        let seconds = Duration::from_secs;
        let alarms = [alarm("a", "OK", 60), alarm("b", "OK", 300)];
        assert_eq!(rhythm(&alarms, &[]), seconds(60));
        assert_eq!(rhythm(&alarms, &["a".to_owned()]), seconds(30));
        assert_eq!(rhythm(&[alarm("a", "OK", 1)], &[]), seconds(10));
        assert_eq!(rhythm(&[], &[]), seconds(60));
    }
}
