//! What it takes to start a task: the roles are assumed, secrets and credentials fetched, the
//! containers described for the engine. Each step that fails has the reason that AWS gives.

use super::{
    container_rules::in_start_order,
    definition::{self, Definition},
    task::Task,
};
use crate::engine::{Condition, ContainerPlan, HealthCheck, LogStream, Port, PullAs, TaskPlan};
use crate::front::{Caller, Need};
use crate::state::State as World;
use crate::{cloudwatch, ecr, iam};
use serde_json::Value;
use std::time::Duration;

const STOP_TIMEOUT: u64 = 30;
const EC2_ROLE: &str = "ecsInstanceRole";

/// Describes a task that is PENDING for the engine, or says why it can't start.
pub(crate) fn prepare(world: &mut World, arn: &str) -> Result<TaskPlan, String> {
    let task = world.ecs.tasks.get(arn).ok_or("the task is gone")?.clone();
    let definition =
        definition::by_arn(world, &task.definition).ok_or("the task definition is gone")?.clone();
    let now = world.now;
    if let Some(task) = world.ecs.tasks.get_mut(arn) {
        task.times.pull_started = Some(now);
    }
    if let Some(role) = role(&task, &definition, "taskRoleArn") {
        assume(world, &role, &task)?;
    }
    let execution = match role(&task, &definition, "executionRoleArn") {
        Some(role) => Some(assume(world, &role, &task)?),
        None => None,
    };
    let ordered = in_start_order(definition.containers()).unwrap_or_default();
    let mut containers = Vec::new();
    for container in ordered {
        containers.push(plan(world, &task, &definition, execution.as_ref(), container)?);
    }
    let names = |volume: &Value| volume["name"].as_str().map(str::to_owned);
    let volumes = definition.document.get("volumes").and_then(Value::as_array);
    Ok(TaskPlan {
        task: arn.to_owned(),
        shared_network: task.interface.is_some(),
        one_off: task.owner.is_none(),
        containers,
        volumes: volumes.into_iter().flatten().filter_map(names).collect(),
    })
}

/// A role's ARN, whether the definition has it by ARN or by its bare name.
fn role(task: &Task, definition: &Definition, member: &str) -> Option<String> {
    let role = task.overrides[member].as_str().or(definition.text(member))?;
    Some(if role.starts_with("arn:") {
        role.to_owned()
    } else {
        format!("arn:aws:iam::{}:role/{role}", task.account)
    })
}

fn assume(world: &World, role: &str, task: &Task) -> Result<Caller, String> {
    let trusted = iam::trusts_service(world, role, "ecs-tasks.amazonaws.com");
    iam::service_session(world, role, task.id()).filter(|_| trusted).ok_or_else(|| {
        format!(
            "ECS was unable to assume the role '{role}' that was provided for this task. Please verify that the role being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role."
        )
    })
}

fn plan(
    world: &mut World,
    task: &Task,
    definition: &Definition,
    execution: Option<&Caller>,
    container: &Value,
) -> Result<ContainerPlan, String> {
    let merged = with_overrides(task, container);
    let name = merged["name"].as_str().unwrap_or_default().to_owned();
    let image = merged["image"].as_str().unwrap_or_default().to_owned();
    let fargate = task.launch_type == "FARGATE";
    let pull = if world.ecs.is_ecr(&image) { Some(pull_as(world, task, execution)?) } else { None };
    let mut environment = variables(&merged);
    environment.extend(secrets(world, task, execution, &merged)?);
    environment.push(("AWS_REGION".into(), task.region.clone()));
    environment.push(("AWS_DEFAULT_REGION".into(), task.region.clone()));
    let kind = if fargate { "AWS_ECS_FARGATE" } else { "AWS_ECS_EC2" };
    environment.push(("AWS_EXECUTION_ENV".into(), kind.into()));
    let misbehave = misbehaviour(world, task, &name);
    if let Some(how) = &misbehave {
        environment.push(("MISBEHAVE".into(), how.clone()));
    }
    let log = log_stream(task, &merged);
    if let Some(log) = log.as_ref().filter(|_| fargate) {
        may_log(world, task, execution, log, &merged)?;
    }
    let number = |member: &str| merged.get(member).and_then(Value::as_u64);
    let limit = merged.get("memory").and_then(Value::as_i64);
    Ok(ContainerPlan {
        image,
        platform: fargate.then(|| platform(definition)),
        pull,
        environment,
        misbehave,
        ports: ports(&merged),
        log,
        dependencies: dependencies(&merged),
        start_timeout: number("startTimeout").map(Duration::from_secs),
        stop_timeout: Duration::from_secs(number("stopTimeout").unwrap_or(STOP_TIMEOUT)),
        memory: limit.or_else(|| task.memory.as_deref().and_then(|memory| memory.parse().ok())),
        health: health_check(&merged),
        name,
        definition: merged,
    })
}

/// The container definition, with what RunTask's overrides say instead.
fn with_overrides(task: &Task, container: &Value) -> Value {
    let mut merged = container.clone();
    let all = task.overrides["containerOverrides"].as_array();
    let Some(own) = all.and_then(|all| all.iter().find(|one| one["name"] == container["name"])) else {
        return merged;
    };
    for member in ["command", "cpu", "memory", "memoryReservation"] {
        if let Some(value) = own.get(member).filter(|value| !value.is_null()) {
            merged[member] = value.clone();
        }
    }
    // The later of two variables with one name wins.
    if let Some(more) = own["environment"].as_array() {
        let mut all = merged["environment"].as_array().cloned().unwrap_or_default();
        all.extend(more.iter().cloned());
        merged["environment"] = all.into();
    }
    merged
}

fn variables(container: &Value) -> Vec<(String, String)> {
    let mut variables: Vec<(String, String)> = Vec::new();
    for one in container["environment"].as_array().into_iter().flatten() {
        let name = one["name"].as_str().unwrap_or_default();
        let value = one["value"].as_str().unwrap_or_default();
        variables.retain(|(known, _)| known != name);
        variables.push((name.to_owned(), value.to_owned()));
    }
    variables
}

/// The world has no secret store: each secret has a value that says what it stands for.
fn secrets(
    world: &World,
    task: &Task,
    execution: Option<&Caller>,
    container: &Value,
) -> Result<Vec<(String, String)>, String> {
    let mut values = Vec::new();
    for secret in container["secrets"].as_array().into_iter().flatten() {
        let from = secret["valueFrom"].as_str().unwrap_or_default();
        let (action, operation, resource) = if from.starts_with("arn:aws:secretsmanager:") {
            // Behind the ARN a key, a stage and a version may follow.
            let arn = from.splitn(8, ':').take(7).collect::<Vec<_>>().join(":");
            ("secretsmanager:GetSecretValue", "secrets from asm", arn)
        } else if from.starts_with("arn:") {
            ("ssm:GetParameters", "secrets from ssm", from.to_owned())
        } else {
            let arn = format!(
                "arn:aws:ssm:{}:{}:parameter/{}",
                task.region,
                task.account,
                from.trim_start_matches('/')
            );
            ("ssm:GetParameters", "secrets from ssm", arn)
        };
        let failed = |why: &str| {
            format!(
                "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve {operation}: service call has been retried 1 time(s): {why}"
            )
        };
        let caller = execution.ok_or_else(|| failed("no execution role"))?;
        let need = Need::new(action, resource);
        if !iam::allows(world, caller, &need) {
            let denied = iam::denied(world, caller, &need);
            return Err(failed(&format!("{}: {}", denied.code, denied.message)));
        }
        let name = secret["name"].as_str().unwrap_or_default();
        values.push((name.to_owned(), format!("{}value-of-{from}", world.ecs.canary)));
    }
    Ok(values)
}

/// The registry's credentials, as the task's execution role (on EC2 also the instance's role).
fn pull_as(world: &mut World, task: &Task, execution: Option<&Caller>) -> Result<PullAs, String> {
    let fargate = task.launch_type == "FARGATE";
    let failed = |why: &str| {
        if fargate {
            format!(
                "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve ecr registry auth: service call has been retried 1 time(s): {why}"
            )
        } else {
            format!("CannotPullECRContainerError: {why}")
        }
    };
    let instance = format!("arn:aws:iam::{}:role/{EC2_ROLE}", task.account);
    let caller = match execution {
        Some(caller) => caller.clone(),
        None if fargate => return Err(failed("the task definition has no execution role")),
        None => iam::service_session(world, &instance, task.instance_id.as_deref().unwrap_or("i-0"))
            .ok_or_else(|| failed("NoCredentialProviders: no valid providers in chain"))?,
    };
    match ecr::pull_credentials(world, &caller) {
        Ok((user, password)) => Ok(PullAs { session: caller, user, password }),
        Err(error) => Err(failed(&format!(
            "{}: {} status code: {}, request id: {}",
            error.code,
            error.message,
            error.status,
            uuid::Uuid::new_v4()
        ))),
    }
}

/// What a fault of the world makes this container do: the one behind the load balancer, or all
/// of a task set without one.
fn misbehaviour(world: &World, task: &Task, container: &str) -> Option<String> {
    let how = task.misbehave.clone()?;
    let (key, id) = task.owner.as_ref()?;
    let balancers = &world.ecs.services.get(key)?.task_set(id)?.launch.load_balancers;
    (balancers.is_empty() || balancers.iter().any(|one| one.container == container)).then_some(how)
}

fn log_stream(task: &Task, container: &Value) -> Option<LogStream> {
    let log = container.get("logConfiguration").filter(|log| log["logDriver"] == "awslogs")?;
    let option = |name: &str| log["options"][name].as_str().filter(|value| !value.is_empty());
    let name = container["name"].as_str().unwrap_or_default();
    let stream = match option("awslogs-stream-prefix") {
        Some(prefix) => format!("{prefix}/{name}/{}", task.id()),
        None => format!("{}-{name}", task.id()),
    };
    Some(LogStream { account: task.account.clone(), group: option("awslogs-group")?.to_owned(), stream })
}

/// On Fargate the log driver writes as the execution role, to a group that is there.
fn may_log(
    world: &World,
    task: &Task,
    execution: Option<&Caller>,
    log: &LogStream,
    container: &Value,
) -> Result<(), String> {
    let Some(caller) = execution else { return Ok(()) };
    let failed = |why: &str| {
        format!(
            "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: {why}"
        )
    };
    let group = format!("arn:aws:logs:{}:{}:log-group:{}", task.region, task.account, log.group);
    let stream = format!("{group}:log-stream:{}", log.stream);
    let creates = container["logConfiguration"]["options"]["awslogs-create-group"] == "true";
    let there = cloudwatch::has_log_group(world, &log.account, &log.group);
    let mut needs = vec![("logs:CreateLogStream", stream.clone()), ("logs:PutLogEvents", stream)];
    if creates && !there {
        needs.insert(0, ("logs:CreateLogGroup", group));
    }
    for (action, resource) in needs {
        let need = Need::new(action, resource);
        if !iam::allows(world, caller, &need) {
            let denied = iam::denied(world, caller, &need);
            return Err(failed(&format!("{}: {}", denied.code, denied.message)));
        }
    }
    if !there && !creates {
        return Err(failed("ResourceNotFoundException: The specified log group does not exist."));
    }
    Ok(())
}

fn ports(container: &Value) -> Vec<Port> {
    let mut ports = Vec::new();
    for mapping in container["portMappings"].as_array().into_iter().flatten() {
        let Some(container) = mapping["containerPort"].as_u64().and_then(|port| u16::try_from(port).ok())
        else {
            continue;
        };
        let port = Port { container, protocol: mapping["protocol"].as_str().unwrap_or("tcp").to_owned() };
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    ports
}

fn dependencies(container: &Value) -> Vec<(String, Condition)> {
    let one = |one: &Value| {
        let condition = Condition::parse(one["condition"].as_str()?)?;
        Some((one["containerName"].as_str()?.to_owned(), condition))
    };
    container["dependsOn"].as_array().into_iter().flatten().filter_map(one).collect()
}

fn health_check(container: &Value) -> Option<HealthCheck> {
    let check = container.get("healthCheck")?;
    let command: Vec<String> =
        check["command"].as_array()?.iter().filter_map(|part| part.as_str().map(str::to_owned)).collect();
    if command.first().is_none_or(|kind| kind == "NONE") {
        return None;
    }
    let seconds = |member: &str, default: u64| Duration::from_secs(check[member].as_u64().unwrap_or(default));
    Some(HealthCheck {
        command,
        interval: seconds("interval", 30),
        timeout: seconds("timeout", 5),
        retries: check["retries"].as_i64().unwrap_or(3),
        start_period: seconds("startPeriod", 0),
    })
}

fn platform(definition: &Definition) -> String {
    let platform = definition.document.get("runtimePlatform");
    match platform.and_then(|platform| platform["cpuArchitecture"].as_str()) {
        Some("ARM64") => "linux/arm64".into(),
        _ => "linux/amd64".into(),
    }
}
