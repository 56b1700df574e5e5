//! What CodeDeploy knows: applications with their groups and revisions, configs, deployments.

use super::{appspec::AppSpec, configs::Config};
use crate::{Time, ecs::ServiceKey, front::Call, spec::Function};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(super) places: BTreeMap<Place, Holdings>,
    /// The functions that lifecycle events may name, by account and name.
    pub(super) functions: BTreeMap<(String, String), Function>,
    /// Deployments that somebody else starts when the world begins.
    pub(super) strangers: Vec<super::stranger::Stranger>,
}

/// An account's share of a region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) account: String,
    pub(super) region: String,
}

#[derive(Debug, Default)]
pub(super) struct Holdings {
    pub(super) applications: BTreeMap<String, Application>,
    /// The custom ones.
    pub(super) configs: BTreeMap<String, Config>,
    /// Oldest first.
    pub(super) deployments: Vec<Deployment>,
}

#[derive(Debug)]
pub(super) struct Application {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) created: Time,
    /// `ECS`, `Lambda` or `Server`.
    pub(super) platform: String,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) revisions: Vec<Revision>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) application: String,
    pub(super) name: String,
    /// An ARN.
    pub(super) service_role: String,
    pub(super) config: String,
    /// Names or ARNs, as they were given.
    pub(super) cluster: String,
    pub(super) service: String,
    /// The names of the pair.
    pub(super) target_groups: Vec<String>,
    /// ARNs.
    pub(super) production_listener: String,
    pub(super) test_listener: Option<String>,
    pub(super) ready: Ready,
    pub(super) termination_minutes: u32,
    pub(super) alarms: Alarms,
    pub(super) rollback: Rollback,
    pub(super) triggers: Vec<serde_json::Value>,
}

/// What happens when green is ready for production traffic.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ready {
    /// STOP_DEPLOYMENT, as opposed to CONTINUE_DEPLOYMENT.
    pub(super) stop: bool,
    pub(super) minutes: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Alarms {
    pub(super) enabled: bool,
    pub(super) ignore_poll_failure: bool,
    pub(super) names: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Rollback {
    pub(super) enabled: bool,
    pub(super) events: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Revision {
    pub(super) sha256: String,
    pub(super) content: String,
    pub(super) description: Option<String>,
    pub(super) registered: Time,
    pub(super) first_used: Option<Time>,
    pub(super) last_used: Option<Time>,
}

#[derive(Clone, Debug)]
pub(super) struct Deployment {
    pub(super) id: String,
    pub(super) place: Place,
    /// The group as it was when the deployment was created.
    pub(super) group: Group,
    pub(super) config: Config,
    pub(super) description: Option<String>,
    /// The ARN of who created it.
    pub(super) created_by: String,
    pub(super) appspec: AppSpec,
    /// The SHA-256 of its AppSpec, and of the last one that had succeeded before.
    pub(super) revision: String,
    pub(super) previous_revision: Option<String>,
    pub(super) rollback: Rollback,
    pub(super) alarms: Alarms,
    /// Whether `alarms` came with the deployment instead of from its group.
    pub(super) alarms_overridden: bool,

    pub(super) status: Status,
    pub(super) created: Time,
    pub(super) started: Option<Time>,
    pub(super) completed: Option<Time>,
    pub(super) updated: Time,
    /// When it ended on the wall, in milliseconds since the epoch.
    pub(super) ended_real_ms: Option<i64>,
    pub(super) error: Option<ErrorInformation>,
    /// The deployment that this one rolls back.
    pub(super) rolls_back: Option<String>,
    /// The deployment that rolls this one back.
    pub(super) rolled_back_by: Option<String>,

    pub(super) phase: Phase,
    pub(super) events: Vec<Event>,
    pub(super) blue: Option<Side>,
    pub(super) green: Option<Side>,
    /// The test listener's weights before this deployment touched them.
    pub(super) test_before: Option<Vec<(String, u32)>>,
    /// When green got how many per cent of the production traffic.
    pub(super) weights: Vec<(Time, u32)>,
    /// The target's task sets as they were at the end; before it, they are looked up.
    pub(super) task_sets: Option<Vec<TaskSetInfo>>,
    pub(super) tripped: Option<Tripped>,
    pub(super) stop: Option<Stop>,
    pub(super) stranger: Option<super::stranger::Seen>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Created,
    InProgress,
    Ready,
    Succeeded,
    Failed,
    Stopped,
}

/// Where a deployment stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Phase {
    Created {
        until: Time,
    },
    /// The lifecycle event with this index is under way.
    Event {
        index: usize,
        work: Work,
    },
    /// Waits for ContinueDeployment.
    Ready {
        until: Time,
        go: bool,
    },
    /// All traffic is on green and blue waits for its end; `None`: until it is told.
    Terminating {
        until: Option<Time>,
    },
    Ended,
}

/// What a lifecycle event does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Work {
    Moment { until: Time },
    Hook { answer: Option<(Time, bool)>, limit: Time },
    Install { limit: Time },
    Shift { since: Time, done: usize, unsteady: Option<Time> },
}

#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) name: &'static str,
    pub(super) status: EventStatus,
    pub(super) started: Option<Time>,
    pub(super) ended: Option<Time>,
    pub(super) hook: Option<Hook>,
}

#[derive(Clone, Debug)]
pub(super) struct Hook {
    /// The function's name or ARN.
    pub(super) function: String,
    /// The id that the function is called with, once it is.
    pub(super) execution: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventStatus {
    Pending,
    InProgress,
    Succeeded,
    Failed,
    Skipped,
}

/// A task set and the target group that it is registered in.
#[derive(Clone, Debug)]
pub(super) struct Side {
    pub(super) task_set: String,
    pub(super) group: TargetGroup,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TargetGroup {
    pub(super) name: String,
    pub(super) arn: String,
}

#[derive(Clone, Debug)]
pub(super) struct TaskSetInfo {
    pub(super) id: String,
    pub(super) label: &'static str,
    pub(super) status: String,
    pub(super) desired: u32,
    pub(super) running: u32,
    pub(super) pending: u32,
    pub(super) weight: f64,
    pub(super) group: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ErrorInformation {
    pub(super) code: String,
    pub(super) message: String,
}

/// Alarms that were seen in ALARM, and when that stops the deployment.
#[derive(Clone, Debug)]
pub(super) struct Tripped {
    pub(super) at: Time,
    pub(super) message: String,
}

/// A request to stop, and when it is heeded.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    pub(super) at: Time,
    pub(super) rollback: Option<bool>,
    pub(super) by: String,
}

impl Place {
    pub(super) fn of(call: &Call) -> Place {
        Place { account: call.caller.account.clone(), region: call.region.clone() }
    }

    pub(super) fn arn(&self, resource: &str) -> String {
        format!("arn:aws:codedeploy:{}:{}:{resource}", self.region, self.account)
    }
}

impl Holdings {
    pub(super) fn deployment(&self, id: &str) -> Option<&Deployment> {
        self.deployments.iter().find(|d| d.id == id)
    }

    pub(super) fn of_group<'a>(
        &'a self,
        application: &'a str,
        group: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a Deployment> {
        self.deployments.iter().filter(move |d| d.group.application == application && d.group.name == group)
    }

    /// The AppSpec that the group has last been brought to.
    pub(super) fn target_revision(&self, application: &str, group: &str) -> Option<String> {
        let mut succeeded = self.of_group(application, group).rev().filter(|d| d.status == Status::Succeeded);
        succeeded.next().map(|d| d.revision.clone())
    }
}

impl Group {
    /// The service's plain name, which is also how its target is named.
    pub(super) fn service_key(&self, place: &Place) -> ServiceKey {
        ServiceKey {
            account: place.account.clone(),
            cluster: last_segment(&self.cluster).to_owned(),
            service: last_segment(&self.service).to_owned(),
        }
    }

    pub(super) fn target_id(&self) -> String {
        format!("{}:{}", last_segment(&self.cluster), last_segment(&self.service))
    }

    /// The lifecycle events of a deployment, in their order.
    pub(super) fn event_names(&self) -> Vec<&'static str> {
        const ALL: [&str; 8] = [
            "BeforeInstall",
            "Install",
            "AfterInstall",
            ALLOW_TEST,
            AFTER_TEST,
            "BeforeAllowTraffic",
            "AllowTraffic",
            "AfterAllowTraffic",
        ];
        let tests = self.test_listener.is_some();
        ALL.into_iter().filter(|name| tests || ![ALLOW_TEST, AFTER_TEST].contains(name)).collect()
    }
}

const ALLOW_TEST: &str = "AllowTestTraffic";
pub(super) const AFTER_TEST: &str = "AfterAllowTestTraffic";

fn last_segment(name_or_arn: &str) -> &str {
    name_or_arn.rsplit('/').next().unwrap_or(name_or_arn)
}

impl Rollback {
    pub(super) fn on(&self, event: &str) -> bool {
        self.enabled && self.events.iter().any(|e| e == event)
    }
}

impl Deployment {
    pub(super) fn ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    pub(super) fn target_status(&self) -> &'static str {
        match (&self.phase, self.status) {
            (Phase::Created { .. }, _) => "Pending",
            (Phase::Event { .. }, _) => "InProgress",
            (Phase::Ready { .. }, _) => "Ready",
            (Phase::Terminating { .. }, _) | (Phase::Ended, Status::Succeeded) => "Succeeded",
            (Phase::Ended, _) => "Failed",
        }
    }

    pub(super) fn service(&self) -> ServiceKey {
        self.group.service_key(&self.place)
    }
}

impl Event {
    pub(super) fn pending(name: &'static str) -> Event {
        Event { name, status: EventStatus::Pending, started: None, ended: None, hook: None }
    }
}

impl Status {
    pub(super) const NAMES: [&str; 8] =
        ["Created", "Queued", "InProgress", "Baking", "Succeeded", "Failed", "Stopped", "Ready"];

    pub(super) fn name(self) -> &'static str {
        match self {
            Status::Created => "Created",
            Status::InProgress => "InProgress",
            Status::Ready => "Ready",
            Status::Succeeded => "Succeeded",
            Status::Failed => "Failed",
            Status::Stopped => "Stopped",
        }
    }
}

impl EventStatus {
    pub(super) fn name(self) -> &'static str {
        match self {
            EventStatus::Pending => "Pending",
            EventStatus::InProgress => "InProgress",
            EventStatus::Succeeded => "Succeeded",
            EventStatus::Failed => "Failed",
            EventStatus::Skipped => "Skipped",
        }
    }
}
