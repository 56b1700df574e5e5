//! Comments on pull requests, which are issues here.

use super::{
    State,
    input::Ask,
    job::SERVER,
    reply::{Answer, Refusal, Reply},
    shapes::{self, BOT, node_id},
};
use crate::Time;
use serde_json::{Value, json};

const BODY_LIMIT: usize = 65_536;

#[derive(Debug)]
pub(super) struct Comment {
    id: u64,
    issue: u64,
    user: String,
    body: String,
    created_at: Time,
    updated_at: Time,
    /// Why it is hidden, if it is.
    minimized: Option<String>,
    updates: u32,
}

/// What the pull request has been told before the job.
pub(super) fn populate(state: &mut State) {
    let Some(issue) = state.job.pull_request else { return };
    for told in state.job.comments.clone() {
        let comment = new(state, issue, told.user, told.body, state.started);
        state.comments.push(comment);
    }
}

pub(super) fn list(state: &mut State, ask: &Ask) -> Answer {
    let issue = issue(state, ask)?;
    let since = ask.query("since").and_then(|since| chrono::DateTime::parse_from_rfc3339(since).ok());
    let since = since.map(|at| Time(at.timestamp_millis()));
    let of_issue = state.comments.iter().filter(|c| c.issue == issue);
    let shown = of_issue.filter(|c| since.is_none_or(|since| c.updated_at >= since));
    let shown = shown.map(|comment| show(state, comment)).collect();
    let url = format!("{}/issues/{issue}/comments", shapes::api(state));
    Ok(ask.page(&url, shown, Value::Array))
}

pub(super) fn create(state: &mut State, ask: &Ask) -> Answer {
    let issue = issue(state, ask)?;
    let body = body(ask)?;
    let comment = new(state, issue, BOT.to_owned(), body, ask.now);
    let shown = show(state, &comment);
    state.comments.push(comment);
    let location = shown["url"].as_str().unwrap_or_default().to_owned();
    Ok(Reply::created(shown).with("location", location))
}

pub(super) fn get(state: &mut State, ask: &Ask) -> Answer {
    let at = position(state, ask)?;
    Ok(Reply::ok(show(state, &state.comments[at])))
}

pub(super) fn update(state: &mut State, ask: &Ask) -> Answer {
    let at = position(state, ask)?;
    let body = body(ask)?;
    let comment = &mut state.comments[at];
    comment.body = body;
    comment.updated_at = ask.now;
    comment.updates += 1;
    Ok(Reply::ok(show(state, &state.comments[at])))
}

pub(super) fn delete(state: &mut State, ask: &Ask) -> Answer {
    let at = position(state, ask)?;
    state.comments.remove(at);
    Ok(Reply::no_content())
}

/// Hides a comment, or shows it again; `None` when no node has the id.
pub(super) fn minimize(state: &mut State, node: &str, reason: Option<String>) -> Option<()> {
    let comment = state.comments.iter_mut().find(|c| node_id("IC", c.id) == node)?;
    comment.minimized = reason;
    Some(())
}

/// `comments` of the world's snapshot.
pub(super) fn snapshot(state: &State) -> Value {
    let show = |comment: &Comment| {
        json!({
            "id": comment.id, "issue": comment.issue, "user": comment.user, "body": comment.body,
            "created_at": shapes::time(comment.created_at), "updated_at": shapes::time(comment.updated_at),
            "minimized": comment.minimized, "updates": comment.updates,
        })
    };
    state.comments.iter().map(show).collect()
}

fn new(state: &mut State, issue: u64, user: String, body: String, now: Time) -> Comment {
    let id = state.next_id();
    Comment { id, issue, user, body, created_at: now, updated_at: now, minimized: None, updates: 0 }
}

/// The issue that is asked for, which is the pull request or nothing.
fn issue(state: &State, ask: &Ask) -> Result<u64, Refusal> {
    let number = ask.number(0)?;
    state.job.pull_request.filter(|known| *known == number).ok_or_else(Refusal::not_found)
}

fn position(state: &State, ask: &Ask) -> Result<usize, Refusal> {
    let id = ask.number(0)?;
    state.comments.iter().position(|comment| comment.id == id).ok_or_else(Refusal::not_found)
}

fn body(ask: &Ask) -> Result<String, Refusal> {
    let body = ask.fields()?.required("body")?;
    if body.trim().is_empty() {
        return Err(Refusal::invalid("IssueComment", "body", "missing_field", None));
    }
    if body.chars().count() > BODY_LIMIT {
        let message = "Body is too long (maximum is 65536 characters)";
        return Err(Refusal::invalid("IssueComment", "data", "unprocessable", Some(message)));
    }
    Ok(body.to_owned())
}

fn show(state: &State, comment: &Comment) -> Value {
    let api = shapes::api(state);
    let (id, issue) = (comment.id, comment.issue);
    let url = format!("{api}/issues/comments/{id}");
    let by_app = comment.user == BOT;
    json!({
        "id": id,
        "node_id": node_id("IC", id),
        "url": url,
        "html_url": format!("{SERVER}/{}/pull/{issue}#issuecomment-{id}", state.job.repository),
        "issue_url": format!("{api}/issues/{issue}"),
        "user": shapes::user(state, &comment.user),
        "body": comment.body,
        "created_at": shapes::time(comment.created_at),
        "updated_at": shapes::time(comment.updated_at),
        "author_association": if by_app { "NONE" } else { "CONTRIBUTOR" },
        "performed_via_github_app": if by_app { shapes::app(state) } else { Value::Null },
        "pin": null,
        "minimized": comment.minimized.as_ref().map(|reason| json!({"reason": reason})),
        "reactions": {
            "url": format!("{url}/reactions"), "total_count": 0, "+1": 0, "-1": 0, "laugh": 0,
            "hooray": 0, "confused": 0, "heart": 0, "rocket": 0, "eyes": 0,
        },
    })
}
