//! Makes tasks of a task definition and finds them a place: a network interface, an instance.

use super::{
    ServiceKey,
    cluster::Cluster,
    definition::{self, Definition, essential},
    launch::Launch,
    tags::Tags,
    task::{Container, ContainerStatus, Interface, Phase, Task, Times},
};
use crate::state::{State as World, random_hex};
use serde_json::{Value, json};
use std::time::Duration;

/// How long a task is PROVISIONING: on Fargate a machine and an interface are prepared.
const FARGATE_PROVISIONING: Duration = Duration::from_secs(15);
const EC2_PROVISIONING: Duration = Duration::from_secs(2);

/// For whom a task is made.
#[derive(Clone, Debug, Default)]
pub(super) struct Purpose {
    pub(super) owner: Option<(ServiceKey, String)>,
    pub(super) group: String,
    pub(super) started_by: Option<String>,
    pub(super) overrides: Value,
    pub(super) misbehave: Option<String>,
    pub(super) tags: Tags,
}

/// Why a task can't be placed, as RunTask's `failures` say it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unplaced {
    NoInstance,
    PortTaken(String),
    NoDefinition,
}

/// Adds one task, PROVISIONING; answers its ARN.
pub(super) fn place(
    world: &mut World,
    cluster: &Cluster,
    launch: &Launch,
    purpose: Purpose,
) -> Result<String, Unplaced> {
    let definition = definition::by_arn(world, &launch.definition).ok_or(Unplaced::NoDefinition)?.clone();
    let siblings = |world: &World, provider: &str| {
        let same = |task: &&Task| {
            task.wanted
                && task.cluster == cluster.name
                && task.account == cluster.account
                && task.group == purpose.group
                && task.owner == purpose.owner
                && task.capacity_provider.as_deref() == Some(provider)
        };
        world.ecs.tasks.values().filter(same).count() as u64
    };
    let provider = launch.provider(|name| siblings(world, name));
    let launch_type = match (&launch.launch_type, &provider) {
        (Some(kind), _) => kind.clone(),
        (None, Some(provider)) => Cluster::launch_type(provider).to_owned(),
        (None, None) => "EC2".to_owned(),
    };
    let instance = if launch_type == "FARGATE" { None } else { Some(instance(world, cluster, &definition)?) };
    let id = random_hex(32);
    let arn = super::arn::arn(&cluster.region, &cluster.account, &format!("task/{}/{id}", cluster.name));
    let interface = (definition.network_mode() == "awsvpc").then(|| interface(world, launch));
    let (instance, instance_id) = instance.unzip();
    let wait = if launch_type == "FARGATE" { FARGATE_PROVISIONING } else { EC2_PROVISIONING };
    let size =
        |member: &str| purpose.overrides[member].as_str().or(definition.text(member)).map(str::to_owned);
    let task = Task {
        containers: definition.containers().iter().map(|one| container(&arn, one)).collect(),
        arn: arn.clone(),
        account: cluster.account.clone(),
        region: cluster.region.clone(),
        cluster: cluster.name.clone(),
        definition: launch.definition.clone(),
        group: purpose.group,
        started_by: purpose.started_by,
        owner: purpose.owner,
        phase: Phase::Provisioning,
        wanted: true,
        platform_version: (launch_type == "FARGATE").then(|| match launch.platform_version.as_deref() {
            None | Some("LATEST") => "1.4.0".to_owned(),
            Some(version) => version.to_owned(),
        }),
        capacity_provider: provider,
        launch_type,
        instance,
        instance_id,
        interface,
        cpu: size("cpu"),
        memory: size("memory"),
        overrides: with_every_container(purpose.overrides, &definition),
        misbehave: purpose.misbehave,
        targets: Vec::new(),
        tags: purpose.tags,
        times: Times { created: world.now, provisioned: world.now + wait, ..Times::default() },
        stop_code: None,
        stopped_reason: None,
        ended: false,
    };
    world.ecs.tasks.insert(arn.clone(), task);
    Ok(arn)
}

fn container(task: &str, definition: &Value) -> Container {
    let number = |member: &str| definition.get(member).and_then(Value::as_i64);
    Container {
        arn: format!("{}/{}", task.replacen(":task/", ":container/", 1), uuid::Uuid::new_v4()),
        name: definition["name"].as_str().unwrap_or_default().to_owned(),
        image: definition["image"].as_str().unwrap_or_default().to_owned(),
        cpu: number("cpu").unwrap_or(0),
        memory: number("memory"),
        memory_reservation: number("memoryReservation"),
        essential: essential(definition),
        status: ContainerStatus::Pending,
        digest: None,
        runtime_id: None,
        exit_code: None,
        reason: None,
        health: definition
            .get("healthCheck")
            .is_some_and(|check| check["command"][0] != "NONE")
            .then_some(None),
        bindings: Vec::new(),
    }
}

/// `overrides` as it is read back: with an entry for every container.
fn with_every_container(overrides: Value, definition: &Definition) -> Value {
    let mut overrides = if overrides.is_object() { overrides } else { json!({}) };
    let mut all = overrides["containerOverrides"].as_array().cloned().unwrap_or_default();
    for container in definition.containers() {
        if !all.iter().any(|one| one["name"] == container["name"]) {
            all.push(json!({"name": container["name"]}));
        }
    }
    overrides["containerOverrides"] = all.into();
    if overrides.get("inferenceAcceleratorOverrides").is_none() {
        overrides["inferenceAcceleratorOverrides"] = json!([]);
    }
    overrides
}

fn interface(world: &mut World, launch: &Launch) -> Interface {
    world.ecs.addresses += 1;
    let number = world.ecs.addresses;
    let subnets = launch.network.as_ref().map(|network| &network["awsvpcConfiguration"]["subnets"]);
    let subnets = subnets.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let subnet = subnets.get(number as usize % subnets.len().max(1)).and_then(Value::as_str);
    Interface {
        attachment: uuid::Uuid::new_v4().to_string(),
        id: format!("eni-0{}", random_hex(16)),
        address: format!("10.0.{}.{}", number / 250 % 256, number % 250 + 4),
        mac: format!("0a:58:a9:{:02x}:{:02x}:{:02x}", number >> 16 & 255, number >> 8 & 255, number & 255),
        subnet: subnet.unwrap_or("subnet-0").to_owned(),
    }
}

/// The instance with the fewest tasks whose fixed host ports are free: its ARN and EC2 id.
fn instance(world: &World, cluster: &Cluster, definition: &Definition) -> Result<(String, String), Unplaced> {
    let fixed = |definition: &Definition| -> Vec<u64> {
        if definition.network_mode() == "awsvpc" {
            return Vec::new();
        }
        let mappings = definition.containers().iter().filter_map(|one| one["portMappings"].as_array());
        mappings.flatten().filter_map(|one| one["hostPort"].as_u64()).filter(|port| *port != 0).collect()
    };
    let wanted = fixed(definition);
    let mut best: Option<(usize, &super::cluster::Instance)> = None;
    let mut taken = None;
    for instance in &cluster.instances {
        let here = || {
            let alive = |task: &&Task| task.phase < Phase::Stopped;
            let here = |task: &&Task| task.instance.as_deref() == Some(&instance.arn);
            world.ecs.tasks.values().filter(alive).filter(here)
        };
        let clash = here()
            .filter_map(|task| definition::by_arn(world, &task.definition))
            .any(|other| fixed(other).iter().any(|port| wanted.contains(port)));
        if clash {
            taken = Some(instance.arn.clone());
            continue;
        }
        let load = here().count();
        if best.is_none_or(|(least, _)| load < least) {
            best = Some((load, instance));
        }
    }
    match (best, taken) {
        (Some((_, instance)), _) => Ok((instance.arn.clone(), instance.ec2_id.clone())),
        (None, Some(instance)) => Err(Unplaced::PortTaken(instance)),
        (None, None) => Err(Unplaced::NoInstance),
    }
}
