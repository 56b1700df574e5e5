//! Who serves users: read back from the listener's weights and the service's task sets.

use crate::aws::{Clients, Failure};
use aws_sdk_ecs::types::TaskSet;
use std::collections::BTreeMap;

/// Production as it was read: each task set with its share of the traffic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Production {
    pub sets: Vec<Share>,
    /// False when the listener couldn't be read, so that shares are told by PRIMARY alone.
    pub from_weights: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    pub task_definition: String,
    /// The deployment that made the task set; none for the one that came with the service.
    pub deployment: Option<String>,
    pub status: String,
    pub running: i32,
    pub percent: f64,
}

impl Production {
    /// Whether the task set of this deployment has all the traffic.
    pub fn wholly_on(&self, deployment: &str) -> bool {
        self.sole().is_some_and(|s| s.deployment.as_deref() == Some(deployment))
    }

    /// Whether a task set that this deployment didn't make has all the traffic.
    pub fn wholly_off(&self, deployment: &str) -> bool {
        self.sole().is_some_and(|s| s.deployment.as_deref() != Some(deployment))
    }

    /// The one task set that serves all, and serves it with something.
    pub fn sole(&self) -> Option<&Share> {
        let mut serving = self.sets.iter().filter(|s| s.percent > 0.0);
        let first = serving.next()?;
        (serving.next().is_none() && first.running > 0).then_some(first)
    }
}

/// Reads the service and its production listeners. Without the permission to describe listeners,
/// what is PRIMARY counts as serving, and it is said.
pub async fn read(
    clients: &Clients,
    cluster: &str,
    service: &str,
    listeners: &[String],
) -> Result<Production, Failure> {
    let answer = clients.ecs().describe_services().cluster(cluster).services(service).send().await;
    let answer = answer.map_err(clients.failed("ecs:DescribeServices"))?;
    let service = answer.services.unwrap_or_default().into_iter().next();
    let sets = service.and_then(|s| s.task_sets).unwrap_or_default();
    let weights = match listeners {
        [] => None,
        listeners => match weights(clients, listeners).await {
            Ok(weights) => weights,
            Err(failure) if failure.may_pass() => return Err(failure),
            Err(_) => None,
        },
    };
    Ok(shares(&sets, weights.as_ref()))
}

/// Target group ARN → weight, of the first listener that forwards by weight.
async fn weights(clients: &Clients, listeners: &[String]) -> Result<Option<BTreeMap<String, f64>>, Failure> {
    let answer =
        clients.elbv2().describe_listeners().set_listener_arns(Some(listeners.to_vec())).send().await;
    let answer = answer.map_err(clients.failed("elasticloadbalancing:DescribeListeners"))?;
    let listener = answer.listeners.unwrap_or_default().into_iter().next();
    let Some(action) = listener.and_then(|l| l.default_actions).and_then(|a| a.into_iter().next_back())
    else {
        return Ok(None);
    };
    let groups = action.forward_config.and_then(|f| f.target_groups).unwrap_or_default();
    let mut weights: BTreeMap<String, f64> = groups
        .into_iter()
        .filter_map(|g| Some((g.target_group_arn?, f64::from(g.weight.unwrap_or(1)))))
        .collect();
    if weights.is_empty() {
        weights.extend(action.target_group_arn.map(|arn| (arn, 1.0)));
    }
    Ok((!weights.is_empty()).then_some(weights))
}

fn shares(sets: &[TaskSet], weights: Option<&BTreeMap<String, f64>>) -> Production {
    let total: f64 = weights.map_or(0.0, |w| w.values().sum());
    let percent = |set: &TaskSet| match weights {
        Some(weights) if total > 0.0 => {
            // A draining set has left its group, which the next set may use already.
            let serves = set.status.as_deref() != Some("DRAINING");
            let group = set.load_balancers().iter().find_map(|b| b.target_group_arn.as_deref());
            group.and_then(|g| weights.get(g)).filter(|_| serves).map_or(0.0, |w| w / total * 100.0)
        }
        _ if set.status.as_deref() == Some("PRIMARY") => 100.0,
        _ => 0.0,
    };
    Production {
        sets: sets
            .iter()
            .map(|set| Share {
                task_definition: set.task_definition.clone().unwrap_or_default(),
                deployment: set.external_id.clone().filter(|id| !id.is_empty()),
                status: set.status.clone().unwrap_or_default(),
                running: set.running_count,
                percent: percent(set),
            })
            .collect(),
        from_weights: weights.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::LoadBalancer;

    fn set(status: &str, deployment: Option<&str>, group: &str) -> TaskSet {
        TaskSet::builder()
            .status(status)
            .set_external_id(deployment.map(str::to_owned))
            .task_definition(format!("hello:{group}"))
            .running_count(2)
            .load_balancers(LoadBalancer::builder().target_group_arn(group).build())
            .build()
    }

    #[test]
    fn a_split_is_on_nobody() {
        let sets = [set("PRIMARY", None, "blue"), set("ACTIVE", Some("d-1"), "green")];
        let weights = BTreeMap::from([("blue".to_owned(), 90.0), ("green".to_owned(), 10.0)]);
        let production = shares(&sets, Some(&weights));
        assert_eq!(production.sets.iter().map(|s| s.percent).collect::<Vec<_>>(), [90.0, 10.0]);
        assert!(!production.wholly_on("d-1") && !production.wholly_off("d-1"));
    }

    #[test]
    fn weights_decide_and_not_primary() {
        let sets = [set("PRIMARY", None, "blue"), set("ACTIVE", Some("d-1"), "green")];
        let weights = BTreeMap::from([("blue".to_owned(), 0.0), ("green".to_owned(), 1.0)]);
        assert!(shares(&sets, Some(&weights)).wholly_on("d-1"));
    }

    #[test]
    fn without_weights_primary_serves() {
        let sets = [set("PRIMARY", Some("d-2"), "blue"), set("DRAINING", Some("d-1"), "green")];
        let production = shares(&sets, None);
        assert!(production.wholly_off("d-1") && production.wholly_on("d-2") && !production.from_weights);
    }

    #[test]
    fn a_set_without_a_running_task_serves_nobody() {
        let mut alone = set("PRIMARY", Some("d-1"), "blue");
        alone.running_count = 0;
        let weights = BTreeMap::from([("blue".to_owned(), 1.0)]);
        assert_eq!(shares(&[alone], Some(&weights)).sole(), None);
    }
}
