//! The task definition that the rehearsed service runs before the rehearsal, and what the rest
//! of its world takes from it.

use super::world::partition;
use crate::{
    inputs::Inputs, outcome::Stop, request::TaskDefinitionSource, say::rehearse as say, task_definition,
};
use anyhow::{Context, Result};
use serde_json::{Value, json};

const USUAL_PORT: u16 = 80;
const USUAL_CONTAINER: &str = "app";

pub(super) struct TaskDefinition {
    pub(super) document: Value,
    pub(super) family: String,
    pub(super) container: String,
    pub(super) port: u16,
    pub(super) fargate: bool,
    pub(super) awsvpc: bool,
    /// ARNs of the execution and the task role.
    pub(super) roles: Vec<String>,
    pub(super) log_groups: Vec<String>,
}

impl TaskDefinition {
    pub(super) fn of(inputs: &Inputs, image: &str, account: &str) -> Result<TaskDefinition> {
        let environment = &inputs.request.environment;
        let mut document = match &environment.task_definition {
            TaskDefinitionSource::File(path) => Value::Object(
                task_definition::read(path, &environment.allow_unknown_keys)
                    .map_err(Stop::invalid)?
                    .document
                    .0,
            ),
            TaskDefinitionSource::Live => usual(inputs, account),
        };
        let on_fargate = document["requiresCompatibilities"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one == "FARGATE"));
        if on_fargate && document["executionRoleArn"].as_str().is_none_or(str::is_empty) {
            return Err(Stop::invalid(vec![say::no_execution_role()]).into());
        }
        let containers =
            document["containerDefinitions"].as_array_mut().context("no containerDefinitions")?;
        let name = match (&environment.container, containers.as_slice()) {
            (Some(name), _) => name.clone(),
            (None, [only]) => only["name"].as_str().unwrap_or_default().to_owned(),
            (None, _) => return Err(Stop::invalid(vec![say::several_containers()]).into()),
        };
        let log_groups = containers
            .iter()
            .filter_map(|c| c["logConfiguration"]["options"]["awslogs-group"].as_str().map(str::to_owned))
            .collect();
        let container = containers
            .iter_mut()
            .find(|c| c["name"] == name.as_str())
            .ok_or_else(|| Stop::invalid(vec![say::no_container(&name)]))?;
        container["image"] = json!(image);
        let mapped =
            container["portMappings"][0]["containerPort"].as_u64().and_then(|p| u16::try_from(p).ok());
        let port =
            environment.container_port.or(inputs.rehearse.container_port).or(mapped).unwrap_or(USUAL_PORT);
        let roles = ["executionRoleArn", "taskRoleArn"]
            .iter()
            .filter_map(|key| document[*key].as_str().map(str::to_owned))
            .collect();
        let compatible = document["requiresCompatibilities"].as_array();
        Ok(TaskDefinition {
            family: document["family"].as_str().unwrap_or(&environment.service).to_owned(),
            container: name,
            port,
            fargate: compatible.is_some_and(|c| c.contains(&json!("FARGATE"))),
            awsvpc: document["networkMode"] == "awsvpc",
            roles,
            log_groups,
            document,
        })
    }
}

/// What a live task definition is taken to be, for a configuration that only says that there is one.
fn usual(inputs: &Inputs, account: &str) -> Value {
    let environment = &inputs.request.environment;
    let service = &environment.service;
    let port = environment.container_port.or(inputs.rehearse.container_port).unwrap_or(USUAL_PORT);
    let partition = partition(&environment.region);
    json!({
        "family": service,
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "executionRoleArn": format!("arn:{partition}:iam::{account}:role/{service}-execution"),
        "containerDefinitions": [{
            "name": environment.container.as_deref().unwrap_or(USUAL_CONTAINER),
            "image": "",
            "essential": true,
            "portMappings": [{ "containerPort": port, "protocol": "tcp" }],
            "logConfiguration": { "logDriver": "awslogs", "options": {
                "awslogs-group": format!("/ecs/{service}"),
                "awslogs-region": environment.region,
                "awslogs-stream-prefix": service,
            }},
        }],
    })
}
