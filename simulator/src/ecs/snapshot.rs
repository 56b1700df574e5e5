//! The part of the world's snapshot that tells services, task sets, tasks and definitions.

use super::service::Service;
use super::task_set::TaskSet;
use crate::state::State as World;
use serde_json::{Map, Value, json};

pub(crate) fn snapshot(world: &World) -> Value {
    let services: Vec<&Service> = world.ecs.services.values().collect();
    let sets = services.iter().flat_map(|service| service.task_sets.iter().map(move |set| (*service, set)));
    json!({
        "services": services.iter().map(|service| self::service(world, service)).collect::<Vec<_>>(),
        "task_sets": sets.map(|(service, set)| task_set(world, service, set)).collect::<Vec<_>>(),
        "tasks": tasks(world),
        "task_definitions": definitions(world),
    })
}

fn service(world: &World, service: &Service) -> Value {
    let counts: Vec<_> = service.task_sets.iter().map(|set| set.counts(world, service)).collect();
    json!({
        "arn": service.arn(),
        "account": service.key.account,
        "cluster": service.key.cluster,
        "name": service.key.service,
        "controller": service.controller.name(),
        "task_definition": service.launch.definition,
        "desired": service.desired,
        "running": counts.iter().map(|count| count.running).sum::<u32>(),
        "pending": counts.iter().map(|count| count.pending).sum::<u32>(),
        "primary": service.primary().map(|set| &set.id),
        "events": service.events.iter().map(|event| &event.message).collect::<Vec<_>>(),
    })
}

fn task_set(world: &World, service: &Service, set: &TaskSet) -> Value {
    let counts = set.counts(world, service);
    json!({
        "id": set.id,
        "service": service.key.service,
        "account": service.key.account,
        "status": set.status,
        "task_definition": set.launch.definition,
        "target_groups": set.launch.load_balancers.iter().map(|one| &one.target_group).collect::<Vec<_>>(),
        "external_id": set.external_id,
        "launch": set.launch.json(),
        "scale": set.scale,
        "desired": counts.desired,
        "running": counts.running,
        "pending": counts.pending,
        "steady": set.steady,
    })
}

fn tasks(world: &World) -> Vec<Value> {
    let task = |task: &super::task::Task| {
        let containers = task.containers.iter().map(|container| {
            json!({
                "name": container.name,
                "image": container.image,
                "digest": container.digest,
                "runtime_id": container.runtime_id,
                "exit_code": container.exit_code,
                "reason": container.reason,
                "addresses": container.bindings.iter().map(|b| b.address.to_string()).collect::<Vec<_>>(),
            })
        });
        json!({
            "arn": task.arn,
            "group": task.group,
            "task_set": task.owner.as_ref().map(|(_, set)| set),
            "task_definition": task.definition,
            "status": task.phase.name(),
            "wanted": task.wanted,
            "stop_code": task.stop_code,
            "stopped_reason": task.stopped_reason,
            "containers": containers.collect::<Vec<_>>(),
        })
    };
    world.ecs.tasks.values().map(task).collect()
}

fn definitions(world: &World) -> Vec<Value> {
    let definition = |definition: &super::definition::Definition| {
        let tags: Map<String, Value> =
            definition.tags.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        let images = definition.containers().iter().map(|container| container["image"].clone());
        json!({
            "arn": definition.arn(),
            "active": definition.active(),
            "registered_by": definition.registered_by,
            "images": images.collect::<Vec<_>>(),
            "tags": tags,
            "document": definition.document,
        })
    };
    world.ecs.definitions.values().flatten().map(definition).collect()
}
