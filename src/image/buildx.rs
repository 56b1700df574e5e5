//! The buildx plugin: found where Docker's command line would find it, and run without it.

use super::docker_config;
use crate::{cancel::Cancel, surroundings::Variables};
use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::mpsc,
    time::{Instant, sleep_until},
};

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

#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    /// It was told to stop.
    pub cancelled: bool,
}

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

/// Runs it and hands over its lines, of both streams, as they come. The wish to cancel is passed
/// on; what then doesn't end is ended.
pub async fn run(
    mut command: Command,
    cancel: &Cancel,
    mut line: impl FnMut(String),
) -> anyhow::Result<Ended> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child =
        command.spawn().with_context(|| format!("can't start {:?}", command.as_std().get_program()))?;
    let (send, mut lines) = mpsc::channel(64);
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(forward(stdout, send.clone()));
    }
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(forward(stderr, send));
    }
    let mut deadline = None;
    loop {
        tokio::select! {
            next = lines.recv() => match next {
                Some(text) => line(text),
                None => break,
            },
            () = cancel.requested(), if deadline.is_none() => {
                stop(&child);
                deadline = Some(Instant::now() + GRACE);
            }
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                child.kill().await.context("can't end the build")?;
                break;
            }
        }
    }
    let status = child.wait().await.context("can't tell how the build ended")?;
    Ok(Ended { status, cancelled: deadline.is_some() })
}

fn stop(child: &Child) {
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(pid) = pid {
        // One that has ended meanwhile needs no signal.
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// Lines as a terminal would show them: a carriage return ends one, too.
async fn forward(stream: impl AsyncRead + Unpin, lines: mpsc::Sender<String>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut bytes = Vec::new();
    while stream.read_until(b'\n', &mut bytes).await? > 0 {
        let text = String::from_utf8_lossy(&bytes);
        for line in text.trim_end_matches(['\r', '\n']).split('\r') {
            if lines.send(line.to_owned()).await.is_err() {
                return Ok(());
            }
        }
        bytes.clear();
    }
    Ok(())
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

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn lines_of_both_streams_come_as_they_are() {
        let mut lines = Vec::new();
        let script = r"printf 'a\rb\n\nc'; printf 'd\n' >&2; exit 3";
        let ended = run(shell(script), &Cancel::never(), |line| lines.push(line)).await.unwrap();
        lines.sort();
        assert_eq!(lines, ["", "a", "b", "c", "d"]);
        assert_eq!((ended.status.code(), ended.cancelled), (Some(3), false));
    }

    #[tokio::test]
    async fn the_wish_to_cancel_is_passed_on() {
        let (cancel, ask) = Cancel::on_request();
        let mut lines = Vec::new();
        let script = "trap 'echo stopping; exit 7' TERM; echo started; while :; do sleep 0.05; done";
        let ended = run(shell(script), &cancel, |line| {
            if line == "started" {
                ask.send_replace(true);
            }
            lines.push(line);
        });
        let ended = ended.await.unwrap();
        assert_eq!(lines, ["started", "stopping"]);
        assert_eq!((ended.status.code(), ended.cancelled), (Some(7), true));
    }
}
