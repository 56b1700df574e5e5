//! What is said of a run that was cancelled.

use super::deployment::revision;
use crate::{
    event::Stage,
    outcome::{Finding, Outcome, Word},
    report::history::History,
};

pub const CANCELLED: &str = "Cancelled by a signal; a second one leaves at once.";
const REPEAT: &str = "Run the same again when it is wanted: it uses what this run left.";

fn cancelled(happened: String, production: impl Into<String>) -> Outcome {
    let mut outcome = Outcome::new(Word::Cancelled, happened, production);
    outcome.next = Some(REPEAT.to_owned());
    outcome
}

/// No deployment was started, nor asked for.
pub fn before_a_deployment(history: &History, findings: &[Finding]) -> Outcome {
    let doing = match history.stage {
        None | Some(Stage::Read | Stage::Plan) if history.waiting.is_some() => "while it waited for its turn",
        None | Some(Stage::Read | Stage::Plan) => "while reading what there is",
        Some(Stage::Image) => "in the image's stage",
        Some(_) => "before a deployment was started",
    };
    let mut outcome = cancelled(
        format!("Cancelled {doing}: nothing was deployed.{}", left(history)),
        super::outcome::untouched(),
    );
    outcome.findings = findings.to_vec();
    outcome.image = history.image.as_ref().map(|image| image.pinned());
    outcome.digest = history.image.as_ref().map(|image| image.digest.clone());
    outcome.task_definition = history.task_definition.as_ref().map(|t| t.arn.clone());
    outcome
}

/// What was made and isn't used.
fn left(history: &History) -> String {
    let image = history.image.as_ref().filter(|image| image.built).map(|_| "the pushed image".to_owned());
    let registered = history.task_definition.as_ref().filter(|t| t.registered);
    let registered = registered.map(|t| format!("the unused revision {}", revision(&t.arn)));
    match (image, registered) {
        (None, None) => String::new(),
        (Some(one), None) | (None, Some(one)) => format!(" It leaves {one}."),
        (Some(image), Some(registered)) => format!(" It leaves {image} and {registered}."),
    }
}

/// Nobody knows whether a revision was registered.
pub fn registration_unanswered(family: &str) -> Outcome {
    cancelled(
        format!(
            "Cancelled while RegisterTaskDefinition wasn't answered: a new revision of {family} may have been registered, \
             and nothing was deployed."
        ),
        super::outcome::untouched(),
    )
}

/// Nobody knows whether a deployment was created.
pub fn creation_unanswered(group: &str) -> Outcome {
    let mut outcome = cancelled(
        format!(
            "Cancelled while CreateDeployment wasn't answered: a deployment of {group} may have begun, and then goes on by \
             itself."
        ),
        "What production is on could not be told any more.",
    );
    outcome.next = Some("The post step looks for it; elsewhere, the same run finds it by its marker.".into());
    outcome
}

pub fn asked_to_stop(id: &str) -> String {
    format!(
        "Cancelled: CodeDeploy was asked to stop deployment {id} and to roll it back, and carries that on by itself."
    )
}

pub fn not_asked_to_stop(id: &str, why: &str) -> String {
    format!("Cancelled, but CodeDeploy could not be asked to stop deployment {id} ({why}): it goes on.")
}

pub fn goes_on(id: &str, status: &str) -> String {
    format!("Cancelled; deployment {id} goes on by itself ({status}).")
}

/// It waits for somebody's word, which nobody gives.
pub fn waits_at_ready(id: &str) -> String {
    format!(
        "Deployment {id} waits at Ready, and CodeDeploy stops it when that wait is over: run the same again, which attaches to \
         it, or stop it with `greenlight rollback`."
    )
}

pub fn ended_well(id: &str) -> String {
    format!("Cancelled after deployment {id} had succeeded.")
}

pub fn ended_badly(id: &str) -> String {
    format!(
        "Cancelled after deployment {id} had failed; what CodeDeploy rolls back, it carries on by itself."
    )
}
