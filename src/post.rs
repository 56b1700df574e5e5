//! The action's post step, a process of its own that runs whatever became of the main one. It
//! finishes what a run left that was cancelled or died: its deployment, as the policy has it, and
//! what GitHub shows of it; and says what is left.

use crate::{
    aws::{Access, Limits},
    cancel::Cancel,
    cli::{Cli, Command, Options},
    current,
    deployment::{self, Context, Left},
    event::{Event, Stage},
    image::builder,
    inputs::{self, Inputs},
    kept::{Kept, Undertaking, name},
    marker::{Found, Marker},
    outcome::{Finding, Outcome, Stop, Word},
    report::{self, Reporter},
    say::post as say,
    secret,
    surroundings::{Pace, Variables},
};
use anyhow::{Context as _, Result};
use std::{env, ffi::OsString, path::Path, process::ExitCode, sync::Arc, time::Duration};

/// The name that makes this binary the post step: a post entry point takes no arguments.
pub const NAME: &str = "greenlight-post";

/// How long it may take: five minutes after a cancellation GitHub ends everything by force.
pub const LIMIT: Duration = Duration::from_secs(4 * 60);
/// Of that, for telling GitHub.
const TELLING: Duration = Duration::from_secs(30);

pub async fn post(variables: &Variables, limit: Duration) -> ExitCode {
    let kept = Kept::of(variables);
    let left = match kept.text(name::BUILDER) {
        Some(builder) => builder::remove_left(builder, variables).await,
        None => None,
    };
    if kept.is_over() {
        if let Some(text) = left {
            let log = options(&kept, variables).log_alone();
            Reporter::new(log, variables, Pace::of(variables)).tell(Event::Warning { text });
        }
        return ExitCode::SUCCESS;
    }
    if let Some(folder) = kept.text(name::PRIVATE_FOLDER) {
        secret::delete_left(Path::new(folder));
    }
    let pace = Pace::of(variables);
    let options = options(&kept, variables);
    let report = Reporter::new(told_the_end(&options, &kept, variables), variables, pace);
    let Ok(cancel) = Cancel::on_signals() else { return ExitCode::FAILURE };
    if let Some(text) = left {
        report.tell(Event::Warning { text });
    }
    let step = Step { kept: &kept, options: &options, variables, report: &report, cancel: &cancel, pace };

    let (run, outcome) = match (kept.run(), kept.ended()) {
        // It told its end, but GitHub didn't hear it.
        (Some(run), Some(outcome)) if outcome.word != Word::Cancelled => (run, outcome),
        (Some(run), _) => {
            let rest = limit.saturating_sub(TELLING);
            let outcome = tokio::select! {
                outcome = step.finish(rest) => outcome,
                () = tokio::time::sleep(rest) => step.out_of_time(),
                () = cancel.requested() => step.out_of_time(),
            };
            (run, outcome)
        }
        // It ended before it had read what was asked of it.
        (None, _) => {
            if kept.text(name::OUTCOME).is_none() {
                report.tell(Event::Note { text: say::nothing_deployed(kept.cancelled(), None).happened });
            }
            return ExitCode::SUCCESS;
        }
    };
    let attention =
        outcome.word == Word::NeedsAttention && kept.ended().is_none_or(|o| o.word == Word::Cancelled);
    if let (Some(undertaking), Some(id)) = (kept.undertaking(), &outcome.deployment) {
        report.tell(undertaking.created(id));
    }
    report.tell(Event::Stage { stage: Stage::Outcome });
    report.tell(Event::Started(Arc::new(run)));
    report.tell(Event::Finished(Arc::new(outcome)));
    report.finish_within(TELLING).await;
    if attention { ExitCode::from(Word::NeedsAttention.code()) } else { ExitCode::SUCCESS }
}

/// What the main process was asked for; a post entry point has no arguments of its own.
fn options(kept: &Kept, variables: &Variables) -> Options {
    let arguments = kept.asked().unwrap_or_default();
    let args: Vec<OsString> = std::iter::once(NAME.to_owned()).chain(arguments).map(OsString::from).collect();
    match Cli::read(args, variables).map(Command::into_options) {
        Ok(Some(options)) => options,
        _ => Options::usual(),
    }
}

fn told_the_end(options: &Options, kept: &Kept, variables: &Variables) -> report::Options {
    let mut told = options.report(variables);
    told.github.resumed = Some(kept.ids());
    told
}

struct Step<'a> {
    kept: &'a Kept,
    options: &'a Options,
    variables: &'a Variables,
    report: &'a Reporter,
    cancel: &'a Cancel,
    pace: Pace,
}

impl Step<'_> {
    /// Does what is left to do.
    async fn finish(&self, limit: Duration) -> Outcome {
        let kept = self.kept;
        let cancelled = kept.cancelled();
        let registered = kept.text(name::TASK_DEFINITION);
        match (kept.undertaking(), kept.text(name::REGISTERING), registered) {
            (Some(undertaking), _, _) => match self.access().await {
                Ok((access, marker)) => self.finish_deployment(&undertaking, &access, &marker, limit).await,
                Err(why) => say::unseen(cancelled, kept.text(name::DEPLOYMENT), why),
            },
            // Whether it was registered nobody has heard.
            (None, Some(family), None) => match self.access().await {
                Ok((access, marker)) => {
                    let found = unused_revision(&access, family, &marker).await;
                    say::nothing_deployed(cancelled, found.as_deref())
                }
                Err(why) => say::perhaps_registered(cancelled, family, why),
            },
            (None, _, registered) => {
                let outcome = say::nothing_deployed(cancelled, registered);
                match kept.text(name::ONE_OFF) {
                    Some(task) => say::with_task(outcome, task),
                    None => outcome,
                }
            }
        }
    }

    async fn finish_deployment(
        &self,
        undertaking: &Undertaking,
        access: &Access,
        marker: &Marker,
        limit: Duration,
    ) -> Outcome {
        let mut course = undertaking.course.clone();
        course.time_limit = Some(self.pace.world(limit));
        let context = Context {
            course,
            clients: &access.deploy,
            registry: access.registry(),
            marker,
            report: self.report,
            pace: self.pace,
            cancel: self.cancel,
        };
        let left = Left {
            undertaking,
            id: self.kept.text(name::DEPLOYMENT),
            cancelled: self.kept.cancelled(),
            stopping: self.kept.text(name::STOP_ANSWERED).is_some(),
        };
        deployment::finish(&context, &left).await
    }

    /// The same sessions as the main process had, made anew.
    async fn access(&self) -> Result<(Access, Marker), Finding> {
        self.enter().await.map_err(|error| match error.downcast::<Stop>() {
            Ok(Stop { findings, .. }) if !findings.is_empty() => {
                findings.into_iter().next().unwrap_or_else(|| say::no_way_in(""))
            }
            Ok(stop) => say::no_way_in(&stop.to_string()),
            Err(error) => say::no_way_in(&format!("{error:#}")),
        })
    }

    async fn enter(&self) -> Result<(Access, Marker)> {
        let folder = env::current_dir().context("there is no working directory")?;
        let inputs: Inputs = inputs::read(self.options, &folder, self.variables)?;
        let checkout = crate::git::Checkout::of(&inputs.folder, self.variables).await;
        let marker = crate::deploy::marker(&inputs, &checkout, self.variables);
        let access =
            Access::open(&inputs.request, self.variables, &marker, Limits::of(self.variables), self.report)
                .await?;
        if access.job_environment {
            self.report.has_environment();
        }
        Ok((access, marker))
    }

    fn out_of_time(&self) -> Outcome {
        match self.kept.text(name::UNDERTAKING) {
            Some(_) => say::out_of_time(self.kept.cancelled(), self.kept.text(name::DEPLOYMENT)),
            None => say::nothing_deployed(self.kept.cancelled(), self.kept.text(name::TASK_DEFINITION)),
        }
    }
}

/// The family's newest revision, when it is this run's.
async fn unused_revision(access: &Access, family: &str, marker: &Marker) -> Option<String> {
    let newest = current::newest_revision(&access.deploy, family).await?;
    let tags = newest.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    Found::in_tags(tags).is_some_and(|found| marker.is_of_run(&found)).then_some(newest.arn)
}
