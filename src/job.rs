//! The GitHub job that a run is part of: its repository and page, which commit to report on and
//! which pull request, from the runner's variables and the event's payload.

use crate::surroundings::Variables;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// `owner/name`
    pub repository: String,
    pub event: String,
    /// What the workflow runs on, `refs/heads/main`: empty for some events.
    pub reference: String,
    pub actor: String,
    pub run_id: String,
    pub run_attempt: String,
    /// The run's page.
    pub run_url: String,
    pub api_url: String,
    /// The commit to report on. None when a branch was deleted, and with `PullRequest::HeadOf`
    /// until GitHub was asked.
    pub sha: Option<String>,
    pub pull_request: PullRequest,
    /// The pull request comes from a fork: its token reads only, unless the event is
    /// `pull_request_target`, and it has neither secrets nor an OIDC token.
    pub fork: bool,
    /// The same holds for Dependabot's.
    pub dependabot: bool,
    /// The GitHub Deployment that started the workflow.
    pub deployment: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullRequest {
    None,
    Known(u64),
    /// GitHub knows which one holds the commit.
    OfCommit,
    /// Its head is the commit to report on, and only GitHub knows it.
    HeadOf(u64),
}

impl Job {
    /// None outside of GitHub Actions.
    pub fn of(variables: &Variables) -> Option<Job> {
        if variables.get("GITHUB_ACTIONS") != Some("true") {
            return None;
        }
        let repository = variables.get("GITHUB_REPOSITORY")?.to_owned();
        let word = |name: &str| variables.get(name).unwrap_or_default().to_owned();
        let run_id = word("GITHUB_RUN_ID");
        let server = variables.get("GITHUB_SERVER_URL").unwrap_or("https://github.com").trim_end_matches('/');
        let event = word("GITHUB_EVENT_NAME");
        let payload = payload(variables);
        let (sha, pull_request) = match variables.get("GITHUB_REF").and_then(merged) {
            // Without its payload the variables tell at least which one it is.
            Some(number) if payload.is_null() => (None, PullRequest::HeadOf(number)),
            _ => subject(&event, &payload, variables.get("GITHUB_SHA")),
        };
        let actor = word("GITHUB_ACTOR");
        Some(Job {
            reference: word("GITHUB_REF"),
            run_attempt: word("GITHUB_RUN_ATTEMPT"),
            run_url: format!("{server}/{repository}/actions/runs/{run_id}"),
            api_url: variables.get("GITHUB_API_URL").unwrap_or("https://api.github.com").to_owned(),
            sha,
            pull_request,
            fork: fork(&payload),
            dependabot: actor == "dependabot[bot]",
            deployment: payload["deployment"]["id"].as_u64(),
            repository,
            event,
            actor,
            run_id,
        })
    }

    /// Whether the job's token is known to read only.
    pub fn reads_only(&self) -> bool {
        (self.fork || self.dependabot) && self.event != "pull_request_target"
    }
}

fn payload(variables: &Variables) -> Value {
    variables
        .get("GITHUB_EVENT_PATH")
        .and_then(|path| std::fs::read(path).ok())
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

/// `GITHUB_SHA` is the trigger's, which is not always the commit that people look at.
fn subject(event: &str, payload: &Value, sha: Option<&str>) -> (Option<String>, PullRequest) {
    let text = |value: &Value| value.as_str().filter(|s| !s.is_empty()).map(str::to_owned);
    let trigger = sha.map(str::to_owned);
    match event {
        "push" => match payload["deleted"].as_bool() {
            Some(true) => (None, PullRequest::None),
            _ => (text(&payload["after"]).or(trigger), PullRequest::OfCommit),
        },
        "pull_request" | "pull_request_target" | "pull_request_review" | "pull_request_review_comment" => {
            let request = &payload["pull_request"];
            (text(&request["head"]["sha"]), known(request["number"].as_u64()))
        }
        "workflow_run" => {
            let run = &payload["workflow_run"];
            let request = run["pull_requests"][0]["number"].as_u64();
            (text(&run["head_sha"]), request.map_or(PullRequest::OfCommit, PullRequest::Known))
        }
        "merge_group" => {
            let group = &payload["merge_group"];
            let number = group["head_ref"].as_str().and_then(queued);
            (text(&group["head_sha"]).or(trigger), known(number))
        }
        "deployment" | "deployment_status" => {
            (text(&payload["deployment"]["sha"]).or(trigger), PullRequest::None)
        }
        "issue_comment" => match payload["issue"]["number"].as_u64() {
            Some(number) if payload["issue"]["pull_request"].is_object() => {
                (None, PullRequest::HeadOf(number))
            }
            _ => (trigger, PullRequest::None),
        },
        "workflow_dispatch" => (trigger, PullRequest::OfCommit),
        // `release`, `schedule` and the rest are about no pull request.
        _ => (trigger, PullRequest::None),
    }
}

fn known(number: Option<u64>) -> PullRequest {
    number.map_or(PullRequest::None, PullRequest::Known)
}

/// The pull request of a test merge: `refs/pull/2/merge`.
fn merged(reference: &str) -> Option<u64> {
    reference.strip_prefix("refs/pull/")?.strip_suffix("/merge")?.parse().ok()
}

/// The pull request in a merge queue's branch: `gh-readonly-queue/main/pr-104-929f…`.
fn queued(head_ref: &str) -> Option<u64> {
    let (number, _) = head_ref.rsplit('/').next()?.strip_prefix("pr-")?.split_once('-')?;
    number.parse().ok()
}

/// A fork that was deleted since has no repository any more.
fn fork(payload: &Value) -> bool {
    let request = &payload["pull_request"];
    request.is_object() && request["head"]["repo"]["full_name"] != request["base"]["repo"]["full_name"]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TRIGGER: &str = "a10867b14bb761a232cd80139fbd4c0d33264240";
    const HEAD: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";

    fn job(event: &str, payload: Value) -> Job {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), payload.to_string()).unwrap();
        let path = file.path().to_string_lossy().into_owned();
        let variables = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "o/r"),
            ("GITHUB_EVENT_NAME", event),
            ("GITHUB_EVENT_PATH", &path),
            ("GITHUB_SHA", TRIGGER),
            ("GITHUB_RUN_ID", "7"),
            ("GITHUB_ACTOR", "octocat"),
        ];
        Job::of(&Variables::of(variables.map(|(n, v)| (n.to_owned(), v.to_owned())))).unwrap()
    }

    fn subject(event: &str, payload: Value) -> (Option<String>, PullRequest) {
        let job = job(event, payload);
        (job.sha, job.pull_request)
    }

    fn sha(sha: &str) -> Option<String> {
        Some(sha.to_owned())
    }

    fn pull_request(head: Value) -> Value {
        json!({
            "action": "synchronize",
            "number": 2,
            "pull_request": {
                "number": 2,
                "draft": false,
                "head": { "ref": "changes", "sha": HEAD, "repo": head },
                "base": { "ref": "main", "sha": TRIGGER, "repo": { "id": 1, "full_name": "o/r" } },
            },
            "repository": { "id": 1, "full_name": "o/r", "default_branch": "main" },
        })
    }

    #[test]
    fn a_laptop_is_no_job() {
        let variables = [("GITHUB_TOKEN", "x"), ("GITHUB_REPOSITORY", "o/r")];
        let variables = Variables::of(variables.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(Job::of(&variables), None);
    }

    #[test]
    fn the_frame_comes_from_the_variables() {
        let job = job("push", json!({ "after": HEAD }));
        assert_eq!(job.run_url, "https://github.com/o/r/actions/runs/7");
        assert_eq!(job.api_url, "https://api.github.com");
        assert_eq!(job.actor, "octocat");
    }

    #[test]
    fn a_push_is_about_its_tip() {
        let payload = json!({ "ref": "refs/heads/main", "after": HEAD, "deleted": false, "head_commit": { "id": HEAD } });
        assert_eq!(subject("push", payload), (sha(HEAD), PullRequest::OfCommit));
        let payload = json!({ "ref": "refs/heads/x", "after": "0".repeat(40), "deleted": true });
        assert_eq!(subject("push", payload), (None, PullRequest::None));
    }

    #[test]
    fn a_pull_request_is_about_its_head_and_not_the_merge() {
        let own = || pull_request(json!({ "id": 1, "full_name": "o/r", "fork": false }));
        for event in ["pull_request", "pull_request_target"] {
            assert_eq!(subject(event, own()), (sha(HEAD), PullRequest::Known(2)));
            assert!(!job(event, own()).reads_only());
        }
    }

    #[test]
    fn a_fork_has_a_token_that_reads_only() {
        for head in [json!({ "id": 5, "full_name": "fork/r", "fork": true }), Value::Null] {
            assert!(job("pull_request", pull_request(head.clone())).reads_only());
            let target = job("pull_request_target", pull_request(head));
            assert!(target.fork && !target.reads_only());
        }
    }

    #[test]
    fn a_dispatch_is_about_the_chosen_tip() {
        let payload = json!({ "inputs": { "env": "prod" }, "ref": "refs/heads/main" });
        assert_eq!(subject("workflow_dispatch", payload), (sha(TRIGGER), PullRequest::OfCommit));
    }

    #[test]
    fn a_workflow_run_is_about_the_commit_of_that_run() {
        let run = |requests: Value| {
            json!({ "action": "completed", "workflow_run": {
                "id": 1, "event": "pull_request", "head_sha": HEAD, "pull_requests": requests } })
        };
        assert_eq!(subject("workflow_run", run(json!([]))), (sha(HEAD), PullRequest::OfCommit));
        let known = run(json!([{ "id": 9, "number": 5 }]));
        assert_eq!(subject("workflow_run", known), (sha(HEAD), PullRequest::Known(5)));
    }

    #[test]
    fn a_merge_group_names_its_pull_request_in_the_branch() {
        let group = |head_ref: &str| {
            json!({ "action": "checks_requested", "merge_group": {
                "head_sha": HEAD, "head_ref": head_ref, "base_ref": "refs/heads/main" } })
        };
        let queue = "refs/heads/gh-readonly-queue/main/pr-104-929f3a";
        assert_eq!(subject("merge_group", group(queue)), (sha(HEAD), PullRequest::Known(104)));
        assert_eq!(subject("merge_group", group("refs/heads/other")), (sha(HEAD), PullRequest::None));
    }

    #[test]
    fn a_deployment_is_about_its_own_commit() {
        let payload = json!({ "action": "created", "deployment": {
            "id": 145, "sha": HEAD, "ref": "main", "task": "deploy", "environment": "production" } });
        let job = job("deployment", payload);
        assert_eq!((job.sha, job.pull_request, job.deployment), (sha(HEAD), PullRequest::None, Some(145)));
    }

    #[test]
    fn a_comment_on_a_pull_request_leaves_the_commit_to_be_asked_for() {
        let payload = json!({ "issue": { "number": 8, "pull_request": { "url": "https://x" } } });
        assert_eq!(subject("issue_comment", payload), (None, PullRequest::HeadOf(8)));
        let payload = json!({ "issue": { "number": 8 } });
        assert_eq!(subject("issue_comment", payload), (sha(TRIGGER), PullRequest::None));
    }

    #[test]
    fn a_release_and_a_schedule_are_about_no_pull_request() {
        let release = json!({ "action": "published", "release": { "tag_name": "v1" } });
        assert_eq!(subject("release", release), (sha(TRIGGER), PullRequest::None));
        let schedule = json!({ "schedule": "15 4 * * *", "repository": { "full_name": "o/r" } });
        assert_eq!(subject("schedule", schedule), (sha(TRIGGER), PullRequest::None));
    }

    #[test]
    fn a_payload_that_is_not_there_leaves_the_variables() {
        let variables = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "o/r"),
            ("GITHUB_EVENT_NAME", "push"),
            ("GITHUB_EVENT_PATH", "/nowhere/event.json"),
            ("GITHUB_SHA", TRIGGER),
        ];
        let of = |further: Option<(&str, &str)>| {
            let variables = variables.into_iter().chain(further).map(|(n, v)| (n.to_owned(), v.to_owned()));
            let job = Job::of(&Variables::of(variables)).unwrap();
            (job.sha, job.pull_request)
        };
        assert_eq!(of(None), (sha(TRIGGER), PullRequest::OfCommit));
        assert_eq!(of(Some(("GITHUB_REF", "refs/pull/2/merge"))), (None, PullRequest::HeadOf(2)));
    }
}
