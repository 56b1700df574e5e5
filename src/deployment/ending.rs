//! How a deployment ended: a rollback's own deployment is followed too, and production is read
//! back before anything is said of it.

use super::{
    Conduct,
    follow::{BACK_LOOK, Follow},
    observe::{Depth, End, Observation, Phase},
    production::Production,
};
use crate::{
    event::Event,
    explain::{self, Explanation, Known},
    outcome::{Finding, Outcome, Word},
    say::{deployment as say, refusals},
    verified,
};
use std::time::Duration;

/// Between two looks at a rollback, and at production until it reads as it should.
const LOOK: Duration = Duration::from_secs(2);
/// Looks for a rollback's id on a deployment that should have one, and for production to settle.
const SETTLE_LOOKS: usize = 15;

/// Production isn't as it should be, or can't be read.
struct Unsettled {
    /// In words.
    production: String,
    unread: Option<Finding>,
}

impl Follow<'_> {
    /// CodeDeploy says so; production says whether it is true.
    pub(super) async fn succeeded(&mut self) -> Outcome {
        match self.settled(|production| production.wholly_on(&self.id)).await {
            Ok(production) => {
                self.mark_verified().await;
                self.tell_back(&production);
                self.tell_traffic(&production, 100.0);
                let production = match self.conduct {
                    Conduct::Return => say::production_back(&production, &self.task_definition),
                    _ => say::production(&production, &self.id, &self.task_definition),
                };
                Outcome::new(Word::Succeeded, say::succeeded(&self.id), production)
            }
            Err(Unsettled { production, unread }) => {
                let happened = match unread {
                    Some(_) => say::succeeded_unread(&self.id),
                    None => say::succeeded_elsewhere(&self.id),
                };
                let mut outcome = Outcome::new(Word::NeedsAttention, happened, production);
                outcome.findings.extend(unread);
                outcome.next = Some(say::look_at_console(&self.id));
                outcome
            }
        }
    }

    /// What a run of ours has carried to its end can be gone back to.
    async fn mark_verified(&self) {
        let context = self.context;
        if !matches!(self.conduct, Conduct::Deploy { .. } | Conduct::Approve { .. }) {
            return;
        }
        let marking = verified::mark(context.clients, &self.task_definition, &self.id);
        if let Ok(Err(failure)) = context.cancel.unless(marking).await {
            let text = say::not_marked(&self.task_definition, &failure);
            context.report.tell(Event::Warning { text });
        }
    }

    /// Once, as soon as it reads so.
    fn tell_back(&mut self, production: &Production) {
        if let Some(sole) = production.sole().filter(|_| self.conduct.goes_back() && !self.told.back) {
            self.told.back = true;
            self.context.report.tell(Event::ProductionBack {
                task_definition: sole.task_definition.clone(),
                after: self.context.pace.now(),
            });
        }
    }

    /// What was read back after the last look: a rollback's way isn't looked at as closely.
    fn tell_traffic(&mut self, production: &Production, green: f64) {
        if production.from_weights && self.told.traffic.is_some() {
            self.context.report.tell(Event::Traffic { blue: 100.0 - green, green });
        }
    }

    /// Whether production is on what it was on before this deployment.
    fn is_back(&self, production: &Production) -> bool {
        let before = &self.context.course.live_arn;
        let on_it = || production.sole().is_some_and(|sole| sole.task_definition == *before);
        production.wholly_off(&self.id) && (!matches!(self.conduct, Conduct::Stopped) || on_it())
    }

    /// The success point of `until: traffic-shifted`.
    pub(super) async fn shifted(&mut self) -> Outcome {
        let mut outcome = self.succeeded().await;
        if outcome.word == Word::Succeeded {
            outcome.happened = say::shifted(&self.id);
            outcome.next = Some(say::may_still_go_back(self.context.course.termination_wait));
        }
        outcome
    }

    /// Follows the rollback to its end, then reads back who serves.
    pub(super) async fn failed(&mut self, seen: Observation) -> Outcome {
        let context = self.context;
        // While green's tasks can still be seen.
        let explanation = match self.conduct {
            // It was asked for, and somebody waits for production.
            Conduct::Stopped => None,
            _ => Some(self.explain(&seen).await),
        };
        let rollback = match seen.rollback.clone() {
            Some(id) => Some(id),
            None if self.expects_rollback(&seen) => self.rollback_id().await,
            None => None,
        };
        if let Some(rollback) = &rollback {
            context.report.tell(Event::RollbackStarted {
                deployment: self.id.clone(),
                rollback: rollback.clone(),
                reason: seen.error.as_ref().map(|e| e.message.clone()).filter(|m| !m.is_empty()),
            });
            self.follow_rollback(rollback).await;
        }
        let mut unread_production = None;
        let mut outcome = match self.settled(|production| self.is_back(production)).await {
            Ok(production) => {
                self.tell_back(&production);
                self.tell_traffic(&production, 0.0);
                let mut outcome = Outcome::new(
                    Word::RolledBack,
                    say::rolled_back(&self.id, rollback.as_deref()),
                    say::production(&production, &self.id, &self.task_definition),
                );
                outcome.next = Some(say::FIX_AND_DEPLOY.to_owned());
                outcome
            }
            Err(Unsettled { production, unread }) => {
                unread_production = unread;
                let mut outcome = Outcome::new(
                    Word::NeedsAttention,
                    say::not_rolled_back(&self.id, rollback.as_deref()),
                    production,
                );
                outcome.next = Some(say::take_back_by_hand(
                    &context.course.application,
                    &context.course.group,
                    &context.course.live_arn,
                ));
                outcome
            }
        };
        if let Some(share) = self.exposure.until(context.pace.now()) {
            outcome.happened = format!("{} {}", outcome.happened, say::exposed(&share));
        }
        if let Some(Explanation { cause, evidence, .. }) = explanation {
            outcome.findings = vec![cause];
            outcome.evidence = evidence;
        }
        outcome.findings.extend(unread_production);
        outcome.rollback_deployment = rollback;
        outcome
    }

    fn expects_rollback(&self, seen: &Observation) -> bool {
        let events = self.context.course.rollback;
        let alarm = seen.error.as_ref().is_some_and(|e| e.code == "ALARM_ACTIVE");
        // Before green is installed nothing has changed that could go back.
        let installed =
            seen.events.iter().find(|(name, _)| name == "Install").map(|(_, status)| status.as_str());
        if matches!(installed, Some("Pending" | "Skipped")) {
            return false;
        }
        match seen.phase {
            Phase::Ended(End::Failed) => events.on_failure,
            _ if alarm => events.on_alarm,
            _ => events.on_request || self.stopped_by_us() || matches!(self.conduct, Conduct::Stopped),
        }
    }

    fn stopped_by_us(&self) -> bool {
        self.stopped_for.is_some() || self.watch.gave_up_after.is_some()
    }

    async fn explain(&mut self, seen: &Observation) -> Explanation {
        let context = self.context;
        // CodeDeploy may have acted on one sooner than it was looked at.
        self.watch.alarms.look_once_more(context.clients, context.report).await;
        explain::explain(explain::Failed {
            clients: context.clients,
            registry: context.registry,
            course: &context.course,
            id: &self.id,
            revision: &self.task_definition,
            known: Known {
                error: seen.error.as_ref(),
                appspec: match self.conduct {
                    Conduct::Deploy { plan, .. } => Some(&plan.deployment.appspec),
                    _ => None,
                },
                green: self.watch.green.clone(),
                stopped_for: self.stopped_for.clone(),
                alarms: self.watch.alarms.tripped().cloned().collect(),
                gave_up_after: self.watch.gave_up_after,
            },
        })
        .await
    }

    /// The rollback's id follows the stop by a moment.
    async fn rollback_id(&self) -> Option<String> {
        for _ in 0..SETTLE_LOOKS {
            self.context.pace.sleep(self.look()).await;
            let seen = self.context.observe(&self.id, Depth::Status);
            if let Ok(Observation { rollback: Some(id), .. }) = seen.await {
                return Some(id);
            }
        }
        None
    }

    async fn follow_rollback(&mut self, rollback: &str) {
        let context = self.context;
        let mut told = String::new();
        while !context.time_is_up() {
            let seen = context.observe(rollback, Depth::Targets).await;
            match seen {
                Ok(seen) => {
                    if told != seen.status {
                        told.clone_from(&seen.status);
                        let status = seen.status.clone();
                        context
                            .report
                            .tell(Event::DeploymentStatus { deployment: rollback.to_owned(), status });
                    }
                    // It is back some seconds before CodeDeploy is done.
                    if matches!(seen.phase, Phase::Shifting | Phase::Shifted | Phase::TerminationWait)
                        && self.conduct.goes_back()
                        && !self.told.back
                        && let Ok(production) = context.production().await
                        && self.is_back(&production)
                    {
                        self.tell_back(&production);
                    }
                    if matches!(seen.phase, Phase::Ended(_)) {
                        return;
                    }
                }
                Err(failure) if failure.may_pass() => {}
                Err(_) => return,
            }
            context.pace.sleep(self.look()).await;
        }
    }

    fn look(&self) -> Duration {
        if self.conduct.goes_back() { BACK_LOOK } else { LOOK }
    }

    /// Reads production until it is as it should be; what it is instead, in words, when it isn't.
    async fn settled(&self, right: impl Fn(&Production) -> bool) -> Result<Production, Unsettled> {
        let mut last = say::PRODUCTION_UNREAD.to_owned();
        for look in 0..SETTLE_LOOKS {
            if look > 0 {
                self.context.pace.sleep(self.look()).await;
            }
            match self.context.production().await {
                Ok(production) if right(&production) => return Ok(production),
                Ok(production) => last = say::production(&production, &self.id, &self.task_definition),
                Err(failure) if failure.may_pass() => {}
                Err(failure) => {
                    let production = say::production_denied(&failure);
                    return Err(Unsettled { production, unread: Some(refusals::failure(&failure)) });
                }
            }
        }
        Err(Unsettled { production: last, unread: None })
    }

    /// Production in words, as it reads at this moment.
    pub(super) async fn production_now(&self) -> String {
        match self.context.production().await {
            Ok(production) => say::production(&production, &self.id, &self.task_definition),
            Err(failure) => say::production_denied(&failure),
        }
    }

    pub(super) async fn out_of_time(&self) -> Outcome {
        let mut outcome = Outcome::new(
            Word::StillRunning,
            say::out_of_time(&self.id, &self.told.status, self.context.course.limit()),
            self.production_now().await,
        );
        outcome.next = Some(say::STATUS_FOLLOWS.to_owned());
        outcome
    }
}
