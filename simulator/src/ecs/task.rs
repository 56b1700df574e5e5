//! Tasks: their state, and how the API shows it.

use super::{
    ServiceKey, arn,
    tags::{self, Tags},
};
use crate::Time;
use crate::front::timestamp;
use serde_json::{Map, Value, json};
use std::net::SocketAddr;

/// `lastStatus`, in the order of a task's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Provisioning,
    Pending,
    Running,
    Deactivating,
    Stopping,
    Stopped,
}

impl Phase {
    pub(super) fn name(self) -> &'static str {
        match self {
            Phase::Provisioning => "PROVISIONING",
            Phase::Pending => "PENDING",
            Phase::Running => "RUNNING",
            Phase::Deactivating => "DEACTIVATING",
            Phase::Stopping => "STOPPING",
            Phase::Stopped => "STOPPED",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) arn: String,
    pub(super) account: String,
    pub(super) region: String,
    pub(super) cluster: String,
    /// The task definition's ARN.
    pub(super) definition: String,
    /// The service and the task set that it belongs to; `None` for one of RunTask.
    pub(super) owner: Option<(ServiceKey, String)>,
    pub(super) group: String,
    pub(super) started_by: Option<String>,
    pub(super) phase: Phase,
    /// `desiredStatus` is RUNNING.
    pub(super) wanted: bool,
    pub(super) launch_type: String,
    pub(super) capacity_provider: Option<String>,
    pub(super) platform_version: Option<String>,
    /// The container instance's ARN, on EC2.
    pub(super) instance: Option<String>,
    pub(super) instance_id: Option<String>,
    pub(super) interface: Option<Interface>,
    pub(super) overrides: Value,
    pub(super) cpu: Option<String>,
    pub(super) memory: Option<String>,
    pub(super) containers: Vec<Container>,
    /// What its container is told to do wrong, by a fault of the world.
    pub(super) misbehave: Option<String>,
    /// Where it is registered: group, target's id, port.
    pub(super) targets: Vec<(String, String, u16)>,
    pub(super) tags: Tags,
    pub(super) times: Times,
    pub(super) stop_code: Option<String>,
    pub(super) stopped_reason: Option<String>,
    /// The engine has nothing left of it.
    pub(super) ended: bool,
}

/// The network interface of a task in `awsvpc` mode.
#[derive(Clone, Debug)]
pub(super) struct Interface {
    pub(super) attachment: String,
    pub(super) id: String,
    pub(super) address: String,
    pub(super) mac: String,
    pub(super) subnet: String,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    pub(super) created: Time,
    /// When the provisioning ends and the pull starts.
    pub(super) provisioned: Time,
    pub(super) pull_started: Option<Time>,
    pub(super) pull_stopped: Option<Time>,
    pub(super) started: Option<Time>,
    pub(super) stopping: Option<Time>,
    pub(super) execution_stopped: Option<Time>,
    pub(super) stopped: Option<Time>,
}

#[derive(Clone, Debug)]
pub(super) struct Container {
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) image: String,
    pub(super) cpu: i64,
    pub(super) memory: Option<i64>,
    pub(super) memory_reservation: Option<i64>,
    pub(super) essential: bool,
    pub(super) status: ContainerStatus,
    pub(super) digest: Option<String>,
    pub(super) runtime_id: Option<String>,
    pub(super) exit_code: Option<i64>,
    pub(super) reason: Option<String>,
    /// `None` without a health check; then whether it passed, `None` while it isn't known.
    pub(super) health: Option<Option<bool>>,
    pub(super) bindings: Vec<Binding>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContainerStatus {
    Pending,
    Running,
    Stopped,
}

/// A port of a container, and where it really answers.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub(super) container_port: u16,
    /// In AWS's view.
    pub(super) host_port: u16,
    pub(super) protocol: String,
    pub(super) address: SocketAddr,
}

impl Task {
    pub(super) fn id(&self) -> &str {
        arn::last(&self.arn)
    }

    pub(super) fn cluster_arn(&self) -> String {
        arn::arn(&self.region, &self.account, &format!("cluster/{}", self.cluster))
    }

    pub(super) fn container(&mut self, name: &str) -> Option<&mut Container> {
        self.containers.iter_mut().find(|container| container.name == name)
    }

    /// Gives a reason to stop, unless it has one already.
    pub(super) fn stop(&mut self, code: &str, reason: &str) {
        if self.stop_code.is_none() {
            self.stop_code = Some(code.to_owned());
            self.stopped_reason = Some(reason.to_owned());
        }
        self.wanted = false;
    }

    /// UNHEALTHY when one essential container is, HEALTHY when all that have a check are.
    pub(super) fn health(&self) -> Option<bool> {
        let mut all = self.containers.iter().filter(|c| c.essential).filter_map(|c| c.health).peekable();
        all.peek()?;
        let all: Vec<_> = all.collect();
        if all.contains(&Some(false)) {
            return Some(false);
        }
        all.iter().all(|health| *health == Some(true)).then_some(true)
    }

    /// Whether no essential container has a health check that hasn't passed.
    pub(super) fn healthy(&self) -> bool {
        self.containers.iter().filter(|c| c.essential).all(|c| c.health.is_none_or(|h| h == Some(true)))
    }

    pub(super) fn json(&self, with_tags: bool) -> Value {
        let mut task = Map::new();
        let mut put = |member: &str, value: Value| {
            if !value.is_null() {
                task.insert(member.to_owned(), value);
            }
        };
        let time = |at: Option<Time>| at.map_or(Value::Null, timestamp);
        put("attachments", self.attachments());
        put("attributes", json!([{"name": "ecs.cpu-architecture", "value": "x86_64"}]));
        put("availabilityZone", json!(format!("{}a", self.region)));
        put("capacityProviderName", json!(self.capacity_provider));
        put("clusterArn", json!(self.cluster_arn()));
        if self.phase > Phase::Provisioning {
            put("connectivity", json!("CONNECTED"));
            put("connectivityAt", timestamp(self.times.provisioned));
        }
        put("containerInstanceArn", json!(self.instance));
        put("containers", self.containers.iter().map(|c| self.container_json(c)).collect());
        put("cpu", json!(self.cpu));
        put("createdAt", timestamp(self.times.created));
        put("desiredStatus", json!(if self.wanted { "RUNNING" } else { "STOPPED" }));
        put("enableExecuteCommand", json!(false));
        put("executionStoppedAt", time(self.times.execution_stopped));
        put("group", json!(self.group));
        put("healthStatus", json!(health_name(self.health())));
        put("lastStatus", json!(self.phase.name()));
        put("launchType", json!(self.launch_type));
        put("memory", json!(self.memory));
        put("overrides", self.overrides.clone());
        if self.launch_type == "FARGATE" {
            put("platformVersion", json!(self.platform_version.as_deref().unwrap_or("1.4.0")));
            put("platformFamily", json!("Linux"));
            put("ephemeralStorage", json!({"sizeInGiB": 20}));
        }
        put("pullStartedAt", time(self.times.pull_started));
        put("pullStoppedAt", time(self.times.pull_stopped));
        put("startedAt", time(self.times.started));
        put("startedBy", json!(self.started_by));
        put("stopCode", json!(self.stop_code));
        put("stoppedAt", time(self.times.stopped));
        put("stoppedReason", json!(self.stopped_reason));
        put("stoppingAt", time(self.times.stopping));
        put("tags", if with_tags { tags::json(&self.tags) } else { json!([]) });
        put("taskArn", json!(self.arn));
        put("taskDefinitionArn", json!(self.definition));
        put("version", json!(self.phase as u8 + 1));
        Value::Object(task)
    }

    fn attachments(&self) -> Value {
        let Some(interface) = &self.interface else { return json!([]) };
        let status = match self.phase {
            Phase::Provisioning => "PRECREATED",
            Phase::Stopped => "DELETED",
            _ => "ATTACHED",
        };
        let detail = |name: &str, value: &str| json!({"name": name, "value": value});
        json!([{
            "id": interface.attachment,
            "type": "ElasticNetworkInterface",
            "status": status,
            "details": [
                detail("subnetId", &interface.subnet),
                detail("networkInterfaceId", &interface.id),
                detail("macAddress", &interface.mac),
                detail("privateDnsName", &format!("ip-{}.{}.compute.internal", interface.address.replace('.', "-"), self.region)),
                detail("privateIPv4Address", &interface.address),
            ],
        }])
    }

    fn container_json(&self, container: &Container) -> Value {
        let mut one = Map::new();
        let mut put = |member: &str, value: Value| {
            if !value.is_null() {
                one.insert(member.to_owned(), value);
            }
        };
        put("containerArn", json!(container.arn));
        put("taskArn", json!(self.arn));
        put("name", json!(container.name));
        put("image", json!(container.image));
        put("imageDigest", json!(container.digest));
        put("runtimeId", json!(container.runtime_id));
        let status = match container.status {
            ContainerStatus::Pending => "PENDING",
            ContainerStatus::Running => "RUNNING",
            ContainerStatus::Stopped => "STOPPED",
        };
        put("lastStatus", json!(status));
        put("exitCode", json!(container.exit_code));
        put(
            "reason",
            json!(container.reason.as_ref().map(|text| text.chars().take(1024).collect::<String>())),
        );
        let bindings = if self.interface.is_some() { &[][..] } else { &container.bindings };
        put(
            "networkBindings",
            bindings
                .iter()
                .map(|binding| {
                    json!({
                        "bindIP": "0.0.0.0",
                        "containerPort": binding.container_port,
                        "hostPort": binding.host_port,
                        "protocol": binding.protocol,
                    })
                })
                .collect(),
        );
        put(
            "networkInterfaces",
            self.interface
                .iter()
                .map(|interface| {
                    json!({
                        "attachmentId": interface.attachment,
                        "privateIpv4Address": interface.address,
                    })
                })
                .collect(),
        );
        put("healthStatus", json!(health_name(container.health.flatten())));
        put("cpu", json!(container.cpu.to_string()));
        put("memory", json!(container.memory.map(|memory| memory.to_string())));
        put("memoryReservation", json!(container.memory_reservation.map(|memory| memory.to_string())));
        Value::Object(one)
    }
}

fn health_name(health: Option<bool>) -> &'static str {
    match health {
        Some(true) => "HEALTHY",
        Some(false) => "UNHEALTHY",
        None => "UNKNOWN",
    }
}
