//! What is said about taking production back: which way, to what, and how long it took.

use super::{
    attend::whose,
    deployment::{duration, revision},
    list,
    progress::{short, span},
};
use crate::{
    aws::Failure,
    back::Way,
    current::{Active, Site},
    marker::Found,
    outcome::Finding,
    task_definition::Revision,
    verified::{self, Verified},
};
use std::time::Duration;

pub const DEPLOY_WHEN_MENDED: &str = "Deploy again when the cause is mended; nothing has to be cleaned up.";
pub const NAME_ANOTHER: &str = "`greenlight rollback --to REVISION` brings back one that you name.";

/// Candidates that are named in a refusal.
const NAMED: usize = 10;

pub fn plan(site: &Site, way: &Way, live: &Revision, left: Option<&Found>, in_alarm: &[String]) -> String {
    let mut lines = match way {
        Way::There => {
            vec![format!("Nothing is to be done: production is on {} already", revision(&live.arn))]
        }
        Way::Follow(active) => vec![
            format!("Production is on its way back already, by deployment {}", active.id),
            "  It is followed to its end; nothing is written".to_owned(),
        ],
        Way::Stop { active, then } => stopping(site, active, then.as_ref(), left),
        Way::Return(target) => returning(target, live, "Bring"),
        Way::LastVerified => Vec::new(),
    };
    if way.target().is_some() && !site.group.alarms.is_empty() {
        let alarms = list(site.group.alarms.iter().map(String::as_str));
        let ringing = match in_alarm {
            [] => String::new(),
            names => format!("; {} in ALARM now", are(names)),
        };
        lines.push(format!("  The group's alarms are left out of it: {alarms}{ringing}"));
    }
    lines.join("\n")
}

fn are(names: &[String]) -> String {
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", list(names.iter().map(String::as_str)))
}

fn stopping(site: &Site, active: &Active, then: Option<&Revision>, left: Option<&Found>) -> Vec<String> {
    let blue = site.blue_of(&active.id).map_or("what it was on before", revision);
    let mut lines = vec![
        format!("Stop deployment {} ({}) and roll it back", active.id, active.status),
        format!("  {}", whose(&active.id, left)),
        format!("  Production goes back to {blue}, which still stands"),
        format!(
            "  If CodeDeploy doesn't stop it any more, it is finished, and a new deployment brings {blue} back"
        ),
    ];
    if let Some(then) = then {
        lines.push(format!("Then bring {} back by a new deployment, all at once", described(then)));
    }
    lines
}

fn returning(target: &Revision, live: &Revision, verb: &str) -> Vec<String> {
    vec![
        format!("{verb} {} back by a new deployment, all at once", described(target)),
        format!("  It takes production from {}, whose blue is gone", described(live)),
    ]
}

/// A revision with what is known of it.
fn described(of: &Revision) -> String {
    let marker = of.marker();
    let commit = marker.as_ref().and_then(Found::commit).map(|commit| format!("commit {}", short(commit)));
    let standing = match Verified::of(of) {
        Some(verified) => Some(format!("verified by {}", verified.deployment)),
        None if verified::was_taken_back(of) => Some("taken back from".to_owned()),
        None => Some("not verified".to_owned()),
    };
    let facts: Vec<String> = [commit, standing].into_iter().flatten().collect();
    format!("{} ({})", revision(&of.arn), facts.join(", "))
}

fn candidates(of: &[Revision]) -> String {
    let named: Vec<String> = of.iter().take(NAMED).map(described).collect();
    let more = of.len().saturating_sub(NAMED);
    match (named.is_empty(), more) {
        (true, _) => "There is no other revision.".to_owned(),
        (false, 0) => format!("There is: {}.", named.join("; ")),
        (false, more) => format!("There is: {}; and {more} older.", named.join("; ")),
    }
}

pub fn matches_nothing(to: &str, all: &[Revision]) -> Finding {
    Finding::new(format!("No revision is meant by `--to {to}`."), candidates(all))
}

pub fn matches_several(to: &str, found: &[Revision]) -> Finding {
    Finding::new(
        format!("`--to {to}` means {} revisions; it isn't guessed which.", found.len()),
        format!("Name one of them. {}", candidates(found)),
    )
}

pub fn tags_unseen(repository: &str, error: &anyhow::Error) -> String {
    format!("The tags of repository {repository} can't be read, so no image is found by its tag: {error}.")
}

pub fn no_such_deployment(id: &str) -> Finding {
    Finding::new(
        format!("CodeDeploy knows no deployment {id} that brought a task definition."),
        "Name a revision, an image's digest or tag, or a commit.",
    )
}

pub fn nothing_verified(live: &str, all: &[Revision]) -> Finding {
    Finding::new(
        format!(
            "No revision before {} is known to be good: none carries the mark of a run that reached its end.",
            revision(live)
        ),
        format!("Name one with `--to`. {}", candidates(all)),
    )
}

pub fn inactive(arn: &str) -> Finding {
    Finding::new(
        format!("{} is deregistered: nothing can be started from it.", revision(arn)),
        "Name another one with `--to`.",
    )
}

pub fn no_port(arn: &str) -> Finding {
    Finding::new(
        format!("{} has no container with the port that the load balancer sends requests to.", revision(arn)),
        "Name another one with `--to`, or deploy with its task definition mended.",
    )
}

pub fn rollback_runs(id: &str) -> Finding {
    Finding::new(
        format!("CodeDeploy's rollback {id} runs; nothing else can be started before its end."),
        "`greenlight rollback` without `--to` follows it; ask again for the other revision after that.",
    )
}

pub fn brings_it_already(id: &str) -> Finding {
    Finding::new(
        format!("Deployment {id}, which runs, brings that revision already."),
        "`greenlight status` follows it; `greenlight rollback` without `--to` takes it back.",
    )
}

pub fn too_late(before: &str) -> String {
    format!("{} is brought back by a new deployment instead", revision(before))
}

pub fn not_to_be_stopped(id: &str) -> String {
    format!("CodeDeploy doesn't stop deployment {id} any more: it is finished at once")
}

pub fn stopped(id: &str, rollback: Option<&str>, took: Duration) -> String {
    match rollback {
        Some(rollback) => format!(
            "Deployment {id} was stopped, and {rollback} rolled it back; production was back {} after the command.",
            span(took)
        ),
        None => format!(
            "Deployment {id} was stopped before it changed anything, {} after the command.",
            span(took)
        ),
    }
}

pub fn returned(id: &str, took: Duration) -> String {
    format!(
        "A new deployment, {id}, brought the older revision back; production was back {} after the command.",
        span(took)
    )
}

pub fn was_under_way(id: &str) -> String {
    format!("Production was on its way back already, by deployment {id}, and is there.")
}

pub fn left_standing(left: &str, termination_wait: Duration) -> String {
    format!(
        "{} still stands by for {}: stopping the deployment before that would bring it back. {DEPLOY_WHEN_MENDED}",
        revision(left),
        duration(termination_wait)
    )
}

pub fn failed_to_return(id: &str) -> String {
    format!("Deployment {id}, which was to bring the older revision back, failed.")
}

pub fn half_way(stopped: &str) -> String {
    format!("Deployment {stopped} is at its end, but nothing could be brought back behind it.")
}

pub fn there(live: &str) -> String {
    format!("Production is on {} already; nothing was done.", revision(live))
}

pub fn still_verified(arn: &str, failure: &Failure) -> String {
    format!(
        "{} keeps its mark as verified, so a later `greenlight rollback` may choose it: {failure}. Allow \
         `ecs:TagResource` on task definitions.",
        revision(arn)
    )
}
