//! One stream of events to all that show it: job log, live view, JSON lines, job summary,
//! outputs, GitHub. A report that fails is a warning, never the run's failure.

pub mod foreign;
mod github;
pub mod history;
mod json;
mod live;
mod runner;
mod secrets;
#[cfg(test)]
mod tests;
mod text;
mod trace;

use crate::{
    cancel::{Cancel, grace},
    event::Event,
    github::Limits,
    job::Job,
    kept::{self, name},
    outcome::Outcome,
    say,
    secret::Secret,
    surroundings::{Pace, Variables},
};
use history::History;
#[cfg(test)]
pub use runner::OUTPUTS;
use secrets::Secrets;
use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How the job log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    #[default]
    Text,
    /// One object a line, and nothing else.
    Json,
}

#[derive(Clone, Debug, Default)]
pub struct Options {
    pub format: Format,
    pub github: GitHub,
}

/// What GitHub is told, given a token and a job.
#[derive(Clone, Debug)]
pub struct GitHub {
    pub token: Option<Secret>,
    /// The run is one of those that GitHub is told of: without a token that is said.
    pub expected: bool,
    pub check: bool,
    pub status: bool,
    pub comment: bool,
    pub deployment: bool,
    pub limits: Limits,
    /// What another process has made there for the same run, by the names of `kept`: GitHub is told
    /// the end alone, at what there is.
    pub resumed: Option<BTreeMap<String, u64>>,
}

/// Cheap to clone and to share.
#[derive(Clone)]
pub struct Reporter(Arc<Inner>);

struct Inner {
    pace: Pace,
    history: Arc<Mutex<History>>,
    /// Taken before the history, never the other way round.
    out: Mutex<Out>,
    secrets: Secrets,
    job: Option<Arc<Job>>,
    github: Option<github::Handle>,
    /// A job without a token, where GitHub should be told.
    tokenless: bool,
}

struct Out {
    log: Log,
    sink: Sink,
    /// Under GitHub Actions.
    actions: bool,
    files: runner::Files,
    events: Option<File>,
}

/// So long GitHub may take to be told the end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Names a file that gets every event as a JSON line, whatever the log is.
const EVENTS: &str = "GREENLIGHT_EVENTS";

/// Secrets among the process's variables.
const AROUND: [&str; 4] =
    ["ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

enum Log {
    Text(text::Text),
    Json,
}

enum Sink {
    Plain(Box<dyn Write + Send>),
    Live(live::View),
}

impl Reporter {
    pub fn new(options: Options, variables: &Variables, pace: Pace) -> Reporter {
        let terminal = io::stdout().is_terminal() && variables.get("TERM") != Some("dumb");
        let live = terminal && options.format == Format::Text && variables.get("CI").is_none();
        let colour = variables.get("NO_COLOR").is_none() && (terminal || actions(variables));
        let history = Arc::new(Mutex::new(History::default()));
        let sink = if live {
            Sink::Live(live::View::new(history.clone(), pace, colour))
        } else {
            Sink::Plain(Box::new(io::stdout()))
        };
        let reporter = Reporter::with(options, variables, pace, history, sink, colour);
        trace::listen(variables, &reporter.0.secrets);
        reporter
    }

    /// The same, written elsewhere than to standard output, without colour.
    pub fn to(
        options: Options,
        variables: &Variables,
        pace: Pace,
        out: impl Write + Send + 'static,
    ) -> Reporter {
        let history = Arc::default();
        Reporter::with(options, variables, pace, history, Sink::Plain(Box::new(out)), false)
    }

    /// For what has nothing to tell.
    #[cfg(test)]
    pub fn silent() -> Reporter {
        let variables = Variables::default();
        Reporter::to(Options::default(), &variables, Pace::of(&variables), io::sink())
    }

    fn with(
        mut options: Options,
        variables: &Variables,
        pace: Pace,
        history: Arc<Mutex<History>>,
        sink: Sink,
        colour: bool,
    ) -> Reporter {
        if let Some(timeout) = crate::aws::call_timeout(variables) {
            options.github.limits = Limits::of(timeout);
        }
        let actions = actions(variables);
        let log = match options.format {
            Format::Text => Log::Text(text::Text::new(actions, colour, matches!(sink, Sink::Live(_)))),
            Format::Json => Log::Json,
        };
        let files = runner::Files::of(variables);
        let secrets = Secrets::default();
        // A file that can't be opened costs no run.
        let events =
            variables.get(EVENTS).and_then(|path| File::options().create(true).append(true).open(path).ok());
        let out = Out { log, sink, actions, files, events };
        let job = Job::of(variables).map(Arc::new);
        let github = github::Handle::new(&options.github, job.as_ref(), pace);
        let tokenless = options.github.expected && options.github.token.is_none() && job.is_some();
        let out = Mutex::new(out);
        let reporter = Reporter(Arc::new(Inner { pace, history, out, secrets, job, github, tokenless }));
        if let Some(token) = &options.github.token {
            reporter.mask(token.expose());
        }
        // A build's own program may tell what it finds around it.
        AROUND.iter().filter_map(|name| variables.get(name)).for_each(|secret| reporter.mask(secret));
        reporter
    }

    /// Tells an event to every report; never blocks and never fails.
    pub fn tell(&self, mut event: Event) {
        let inner = &self.0;
        inner.secrets.hide_in(&mut event);
        let elapsed = inner.pace.elapsed();
        let now = inner.pace.now();
        let mut out = lock(&inner.out);
        let history = {
            let mut history = lock(&inner.history);
            if !history.take(&event, now) {
                return;
            }
            history
        };
        let lines = match &mut out.log {
            Log::Text(text) => text.lines(&event, &history, now),
            Log::Json => json::line(&event, chrono::Utc::now(), elapsed).into_iter().collect(),
        };
        drop(history);
        // First, so that the panel stays above the lines on the outcome.
        if let Sink::Live(view) = &mut out.sink {
            view.refresh();
        }
        if let Some(events) = &mut out.events
            && let Some(line) = json::line(&event, chrono::Utc::now(), elapsed)
        {
            let _ = writeln!(events, "{line}");
        }
        for line in lines {
            out.print(&line);
        }
        let kept = out.keep(&event);
        drop(out);
        if let Err(error) = kept {
            self.tell(Event::Warning { text: say::github::runner_file(&error) });
        }
        if let Event::Finished(_) = event {
            // Here already, should the process not live to finish.
            self.summarise();
        }
        if let Some(github) = &inner.github {
            github.changed(&event, inner);
        }
    }

    /// The job has an `environment:` of its own, so that the runner keeps a GitHub Deployment.
    pub fn has_environment(&self) {
        if let Some(github) = &self.0.github {
            github.has_environment();
        }
    }

    /// Keeps a secret out of all that is written from here on, and tells the runner to.
    pub fn mask(&self, secret: &str) {
        let new = self.0.secrets.add(secret);
        let mut out = lock(&self.0.out);
        if out.actions {
            new.iter().flat_map(|line| text::Text::mask(line)).for_each(|line| out.command(&line));
        }
    }

    /// Waits until GitHub has what it shall have, but not for ever, and writes what stands at
    /// the end.
    pub async fn finish(&self, cancel: &Cancel) {
        self.finished(PATIENCE, async {
            cancel.requested().await;
            cancel.left(grace::TELL)
        })
        .await;
    }

    pub async fn finish_within(&self, limit: Duration) {
        self.finished(limit, std::future::pending()).await;
    }

    async fn finished(&self, limit: Duration, shorter: impl Future<Output = Duration>) {
        let (told, warnings) = match &self.0.github {
            Some(github) => github.finish(limit, shorter).await,
            // What ended before it had begun has nothing to tell.
            None if self.0.tokenless && lock(&self.0.history).run.is_some() => {
                (true, vec![say::github::NO_TOKEN.to_owned()])
            }
            None => (true, Vec::new()),
        };
        if told {
            self.keep(name::TOLD, "yes");
        }
        if warnings.is_empty() {
            return;
        }
        for text in warnings {
            self.tell(Event::Warning { text });
        }
        if lock(&self.0.history).outcome.is_some() {
            self.summarise();
        }
    }

    fn summarise(&self) {
        let mut out = lock(&self.0.out);
        let summary = say::markdown::summary(&lock(&self.0.history), self.0.job.as_deref());
        if let Err(error) = out.files.summary(&summary) {
            drop(out);
            self.tell(Event::Warning { text: say::github::runner_file(&error) });
        }
    }

    /// What has been told so far.
    pub fn history(&self) -> History {
        lock(&self.0.history).clone()
    }

    /// For the post step: here as soon as it is known.
    pub fn keep(&self, name: &str, value: &str) {
        let kept = lock(&self.0.out).files.state(name, value);
        if let Err(error) = kept {
            self.tell(Event::Warning { text: say::github::runner_file(&error) });
        }
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter").finish_non_exhaustive()
    }
}

impl Out {
    fn print(&mut self, line: &str) {
        match &mut self.sink {
            Sink::Plain(out) => drop(writeln!(out, "{line}").and_then(|()| out.flush())),
            Sink::Live(view) => view.print(line),
        }
    }

    /// A line for the runner alone. It reads both streams; in JSON the first is for objects.
    fn command(&mut self, line: &str) {
        match (&self.log, &mut self.sink) {
            (Log::Text(_), Sink::Plain(out)) => drop(writeln!(out, "{line}").and_then(|()| out.flush())),
            _ => drop(writeln!(io::stderr(), "{line}")),
        }
    }

    /// Hands the runner what it keeps of an event: outputs, and ids for the post step.
    fn keep(&mut self, event: &Event) -> io::Result<()> {
        let files = &mut self.files;
        match event {
            Event::Started(run) => files
                .state(name::RUN, &serde_json::to_string(run)?)
                .and_then(|()| run.url.as_deref().map_or(Ok(()), |url| files.output("url", url))),
            Event::ImageReady { uri, digest, tags, built } => {
                let (uri, digest, tags) = (uri.clone(), digest.clone(), tags.clone());
                let image = history::Image { uri, digest, tags, built: *built };
                files
                    .output("image", &image.pinned())
                    .and_then(|()| files.output("image-digest", &image.digest))
                    .and_then(|()| files.output("image-tags", &image.tags.join("\n")))
            }
            Event::Check { name, measured, .. } if name == say::scan::CHECK => {
                files.output("scan-findings", measured)
            }
            Event::TaskDefinitionReady { arn, registered } => {
                let made = registered.then(|| files.state(name::TASK_DEFINITION, arn));
                made.unwrap_or(Ok(())).and_then(|()| files.output("task-definition-arn", arn))
            }
            Event::DeploymentCreated { id, console_url, .. } => files
                .state(name::DEPLOYMENT, id)
                .and_then(|()| files.output("deployment-id", id))
                .and_then(|()| files.output("console-url", console_url)),
            Event::RollbackStarted { rollback, .. } => files
                .state(name::ROLLBACK, rollback)
                .and_then(|()| files.output("rollback-deployment-id", rollback)),
            Event::Finished(outcome) => self.keep_outcome(outcome),
            _ => Ok(()),
        }
    }

    fn keep_outcome(&mut self, outcome: &Outcome) -> io::Result<()> {
        let files = &mut self.files;
        files.output("outcome", outcome.word.name())?;
        files.output("exit-code", &outcome.word.code().to_string())?;
        files.state(name::ENDED, &serde_json::to_string(&kept::shortened(outcome))?)?;
        files.state(name::OUTCOME, outcome.word.name())?;
        let known = [
            ("image", &outcome.image),
            ("image-digest", &outcome.digest),
            ("task-definition-arn", &outcome.task_definition),
            ("previous-task-definition-arn", &outcome.previous_task_definition),
            ("deployment-id", &outcome.deployment),
            ("rollback-deployment-id", &outcome.rollback_deployment),
            ("console-url", &outcome.console_url),
        ];
        for (name, value) in known {
            if let Some(value) = value {
                files.output(name, value)?;
            }
        }
        Ok(())
    }
}

impl Default for GitHub {
    fn default() -> GitHub {
        GitHub {
            token: None,
            expected: false,
            check: true,
            status: true,
            comment: true,
            deployment: true,
            limits: Limits::default(),
            resumed: None,
        }
    }
}

fn actions(variables: &Variables) -> bool {
    variables.get("GITHUB_ACTIONS") == Some("true")
}

/// A panic elsewhere must not keep the rest from being told.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
