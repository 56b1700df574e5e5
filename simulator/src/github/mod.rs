//! GitHub as a job's token sees it: checks, statuses, comments, deployments, and the OIDC issuer.

mod checks;
mod comments;
mod deployments;
mod door;
mod event;
mod graphql;
mod input;
mod job;
pub(crate) mod oidc;
mod rate;
mod reply;
mod repository;
mod route;
mod shapes;
mod statuses;
#[cfg(test)]
mod tests;

use crate::{
    Endpoints, Time, World,
    spec::{Job, WorldSpec},
    state::{State as WorldState, random_hex},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};
use tokio::net::TcpListener;

#[derive(Debug)]
pub(crate) struct State {
    job: Job,
    /// GITHUB_API_URL
    base: String,
    /// Where the addresses in answers point: the base as the latest request spelt it, which on an
    /// Enterprise Server has a path.
    shown_base: String,
    /// GITHUB_TOKEN
    token: String,
    /// What the job asks the runner's own services with, the OIDC issuer among them.
    runtime_token: String,
    started: Time,
    latest_id: u64,
    checks: Vec<checks::CheckRun>,
    statuses: Vec<statuses::Status>,
    comments: Vec<comments::Comment>,
    deployments: Vec<deployments::Deployment>,
    /// The deployment whose creation started the job.
    event_deployment: Option<u64>,
    limits: rate::Limits,
    journal: Vec<Entry>,
}

/// One request that came in.
#[derive(Clone, Debug)]
struct Entry {
    at: Time,
    method: String,
    path: String,
    operation: String,
    status: u16,
    /// The bodies of both ways.
    sent: Value,
    answered: Value,
}

impl State {
    pub(crate) fn of(spec: &WorldSpec, endpoints: &Endpoints, now: Time, canary: Option<&str>) -> State {
        let canary = canary.unwrap_or_default();
        let mut state = State {
            job: spec.job.clone(),
            base: endpoints.github.clone(),
            shown_base: endpoints.github.clone(),
            token: format!("ghs_{canary}{}", random_hex(36)),
            runtime_token: format!("{canary}{}", random_hex(64)),
            started: now,
            latest_id: 0,
            checks: Vec::new(),
            statuses: Vec::new(),
            comments: Vec::new(),
            deployments: Vec::new(),
            event_deployment: None,
            limits: rate::Limits::default(),
            journal: Vec::new(),
        };
        comments::populate(&mut state);
        deployments::populate(&mut state);
        state
    }

    fn next_id(&mut self) -> u64 {
        self.latest_id += 1;
        self.latest_id
    }
}

/// GitHub's socket, bound before the world exists so that its address can be told.
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    pub(crate) async fn bind() -> anyhow::Result<Server> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        Ok(Server { listener, address })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn serve(self, world: &Arc<World>) {
        crate::serve::serve(world, self.listener, door::answer);
    }
}

/// The names of the API's operations.
pub fn operations() -> impl Iterator<Item = &'static str> {
    route::ROUTES.iter().map(|route| route.operation)
}

/// GITHUB_*, ACTIONS_*, RUNNER_* and the token of the job that the world plays.
pub(crate) fn job_environment(world: &WorldState) -> Vec<(String, String)> {
    job::environment(&world.github)
}

/// What a runner writes to GITHUB_EVENT_PATH.
pub(crate) fn event_payload(world: &WorldState) -> Value {
    event::payload(&world.github)
}

/// What was asked and answered, bodies included, as `GET /_github` tells it.
pub(crate) fn exchanges(world: &WorldState) -> Value {
    let exchange = |entry: &Entry| {
        json!({
            "at": entry.at.iso(), "method": entry.method, "path": entry.path,
            "operation": entry.operation, "sent": entry.sent, "status": entry.status,
            "answered": entry.answered,
        })
    };
    world.github.journal.iter().map(exchange).collect()
}

/// `checks`, `statuses`, `comments`, `github_deployments`, `github_calls` and
/// `github_calls_by_operation` of the snapshot.
pub(crate) fn snapshot(world: &WorldState) -> Value {
    let state = &world.github;
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in &state.journal {
        *counts.entry(&entry.operation).or_default() += 1;
    }
    let call = |entry: &Entry| {
        json!({
            "at": entry.at.iso(), "method": entry.method, "path": entry.path,
            "operation": entry.operation, "status": entry.status,
        })
    };
    json!({
        "checks": checks::snapshot(state),
        "statuses": statuses::snapshot(state),
        "comments": comments::snapshot(state),
        "github_deployments": deployments::snapshot(state),
        "github_calls": state.journal.iter().map(call).collect::<Vec<_>>(),
        "github_calls_by_operation": counts,
    })
}
