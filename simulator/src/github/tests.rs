//! Requests to GitHub as a job makes them, past the door and with what the door refuses.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::{
    Fault, Options,
    spec::{CallerSpec, Comment},
};
use axum::body::Body;
use hyper::{HeaderMap, Request};

async fn world(job: Job, faults: &[Fault]) -> Arc<World> {
    let spec = WorldSpec {
        regions: vec!["eu-central-1".into()],
        accounts: Vec::new(),
        job,
        caller: CallerSpec { account: "111111111111".into(), user: "ci".into() },
        ..WorldSpec::default()
    };
    let options = Options {
        listen: ([127, 0, 0, 1], 0).into(),
        speed: 1.0,
        faults: faults.to_vec(),
        docker: false,
        canary: Some("canary".into()),
    };
    World::start(spec, options).await.unwrap()
}

struct Got {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

/// Below the repository, unless the path starts with a slash.
async fn send(world: &Arc<World>, method: &str, path: &str, body: Value) -> Got {
    let token = world.lock().github.token.clone();
    let headers = [("authorization", format!("Bearer {token}")), ("user-agent", "test".to_owned())];
    send_with(world, method, path, &headers, body).await
}

async fn send_with(
    world: &Arc<World>,
    method: &str,
    path: &str,
    headers: &[(&str, String)],
    body: Value,
) -> Got {
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/repos/acme/hello/{path}") };
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let response = door::answer(world.clone(), request.body(body).unwrap()).await;
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
    Got { status: parts.status.as_u16(), headers: parts.headers, body }
}

fn sha() -> String {
    Job::default().sha
}

#[tokio::test]
async fn the_door_wants_a_token_and_a_user_agent() {
    let world = world(Job::default(), &[]).await;
    let token = world.lock().github.token.clone();
    let agent = || ("user-agent", "test".to_owned());
    let with = |token: &str| ("authorization", format!("Bearer {token}"));
    let pulls = "pulls/7";
    let none = send_with(&world, "GET", pulls, &[agent()], Value::Null).await;
    assert_eq!((none.status, none.message()), (401, "Requires authentication"));
    let bad = send_with(&world, "GET", pulls, &[agent(), with("ghs_x")], Value::Null).await;
    assert_eq!((bad.status, bad.message()), (401, "Bad credentials"));
    let anonymous = send_with(&world, "GET", pulls, &[with(&token)], Value::Null).await;
    assert_eq!(anonymous.status, 403);
    let classic = [agent(), ("authorization", format!("token {token}"))];
    assert_eq!(send_with(&world, "GET", pulls, &classic, Value::Null).await.status, 200);
    let old = [agent(), with(&token), ("x-github-api-version", "2001-01-01".to_owned())];
    assert_eq!(send_with(&world, "GET", pulls, &old, Value::Null).await.status, 400);

    assert_eq!(send(&world, "GET", "/api/v3/repos/acme/hello/pulls/7", Value::Null).await.status, 200);
    assert_eq!(send(&world, "GET", "/repos/ACME/Hello/pulls/7", Value::Null).await.status, 200);
    assert_eq!(send(&world, "GET", "/repos/acme/other/pulls/7", Value::Null).await.status, 404);
    let nowhere = send(&world, "GET", "nowhere", Value::Null).await;
    assert_eq!((nowhere.status, &nowhere.body["status"]), (404, &json!("404")));
    let broken = [agent(), with(&token)];
    let request = Request::builder().method("POST").uri("/repos/acme/hello/check-runs");
    let request = broken.iter().fold(request, |r, (k, v)| r.header(*k, v)).body(Body::from("{")).unwrap();
    assert_eq!(door::answer(world.clone(), request).await.status(), 400);
    assert!(token.contains("canary"));
}

#[tokio::test]
async fn a_check_run_goes_from_queued_to_completed() {
    let world = world(Job::default(), &[]).await;
    let wrong = send(&world, "POST", "check-runs", json!({"name": "deploy"})).await;
    assert_eq!((wrong.status, wrong.message()), (422, "Invalid request.\n\n\"head_sha\" wasn't supplied."));
    let unknown = send(&world, "POST", "check-runs", json!({"name": "deploy", "head_sha": "main"})).await;
    assert_eq!((unknown.status, unknown.message()), (422, "No commit found for SHA: main"));
    let made = send(&world, "POST", "check-runs", json!({"name": "deploy", "head_sha": sha()})).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.body["status"], "queued");
    assert_eq!(made.body["pull_requests"][0]["number"], 7);
    let run = format!("check-runs/{}", made.body["id"]);
    let no_conclusion = send(&world, "PATCH", &run, json!({"status": "completed"})).await;
    assert_eq!(no_conclusion.status, 422);
    assert!(no_conclusion.message().contains("conclusion"));
    let note = |n: u64| json!({"path": "a", "start_line": n, "end_line": n, "annotation_level": "notice", "message": "m"});
    let notes = |n: u64| (0..n).map(note).collect::<Vec<_>>();
    let output = |n| json!({"output": {"title": "t", "summary": "s", "annotations": notes(n)}});
    assert_eq!(send(&world, "PATCH", &run, output(51)).await.status, 422);
    assert_eq!(send(&world, "PATCH", &run, output(50)).await.body["output"]["annotations_count"], 50);
    assert_eq!(send(&world, "PATCH", &run, output(1)).await.body["output"]["annotations_count"], 51);
    let listed = send(&world, "GET", &format!("{run}/annotations?per_page=100"), Value::Null).await;
    assert_eq!(listed.body.as_array().unwrap().len(), 51);
    let long = json!({"output": {"title": "t", "summary": "s", "text": "x".repeat(65_536)}});
    assert_eq!(send(&world, "PATCH", &run, long).await.status, 422);
    let no_summary = send(&world, "PATCH", &run, json!({"output": {"title": "t"}})).await;
    assert!(no_summary.message().contains("summary"));
    let foreign = json!({"conclusion": "stale"});
    assert_eq!(send(&world, "PATCH", &run, foreign).await.status, 422);

    // A conclusion is an end, whatever the status says.
    let ended = send(&world, "PATCH", &run, json!({"status": "in_progress", "conclusion": "success"})).await;
    assert_eq!((&ended.body["status"], &ended.body["conclusion"]), (&json!("completed"), &json!("success")));
    assert!(ended.body["completed_at"].is_string());
    let reopened = send(&world, "PATCH", &run, json!({"status": "in_progress"})).await;
    assert_eq!((&reopened.body["conclusion"], &reopened.body["completed_at"]), (&Value::Null, &Value::Null));
    assert_eq!(send(&world, "PATCH", "check-runs/999", json!({})).await.status, 404);

    send(&world, "POST", "check-runs", json!({"name": "deploy", "head_sha": sha(), "conclusion": "failure"}))
        .await;
    send(&world, "POST", "check-runs", json!({"name": "other", "head_sha": sha(), "status": "in_progress"}))
        .await;
    let count = |query: &'static str| {
        let world = world.clone();
        async move {
            send(&world, "GET", &format!("commits/main/check-runs{query}"), Value::Null).await.body["total_count"].clone()
        }
    };
    assert_eq!(count("").await, 2, "the latest of each name");
    assert_eq!(count("?filter=all").await, 3);
    assert_eq!(count("?check_name=deploy&status=completed").await, 1);
    assert_eq!(send(&world, "GET", "commits/nope/check-runs", Value::Null).await.status, 422);
}

#[tokio::test]
async fn statuses_combine_by_their_newest() {
    let world = world(Job::default(), &[]).await;
    let path = format!("statuses/{}", sha());
    let combined = || async { send(&world, "GET", "commits/main/status", Value::Null).await.body };
    assert_eq!(combined().await["state"], "pending");
    let made = send(&world, "POST", &path, json!({"state": "pending", "context": "Deploy/Prod"})).await;
    assert_eq!((made.status, &made.body["creator"]["login"]), (201, &json!("github-actions[bot]")));
    send(&world, "POST", &path, json!({"state": "success", "context": "deploy/prod"})).await;
    let now = combined().await;
    assert_eq!((&now["state"], &now["total_count"]), (&json!("success"), &json!(1)));
    assert_eq!(send(&world, "POST", &path, json!({"state": "error"})).await.body["context"], "default");
    assert_eq!(combined().await["state"], "failure");
    let all = send(&world, "GET", &format!("commits/{}/statuses", sha()), Value::Null).await;
    assert_eq!(all.body.as_array().unwrap().len(), 3);
    assert_eq!(all.body[0]["state"], "error");

    let long = send(&world, "POST", &path, json!({"state": "error", "description": "x".repeat(141)})).await;
    assert_eq!(long.status, 422);
    assert_eq!(
        long.body["errors"],
        json!([{"resource": "Status", "code": "custom", "field": "description", "message": "description is too long (maximum is 140 characters)"}])
    );
    assert_eq!(send(&world, "POST", &path, json!({"state": "odd"})).await.status, 422);
    assert_eq!(
        send(&world, "POST", &path, json!({"state": "error", "target_url": "ftp://x"})).await.status,
        422
    );
    assert_eq!(send(&world, "POST", "statuses/main", json!({"state": "error"})).await.status, 422);
}

#[tokio::test]
async fn comments_are_listed_edited_hidden_and_gone() {
    let told =
        (0..34).map(|n| Comment { user: "octocat".into(), body: format!("<!-- marker --> {n}") }).collect();
    let world = world(Job { comments: told, ..Job::default() }, &[]).await;
    let first = send(&world, "GET", "issues/7/comments", Value::Null).await;
    assert_eq!(first.body.as_array().unwrap().len(), 30);
    assert_eq!(first.body[0]["user"]["login"], "octocat");
    assert!(first.header("link").contains("issues/7/comments?page=2>; rel=\"next\""));
    let made = send(&world, "POST", "issues/7/comments", json!({"body": "<!-- marker --> ours"})).await;
    assert_eq!((made.status, &made.body["user"]["type"]), (201, &json!("Bot")));
    let path = format!("issues/comments/{}", made.body["id"]);
    for method in ["PATCH", "POST"] {
        let edited = send(&world, method, &path, json!({"body": method})).await;
        assert_eq!((edited.status, &edited.body["body"]), (200, &json!(method)));
    }
    let long = send(&world, "PATCH", &path, json!({"body": "ä".repeat(65_537)})).await;
    assert_eq!(long.status, 422);
    assert!(long.body["errors"][0]["message"].as_str().unwrap().contains("Body is too long"));
    assert_eq!(send(&world, "POST", "issues/7/comments", json!({"body": " "})).await.status, 422);
    assert_eq!(send(&world, "POST", "issues/8/comments", json!({"body": "x"})).await.status, 404);

    let hide = "mutation($id:ID!){minimizeComment(input:{subjectId:$id,classifier:OUTDATED}){minimizedComment{isMinimized}}}";
    let node = made.body["node_id"].clone();
    let hidden = send(&world, "POST", "/graphql", json!({"query": hide, "variables": {"id": node}})).await;
    assert_eq!(
        hidden.body,
        json!({"data": {"minimizeComment": {"minimizedComment": {"isMinimized": true}}}})
    );
    assert_eq!(send(&world, "GET", &path, Value::Null).await.body["minimized"]["reason"], "outdated");
    let unknown =
        send(&world, "POST", "/api/graphql", json!({"query": hide, "variables": {"id": "x"}})).await;
    assert_eq!((unknown.status, &unknown.body["errors"][0]["type"]), (200, &json!("NOT_FOUND")));
    assert_eq!(send(&world, "POST", "/api/v3/graphql", json!({"query": hide})).await.status, 404);

    assert_eq!(send(&world, "DELETE", &path, Value::Null).await.status, 204);
    assert_eq!(send(&world, "PATCH", &path, json!({"body": "x"})).await.status, 404);
}

#[tokio::test]
async fn deployments_have_their_traps() {
    let world = world(Job::default(), &[]).await;
    let merged = send(&world, "POST", "deployments", json!({"ref": "main", "required_contexts": []})).await;
    assert_eq!((merged.status, merged.message()), (202, "Auto-merged main into main on deployment."));
    let red = send(&world, "POST", "deployments", json!({"ref": "main", "auto_merge": false})).await;
    assert_eq!((red.status, red.message()), (409, "Conflict: Commit status checks failed for main."));
    let deploy = |reference: &str, environment: &str, more: Value| {
        let mut body = json!({
            "ref": reference, "environment": environment, "auto_merge": false, "required_contexts": [],
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let world = world.clone();
        async move { send(&world, "POST", "deployments", body).await }
    };
    let unknown = deploy("nope", "qa", json!({})).await;
    assert_eq!((unknown.status, unknown.message()), (422, "No ref found for: nope"));
    assert_eq!(deploy("main", "qa", json!({"description": "x".repeat(141)})).await.status, 422);
    assert_eq!(deploy("main", "qa", json!({"required_contexts": ["build"]})).await.status, 409);
    let status = |id: &Value, body: Value| {
        let (world, path) = (world.clone(), format!("deployments/{id}/statuses"));
        async move { send(&world, "POST", &path, body).await }
    };
    let latest = |id: Value| {
        let world = world.clone();
        async move {
            send(&world, "GET", &format!("deployments/{id}/statuses"), Value::Null).await.body[0]["state"]
                .clone()
        }
    };
    // What succeeded before goes inactive, unless it is production or transient, or didn't succeed.
    let mut earlier = Vec::new();
    for (environment, more) in
        [("qa", json!({})), ("qa", json!({"transient_environment": true})), ("production", json!({}))]
    {
        let made = deploy(&sha(), environment, more).await;
        assert_eq!(made.body["production_environment"], environment == "production");
        let id = made.body["id"].clone();
        let answer =
            status(&id, json!({"state": "success", "log_url": "https://log", "auto_inactive": false})).await;
        assert_eq!((answer.status, &answer.body["target_url"]), (201, &json!("https://log")));
        earlier.push(id);
    }
    for environment in ["qa", "production"] {
        let id = deploy("main", environment, json!({})).await.body["id"].clone();
        status(&id, json!({"state": "success"})).await;
    }
    let mut states = Vec::new();
    for id in &earlier {
        states.push(latest(id.clone()).await);
    }
    assert_eq!(states, ["inactive", "success", "success"]);
    assert_eq!(
        status(&earlier[0], json!({"state": "success", "description": "x".repeat(141)})).await.status,
        422
    );
    assert_eq!(status(&json!(999), json!({"state": "success"})).await.status, 404);
    let listed = send(&world, "GET", "deployments?environment=qa&task=deploy", Value::Null).await;
    assert_eq!(listed.body.as_array().unwrap().len(), 3);
    let delete = |id: &Value| {
        let (world, path) = (world.clone(), format!("deployments/{id}"));
        async move { send(&world, "DELETE", &path, Value::Null).await.status }
    };
    assert_eq!(delete(&earlier[2]).await, 422);
    assert_eq!(delete(&earlier[0]).await, 204);
}

#[tokio::test]
async fn a_job_with_an_environment_has_a_deployment_already() {
    let job = Job { environment: Some("production".into()), ..Job::default() };
    let world = world(job, &[]).await;
    let listed = send(&world, "GET", &format!("deployments?sha={}", sha()), Value::Null).await;
    assert_eq!(listed.body[0]["creator"]["login"], "github-actions[bot]");
    let statuses =
        send(&world, "GET", &format!("deployments/{}/statuses", listed.body[0]["id"]), Value::Null).await;
    assert_eq!(statuses.body[0]["state"], "in_progress");
    assert_eq!(world.snapshot()["github_deployments"][0]["of_the_job"], true);
}

#[tokio::test]
async fn a_commit_knows_its_pull_request() {
    let world =
        world(Job { branch: "topic".into(), event: "pull_request".into(), ..Job::default() }, &[]).await;
    let pulls = |sha: String| {
        let world = world.clone();
        async move { send(&world, "GET", &format!("commits/{sha}/pulls"), Value::Null).await.body }
    };
    let of_head = pulls(sha()).await;
    assert_eq!((&of_head[0]["number"], &of_head[0]["head"]["sha"]), (&json!(7), &json!(sha())));
    assert_eq!(of_head[0]["head"]["ref"], "topic");
    assert_eq!(pulls("f".repeat(40)).await, json!([]));
    assert_eq!(send(&world, "GET", "pulls/7", Value::Null).await.body["merged"], false);
    assert_eq!(send(&world, "GET", "pulls/8", Value::Null).await.status, 404);
}

#[tokio::test]
async fn permissions_are_the_jobs() {
    let permissions = [("checks", "read"), ("issues", "write")].map(|(k, v)| (k.into(), v.into())).into();
    let job = Job { permissions, ..Job::default() };
    let world = world(job, &[]).await;
    let denied = send(&world, "POST", "check-runs", json!({"name": "x", "head_sha": sha()})).await;
    assert_eq!((denied.status, denied.message()), (403, "Resource not accessible by integration"));
    assert_eq!(denied.header("x-accepted-github-permissions"), "checks=write");
    assert_eq!(
        denied.body["documentation_url"],
        "https://docs.github.com/rest/checks/runs#create-a-check-run"
    );
    assert_eq!(send(&world, "GET", "commits/main/check-runs", Value::Null).await.status, 200);
    let comment = send(&world, "POST", "issues/7/comments", json!({"body": "x"})).await;
    assert_eq!(comment.header("x-accepted-github-permissions"), "issues=write; pull_requests=write");
    assert_eq!(comment.status, 201);
    assert_eq!(send(&world, "GET", "pulls/7", Value::Null).await.status, 403);
    let status = send(&world, "POST", &format!("statuses/{}", sha()), json!({"state": "error"})).await;
    assert_eq!(status.status, 403);
    let hide =
        r#"mutation{minimizeComment(input:{subjectId:"x",classifier:SPAM}){minimizedComment{isMinimized}}}"#;
    let hidden = send(&world, "POST", "/graphql", json!({"query": hide})).await;
    assert_eq!((hidden.status, &hidden.body["errors"][0]["type"]), (200, &json!("FORBIDDEN")));
}

#[tokio::test]
async fn a_reader_cannot_write_and_a_fork_has_no_identity() {
    let read_only = world(Job::default(), &[Fault::GithubReadOnly]).await;
    let fork = world(Job { fork: true, event: "pull_request".into(), ..Job::default() }, &[]).await;
    for world in [&read_only, &fork] {
        assert_eq!(
            send(world, "POST", "check-runs", json!({"name": "x", "head_sha": sha()})).await.status,
            403
        );
        assert_eq!(send(world, "POST", "issues/7/comments", json!({"body": "x"})).await.status, 403);
        assert_eq!(send(world, "GET", "issues/7/comments", Value::Null).await.status, 200);
    }
    let names: Vec<String> = fork.job_environment().into_iter().map(|(name, _)| name).collect();
    assert!(!names.iter().any(|name| name.starts_with("ACTIONS_ID_TOKEN")));
    let payload = fork.event_payload();
    assert_eq!(payload["pull_request"]["head"]["repo"]["full_name"], "octocat/hello");
    assert_eq!(payload["pull_request"]["base"]["repo"]["full_name"], "acme/hello");
    assert_eq!(send(&fork, "GET", "pulls/7", Value::Null).await.body["head"]["repo"]["fork"], true);
}

#[tokio::test]
async fn when_github_is_down_the_issuer_is_not() {
    let world = world(Job::default(), &[Fault::GithubDown]).await;
    assert_eq!(send(&world, "GET", "pulls/7", Value::Null).await.status, 503);
    assert_eq!(send(&world, "POST", "/graphql", json!({})).await.status, 503);
    assert_eq!(send(&world, "GET", "/rate_limit", Value::Null).await.status, 503);
    let environment: BTreeMap<String, String> = world.job_environment().into_iter().collect();
    let url = format!("{}&audience=sts.amazonaws.com", environment["ACTIONS_ID_TOKEN_REQUEST_URL"]);
    let path = url.strip_prefix(&world.endpoints().github).unwrap();
    let bearer = ("authorization", format!("Bearer {}", environment["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]));
    let token = send_with(&world, "GET", path, &[bearer], Value::Null).await;
    let claims = world.lock().iam.issuer.verify(token.body["value"].as_str().unwrap()).unwrap();
    assert_eq!((&claims["aud"], &claims["sha"]), (&json!("sts.amazonaws.com"), &json!(sha())));
    let wrong = [("authorization", "Bearer x".to_owned())];
    assert_eq!(send_with(&world, "GET", path, &wrong, Value::Null).await.status, 401);
    assert_eq!(
        send_with(&world, "GET", "/.well-known/jwks", &[], Value::Null).await.body["keys"][0]["kty"],
        "EC"
    );
}

#[tokio::test]
async fn requests_are_counted_limited_and_journaled() {
    let world = world(Job::default(), &[]).await;
    let first = send(&world, "GET", "pulls/7", Value::Null).await;
    assert_eq!(first.header("x-ratelimit-limit"), "1000");
    assert_eq!(first.header("x-ratelimit-remaining"), "999");
    assert!(!first.header("x-github-request-id").is_empty());
    let token = world.lock().github.token.clone();
    let again = [
        ("authorization", format!("Bearer {token}")),
        ("user-agent", "test".to_owned()),
        ("if-none-match", format!("W/{}", first.header("etag"))),
    ];
    let same = send_with(&world, "GET", "pulls/7", &again, Value::Null).await;
    assert_eq!((same.status, same.header("x-ratelimit-remaining")), (304, "999"));
    assert_eq!(same.body, Value::Null);
    let limits = send(&world, "GET", "/rate_limit", Value::Null).await;
    assert_eq!(limits.body["resources"]["core"]["used"], 1);

    // Writes of one minute: 180 at five points each, less what the reads took.
    let path = format!("statuses/{}", sha());
    let refused = loop {
        let got = send(&world, "POST", &path, json!({"state": "pending"})).await;
        if got.status != 201 {
            break got;
        }
    };
    assert_eq!((refused.status, refused.header("retry-after")), (403, "60"));
    assert!(refused.message().contains("secondary rate limit"));
    let counts = world.snapshot()["github_calls_by_operation"].clone();
    assert_eq!(counts["pulls/get"], 2);
    assert!((170..=180).contains(&counts["repos/create-commit-status"].as_u64().unwrap()));
    let latest = world.snapshot()["github_calls"].as_array().unwrap().last().cloned().unwrap();
    assert_eq!(
        (&latest["operation"], &latest["status"]),
        (&json!("repos/create-commit-status"), &json!(403))
    );
}

#[tokio::test]
async fn every_event_has_its_payload_and_its_commit() {
    for (event, commit) in [
        ("push", "/after"),
        ("pull_request", "/pull_request/head/sha"),
        ("pull_request_target", "/pull_request/head/sha"),
        ("workflow_run", "/workflow_run/head_sha"),
        ("merge_group", "/merge_group/head_sha"),
        ("deployment", "/deployment/sha"),
    ] {
        let world = world(Job { event: event.into(), branch: "topic".into(), ..Job::default() }, &[]).await;
        let payload = world.event_payload();
        assert_eq!(payload.pointer(commit), Some(&json!(sha())), "{event}");
        assert_eq!(payload["repository"]["full_name"], "acme/hello");
        let environment: BTreeMap<String, String> = world.job_environment().into_iter().collect();
        assert_eq!(environment["GITHUB_EVENT_NAME"], event);
        assert_eq!(environment["GITHUB_SHA"].len(), 40);
        assert_eq!(environment["GITHUB_REPOSITORY_OWNER"], "acme");
    }
    let dispatched = world(Job { event: "workflow_dispatch".into(), ..Job::default() }, &[]).await;
    assert_eq!(dispatched.event_payload()["ref"], "refs/heads/main");
    let pull =
        world(Job { event: "pull_request".into(), branch: "topic".into(), ..Job::default() }, &[]).await;
    let environment: BTreeMap<String, String> = pull.job_environment().into_iter().collect();
    assert_eq!(environment["GITHUB_REF"], "refs/pull/7/merge");
    assert_eq!(
        (environment["GITHUB_HEAD_REF"].as_str(), environment["GITHUB_BASE_REF"].as_str()),
        ("topic", "main")
    );
    assert_ne!(environment["GITHUB_SHA"], sha());
}
