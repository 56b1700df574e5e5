//! The world against clients that nobody here wrote. Each script of `clients/` is run in the
//! environment of a job of a world of its own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::json;
use simulator::{Fault, Options, World};
use std::{sync::Arc, time::Duration};
use support::{options, run, spec};

#[tokio::test]
async fn sts() {
    script("hello.yml", options(), "sts.py").await;
}

#[tokio::test]
async fn front() {
    script("hello.yml", options(), "front.py").await;
}

#[tokio::test]
async fn faults_of_the_transport() {
    for fault in [Fault::Throttling, Fault::ServerErrors, Fault::ConnectionResets] {
        script("hello.yml", Options { faults: vec![fault], ..options() }, "faults.py").await;
    }
}

#[tokio::test]
async fn elb() {
    script("traffic.yml", Options { speed: 30.0, ..options() }, "elb.py").await;
}

#[tokio::test]
async fn cloudwatch() {
    script("traffic.yml", Options { speed: 60.0, ..options() }, "cloudwatch.py").await;
}

#[tokio::test]
async fn ecr() {
    // A scan takes its time, in the world's.
    script("registries.yml", Options { speed: 20.0, ..options() }, "ecr.py").await;
}

#[tokio::test]
async fn a_permission_that_is_missing() {
    script("hello.yml", Options { faults: vec![Fault::PermissionMissing], ..options() }, "permissions.py")
        .await;
}

#[tokio::test]
async fn credentials_that_expire() {
    let faults = vec![Fault::CredentialsExpire];
    script("hello.yml", Options { faults, speed: 60.0, ..options() }, "expiry.py").await;
}

#[tokio::test]
async fn codedeploy() {
    deployments("codedeploy.py", Vec::new()).await;
}

#[tokio::test]
async fn a_deployment_just_created() {
    // So slow that it stays just created.
    script("codedeploy.yml", Options { speed: 0.01, ..options() }, "created.py").await;
}

#[tokio::test]
async fn aws_ecs_deploy() {
    deployments("ecs_deploy.py", Vec::new()).await;
}

#[tokio::test]
async fn a_deployment_of_somebody_else() {
    deployments("stranger.py", vec![Fault::DeploymentActive]).await;
}

/// Runs the script in a quick world whose services serve.
async fn deployments(script: &str, faults: Vec<Fault>) {
    let options = Options { speed: 30.0, faults, ..options() };
    let world = World::start(spec("codedeploy.yml").unwrap(), options).await.unwrap();
    let config = json!({ "os": "linux", "architecture": "amd64" });
    world.seed_image("222222222222", "hello", "1", config).unwrap();
    world.begin();
    world.settled(Duration::from_secs(60)).await.unwrap();
    end(&world, script).await;
}

#[tokio::test]
async fn ecs() {
    let world = World::start(spec("tasks.yml").unwrap(), Options { speed: 60.0, ..options() }).await.unwrap();
    for version in ["1", "2"] {
        let config = json!({"config": {"Env": [format!("VERSION={version}")]}});
        world.seed_image("111111111111", "hello", version, config).unwrap();
    }
    world.begin();
    world.settled(Duration::from_secs(60)).await.unwrap();
    end(&world, "ecs.py").await;
}

#[tokio::test]
async fn github() {
    script("hello.yml", options(), "github_api.py").await;
}

/// Starts the world, runs the script, and stops the world whatever came of it.
async fn script(world: &str, options: Options, script: &str) {
    let world = World::start(spec(world).unwrap(), options).await.unwrap();
    world.begin();
    end(&world, script).await;
}

async fn end(world: &Arc<World>, script: &str) {
    let end = run(world, script).await;
    world.shut_down().await;
    if let Err(error) = end {
        panic!("{error}");
    }
}
