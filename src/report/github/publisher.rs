//! The task that tells GitHub.

use super::{
    Handle, Shared,
    sinks::{Sink, Wanted},
};
use crate::{
    event::{Event, Run},
    github::{ACTIONS_LOGIN, Client, Failure, NewCheck, NewDeployment},
    job::{Job, PullRequest},
    report::{GitHub, Inner, Reporter, history::History, lock},
    say,
    surroundings::Pace,
};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex, Weak, atomic::Ordering},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

type Result<T> = std::result::Result<T, Failure>;

/// Between two writes, in the world's time: GitHub asks for it.
const BETWEEN_WRITES: Duration = Duration::from_secs(1);
/// With less time than this, GitHub isn't spared.
const HURRY: Duration = Duration::from_secs(7);
/// After an attempt without an answer; doubled after each further one. HTTP knows no speed.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// So many deployments before the own one are looked at.
const LOOKED_BACK: usize = 5;
/// So many attempts in a row without an answer, and GitHub counts as down.
const DOWN: u32 = 3;

pub(super) struct Publisher {
    client: Client,
    job: Arc<Job>,
    pace: Pace,
    shared: Arc<Shared>,
    history: Arc<Mutex<History>>,
    reporter: Weak<Inner>,
    started_at: String,
    sha: Option<String>,
    pull_request: PullRequest,
    /// In the order in which they are told; one that had no answer goes last.
    slots: Vec<Slot>,
    /// What came before it was told by another process.
    only_the_end: bool,
    pause: Option<Instant>,
    failures: u32,
    written: Option<Instant>,
}

struct Slot {
    sink: Sink,
    /// What it has at GitHub.
    id: Option<u64>,
    /// An attempt to create it had no answer, so it may be there.
    doubtful: bool,
    told: Option<Value>,
    at: Option<Instant>,
    /// Its last word was refused once.
    insisted: bool,
}

impl Slot {
    /// Something of this run is at GitHub already.
    fn stands(&self) -> bool {
        self.id.is_some() || self.told.is_some()
    }
}

impl Publisher {
    pub(super) fn new(handle: &Handle, reporter: &Arc<Inner>) -> anyhow::Result<Publisher> {
        let job = &handle.job;
        let client =
            Client::new(&job.api_url, handle.token.expose(), &job.repository, handle.options.limits)?;
        let options: &GitHub = &handle.options;
        let on = |sink: &Sink| match sink {
            Sink::Check => options.check,
            Sink::Status => options.status,
            Sink::Comment => options.comment,
            Sink::Deployment => options.deployment,
        };
        let slot = |sink: Sink| {
            let resumed = options.resumed.as_ref().and_then(|ids| ids.get(sink.state()).copied());
            let id = resumed.or(if sink == Sink::Deployment { job.deployment } else { None });
            Slot { sink, id, doubtful: options.resumed.is_some(), told: None, at: None, insisted: false }
        };
        Ok(Publisher {
            client,
            slots: Sink::ALL.into_iter().filter(on).map(slot).collect(),
            only_the_end: options.resumed.is_some(),
            job: job.clone(),
            pace: handle.pace,
            shared: handle.shared.clone(),
            history: reporter.history.clone(),
            reporter: Arc::downgrade(reporter),
            started_at: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            sha: job.sha.clone(),
            pull_request: job.pull_request,
            pause: None,
            failures: 0,
            written: None,
        })
    }

    /// Until the run is at its end and GitHub knows, or won't.
    pub(super) async fn run(mut self) -> bool {
        let shared = self.shared.clone();
        let mut ending = false;
        loop {
            let deadline = *lock(&shared.deadline);
            if deadline.is_some() && !std::mem::replace(&mut ending, true) && self.failures > 0 {
                // One more attempt at the least, now.
                self.pause = None;
            }
            let next = self.pass().await;
            match (next, deadline) {
                (None, Some(_)) => return true,
                (None, None) => shared.changed.notified().await,
                (Some(at), Some(deadline)) if at > deadline || self.failures > DOWN => {
                    lock(&shared.trouble).untold(None);
                    return false;
                }
                (Some(at), _) => tokio::select! {
                    () = shared.changed.notified() => {}
                    () = sleep_until(at) => {}
                },
            }
        }
    }

    /// Tells what is due. When to go on, if there is something left.
    async fn pass(&mut self) -> Option<Instant> {
        if let Some(pause) = self.pause.filter(|pause| *pause > Instant::now()) {
            return Some(pause);
        }
        let wait = match self.tell_what_is_due().await {
            Ok(next) => return next,
            Err(Failure::Limited(wait)) => {
                lock(&self.shared.trouble).silent(say::github::limited(wait));
                wait
            }
            Err(failure) => {
                self.failures += 1;
                if let Failure::Unavailable { what, .. } = failure {
                    if self.failures == DOWN && lock(&self.shared.deadline).is_none() {
                        self.tell(Event::Note { text: say::github::waiting(&what) });
                    }
                    lock(&self.shared.trouble).silent(what);
                }
                let doubled = FIRST_PAUSE.saturating_mul(1 << self.failures.saturating_sub(1).min(10));
                doubled.min(LONGEST_PAUSE)
            }
        };
        self.pause = Some(Instant::now() + wait);
        self.pause
    }

    async fn tell_what_is_due(&mut self) -> Result<Option<Instant>> {
        let mut next: Option<Instant> = None;
        let mut at = 0;
        while at < self.slots.len() {
            let slot = &self.slots[at];
            let wanted = slot.sink.wanted(&lock(&self.history), &self.job);
            let news = |wanted: &Wanted| {
                slot.told.as_ref() != Some(&wanted.body) && (wanted.last || !self.only_the_end)
            };
            let Some(wanted) = wanted.filter(news) else {
                at += 1;
                continue;
            };
            let due = slot.at.map(|last| {
                let running = self.pace.world(last.duration_since(self.pace.started));
                last + self.pace.real(slot.sink.gap(running))
            });
            if let Some(due) = due.filter(|due| !wanted.last && *due > Instant::now()) {
                next = Some(next.map_or(due, |next| next.min(due)));
                at += 1;
                continue;
            }
            let sink = slot.sink;
            let told = match sink {
                Sink::Check => self.check(at, &wanted).await,
                Sink::Status => self.status(&wanted).await,
                Sink::Comment => self.comment(at, &wanted).await,
                Sink::Deployment => self.deployment(at, &wanted).await,
            };
            match told {
                Ok(true) => {
                    self.failures = 0;
                    let slot = &mut self.slots[at];
                    slot.told = Some(wanted.body);
                    slot.at = Some(Instant::now());
                    at += 1;
                }
                // There is nothing it could be told about.
                Ok(false) => drop(self.slots.remove(at)),
                // What stands there already must not stay as it is: the next news is tried again.
                Err(Failure::Denied(_) | Failure::Missing(_) | Failure::Rejected(_))
                    if self.slots[at].stands() && !wanted.last =>
                {
                    let slot = &mut self.slots[at];
                    slot.told = Some(wanted.body);
                    slot.at = Some(Instant::now());
                    at += 1;
                }
                Err(Failure::Denied(_) | Failure::Missing(_) | Failure::Rejected(_))
                    if self.slots[at].stands() && !std::mem::replace(&mut self.slots[at].insisted, true) => {}
                Err(Failure::Denied(message)) => {
                    lock(&self.shared.trouble).denied(sink.denied(), message);
                    self.slots.remove(at);
                }
                Err(Failure::Missing(message) | Failure::Rejected(message)) => {
                    lock(&self.shared.trouble).rejected(sink.denied(), message);
                    self.slots.remove(at);
                }
                Err(Failure::Unauthorized(message)) => {
                    lock(&self.shared.trouble).unauthorized(message);
                    self.slots.clear();
                }
                Err(failure @ (Failure::Limited(_) | Failure::Unavailable { .. })) => {
                    let slot = self.slots.remove(at);
                    self.slots.push(slot);
                    return Err(failure);
                }
            }
        }
        Ok(next)
    }

    async fn check(&mut self, at: usize, wanted: &Wanted) -> Result<bool> {
        let (Some(run), Some(sha)) = (self.subject(), self.sha().await?) else { return Ok(false) };
        let name = say::github::check_name(&run);
        let external_id = self.external_id();
        if self.slots[at].doubtful && self.slots[at].id.is_none() {
            self.slots[at].id = self.client.find_check(&sha, &name, &external_id).await?;
        }
        self.breathe().await;
        if let Some(id) = self.slots[at].id {
            self.client.update_check(id, &wanted.body).await?;
            return Ok(true);
        }
        let check = NewCheck {
            name: &name,
            head_sha: &sha,
            external_id: &external_id,
            details_url: &self.job.run_url,
            started_at: &self.started_at,
            state: &wanted.body,
        };
        let created = self.client.create_check(&check).await;
        self.created(at, created)?;
        self.close_the_ones_before(&sha, &name, &external_id).await;
        Ok(true)
    }

    /// A run that died leaves a check in progress, which nobody else would ever complete. One that
    /// lives completes its own in the end, whatever is said of it here. Nothing hangs on it.
    async fn close_the_ones_before(&mut self, sha: &str, name: &str, ours: &str) {
        let Ok(open) = self.client.open_checks(sha, name, ours).await else { return };
        for id in open {
            self.breathe().await;
            let _ = self.client.update_check(id, &say::github::taken_over(&self.job.run_url)).await;
        }
    }

    async fn status(&mut self, wanted: &Wanted) -> Result<bool> {
        let Some(sha) = self.sha().await? else { return Ok(false) };
        self.breathe().await;
        self.client.create_status(&sha, &wanted.body).await?;
        Ok(true)
    }

    async fn comment(&mut self, at: usize, wanted: &Wanted) -> Result<bool> {
        let (Some(run), Some(number)) = (self.subject(), self.pull_request().await?) else {
            return Ok(false);
        };
        let Some(body) = wanted.body.as_str() else { return Ok(false) };
        if self.slots[at].id.is_none() {
            let marker = say::github::marker(&run);
            self.slots[at].id = self.client.find_comment(number, &marker, ACTIONS_LOGIN).await?;
        }
        if let Some(id) = self.slots[at].id {
            self.breathe().await;
            match self.client.update_comment(id, body).await {
                Err(Failure::Missing(message)) => {
                    let marker = say::github::marker(&run);
                    if self.client.find_comment(number, &marker, ACTIONS_LOGIN).await? == Some(id) {
                        return Err(Failure::Missing(message));
                    }
                    // Deleted meanwhile.
                    self.slots[at].id = None;
                }
                told => return told.map(|()| true),
            }
        }
        self.breathe().await;
        let created = self.client.create_comment(number, body).await;
        self.created(at, created)
    }

    async fn deployment(&mut self, at: usize, wanted: &Wanted) -> Result<bool> {
        if self.shared.has_environment.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let (Some(run), Some(sha)) = (self.subject(), self.sha().await?) else { return Ok(false) };
        let task = "deploy";
        // What an earlier run began there is gone on with, or taken back; a way back begins none.
        if self.slots[at].id.is_none() && matches!(run.command.as_str(), "approve" | "rollback") {
            let known = self.client.deployments(&run.environment, task).await?;
            let begun = known.into_iter().filter(|known| {
                known.sha == sha
                    && known.payload["greenlight"].is_string()
                    && known.payload["service"] == run.service.as_str()
            });
            self.slots[at].id = begun.map(|known| known.id).max();
            if self.slots[at].id.is_none() && run.command == "rollback" {
                return Ok(false);
            }
        }
        if self.slots[at].id.is_none() {
            let payload = json!({
                "greenlight": self.external_id(),
                "service": run.service,
                "image": lock(&self.history).image.as_ref().map(|image| image.pinned()),
            });
            if self.slots[at].doubtful {
                let known = self.client.deployments(&run.environment, task).await?;
                let ours =
                    known.into_iter().find(|known| known.payload["greenlight"] == payload["greenlight"]);
                self.slots[at].id = ours.map(|deployment| deployment.id);
            }
            if self.slots[at].id.is_none() {
                self.breathe().await;
                let deployment = NewDeployment::of(&sha, task, &run.environment, &payload);
                let created = self.client.create_deployment(&deployment).await;
                self.created(at, created)?;
            }
        }
        let Some(id) = self.slots[at].id else { return Ok(false) };
        self.breathe().await;
        self.client.create_deployment_status(id, &wanted.body).await?;
        if wanted.body["state"] == "success" {
            self.retire_the_one_before(&run, task, id).await;
        }
        Ok(true)
    }

    /// GitHub doesn't do it by itself where the environment is production. Nothing hangs on it.
    async fn retire_the_one_before(&mut self, run: &Run, task: &str, id: u64) {
        let Ok(known) = self.client.deployments(&run.environment, task).await else { return };
        let before = |known: &&crate::github::Deployment| {
            known.id < id
                && known.payload["greenlight"].is_string()
                && known.payload["service"] == run.service.as_str()
        };
        let mut before: Vec<_> = known.iter().filter(before).map(|known| known.id).collect();
        before.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
        for id in before.into_iter().take(LOOKED_BACK) {
            let Ok(Some(state)) = self.client.deployment_state(id).await else { return };
            // One that is in progress still was left so by a run that died: the way is free.
            if state == "success" || state == "in_progress" {
                self.breathe().await;
                let _ = self.client.create_deployment_status(id, &json!({ "state": "inactive" })).await;
            }
            if state == "success" || state == "inactive" {
                return;
            }
        }
    }

    fn created(&mut self, at: usize, created: Result<u64>) -> Result<bool> {
        let slot = &mut self.slots[at];
        match created {
            Ok(id) => {
                slot.id = Some(id);
                if let Some(reporter) = self.reporter.upgrade() {
                    Reporter(reporter).keep(slot.sink.state(), &id.to_string());
                }
                Ok(true)
            }
            Err(failure) => {
                slot.doubtful |= matches!(failure, Failure::Unavailable { sent: true, .. });
                Err(failure)
            }
        }
    }

    /// The commit to report on: who goes to a deployment reports on what that ships.
    async fn sha(&mut self) -> Result<Option<String>> {
        if let Some(run) = self.subject()
            && matches!(run.command.as_str(), "approve" | "rollback")
            && let Some(commit) = &run.commit
            && commit.len() == 40
        {
            return Ok(Some(commit.clone()));
        }
        if self.sha.is_none()
            && let PullRequest::HeadOf(number) = self.pull_request
        {
            self.sha = Some(self.client.head_of(number).await?);
        }
        if self.sha.is_none() {
            lock(&self.shared.trouble).no_commit();
        }
        Ok(self.sha.clone())
    }

    async fn pull_request(&mut self) -> Result<Option<u64>> {
        match (self.pull_request, &self.sha) {
            (PullRequest::Known(number) | PullRequest::HeadOf(number), _) => Ok(Some(number)),
            (PullRequest::OfCommit, Some(sha)) => {
                let number = self.client.pull_request_of(sha).await?;
                self.pull_request = number.map_or(PullRequest::None, PullRequest::Known);
                Ok(number)
            }
            _ => Ok(None),
        }
    }

    /// Tells this run's check and deployment from those of other runs.
    fn external_id(&self) -> String {
        format!("{}.{}", self.job.run_id, self.job.run_attempt)
    }

    fn subject(&self) -> Option<Arc<Run>> {
        lock(&self.history).run.clone()
    }

    fn tell(&self, event: Event) {
        if let Some(reporter) = self.reporter.upgrade() {
            Reporter(reporter).tell(event);
        }
    }

    /// Before every write.
    async fn breathe(&mut self) {
        // At an end that was called for there is no time for it.
        let soon = Instant::now() + HURRY;
        let hurried = lock(&self.shared.deadline).is_some_and(|deadline| deadline < soon);
        if let Some(written) = self.written.filter(|_| !hurried) {
            sleep_until(written + self.pace.real(BETWEEN_WRITES)).await;
        }
        self.written = Some(Instant::now());
    }
}
