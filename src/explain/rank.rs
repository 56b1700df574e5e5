//! The likeliest cause among what was gathered. Pure.

use super::{Gathered, Hook, Known, Targets};
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
pub fn rank(known: &Known<'_>, found: &Gathered) -> Likeliest {
    let nothing = Cause { code: String::new(), message: String::new() };
    let error = known.error.unwrap_or(&nothing);
    let said = |words: &str| error.message.contains(words);
    if let Some(finding) = &known.stopped_for {
        return Likeliest::Ours(finding.clone());
    }
    if error.code == "ALARM_ACTIVE" {
        return Likeliest::Alarm(named(&error.message, &known.alarms));
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
    if known.gave_up_after.is_none() && (error.code == "MANUAL_STOP" || said("stopped by request")) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Ended;

    fn ranked(code: &str, message: &str, found: &Gathered) -> Likeliest {
        let error = Cause { code: code.into(), message: message.into() };
        rank(&Known { error: Some(&error), ..Known::default() }, found)
    }

    fn crashed() -> Gathered {
        Gathered { tasks: vec![Group { count: 3, one: Ended::default() }], ..Gathered::default() }
    }

    #[test]
    fn one_code_has_two_causes_that_the_words_tell_apart() {
        let ready = "The deployment timed out while waiting for a notification to continue. This time out period is 5 minutes.";
        assert!(matches!(ranked("TIMEOUT", ready, &crashed()), Likeliest::ReadyWait));
        let install =
            "The deployment timed out while waiting for the replacement task set to become healthy.";
        assert!(matches!(ranked("TIMEOUT", install, &crashed()), Likeliest::Tasks(_)));
        let stood =
            Gathered { done: vec!["Install".into(), "AllowTestTraffic".into()], ..Gathered::default() };
        assert!(matches!(ranked("TIMEOUT", "", &stood), Likeliest::ReadyWait));
    }

    #[test]
    fn a_hook_that_is_silent_is_told_from_one_that_says_no() {
        let silent = "The deployment timed out while waiting for a status callback.";
        assert!(matches!(
            ranked("HOOK_EXECUTION_FAILURE", silent, &crashed()),
            Likeliest::Hook { silent: true, .. }
        ));
        let no = "one or more of the lifecycle event validation functions failed.";
        assert!(matches!(ranked("", no, &crashed()), Likeliest::Hook { silent: false, .. }));
    }

    #[test]
    fn a_stop_is_somebodys_unless_it_was_ours() {
        let stop =
            Cause { code: "MANUAL_STOP".into(), message: "The deployment was stopped by request.".into() };
        let known = |gave_up_after, stopped_for| Known {
            error: Some(&stop),
            gave_up_after,
            stopped_for,
            ..Known::default()
        };
        assert!(matches!(rank(&known(None, None), &crashed()), Likeliest::StoppedOutside));
        assert!(matches!(rank(&known(Some(3), None), &crashed()), Likeliest::Tasks(_)));
        let ours = Some(Finding::new("a check failed", ""));
        assert!(matches!(rank(&known(None, ours), &crashed()), Likeliest::Ours(_)));
    }

    #[test]
    fn the_alarm_that_codedeploy_names_is_the_cause() {
        let error = Cause { code: "ALARM_ACTIVE".into(), message: "Activated alarms: <b>".into() };
        let alarm = |name: &str| AlarmNow { name: name.into(), ..AlarmNow::default() };
        let known = Known { error: Some(&error), alarms: vec![alarm("a"), alarm("b")], ..Known::default() };
        match rank(&known, &crashed()) {
            Likeliest::Alarm(alarms) => assert_eq!(alarms, [alarm("b")]),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_stopped_tasks_targets_and_then_events_tell() {
        let mut found = Gathered {
            targets: Some(Targets::default()),
            events: vec!["was unable to place a task because of x.".into()],
            ..Gathered::default()
        };
        assert!(matches!(ranked("TIMEOUT", "x", &found), Likeliest::Unhealthy(_)));
        found.targets = None;
        assert!(matches!(ranked("TIMEOUT", "x", &found), Likeliest::Unplaced(_)));
        found.events.clear();
        assert!(matches!(ranked("TIMEOUT", "x", &found), Likeliest::Said));
    }
}
