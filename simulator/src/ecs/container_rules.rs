//! What AWS refuses of the containers of a task definition.

use super::{
    definition::essential,
    input::{client, integer, invalid, list, text},
};
use crate::front::ApiError;
use serde_json::Value;
use std::collections::BTreeSet;

const CONTAINER_LIMIT: usize = 10;

pub(super) fn containers(input: &Value) -> Result<(), ApiError> {
    let containers = list(input, "containerDefinitions")?;
    if containers.is_empty() {
        return Err(client("Container list cannot be empty."));
    }
    if containers.len() > CONTAINER_LIMIT {
        return Err(client(format!("A task definition can have at most {CONTAINER_LIMIT} containers.")));
    }
    let mut names = BTreeSet::new();
    for container in containers {
        let name = text(container, "name")?.unwrap_or_default();
        if name.is_empty() {
            return Err(client("Container.name should not be null or empty."));
        }
        if !is_name(name) {
            return Err(client("Container.name contains invalid characters."));
        }
        if !names.insert(name) {
            return Err(client("Container names must be unique within a Task Definition."));
        }
    }
    let volumes: Vec<&str> =
        list(input, "volumes")?.iter().filter_map(|volume| volume["name"].as_str()).collect();
    let task_memory = text(input, "memory")?.is_some_and(|memory| !memory.is_empty());
    let mode = text(input, "networkMode")?.unwrap_or("bridge");
    for container in containers {
        self::container(container, &names, &volumes, task_memory, mode)?;
    }
    if !containers.iter().any(essential) {
        return Err(client("A task definition must have at least one essential container."));
    }
    if in_start_order(containers).is_none() {
        return Err(client("Container dependencies must not form a cycle."));
    }
    Ok(())
}

fn container(
    container: &Value,
    names: &BTreeSet<&str>,
    volumes: &[&str],
    task_memory: bool,
    mode: &str,
) -> Result<(), ApiError> {
    let name = text(container, "name")?.unwrap_or_default();
    let image = text(container, "image")?.unwrap_or_default();
    if image.is_empty() {
        return Err(client("Container.image should not be null or empty."));
    }
    if image.len() > 255 || image.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(client("Container.image contains invalid characters."));
    }
    let memory = integer(container, "memory")?;
    let reservation = integer(container, "memoryReservation")?;
    if !task_memory && memory.is_none() && reservation.is_none() {
        return Err(client(format!(
            "Invalid setting for container '{name}'. At least one of 'memory' or 'memoryReservation' must be specified."
        )));
    }
    if memory.is_some_and(|memory| memory < 6) {
        return Err(client(format!(
            "Invalid 'memory' setting for container '{name}'. The minimum is 6 MiB."
        )));
    }
    if let (Some(memory), Some(reservation)) = (memory, reservation)
        && memory < reservation
    {
        return Err(client(format!(
            "Invalid setting for container '{name}'. 'memory' must be greater than or equal to 'memoryReservation'."
        )));
    }
    for mapping in list(container, "portMappings")? {
        one_of(mapping, "protocol", &["tcp", "udp"])?;
        let port = integer(mapping, "containerPort")?;
        let host = integer(mapping, "hostPort")?;
        for (member, port) in [("containerPort", port), ("hostPort", host)] {
            if port.is_some_and(|port| !(0..=65535).contains(&port)) {
                return Err(client(format!("Invalid '{member}' setting for container '{name}'.")));
            }
        }
        if matches!(mode, "awsvpc" | "host") && host.is_some_and(|host| host != 0 && Some(host) != port) {
            return Err(client(format!(
                "When networkMode={mode}, the host ports and container ports in port mappings must match."
            )));
        }
        if mode == "none" {
            return Err(client("Port mappings are not allowed when networkMode=none."));
        }
    }
    for mount in list(container, "mountPoints")? {
        let volume = text(mount, "sourceVolume")?.unwrap_or_default();
        if !volumes.contains(&volume) {
            return Err(client(format!("Unknown volume '{volume}'.")));
        }
    }
    for (members, member) in [("dependsOn", "containerName"), ("volumesFrom", "sourceContainer")] {
        for other in list(container, members)? {
            let other = text(other, member)?.unwrap_or_default();
            if other == name || !names.contains(other) {
                return Err(client(format!(
                    "Invalid '{members}' setting for container '{name}'. There is no other container '{other}'."
                )));
            }
        }
    }
    for dependency in list(container, "dependsOn")? {
        one_of(dependency, "condition", &["START", "COMPLETE", "SUCCESS", "HEALTHY"])?;
    }
    for variable in list(container, "environment")? {
        if text(variable, "name")?.is_none_or(str::is_empty) {
            return Err(client("Environment variable name should not be null or empty."));
        }
    }
    if let Some(check) = container.get("healthCheck") {
        let command = list(check, "command")?;
        if !matches!(command.first().and_then(Value::as_str), Some("CMD" | "CMD-SHELL" | "NONE")) {
            return Err(client("Health check command must start with CMD or CMD-SHELL."));
        }
    }
    log_configuration(container)
}

fn log_configuration(container: &Value) -> Result<(), ApiError> {
    let Some(log) = container.get("logConfiguration") else { return Ok(()) };
    let driver = text(log, "logDriver")?.unwrap_or_default();
    if driver.is_empty() {
        return Err(client("Log driver should not be null or empty."));
    }
    if driver == "awslogs" {
        let options = log.get("options").unwrap_or(&Value::Null);
        let missing = ["awslogs-group", "awslogs-region"]
            .iter()
            .any(|option| options.get(option).and_then(Value::as_str).is_none_or(str::is_empty));
        if missing {
            return Err(client("Log driver awslogs requires options: awslogs-group, awslogs-region"));
        }
    }
    Ok(())
}

/// The containers, each after those that it depends on; `None` when they wait for each other.
pub(super) fn in_start_order(containers: &[Value]) -> Option<Vec<&Value>> {
    let mut ordered: Vec<&Value> = Vec::new();
    while ordered.len() < containers.len() {
        let next = containers.iter().find(|container| {
            let started = |name: &Value| ordered.iter().any(|started| started["name"] == *name);
            let dependencies = container.get("dependsOn").and_then(Value::as_array);
            !started(&container["name"])
                && dependencies.is_none_or(|all| all.iter().all(|one| started(&one["containerName"])))
        })?;
        ordered.push(next);
    }
    Some(ordered)
}

pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

pub(super) fn one_of(input: &Value, member: &str, known: &[&str]) -> Result<(), ApiError> {
    match text(input, member)? {
        Some(value) if !known.contains(&value) => Err(invalid(format!(
            "Invalid value '{value}' for {member}. Valid values are: {}.",
            known.join(", ")
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn containers_that_wait_for_each_other_have_no_order() {
        let container = |name: &str, other: &str| json!({"name": name, "dependsOn": [{"containerName": other, "condition": "START"}]});
        assert!(in_start_order(&[container("a", "b"), container("b", "a")]).is_none());
        let order = [container("a", "b"), json!({"name": "b"})];
        let names: Vec<&Value> = in_start_order(&order).unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(names, ["b", "a"]);
    }
}
