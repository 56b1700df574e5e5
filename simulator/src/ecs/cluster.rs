//! Clusters, their capacity providers and their container instances.

use super::{
    arn,
    input::{page, texts, wants_tags},
    tags::{self, Tags},
    task::{Phase, Task},
};
use crate::Time;
use crate::front::{Answer, ApiError, Call, timestamp};
use crate::state::State as World;
use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub(super) struct Cluster {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) name: String,
    pub(super) capacity_providers: Vec<String>,
    pub(super) instances: Vec<Instance>,
    pub(super) tags: Tags,
}

/// An EC2 instance registered with the cluster.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) arn: String,
    pub(super) ec2_id: String,
    pub(super) registered_at: Time,
}

impl Cluster {
    pub(super) fn arn(&self) -> String {
        arn::arn(&self.region, &self.account, &format!("cluster/{}", self.name))
    }

    /// Whether a capacity provider is Fargate's own; the others are groups of EC2 instances.
    pub(super) fn launch_type(provider: &str) -> &'static str {
        if matches!(provider, "FARGATE" | "FARGATE_SPOT") { "FARGATE" } else { "EC2" }
    }

    fn json(&self, world: &World, with_tags: bool) -> Value {
        let count = |phases: &[Phase]| self.tasks(world).filter(|t| phases.contains(&t.phase)).count();
        let services = world.ecs.services.keys();
        let services = services.filter(|key| key.account == self.account && key.cluster == self.name);
        json!({
            "clusterArn": self.arn(),
            "clusterName": self.name,
            "status": "ACTIVE",
            "registeredContainerInstancesCount": self.instances.len(),
            "runningTasksCount": count(&[Phase::Running]),
            "pendingTasksCount": count(&[Phase::Provisioning, Phase::Pending]),
            "activeServicesCount": services.count(),
            "statistics": [],
            "tags": if with_tags { tags::json(&self.tags) } else { json!([]) },
            "settings": [],
            "capacityProviders": self.capacity_providers,
            "defaultCapacityProviderStrategy": [],
        })
    }

    fn tasks<'a>(&'a self, world: &'a World) -> impl Iterator<Item = &'a Task> {
        world.ecs.tasks.values().filter(|task| task.account == self.account && task.cluster == self.name)
    }
}

pub(super) fn not_found() -> ApiError {
    ApiError::new("ClusterNotFoundException", "Cluster not found.")
}

/// The cluster that the call names, by default `default`.
pub(super) fn named<'a>(world: &'a World, call: &Call) -> Result<&'a Cluster, ApiError> {
    let reference = super::input::text(&call.input, "cluster")?.unwrap_or("default");
    find(world, call, arn::name(call, reference, "cluster")?).ok_or_else(not_found)
}

fn find<'a>(world: &'a World, call: &Call, name: &str) -> Option<&'a Cluster> {
    let cluster = world.ecs.clusters.get(&(call.caller.account.clone(), name.to_owned()))?;
    (cluster.region == call.region).then_some(cluster)
}

pub(super) fn list(world: &World, call: &Call) -> Answer {
    let arns = world
        .ecs
        .clusters
        .values()
        .filter(|cluster| cluster.account == call.caller.account && cluster.region == call.region)
        .map(|cluster| json!(cluster.arn()))
        .collect();
    page(&call.input, "clusterArns", arns, 100)
}

pub(super) fn describe(world: &World, call: &Call) -> Answer {
    let with_tags = wants_tags(&call.input)?;
    let mut names = texts(&call.input, "clusters")?;
    if names.is_empty() {
        names.push("default");
    }
    let (mut clusters, mut failures) = (Vec::new(), Vec::new());
    for reference in names {
        let name = arn::name(call, reference, "cluster")?;
        match find(world, call, name) {
            Some(cluster) => clusters.push(cluster.json(world, with_tags)),
            None => failures.push(missing(call, &format!("cluster/{name}"))),
        }
    }
    Ok(json!({ "clusters": clusters, "failures": failures }))
}

/// An entry of `failures`.
pub(super) fn missing(call: &Call, resource: &str) -> Value {
    json!({ "arn": arn::arn(&call.region, &call.caller.account, resource), "reason": "MISSING" })
}

pub(super) fn list_instances(world: &World, call: &Call) -> Answer {
    let cluster = named(world, call)?;
    let arns = cluster.instances.iter().map(|instance| json!(instance.arn)).collect();
    page(&call.input, "containerInstanceArns", arns, 100)
}

pub(super) fn describe_instances(world: &World, call: &Call) -> Answer {
    let cluster = named(world, call)?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for reference in texts(&call.input, "containerInstances")? {
        let id = arn::last(reference);
        let Some(instance) = cluster.instances.iter().find(|one| arn::last(&one.arn) == id) else {
            failures.push(missing(call, &format!("container-instance/{}/{id}", cluster.name)));
            continue;
        };
        let count = |phase: Phase| {
            let here = cluster.tasks(world).filter(|t| t.instance.as_deref() == Some(&instance.arn));
            here.filter(|task| task.phase == phase).count()
        };
        found.push(json!({
            "containerInstanceArn": instance.arn,
            "ec2InstanceId": instance.ec2_id,
            "status": "ACTIVE",
            "agentConnected": true,
            "runningTasksCount": count(Phase::Running),
            "pendingTasksCount": count(Phase::Pending),
            "registeredAt": timestamp(instance.registered_at),
            "capacityProviderName": cluster.capacity_providers.iter().find(|name| Cluster::launch_type(name) == "EC2"),
            "attributes": [], "attachments": [], "tags": [],
        }));
    }
    Ok(json!({ "containerInstances": found, "failures": failures }))
}

pub(super) fn describe_providers(world: &World, call: &Call) -> Answer {
    let mut known: Vec<&str> = vec!["FARGATE", "FARGATE_SPOT"];
    let own = world
        .ecs
        .clusters
        .values()
        .filter(|cluster| cluster.account == call.caller.account && cluster.region == call.region);
    for name in own.flat_map(|cluster| &cluster.capacity_providers) {
        if !known.contains(&name.as_str()) {
            known.push(name);
        }
    }
    let asked = texts(&call.input, "capacityProviders")?;
    let mut failures = Vec::new();
    for reference in &asked {
        let name = arn::last(reference);
        if !known.contains(&name) {
            failures.push(missing(call, &format!("capacity-provider/{name}")));
        }
    }
    known.retain(|name| asked.is_empty() || asked.iter().any(|asked| arn::last(asked) == *name));
    let providers = known.iter().map(|name| {
        let kind = if Cluster::launch_type(name) == "FARGATE" { *name } else { "EC2_AUTOSCALING" };
        json!({
            "capacityProviderArn": arn::arn(&call.region, &call.caller.account, &format!("capacity-provider/{name}")),
            "name": name,
            "status": "ACTIVE",
            "type": kind,
            "tags": [],
        })
    });
    let mut answer = page(&call.input, "capacityProviders", providers.collect(), 10)?;
    answer["failures"] = failures.into();
    Ok(answer)
}
