//! The client against GitHub's answers.

use super::{
    stub::{Answer, Stub},
    *,
};

async fn client(stub: &Stub, base: &str) -> Client {
    Client::new(&format!("{}{base}", stub.url), "ghs_token", "o/r", Limits::default()).unwrap()
}

async fn failure(answer: impl Fn() -> Answer + Send + Sync + 'static) -> (Failure, usize) {
    let stub = Stub::serve(move |_| answer()).await;
    let failed = client(&stub, "").await.create_comment(1, "x").await.unwrap_err();
    (failed, stub.requests().len())
}

#[tokio::test]
async fn a_path_in_the_address_is_kept() {
    let stub = Stub::serve(|_| Answer::of(201, json!({ "id": 7 }))).await;
    let client = client(&stub, "/api/v3/").await;
    assert_eq!(client.create_comment(1, "hello").await, Ok(7));
    client.update_comment(7, "again").await.unwrap();
    assert_eq!(
        stub.lines(),
        ["POST /api/v3/repos/o/r/issues/1/comments", "PATCH /api/v3/repos/o/r/issues/comments/7"]
    );
    assert_eq!(stub.requests()[0].authorization, "Bearer ghs_token");
    assert_eq!(stub.requests()[1].body, json!({ "body": "again" }));
}

#[tokio::test]
async fn a_creation_without_an_answer_is_not_sent_again() {
    for status in [500, 502, 503] {
        let (failed, requests) = failure(move || Answer::of(status, json!({}))).await;
        assert!(matches!(failed, Failure::Unavailable { sent: true, .. }), "{failed:?}");
        assert_eq!(requests, 1);
    }
    let (failed, requests) = failure(|| Answer { body: "<html>".into(), ..Answer::of(201, json!({})) }).await;
    assert!(matches!(failed, Failure::Unavailable { sent: true, .. }), "{failed:?}");
    assert_eq!(requests, 1);
    let (failed, _) = failure(|| Answer::of(0, json!({}))).await;
    assert!(matches!(failed, Failure::Unavailable { sent: true, .. }), "{failed:?}");
}

#[tokio::test]
async fn what_never_reached_github_is_known_not_to_be_done() {
    // Nobody listens there, and nobody else can while it is bound.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let client = Client::new(&url, "ghs_token", "o/r", Limits::default()).unwrap();
    let failed = client.create_comment(1, "x").await.unwrap_err();
    assert!(matches!(failed, Failure::Unavailable { sent: false, .. }), "{failed:?}");
}

#[tokio::test]
async fn a_limit_is_told_from_a_missing_permission() {
    let (failed, _) = failure(Answer::denied).await;
    assert_eq!(failed, Failure::Denied("403 Resource not accessible by integration".into()));

    let (failed, _) =
        failure(|| Answer::of(403, json!({ "message": "slow down" })).with("retry-after", "17")).await;
    assert_eq!(failed, Failure::Limited(Duration::from_secs(17)));

    let used_up = || {
        Answer::of(429, json!({ "message": "API rate limit exceeded" }))
            .with("x-ratelimit-remaining", "0")
            .with("x-ratelimit-reset", "1800000090")
            .with("date", "Fri, 15 Jan 2027 08:00:00 GMT")
    };
    assert_eq!(failure(used_up).await.0, Failure::Limited(Duration::from_secs(90)));

    let (failed, _) =
        failure(|| Answer::of(403, json!({ "message": "You have exceeded a secondary rate limit." }))).await;
    assert_eq!(failed, Failure::Limited(Duration::from_secs(60)));
}

#[tokio::test]
async fn a_refusal_says_what_github_said() {
    let answer = || {
        Answer::of(
            422,
            json!({ "message": "Validation Failed", "errors": [
                { "resource": "Status", "code": "custom", "message": "description is too long" }, "more" ] }),
        )
    };
    let (failed, _) = failure(answer).await;
    assert_eq!(failed, Failure::Rejected("422 Validation Failed; description is too long; more".into()));
}

#[tokio::test]
async fn the_comment_is_found_on_any_page_and_only_among_our_own() {
    let comment =
        |id: u64, login: &str, body: &str| json!({ "id": id, "body": body, "user": { "login": login } });
    let stub = Stub::serve(move |request| {
        if request.path.contains("page=2") {
            return Answer::of(200, json!([comment(9, ACTIONS_LOGIN, "<!-- m -->\nours")]));
        }
        let next = format!(
            "<http://{}/repos/o/r/issues/1/comments?per_page=100&page=2>; rel=\"next\"",
            request.host
        );
        Answer::of(
            200,
            json!([comment(3, "mallory", "<!-- m -->\nforged"), comment(4, ACTIONS_LOGIN, "see <!-- m -->")]),
        )
        .with("link", next)
    })
    .await;
    let client = client(&stub, "").await;
    let found = client.find_comment(1, "<!-- m -->", ACTIONS_LOGIN).await;
    assert_eq!(found, Ok(Some(9)), "{:?}", stub.lines());
}

#[tokio::test]
async fn an_open_pull_request_at_the_commit_comes_first() {
    let pull = |number: u64, state: &str, sha: &str| json!({ "number": number, "state": state, "head": { "sha": sha } });
    let stub = Stub::serve(move |request| match request.path.contains("/none/") {
        true => Answer::of(200, json!([])),
        false => Answer::of(200, json!([pull(1, "closed", "a"), pull(2, "open", "b"), pull(3, "open", "a")])),
    })
    .await;
    let client = client(&stub, "").await;
    assert_eq!(client.pull_request_of("a").await, Ok(Some(3)));
    assert_eq!(client.pull_request_of("z").await, Ok(Some(1)));
    assert_eq!(client.pull_request_of("none").await, Ok(None));
}
