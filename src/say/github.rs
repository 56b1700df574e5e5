//! What GitHub's checks, statuses and deployments are called and say in a line, and what is said
//! when GitHub can't be told.

use super::progress::{percent, span};
use crate::{
    event::{Run, Stage},
    job::{Job, ReadsOnly},
    outcome::{Outcome, Word},
    report::{foreign, history::History},
};
use serde_json::{Value, json};
use std::time::Duration;

/// GitHub takes no longer description of a status.
const DESCRIPTION: usize = 140;

pub fn check_name(run: &Run) -> String {
    let verb = match run.command.as_str() {
        verb @ ("plan" | "rollback") => verb,
        // An approval goes on with what a deployment began.
        _ => "deploy",
    };
    format!("greenlight {verb} {} / {}", run.service, run.environment)
}

pub fn status_context(run: &Run) -> String {
    format!("greenlight/{}/{}", run.service, run.environment)
}

/// The first line of the pull request's comment, by which it is found again.
pub fn marker(run: &Run) -> String {
    let word = |text: &str| -> String {
        let safe = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '/') { c } else { '-' };
        text.chars().map(safe).collect()
    };
    format!("<!-- greenlight:{}:{} -->", word(&run.service), word(&run.environment))
}

/// A run in a few words, as it is now.
pub fn title(history: &History) -> String {
    if let Some(outcome) = &history.outcome {
        return super::outcome::title(outcome.word).to_owned();
    }
    match history.stage {
        None | Some(Stage::Read | Stage::Plan) => "Reading what there is".into(),
        Some(Stage::Image) => "Building the image".into(),
        Some(Stage::TaskDefinition) => "Registering the task definition".into(),
        Some(Stage::Rollback) => "Taking production back".into(),
        Some(Stage::Deployment | Stage::Outcome) => {
            match history.traffic.last().filter(|shift| shift.green > 0.05) {
                Some(shift) => {
                    format!("Traffic: blue {}, green {}", percent(shift.blue), percent(shift.green))
                }
                None => "Starting green".into(),
            }
        }
    }
}

/// What a check shows that a dead run left in progress.
pub fn taken_over(run_url: &str) -> Value {
    json!({
        "status": "completed",
        "conclusion": "cancelled",
        "output": {
            "title": "Taken over by a later run",
            "summary": format!("This run told no end; [a later one]({run_url}) goes on from where it was."),
        },
    })
}

/// The line of a commit status or a deployment's status.
pub fn description(run: &Run, outcome: Option<&Outcome>) -> String {
    let text = match outcome {
        None => format!("{} goes to {}", run.service, run.environment),
        Some(outcome) => format!("{}: {}", super::outcome::title(outcome.word), outcome.happened),
    };
    let line = foreign::lines(&text).map(foreign::tame).collect::<Vec<_>>().join(" ");
    foreign::cut(&line, DESCRIPTION).into_owned()
}

/// Of a commit that production was taken back from.
pub const TAKEN_BACK: &str = "failure";

pub fn conclusion(word: Word) -> &'static str {
    match word {
        Word::Succeeded | Word::Unchanged | Word::Planned | Word::RolledBackOnRequest => "success",
        Word::Held => "action_required",
        Word::StillRunning => "timed_out",
        Word::Cancelled => "cancelled",
        Word::Superseded => "neutral",
        _ => "failure",
    }
}

/// How to undo what has just succeeded, in Markdown.
pub fn take_back(run: &Run) -> String {
    let command = foreign::code(&format!("greenlight rollback --environment {}", run.environment));
    format!("**To take it back:** {command}, or a workflow of yours with `command: rollback`.\n\n")
}

pub fn status_state(word: Word) -> &'static str {
    match word {
        Word::Succeeded | Word::Unchanged | Word::Planned | Word::RolledBackOnRequest => "success",
        Word::Held => "pending",
        Word::InternalError | Word::StillRunning | Word::Cancelled | Word::Superseded => "error",
        _ => "failure",
    }
}

pub fn deployment_state(word: Word) -> &'static str {
    match word {
        Word::Succeeded | Word::Unchanged | Word::Planned | Word::RolledBackOnRequest => "success",
        Word::Held => "pending",
        Word::StillRunning => "in_progress",
        Word::Superseded => "inactive",
        Word::InternalError | Word::Cancelled => "error",
        _ => "failure",
    }
}

/// What a token may not write: what it is for, and the permission that allows it.
pub type Denied = (&'static str, &'static str);

pub const CHECK: Denied = ("the check run", "checks: write");
pub const STATUS: Denied = ("the commit status", "statuses: write");
pub const COMMENT: Denied = ("the pull request's comment", "pull-requests: write");
pub const DEPLOYMENT: Denied = ("the GitHub Deployment", "deployments: write");

pub fn denied(what: &[Denied], message: &str, reads_only: Option<ReadsOnly>) -> String {
    let names = super::and(&what.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>());
    if reads_only == Some(ReadsOnly::Fork) {
        return format!(
            "GitHub was not told: the token of a pull request from a fork only reads, whatever `permissions:` the \
             job names, so {names} were left out. The job log and the summary have all of it."
        );
    }
    let permissions: Vec<_> = what.iter().map(|(_, permission)| format!("`{permission}`")).collect();
    let permissions = super::and(&permissions);
    if reads_only == Some(ReadsOnly::Dependabot) {
        return format!(
            "GitHub was not told: Dependabot's token only reads unless the job asks for more, so {names} were left \
             out. The job log and the summary have all of it. Add {permissions} to the job's `permissions:`."
        );
    }
    format!(
        "GitHub does not let the token write {names} ({message}), so they were left out. The deployment is not \
         touched by it. Add {permissions} to the job's `permissions:`, beside those that it names already."
    )
}

/// The event is about no commit, or only about one that is gone.
pub fn no_commit(job: &Job) -> String {
    let (why, fix) = match job.event.as_str() {
        "push" => (
            "this push deleted a branch, so there is no commit to tell about".to_owned(),
            "`if: ${{ !github.event.deleted }}` in the job keeps such a push from starting it.",
        ),
        event => (
            format!("the event `{event}` names no commit to tell about"),
            "`on: push`, `pull_request`, `workflow_dispatch` and the like name one.",
        ),
    };
    format!("GitHub was not told: {why}. The job log and the summary have all of it. {fix}")
}

pub const NO_TOKEN: &str = "GitHub was not told: there is no token. The job log and the summary have all of it. Give `github-token: \
     ${{ github.token }}`, or to a `run:` step the variable GITHUB_TOKEN.";

pub fn unauthorized(message: &str) -> String {
    format!(
        "GitHub does not accept the token ({message}), so it was not told of this run. The deployment is not \
         touched by it. Give `github-token: ${{{{ github.token }}}}`."
    )
}

pub fn rejected(what: &str, message: &str) -> String {
    format!(
        "GitHub did not take {what} ({message}), so it was left out. The deployment is not touched by it; the job \
         log and the summary have all of it."
    )
}

pub fn limited(wait: Duration) -> String {
    format!("its rate limit is used up for another {}", span(wait))
}

pub fn waiting(message: &str) -> String {
    format!("GitHub doesn't answer ({message}); it is told when it does.")
}

pub fn untold(message: &str) -> String {
    format!(
        "GitHub could not be told how this run ended ({message}). The deployment is not touched by it; the job log \
         and the summary have all of it."
    )
}

pub fn runner_file(error: &std::io::Error) -> String {
    format!(
        "A file that the runner takes outputs, state or the summary from can't be written ({error}), so the steps \
         that follow may miss them. The deployment is not touched by it."
    )
}
