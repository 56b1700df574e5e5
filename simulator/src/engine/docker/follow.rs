//! Follows a container that runs: its output, its health, its exit; and ends it.

use super::{super::LogStream, super::container::Exit, remove};
use crate::world::World;
use bollard::{
    container::LogOutput,
    errors::Error,
    query_parameters::{
        EventsOptionsBuilder, KillContainerOptionsBuilder, LogsOptionsBuilder, WaitContainerOptions,
    },
};
use futures_util::StreamExt;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// The exit code of a program that got SIGKILL.
const KILLED: i64 = 137;
/// The engine's last words about a container that has ended are waited for so long.
const LAST_WORDS: Duration = Duration::from_secs(2);

pub(in crate::engine) struct Handle {
    pub(super) api: bollard::Docker,
    pub(super) id: String,
    pub(super) signal: String,
    pub(super) logs: JoinHandle<()>,
    pub(super) events: JoinHandle<()>,
    /// Ends what stands before its ports.
    pub(super) end: CancellationToken,
    /// It was killed from here.
    pub(super) killed: Arc<AtomicBool>,
}

impl Handle {
    pub(in crate::engine) async fn terminate(&self) {
        signal(&self.api, &self.id, &self.signal).await;
    }

    pub(in crate::engine) async fn kill(&self) {
        self.killed.store(true, Ordering::Relaxed);
        signal(&self.api, &self.id, "SIGKILL").await;
    }

    pub(in crate::engine) async fn remove(self) {
        self.end.cancel();
        // Its last lines come before the news of its end.
        let _ = tokio::time::timeout(LAST_WORDS, self.logs).await;
        self.events.abort();
        remove(&self.api, &self.id).await;
    }
}

pub(super) async fn signal(api: &bollard::Docker, id: &str, signal: &str) {
    let options = KillContainerOptionsBuilder::default().signal(signal).build();
    if let Err(error) = api.kill_container(id, Some(options)).await {
        // It has ended by itself in the meantime.
        tracing::debug!("{signal} to {id}: {error}");
    }
}

/// Awaits the container's exit; if its connection breaks, asks the engine once more.
pub(super) async fn exit(
    api: bollard::Docker,
    id: String,
    exit: watch::Sender<Option<Exit>>,
    mut oom: watch::Receiver<bool>,
    killed: Arc<AtomicBool>,
) {
    loop {
        let waited = api.wait_container(&id, None::<WaitContainerOptions>).next().await;
        let code = match waited {
            Some(Ok(response)) => response.status_code,
            Some(Err(Error::DockerContainerWaitError { code, .. })) => code,
            _ => KILLED,
        };
        let state = match api.inspect_container(&id, None).await {
            Ok(container) => container.state.unwrap_or_default(),
            Err(_) => Default::default(),
        };
        if state.running == Some(true) {
            continue;
        }
        let code = state.exit_code.unwrap_or(code);
        let mut out_of_memory = state.oom_killed == Some(true);
        if !out_of_memory && code == KILLED && !killed.load(Ordering::Relaxed) {
            // Somebody killed it. If that was the kernel, its word may come after the exit.
            let word = tokio::time::timeout(LAST_WORDS, oom.wait_for(|oom| *oom)).await;
            out_of_memory = matches!(word, Ok(Ok(_)));
        }
        exit.send_replace(Some(Exit { code, out_of_memory }));
        return;
    }
}

/// Follows what the engine tells of a container: its health, and that it took too much memory.
pub(super) async fn events(
    api: bollard::Docker,
    id: String,
    health: watch::Sender<Option<bool>>,
    oom: watch::Sender<bool>,
) {
    let wanted = vec!["health_status".to_owned(), "oom".to_owned()];
    let filters = HashMap::from([("container", vec![id]), ("event", wanted)]);
    let mut events =
        std::pin::pin!(api.events(Some(EventsOptionsBuilder::default().filters(&filters).build())));
    while let Some(Ok(event)) = events.next().await {
        let healthy = match event.action.as_deref() {
            Some("health_status: healthy") => true,
            Some("health_status: unhealthy") => false,
            Some("oom") => {
                oom.send_replace(true);
                continue;
            }
            _ => continue,
        };
        health.send_if_modified(|known| known.replace(healthy) != Some(healthy));
    }
}

/// Writes the container's output to its log stream, line by line.
pub(super) async fn logs(world: Arc<World>, api: bollard::Docker, id: String, log: Option<LogStream>) {
    let Some(log) = log else { return };
    let options = LogsOptionsBuilder::default().follow(true).stdout(true).stderr(true).build();
    let mut output = std::pin::pin!(api.logs(&id, Some(options)));
    // A line of one of the two outputs may come in pieces.
    let mut pending = [String::new(), String::new()];
    while let Some(Ok(piece)) = output.next().await {
        let which = usize::from(matches!(piece, LogOutput::StdErr { .. }));
        pending[which].push_str(&String::from_utf8_lossy(piece.as_ref()));
        while let Some((line, rest)) = pending[which].split_once('\n') {
            log.write(&world, line.trim_end_matches('\r').to_owned());
            pending[which] = rest.to_owned();
        }
    }
    for line in pending.into_iter().filter(|line| !line.is_empty()) {
        log.write(&world, line);
    }
}
