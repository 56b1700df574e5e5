//! A user's repository: examples/hello in a folder of its own, changed as a test wants it, with
//! one commit.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};
use tempfile::TempDir;

/// Clones share the folder.
#[derive(Clone)]
pub struct Project {
    folder: Arc<TempDir>,
}

impl Project {
    pub fn hello() -> Project {
        Project::with(|_| {})
    }

    /// What the change does is part of the commit.
    pub fn with(change: impl FnOnce(&Files)) -> Project {
        let project = Project { folder: Arc::new(TempDir::with_prefix("greenlight-test-").unwrap()) };
        let files = project.files();
        for name in ["greenlight.yml", "taskdef.json", "Dockerfile", ".dockerignore", "build", "main.rs"] {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hello").join(name);
            fs::copy(&from, project.folder().join(name)).unwrap();
        }
        files.write(".gitignore", "hello\n");
        // In seconds, on a machine that has other things to do, a run may miss five such minutes.
        files.replace("greenlight.yml", "ready-wait: 5m", "ready-wait: 2h");
        // And more than half a second until the first answer.
        files.replace(
            "greenlight.yml",
            "{ /service: hello }\n",
            "{ /service: hello }\n          within: 20m\n",
        );
        change(&files);
        git(&project.folder(), &["init", "--quiet"]);
        project.commit();
        project
    }

    /// Commits what changed since.
    pub fn commit(&self) {
        git(&self.folder(), &["add", "--all"]);
        git(&self.folder(), &["commit", "--quiet", "--message", "change"]);
    }

    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub fn files(&self) -> Files {
        Files(self.folder())
    }
}

/// The files of a project, for changing them.
pub struct Files(PathBuf);

impl Files {
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.0.join(name)).unwrap();
    }

    /// What is to be replaced must be there.
    pub fn replace(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no `{from}`");
        self.write(name, &text.replace(from, to));
    }

    /// Changes a JSON document.
    pub fn edit(&self, name: &str, change: impl FnOnce(&mut serde_json::Value)) {
        let mut document = serde_json::from_str(&self.read(name)).unwrap();
        change(&mut document);
        self.write(name, &serde_json::to_string_pretty(&document).unwrap());
    }
}

fn git(folder: &Path, args: &[&str]) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=x", "-c", "user.email=x@example", "-c", "init.defaultBranch=main"]);
    command.args(args).current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null");
    let done = command.output().expect("git starts");
    assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}
