//! Deployments: create, look at, stop, let go on.

use super::super::{
    configs::{self, Config},
    creation::{self, Request},
    machine::STOP_DELAY,
    model::{Deployment, Holdings, Phase, Place, Status, Stop, Work},
    populate::FAILING_HOOK,
    stranger,
};
use super::input::{self, Result, error};
use super::views;
use crate::Fault;
use crate::front::{Answer, Call};
use crate::state::State as World;
use serde_json::json;

pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    let (now, truths) = (world.now, world.truths.clone());
    let failing_hook = world.has(Fault::HookFails).then(|| FAILING_HOOK.to_owned());
    let holdings = input::holdings(world, call);
    let input = &call.input;

    let application = input::application(holdings, input::application_name(input)?)?;
    let group = input::group(application, input::group_name(input)?)?.clone();
    let (content, appspec) = input::revision(input)?;
    let description = input::text(input, "description")?;
    if description.is_some_and(|text| text.chars().count() > truths.description_limit) {
        return error("DescriptionTooLongException", "The description is too long.");
    }
    let config = config(holdings, input::text(input, "deploymentConfigName")?.unwrap_or(&group.config))?;
    let rollback = match input.get("autoRollbackConfiguration").filter(|c| !c.is_null()) {
        Some(given) => input::rollback(given)?,
        None => group.rollback.clone(),
    };
    let given_alarms = input.get("overrideAlarmConfiguration").filter(|c| !c.is_null());
    let alarms = match given_alarms {
        Some(given) => input::alarms(given)?,
        None => group.alarms.clone(),
    };
    if let Some(active) = active(holdings, &group.application, &group.name, truths.rollback_holds_slot) {
        stranger::stood_in_the_way(active, now);
        let message =
            format!("The Deployment Group '{}' already has an active Deployment '{}'", group.name, active.id);
        return error("DeploymentLimitExceededException", message);
    }
    let request = Request {
        group,
        config,
        description: description.map(str::to_owned),
        created_by: call.caller.arn.clone(),
        appspec,
        content,
        rollback,
        alarms,
        alarms_overridden: given_alarms.is_some(),
        failing_hook,
    };
    let deployment = creation::create(holdings, &Place::of(call), request, now);
    Ok(json!({ "deploymentId": deployment.id }))
}

fn config(holdings: &Holdings, name: &str) -> Result<Config> {
    let name = input::well_formed(name, "DeploymentConfig", "deployment configuration")?;
    let Some(config) = configs::find(holdings, name) else {
        let message = format!("No deployment configuration found for name: {name}");
        return error("DeploymentConfigDoesNotExistException", message);
    };
    if config.platform != "ECS" {
        let message = format!(
            "The deployment configuration {name} is for the compute platform {}, not ECS.",
            config.platform
        );
        return error("InvalidDeploymentConfigNameException", message);
    }
    Ok(config)
}

/// The deployment that holds the group's only slot.
fn active<'a>(
    holdings: &'a mut Holdings,
    application: &str,
    group: &str,
    rollback_counts: bool,
) -> Option<&'a mut Deployment> {
    holdings.deployments.iter_mut().find(|d| {
        let same = d.group.application == application && d.group.name == group;
        same && !d.ended() && (rollback_counts || d.rolls_back.is_none())
    })
}

pub(super) fn get(world: &mut World, call: &Call) -> Answer {
    let deployment = deployment(world, call)?;
    Ok(json!({ "deploymentInfo": views::deployment(deployment) }))
}

pub(super) fn batch_get(world: &mut World, call: &Call) -> Answer {
    let now = world.now;
    let holdings = input::holdings(world, call);
    let ids = input::batch(&call.input, "deploymentIds", "DeploymentIdRequiredException")?;
    let mut infos = Vec::new();
    for id in ids {
        let id = input::valid_id(id)?;
        if let Some(deployment) = holdings.deployments.iter_mut().find(|d| d.id == id) {
            stranger::looked_at(deployment, now);
            infos.push(views::deployment(deployment));
        }
    }
    Ok(json!({ "deploymentsInfo": infos }))
}

pub(super) fn list(world: &mut World, call: &Call) -> Answer {
    let now = world.now;
    let holdings = input::holdings(world, call);
    let input = &call.input;
    let group = match (input::text(input, "applicationName")?, input::text(input, "deploymentGroupName")?) {
        (None, None) => None,
        _ => {
            let application = input::application(holdings, input::application_name(input)?)?;
            let group = input::group(application, input::group_name(input)?)?;
            Some((group.application.clone(), group.name.clone()))
        }
    };
    let statuses = input::texts(input, "includeOnlyStatuses")?.unwrap_or_default();
    if let Some(unknown) = statuses.iter().find(|status| !Status::NAMES.contains(status)) {
        return error("InvalidDeploymentStatusException", format!("{unknown} is not a deployment's status."));
    }
    let range = input.get("createTimeRange").cloned().unwrap_or_default();
    let (start, end) = (input::time(&range, "start")?, input::time(&range, "end")?);
    if start.zip(end).is_some_and(|(start, end)| start > end) {
        return error("InvalidTimeRangeException", "The time range ends before it starts.");
    }
    let mut found = Vec::new();
    for deployment in holdings.deployments.iter_mut().rev() {
        let (application, name) = (&deployment.group.application, &deployment.group.name);
        let matches = group.as_ref().is_none_or(|(a, g)| a == application && g == name)
            && (statuses.is_empty() || statuses.contains(&deployment.status.name()))
            && start.is_none_or(|start| deployment.created.0 >= start)
            && end.is_none_or(|end| deployment.created.0 <= end);
        if matches {
            if !deployment.ended() {
                stranger::looked_at(deployment, now);
            }
            found.push(deployment.id.clone());
        }
    }
    let (deployments, next) = input::page(found, input)?;
    Ok(json!({ "deployments": deployments, "nextToken": next }))
}

pub(super) fn stop(world: &mut World, call: &Call) -> Answer {
    let (now, in_termination) = (world.now, world.truths.stop_in_termination_wait);
    let deployment = running(world, call)?;
    if matches!(deployment.phase, Phase::Terminating { .. }) && !in_termination {
        return already_completed(deployment);
    }
    deployment.stop = Some(Stop {
        at: now + STOP_DELAY,
        rollback: input::boolean(&call.input, "autoRollbackEnabled")?,
        by: call.caller.arn.clone(),
    });
    Ok(json!({ "status": "Pending", "statusMessage": "The deployment is being stopped." }))
}

pub(super) fn go_on(world: &mut World, call: &Call) -> Answer {
    let (now, default) = (world.now, world.truths.default_wait_type.clone());
    let wait = input::text(&call.input, "deploymentWaitType")?.unwrap_or(&default).to_owned();
    if !["READY_WAIT", "TERMINATION_WAIT"].contains(&wait.as_str()) {
        return error("InvalidDeploymentWaitTypeException", format!("The wait type {wait} is not valid."));
    }
    let deployment = running(world, call)?;
    match (&mut deployment.phase, wait.as_str()) {
        (Phase::Ready { go, .. }, "READY_WAIT") => *go = true,
        (Phase::Terminating { until }, "TERMINATION_WAIT") => *until = Some(now),
        _ => {
            let message =
                format!("The deployment {} is not in the {wait} and can't continue.", deployment.id);
            return error("DeploymentIsNotInReadyStateException", message);
        }
    }
    Ok(json!({}))
}

pub(super) fn skip_termination_wait(world: &mut World, call: &Call) -> Answer {
    let now = world.now;
    let deployment = running(world, call)?;
    match &mut deployment.phase {
        Phase::Terminating { until } => {
            *until = Some(now);
            Ok(json!({}))
        }
        _ => error("DeploymentNotStartedException", "The termination wait has not started."),
    }
}

pub(super) fn put_hook_status(world: &mut World, call: &Call) -> Answer {
    let now = world.now;
    let given = input::text(&call.input, "status")?.unwrap_or_default().to_owned();
    if !["Succeeded", "Failed"].contains(&given.as_str()) {
        let message = "The status of a hook's execution must be Succeeded or Failed.";
        return error("InvalidLifecycleEventHookExecutionStatusException", message);
    }
    let deployment = deployment(world, call)?;
    let execution = input::text(&call.input, "lifecycleEventHookExecutionId")?.unwrap_or_default();
    let named = |event: &super::super::model::Event| {
        event.hook.as_ref().is_some_and(|hook| hook.execution.as_deref() == Some(execution))
    };
    let Some(position) = deployment.events.iter().position(named) else {
        let message =
            format!("No lifecycle event of {} has the hook execution '{execution}'.", deployment.id);
        return error("InvalidLifecycleEventHookExecutionIdException", message);
    };
    match &mut deployment.phase {
        Phase::Event { index, work: Work::Hook { answer, .. } } if *index == position => {
            *answer = Some((now, given == "Succeeded"));
            Ok(json!({ "lifecycleEventHookExecutionId": execution }))
        }
        _ => error("LifecycleEventAlreadyCompletedException", "The lifecycle event is already complete."),
    }
}

/// The deployment that the call names.
pub(super) fn deployment<'a>(world: &'a mut World, call: &Call) -> Result<&'a mut Deployment> {
    let now = world.now;
    let holdings = input::holdings(world, call);
    let index = input::deployment_index(holdings, input::deployment_id(&call.input)?)?;
    let deployment = &mut holdings.deployments[index];
    stranger::looked_at(deployment, now);
    Ok(deployment)
}

/// The deployment that the call names, if it has not ended.
fn running<'a>(world: &'a mut World, call: &Call) -> Result<&'a mut Deployment> {
    let deployment = deployment(world, call)?;
    if deployment.ended() { already_completed(deployment) } else { Ok(deployment) }
}

fn already_completed<T>(deployment: &Deployment) -> Result<T> {
    let message = format!("The deployment {} is already complete.", deployment.id);
    error("DeploymentAlreadyCompletedException", message)
}
