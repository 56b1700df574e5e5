//! One-off tasks: before the deployment, and as a check on green.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::{Value, json};
use support::{Done, Project, World, list, text};

/// A changed world of tests/worlds/hello.yml that knows some commands, and a configuration whose
/// environment ends with these lines.
fn world(lines: &str, change: impl FnOnce(&mut Value), args: &[&str]) -> World {
    let mut document = support::document();
    document["stand-in-commands"] = json!([
        { "command": ["migrate", "up"], "lines": ["moved 3 tables", "::set-output name=a::b"], "seconds": 5 },
        { "command": ["migrate", "slowly"], "seconds": 3600 },
        { "command": ["migrate", "badly"], "exit": 1, "lines": ["no such table"] },
        { "command": ["migrate", "hugely"], "exit": 137, "out-of-memory": true },
        { "command": ["migrate", "for ever"], "seconds": 1_000_000 },
        { "command": ["probe", "bad"], "exit": 3 },
    ]);
    let account = &mut document["accounts"][1];
    account["applications"][0]["groups"][0]["ready-wait-minutes"] = json!(120);
    let roles = account["roles"].as_array_mut().unwrap();
    let deploy = roles.iter_mut().find(|role| role["name"] == "greenlight-deploy").unwrap();
    deploy["policies"].as_array_mut().unwrap().push(json!({ "Statement": [
        { "Effect": "Allow", "Action": ["ecs:RunTask", "ecs:StopTask", "ecs:ListTasks", "ecs:DescribeTasks", "logs:GetLogEvents"], "Resource": "*" },
    ]}));
    change(account);
    let project = Project::with(|files| {
        files.write("world.yml", &document.to_string());
        let text = files.read("greenlight.yml");
        let (head, rest) = text.split_once("    validate:").unwrap();
        let (_, tail) = rest.split_once("\n\n").unwrap();
        files.write("greenlight.yml", &format!("{head}{lines}\n{tail}"));
    });
    World::of_document(project, args)
}

fn before(command: &str) -> String {
    format!("    before:\n      - command: {command}\n        timeout: 10m\n")
}

/// The tasks that belong to no service.
fn tasks(world: &World) -> Vec<Value> {
    let state = world.state();
    let all = state["tasks"].as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|task| task["task_set"].is_null()).collect()
}

/// Nothing was deployed, and it is said that the revision is there.
fn untouched(world: &World, done: &Done) {
    assert!(world.deployments().is_empty(), "{:?}", world.deployments());
    assert!(done.ended.said().contains("registered and unused"), "{}", done.ended.said());
}

#[test]
fn a_migration_goes_before_the_deployment() {
    let world = world(&before("[migrate, up]"), |_| {}, &[]);
    let done = world.run(&["deploy"]).end().expect(0, "succeeded");
    let log = done.ended.said();
    assert!(log.contains("moved 3 tables"), "{log}");
    assert!(!log.lines().any(|line| line.trim_start().starts_with("::set-output")), "{log}");
    assert_eq!(done.told("check")["name"], "task `migrate up`");
    let [task] = &tasks(&world)[..] else { panic!("{:?}", tasks(&world)) };
    assert_eq!(text(task, "task_definition"), done.output("task-definition-arn"));
    // The deployment came after its end.
    let state = world.state();
    let at =
        |name: &str| list(&state, "api_calls").iter().position(|call| call["operation"] == name).unwrap();
    assert!(at("RunTask") < at("CreateDeployment"));
}

#[test]
fn a_migration_that_fails_leaves_production_alone() {
    for (command, said) in
        [("[migrate, badly]", "exit code 1"), ("[migrate, hugely]", "it ran out of memory and was killed")]
    {
        let world = world(&before(command), |_| {}, &[]);
        let done = world.run(&["deploy"]).end().expect(3, "refused");
        assert!(done.ended.said().contains(said), "{}", done.ended.said());
        untouched(&world, &done);
    }
}

#[test]
fn a_migration_without_an_end_is_stopped() {
    let world = world(&before("[migrate, for ever]"), |_| {}, &[]);
    let done = world.run(&["deploy"]).end().expect(3, "refused");
    assert!(done.ended.said().contains("no end in time: it was stopped"), "{}", done.ended.said());
    untouched(&world, &done);
    let [task] = &tasks(&world)[..] else { panic!("{:?}", tasks(&world)) };
    assert_eq!(task["wanted"], false);
}

#[test]
fn a_cancelled_run_stops_its_migration() {
    let world = world(&before("[migrate, for ever]"), |_| {}, &["--speed", "5"]);
    let running = world.run(&["deploy"]).start();
    running.until(|event| event["event"] == "note" && text(event, "text").contains("is started"));
    running.interrupt();
    let done = running.end().expect(8, "cancelled");
    assert!(done.ended.said().contains("it was stopped"), "{}", done.ended.said());
    assert!(world.deployments().is_empty());
    let [task] = &tasks(&world)[..] else { panic!("{:?}", tasks(&world)) };
    assert_eq!(task["wanted"], false);
}

#[test]
fn what_may_not_run_tasks_says_so() {
    let deny = |account: &mut Value| {
        let roles = account["roles"].as_array_mut().unwrap();
        let deploy = roles.iter_mut().find(|role| role["name"] == "greenlight-deploy").unwrap();
        deploy["policies"].as_array_mut().unwrap().push(json!({ "Statement": [
            { "Effect": "Deny", "Action": "ecs:RunTask", "Resource": "*" },
        ]}));
    };
    let world = world(&before("[migrate, up]"), deny, &[]);
    let done = world.run(&["deploy"]).end().expect(3, "refused");
    assert!(done.ended.said().contains("ecs:RunTask"), "{}", done.ended.said());
    untouched(&world, &done);
}

#[test]
fn a_log_that_may_not_be_read_is_done_without() {
    let deny = |account: &mut Value| {
        let roles = account["roles"].as_array_mut().unwrap();
        let deploy = roles.iter_mut().find(|role| role["name"] == "greenlight-deploy").unwrap();
        deploy["policies"].as_array_mut().unwrap().push(json!({ "Statement": [
            { "Effect": "Deny", "Action": "logs:GetLogEvents", "Resource": "*" },
        ]}));
    };
    let world = world(&before("[migrate, up]").replace("10m", "3h"), deny, &[]);
    let done = world.run(&["deploy"]).end().expect(0, "succeeded");
    done.says(&["The task's log can't be shown"]).says_not(&["moved 3 tables"]);
}

#[test]
fn a_migration_without_a_place_is_asked_for_until_its_time_is_up() {
    let crowded = |account: &mut Value| {
        // The service itself has the port of every instance.
        account["clusters"][0] = json!({ "name": "prod", "container-instances": 2 });
        let service = &mut account["services"][0];
        service["launch-type"] = json!("EC2");
        service["network-configuration"] = Value::Null;
        service["platform-version"] = Value::Null;
        let definition = &mut account["task-definitions"][0];
        definition["requiresCompatibilities"] = json!(["EC2"]);
        definition["networkMode"] = json!("bridge");
        definition["containerDefinitions"][0]["portMappings"][0]["hostPort"] = json!(8080);
        for group in account["target-groups"].as_array_mut().unwrap() {
            group["target-type"] = json!("instance");
        }
    };
    let world = world(&before("[migrate, up]").replace("10m", "2m"), crowded, &[]);
    let done = world.run(&["deploy", "--task-definition", "live"]).end().expect(3, "refused");
    untouched(&world, &done);
    done.says(&["has no place for the task yet (RESOURCE:PORTS)", "had no place for it: RESOURCE:PORTS"]);
    assert!(tasks(&world).iter().all(|task| text(task, "task_definition").ends_with("hello:1")));
}

#[test]
fn a_container_that_is_not_there_is_refused() {
    let lines = "    before:\n      - command: [migrate]\n        container: ap\n";
    let world = world(lines, |_| {}, &[]);
    let done = world.run(&["deploy"]).end().expect(3, "refused");
    assert!(done.ended.said().contains("`ap`"), "{}", done.ended.said());
    assert!(tasks(&world).is_empty() && world.deployments().is_empty());
}

#[test]
fn a_task_looks_at_green_from_inside() {
    let lines = "    validate:\n      - task:\n          command: [migrate, up]\n";
    let good = world(lines, |_| {}, &[]);
    let done = good.run(&["deploy"]).end().expect(0, "succeeded");
    assert_eq!(done.told("check")["conclusion"], "passed");

    let bad = world(&lines.replace("migrate, up", "probe, bad"), |_| {}, &[]);
    let done = bad.run(&["deploy"]).end().expect(5, "rolled-back");
    assert!(done.ended.said().contains("exit code 3"), "{}", done.ended.said());
    assert!(done.ended.said().contains("production traffic never reached it"), "{}", done.ended.said());
}

#[test]
fn a_run_that_is_killed_while_a_task_runs_is_repeated_without_a_second_one() {
    let lines = before("[migrate, slowly]").replace("10m", "3h");
    let world = world(&lines, |_| {}, &[]);
    let hold = world.hold("ecs:RunTask", "after");
    let run = world.run(&["deploy"]).start();
    hold.come();
    let killed = run.kill();
    let post = world.post(&killed).end();
    assert_eq!(post.ended.code, Some(0), "{}", post.ended.said());
    post.says(&["died before a deployment was started", "task `migrate slowly` may still run"]);
    world.run(&["deploy"]).env("GITHUB_RUN_ATTEMPT", "2").end().expect(0, "succeeded");
    assert_eq!(tasks(&world).len(), 1, "{:?}", tasks(&world));
    assert_eq!(world.deployments().len(), 1);
}
