//! The deployment: created, followed by its id to its end, and what is true afterwards.
//!
//! `carry_out` is the stage. `course` is what a deployment is followed by, `brought` what it
//! brings, `create` starts it, `way` is what it does behind another one that is active, `find` looks for one that may have been
//! created, `follow` watches it through Ready, the shift and the termination wait, `steer` lets it
//! go on or stops it, `ending` follows a rollback's own deployment and says
//! how it ended, `checked` is what checks decide, `watched` is what alarms and
//! green's start do to it, `cancelled` is the end by a signal,
//! `finish` what another process does of it, `observe` is one look at it, `pace`
//! says when to look again, `production` reads back who serves users.

mod brought;
mod cancelled;
mod checked;
mod course;
mod create;
mod ending;
mod exposure;
mod find;
mod finish;
mod follow;
mod observe;
mod pace;
mod production;
mod shape;
mod steer;
mod watched;
mod way;

pub use brought::{brought_by, succeeded};
pub use checked::time_for_checks;
pub use course::Course;
pub use create::{Alarms, Created, Order, create};
pub use exposure::Share;
pub use finish::{Left, finish};
pub use follow::{carry_out, follow, keep};
pub use observe::Cause;
pub use production::{Production, read as production};
pub use way::clear as clear_the_way;

use crate::{
    aws::{Clients, Failure},
    cancel::Cancel,
    marker::Marker,
    plan::Plan,
    report::Reporter,
    request::{Check, OnCancel},
    surroundings::Pace,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What following a deployment works with: its course, the deploy account's clients, who to
/// tell, and the time.
pub struct Context<'a> {
    pub course: Course,
    pub clients: &'a Clients,
    /// Of the account that holds the image.
    pub registry: &'a Clients,
    /// Whose run this is, for a deployment that it starts by itself.
    pub marker: &'a Marker,
    pub report: &'a Reporter,
    pub pace: Pace,
    pub cancel: &'a Cancel,
}

/// What a run does to the deployment that it follows.
#[derive(Clone, Copy)]
pub enum Conduct<'a> {
    /// Carries the plan out: its checks decide at Ready.
    Deploy { plan: &'a Plan, image: &'a str },
    /// Lets it go on at Ready, and sees that it is well on production, where that answers.
    Approve { verify: &'a [Check], image: &'a str, url: Option<&'a str> },
    /// Changes nothing. One that is to be approved is left at Ready.
    Watch { hold: bool },
    /// Has asked it to stop and to go back.
    Stopped,
    /// Started it to bring an older revision back.
    Return,
}

impl<'a> Conduct<'a> {
    /// What is checked after the shift, and where production answers.
    fn verify(self) -> Option<(&'a [Check], Option<&'a str>)> {
        let (checks, url) = match self {
            Conduct::Deploy { plan: Plan { deployment, .. }, .. } => {
                (deployment.verify.as_slice(), deployment.production_url.as_deref())
            }
            Conduct::Approve { verify, url, .. } => (verify, url),
            Conduct::Watch { .. } | Conduct::Stopped | Conduct::Return => return None,
        };
        (!checks.is_empty()).then_some((checks, url))
    }

    /// The image that the deployment brings, where a check may ask for it.
    fn image(self) -> &'a str {
        match self {
            Conduct::Deploy { image, .. } | Conduct::Approve { image, .. } => image,
            Conduct::Watch { .. } | Conduct::Stopped | Conduct::Return => "",
        }
    }

    /// What becomes of the deployment when the run is cancelled or dies: who looks on, or brings
    /// production back, stops nothing by leaving.
    fn on_cancel(self, course: &Course) -> Option<OnCancel> {
        match self {
            Conduct::Deploy { .. } | Conduct::Approve { .. } => course.on_cancel,
            Conduct::Watch { .. } | Conduct::Stopped | Conduct::Return => Some(OnCancel::Detach),
        }
    }

    /// Whether production is on its way back.
    fn goes_back(self) -> bool {
        matches!(self, Conduct::Stopped | Conduct::Return)
    }
}

impl Context<'_> {
    /// One look at a deployment of the service.
    async fn observe(&self, id: &str, depth: observe::Depth) -> Result<observe::Observation, Failure> {
        observe::observe(self.clients, id, &self.course.target_id(), depth).await
    }

    pub async fn production(&self) -> Result<Production, Failure> {
        let Course { cluster, service, production_listeners, .. } = &self.course;
        production::read(self.clients, cluster, service, production_listeners).await
    }

    fn time_is_up(&self) -> bool {
        self.pace.now() >= self.course.limit()
    }
}

/// How a deployment config shifts traffic.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Shape {
    AllAtOnce,
    Canary { percent: f64, interval: Duration },
    Linear { percent: f64, interval: Duration },
}

/// How long a deployment may take, part by part, in the world's time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Until green runs and is healthy: a guess from the service's size.
    pub provisioning: Duration,
    pub ready_wait: Duration,
    pub shift: Duration,
    pub termination_wait: Duration,
    /// Beyond which the run ends with `still-running`.
    pub limit: Duration,
}
