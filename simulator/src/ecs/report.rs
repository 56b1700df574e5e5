//! What the engine reports of a task's containers.

use super::{
    definition,
    task::{Binding, Container, ContainerStatus, Task},
};
use crate::engine::Port;
use crate::state::State as World;
use std::net::SocketAddr;

/// A container's image is there.
pub(crate) fn pulled(world: &mut World, task: &str, container: &str, digest: Option<String>) {
    let now = world.now;
    change(world, task, |task| {
        task.times.pull_stopped = Some(now);
        if let Some(container) = task.container(container) {
            container.digest = digest;
        }
    });
}

/// A container's image couldn't be pulled, for the reason that the engine gives.
pub(crate) fn pull_failed(world: &mut World, task: &str, container: &str, image: &str, why: &PullError) {
    let fargate = world.ecs.tasks.get(task).is_some_and(|task| task.launch_type == "FARGATE");
    let (_, reference) = image.split_once('/').unwrap_or(("", image));
    let host = image.split('/').next().unwrap_or_default();
    let wanted = match reference.split_once('@') {
        Some((_, digest)) => digest,
        None => reference.rsplit_once(':').map_or("latest", |(_, tag)| tag),
    };
    let reason = match (fargate, why) {
        (false, PullError { message, .. }) => {
            format!("CannotPullContainerError: Error response from daemon: {message}")
        }
        (true, PullError { kind: PullErrorKind::NotFound, .. }) => format!(
            "CannotPullContainerError: pull image manifest has been retried 7 time(s): failed to resolve ref {image}: {image}: not found"
        ),
        (true, PullError { kind: PullErrorKind::Denied, .. }) => format!(
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {image}: pulling from host {host} failed with status code [manifests {wanted}]: 403 Forbidden"
        ),
        (true, PullError { kind: PullErrorKind::Platform(platform), .. }) => format!(
            "CannotPullContainerError: pull image manifest has been retried 7 time(s): image Manifest does not contain descriptor matching platform '{platform}'"
        ),
        (true, PullError { message, .. }) => format!(
            "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref {image}: {message}"
        ),
    };
    failed(world, task, Some(container), &reason);
}

/// Why a pull failed.
#[derive(Clone, Debug)]
pub(crate) struct PullError {
    pub(crate) kind: PullErrorKind,
    /// In the engine's or the registry's words.
    pub(crate) message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PullErrorKind {
    NotFound,
    Denied,
    /// The image isn't made for this platform.
    Platform(String),
    Other,
}

/// The task, or one container of it, couldn't be started.
pub(crate) fn failed(world: &mut World, task: &str, container: Option<&str>, reason: &str) {
    change(world, task, |task| {
        if let Some(container) = container.and_then(|name| task.container(name)) {
            container.reason = Some(reason.to_owned());
            container.status = ContainerStatus::Stopped;
        }
        task.stop("TaskFailedToStart", reason);
    });
}

/// A container runs; these of its ports answer there.
pub(crate) fn started(
    world: &mut World,
    task: &str,
    container: &str,
    runtime_id: &str,
    ports: &[(Port, SocketAddr)],
) {
    let Some(definition) = world.ecs.tasks.get(task).map(|task| task.definition.clone()) else { return };
    let definition = definition::by_arn(world, &definition)
        .and_then(|definition| definition.container(container))
        .cloned()
        .unwrap_or_default();
    change(world, task, |task| {
        let own_interface = task.interface.is_some();
        let Some(container) = task.container(container) else { return };
        container.status = ContainerStatus::Running;
        container.runtime_id = Some(runtime_id.to_owned());
        container.bindings = ports
            .iter()
            .map(|(port, address)| {
                let mapping = definition["portMappings"].as_array().into_iter().flatten();
                let fixed = mapping
                    .filter(|one| one["containerPort"] == port.container)
                    .find_map(|one| one["hostPort"].as_u64().and_then(|port| u16::try_from(port).ok()))
                    .filter(|port| *port != 0);
                let dynamic = if own_interface { port.container } else { address.port() };
                Binding {
                    container_port: port.container,
                    host_port: fixed.unwrap_or(dynamic),
                    protocol: port.protocol.clone(),
                    address: *address,
                }
            })
            .collect();
    });
}

/// A container's health check passed or failed for good.
pub(crate) fn health(world: &mut World, task: &str, container: &str, healthy: bool) {
    change_container(world, task, container, |container| container.health = Some(Some(healthy)));
}

/// A container is gone. `code` is absent when it never ran.
pub(crate) fn exited(world: &mut World, task: &str, container: &str, code: Option<i64>, out_of_memory: bool) {
    change_container(world, task, container, |container| {
        container.status = ContainerStatus::Stopped;
        container.exit_code = code;
        if out_of_memory {
            container.reason = Some("OutOfMemoryError: Container killed due to memory usage".into());
        }
    });
}

/// Nothing is left of the task.
pub(crate) fn ended(world: &mut World, task: &str) {
    change(world, task, |task| task.ended = true);
}

fn change(world: &mut World, task: &str, change: impl FnOnce(&mut Task)) {
    if let Some(task) = world.ecs.tasks.get_mut(task) {
        change(task);
    }
}

fn change_container(world: &mut World, task: &str, container: &str, change: impl FnOnce(&mut Container)) {
    if let Some(container) = world.ecs.tasks.get_mut(task).and_then(|task| task.container(container)) {
        change(container);
    }
}
