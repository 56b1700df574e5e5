//! The operations, on a world whose services stand still.

use super::super::{api, model::Status};
use super::*;
use crate::{
    Options, World,
    front::{Answer, Call, Caller, Service as Aws},
    spec::WorldSpec,
};
use serde_json::{Value, json};
use std::sync::Arc;

const ACCOUNT: &str = "222222222222";
const REGION: &str = "eu-central-1";

/// Starts nothing: its time stands still but for what a test does.
struct Api {
    world: Arc<World>,
}

async fn api(faults: &[Fault]) -> Api {
    let spec: WorldSpec = serde_json::from_value(json!({
        "regions": [REGION],
        "caller": { "account": ACCOUNT, "user": "ci" },
        "accounts": [{
            "id": ACCOUNT,
            "region": REGION,
            "users": [{ "name": "ci" }],
            "target-groups": [{ "name": "one" }, { "name": "two" }],
            "load-balancers": [{ "name": "front", "listeners": [
                { "name": "production", "forward": [{ "target-group": "one", "weight": 100 }] },
                { "name": "test", "forward": [{ "target-group": "one", "weight": 100 }] },
            ]}],
            "deployment-configs": [
                { "name": "quick", "kind": "TimeBasedCanary", "percentage": 20, "interval-minutes": 1 },
            ],
            "applications": [{ "name": "shop", "groups": [{
                "name": "web", "cluster": "prod", "service": "web", "target-groups": ["one", "two"],
                "ready-wait-minutes": 5, "alarms": ["5xx"],
            }]}],
        }],
    }))
    .unwrap();
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        // Too slow for anything to come due.
        speed: 0.000_001,
        faults: faults.to_vec(),
        docker: false,
        canary: None,
    };
    Api { world: World::start(spec, options).await.unwrap() }
}

impl Api {
    fn call(&self, operation: &str, input: Value) -> Answer {
        api::handle(&mut self.world.lock(), &call(operation, input))
    }

    fn code(&self, operation: &str, input: Value) -> String {
        self.call(operation, input).unwrap_err().code
    }

    fn create(&self) -> String {
        let answer = self.call("CreateDeployment", creation()).unwrap();
        answer["deploymentId"].as_str().unwrap().to_owned()
    }

    fn with(&self, id: &str, change: impl FnOnce(&mut Deployment)) {
        let mut state = self.world.lock();
        let holdings =
            state.codedeploy.places.get_mut(&Place { account: ACCOUNT.into(), region: REGION.into() });
        change(holdings.unwrap().deployments.iter_mut().find(|d| d.id == id).unwrap());
    }

    fn info(&self, id: &str) -> Value {
        self.call("GetDeployment", json!({ "deploymentId": id })).unwrap()["deploymentInfo"].clone()
    }
}

fn call(operation: &str, input: Value) -> Call {
    Call {
        service: Aws::CodeDeploy,
        operation: operation.into(),
        input,
        caller: Caller {
            account: ACCOUNT.into(),
            arn: format!("arn:aws:iam::{ACCOUNT}:user/ci"),
            principal: "ci".into(),
            ..Caller::default()
        },
        region: REGION.into(),
    }
}

fn content() -> String {
    json!({ "version": 0.0, "Resources": [{ "T": { "Type": "AWS::ECS::Service", "Properties": {
        "TaskDefinition": "arn:aws:ecs:eu-central-1:222222222222:task-definition/web:8",
        "LoadBalancerInfo": { "ContainerName": "web", "ContainerPort": 80 },
    }}}]})
    .to_string()
}

fn creation() -> Value {
    json!({
        "applicationName": "shop", "deploymentGroupName": "web",
        "revision": { "revisionType": "AppSpecContent", "appSpecContent": { "content": content() } },
    })
}

/// `creation` with something else in it; null takes a field out.
fn but(change: Value) -> Value {
    let mut input = creation();
    for (key, value) in change.as_object().unwrap() {
        input[key] = value.clone();
    }
    input
}

#[tokio::test]
async fn a_deployment_that_cannot_be_is_refused_with_its_own_code() {
    let api = api(&[]).await;
    let revision = |revision: Value| but(json!({ "revision": revision }));
    let inline = |content: &str, sha256: Value| {
        revision(
            json!({ "revisionType": "AppSpecContent", "appSpecContent": { "content": content, "sha256": sha256 } }),
        )
    };
    let rows = [
        (but(json!({ "applicationName": null })), "ApplicationNameRequiredException"),
        (but(json!({ "applicationName": "a b" })), "InvalidApplicationNameException"),
        (but(json!({ "applicationName": "nothing" })), "ApplicationDoesNotExistException"),
        (but(json!({ "deploymentGroupName": null })), "DeploymentGroupNameRequiredException"),
        (but(json!({ "deploymentGroupName": "nothing" })), "DeploymentGroupDoesNotExistException"),
        (revision(Value::Null), "RevisionRequiredException"),
        (revision(json!({})), "RevisionRequiredException"),
        (revision(json!({ "revisionType": "S3", "s3Location": {} })), "InvalidRevisionException"),
        (revision(json!({ "revisionType": "GitHub" })), "InvalidRevisionException"),
        (inline("nonsense", Value::Null), "InvalidRevisionException"),
        (inline(&content(), json!("00")), "InvalidRevisionException"),
        (but(json!({ "description": "x".repeat(513) })), "DescriptionTooLongException"),
        (but(json!({ "deploymentConfigName": "nothing" })), "DeploymentConfigDoesNotExistException"),
        (
            but(json!({ "deploymentConfigName": "CodeDeployDefault.OneAtATime" })),
            "InvalidDeploymentConfigNameException",
        ),
        (
            but(json!({ "autoRollbackConfiguration": { "enabled": true } })),
            "InvalidAutoRollbackConfigException",
        ),
        (but(json!({ "overrideAlarmConfiguration": { "enabled": true } })), "InvalidAlarmConfigException"),
    ];
    for (input, code) in rows {
        assert_eq!(api.code("CreateDeployment", input.clone()), code, "{input}");
    }
    assert!(api.call("ListDeployments", json!({})).unwrap()["deployments"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn what_was_given_is_what_is_told() {
    let api = api(&[]).await;
    let sha256 = creation::sha256(&content());
    let input = but(json!({
        "description": "x".repeat(512), "deploymentConfigName": "quick",
        "autoRollbackConfiguration": { "enabled": true, "events": ["DEPLOYMENT_FAILURE"] },
        "overrideAlarmConfiguration": { "enabled": true, "alarms": [{ "name": "other" }] },
        "revision": {
            "revisionType": "AppSpecContent",
            "appSpecContent": { "content": content(), "sha256": sha256 },
        },
    }));
    let id = api.call("CreateDeployment", input).unwrap()["deploymentId"].as_str().unwrap().to_owned();
    let info = api.info(&id);
    assert_eq!(info["status"], "Created");
    assert_eq!(info["creator"], "user");
    assert_eq!(info["deploymentConfigName"], "quick");
    assert_eq!(info["revision"]["appSpecContent"], json!({ "content": null, "sha256": sha256 }));
    assert_eq!(info["deploymentOverview"], Value::Null);
    assert_eq!(info["instanceTerminationWaitTimeStarted"], false);
    assert_eq!(info["autoRollbackConfiguration"]["events"], json!(["DEPLOYMENT_FAILURE"]));
    assert_eq!(info["overrideAlarmConfiguration"]["alarms"], json!([{ "name": "other" }]));
    assert_eq!(info["blueGreenDeploymentConfiguration"]["deploymentReadyOption"]["waitTimeInMinutes"], 5);
    assert_eq!(info["loadBalancerInfo"]["targetGroupPairInfoList"][0]["targetGroups"][1]["name"], "two");

    let asked = json!({ "applicationName": "shop", "revision": info["revision"] });
    let revision = api.call("GetApplicationRevision", asked).unwrap();
    assert_eq!(revision["revision"]["appSpecContent"]["content"], content());
    let unknown = json!({ "applicationName": "shop", "revision": {
        "revisionType": "AppSpecContent", "appSpecContent": { "sha256": "00" },
    }});
    assert_eq!(api.code("GetApplicationRevision", unknown), "RevisionDoesNotExistException");
}

#[tokio::test]
async fn a_group_has_one_active_deployment() {
    let api = api(&[]).await;
    let id = api.create();
    let refused = api.call("CreateDeployment", creation()).unwrap_err();
    assert_eq!(refused.code, "DeploymentLimitExceededException");
    assert_eq!(
        refused.message,
        format!("The Deployment Group 'web' already has an active Deployment '{id}'")
    );
    // The termination wait is active too.
    api.with(&id, |d| d.phase = Phase::Terminating { until: None });
    assert_eq!(api.code("CreateDeployment", creation()), "DeploymentLimitExceededException");
    // A rollback holds the slot, where that is the truth.
    api.with(&id, |d| d.rolls_back = Some("d-000000000".into()));
    assert_eq!(api.code("CreateDeployment", creation()), "DeploymentLimitExceededException");
    api.world.lock().truths.rollback_holds_slot = false;
    api.create();
}

#[tokio::test]
async fn targets_are_told_once_the_deployment_has_started() {
    let api = api(&[]).await;
    let id = api.create();
    let list = json!({ "deploymentId": id });
    let one = json!({ "deploymentId": id, "targetId": "prod:web" });
    assert_eq!(api.code("ListDeploymentTargets", list.clone()), "DeploymentNotStartedException");
    assert_eq!(api.code("GetDeploymentTarget", one.clone()), "DeploymentNotStartedException");
    api.world.lock().truths.not_started_while_created = false;
    assert_eq!(api.call("ListDeploymentTargets", list).unwrap()["targetIds"], json!(["prod:web"]));
    let target = api.call("GetDeploymentTarget", one).unwrap()["deploymentTarget"]["ecsTarget"].clone();
    assert_eq!(target["status"], "Pending");
    assert_eq!(target["targetArn"], "arn:aws:ecs:eu-central-1:222222222222:service/prod/web");
    assert_eq!(
        target["lifecycleEvents"][0],
        json!({
            "lifecycleEventName": "BeforeInstall", "startTime": null, "endTime": null, "status": "Pending",
        })
    );

    let batch = |ids: Value| json!({ "deploymentId": id, "targetIds": ids });
    assert_eq!(
        api.call("BatchGetDeploymentTargets", batch(json!(["prod:web"]))).unwrap()["deploymentTargets"][0]["ecsTarget"]
            ["targetId"],
        "prod:web"
    );
    let rows = [
        ("BatchGetDeploymentTargets", batch(json!([])), "DeploymentTargetIdRequiredException"),
        ("BatchGetDeploymentTargets", batch(json!(["a:b"])), "DeploymentTargetDoesNotExistException"),
        (
            "BatchGetDeploymentTargets",
            batch(json!(vec!["a:b"; 26])),
            "DeploymentTargetListSizeExceededException",
        ),
        ("GetDeploymentTarget", json!({ "deploymentId": id }), "DeploymentTargetIdRequiredException"),
        (
            "GetDeploymentTarget",
            json!({ "deploymentId": id, "targetId": "x" }),
            "InvalidDeploymentTargetIdException",
        ),
        ("GetDeploymentTarget", json!({ "deploymentId": "d-000000000" }), "DeploymentDoesNotExistException"),
    ];
    for (operation, input, code) in rows {
        assert_eq!(api.code(operation, input.clone()), code, "{operation} {input}");
    }
}

#[tokio::test]
async fn deployments_are_listed_newest_first() {
    let api = api(&[]).await;
    let mut ids = Vec::new();
    for n in 0..103 {
        let id = api.create();
        api.with(&id, |d| {
            d.phase = Phase::Ended;
            d.status = if n == 0 { Status::Failed } else { Status::Succeeded };
            d.created = Time(n * 1000);
        });
        ids.insert(0, id);
    }
    let listed = |input: Value| {
        let answer = api.call("ListDeployments", input).unwrap();
        let ids: Vec<String> = serde_json::from_value(answer["deployments"].clone()).unwrap();
        (ids, answer["nextToken"].clone())
    };
    let of_group = json!({ "applicationName": "shop", "deploymentGroupName": "web" });
    let (first, token) = listed(of_group.clone());
    assert_eq!(first, ids[..100]);
    let mut more = of_group;
    more["nextToken"] = token;
    assert_eq!(listed(more), (ids[100..].to_vec(), Value::Null));
    assert_eq!(listed(json!({ "includeOnlyStatuses": ["Failed"] })).0, ids[102..]);
    assert_eq!(listed(json!({ "createTimeRange": { "start": 100, "end": 101.5 } })).0, ids[1..3]);

    let rows = [
        (json!({ "applicationName": "shop" }), "DeploymentGroupNameRequiredException"),
        (json!({ "deploymentGroupName": "web" }), "ApplicationNameRequiredException"),
        (json!({ "includeOnlyStatuses": ["Sleeping"] }), "InvalidDeploymentStatusException"),
        (json!({ "createTimeRange": { "start": 2, "end": 1 } }), "InvalidTimeRangeException"),
        (json!({ "nextToken": "?" }), "InvalidNextTokenException"),
    ];
    for (input, code) in rows {
        assert_eq!(api.code("ListDeployments", input.clone()), code, "{input}");
    }
}

#[tokio::test]
async fn continuing_and_stopping_take_the_right_moment() {
    let api = api(&[]).await;
    let id = api.create();
    let go = |wait: Value| json!({ "deploymentId": id, "deploymentWaitType": wait });
    let stop = json!({ "deploymentId": id, "autoRollbackEnabled": true });
    assert_eq!(api.code("ContinueDeployment", go(json!("FOR_EVER"))), "InvalidDeploymentWaitTypeException");
    for wait in ["READY_WAIT", "TERMINATION_WAIT"] {
        assert_eq!(api.code("ContinueDeployment", go(json!(wait))), "DeploymentIsNotInReadyStateException");
    }
    api.with(&id, |d| d.phase = Phase::Ready { until: Time(i64::MAX), go: false });
    assert_eq!(
        api.code("ContinueDeployment", go(json!("TERMINATION_WAIT"))),
        "DeploymentIsNotInReadyStateException"
    );
    api.call("ContinueDeployment", go(Value::Null)).unwrap();
    api.with(&id, |d| assert_eq!(d.phase, Phase::Ready { until: Time(i64::MAX), go: true }));

    api.with(&id, |d| d.phase = Phase::Terminating { until: None });
    api.world.lock().truths.stop_in_termination_wait = false;
    assert_eq!(api.code("StopDeployment", stop.clone()), "DeploymentAlreadyCompletedException");
    api.world.lock().truths.stop_in_termination_wait = true;
    assert_eq!(api.call("StopDeployment", stop.clone()).unwrap()["status"], "Pending");
    api.call("ContinueDeployment", go(json!("TERMINATION_WAIT"))).unwrap();

    api.with(&id, |d| d.phase = Phase::Ended);
    assert_eq!(api.code("StopDeployment", stop), "DeploymentAlreadyCompletedException");
    assert_eq!(
        api.code("ContinueDeployment", go(json!("READY_WAIT"))),
        "DeploymentAlreadyCompletedException"
    );
}

#[tokio::test]
async fn ids_that_nobody_knows_are_told() {
    let api = api(&[]).await;
    for operation in ["GetDeployment", "StopDeployment", "ContinueDeployment", "ListDeploymentTargets"] {
        assert_eq!(api.code(operation, json!({})), "DeploymentIdRequiredException", "{operation}");
        assert_eq!(api.code(operation, json!({ "deploymentId": "d-1" })), "InvalidDeploymentIdException");
        let unknown = json!({ "deploymentId": "d-000000000" });
        assert_eq!(api.code(operation, unknown), "DeploymentDoesNotExistException", "{operation}");
    }
    let batch = api.call("BatchGetDeployments", json!({ "deploymentIds": ["d-000000000"] })).unwrap();
    assert_eq!(batch, json!({ "deploymentsInfo": [] }));
    let many: Vec<String> = (0..101).map(|n| format!("d-{n:09}")).collect();
    assert_eq!(
        api.code("BatchGetDeployments", json!({ "deploymentIds": many })),
        "BatchLimitExceededException"
    );
}

#[tokio::test]
async fn callbacks_of_hooks_are_checked() {
    let api = api(&[Fault::HookFails]).await;
    let id = api.create();
    let execution = "e-1";
    api.with(&id, |d| {
        let hooked = d.events.iter().position(|e| e.hook.is_some()).unwrap();
        assert_eq!(d.events[hooked].name, "AfterAllowTestTraffic");
        d.events[hooked].hook.as_mut().unwrap().execution = Some(execution.into());
        let work = super::super::model::Work::Hook { answer: None, limit: Time(i64::MAX) };
        d.phase = Phase::Event { index: hooked, work };
    });
    let put = |execution: &str, status: &str| json!({ "deploymentId": id, "lifecycleEventHookExecutionId": execution, "status": status });
    let operation = "PutLifecycleEventHookExecutionStatus";
    assert_eq!(
        api.code(operation, put(execution, "Pending")),
        "InvalidLifecycleEventHookExecutionStatusException"
    );
    assert_eq!(api.code(operation, put("e-2", "Failed")), "InvalidLifecycleEventHookExecutionIdException");
    assert_eq!(
        api.call(operation, put(execution, "Succeeded")).unwrap()["lifecycleEventHookExecutionId"],
        execution
    );
    api.with(&id, |d| d.phase = Phase::Terminating { until: None });
    assert_eq!(api.code(operation, put(execution, "Succeeded")), "LifecycleEventAlreadyCompletedException");
}

#[tokio::test]
async fn groups_tell_all_that_clients_index() {
    let api = api(&[Fault::RollbackDisabled]).await;
    let asked = json!({ "applicationName": "shop", "deploymentGroupName": "web" });
    let group = api.call("GetDeploymentGroup", asked.clone()).unwrap()["deploymentGroupInfo"].clone();
    assert_eq!(group["computePlatform"], "ECS");
    assert_eq!(group["ecsServices"], json!([{ "serviceName": "web", "clusterName": "prod" }]));
    assert_eq!(
        group["blueGreenDeploymentConfiguration"],
        json!({
            "terminateBlueInstancesOnDeploymentSuccess": { "action": "TERMINATE", "terminationWaitTimeInMinutes": 5 },
            "deploymentReadyOption": { "actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": 5 },
        })
    );
    assert_eq!(group["autoRollbackConfiguration"]["enabled"], false, "the fault");
    assert_eq!(group["alarmConfiguration"]["alarms"], json!([{ "name": "5xx" }]));
    assert_eq!(group["lastAttemptedDeployment"], Value::Null);
    let id = api.create();
    let group = api.call("GetDeploymentGroup", asked).unwrap()["deploymentGroupInfo"].clone();
    assert_eq!(group["lastAttemptedDeployment"]["deploymentId"], id);
    assert_eq!(group["lastSuccessfulDeployment"], Value::Null);

    let batch = json!({ "applicationName": "shop", "deploymentGroupNames": ["web", "nothing"] });
    let batch = api.call("BatchGetDeploymentGroups", batch).unwrap();
    assert_eq!(batch["deploymentGroupsInfo"].as_array().unwrap().len(), 1);
    assert_eq!(batch["errorMessage"], "No Deployment Group found for name: nothing");
}

#[tokio::test]
async fn permissions_are_asked_for_on_the_right_arns() {
    let api = api(&[]).await;
    let id = api.create();
    let needs = |operation: &str, input: Value| -> Vec<String> {
        let needs = api::needs(&api.world.lock(), &call(operation, input));
        let short = |arn: &str| arn.rsplit_once(&format!("{ACCOUNT}:")).unwrap().1.to_owned();
        needs.iter().map(|need| format!("{} {}", need.action, short(&need.resource))).collect()
    };
    assert_eq!(
        needs("CreateDeployment", but(json!({ "overrideAlarmConfiguration": { "enabled": false } }))),
        [
            "codedeploy:CreateDeployment deploymentgroup:shop/web",
            "codedeploy:GetDeploymentConfig deploymentconfig:CodeDeployDefault.ECSAllAtOnce",
            "codedeploy:RegisterApplicationRevision application:shop",
            "codedeploy:UpdateDeploymentGroup deploymentgroup:shop/web",
        ]
    );
    assert_eq!(
        needs("StopDeployment", json!({ "deploymentId": id })),
        ["codedeploy:StopDeployment deploymentgroup:shop/web"]
    );
    assert_eq!(
        needs("BatchGetDeployments", json!({ "deploymentIds": [id, id] })),
        ["codedeploy:BatchGetDeployments deploymentgroup:shop/web"]
    );
    assert_eq!(
        needs("GetApplicationRevision", json!({ "applicationName": "shop" })),
        ["codedeploy:GetApplicationRevision application:shop"]
    );
    assert_eq!(
        needs("GetDeploymentConfig", json!({ "deploymentConfigName": "quick" })),
        ["codedeploy:GetDeploymentConfig deploymentconfig:quick"]
    );
    assert_eq!(needs("ListDeployments", json!({})), ["codedeploy:ListDeployments deploymentgroup:*"]);
    assert!(needs("GetDeployment", json!({ "deploymentId": "d-000000000" })).is_empty());
}
