//! The clusters, task definitions and services that a world starts with.

use super::{
    ServiceKey,
    cluster::{Cluster, Instance},
    definition,
    launch::{Launch, LoadBalancer},
    register,
    service::{Controller, Service},
    task_set::TaskSet,
};
use crate::spec::{self, Account, WorldSpec};
use crate::state::{State as World, random_hex};
use crate::{Endpoints, Options};
use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value, json};
use std::collections::VecDeque;

pub(crate) fn populate(
    world: &mut World,
    spec: &WorldSpec,
    endpoints: &Endpoints,
    options: &Options,
) -> Result<()> {
    world.ecs.speed = options.speed;
    world.ecs.canary = options.canary.clone().unwrap_or_default();
    world.ecs.registries = endpoints.registries.clone();
    for account in &spec.accounts {
        world.ecs.regions.insert(account.id.clone(), account.region.clone());
        for one in &account.clusters {
            cluster(world, account, one);
        }
        for (index, document) in account.task_definitions.iter().enumerate() {
            define(world, account, document)
                .with_context(|| format!("account {}: task-definitions[{index}]", account.id))?;
        }
        for one in &account.services {
            let service = service(world, account, one)
                .with_context(|| format!("account {}: service `{}`", account.id, one.name))?;
            world.ecs.services.insert(service.key.clone(), service);
        }
    }
    Ok(())
}

fn cluster(world: &mut World, account: &Account, spec: &spec::Cluster) {
    let instance = |_| Instance {
        arn: super::arn::arn(
            &account.region,
            &account.id,
            &format!("container-instance/{}/{}", spec.name, random_hex(32)),
        ),
        ec2_id: format!("i-0{}", random_hex(16)),
        registered_at: world.now,
    };
    let cluster = Cluster {
        account: account.id.clone(),
        region: account.region.clone(),
        name: spec.name.clone(),
        capacity_providers: spec.capacity_providers.clone(),
        instances: (0..spec.container_instances).map(instance).collect(),
        tags: Vec::new(),
    };
    world.ecs.clusters.insert((account.id.clone(), spec.name.clone()), cluster);
}

fn define(world: &mut World, account: &Account, document: &Value) -> Result<()> {
    let mut document = document.clone();
    for container in document["containerDefinitions"].as_array_mut().into_iter().flatten() {
        if let Some(image) = container["image"].as_str() {
            container["image"] = json!(with_registry(world, image)?);
        }
    }
    let tags = super::tags::read(&document).map_err(|e| anyhow!("{}: {}", e.code, e.message))?;
    let valid = register::validated(&world.ecs, &account.id, &document)
        .map_err(|e| anyhow!("{}: {}", e.code, e.message))?;
    register::keep(world, &account.id, &account.region, valid, |definition| definition.tags = tags);
    Ok(())
}

/// `{registry:ACCOUNT}/name:tag` with the host of that account's registry.
fn with_registry(world: &World, image: &str) -> Result<String> {
    let Some(rest) = image.strip_prefix("{registry:") else { return Ok(image.to_owned()) };
    let (account, rest) = rest.split_once('}').ok_or_else(|| anyhow!("`{image}` lacks its closing brace"))?;
    let host = world.ecs.registries.get(account);
    let host = host.ok_or_else(|| anyhow!("`{image}`: the world has no account {account}"))?;
    Ok(format!("{host}{rest}"))
}

fn service(world: &World, account: &Account, spec: &spec::Service) -> Result<Service> {
    let cluster = world.ecs.clusters.get(&(account.id.clone(), spec.cluster.clone()));
    let cluster = cluster.ok_or_else(|| anyhow!("there is no cluster `{}`", spec.cluster))?;
    let (family, revision) = match spec.task_definition.split_once(':') {
        Some((family, revision)) => (family, Some(revision.parse().context("the revision is no number")?)),
        None => (spec.task_definition.as_str(), None),
    };
    let definition = definition::find(world, &account.id, &account.region, family, revision)
        .ok_or_else(|| anyhow!("there is no task definition `{}`", spec.task_definition))?;
    let controller = Controller::parse(&spec.controller)
        .ok_or_else(|| anyhow!("`{}` is none of CODE_DEPLOY, ECS, EXTERNAL", spec.controller))?;
    let mut load_balancers = Vec::new();
    if !spec.target_group.is_empty() {
        let container = definition.container(&spec.container).ok_or_else(|| {
            anyhow!("the task definition `{}` has no container `{}`", spec.task_definition, spec.container)
        })?;
        let mappings = container["portMappings"].as_array().map_or(&[][..], Vec::as_slice);
        if !mappings.iter().any(|mapping| mapping["containerPort"] == spec.container_port) {
            bail!("the container `{}` has no port {}", spec.container, spec.container_port);
        }
        let group = crate::elb::target_group_arn(world, &account.id, &spec.target_group)
            .ok_or_else(|| anyhow!("there is no target group `{}`", spec.target_group))?;
        load_balancers.push(LoadBalancer {
            target_group: group,
            container: spec.container.clone(),
            port: spec.container_port,
        });
    }
    let launch_type = Some(spec.launch_type.clone()).filter(|kind| !kind.is_empty());
    let launch = Launch {
        definition: definition.arn(),
        launch_type: launch_type.filter(|_| spec.capacity_provider_strategy.is_empty()),
        strategy: spec.capacity_provider_strategy.clone(),
        platform_version: spec.platform_version.clone(),
        network: match &spec.network_configuration {
            Some(network) => Some(network.clone()),
            None if definition.network_mode() == "awsvpc" => Some(network()),
            None => None,
        },
        load_balancers,
    };
    let kind = if launch.on_fargate() { "FARGATE" } else { "EC2" };
    if !definition.fits(kind) {
        bail!("the task definition `{}` does not run on {kind}", spec.task_definition);
    }
    for item in &launch.strategy {
        let name = item["capacityProvider"].as_str().unwrap_or_default();
        if !cluster.capacity_providers.iter().any(|known| known == name) {
            bail!("the cluster `{}` has no capacity provider `{name}`", cluster.name);
        }
    }
    let mut configuration = json!({"maximumPercent": 200, "minimumHealthyPercent": 100});
    if controller == Controller::Ecs {
        configuration["deploymentCircuitBreaker"] = json!({"enable": false, "rollback": false});
        configuration["strategy"] = json!("ROLLING");
    }
    let mut service = Service {
        key: ServiceKey {
            account: account.id.clone(),
            cluster: spec.cluster.clone(),
            service: spec.name.clone(),
        },
        region: account.region.clone(),
        controller,
        desired: spec.desired_count,
        launch: launch.clone(),
        task_sets: Vec::new(),
        grace_seconds: 0,
        deployment_configuration: configuration,
        others: Map::new(),
        events: VecDeque::new(),
        created_at: world.now,
        created_by: format!("arn:aws:iam::{}:root", account.id),
        tags: spec.tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
    };
    let mut first = TaskSet::new(&service, launch, world.now);
    first.status = "PRIMARY".into();
    service.task_sets.push(first);
    Ok(service)
}

/// Where tasks with an interface of their own live when the world's document doesn't say.
fn network() -> Value {
    json!({"awsvpcConfiguration": {
        "subnets": ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"],
        "securityGroups": ["sg-0a1b2c3d4e5f60001"],
        "assignPublicIp": "DISABLED",
    }})
}
