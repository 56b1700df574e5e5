//! Users, the app, the repository and pull requests, in the shapes that they have in every answer.

use super::{
    State,
    job::{self, DEFAULT_BRANCH, SERVER, default_tip, head_branch, merge_sha},
};
use crate::Time;
use serde_json::{Value, json};

pub(super) const BOT: &str = "github-actions[bot]";
const BOT_ID: u64 = 41_898_282;
pub(super) const APP_ID: u64 = 15_368;

/// ISO 8601 to the second, as GitHub writes it.
pub(super) fn time(at: Time) -> String {
    let at = chrono::DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

pub(super) fn user_id(login: &str) -> u64 {
    if login == BOT {
        return BOT_ID;
    }
    // Any number will do, if it is always the same.
    login.bytes().fold(100_000, |id, byte| (id * 31 + u64::from(byte)) % 90_000_000)
}

pub(super) fn user(state: &State, login: &str) -> Value {
    let id = if login == job::owner(&state.job) { state.job.owner_id } else { user_id(login) };
    let api = format!("{}/users/{}", state.shown_base, login.replace('[', "%5B").replace(']', "%5D"));
    json!({
        "login": login,
        "id": id,
        "node_id": node_id("U", id),
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{id}?v=4"),
        "gravatar_id": "",
        "url": api,
        "html_url": format!("{SERVER}/{}", login.trim_end_matches("[bot]")),
        "followers_url": format!("{api}/followers"),
        "following_url": format!("{api}/following{{/other_user}}"),
        "gists_url": format!("{api}/gists{{/gist_id}}"),
        "starred_url": format!("{api}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{api}/subscriptions"),
        "organizations_url": format!("{api}/orgs"),
        "repos_url": format!("{api}/repos"),
        "events_url": format!("{api}/events{{/privacy}}"),
        "received_events_url": format!("{api}/received_events"),
        "type": if login.ends_with("[bot]") { "Bot" } else { "User" },
        "user_view_type": "public",
        "site_admin": false,
    })
}

/// The app behind a job's token.
pub(super) fn app(state: &State) -> Value {
    json!({
        "id": APP_ID,
        "slug": "github-actions",
        "node_id": node_id("A", APP_ID),
        "client_id": "Iv1.05c79e9ad1f6bdfa",
        "owner": user(state, "github"),
        "name": "GitHub Actions",
        "description": "Automate your workflow from idea to production",
        "external_url": "https://help.github.com/en/actions",
        "html_url": format!("{SERVER}/apps/github-actions"),
        "created_at": "2018-07-30T09:30:17Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "permissions": {"checks": "write", "deployments": "write", "pull_requests": "write", "statuses": "write"},
        "events": ["check_run", "push"],
    })
}

pub(super) fn repository(state: &State) -> Value {
    repository_of(state, &state.job.repository, state.job.repository_id, false)
}

/// The repository that the pull request comes from.
fn head_repository(state: &State) -> Value {
    if state.job.fork {
        let full_name = format!("{}/{}", state.job.actor, job::name(&state.job));
        repository_of(state, &full_name, state.job.repository_id + 1, true)
    } else {
        repository(state)
    }
}

fn repository_of(state: &State, full_name: &str, id: u64, fork: bool) -> Value {
    let api = format!("{}/repos/{full_name}", state.shown_base);
    let (owner, name) = full_name.split_once('/').unwrap_or((full_name, ""));
    let at = time(state.started);
    let mut repository = json!({
        "id": id,
        "node_id": node_id("R", id),
        "name": name,
        "full_name": full_name,
        "private": true,
        "visibility": "private",
        "owner": user(state, owner),
        "html_url": format!("{SERVER}/{full_name}"),
        "description": null,
        "fork": fork,
        "url": api,
        "git_url": format!("git://github.com/{full_name}.git"),
        "ssh_url": format!("git@github.com:{full_name}.git"),
        "clone_url": format!("{SERVER}/{full_name}.git"),
        "svn_url": format!("{SERVER}/{full_name}"),
        "mirror_url": null,
        "homepage": null,
        "language": null,
        "license": null,
        "topics": [],
        "default_branch": DEFAULT_BRANCH,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": at,
        "pushed_at": at,
        "allow_forking": true,
        "archived": false,
        "disabled": false,
        "has_issues": true,
        "has_projects": true,
        "has_wiki": true,
        "has_pages": false,
        "has_discussions": false,
        "has_downloads": true,
        "is_template": false,
        "web_commit_signoff_required": false,
    });
    for count in [
        "size",
        "stargazers_count",
        "watchers_count",
        "forks_count",
        "open_issues_count",
        "forks",
        "open_issues",
        "watchers",
        "network_count",
        "subscribers_count",
    ] {
        repository[count] = json!(0);
    }
    for (key, path) in [
        ("archive_url", "{archive_format}{/ref}"),
        ("assignees_url", "assignees{/user}"),
        ("blobs_url", "git/blobs{/sha}"),
        ("branches_url", "branches{/branch}"),
        ("collaborators_url", "collaborators{/collaborator}"),
        ("comments_url", "comments{/number}"),
        ("commits_url", "commits{/sha}"),
        ("compare_url", "compare/{base}...{head}"),
        ("contents_url", "contents/{+path}"),
        ("contributors_url", "contributors"),
        ("deployments_url", "deployments"),
        ("downloads_url", "downloads"),
        ("events_url", "events"),
        ("forks_url", "forks"),
        ("git_commits_url", "git/commits{/sha}"),
        ("git_refs_url", "git/refs{/sha}"),
        ("git_tags_url", "git/tags{/sha}"),
        ("hooks_url", "hooks"),
        ("issue_comment_url", "issues/comments{/number}"),
        ("issue_events_url", "issues/events{/number}"),
        ("issues_url", "issues{/number}"),
        ("keys_url", "keys{/key_id}"),
        ("labels_url", "labels{/name}"),
        ("languages_url", "languages"),
        ("merges_url", "merges"),
        ("milestones_url", "milestones{/number}"),
        ("notifications_url", "notifications{?since,all,participating}"),
        ("pulls_url", "pulls{/number}"),
        ("releases_url", "releases{/id}"),
        ("stargazers_url", "stargazers"),
        ("statuses_url", "statuses/{sha}"),
        ("subscribers_url", "subscribers"),
        ("subscription_url", "subscription"),
        ("tags_url", "tags"),
        ("teams_url", "teams"),
        ("trees_url", "git/trees{/sha}"),
    ] {
        repository[key] = json!(format!("{api}/{path}"));
    }
    repository
}

/// The repository's address in the API.
pub(super) fn api(state: &State) -> String {
    format!("{}/repos/{}", state.shown_base, state.job.repository)
}

/// The open pull request, as lists have it.
pub(super) fn pull(state: &State, number: u64) -> Value {
    let job = &state.job;
    let api = api(state);
    let html = format!("{SERVER}/{}/pull/{number}", job.repository);
    let issue = format!("{api}/issues/{number}");
    let url = format!("{api}/pulls/{number}");
    let at = time(state.started);
    let head = head_repository(state);
    let branch = |git_ref: &str, sha: &str, repository: Value| {
        let owner = repository["owner"].clone();
        let label = format!("{}:{git_ref}", owner["login"].as_str().unwrap_or_default());
        json!({"label": label, "ref": git_ref, "sha": sha, "user": owner, "repo": repository})
    };
    let links: Value = [
        ("self", url.clone()),
        ("html", html.clone()),
        ("issue", issue.clone()),
        ("comments", format!("{issue}/comments")),
        ("review_comments", format!("{url}/comments")),
        ("review_comment", format!("{api}/pulls/comments{{/number}}")),
        ("commits", format!("{url}/commits")),
        ("statuses", format!("{api}/statuses/{}", job.sha)),
    ]
    .into_iter()
    .map(|(name, to)| (name.to_owned(), json!({"href": to})))
    .collect();
    json!({
        "id": 1_000_000 + number,
        "node_id": node_id("PR", number),
        "number": number,
        "state": "open",
        "locked": false,
        "title": "A change",
        "body": null,
        "user": user(state, &job.actor),
        "labels": [],
        "milestone": null,
        "assignee": null,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "draft": false,
        "author_association": "CONTRIBUTOR",
        "auto_merge": null,
        "active_lock_reason": null,
        "created_at": at,
        "updated_at": at,
        "closed_at": null,
        "merged_at": null,
        "merge_commit_sha": merge_sha(job),
        "head": branch(head_branch(job), &job.sha, head),
        "base": branch(DEFAULT_BRANCH, &default_tip(job), repository(state)),
        "url": url,
        "html_url": html,
        "diff_url": format!("{html}.diff"),
        "patch_url": format!("{html}.patch"),
        "issue_url": issue,
        "commits_url": format!("{url}/commits"),
        "review_comments_url": format!("{url}/comments"),
        "review_comment_url": format!("{api}/pulls/comments{{/number}}"),
        "comments_url": format!("{issue}/comments"),
        "statuses_url": format!("{api}/statuses/{}", job.sha),
        "_links": links,
    })
}

/// The pull request as a check run mentions it; a fork's isn't mentioned.
pub(super) fn mentioned_pulls(state: &State, sha: &str) -> Value {
    let job = &state.job;
    let Some(number) = job.pull_request.filter(|_| sha == job.sha && !job.fork) else { return json!([]) };
    let repo = json!({"id": job.repository_id, "url": api(state), "name": job::name(job)});
    json!([{
        "id": 1_000_000 + number,
        "number": number,
        "url": format!("{}/pulls/{number}", api(state)),
        "head": {"ref": head_branch(job), "sha": job.sha, "repo": repo},
        "base": {"ref": DEFAULT_BRANCH, "sha": default_tip(job), "repo": repo},
    }])
}

pub(super) fn node_id(kind: &str, id: u64) -> String {
    format!("{kind}_kwDO{id:010}")
}
