//! Containers of Docker's engine, as its API makes them.

use super::{
    ContainerPlan, HealthCheck, LogStream, Port, TaskPlan,
    container::{Exit, Handle as AnyHandle, Running},
    image::{Reference, pull_error},
    pause,
};
use crate::ecs::{PullError, PullErrorKind};
use crate::world::World;
use anyhow::{Context as _, Result};
use bollard::{
    auth::DockerCredentials,
    body_full,
    container::LogOutput,
    errors::Error,
    models::{
        ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountType, PortBinding,
        PortMap, ResourcesUlimits, VolumeCreateRequest,
    },
    query_parameters::{
        CreateContainerOptionsBuilder, CreateImageOptionsBuilder, EventsOptionsBuilder,
        KillContainerOptionsBuilder, ListContainersOptionsBuilder, LogsOptionsBuilder,
        RemoveContainerOptionsBuilder, RemoveImageOptions, RemoveVolumeOptionsBuilder, WaitContainerOptions,
    },
};
use futures_util::StreamExt;
use parking_lot::Mutex;
use serde_json::Value;
use std::{
    collections::{BTreeSet, HashMap},
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle};

/// Which world a container belongs to.
const WORLD: &str = "greenlight.simulator.world";
const TASK: &str = "greenlight.simulator.task";

/// A health check runs in real time: it isn't made more often, nor given less time.
const LEAST_INTERVAL: Duration = Duration::from_millis(500);
const LEAST_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct Docker {
    api: bollard::Docker,
    architecture: String,
    /// This world's name on its containers.
    world: String,
    /// The images that were pulled, to be removed at the end.
    images: Mutex<BTreeSet<String>>,
}

/// What the containers of a task share.
pub(super) struct Home {
    /// The container that holds the task's network.
    network: Option<String>,
    ports: Vec<(Port, SocketAddr)>,
    volumes: HashMap<String, String>,
}

pub(super) struct Handle {
    api: bollard::Docker,
    id: String,
    signal: String,
    logs: JoinHandle<()>,
    health: Option<JoinHandle<()>>,
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
            images: Mutex::default(),
        })
    }

    pub(super) async fn pull(&self, plan: &ContainerPlan) -> Result<Option<String>, PullError> {
        let platform = plan.platform.as_deref();
        let host = Reference::parse(&plan.image).map(|image| image.host.to_owned());
        let login = plan.login.clone().map(|(user, password)| DockerCredentials {
            username: Some(user),
            password: Some(password),
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
        self.images.lock().insert(plan.image.clone());
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
        for volume in &plan.volumes {
            let name = format!("{}-{volume}", self.container_name(plan, "volume"));
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
            let image = self.pause_image().await?;
            let body = ContainerCreateBody {
                image: Some(image),
                entrypoint: Some(vec!["/pause".into()]),
                labels: Some(self.labels(&plan.task)),
                exposed_ports: exposed(&ports),
                host_config: Some(HostConfig {
                    port_bindings: Some(published(&ports)),
                    ..HostConfig::default()
                }),
                ..ContainerCreateBody::default()
            };
            let id = self.create(&self.container_name(plan, "network"), body).await?;
            self.api.start_container(&id, None).await.map_err(message)?;
            home.ports = self.ports(&id, &ports).await?;
            home.network = Some(id);
        }
        Ok(home)
    }

    pub(super) async fn leave_home(&self, home: Home) {
        if let Some(id) = home.network {
            remove(&self.api, &id).await;
        }
        for volume in home.volumes.into_values() {
            let options = RemoveVolumeOptionsBuilder::default().force(true).build();
            if let Err(error) = self.api.remove_volume(&volume, Some(options)).await {
                tracing::debug!("volume {volume} stays: {error}");
            }
        }
    }

    pub(super) async fn start(
        &self,
        world: &Arc<World>,
        task: &TaskPlan,
        plan: &ContainerPlan,
        home: &Home,
    ) -> Result<Running, String> {
        let body = self.body(world, task, plan, home);
        let id = self
            .create(&self.container_name(task, &plan.name), body)
            .await
            .map_err(|error| format!("CannotCreateContainerError: Error response from daemon: {error}"))?;
        let (health, judged) = watch::channel(None);
        // The results are listened to before there can be one.
        let health =
            plan.health.as_ref().map(|_| tokio::spawn(follow_health(self.api.clone(), id.clone(), health)));
        if let Err(error) = self.api.start_container(&id, None).await {
            remove(&self.api, &id).await;
            return Err(format!("CannotStartContainerError: Error response from daemon: {}", message(error)));
        }
        let ports = match &home.network {
            Some(_) => home.ports.iter().filter(|(port, _)| plan.ports.contains(port)).cloned().collect(),
            // It may have ended already; then nothing answers at its ports.
            None => self.ports(&id, &plan.ports).await.unwrap_or_default(),
        };
        let (exit, exited) = watch::channel(None);
        tokio::spawn(follow_exit(self.api.clone(), id.clone(), exit));
        let logs = tokio::spawn(follow_logs(world.clone(), self.api.clone(), id.clone(), plan.log.clone()));
        let signal = self.stop_signal(&id).await;
        Ok(Running {
            id: id.clone(),
            ports,
            exit: exited,
            health: judged,
            handle: AnyHandle::Docker(Handle { api: self.api.clone(), id, signal, logs, health }),
        })
    }

    /// Removes what a container's own end didn't: this world's containers, and the images that
    /// it pulled.
    pub(super) async fn remove_leftovers(&self) {
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
        let images = std::mem::take(&mut *self.images.lock());
        for image in images {
            // Somebody else may use it, and then it stays.
            if let Err(error) = self.api.remove_image(&image, None::<RemoveImageOptions>, None).await {
                tracing::debug!("image {image} stays: {error}");
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
        if self.api.inspect_image(&name).await.is_ok() {
            return Ok(name);
        }
        let layer = pause::layer(&self.architecture)
            .ok_or_else(|| format!("there is no pause program for {}", self.architecture))?;
        let options = CreateImageOptionsBuilder::default().from_src("-").repo(repository).tag(&self.world);
        let mut steps = self.api.create_image(Some(options.build()), Some(body_full(layer.into())), None);
        while let Some(step) = steps.next().await {
            step.map_err(message)?;
        }
        self.images.lock().insert(name.clone());
        Ok(name)
    }

    fn body(
        &self,
        world: &Arc<World>,
        task: &TaskPlan,
        plan: &ContainerPlan,
        home: &Home,
    ) -> ContainerCreateBody {
        let own_network = home.network.is_none();
        let mut host = host_config(plan, home);
        if own_network {
            host.port_bindings = Some(published(&plan.ports));
        }
        ContainerCreateBody {
            image: Some(plan.image.clone()),
            cmd: plan.texts("command"),
            entrypoint: plan.texts("entryPoint"),
            env: Some(plan.environment.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            user: plan.text("user").map(str::to_owned),
            working_dir: plan.text("workingDirectory").map(str::to_owned),
            hostname: plan.text("hostname").filter(|_| own_network).map(str::to_owned),
            tty: plan.flag("pseudoTerminal"),
            open_stdin: plan.flag("interactive"),
            exposed_ports: if own_network { exposed(&plan.ports) } else { None },
            healthcheck: Some(health_config(world, plan.health.as_ref())),
            labels: Some(self.container_labels(&task.task, plan)),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        }
    }

    fn labels(&self, task: &str) -> HashMap<String, String> {
        HashMap::from([(WORLD.to_owned(), self.world.clone()), (TASK.to_owned(), task.to_owned())])
    }

    fn container_labels(&self, task: &str, plan: &ContainerPlan) -> HashMap<String, String> {
        let mut labels = self.labels(task);
        for (name, value) in plan.definition["dockerLabels"].as_object().into_iter().flatten() {
            labels.insert(name.clone(), value.as_str().unwrap_or_default().to_owned());
        }
        labels
    }

    fn container_name(&self, task: &TaskPlan, part: &str) -> String {
        let id = task.task.rsplit('/').next().unwrap_or_default();
        format!("greenlight-{id}-{part}")
    }

    /// Where the engine published the ports.
    async fn ports(&self, id: &str, ports: &[Port]) -> Result<Vec<(Port, SocketAddr)>, String> {
        if ports.is_empty() {
            return Ok(Vec::new());
        }
        let container = self.api.inspect_container(id, None).await.map_err(message)?;
        let bound = container.network_settings.and_then(|network| network.ports).unwrap_or_default();
        let address = |port: &Port| -> Option<SocketAddr> {
            let host = bound.get(&key(port))?.as_ref()?.first()?.host_port.as_ref()?;
            Some((Ipv4Addr::LOCALHOST, host.parse().ok()?).into())
        };
        Ok(ports.iter().filter_map(|port| Some((port.clone(), address(port)?))).collect())
    }

    async fn stop_signal(&self, id: &str) -> String {
        let container = self.api.inspect_container(id, None).await.ok();
        let signal = container.and_then(|container| container.config?.stop_signal);
        signal.filter(|signal| !signal.is_empty()).unwrap_or_else(|| "SIGTERM".into())
    }
}

impl Handle {
    pub(super) async fn terminate(&self) {
        self.signal(&self.signal).await;
    }

    pub(super) async fn kill(&self) {
        self.signal("SIGKILL").await;
    }

    pub(super) async fn remove(self) {
        // Its last lines come before the news of its end.
        let _ = tokio::time::timeout(LEAST_TIMEOUT, self.logs).await;
        if let Some(health) = self.health {
            health.abort();
        }
        remove(&self.api, &self.id).await;
    }

    async fn signal(&self, signal: &str) {
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        if let Err(error) = self.api.kill_container(&self.id, Some(options)).await {
            // It has ended by itself in the meantime.
            tracing::debug!("{signal} to {}: {error}", self.id);
        }
    }
}

/// Awaits the container's exit; if its connection breaks, asks the engine once more.
async fn follow_exit(api: bollard::Docker, id: String, exit: watch::Sender<Option<Exit>>) {
    loop {
        let waited = api.wait_container(&id, None::<WaitContainerOptions>).next().await;
        let code = match waited {
            Some(Ok(response)) => response.status_code,
            Some(Err(Error::DockerContainerWaitError { code, .. })) => code,
            _ => 137,
        };
        let state = match api.inspect_container(&id, None).await {
            Ok(container) => container.state.unwrap_or_default(),
            Err(_) => Default::default(),
        };
        if state.running == Some(true) {
            continue;
        }
        let code = state.exit_code.unwrap_or(code);
        exit.send_replace(Some(Exit { code, out_of_memory: state.oom_killed == Some(true) }));
        return;
    }
}

async fn follow_health(api: bollard::Docker, id: String, health: watch::Sender<Option<bool>>) {
    let filters = HashMap::from([("container", vec![id]), ("event", vec!["health_status".to_owned()])]);
    let mut events =
        std::pin::pin!(api.events(Some(EventsOptionsBuilder::default().filters(&filters).build())));
    while let Some(Ok(event)) = events.next().await {
        let healthy = match event.action.as_deref() {
            Some("health_status: healthy") => true,
            Some("health_status: unhealthy") => false,
            _ => continue,
        };
        health.send_if_modified(|known| std::mem::replace(known, Some(healthy)) != Some(healthy));
    }
}

/// Writes the container's output to its log stream, line by line.
async fn follow_logs(world: Arc<World>, api: bollard::Docker, id: String, log: Option<LogStream>) {
    let Some(log) = log else { return };
    let options = LogsOptionsBuilder::default().follow(true).stdout(true).stderr(true).build();
    let mut output = std::pin::pin!(api.logs(&id, Some(options)));
    // A line of one of the two outputs may come in pieces.
    let mut pending = [String::new(), String::new()];
    while let Some(Ok(piece)) = output.next().await {
        let which = usize::from(matches!(piece, LogOutput::StdErr { .. }));
        pending[which].push_str(&String::from_utf8_lossy(piece.as_ref()));
        while let Some((line, rest)) = pending[which].split_once('\n') {
            log.write(&world, line.trim_end_matches('\r').to_owned());
            pending[which] = rest.to_owned();
        }
    }
    for line in pending.into_iter().filter(|line| !line.is_empty()) {
        log.write(&world, line);
    }
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

fn key(port: &Port) -> String {
    format!("{}/{}", port.container, port.protocol)
}

fn exposed(ports: &[Port]) -> Option<Vec<String>> {
    (!ports.is_empty()).then(|| ports.iter().map(key).collect())
}

/// Every port on a free port of the loopback interface.
fn published(ports: &[Port]) -> PortMap {
    let loopback = || PortBinding { host_ip: Some("127.0.0.1".into()), host_port: Some(String::new()) };
    ports.iter().map(|port| (key(port), Some(vec![loopback()]))).collect()
}

fn host_config(plan: &ContainerPlan, home: &Home) -> HostConfig {
    let linux = &plan.definition["linuxParameters"];
    let capabilities = |member: &str| -> Option<Vec<String>> {
        let all = linux["capabilities"][member].as_array()?;
        Some(all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect())
    };
    let memory = plan.memory.map(|mebibytes| mebibytes * 1024 * 1024);
    let cpu = plan.definition["cpu"].as_i64().filter(|cpu| *cpu > 0);
    HostConfig {
        network_mode: home.network.as_ref().map(|id| format!("container:{id}")),
        memory,
        // Without swap, so that a container that takes too much is killed for it.
        memory_swap: memory,
        cpu_shares: cpu.map(|cpu| cpu.max(2)),
        init: linux["initProcessEnabled"].as_bool(),
        shm_size: linux["sharedMemorySize"].as_i64().map(|mebibytes| mebibytes * 1024 * 1024),
        cap_add: capabilities("add"),
        cap_drop: capabilities("drop"),
        readonly_rootfs: plan.flag("readonlyRootFilesystem"),
        ulimits: ulimits(plan),
        mounts: mounts(plan, home),
        tmpfs: tmpfs(linux),
        extra_hosts: extra_hosts(plan, home),
        dns: plan.texts("dnsServers").filter(|_| home.network.is_none()),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".into()),
            config: Some(HashMap::from([("max-size".to_owned(), "10m".to_owned())])),
        }),
        ..HostConfig::default()
    }
}

fn ulimits(plan: &ContainerPlan) -> Option<Vec<ResourcesUlimits>> {
    let all = plan.definition["ulimits"].as_array()?;
    let one = |one: &Value| ResourcesUlimits {
        name: one["name"].as_str().map(str::to_owned),
        soft: one["softLimit"].as_i64(),
        hard: one["hardLimit"].as_i64(),
    };
    Some(all.iter().map(one).collect())
}

fn mounts(plan: &ContainerPlan, home: &Home) -> Option<Vec<Mount>> {
    let all = plan.definition["mountPoints"].as_array()?;
    let one = |one: &Value| {
        Some(Mount {
            typ: Some(MountType::VOLUME),
            source: Some(home.volumes.get(one["sourceVolume"].as_str()?)?.clone()),
            target: one["containerPath"].as_str().map(str::to_owned),
            read_only: one["readOnly"].as_bool(),
            ..Mount::default()
        })
    };
    Some(all.iter().filter_map(one).collect())
}

fn tmpfs(linux: &Value) -> Option<HashMap<String, String>> {
    let all = linux["tmpfs"].as_array()?;
    let one = |one: &Value| {
        let path = one["containerPath"].as_str()?.to_owned();
        Some((path, format!("size={}m", one["size"].as_i64().unwrap_or(64))))
    };
    Some(all.iter().filter_map(one).collect())
}

fn extra_hosts(plan: &ContainerPlan, home: &Home) -> Option<Vec<String>> {
    let all = plan.definition["extraHosts"].as_array().filter(|_| home.network.is_none())?;
    let one = |one: &Value| Some(format!("{}:{}", one["hostname"].as_str()?, one["ipAddress"].as_str()?));
    Some(all.iter().filter_map(one).collect())
}

/// The check of the task definition; the image's own doesn't count, as in ECS.
fn health_config(world: &Arc<World>, check: Option<&HealthCheck>) -> HealthConfig {
    let Some(check) = check else {
        return HealthConfig { test: Some(vec!["NONE".into()]), ..HealthConfig::default() };
    };
    let nanoseconds = |span: Duration, least: Duration| {
        i64::try_from(world.clock().real(span).max(least).as_nanos()).unwrap_or(i64::MAX)
    };
    HealthConfig {
        test: Some(check.command.clone()),
        interval: Some(nanoseconds(check.interval, LEAST_INTERVAL)),
        timeout: Some(nanoseconds(check.timeout, LEAST_TIMEOUT)),
        retries: Some(check.retries),
        start_period: (!check.start_period.is_zero()).then(|| nanoseconds(check.start_period, LEAST_TIMEOUT)),
        start_interval: None,
    }
}
