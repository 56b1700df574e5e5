//! What the runner takes from a step beside its log: outputs, state for the post step, and the
//! job summary, each a file that is appended to.

use crate::surroundings::Variables;
use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{Seek, SeekFrom, Write},
    path::PathBuf,
};

/// The action's outputs, each with what it holds: what is on this list can be set, and nothing else.
pub const OUTPUTS: [(&str, &str); 12] = [
    ("outcome", "How the run ended, in one word: succeeded, unchanged, rolled-back, and so on."),
    ("exit-code", "The run's exit code, which goes with the outcome."),
    ("image", "The image that was shipped, pinned by its digest: what a later job deploys as it is."),
    ("image-digest", "The image's digest."),
    ("image-tags", "The image's tags, one a line."),
    (
        "scan-findings",
        "What ECR's scan of the image found, where it was waited for: `1 critical, 2 high`, `nothing`.",
    ),
    ("task-definition-arn", "The revision that was deployed."),
    ("previous-task-definition-arn", "The revision that production ran before."),
    ("deployment-id", "The deployment's id."),
    ("rollback-deployment-id", "The id of the deployment that took it back, if one did."),
    ("console-url", "The deployment's page in the AWS console."),
    ("url", "Where users reach the service, as the configuration has it."),
];

#[derive(Default)]
pub(super) struct Files {
    output: Option<PathBuf>,
    state: Option<PathBuf>,
    summary: Option<PathBuf>,
    /// Where our part of the summary starts, once it was written.
    summary_start: Option<u64>,
    written: HashMap<(bool, String), String>,
}

impl Files {
    pub(super) fn of(variables: &Variables) -> Files {
        let path = |name| variables.get(name).map(PathBuf::from);
        Files {
            output: path("GITHUB_OUTPUT"),
            state: path("GITHUB_STATE"),
            summary: path("GITHUB_STEP_SUMMARY"),
            ..Files::default()
        }
    }

    pub(super) fn output(&mut self, name: &str, value: &str) -> std::io::Result<()> {
        debug_assert!(OUTPUTS.iter().any(|(known, _)| *known == name), "{name} isn't on the list of outputs");
        self.set(false, name, value)
    }

    /// For the post step, which finds it as `STATE_name`.
    pub(super) fn state(&mut self, name: &str, value: &str) -> std::io::Result<()> {
        self.set(true, name, value)
    }

    /// Our part of the summary; told again, it replaces what we wrote before.
    pub(super) fn summary(&mut self, markdown: &str) -> std::io::Result<()> {
        let Some(path) = &self.summary else { return Ok(()) };
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        let start = match self.summary_start {
            Some(start) => start,
            None => *self.summary_start.insert(file.seek(SeekFrom::End(0))?),
        };
        file.set_len(start)?;
        file.seek(SeekFrom::Start(start))?;
        file.write_all(markdown.as_bytes())
    }

    fn set(&mut self, state: bool, name: &str, value: &str) -> std::io::Result<()> {
        let Some(path) = (if state { &self.state } else { &self.output }) else { return Ok(()) };
        if self.written.get(&(state, name.to_owned())).is_some_and(|old| old == value) {
            return Ok(());
        }
        append(path, &entry(name, value))?;
        self.written.insert((state, name.to_owned()), value.to_owned());
        Ok(())
    }
}

fn append(path: &PathBuf, text: &str) -> std::io::Result<()> {
    let mut file: File = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(text.as_bytes())
}

/// One line where that can't be misread, else between lines that the value can't contain.
fn entry(name: &str, value: &str) -> String {
    if !value.contains(['\n', '\r']) {
        return format!("{name}={value}\n");
    }
    let delimiter = loop {
        let candidate = format!("ghadelimiter_{}", uuid::Uuid::new_v4());
        if !value.contains(&candidate) {
            break candidate;
        }
    };
    format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &std::path::Path) -> Files {
        Files::of(&Variables::of(
            ["GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"]
                .map(|name| (name.to_owned(), folder.join(name).to_string_lossy().into_owned())),
        ))
    }

    fn read(folder: &std::path::Path, name: &str) -> String {
        std::fs::read_to_string(folder.join(name)).unwrap()
    }

    #[test]
    fn values_of_several_lines_stand_between_random_ones() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = files(folder.path());
        files.output("image-tags", "a\noutcome=forged").unwrap();
        files.output("outcome", "succeeded").unwrap();
        let text = read(folder.path(), "GITHUB_OUTPUT");
        let lines: Vec<_> = text.lines().collect();
        let delimiter = lines[0].strip_prefix("image-tags<<").unwrap();
        assert!(delimiter.len() > 30);
        assert_eq!(lines[1..], ["a", "outcome=forged", delimiter, "outcome=succeeded"]);
    }

    #[test]
    fn the_same_value_is_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = files(folder.path());
        for _ in 0..2 {
            files.state("deployment_id", "d-1").unwrap();
        }
        files.state("deployment_id", "d-2").unwrap();
        assert_eq!(read(folder.path(), "GITHUB_STATE"), "deployment_id=d-1\ndeployment_id=d-2\n");
    }

    #[test]
    fn the_summary_is_replaced_but_not_what_stood_before() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("GITHUB_STEP_SUMMARY"), "theirs\n").unwrap();
        let mut files = files(folder.path());
        files.summary("a long first one\n").unwrap();
        files.summary("second\n").unwrap();
        assert_eq!(read(folder.path(), "GITHUB_STEP_SUMMARY"), "theirs\nsecond\n");
    }
}
