//! `greenlight rollback`: takes production back by the shortest way that there is. While a deployment
//! runs or blue still stands, that is to stop it; after that, a new deployment of an older revision.

mod decide;
mod redeploy;
mod revisions;
mod stop;
mod wanted;

pub use decide::Way;
pub use redeploy::bring_back;

use crate::{
    attend::{Attached, Visit, commit},
    current::{self, Active},
    deployment::{self, Conduct, Created},
    event::{Event, Stage},
    marker::{self, Found},
    outcome::{Outcome, Stop, Word},
    say,
    task_definition::Revision,
    verified::{self, Verified},
};
use anyhow::Result;
use redeploy::Back;
use stop::Stopped;

pub async fn roll_back(visit: Visit<'_>, to: Option<&str>) -> Result<Outcome> {
    let Prepared { live, way, back, alarms, attached } = visit.cancel.unless(prepare(&visit, to)).await??;
    let left =
        way.stopped().map(|active| Found::in_description(&active.description)).unwrap_or(live.marker());
    let ours = left.as_ref().is_some_and(|found| visit.marker.is_neighbour_of(found));
    visit.begin("rollback", commit(left.as_ref()).filter(|_| ours));
    visit.report.tell(Event::Stage { stage: Stage::Plan });
    let plan = say::back::plan(&visit.site, &way, &live, left.as_ref(), &alarms);
    visit.report.tell(Event::Planned { text: plan, plan: way.json(&live) });
    visit.report.tell(Event::Stage { stage: Stage::Rollback });

    match (way, attached) {
        (Way::There, _) => Ok(there(&visit, &live).await),
        (Way::Follow(active), _) => follow(&visit, &active).await,
        (Way::Stop { active, then }, Some(attached)) => {
            let before = visit.site.blue_of(&active.id).map(str::to_owned);
            let stopped = stop::stop(&visit, attached).await?;
            let gone_back = match stopped {
                Stopped::Back(outcome) if then.is_none() => return Ok(outcome),
                Stopped::Elsewhere(outcome) => return Ok(outcome),
                Stopped::Back(_) => again(&visit, back, None).await,
                Stopped::TooLate => again(&visit, back, before.as_deref()).await,
            };
            match gone_back.map_err(|error| error.downcast::<Stop>()) {
                Ok(outcome) => Ok(outcome),
                // Not untouched: the deployment was stopped or finished.
                Err(Ok(stop)) => Ok(half_way(&visit, &active.id, stop).await),
                Err(Err(error)) => Err(error),
            }
        }
        _ => match back {
            Some(back) => go_back(&visit, &back, &live).await,
            None => Err(Stop::refused(vec![say::back::nothing_verified(&live.arn, &[])]).into()),
        },
    }
}

/// All that is known before the first write.
struct Prepared {
    /// The revision that production is on, or goes to.
    live: Revision,
    way: Way,
    back: Option<Back>,
    /// The group's alarms that are in ALARM.
    alarms: Vec<String>,
    /// What is to be stopped.
    attached: Option<Attached>,
}

async fn prepare(visit: &Visit<'_>, to: Option<&str>) -> Result<Prepared> {
    let (site, clients) = (&visit.site, &visit.access.deploy);
    let live = match (site.active.first(), to) {
        // A stop needs to know nothing of it, and production waits.
        (Some(_), None) => Revision { arn: site.service.task_definition.clone(), ..Revision::default() },
        _ => live(visit).await?,
    };
    let wanted = match to {
        Some(to) => Some(wanted::find(visit, to, &live).await?),
        None => None,
    };
    let way = match decide::way(site, wanted, &live)? {
        // Looked for only where it is needed: it takes many calls.
        Way::LastVerified => Way::Return(revisions::last_verified(clients, &live).await?),
        way => way,
    };
    let (back, alarms) = match way.target() {
        Some(target) => {
            let alarms = current::alarms_that_ring(clients, &site.group).await;
            let description = marker::way_back(target.marker().as_ref(), visit.marker);
            (Some(Back::of(&site.service, target, description, &site.group, &alarms)?), alarms)
        }
        None => (None, Vec::new()),
    };
    let attached = match way.stopped() {
        Some(active) => Some(visit.attach_at_once(active).await?),
        None => None,
    };
    Ok(Prepared { live, way, back, alarms, attached })
}

/// Production is on its way back already, by whoever's wish.
async fn follow(visit: &Visit<'_>, active: &Active) -> Result<Outcome> {
    let attached = visit.attach(active).await?;
    let created = Created { id: attached.id, attached: true };
    let brought = attached.task_definition.as_str();
    if active.is_rollback {
        let context = visit.context(attached.course.without_alarms().looking_on());
        let outcome = deployment::follow(&context, Conduct::Stopped, created, brought).await;
        return Ok(was_under_way(redeploy::stopped(&context, outcome)));
    }
    let course = attached.course.way_back(&attached.course.live_arn, visit.pace);
    let context = visit.context(course);
    let outcome = deployment::follow(&context, Conduct::Return, created, brought).await;
    Ok(was_under_way(redeploy::returned(&context, outcome)))
}

/// Others began it: how long it took is theirs to tell.
fn was_under_way(mut outcome: Outcome) -> Outcome {
    if outcome.word == Word::RolledBackOnRequest {
        outcome.happened = say::back::was_under_way(outcome.deployment.as_deref().unwrap_or_default());
    }
    outcome
}

/// After a deployment was stopped or finished, a new one: of what was planned, or else of what
/// production was on before.
async fn again(visit: &Visit<'_>, planned: Option<Back>, before: Option<&str>) -> Result<Outcome> {
    let service = &visit.site.service;
    let now = current::service(&visit.access.deploy, &service.cluster, &service.name).await?;
    let live = read(visit, &now.task_definition).await?;
    match (planned, before) {
        (Some(back), _) => go_back(visit, &back, &live).await,
        (None, before) => {
            let before = before.unwrap_or_default();
            visit.report.tell(Event::Note { text: say::back::too_late(before) });
            let context = visit.context(visit.site.way_back(visit.environment(), &live.arn, visit.pace));
            let outcome = bring_back(&context, before, &live.arn).await?;
            if outcome.word == Word::RolledBackOnRequest {
                forget(visit, &live).await;
            }
            Ok(outcome)
        }
    }
}

async fn go_back(visit: &Visit<'_>, back: &Back, live: &Revision) -> Result<Outcome> {
    let context = visit.context(visit.site.way_back(visit.environment(), &live.arn, visit.pace));
    let outcome = redeploy::redeploy(&context, back).await?;
    if outcome.word == Word::RolledBackOnRequest {
        forget(visit, live).await;
        let deployment = outcome.deployment.as_deref().unwrap_or_default();
        // What was named and serves is verified by that.
        if !back.verified
            && let Err(failure) = verified::mark(&visit.access.deploy, &back.arn, deployment).await
        {
            let text = say::deployment::not_marked(&back.arn, &failure);
            visit.report.tell(Event::Warning { text });
        }
    }
    Ok(outcome)
}

/// What production was taken back from isn't chosen again by itself.
async fn forget(visit: &Visit<'_>, live: &Revision) {
    if Verified::of(live).is_some()
        && let Err(failure) = verified::take_back(&visit.access.deploy, &live.arn).await
    {
        visit.report.tell(Event::Warning { text: say::back::still_verified(&live.arn, &failure) });
    }
}

async fn half_way(visit: &Visit<'_>, stopped: &str, stop: Stop) -> Outcome {
    let mut outcome =
        Outcome::new(Word::NeedsAttention, say::back::half_way(stopped), visit.production().await);
    outcome.findings = stop.findings;
    outcome.next = Some(say::back::NAME_ANOTHER.to_owned());
    outcome
}

async fn there(visit: &Visit<'_>, live: &Revision) -> Outcome {
    Outcome::new(Word::Unchanged, say::back::there(&live.arn), visit.production().await)
}

/// The revision that production is on, or goes to.
async fn live(visit: &Visit<'_>) -> Result<Revision, Stop> {
    let arn = &visit.site.service.task_definition;
    if arn.is_empty() {
        return Err(Stop::refused(vec![say::current::nothing_runs(&visit.site.service.name)]));
    }
    read(visit, arn).await
}

async fn read(visit: &Visit<'_>, arn: &str) -> Result<Revision, Stop> {
    let read = current::describe(&visit.access.deploy, arn).await;
    read.map_err(|failure| Stop::refused(vec![say::refusals::failure(&failure)]))
}
