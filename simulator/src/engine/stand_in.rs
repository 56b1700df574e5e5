//! Stand-ins for containers where there is no engine: each is an HTTP server in this process
//! that answers well on every path, misbehaves as `MISBEHAVE` in its environment says, and says
//! in its log what it is. `VERSION`, of its image or its task definition, is what it says in the
//! body of `/`, in `/version` and in the header `x-app-version`.

use super::{
    Condition, ContainerPlan, Port, TaskPlan,
    container::{Exit, Handle as AnyHandle, Running},
    image::Reference,
    misbehave::{Kind, Misbehaviour},
};
use crate::ecr;
use crate::ecs::{PullError, PullErrorKind};
use crate::spec::StandInAnswer;
use crate::world::World;
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

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

/// Pulls as an engine would, as the task's session, but for the layers.
pub(super) fn pull(world: &Arc<World>, plan: &ContainerPlan) -> Result<Option<String>, PullError> {
    // What isn't in one of the world's registries is stood in for unseen.
    let Some(pull) = &plan.pull else { return Ok(None) };
    let pulled = world.change(|state| ecr::pull(state, &pull.session, &plan.image)).map_err(|error| {
        let kind = match error.code.as_str() {
            "AccessDeniedException" => PullErrorKind::Denied,
            "RepositoryNotFoundException" | "ImageNotFoundException" => PullErrorKind::NotFound,
            _ => PullErrorKind::Other,
        };
        PullError { kind, message: error.message }
    })?;
    let made_for = |config: &Value| {
        Some(format!("{}/{}", config.get("os")?.as_str()?, config.get("architecture")?.as_str()?))
    };
    match (made_for(&pulled.config), &plan.platform) {
        (Some(made_for), Some(wanted)) if made_for != *wanted => Err(PullError {
            kind: PullErrorKind::Platform(wanted.clone()),
            message: format!("the image is made for {made_for}"),
        }),
        _ => Ok(Some(pulled.digest)),
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
        misbehaviour: environment.get("MISBEHAVE").and_then(|name| Misbehaviour::parse(name)),
        service: Reference::parse(&plan.image).map_or(plan.name.as_str(), |image| image.name()).to_owned(),
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
    let misbehaves = |kind: Kind| app.misbehaviour.as_ref().is_some_and(|how| how.kind == kind);
    if misbehaves(Kind::Crash) {
        log("fatal: told to crash (MISBEHAVE=crash)".into());
        exit.send_replace(end(1));
    } else if misbehaves(Kind::OutOfMemory) {
        log("told to use more memory than there is (MISBEHAVE=out-of-memory)".into());
        exit.send_replace(Some(Exit { code: 137, out_of_memory: true }));
    } else if let Some(command) = command(task, plan) {
        let told = world.spec().stand_in_commands.iter().find(|one| one.command == command).cloned();
        match &told {
            Some(told) => told.lines.iter().cloned().for_each(log),
            None => log(format!("nothing runs `{}` here: it is taken to end well", command.join(" "))),
        }
        let told = told.unwrap_or_default();
        let takes = Duration::from_secs_f64(told.seconds / world.speed());
        let ends = Exit { code: told.exit, out_of_memory: told.out_of_memory };
        tokio::spawn(async move {
            exit.send_replace(Some(tokio::select! {
                () = tokio::time::sleep(takes) => ends,
                () = terminate.cancelled() => Exit { code: 143, out_of_memory: false },
                () = kill.cancelled() => Exit { code: 137, out_of_memory: false },
            }));
        });
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
        health.send_replace(Some(!misbehaves(Kind::Unhealthy)));
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

/// What a task that serves nobody was told to do.
fn command(task: &TaskPlan, plan: &ContainerPlan) -> Option<Vec<String>> {
    let words = plan.definition["command"].as_array().filter(|_| task.one_off)?;
    let words: Vec<String> = words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect();
    (!words.is_empty()).then_some(words)
}

struct App {
    version: String,
    /// What the world was told to answer, by path.
    told: BTreeMap<String, StandInAnswer>,
    /// Its image's name.
    service: String,
    misbehaviour: Option<Misbehaviour>,
}

async fn answer(State(app): State<Arc<App>>, request: Request) -> Response {
    let instead = match &app.misbehaviour {
        Some(how) => how.answer(request.headers()).await,
        None => None,
    };
    let path = request.uri().path();
    let told = || {
        let told = app.told.get(path)?;
        Some((StatusCode::from_u16(told.status).unwrap_or_default(), told.body.clone()).into_response())
    };
    let mut answer = instead.or_else(told).unwrap_or_else(|| match path {
        "/healthz" => "ok\n".into_response(),
        "/version" => {
            format!("{{\"service\":\"{}\",\"version\":\"{}\"}}\n", app.service, app.version).into_response()
        }
        _ => format!("hello from version {}\n", app.version).into_response(),
    });
    if let Ok(version) = HeaderValue::from_str(&app.version) {
        answer.headers_mut().insert("x-app-version", version);
    }
    answer
}
