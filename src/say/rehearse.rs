//! What a rehearsal says: what it plays, what users saw, how it ended.

use crate::{
    outcome::{Finding, Stop},
    rehearse::report::Report,
};
use simulator::{CallFault, Fault, World};
use std::path::Path;

pub fn opening(world: &World, url: &str, docker: bool) -> String {
    let by = if docker { "containers run by Docker" } else { "stand-ins in this process, without Docker" };
    format!(
        "A local world plays AWS and GitHub at {}× speed; production is {url}, its tasks are {by}.",
        world.speed()
    )
}

pub fn report(report: &Report, path: &Path) -> String {
    let requests = &report.requests;
    let mut lines = vec![String::new(), "▸ What the users of the service saw".to_owned()];
    lines.push(format!("  {} requests, {} lost", requests.total, requests.failed));
    for (version, answers) in &requests.by_version {
        let errors = if answers.error > 0 { format!(", {} errors", answers.error) } else { String::new() };
        lines.push(format!("  version {version:<14} {:>7} answers{errors}", answers.ok + answers.error));
    }
    let calls: u64 = report.api_calls.values().sum();
    lines.push(format!("  {calls} AWS calls, {} GitHub calls", report.github_calls));
    if let Some(lag) = report.detection_lag_ms {
        lines.push(format!("  the deployment's end was noticed after {:.1} s", lag as f64 / 1000.0));
    }
    lines.push(format!(
        "  outcome {}, exit code {}; all of it in {}",
        report.outcome,
        report.exit_code,
        path.display()
    ));
    lines.join("\n")
}

pub fn unknown_fault(name: &str) -> Finding {
    let names: Vec<&str> = Fault::ALL.iter().map(|f| f.name()).collect();
    Finding::new(
        format!("no fault is named `{name}`"),
        format!("{}There are: {}.", did_you_mean(&names, name), names.join(", ")),
    )
}

/// `SERVICE:OPERATION=KIND`
pub fn unknown_call_fault(fault: &str, error: &anyhow::Error) -> Finding {
    let operations = CallFault::operations();
    let operations: Vec<&str> = operations.iter().map(String::as_str).collect();
    let call = fault.split('=').next().unwrap_or_default();
    let known = operations.contains(&call) || call.ends_with(":*");
    let hint = if known { String::new() } else { did_you_mean(&operations, call) };
    Finding::new(
        error.to_string(),
        format!("{hint}A call's trouble is one of {}.", CallFault::kinds().join(", ")),
    )
}

fn did_you_mean(names: &[&str], name: &str) -> String {
    let nearest =
        names.iter().max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
    nearest.map_or(String::new(), |n| format!("Did you mean `{n}`? "))
}

pub fn no_report(path: &Path, error: &std::io::Error) -> Stop {
    Stop::invalid(vec![Finding::new(
        format!("The report can't be written to {}: {error}.", path.display()),
        "Name a file in a folder that is there with `--report`.",
    )])
}

pub fn builds_the_image() -> Finding {
    Finding::new(
        "A rehearsal builds the image, and `image` names one that is there.",
        "Leave the flag or input `image` out.",
    )
}

pub fn no_container(name: &str) -> Finding {
    Finding::new(
        format!("The task definition has no container `{name}`."),
        "Correct `container` in the environment, or the task definition.",
    )
}

pub fn no_execution_role() -> Finding {
    Finding::new(
        "The task definition has no `executionRoleArn`, and Fargate pulls no image from ECR without one.",
        "Name the role in the task definition.",
    )
}

pub fn several_containers() -> Finding {
    Finding::new(
        "The task definition has several containers, and none is named.",
        "Name the one that gets the image: `container: NAME` in the environment.",
    )
}

pub fn no_engine(error: &anyhow::Error) -> Finding {
    Finding::new(
        format!("the world's containers need a Docker engine: {error:#}"),
        "Start Docker, or rehearse with stand-ins: --no-docker.",
    )
}

pub fn not_prepared(command: &str, said: &str) -> Finding {
    let said = said.trim();
    Finding::new(
        format!("`rehearse.prepare` (`{command}`) failed{}{said}", if said.is_empty() { "" } else { ": " }),
        "Mend it; nothing was started.",
    )
}

pub const WORLD_FILE: &str = "Give a world as docs/architecture.md describes it, or leave --world out.";
