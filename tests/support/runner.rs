//! GitHub's runner, as far as a container action sees it: the image is built from the Dockerfile
//! and run with the mounts, the variables, the files and the signals that the runner gives it, main
//! and post each in a container of its own.
//!
//! Two things differ. The container is on the host's network, since the world listens on loopback;
//! and what a workflow would set under `env:` to reach that world is set.

use super::{Child, Ended, LIMIT, World};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// From SIGINT to SIGTERM, and from there to giving up.
const PAUSES: [Duration; 2] = [Duration::from_millis(7500), Duration::from_millis(2500)];
/// What the runner passes on of its own; `GITHUB_TOKEN` isn't among it.
const PASSED: [&str; 3] = ["GITHUB_", "ACTIONS_", "RUNNER_"];
/// What a workflow sets to reach the world.
const WORLDS: [&str; 2] = ["AWS_ENDPOINT_URL", "GREENLIGHT_SPEED"];

/// What is mounted under /github beside the workspace.
const FOLDERS: [&str; 4] = ["home", "workflow", "file_commands", "runner_temp"];

/// The action's image with stand-ins for its bases; removed with this value.
pub struct Image(String);

impl Image {
    pub fn build() -> Image {
        let image = Image(format!("greenlight-test:{}", std::process::id()));
        let mut script = Command::new(format!("{ROOT}/script/image"));
        script.args(["--stand-ins", "--tag", &image.0, "--binary", env!("CARGO_BIN_EXE_greenlight")]);
        let built = Child::start(script).wait(LIMIT);
        assert_eq!(built.code, Some(0), "{}", built.said());
        image
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rmi", &self.0]).output();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Main,
    Post,
}

/// One step of a job that uses the action.
pub struct Step<'a> {
    image: &'a Image,
    world: &'a World,
    action: Value,
    with: BTreeMap<String, String>,
    /// Which attempt at the job it is.
    attempt: u32,
    folders: TempDir,
}

impl<'a> Step<'a> {
    /// `with` is what the workflow has under `with:`.
    pub fn new(image: &'a Image, world: &'a World, with: &[(&str, &str)]) -> Step<'a> {
        let action = fs::read_to_string(format!("{ROOT}/action.yml")).unwrap();
        Step {
            image,
            world,
            action: serde_yaml::from_str(&action).unwrap(),
            with: with.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            attempt: 1,
            folders: folders(world),
        }
    }

    /// "Re-run failed jobs".
    pub fn again(self) -> Step<'a> {
        Step { attempt: self.attempt + 1, folders: folders(self.world), ..self }
    }

    pub fn main(&self) -> Container<'_> {
        self.start(Entry::Main, BTreeMap::new())
    }

    /// `main` is what the main step left.
    pub fn post(&self, main: &Files) -> Ended {
        let state = main.state.iter().map(|(name, value)| (format!("STATE_{name}"), value.clone()));
        self.start(Entry::Post, state.collect()).wait().0
    }

    fn start(&self, entry: Entry, more: BTreeMap<String, String>) -> Container<'_> {
        let name = format!("greenlight_{}_{entry:?}", self.folders.path().file_name().unwrap().display());
        let name = name.replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "_");
        let files = self.folders.path().join("file_commands");
        let mut variables = self.variables();
        variables.extend(more);
        for command in ["OUTPUT", "STATE", "ENV", "PATH", "STEP_SUMMARY"] {
            let file = format!("{command}_{entry:?}");
            fs::write(files.join(&file), "").unwrap();
            variables.insert(format!("GITHUB_{command}"), format!("/github/file_commands/{file}"));
        }
        let runs = &self.action["runs"];
        let entrypoint = match entry {
            Entry::Main => &runs["entrypoint"],
            Entry::Post => &runs["post-entrypoint"],
        };
        // Docker's command line takes the values from its own surroundings.
        let mut command = Command::new("docker");
        command.args(["run", "--name", &name, "--label", "greenlight-test", "--rm"]);
        command.args(["--workdir", "/github/workspace"]).envs(&variables);
        for name in variables.keys() {
            command.args(["-e", name]);
        }
        command.args(["--entrypoint", entrypoint.as_str().unwrap(), "--network", "host"]);
        command.args(["-v", "/var/run/docker.sock:/var/run/docker.sock"]);
        for folder in FOLDERS {
            let host = self.folders.path().join(folder);
            command.arg("-v").arg(format!("{}:/github/{folder}", host.display()));
        }
        command.arg("-v").arg(format!("{}:/github/workspace", self.world.project.folder().display()));
        command.arg(&self.image.0);
        let read = |command: &str| files.join(format!("{command}_{entry:?}"));
        let files = [read("OUTPUT"), read("STATE"), read("STEP_SUMMARY")];
        Container { name, process: Child::start(command), files, step: self }
    }

    fn variables(&self) -> BTreeMap<String, String> {
        let passed = |name: &str| PASSED.iter().any(|kind| name.starts_with(kind)) || WORLDS.contains(&name);
        let environment = self.world.environment.iter().filter(|(name, _)| passed(name));
        let mut variables: BTreeMap<_, _> =
            environment.map(|(name, value)| (name.clone(), value.clone())).collect();
        let token = variables.remove("GITHUB_TOKEN").expect("the world has a token");
        let inputs = self.action["inputs"].as_object().unwrap();
        for name in self.with.keys() {
            assert!(inputs.contains_key(name), "action.yml has no input `{name}`");
        }
        // Every input that is declared is there, an empty one included.
        for (name, input) in inputs {
            let default =
                input["default"].as_str().unwrap_or_default().replace("${{ github.token }}", &token);
            let value = self.with.get(name).cloned().unwrap_or(default);
            variables.insert(format!("INPUT_{}", name.to_uppercase()), value);
        }
        for (name, value) in [
            ("CI", "true"),
            ("GITHUB_RUN_ATTEMPT", &self.attempt.to_string()),
            ("HOME", "/github/home"),
            ("GITHUB_WORKSPACE", "/github/workspace"),
            ("GITHUB_EVENT_PATH", "/github/workflow/event.json"),
            ("RUNNER_TEMP", "/github/runner_temp"),
            ("GREENLIGHT_EVENTS", "/github/runner_temp/events.jsonl"),
        ] {
            variables.insert(name.to_owned(), value.to_owned());
        }
        variables
    }

    fn events(&self) -> Vec<Value> {
        let told = fs::read_to_string(self.folders.path().join("runner_temp/events.jsonl"));
        told.unwrap_or_default().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

/// What the runner mounts, fresh as on a machine of GitHub's.
fn folders(world: &World) -> TempDir {
    let folders = TempDir::with_prefix("greenlight-runner-").unwrap();
    for folder in FOLDERS {
        fs::create_dir(folders.path().join(folder)).unwrap();
    }
    fs::copy(world.variable("GITHUB_EVENT_PATH"), folders.path().join("workflow/event.json")).unwrap();
    folders
}

/// A stage of the step in its container.
pub struct Container<'a> {
    name: String,
    process: Child,
    files: [PathBuf; 3],
    step: &'a Step<'a>,
}

/// What a stage left for the runner.
#[derive(Debug, Default)]
pub struct Files {
    pub outputs: BTreeMap<String, String>,
    pub state: BTreeMap<String, String>,
    pub summary: String,
}

impl Container<'_> {
    /// Waits until the run has told an event.
    pub fn until(&self, told: impl Fn(&Value) -> bool) {
        let deadline = std::time::Instant::now() + LIMIT;
        while !self.step.events().iter().any(&told) {
            assert!(std::time::Instant::now() < deadline, "not told: {:?}", self.step.events());
            // The file is the run's to write; there is nothing to be woken by.
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn wait(self) -> (Ended, Files) {
        let Container { process, files, .. } = self;
        let ended = process.wait(LIMIT);
        (ended, left(&files))
    }

    /// What the runner does when the job is cancelled: it signals Docker's command line, which
    /// passes it on to the container's first process. Whether that ended is told last.
    pub fn cancel(self) -> (Ended, Files, bool) {
        self.process.signal(Signal::INT);
        if !self.process.ends_within(PAUSES[0]) {
            self.process.signal(Signal::TERM);
        }
        if !self.process.ends_within(PAUSES[1]) {
            self.process.signal(Signal::KILL);
        }
        let Container { name, process, files, .. } = self;
        let ended = process.wait(LIMIT);
        let running =
            Command::new("docker").args(["ps", "--quiet", "--filter", &format!("name={name}")]).output();
        let gone = running.unwrap().stdout.is_empty();
        if !gone {
            let _ = Command::new("docker").args(["rm", "--force", &name]).output();
        }
        (ended, left(&files), gone)
    }
}

fn left([output, state, summary]: &[PathBuf; 3]) -> Files {
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    Files {
        outputs: super::run::pairs(&read(output)),
        state: super::run::pairs(&read(state)),
        summary: read(summary),
    }
}
