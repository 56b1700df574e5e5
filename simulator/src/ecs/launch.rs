//! How the tasks of a service or a task set are launched: what, where, behind what.

use super::{
    cluster::Cluster,
    input::{integer, invalid, list, text},
};
use crate::front::ApiError;
use serde_json::{Map, Value, json};

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Launch {
    /// The task definition's ARN.
    pub(super) definition: String,
    /// `None` when a capacity provider strategy decides.
    pub(super) launch_type: Option<String>,
    pub(super) strategy: Vec<Value>,
    pub(super) platform_version: Option<String>,
    pub(super) network: Option<Value>,
    pub(super) load_balancers: Vec<LoadBalancer>,
}

/// Which container's port is registered in which target group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LoadBalancer {
    pub(super) target_group: String,
    pub(super) container: String,
    pub(super) port: u16,
}

impl LoadBalancer {
    pub(super) fn read(input: &Value) -> Result<Vec<LoadBalancer>, ApiError> {
        list(input, "loadBalancers")?
            .iter()
            .map(|one| {
                let port = integer(one, "containerPort")?.and_then(|port| u16::try_from(port).ok());
                Ok(LoadBalancer {
                    target_group: text(one, "targetGroupArn")?
                        .ok_or_else(|| invalid("targetGroupArn cannot be empty."))?
                        .to_owned(),
                    container: text(one, "containerName")?
                        .ok_or_else(|| invalid("containerName cannot be empty."))?
                        .to_owned(),
                    port: port.ok_or_else(|| invalid("containerPort must be between 1 and 65535."))?,
                })
            })
            .collect()
    }

    fn json(&self) -> Value {
        json!({
            "targetGroupArn": self.target_group,
            "containerName": self.container,
            "containerPort": self.port,
        })
    }
}

impl Launch {
    /// The members that services, task sets and deployments have in common.
    pub(super) fn json(&self) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("taskDefinition".into(), json!(self.definition));
        members.insert("loadBalancers".into(), self.load_balancers.iter().map(LoadBalancer::json).collect());
        if let Some(kind) = &self.launch_type {
            members.insert("launchType".into(), json!(kind));
        }
        if !self.strategy.is_empty() {
            members.insert("capacityProviderStrategy".into(), json!(self.strategy));
        }
        if self.on_fargate() {
            let version = self.platform_version.as_deref().unwrap_or("LATEST");
            members.insert("platformVersion".into(), json!(version));
            members.insert("platformFamily".into(), json!("Linux"));
        }
        if let Some(network) = &self.network {
            members.insert("networkConfiguration".into(), network.clone());
        }
        members
    }

    pub(super) fn on_fargate(&self) -> bool {
        match &self.launch_type {
            Some(kind) => kind == "FARGATE",
            None => self.strategy.iter().any(|item| {
                Cluster::launch_type(item["capacityProvider"].as_str().unwrap_or_default()) == "FARGATE"
            }),
        }
    }

    /// The capacity provider of the next task, when `running` says how many each one has: first
    /// the base, then by weight.
    pub(super) fn provider(&self, running: impl Fn(&str) -> u64) -> Option<String> {
        let item = |item: &Value| {
            let name = item["capacityProvider"].as_str().unwrap_or_default().to_owned();
            let base = item["base"].as_u64().unwrap_or(0);
            let weight = item["weight"].as_u64().unwrap_or(0);
            let count = running(&name);
            (name, base, weight, count)
        };
        let items: Vec<_> = self.strategy.iter().map(item).collect();
        if let Some((name, ..)) = items.iter().find(|(_, base, _, count)| count < base) {
            return Some(name.clone());
        }
        let only = items.len() == 1;
        items
            .into_iter()
            .filter(|(_, _, weight, _)| *weight > 0 || only)
            .min_by(|(_, base, weight, count), (_, other_base, other_weight, other_count)| {
                let left = (count - base.min(count) + 1) * (*other_weight).max(1);
                let right = (other_count - other_base.min(other_count) + 1) * (*weight).max(1);
                left.cmp(&right)
            })
            .map(|(name, ..)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::RefCell, collections::BTreeMap};

    #[test]
    fn a_strategy_fills_the_base_and_then_follows_the_weights() {
        let launch = Launch {
            strategy: vec![
                json!({"capacityProvider": "FARGATE", "base": 2, "weight": 1}),
                json!({"capacityProvider": "FARGATE_SPOT", "weight": 3}),
            ],
            ..Launch::default()
        };
        let counts: RefCell<BTreeMap<String, u64>> = RefCell::default();
        for _ in 0..10 {
            let next = launch.provider(|name| counts.borrow().get(name).copied().unwrap_or(0));
            *counts.borrow_mut().entry(next.unwrap_or_default()).or_default() += 1;
        }
        assert_eq!(counts.borrow().get("FARGATE"), Some(&4));
        assert_eq!(counts.borrow().get("FARGATE_SPOT"), Some(&6));
    }
}
