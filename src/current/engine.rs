//! Whether commands can be run in images here: Docker's command line, and an engine that answers.

use crate::{
    request::{Check, Environment},
    say::checks as say,
};
use std::{process::Stdio, time::Duration};
use tokio::{process::Command, time::timeout};

/// On the wall.
const ANSWER: Duration = Duration::from_secs(15);

/// Why there is none, when a check needs one.
pub async fn missing(environment: &Environment) -> Option<String> {
    let in_image = |check: &Check| matches!(check, Check::Run(run) if run.image.is_some());
    if !environment.validate.iter().chain(&environment.verify).any(in_image) {
        return None;
    }
    let asked = Command::new("docker")
        .args(["version", "--format", "{{.Server.Version}}"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    match timeout(ANSWER, asked).await {
        Ok(Ok(output)) if output.status.success() => None,
        Ok(Ok(output)) => Some(say::engine_said(&String::from_utf8_lossy(&output.stderr))),
        Ok(Err(error)) => Some(say::no_docker(&error)),
        Err(_) => Some(say::no_engine_answer(ANSWER)),
    }
}
