//! A stand-in for buildx that keeps what it is asked for, and then does as the world's own.

use super::World;
use std::{
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};
use tempfile::TempDir;

pub struct Plugin {
    folder: TempDir,
}

impl Plugin {
    /// `script` runs before the world's own is asked, with `$out` as a folder for what it keeps.
    pub fn new(world: &World, script: &str) -> Plugin {
        let folder = TempDir::with_prefix("greenlight-plugin-").unwrap();
        let plugins = folder.path().join("docker/cli-plugins");
        fs::create_dir_all(&plugins).unwrap();
        let own = PathBuf::from(world.variable("DOCKER_CONFIG")).join("cli-plugins/docker-buildx");
        let text = format!(
            "#!/bin/sh\nout={}\nprintf '%s\\n' \"$*\" >> $out/asked\n{script}\nexec {} \"$@\"\n",
            folder.path().display(),
            own.display()
        );
        fs::write(folder.path().join("script"), text).unwrap();
        // By a process of its own: what this one writes, children of other tests would have open, and
        // it couldn't be started.
        let mut install = Command::new("install");
        install.arg("-m755").arg(folder.path().join("script")).arg(plugins.join("docker-buildx"));
        assert!(install.status().unwrap().success());
        Plugin { folder }
    }

    /// The Docker configuration that has it.
    pub fn config(&self) -> String {
        self.folder.path().join("docker").display().to_string()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What it was asked for, a line each, with the name of the run's own builder taken out.
    pub fn asked(&self) -> Vec<String> {
        let asked = fs::read_to_string(self.path("asked")).unwrap_or_default();
        let name = asked.split_whitespace().find(|word| word.starts_with("greenlight-")).map(str::to_owned);
        let asked = name.map_or(asked.clone(), |name| asked.replace(&name, "NAME"));
        asked.lines().map(str::to_owned).collect()
    }

    /// Waits for a file that it makes.
    pub fn until(&self, name: &str) {
        let deadline = Instant::now() + super::LIMIT;
        while !self.path(name).exists() {
            assert!(Instant::now() < deadline, "{name} doesn't come: {:?}", self.asked());
            // There is nothing to be woken by.
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
