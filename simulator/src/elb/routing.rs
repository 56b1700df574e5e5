//! Where a request goes: the group by weight, the target by turn; and what is kept of it
//! once it is over.

use super::{Health, State};
use crate::{cloudwatch, state::State as World};
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

/// The way of one request.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) group: Arc<str>,
    pub(super) address: SocketAddr,
    pub(super) idle_timeout: Duration,
    serial: u64,
    task_set: String,
}

/// A request that is over.
#[derive(Debug)]
pub(super) struct Over<'a> {
    pub(super) listener: &'a str,
    /// `None` when no target could be chosen.
    pub(super) way: Option<&'a Way>,
    /// The target's answer, if it gave one.
    pub(super) target_status: Option<u16>,
    /// What the client got; 460 when it went away before.
    pub(super) status: u16,
    /// Until the target's head was there.
    pub(super) seconds: f64,
}

/// What a listener answered, by task set and by the balancer's own word.
#[derive(Debug, Default)]
pub(super) struct Tally {
    total: u64,
    by_task_set: BTreeMap<String, [u64; 5]>,
    own: BTreeMap<u16, u64>,
}

/// Chooses the target of the next request and counts it as under way there. `None` when the
/// chosen group has nobody to send it to.
pub(super) fn pick(elb: &mut State, listener: &str) -> Option<Way> {
    let listener = elb.listeners.get_mut(listener)?;
    let total: i64 = listener.forward.iter().map(|f| i64::from(f.weight)).sum();
    for forward in &mut listener.forward {
        forward.credit += i64::from(forward.weight);
    }
    let chosen = listener.forward.iter_mut().filter(|f| f.weight > 0).max_by_key(|f| f.credit)?;
    chosen.credit -= total;
    let arn = chosen.group.clone();
    let group = elb.groups.get_mut(&arn)?;

    // With no healthy target a group fails open: every registered one is tried.
    let any_healthy = group.targets.iter().any(|t| matches!(t.health, Health::Healthy));
    let eligible = |health: &Health| match health {
        Health::Healthy => true,
        Health::Initial | Health::Unhealthy(_) => !any_healthy,
        Health::Draining { .. } => false,
    };
    let count = group.targets.len();
    let next = (0..count).map(|i| (group.turn + i) % count).find(|i| eligible(&group.targets[*i].health))?;
    group.turn = (next + 1) % count;
    let target = &mut group.targets[next];
    target.under_way += 1;
    Some(Way {
        group: arn,
        address: target.target.address,
        idle_timeout: listener.idle_timeout,
        serial: target.serial,
        task_set: target.target.task_set.clone(),
    })
}

/// Counts a request that is over. True when a drain ended with it, which others wait for.
pub(super) fn settle(world: &mut World, over: &Over) -> bool {
    let Some(listener) = world.elb.listeners.get_mut(over.listener) else { return false };
    listener.tally.count(over);
    let passed = cloudwatch::Passed {
        load_balancer: listener.load_balancer.clone(),
        target_group: over.way.map(|w| w.group.clone()),
        target_status: over.target_status,
        status: over.status,
        seconds: over.seconds,
    };
    cloudwatch::record(world, &passed);

    let Some(way) = over.way else { return false };
    let Some(group) = world.elb.groups.get_mut(&way.group) else { return false };
    let Some(at) = group.targets.iter().position(|t| t.serial == way.serial) else { return false };
    let target = &mut group.targets[at];
    target.under_way = target.under_way.saturating_sub(1);
    let ended = target.draining() && target.under_way == 0;
    if ended {
        group.targets.remove(at);
    }
    ended
}

impl Tally {
    fn count(&mut self, over: &Over) {
        self.total += 1;
        match (over.way, over.target_status) {
            (Some(way), Some(status)) => {
                let class = usize::from((status / 100).clamp(1, 5)) - 1;
                match self.by_task_set.get_mut(&way.task_set) {
                    Some(counts) => counts[class] += 1,
                    None => {
                        let counts = self.by_task_set.entry(way.task_set.clone()).or_default();
                        counts[class] += 1;
                    }
                }
            }
            _ => *self.own.entry(over.status).or_default() += 1,
        }
    }

    pub(super) fn snapshot(&self) -> Value {
        let classes = |counts: &[u64; 5]| -> Value {
            let named = counts.iter().enumerate().filter(|(_, n)| **n > 0);
            named
                .map(|(class, n)| (format!("{}xx", class + 1), json!(n)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let own = self.own.iter().map(|(status, n)| (status.to_string(), json!(n)));
        json!({
            "total": self.total,
            "by_task_set": self.by_task_set.iter().map(|(id, c)| (id.clone(), classes(c))).collect::<serde_json::Map<_, _>>(),
            "by_balancer": own.collect::<serde_json::Map<_, _>>(),
        })
    }
}
