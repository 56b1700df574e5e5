//! The end by a signal: what a cancelled run does to its deployment, within the time that the
//! runner gives it.

use super::{
    follow::Follow,
    observe::{End, Phase},
};
use crate::{
    cancel::grace,
    kept::name,
    outcome::{Outcome, Word},
    request::{OnCancel, Until},
    say::{cancel as say, deployment},
};
use std::time::Duration;

/// One attempt of asking CodeDeploy to stop.
const ATTEMPT: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 2;

/// Whether a deployment that nobody follows any more goes on: by default from the success point on,
/// which may be the shift.
pub(super) fn goes_on(policy: Option<OnCancel>, shift_succeeds: bool, phase: Option<Phase>) -> bool {
    match (policy, phase) {
        (Some(policy), _) => policy == OnCancel::Detach,
        (None, Some(Phase::TerminationWait)) => shift_succeeds,
        (None, _) => false,
    }
}

impl Follow<'_> {
    /// CodeDeploy carries on by itself what is asked of it here, and the post step finishes it.
    pub(super) async fn cancelled(&mut self) -> Outcome {
        let context = self.context;
        let status = Some(deployment::STATUS_TELLS.to_owned());
        let (happened, next) = match self.phase {
            Some(Phase::Ended(End::Succeeded)) => (say::ended_well(&self.id), None),
            Some(Phase::Ended(_)) => (say::ended_badly(&self.id), status),
            phase if self.goes_on() => {
                let next = match phase {
                    Some(Phase::Ready) => say::waits_at_ready(&self.id),
                    _ => deployment::STATUS_FOLLOWS.to_owned(),
                };
                (say::goes_on(&self.id, &self.told.status), Some(next))
            }
            _ => {
                self.hear_signal().await;
                match self.heard.as_ref().and_then(|heard| heard.as_ref().err()) {
                    None => (say::asked_to_stop(&self.id), status),
                    Some(why) => {
                        let next = deployment::STATUS_FOLLOWS.to_owned();
                        (say::not_asked_to_stop(&self.id, why), Some(next))
                    }
                }
            }
        };
        let production = context.cancel.within(grace::READ, self.production_now()).await;
        let production = production.unwrap_or_else(|| deployment::PRODUCTION_UNREAD.to_owned());
        let mut outcome = Outcome::new(Word::Cancelled, happened, production);
        outcome.next = next;
        outcome
    }

    /// Asks CodeDeploy to stop, once, where the policy has it.
    pub(super) async fn hear_signal(&mut self) {
        let ended = matches!(self.phase, Some(Phase::Ended(_)));
        if self.heard.is_none() && !ended && !self.goes_on() {
            self.heard = Some(self.stopped_in_time().await);
        }
    }

    fn goes_on(&self) -> bool {
        let course = &self.context.course;
        let shift_succeeds = self.verified && course.until == Until::TrafficShifted;
        goes_on(self.conduct.on_cancel(course), shift_succeeds, self.phase)
    }

    /// Asks CodeDeploy to stop as often as there is time for; why it wasn't heard, if it wasn't.
    async fn stopped_in_time(&self) -> Result<(), String> {
        let context = self.context;
        let mut unheard = deployment::NO_ANSWER.to_owned();
        for _ in 0..ATTEMPTS {
            let limit = ATTEMPT.min(context.cancel.left(grace::STOP));
            match tokio::time::timeout(limit, context.ask_to_stop(&self.id)).await {
                // It ended meanwhile.
                Ok(Err(failure)) if failure.is("DeploymentAlreadyCompleted") => return Ok(()),
                Ok(Ok(())) => {
                    context.report.keep(name::STOP_ANSWERED, "yes");
                    return Ok(());
                }
                Ok(Err(failure)) if failure.may_pass() => unheard = failure.to_string(),
                Ok(Err(failure)) => return Err(failure.to_string()),
                Err(_) => {}
            }
        }
        Err(unheard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_word_production_goes_back_before_the_success_point_alone() {
        let of = |shift_succeeds, phase| goes_on(None, shift_succeeds, Some(phase));
        for phase in [Phase::Starting, Phase::Ready, Phase::Shifting, Phase::Shifted] {
            assert!(!of(false, phase) && !of(true, phase), "{phase:?}");
        }
        assert!(!of(false, Phase::TerminationWait) && of(true, Phase::TerminationWait));
    }

    #[test]
    fn a_word_of_the_users_counts_everywhere() {
        for phase in [Phase::Ready, Phase::TerminationWait] {
            assert!(goes_on(Some(OnCancel::Detach), false, Some(phase)));
            assert!(!goes_on(Some(OnCancel::Rollback), true, Some(phase)));
        }
    }
}
