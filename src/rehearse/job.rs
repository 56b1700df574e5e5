//! The job of a rehearsal: the very same binary as a process of its own, in the environment that
//! the world's runner would give it, with the runner's files beside it.

use crate::{cancel::Cancel, surroundings::Variables};
use anyhow::{Context, Result};
use serde_json::Value;
use simulator::World;
use std::{
    ffi::OsString,
    io::IsTerminal,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::io::{AsyncBufReadExt, BufReader};

/// Which of the action's entry points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    Main,
    Post,
}

pub struct Job {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
    /// We run in a job ourselves: its runner reads the workflow commands.
    in_actions: bool,
}

/// What became of a process of the job.
#[derive(Debug, Default)]
pub struct Ended {
    pub exit_code: u8,
    /// What it told, event by event.
    pub events: Vec<Value>,
}

/// Variables of these kinds are the world's to give, not ours to inherit.
const SCRUBBED: &[&str] =
    &["ACTIONS_", "AWS_", "CI", "GITHUB_", "GREENLIGHT_", "INPUT_", "RUNNER_", "STATE_"];

impl Job {
    pub fn new(world: &World, more: &[(String, String)], variables: &Variables) -> Result<Job> {
        let folder = tempfile::Builder::new().prefix("greenlight-job-").tempdir()?;
        let mut environment: Vec<(String, String)> = variables
            .iter()
            .filter(|(name, _)| !SCRUBBED.iter().any(|prefix| name.starts_with(prefix)))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        environment.extend(surroundings(world, folder.path())?);
        environment.extend(more.iter().cloned());
        let in_actions = variables.get("GITHUB_ACTIONS") == Some("true");
        if !in_actions && !std::io::stdout().is_terminal() {
            environment.push(("NO_COLOR".to_owned(), "1".to_owned()));
        }
        Ok(Job { folder, environment, in_actions })
    }

    pub async fn run(&self, entry: Entry, args: &[OsString], cancel: &Cancel) -> Result<Ended> {
        let events = self.folder.path().join(match entry {
            Entry::Main => "events.jsonl",
            Entry::Post => "post-events.jsonl",
        });
        let mut command = tokio::process::Command::new(std::env::current_exe()?);
        command
            .env_clear()
            .envs(self.environment.iter().map(|(n, v)| (n, v)))
            .env("GREENLIGHT_EVENTS", &events)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // As under a runner, it gets no signal but those that are sent to it alone.
            .process_group(0);
        match entry {
            Entry::Main => {
                command.arg("deploy").args(args);
            }
            Entry::Post => {
                command.arg0("greenlight-post").envs(self.state()?);
            }
        }
        let mut child = command.spawn().context("the job can't be started")?;
        let lines = BufReader::new(child.stdout.take().context("the job has no output")?);
        let show = async {
            let mut lines = lines.lines();
            while let Some(line) = lines.next_line().await? {
                if self.in_actions {
                    print(&line);
                } else if let Some(line) = as_shown(&line) {
                    print(&line);
                }
            }
            anyhow::Ok(())
        };
        let signal = async {
            // A post step begins after it.
            match entry {
                Entry::Main => cancel.requested().await,
                Entry::Post => std::future::pending().await,
            }
            if let Some(id) = child.id() {
                let kill = tokio::process::Command::new("kill").args(["-INT", &id.to_string()]).status();
                drop(kill.await);
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            shown = show => shown?,
            () = signal => {}
        }
        let status = child.wait().await?;
        let exit_code = status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(1);
        let told = std::fs::read_to_string(&events).unwrap_or_default();
        Ok(Ended { exit_code, events: told.lines().filter_map(|l| serde_json::from_str(l).ok()).collect() })
    }

    /// What the main process kept for the post step, as the runner gives it back.
    fn state(&self) -> Result<Vec<(String, String)>> {
        let path: PathBuf = self.folder.path().join("state");
        let text = std::fs::read_to_string(path)?;
        Ok(pairs(&text).into_iter().map(|(name, value)| (format!("STATE_{name}"), value)).collect())
    }
}

/// What a job in this world finds: the world's own variables, and the runner's files in `folder`.
pub fn surroundings(world: &World, folder: &Path) -> Result<Vec<(String, String)>> {
    let mut environment = world.job_environment();
    for (name, file) in [
        ("GITHUB_OUTPUT", "output"),
        ("GITHUB_STATE", "state"),
        ("GITHUB_STEP_SUMMARY", "summary.md"),
        ("GITHUB_ENV", "env"),
        ("GITHUB_EVENT_PATH", "event.json"),
    ] {
        let path = folder.join(file);
        let content = if file == "event.json" { world.event_payload().to_string() } else { String::new() };
        std::fs::write(&path, content)?;
        environment.push((name.to_owned(), path.to_string_lossy().into_owned()));
    }
    let temp = folder.join("temp");
    std::fs::create_dir(&temp)?;
    environment.push(("RUNNER_TEMP".to_owned(), temp.to_string_lossy().into_owned()));
    Ok(environment)
}

/// The runner's file format: `name=value`, or `name<<END`, lines, `END`.
fn pairs(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let heredoc = line.split_once("<<").filter(|(name, _)| !name.contains('='));
        if let Some((name, end)) = heredoc {
            let value: Vec<&str> = lines.by_ref().take_while(|l| *l != end).collect();
            pairs.push((name.to_owned(), value.join("\n")));
        } else if let Some((name, value)) = line.split_once('=') {
            pairs.push((name.to_owned(), value.to_owned()));
        }
    }
    pairs
}

/// A line of the job's log as GitHub's page shows it: groups as headings, masks not at all.
fn as_shown(line: &str) -> Option<String> {
    let Some((command, text)) = line.strip_prefix("::").and_then(|rest| rest.split_once("::")) else {
        return Some(line.to_owned());
    };
    let text = text.replace("%0A", "\n").replace("%0D", "").replace("%25", "%");
    match command.split(' ').next().unwrap_or_default() {
        "group" => Some(format!("\n▸ {text}")),
        kind @ ("error" | "warning" | "notice") => Some(format!("{kind}: {text}")),
        _ => None,
    }
}

#[allow(clippy::print_stdout)]
pub fn print(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    // A reader that has gone away is no reason to stop.
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_comes_back_as_it_was_kept() {
        let text = "deployment=d-1\nreport<<EOF_1\nline 1\nline=2\nEOF_1\ncheck=7\n";
        let kept = pairs(text);
        assert_eq!(kept[0], ("deployment".into(), "d-1".into()));
        assert_eq!(kept[1], ("report".into(), "line 1\nline=2".into()));
        assert_eq!(kept[2], ("check".into(), "7".into()));
    }

    #[test]
    fn workflow_commands_are_shown_as_the_page_shows_them() {
        assert_eq!(as_shown("::group::Deployment").as_deref(), Some("\n▸ Deployment"));
        assert_eq!(as_shown("::endgroup::"), None);
        assert_eq!(as_shown("::add-mask::hunter2"), None);
        assert_eq!(as_shown("::warning title=a::b%0Ac").as_deref(), Some("warning: b\nc"));
        assert_eq!(as_shown("plain").as_deref(), Some("plain"));
    }
}
