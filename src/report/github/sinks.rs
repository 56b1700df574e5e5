//! The places at GitHub where a run is shown, and what each should show now.

use crate::{
    event::Run,
    job::Job,
    outcome::Word,
    report::history::History,
    say::{self, github::Denied},
};
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sink {
    Check,
    Status,
    Comment,
    Deployment,
}

/// What a place should show: the body of the request that makes it so.
pub(super) struct Wanted {
    pub(super) body: Value,
    /// Nothing comes after it, so it doesn't wait.
    pub(super) last: bool,
}

impl Sink {
    pub(super) const ALL: [Sink; 4] = [Sink::Check, Sink::Status, Sink::Comment, Sink::Deployment];

    /// Between two updates, in the world's time, when the run has been going on for so long: a job's
    /// token has a thousand requests an hour for all of the repository's workflows, so a long run is
    /// told ever more slowly.
    pub(super) fn gap(self, running: Duration) -> Duration {
        match self {
            Sink::Check | Sink::Status | Sink::Deployment => Duration::from_secs(15).max(running / 12),
            Sink::Comment => Duration::from_secs(60).max(running / 8),
        }
    }

    pub(super) fn denied(self) -> Denied {
        match self {
            Sink::Check => say::github::CHECK,
            Sink::Status => say::github::STATUS,
            Sink::Comment => say::github::COMMENT,
            Sink::Deployment => say::github::DEPLOYMENT,
        }
    }

    /// The name of its id in the post step's state.
    pub(super) fn state(self) -> &'static str {
        match self {
            Sink::Check => "check_run_id",
            Sink::Status => "status_id",
            Sink::Comment => "comment_id",
            Sink::Deployment => "github_deployment_id",
        }
    }

    pub(super) fn wanted(self, history: &History, job: &Job) -> Option<Wanted> {
        let run = history.run.as_deref()?;
        let body = match self {
            Sink::Check => check(history, job),
            Sink::Status => status(run, history, job)?,
            Sink::Comment => comment(history, job)?,
            Sink::Deployment => deployment(run, history, job)?,
        };
        Some(Wanted { body, last: history.outcome.is_some() })
    }
}

fn check(history: &History, job: &Job) -> Value {
    let title = say::github::title(history);
    let output = json!({ "title": title, "summary": say::markdown::check(history, Some(job)) });
    match &history.outcome {
        None => json!({ "status": "in_progress", "output": output }),
        Some(outcome) => {
            let conclusion = say::github::conclusion(outcome.word);
            json!({ "status": "completed", "conclusion": conclusion, "output": output })
        }
    }
}

fn status(run: &Run, history: &History, job: &Job) -> Option<Value> {
    let outcome = history.outcome.as_deref();
    // A plan says nothing about the commit's deployment. A way back says that its commit isn't in
    // production any more, once that is so.
    let back = run.command == "rollback";
    let tells = match outcome {
        Some(outcome) if back => outcome.word == Word::RolledBackOnRequest,
        _ => !back && run.command != "plan",
    };
    tells.then(|| {
        let state = if back {
            say::github::TAKEN_BACK
        } else {
            outcome.map_or("pending", |outcome| say::github::status_state(outcome.word))
        };
        json!({
            "state": state,
            "context": say::github::status_context(run),
            "description": say::github::description(run, outcome),
            "target_url": job.run_url,
        })
    })
}

fn comment(history: &History, job: &Job) -> Option<Value> {
    let worth_it = history.outcome.is_some() || history.plan.is_some();
    worth_it.then(|| Value::from(say::markdown::comment(history, Some(job))))
}

/// Shown from the moment on when there is a deployment.
fn deployment(run: &Run, history: &History, job: &Job) -> Option<Value> {
    let outcome = history.outcome.as_deref();
    let state = match (run.command.as_str(), outcome.map(|outcome| outcome.word)) {
        // The commit isn't in production any more, once that is so.
        ("rollback", Some(Word::RolledBackOnRequest)) => "inactive",
        ("rollback", _) => return None,
        (_, None) => "in_progress",
        (_, Some(word)) => say::github::deployment_state(word),
    };
    (!history.deployments.is_empty()).then(|| {
        let mut body = json!({
            "state": state,
            "description": say::github::description(run, outcome),
            "log_url": job.run_url,
            "auto_inactive": true,
        });
        if let Some(url) = &run.url {
            body["environment_url"] = Value::from(url.as_str());
        }
        body
    })
}
