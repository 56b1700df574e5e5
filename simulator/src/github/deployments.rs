//! Deployments and their statuses.

use super::{
    State,
    input::{Ask, missing},
    job::{SERVER, trigger_sha},
    reply::{Answer, Refusal, Reply},
    shapes::{self, BOT, node_id},
    statuses,
};
use crate::Time;
use serde_json::{Value, json};

const STATES: &[&str] = &["error", "failure", "inactive", "in_progress", "queued", "pending", "success"];
const DESCRIPTION_LIMIT: usize = 140;

#[derive(Debug)]
pub(super) struct Deployment {
    pub(super) id: u64,
    sha: String,
    git_ref: String,
    task: String,
    payload: Value,
    original_environment: String,
    environment: String,
    description: Option<String>,
    transient: bool,
    production: bool,
    creator: String,
    created_at: Time,
    updated_at: Time,
    /// GitHub made it for the job's own `environment:`.
    of_the_job: bool,
    statuses: Vec<DeploymentStatus>,
}

#[derive(Clone, Debug)]
struct DeploymentStatus {
    id: u64,
    state: String,
    description: String,
    environment: String,
    environment_url: String,
    log_url: String,
    created_at: Time,
}

/// What there is when the job starts: the deployment of its `environment:`, and the one that
/// started it.
pub(super) fn populate(state: &mut State) {
    if let Some(environment) = state.job.environment.clone() {
        let id = add(state, &environment, BOT, true);
        let log_url = format!("{SERVER}/{}/actions/runs/{}/job/1", state.job.repository, state.job.run_id);
        let status = DeploymentStatus {
            id: state.next_id(),
            state: "in_progress".into(),
            description: String::new(),
            environment,
            environment_url: String::new(),
            log_url,
            created_at: state.started,
        };
        state.deployments.iter_mut().filter(|d| d.id == id).for_each(|d| d.statuses.push(status.clone()));
    }
    if state.job.event == "deployment" {
        let actor = state.job.actor.clone();
        state.event_deployment = Some(add(state, "production", &actor, false));
    }
}

fn add(state: &mut State, environment: &str, creator: &str, of_the_job: bool) -> u64 {
    let id = state.next_id();
    state.deployments.push(Deployment {
        id,
        sha: trigger_sha(&state.job),
        git_ref: state.job.branch.clone(),
        task: "deploy".into(),
        payload: json!({}),
        original_environment: environment.to_owned(),
        environment: environment.to_owned(),
        description: None,
        transient: false,
        production: environment == "production",
        creator: creator.to_owned(),
        created_at: state.started,
        updated_at: state.started,
        of_the_job,
        statuses: Vec::new(),
    });
    id
}

pub(super) fn create(state: &mut State, ask: &Ask) -> Answer {
    let fields = ask.fields()?;
    let git_ref = fields.required("ref")?.to_owned();
    let sha = state.resolve(&git_ref);
    let sha = sha.ok_or_else(|| Refusal::new(422, format!("No ref found for: {git_ref}")))?;
    let environment = fields.text("environment")?.unwrap_or("production").to_owned();
    let description = description(fields.text("description")?, "Deployment")?;
    let production = fields.boolean("production_environment")?.unwrap_or(environment == "production");
    let transient = fields.boolean("transient_environment")?.unwrap_or(false);
    let task = fields.text("task")?.unwrap_or("deploy").to_owned();
    let payload = fields.get("payload").cloned().unwrap_or_else(|| json!({}));
    let contexts = fields.list("required_contexts", usize::MAX)?;
    if fields.boolean("auto_merge")?.unwrap_or(true) {
        let message = format!("Auto-merged {} into {git_ref} on deployment.", super::job::DEFAULT_BRANCH);
        return Ok(Reply { status: 202, ..Reply::ok(json!({"message": message})) });
    }
    required_contexts(state, &sha, &git_ref, contexts)?;
    let id = state.next_id();
    state.deployments.push(Deployment {
        id,
        sha,
        git_ref,
        task,
        payload,
        original_environment: environment.clone(),
        environment,
        description,
        transient,
        production,
        creator: BOT.into(),
        created_at: ask.now,
        updated_at: ask.now,
        of_the_job: false,
        statuses: Vec::new(),
    });
    let shown = state.deployments.last().map(|deployment| show(state, deployment));
    Ok(Reply::created(shown.unwrap_or_default()))
}

/// Without a list every context of the commit must be green, and the job's own check never is.
fn required_contexts(
    state: &State,
    sha: &str,
    git_ref: &str,
    wanted: Option<&[Value]>,
) -> Result<(), Refusal> {
    let latest = statuses::latest(state, sha);
    let red: Vec<Value> = match wanted {
        None => {
            let mut open: Vec<Value> = latest
                .iter()
                .filter(|status| status.state != "success")
                .map(|status| json!({"context": status.context, "state": status.state}))
                .collect();
            open.push(json!({"context": "deploy", "state": "pending"}));
            open
        }
        Some(names) => names
            .iter()
            .filter_map(|name| name.as_str())
            .filter(|name| {
                !latest.iter().any(|s| s.context.eq_ignore_ascii_case(name) && s.state == "success")
            })
            .map(|name| json!({"context": name, "state": "missing"}))
            .collect(),
    };
    if red.is_empty() {
        return Ok(());
    }
    let error = json!({
        "contexts": red, "resource": "Deployment", "field": "required_contexts", "code": "invalid",
    });
    let message = format!("Conflict: Commit status checks failed for {git_ref}.");
    Err(Refusal { errors: vec![error], ..Refusal::new(409, message) })
}

pub(super) fn list(state: &mut State, ask: &Ask) -> Answer {
    let wanted = |key, value: &str| ask.query(key).is_none_or(|asked| asked == value);
    let newest_first = state.deployments.iter().rev().filter(|d| {
        wanted("sha", &d.sha)
            && wanted("ref", &d.git_ref)
            && wanted("task", &d.task)
            && wanted("environment", &d.environment)
    });
    let shown = newest_first.map(|deployment| show(state, deployment)).collect();
    Ok(ask.page(&format!("{}/deployments", shapes::api(state)), shown, Value::Array))
}

pub(super) fn get(state: &mut State, ask: &Ask) -> Answer {
    let at = position(state, ask)?;
    Ok(Reply::ok(show(state, &state.deployments[at])))
}

pub(super) fn delete(state: &mut State, ask: &Ask) -> Answer {
    let at = position(state, ask)?;
    let inactive = state.deployments[at].statuses.last().is_some_and(|s| s.state == "inactive");
    if state.deployments.len() > 1 && !inactive {
        let message =
            "We cannot delete an active deployment unless it is the only deployment in a given repository.";
        return Err(Refusal::new(422, message));
    }
    state.deployments.remove(at);
    Ok(Reply::no_content())
}

pub(super) fn create_status(state: &mut State, ask: &Ask) -> Answer {
    let at = position(state, ask)?;
    let fields = ask.fields()?;
    let text = |key| fields.text(key).map(|text| text.unwrap_or_default().to_owned());
    let value = fields.one_of("state", STATES)?.ok_or_else(|| missing("state"))?.to_owned();
    let description = description(fields.text("description")?, "DeploymentStatus")?.unwrap_or_default();
    let auto_inactive = fields.boolean("auto_inactive")?.unwrap_or(true);
    let (environment_url, log_url, target_url) =
        (text("environment_url")?, text("log_url")?, text("target_url")?);
    let environment = fields.text("environment")?.map(str::to_owned);
    let id = state.next_id();
    let deployment = &mut state.deployments[at];
    if let Some(environment) = environment {
        deployment.environment = environment;
    }
    let status = DeploymentStatus {
        id,
        state: value,
        description,
        environment: deployment.environment.clone(),
        environment_url,
        log_url: if log_url.is_empty() { target_url } else { log_url },
        created_at: ask.now,
    };
    deployment.statuses.push(status.clone());
    deployment.updated_at = ask.now;
    if status.state == "success" && auto_inactive {
        retire_earlier(state, at, ask.now);
    }
    Ok(Reply::created(show_status(state, &state.deployments[at], &status)))
}

/// Earlier successes of the environment go inactive, unless they are transient or production.
fn retire_earlier(state: &mut State, at: usize, now: Time) {
    let environment = state.deployments[at].environment.clone();
    for earlier in 0..at {
        let id = state.next_id();
        let deployment = &mut state.deployments[earlier];
        let Some(latest) = deployment.statuses.last().filter(|s| s.state == "success") else { continue };
        if deployment.environment == environment && !deployment.transient && !deployment.production {
            let retired =
                DeploymentStatus { id, state: "inactive".into(), created_at: now, ..latest.clone() };
            deployment.statuses.push(retired);
            deployment.updated_at = now;
        }
    }
}

pub(super) fn list_statuses(state: &mut State, ask: &Ask) -> Answer {
    let deployment = &state.deployments[position(state, ask)?];
    let newest_first = deployment.statuses.iter().rev();
    let shown = newest_first.map(|status| show_status(state, deployment, status)).collect();
    let url = format!("{}/deployments/{}/statuses", shapes::api(state), deployment.id);
    Ok(ask.page(&url, shown, Value::Array))
}

pub(super) fn get_status(state: &mut State, ask: &Ask) -> Answer {
    let deployment = &state.deployments[position(state, ask)?];
    let id = ask.number(1)?;
    let status = deployment.statuses.iter().find(|s| s.id == id).ok_or_else(Refusal::not_found)?;
    Ok(Reply::ok(show_status(state, deployment, status)))
}

/// `github_deployments` of the world's snapshot.
pub(super) fn snapshot(state: &State) -> Value {
    let status = |status: &DeploymentStatus| {
        json!({
            "state": status.state, "description": status.description, "environment": status.environment,
            "environment_url": status.environment_url, "log_url": status.log_url,
            "created_at": shapes::time(status.created_at),
        })
    };
    let show = |d: &Deployment| {
        json!({
            "id": d.id, "sha": d.sha, "ref": d.git_ref, "task": d.task, "payload": d.payload,
            "environment": d.environment, "description": d.description, "transient": d.transient,
            "production": d.production, "creator": d.creator, "of_the_job": d.of_the_job,
            "created_at": shapes::time(d.created_at),
            "statuses": d.statuses.iter().map(status).collect::<Vec<_>>(),
        })
    };
    state.deployments.iter().map(show).collect()
}

/// A deployment, as events carry it.
pub(super) fn of_event(state: &State) -> Option<Value> {
    let id = state.event_deployment?;
    state.deployments.iter().find(|d| d.id == id).map(|deployment| show(state, deployment))
}

fn position(state: &State, ask: &Ask) -> Result<usize, Refusal> {
    let id = ask.number(0)?;
    state.deployments.iter().position(|d| d.id == id).ok_or_else(Refusal::not_found)
}

fn description(text: Option<&str>, resource: &str) -> Result<Option<String>, Refusal> {
    if text.is_some_and(|text| text.chars().count() > DESCRIPTION_LIMIT) {
        let message = "description is too long (maximum is 140 characters)";
        return Err(Refusal::invalid(resource, "description", "custom", Some(message)));
    }
    Ok(text.map(str::to_owned))
}

fn url(state: &State, deployment: &Deployment) -> String {
    format!("{}/deployments/{}", shapes::api(state), deployment.id)
}

fn show(state: &State, deployment: &Deployment) -> Value {
    let url = url(state, deployment);
    let by_app = deployment.creator == BOT;
    json!({
        "id": deployment.id,
        "node_id": node_id("DE", deployment.id),
        "url": url,
        "sha": deployment.sha,
        "ref": deployment.git_ref,
        "task": deployment.task,
        "payload": deployment.payload,
        "original_environment": deployment.original_environment,
        "environment": deployment.environment,
        "description": deployment.description,
        "creator": shapes::user(state, &deployment.creator),
        "created_at": shapes::time(deployment.created_at),
        "updated_at": shapes::time(deployment.updated_at),
        "statuses_url": format!("{url}/statuses"),
        "repository_url": shapes::api(state),
        "transient_environment": deployment.transient,
        "production_environment": deployment.production,
        "performed_via_github_app": if by_app { shapes::app(state) } else { Value::Null },
    })
}

fn show_status(state: &State, deployment: &Deployment, status: &DeploymentStatus) -> Value {
    let url = url(state, deployment);
    json!({
        "id": status.id,
        "node_id": node_id("DES", status.id),
        "url": format!("{url}/statuses/{}", status.id),
        "state": status.state,
        "description": status.description,
        "environment": status.environment,
        "target_url": status.log_url,
        "log_url": status.log_url,
        "environment_url": status.environment_url,
        "creator": shapes::user(state, BOT),
        "deployment_url": url,
        "repository_url": shapes::api(state),
        "created_at": shapes::time(status.created_at),
        "updated_at": shapes::time(status.created_at),
        "performed_via_github_app": shapes::app(state),
    })
}
