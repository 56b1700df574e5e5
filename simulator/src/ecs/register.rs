//! RegisterTaskDefinition: what AWS refuses, and what it fills in.

use super::{
    State,
    container_rules::{containers, is_name, one_of},
    definition::Definition,
    input::{client, flag, list, required, text},
    shape::{TASK_DEFINITION, conform},
    size, tags,
};
use crate::front::{Answer, ApiError, Call};
use crate::state::State as World;
use serde_json::{Map, Value, json};

const SIZE_LIMIT: usize = 64 * 1024;

pub(super) fn register(world: &mut World, call: &Call) -> Answer {
    let tags = tags::read(&call.input)?;
    let document = validated(&world.ecs, &call.caller.account, &call.input)?;
    let definition = keep(world, &call.caller.account, &call.region, document, |definition| {
        definition.tags = tags;
        definition.registered_by = call.caller.arn.clone();
    });
    let with_tags = !definition.tags.is_empty();
    Ok(definition.answer(with_tags))
}

/// The document of a valid input, in the form in which it is read back.
pub(super) fn validated(ecs: &State, account: &str, input: &Value) -> Result<Map<String, Value>, ApiError> {
    let length = input.to_string().len();
    if length > SIZE_LIMIT {
        return Err(client(format!(
            "Actual length: '{length}'. Max allowed length is '{SIZE_LIMIT}' bytes."
        )));
    }
    let mut input = conform(input, TASK_DEFINITION)?;
    let family =
        required(&input, "family", "Family").map_err(|_| client("Family should not be null or empty."))?;
    if !is_name(family) {
        return Err(client("Family contains invalid characters."));
    }
    one_of(&input, "networkMode", &["bridge", "host", "awsvpc", "none"])?;
    for role in ["taskRoleArn", "executionRoleArn"] {
        role_is_valid(account, text(&input, role)?)?;
    }
    containers(&input)?;
    if let Some(object) = input.as_object_mut() {
        object.shift_remove("tags");
    }
    task_size(&mut input)?;
    let wanted: Vec<String> = list(&input, "requiresCompatibilities")?
        .iter()
        .filter_map(|one| one.as_str().map(str::to_owned))
        .collect();
    for one in &wanted {
        if !["EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"].contains(&one.as_str()) {
            return Err(client(format!("Invalid compatibility: {one}")));
        }
    }
    let fargate = fargate(ecs, &input);
    if wanted.iter().any(|one| one == "FARGATE") {
        fargate.clone()?;
    }
    fill_in(&mut input);
    let awsvpc = text(&input, "networkMode")? == Some("awsvpc");
    let compatibilities = match (awsvpc, fargate.is_ok()) {
        (_, true) => json!(["EC2", "FARGATE"]),
        (true, false) => json!(["EC2"]),
        (false, false) => json!(["EXTERNAL", "EC2"]),
    };
    let attributes = attributes(ecs, &input);
    match input {
        Value::Object(mut document) => {
            document.insert("requiresAttributes".into(), attributes);
            document.insert("compatibilities".into(), compatibilities);
            Ok(document)
        }
        _ => Err(client("The request is not an object.")),
    }
}

/// Keeps a validated document as the next revision of its family.
pub(super) fn keep<'a>(
    world: &'a mut World,
    account: &str,
    region: &str,
    document: Map<String, Value>,
    finish: impl FnOnce(&mut Definition),
) -> &'a Definition {
    let family = document.get("family").and_then(Value::as_str).unwrap_or_default().to_owned();
    let key = (account.to_owned(), region.to_owned(), family.clone());
    let revisions = world.ecs.definitions.entry(key).or_default();
    let revision = revisions.last().map_or(1, |last| last.revision + 1);
    let mut definition = Definition {
        account: account.to_owned(),
        region: region.to_owned(),
        family,
        revision,
        document,
        tags: Vec::new(),
        registered_at: world.now,
        registered_by: format!("arn:aws:iam::{account}:root"),
        deregistered_at: None,
    };
    let mut document = Map::new();
    document.insert("taskDefinitionArn".into(), json!(definition.arn()));
    document.insert("revision".into(), json!(revision));
    document.append(&mut definition.document);
    definition.document = document;
    finish(&mut definition);
    let at = revisions.len();
    revisions.push(definition);
    &revisions[at]
}

/// A role's ARN in the own account, or its bare name.
fn role_is_valid(account: &str, role: Option<&str>) -> Result<(), ApiError> {
    let Some(role) = role.filter(|role| !role.is_empty()) else { return Ok(()) };
    let name = match role.strip_prefix("arn:aws:iam::") {
        None => role,
        Some(rest) => match rest.split_once(":role/") {
            Some((owner, _)) if owner != account => {
                return Err(client("Cross-account pass role is not allowed."));
            }
            Some((_, path)) => path,
            None => return Err(client("Role is not valid")),
        },
    };
    let valid = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-/".contains(c);
    if name.is_empty() || !name.chars().all(valid) {
        return Err(client("Role is not valid"));
    }
    Ok(())
}

/// `cpu` and `memory` in units and MiB, whatever they were written in.
fn task_size(input: &mut Value) -> Result<(), ApiError> {
    for (member, read) in [("cpu", size::cpu as fn(&str) -> Option<u32>), ("memory", size::memory)] {
        let Some(written) = text(input, member)?.filter(|written| !written.is_empty()) else { continue };
        let number =
            read(written).ok_or_else(|| client(format!("Invalid '{member}' setting for task: {written}")))?;
        input[member] = json!(number.to_string());
    }
    Ok(())
}

/// What Fargate refuses.
fn fargate(ecs: &State, input: &Value) -> Result<(), ApiError> {
    if text(input, "networkMode")? != Some("awsvpc") {
        return Err(client("Fargate only supports network mode ‘awsvpc’."));
    }
    let mut numbers = [0; 2];
    for (number, member) in numbers.iter_mut().zip(["cpu", "memory"]) {
        *number = text(input, member)?.and_then(|written| written.parse().ok()).ok_or_else(|| {
            client(format!("Fargate requires that '{member}' be defined at the task level."))
        })?;
    }
    let [cpu, memory] = numbers;
    if !size::on_fargate(cpu, memory) {
        return Err(client(format!(
            "No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. See the Amazon ECS documentation for the valid values."
        )));
    }
    let has_role = text(input, "executionRoleArn")?.is_some_and(|role| !role.is_empty());
    for container in list(input, "containerDefinitions")? {
        if flag(container, "privileged")? == Some(true) {
            return Err(client("Fargate does not support privileged containers."));
        }
        let image = text(container, "image")?.unwrap_or_default();
        let logs = container["logConfiguration"]["logDriver"].as_str();
        let needed = if ecs.is_ecr(image) {
            "ECR images"
        } else if logs == Some("awslogs") {
            "log driver awslogs"
        } else if !list(container, "secrets")?.is_empty() {
            "secrets"
        } else {
            continue;
        };
        if !has_role {
            return Err(client(format!(
                "Fargate requires task definition to have execution role ARN to support {needed}."
            )));
        }
    }
    Ok(())
}

/// The members that are read back although nobody sent them.
fn fill_in(input: &mut Value) {
    let mode = input["networkMode"].as_str().unwrap_or("bridge").to_owned();
    for member in ["volumes", "placementConstraints"] {
        if input.get(member).is_none() {
            input[member] = json!([]);
        }
    }
    let Some(containers) = input["containerDefinitions"].as_array_mut() else { return };
    for container in containers {
        for (member, value) in [
            ("cpu", json!(0)),
            ("portMappings", json!([])),
            ("essential", json!(true)),
            ("environment", json!([])),
            ("mountPoints", json!([])),
            ("volumesFrom", json!([])),
            ("systemControls", json!([])),
        ] {
            if container.get(member).is_none() {
                container[member] = value;
            }
        }
        for mapping in container["portMappings"].as_array_mut().into_iter().flatten() {
            if mapping.get("hostPort").is_none() && mapping.get("containerPortRange").is_none() {
                let same = matches!(mode.as_str(), "awsvpc" | "host");
                mapping["hostPort"] = if same { mapping["containerPort"].clone() } else { json!(0) };
            }
            if mapping.get("protocol").is_none() {
                mapping["protocol"] = json!("tcp");
            }
        }
        if let Some(check) = container.get_mut("healthCheck") {
            for (member, value) in [("interval", 30), ("timeout", 5), ("retries", 3)] {
                if check.get(member).is_none() {
                    check[member] = json!(value);
                }
            }
        }
    }
}

/// The agent's capabilities that a container instance must have.
fn attributes(ecs: &State, input: &Value) -> Value {
    let containers = input["containerDefinitions"].as_array().map_or(&[][..], Vec::as_slice);
    let role = |member: &str| input[member].as_str().is_some_and(|role| !role.is_empty());
    let logs = containers.iter().any(|one| one["logConfiguration"]["logDriver"] == "awslogs");
    let ecr = containers.iter().any(|one| ecs.is_ecr(one["image"].as_str().unwrap_or_default()));
    let health = containers.iter().any(|one| one.get("healthCheck").is_some());
    let order = containers.iter().any(|one| one.get("dependsOn").is_some());
    let secrets = containers.iter().any(|one| one.get("secrets").is_some());
    let awsvpc = input["networkMode"] == "awsvpc";
    let names = [
        (logs, "com.amazonaws.ecs.capability.logging-driver.awslogs"),
        (logs && role("executionRoleArn"), "ecs.capability.execution-role-awslogs"),
        (ecr, "com.amazonaws.ecs.capability.ecr-auth"),
        (ecr && role("executionRoleArn"), "ecs.capability.execution-role-ecr-pull"),
        (role("taskRoleArn"), "com.amazonaws.ecs.capability.task-iam-role"),
        (health, "ecs.capability.container-health-check"),
        (order, "ecs.capability.container-ordering"),
        (secrets, "ecs.capability.secrets.asm.environment-variables"),
        (awsvpc, "ecs.capability.task-eni"),
        (true, "com.amazonaws.ecs.capability.docker-remote-api.1.18"),
    ];
    names.iter().filter(|(applies, _)| *applies).map(|(_, name)| json!({ "name": name })).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sent() -> Value {
        json!({
            "family": "web", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
            "cpu": ".25 vCPU", "memory": "0.5 GB", "executionRoleArn": "arn:aws:iam::2:role/exec",
            "containerDefinitions": [{
                "name": "app", "image": "127.0.0.1:5000/web:1", "command": [],
                "portMappings": [{"containerPort": 80}],
            }],
        })
    }

    fn ecs() -> State {
        let mut ecs = State::default();
        ecs.registries.insert("1".into(), "127.0.0.1:5000".into());
        ecs
    }

    fn refusal(change: impl FnOnce(&mut Value)) -> String {
        let mut input = sent();
        change(&mut input);
        let error = validated(&ecs(), "2", &input).unwrap_err();
        format!("{}: {}", error.code, error.message)
    }

    #[test]
    fn what_is_read_back_has_the_defaults_and_what_was_sent() {
        let document = validated(&ecs(), "2", &sent()).unwrap();
        assert_eq!((&document["cpu"], &document["memory"]), (&json!("256"), &json!("512")));
        assert_eq!(document["compatibilities"], json!(["EC2", "FARGATE"]));
        let container = &document["containerDefinitions"][0];
        assert_eq!(container["command"], json!([]));
        assert_eq!(container["essential"], json!(true));
        assert_eq!(
            container["portMappings"],
            json!([{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}])
        );
    }

    #[test]
    fn what_aws_refuses_is_refused_in_its_words() {
        let container =
            |change: fn(&mut Value)| refusal(|input| change(&mut input["containerDefinitions"][0]));
        for (told, start) in [
            (refusal(|i| i["family"] = json!("")), "ClientException: Family should not be null or empty."),
            (refusal(|i| i["family"] = json!("a b")), "ClientException: Family contains invalid characters."),
            (
                refusal(|i| i["containerDefinitions"] = json!([])),
                "ClientException: Container list cannot be empty.",
            ),
            (
                refusal(|i| {
                    let again = i["containerDefinitions"][0].clone();
                    i["containerDefinitions"].as_array_mut().unwrap().push(again);
                }),
                "ClientException: Container names must be unique within a Task Definition.",
            ),
            (
                container(|c| c["name"] = json!("")),
                "ClientException: Container.name should not be null or empty.",
            ),
            (
                container(|c| c["image"] = Value::Null),
                "ClientException: Container.image should not be null or empty.",
            ),
            (container(|c| c["cpu"] = json!("1")), "SerializationException: STRING_VALUE"),
            (container(|c| c["essential"] = json!(false)), "ClientException: A task definition must have"),
            (
                container(|c| c["portMappings"][0]["hostPort"] = json!(81)),
                "ClientException: When networkMode=awsvpc, the host ports",
            ),
            (
                container(|c| c["dependsOn"] = json!([{"containerName": "db", "condition": "START"}])),
                "ClientException: Invalid 'dependsOn'",
            ),
            (
                container(|c| c["mountPoints"] = json!([{"sourceVolume": "x"}])),
                "ClientException: Unknown volume 'x'.",
            ),
            (
                container(|c| c["command"] = json!(["x".repeat(70_000)])),
                "ClientException: Actual length: '70",
            ),
            (
                refusal(|i| i["memory"] = json!("4096")),
                "ClientException: No Fargate configuration exists for given values: 256 CPU, 4096 memory.",
            ),
            (
                refusal(|i| i["cpu"] = Value::Null),
                "ClientException: Fargate requires that 'cpu' be defined at the task level.",
            ),
            (
                refusal(|i| i["networkMode"] = json!("bridge")),
                "ClientException: Fargate only supports network mode",
            ),
            (
                refusal(|i| i["executionRoleArn"] = Value::Null),
                "ClientException: Fargate requires task definition to have execution role ARN to support ECR images.",
            ),
            (
                refusal(|i| i["executionRoleArn"] = json!("arn:aws:iam::1:role/exec")),
                "ClientException: Cross-account pass role",
            ),
        ] {
            assert!(told.starts_with(start), "{told} instead of {start}");
        }
    }

    #[test]
    fn bridge_containers_take_dynamic_host_ports_and_need_memory() {
        let bridge = |input: &mut Value| {
            input["networkMode"] = json!("bridge");
            input["requiresCompatibilities"] = json!(["EC2"]);
        };
        let mut input = sent();
        bridge(&mut input);
        let document = validated(&ecs(), "2", &input).unwrap();
        assert_eq!(document["containerDefinitions"][0]["portMappings"][0]["hostPort"], json!(0));
        let told = refusal(|input| {
            bridge(input);
            input["memory"] = Value::Null;
        });
        assert!(
            told.contains("At least one of 'memory' or 'memoryReservation' must be specified."),
            "{told}"
        );
    }
}
