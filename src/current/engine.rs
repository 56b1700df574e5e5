//! Whether commands can be run in images here: an engine that answers, Docker's command line or
//! this process itself.

use crate::{
    checks,
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
    if !checks::has_command_line() {
        let asked = async { checks::engine()?.ping().await.map_err(anyhow::Error::from) };
        return match timeout(ANSWER, asked).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(say::no_engine(&error)),
            Err(_) => Some(say::no_engine_answer(ANSWER)),
        };
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
