//! What a deployment of a service is followed by: where it is, how it shifts, how long its parts
//! take. A plan has it, and it can be read from AWS where nothing is planned.

use super::{Budget, Shape};
use crate::{
    plan::{Plan, RollbackEvents},
    request::{OnCancel, Until},
    surroundings::Pace,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The config of CodeDeploy's own rollbacks: nobody wants to wait for a canary on the way back.
pub const AT_ONCE: &str = "CodeDeployDefault.ECSAllAtOnce";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Course {
    pub region: String,
    pub cluster: String,
    pub service: String,
    pub application: String,
    pub group: String,
    /// The deployment config's name.
    pub config: String,
    pub shape: Shape,
    /// `Some`: the group stops at Ready and waits so long for ContinueDeployment.
    pub ready_wait: Option<Duration>,
    pub termination_wait: Duration,
    /// Whether production goes back by itself: on failure, on an alarm, on request.
    pub rollback: RollbackEvents,
    pub production_listeners: Vec<String>,
    pub until: Until,
    pub on_cancel: Option<OnCancel>,
    pub budget: Budget,
    /// Of the run, in the world's time, when the user gave one.
    pub time_limit: Option<Duration>,
    /// Alarms to show: the group's and the configuration's.
    pub alarms: Vec<String>,
    /// Those that CodeDeploy doesn't act on, and the run does.
    pub own_alarms: Vec<String>,
    /// So many tasks of green that stop for one reason are enough; 0 is off.
    pub fail_fast: u32,
    /// The revision that production was on before.
    pub live_arn: String,
}

impl Course {
    /// Of the run, in the world's time.
    pub fn limit(&self) -> Duration {
        self.time_limit.unwrap_or(self.budget.limit)
    }

    /// The same for bringing an older revision back: all at once, and at its end as soon as
    /// production is on it. `leaving` is what production is on before. It has its time from now on.
    pub fn way_back(&self, leaving: &str, pace: Pace) -> Course {
        let nothing = Duration::ZERO;
        let budget = Budget { shift: nothing, termination_wait: nothing, ..self.budget };
        Course {
            config: AT_ONCE.to_owned(),
            shape: Shape::AllAtOnce,
            until: Until::TrafficShifted,
            time_limit: Some(pace.now() + self.limit()),
            budget,
            live_arn: leaving.to_owned(),
            ..self.clone().without_alarms()
        }
    }

    /// For who looks on: nothing that is watched makes it act.
    pub fn looking_on(self) -> Course {
        Course { own_alarms: Vec::new(), fail_fast: 0, ..self }
    }

    /// On the way back no alarm counts any more.
    pub fn without_alarms(self) -> Course {
        Course { alarms: Vec::new(), own_alarms: Vec::new(), ..self }
    }

    /// The id of a deployment's one target, the service.
    pub fn target_id(&self) -> String {
        format!("{}:{}", self.cluster, self.service)
    }
}

impl Plan {
    pub fn course(&self) -> Course {
        let step = &self.deployment;
        Course {
            region: self.run.region.clone(),
            cluster: step.cluster.clone(),
            service: step.service.clone(),
            application: step.application.clone(),
            group: step.group.clone(),
            config: step.config.clone(),
            shape: step.shape,
            ready_wait: step.ready_wait,
            termination_wait: step.termination_wait,
            rollback: step.rollback,
            production_listeners: step.production_listeners.clone(),
            until: step.until,
            on_cancel: step.on_cancel,
            budget: self.budget,
            time_limit: step.time_limit,
            alarms: step.alarms.clone(),
            own_alarms: step.own_alarms.clone(),
            fail_fast: step.fail_fast,
            live_arn: self.task_definition.live_arn.clone(),
        }
    }
}
