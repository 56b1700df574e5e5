//! The job that the world plays: which commit and ref started it, and its environment.

use super::State;
use crate::spec::Job;
use sha2::{Digest as _, Sha256};

pub(super) const DEFAULT_BRANCH: &str = "main";
pub(super) const SERVER: &str = "https://github.com";

/// `GITHUB_SHA`: not always the commit that the event speaks of.
pub(super) fn trigger_sha(job: &Job) -> String {
    match job.event.as_str() {
        "pull_request" => merge_sha(job),
        "pull_request_target" | "workflow_run" | "issue_comment" => default_tip(job),
        _ => job.sha.clone(),
    }
}

/// The test merge of the pull request.
pub(super) fn merge_sha(job: &Job) -> String {
    derived(job, "merge")
}

/// The tip of the default branch.
pub(super) fn default_tip(job: &Job) -> String {
    let on_it = job.branch == DEFAULT_BRANCH
        && matches!(job.event.as_str(), "push" | "schedule" | "workflow_dispatch");
    if on_it { job.sha.clone() } else { derived(job, "base") }
}

/// `GITHUB_REF`
pub(super) fn git_ref(job: &Job) -> String {
    match (job.event.as_str(), job.pull_request) {
        ("pull_request", Some(number)) => format!("refs/pull/{number}/merge"),
        ("pull_request_target" | "workflow_run" | "issue_comment" | "schedule", _) => {
            format!("refs/heads/{DEFAULT_BRANCH}")
        }
        ("merge_group", number) => {
            let number = number.unwrap_or_default();
            format!("refs/heads/gh-readonly-queue/{DEFAULT_BRANCH}/pr-{number}-{}", default_tip(job))
        }
        // The release's tag goes by the branch's name.
        ("release", _) => format!("refs/tags/{}", job.branch),
        _ => format!("refs/heads/{}", job.branch),
    }
}

/// The branch of the pull request, which can't be the one that it wants to go to.
pub(super) fn head_branch(job: &Job) -> &str {
    if job.branch == DEFAULT_BRANCH { "change" } else { &job.branch }
}

pub(super) fn owner(job: &Job) -> &str {
    job.repository.split('/').next().unwrap_or_default()
}

pub(super) fn name(job: &Job) -> &str {
    job.repository.split('/').nth(1).unwrap_or_default()
}

/// GITHUB_*, ACTIONS_*, RUNNER_* and the token; what names a file is the harness's to add.
pub(super) fn environment(state: &State) -> Vec<(String, String)> {
    let job = &state.job;
    let git_ref = git_ref(job);
    let on_pull_request = matches!(job.event.as_str(), "pull_request" | "pull_request_target");
    let workflow_ref = format!("{}/.github/workflows/{}.yml@{git_ref}", job.repository, job.workflow);
    let sha = trigger_sha(job);
    let short = git_ref.trim_start_matches("refs/heads/").trim_start_matches("refs/tags/");
    // An Enterprise Server has its API under a path of its own.
    let (api, graphql) = match &job.server {
        Some(_) => (format!("{}/api/v3", state.base), format!("{}/api/graphql", state.base)),
        None => (state.base.clone(), format!("{}/graphql", state.base)),
    };
    let server = job.server.as_ref().map_or(SERVER.to_owned(), |host| format!("https://{host}"));
    let (head, base) = if on_pull_request { (head_branch(job), DEFAULT_BRANCH) } else { ("", "") };
    let mut environment = vec![
        ("CI", "true".to_owned()),
        ("GITHUB_ACTIONS", "true".into()),
        ("GITHUB_ACTION", "greenlight".into()),
        ("GITHUB_ACTION_REF", "v1".into()),
        ("GITHUB_ACTION_REPOSITORY", "greenlight/greenlight".into()),
        ("GITHUB_ACTOR", job.actor.clone()),
        ("GITHUB_ACTOR_ID", super::shapes::user_id(&job.actor).to_string()),
        ("GITHUB_API_URL", api),
        ("GITHUB_BASE_REF", base.into()),
        ("GITHUB_EVENT_NAME", job.event.clone()),
        ("GITHUB_GRAPHQL_URL", graphql),
        ("GITHUB_HEAD_REF", head.into()),
        ("GITHUB_JOB", "deploy".into()),
        ("GITHUB_REF", git_ref.clone()),
        ("GITHUB_REF_NAME", short.trim_start_matches("refs/pull/").into()),
        ("GITHUB_REF_PROTECTED", "false".into()),
        ("GITHUB_REF_TYPE", if git_ref.starts_with("refs/tags/") { "tag" } else { "branch" }.into()),
        ("GITHUB_REPOSITORY", job.repository.clone()),
        ("GITHUB_REPOSITORY_ID", job.repository_id.to_string()),
        ("GITHUB_REPOSITORY_OWNER", owner(job).into()),
        ("GITHUB_REPOSITORY_OWNER_ID", job.owner_id.to_string()),
        ("GITHUB_RETENTION_DAYS", "90".into()),
        ("GITHUB_RUN_ATTEMPT", job.run_attempt.to_string()),
        ("GITHUB_RUN_ID", job.run_id.to_string()),
        ("GITHUB_RUN_NUMBER", "1".into()),
        ("GITHUB_SERVER_URL", server),
        ("GITHUB_SHA", sha.clone()),
        ("GITHUB_TOKEN", state.token.clone()),
        ("GITHUB_TRIGGERING_ACTOR", job.actor.clone()),
        ("GITHUB_WORKFLOW", job.workflow.clone()),
        ("GITHUB_WORKFLOW_REF", workflow_ref),
        ("GITHUB_WORKFLOW_SHA", sha),
        ("RUNNER_ARCH", if cfg!(target_arch = "aarch64") { "ARM64" } else { "X64" }.into()),
        ("RUNNER_ENVIRONMENT", "github-hosted".into()),
        ("RUNNER_NAME", "simulator".into()),
        ("RUNNER_OS", "Linux".into()),
        ("ACTIONS_RUNTIME_URL", format!("{}/_runtime/", state.base)),
        ("ACTIONS_RUNTIME_TOKEN", state.runtime_token.clone()),
    ];
    if state.may_have_id_token() {
        let url = format!("{}{}?api-version=2.0", state.base, super::door::ID_TOKEN_PATH);
        environment.push(("ACTIONS_ID_TOKEN_REQUEST_URL", url));
        environment.push(("ACTIONS_ID_TOKEN_REQUEST_TOKEN", state.runtime_token.clone()));
    }
    environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Another commit of the repository's history, the same for the same job.
fn derived(job: &Job, what: &str) -> String {
    let mut sum = Sha256::new();
    sum.update(what);
    sum.update(&job.sha);
    hex::encode(sum.finalize())[..40].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_that_starts_a_job_is_the_events_own() {
        let job = |event: &str| Job { event: event.into(), branch: "topic".into(), ..Job::default() };
        for (event, git_ref, is_head) in [
            ("push", "refs/heads/topic", true),
            ("pull_request", "refs/pull/7/merge", false),
            ("pull_request_target", "refs/heads/main", false),
            ("workflow_dispatch", "refs/heads/topic", true),
            ("workflow_run", "refs/heads/main", false),
            ("issue_comment", "refs/heads/main", false),
            ("release", "refs/tags/topic", true),
        ] {
            let job = job(event);
            assert_eq!(super::git_ref(&job), git_ref);
            assert_eq!(trigger_sha(&job) == job.sha, is_head, "{event}");
            assert_eq!(trigger_sha(&job).len(), 40);
        }
        assert!(super::git_ref(&job("merge_group")).starts_with("refs/heads/gh-readonly-queue/main/pr-7-"));
    }
}
