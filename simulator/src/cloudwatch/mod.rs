//! Metrics of the traffic that really passed, the alarms on them, and the containers' logs.

mod alarms;
mod api;
mod logs;
mod logs_api;
mod metrics;

pub(crate) use logs::log;

use crate::{
    Time, elb,
    front::{Answer, Call, Need, Service},
    spec::WorldSpec,
    state::State as World,
};
use alarms::Alarm;
use logs::Logs;
use metrics::Metrics;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Account → its region.
    regions: BTreeMap<String, String>,
    metrics: Metrics,
    /// By account and name.
    alarms: BTreeMap<(String, String), Alarm>,
    logs: Logs,
    /// When the targets are counted next.
    next_count: Time,
}

/// One request that passed a load balancer.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    /// ARNs.
    pub(crate) load_balancer: Arc<str>,
    pub(crate) target_group: Option<Arc<str>>,
    /// The target's status, `None` when no target answered.
    pub(crate) target_status: Option<u16>,
    /// What the client got.
    pub(crate) status: u16,
    /// Until the target's head was there.
    pub(crate) seconds: f64,
}

pub(crate) fn needs(world: &World, call: &Call) -> Vec<Need> {
    match call.service {
        Service::Logs => logs_api::needs(world, call),
        _ => api::needs(world, call),
    }
}

pub(crate) fn handle(world: &mut World, call: &Call) -> Answer {
    match call.service {
        Service::Logs => logs_api::handle(world, call),
        _ => api::handle(world, call),
    }
}

pub(crate) fn record(world: &mut World, passed: &Passed) {
    world.cloudwatch.metrics.record(world.now, passed);
}

/// `OK`, `ALARM` or `INSUFFICIENT_DATA`; `None` when there is no such alarm.
pub(crate) fn alarm_state(world: &World, account: &str, name: &str) -> Option<String> {
    let alarm = world.cloudwatch.alarms.get(&(account.to_owned(), name.to_owned()))?;
    Some(alarm.state.value.name().to_owned())
}

/// Whether the account has a log group of this name: a task whose containers log to one that
/// isn't there can't start.
pub(crate) fn has_log_group(world: &World, account: &str, name: &str) -> bool {
    world.cloudwatch.logs.groups.contains_key(&(account.to_owned(), name.to_owned()))
}

/// Counts the targets once a minute, and evaluates the alarms that are due.
pub(crate) fn advance(world: &mut World) -> Option<Time> {
    const MINUTE: Duration = Duration::from_secs(60);
    let now = world.now;
    if world.cloudwatch.next_count <= now {
        for (balancer, group, healthy, unhealthy) in elb::host_counts(world) {
            world.cloudwatch.metrics.count_hosts(now, balancer, group, healthy, unhealthy);
        }
        world.cloudwatch.next_count = alarms::boundary_after(now, MINUTE);
    }
    let mut next = world.cloudwatch.next_count;
    for alarm in world.cloudwatch.alarms.values_mut() {
        alarm.advance(&world.cloudwatch.metrics, now);
        next = next.min(alarm.due);
    }
    Some(next)
}

/// `alarms` of the snapshot.
pub(crate) fn snapshot(world: &World) -> Value {
    let alarms = world.cloudwatch.alarms.values().map(|alarm| {
        json!({
            "account": alarm.account,
            "name": alarm.name,
            "state": alarm.state.value.name(),
            "reason": alarm.state.reason,
            "since": alarm.state.transitioned.iso(),
        })
    });
    json!({ "alarms": alarms.collect::<Vec<_>>() })
}

impl State {
    pub(crate) fn of(spec: &WorldSpec) -> State {
        let now = Time(chrono::Utc::now().timestamp_millis());
        let mut state = State::default();
        for account in &spec.accounts {
            state.regions.insert(account.id.clone(), account.region.clone());
            for alarm in &account.alarms {
                let alarm = Alarm::of(account, alarm, now);
                state.alarms.insert((account.id.clone(), alarm.name.clone()), alarm);
            }
            for group in &account.log_groups {
                state.logs.create(&account.id, &account.region, group, now);
            }
        }
        state
    }

    /// Whether the caller looks into the account's own region; there is nothing in others.
    fn at_home(&self, call: &Call) -> bool {
        self.regions.get(&call.caller.account).is_some_and(|home| *home == call.region)
    }
}
