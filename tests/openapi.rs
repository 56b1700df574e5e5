//! What GitHub is asked, and what the simulator answers in its place, held against the description
//! that GitHub publishes of its API.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::{Value, json};
use simulator::{
    Options,
    spec::{Job, WorldSpec},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};
use support::World;

/// The clients' interpreter checks them.
#[track_caller]
fn hold(exchanges: &[Value]) {
    let root = env!("CARGO_MANIFEST_DIR");
    let python = std::env::var("GREENLIGHT_PYTHON").unwrap_or(format!("{root}/target/clients/bin/python"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), Value::from(exchanges).to_string()).unwrap();
    let mut command = Command::new(&python);
    command.arg(format!("{root}/simulator/tests/clients/openapi.py")).arg(file.path());
    let done = command.output().unwrap_or_else(|e| panic!("{python}: {e}; run script/bootstrap test"));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn operations(exchanges: &[Value]) -> BTreeSet<String> {
    exchanges.iter().map(|exchange| exchange["operation"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_request_of_the_tool_is_one_that_github_describes() {
    let world = World::hello();
    world.run(&["deploy"]).end().expect(0, "succeeded");
    // Its deployment is retired by the next; the answer to a creation is lost.
    let event = json!({ "issue": { "number": 7, "pull_request": {} } });
    std::fs::write(world.project.folder().join("event.json"), event.to_string()).unwrap();
    world.run(&["deploy", "--force"]).env("GITHUB_RUN_ID", "4343").end().expect(0, "succeeded");
    world
        .run(&["plan"])
        .env("GITHUB_EVENT_NAME", "issue_comment")
        .env("GITHUB_EVENT_PATH", "event.json")
        .end()
        .expect(0, "planned");
    let exchanges = world.github();
    hold(&exchanges);
    let seen = operations(&exchanges);
    for operation in [
        "checks/create",
        "checks/update",
        "checks/list-for-ref",
        "issues/create-comment",
        "issues/list-comments",
        "issues/update-comment",
        "pulls/get",
        "repos/create-commit-status",
        "repos/create-deployment",
        "repos/create-deployment-status",
        "repos/list-deployment-statuses",
        "repos/list-deployments",
        "repos/list-pull-requests-associated-with-commit",
    ] {
        assert!(seen.contains(operation), "{operation} is not among {seen:?}");
    }
}

/// Every operation that the simulator has, each asked for by hand.
#[tokio::test]
async fn every_answer_of_the_simulator_is_one_that_github_describes() {
    let older = "e".repeat(40);
    let job = Job { history: vec![older.clone(), Job::default().sha], ..Job::default() };
    let spec =
        WorldSpec { regions: vec!["eu-central-1".into()], accounts: Vec::new(), job, ..WorldSpec::default() };
    let options = Options {
        listen: ([127, 0, 0, 1], 0).into(),
        speed: 1.0,
        faults: Vec::new(),
        docker: false,
        canary: None,
    };
    let world = simulator::World::start(spec, options).await.unwrap();
    let environment: BTreeMap<String, String> = world.job_environment().into_iter().collect();
    rustls::crypto::ring::default_provider().install_default().ok();
    let http = reqwest::Client::builder().user_agent("test").build().unwrap();
    let call = async |method: &str, path: &str, body: Value| -> Value {
        let url = format!("{}/repos/acme/hello/{path}", environment["GITHUB_API_URL"]);
        let mut request = http.request(method.parse().unwrap(), url.trim_end_matches('/'));
        request = request.bearer_auth(&environment["GITHUB_TOKEN"]);
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let text = answer.text().await.unwrap();
        serde_json::from_str(&text).unwrap_or_default()
    };
    let nothing = Value::Null;
    let get = async |path: &str| call("GET", path, Value::Null).await;
    let sha = Job::default().sha;

    let note =
        json!({ "path": "a", "start_line": 1, "end_line": 1, "annotation_level": "failure", "message": "m" });
    let output = json!({ "title": "t", "summary": "s", "annotations": [note] });
    let check = call("POST", "check-runs", json!({ "name": "c", "head_sha": sha, "output": output })).await;
    let check = format!("check-runs/{}", check["id"]);
    call("PATCH", &check, json!({ "status": "completed", "conclusion": "success" })).await;
    get(&check).await;
    get(&format!("{check}/annotations")).await;
    get(&format!("commits/{sha}/check-runs?check_name=c&status=completed&filter=all&per_page=5")).await;
    call("POST", &format!("statuses/{sha}"), json!({ "state": "success", "context": "c" })).await;
    get(&format!("commits/{sha}/status")).await;
    get(&format!("commits/{sha}/statuses")).await;

    let comment = call("POST", "issues/7/comments", json!({ "body": "b" })).await;
    let comment = format!("issues/comments/{}", comment["id"]);
    get("issues/7/comments?per_page=1&page=1").await;
    get(&comment).await;
    call("PATCH", &comment, json!({ "body": "c" })).await;
    call("DELETE", &comment, nothing.clone()).await;

    let new = json!({ "ref": sha, "environment": "qa", "auto_merge": false, "required_contexts": [], "payload": { "a": 1 } });
    let deployment = call("POST", "deployments", new.clone()).await;
    let deployment = format!("deployments/{}", deployment["id"]);
    get("deployments?environment=qa&task=deploy").await;
    get(&deployment).await;
    let status = call(
        "POST",
        &format!("{deployment}/statuses"),
        json!({ "state": "success", "log_url": "https://x.example/" }),
    )
    .await;
    get(&format!("{deployment}/statuses")).await;
    get(&format!("{deployment}/statuses/{}", status["id"])).await;
    call("POST", "deployments", new).await;
    call("POST", &format!("{deployment}/statuses"), json!({ "state": "inactive" })).await;
    call("DELETE", &deployment, nothing).await;
    // It may merge instead, and it may refuse.
    call("POST", "deployments", json!({ "ref": sha })).await;
    call("POST", "deployments", json!({ "ref": sha, "auto_merge": false })).await;

    get(&format!("commits/{sha}/pulls")).await;
    get(&format!("commits/{sha}")).await;
    get(&format!("compare/{sha}...{older}?per_page=1")).await;
    get(&format!("compare/{older}...{sha}?per_page=1")).await;
    get(&format!("compare/{}...{sha}", "f".repeat(40))).await;
    get("pulls?state=open").await;
    get("pulls/7").await;
    get("").await;

    let exchanges = world.github_exchanges();
    world.shut_down().await;
    let exchanges = exchanges.as_array().unwrap();
    hold(exchanges);
    let seen = operations(exchanges);
    let missed: Vec<&str> = simulator::github_operations().filter(|known| !seen.contains(*known)).collect();
    assert_eq!(missed, [""; 0], "asked for by no request above");
}
