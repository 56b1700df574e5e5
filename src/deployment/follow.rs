//! Follows one deployment, by the id that CreateDeployment gave, to its end, and tells every
//! change once.

use super::{
    Alarms, Conduct, Context, Created, Order, create,
    exposure::Exposure,
    observe::{self, Depth, End, Observation, Phase},
    pace::Pacer,
    watched::Watch,
};
use crate::{
    ages::Ages,
    aws::Failure,
    cancel::grace,
    child,
    event::{Event, TaskCount},
    kept::{Undertaking, name},
    outcome::{Finding, Outcome, Word},
    plan::Plan,
    request::Until,
    say::{self, deployment as said, refusals},
};
use anyhow::Result;
use std::time::Duration;
use tokio::{sync::watch, time::timeout};

/// Before a call that may pass is made again.
pub(super) const AGAIN: Duration = Duration::from_secs(2);

/// Between two looks while production is on its way back: somebody waits for it.
pub(super) const BACK_LOOK: Duration = Duration::from_secs(1);

/// The stage: creates (or finds) the deployment and follows it. An error is one from before the
/// deployment existed; afterwards every end is an outcome.
pub async fn carry_out(
    context: &Context<'_>,
    plan: &Plan,
    task_definition: &str,
    image: &str,
    ages: &Ages<'_>,
) -> Result<Outcome> {
    let step = &plan.deployment;
    let conduct = Conduct::Deploy { plan, image };
    let created = match &step.attach {
        Some(id) => Created { id: id.clone(), attached: true },
        None => {
            let order = Order {
                content: step.appspec.content(task_definition),
                config: step.config_given.then_some(step.config.as_str()),
                description: &step.description,
                concurrency: step.concurrency,
                ages: Some(ages),
                alarms: Alarms::Heed,
            };
            keep(context, conduct, &step.description, task_definition);
            match create::create(context, &order).await? {
                Some(created) => created,
                None => return Ok(say::cancel::creation_unanswered(&context.course.group)),
            }
        }
    };
    Ok(follow(context, conduct, created, task_definition).await)
}

/// For the post step, before there is anything that it would have to finish.
pub fn keep(context: &Context<'_>, conduct: Conduct<'_>, description: &str, task_definition: &str) {
    let undertaking = Undertaking {
        course: context.course.clone(),
        description: description.to_owned(),
        task_definition: task_definition.to_owned(),
        on_cancel: conduct.on_cancel(&context.course),
        returns: matches!(conduct, Conduct::Return),
        shift_succeeds: context.course.until == Until::TrafficShifted && conduct.verify().is_none(),
    };
    // What can't be written as JSON isn't ours.
    let text = serde_json::to_string(&undertaking).unwrap_or_default();
    context.report.keep(name::UNDERTAKING, &text);
}

/// Follows a deployment that there is to its end; `task_definition` is what it brings.
pub async fn follow(
    context: &Context<'_>,
    conduct: Conduct<'_>,
    created: Created,
    task_definition: &str,
) -> Outcome {
    let course = &context.course;
    if created.attached {
        keep(context, conduct, "", task_definition);
    }
    let console_url = crate::console::deployment(&course.region, &created.id);
    context.report.tell(Event::DeploymentCreated {
        id: created.id.clone(),
        application: course.application.clone(),
        group: course.group.clone(),
        config: course.config.clone(),
        console_url: console_url.clone(),
        attached: created.attached,
    });
    let mut follow = Follow {
        context,
        conduct,
        pacer: Pacer::new(course.shape, course.termination_wait),
        told: Told::default(),
        phase: None,
        busy: watch::Sender::new(false),
        heard: None,
        continued: false,
        came_late: false,
        verified: conduct.verify().is_none(),
        unverified: false,
        over: false,
        exposure: Exposure::default(),
        stopped_for: None,
        watch: Watch::new(course),
        id: created.id.clone(),
        task_definition: task_definition.to_owned(),
    };
    // Broken off wherever it is, but where something has to be ended first: what a cancelled run
    // does makes up for it.
    let mut busy = follow.busy.subscribe();
    let broken_off = async {
        context.cancel.requested().await;
        let _ = timeout(context.cancel.left(grace::READ), busy.wait_for(|busy| !busy)).await;
    };
    let ended = tokio::select! {
        biased;
        () = broken_off => None,
        outcome = follow.until_the_end() => Some(outcome),
    };
    let mut outcome = match ended {
        Some(outcome) => outcome,
        None => {
            let outcome = follow.cancelled().await;
            // A check's command was told to stop, too.
            context.cancel.within(grace::READ, child::settled()).await;
            outcome
        }
    };
    outcome.deployment = Some(created.id);
    outcome.console_url = Some(console_url);
    outcome.task_definition = Some(task_definition.to_owned());
    outcome.previous_task_definition = Some(course.live_arn.clone());
    outcome
}

pub(super) struct Follow<'a> {
    pub context: &'a Context<'a>,
    pub conduct: Conduct<'a>,
    pub id: String,
    pub task_definition: String,
    pub pacer: Pacer,
    pub told: Told,
    /// As it was seen last.
    pub phase: Option<Phase>,
    /// What heeds a signal by itself is under way.
    pub busy: watch::Sender<bool>,
    /// Whether CodeDeploy heard, meanwhile, that it shall stop.
    pub heard: Option<Result<(), String>>,
    /// ContinueDeployment was asked for.
    pub continued: bool,
    /// It waited at Ready already at the first look.
    pub came_late: bool,
    /// The checks of the termination wait have decided.
    pub verified: bool,
    /// They decided against it.
    pub unverified: bool,
    /// It had ended before they were made.
    pub over: bool,
    pub exposure: Exposure,
    /// Why we ourselves stopped it.
    pub stopped_for: Option<Finding>,
    pub watch: Watch,
}

/// What was told last, so that only changes are told.
#[derive(Default)]
pub(super) struct Told {
    pub status: String,
    events: Vec<(String, String)>,
    pub(super) traffic: Option<(f64, f64)>,
    tasks: Option<(Option<TaskCount>, Option<TaskCount>)>,
    phase: Option<Phase>,
    troubled: bool,
    /// That production is back.
    pub back: bool,
}

impl Follow<'_> {
    async fn until_the_end(&mut self) -> Outcome {
        let context = self.context;
        let mut depth = Depth::Targets;
        loop {
            // Known before the look: what has ended by now is told as ended.
            let time_is_up = context.time_is_up();
            let asked = context.pace.now();
            let seen = match context.observe(&self.id, depth).await {
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
            self.came_late |= self.phase.is_none() && seen.phase == Phase::Ready;
            self.phase = Some(seen.phase);
            self.pacer.saw(seen.phase, seen.green.as_ref().map_or(0.0, |g| g.weight), asked);
            if self.told.phase != Some(seen.phase) {
                context.report.tell(Event::Eta { remaining: self.to_go(seen.phase) });
            }
            self.tell(&seen);
            match seen.phase {
                Phase::Ready if self.decides_at_ready() && !time_is_up => {
                    if let Some(outcome) = self.at_ready().await {
                        return outcome;
                    }
                    continue;
                }
                Phase::TerminationWait => {
                    if !self.verified {
                        if let Some(outcome) = self.at_termination_wait().await {
                            return outcome;
                        }
                        continue;
                    }
                    if self.stopped_for.is_none() && context.course.until == Until::TrafficShifted {
                        return self.shifted().await;
                    }
                    depth = Depth::Status;
                }
                Phase::Ended(End::Succeeded) => return self.ended_well().await,
                Phase::Ended(End::Failed | End::Stopped) => return self.failed(seen).await,
                _ => {}
            }
            if time_is_up {
                return self.out_of_time().await;
            }
            self.look_around(&seen).await;
            self.announce_wait(seen.phase);
            context.pace.sleep(self.next_look()).await;
        }
    }

    fn next_look(&self) -> Duration {
        let next = self.pacer.next(self.context.pace.now());
        if self.conduct.goes_back() { next.min(BACK_LOOK) } else { next }
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
            self.exposure.saw(self.context.pace.now(), traffic.1);
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
            Phase::Ready if matches!(self.conduct, Conduct::Watch { .. }) => said::READY_WAIT,
            Phase::Shifting => said::SHIFTING,
            Phase::TerminationWait => said::TERMINATION_WAIT,
            _ => return,
        };
        let remaining = match phase {
            Phase::Ready => self.context.course.ready_wait.filter(|_| !self.came_late),
            _ => self.pacer.remaining(self.context.pace.now()),
        };
        self.context.report.tell(Event::Waiting { what: what.to_owned(), remaining });
    }

    /// How long the deployment takes from the beginning of a phase on, if all goes well.
    fn to_go(&self, phase: Phase) -> Option<Duration> {
        let budget = &self.context.course.budget;
        let end = match self.context.course.until {
            Until::TrafficShifted => Duration::ZERO,
            Until::Terminated => budget.termination_wait,
        };
        let remaining = self.pacer.remaining(self.context.pace.now());
        match phase {
            Phase::Starting | Phase::Installing => Some(budget.provisioning + budget.shift + end),
            Phase::Testing | Phase::Ready => Some(budget.shift + end),
            Phase::Shifting => Some(remaining.unwrap_or(budget.shift) + end),
            Phase::Shifted => Some(end),
            Phase::TerminationWait => remaining.map(|remaining| remaining.min(end)),
            _ => None,
        }
    }

    /// A look that failed: ridden out when it may pass, else the end of what we can say.
    async fn troubled(&mut self, failure: Failure) -> Option<Outcome> {
        if failure.may_pass() {
            if !self.told.troubled {
                self.told.troubled = true;
                self.context.report.tell(Event::Note { text: said::still_asking(&failure) });
            }
            self.context.pace.sleep(AGAIN).await;
            return None;
        }
        let production = self.production_now().await;
        let mut outcome = Outcome::new(Word::NeedsAttention, said::lost_sight(&self.id), production);
        outcome.findings = vec![refusals::failure(&failure)];
        outcome.next = Some(said::look_at_console(&self.id));
        Some(outcome)
    }
}
