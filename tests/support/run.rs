//! One run of `greenlight` as a step of the world's job, with the runner's files for itself.

use super::{CANARY, Child, Ended, LIMIT, World, greenlight};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    collections::BTreeMap, fs, os::unix::process::CommandExt, path::PathBuf, process::Command, time::Instant,
};
use tempfile::TempDir;

pub struct Run<'a> {
    command: Command,
    files: TempDir,
    _world: &'a World,
}

impl<'a> Run<'a> {
    pub(super) fn new(world: &'a World, folder: PathBuf, args: &[&str]) -> Run<'a> {
        let files = TempDir::with_prefix("greenlight-job-").unwrap();
        let mut command = greenlight();
        command.envs(&world.environment).args(args).current_dir(folder);
        for (name, file) in
            [("GITHUB_OUTPUT", "output"), ("GITHUB_STATE", "state"), ("GITHUB_STEP_SUMMARY", "summary.md")]
        {
            fs::write(files.path().join(file), "").unwrap();
            command.env(name, files.path().join(file));
        }
        fs::create_dir(files.path().join("temp")).unwrap();
        command.env("RUNNER_TEMP", files.path().join("temp"));
        command.env("GREENLIGHT_EVENTS", files.path().join("events.jsonl"));
        Run { command, files, _world: world }
    }

    /// The post step behind a run, with what the runner gives back of its state.
    pub(super) fn post(world: &'a World, folder: PathBuf, main: &Done) -> Run<'a> {
        let mut run = Run::new(world, folder, &[]);
        run.command.arg0("greenlight-post");
        main.state.iter().fold(run, |run, (name, value)| run.env(&format!("STATE_{name}"), value))
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn without(mut self, names: &[&str]) -> Self {
        for name in names {
            self.command.env_remove(name);
        }
        self
    }

    /// An input of the action, as the runner passes it.
    pub fn input(self, name: &str, value: &str) -> Self {
        self.env(&format!("INPUT_{}", name.to_uppercase()), value)
    }

    pub fn start(self) -> Running {
        Running { child: Child::start(self.command), files: self.files }
    }

    pub fn end(self) -> Done {
        self.start().end()
    }
}

pub struct Running {
    child: Child,
    files: TempDir,
}

impl Running {
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    pub fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }

    pub fn has_ended(&self) -> bool {
        self.child.has_ended()
    }

    /// Ends it on the spot, in the middle of whatever it does.
    pub fn kill(self) -> Done {
        self.signal(Signal::KILL);
        self.end()
    }

    /// Waits until the run has told an event.
    pub fn until(&self, told: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !events(&self.files).iter().any(&told) {
            assert!(Instant::now() < deadline, "not told: {:?}", events(&self.files));
            // The file is the run's to write; there is nothing to be woken by.
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    pub fn end(self) -> Done {
        let ended = self.child.wait(LIMIT);
        let log = ended.stdout.lines().chain(ended.stderr.lines());
        let leak = log.filter(|line| !line.starts_with("::add-mask::")).find(|line| line.contains(CANARY));
        assert_eq!(leak, None, "a secret is told");
        for file in ["output", "state", "summary.md", "events.jsonl"] {
            let text = fs::read_to_string(self.files.path().join(file)).unwrap_or_default();
            assert!(!text.contains(CANARY), "a secret is in {file}");
        }
        let read = |file: &str| fs::read_to_string(self.files.path().join(file)).unwrap();
        Done {
            outputs: pairs(&read("output")),
            state: pairs(&read("state")),
            summary: read("summary.md"),
            events: events(&self.files),
            ended,
        }
    }
}

/// A run that has ended.
#[derive(Debug)]
pub struct Done {
    pub ended: Ended,
    pub outputs: BTreeMap<String, String>,
    pub state: BTreeMap<String, String>,
    pub summary: String,
    pub events: Vec<Value>,
}

impl Done {
    /// Fails with all that the run said, unless it ended so.
    #[track_caller]
    pub fn expect(self, code: i32, outcome: &str) -> Done {
        assert_eq!(self.ended.code, Some(code), "{}", self.ended.said());
        assert_eq!(self.told("finished")["word"], outcome, "{}", self.ended.said());
        self
    }

    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Done {
        let said = self.ended.said();
        for part in parts {
            assert!(said.contains(part), "not said: `{part}`\n{said}");
        }
        self
    }

    #[track_caller]
    pub fn says_not(self, parts: &[&str]) -> Done {
        let said = self.ended.said();
        for part in parts {
            assert!(!said.contains(part), "said: `{part}`\n{said}");
        }
        self
    }

    /// One of its findings names this place.
    #[track_caller]
    pub fn points_at(self, file: &str, line: u64) -> Done {
        let findings = self.told("finished")["findings"].as_array().expect("findings").clone();
        let there = |finding: &Value| finding["place"]["file"] == file && finding["place"]["line"] == line;
        assert!(findings.iter().any(there), "nothing points at {file}:{line}: {findings:?}");
        self
    }

    /// The last event of a kind.
    #[track_caller]
    pub fn told(&self, event: &str) -> &Value {
        let told = self.events.iter().rev().find(|e| e["event"] == event);
        told.unwrap_or_else(|| panic!("no `{event}`: {}", self.ended.said()))
    }

    #[track_caller]
    pub fn output(&self, name: &str) -> &str {
        self.outputs.get(name).unwrap_or_else(|| panic!("no output `{name}`: {:?}", self.outputs))
    }
}

fn events(files: &TempDir) -> Vec<Value> {
    let told = fs::read_to_string(files.path().join("events.jsonl")).unwrap_or_default();
    told.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The runner's format: `name=value`, or `name<<END`, lines, `END`.
pub fn pairs(text: &str) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some((name, end)) = line.split_once("<<").filter(|(name, _)| !name.contains('=')) {
            let value: Vec<&str> = lines.by_ref().take_while(|l| *l != end).collect();
            pairs.insert(name.to_owned(), value.join("\n"));
        } else if let Some((name, value)) = line.split_once('=') {
            pairs.insert(name.to_owned(), value.to_owned());
        }
    }
    pairs
}
