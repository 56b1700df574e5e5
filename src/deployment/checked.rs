//! What a run does where its checks decide: at Ready it lets the deployment go on, stops it, or
//! holds it for somebody who can tell.

use super::{
    Conduct,
    follow::{AGAIN, Follow},
};
use crate::{
    checks::{self, Moment, Scene, Verdict},
    event::Event,
    outcome::{Finding, Outcome, Word},
    say::deployment as say,
};
use tokio::time::Instant;

/// The part of a wait in which checks are decided: the wait began before it was seen.
const DECIDED_BY: f64 = 0.9;

impl Follow<'_> {
    /// At `Ready` nothing happens until ContinueDeployment, or until the ready wait is over.
    pub(super) async fn at_ready(&mut self) -> Option<Outcome> {
        let context = self.context;
        let Conduct::Deploy { plan, image } = self.conduct;
        let step = &plan.deployment;
        let wait = step.ready_wait.unwrap_or_default();
        let scene = Scene {
            moment: Moment::Validate,
            context,
            plan,
            deployment: &self.id,
            task_definition: &self.task_definition,
            image,
            green_url: step.test_url.as_deref(),
            blue_url: step.production_url.as_deref(),
            deadline: Instant::now() + context.pace.real(wait.mul_f64(DECIDED_BY)),
        };
        let verdict = checks::decide(&step.validate, &scene).await;
        if context.cancel.is_requested() {
            return None;
        }
        match verdict {
            Verdict::Passed => match context.ask_to_continue(&self.id).await {
                Ok(()) => self.continued = true,
                Err(failure) if failure.may_pass() => context.pace.sleep(AGAIN).await,
                Err(failure) => {
                    // It may have left Ready by itself meanwhile: the next look tells.
                    self.continued = true;
                    context.report.tell(Event::Warning { text: say::not_continued(&self.id, &failure) });
                }
            },
            Verdict::Inconclusive(finding) => return Some(self.held(finding).await),
            Verdict::Failed(finding) => {
                self.stopped_for = Some(finding);
                self.continued = true;
                if let Err(failure) = context.ask_to_stop(&self.id).await {
                    context.report.tell(Event::Warning { text: say::not_stopped(&self.id, &failure) });
                }
            }
        }
        None
    }

    /// What nobody can tell, nobody decides for the user.
    async fn held(&self, finding: Finding) -> Outcome {
        let mut outcome = Outcome::new(Word::Held, say::held(&self.id), self.production_now().await);
        outcome.findings = vec![finding];
        outcome.next = Some(say::go_on(&self.id, self.context.course.ready_wait));
        outcome
    }
}
