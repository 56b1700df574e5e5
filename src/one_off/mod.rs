//! One-off ECS tasks with the new revision: a migration before the deployment starts, a check from
//! inside the network. Started where the service's own tasks run, followed to their end with
//! their log, and stopped when their time is over or the run is cancelled.

mod follow;
mod start;

use crate::{
    aws::Failure,
    deployment::Context,
    event::{Conclusion, Event},
    kept::name,
    outcome::{Stop, Word},
    request::OneOff,
    say::one_off as say,
    task::Ended,
};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// What a task is run for.
pub struct Job<'a> {
    pub task: &'a OneOff,
    /// The new revision's ARN.
    pub revision: &'a str,
    /// What it belongs to: a repeated run follows the task of this that still runs.
    pub of: &'a str,
    /// What it finds in its environment beside its own variables.
    pub variables: Vec<(&'static str, String)>,
    /// On the wall.
    pub within: Duration,
}

/// How it ended.
#[derive(Clone, Debug)]
pub enum End {
    /// Its container ended with 0.
    Well {
        took: Duration,
    },
    Failed(Ended),
    /// Another container that the task can't do without ended first, so that this one was told to
    /// stop: its exit code says nothing.
    Overtaken,
    TimedOut {
        stopped: bool,
    },
    Cancelled {
        stopped: bool,
    },
    /// ECS had no place for it, in its own words.
    NotPlaced(String),
    /// It could not be started, or its end could not be seen.
    Unseen(Failure),
}

impl Job<'_> {
    /// Of 36 characters, which is what ECS takes.
    fn started_by(&self) -> String {
        let mut hash = Sha256::new();
        for part in [self.of, self.revision, self.container()] {
            hash.update(part);
            hash.update([0]);
        }
        for word in &self.task.command {
            hash.update(word);
            hash.update([0]);
        }
        format!("greenlight-{}", &hex::encode(hash.finalize())[..25])
    }

    fn container(&self) -> &str {
        self.task.container.as_deref().unwrap_or_default()
    }
}

/// Runs one to its end.
pub async fn run(context: &Context<'_>, job: &Job<'_>) -> End {
    follow::to_the_end(context, job).await
}

/// What has to end well before the deployment starts, one after the other. A stop leaves
/// production as it is; what the tasks themselves did stays done.
pub async fn before(
    context: &Context<'_>,
    tasks: &[OneOff],
    revision: &str,
    image: &str,
) -> Result<(), Stop> {
    for task in tasks {
        let job = Job {
            task,
            revision,
            of: "before",
            variables: vec![("IMAGE", image.to_owned()), ("TASK_DEFINITION", revision.to_owned())],
            within: context.pace.real(task.timeout),
        };
        context.report.keep(name::ONE_OFF, &say::name(task));
        let end = run(context, &job).await;
        context.report.keep(name::ONE_OFF, "");
        let conclusion = match end {
            End::Well { .. } => Conclusion::Passed,
            End::Cancelled { .. } => Conclusion::Inconclusive,
            _ => Conclusion::Failed,
        };
        context.report.tell(Event::Check {
            name: say::name(task),
            conclusion,
            measured: say::measured(&end),
            limit: say::limit(task),
        });
        match conclusion {
            Conclusion::Passed => {}
            Conclusion::Inconclusive => {
                return Err(Stop { word: Word::Cancelled, findings: vec![say::cancelled(task, &end)] });
            }
            Conclusion::Failed => return Err(Stop::refused(vec![say::before_failed(task, &end)])),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_found_again_by_what_it_is_for() {
        let task = |word: &str| OneOff {
            command: vec!["migrate".into(), word.into()],
            container: Some("app".into()),
            environment: Default::default(),
            timeout: Duration::ZERO,
        };
        let started_by = |task: &OneOff, revision: &str| {
            Job { task, revision, of: "before", variables: Vec::new(), within: Duration::ZERO }.started_by()
        };
        let up = started_by(&task("up"), "hello:2");
        assert_eq!(up.len(), 36);
        assert_eq!(up, started_by(&task("up"), "hello:2"));
        assert_ne!(up, started_by(&task("down"), "hello:2"));
        assert_ne!(up, started_by(&task("up"), "hello:3"));
    }
}
