//! A world for tests of the pure parts: in it nothing moves but by a test's own hand.

#![allow(clippy::unwrap_used)]

use super::ServiceKey;
use crate::front::{Answer, Call, Caller, Service};
use crate::state::State;
use crate::{Options, World, engine::Command, spec::WorldSpec};
use parking_lot::MutexGuard;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

pub(super) const ACCOUNT: &str = "222222222222";
pub(super) const REGION: &str = "eu-central-1";

/// As long as a test holds the state and doesn't await, nobody else changes it.
pub(super) struct Still(Arc<World>);

impl Still {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

pub(super) async fn world() -> Still {
    with(|_| {}).await
}

pub(super) async fn with(change: impl FnOnce(&mut Value)) -> Still {
    let mut document = spec();
    change(&mut document);
    let spec: WorldSpec = serde_json::from_value(document).unwrap();
    let options = Options {
        listen: ([127, 0, 0, 1], 0).into(),
        speed: 1.0,
        faults: Vec::new(),
        docker: false,
        canary: None,
    };
    Still(World::start(spec, options).await.unwrap())
}

fn spec() -> Value {
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole",
    }]});
    let anything = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "*", "Resource": "*",
    }]});
    let role = |name: &str| json!({"name": name, "trust": trust, "policies": [anything]});
    let definition = |family: &str, more: Value| {
        let mut document = json!({
            "family": family,
            "executionRoleArn": format!("arn:aws:iam::{ACCOUNT}:role/exec"),
            "containerDefinitions": [{
                "name": "app", "image": format!("{{registry:{ACCOUNT}}}/web:1"), "memory": 128,
                "portMappings": [{"containerPort": 80}],
            }],
        });
        for (member, value) in more.as_object().unwrap() {
            document[member] = value.clone();
        }
        document
    };
    let fargate = json!({
        "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512",
    });
    let bridge = json!({"networkMode": "bridge", "requiresCompatibilities": ["EC2"]});
    let service = |name: &str, more: Value| {
        let mut service = json!({
            "name": name, "cluster": "prod", "task-definition": name, "container": "app",
            "container-port": 80,
        });
        for (member, value) in more.as_object().unwrap() {
            service[member] = value.clone();
        }
        service
    };
    let forward = json!([{"target-group": "blue", "weight": 100}, {"target-group": "green", "weight": 0}]);
    json!({
        "regions": [REGION],
        "caller": {"account": ACCOUNT, "user": "ci"},
        "accounts": [{
            "id": ACCOUNT,
            "region": REGION,
            "users": [{"name": "ci"}],
            "roles": [role("exec"), role("task")],
            "repositories": [{"name": "web"}],
            "clusters": [{
                "name": "prod", "container-instances": 2,
                "capacity-providers": ["FARGATE", "FARGATE_SPOT", "own"],
            }],
            "task-definitions": [
                definition("web", fargate.clone()),
                definition("bridge", bridge),
                definition("spread", fargate),
            ],
            "target-groups": [{"name": "blue"}, {"name": "green"}, {"name": "instances", "target-type": "instance"}],
            "load-balancers": [{"name": "front", "listeners": [
                {"name": "production", "forward": forward},
                {"name": "instances", "forward": [{"target-group": "instances", "weight": 1}]},
            ]}],
            "services": [
                service("web", json!({"target-group": "blue"})),
                service("bridge", json!({"controller": "ECS", "launch-type": "EC2", "target-group": "instances"})),
                service("spread", json!({
                    "controller": "EXTERNAL", "desired-count": 4,
                    "capacity-provider-strategy": [
                        {"capacityProvider": "FARGATE", "base": 1, "weight": 1},
                        {"capacityProvider": "FARGATE_SPOT", "weight": 2},
                    ],
                })),
            ],
        }],
    })
}

pub(super) fn key(service: &str) -> ServiceKey {
    ServiceKey { account: ACCOUNT.into(), cluster: "prod".into(), service: service.into() }
}

pub(super) fn call(operation: &str, input: Value) -> Call {
    Call {
        service: Service::Ecs,
        operation: operation.to_owned(),
        input,
        caller: Caller {
            account: ACCOUNT.to_owned(),
            arn: format!("arn:aws:iam::{ACCOUNT}:user/ci"),
            principal: "ci".into(),
            ..Caller::default()
        },
        region: REGION.to_owned(),
    }
}

pub(super) fn ask(state: &mut State, operation: &str, input: Value) -> Answer {
    super::handle(state, &call(operation, input))
}

/// Lets time pass and the scheduler act until it has nothing more to do. Answers its commands.
pub(super) fn pass(state: &mut State, seconds: u64) -> Vec<Command> {
    state.now = state.now + Duration::from_secs(seconds);
    state.ecs.begun = true;
    let mut commands = Vec::new();
    for _ in 0..20 {
        let next = super::advance(state, &mut commands);
        if next.is_none_or(|next| next > state.now) {
            return commands;
        }
    }
    panic!("the scheduler doesn't come to rest");
}
