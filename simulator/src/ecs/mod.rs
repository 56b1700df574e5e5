//! Clusters, task definitions, services, task sets and tasks.

use crate::front::{Answer, ApiError, Call, Need};
use crate::state::State as World;

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Set by `World::begin`: before it no task is started.
    pub(crate) begun: bool,
}

pub(crate) fn needs(_world: &World, _call: &Call) -> Vec<Need> {
    Vec::new()
}

pub(crate) fn handle(_world: &mut World, call: &Call) -> Answer {
    Err(ApiError::new("InvalidAction", format!("no operation is named {}", call.operation)))
}

/// One moment of the scheduler: starts what is missing, stops what is too much. Returns when
/// it wants to be called again if nothing happens before.
pub(crate) fn advance(_world: &mut World, _out: &mut Vec<crate::engine::Command>) -> Option<crate::Time> {
    None
}

// What CodeDeploy does to a service, through its service role.

/// Creates green: a task set of `task_definition` (an ARN), registered in `target_group` (an ARN).
pub(crate) fn create_task_set(
    _world: &mut World,
    _service: &ServiceKey,
    _new: NewTaskSet,
) -> Result<String, ApiError> {
    Err(ApiError::new("ServiceNotFoundException", "Service not found."))
}

/// A task set's counts and health, `None` when it is gone.
pub(crate) fn task_set(_world: &World, _service: &ServiceKey, _id: &str) -> Option<TaskSetView> {
    None
}

/// The ids of the service's task sets with their status.
pub(crate) fn task_sets(_world: &World, _service: &ServiceKey) -> Vec<TaskSetView> {
    Vec::new()
}

pub(crate) fn set_primary(_world: &mut World, _service: &ServiceKey, _id: &str) {}

/// DRAINING, scale 0; gone once its last task has stopped.
pub(crate) fn drain_task_set(_world: &mut World, _service: &ServiceKey, _id: &str) {}

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

/// The clusters, task definitions and services that the world starts with.
pub(crate) fn populate(_world: &mut World, _spec: &crate::spec::WorldSpec) -> anyhow::Result<()> {
    Ok(())
}

/// Waits until every service is steady.
pub(crate) async fn settled(_world: &crate::World, _limit: std::time::Duration) -> anyhow::Result<()> {
    Ok(())
}

/// `services`, `task_sets`, `tasks` and `task_definitions` of the snapshot.
pub(crate) fn snapshot(_world: &World) -> serde_json::Value {
    serde_json::json!({})
}
