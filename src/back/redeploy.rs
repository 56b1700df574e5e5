//! The way back once blue is gone: a new deployment of an older revision, all at once, which the
//! alarms that the bad release set off don't stop.

use crate::{
    appspec::{AppSpec, Kept},
    current::{self, Group, Service},
    deployment::{self, Alarms, Conduct, Context, Course, Order},
    marker,
    outcome::{Outcome, Stop, Word},
    request::Concurrency,
    say::{back as say, cancel, refusals},
    task_definition::Revision,
    verified::Verified,
};
use anyhow::Result;

/// What is to be brought back: all that can be refused has been.
#[derive(Clone, Debug)]
pub struct Back {
    pub arn: String,
    pub verified: bool,
    content: (String, String),
    description: String,
    alarms: Alarms,
}

impl Back {
    /// `in_alarm` names the group's alarms that are in ALARM.
    pub fn of(
        service: &Service,
        revision: &Revision,
        description: String,
        group: &Group,
        in_alarm: &[String],
    ) -> Result<Back, Stop> {
        if revision.inactive {
            return Err(Stop::refused(vec![say::inactive(&revision.arn)]));
        }
        let (container, container_port) = behind_balancer(service, revision)
            .ok_or_else(|| Stop::refused(vec![say::no_port(&revision.arn)]))?;
        let on_fargate = service.on_fargate();
        let kept = Kept {
            container,
            container_port,
            platform_version: service.platform_version.clone().filter(|_| on_fargate),
            network: service.network.clone().filter(|_| revision.document.network_mode() == "awsvpc"),
            strategy: service.strategy.clone(),
        };
        Ok(Back {
            arn: revision.arn.clone(),
            verified: Verified::of(revision).is_some(),
            content: AppSpec::generated().completed(&kept).content(&revision.arn),
            description,
            alarms: match group.alarms.is_empty() {
                true => Alarms::Heed,
                false => Alarms::LeaveOut { in_alarm: !in_alarm.is_empty() },
            },
        })
    }
}

/// The container that gets the requests: as production has it now, unless the revision has it
/// under another name.
fn behind_balancer(service: &Service, revision: &Revision) -> Option<(String, u16)> {
    let balancer = service.balancers.first()?;
    let document = &revision.document;
    let has = |name: &str| document.ports_of(name).contains(&balancer.port);
    let names = document.container_names();
    let same = names.iter().find(|name| **name == balancer.container && has(name));
    let container = same.or_else(|| names.iter().find(|name| has(name)))?;
    Some(((*container).to_owned(), balancer.port))
}

/// Brings a revision back, for a run that has a deployment to leave: `leaving` is what it brought.
/// Reads what it needs; what stands against it is an error, and then nothing was written.
pub async fn bring_back(context: &Context<'_>, arn: &str, leaving: &str) -> Result<Outcome> {
    let clients = context.clients;
    let course = context.course.way_back(leaving, context.pace);
    let (service, revision, group) = tokio::join!(
        current::service(clients, &course.cluster, &course.service),
        current::describe(clients, arn),
        current::group(clients, &course.application, &course.group),
    );
    let revision = revision.map_err(|failure| Stop::refused(vec![refusals::failure(&failure)]))?;
    let description = marker::way_back(revision.marker().as_ref(), context.marker);
    let group = group?;
    let ringing = current::alarms_that_ring(clients, &group).await;
    let back = Back::of(&service?, &revision, description, &group, &ringing)?;
    redeploy(&Context { course, ..*context }, &back).await
}

/// Starts the deployment and follows it until production is on it. The context's course is a way
/// back.
pub async fn redeploy(context: &Context<'_>, back: &Back) -> Result<Outcome> {
    let order = Order {
        content: back.content.clone(),
        config: Some(&context.course.config),
        description: &back.description,
        concurrency: Concurrency::Fail,
        ages: None,
        alarms: back.alarms,
    };
    deployment::keep(context, Conduct::Return, &back.description, &back.arn);
    let Some(created) = deployment::create(context, &order).await? else {
        return Ok(cancel::creation_unanswered(&context.course.group));
    };
    let outcome = deployment::follow(context, Conduct::Return, created, &back.arn).await;
    Ok(returned(context, outcome))
}

/// How bringing a revision back ended: what counts is that production is on it.
pub fn returned(context: &Context<'_>, mut outcome: Outcome) -> Outcome {
    let id = outcome.deployment.clone().unwrap_or_default();
    match outcome.word {
        Word::Succeeded => {
            outcome.word = Word::RolledBackOnRequest;
            outcome.happened = say::returned(&id, context.pace.elapsed());
            let Course { live_arn, termination_wait, .. } = &context.course;
            outcome.next = Some(say::left_standing(live_arn, *termination_wait));
        }
        // It failed, and production is where it was to be taken from.
        Word::RolledBack => {
            outcome.word = Word::NeedsAttention;
            outcome.happened = say::failed_to_return(&id);
            outcome.next = Some(say::NAME_ANOTHER.to_owned());
        }
        _ => {}
    }
    outcome
}

/// How a deployment ended that was to go back to what was before it.
pub fn stopped(context: &Context<'_>, mut outcome: Outcome) -> Outcome {
    if outcome.word == Word::RolledBack {
        let id = outcome.deployment.clone().unwrap_or_default();
        let rollback = outcome.rollback_deployment.as_deref();
        outcome.word = Word::RolledBackOnRequest;
        outcome.happened = say::stopped(&id, rollback, context.pace.elapsed());
        outcome.findings.clear();
        outcome.next = Some(say::DEPLOY_WHEN_MENDED.to_owned());
    }
    outcome
}
