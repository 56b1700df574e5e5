//! Task sets: their state, and the calls on them.

use super::{
    ServiceKey, arn,
    codedeploy::{drain_task_set, set_primary},
    definition,
    input::{flag, invalid, list, required, text, texts, wants_tags},
    launch::{Launch, LoadBalancer},
    service::{self, Controller, Service},
    tags::{self, Tags},
    task::{Phase, Task},
};
use crate::Time;
use crate::front::{Answer, ApiError, Call, timestamp};
use crate::state::{State as World, random_digits};
use serde_json::{Value, json};

/// How many task sets a service may have.
const LIMIT: usize = 5;

#[derive(Clone, Debug)]
pub(super) struct TaskSet {
    /// `ecs-svc/…`
    pub(super) id: String,
    pub(super) arn: String,
    /// PRIMARY, ACTIVE or DRAINING.
    pub(super) status: String,
    pub(super) launch: Launch,
    /// Percent of the service's desired count.
    pub(super) scale: f64,
    pub(super) external_id: Option<String>,
    pub(super) started_by: Option<String>,
    pub(super) created_at: Time,
    pub(super) updated_at: Time,
    pub(super) steady: bool,
    pub(super) steady_at: Time,
    /// Tasks that failed since the last one that became healthy.
    pub(super) failures: u32,
    /// No task is started before.
    pub(super) not_before: Time,
    pub(super) misbehave: Option<String>,
    pub(super) tags: Tags,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) desired: u32,
    pub(super) running: u32,
    pub(super) pending: u32,
}

impl TaskSet {
    pub(super) fn new(service: &Service, launch: Launch, now: Time) -> TaskSet {
        let id = format!("ecs-svc/{}", random_digits(19));
        let ServiceKey { account, cluster, service: name } = &service.key;
        TaskSet {
            arn: arn::arn(&service.region, account, &format!("task-set/{cluster}/{name}/{id}")),
            id,
            status: "ACTIVE".into(),
            launch,
            scale: 100.0,
            external_id: None,
            started_by: None,
            created_at: now,
            updated_at: now,
            steady: false,
            steady_at: now,
            failures: 0,
            not_before: now,
            misbehave: None,
            tags: Tags::new(),
        }
    }

    /// `computedDesiredCount`
    pub(super) fn desired(&self, service: &Service) -> u32 {
        (f64::from(service.desired) * self.scale / 100.0).ceil() as u32
    }

    pub(super) fn tasks<'a>(
        &'a self,
        world: &'a World,
        service: &'a Service,
    ) -> impl Iterator<Item = &'a Task> {
        let owned = move |task: &&Task| {
            task.owner.as_ref().is_some_and(|(key, set)| *key == service.key && *set == self.id)
        };
        world.ecs.tasks.values().filter(owned)
    }

    pub(super) fn counts(&self, world: &World, service: &Service) -> Counts {
        let mut counts = Counts { desired: self.desired(service), ..Counts::default() };
        for task in self.tasks(world, service) {
            match task.phase {
                Phase::Provisioning | Phase::Pending => counts.pending += 1,
                Phase::Running => counts.running += 1,
                _ => {}
            }
        }
        counts
    }

    pub(super) fn json(&self, world: &World, service: &Service, with_tags: bool) -> Value {
        let counts = self.counts(world, service);
        let mut set = json!({
            "id": self.id,
            "taskSetArn": self.arn,
            "serviceArn": service.arn(),
            "clusterArn": service.cluster_arn(),
            "status": self.status,
            "computedDesiredCount": counts.desired,
            "pendingCount": counts.pending,
            "runningCount": counts.running,
            "createdAt": timestamp(self.created_at),
            "updatedAt": timestamp(self.updated_at),
            "serviceRegistries": [],
            "scale": {"value": self.scale, "unit": "PERCENT"},
            "stabilityStatus": if self.steady { "STEADY_STATE" } else { "STABILIZING" },
            "stabilityStatusAt": timestamp(self.steady_at),
            "tags": if with_tags { tags::json(&self.tags) } else { json!([]) },
        });
        if let Value::Object(set) = &mut set {
            set.extend(self.launch.json());
            for (member, value) in [("startedBy", &self.started_by), ("externalId", &self.external_id)] {
                if let Some(value) = value {
                    set.insert(member.into(), json!(value));
                }
            }
        }
        set
    }

    /// The same thing as a `deployment` of a service with controller ECS.
    pub(super) fn deployment_json(&self, world: &World, service: &Service) -> Value {
        let counts = self.counts(world, service);
        let (state, reason) = match (self.status.as_str(), self.steady) {
            ("PRIMARY", false) => ("IN_PROGRESS", "in progress."),
            _ => ("COMPLETED", "completed."),
        };
        let mut deployment = json!({
            "id": self.id,
            "status": self.status,
            "desiredCount": counts.desired,
            "pendingCount": counts.pending,
            "runningCount": counts.running,
            "failedTasks": self.failures,
            "createdAt": timestamp(self.created_at),
            "updatedAt": timestamp(self.updated_at),
            "rolloutState": state,
            "rolloutStateReason": format!("ECS deployment {} {reason}", self.id),
        });
        if let Value::Object(deployment) = &mut deployment {
            deployment.extend(self.launch.json());
            deployment.shift_remove("loadBalancers");
        }
        deployment
    }
}

// The calls.

pub(super) fn describe(world: &World, call: &Call) -> Answer {
    let key = service::named(world, call)?;
    let with_tags = wants_tags(&call.input)?;
    let asked = texts(&call.input, "taskSets")?;
    let service = world.ecs.services.get(&key).ok_or_else(service::not_found)?;
    if service.controller == Controller::Ecs {
        return Err(wrong_controller(service));
    }
    let names = |set: &TaskSet, reference: &str| set.id == reference || set.arn == reference;
    let found = service
        .task_sets
        .iter()
        .filter(|set| asked.is_empty() || asked.iter().any(|reference| names(set, reference)));
    let failures = asked
        .iter()
        .filter(|reference| !service.task_sets.iter().any(|set| names(set, reference)))
        .map(|reference| json!({"arn": reference, "reason": "MISSING"}));
    Ok(json!({
        "taskSets": found.map(|set| set.json(world, service, with_tags)).collect::<Vec<_>>(),
        "failures": failures.collect::<Vec<_>>(),
    }))
}

pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    let input = &call.input;
    let key = external(world, call)?;
    let definition =
        definition::usable(world, call, required(input, "taskDefinition", "Task definition")?)?.arn();
    let now = world.now;
    let service = world.ecs.services.get_mut(&key).ok_or_else(service::not_found)?;
    room(service)?;
    let strategy = list(input, "capacityProviderStrategy")?.to_vec();
    let launch_type = text(input, "launchType")?.map(str::to_owned);
    if launch_type.is_some() && !strategy.is_empty() {
        return Err(invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
        ));
    }
    let inherit = launch_type.is_none() && strategy.is_empty();
    let launch = Launch {
        definition,
        launch_type: if inherit { service.launch.launch_type.clone() } else { launch_type },
        strategy: if inherit { service.launch.strategy.clone() } else { strategy },
        platform_version: text(input, "platformVersion")?.map(str::to_owned),
        network: input.get("networkConfiguration").filter(|network| network.is_object()).cloned(),
        load_balancers: LoadBalancer::read(input)?,
    };
    let mut set = TaskSet::new(service, launch, now);
    set.scale = match input.get("scale") {
        None | Some(Value::Null) => 100.0,
        Some(scale) => scale_of(scale)?,
    };
    set.external_id = text(input, "externalId")?.map(str::to_owned);
    set.started_by = None;
    set.tags = tags::read(input)?;
    let id = set.id.clone();
    service.task_sets.push(set);
    answer(world, &key, &id)
}

pub(super) fn update(world: &mut World, call: &Call) -> Answer {
    let key = external(world, call)?;
    let id = named(world, call, &key, "taskSet")?;
    let scale = scale_of(&call.input["scale"])?;
    let now = world.now;
    if let Some(set) = world.ecs.services.get_mut(&key).and_then(|service| service.task_set_mut(&id)) {
        set.scale = scale;
        set.updated_at = now;
    }
    answer(world, &key, &id)
}

pub(super) fn update_primary(world: &mut World, call: &Call) -> Answer {
    let key = external(world, call)?;
    let id = named(world, call, &key, "primaryTaskSet")?;
    set_primary(world, &key, &id);
    answer(world, &key, &id)
}

pub(super) fn delete(world: &mut World, call: &Call) -> Answer {
    let key = external(world, call)?;
    let id = named(world, call, &key, "taskSet")?;
    let forced = flag(&call.input, "force")? == Some(true);
    let service = world.ecs.services.get(&key).ok_or_else(service::not_found)?;
    let set = service.task_set(&id).ok_or_else(not_found)?;
    if set.status == "PRIMARY" {
        return Err(invalid("Unable to delete the primary task set."));
    }
    if !forced && set.scale > 0.0 {
        return Err(invalid("The task set cannot be deleted while it is scaled above 0."));
    }
    drain_task_set(world, &key, &id);
    answer(world, &key, &id)
}

fn answer(world: &World, key: &ServiceKey, id: &str) -> Answer {
    let service = world.ecs.services.get(key).ok_or_else(service::not_found)?;
    let set = service.task_set(id).ok_or_else(not_found)?;
    Ok(json!({ "taskSet": set.json(world, service, true) }))
}

fn not_found() -> ApiError {
    ApiError::new(
        "TaskSetNotFoundException",
        "The specified task set wasn't found. You can view your available task sets with DescribeTaskSets.",
    )
}

fn wrong_controller(service: &Service) -> ApiError {
    invalid(format!(
        "Task sets can only be used with services with an EXTERNAL deployment controller. Service {} uses {}.",
        service.key.service,
        service.controller.name()
    ))
}

/// The service of a call that changes task sets: they are its caller's only with EXTERNAL.
fn external(world: &World, call: &Call) -> Result<ServiceKey, ApiError> {
    let key = service::named(world, call)?;
    match world.ecs.services.get(&key) {
        Some(service) if service.controller == Controller::External => Ok(key),
        Some(service) => Err(wrong_controller(service)),
        None => Err(service::not_found()),
    }
}

fn named(world: &World, call: &Call, key: &ServiceKey, member: &str) -> Result<String, ApiError> {
    let reference = required(&call.input, member, "Task set")?;
    let service = world.ecs.services.get(key).ok_or_else(service::not_found)?;
    let set = service.task_sets.iter().find(|set| set.id == reference || set.arn == reference);
    set.map(|set| set.id.clone()).ok_or_else(not_found)
}

fn scale_of(scale: &Value) -> Result<f64, ApiError> {
    let value = scale["value"].as_f64().ok_or_else(|| invalid("Scale value is required."))?;
    if !(0.0..=100.0).contains(&value) || scale["unit"].as_str().is_some_and(|unit| unit != "PERCENT") {
        return Err(invalid("Scale must be between 0 and 100 PERCENT."));
    }
    Ok(value)
}

pub(super) fn room(service: &Service) -> Result<(), ApiError> {
    if service.task_sets.len() >= LIMIT {
        return Err(invalid(format!(
            "{LIMIT} deployments exist on the service. Unable to create new TaskSet since this exceeds the maximum limit."
        )));
    }
    Ok(())
}
