//! `greenlight`: reads what is asked for, runs it, and ends with its exit code.

mod ages;
mod appspec;
mod attend;
mod aws;
mod back;
mod cancel;
mod checks;
mod child;
mod cli;
mod config;
mod console;
mod current;
mod deploy;
mod deployment;
mod documents;
mod event;
mod explain;
mod git;
mod github;
mod image;
mod inputs;
mod job;
mod kept;
mod marker;
mod one_off;
mod outcome;
mod permissions;
mod plan;
mod post;
#[cfg(test)]
mod reference;
mod rehearse;
mod report;
mod request;
mod say;
mod secret;
mod simulate;
mod surroundings;
mod task;
mod task_definition;
mod tls;
mod verified;
mod watch;

use anyhow::Context;
use attend::Errand;
use cli::{Cli, Command, Options, Unread};
use deploy::UpTo;
use outcome::Stop;
use std::{
    env,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};
use surroundings::Variables;

fn main() -> ExitCode {
    let variables = Variables::of_process();
    let args: Vec<_> = env::args_os().collect();
    tls::prepare();
    let name = args.first().and_then(|name| Path::new(name).file_name());
    if name.is_some_and(|name| name == rehearse::SHIM) {
        return on(false, rehearse::shim_build(args, &variables)).unwrap_or(ExitCode::FAILURE);
    }
    if name.is_some_and(|name| name == post::NAME) {
        return on(false, post::post(&variables, post::LIMIT)).unwrap_or(ExitCode::FAILURE);
    }
    let command = match Cli::read(args, &variables) {
        Ok(command) => command,
        Err(Unread::Usage(usage)) => usage.exit(),
        Err(Unread::Inputs(findings)) => {
            let stop = Stop::invalid(findings).into();
            let told = async { deploy::stopped_early(stop, &Options::usual(), &variables) };
            return on(false, told).unwrap_or(ExitCode::FAILURE);
        }
    };
    // A world serves traffic beside its job; a run only waits.
    let busy = matches!(command, Command::Rehearse(_) | Command::Simulator(_));
    on(busy, run(command, variables)).and_then(|code| code).unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "{error:#}");
        ExitCode::from(outcome::Word::InternalError.code())
    })
}

async fn run(command: Command, variables: Variables) -> anyhow::Result<ExitCode> {
    match command {
        Command::Deploy(options) => Ok(deploy::ship(&options, UpTo::End, &variables).await),
        Command::Plan(options) => Ok(deploy::ship(&options, UpTo::Plan, &variables).await),
        Command::Status(options) => Ok(attend::attend(Errand::Status, &options, &variables).await),
        Command::Approve(args) => {
            let errand = Errand::Approve { deployment: args.deployment.as_deref() };
            Ok(attend::attend(errand, &args.options, &variables).await)
        }
        Command::Rollback(args) => {
            let errand = Errand::Rollback { to: args.to.as_deref() };
            Ok(attend::attend(errand, &args.options, &variables).await)
        }
        Command::Rehearse(args) => {
            let played = rehearse::rehearse(&args, &variables).await;
            Ok(played.unwrap_or_else(|error| deploy::stopped_early(error, &args.options, &variables)))
        }
        Command::Simulator(args) => {
            let served = simulate::serve(&args, &variables).await;
            Ok(served.unwrap_or_else(|error| deploy::stopped_early(error, &args.options(), &variables)))
        }
        Command::Schema => {
            let schema = serde_json::to_string_pretty(&*config::schema::SCHEMA)?;
            writeln!(io::stdout(), "{schema}").context("can't write the schema")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Runs a future on a runtime of one thread, or of as many as there are cores.
fn on<T>(all_cores: bool, future: impl Future<Output = T>) -> anyhow::Result<T> {
    use tokio::runtime::Builder;
    let mut builder = if all_cores { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    Ok(builder.enable_all().build()?.block_on(future))
}
