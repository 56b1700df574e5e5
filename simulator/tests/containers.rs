//! Tasks that are real containers, seen through boto3. These tests need a Docker engine and
//! fail when there is none.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/images.rs"]
mod images;
mod support;

use anyhow::Result;
use images::Pusher;
use simulator::{Options, World};
use std::{sync::Arc, time::Duration};
use support::{options, run, spec};

#[tokio::test]
async fn services() {
    script("services.py").await;
}

#[tokio::test]
async fn tasks() {
    script("tasks.py").await;
}

async fn script(name: &str) {
    let options = Options { speed: 30.0, docker: true, ..options() };
    let world = World::start(spec("tasks.yml").unwrap(), options).await.unwrap();
    let end = play(&world, name).await;
    let started = runtime_ids(&world);
    world.shut_down().await;
    end.unwrap();
    assert!(!started.is_empty());
    let left = std::process::Command::new("docker").args(["ps", "-aq", "--no-trunc"]).output().unwrap();
    let left = String::from_utf8_lossy(&left.stdout);
    let left: Vec<&String> = started.iter().filter(|id| left.contains(id.as_str())).collect();
    assert!(left.is_empty(), "containers are left over: {left:?}");
    let images = std::process::Command::new("docker")
        .args(["images", "--format", "{{.Repository}}"])
        .output()
        .unwrap();
    let images = String::from_utf8_lossy(&images.stdout);
    for host in world.endpoints().registries.values() {
        assert!(!images.contains(host.as_str()), "images of {host} are left over");
    }
}

async fn play(world: &Arc<World>, name: &str) -> Result<()> {
    let images = Pusher::new(world, "111111111111")?;
    images.hello("hello", "1").await?;
    images.hello("hello", "2").await?;
    images.tool("tool", "1").await?;
    images.tool("closed", "1").await?;
    world.begin();
    world.settled(Duration::from_secs(60)).await?;
    run(world, name).await
}

/// The containers that the world has started.
fn runtime_ids(world: &World) -> Vec<String> {
    let snapshot = world.snapshot();
    let tasks = snapshot["tasks"].as_array().into_iter().flatten();
    let containers = tasks.flat_map(|task| task["containers"].as_array().into_iter().flatten());
    containers.filter_map(|one| one["runtime_id"].as_str().map(str::to_owned)).collect()
}
