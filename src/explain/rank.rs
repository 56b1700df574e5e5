//! The likeliest cause among what was gathered. Pure.

use super::{Failed, Gathered, Hook, Targets};
use crate::{deployment::Cause, outcome::Finding, task::Group, watch::AlarmNow};

#[derive(Clone, Debug)]
pub enum Likeliest {
    /// The run itself stopped it, and knows why.
    Ours(Finding),
    /// An alarm of the group; none by name when CodeDeploy's words name one that isn't known.
    Alarm(Vec<AlarmNow>),
    /// Nobody let it go on from Ready.
    ReadyWait,
    /// A lifecycle event's function said no, or nothing for an hour.
    Hook { hook: Hook, silent: bool },
    /// Somebody called StopDeployment.
    StoppedOutside,
    /// Green's tasks stopped.
    Tasks(Group),
    /// Green's targets don't pass their health check.
    Unhealthy(Targets),
    /// The service can't place or start green's tasks.
    Unplaced(String),
    /// CodeDeploy's words are all there is.
    Said,
}

/// CodeDeploy shares codes between causes, so its words and the lifecycle events decide first.
pub fn rank(failed: &Failed<'_>, found: &Gathered) -> Likeliest {
    let nothing = Cause { code: String::new(), message: String::new() };
    let error = failed.error.unwrap_or(&nothing);
    let said = |words: &str| error.message.contains(words);
    if let Some(finding) = &failed.stopped_for {
        return Likeliest::Ours(finding.clone());
    }
    if error.code == "ALARM_ACTIVE" {
        return Likeliest::Alarm(named(&error.message, &failed.alarms));
    }
    let stood = |name: &str| found.done.iter().any(|done| done == name);
    let at_ready = error.code == "TIMEOUT" && stood("Install") && !stood("BeforeAllowTraffic");
    if said("waiting for a notification to continue") || at_ready && error.message.is_empty() {
        return Likeliest::ReadyWait;
    }
    let silent = said("waiting for a status callback");
    if silent || error.code == "HOOK_EXECUTION_FAILURE" || said("validation functions failed") {
        return Likeliest::Hook { hook: found.hook.clone().unwrap_or_default(), silent };
    }
    if failed.gave_up_after.is_none() && (error.code == "MANUAL_STOP" || said("stopped by request")) {
        return Likeliest::StoppedOutside;
    }
    if let Some(group) = found.tasks.first() {
        return Likeliest::Tasks(group.clone());
    }
    if let Some(targets) = &found.targets {
        return Likeliest::Unhealthy(targets.clone());
    }
    match found.events.iter().find(|event| event.contains("unable to")) {
        Some(event) => Likeliest::Unplaced(event.clone()),
        None => Likeliest::Said,
    }
}

/// The alarms that CodeDeploy's message names, else all that are in ALARM.
fn named(message: &str, alarms: &[AlarmNow]) -> Vec<AlarmNow> {
    let named: Vec<AlarmNow> =
        alarms.iter().filter(|alarm| message.contains(&format!("<{}>", alarm.name))).cloned().collect();
    if named.is_empty() { alarms.to_vec() } else { named }
}
