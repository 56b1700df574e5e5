//! What the engine is told of a task: everything that it takes to run its containers.

use crate::front::Caller;
use serde_json::Value;
use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct TaskPlan {
    /// The task's ARN.
    pub(crate) task: String,
    /// Containers share one network, as they do behind a task's own interface.
    pub(crate) shared_network: bool,
    /// Each after those that it depends on.
    pub(crate) containers: Vec<ContainerPlan>,
    /// It belongs to no service.
    pub(crate) one_off: bool,
    /// Names of volumes that live as long as the task.
    pub(crate) volumes: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct ContainerPlan {
    pub(crate) name: String,
    pub(crate) image: String,
    /// `linux/arm64`; whatever the engine runs when `None`.
    pub(crate) platform: Option<String>,
    /// As whom the image is pulled from one of the world's registries.
    pub(crate) pull: Option<PullAs>,
    /// The container definition with the task's overrides.
    pub(crate) definition: Value,
    /// Everything that the task adds to the image's own environment.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) ports: Vec<Port>,
    pub(crate) log: Option<LogStream>,
    pub(crate) dependencies: Vec<(String, Condition)>,
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) stop_timeout: Duration,
    /// What a fault of the world makes it do, by the name that `MISBEHAVE` has.
    pub(crate) misbehave: Option<String>,
    /// The limit in MiB.
    pub(crate) memory: Option<i64>,
    pub(crate) health: Option<HealthCheck>,
}

#[derive(Clone, Debug)]
pub(crate) struct PullAs {
    pub(crate) session: Caller,
    pub(crate) user: String,
    pub(crate) password: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) container: u16,
    pub(crate) protocol: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogStream {
    pub(crate) account: String,
    pub(crate) group: String,
    pub(crate) stream: String,
}

/// What a container waits for before it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Start,
    Complete,
    Success,
    Healthy,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HealthCheck {
    pub(crate) command: Vec<String>,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) retries: i64,
    pub(crate) start_period: Duration,
}

impl Condition {
    pub(crate) fn parse(name: &str) -> Option<Condition> {
        Some(match name {
            "START" => Condition::Start,
            "COMPLETE" => Condition::Complete,
            "SUCCESS" => Condition::Success,
            "HEALTHY" => Condition::Healthy,
            _ => return None,
        })
    }
}

impl ContainerPlan {
    /// A list of texts of the definition, `None` when it is absent or empty.
    pub(crate) fn texts(&self, member: &str) -> Option<Vec<String>> {
        let items = self.definition.get(member)?.as_array()?;
        let texts: Vec<String> = items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect();
        (!texts.is_empty()).then_some(texts)
    }

    pub(crate) fn text(&self, member: &str) -> Option<&str> {
        self.definition.get(member)?.as_str().filter(|text| !text.is_empty())
    }

    pub(crate) fn flag(&self, member: &str) -> Option<bool> {
        self.definition.get(member)?.as_bool()
    }
}

impl LogStream {
    pub(crate) fn write(&self, world: &crate::World, line: String) {
        // Nobody waits for a line, so nobody is woken.
        crate::cloudwatch::log(&mut world.lock(), &self.account, &self.group, &self.stream, line);
    }
}
