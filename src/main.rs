//! `greenlight`: reads what is asked for, runs it, and ends with its exit code.

mod appspec;
mod aws;
mod cancel;
mod cli;
mod config;
mod console;
mod current;
mod deployment;
mod documents;
mod event;
mod git;
mod github;
mod image;
mod inputs;
mod job;
mod marker;
mod outcome;
mod plan;
mod report;
mod request;
mod say;
mod secret;
mod surroundings;
mod task_definition;
mod tls;

use anyhow::Context;
use cli::{Cli, Command, Options};
use event::Event;
use outcome::{Outcome, Stop, Word};
use report::Reporter;
use say::outcome as end;
use std::{
    env,
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
};
use surroundings::{Pace, Variables};

fn main() -> ExitCode {
    let variables = Variables::of_process();
    let command = match Cli::read(env::args_os().collect(), &variables) {
        Ok(command) => command,
        Err(usage) => usage.exit(),
    };
    run(command, variables).unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "{error:#}");
        ExitCode::from(Word::InternalError.code())
    })
}

#[tokio::main]
async fn run(command: Command, variables: Variables) -> anyhow::Result<ExitCode> {
    match command {
        Command::Deploy(options) => Ok(ship(&options, UpTo::End, &variables).await),
        Command::Plan(options) => Ok(ship(&options, UpTo::Plan, &variables).await),
        Command::Rehearse(_) => anyhow::bail!("`rehearse` isn't built yet"),
        Command::Simulator(_) => anyhow::bail!("`simulator` isn't built yet"),
        Command::Schema => {
            let schema = serde_json::to_string_pretty(&*config::schema::SCHEMA)?;
            writeln!(io::stdout(), "{schema}").context("can't write the schema")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// How far the way through is gone.
#[derive(Clone, Copy, PartialEq)]
enum UpTo {
    Plan,
    End,
}

/// Goes the way through and tells its end, whatever that is.
async fn ship(options: &Options, up_to: UpTo, variables: &Variables) -> ExitCode {
    let pace = Pace::of(variables);
    let reporter = Reporter::new(options.report(variables), variables, pace);
    let mut outcome = stages(options, up_to, variables, &reporter).await.unwrap_or_else(stopped);
    outcome.took = pace.elapsed();
    let code = outcome.exit_code();
    reporter.tell(Event::Finished(Arc::new(outcome)));
    reporter.finish().await;
    code
}

/// The way through, stage by stage: each takes what the one before it made.
async fn stages(
    options: &Options,
    _up_to: UpTo,
    _variables: &Variables,
    _reporter: &Reporter,
) -> anyhow::Result<Outcome> {
    let working_directory = env::current_dir().context("there is no working directory")?;
    let _inputs = inputs::read(options, &working_directory)?;
    anyhow::bail!("the stages after the inputs aren't built yet")
}

fn stopped(error: anyhow::Error) -> Outcome {
    match error.downcast_ref::<Stop>() {
        Some(stop) => end::stopped(stop),
        None => end::broke_off(&error, end::untouched()),
    }
}
