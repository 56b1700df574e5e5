//! `greenlight approve`: lets a deployment go on that waits at Ready, and follows it to its end. The
//! checks ran before it was held, so they aren't run again.

use super::{Visit, commit};
use crate::{
    checks,
    current::{self, Active},
    deployment::{self, Conduct, Created},
    documents,
    event::{Event, Stage},
    marker::Found,
    outcome::{Finding, Outcome, Stop},
    request::Check,
    say::{attend as say, checks as checks_say, plan as plan_say},
};
use anyhow::Result;
use serde_json::json;

pub(super) async fn approve(visit: &Visit<'_>, named: Option<&str>) -> Result<Outcome> {
    let active = match waiting(visit, named) {
        Ok(active) => active,
        Err(stop) => {
            return match visit.cancel.unless(missed(visit, named)).await? {
                Some((missed, found)) => Ok(too_late(visit, &missed, &found, stop).await),
                None => Err(stop.into()),
            };
        }
    };
    let found = Found::in_description(&active.description);
    let ours = found.as_ref().is_some_and(|found| visit.marker.is_neighbour_of(found));
    if !ours && named.is_none() {
        return Err(Stop::refused(vec![say::not_ours(&active.id, found.as_ref())]).into());
    }
    let attached = visit.cancel.unless(visit.attach(active)).await??;
    let verify = visit.environment().verify.as_slice();
    let found_wrong = not_to_be_verified(visit, verify).await;
    if !found_wrong.is_empty() {
        return Err(Stop::refused(found_wrong).into());
    }
    visit.begin("approve", commit(found.as_ref()).filter(|_| ours));
    visit.report.tell(Event::Stage { stage: Stage::Plan });
    visit.report.tell(Event::Planned {
        text: say::approval(&attached.id, found.as_ref(), &attached.task_definition, &attached.course),
        plan: json!({
            "approve": attached.id,
            "task-definition": attached.task_definition,
            "blue": attached.course.live_arn,
        }),
    });
    visit.report.tell(Event::Stage { stage: Stage::Deployment });
    let (image, url) = match verify {
        [] => (None, None),
        _ => tokio::join!(image(visit, &attached.task_definition), visit.production_url()),
    };
    let image = image.unwrap_or_default();
    let conduct = Conduct::Approve { verify, image: &image, url: url.as_deref() };
    let context = visit.context(attached.course);
    let created = Created { id: attached.id, attached: true };
    Ok(deployment::follow(&context, conduct, created, &attached.task_definition).await)
}

/// What would fail a good release here, however it is.
async fn not_to_be_verified(visit: &Visit<'_>, verify: &[Check]) -> Vec<Finding> {
    let runs = verify.iter().filter_map(|check| match check {
        Check::Run(run) => checks::missing(run),
        _ => None,
    });
    let mut findings: Vec<Finding> = runs.map(|missing| checks_say::verify_cannot_run(&missing)).collect();
    if verify.iter().any(Check::asks) {
        let url = visit.production_url().await;
        findings.extend(current::production_unreachable(url).await.as_ref().map(plan_say::unreachable));
    }
    findings.extend(current::engine_missing(visit.environment()).await.as_deref().map(plan_say::no_engine));
    findings
}

/// The image that a check may ask for.
async fn image(visit: &Visit<'_>, task_definition: &str) -> Option<String> {
    let revision = current::describe(&visit.access.deploy, task_definition).await.ok()?;
    let container = documents::container(visit.request, &revision.document).ok()?;
    revision.document.image_of(&container).map(str::to_owned)
}

/// A deployment of ours that nobody approved in time: its commit must not stay pending.
async fn missed(visit: &Visit<'_>, named: Option<&str>) -> Option<(Active, Found)> {
    let clients = &visit.access.deploy;
    if !visit.site.active.is_empty() {
        return None;
    }
    let mut last = current::deployment(clients, visit.site.group.last.as_deref()?).await.ok()??;
    if let Some(taken_back) = &last.takes_back {
        last = current::deployment(clients, taken_back).await.ok()??;
    }
    let found = Found::in_description(&last.description)?;
    let ours = visit.marker.is_neighbour_of(&found) && named.is_none_or(|named| named == last.id);
    (ours && ["Stopped", "Failed"].contains(&last.status.as_str())).then_some((last, found))
}

/// Refused, and told on the commit that waited.
async fn too_late(visit: &Visit<'_>, missed: &Active, found: &Found, stop: Stop) -> Outcome {
    visit.begin("approve", found.commit());
    let mut outcome =
        Outcome::new(stop.word, say::too_late(&missed.id, &missed.status), visit.production().await);
    outcome.next = Some(say::DEPLOY_AGAIN.to_owned());
    outcome.findings = stop.findings;
    outcome
}

/// The deployment that waits for approval.
fn waiting<'a>(visit: &'a Visit<'_>, named: Option<&str>) -> Result<&'a Active, Stop> {
    let site = &visit.site;
    let refused = |finding| Stop::refused(vec![finding]);
    let Some(active) = site.active.first() else { return Err(refused(say::nothing_waits(&site.group.name))) };
    if let Some(named) = named.filter(|named| *named != active.id) {
        return Err(refused(say::another_runs(named, &active.id, &active.status)));
    }
    if active.status != "Ready" {
        return Err(refused(say::not_at_ready(&active.id, &active.status)));
    }
    Ok(active)
}
