//! `greenlight rehearse`: the whole deployment in a local world, with traffic on production all
//! the while, and what the users of the service saw of it.

pub mod job;
pub mod report;
mod seed;
mod shim;
mod task_definition;
mod traffic;
mod world;

pub use shim::{NAME as SHIM, build as shim_build, environment as shim_environment};
pub use world::{PRODUCTION, TEST};

use crate::{
    cancel::Cancel,
    cli,
    git::Checkout,
    inputs::{self, Inputs, Purpose},
    outcome::{Stop, Word},
    say::rehearse as say,
    surroundings::Variables,
};
use anyhow::{Context, Result};
use simulator::{CallFault, Fault, World};
use std::{process::ExitCode, sync::Arc, time::Duration};

/// Until the service of the start runs, on the wall.
const SETTLE_LIMIT: Duration = Duration::from_secs(120);
/// Traffic goes on for so long before the deployment and after it: what users see of both sides.
const LEAD: Duration = Duration::from_secs(1);
const USUAL_RATE: u32 = 220;

pub async fn rehearse(args: &cli::Rehearse, variables: &Variables) -> Result<ExitCode> {
    report::Report::may_be_written(&args.report).map_err(|error| say::no_report(&args.report, &error))?;
    let cancel = Cancel::on_signals()?;
    let stage =
        Staged::set(&args.options, &args.pace, ([127, 0, 0, 1], 0).into(), variables, &cancel).await?;
    let result = play(&stage, args, variables, &cancel).await;
    stage.world.shut_down().await;
    result
}

async fn play(
    stage: &Staged,
    args: &cli::Rehearse,
    variables: &Variables,
    cancel: &Cancel,
) -> Result<ExitCode> {
    let rehearse = &stage.inputs.rehearse;
    let url = stage.url(world::PRODUCTION)?;
    let path = rehearse.path.as_deref().unwrap_or("/");
    job::print(&say::opening(&stage.world, &url, stage.docker));
    let traffic = traffic::Traffic::start(
        &format!("{}{path}", url.trim_end_matches('/')),
        rehearse.rate.unwrap_or(USUAL_RATE),
        rehearse.version_header.as_deref(),
        stage.world.speed(),
    )?;
    tokio::time::sleep(LEAD).await;

    let job = job::Job::new(&stage.world, &stage.environment, variables)?;
    let main = job.run(job::Entry::Main, &args.job, cancel).await?;
    let post = job.run(job::Entry::Post, &args.job, cancel).await?;

    tokio::time::sleep(LEAD).await;
    let seen = traffic.stop().await;
    let report = report::Report::of(&main, &post, &stage.world, &seen);
    report.write(&args.report).with_context(|| format!("{} can't be written", args.report.display()))?;
    job::print(&report.text(&args.report));
    Ok(ExitCode::from(main.exit_code))
}

/// A world that is ready for its job: its services run.
pub struct Staged {
    pub world: Arc<World>,
    pub inputs: Inputs,
    pub docker: bool,
    /// What a job in this world finds, beside the world's own variables.
    pub environment: Vec<(String, String)>,
    layout: world::Layout,
    /// Holds what `environment` points to.
    _folder: tempfile::TempDir,
}

impl Staged {
    pub async fn set(
        options: &cli::Options,
        pace: &cli::Pace,
        listen: std::net::SocketAddr,
        variables: &Variables,
        cancel: &Cancel,
    ) -> Result<Staged> {
        let (faults, calls) = faults(&pace.fault)?;
        let here = std::env::current_dir()?;
        let inputs = inputs::read_for(Purpose::Stage, options, &here, variables)?;
        let docker = !pace.no_docker;
        let checkout = Checkout::of(&inputs.folder, variables).await;
        let (mut spec, layout) = world::describe(&inputs, checkout.commit.clone(), checkout.branch.clone())?;
        spec.call_faults = calls;
        if docker {
            seed::prepare(&inputs).await?;
        }
        let options = simulator::Options {
            listen,
            speed: pace.speed,
            faults: faults.clone(),
            docker,
            canary: variables.get("GREENLIGHT_CANARY").map(str::to_owned),
        };
        let world = World::start(spec, options).await.map_err(|e| no_world(&e, docker))?;
        let folder = tempfile::Builder::new().prefix("greenlight-").tempdir()?;
        let environment = shim::environment(folder.path(), docker, &faults, variables)?;
        let staged = Staged { world, inputs, docker, environment, layout, _folder: folder };
        // The image of the start is built by the same hands, but no fault keeps it from being built.
        let shim = staged.environment.iter().filter(|(name, _)| !docker && name != shim::FAILS);
        let shimmed = variables.with(shim.cloned());
        match staged.begin(&checkout, &shimmed, cancel).await {
            Ok(()) => Ok(staged),
            Err(error) => {
                staged.world.shut_down().await;
                Err(error)
            }
        }
    }

    /// Puts the image of the start into its registry and lets the services run.
    async fn begin(&self, checkout: &Checkout, variables: &Variables, cancel: &Cancel) -> Result<()> {
        let layout = &self.layout;
        let login =
            self.world.seed_login(&layout.build_account).context("the build account has no registry")?;
        seed::before(&self.inputs, checkout, login, variables, cancel).await?;
        self.world.begin();
        self.world.settled(SETTLE_LIMIT).await
    }

    pub fn url(&self, listener: &str) -> Result<String> {
        let key = (self.layout.deploy_account.clone(), listener.to_owned());
        let url = self.world.endpoints().listeners.get(&key);
        url.cloned().with_context(|| format!("the world has no listener `{listener}`"))
    }
}

/// Faults of the world, and troubles with single calls, which have a `=`.
pub fn faults(names: &[String]) -> Result<(Vec<Fault>, Vec<CallFault>)> {
    let (mut faults, mut calls, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        if name.contains('=') {
            match name.parse() {
                Ok(call) => calls.push(call),
                Err(error) => wrong.push(say::unknown_call_fault(name, &error)),
            }
        } else {
            match name.parse() {
                Ok(fault) => faults.push(fault),
                Err(_) => wrong.push(say::unknown_fault(name)),
            }
        }
    }
    if wrong.is_empty() { Ok((faults, calls)) } else { Err(Stop::invalid(wrong).into()) }
}

/// A world that can't start for want of an engine is the user's to mend.
fn no_world(error: &anyhow::Error, docker: bool) -> anyhow::Error {
    if docker {
        Stop { word: Word::Invalid, findings: vec![say::no_engine(error)] }.into()
    } else {
        anyhow::anyhow!("{error:#}")
    }
}
