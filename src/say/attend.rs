//! What is said to those who go to a deployment that there is already: whose it is, what becomes of
//! it, what there is instead.

use super::deployment::{duration, revision};
use crate::{
    deployment::{Course, Production},
    marker::Found,
    outcome::Finding,
};

/// Production when no deployment runs, in one sentence.
pub fn production(production: &Production) -> String {
    let Some(sole) = production.sole() else { return super::deployment::production(production, "", "") };
    let by =
        if production.from_weights { "" } else { " (by its PRIMARY task set: the listener can't be read)" };
    let running = if sole.running == 1 { "1 task".to_owned() } else { format!("{} tasks", sole.running) };
    format!(
        "Production is on {}: 100 % of the traffic, {running} running{by}.",
        revision(&sole.task_definition)
    )
}

pub fn nothing_runs(group: &str) -> String {
    format!("No deployment of group {group} runs.")
}

/// Whose a deployment is, by its marker.
pub fn whose(id: &str, found: Option<&Found>) -> String {
    match found {
        None => format!("Deployment {id} carries no mark of Greenlight's: somebody else started it."),
        Some(found) => format!("Deployment {id} was started {}.", started_by(found)),
    }
}

fn started_by(found: &Found) -> String {
    let commit = found.commit().map(|commit| format!(" for commit {}", super::progress::short(commit)));
    let by = found.repository().map_or("outside of GitHub".to_owned(), |name| format!("by {name}"));
    let run = found.run().map(|run| format!(", run {run}"));
    let environment = found.environment().unwrap_or_default();
    format!("{by}{}, environment {environment}{}", commit.unwrap_or_default(), run.unwrap_or_default())
}

/// `said` names the flag or the input.
pub fn image_not_looked_at(said: &str) -> String {
    format!("Nothing is shipped, so {said} isn't looked at: `to` names what production goes back to.")
}

pub fn approval(id: &str, found: Option<&Found>, task_definition: &str, course: &Course) -> String {
    let mut lines = vec![format!("Let deployment {id} go on, which waits at Ready")];
    lines.push(format!("  {}", whose(id, found)));
    let blue = revision(&course.live_arn);
    lines.push(format!("  It takes production from {blue} to {}", revision(task_definition)));
    lines.push(format!(
        "  Production traffic shifts by {}, over {}",
        course.config,
        duration(course.shape.duration())
    ));
    lines.push(format!("  {blue} stands by for {} after that", duration(course.termination_wait)));
    lines.join("\n")
}

pub fn not_ours(id: &str, found: Option<&Found>) -> Finding {
    Finding::new(
        format!("{} It is not approved in passing.", whose(id, found)),
        format!("If it is meant, name it: `greenlight approve --deployment {id}`."),
    )
}

pub fn nothing_waits(group: &str) -> Finding {
    Finding::new(
        format!("No deployment of group {group} runs, so nothing waits for approval."),
        "If it waited too long, CodeDeploy has stopped it: deploy again.",
    )
}

pub const DEPLOY_AGAIN: &str = "Deploy again, and let it go on in time.";

/// It was held, and has ended.
pub fn too_late(id: &str, status: &str) -> String {
    let ended = if status == "Stopped" { "was stopped" } else { "failed" };
    format!("Deployment {id} doesn't wait for approval any more: it {ended}.")
}

pub fn not_at_ready(id: &str, status: &str) -> Finding {
    Finding::new(
        format!("Deployment {id} is {status}: it doesn't wait for approval (any more, or not yet)."),
        "`greenlight status` follows it to its end.",
    )
}

pub fn another_runs(named: &str, id: &str, status: &str) -> Finding {
    Finding::new(
        format!("Deployment {named} doesn't run in this group; {id} does ({status})."),
        format!("Name {id} if that is meant, or deploy again."),
    )
}
