//! What is said about a deployment: what happened, what production is on, what to do next.

use super::refusals;
use crate::{
    aws::Failure,
    deployment::{Production, Share},
    outcome::Finding,
};
use std::time::Duration;

pub const READY_WAIT: &str = "green waits at Ready for the word to go on";
pub const SHIFTING: &str = "production traffic shifts to green";
pub const TERMINATION_WAIT: &str = "blue stands by until the termination wait is over";
pub const PRODUCTION_UNREAD: &str = "What production is on could not be read.";
pub const STATUS_FOLLOWS: &str =
    "`greenlight status` follows it to its end, `greenlight rollback` takes it back.";
pub const STATUS_TELLS: &str = "`greenlight status` says what becomes of it.";
pub const FIX_AND_DEPLOY: &str = "Mend the cause and deploy again; nothing has to be cleaned up.";
pub const ENDED_MEANWHILE: &str = "it had ended meanwhile";
pub const NO_ANSWER: &str = "no answer in time";

/// The last part of an ARN, `hello:8`: what people call a revision.
pub fn revision(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

pub fn duration(span: Duration) -> String {
    humantime::format_duration(Duration::from_secs(span.as_secs_f64().round() as u64)).to_string()
}

/// Production as it was read back, in one sentence.
pub fn production(production: &Production, deployment: &str, ours: &str) -> String {
    on(production, deployment, "the new version", ours)
}

/// The same after an older revision was brought back.
pub fn production_back(production: &Production, ours: &str) -> String {
    let deployment = production.sole().and_then(|sole| sole.deployment.clone()).unwrap_or_default();
    on(production, &deployment, "the version that was brought back", ours)
}

fn on(production: &Production, deployment: &str, its: &str, ours: &str) -> String {
    let source =
        if production.from_weights { "" } else { " (by its PRIMARY task set: the listener can't be read)" };
    if let Some(sole) = production.sole() {
        let side = match sole.deployment.as_deref() {
            Some(id) if id == deployment => its,
            _ => "the version from before",
        };
        let revision = revision(&sole.task_definition);
        return format!(
            "Production is on {revision}, {side}: 100 % of the traffic, {} running{source}.",
            tasks(sole.running)
        );
    }
    let shares: Vec<String> = production
        .sets
        .iter()
        .filter(|s| s.percent > 0.0)
        .map(|s| {
            format!("{:.0} % on {} ({} running)", s.percent, revision(&s.task_definition), tasks(s.running))
        })
        .collect();
    if shares.is_empty() {
        return format!("No task set has production traffic; the new version would be {}.", revision(ours));
    }
    format!("Production traffic is split: {}{source}.", shares.join(", "))
}

fn tasks(n: i32) -> String {
    if n == 1 { "1 task".into() } else { format!("{n} tasks") }
}

pub fn succeeded(id: &str) -> String {
    format!("Deployment {id} succeeded.")
}

pub fn shifted(id: &str) -> String {
    format!("Deployment {id} has moved all production traffic to green.")
}

pub fn may_still_go_back(termination_wait: Duration) -> String {
    format!(
        "Blue stands by for another {}: until then an alarm or a stop may still take production back.",
        duration(termination_wait)
    )
}

pub fn succeeded_elsewhere(id: &str) -> String {
    format!("CodeDeploy calls deployment {id} a success, but production doesn't read as being on it.")
}

pub fn succeeded_unread(id: &str) -> String {
    format!("CodeDeploy calls deployment {id} a success; whether production is on it could not be read.")
}

pub fn rolled_back(id: &str, rollback: Option<&str>) -> String {
    match rollback {
        Some(rollback) => format!("Deployment {id} failed and was rolled back by {rollback}."),
        None => format!("Deployment {id} failed before it had any production traffic."),
    }
}

pub fn not_rolled_back(id: &str, rollback: Option<&str>) -> String {
    match rollback {
        Some(rollback) => {
            format!("Deployment {id} failed, and its rollback {rollback} did not bring production back.")
        }
        None => format!("Deployment {id} failed, and nothing rolled it back."),
    }
}

pub fn take_back_by_hand(application: &str, group: &str, live_arn: &str) -> String {
    format!(
        "Bring the version from before back with `greenlight rollback --to {}`, and switch automatic rollback on in \
         group {group} of application {application}.",
        revision(live_arn)
    )
}

pub fn out_of_time(id: &str, status: &str, limit: Duration) -> String {
    format!("The time limit of {} is up; deployment {id} goes on ({status}).", duration(limit))
}

pub fn lost_sight(id: &str) -> String {
    format!("Deployment {id} was started, and can't be looked at any more.")
}

pub fn look_at_console(id: &str) -> String {
    format!(
        "Look at deployment {id} in the CodeDeploy console, or run `aws deploy get-deployment --deployment-id {id}`."
    )
}

pub fn production_denied(failure: &Failure) -> String {
    format!("What production is on could not be read ({}).", failure)
}

pub fn still_asking(failure: &Failure) -> String {
    format!("{failure}; asking again")
}

pub fn looking(failure: &Failure) -> String {
    format!("{failure}; looking whether a deployment was created all the same")
}

pub fn not_continued(id: &str, failure: &Failure) -> String {
    format!("Deployment {id} waits at Ready and could not be continued: {}", failure)
}

pub fn not_stopped(id: &str, failure: &Failure) -> String {
    format!("Deployment {id} could not be stopped: {}", failure)
}

pub fn waits_behind(id: &str) -> String {
    format!("deployment {id} is active in this group; ours starts when it has ended")
}

pub fn stops_other(id: &str) -> String {
    format!("deployment {id} is stopped, and rolls back, to make way for this one")
}

pub fn finishes_other(id: &str) -> String {
    format!("deployment {id} has all traffic: its termination wait is ended, to make way for this one")
}

pub fn slot_taken(group: &str, active: Option<&str>) -> Finding {
    let active = active.map_or(String::new(), |id| format!(": {id}"));
    Finding::new(
        format!("deployment group {group} has an active deployment already{active}"),
        "Wait until it has ended and run again, or let `concurrency: wait` wait for it, or `supersede` stop it.",
    )
}

pub fn not_created(failure: &Failure) -> Finding {
    let mut finding = refusals::failure(failure);
    if failure.is("InvalidRevision") {
        finding.fix = "See the AppSpec: its container, its port, its task definition.".to_owned();
    }
    finding
}

/// CreateDeployment may or may not have been carried out.
pub fn perhaps_created(group: &str, create: &Failure, look: &Failure) -> Finding {
    Finding::new(
        format!(
            "it is not known whether a deployment was created in group {group}: CreateDeployment had no answer \
             ({create}), and its deployments can't be read ({look})"
        ),
        "Run again: it attaches to the deployment if there is one, and starts it if there is none.",
    )
}

/// Held for a decision that nobody has made yet.
pub fn held(id: &str) -> String {
    format!("Deployment {id} waits at Ready for a decision: production traffic has not been shifted.")
}

pub fn not_marked(arn: &str, failure: &Failure) -> String {
    format!(
        "{} could not be marked as verified, so `greenlight rollback` won't choose it by itself: {failure}. Allow \
         `ecs:TagResource` on task definitions.",
        revision(arn)
    )
}

/// `left` is what remains of the ready wait, at the most.
pub fn go_on(id: &str, left: Option<Duration>) -> String {
    let wait = left.map(|left| format!(" within {}: then CodeDeploy stops it by itself", duration(left)));
    format!(
        "Let deployment {id} go on with `greenlight approve`, or stop it with `greenlight rollback`{}.",
        wait.unwrap_or_default()
    )
}

/// Nobody saw when the wait began.
pub fn go_on_soon(id: &str, wait: Option<Duration>) -> String {
    let wait = wait.map(|wait| {
        format!(
            " in time: its wait of {} is under way, and then CodeDeploy stops it by itself",
            duration(wait)
        )
    });
    format!(
        "Let deployment {id} go on with `greenlight approve`, or stop it with `greenlight rollback`{}.",
        wait.unwrap_or_default()
    )
}

/// After the shift nothing can be held: blue goes when its time is over.
pub fn held_after_shift(id: &str) -> String {
    format!(
        "Deployment {id} has moved all production traffic to green, and nobody could tell whether that is well."
    )
}

pub fn decide_before_blue_goes(termination_wait: Duration) -> String {
    format!(
        "Blue stands by for {} after the shift: take production back until then with `greenlight rollback`, or let it be.",
        duration(termination_wait)
    )
}

/// A stop that comes too late.
pub fn deploys_before(id: &str, why: &str, live_arn: &str) -> String {
    format!(
        "Deployment {id} failed its checks and can't be stopped any more ({why}): {} is deployed again.",
        revision(live_arn)
    )
}

pub fn taken_back(id: &str, back: &str) -> String {
    format!(
        "Deployment {id} failed its checks after the shift, and {back} has deployed the version from before again."
    )
}

pub fn left_on_green(id: &str) -> String {
    format!(
        "Deployment {id} failed its checks after the shift, and the version from before could not be deployed again."
    )
}

pub fn not_taken_back(error: &anyhow::Error) -> Finding {
    Finding::new(format!("the version from before could not be deployed: {error:#}"), "Deploy it by hand.")
}

pub fn deploy_before(live_arn: &str) -> String {
    format!("Take production back to {} with `greenlight rollback`.", revision(live_arn))
}

/// What a release that was taken back did to its users.
pub fn exposed(share: &Share) -> String {
    let steps: Vec<String> = share
        .steps
        .iter()
        .map(|(percent, time)| format!("{percent:.0} % of production traffic for {}", duration(*time)))
        .collect();
    let mean = match share.steps.as_slice() {
        [_] => String::new(),
        _ => format!(", {:.0} % over {}", share.mean, duration(share.time)),
    };
    format!("Green had {}{mean}.", super::and(&steps))
}
/// The group's alarms may not be left out of a deployment that one of them would stop.
pub fn alarms_in_the_way(group: &str, failure: &Failure) -> Finding {
    let mut finding = refusals::failure(failure);
    finding.what = format!(
        "An alarm of deployment group {group} is in ALARM and would stop the way back, and the role may not leave \
         the alarms out: {}",
        finding.what
    );
    finding.fix =
        "Allow `codedeploy:UpdateDeploymentGroup` on the group (leaving alarms out of one deployment \
                   asks for it; nothing of the group is changed), or switch the group's alarms off until \
                   production is back."
            .to_owned();
    finding
}

pub fn alarms_heeded(group: &str) -> String {
    format!(
        "The role lacks `codedeploy:UpdateDeploymentGroup` on group {group}, so its alarms are heeded on the way \
         back too: one that goes off stops it."
    )
}
