//! Deployments and groups as the API writes them.

use super::super::{
    model::{Alarms, Deployment, Group, Holdings, Revision, Rollback, Status, TaskSetInfo},
    snapshot::creator,
};
use crate::Time;
use crate::front::timestamp;
use serde_json::{Value, json};

pub(super) fn deployment(d: &Deployment) -> Value {
    json!({
        "applicationName": d.group.application,
        "deploymentGroupName": d.group.name,
        "deploymentConfigName": d.config.name,
        "deploymentId": d.id,
        "previousRevision": d.previous_revision.as_deref().map(location),
        "revision": location(&d.revision),
        "status": d.status.name(),
        "errorInformation": d.error.as_ref().map(|e| json!({ "code": e.code, "message": e.message })),
        "createTime": timestamp(d.created),
        "startTime": d.started.map(timestamp),
        "completeTime": d.completed.map(timestamp),
        "deploymentOverview": overview(d),
        "description": d.description,
        "creator": creator(d),
        "ignoreApplicationStopFailures": false,
        "autoRollbackConfiguration": rollback(&d.rollback),
        "updateOutdatedInstancesOnly": false,
        "rollbackInfo": rollback_info(d),
        "deploymentStyle": style(),
        // Stays false for ECS, whatever its name promises.
        "instanceTerminationWaitTimeStarted": false,
        "blueGreenDeploymentConfiguration": blue_green(&d.group),
        "loadBalancerInfo": load_balancers(&d.group),
        "fileExistsBehavior": "DISALLOW",
        "deploymentStatusMessages": [],
        "computePlatform": "ECS",
        "overrideAlarmConfiguration": d.alarms_overridden.then(|| alarms(&d.alarms)),
    })
}

/// Counts the only target once the deployment has ended.
fn overview(d: &Deployment) -> Option<Value> {
    let count = |status: bool| u8::from(status);
    let succeeded = d.status == Status::Succeeded;
    d.ended().then(|| {
        json!({
            "Pending": 0, "InProgress": 0, "Succeeded": count(succeeded),
            "Failed": count(!succeeded), "Skipped": 0, "Ready": 0,
        })
    })
}

fn rollback_info(d: &Deployment) -> Option<Value> {
    match (&d.rolled_back_by, &d.rolls_back) {
        (Some(by), _) => Some(json!({
            "rollbackDeploymentId": by,
            "rollbackMessage": format!(
                "Deployment {} terminated. Automatic rollback is triggered with a DeploymentId {by}.", d.id
            ),
        })),
        (None, Some(of)) => Some(json!({
            "rollbackTriggeringDeploymentId": of,
            "rollbackMessage": format!("Deployment {} is triggered to roll back deployment {of}.", d.id),
        })),
        (None, None) => None,
    }
}

pub(super) fn target(d: &Deployment, task_sets: &[TaskSetInfo]) -> Value {
    let service = d.service();
    let event = |event: &super::super::model::Event| {
        json!({
            "lifecycleEventName": event.name,
            "startTime": event.started.map(timestamp),
            "endTime": event.ended.map(timestamp),
            "status": event.status.name(),
        })
    };
    let task_set = |set: &TaskSetInfo| {
        json!({
            "identifer": set.id,
            "desiredCount": set.desired,
            "pendingCount": set.pending,
            "runningCount": set.running,
            "status": set.status,
            "trafficWeight": set.weight,
            "targetGroup": { "name": set.group },
            "taskSetLabel": set.label,
        })
    };
    json!({
        "deploymentTargetType": "ECSTarget",
        "ecsTarget": {
            "deploymentId": d.id,
            "targetId": d.group.target_id(),
            "targetArn": format!(
                "arn:aws:ecs:{}:{}:service/{}/{}",
                d.place.region, d.place.account, service.cluster, service.service
            ),
            "lastUpdatedAt": timestamp(d.updated),
            "status": d.target_status(),
            "lifecycleEvents": d.events.iter().map(event).collect::<Vec<_>>(),
            "taskSetsInfo": task_sets.iter().map(task_set).collect::<Vec<_>>(),
        },
    })
}

pub(super) fn group(holdings: &Holdings, group: &Group) -> Value {
    let of_group = || holdings.of_group(&group.application, &group.name).rev();
    let last = |d: &Deployment| {
        json!({
            "deploymentId": d.id,
            "status": d.status.name(),
            "endTime": d.completed.map(timestamp),
            "createTime": timestamp(d.created),
        })
    };
    let target = holdings.target_revision(&group.application, &group.name);
    json!({
        "applicationName": group.application,
        "deploymentGroupId": group.id,
        "deploymentGroupName": group.name,
        "deploymentConfigName": group.config,
        "ec2TagFilters": [],
        "onPremisesInstanceTagFilters": [],
        "autoScalingGroups": [],
        "serviceRoleArn": group.service_role,
        "targetRevision": target.as_deref().map(location),
        "triggerConfigurations": group.triggers,
        "alarmConfiguration": alarms(&group.alarms),
        "autoRollbackConfiguration": rollback(&group.rollback),
        "deploymentStyle": style(),
        "outdatedInstancesStrategy": "UPDATE",
        "blueGreenDeploymentConfiguration": blue_green(group),
        "loadBalancerInfo": load_balancers(group),
        "lastSuccessfulDeployment": of_group().find(|d| d.status == Status::Succeeded).map(last),
        "lastAttemptedDeployment": of_group().next().map(last),
        "computePlatform": "ECS",
        "ecsServices": [{ "serviceName": group.service, "clusterName": group.cluster }],
        "terminationHookEnabled": false,
    })
}

fn style() -> Value {
    json!({ "deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL" })
}

fn blue_green(group: &Group) -> Value {
    let action = if group.ready.stop { "STOP_DEPLOYMENT" } else { "CONTINUE_DEPLOYMENT" };
    json!({
        "terminateBlueInstancesOnDeploymentSuccess": {
            "action": "TERMINATE",
            "terminationWaitTimeInMinutes": group.termination_minutes,
        },
        "deploymentReadyOption": { "actionOnTimeout": action, "waitTimeInMinutes": group.ready.minutes },
    })
}

fn load_balancers(group: &Group) -> Value {
    let names: Vec<Value> = group.target_groups.iter().map(|name| json!({ "name": name })).collect();
    json!({ "targetGroupPairInfoList": [{
        "targetGroups": names,
        "prodTrafficRoute": { "listenerArns": [group.production_listener] },
        "testTrafficRoute": group.test_listener.as_ref().map(|arn| json!({ "listenerArns": [arn] })),
    }]})
}

fn alarms(alarms: &Alarms) -> Value {
    let names: Vec<Value> = alarms.names.iter().map(|name| json!({ "name": name })).collect();
    json!({
        "enabled": alarms.enabled,
        "ignorePollAlarmFailure": alarms.ignore_poll_failure,
        "alarms": names,
    })
}

fn rollback(rollback: &Rollback) -> Value {
    json!({ "enabled": rollback.enabled, "events": rollback.events })
}

/// A revision without its text, which only GetApplicationRevision gives.
pub(super) fn location(sha256: &str) -> Value {
    json!({
        "revisionType": "AppSpecContent",
        "appSpecContent": { "content": null, "sha256": sha256 },
    })
}

/// A revision with its text.
pub(super) fn full_location(revision: &Revision) -> Value {
    json!({
        "revisionType": "AppSpecContent",
        "appSpecContent": { "content": revision.content, "sha256": revision.sha256 },
    })
}

pub(super) fn time(at: Option<Time>) -> Option<Value> {
    at.map(timestamp)
}
