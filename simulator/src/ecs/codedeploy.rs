//! What CodeDeploy does to a service, through its service role.

use super::{
    NewTaskSet, ServiceKey, TaskSetView, definition,
    input::{client, invalid},
    launch::LoadBalancer,
    service::{self, Service},
    task_set::{TaskSet, room},
};
use crate::Fault;
use crate::front::ApiError;
use crate::state::State as World;

/// Creates green: a task set of `task_definition` (an ARN), registered in `target_group` (an ARN).
pub(crate) fn create_task_set(
    world: &mut World,
    key: &ServiceKey,
    new: NewTaskSet,
) -> Result<String, ApiError> {
    match definition::by_arn(world, &new.task_definition) {
        Some(definition) if definition.active() => {
            if definition.container(&new.container).is_none() {
                return Err(invalid(format!(
                    "The container {} does not exist in the task definition.",
                    new.container
                )));
            }
        }
        Some(_) => return Err(client("TaskDefinition is inactive")),
        None => return Err(client("TaskDefinition not found.")),
    }
    let (now, misbehave) = (world.now, misbehaviour(world));
    let service = world.ecs.services.get_mut(key).ok_or_else(service::not_found)?;
    room(service)?;
    let mut launch = service.launch.clone();
    launch.definition = new.task_definition;
    launch.load_balancers = vec![LoadBalancer {
        target_group: new.target_group,
        container: new.container,
        port: new.container_port,
    }];
    if new.platform_version.is_some() {
        launch.platform_version = new.platform_version;
    }
    if new.network_configuration.is_some() {
        launch.network = new.network_configuration;
    }
    if !new.capacity_provider_strategy.is_empty() {
        launch.strategy = new.capacity_provider_strategy;
        launch.launch_type = None;
    }
    let mut set = TaskSet::new(service, launch, now);
    set.external_id = Some(new.external_id);
    set.started_by = Some(new.started_by);
    set.misbehave = misbehave;
    let id = set.id.clone();
    service.task_sets.push(set);
    Ok(id)
}

/// What the world's faults make green do. The first task sets never misbehave.
fn misbehaviour(world: &World) -> Option<String> {
    let faults = [
        (Fault::GreenCrashes, "crash"),
        (Fault::GreenUnhealthy, "unhealthy"),
        (Fault::ValidationFails, "wrong"),
        (Fault::Alarm, "errors"),
        (Fault::RollbackDisabled, "errors"),
    ];
    faults.iter().find(|(fault, _)| world.has(*fault)).map(|(_, how)| (*how).to_owned())
}

/// The service's task sets with their status, the oldest first.
pub(crate) fn task_sets(world: &World, key: &ServiceKey) -> Vec<TaskSetView> {
    let Some(service) = world.ecs.services.get(key) else { return Vec::new() };
    service.task_sets.iter().map(|set| view(world, service, set)).collect()
}

fn view(world: &World, service: &Service, set: &TaskSet) -> TaskSetView {
    let counts = set.counts(world, service);
    TaskSetView {
        id: set.id.clone(),
        status: set.status.clone(),
        task_definition: set.launch.definition.clone(),
        target_group: set
            .launch
            .load_balancers
            .first()
            .map(|one| one.target_group.clone())
            .unwrap_or_default(),
        desired: counts.desired,
        running: counts.running,
        pending: counts.pending,
        steady: set.steady,
    }
}

/// Makes a task set the PRIMARY one; what it runs becomes the service's.
pub(crate) fn set_primary(world: &mut World, key: &ServiceKey, id: &str) {
    let now = world.now;
    let Some(service) = world.ecs.services.get_mut(key) else { return };
    let Some(launch) = service.task_set(id).map(|set| set.launch.clone()) else { return };
    service.launch = launch;
    for set in &mut service.task_sets {
        let status = match set.status.as_str() {
            _ if set.id == id => "PRIMARY",
            "PRIMARY" => "ACTIVE",
            _ => continue,
        };
        if set.status != status {
            set.status = status.to_owned();
            set.updated_at = now;
        }
    }
}

/// DRAINING, scale 0; gone once its last task has stopped.
pub(crate) fn drain_task_set(world: &mut World, key: &ServiceKey, id: &str) {
    let now = world.now;
    if let Some(set) = world.ecs.services.get_mut(key).and_then(|service| service.task_set_mut(id)) {
        set.status = "DRAINING".into();
        set.scale = 0.0;
        set.steady = false;
        set.steady_at = now;
        set.updated_at = now;
    }
}
