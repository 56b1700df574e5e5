//! GitHub as a report: a task of its own that compares what GitHub was told with what is true
//! now, and tells it the difference. Changes that come close together become one request, and a
//! deployment never waits for any of it.

mod publisher;
mod sinks;
#[cfg(test)]
mod tests;
mod trouble;
#[cfg(test)]
mod world;

use super::{GitHub, Inner, lock};
use crate::{event::Event, job::Job, secret::Secret, surroundings::Pace};
use publisher::Publisher;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, timeout},
};
use trouble::Trouble;

/// The reporter's end.
pub(super) struct Handle {
    options: GitHub,
    token: Secret,
    job: Arc<Job>,
    pace: Pace,
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<bool>>>,
}

/// What both ends see.
#[derive(Default)]
struct Shared {
    changed: Notify,
    /// Set when the run is at its end: until then all shall be told.
    deadline: Mutex<Option<Instant>>,
    /// The runner keeps a GitHub Deployment for the job.
    has_environment: AtomicBool,
    trouble: Mutex<Trouble>,
}

impl Handle {
    /// None without a job, a token, or anything to tell.
    pub(super) fn new(options: &GitHub, job: Option<&Arc<Job>>, pace: Pace) -> Option<Handle> {
        let token = options.token.clone().filter(|token| !token.expose().is_empty())?;
        let job = job?.clone();
        let anything = options.check || options.status || options.comment || options.deployment;
        let handle = || Handle {
            options: options.clone(),
            token,
            job,
            pace,
            shared: Arc::default(),
            task: Mutex::default(),
        };
        anything.then(handle)
    }

    pub(super) fn has_environment(&self) {
        self.shared.has_environment.store(true, Ordering::Relaxed);
    }

    /// Something became part of the history.
    pub(super) fn changed(&self, event: &Event, reporter: &Arc<Inner>) {
        match event {
            // Not told to GitHub.
            Event::BuildOutput { .. }
            | Event::BuildRemark { .. }
            | Event::Output { .. }
            | Event::Note { .. }
            | Event::Eta { .. } => return,
            Event::Started(_) => self.start(reporter),
            _ => {}
        }
        self.shared.changed.notify_one();
    }

    /// Gives GitHub so long to be told the rest, or less once `shorter` says so. Whether it was, and
    /// what is to be said about it.
    pub(super) async fn finish(
        &self,
        limit: Duration,
        shorter: impl Future<Output = Duration>,
    ) -> (bool, Vec<String>) {
        let Some(mut task) = lock(&self.task).take() else { return (true, Vec::new()) };
        let end_within = |limit| {
            *lock(&self.shared.deadline) = Some(Instant::now() + limit);
            self.shared.changed.notify_one();
        };
        end_within(limit);
        let ended = tokio::select! {
            ended = timeout(limit, &mut task) => ended,
            limit = shorter => {
                end_within(limit);
                timeout(limit, &mut task).await
            }
        };
        let told = match ended {
            Ok(told) => told.unwrap_or_default(),
            Err(_) => {
                task.abort();
                lock(&self.shared.trouble).untold(None);
                false
            }
        };
        (told, lock(&self.shared.trouble).warnings(&self.job))
    }

    fn start(&self, reporter: &Arc<Inner>) {
        let mut task = lock(&self.task);
        if task.is_some() || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        match Publisher::new(self, reporter) {
            Ok(publisher) => *task = Some(tokio::spawn(publisher.run())),
            Err(error) => lock(&self.shared.trouble).untold(Some(format!("{error:#}"))),
        }
    }
}
