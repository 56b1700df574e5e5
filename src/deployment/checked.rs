//! What a run does where its checks decide: at Ready it lets the deployment go on, stops it, or
//! holds it for somebody who can tell; after the shift it takes production back.

use super::{
    Conduct, Context,
    follow::{AGAIN, Follow},
    observe::{Depth, Phase},
};
use crate::{
    aws::Failure,
    back,
    cancel::{Cancel, grace},
    checks::{self, Moment, Scene, Verdict},
    event::Event,
    outcome::{Finding, Outcome, Stop, Word},
    request::{Check, Hold},
    say::deployment as say,
};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Between two looks at the deployment while checks run.
const LOOK: Duration = Duration::from_secs(10);
/// Attempts to stop what has failed its checks.
const STOPS: u32 = 5;
/// The part of a wait in which checks are decided: the wait began before it was seen, and the
/// word has to reach CodeDeploy before its end.
const DECIDED_BY: f64 = 0.9;

/// How much of a wait checks may take.
pub fn time_for_checks(wait: Duration) -> Duration {
    wait.mul_f64(DECIDED_BY)
}

impl Follow<'_> {
    /// At `Ready` nothing happens until ContinueDeployment, or until the ready wait is over.
    pub(super) async fn at_ready(&mut self) -> Option<Outcome> {
        let context = self.context;
        let Conduct::Deploy { plan, .. } = self.conduct else {
            return match self.conduct {
                Conduct::Watch { .. } => Some(self.held(None).await),
                _ => {
                    self.go_on().await;
                    None
                }
            };
        };
        let step = &plan.deployment;
        let addresses = (step.test_url.as_deref(), step.production_url.as_deref());
        let wait = step.ready_wait.unwrap_or_default();
        match self.decide(Moment::Validate, &step.validate, addresses, wait).await? {
            Verdict::Passed if step.hold == Hold::Approve => return Some(self.held(None).await),
            Verdict::Passed => self.go_on().await,
            Verdict::Inconclusive(finding) => return Some(self.held(Some(finding)).await),
            Verdict::Failed(finding) => {
                self.stopped_for = Some(finding);
                self.decided(Moment::Validate);
                if let Err(failure) = self.stop_surely().await {
                    context.report.tell(Event::Warning { text: say::not_stopped(&self.id, &failure) });
                }
            }
        }
        None
    }

    /// Green has all production traffic, and blue stands by: until that is over, a stop takes
    /// production back.
    pub(super) async fn at_termination_wait(&mut self) -> Option<Outcome> {
        let context = self.context;
        let wait = context.course.termination_wait;
        let Some((verify, url)) = self.conduct.verify() else {
            self.decided(Moment::Verify);
            return None;
        };
        let verdict = self.decide(Moment::Verify, verify, (url, None), wait).await?;
        self.decided(Moment::Verify);
        match verdict {
            Verdict::Passed => None,
            Verdict::Inconclusive(finding) => {
                let production = self.production_now().await;
                let mut outcome = Outcome::new(Word::Held, say::held_after_shift(&self.id), production);
                outcome.findings = vec![finding];
                outcome.next = Some(match self.over {
                    true => say::deploy_before(&context.course.live_arn),
                    false => say::decide_before_blue_goes(wait),
                });
                Some(outcome)
            }
            Verdict::Failed(finding) => {
                self.stopped_for = Some(finding);
                self.unverified = true;
                if self.over {
                    return None;
                }
                match self.stop_surely().await {
                    Ok(()) => None,
                    Err(failure) => Some(self.take_back(&failure.to_string()).await),
                }
            }
        }
    }

    async fn stop_surely(&self) -> Result<(), Failure> {
        let mut tries = 1;
        loop {
            match self.context.ask_to_stop(&self.id).await {
                Err(failure) if failure.may_pass() && tries < STOPS => {
                    tries += 1;
                    self.context.pace.sleep(AGAIN).await;
                }
                answer => return answer,
            }
        }
    }

    /// CodeDeploy calls it a success. What our own checks say of production counts all the same,
    /// however late they come to say it.
    pub(super) async fn ended_well(&mut self) -> Outcome {
        if !self.verified {
            self.over = true;
            if let Some(outcome) = self.at_termination_wait().await {
                return outcome;
            }
            if self.context.cancel.is_requested() {
                return self.cancelled().await;
            }
        }
        if self.unverified { self.take_back(say::ENDED_MEANWHILE).await } else { self.succeeded().await }
    }

    /// What can't be stopped any more is taken back by another deployment, of what production was
    /// on before. The one that is in its termination wait holds the group's only place until it
    /// has ended.
    async fn take_back(&mut self, why: &str) -> Outcome {
        let context = self.context;
        let course = &context.course;
        context.report.tell(Event::Note { text: say::deploys_before(&self.id, why, &course.live_arn) });
        let back = async {
            context.finish(&self.id).await?;
            // It follows a deployment in its turn.
            self.busy.send_replace(true);
            Box::pin(back::bring_back(context, &course.live_arn, &self.task_definition)).await
        };
        let back = back.await;
        self.busy.send_replace(false);
        let mut findings: Vec<Finding> = self.stopped_for.clone().into_iter().collect();
        let mut outcome = match back {
            Ok(back) if back.word == Word::RolledBackOnRequest => {
                let id = back.deployment.unwrap_or_default();
                let happened = say::taken_back(&self.id, &id);
                let mut outcome = Outcome::new(Word::RolledBack, happened, self.production_now().await);
                outcome.next = Some(say::FIX_AND_DEPLOY.to_owned());
                outcome.rollback_deployment = Some(id);
                outcome
            }
            Ok(back) if back.word == Word::Cancelled => return back,
            back => {
                match back {
                    Ok(back) => findings.extend(back.findings),
                    Err(error) => match error.downcast::<Stop>() {
                        Ok(stop) => findings.extend(stop.findings),
                        Err(error) => findings.push(say::not_taken_back(&error)),
                    },
                }
                let happened = say::left_on_green(&self.id);
                let mut outcome = Outcome::new(Word::NeedsAttention, happened, self.production_now().await);
                outcome.next = Some(say::deploy_before(&course.live_arn));
                outcome
            }
        };
        if let Some(share) = self.exposure.until(context.pace.now()) {
            outcome.happened = format!("{} {}", outcome.happened, say::exposed(&share));
        }
        outcome.findings = findings;
        outcome
    }

    /// Whether it is for this run to decide what becomes of a deployment at Ready.
    pub(super) fn decides_at_ready(&self) -> bool {
        match self.conduct {
            Conduct::Deploy { .. } | Conduct::Approve { .. } | Conduct::Return => !self.continued,
            Conduct::Watch { hold } => hold,
            Conduct::Stopped => false,
        }
    }

    async fn go_on(&mut self) {
        let context = self.context;
        match context.ask_to_continue(&self.id).await {
            Ok(()) => self.decided(Moment::Validate),
            Err(failure) if failure.may_pass() => context.pace.sleep(AGAIN).await,
            Err(failure) => {
                // It may have left Ready by itself meanwhile: the next look tells.
                self.decided(Moment::Validate);
                context.report.tell(Event::Warning { text: say::not_continued(&self.id, &failure) });
            }
        }
    }

    /// Left for somebody to decide: as asked for, or because nobody can tell.
    async fn held(&self, finding: Option<Finding>) -> Outcome {
        let context = self.context;
        let mut outcome = Outcome::new(Word::Held, say::held(&self.id), self.production_now().await);
        outcome.findings.extend(finding);
        let lasted = self.pacer.lasted(context.pace.now());
        let wait = context.course.ready_wait;
        outcome.next = Some(match self.came_late {
            true => say::go_on_soon(&self.id, wait),
            false => say::go_on(&self.id, wait.map(|wait| wait.saturating_sub(lasted))),
        });
        outcome
    }

    /// `None` when it is decided otherwise: the run was cancelled, or the deployment waits no more.
    async fn decide(
        &mut self,
        moment: Moment,
        checks: &[Check],
        urls: (Option<&str>, Option<&str>),
        wait: Duration,
    ) -> Option<Verdict> {
        if checks.is_empty() {
            return Some(Verdict::Passed);
        }
        self.busy.send_replace(true);
        let verdict = self.verdict(moment, checks, urls, wait).await;
        self.busy.send_replace(false);
        verdict
    }

    async fn verdict(
        &mut self,
        moment: Moment,
        checks: &[Check],
        (green_url, blue_url): (Option<&str>, Option<&str>),
        wait: Duration,
    ) -> Option<Verdict> {
        let context = self.context;
        let signal = context.cancel;
        let image = self.conduct.image();
        let (cancel, switch) = Cancel::on_request();
        let context = &Context { course: context.course.clone(), cancel: &cancel, ..*context };
        let (deployment, task_definition) = (self.id.clone(), self.task_definition.clone());
        let scene = Scene {
            moment,
            context,
            deployment: &deployment,
            task_definition: &task_definition,
            image,
            green_url,
            blue_url,
            deadline: Instant::now() + context.pace.real(time_for_checks(wait)),
        };
        let mut deciding = std::pin::pin!(checks::decide(checks, &scene));
        loop {
            tokio::select! {
                verdict = &mut deciding => return (!cancel.is_requested()).then_some(verdict),
                // What the checks have begun is ended while CodeDeploy is asked to stop.
                () = signal.requested() => {
                    switch.send_replace(true);
                    let ended = timeout(signal.left(grace::STOP), &mut deciding);
                    drop(tokio::join!(ended, self.hear_signal()));
                    return None;
                }
                () = self.waits_no_more(moment), if !cancel.is_requested() => drop(switch.send_replace(true)),
            }
        }
    }

    /// Ends when checks have nothing to decide any more: an alarm stops the deployment, or somebody
    /// else has let it go on or stopped it.
    async fn waits_no_more(&mut self, moment: Moment) {
        let context = self.context;
        if self.over {
            return std::future::pending().await;
        }
        let phase = match moment {
            Moment::Validate => Phase::Ready,
            Moment::Verify => Phase::TerminationWait,
        };
        loop {
            context.pace.sleep(LOOK).await;
            self.look_at_alarms().await;
            let seen = context.observe(&self.id, Depth::Status).await;
            if self.stopped_for.is_some() || seen.is_ok_and(|seen| seen.phase != phase) {
                self.decided(moment);
                return;
            }
        }
    }

    /// Nothing is decided twice at this moment.
    fn decided(&mut self, moment: Moment) {
        match moment {
            Moment::Validate => self.continued = true,
            Moment::Verify => self.verified = true,
        }
    }
}
