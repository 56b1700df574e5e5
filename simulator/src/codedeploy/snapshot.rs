//! Deployments as `GET /_world` tells them.

use super::{
    model::{Deployment, Event, Hook},
    traffic,
};
use crate::{Time, state::State as World};
use serde_json::{Value, json};

pub(crate) fn snapshot(world: &World) -> Value {
    let deployments = world.codedeploy.places.values().flat_map(|holdings| &holdings.deployments);
    json!({ "deployments": deployments.map(|d| deployment(world, d)).collect::<Vec<_>>() })
}

fn deployment(world: &World, d: &Deployment) -> Value {
    let iso = |time: Option<Time>| time.map(Time::iso);
    let task_sets = d.task_sets.clone().unwrap_or_else(|| traffic::task_sets(d, world));
    json!({
        "id": d.id,
        "account": d.place.account,
        "region": d.place.region,
        "application": d.group.application,
        "group": d.group.name,
        "status": d.status.name(),
        "target_status": d.target_status(),
        "config": d.config.name,
        "creator": creator(d),
        "created_by": d.created_by,
        "description": d.description,
        "task_definition": d.rolls_back.is_none().then_some(&d.appspec.task_definition),
        "created": d.created.iso(),
        "started": iso(d.started),
        "ended": iso(d.completed),
        "ended_real_ms": d.ended_real_ms,
        "error": d.error.as_ref().map(|e| json!({ "code": e.code, "message": e.message })),
        "stopped_by": d.stop.as_ref().filter(|stop| d.completed.is_some_and(|at| at >= stop.at)).map(|stop| &stop.by),
        "rollback": d.rolled_back_by,
        "rolls_back": d.rolls_back,
        "events": d.events.iter().map(event).collect::<Vec<_>>(),
        "weights": d.weights.iter().map(|(at, green)| json!([at.iso(), green])).collect::<Vec<_>>(),
        "task_sets": task_sets.iter().map(|set| json!({
            "id": set.id,
            "label": set.label,
            "status": set.status,
            "weight": set.weight,
            "target_group": set.group,
        })).collect::<Vec<_>>(),
    })
}

/// As GetDeployment names it.
pub(super) fn creator(d: &Deployment) -> &'static str {
    if d.rolls_back.is_some() { "codeDeployRollback" } else { "user" }
}

fn event(event: &Event) -> Value {
    let hook = |hook: &Hook| json!({ "function": hook.function, "execution": hook.execution });
    json!({
        "name": event.name,
        "status": event.status.name(),
        "started": event.started.map(Time::iso),
        "ended": event.ended.map(Time::iso),
        "hook": event.hook.as_ref().map(hook),
    })
}
