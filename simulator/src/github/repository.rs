//! The repository itself: its commits, its pull requests, and what the token has left.

use super::{
    State,
    input::Ask,
    job::{DEFAULT_BRANCH, SERVER, default_tip, head_branch, merge_sha, owner, trigger_sha},
    reply::{Answer, Refusal, Reply},
    shapes::{self, node_id, pull},
};
use serde_json::{Value, json};
use std::cmp::Ordering;

impl State {
    /// The commit that a SHA, branch or tag stands for. The world doesn't hold the repository's
    /// history, so every SHA of the right form is taken for a commit of it.
    pub(super) fn resolve(&self, reference: &str) -> Option<String> {
        let job = &self.job;
        let is_sha = reference.len() == 40
            && reference.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
            && reference.bytes().any(|b| b != b'0');
        if is_sha {
            return Some(reference.to_owned());
        }
        let name = reference.trim_start_matches("refs/");
        let name = name.strip_prefix("heads/").or(name.strip_prefix("tags/")).unwrap_or(name);
        let merge = job.pull_request.map(|number| format!("pull/{number}/merge"));
        let head = job.pull_request.map(|number| format!("pull/{number}/head"));
        match name {
            name if name == job.branch => Some(job.sha.clone()),
            DEFAULT_BRANCH => Some(default_tip(job)),
            name if Some(name) == head.as_deref() || (name == head_branch(job) && head.is_some()) => {
                Some(job.sha.clone())
            }
            name if Some(name) == merge.as_deref() => Some(merge_sha(job)),
            _ => None,
        }
    }
}

pub(super) fn get(state: &mut State, _ask: &Ask) -> Answer {
    Ok(Reply::ok(shapes::repository(state)))
}

pub(super) fn commit(state: &mut State, ask: &Ask) -> Answer {
    let asked = ask.capture(0);
    let sha =
        state.resolve(asked).ok_or_else(|| Refusal::new(422, format!("No commit found for SHA: {asked}")))?;
    let mut shown = shown(state, &sha);
    shown["stats"] = json!({"total": 0, "additions": 0, "deletions": 0});
    shown["files"] = json!([]);
    Ok(Reply::ok(shown))
}

pub(super) fn compare(state: &mut State, ask: &Ask) -> Answer {
    let (base, head) = ask.capture(0).split_once("...").ok_or_else(Refusal::not_found)?;
    let place = |sha: &str| state.job.history.iter().position(|known| known == sha);
    let (from, to) = place(base).zip(place(head)).ok_or_else(Refusal::not_found)?;
    let status = match to.cmp(&from) {
        Ordering::Less => "behind",
        Ordering::Equal => "identical",
        Ordering::Greater => "ahead",
    };
    let api = shapes::api(state);
    let page = format!("{SERVER}/{}/compare/{base}...{head}", state.job.repository);
    let between = state.job.history.get(from + 1..=to).unwrap_or_default();
    let commits: Vec<Value> = between.iter().map(|sha| shown(state, sha)).collect();
    Ok(Reply::ok(json!({
        "url": format!("{api}/compare/{base}...{head}"),
        "html_url": page,
        "permalink_url": page,
        "diff_url": format!("{page}.diff"),
        "patch_url": format!("{page}.patch"),
        "base_commit": shown(state, base),
        "merge_base_commit": shown(state, if to < from { head } else { base }),
        "status": status,
        "ahead_by": to.saturating_sub(from),
        "behind_by": from.saturating_sub(to),
        "total_commits": commits.len(),
        "commits": commits,
        "files": [],
    })))
}

/// A commit as it stands in lists.
fn shown(state: &State, sha: &str) -> Value {
    let api = shapes::api(state);
    let url = format!("{api}/commits/{sha}");
    let at = shapes::time(state.started);
    let person =
        json!({"name": state.job.actor, "email": format!("{}@example.com", state.job.actor), "date": at});
    let user = shapes::user(state, &state.job.actor);
    json!({
        "sha": sha,
        "node_id": node_id("C", state.job.run_id),
        "url": url,
        "html_url": format!("{SERVER}/{}/commit/{sha}", state.job.repository),
        "comments_url": format!("{url}/comments"),
        "commit": {
            "url": format!("{api}/git/commits/{sha}"),
            "author": person,
            "committer": person,
            "message": "A change",
            "comment_count": 0,
            "tree": {"sha": sha, "url": format!("{api}/git/trees/{sha}")},
            "verification": {"verified": false, "reason": "unsigned", "payload": null, "signature": null, "verified_at": null},
        },
        "author": user,
        "committer": user,
        "parents": [],
    })
}

pub(super) fn pulls_of_commit(state: &mut State, ask: &Ask) -> Answer {
    let asked = ask.capture(0);
    let sha =
        state.resolve(asked).ok_or_else(|| Refusal::new(422, format!("No commit found for SHA: {asked}")))?;
    let held = sha == state.job.sha || sha == trigger_sha(&state.job);
    let pulls = state.job.pull_request.filter(|_| held).map(|number| pull(state, number));
    let url = format!("{}/commits/{sha}/pulls", shapes::api(state));
    Ok(ask.page(&url, pulls.into_iter().collect(), Value::Array))
}

pub(super) fn pulls(state: &mut State, ask: &Ask) -> Answer {
    let head = format!("{}:{}", owner(&state.job), head_branch(&state.job));
    let wanted = ask.query("head").is_none_or(|asked| asked == head)
        && ask.query("base").is_none_or(|asked| asked == DEFAULT_BRANCH)
        && ask.query("state").is_none_or(|asked| asked != "closed");
    let pulls = state.job.pull_request.filter(|_| wanted).map(|number| pull(state, number));
    let url = format!("{}/pulls", shapes::api(state));
    Ok(ask.page(&url, pulls.into_iter().collect(), Value::Array))
}

pub(super) fn pull_request(state: &mut State, ask: &Ask) -> Answer {
    let number = ask.number(0)?;
    state.job.pull_request.filter(|known| *known == number).ok_or_else(Refusal::not_found)?;
    let mut shown = pull(state, number);
    for (key, value) in [
        ("merged", json!(false)),
        ("mergeable", json!(true)),
        ("rebaseable", json!(true)),
        ("mergeable_state", json!("clean")),
        ("merged_by", Value::Null),
        ("comments", json!(state.comments.len())),
        ("review_comments", json!(0)),
        ("maintainer_can_modify", json!(false)),
        ("commits", json!(1)),
        ("additions", json!(1)),
        ("deletions", json!(1)),
        ("changed_files", json!(1)),
    ] {
        shown[key] = value;
    }
    Ok(Reply::ok(shown))
}
