//! Services: their state, and the calls that read and change them.

use super::{
    ServiceKey, arn, cluster, definition,
    input::{client, flag, integer, invalid, page, required, text, texts, wants_tags},
    launch::{Launch, LoadBalancer},
    tags::{self, Tags},
    task_set::TaskSet,
};
use crate::Time;
use crate::front::{Answer, ApiError, Call, timestamp};
use crate::state::State as World;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;

/// What moves a service from one task definition to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Controller {
    CodeDeploy,
    Ecs,
    External,
}

impl Controller {
    pub(super) fn name(self) -> &'static str {
        match self {
            Controller::CodeDeploy => "CODE_DEPLOY",
            Controller::Ecs => "ECS",
            Controller::External => "EXTERNAL",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Controller> {
        let all = [Controller::CodeDeploy, Controller::Ecs, Controller::External];
        all.into_iter().find(|controller| controller.name() == name)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) key: ServiceKey,
    pub(super) region: String,
    pub(super) controller: Controller,
    pub(super) desired: u32,
    /// What the primary task set runs, and a new one inherits.
    pub(super) launch: Launch,
    /// For controller ECS these are its `deployments`.
    pub(super) task_sets: Vec<TaskSet>,
    pub(super) grace_seconds: u64,
    pub(super) deployment_configuration: Value,
    /// Members that UpdateService sets and DescribeServices gives back.
    pub(super) others: Map<String, Value>,
    /// Newest first.
    pub(super) events: VecDeque<Event>,
    pub(super) created_at: Time,
    pub(super) created_by: String,
    pub(super) tags: Tags,
}

#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) at: Time,
    pub(super) message: String,
}

const EVENT_LIMIT: usize = 100;

impl Service {
    pub(super) fn arn(&self) -> String {
        let ServiceKey { account, cluster, service } = &self.key;
        arn::arn(&self.region, account, &format!("service/{cluster}/{service}"))
    }

    pub(super) fn cluster_arn(&self) -> String {
        arn::arn(&self.region, &self.key.account, &format!("cluster/{}", self.key.cluster))
    }

    /// Notes an event of the service, or of one of its task sets: `(service web) has started …`.
    pub(super) fn event(&mut self, at: Time, task_set: Option<&str>, what: &str) {
        let subject = match task_set.filter(|_| self.controller != Controller::Ecs) {
            Some(id) => format!("(service {}, taskSet {id})", self.key.service),
            None => format!("(service {})", self.key.service),
        };
        let id = uuid::Uuid::new_v4().to_string();
        self.events.push_front(Event { id, at, message: format!("{subject} {what}") });
        self.events.truncate(EVENT_LIMIT);
    }

    pub(super) fn task_set(&self, id: &str) -> Option<&TaskSet> {
        self.task_sets.iter().find(|set| set.id == id)
    }

    pub(super) fn task_set_mut(&mut self, id: &str) -> Option<&mut TaskSet> {
        self.task_sets.iter_mut().find(|set| set.id == id)
    }

    pub(super) fn primary(&self) -> Option<&TaskSet> {
        self.task_sets.iter().find(|set| set.status == "PRIMARY")
    }

    /// A percentage of `deploymentConfiguration`.
    pub(super) fn percent(&self, member: &str, default: u32) -> u32 {
        let set = self.deployment_configuration.get(member).and_then(Value::as_u64);
        set.and_then(|percent| u32::try_from(percent).ok()).unwrap_or(default)
    }

    fn json(&self, world: &World, with_tags: bool) -> Value {
        let counts: Vec<_> = self.task_sets.iter().map(|set| set.counts(world, self)).collect();
        let mut answer = json!({
            "serviceArn": self.arn(),
            "serviceName": self.key.service,
            "clusterArn": self.cluster_arn(),
            "serviceRegistries": [],
            "status": "ACTIVE",
            "desiredCount": self.desired,
            "runningCount": counts.iter().map(|count| count.running).sum::<u32>(),
            "pendingCount": counts.iter().map(|count| count.pending).sum::<u32>(),
            "deploymentConfiguration": self.deployment_configuration,
            "events": self.events.iter().map(|event| json!({
                "id": event.id, "createdAt": timestamp(event.at), "message": event.message,
            })).collect::<Value>(),
            "createdAt": timestamp(self.created_at),
            "placementConstraints": [],
            "placementStrategy": [],
            "schedulingStrategy": "REPLICA",
            "deploymentController": {"type": self.controller.name()},
            "createdBy": self.created_by,
            "enableECSManagedTags": false,
            "propagateTags": "NONE",
            "enableExecuteCommand": false,
            "availabilityZoneRebalancing": "DISABLED",
        });
        if self.controller == Controller::Ecs {
            let deployments = self.task_sets.iter().map(|set| set.deployment_json(world, self));
            answer["deployments"] = deployments.collect();
        } else {
            answer["deployments"] = json!([]);
            answer["taskSets"] = self.task_sets.iter().map(|set| set.json(world, self, false)).collect();
        }
        if let Value::Object(answer) = &mut answer {
            answer.extend(self.launch.json());
            answer.extend(self.others.clone());
            if !self.launch.load_balancers.is_empty() {
                answer.insert("healthCheckGracePeriodSeconds".into(), json!(self.grace_seconds));
            }
            if with_tags {
                answer.insert("tags".into(), tags::json(&self.tags));
            }
        }
        answer
    }
}

/// Finds a service in the call's account, Region and cluster.
pub(super) fn find(world: &World, call: &Call, reference: &str) -> Result<Option<ServiceKey>, ApiError> {
    let cluster = cluster::named(world, call)?;
    let key = ServiceKey {
        account: call.caller.account.clone(),
        cluster: cluster.name.clone(),
        service: arn::name(call, reference, "service")?.to_owned(),
    };
    if let Some(named) = arn::Arn::parse(reference)
        && named.path.contains('/')
        && named.path != format!("{}/{}", key.cluster, key.service)
    {
        return Ok(None);
    }
    Ok(world.ecs.services.contains_key(&key).then_some(key))
}

pub(super) fn not_found() -> ApiError {
    ApiError::new("ServiceNotFoundException", "Service not found.")
}

/// The service that `service` names, or ServiceNotFoundException.
pub(super) fn named(world: &World, call: &Call) -> Result<ServiceKey, ApiError> {
    let reference = required(&call.input, "service", "Service")?;
    find(world, call, reference)?.ok_or_else(not_found)
}

pub(super) fn list(world: &World, call: &Call) -> Answer {
    let cluster = cluster::named(world, call)?;
    let launch_type = text(&call.input, "launchType")?;
    let arns = world
        .ecs
        .services
        .values()
        .filter(|service| service.key.account == cluster.account && service.key.cluster == cluster.name)
        .filter(|service| launch_type.is_none() || launch_type == service.launch.launch_type.as_deref())
        .map(|service| json!(service.arn()))
        .collect();
    page(&call.input, "serviceArns", arns, 10)
}

pub(super) fn describe(world: &World, call: &Call) -> Answer {
    let references = texts(&call.input, "services")?;
    if references.is_empty() {
        return Err(invalid("Services cannot be empty."));
    }
    if references.len() > 10 {
        return Err(invalid("Services cannot have more than 10 elements."));
    }
    let with_tags = wants_tags(&call.input)?;
    let cluster = cluster::named(world, call)?;
    let (mut services, mut failures) = (Vec::new(), Vec::new());
    for reference in references {
        match find(world, call, reference)?.and_then(|key| world.ecs.services.get(&key)) {
            Some(service) => services.push(service.json(world, with_tags)),
            None => {
                let name = arn::last(reference);
                failures.push(cluster::missing(call, &format!("service/{}/{name}", cluster.name)));
            }
        }
    }
    Ok(json!({ "services": services, "failures": failures }))
}

pub(super) fn update(world: &mut World, call: &Call) -> Answer {
    let key = named(world, call)?;
    let input = &call.input;
    let now = world.now;
    let Some(service) = world.ecs.services.get(&key) else { return Err(not_found()) };
    refuse(service.controller, input)?;
    let sent = |member: &str| input.get(member).is_some_and(|value| !value.is_null());
    let mut launch = service.launch.clone();
    if let Some(reference) = text(input, "taskDefinition")? {
        launch.definition = definition::usable(world, call, reference)?.arn();
    }
    if sent("networkConfiguration") {
        launch.network = Some(input["networkConfiguration"].clone());
    }
    if let Some(version) = text(input, "platformVersion")? {
        launch.platform_version = Some(version.to_owned());
    }
    if sent("capacityProviderStrategy") {
        launch.strategy = super::input::list(input, "capacityProviderStrategy")?.to_vec();
        launch.launch_type = None;
    }
    if sent("loadBalancers") {
        launch.load_balancers = LoadBalancer::read(input)?;
    }
    let forced = flag(input, "forceNewDeployment")? == Some(true);
    let desired = match integer(input, "desiredCount")? {
        None => service.desired,
        Some(count) => u32::try_from(count).map_err(|_| invalid("desiredCount cannot be negative."))?,
    };
    let grace = match integer(input, "healthCheckGracePeriodSeconds")? {
        None => service.grace_seconds,
        Some(seconds) => {
            u64::try_from(seconds).map_err(|_| invalid("healthCheckGracePeriodSeconds is invalid."))?
        }
    };
    if sent("healthCheckGracePeriodSeconds") && launch.load_balancers.is_empty() {
        return Err(invalid(
            "Health check grace period is only valid for services configured to use load balancers",
        ));
    }
    let controller = match input["deploymentController"]["type"].as_str() {
        None => service.controller,
        Some(name) => Controller::parse(name).ok_or_else(|| client("Invalid deployment controller."))?,
    };
    let renew = launch != service.launch || forced;
    let Some(service) = world.ecs.services.get_mut(&key) else { return Err(not_found()) };
    service.desired = desired;
    service.grace_seconds = grace;
    service.controller = controller;
    if sent("deploymentConfiguration")
        && let (Value::Object(new), Value::Object(known)) =
            (&input["deploymentConfiguration"], &mut service.deployment_configuration)
    {
        known.extend(new.clone());
    }
    for member in [
        "placementConstraints",
        "placementStrategy",
        "propagateTags",
        "enableECSManagedTags",
        "enableExecuteCommand",
        "availabilityZoneRebalancing",
    ] {
        if sent(member) {
            service.others.insert(member.into(), input[member].clone());
        }
    }
    if renew {
        service.launch = launch.clone();
    }
    if renew && service.controller == Controller::Ecs {
        for set in service.task_sets.iter_mut().filter(|set| set.status == "PRIMARY") {
            set.status = "ACTIVE".into();
            set.updated_at = now;
        }
        let mut set = TaskSet::new(service, launch, now);
        set.status = "PRIMARY".into();
        service.task_sets.insert(0, set);
    }
    let service = world.ecs.services.get(&key).ok_or_else(not_found)?;
    Ok(json!({ "service": service.json(world, false) }))
}

/// What each controller doesn't let UpdateService change.
fn refuse(controller: Controller, input: &Value) -> Result<(), ApiError> {
    let sent = |member: &str| match input.get(member) {
        None | Some(Value::Null) => false,
        Some(Value::Bool(flag)) => *flag,
        Some(_) => true,
    };
    let (what, instead) = match controller {
        Controller::Ecs => return Ok(()),
        // A service that leaves CodeDeploy may change with the same call.
        _ if input["deploymentController"]["type"].as_str().is_some_and(|new| new != controller.name()) => {
            return Ok(());
        }
        Controller::CodeDeploy => ("a CODE_DEPLOY", "Use AWS CodeDeploy to trigger a new deployment."),
        Controller::External => ("an EXTERNAL", "Use CreateTaskSet to deploy a new revision."),
    };
    let refused =
        |verb: &str| Err(invalid(format!("{verb} services with {what} deployment controller. {instead}")));
    if sent("taskDefinition") {
        return refused("Unable to update task definition on");
    }
    if sent("networkConfiguration") {
        return refused("Unable to update network parameters on");
    }
    if sent("platformVersion") {
        return refused("Unable to update platform version on");
    }
    if sent("capacityProviderStrategy") {
        return refused("Unable to update capacity provider strategy on");
    }
    if sent("loadBalancers") {
        return refused("Unable to update load balancers on");
    }
    if sent("forceNewDeployment") {
        return refused("Cannot force a new deployment on");
    }
    Ok(())
}
