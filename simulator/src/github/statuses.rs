//! Commit statuses, each and combined.

use super::{
    State,
    input::{Ask, missing},
    reply::{Answer, Refusal, Reply},
    shapes::{self, BOT, node_id},
};
use serde_json::{Value, json};

const STATES: &[&str] = &["error", "failure", "pending", "success"];
const DESCRIPTION_LIMIT: usize = 140;
const STATUSES_OF_A_CONTEXT: usize = 1000;

#[derive(Debug)]
pub(super) struct Status {
    id: u64,
    sha: String,
    pub(super) state: String,
    description: Option<String>,
    target_url: Option<String>,
    pub(super) context: String,
    created_at: String,
}

pub(super) fn create(state: &mut State, ask: &Ask) -> Answer {
    let fields = ask.fields()?;
    let asked = ask.capture(0);
    let sha = state.resolve(asked).filter(|sha| sha == asked);
    let sha = sha.ok_or_else(|| Refusal::new(422, format!("No commit found for SHA: {asked}")))?;
    let value = fields.one_of("state", STATES)?.ok_or_else(|| missing("state"))?.to_owned();
    let context = fields.text("context")?.filter(|c| !c.is_empty()).unwrap_or("default").to_owned();
    let description = fields.text("description")?.map(str::to_owned);
    let target_url = fields.text("target_url")?.map(str::to_owned);
    let invalid = |field, message| Refusal::invalid("Status", field, "custom", Some(message));
    if description.as_ref().is_some_and(|text| text.chars().count() > DESCRIPTION_LIMIT) {
        return Err(invalid("description", "description is too long (maximum is 140 characters)"));
    }
    let web = |url: &String| url.is_empty() || url.starts_with("http://") || url.starts_with("https://");
    if target_url.as_ref().is_some_and(|url| !web(url)) {
        return Err(invalid("target_url", "target_url must use http(s) scheme"));
    }
    let same = |other: &&Status| other.sha == sha && other.context.eq_ignore_ascii_case(&context);
    if state.statuses.iter().filter(same).count() >= STATUSES_OF_A_CONTEXT {
        return Err(invalid("context", "This SHA and context has reached the maximum number of statuses."));
    }
    let created_at = shapes::time(ask.now);
    let status =
        Status { id: state.next_id(), sha, state: value, description, target_url, context, created_at };
    let mut shown = show(state, &status);
    shown["creator"] = shapes::user(state, BOT);
    state.statuses.push(status);
    Ok(Reply::created(shown))
}

pub(super) fn combined(state: &mut State, ask: &Ask) -> Answer {
    let asked = ask.capture(0);
    let sha = state.resolve(asked).ok_or_else(Refusal::not_found)?;
    let latest = latest(state, &sha);
    let api = shapes::api(state);
    let total = latest.len();
    let whole = summary(&latest);
    let shown = latest.into_iter().map(|status| show(state, status)).collect();
    let url = format!("{api}/commits/{sha}/status");
    let repository = shapes::repository(state);
    Ok(ask.page(&url, shown, |statuses| {
        json!({
            "state": whole,
            "statuses": statuses,
            "sha": sha,
            "total_count": total,
            "repository": repository,
            "commit_url": format!("{api}/commits/{sha}"),
            "url": url,
        })
    }))
}

pub(super) fn list(state: &mut State, ask: &Ask) -> Answer {
    let asked = ask.capture(0);
    let sha = state.resolve(asked).ok_or_else(Refusal::not_found)?;
    let of_commit = state.statuses.iter().rev().filter(|status| status.sha == sha);
    let shown = of_commit
        .map(|status| {
            let mut shown = show(state, status);
            shown["creator"] = shapes::user(state, BOT);
            shown
        })
        .collect();
    let url = format!("{}/commits/{sha}/statuses", shapes::api(state));
    Ok(ask.page(&url, shown, Value::Array))
}

/// The newest status of each context, whatever the case of its letters.
pub(super) fn latest<'s>(state: &'s State, sha: &str) -> Vec<&'s Status> {
    let mut latest: Vec<&Status> = Vec::new();
    for status in state.statuses.iter().rev().filter(|status| status.sha == sha) {
        if !latest.iter().any(|newer| newer.context.eq_ignore_ascii_case(&status.context)) {
            latest.push(status);
        }
    }
    latest
}

/// `statuses` of the world's snapshot: each that was set, in order.
pub(super) fn snapshot(state: &State) -> Value {
    let show = |status: &Status| {
        json!({
            "sha": status.sha, "context": status.context, "state": status.state,
            "description": status.description, "target_url": status.target_url,
            "created_at": status.created_at,
        })
    };
    state.statuses.iter().map(show).collect()
}

fn summary(latest: &[&Status]) -> &'static str {
    let any = |states: &[&str]| latest.iter().any(|status| states.contains(&status.state.as_str()));
    if any(&["error", "failure"]) {
        "failure"
    } else if latest.is_empty() || any(&["pending"]) {
        "pending"
    } else {
        "success"
    }
}

fn show(state: &State, status: &Status) -> Value {
    json!({
        "url": format!("{}/statuses/{}", shapes::api(state), status.sha),
        "avatar_url": "https://avatars.githubusercontent.com/in/15368?v=4",
        "id": status.id,
        "node_id": node_id("SC", status.id),
        "state": status.state,
        "description": status.description,
        "target_url": status.target_url,
        "context": status.context,
        "created_at": status.created_at,
        "updated_at": status.created_at,
    })
}
