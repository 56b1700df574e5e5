//! The builder that builds: the user's current one, one that is named, or one that is made for this
//! run alone and removed after it.

use super::{attributes, build::Order, buildx, cache};
use crate::{
    cancel::Cancel,
    child::{self, Ended, Limits},
    event::Event,
    kept::name,
    outcome::{Finding, Stop},
    report::Reporter,
    request::{Build, Builder, OwnBuilder},
    say::build as say,
    surroundings::Variables,
};
use std::{ffi::OsString, process::Stdio, time::Duration};
use tokio::{process::Command, time::timeout};

/// The names of those that we make; nothing else is ever removed.
const PREFIX: &str = "greenlight-";
/// How long a builder may take to tell of itself, and to go.
const LIMIT: Duration = Duration::from_secs(30);
const GRACE: Duration = Duration::from_secs(2);
/// Of the engine's own driver: it stores images with containerd, and can do what other drivers can.
const CONTAINERD: &str = "org.mobyproject.buildkit.worker.snapshotter";

/// Sees that the builder is there and can do what is asked of it. One that is made here can.
pub async fn check(build: &Build, variables: &Variables) -> Result<(), Stop> {
    let named = match &build.builder {
        Some(Builder::Own(_)) => return Ok(()),
        Some(Builder::Named(name)) => Some(name.as_str()),
        None => None,
    };
    let wishes = wishes(build);
    if named.is_none() && wishes.is_empty() {
        return Ok(());
    }
    match (inspect(named, variables).await, named) {
        (Ok(told), _) if is_engine(&told) => {
            let beyond: Vec<Finding> = wishes.iter().map(|wish| say::beyond_driver(wish, named)).collect();
            if beyond.is_empty() { Ok(()) } else { Err(Stop::refused(beyond)) }
        }
        (Ok(_), _) => Ok(()),
        (Err(said), Some(name)) => {
            let in_job = variables.get("GITHUB_ACTIONS") == Some("true");
            Err(Stop::refused(vec![say::no_builder(name, &said, in_job)]))
        }
        // The build itself will say.
        (Err(_), None) => Ok(()),
    }
}

/// What the engine's own driver can't do, as a sentence begins.
fn wishes(build: &Build) -> Vec<String> {
    let mut wishes = Vec::new();
    for cache in build.cache_to.iter().filter(|cache| !cache::is_inline(cache)) {
        wishes.push(format!("Writing the cache `{cache}`"));
    }
    for (name, value) in [("provenance", &build.provenance), ("sbom", &build.sbom)] {
        if value.as_deref().is_some_and(|value| value != "false") {
            wishes.push(format!("The attestation `{name}`"));
        }
    }
    if build.platforms.len() > 1 {
        wishes.push(format!("An image for {}", build.platforms.join(", ")));
    }
    wishes
}

/// Whether it is the engine itself with its own store of images.
fn is_engine(told: &str) -> bool {
    let driver = told.lines().find_map(|line| line.strip_prefix("Driver:"));
    driver.is_some_and(|driver| driver.trim() == "docker") && !told.contains(CONTAINERD)
}

async fn inspect(name: Option<&str>, variables: &Variables) -> Result<String, String> {
    let program = buildx::find(variables).ok_or("buildx isn't there")?;
    let mut command = Command::new(program);
    command.arg("inspect").args(name).stdin(Stdio::null()).kill_on_drop(true);
    for place in ["DOCKER_CONFIG", "BUILDX_CONFIG"] {
        command.envs(variables.get(place).map(|folder| (place, folder)));
    }
    match timeout(LIMIT, command.output()).await {
        Err(_) => Err("it doesn't answer".into()),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(output)) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(Ok(output)) => Err(last_line(&String::from_utf8_lossy(&output.stderr))),
    }
}

fn last_line(said: &str) -> String {
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no word why");
    last.trim_start_matches("ERROR: ").trim_end_matches('.').to_owned()
}

/// One that was made for a build.
pub struct Made {
    pub name: String,
}

/// Makes the one that is described. Its name is kept before it is made: a run that dies has it
/// removed by its post step.
pub async fn make(
    order: Order<'_>,
    command: impl Fn() -> Command,
    reporter: &Reporter,
    cancel: &Cancel,
) -> anyhow::Result<Option<Made>> {
    let Some(Builder::Own(own)) = &order.build.builder else { return Ok(None) };
    let made = Made { name: format!("{PREFIX}{}", uuid::Uuid::new_v4().simple()) };
    reporter.keep(name::BUILDER, &made.name);
    let mut create = command();
    create.args(arguments(own, &made.name));
    let mut said = String::new();
    let ended = buildx::run(create, cancel, |line| {
        said.clone_from(&line);
        reporter.tell(Event::BuildOutput { line });
    });
    let ended = ended.await?;
    if ended.status.success() {
        return Ok(Some(made));
    }
    made.remove(&command, reporter).await;
    if ended.cut.is_some() {
        return Err(Stop { word: crate::outcome::Word::Cancelled, findings: Vec::new() }.into());
    }
    Err(Stop::build_failed(say::builder_not_made(own, &last_line(&said))).into())
}

fn arguments(own: &OwnBuilder, name: &str) -> Vec<OsString> {
    let mut args: Vec<OsString> =
        ["create", "--name", name, "--driver", own.driver.name()].map(Into::into).into();
    for (option, value) in &own.driver_opts {
        args.extend(["--driver-opt".into(), attributes::field(&format!("{option}={value}")).into()]);
    }
    if let Some(config) = &own.buildkitd_config {
        args.extend(["--buildkitd-config".into(), config.into()]);
    }
    if let Some(flags) = &own.buildkitd_flags {
        args.extend(["--buildkitd-flags".into(), flags.into()]);
    }
    args.extend(own.endpoint.as_ref().map(Into::into));
    args
}

impl Made {
    /// A run that is cancelled removes it as well; what doesn't go in time is the post step's.
    pub async fn remove(self, command: impl Fn() -> Command, reporter: &Reporter) {
        match remove(command(), &self.name).await {
            Ok(()) => reporter.keep(name::BUILDER, ""),
            Err(said) => {
                reporter.tell(Event::Warning { text: say::builder_left(&self.name, &said) });
            }
        }
    }
}

/// Removes one that a process left which died: what is left, in a sentence.
pub async fn remove_left(name: &str, variables: &Variables) -> Option<String> {
    if !name.starts_with(PREFIX) {
        return None;
    }
    let removed = match buildx::find(variables) {
        Some(program) => remove(Command::new(program), name).await,
        None => Err("buildx isn't there".to_owned()),
    };
    removed.err().map(|said| say::builder_left(name, &said))
}

async fn remove(mut command: Command, name: &str) -> Result<(), String> {
    command.args(["rm", name]);
    // Not to be broken off by the wish that ends the build.
    let (never, _ask) = Cancel::on_request();
    let limits = Limits { within: Some(LIMIT), grace: GRACE };
    let mut said = String::new();
    let ended = child::run(command, limits, &never, |line| {
        if said.is_empty() || !line.starts_with("ERROR: failed to remove one or more") {
            said = line;
        }
    });
    match ended.await {
        Ok(Ended { status, .. }) if status.success() => Ok(()),
        // It wasn't made in the end.
        Ok(_) if said.contains("no builder") => Ok(()),
        Ok(_) => Err(last_line(&said)),
        Err(error) => Err(format!("{error:#}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::request::Driver;

    #[test]
    fn a_builder_is_made_as_it_is_described() {
        let own = OwnBuilder {
            driver: Driver::Kubernetes,
            endpoint: Some("ci".into()),
            driver_opts: [("namespace", "build"), ("nodeselector", "a=b,c=d")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            buildkitd_config: Some("/src/buildkitd.toml".into()),
            buildkitd_flags: Some("--debug".into()),
        };
        let line: Vec<_> =
            arguments(&own, "greenlight-x").into_iter().map(|arg| arg.into_string().unwrap()).collect();
        insta::assert_snapshot!(line.join("\n"), @r#"
        create
        --name
        greenlight-x
        --driver
        kubernetes
        --driver-opt
        namespace=build
        --driver-opt
        "nodeselector=a=b,c=d"
        --buildkitd-config
        /src/buildkitd.toml
        --buildkitd-flags
        --debug
        ci
        "#);
    }

    #[test]
    fn the_engine_cannot_do_what_others_can() {
        let build = Build {
            cache_to: vec!["type=inline".into(), "type=gha,version=2".into()],
            provenance: Some("false".into()),
            sbom: Some("true".into()),
            platforms: vec!["linux/amd64".into(), "linux/arm64".into()],
            ..Build::default()
        };
        insta::assert_snapshot!(wishes(&build).join("\n"), @"
        Writing the cache `type=gha,version=2`
        The attestation `sbom`
        An image for linux/amd64, linux/arm64
        ");
        let engine = "Name:          default\nDriver:        docker\n\nNodes:\nStatus: running\n";
        assert!(is_engine(engine));
        assert!(!is_engine(&format!(
            "{engine}Labels:\n org.mobyproject.buildkit.worker.snapshotter: overlayfs\n"
        )));
        assert!(!is_engine("Name: x\nDriver: docker-container\n"));
    }
}
