//! The buildx plugin: found where Docker's command line would find it, and run without it.

use super::docker_config;
use crate::{
    cancel::Cancel,
    child::{self, Ended, Limits},
    surroundings::Variables,
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::process::Command;

/// Where distributions put plugins for Docker's command line.
const FOLDERS: [&str; 5] = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
    "/opt/homebrew/lib/docker/cli-plugins",
];

/// How long a build that was told to stop may take for it.
const GRACE: Duration = Duration::from_secs(3);

/// The plugin's path: the user's own first, then those of the machine, then the search path.
pub fn find(variables: &Variables) -> Option<PathBuf> {
    let config = docker_config::folder(variables);
    let users = config.iter().map(|folder| folder.join("cli-plugins"));
    let extra = config.iter().filter_map(|folder| docker_config::read(folder).ok()).flat_map(|config| {
        let extra = config.get("cliPluginsExtraDirs").and_then(|dirs| dirs.as_array().cloned());
        extra.into_iter().flatten().filter_map(|dir| dir.as_str().map(PathBuf::from)).collect::<Vec<_>>()
    });
    let plugins =
        users.chain(extra).chain(FOLDERS.map(PathBuf::from)).map(|folder| folder.join("docker-buildx"));
    let path: Vec<PathBuf> =
        variables.get("PATH").map(|path| std::env::split_paths(path).collect()).unwrap_or_default();
    let standalone = ["docker-buildx", "buildx"]
        .into_iter()
        .flat_map(|name| path.iter().map(move |folder| folder.join(name)));
    plugins.chain(standalone).find(|program| is_executable(program))
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Runs it and hands over its lines as they come.
pub async fn run(command: Command, cancel: &Cancel, line: impl FnMut(String)) -> anyhow::Result<Ended> {
    child::run(command, Limits { within: None, grace: GRACE }, cancel, line).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tempfile::TempDir;

    fn executable(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn the_users_plugin_goes_first_and_a_folder_of_the_configuration_next() {
        let home = TempDir::new().unwrap();
        let variables = |config: &str| {
            let config = home.path().join(config).display().to_string();
            Variables::of([
                ("DOCKER_CONFIG".into(), config),
                ("PATH".into(), home.path().join("bin").display().to_string()),
            ])
        };
        executable(&home.path().join("bin/buildx"));
        executable(&home.path().join("a/cli-plugins/docker-buildx"));
        executable(&home.path().join("extra/docker-buildx"));
        let extra = serde_json::json!({"cliPluginsExtraDirs": [home.path().join("extra")]});
        fs::create_dir_all(home.path().join("b/cli-plugins")).unwrap();
        fs::write(home.path().join("b/config.json"), extra.to_string()).unwrap();
        assert_eq!(find(&variables("a")), Some(home.path().join("a/cli-plugins/docker-buildx")));
        assert_eq!(find(&variables("b")), Some(home.path().join("extra/docker-buildx")));
    }
}
