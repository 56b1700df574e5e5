//! The payload of the event that started the job, as a runner writes it to GITHUB_EVENT_PATH.

use super::{
    State, deployments,
    job::{DEFAULT_BRANCH, SERVER, default_tip, git_ref, head_branch},
    shapes,
};
use serde_json::{Value, json};

pub(super) fn payload(state: &State) -> Value {
    let job = &state.job;
    let number = job.pull_request.unwrap_or_default();
    let at = shapes::time(state.started);
    let workflow = format!(".github/workflows/{}.yml", job.workflow);
    let mut payload = match job.event.as_str() {
        "push" => json!({
            "ref": git_ref(job),
            "before": "0".repeat(40),
            "after": job.sha,
            "created": false,
            "deleted": false,
            "forced": false,
            "base_ref": null,
            "compare": format!("{SERVER}/{}/compare/{}", job.repository, job.sha),
            "head_commit": commit(state, &at),
            "commits": [commit(state, &at)],
            "pusher": {"name": job.actor, "email": format!("{}@example.com", job.actor)},
        }),
        "pull_request" | "pull_request_target" => json!({
            "action": "synchronize",
            "number": number,
            "before": default_tip(job),
            "after": job.sha,
            "pull_request": pull_request(state, number),
        }),
        "workflow_dispatch" => json!({"inputs": {}, "ref": git_ref(job), "workflow": workflow}),
        "workflow_run" => json!({
            "action": "completed",
            "workflow": {"name": "build", "path": ".github/workflows/build.yml"},
            "workflow_run": {
                "id": job.run_id.saturating_sub(1),
                "name": "build",
                "event": if job.pull_request.is_some() { "pull_request" } else { "push" },
                "head_sha": job.sha,
                "head_branch": head_branch(job),
                "status": "completed",
                "conclusion": "success",
                "run_attempt": 1,
                "pull_requests": shapes::mentioned_pulls(state, &job.sha),
            },
        }),
        "merge_group" => json!({
            "action": "checks_requested",
            "merge_group": {
                "head_sha": job.sha,
                "head_ref": git_ref(job),
                "base_sha": default_tip(job),
                "base_ref": format!("refs/heads/{DEFAULT_BRANCH}"),
                "head_commit": commit(state, &at),
            },
        }),
        "release" => json!({
            "action": "published",
            "release": {
                "id": 1,
                "tag_name": job.branch,
                "target_commitish": DEFAULT_BRANCH,
                "name": job.branch,
                "draft": false,
                "prerelease": false,
                "published_at": at,
                "html_url": format!("{SERVER}/{}/releases/tag/{}", job.repository, job.branch),
            },
        }),
        "deployment" => json!({"action": "created", "deployment": deployments::of_event(state)}),
        "issue_comment" => json!({
            "action": "created",
            "issue": {
                "number": number,
                "title": "A change",
                "state": "open",
                "pull_request": {"url": format!("{}/pulls/{number}", shapes::api(state))},
            },
            "comment": {"id": 1, "body": "/deploy", "user": shapes::user(state, &job.actor), "created_at": at},
        }),
        "repository_dispatch" => {
            json!({"action": "deploy", "branch": DEFAULT_BRANCH, "client_payload": {}})
        }
        "schedule" => json!({"schedule": "15 4 * * *", "workflow": workflow}),
        _ => json!({}),
    };
    payload["repository"] = shapes::repository(state);
    payload["sender"] = shapes::user(state, &job.actor);
    payload
}

fn pull_request(state: &State, number: u64) -> Value {
    let mut pull = shapes::pull(state, number);
    for (key, value) in [("merged", json!(false)), ("mergeable", json!(true)), ("merged_by", Value::Null)] {
        pull[key] = value;
    }
    pull
}

fn commit(state: &State, at: &str) -> Value {
    let job = &state.job;
    let person =
        json!({"name": job.actor, "email": format!("{}@example.com", job.actor), "username": job.actor});
    json!({
        "id": job.sha,
        "tree_id": job.sha,
        "distinct": true,
        "message": "A change",
        "timestamp": at,
        "url": format!("{SERVER}/{}/commit/{}", job.repository, job.sha),
        "author": person,
        "committer": person,
        "added": [],
        "removed": [],
        "modified": [],
    })
}
