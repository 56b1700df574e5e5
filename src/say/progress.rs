//! What a run says while it goes on: a line or a few for each event, and the live panel.

use super::line::{Line, Tone};
use crate::{
    event::{Conclusion, Event, Run, Stage, TaskCount},
    report::history::{Deployment, History, Tasks},
};
use std::time::Duration;

/// The heading of a stage.
pub fn heading(stage: Stage) -> &'static str {
    match stage {
        Stage::Read => "Reading what there is",
        Stage::Plan => "Plan",
        Stage::Image => "Image",
        Stage::TaskDefinition => "Task definition",
        Stage::Deployment => "Deployment",
        Stage::Rollback => "Rollback",
        Stage::Outcome => "Outcome",
    }
}

/// The lines of an event that just became part of the history; none for those that have a form
/// of their own (headings, warnings, the plan, build output, the outcome).
pub fn lines(event: &Event, history: &History, now: Duration) -> Vec<Line> {
    match event {
        Event::Started(run) => vec![opening(run)],
        Event::ImageReady { uri, digest, tags, built } => image(uri, digest, tags, *built),
        Event::TaskDefinitionReady { arn, registered } => {
            let how = if *registered { "registered" } else { "there already" };
            vec![Line::new().label("revision").strong(arn).dim(format!("  {how}"))]
        }
        Event::DeploymentCreated { id, application, group, config, console_url, attached } => {
            let how = if *attached { "  started by an earlier run, followed from here" } else { "" };
            vec![
                Line::new()
                    .label("deployment")
                    .strong(id)
                    .plain(format!("  {application} / {group}, {config}"))
                    .dim(how),
                Line::new().label("").dim(console_url),
            ]
        }
        Event::Lifecycle { deployment, name, status } => {
            let line = Line::new().label("lifecycle").plain(format!("{name} ")).with(tone(status), status);
            vec![named(line, deployment, history)]
        }
        Event::DeploymentStatus { deployment, status } => {
            let line = Line::new().label("status").with(tone(status), status);
            vec![named(line, deployment, history)]
        }
        Event::Traffic { blue, green } => {
            let line = Line::new()
                .label("traffic")
                .with(Tone::Blue, format!("blue {}", percent(*blue)))
                .plain("  ")
                .with(Tone::Green, format!("green {}", percent(*green)));
            vec![to_go(line, history, now)]
        }
        Event::Tasks { blue, green } => vec![tasks(&Tasks { blue: *blue, green: *green })],
        Event::Alarm { name, state, reason } => {
            let mut line = Line::new().label("alarm").plain(format!("{name} ")).with(tone(state), state);
            if let Some(reason) = reason {
                line = line.dim(format!("  {reason}"));
            }
            vec![line]
        }
        Event::Check { name, conclusion, measured, limit } => {
            let (tone, word) = concluded(*conclusion);
            vec![
                Line::new()
                    .label("check")
                    .plain(format!("{name} "))
                    .with(tone, word)
                    .plain(format!("  measured {measured}, wanted {limit}")),
            ]
        }
        Event::Waiting { what, remaining } => {
            let mut line = Line::new().label("waiting").plain(what);
            if let Some(remaining) = remaining {
                line = line.plain(format!(", {} at most", span(*remaining)));
            }
            vec![to_go(line, history, now)]
        }
        Event::RollbackStarted { deployment, rollback, reason } => {
            let line = Line::new()
                .label("rollback")
                .with(Tone::Caution, rollback)
                .plain(format!("  takes {deployment} back"));
            vec![match reason {
                Some(reason) => line.dim(format!("  {reason}")),
                None => line,
            }]
        }
        Event::ProductionBack { task_definition, after } => {
            vec![Line::new().label("production").with(Tone::Good, "back").plain(format!(
                " on {} after {}",
                super::deployment::revision(task_definition),
                span(*after)
            ))]
        }
        Event::Note { .. }
        | Event::Stage { .. }
        | Event::Warning { .. }
        | Event::Planned { .. }
        | Event::BuildOutput { .. }
        | Event::BuildRemark { .. }
        | Event::Output { .. }
        | Event::Eta { .. }
        | Event::Finished(_) => Vec::new(),
    }
}

/// All of a running deployment at a glance, for a terminal that can redraw it.
pub fn panel(history: &History, now: Duration) -> Vec<Line> {
    let Some(deployment) = history.deployments.last() else { return Vec::new() };
    let mut lines = vec![panel_heading(deployment, history, now)];
    for (at, events) in deployment.lifecycle.chunks(4).enumerate() {
        let mut line = Line::new().label(if at == 0 { "lifecycle" } else { "" });
        for (at, event) in events.iter().enumerate() {
            let sign = match event.status.as_str() {
                "Pending" => "·",
                "InProgress" => "●",
                "Succeeded" => "✔",
                "Skipped" => "–",
                _ => "✘",
            };
            let gap = if at == 0 { "" } else { "  " };
            line = line.with(tone(&event.status), format!("{gap}{sign} {}", event.name));
        }
        lines.push(line);
    }
    if let Some(shift) = history.traffic.last() {
        const WIDTH: usize = 30;
        let green = ((shift.green / 100.0 * WIDTH as f64).round() as usize).min(WIDTH);
        lines.push(
            Line::new()
                .label("traffic")
                .with(Tone::Blue, format!("blue {:>5} {}", percent(shift.blue), "█".repeat(WIDTH - green)))
                .with(Tone::Green, format!("{} green {}", "▒".repeat(green), percent(shift.green))),
        );
    }
    lines.extend(history.tasks.as_ref().map(tasks));
    for alarm in history.alarms.iter().filter(|alarm| alarm.state != "OK") {
        lines.push(
            Line::new()
                .label("alarm")
                .plain(format!("{} ", alarm.name))
                .with(tone(&alarm.state), &alarm.state),
        );
    }
    if let Some(waiting) = &history.waiting {
        let line = Line::new().label("waiting").plain(&waiting.what);
        lines.push(match waiting.until {
            Some(until) => line.strong(format!("  {}", clock(until.saturating_sub(now)))),
            None => line,
        });
    }
    lines
}

/// A span as a clock shows it: `02:13`.
pub fn clock(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds / 3600 {
        0 => format!("{:02}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

/// A span in words: `2m 13s`.
pub fn span(span: Duration) -> String {
    match span.as_secs_f64().round() as u64 {
        0 => "under 1s".into(),
        seconds => humantime::format_duration(Duration::from_secs(seconds)).to_string(),
    }
}

pub fn percent(share: f64) -> String {
    if (share - share.round()).abs() < 0.05 { format!("{share:.0} %") } else { format!("{share:.1} %") }
}

/// `4 of 4 running`, and what is on the way.
pub fn count(tasks: Option<TaskCount>) -> String {
    match tasks {
        None => "none".into(),
        Some(TaskCount { running, desired, pending: 0 }) => format!("{running} of {desired} running"),
        Some(TaskCount { running, desired, pending }) => {
            format!("{running} of {desired} running, {pending} pending")
        }
    }
}

/// A commit as people write it.
pub fn short(commit: &str) -> &str {
    commit.get(..7).filter(|_| commit.len() >= 40).unwrap_or(commit)
}

fn opening(run: &Run) -> Line {
    let (verb, preposition) = match run.command.as_str() {
        "plan" => ("Planning", "for"),
        "rollback" => ("Rolling back", "in"),
        "status" => ("Following", "in"),
        "approve" => ("Approving", "in"),
        _ => ("Deploying", "to"),
    };
    let account = Some(&run.account).filter(|account| !account.is_empty());
    let facts = [
        account.map(|account| format!("account {account}")),
        Some(run.region.clone()),
        run.commit.as_deref().map(|commit| format!("commit {}", short(commit))),
    ];
    let facts = facts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    Line::new()
        .plain(format!("{verb} "))
        .strong(&run.service)
        .plain(format!(" {preposition} "))
        .strong(&run.environment)
        .dim(format!(" ({facts})"))
}

fn image(uri: &str, digest: &str, tags: &[String], built: bool) -> Vec<Line> {
    let how = match (built, tags) {
        (true, []) => "built and pushed".into(),
        (true, tags) => format!("built and pushed as {}", tags.join(", ")),
        (false, []) => "there already".into(),
        (false, tags) => format!("there already as {}", tags.join(", ")),
    };
    let repository = uri.split_once('@').map_or(uri, |(repository, _)| repository);
    vec![
        Line::new().label("image").strong(repository).dim(format!("  {how}")),
        Line::new().label("digest").plain(digest),
    ]
}

fn tasks(tasks: &Tasks) -> Line {
    Line::new()
        .label("tasks")
        .with(Tone::Blue, format!("blue {}", count(tasks.blue)))
        .plain("  ")
        .with(Tone::Green, format!("green {}", count(tasks.green)))
}

fn panel_heading(deployment: &Deployment, history: &History, now: Duration) -> Line {
    let status = deployment.status.as_deref().unwrap_or("");
    let line = Line::new()
        .label(if history.deployments.len() > 1 { "rollback" } else { "deployment" })
        .strong(format!("{}  ", deployment.id))
        .with(tone(status), format!("{status}  "))
        .plain(clock(history.elapsed(now).unwrap_or_default()));
    to_go(line, history, now)
}

/// Says which deployment it is about once there is more than one.
fn named(line: Line, deployment: &str, history: &History) -> Line {
    if history.deployments.len() > 1 { line.dim(format!("  {deployment}")) } else { line }
}

fn to_go(line: Line, history: &History, now: Duration) -> Line {
    match history.eta.and_then(|eta| eta.checked_sub(now)).filter(|left| left.as_secs() > 0) {
        Some(left) if history.outcome.is_none() => line.dim(format!("  about {} to the end", span(left))),
        _ => line,
    }
}

fn concluded(conclusion: Conclusion) -> (Tone, &'static str) {
    match conclusion {
        Conclusion::Passed => (Tone::Good, "passed"),
        Conclusion::Failed => (Tone::Bad, "failed"),
        Conclusion::Inconclusive => (Tone::Caution, "inconclusive"),
    }
}

/// Of a status by the API's name.
fn tone(status: &str) -> Tone {
    match status {
        "Succeeded" | "OK" => Tone::Good,
        "Failed" | "Stopped" | "ALARM" | "Unknown" => Tone::Bad,
        "Ready" | "INSUFFICIENT_DATA" => Tone::Caution,
        "Pending" | "Skipped" => Tone::Dim,
        _ => Tone::Plain,
    }
}
