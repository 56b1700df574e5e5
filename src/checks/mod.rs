//! Checks that decide on a deployment: on green before production traffic, and on production
//! after the shift. They run one after the other, and each tells the measured figure beside its
//! limit.

mod ask;
mod container;
mod figures;
mod http;
mod load;
mod run;
mod startable;
mod task;

pub use container::engine;
pub use figures::{Figures, Side};
pub use http::Found;
pub use run::has_command_line;
pub use startable::{Missing, missing};

use crate::{
    deployment::Context,
    event::{Conclusion, Event},
    outcome::Finding,
    request::{Check, Inconclusive},
    say::checks as say,
};
use std::time::Duration;
use tokio::time::Instant;

/// When a check runs, and so what its failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// While the deployment waits at `Ready`: green answers under the test listener, production
    /// is on blue.
    Validate,
    /// After the shift, while blue stands by: green answers under the production listener, and
    /// blue nowhere.
    Verify,
}

/// Everything that a check may need to know.
pub struct Scene<'a> {
    pub moment: Moment,
    /// Clients, report, pace, the wish to cancel. A check heeds that wish itself and ends
    /// soon; what it says then counts for nothing.
    pub context: &'a Context<'a>,
    pub deployment: &'a str,
    /// The new revision's ARN.
    pub task_definition: &'a str,
    /// The new image, by digest.
    pub image: &'a str,
    /// Where green answers.
    pub green_url: Option<&'a str>,
    /// Where blue answers.
    pub blue_url: Option<&'a str>,
    /// On the wall: by then everything has to be decided, since the deployment waits no longer.
    pub deadline: Instant,
}

/// What a check comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Passed,
    Failed(Finding),
    /// It could not be told: nobody guesses.
    Inconclusive(Finding),
}

/// How a check ended.
#[derive(Clone, Debug)]
pub struct Ended {
    pub verdict: Verdict,
    /// In words: what was found, and what was wanted.
    pub measured: String,
    pub limit: String,
}

/// Runs the checks one after the other; the first that doesn't pass decides. After a cancel its
/// verdict counts for nothing.
pub async fn decide(checks: &[Check], scene: &Scene<'_>) -> Verdict {
    for check in checks {
        let ended = match check {
            Check::Http(check) => scene.unless_cancelled(http::check(check, scene)).await,
            Check::Run(check) => Some(run::check(check, scene).await),
            Check::Load(check) => scene.unless_cancelled(load::check(check, scene)).await,
            Check::Task(task) => Some(task::check(task, scene).await),
        };
        let Some(Ended { verdict, measured, limit }) = ended.filter(|_| !scene.cancelled()) else {
            return Verdict::Inconclusive(say::cancelled());
        };
        let conclusion = verdict.conclusion();
        scene.context.report.tell(Event::Check {
            name: say::name_at(check, scene.moment),
            conclusion,
            measured,
            limit,
        });
        match verdict {
            Verdict::Passed => {}
            Verdict::Inconclusive(finding) if check.when_inconclusive() == Inconclusive::Fail => {
                return Verdict::Failed(finding);
            }
            verdict => return verdict,
        }
    }
    Verdict::Passed
}

impl Scene<'_> {
    /// A span of the world, on the wall, that ends before the deployment waits no longer.
    fn within(&self, span: Duration) -> Duration {
        self.context.pace.real(span).min(self.deadline.saturating_duration_since(Instant::now()))
    }

    /// What a command is told of the deployment.
    fn variables(&self) -> Vec<(&'static str, String)> {
        let told = [
            ("GREEN_URL", self.green_url),
            ("BLUE_URL", self.blue_url),
            ("IMAGE", Some(self.image)),
            ("TASK_DEFINITION", Some(self.task_definition)),
            ("DEPLOYMENT_ID", Some(self.deployment)),
        ];
        told.into_iter().map(|(name, value)| (name, value.unwrap_or_default().to_owned())).collect()
    }

    fn cancelled(&self) -> bool {
        self.context.cancel.is_requested()
    }

    /// For what may be dropped at any moment.
    async fn unless_cancelled(&self, check: impl Future<Output = Ended>) -> Option<Ended> {
        tokio::select! {
            ended = check => Some(ended),
            () = self.context.cancel.requested() => None,
        }
    }
}

impl Verdict {
    fn conclusion(&self) -> Conclusion {
        match self {
            Verdict::Passed => Conclusion::Passed,
            Verdict::Failed(_) => Conclusion::Failed,
            Verdict::Inconclusive(_) => Conclusion::Inconclusive,
        }
    }
}
