//! The good ways: what a run does in the world, and that it does no more.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::{Value, json};
use std::sync::{Arc, Mutex, Weak};
use support::{Project, World, list, named, text};

/// A world in which only plans are made.
fn untouched() -> Arc<World> {
    static WORLD: Mutex<Weak<World>> = Mutex::new(Weak::new());
    World::shared(&WORLD, World::hello)
}

/// A changed world of tests/worlds/hello.yml, with the configuration of examples/hello.
fn document(change: impl FnOnce(&mut Value), args: &[&str]) -> World {
    let mut document = support::document();
    let account = &mut document["accounts"][1];
    account["applications"][0]["groups"][0]["ready-wait-minutes"] = json!(120);
    change(account);
    let project = Project::with(|files| {
        files.write("world.yml", &document.to_string());
        // The stand-ins of this world have no answer for it.
        let text = files.read("greenlight.yml");
        let (head, rest) = text.split_once("    validate:").unwrap();
        let (_, tail) = rest.split_once("\n\n").unwrap();
        files.write("greenlight.yml", &format!("{head}\n{tail}"));
    });
    World::of_document(project, args)
}

fn green(world: &World) -> Vec<(String, u64)> {
    world.weights("production").into_iter().collect()
}

fn shares(blue: u64, green: u64) -> Vec<(String, u64)> {
    vec![("hello-blue".to_owned(), blue), ("hello-green".to_owned(), green)]
}

#[test]
fn a_deployment_goes_the_whole_way_and_the_next_has_nothing_to_do() {
    let world = World::hello();
    let before = world.live();
    let done = world.run(&["deploy"]).end().expect(0, "succeeded");

    // What the run says, the world says too.
    assert_eq!(green(&world), shares(0, 100));
    let [deployment] = &world.deployments()[..] else { panic!("{:?}", world.deployments()) };
    assert_eq!(deployment["status"], "Succeeded");
    assert_eq!(text(deployment, "id"), done.output("deployment-id"));
    assert_eq!(world.live(), done.output("task-definition-arn"));
    assert_eq!(done.output("previous-task-definition-arn"), before);
    assert_eq!(text(deployment, "task_definition"), done.output("task-definition-arn"));
    let live = world.revision(&world.live());
    assert_eq!(live["images"], json!([done.output("image")]));
    assert!(done.output("image").ends_with(done.output("image-digest")));
    assert_eq!(done.output("outcome"), "succeeded");
    assert_eq!(done.output("exit-code"), "0");
    assert!(done.output("console-url").contains(done.output("deployment-id")));
    let tag = done.output("image-tags");
    assert_eq!(
        world.state()["repositories"]["111111111111"]["hello"]["tags"][tag],
        done.output("image-digest")
    );

    // Whose deployment it is.
    let description = text(deployment, "description");
    assert!(
        description.starts_with("greenlight ") && description.contains(&format!(" commit={tag} ")),
        "{description}"
    );
    assert!(description.contains(" environment=production "), "{description}");
    assert_eq!(live["tags"]["greenlight:commit"], tag);
    assert_eq!(live["tags"]["greenlight:environment"], "production");

    // What it told and kept.
    assert_eq!(done.told("image-ready")["built"], true);
    assert_eq!(done.told("task-definition-ready")["registered"], true);
    assert_eq!(done.told("traffic")["green"], 100.0);
    assert_eq!(done.told("check")["conclusion"], "passed");
    assert!(done.summary.contains("## ✅ Deployed"), "{}", done.summary);
    assert_eq!(done.state["deployment_id"], done.output("deployment-id"));
    let ready = done.events.iter().filter(|e| e["event"] == "deployment-status" && e["status"] == "Ready");
    assert_eq!(ready.count(), 1, "told once");

    // GitHub knows it too.
    let state = world.state();
    let [check] = &list(&state, "checks")[..] else { panic!("one check: {}", state["checks"]) };
    assert_eq!((text(check, "status"), text(check, "conclusion")), ("completed", "success"), "{check}");
    assert_eq!(text(check, "head_sha"), tag);
    let status = latest_status(&state);
    assert_eq!((text(&status, "sha"), text(&status, "state")), (tag, "success"), "{status}");
    let [comment] = &list(&state, "comments")[..] else { panic!("one comment: {}", state["comments"]) };
    assert!(text(comment, "body").contains("Deployed: hello / production"), "{comment}");
    let [deployment] = &list(&state, "github_deployments")[..] else {
        panic!("{}", state["github_deployments"])
    };
    assert_eq!((text(deployment, "sha"), text(deployment, "environment")), (tag, "production"));
    assert!(list(deployment, "statuses").iter().any(|status| status["state"] == "success"), "{deployment}");

    let first = world.written();
    let again =
        world.run(&["deploy"]).end().expect(0, "unchanged").says(&["nothing was registered or deployed"]);
    let second = world.written();
    assert_eq!(second["task_definitions"], first["task_definitions"]);
    assert_eq!(second["deployments"], first["deployments"]);
    assert_eq!(again.output("outcome"), "unchanged");
    assert!(!again.outputs.contains_key("deployment-id"));
    let state = world.state();
    assert_eq!(latest_status(&state)["state"], "success");
    assert_eq!(list(&state, "comments").len(), 1, "the comment stays one");

    let forced = world.run(&["deploy", "--force", "--log-format", "json"]).end().expect(0, "succeeded");
    assert_eq!(world.deployments().len(), 2);
    assert_eq!(green(&world), shares(100, 0));
    assert_eq!(world.live(), forced.output("task-definition-arn"));
    assert_ne!(world.live(), done.output("task-definition-arn"));
    let lines: Vec<Value> =
        forced.ended.stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect();
    assert!(lines.iter().all(|line| line["event"].is_string() && line["at"].is_string()));
    assert_eq!(lines.last().unwrap()["exit-code"], 0);
    let told = |lines: &[Value]| lines.iter().map(|e| e["event"].clone()).collect::<Vec<_>>();
    assert_eq!(told(&lines), told(&forced.events));
}

/// The newest status of this service and environment.
fn latest_status(state: &Value) -> Value {
    let statuses = list(state, "statuses").iter();
    let ours = statuses.filter(|status| status["context"] == "greenlight/hello/production");
    ours.max_by_key(|status| text(status, "created_at").to_owned()).expect("a status").clone()
}

#[test]
fn a_plan_writes_nothing_and_shows_what_would_change() {
    let world = untouched();
    let project = Project::with(|files| {
        files.edit("taskdef.json", |document| {
            document["cpu"] = json!("512");
            document["containerDefinitions"][0]["environment"] =
                json!([{ "name": "PORT", "value": "8080" }, { "name": "COLOUR", "value": "" }]);
        });
    });
    let before = world.written();
    let done = world.run_in(project.folder(), &["plan"]).end().expect(0, "planned").says(&[
        "push to ",
        "a new revision of hello, against hello:1, which runs now:",
        "- cpu: \"256\"",
        "+ cpu: \"512\"",
        "environment[COLOUR]",
        "@(digest of this build)",
        "shift 10% of production traffic",
        "nothing was written",
    ]);
    assert_eq!(world.written(), before);
    assert_eq!(done.output("outcome"), "planned");
    assert!(done.summary.contains("+ cpu"), "{}", done.summary);
}

#[test]
fn inputs_count_as_flags_and_empty_ones_as_not_given() {
    let world = untouched();
    let before = world.written();
    let done = world
        .run(&[])
        .input("command", "plan")
        .input("deployment-config", "CodeDeployDefault.ECSAllAtOnce")
        .input("task-definition", "live")
        .input("environment", "")
        .input("cluster", "  ")
        .input("image", "")
        .input("force", "")
        .input("time-limit", "")
        .input("build-args", "VERSION=2\nOTHER=")
        .end()
        .expect(0, "planned");
    let plan = done.told("planned")["text"].as_str().unwrap().to_owned();
    assert!(plan.contains("CodeDeployDefault.ECSAllAtOnce (as the configuration names it)"), "{plan}");
    assert!(plan.contains("to prod/hello"), "{plan}");
    // A flag wins.
    let done = world
        .run(&["plan", "--deployment-config", "CodeDeployDefault.ECSLinear10PercentEvery1Minutes"])
        .input("deployment-config", "CodeDeployDefault.ECSAllAtOnce")
        .end()
        .expect(0, "planned");
    assert!(done.told("planned")["text"].as_str().unwrap().contains("ECSLinear10PercentEvery1Minutes"));
    world
        .run(&["plan"])
        .input("force", "yes")
        .end()
        .expect(2, "invalid")
        .says(&["The input `force` is the text `yes`"]);
    assert_eq!(world.written(), before);
}

#[test]
fn an_image_that_is_given_is_shipped_as_it_is() {
    let world = World::hello();
    let image = world.revision(&world.live())["images"][0].as_str().unwrap().to_owned();
    let images = world.state()["repositories"].clone();
    let digest = images["111111111111"]["hello"]["tags"]["before"].as_str().unwrap().to_owned();
    let all_at_once = ["--deployment-config", "CodeDeployDefault.ECSAllAtOnce"];
    let done =
        world.run(&[&["deploy", "--image", &image], &all_at_once[..]].concat()).end().expect(0, "succeeded");
    assert_eq!(done.told("image-ready")["built"], false);
    assert_eq!(done.output("image-digest"), digest);
    assert!(!done.events.iter().any(|e| e["event"] == "build-output"));
    assert_eq!(world.state()["repositories"], images);
    let pinned = image.replace(":before", &format!("@{digest}"));
    assert_eq!(world.revision(&world.live())["images"], json!([pinned]));
    assert_eq!(green(&world), shares(0, 100));
    assert_eq!(world.deployments()[0]["config"], "CodeDeployDefault.ECSAllAtOnce");

    // The digest says the same.
    world.run(&[&["deploy", "--image", &pinned], &all_at_once[..]].concat()).end().expect(0, "unchanged");
    assert_eq!(world.deployments().len(), 1);
}

#[test]
fn a_repeated_run_uses_what_the_first_left() {
    let world = document(|_| {}, &["--fault", "permission-missing"]);
    let first = world.run(&["deploy"]).end().expect(3, "refused").says(&["codedeploy:CreateDeployment"]);
    assert_eq!(first.told("image-ready")["built"], true);
    assert_eq!(first.told("task-definition-ready")["registered"], true);
    let left = world.written();
    let second = world.run(&["deploy"]).end().expect(3, "refused");
    assert_eq!(second.told("image-ready")["built"], false);
    assert_eq!(second.output("image"), first.output("image"));
    assert_eq!(second.told("task-definition-ready")["registered"], false);
    assert_eq!(second.output("task-definition-arn"), first.output("task-definition-arn"));
    let now = world.written();
    for key in ["repositories", "task_definitions", "deployments"] {
        assert_eq!(now[key], left[key], "{key}");
    }
    assert_eq!(world.live(), text(&world.state()["services"][0], "task_definition"));
}

#[test]
fn with_traffic_shifted_the_termination_wait_goes_on_without_us() {
    let world = World::of(
        Project::with(|files| {
            files.replace("greenlight.yml", "termination-wait: 1m", "termination-wait: 2h")
        }),
        &[],
    );
    let done = world.run(&["deploy", "--until", "traffic-shifted"]).end().expect(0, "succeeded").says(&[
        "has moved all production traffic to green",
        "until then an alarm or a stop may still take production back",
    ]);
    assert_eq!(green(&world), shares(0, 100));
    let [deployment] = &world.deployments()[..] else { panic!("one deployment") };
    assert_eq!(deployment["status"], "InProgress");
    assert_eq!(text(deployment, "id"), done.output("deployment-id"));
}

#[test]
fn behind_an_active_deployment_a_run_waits_or_fails_as_told() {
    let world = World::of(Project::hello(), &["--fault", "deployment-active"]);
    let before = world.written();
    world
        .run(&["deploy", "--concurrency", "fail"])
        .end()
        .expect(3, "refused")
        .says(&["has an active deployment already", "concurrency: wait"]);
    let now = world.written();
    assert_eq!(now["repositories"], before["repositories"]);
    assert_eq!(now["task_definitions"], before["task_definitions"]);
    assert_eq!(now["writes"], before["writes"]);

    let done = world.run(&["deploy"]).end().expect(0, "succeeded");
    let [theirs, ours] = &world.deployments()[..] else { panic!("{:?}", world.deployments()) };
    assert_eq!(theirs["status"], "Succeeded");
    assert_eq!(text(ours, "id"), done.output("deployment-id"));
    assert!(text(theirs, "ended") <= text(ours, "created"));
    assert_eq!(world.live(), done.output("task-definition-arn"));
}

#[test]
fn an_interrupt_in_the_shift_takes_production_back() {
    let world = World::of(Project::hello(), &["--speed", "60"]);
    let before = world.live();
    // Long enough to be caught in the middle.
    let run = world
        .run(&["deploy", "--deployment-config", "CodeDeployDefault.ECSCanary10Percent15Minutes"])
        .start();
    run.until(|event| event["event"] == "traffic" && event["green"] == 10.0);
    run.interrupt();
    let done = run.end().expect(8, "cancelled").says(&["was asked to stop deployment", "roll it back"]);
    assert_eq!(done.output("outcome"), "cancelled");
    world.until(|world| {
        let deployments = world.deployments();
        deployments.len() == 2 && deployments[1]["status"] == "Succeeded"
    });
    assert_eq!(green(&world), shares(100, 0));
    assert_eq!(world.live(), before);
    let [ours, rollback] = &world.deployments()[..] else { panic!("two deployments") };
    assert_eq!(ours["status"], "Stopped");
    assert_eq!(rollback["rolls_back"], done.output("deployment-id"));
}

#[test]
fn sidecars_and_empty_values_survive() {
    let world = World::hello();
    let sidecar_image = world.revision(&world.live())["images"][0].clone();
    let project = Project::with(|files| {
        files.edit("taskdef.json", |document| {
            let containers = document["containerDefinitions"].as_array_mut().unwrap();
            containers[0]["environment"] =
                json!([{ "name": "PORT", "value": "8080" }, { "name": "EMPTY", "value": "" }]);
            containers[0]["command"] = json!([]);
            containers[0]["dockerLabels"] = json!({ "empty": "" });
            containers.push(json!({
                "name": "sidecar", "image": sidecar_image, "essential": false,
                "environment": [{ "name": "PORT", "value": "9090" }], "entryPoint": [],
            }));
            document["volumes"] = json!([]);
        });
    });
    let args = ["deploy", "--deployment-config", "CodeDeployDefault.ECSAllAtOnce"];
    let done = world.run_in(project.folder(), &args).end().expect(0, "succeeded");
    let live = world.revision(&world.live());
    assert_eq!(live["images"], json!([done.output("image"), sidecar_image]));
    let app = &live["document"]["containerDefinitions"][0];
    let empty = list(app, "environment").iter().find(|pair| pair["name"] == "EMPTY");
    assert_eq!(empty.expect("EMPTY is there")["value"], "");
    assert_eq!(app["dockerLabels"], json!({ "empty": "" }));
    assert_eq!(live["document"]["containerDefinitions"][1]["essential"], false);
    world.run_in(project.folder(), &args).end().expect(0, "unchanged");
    assert_eq!(world.deployments().len(), 1);
}

#[test]
fn the_tags_of_a_revision_are_kept() {
    let world = document(
        |account| account["task-definitions"][0]["tags"] = json!([{ "key": "team", "value": "web" }]),
        &[],
    );
    let args = ["deploy", "--deployment-config", "CodeDeployDefault.ECSAllAtOnce"];
    let live = [&args[..], &["--task-definition", "live"]].concat();
    world.run(&live).end().expect(0, "succeeded");
    let tags = world.revision(&world.live())["tags"].clone();
    assert_eq!(tags["team"], "web");
    assert_eq!(tags["greenlight:environment"], "production");

    // A file says which tags its revisions have.
    let project = Project::with(|files| {
        files.edit("taskdef.json", |document| {
            document["tags"] = json!([{ "key": "team", "value": "platform" }]);
            document["cpu"] = json!("512");
            document["memory"] = json!("1024");
        });
    });
    world.run_in(project.folder(), &[&args[..], &["--validate", "[]"]].concat()).end().expect(0, "succeeded");
    assert_eq!(world.revision(&world.live())["tags"]["team"], "platform");
}

/// The launch settings of the task set that has production's traffic.
fn launch(world: &World) -> Value {
    let state = world.state();
    let set =
        list(&state, "task_sets").iter().find(|set| set["status"] == "PRIMARY" && set["service"] == "hello");
    set.expect("the service has a PRIMARY task set")["launch"].clone()
}

#[test]
fn a_capacity_provider_strategy_stays() {
    let strategy = json!([{ "capacityProvider": "FARGATE_SPOT", "weight": 3, "base": 0 }, { "capacityProvider": "FARGATE", "weight": 1, "base": 1 }]);
    let world = document(
        |account| {
            account["clusters"][0]["capacity-providers"] = json!(["FARGATE", "FARGATE_SPOT"]);
            let service = named(&mut account["services"], "hello");
            service["launch-type"] = json!("");
            service["capacity-provider-strategy"] = strategy.clone();
        },
        &[],
    );
    let before = launch(&world);
    assert_eq!(before["capacityProviderStrategy"], strategy);
    let done = world
        .run(&["deploy", "--deployment-config", "CodeDeployDefault.ECSAllAtOnce"])
        .end()
        .expect(0, "succeeded");
    assert_eq!(world.live(), done.output("task-definition-arn"));
    let after = launch(&world);
    for key in ["launchType", "capacityProviderStrategy", "platformVersion", "networkConfiguration"] {
        assert_eq!(after[key], before[key], "{key}");
    }
}

#[test]
fn a_fargate_service_keeps_its_platform_version_and_network() {
    let world = document(
        |account| named(&mut account["services"], "hello")["platform-version"] = json!("1.4.0"),
        &[],
    );
    let before = launch(&world);
    assert_eq!(before["launchType"], "FARGATE");
    world
        .run(&["deploy", "--deployment-config", "CodeDeployDefault.ECSAllAtOnce"])
        .end()
        .expect(0, "succeeded");
    let after = launch(&world);
    for key in ["launchType", "capacityProviderStrategy", "platformVersion", "networkConfiguration"] {
        assert_eq!(after[key], before[key], "{key}");
    }
}

#[test]
fn a_service_on_instances_with_dynamic_ports_stays_one() {
    let world = World::of(
        Project::with(|files| {
            files.edit("taskdef.json", |document| {
                document["requiresCompatibilities"] = json!(["EC2"]);
                document["networkMode"] = json!("bridge");
                document["containerDefinitions"][0]["memory"] = json!(128);
                document["containerDefinitions"][0]["portMappings"] =
                    json!([{ "containerPort": 8080, "hostPort": 0, "protocol": "tcp" }]);
            });
        }),
        &[],
    );
    let before = launch(&world);
    assert_eq!(before["launchType"], "EC2");
    let done = world
        .run(&["deploy", "--deployment-config", "CodeDeployDefault.ECSAllAtOnce"])
        .end()
        .expect(0, "succeeded");
    let after = launch(&world);
    for key in ["launchType", "capacityProviderStrategy", "platformVersion", "networkConfiguration"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    assert_eq!(green(&world), shares(0, 100));
    let state = world.state();
    let ports: Vec<u64> = list(&state, "targets")
        .iter()
        .filter(|t| t["target_group"] == "hello-green")
        .map(|t| t["port"].as_u64().unwrap())
        .collect();
    assert!(!ports.is_empty() && ports.iter().all(|port| *port > 1024 && *port != 8080), "{ports:?}");
    assert_eq!(world.live(), done.output("task-definition-arn"));
}
