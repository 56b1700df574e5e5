//! The scheduler by hand: a test lets time pass and plays the engine.

#![allow(clippy::unwrap_used)]

use super::super::fixture::{self, ACCOUNT, ask, key, pass};
use super::super::{NewTaskSet, create_task_set, drain_task_set, report, set_primary, task_sets};
use super::*;
use crate::engine::Port;
use serde_json::json;
use std::net::SocketAddr;

fn task_set(world: &World, id: &str) -> Option<super::super::TaskSetView> {
    task_sets(world, &key("web")).into_iter().find(|set| set.id == id)
}

fn tasks_of(world: &World, service: &str) -> Vec<Task> {
    let owned = |task: &&Task| task.owner.as_ref().is_some_and(|(owner, _)| owner.service == service);
    world.ecs.tasks.values().filter(owned).cloned().collect()
}

/// Plays the engine: starts the containers of tasks that are PENDING.
fn start_pending(world: &mut World) -> usize {
    let pending: Vec<Task> =
        world.ecs.tasks.values().filter(|task| task.phase == Phase::Pending).cloned().collect();
    for task in &pending {
        for container in &task.containers {
            let address: SocketAddr = ([127, 0, 0, 1], 40_000).into();
            let port = Port { container: 80, protocol: "tcp".into() };
            report::started(world, &task.arn, &container.name, "id", &[(port, address)]);
        }
    }
    pass(world, 0);
    pending.len()
}

fn exit_all(world: &mut World, code: i64) {
    let running: Vec<Task> =
        world.ecs.tasks.values().filter(|task| task.phase < Phase::Stopped).cloned().collect();
    for task in running.iter().filter(|task| task.phase >= Phase::Running) {
        report::exited(world, &task.arn, "app", Some(code), false);
        report::ended(world, &task.arn);
    }
    pass(world, 0);
}

#[tokio::test]
async fn nothing_starts_before_the_world_begins() {
    let world = fixture::world().await;
    let mut state = world.state();
    let mut commands = Vec::new();
    assert_eq!(advance(&mut state, &mut commands), None);
    assert!(state.ecs.tasks.is_empty());
}

#[tokio::test]
async fn a_service_gets_its_tasks_and_they_their_targets() {
    let world = fixture::world().await;
    let mut state = world.state();
    assert!(pass(&mut state, 0).is_empty());
    assert_eq!(tasks_of(&state, "web").len(), 2);
    assert_eq!(pass(&mut state, 15).len(), 2 + 4 + 2);
    start_pending(&mut state);
    let view = task_sets(&state, &key("web")).remove(0);
    assert_eq!((view.status.as_str(), view.running, view.pending), ("PRIMARY", 2, 0));
    // The target group has a listener, so its checks decide, and they haven't passed yet.
    assert!(!view.steady);
    let task = tasks_of(&state, "web").remove(0);
    let interface = task.interface.unwrap();
    let group = elb::target_group_arn(&state, ACCOUNT, "blue").unwrap();
    assert_eq!(task.targets, [(group.clone(), interface.address.clone(), 80)]);
    assert_eq!(elb::health(&state, &group, &interface.address, 80).as_deref(), Some("initial"));
    let told = &state.ecs.services[&key("web")].events;
    assert!(told.iter().any(|event| event.message.contains("has started 2 tasks: (task ")), "{told:?}");
}

#[tokio::test]
async fn a_container_that_ended_before_its_ports_were_known_is_not_steady() {
    let world = fixture::world().await;
    let mut state = world.state();
    pass(&mut state, 0);
    pass(&mut state, 15);
    for task in tasks_of(&state, "web") {
        report::started(&mut state, &task.arn, "app", "id", &[]);
    }
    pass(&mut state, 0);
    let view = task_sets(&state, &key("web")).remove(0);
    assert_eq!((view.running, view.steady), (2, false));
}

#[tokio::test]
async fn bridge_tasks_register_their_instance_and_host_port() {
    let world = fixture::world().await;
    let mut state = world.state();
    pass(&mut state, 0);
    pass(&mut state, 15);
    start_pending(&mut state);
    let tasks = tasks_of(&state, "bridge");
    assert_eq!(tasks.len(), 2);
    assert_ne!(tasks[0].instance, tasks[1].instance);
    let (_, id, port) = &tasks[0].targets[0];
    assert_eq!((Some(id), *port), (tasks[0].instance_id.as_ref(), 40_000));
    let shown = tasks[0].json(false);
    assert_eq!(shown["containers"][0]["networkBindings"][0]["hostPort"], json!(40_000));
    assert_eq!(shown["launchType"], json!("EC2"));
}

#[tokio::test]
async fn tasks_are_spread_over_the_capacity_providers() {
    let world = fixture::world().await;
    let mut state = world.state();
    pass(&mut state, 0);
    let spot = tasks_of(&state, "spread");
    let spot = spot.iter().filter(|task| task.capacity_provider.as_deref() == Some("FARGATE_SPOT"));
    assert_eq!(spot.count(), 2);
}

#[tokio::test]
async fn a_task_that_exits_is_replaced_after_a_wait_that_grows() {
    let world = fixture::world().await;
    let mut state = world.state();
    pass(&mut state, 0);
    let mut waits = Vec::new();
    for _ in 0..3 {
        pass(&mut state, 15);
        start_pending(&mut state);
        exit_all(&mut state, 1);
        let stopped: Vec<Task> =
            tasks_of(&state, "web").into_iter().filter(|t| t.phase == Phase::Stopped).collect();
        let last = stopped.last().unwrap();
        assert_eq!(last.stop_code.as_deref(), Some("EssentialContainerExited"));
        assert_eq!(last.containers[0].exit_code, Some(1));
        let set = &state.ecs.services[&key("web")].task_sets[0];
        waits.push(set.not_before.since(state.now).as_secs());
        let alive = |state: &World| tasks_of(state, "web").iter().filter(|t| t.wanted).count();
        assert_eq!(alive(&state), 0);
        pass(&mut state, waits[waits.len() - 1]);
        assert_eq!(alive(&state), 2);
    }
    assert_eq!(waits, [10, 20, 40]);
    let told = &state.ecs.services[&key("web")].events;
    assert!(told.iter().any(|event| event.message.contains("is unable to consistently start tasks")));
}

#[tokio::test]
async fn green_stands_beside_blue_and_blue_is_drained_before_it_stops() {
    let world = fixture::world().await;
    let mut state = world.state();
    pass(&mut state, 0);
    pass(&mut state, 15);
    start_pending(&mut state);
    let blue = task_sets(&state, &key("web")).remove(0);
    let green = elb::target_group_arn(&state, ACCOUNT, "green").unwrap();
    let id = create_task_set(
        &mut state,
        &key("web"),
        NewTaskSet {
            task_definition: blue.task_definition.clone(),
            target_group: green.clone(),
            container: "app".into(),
            container_port: 80,
            external_id: "d-ABCDEFGHI".into(),
            started_by: "CODE_DEPLOY".into(),
            ..NewTaskSet::default()
        },
    )
    .unwrap();
    pass(&mut state, 0);
    pass(&mut state, 15);
    start_pending(&mut state);
    let view = task_set(&state, &id).unwrap();
    assert_eq!(
        (view.status.as_str(), view.running, view.target_group.as_str()),
        ("ACTIVE", 2, green.as_str())
    );
    set_primary(&mut state, &key("web"), &id);
    assert_eq!(task_set(&state, &blue.id).unwrap().status, "ACTIVE");
    drain_task_set(&mut state, &key("web"), &blue.id);
    // Nothing is under way to blue's targets, so they are drained at once.
    let commands = pass(&mut state, 0);
    assert_eq!(commands.iter().filter(|one| matches!(one, Command::Stop { .. })).count(), 2);
    let ended: Vec<Task> = tasks_of(&state, "web").into_iter().filter(|task| !task.wanted).collect();
    for task in &ended {
        report::exited(&mut state, &task.arn, "app", Some(0), false);
        report::ended(&mut state, &task.arn);
    }
    pass(&mut state, 0);
    assert!(task_set(&state, &blue.id).is_none());
    let answer =
        ask(&mut state, "DescribeTasks", json!({"cluster": "prod", "tasks": [ended[0].arn]})).unwrap();
    assert_eq!(answer["tasks"][0]["stopCode"], "ServiceSchedulerInitiated");
    assert_eq!(
        answer["tasks"][0]["stoppedReason"],
        format!("Scaling activity initiated by (deployment {})", blue.id)
    );
}

#[tokio::test]
async fn a_rolling_update_keeps_the_healthy_minimum() {
    let world = fixture::with(|spec| {
        // Without a load balancer, a task that runs is healthy.
        spec["accounts"][0]["services"][1]["target-group"] = json!("");
    })
    .await;
    let mut state = world.state();
    pass(&mut state, 0);
    pass(&mut state, 15);
    start_pending(&mut state);
    let definition = json!({
        "family": "bridge", "containerDefinitions": [{"name": "app", "image": "app:2", "memory": 64}],
    });
    ask(&mut state, "RegisterTaskDefinition", definition).unwrap();
    let update = json!({"cluster": "prod", "service": "bridge", "taskDefinition": "bridge"});
    let answer = ask(&mut state, "UpdateService", update).unwrap();
    assert_eq!(answer["service"]["deployments"].as_array().unwrap().len(), 2);
    pass(&mut state, 0);
    pass(&mut state, 2);
    let running =
        |state: &World| tasks_of(state, "bridge").iter().filter(|t| t.phase == Phase::Running).count();
    assert_eq!(running(&state), 2);
    start_pending(&mut state);
    pass(&mut state, 0);
    for task in tasks_of(&state, "bridge").into_iter().filter(|task| !task.wanted) {
        report::exited(&mut state, &task.arn, "app", Some(0), false);
        report::ended(&mut state, &task.arn);
    }
    pass(&mut state, 0);
    let view = task_sets(&state, &key("bridge"));
    assert_eq!(view.len(), 1);
    assert!(view[0].task_definition.ends_with("bridge:2") && view[0].steady);
}

#[tokio::test]
async fn a_pull_that_fails_tells_why() {
    let world = fixture::world().await;
    let mut state = world.state();
    pass(&mut state, 0);
    pass(&mut state, 15);
    let task = tasks_of(&state, "web").remove(0);
    let error = report::PullError { kind: report::PullErrorKind::NotFound, message: "no".into() };
    let image = task.containers[0].image.clone();
    report::pull_failed(&mut state, &task.arn, "app", &image, &error);
    report::ended(&mut state, &task.arn);
    pass(&mut state, 0);
    let task = &state.ecs.tasks[&task.arn];
    assert_eq!((task.phase, task.stop_code.as_deref()), (Phase::Stopped, Some("TaskFailedToStart")));
    let told = format!(
        "CannotPullContainerError: pull image manifest has been retried 7 time(s): failed to resolve ref {image}: {image}: not found"
    );
    assert_eq!(task.stopped_reason.as_deref(), Some(told.as_str()));
    assert!(task.json(false)["containers"][0].get("exitCode").is_none());
}
