//! Follows one deployment, by the id that CreateDeployment gave, to its end and through its
//! rollback, and tells every change once.

use super::{
    Context, create,
    observe::{self, Depth, End, Observation, Phase},
    pace::Pacer,
    production::{self, Production},
    validate,
};
use crate::{
    aws::Failure,
    event::{Event, TaskCount},
    outcome::{Finding, Outcome, Word},
    request::Until,
    say::{deployment as say, refusals},
};
use anyhow::Result;
use aws_sdk_codedeploy::types::DeploymentWaitType;
use std::time::Duration;

/// Between two looks at a rollback, and at production until it reads as it should.
const ROLLBACK_LOOK: Duration = Duration::from_secs(2);
/// Looks for a rollback's id on a deployment that should have one, and for production to settle.
const SETTLE_LOOKS: usize = 15;
/// One attempt of asking CodeDeploy to stop, on the wall: the runner gives seven seconds in all.
const STOP_ATTEMPT: Duration = Duration::from_secs(2);

/// The stage: creates (or finds) the deployment and follows it. An error is one from before the
/// deployment existed; afterwards every end is an outcome.
pub async fn carry_out(context: &Context<'_>, task_definition: &str) -> Result<Outcome> {
    let step = &context.plan.deployment;
    let created = create::create(context, task_definition).await?;
    let console_url = crate::console::deployment(&context.plan.run.region, &created.id);
    context.report.tell(Event::DeploymentCreated {
        id: created.id.clone(),
        application: step.application.clone(),
        group: step.group.clone(),
        config: step.config.clone(),
        console_url: console_url.clone(),
        attached: created.attached,
    });
    let mut follow = Follow {
        context,
        pacer: Pacer::new(step.shape, step.termination_wait),
        told: Told::default(),
        continued: false,
        stopped_for: None,
        id: created.id.clone(),
        task_definition: task_definition.to_owned(),
    };
    let mut outcome = follow.until_the_end().await;
    outcome.deployment = Some(created.id);
    outcome.console_url = Some(console_url);
    outcome.task_definition = Some(task_definition.to_owned());
    outcome.previous_task_definition = Some(context.plan.task_definition.live_arn.clone());
    Ok(outcome)
}

struct Follow<'a> {
    context: &'a Context<'a>,
    id: String,
    task_definition: String,
    pacer: Pacer,
    told: Told,
    /// ContinueDeployment was asked for.
    continued: bool,
    /// Why we ourselves stopped it.
    stopped_for: Option<Finding>,
}

/// What was told last, so that only changes are told.
#[derive(Default)]
struct Told {
    status: String,
    events: Vec<(String, String)>,
    traffic: Option<(f64, f64)>,
    tasks: Option<(Option<TaskCount>, Option<TaskCount>)>,
    phase: Option<Phase>,
    troubled: bool,
}

impl Follow<'_> {
    async fn until_the_end(&mut self) -> Outcome {
        let context = self.context;
        let mut depth = Depth::Targets;
        loop {
            if context.cancel.is_requested() {
                return self.cancelled().await;
            }
            // Known before the look: what has ended by now is told as ended.
            let time_is_up = context.time_is_up();
            let asked = context.pace.now();
            let seen = tokio::select! {
                seen = context.observe(&self.id, depth) => seen,
                () = context.cancel.requested() => continue,
            };
            let seen = match seen {
                Ok(seen) => seen,
                Err(failure) => {
                    if let Some(outcome) = self.troubled(failure).await {
                        return outcome;
                    }
                    if time_is_up {
                        return self.out_of_time().await;
                    }
                    continue;
                }
            };
            self.told.troubled = false;
            self.pacer.saw(seen.phase, seen.green.as_ref().map_or(0.0, |g| g.weight), asked);
            if self.told.phase != Some(seen.phase) {
                context.report.tell(Event::Eta { remaining: self.to_go(seen.phase) });
            }
            self.tell(&seen);
            match seen.phase {
                Phase::Ready if !self.continued && !time_is_up => {
                    self.at_ready().await;
                    continue;
                }
                Phase::TerminationWait => {
                    if context.plan.deployment.until == Until::TrafficShifted {
                        return self.shifted().await;
                    }
                    depth = Depth::Status;
                }
                Phase::Ended(End::Succeeded) => return self.succeeded().await,
                Phase::Ended(End::Failed | End::Stopped) => return self.failed(seen).await,
                _ => {}
            }
            if time_is_up {
                return self.out_of_time().await;
            }
            self.announce_wait(seen.phase);
            tokio::select! {
                () = context.pace.sleep(self.pacer.next(context.pace.now())) => {}
                () = context.cancel.requested() => {}
            }
        }
    }

    /// Tells what is new since the last look.
    fn tell(&mut self, seen: &Observation) {
        let report = self.context.report;
        if self.told.status != seen.status {
            self.told.status.clone_from(&seen.status);
            report.tell(Event::DeploymentStatus { deployment: self.id.clone(), status: seen.status.clone() });
        }
        for (name, status) in &seen.events {
            let known = self.told.events.iter().any(|told| told.0 == *name && told.1 == *status);
            // That everything is still to come is no news.
            if !known && status != "Pending" {
                report.tell(Event::Lifecycle {
                    deployment: self.id.clone(),
                    name: name.clone(),
                    status: status.clone(),
                });
            }
        }
        if seen.events.is_empty() {
            // The look went no deeper than the status.
            return;
        }
        self.told.events.clone_from(&seen.events);
        let tasks = (seen.blue.as_ref().map(|s| s.tasks), seen.green.as_ref().map(|s| s.tasks));
        if self.told.tasks != Some(tasks) && tasks != (None, None) {
            self.told.tasks = Some(tasks);
            report.tell(Event::Tasks { blue: tasks.0, green: tasks.1 });
        }
        let weight = |side: &Option<observe::Side>| side.as_ref().map_or(0.0, |s| s.weight);
        let traffic = (weight(&seen.blue), weight(&seen.green));
        if self.told.traffic != Some(traffic) && traffic != (0.0, 0.0) {
            self.told.traffic = Some(traffic);
            report.tell(Event::Traffic { blue: traffic.0, green: traffic.1 });
        }
    }

    /// Says once a phase how long it lasts, where that is known.
    fn announce_wait(&mut self, phase: Phase) {
        if self.told.phase == Some(phase) {
            return;
        }
        self.told.phase = Some(phase);
        let what = match phase {
            Phase::Shifting => say::SHIFTING,
            Phase::TerminationWait => say::TERMINATION_WAIT,
            _ => return,
        };
        let remaining = self.pacer.remaining(self.context.pace.now());
        self.context.report.tell(Event::Waiting { what: what.to_owned(), remaining });
    }

    /// How long the deployment takes from the beginning of a phase on, if all goes well.
    fn to_go(&self, phase: Phase) -> Option<Duration> {
        let budget = &self.context.plan.budget;
        let end = match self.context.plan.deployment.until {
            Until::TrafficShifted => Duration::ZERO,
            Until::Terminated => budget.termination_wait,
        };
        let remaining = self.pacer.remaining(self.context.pace.now());
        match phase {
            Phase::Starting | Phase::Installing => Some(budget.provisioning + budget.shift + end),
            Phase::Testing | Phase::Ready => Some(budget.shift + end),
            Phase::Shifting => Some(remaining.unwrap_or(budget.shift) + end),
            Phase::Shifted => Some(end),
            Phase::TerminationWait => remaining,
            _ => None,
        }
    }

    /// A look that failed: ridden out when it may pass, else the end of what we can say.
    async fn troubled(&mut self, failure: Failure) -> Option<Outcome> {
        if failure.may_pass() {
            if !self.told.troubled {
                self.told.troubled = true;
                self.context.report.tell(Event::Note { text: say::still_asking(&failure) });
            }
            tokio::select! {
                () = self.context.pace.sleep(ROLLBACK_LOOK) => {}
                () = self.context.cancel.requested() => {}
            }
            return None;
        }
        let production = self.production_now().await;
        let mut outcome = Outcome::new(Word::NeedsAttention, say::lost_sight(&self.id), production);
        outcome.findings = vec![refusals::failure(&failure)];
        outcome.next = Some(say::look_at_console(&self.id));
        Some(outcome)
    }

    /// At `Ready` nothing happens until ContinueDeployment, or until the ready wait is over.
    async fn at_ready(&mut self) {
        let context = self.context;
        let step = &context.plan.deployment;
        let checked = tokio::select! {
            checked = validate::validate(&step.validate, step.test_url.as_deref(), context) => checked,
            () = context.cancel.requested() => return,
        };
        match checked {
            Ok(()) => match self.ask_to_continue().await {
                Ok(()) => self.continued = true,
                Err(failure) if failure.may_pass() => context.pace.sleep(ROLLBACK_LOOK).await,
                Err(failure) => {
                    // It may have left Ready by itself meanwhile: the next look tells.
                    self.continued = true;
                    context.report.tell(Event::Warning { text: say::not_continued(&self.id, &failure) });
                }
            },
            Err(finding) => {
                self.stopped_for = Some(finding);
                self.continued = true;
                if let Err(failure) = self.ask_to_stop().await {
                    context.report.tell(Event::Warning { text: say::not_stopped(&self.id, &failure) });
                }
            }
        }
    }

    async fn ask_to_continue(&self) -> Result<(), Failure> {
        self.context
            .clients
            .codedeploy()
            .continue_deployment()
            .deployment_id(&self.id)
            .deployment_wait_type(DeploymentWaitType::ReadyWait)
            .send()
            .await
            .map_err(self.context.clients.failed("codedeploy:ContinueDeployment"))?;
        Ok(())
    }

    async fn ask_to_stop(&self) -> Result<(), Failure> {
        self.context
            .clients
            .codedeploy()
            .stop_deployment()
            .deployment_id(&self.id)
            .auto_rollback_enabled(true)
            .send()
            .await
            .map_err(self.context.clients.failed("codedeploy:StopDeployment"))?;
        Ok(())
    }

    /// CodeDeploy says so; production says whether it is true.
    async fn succeeded(&mut self) -> Outcome {
        match self.settled(|production| production.wholly_on(&self.id)).await {
            Ok(production) => Outcome::new(
                Word::Succeeded,
                say::succeeded(&self.id),
                say::production(&production, &self.id, &self.task_definition),
            ),
            Err(production) => {
                let mut outcome =
                    Outcome::new(Word::NeedsAttention, say::succeeded_elsewhere(&self.id), production);
                outcome.next = Some(say::look_at_console(&self.id));
                outcome
            }
        }
    }

    /// The success point of `until: traffic-shifted`.
    async fn shifted(&mut self) -> Outcome {
        let mut outcome = self.succeeded().await;
        if outcome.word == Word::Succeeded {
            outcome.happened = say::shifted(&self.id);
            outcome.next = Some(say::may_still_go_back(self.context.plan.deployment.termination_wait));
        }
        outcome
    }

    /// Follows the rollback to its end, then reads back who serves.
    async fn failed(&mut self, seen: Observation) -> Outcome {
        let context = self.context;
        let cause = self.stopped_for.clone().unwrap_or_else(|| say::cause(&self.id, seen.error.as_ref()));
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
        let mut outcome = match self.settled(|production| production.wholly_off(&self.id)).await {
            Ok(production) => {
                let mut outcome = Outcome::new(
                    Word::RolledBack,
                    say::rolled_back(&self.id, rollback.as_deref()),
                    say::production(&production, &self.id, &self.task_definition),
                );
                outcome.next = Some(say::FIX_AND_DEPLOY.to_owned());
                outcome
            }
            Err(production) => {
                let mut outcome = Outcome::new(
                    Word::NeedsAttention,
                    say::not_rolled_back(&self.id, rollback.as_deref()),
                    production,
                );
                outcome.next = Some(say::take_back_by_hand(
                    &context.plan.deployment.application,
                    &context.plan.deployment.group,
                    &context.plan.task_definition.live_arn,
                ));
                outcome
            }
        };
        outcome.findings = vec![cause];
        outcome.rollback_deployment = rollback;
        outcome
    }

    fn expects_rollback(&self, seen: &Observation) -> bool {
        let events = self.context.plan.deployment.rollback;
        let alarm = seen.error.as_ref().is_some_and(|e| e.code == "ALARM_ACTIVE");
        match seen.phase {
            Phase::Ended(End::Failed) => events.on_failure,
            _ if alarm => events.on_alarm,
            _ => events.on_request || self.stopped_for.is_some(),
        }
    }

    /// The rollback's id follows the stop by a moment.
    async fn rollback_id(&self) -> Option<String> {
        for _ in 0..SETTLE_LOOKS {
            self.context.pace.sleep(ROLLBACK_LOOK).await;
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
                    if matches!(seen.phase, Phase::Ended(_)) {
                        return;
                    }
                }
                Err(failure) if failure.may_pass() => {}
                Err(_) => return,
            }
            context.pace.sleep(ROLLBACK_LOOK).await;
        }
    }

    /// Reads production until it is as it should be; what it is instead, in words, when it isn't.
    async fn settled(&self, right: impl Fn(&Production) -> bool) -> Result<Production, String> {
        let mut last = say::PRODUCTION_UNREAD.to_owned();
        for look in 0..SETTLE_LOOKS {
            if look > 0 {
                self.context.pace.sleep(ROLLBACK_LOOK).await;
            }
            match self.context.production().await {
                Ok(production) if right(&production) => return Ok(production),
                Ok(production) => last = say::production(&production, &self.id, &self.task_definition),
                Err(failure) if failure.may_pass() => {}
                Err(failure) => return Err(say::production_denied(&failure)),
            }
        }
        Err(last)
    }

    /// Production in words, as it reads at this moment.
    async fn production_now(&self) -> String {
        match self.context.production().await {
            Ok(production) => say::production(&production, &self.id, &self.task_definition),
            Err(failure) => say::production_denied(&failure),
        }
    }

    async fn out_of_time(&self) -> Outcome {
        let mut outcome = Outcome::new(
            Word::StillRunning,
            say::out_of_time(&self.id, &self.told.status, self.context.limit()),
            self.production_now().await,
        );
        outcome.next = Some(say::look_at_console(&self.id));
        outcome
    }

    /// Before the success point a cancelled run takes production back; CodeDeploy carries the
    /// rollback on when we are gone.
    async fn cancelled(&self) -> Outcome {
        let mut asked = Err(say::NO_ANSWER.to_owned());
        for _ in 0..2 {
            asked = match tokio::time::timeout(STOP_ATTEMPT, self.ask_to_stop()).await {
                Ok(answer) => answer.map_err(|failure| failure.to_string()),
                Err(_) => Err(say::NO_ANSWER.to_owned()),
            };
            if asked.is_ok() {
                break;
            }
        }
        let (happened, next) = match &asked {
            Ok(()) => (say::cancelled(&self.id), None),
            Err(why) => (say::cancel_failed(&self.id, why), Some(say::look_at_console(&self.id))),
        };
        let production = tokio::time::timeout(STOP_ATTEMPT, self.production_now()).await;
        let production = production.unwrap_or_else(|_| say::PRODUCTION_UNREAD.to_owned());
        let mut outcome = Outcome::new(Word::Cancelled, happened, production);
        outcome.next = next;
        outcome
    }
}

impl Context<'_> {
    pub(super) async fn production(&self) -> Result<Production, Failure> {
        let step = &self.plan.deployment;
        production::read(self.clients, &step.cluster, &step.service, &step.production_listeners).await
    }
}
