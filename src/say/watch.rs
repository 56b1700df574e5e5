//! What is said about what is watched beside a deployment: alarms, green's start.

use super::{current::unseen, explain::named};
use crate::{aws::Failure, outcome::Finding, report::foreign::cut, watch::AlarmNow};

/// Characters of a reason that the end tells in full.
const WORDS: usize = 100;

pub fn alarms_unseen(failure: &Failure, ours: &[String]) -> String {
    match ours {
        [] => unseen(failure, "the alarms' states are not shown; CodeDeploy watches its group's own"),
        ours => {
            let names = super::list(ours.iter().map(String::as_str));
            unseen(failure, &format!("nobody watches {names} during this deployment"))
        }
    }
}

pub fn start_unseen(failure: &Failure) -> String {
    unseen(failure, "green that can't start is waited for as long as CodeDeploy waits")
}

/// An alarm of the configuration, which nobody but the run acts on.
pub fn tripped(alarm: &AlarmNow) -> Finding {
    Finding::new(
        went_off(alarm),
        "See what it watches in the new version. It is an alarm of the configuration: this run stopped the deployment for it.",
    )
}

pub fn went_off(alarm: &AlarmNow) -> String {
    let reason = match alarm.reason.trim() {
        "" => ".".to_owned(),
        reason => format!(": {}.", reason.trim_end_matches('.')),
    };
    format!("Alarm `{}` went into ALARM during the deployment{reason}", alarm.name)
}

pub fn stops_for_alarm(alarm: &AlarmNow) -> String {
    format!("alarm {} is in ALARM: stopping the deployment and rolling it back", alarm.name)
}

pub fn stops_for_tasks(count: usize, words: &str) -> String {
    let words = named(words);
    format!(
        "{count} of green's tasks stopped for one reason and none is healthy ({}): stopping the deployment and rolling it back",
        cut(&words, WORDS)
    )
}
