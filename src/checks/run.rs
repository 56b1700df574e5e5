//! A command of the user's, on this machine or in an image, which passes when it ends with 0.
//! One that is killed or doesn't end in time has failed.

use super::{Ended, Scene, Verdict, container::Container};
use crate::{
    child::{self, Cut, Limits},
    event::Event,
    request::RunCheck,
    say::checks as say,
    surroundings::Variables,
};
use std::{env, process::Stdio, time::Duration};
use tokio::{process::Command, time::timeout};

/// How long a command that was told to stop may take for it. The runner gives a cancelled job
/// seven seconds in all.
const GRACE: Duration = Duration::from_secs(1);
/// Docker's own word to the container, and its removal.
const DOCKER_GRACE: Duration = Duration::from_secs(2);

/// What the runner means for this step alone: who has it can enter the deploy role, or change
/// what the step tells.
const OURS: [&str; 3] = ["ACTIONS_", "INPUT_", "STATE_"];
const FILES: [&str; 3] = ["GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"];

pub(super) async fn check(check: &RunCheck, scene: &Scene<'_>) -> Ended {
    let limit = say::run_limit(check);
    let name = say::run_name(check);
    let within = scene.within(check.timeout);
    let work = match &check.image {
        Some(image) => Work::in_image(check, image, scene),
        None => Work::Here(here(check, scene)),
    };
    let started = tokio::time::Instant::now();
    let report = scene.context.report.clone();
    let ended = child::unbroken(scene.context.cancel, |cancel| async move {
        let limits = Limits { within: Some(within), grace: GRACE };
        let tell = |line| report.tell(Event::Output { from: name.clone(), line });
        match work {
            Work::Here(command) => child::run(command, limits, &cancel, tell).await,
            Work::Docker(command, container) => {
                let ended = child::run(command, limits, &cancel, tell).await;
                if let Ok(child::Ended { cut: Some(_), .. }) = &ended {
                    remove(&container).await;
                }
                ended
            }
            Work::Engine(container) => container.run(limits, &cancel, &Variables::of_process(), tell).await,
        }
    });
    let ended = ended.await.flatten();
    let took = scene.context.pace.world(started.elapsed());
    let (passed, measured) = match ended {
        Ok(child::Ended { status, cut }) => {
            // Whoever is told to stop may well say that all was fine.
            let measured = match cut {
                Some(Cut::TimedOut) => say::run_timed_out(scene.context.pace.world(within)),
                _ => say::run_measured(status, took),
            };
            (status.success() && cut.is_none(), measured)
        }
        Err(error) => (false, format!("{error:#}")),
    };
    let verdict = match passed {
        true => Verdict::Passed,
        false => Verdict::Failed(say::run_failed(scene.moment, check, &measured)),
    };
    Ended { verdict, measured, limit }
}

/// Where a check's command runs.
enum Work {
    Here(Command),
    /// By Docker's command line, which knows all of the user's contexts and logins; with the
    /// container's name.
    Docker(Command, String),
    /// By the engine itself.
    Engine(Container),
}

impl Work {
    fn in_image(check: &RunCheck, image: &str, scene: &Scene<'_>) -> Work {
        let name = format!("greenlight-{}", uuid::Uuid::new_v4().simple());
        if has_command_line() {
            return Work::Docker(in_image(check, image, &name, scene), name);
        }
        let environment = scene.variables().into_iter().map(|(name, value)| format!("{name}={value}"));
        Work::Engine(Container {
            name,
            image: image.to_owned(),
            script: check.command.clone(),
            environment: environment.collect(),
        })
    }
}

/// Whether Docker's command line is on the search path.
pub fn has_command_line() -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join("docker").is_file()))
}

/// In the surroundings that a step of the job has: what the user put there is there.
fn here(check: &RunCheck, scene: &Scene<'_>) -> Command {
    let mut command = Command::new("sh");
    command.arg("-e").arg("-c").arg(check.command.as_deref().unwrap_or_default());
    command.current_dir(&check.folder);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_ours(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command.envs(scene.variables());
    command
}

fn is_ours(name: &str) -> bool {
    OURS.iter().any(|prefix| name.starts_with(prefix)) || FILES.contains(&name)
}

/// It sees nothing of the job's environment. The network is the machine's, as for a command that
/// runs here.
fn in_image(check: &RunCheck, image: &str, container: &str, scene: &Scene<'_>) -> Command {
    let mut command = Command::new("docker");
    command.args(["run", "--rm", "--init", "--network", "host", "--name", container]);
    for (name, value) in scene.variables() {
        // Docker's command line takes the value from its own environment.
        command.args(["--env", name]).env(name, value);
    }
    match &check.command {
        Some(line) => command.args(["--entrypoint", "sh", image, "-e", "-c", line]),
        None => command.arg(image),
    };
    command.current_dir(&check.folder);
    command
}

/// Its command line has ended, which doesn't mean that the container has.
async fn remove(container: &str) {
    let removed = Command::new("docker")
        .args(["rm", "--force", container])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status();
    // The verdict stands, whether or not there was still one.
    let _ = timeout(DOCKER_GRACE, removed).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_this_steps_own_is_kept_from_a_command() {
        for ours in [
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
            "ACTIONS_RUNTIME_TOKEN",
            "INPUT_GITHUB-TOKEN",
            "STATE_deployment_id",
            "GITHUB_STATE",
        ] {
            assert!(is_ours(ours), "{ours}");
        }
        for theirs in ["AWS_PROFILE", "GITHUB_SHA", "GITHUB_ENV", "PATH", "MY_INPUT_FILE"] {
            assert!(!is_ours(theirs), "{theirs}");
        }
    }
}
