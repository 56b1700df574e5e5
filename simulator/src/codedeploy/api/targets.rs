//! A deployment's only target: the service.

use super::super::{
    model::{Deployment, Phase},
    traffic,
};
use super::input::{self, Result, error};
use super::{deployments, views};
use crate::front::{Answer, Call};
use crate::state::State as World;
use serde_json::{Value, json};

pub(super) fn list(world: &mut World, call: &Call) -> Answer {
    let deployment = started(world, call)?;
    let mut included = true;
    if let Some(filters) = call.input.get("targetFilters").and_then(Value::as_object) {
        for name in filters.keys() {
            match name.as_str() {
                "TargetStatus" => {
                    let wanted = input::texts(&call.input["targetFilters"], name)?.unwrap_or_default();
                    included &= wanted.contains(&deployment.target_status());
                }
                "ServerInstanceLabel" => included = false,
                other => {
                    let message = format!("{other} is not a filter for targets.");
                    return error("InvalidTargetFilterNameException", message);
                }
            }
        }
    }
    let ids = if included { vec![deployment.group.target_id()] } else { Vec::new() };
    Ok(json!({ "targetIds": ids, "nextToken": null }))
}

pub(super) fn get(world: &mut World, call: &Call) -> Answer {
    let deployment = started(world, call)?;
    let Some(id) = input::text(&call.input, "targetId")? else { return no_target_id() };
    own(&deployment, id)?;
    Ok(json!({ "deploymentTarget": view(world, &deployment) }))
}

pub(super) fn batch_get(world: &mut World, call: &Call) -> Answer {
    let deployment = started(world, call)?;
    let ids = input::texts(&call.input, "targetIds")?.unwrap_or_default();
    match ids.len() {
        0 => return no_target_id(),
        1..=25 => {}
        _ => {
            return error(
                "DeploymentTargetListSizeExceededException",
                "At most 25 targets can be asked for.",
            );
        }
    }
    for id in ids {
        own(&deployment, id)?;
    }
    Ok(json!({ "deploymentTargets": [view(world, &deployment)] }))
}

fn view(world: &World, deployment: &Deployment) -> Value {
    let task_sets = deployment.task_sets.clone().unwrap_or_else(|| traffic::task_sets(deployment, world));
    views::target(deployment, &task_sets)
}

/// The deployment, once its targets can be told.
fn started(world: &mut World, call: &Call) -> Result<Deployment> {
    let not_yet = world.truths.not_started_while_created;
    let deployment = deployments::deployment(world, call)?;
    if not_yet && matches!(deployment.phase, Phase::Created { .. }) {
        let message = format!("The deployment {} has not started.", deployment.id);
        return error("DeploymentNotStartedException", message);
    }
    Ok(deployment.clone())
}

fn own(deployment: &Deployment, id: &str) -> Result<()> {
    if id == deployment.group.target_id() {
        return Ok(());
    }
    if !id.contains(':') {
        return error("InvalidDeploymentTargetIdException", format!("The target ID {id} is not valid."));
    }
    let message = format!("The target ID {id} does not belong to the deployment {}.", deployment.id);
    error("DeploymentTargetDoesNotExistException", message)
}

fn no_target_id<T>() -> Result<T> {
    error("DeploymentTargetIdRequiredException", "A deployment target ID was not provided.")
}
