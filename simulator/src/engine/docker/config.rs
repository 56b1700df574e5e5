//! A container definition in the engine's own words.

use super::{super::HealthCheck, ContainerPlan, Home, Port};
use crate::world::World;
use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountType, PortBinding,
    PortMap, ResourcesUlimits,
};
use serde_json::Value;
use std::{collections::HashMap, sync::Arc, time::Duration};

/// A health check runs in real time: it isn't made more often, nor given less time.
const LEAST_INTERVAL: Duration = Duration::from_millis(500);
const LEAST_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) fn body(world: &Arc<World>, plan: &ContainerPlan, home: &Home) -> ContainerCreateBody {
    let own_network = home.network.is_none();
    let mut host = host_config(plan, home);
    if own_network {
        host.port_bindings = Some(published(&plan.ports));
    }
    let labels = plan.definition["dockerLabels"].as_object().into_iter().flatten();
    let labels = labels.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
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
        labels: Some(labels.collect()),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    }
}

pub(super) fn key(port: &Port) -> String {
    format!("{}/{}", port.container, port.protocol)
}

pub(super) fn exposed(ports: &[Port]) -> Option<Vec<String>> {
    (!ports.is_empty()).then(|| ports.iter().map(key).collect())
}

/// Every port on a free port of the loopback interface.
pub(super) fn published(ports: &[Port]) -> PortMap {
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
