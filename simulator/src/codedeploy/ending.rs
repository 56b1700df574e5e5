//! How deployments end: the reasons with their codes and texts, what becomes of the
//! lifecycle events, and the rollback as a deployment of its own.

use super::{
    configs,
    machine::{Moment, TAKE_UP},
    model::{Alarms, Deployment, ErrorInformation, Event, EventStatus, Phase, Rollback, Status, Stop},
    neighbours::Neighbours,
    traffic,
};
use crate::{Time, spec::Truths, state::random_id};

/// Why a deployment ends without success.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    status: Status,
    error: ErrorInformation,
    trigger: Trigger,
}

/// Which of a group's rollback events it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trigger {
    Failure,
    Alarm,
    /// A stop by request, with what it said of a rollback.
    Request(Option<bool>),
}

impl Ending {
    fn failed(code: &str, message: impl Into<String>) -> Ending {
        let error = ErrorInformation { code: code.to_owned(), message: message.into() };
        Ending { status: Status::Failed, error, trigger: Trigger::Failure }
    }

    fn stopped(code: &str, message: impl Into<String>, trigger: Trigger) -> Ending {
        Ending { status: Status::Stopped, trigger, ..Ending::failed(code, message) }
    }

    pub(super) fn hook_failed() -> Ending {
        Ending::failed(
            "HOOK_EXECUTION_FAILURE",
            "The deployment failed because one or more of the lifecycle event validation functions failed.",
        )
    }

    pub(super) fn hook_silent() -> Ending {
        Ending::failed(
            "HOOK_EXECUTION_FAILURE",
            "The deployment timed out while waiting for a status callback. CodeDeploy expects a status callback within one hour after a deployment hook is invoked.",
        )
    }

    pub(super) fn unhealthy(truths: &Truths) -> Ending {
        Ending::failed(
            &truths.unhealthy_code,
            format!(
                "The deployment timed out while waiting for the replacement task set to become healthy. This time out period is {} minutes.",
                truths.install_limit_minutes
            ),
        )
    }

    pub(super) fn unsteady() -> Ending {
        Ending::update_error("The replacement task set did not reach a steady state within 5 minutes.")
    }

    pub(super) fn update_error(message: &str) -> Ending {
        Ending::failed(
            "ECS_UPDATE_ERROR",
            format!("The Amazon ECS service cannot be updated due to the following error: {message}"),
        )
    }

    pub(super) fn no_primary(d: &Deployment) -> Ending {
        let target = d.group.target_id();
        Ending::failed("INVALID_ECS_SERVICE", format!("The ECS service {target} has no primary task set."))
    }

    pub(super) fn listener(message: &str) -> Ending {
        let message = format!("The ELB could not be updated due to the following error: {message}");
        Ending::failed("ELASTIC_LOAD_BALANCING_INVALID", message)
    }

    pub(super) fn not_behind_listener() -> Ending {
        Ending::listener("Primary taskset target group must be behind listener")
    }

    pub(super) fn alarm(message: String) -> Ending {
        Ending::stopped("ALARM_ACTIVE", message, Trigger::Alarm)
    }

    pub(super) fn stopped_by_request(stop: &Stop, truths: &Truths) -> Ending {
        let message = "The deployment was stopped by request.";
        Ending::stopped(&truths.manual_stop_code, message, Trigger::Request(stop.rollback))
    }

    pub(super) fn ready_timeout(minutes: u32, truths: &Truths) -> Ending {
        let message = format!(
            "The deployment timed out while waiting for a notification to continue. This time out period is {minutes} minutes."
        );
        Ending::stopped(&truths.ready_timeout_code, message, Trigger::Request(None))
    }
}

impl Trigger {
    /// Whether a rollback is wanted.
    fn wants_rollback(self, d: &Deployment) -> bool {
        match self {
            Trigger::Failure => d.rollback.on("DEPLOYMENT_FAILURE"),
            Trigger::Alarm => d.rollback.on("DEPLOYMENT_STOP_ON_ALARM"),
            Trigger::Request(asked) => asked.unwrap_or_else(|| d.rollback.on("DEPLOYMENT_STOP_ON_REQUEST")),
        }
    }
}

/// ALARM_ACTIVE's text.
pub(super) fn activated(alarms: &[&String]) -> String {
    let names: Vec<String> = alarms.iter().map(|name| format!("<{name}>")).collect();
    format!(
        "One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the affected deployments have been stopped. Activated alarms: {}",
        names.join(" ")
    )
}

/// All went well: what is no longer needed drains.
pub(super) fn succeed(d: &mut Deployment, now: Time, aws: &mut dyn Neighbours) {
    let service = d.service();
    if d.rolls_back.is_some() {
        if let Some(green) = &d.green {
            aws.drain_task_set(&service, &green.task_set);
        }
        close(d, Status::Succeeded, now);
        d.task_sets = Some(traffic::task_sets(d, aws));
    } else {
        close(d, Status::Succeeded, now);
        d.task_sets = Some(traffic::task_sets(d, aws));
        if let Some(blue) = &d.blue {
            aws.drain_task_set(&service, &blue.task_set);
        }
    }
}

/// Ends a deployment without success. Without a rollback everything stays as it is.
pub(super) fn end(
    d: &mut Deployment,
    ending: Ending,
    moment: &Moment,
    aws: &mut dyn Neighbours,
) -> Option<Deployment> {
    let now = moment.now;
    for event in &mut d.events {
        match event.status {
            EventStatus::InProgress => {
                event.status = EventStatus::Failed;
                event.ended = Some(now);
            }
            EventStatus::Pending => event.status = EventStatus::Skipped,
            EventStatus::Succeeded | EventStatus::Failed | EventStatus::Skipped => {}
        }
    }
    d.error = Some(ending.error);
    close(d, ending.status, now);

    let rollback = ending.trigger.wants_rollback(d) && can_roll_back(d, aws);
    let rollback = rollback.then(|| rollback_of(d, now));
    match &rollback {
        Some(rollback) => d.rolled_back_by = Some(rollback.id.clone()),
        None => d.task_sets = Some(traffic::task_sets(d, aws)),
    }
    rollback
}

fn close(d: &mut Deployment, status: Status, now: Time) {
    d.status = status;
    d.phase = Phase::Ended;
    d.completed = Some(now);
    d.updated = now;
    d.ended_real_ms = Some(chrono::Utc::now().timestamp_millis());
}

/// Something must have changed, and blue must still be there.
fn can_roll_back(d: &Deployment, aws: &dyn Neighbours) -> bool {
    let changed = d.events.iter().any(|e| e.name == "Install" && e.started.is_some());
    let blue = d.blue.as_ref().is_some_and(|blue| {
        let sets = aws.task_sets(&d.service());
        sets.iter().any(|set| set.id == blue.task_set && set.status != "DRAINING")
    });
    changed && blue && d.rolls_back.is_none()
}

fn rollback_of(d: &Deployment, now: Time) -> Deployment {
    Deployment {
        id: new_id(),
        config: configs::all_at_once(),
        description: None,
        revision: d.previous_revision.clone().unwrap_or_else(|| d.revision.clone()),
        rollback: Rollback::default(),
        alarms: Alarms::default(),
        alarms_overridden: false,
        status: Status::Created,
        created: now,
        started: None,
        completed: None,
        updated: now,
        ended_real_ms: None,
        error: None,
        rolls_back: Some(d.id.clone()),
        rolled_back_by: None,
        phase: Phase::Created { until: now + TAKE_UP },
        events: d.group.event_names().into_iter().map(Event::pending).collect(),
        weights: Vec::new(),
        task_sets: None,
        tripped: None,
        stop: None,
        stranger: None,
        ..d.clone()
    }
}

/// `d-` and nine uppercase letters or digits.
pub(super) fn new_id() -> String {
    format!("d-{}", random_id(9))
}
