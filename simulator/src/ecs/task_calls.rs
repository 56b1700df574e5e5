//! ListTasks, DescribeTasks, RunTask and StopTask.

use super::{
    arn,
    cluster::{self, Cluster},
    definition::{self, Definition},
    input::{client, integer, invalid, list, page, required, text, texts, wants_tags},
    launch::Launch,
    place::{Purpose, Unplaced, place},
    service, tags,
    task::{Phase, Task},
};
use crate::front::{Answer, ApiError, Call};
use crate::state::State as World;
use serde_json::{Value, json};

pub(super) fn list_tasks(world: &World, call: &Call) -> Answer {
    let input = &call.input;
    let cluster = cluster::named(world, call)?;
    let service = match text(input, "serviceName")? {
        None => None,
        Some(reference) => Some(service::find(world, call, reference)?.ok_or_else(service::not_found)?),
    };
    let wanted = match text(input, "desiredStatus")?.unwrap_or("RUNNING") {
        "RUNNING" => true,
        "STOPPED" => false,
        "PENDING" => return page(input, "taskArns", Vec::new(), 100),
        other => return Err(invalid(format!("Invalid desiredStatus: {other}"))),
    };
    let family = text(input, "family")?;
    let started_by = text(input, "startedBy")?;
    let launch_type = text(input, "launchType")?;
    let instance = text(input, "containerInstance")?.map(arn::last);
    let family_of = |task: &Task| arn::last(&task.definition).split(':').next().map(str::to_owned);
    let mut tasks: Vec<&Task> = tasks_of(world, cluster)
        .filter(|task| task.wanted == wanted)
        .filter(|task| service.is_none() || task.owner.as_ref().map(|(key, _)| key) == service.as_ref())
        .filter(|task| family.is_none() || family_of(task).as_deref() == family)
        .filter(|task| started_by.is_none() || task.started_by.as_deref() == started_by)
        .filter(|task| launch_type.is_none_or(|kind| kind == task.launch_type))
        .filter(|task| instance.is_none() || task.instance.as_deref().map(arn::last) == instance)
        .collect();
    tasks.sort_by(|a, b| b.times.created.cmp(&a.times.created).then_with(|| a.arn.cmp(&b.arn)));
    page(input, "taskArns", tasks.iter().map(|task| json!(task.arn)).collect(), 100)
}

pub(super) fn describe(world: &World, call: &Call) -> Answer {
    let references = texts(&call.input, "tasks")?;
    if references.is_empty() {
        return Err(invalid("Tasks cannot be empty."));
    }
    if references.len() > 100 {
        return Err(invalid("Tasks cannot have more than 100 elements."));
    }
    let with_tags = wants_tags(&call.input)?;
    let cluster = cluster::named(world, call)?;
    let (mut tasks, mut failures) = (Vec::new(), Vec::new());
    for reference in references {
        let id = arn::name(call, reference, "task")?;
        match tasks_of(world, cluster).find(|task| task.id() == id) {
            Some(task) => tasks.push(task.json(with_tags)),
            None => failures.push(cluster::missing(call, &format!("task/{}/{id}", cluster.name))),
        }
    }
    Ok(json!({ "tasks": tasks, "failures": failures }))
}

pub(super) fn run(world: &mut World, call: &Call) -> Answer {
    let input = &call.input;
    let cluster = cluster::named(world, call)?.clone();
    let token = text(input, "clientToken")?.map(|token| (cluster.account.clone(), token.to_owned()));
    if let Some(known) = token.as_ref().and_then(|token| world.ecs.run_tokens.get(token)) {
        return again(world, known, input);
    }
    let definition =
        definition::usable(world, call, required(input, "taskDefinition", "Task definition")?)?.clone();
    let count = integer(input, "count")?.unwrap_or(1);
    if !(1..=10).contains(&count) {
        return Err(invalid("count must be between 1 and 10."));
    }
    let launch = launch(input, &cluster, &definition)?;
    let overrides = input.get("overrides").filter(|value| value.is_object()).cloned().unwrap_or_default();
    for one in list(&overrides, "containerOverrides")? {
        let name = text(one, "name")?.unwrap_or_default();
        if definition.container(name).is_none() {
            return Err(invalid(format!(
                "Override for container named {name} is not a container in the TaskDefinition."
            )));
        }
    }
    let mut own = tags::read(input)?;
    if text(input, "propagateTags")? == Some("TASK_DEFINITION") {
        for (key, value) in &definition.tags {
            if !own.iter().any(|(known, _)| known == key) {
                own.push((key.clone(), value.clone()));
            }
        }
    }
    let purpose = Purpose {
        group: text(input, "group")?.map_or_else(|| format!("family:{}", definition.family), str::to_owned),
        started_by: text(input, "startedBy")?.map(str::to_owned),
        overrides,
        tags: own,
        ..Purpose::default()
    };
    let (mut tasks, mut failures) = (Vec::new(), Vec::new());
    for _ in 0..count {
        match place(world, &cluster, &launch, purpose.clone()) {
            Ok(arn) => tasks.extend(world.ecs.tasks.get(&arn).map(|task| task.json(true))),
            Err(Unplaced::PortTaken(instance)) => {
                failures.push(json!({"arn": instance, "reason": "RESOURCE:PORTS"}));
            }
            Err(Unplaced::NoInstance) => {
                return Err(invalid("No Container Instances were found in your cluster."));
            }
            Err(Unplaced::NoDefinition) => return Err(client("TaskDefinition not found.")),
        }
    }
    if let Some(token) = token.filter(|_| !tasks.is_empty()) {
        let arns = tasks.iter().filter_map(|task| task["taskArn"].as_str().map(str::to_owned)).collect();
        world.ecs.run_tokens.insert(token, (input.clone(), arns));
    }
    Ok(json!({ "tasks": tasks, "failures": failures }))
}

/// The same request once more makes no other tasks; another one under its token is a mistake.
fn again(world: &World, (asked, arns): &(Value, Vec<String>), input: &Value) -> Answer {
    if asked != input {
        return Err(ApiError::new(
            "ConflictException",
            "The request uses the same client token as a previous, but non-identical request.",
        ));
    }
    let tasks: Vec<Value> =
        arns.iter().filter_map(|arn| world.ecs.tasks.get(arn)).map(|task| task.json(true)).collect();
    Ok(json!({ "tasks": tasks, "failures": [] }))
}

fn launch(input: &Value, cluster: &Cluster, definition: &Definition) -> Result<Launch, ApiError> {
    let strategy = list(input, "capacityProviderStrategy")?.to_vec();
    let launch_type = text(input, "launchType")?.map(str::to_owned);
    if launch_type.is_some() && !strategy.is_empty() {
        return Err(invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
        ));
    }
    for item in &strategy {
        let name = text(item, "capacityProvider")?.unwrap_or_default();
        if !cluster.capacity_providers.iter().any(|known| known == name) {
            return Err(invalid(format!(
                "The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster. Associate {name} with the cluster and try again."
            )));
        }
    }
    let launch = Launch {
        definition: definition.arn(),
        launch_type: if strategy.is_empty() {
            Some(launch_type.unwrap_or_else(|| "EC2".into()))
        } else {
            None
        },
        strategy,
        platform_version: text(input, "platformVersion")?.map(str::to_owned),
        network: input.get("networkConfiguration").filter(|network| network.is_object()).cloned(),
        load_balancers: Vec::new(),
    };
    let kind = if launch.on_fargate() { "FARGATE" } else { "EC2" };
    if !definition.fits(kind) {
        return Err(invalid(format!("Task definition does not support launch_type {kind}.")));
    }
    match (definition.network_mode() == "awsvpc", launch.network.is_some()) {
        (true, false) => {
            Err(invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified."))
        }
        (false, true) => Err(invalid(
            "Network Configuration is not valid for the given networkMode of this task definition.",
        )),
        _ => Ok(launch),
    }
}

pub(super) fn stop(world: &mut World, call: &Call) -> Answer {
    let reference = required(&call.input, "task", "Task")?;
    let reason = text(&call.input, "reason")?.unwrap_or("Task stopped by user").to_owned();
    let cluster = cluster::named(world, call)?;
    let id = arn::name(call, reference, "task")?;
    let arn = tasks_of(world, cluster)
        .find(|task| task.id() == id)
        .map(|task| task.arn.clone())
        .ok_or_else(|| invalid("The referenced task was not found."))?;
    let now = world.now;
    let task = world.ecs.tasks.get_mut(&arn).ok_or_else(|| invalid("The referenced task was not found."))?;
    if task.phase < Phase::Stopped {
        task.stop("UserInitiated", &reason);
        task.times.stopping.get_or_insert(now);
    }
    Ok(json!({ "task": task.json(true) }))
}

fn tasks_of<'a>(world: &'a World, cluster: &'a Cluster) -> impl Iterator<Item = &'a Task> {
    world.ecs.tasks.values().filter(|task| task.account == cluster.account && task.cluster == cluster.name)
}
