//! The local GitHub through octocrab's own models, which want most members of every answer.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use octocrab::{
    Octocrab,
    commits::PullRequestTarget,
    models::{StatusState, repos::DeploymentStatusState},
    params::{
        checks::{CheckRunConclusion, CheckRunStatus},
        repos::{Commitish, Reference},
    },
};
use simulator::{
    Options, World,
    spec::{Job, WorldSpec},
};
use std::{collections::BTreeMap, sync::Arc};

async fn world() -> (Arc<World>, Octocrab) {
    let spec = WorldSpec {
        regions: vec!["eu-central-1".into()],
        accounts: Vec::new(),
        job: Job::default(),
        ..WorldSpec::default()
    };
    let options = Options {
        listen: ([127, 0, 0, 1], 0).into(),
        speed: 1.0,
        faults: Vec::new(),
        docker: false,
        canary: None,
    };
    let world = World::start(spec, options).await.unwrap();
    let environment: BTreeMap<String, String> = world.job_environment().into_iter().collect();
    rustls::crypto::ring::default_provider().install_default().ok();
    let client = Octocrab::builder()
        .base_uri(&environment["GITHUB_API_URL"])
        .unwrap()
        .personal_token(environment["GITHUB_TOKEN"].clone())
        .build_with_reqwest(reqwest::Client::new())
        .unwrap();
    (world, client)
}

#[tokio::test]
async fn every_answer_fits_its_model() {
    let (world, github) = world().await;
    let sha = Job::default().sha;
    let checks = github.checks("acme", "hello");
    let run =
        checks.create_check_run("deploy", &sha).status(CheckRunStatus::InProgress).send().await.unwrap();
    assert_eq!(run.pull_requests[0].number, 7);
    let updated =
        checks.update_check_run(run.id).conclusion(CheckRunConclusion::Success).send().await.unwrap();
    assert_eq!(updated.conclusion.as_deref(), Some("success"));
    let main = || Commitish("main".into());
    let listed = checks.list_check_runs_for_git_ref(main()).send().await.unwrap();
    assert_eq!(listed.total_count, 1);

    let here = github.repos("acme", "hello");
    let status =
        here.create_status(sha.clone(), StatusState::Success).context("deploy".into()).send().await.unwrap();
    assert_eq!(status.context.as_deref(), Some("deploy"));
    let combined = here.combined_status_for_ref(&Reference::Branch("main".into())).await.unwrap();
    assert_eq!(combined.state, StatusState::Success);
    assert_eq!(here.get().await.unwrap().full_name.as_deref(), Some("acme/hello"));

    let issues = github.issues("acme", "hello");
    let comment = issues.create_comment(7, "one").await.unwrap();
    assert_eq!(comment.user.login, "github-actions[bot]");
    // octocrab sends a POST here.
    let edited = issues.update_comment(comment.id, "two").await.unwrap();
    assert_eq!(edited.body.as_deref(), Some("two"));
    assert_eq!(issues.list_comments(7).send().await.unwrap().items.len(), 1);
    issues.delete_comment(comment.id).await.unwrap();

    let deployments = here.deployments();
    let deployment = deployments
        .create(&sha)
        .auto_merge(false)
        .required_contexts(Vec::<String>::new())
        .environment("qa")
        .payload(serde_json::json!({"image": "x"}))
        .send()
        .await
        .unwrap();
    let statuses = deployments.statuses(deployment.id);
    statuses.create(DeploymentStatusState::Success).log_url("https://example.com").send().await.unwrap();
    assert_eq!(statuses.list().send().await.unwrap().items.len(), 1);
    assert_eq!(deployments.list().environment("qa").send().await.unwrap().items.len(), 1);

    let commits = github.commits("acme", "hello");
    let pulls = commits.associated_pull_requests(PullRequestTarget::Sha(sha)).send().await.unwrap();
    assert_eq!(pulls.items[0].number, 7);
    assert_eq!(github.pulls("acme", "hello").get(7).await.unwrap().base.ref_field, "main");
    assert_eq!(github.ratelimit().get().await.unwrap().resources.core.limit, 1000);
    world.shut_down().await;
}

#[tokio::test]
async fn a_refusal_is_read_as_githubs() {
    let (world, github) = world().await;
    let long = "x".repeat(141);
    let here = github.repos("acme", "hello");
    let refused = here.create_status(Job::default().sha, StatusState::Success).description(long).send().await;
    let Err(octocrab::Error::GitHub { source, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((source.status_code.as_u16(), source.message.as_str()), (422, "Validation Failed"));
    assert!(source.errors.unwrap()[0]["message"].as_str().unwrap().contains("too long"));
    world.shut_down().await;
}
