//! What GitHub is told of a story, and what becomes of a GitHub that won't listen.

use crate::{
    cancel::Cancel,
    event::Event,
    github::stub::{Answer, Request, Stub},
    report::{GitHub, Options, Reporter, tests as story},
    secret::Secret,
    surroundings::{Pace, Variables},
};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use tokio::time::Instant;

const SHA: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";

/// Everything there is.
fn all() -> GitHub {
    GitHub { token: Some(Secret::new("ghs_token_of_the_job")), ..GitHub::default() }
}

fn reporter(stub: &Stub, github: GitHub, further: &[(&str, &str)]) -> (Reporter, story::Written) {
    let folder = tempfile::tempdir().unwrap();
    let event = folder.path().join("event.json");
    let payload = json!({ "number": 2, "pull_request": {
        "number": 2,
        "head": { "sha": SHA, "repo": { "full_name": "o/r" } },
        "base": { "repo": { "full_name": "o/r" } } } });
    std::fs::write(&event, payload.to_string()).unwrap();
    let event = event.to_string_lossy().into_owned();
    let mut variables = vec![
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_API_URL", stub.url.as_str()),
        ("GITHUB_REPOSITORY", "o/r"),
        ("GITHUB_EVENT_NAME", "pull_request"),
        ("GITHUB_EVENT_PATH", &event),
        ("GITHUB_RUN_ID", "7"),
        ("GITHUB_RUN_ATTEMPT", "1"),
    ];
    variables.extend(further);
    let variables = Variables::of(variables.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())));
    let written = story::Written::default();
    let pace = Pace { speed: 1000.0, started: Instant::now() };
    (Reporter::to(Options { github, ..Options::default() }, &variables, pace, written.clone()), written)
}

fn granted(request: &Request) -> Answer {
    let id = match request.path.as_str() {
        "/repos/o/r/check-runs" => 11,
        "/repos/o/r/issues/2/comments" => 12,
        "/repos/o/r/deployments" => 13,
        path if path.ends_with("/pulls?per_page=100") => {
            return Answer::of(200, json!([{ "number": 2, "state": "open", "head": { "sha": SHA } }]));
        }
        path if path.contains("/check-runs?") => return Answer::of(200, json!({ "check_runs": [] })),
        _ if request.method == "GET" => return Answer::of(200, json!([])),
        _ => 14,
    };
    let status = if request.method == "POST" { 201 } else { 200 };
    Answer::of(status, json!({ "id": id }))
}

fn warnings(written: &story::Written) -> Vec<String> {
    let text = written.text();
    text.lines().filter(|line| line.starts_with("::warning::GitHub")).map(str::to_owned).collect()
}

fn writes(stub: &Stub) -> Vec<String> {
    stub.lines().into_iter().filter(|line| !line.starts_with("GET")).collect()
}

fn last(stub: &Stub, line: &str) -> Value {
    stub.requests().into_iter().rfind(|request| request.line() == line).unwrap().body
}

#[tokio::test]
async fn every_place_ends_with_the_outcome() {
    let stub = Stub::serve(granted).await;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state").to_string_lossy().into_owned();
    let (reporter, written) = reporter(&stub, all(), &[("GITHUB_STATE", &state)]);
    story::tell(&reporter, story::story());
    reporter.finish(&Cancel::never()).await;

    assert_eq!(warnings(&written), [""; 0], "{:?}", stub.lines());
    let check = last(&stub, "POST /repos/o/r/check-runs");
    assert_eq!((&check["status"], &check["conclusion"]), (&json!("completed"), &json!("success")));
    let status = last(&stub, &format!("POST /repos/o/r/statuses/{SHA}"));
    assert_eq!(status["state"], "success");
    let deployment = last(&stub, "POST /repos/o/r/deployments");
    assert_eq!((&deployment["auto_merge"], &deployment["required_contexts"]), (&json!(false), &json!([])));
    assert_eq!(deployment["ref"], SHA);
    assert_eq!(last(&stub, "POST /repos/o/r/deployments/13/statuses")["state"], "success");
    let ids = std::fs::read_to_string(state).unwrap();
    for id in ["check_run_id=11\n", "comment_id=12\n", "github_deployment_id=13\n"] {
        assert!(ids.contains(id), "{ids}");
    }
    let comment = last(&stub, "POST /repos/o/r/issues/2/comments");
    assert!(comment["body"].as_str().unwrap().starts_with("<!-- greenlight:hello:production -->\n## ✅"));
}

#[tokio::test]
async fn a_check_that_a_dead_run_left_is_closed() {
    let stub = Stub::serve(|request| match request.path.contains("/check-runs?") {
        true => Answer::of(
            200,
            json!({ "check_runs": [{ "id": 3, "external_id": "6.1" }, { "id": 11, "external_id": "7.1" }] }),
        ),
        false => granted(request),
    })
    .await;
    let github = GitHub { status: false, comment: false, deployment: false, ..all() };
    let (reporter, _) = reporter(&stub, github, &[]);
    story::tell(&reporter, story::story());
    reporter.finish(&Cancel::never()).await;
    assert_eq!(writes(&stub), ["POST /repos/o/r/check-runs", "PATCH /repos/o/r/check-runs/3"]);
    assert_eq!(last(&stub, "PATCH /repos/o/r/check-runs/3")["conclusion"], "cancelled");
}

#[tokio::test]
async fn another_process_of_the_run_tells_the_end_at_what_there_is() {
    let stub = Stub::serve(granted).await;
    let ids = [("check_run_id", 11), ("comment_id", 12), ("github_deployment_id", 13)];
    let resumed = Some(ids.map(|(name, id)| (name.to_owned(), id)).into());
    let (reporter, written) = reporter(&stub, GitHub { resumed, ..all() }, &[]);
    story::tell(&reporter, story::story());
    reporter.finish(&Cancel::never()).await;
    assert_eq!(warnings(&written), [""; 0], "{:?}", stub.lines());
    assert_eq!(
        writes(&stub),
        [
            "PATCH /repos/o/r/check-runs/11",
            &format!("POST /repos/o/r/statuses/{SHA}"),
            "PATCH /repos/o/r/issues/comments/12",
            "POST /repos/o/r/deployments/13/statuses"
        ]
    );
}

#[tokio::test]
async fn changes_that_come_together_are_one_request() {
    let stub = Stub::serve(granted).await;
    let github = GitHub { status: false, comment: false, deployment: false, ..all() };
    let (reporter, _) = reporter(&stub, github, &[]);
    story::tell(&reporter, story::story());
    reporter.finish(&Cancel::never()).await;
    assert_eq!(writes(&stub), ["POST /repos/o/r/check-runs"]);
}

/// However much happens in an hour of the world.
#[tokio::test]
async fn an_hour_costs_no_more_than_ninety_requests() {
    let stub = Stub::serve(granted).await;
    let (reporter, _) = reporter(&stub, all(), &[]);
    let mut events = story::story();
    let end = events.pop();
    story::tell(&reporter, events);
    let pace = reporter.0.pace;
    for second in (0..3600).step_by(5) {
        tokio::time::sleep_until(pace.started + pace.real(Duration::from_secs(second))).await;
        let running = i32::try_from(second).unwrap();
        let count = |running| Some(crate::event::TaskCount { running, desired: 4, pending: 0 });
        reporter.tell(Event::Tasks { blue: count(4), green: count(running) });
        reporter.tell(Event::Traffic { blue: 100.0 - second as f64 / 36.0, green: second as f64 / 36.0 });
    }
    story::tell(&reporter, end);
    reporter.finish(&Cancel::never()).await;
    let requests = stub.requests().len();
    assert!(requests <= 90, "{requests}: {:#?}", stub.lines());
    let check = stub.requests().into_iter().rfind(|r| r.path.contains("check-runs/")).unwrap().body;
    assert_eq!(check["conclusion"], "success");
}

#[tokio::test]
async fn a_token_that_reads_only_is_one_warning_with_what_to_add() {
    let stub = Stub::serve(|request| match request.method.as_str() {
        "GET" => granted(request),
        _ => Answer::denied(),
    })
    .await;
    let (reporter, written) = reporter(&stub, all(), &[]);
    story::tell(&reporter, story::story());
    reporter.finish(&Cancel::never()).await;
    insta::assert_snapshot!(warnings(&written).join("\n"), @"::warning::GitHub does not let the token write the check run, the commit status, the pull request's comment and the GitHub Deployment (403 Resource not accessible by integration), so they were left out. The deployment is not touched by it. Add `checks: write`, `statuses: write`, `pull-requests: write` and `deployments: write` to the job's `permissions:`, beside those that it names already.");
    // Each was tried once and then left alone.
    assert_eq!(stub.lines().iter().filter(|line| line.starts_with("POST")).count(), 4);
}

#[tokio::test]
async fn a_github_that_is_down_is_one_warning() {
    let stub = Stub::serve(|_| Answer::of(503, json!({ "message": "Service Unavailable" }))).await;
    let (reporter, written) = reporter(&stub, all(), &[]);
    story::tell(&reporter, story::story());
    reporter.finish_within(Duration::from_millis(300)).await;
    insta::assert_snapshot!(warnings(&written).join("\n"), @"::warning::GitHub could not be told how this run ended (503 Service Unavailable). The deployment is not touched by it; the job log and the summary have all of it.");
}

#[tokio::test]
async fn a_github_that_comes_back_is_told_the_end() {
    let calls = AtomicUsize::new(0);
    let stub = Stub::serve(move |request| match calls.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => Answer::of(503, json!({})),
        _ => granted(request),
    })
    .await;
    let github = GitHub { status: false, comment: false, deployment: false, ..all() };
    let (reporter, written) = reporter(&stub, github, &[]);
    story::tell(&reporter, story::story());
    reporter.finish(&Cancel::never()).await;
    assert_eq!(warnings(&written), [""; 0]);
    assert_eq!(last(&stub, "POST /repos/o/r/check-runs")["conclusion"], "success");
}

#[tokio::test]
async fn a_limit_that_outlasts_the_run_is_one_warning() {
    let stub = Stub::serve(|_| {
        Answer::of(403, json!({ "message": "You have exceeded a secondary rate limit" }))
            .with("retry-after", "900")
    })
    .await;
    let (reporter, written) = reporter(&stub, all(), &[]);
    story::tell(&reporter, story::story());
    reporter.finish(&Cancel::never()).await;
    assert_eq!(stub.lines(), ["POST /repos/o/r/check-runs"]);
    insta::assert_snapshot!(warnings(&written).join("\n"), @"::warning::GitHub could not be told how this run ended (its rate limit is used up for another 15m). The deployment is not touched by it; the job log and the summary have all of it.");
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_makes_no_twin() {
    let calls = AtomicUsize::new(0);
    let stub = Stub::serve(move |request| match request.line().as_str() {
        "POST /repos/o/r/check-runs" if calls.fetch_add(1, Ordering::SeqCst) == 0 => Answer::of(0, json!({})),
        line if line.starts_with("GET") && line.contains("/check-runs?") => Answer::of(
            200,
            json!({ "check_runs": [{ "id": 10, "external_id": "6.1" }, { "id": 11, "external_id": "7.1" }] }),
        ),
        _ => granted(request),
    })
    .await;
    let github = GitHub { status: false, comment: false, deployment: false, ..all() };
    let (reporter, written) = reporter(&stub, github, &[]);
    story::tell(&reporter, story::story());
    reporter.finish(&Cancel::never()).await;
    assert_eq!(warnings(&written), [""; 0]);
    let lines = stub.lines();
    assert_eq!(lines.iter().filter(|line| line.starts_with("POST")).count(), 1, "{lines:?}");
    assert_eq!(last(&stub, "PATCH /repos/o/r/check-runs/11")["conclusion"], "success");
}

#[tokio::test]
async fn a_comment_that_was_deleted_is_written_anew() {
    let deleted = AtomicUsize::new(0);
    let stub = Stub::serve(move |request| match request.line().as_str() {
        line if line.starts_with("GET")
            && line.contains("/comments?")
            && deleted.load(Ordering::SeqCst) == 0 =>
        {
            Answer::of(
                200,
                json!([{ "id": 9, "body": "<!-- greenlight:hello:production -->\n",
                     "user": { "login": "github-actions[bot]" } }]),
            )
        }
        "PATCH /repos/o/r/issues/comments/9" => {
            deleted.store(1, Ordering::SeqCst);
            Answer::of(404, json!({ "message": "Not Found" }))
        }
        _ => granted(request),
    })
    .await;
    let github = GitHub { status: false, check: false, deployment: false, ..all() };
    let (reporter, written) = reporter(&stub, github, &[]);
    story::tell(&reporter, story::story());
    reporter.finish(&Cancel::never()).await;
    assert_eq!(warnings(&written), [""; 0]);
    assert_eq!(
        stub.lines()[1..],
        [
            "PATCH /repos/o/r/issues/comments/9",
            // Whether it is gone, or may not be changed.
            "GET /repos/o/r/issues/2/comments?per_page=100",
            "POST /repos/o/r/issues/2/comments",
        ]
    );
}

#[tokio::test]
async fn a_job_with_an_environment_has_its_deployment_already() {
    let stub = Stub::serve(granted).await;
    let (reporter, _) = reporter(&stub, all(), &[]);
    reporter.has_environment();
    story::tell(&reporter, story::story());
    reporter.finish(&Cancel::never()).await;
    assert!(!stub.lines().iter().any(|line| line.contains("/deployments")), "{:?}", stub.lines());
}

#[tokio::test]
async fn a_push_asks_for_its_pull_request() {
    let stub = Stub::serve(granted).await;
    let github = GitHub { status: false, check: false, deployment: false, ..all() };
    let push = [("GITHUB_EVENT_NAME", "push"), ("GITHUB_EVENT_PATH", "/nowhere"), ("GITHUB_SHA", SHA)];
    let (reporter, _) = reporter(&stub, github, &push);
    story::tell(&reporter, story::story());
    reporter.finish(&Cancel::never()).await;
    assert_eq!(
        stub.lines(),
        [
            &format!("GET /repos/o/r/commits/{SHA}/pulls?per_page=100"),
            "GET /repos/o/r/issues/2/comments?per_page=100",
            "POST /repos/o/r/issues/2/comments",
        ]
    );
}

#[tokio::test]
async fn the_deployment_before_is_retired() {
    let stub = Stub::serve(|request| match request.line().as_str() {
        line if line.starts_with("GET /repos/o/r/deployments?") => Answer::of(
            200,
            json!([
                { "id": 13, "payload": { "greenlight": "7.1", "service": "hello" } },
                { "id": 9, "payload": { "greenlight": "6.1", "service": "another" } },
                { "id": 8, "payload": { "greenlight": "5.1", "service": "hello" } },
                { "id": 7, "payload": "" },
            ]),
        ),
        line if line.starts_with("GET /repos/o/r/deployments/8/statuses") => {
            Answer::of(200, json!([{ "id": 1, "state": "in_progress" }, { "id": 2, "state": "success" }]))
        }
        _ => granted(request),
    })
    .await;
    let github = GitHub { status: false, check: false, comment: false, ..all() };
    let (reporter, _) = reporter(&stub, github, &[]);
    story::tell(&reporter, story::story());
    reporter.finish(&Cancel::never()).await;
    assert_eq!(last(&stub, "POST /repos/o/r/deployments/8/statuses"), json!({ "state": "inactive" }));
}

#[tokio::test]
async fn without_a_job_nothing_is_asked() {
    let stub = Stub::serve(granted).await;
    let (reporter, _) = reporter(&stub, all(), &[("GITHUB_ACTIONS", "")]);
    story::tell(&reporter, story::story());
    reporter.finish(&Cancel::never()).await;
    assert_eq!(stub.lines(), [""; 0]);
}

#[tokio::test]
async fn a_secret_is_in_no_comment() {
    let stub = Stub::serve(granted).await;
    let (reporter, _) = reporter(&stub, all(), &[]);
    reporter.mask("hunter2hunter2");
    let mut events = story::story();
    events.insert(6, Event::Planned { text: "a hunter2hunter2 b".into(), plan: Value::Null });
    story::tell(&reporter, events);
    reporter.finish(&Cancel::never()).await;
    let told: Vec<_> = stub.requests().iter().map(|request| request.body.to_string()).collect();
    assert!(told.iter().any(|body| body.contains("a *** b")), "{told:?}");
    assert!(!told.iter().any(|body| body.contains("hunter2")), "{told:?}");
}
