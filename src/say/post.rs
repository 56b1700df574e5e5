//! What the post step says of a run that was cancelled or died.

use super::{
    deployment::{look_at_console, revision},
    outcome::untouched,
};
use crate::outcome::{Finding, Outcome, Word};

/// How the run came to its end: the sentence's beginning.
fn how(cancelled: bool) -> &'static str {
    if cancelled { "The run was cancelled" } else { "The run died" }
}

pub const REPEAT: &str = "Run the same again when it is wanted: it uses what this run left.";

fn ended(happened: String, production: impl Into<String>) -> Outcome {
    let mut outcome = Outcome::new(Word::Cancelled, happened, production);
    outcome.next = Some(REPEAT.to_owned());
    outcome
}

/// No deployment was asked for.
pub fn nothing_deployed(cancelled: bool, registered: Option<&str>) -> Outcome {
    let left = match registered {
        Some(arn) => format!(" It leaves the unused revision {}.", revision(arn)),
        None => String::new(),
    };
    let mut outcome =
        ended(format!("{} before a deployment was started.{left}", how(cancelled)), untouched());
    outcome.task_definition = registered.map(str::to_owned);
    outcome
}

/// A one-off task was under way.
pub fn with_task(mut outcome: Outcome, task: &str) -> Outcome {
    outcome.happened = format!("{} Its {task} may still run; the same run follows it.", outcome.happened);
    outcome
}

/// One was asked for, and there is none.
pub fn none_began(cancelled: bool, task_definition: &str, production: String) -> Outcome {
    let happened = format!(
        "{} while a deployment was asked for, and none has begun. It leaves the unused revision {}.",
        how(cancelled),
        revision(task_definition)
    );
    let mut outcome = ended(happened, production);
    outcome.task_definition = Some(task_definition.to_owned());
    outcome
}

pub fn taken_back(cancelled: bool, id: &str, rollback: Option<&str>) -> String {
    let by = rollback.map_or_else(String::new, |rollback| format!(" by {rollback}"));
    format!("{}; deployment {id} was stopped and production taken back{by}.", how(cancelled))
}

/// How the deployment ended, in the words of those who follow one.
pub fn told(cancelled: bool, happened: &str) -> String {
    format!("{}. {happened}", how(cancelled))
}

pub fn went_on(cancelled: bool, id: &str) -> String {
    format!("{}; deployment {id} went on by itself and succeeded.", how(cancelled))
}

pub fn goes_on(cancelled: bool, id: &str, status: &str) -> String {
    format!("{}; deployment {id} goes on by itself ({status}).", how(cancelled))
}

/// Its deployment couldn't be looked at.
pub fn unseen(cancelled: bool, id: Option<&str>, why: Finding) -> Outcome {
    let deployment =
        id.map_or("the deployment that it asked for".to_owned(), |id| format!("deployment {id}"));
    let mut outcome = Outcome::new(
        Word::NeedsAttention,
        format!("{}, and {deployment} can't be looked at: it may go on by itself.", how(cancelled)),
        super::deployment::PRODUCTION_UNREAD,
    );
    outcome.next = Some(match id {
        Some(id) => look_at_console(id),
        None => "Run the same again: it finds its deployment by the marker.".to_owned(),
    });
    outcome.findings = vec![why];
    outcome.deployment = id.map(str::to_owned);
    outcome
}

/// Whether a revision was registered can't be told.
pub fn perhaps_registered(cancelled: bool, family: &str, why: Finding) -> Outcome {
    let mut outcome = ended(
        format!(
            "{} while RegisterTaskDefinition wasn't answered: a new revision of {family} may have been registered, and \
             nothing was deployed.",
            how(cancelled)
        ),
        untouched(),
    );
    outcome.findings = vec![why];
    outcome
}

/// There are no sessions as the main process had them.
pub fn no_way_in(why: &str) -> Finding {
    Finding::new(
        format!("the post step has no way into AWS: {why}"),
        "It takes the same configuration, inputs and permissions as the step itself.",
    )
}

/// The post step's own time is over.
pub fn out_of_time(cancelled: bool, id: Option<&str>) -> Outcome {
    unseen(
        cancelled,
        id,
        Finding::new("The post step's time is over.", "See the deployment itself, and run the same again."),
    )
}
