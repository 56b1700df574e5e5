//! The operations of CodeDeploy's API, and the permissions that each takes.

mod applications;
mod configs;
mod deployments;
mod groups;
mod input;
mod needs;
mod revisions;
mod targets;
mod views;

pub(crate) use needs::needs;

use crate::front::{Answer, ApiError, Call};
use crate::state::State as World;

pub(crate) fn handle(world: &mut World, call: &Call) -> Answer {
    match call.operation.as_str() {
        "CreateDeployment" => deployments::create(world, call),
        "GetDeployment" => deployments::get(world, call),
        "BatchGetDeployments" => deployments::batch_get(world, call),
        "ListDeployments" => deployments::list(world, call),
        "StopDeployment" => deployments::stop(world, call),
        "ContinueDeployment" => deployments::go_on(world, call),
        "SkipWaitTimeForInstanceTermination" => deployments::skip_termination_wait(world, call),
        "PutLifecycleEventHookExecutionStatus" => deployments::put_hook_status(world, call),
        "ListDeploymentTargets" => targets::list(world, call),
        "GetDeploymentTarget" => targets::get(world, call),
        "BatchGetDeploymentTargets" => targets::batch_get(world, call),
        "CreateDeploymentGroup" => groups::create(world, call),
        "UpdateDeploymentGroup" => groups::update(world, call),
        "DeleteDeploymentGroup" => groups::delete(world, call),
        "GetDeploymentGroup" => groups::get(world, call),
        "BatchGetDeploymentGroups" => groups::batch_get(world, call),
        "ListDeploymentGroups" => groups::list(world, call),
        "CreateApplication" => applications::create(world, call),
        "UpdateApplication" => applications::update(world, call),
        "DeleteApplication" => applications::delete(world, call),
        "GetApplication" => applications::get(world, call),
        "BatchGetApplications" => applications::batch_get(world, call),
        "ListApplications" => applications::list(world, call),
        "GetApplicationRevision" => revisions::get(world, call),
        "BatchGetApplicationRevisions" => revisions::batch_get(world, call),
        "RegisterApplicationRevision" => revisions::register(world, call),
        "ListApplicationRevisions" => revisions::list(world, call),
        "GetDeploymentConfig" => configs::get(world, call),
        "ListDeploymentConfigs" => configs::list(world, call),
        "CreateDeploymentConfig" => configs::create(world, call),
        "DeleteDeploymentConfig" => configs::delete(world, call),
        other => Err(ApiError::new("UnknownOperationException", format!("no operation is named {other}"))),
    }
}
