//! Containers of Docker's engine: pulled, created, started, and removed in the end.

mod config;
mod follow;

pub(in crate::engine) use follow::Handle;

use super::{
    ContainerPlan, Port, TaskPlan,
    container::{Handle as AnyHandle, Running},
    image::{Reference, pull_error},
    misbehave::{self, CRASH_AFTER, Kind, Misbehaviour},
    pause,
};
use crate::ecs::{PullError, PullErrorKind};
use crate::world::World;
use anyhow::{Context as _, Result};
use bollard::{
    auth::DockerCredentials,
    body_full,
    errors::Error,
    models::{ContainerCreateBody, ContainerInspectResponse, HostConfig, VolumeCreateRequest},
    query_parameters::{
        CreateContainerOptionsBuilder, CreateImageOptionsBuilder, ListContainersOptionsBuilder,
        ListImagesOptions, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder, RemoveImageOptions,
        RemoveVolumeOptionsBuilder,
    },
};
use futures_util::StreamExt;
use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, atomic::AtomicBool},
};
use tokio::sync::{OnceCell, watch};
use tokio_util::sync::CancellationToken;

/// Which world a container belongs to.
const WORLD: &str = "greenlight.simulator.world";
const TASK: &str = "greenlight.simulator.task";

pub(super) struct Docker {
    api: bollard::Docker,
    architecture: String,
    /// This world's name on its containers.
    world: String,
    /// The image of what holds a network, once it is needed.
    pause: OnceCell<String>,
}

/// What the containers of a task share.
pub(super) struct Home {
    /// The container that holds the task's network.
    network: Option<String>,
    ports: Vec<(Port, SocketAddr)>,
    volumes: HashMap<String, String>,
}

impl Docker {
    pub(super) async fn connect() -> Result<Docker> {
        let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".into());
        let missing = || {
            format!(
                "no Docker engine answers at {host}; start one, or run the world with stand-ins for its containers (--no-docker)"
            )
        };
        let api = bollard::Docker::connect_with_defaults().with_context(missing)?;
        let api = api.negotiate_version().await.with_context(missing)?;
        let version = api.version().await.with_context(missing)?;
        Ok(Docker {
            api,
            architecture: version.arch.unwrap_or_else(|| "amd64".into()),
            world: uuid::Uuid::new_v4().to_string(),
            pause: OnceCell::new(),
        })
    }

    pub(super) async fn pull(&self, plan: &ContainerPlan) -> Result<Option<String>, PullError> {
        let platform = plan.platform.as_deref();
        let host = Reference::parse(&plan.image).map(|image| image.host.to_owned());
        let login = plan.pull.as_ref().map(|pull| DockerCredentials {
            username: Some(pull.user.clone()),
            password: Some(pull.password.clone()),
            serveraddress: host,
            ..DockerCredentials::default()
        });
        let mut options = CreateImageOptionsBuilder::default().from_image(&plan.image);
        if !plan.image.contains('@') && !has_tag(&plan.image) {
            options = options.tag("latest");
        }
        if let Some(platform) = platform {
            options = options.platform(platform);
        }
        let mut steps = self.api.create_image(Some(options.build()), None, login);
        while let Some(step) = steps.next().await {
            step.map_err(|error| pull_error(message(error), platform))?;
        }
        let image = self
            .api
            .inspect_image(&plan.image)
            .await
            .map_err(|error| pull_error(message(error), platform))?;
        if let (Some(wanted), Some(os), Some(architecture)) = (platform, &image.os, &image.architecture)
            && wanted != format!("{os}/{architecture}")
        {
            let message = format!("the image is made for {os}/{architecture}");
            return Err(PullError { kind: PullErrorKind::Platform(wanted.to_owned()), message });
        }
        let name = Reference::parse(&plan.image).map(|image| format!("{}/{}@", image.host, image.repository));
        let digests = image.repo_digests.unwrap_or_default();
        let named = digests.iter().find_map(|digest| digest.strip_prefix(name.as_deref()?));
        Ok(named.or_else(|| digests.first()?.split_once('@').map(|(_, digest)| digest)).map(str::to_owned))
    }

    /// Makes the task's volumes, and when several containers share a network what holds it.
    pub(super) async fn make_home(&self, plan: &TaskPlan) -> Result<Home, String> {
        let mut home = Home { network: None, ports: Vec::new(), volumes: HashMap::new() };
        match self.furnish(&mut home, plan).await {
            Ok(()) => Ok(home),
            Err(error) => {
                self.leave_home(home).await;
                Err(error)
            }
        }
    }

    async fn furnish(&self, home: &mut Home, plan: &TaskPlan) -> Result<(), String> {
        for volume in &plan.volumes {
            let name = format!("{}-{volume}", container_name(plan, "volume"));
            let request = VolumeCreateRequest {
                name: Some(name.clone()),
                labels: Some(self.labels(&plan.task)),
                ..VolumeCreateRequest::default()
            };
            self.api.create_volume(request).await.map_err(message)?;
            home.volumes.insert(volume.clone(), name);
        }
        if plan.shared_network && plan.containers.len() > 1 {
            let ports: Vec<Port> = plan.containers.iter().flat_map(|one| one.ports.clone()).collect();
            let body = ContainerCreateBody {
                image: Some(self.pause.get_or_try_init(|| self.pause_image()).await?.clone()),
                entrypoint: Some(vec!["/pause".into()]),
                labels: Some(self.labels(&plan.task)),
                exposed_ports: config::exposed(&ports),
                host_config: Some(HostConfig {
                    port_bindings: Some(config::published(&ports)),
                    ..HostConfig::default()
                }),
                ..ContainerCreateBody::default()
            };
            let id = self.create(&container_name(plan, "network"), body).await?;
            home.network = Some(id.clone());
            self.api.start_container(&id, None).await.map_err(message)?;
            let container = self.api.inspect_container(&id, None).await.map_err(message)?;
            home.ports = published_ports(&container, &ports);
        }
        Ok(())
    }

    pub(super) async fn leave_home(&self, home: Home) {
        if let Some(id) = home.network {
            remove(&self.api, &id).await;
        }
        for volume in home.volumes.into_values() {
            self.remove_volume(&volume).await;
        }
    }

    pub(super) async fn start(
        &self,
        world: &Arc<World>,
        task: &TaskPlan,
        plan: &ContainerPlan,
        home: &Home,
    ) -> Result<Running, String> {
        let mut body = config::body(world, plan, home);
        body.labels.get_or_insert_default().extend(self.labels(&task.task));
        let id = self
            .create(&container_name(task, &plan.name), body)
            .await
            .map_err(|error| format!("CannotCreateContainerError: Error response from daemon: {error}"))?;
        let (health, judged) = watch::channel(None);
        let (oom, out_of_memory) = watch::channel(false);
        // Events are listened to before there can be one.
        let events = tokio::spawn(follow::events(self.api.clone(), id.clone(), health, oom));
        if let Err(error) = self.api.start_container(&id, None).await {
            events.abort();
            remove(&self.api, &id).await;
            return Err(format!("CannotStartContainerError: Error response from daemon: {}", message(error)));
        }
        let container = self.api.inspect_container(&id, None).await.unwrap_or_default();
        let ports = match &home.network {
            Some(_) => home.ports.iter().filter(|(port, _)| plan.ports.contains(port)).cloned().collect(),
            // It may have ended already; then nothing answers at its ports.
            None => published_ports(&container, &plan.ports),
        };
        let end = CancellationToken::new();
        let ports = match plan.misbehave.as_deref().and_then(Misbehaviour::parse) {
            Some(how) => self.misbehave(&id, Arc::new(how), ports, &end).await,
            None => ports,
        };
        let (exit, exited) = watch::channel(None);
        let killed = Arc::new(AtomicBool::new(false));
        tokio::spawn(follow::exit(self.api.clone(), id.clone(), exit, out_of_memory, killed.clone()));
        let logs = tokio::spawn(follow::logs(world.clone(), self.api.clone(), id.clone(), plan.log.clone()));
        let signal =
            container.config.and_then(|config| config.stop_signal).filter(|signal| !signal.is_empty());
        let signal = signal.unwrap_or_else(|| "SIGTERM".into());
        Ok(Running {
            id: id.clone(),
            ports,
            exit: exited,
            health: judged,
            handle: AnyHandle::Docker(Handle {
                api: self.api.clone(),
                id,
                signal,
                logs,
                events,
                end,
                killed,
            }),
        })
    }

    /// Removes what a container's own end didn't: this world's containers and volumes, and the
    /// images that are named after its registries, which are gone with it.
    pub(super) async fn remove_leftovers(&self, registries: &[&str]) {
        let filters = HashMap::from([("label", vec![format!("{WORLD}={}", self.world)])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        match self.api.list_containers(Some(options)).await {
            Ok(left) => {
                for id in left.into_iter().filter_map(|one| one.id) {
                    remove(&self.api, &id).await;
                }
            }
            Err(error) => tracing::warn!("containers may be left over: {error}"),
        }
        let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
        if let Ok(left) = self.api.list_volumes(Some(options)).await {
            for volume in left.volumes.unwrap_or_default() {
                self.remove_volume(&volume.name).await;
            }
        }
        let known = self.api.list_images(None::<ListImagesOptions>).await.unwrap_or_default();
        let names = known.into_iter().flat_map(|image| image.repo_tags.into_iter().chain(image.repo_digests));
        let own = |name: &String| {
            let host = name.split('/').next().unwrap_or_default();
            registries.contains(&host) || self.pause.get() == Some(name)
        };
        for name in names.filter(own) {
            // Somebody else may use it, and then it stays.
            if let Err(error) = self.api.remove_image(&name, None::<RemoveImageOptions>, None).await {
                tracing::debug!("image {name} stays: {error}");
            }
        }
    }

    async fn create(&self, name: &str, body: ContainerCreateBody) -> Result<String, String> {
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        self.api.create_container(Some(options), body).await.map(|created| created.id).map_err(message)
    }

    /// This world's image of the container that holds a network.
    async fn pause_image(&self) -> Result<String, String> {
        let repository = "greenlight-simulator-pause";
        let name = format!("{repository}:{}", self.world);
        let layer = pause::layer(&self.architecture)
            .ok_or_else(|| format!("there is no pause program for {}", self.architecture))?;
        let options = CreateImageOptionsBuilder::default().from_src("-").repo(repository).tag(&self.world);
        let mut steps = self.api.create_image(Some(options.build()), Some(body_full(layer.into())), None);
        while let Some(step) = steps.next().await {
            step.map_err(message)?;
        }
        Ok(name)
    }

    fn labels(&self, task: &str) -> HashMap<String, String> {
        HashMap::from([(WORLD.to_owned(), self.world.clone()), (TASK.to_owned(), task.to_owned())])
    }

    /// Makes a container misbehave whose program doesn't do so by itself; answers its ports.
    async fn misbehave(
        &self,
        id: &str,
        how: Arc<Misbehaviour>,
        ports: Vec<(Port, SocketAddr)>,
        end: &CancellationToken,
    ) -> Vec<(Port, SocketAddr)> {
        if matches!(how.kind, Kind::Crash | Kind::OutOfMemory) {
            let (api, id, end) = (self.api.clone(), id.to_owned(), end.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = end.cancelled() => {}
                    () = tokio::time::sleep(CRASH_AFTER) => follow::signal(&api, &id, "SIGKILL").await,
                }
            });
            return ports;
        }
        let mut spoilt = Vec::new();
        for (port, address) in ports {
            let before = misbehave::before(address, how.clone(), end.clone()).await;
            spoilt.push((port, before.unwrap_or(address)));
        }
        spoilt
    }

    async fn remove_volume(&self, name: &str) {
        let options = RemoveVolumeOptionsBuilder::default().force(true).build();
        if let Err(error) = self.api.remove_volume(name, Some(options)).await {
            tracing::debug!("volume {name} stays: {error}");
        }
    }
}

fn container_name(task: &TaskPlan, part: &str) -> String {
    let id = task.task.rsplit('/').next().unwrap_or_default();
    format!("greenlight-{id}-{part}")
}

/// Where the engine published a container's ports.
fn published_ports(container: &ContainerInspectResponse, ports: &[Port]) -> Vec<(Port, SocketAddr)> {
    let bound = container.network_settings.as_ref().and_then(|network| network.ports.as_ref());
    let address = |port: &Port| -> Option<SocketAddr> {
        let host = bound?.get(&config::key(port))?.as_ref()?.first()?.host_port.as_ref()?;
        Some((Ipv4Addr::LOCALHOST, host.parse().ok()?).into())
    };
    ports.iter().filter_map(|port| Some((port.clone(), address(port)?))).collect()
}

async fn remove(api: &bollard::Docker, id: &str) {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    match api.remove_container(id, Some(options)).await {
        Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
        Err(error) => tracing::warn!("container {id} stays: {error}"),
    }
}

/// The engine's own words.
fn message(error: Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message,
        Error::DockerStreamError { error } => error,
        other => other.to_string(),
    }
}

fn has_tag(image: &str) -> bool {
    image.rsplit('/').next().is_some_and(|last| last.contains(':'))
}
