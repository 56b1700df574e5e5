//! Stand-ins for containers where there is no engine: each is an HTTP server in this process
//! that behaves by its image's configuration and its container's environment, and says in its
//! log what it is.
//!
//! `VERSION` is what it says, in the body of `/`, in `/version` and in the header
//! `x-app-version`. `MISBEHAVE` is one of `crash`, `unhealthy`, `errors`, `wrong`, `slow`. It
//! doesn't know which path a health check asks for, so it knows the load balancer's checks by
//! their user agent.

use super::{
    Condition, ContainerPlan, Port, TaskPlan,
    container::{Exit, Handle as AnyHandle, Running},
    image::Reference,
};
use crate::ecr;
use crate::ecs::{PullError, PullErrorKind};
use crate::spec::StandInAnswer;
use crate::world::World;
use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::Engine as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

/// How long `slow` takes, in real time.
const SLOW: Duration = Duration::from_millis(800);

const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

pub(super) struct Handle {
    /// Finish what is under way.
    terminate: CancellationToken,
    kill: CancellationToken,
}

impl Handle {
    pub(super) fn terminate(&self) {
        self.terminate.cancel();
    }

    pub(super) fn kill(&self) {
        self.kill.cancel();
    }
}

/// Asks the registry for the manifest as an engine would, with the task's credentials.
pub(super) async fn pull(world: &Arc<World>, plan: &ContainerPlan) -> Result<Option<String>, PullError> {
    // What isn't in one of the world's registries is stood in for unseen.
    let Some(login) = &plan.login else { return Ok(None) };
    let other = |message: String| PullError { kind: PullErrorKind::Other, message };
    let image = Reference::parse(&plan.image).ok_or_else(|| other("invalid reference format".into()))?;
    let uri = format!("http://{}/v2/{}/manifests/{}", image.host, image.repository, image.version);
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", login.0, login.1));
    let request = hyper::Request::get(uri)
        .header(header::AUTHORIZATION, format!("Basic {basic}"))
        .header(header::ACCEPT, MANIFESTS)
        .body(Empty::<Bytes>::new())
        .map_err(|error| other(error.to_string()))?;
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request).await.map_err(|error| other(error.to_string()))?;
    let status = answer.status();
    let digest = answer
        .headers()
        .get("docker-content-digest")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let body = answer.into_body().collect().await.map_err(|error| other(error.to_string()))?.to_bytes();
    let kind = match status {
        StatusCode::OK => return right_platform(world, plan).map(|()| digest),
        StatusCode::NOT_FOUND => PullErrorKind::NotFound,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => PullErrorKind::Denied,
        _ => PullErrorKind::Other,
    };
    Err(PullError { kind, message: format!("{status}: {}", String::from_utf8_lossy(&body)) })
}

fn right_platform(world: &World, plan: &ContainerPlan) -> Result<(), PullError> {
    let config = ecr::image_config(&world.lock(), &plan.image);
    let made_for = config.and_then(|config| {
        Some(format!("{}/{}", config.get("os")?.as_str()?, config.get("architecture")?.as_str()?))
    });
    match (made_for, &plan.platform) {
        (Some(made_for), Some(wanted)) if made_for != *wanted => Err(PullError {
            kind: PullErrorKind::Platform(wanted.clone()),
            message: format!("the image is made for {made_for}"),
        }),
        _ => Ok(()),
    }
}

pub(super) async fn start(
    world: &Arc<World>,
    task: &TaskPlan,
    plan: &ContainerPlan,
) -> Result<Running, String> {
    let environment = environment(world, plan);
    let app = Arc::new(App {
        version: environment.get("VERSION").cloned().unwrap_or_else(|| "dev".into()),
        misbehave: environment.get("MISBEHAVE").cloned().unwrap_or_default(),
        told: world.spec().stand_in.clone(),
    });
    let log = |line: String| {
        if let Some(stream) = &plan.log {
            stream.write(world, line);
        }
    };
    log(format!("stand-in for {} (no container engine): version {}", plan.image, app.version));
    let (exit, exited) = watch::channel(None);
    let (health, judged) = watch::channel(None);
    let handle = Handle { terminate: CancellationToken::new(), kill: CancellationToken::new() };
    let mut ports: Vec<(Port, SocketAddr)> = Vec::new();
    let mut servers = Vec::new();
    let (terminate, kill) = (handle.terminate.clone(), handle.kill.clone());
    let end = |code: i64| Some(Exit { code, out_of_memory: false });
    if app.misbehave == "crash" {
        log("fatal: told to crash (MISBEHAVE=crash)".into());
        exit.send_replace(end(1));
    } else if comes_to_an_end(task, plan) {
        exit.send_replace(end(0));
    } else {
        for port in plan.ports.iter().filter(|port| port.protocol == "tcp") {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| error.to_string())?;
            ports.push((port.clone(), listener.local_addr().map_err(|error| error.to_string())?));
            let router = Router::new().fallback(answer).with_state(app.clone());
            let terminate = terminate.clone();
            servers.push(async move {
                let closing = async move { terminate.cancelled().await };
                axum::serve(listener, router).with_graceful_shutdown(closing).await.ok();
            });
        }
        tokio::spawn(async move {
            let work = async {
                futures_util::future::join_all(servers).await;
                // Without a port it works unseen.
                terminate.cancelled().await;
            };
            let code = tokio::select! {
                () = work => 0,
                () = kill.cancelled() => 137,
            };
            exit.send_replace(end(code));
        });
    }
    if plan.health.is_some() {
        health.send_replace(Some(app.misbehave != "unhealthy"));
    }
    let id = format!("{}-{}", task.task.rsplit('/').next().unwrap_or_default(), plan.name);
    Ok(Running { id, ports, exit: exited, health: with_first(judged), handle: AnyHandle::StandIn(handle) })
}

/// The receiver, with what was sent already as news.
fn with_first(mut receiver: watch::Receiver<Option<bool>>) -> watch::Receiver<Option<bool>> {
    receiver.mark_changed();
    receiver
}

/// The image's own environment with what the task adds.
fn environment(world: &World, plan: &ContainerPlan) -> BTreeMap<String, String> {
    let config = ecr::image_config(&world.lock(), &plan.image).unwrap_or_default();
    let own = config["config"]["Env"].as_array().or(config["Env"].as_array());
    let own = own.into_iter().flatten().filter_map(|one| one.as_str()?.split_once('='));
    let mut environment: BTreeMap<String, String> =
        own.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    environment.extend(plan.environment.iter().cloned());
    environment
}

/// A container without ports whose end others wait for, or of a task that serves nobody, has
/// done its work at once.
fn comes_to_an_end(task: &TaskPlan, plan: &ContainerPlan) -> bool {
    let awaited = task.containers.iter().flat_map(|one| &one.dependencies).any(|(on, condition)| {
        *on == plan.name && matches!(condition, Condition::Complete | Condition::Success)
    });
    awaited || plan.ports.is_empty() && task.one_off
}

struct App {
    version: String,
    misbehave: String,
    /// What the world was told to answer, by path.
    told: BTreeMap<String, StandInAnswer>,
}

async fn answer(State(app): State<Arc<App>>, request: Request) -> Response {
    let misbehaves = |how: &str| app.misbehave == how;
    if misbehaves("slow") {
        tokio::time::sleep(SLOW).await;
    }
    let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let checked = agent.is_some_and(|agent| agent.starts_with("ELB-HealthChecker"));
    let path = request.uri().path();
    let (status, body) = if misbehaves("unhealthy") && (checked || path == "/healthz") {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned())
    } else if checked || path == "/healthz" {
        (StatusCode::OK, "ok\n".to_owned())
    } else if misbehaves("wrong") && path != "/" {
        (StatusCode::INTERNAL_SERVER_ERROR, "cannot tell\n".to_owned())
    } else if misbehaves("errors") && path == "/" {
        (StatusCode::INTERNAL_SERVER_ERROR, "something broke\n".to_owned())
    } else if let Some(told) = app.told.get(path) {
        (StatusCode::from_u16(told.status).unwrap_or_default(), told.body.clone())
    } else if path == "/version" {
        (StatusCode::OK, format!("{{\"version\":\"{}\"}}\n", app.version))
    } else {
        (StatusCode::OK, format!("hello from version {}\n", app.version))
    };
    (status, [("x-app-version", app.version.clone())], body).into_response()
}
