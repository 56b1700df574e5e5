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
    /// The repository's page.
    pub page: String,
    /// The run's page.
    pub run_url: String,
    pub api_url: String,
    /// The commit to report on. None when a branch was deleted, and with `PullRequest::HeadOf`
    /// until GitHub was asked.
    pub sha: Option<String>,
    pub pull_request: PullRequest,
    /// Why the job's token only reads, as far as the event tells it.
    pub reads_only: Option<ReadsOnly>,
    /// The GitHub Deployment that started the workflow.
    pub deployment: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadsOnly {
    /// The pull request comes from a fork: there are neither secrets nor an OIDC token either, and
    /// no `permissions:` help.
    Fork,
    /// Dependabot's token reads only, unless the job's `permissions:` name more.
    Dependabot,
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
            page: format!("{server}/{repository}"),
            run_url: format!("{server}/{repository}/actions/runs/{run_id}"),
            api_url: variables.get("GITHUB_API_URL").unwrap_or("https://api.github.com").to_owned(),
            sha,
            pull_request,
            reads_only: reads_only(&event, &payload, &actor),
            deployment: payload["deployment"]["id"].as_u64(),
            repository,
            event,
            actor,
            run_id,
        })
    }
}

/// When a commit was made, as far as the event tells it: a push does.
pub fn committed(commit: &str, variables: &Variables) -> Option<String> {
    let payload = payload(variables);
    let head = &payload["head_commit"];
    (head["id"] == commit).then(|| head["timestamp"].as_str().map(str::to_owned)).flatten()
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
        "check_run" | "check_suite" => {
            let check = &payload[event];
            let request = check["pull_requests"][0]["number"].as_u64();
            (text(&check["head_sha"]), request.map_or(PullRequest::OfCommit, PullRequest::Known))
        }
        "status" => (text(&payload["sha"]), PullRequest::OfCommit),
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

/// Events of pull requests, other than `pull_request_target`, run what the fork has written.
fn reads_only(event: &str, payload: &Value, actor: &str) -> Option<ReadsOnly> {
    let of_pull_request =
        matches!(event, "pull_request" | "pull_request_review" | "pull_request_review_comment");
    if of_pull_request && fork(payload) {
        return Some(ReadsOnly::Fork);
    }
    let of_dependabot =
        of_pull_request || matches!(event, "push" | "create" | "deployment" | "deployment_status");
    (of_dependabot && actor == "dependabot[bot]").then_some(ReadsOnly::Dependabot)
}

/// A fork that was deleted since has no repository any more.
fn fork(payload: &Value) -> bool {
    let request = &payload["pull_request"];
    request.is_object() && request["head"]["repo"]["full_name"] != request["base"]["repo"]["full_name"]
}

#[cfg(test)]
mod tests {
    use super::{PullRequest::*, *};

    /// What `GITHUB_SHA` is: for some events not the commit that they are about.
    const TRIGGER: &str = "a10867b14bb761a232cd80139fbd4c0d33264240";
    const HEAD: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";

    /// The job of an event whose payload is in `tests/events`.
    fn job(file: &str, further: &[(&str, &str)]) -> Job {
        let event = file.split('.').next().unwrap();
        let path = format!("{}/tests/events/{file}.json", env!("CARGO_MANIFEST_DIR"));
        let payload: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let mut variables = vec![
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "acme/hello"),
            ("GITHUB_EVENT_NAME", event),
            ("GITHUB_EVENT_PATH", &path),
            ("GITHUB_SHA", TRIGGER),
            ("GITHUB_RUN_ID", "7"),
            ("GITHUB_ACTOR", payload["sender"]["login"].as_str().unwrap()),
        ];
        variables.extend(further);
        Job::of(&Variables::of(variables.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())))).unwrap()
    }

    #[test]
    fn a_laptop_is_no_job() {
        let variables = [("GITHUB_TOKEN", "x"), ("GITHUB_REPOSITORY", "o/r")];
        let variables = Variables::of(variables.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert!(Job::of(&variables).is_none());
    }

    #[test]
    fn the_frame_comes_from_the_variables() {
        let job = job("push", &[("GITHUB_SERVER_URL", "https://ghe.example.com/")]);
        assert_eq!(job.run_url, "https://ghe.example.com/acme/hello/actions/runs/7");
        assert_eq!(job.api_url, "https://api.github.com");
        assert_eq!(job.actor, "octocat");
    }

    #[test]
    fn every_event_has_its_commit_its_pull_request_and_its_token() {
        let writes = Option::None;
        let fork = Some(ReadsOnly::Fork);
        let dependabot = Some(ReadsOnly::Dependabot);
        let table = [
            ("push", Some(HEAD), OfCommit, writes),
            ("push.tag", Some(HEAD), OfCommit, writes),
            ("push.deleted", Option::None, PullRequest::None, writes),
            ("push.dependabot", Some(HEAD), OfCommit, dependabot),
            ("pull_request", Some(HEAD), Known(7), writes),
            ("pull_request.fork", Some(HEAD), Known(7), fork),
            ("pull_request.fork-deleted", Some(HEAD), Known(7), fork),
            ("pull_request.dependabot", Some(HEAD), Known(7), dependabot),
            ("pull_request_target", Some(HEAD), Known(7), writes),
            ("pull_request_target.fork", Some(HEAD), Known(7), writes),
            ("pull_request_review", Some(HEAD), Known(7), writes),
            ("pull_request_review.fork", Some(HEAD), Known(7), fork),
            ("workflow_dispatch", Some(TRIGGER), OfCommit, writes),
            ("workflow_dispatch.no-inputs", Some(TRIGGER), OfCommit, writes),
            ("workflow_run", Some(HEAD), Known(7), writes),
            ("workflow_run.push", Some(HEAD), OfCommit, writes),
            ("workflow_run.fork", Some(HEAD), OfCommit, writes),
            ("merge_group", Some(HEAD), Known(7), writes),
            ("check_run", Some(HEAD), Known(7), writes),
            ("check_suite", Some(HEAD), Known(7), writes),
            ("status", Some(HEAD), OfCommit, writes),
            ("deployment", Some(HEAD), PullRequest::None, writes),
            ("deployment_status", Some(HEAD), PullRequest::None, writes),
            // Only GitHub knows the pull request's commit.
            ("issue_comment", Option::None, HeadOf(7), writes),
            ("issue_comment.issue", Some(TRIGGER), PullRequest::None, writes),
            ("release", Some(TRIGGER), PullRequest::None, writes),
            ("schedule", Some(TRIGGER), PullRequest::None, writes),
            ("repository_dispatch", Some(TRIGGER), PullRequest::None, writes),
            ("create", Some(TRIGGER), PullRequest::None, writes),
            ("delete", Some(TRIGGER), PullRequest::None, writes),
        ];
        for (file, sha, pull_request, reads_only) in table {
            let job = job(file, &[]);
            let told = (job.sha.as_deref(), job.pull_request, job.reads_only);
            assert_eq!(told, (sha, pull_request, reads_only), "{file}");
        }
        let known: std::collections::BTreeSet<_> =
            table.iter().map(|(file, ..)| format!("{file}.json")).collect();
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/events")).unwrap();
        let there = folder.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(known, there, "each payload is in the table");
    }

    #[test]
    fn a_deployment_is_told_to_the_one_that_started_the_job() {
        for event in ["deployment", "deployment_status"] {
            assert_eq!(job(event, &[]).deployment, Some(145_988_746));
        }
        assert_eq!(job("push", &[]).deployment, Option::None);
    }

    #[test]
    fn a_push_tells_when_its_commit_was_made() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/events/push.json");
        let variables = Variables::of([("GITHUB_EVENT_PATH".to_owned(), path.to_owned())]);
        assert_eq!(committed(HEAD, &variables).unwrap(), "2026-03-02T09:14:07+01:00");
        assert_eq!(committed(TRIGGER, &variables), Option::None);
        assert_eq!(committed(HEAD, &Variables::default()), Option::None);
    }

    #[test]
    fn a_merge_queue_without_a_number_names_no_pull_request() {
        assert_eq!(queued("refs/heads/gh-readonly-queue/main/pr-104-929f3a"), Some(104));
        assert_eq!(queued("refs/heads/other"), Option::None);
    }

    #[test]
    fn a_payload_that_is_not_there_leaves_the_variables() {
        let of = |further: &[(&str, &str)]| {
            let nowhere = [("GITHUB_EVENT_PATH", "/nowhere/event.json")];
            let job = job("push", &[&nowhere, further].concat());
            (job.sha, job.pull_request)
        };
        assert_eq!(of(&[]), (Some(TRIGGER.to_owned()), OfCommit));
        assert_eq!(of(&[("GITHUB_REF", "refs/pull/2/merge")]), (Option::None, HeadOf(2)));
    }
}
