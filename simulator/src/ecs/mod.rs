//! Clusters, task definitions, services, task sets and tasks.

mod arn;
mod cluster;
mod codedeploy;
mod container_rules;
mod definition;
#[cfg(test)]
mod fixture;
mod input;
mod launch;
mod permissions;
mod place;
mod populate;
mod register;
mod report;
mod scheduler;
mod service;
mod shape;
mod size;
mod snapshot;
mod start;
mod tags;
mod task;
mod task_calls;
mod task_set;

use crate::front::{Answer, ApiError, Call};
use crate::state::State as World;
use anyhow::bail;
use std::collections::BTreeMap;
use tokio::sync::watch;

pub(crate) use codedeploy::{create_task_set, drain_task_set, set_primary, task_sets};
pub(crate) use permissions::needs;
pub(crate) use populate::populate;
pub(crate) use report::{
    PullError, PullErrorKind, ended, exited, failed, health, pull_failed, pulled, started,
};
pub(crate) use scheduler::advance;
pub(crate) use snapshot::snapshot;
pub(crate) use start::prepare;

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Set by `World::begin`: before it no task is started.
    pub(crate) begun: bool,
    /// Whether every service is steady, for those who wait for it.
    settled: watch::Sender<bool>,
    speed: f64,
    /// Goes into every secret.
    canary: String,
    /// Account → Region.
    regions: BTreeMap<String, String>,
    /// Account → the host of its registry.
    registries: BTreeMap<String, String>,
    /// By account and name.
    clusters: BTreeMap<(String, String), cluster::Cluster>,
    /// By account, Region and family, the oldest revision first.
    definitions: BTreeMap<(String, String, String), Vec<definition::Definition>>,
    services: BTreeMap<ServiceKey, service::Service>,
    /// By ARN.
    tasks: BTreeMap<String, task::Task>,
    /// What RunTask was asked with a client token, by account and token, and the tasks that came of it.
    run_tokens: BTreeMap<(String, String), (serde_json::Value, Vec<String>)>,
    /// How many network interfaces there were.
    addresses: u32,
}

pub(crate) fn handle(world: &mut World, call: &Call) -> Answer {
    match call.operation.as_str() {
        "RegisterTaskDefinition" => register::register(world, call),
        "DescribeTaskDefinition" => definition::describe(world, call),
        "DeregisterTaskDefinition" => definition::deregister(world, call),
        "ListTaskDefinitions" => definition::list(world, call),
        "ListTaskDefinitionFamilies" => definition::list_families(world, call),
        "ListClusters" => cluster::list(world, call),
        "DescribeClusters" => cluster::describe(world, call),
        "ListContainerInstances" => cluster::list_instances(world, call),
        "DescribeContainerInstances" => cluster::describe_instances(world, call),
        "DescribeCapacityProviders" => cluster::describe_providers(world, call),
        "ListServices" => service::list(world, call),
        "DescribeServices" => service::describe(world, call),
        "UpdateService" => service::update(world, call),
        "DescribeTaskSets" => task_set::describe(world, call),
        "CreateTaskSet" => task_set::create(world, call),
        "UpdateTaskSet" => task_set::update(world, call),
        "UpdateServicePrimaryTaskSet" => task_set::update_primary(world, call),
        "DeleteTaskSet" => task_set::delete(world, call),
        "ListTasks" => task_calls::list_tasks(world, call),
        "DescribeTasks" => task_calls::describe(world, call),
        "RunTask" => task_calls::run(world, call),
        "StopTask" => task_calls::stop(world, call),
        "TagResource" => tags::set(world, call),
        "UntagResource" => tags::remove(world, call),
        "ListTagsForResource" => tags::list_for_resource(world, call),
        other => Err(ApiError::new("UnknownOperationException", format!("no operation is named {other}"))),
    }
}

/// A service, by account, cluster and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ServiceKey {
    pub(crate) account: String,
    pub(crate) cluster: String,
    pub(crate) service: String,
}

/// What AppSpec and deployment say of a new task set; what is `None` is inherited from the service.
#[derive(Clone, Debug, Default)]
pub(crate) struct NewTaskSet {
    pub(crate) task_definition: String,
    pub(crate) target_group: String,
    pub(crate) container: String,
    pub(crate) container_port: u16,
    pub(crate) platform_version: Option<String>,
    pub(crate) network_configuration: Option<serde_json::Value>,
    pub(crate) capacity_provider_strategy: Vec<serde_json::Value>,
    /// The deployment's id.
    pub(crate) external_id: String,
    pub(crate) started_by: String,
}

#[derive(Clone, Debug)]
pub(crate) struct TaskSetView {
    pub(crate) id: String,
    /// PRIMARY, ACTIVE or DRAINING.
    pub(crate) status: String,
    pub(crate) task_definition: String,
    /// The ARN of the group that its tasks are registered in.
    pub(crate) target_group: String,
    pub(crate) desired: u32,
    pub(crate) running: u32,
    pub(crate) pending: u32,
    /// STEADY_STATE as the API defines it, target health included.
    pub(crate) steady: bool,
}

/// Waits until every service is steady.
pub(crate) async fn settled(world: &crate::World, limit: std::time::Duration) -> anyhow::Result<()> {
    let mut settled = world.lock().ecs.settled.subscribe();
    let waited = tokio::time::timeout(limit, settled.wait_for(|settled| *settled)).await;
    if matches!(waited, Ok(Ok(_))) {
        return Ok(());
    }
    let state = world.lock();
    let told: Vec<String> = state.ecs.unsettled().into_iter().map(|service| told(&state, service)).collect();
    bail!("not steady after {} s: {}", limit.as_secs(), told.join("; "))
}

/// A service with why its last task stopped, or else what happened to it last.
fn told(world: &World, service: &service::Service) -> String {
    let own = |task: &&task::Task| task.owner.as_ref().is_some_and(|(key, _)| *key == service.key);
    let stopped = world.ecs.tasks.values().filter(own).filter(|task| task.times.stopped.is_some());
    let last = stopped.max_by_key(|task| task.times.stopped).and_then(|task| task.stopped_reason.as_deref());
    let what = last.or(service.events.front().map(|event| event.message.as_str()));
    format!("service `{}`: {}", service.key.service, what.unwrap_or("nothing happened yet"))
}

impl State {
    fn unsettled(&self) -> Vec<&service::Service> {
        let unsteady = |service: &&service::Service| !service.task_sets.iter().all(|set| set.steady);
        self.services.values().filter(unsteady).collect()
    }

    /// Whether an image stands in one of the world's registries.
    fn is_ecr(&self, image: &str) -> bool {
        image.split_once('/').is_some_and(|(host, _)| self.registries.values().any(|known| known == host))
    }
}
