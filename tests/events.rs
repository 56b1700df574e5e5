//! Every event that starts a workflow: where its run is told, and what a token that only reads costs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::{Value, json};
use std::fs;
use support::{Done, Project, World, list, text};

/// The commit in the payloads of tests/events that a run is to be told on.
const HEAD: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";
/// Another one, which `GITHUB_SHA` is when it isn't that.
const TRIGGER: &str = "a10867b14bb761a232cd80139fbd4c0d33264240";

/// A plan as a job that such an event started; the job's `GITHUB_SHA` is given.
fn plan(world: &World, file: &str, sha: &str) -> Done {
    let event = file.split('.').next().unwrap();
    let head = world.variable("GITHUB_SHA");
    let payload = fs::read_to_string(format!("{}/tests/events/{file}.json", env!("CARGO_MANIFEST_DIR")));
    let payload = payload.unwrap().replace(HEAD, head);
    let name = format!("event.{file}.json");
    fs::write(world.project.folder().join(&name), payload).unwrap();
    world
        .run(&["plan"])
        .env("GITHUB_EVENT_NAME", event)
        .env("GITHUB_EVENT_PATH", &name)
        .env("GITHUB_SHA", if sha == HEAD { head } else { sha })
        // By which its check is found.
        .env("GITHUB_RUN_ID", file)
        .end()
        .expect(0, "planned")
}

fn warnings(done: &Done) -> Vec<&str> {
    done.events.iter().filter(|e| e["event"] == "warning").map(|e| text(e, "text")).collect()
}

#[test]
fn each_event_is_told_on_its_commit_and_its_pull_request() {
    let world = World::hello();
    let head = world.variable("GITHUB_SHA").to_owned();
    let on = |file: &str| {
        let state = world.state();
        let checks = list(&state, "checks").iter();
        let id = format!("{file}.1");
        checks.filter(|check| check["external_id"] == *id).map(|c| text(c, "head_sha").to_owned()).collect()
    };
    let updates = || {
        let state = world.state();
        let comments = list(&state, "comments").clone();
        assert!(comments.len() <= 1, "the comment stays one: {comments:?}");
        comments.first().map_or(0, |comment| 1 + comment["updates"].as_u64().unwrap())
    };
    // With GITHUB_SHA as the runner has it, and whether there is a pull request to tell.
    for (file, sha, pull_request) in [
        ("push", HEAD, true),
        ("push.tag", HEAD, true),
        ("pull_request", TRIGGER, true),
        ("pull_request_target", TRIGGER, true),
        ("pull_request_review", TRIGGER, true),
        ("workflow_dispatch", HEAD, true),
        ("workflow_dispatch.no-inputs", HEAD, true),
        ("workflow_run", TRIGGER, true),
        ("workflow_run.push", TRIGGER, true),
        ("merge_group", HEAD, true),
        ("check_run", TRIGGER, true),
        ("check_suite", TRIGGER, true),
        ("status", TRIGGER, true),
        ("issue_comment", TRIGGER, true),
        ("issue_comment.issue", HEAD, false),
        ("deployment", HEAD, false),
        ("release", HEAD, false),
        ("schedule", HEAD, false),
        ("repository_dispatch", HEAD, false),
        ("create", HEAD, false),
        ("delete", HEAD, false),
    ] {
        let before = updates();
        let done = plan(&world, file, sha);
        assert_eq!(warnings(&done), [""; 0], "{file}");
        assert_eq!(on(file), std::slice::from_ref(&head), "{file}");
        assert_eq!(updates() > before, pull_request, "{file}");
    }

    // A push that deleted its branch: there is nothing to tell it on, and nothing is lost.
    let before = updates();
    let done = plan(&world, "push.deleted", TRIGGER);
    assert_eq!(warnings(&done).len(), 1, "{:?}", warnings(&done));
    assert!(warnings(&done)[0].contains("`if: ${{ !github.event.deleted }}`"), "{:?}", warnings(&done));
    assert_eq!((on("push.deleted"), updates()), (Vec::<String>::new(), before));
    assert!(done.summary.contains("✅ Planned"), "{}", done.summary);
}

/// A world with a job of its own.
fn with_job(job: Value) -> World {
    with(|document| document["job"] = job)
}

fn with(change: impl FnOnce(&mut Value)) -> World {
    let mut document = support::document();
    change(&mut document);
    document["accounts"][1]["applications"][0]["groups"][0]["ready-wait-minutes"] = json!(120);
    let project = Project::with(|files| {
        files.write("world.yml", &document.to_string());
        let text = files.read("greenlight.yml");
        let (head, rest) = text.split_once("    validate:").unwrap();
        let (_, tail) = rest.split_once("\n\n").unwrap();
        files.write("greenlight.yml", &format!("{head}\n{tail}"));
    });
    World::of_document(project, &[])
}

#[test]
fn a_fork_is_shown_its_plan_and_told_once_why_github_was_not() {
    let world = with_job(json!({ "event": "pull_request", "fork": true, "branch": "patch-1" }));
    let done = world.run(&["plan"]).end().expect(0, "planned");
    let [warning] = &warnings(&done)[..] else { panic!("{:?}", warnings(&done)) };
    assert!(warning.contains("a pull request from a fork only reads"), "{warning}");
    assert!(done.summary.contains("✅ Planned"), "{}", done.summary);
    let state = world.state();
    for told in ["checks", "statuses", "comments", "github_deployments"] {
        assert_eq!(list(&state, told).len(), 0, "{told}");
    }
}

#[test]
fn what_runs_the_repositorys_own_workflow_may_tell_a_fork() {
    let world = with_job(json!({ "event": "pull_request_target", "fork": true, "branch": "patch-1" }));
    let done = world.run(&["plan"]).end().expect(0, "planned");
    assert_eq!(warnings(&done), [""; 0]);
    assert_eq!(list(&world.state(), "comments").len(), 1);
}

#[test]
fn dependabot_is_told_what_to_ask_for() {
    let reads = ["checks", "statuses", "pull-requests", "deployments", "contents"];
    let permissions: Value = reads.map(|name| (name.to_owned(), json!("read"))).into_iter().collect();
    let job = json!({ "event": "pull_request", "actor": "dependabot[bot]", "branch": "bump",
        "id-token": false, "permissions": permissions });
    let world = with_job(job);
    let done = world.run(&["plan"]).end().expect(0, "planned");
    let [warning] = &warnings(&done)[..] else { panic!("{:?}", warnings(&done)) };
    assert!(warning.contains("Dependabot's token only reads"), "{warning}");
    assert!(warning.contains("`checks: write` and `pull-requests: write`"), "{warning}");
}

#[test]
fn a_job_with_an_environment_has_its_github_deployment_already() {
    let world = with(|document| {
        // Its token's subject names the environment.
        let text = document.to_string().replace(
            "repo:acme@1001/hello@2002:ref:refs/heads/main",
            "repo:acme@1001/hello@2002:environment:production",
        );
        *document = serde_json::from_str(&text).unwrap();
        document["job"] = json!({ "environment": "production" });
    });
    world.run(&["deploy"]).end().expect(0, "succeeded");
    let state = world.state();
    let [deployment] = &list(&state, "github_deployments")[..] else {
        panic!("one, the runner's: {}", state["github_deployments"])
    };
    assert_eq!(deployment["of_the_job"], true);
    assert_eq!(list(&state, "checks").len(), 1);
}

#[test]
fn an_enterprise_server_is_told_below_its_path_and_names_its_own_issuer() {
    let world = with(|document| {
        let text = document
            .to_string()
            .replace("token.actions.githubusercontent.com", "ghe.example.com/_services/token")
            .replace("repo:acme@1001/hello@2002:", "repo:acme/hello:");
        *document = serde_json::from_str(&text).unwrap();
        document["job"] = json!({ "server": "ghe.example.com", "immutable-sub": false });
    });
    assert!(world.variable("GITHUB_API_URL").ends_with("/api/v3"));
    let done = world.run(&["plan"]).end().expect(0, "planned");
    assert_eq!(warnings(&done), [""; 0]);
    assert!(done.summary.contains("https://ghe.example.com/acme/hello/actions/runs/"), "{}", done.summary);
    let state = world.state();
    let calls = list(&state, "github_calls");
    assert!(
        calls.iter().all(|call| text(call, "path").starts_with("/api/v3/repos/acme/hello/")),
        "{calls:?}"
    );
    assert_eq!((list(&state, "checks").len(), list(&state, "comments").len()), (1, 1));
}

/// The world's time counts: at a faster pace a run tells no less than it would at AWS's.
#[test]
fn a_linear_deployment_of_an_hour_costs_at_most_ninety_requests() {
    let project = Project::with(|files| {
        files.replace("greenlight.yml", "ECSCanary10Percent5Minutes", "ECSLinear10PercentEvery3Minutes");
        files.replace("greenlight.yml", "termination-wait: 1m", "termination-wait: 32m");
    });
    let world = World::of(project, &[]);
    let done = world.run(&["deploy"]).end().expect(0, "succeeded");
    let steps = done.events.iter().filter(|event| event["event"] == "traffic").count();
    assert!(steps >= 10, "{steps} steps");
    let calls = list(&world.state(), "github_calls").len();
    assert!((20..=90).contains(&calls), "{calls} requests");
}
