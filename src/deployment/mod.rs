//! The deployment: created, followed by its id to its end, and what is true afterwards.
//!
//! `carry_out` is the stage. `create` starts it (behind whatever is active), `follow` watches it
//! through Ready, the shift, the termination wait and a rollback's own deployment, `observe` is
//! one look at it, `pace` says when to look again, `production` reads back who serves users.

mod create;
mod follow;
mod observe;
mod pace;
mod production;
mod shape;
mod validate;

pub use create::wait_for_slot;
pub use follow::carry_out;
pub use observe::Cause;
pub use production::Production;

use crate::{
    aws::{Clients, Failure},
    cancel::Cancel,
    plan::Plan,
    report::Reporter,
    surroundings::Pace,
};
use std::time::Duration;

/// What the stage works with: the plan that it carries out, the deploy account's clients, who to
/// tell, and the time.
pub struct Context<'a> {
    pub plan: &'a Plan,
    pub clients: &'a Clients,
    pub report: &'a Reporter,
    pub pace: Pace,
    pub cancel: &'a Cancel,
}

impl Context<'_> {
    /// One look at a deployment of the plan's service, which is a deployment's one target.
    async fn observe(&self, id: &str, depth: observe::Depth) -> Result<observe::Observation, Failure> {
        let target_id = format!("{}:{}", self.plan.deployment.cluster, self.plan.deployment.service);
        observe::observe(self.clients, id, &target_id, depth).await
    }

    /// Of the run, in the world's time.
    fn limit(&self) -> Duration {
        self.plan.deployment.time_limit.unwrap_or(self.plan.budget.limit)
    }

    fn time_is_up(&self) -> bool {
        self.pace.now() >= self.limit()
    }
}

/// How a deployment config shifts traffic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    AllAtOnce,
    Canary { percent: f64, interval: Duration },
    Linear { percent: f64, interval: Duration },
}

/// How long a deployment may take, part by part, in the world's time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Until green runs and is healthy: a guess from the service's size.
    pub provisioning: Duration,
    pub ready_wait: Duration,
    pub shift: Duration,
    pub termination_wait: Duration,
    /// Beyond which the run ends with `still-running`.
    pub limit: Duration,
}
