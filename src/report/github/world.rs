//! The same against a GitHub that was built from its documentation by others than this client.

use crate::{
    report::{GitHub, Options, Reporter, tests as story},
    secret::Secret,
    surroundings::{Pace, Variables},
};
use serde_json::{Value, json};
use simulator::{
    Fault, World,
    spec::{Job, WorldSpec},
};
use std::time::Duration;

struct Told {
    world: Value,
    log: String,
}

impl Told {
    fn warnings(&self) -> Vec<&str> {
        self.log.lines().filter(|line| line.starts_with("::warning::GitHub")).collect()
    }

    fn all<'a>(&'a self, kind: &str, field: &str) -> Vec<&'a Value> {
        self.world[kind].as_array().unwrap().iter().map(|item| &item[field]).collect()
    }
}

/// Tells the story as a job of such a world would.
async fn told(job: Job, faults: &[Fault]) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let mut spec: WorldSpec = serde_json::from_value(json!({
        "regions": ["eu-central-1"],
        "accounts": [],
        "caller": { "account": "111111111111", "user": "ci" },
    }))
    .unwrap();
    spec.job = job;
    let options = simulator::Options {
        listen: ([127, 0, 0, 1], 0).into(),
        speed: 1000.0,
        faults: faults.to_vec(),
        docker: false,
        canary: None,
    };
    let world = World::start(spec, options).await.unwrap();
    let mut environment = world.job_environment();
    let event = folder.path().join("event.json");
    std::fs::write(&event, world.event_payload().to_string()).unwrap();
    environment.push(("GITHUB_EVENT_PATH".into(), event.to_string_lossy().into_owned()));
    let variables = Variables::of(environment);
    let token = variables.get("GITHUB_TOKEN").map(Secret::new);
    let options = Options { github: GitHub { token, ..GitHub::default() }, ..Options::default() };
    let written = story::Written::default();
    let reporter = Reporter::to(options, &variables, Pace::of(&variables), written.clone());
    let mut events = story::story();
    let end = events.pop();
    story::tell(&reporter, events);
    // So that there is something to change at the end.
    if faults.is_empty() {
        let told = has_a_deployment(&world);
        tokio::time::timeout(Duration::from_secs(20), told).await.unwrap();
    }
    story::tell(&reporter, end);
    reporter.finish_within(Duration::from_secs(5)).await;
    let told = Told { world: world.snapshot(), log: written.text() };
    world.shut_down().await;
    told
}

async fn has_a_deployment(world: &World) {
    while world.snapshot()["github_deployments"].as_array().is_none_or(Vec::is_empty) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_push_is_told_everywhere() {
    let told = told(Job::default(), &[]).await;
    assert_eq!(told.warnings(), [""; 0]);
    assert_eq!(told.all("checks", "conclusion"), ["success"]);
    assert_eq!(told.all("checks", "head_sha"), [&Job::default().sha]);
    assert_eq!(told.all("statuses", "state"), ["pending", "success"]);
    assert_eq!(told.all("comments", "issue"), [7]);
    let body = told.all("comments", "body")[0].as_str().unwrap();
    assert!(body.contains("✅ Deployed"), "{body}");
    let deployments = told.world["github_deployments"].as_array().unwrap();
    assert_eq!(deployments.len(), 1);
    assert_eq!(deployments[0]["statuses"][1]["state"], "success");
}

#[tokio::test]
async fn a_pull_request_is_told_on_its_head() {
    let job = Job { event: "pull_request".into(), branch: "topic".into(), ..Job::default() };
    let told = told(job, &[]).await;
    assert_eq!(told.warnings(), [""; 0]);
    assert_eq!(told.all("checks", "head_sha"), [&Job::default().sha]);
    assert_eq!(told.all("comments", "issue"), [7]);
}

#[tokio::test]
async fn a_world_that_reads_only_costs_one_warning() {
    let told = told(Job::default(), &[Fault::GithubReadOnly]).await;
    assert_eq!(told.warnings().len(), 1, "{:?}", told.warnings());
    assert_eq!(told.all("checks", "id"), [""; 0]);
    assert!(told.log.contains("Deployment d-ABCDEF123 succeeded."));
}

#[tokio::test]
async fn a_world_that_is_down_costs_one_warning() {
    let told = told(Job::default(), &[Fault::GithubDown]).await;
    assert_eq!(told.warnings().len(), 1, "{:?}", told.warnings());
    assert!(told.log.contains("Deployment d-ABCDEF123 succeeded."));
}
