//! What is said about one-off tasks: how they ended, and what to do when it wasn't well.

use super::{
    checks::{reached, span},
    deployment::duration,
};
use crate::{
    checks::Moment,
    one_off::End,
    outcome::Finding,
    request::OneOff,
    task::{Ended, LogPlace, Why},
};

/// What ECS keeps as the reason of a stop.
pub const STOP_CANCELLED: &str = "Stopped by Greenlight: the run was cancelled";
pub const STOP_TIMED_OUT: &str = "Stopped by Greenlight: its time was over";
pub const STOP_DONE: &str = "Stopped by Greenlight: the container that decides has ended";
pub const STOP_UNSEEN: &str = "Stopped by Greenlight: it can't be followed";
pub const NO_ANSWER: &str = "no answer in time";

pub fn name(task: &OneOff) -> String {
    format!("task `{}`", task.command.join(" "))
}

pub fn limit(task: &OneOff) -> String {
    format!("exit code 0 within {}", span(task.timeout))
}

/// As a step of the plan.
pub fn step(task: &OneOff) -> String {
    let container = task.container.as_deref().unwrap_or_default();
    format!("run {} in container {container} of the new revision: {}", name(task), limit(task))
}

pub fn started(arn: &str) -> String {
    format!("Task {} is started.", id(arn))
}

pub fn followed(arn: &str) -> String {
    format!(
        "Task {}, which an earlier run started, still runs: it is followed, no other is started.",
        id(arn)
    )
}

pub fn not_placed_yet(words: &str) -> String {
    format!("ECS has no place for the task yet ({words}); it is asked again.")
}

pub fn not_stopped(arn: &str, why: &str) -> String {
    format!(
        "Task {} may still run: ECS was asked to stop it and didn't say that it does ({why}). Stop it by hand.",
        id(arn)
    )
}

pub fn log_elsewhere(place: &LogPlace) -> String {
    match place {
        LogPlace::CloudWatch { region, group, .. } => {
            format!(
                "The task's log is in log group {group} of {}.",
                region.as_deref().unwrap_or("another region")
            )
        }
        LogPlace::Elsewhere(driver) => {
            format!("The task's log goes elsewhere ({driver}) and isn't shown here.")
        }
        LogPlace::Nowhere => {
            "The task's container has no log configuration: what it writes isn't kept.".to_owned()
        }
    }
}

pub fn log_unread(why: &str) -> String {
    format!("The task's log can't be shown: {why}.")
}

pub fn measured(end: &End) -> String {
    match end {
        End::Well { took } => format!("exit code 0 after {}", duration(*took)),
        End::Failed(ended) => failed(ended),
        End::Overtaken => "another container had ended first and stopped the task".to_owned(),
        End::TimedOut { stopped: true } => "no end in time: it was stopped".to_owned(),
        End::TimedOut { stopped: false } => "no end in time".to_owned(),
        End::Cancelled { stopped: true } => "the run was cancelled: it was stopped".to_owned(),
        End::Cancelled { stopped: false } => "the run was cancelled, and it may still run".to_owned(),
        End::NotPlaced(words) => format!("ECS had no place for it: {words}"),
        End::Unseen(failure) => failure.to_string(),
    }
}

fn failed(ended: &Ended) -> String {
    match ended.why() {
        Why::OutOfMemory => "it ran out of memory and was killed".to_owned(),
        Why::Exited(137) => "exit code 137: it was killed".to_owned(),
        Why::Exited(code) => format!("exit code {code}"),
        _ => format!("it didn't end by itself: {}", ended.words()),
    }
}

pub fn cancelled(task: &OneOff, end: &End) -> Finding {
    Finding::new(
        format!("{} was under way: {}.", super::inputs::capital(&name(task)), measured(end)),
        "See what it has done before the next run repeats it.",
    )
}

pub fn before_failed(task: &OneOff, end: &End) -> Finding {
    Finding::new(
        format!(
            "{}, which has to end well before the deployment starts, didn't: {}; wanted {}.",
            super::inputs::capital(&name(task)),
            measured(end),
            limit(task)
        ),
        fix(end, "no deployment was started; what the task itself did stays done"),
    )
}

pub fn check_failed(moment: Moment, task: &OneOff, end: &End) -> Finding {
    Finding::new(
        format!("{} failed: {}; wanted {}", name(task), measured(end), limit(task)),
        fix(end, reached(moment)),
    )
}

fn fix(end: &End, then: &str) -> String {
    let what = match end {
        End::Failed(ended) if ended.why() == Why::OutOfMemory => "Give the task more memory",
        End::TimedOut { .. } => "See its output in the log above, or give it more time (`timeout`)",
        End::NotPlaced(_) => "Give the cluster room, or wait until it has some",
        End::Unseen(_) => "Mend what is in the way and run again",
        _ => "See its output in the log above",
    };
    format!("{what}; {then}.")
}

fn id(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}
