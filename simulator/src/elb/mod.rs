//! Load balancers: descriptions over listeners that are real sockets, the weights and the
//! health that decide where their requests go.

mod api;
mod describe;
mod health;
mod listener;
mod probe;
mod routing;
#[cfg(test)]
mod tests;

pub(crate) use api::{handle, needs};
pub(crate) use health::advance;
pub(crate) use listener::Sockets;

use crate::{Time, front::ApiError, spec, state::State as World};
use health::{Health, Probe};
use routing::Tally;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;

const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct State {
    /// In the order of the world's document.
    load_balancers: Vec<LoadBalancer>,
    listeners: BTreeMap<Arc<str>, Listener>,
    groups: BTreeMap<Arc<str>, TargetGroup>,
    /// How fast the world runs: what is bounded by real time needs it.
    speed: f64,
    registrations: u64,
    probes: mpsc::UnboundedSender<Probe>,
    /// Taken by the prober.
    asked: Option<mpsc::UnboundedReceiver<Probe>>,
}

/// A target as AWS names it, and where it really answers.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The task's private address, or an instance id.
    pub(crate) id: String,
    /// The port in AWS's view.
    pub(crate) port: u16,
    /// The loopback address where it really listens.
    pub(crate) address: SocketAddr,
    /// What to count its answers as: the task set's id.
    pub(crate) task_set: String,
}

#[derive(Debug)]
struct LoadBalancer {
    arn: Arc<str>,
    name: String,
    account: String,
    region: String,
    created: Time,
}

#[derive(Debug)]
struct Listener {
    name: String,
    account: String,
    load_balancer: Arc<str>,
    port: u16,
    forward: Vec<Forward>,
    /// How long a silent target is waited for, in real time.
    idle_timeout: Duration,
    tally: Tally,
}

/// A group that a listener forwards to. `credit` is what smooth weighted round-robin keeps.
#[derive(Debug)]
struct Forward {
    group: Arc<str>,
    weight: u32,
    credit: i64,
}

#[derive(Debug)]
struct TargetGroup {
    account: String,
    region: String,
    settings: spec::TargetGroup,
    targets: Vec<Registered>,
    /// Whose turn it is, for round-robin.
    turn: usize,
}

#[derive(Debug)]
struct Registered {
    target: Target,
    /// Tells this registration from an earlier one of the same target.
    serial: u64,
    since: Time,
    health: Health,
    /// Requests that were sent to it and aren't over.
    under_way: u32,
    next_check: Time,
    checking: bool,
    /// Checks of the same result in a row.
    streak: u32,
    last_passed: bool,
}

/// Sets a listener's forward action. Weights as the API has them (0 to 999); the weight of an
/// only group says nothing and is kept as 1.
pub(crate) fn set_weights(
    world: &mut World,
    listener_arn: &str,
    weights: &[(String, u32)],
) -> Result<(), ApiError> {
    if weights.is_empty() || weights.len() > 5 {
        return Err(ApiError::new("ValidationError", "A forward action takes one to five target groups"));
    }
    if let Some((_, weight)) = weights.iter().find(|(_, weight)| *weight > 999) {
        let message = format!("Target group weight '{weight}' must be between 0 and 999");
        return Err(ApiError::new("ValidationError", message));
    }
    let mut forward = Vec::new();
    for (arn, weight) in weights {
        let Some((group, _)) = world.elb.groups.get_key_value(arn.as_str()) else {
            return Err(ApiError::new("TargetGroupNotFound", "One or more target groups not found"));
        };
        let weight = if weights.len() == 1 { (*weight).min(1) } else { *weight };
        forward.push(Forward { group: group.clone(), weight, credit: 0 });
    }
    let before = world.elb.in_use();
    let Some(listener) = world.elb.listeners.get_mut(listener_arn) else {
        return Err(ApiError::new("ListenerNotFound", "One or more listeners not found"));
    };
    let same = listener.forward.len() == forward.len()
        && listener.forward.iter().zip(&forward).all(|(a, b)| a.group == b.group && a.weight == b.weight);
    if !same {
        listener.forward = forward;
        health::start_checking(world, &before);
    }
    Ok(())
}

/// The listener's target groups with their weights.
pub(crate) fn weights(world: &World, listener_arn: &str) -> Vec<(String, u32)> {
    let forward = world.elb.listeners.get(listener_arn).map(|l| l.forward.as_slice()).unwrap_or_default();
    forward.iter().map(|f| (f.group.to_string(), f.weight)).collect()
}

/// The ARN of the group with this name in this account.
pub(crate) fn target_group_arn(world: &World, account: &str, name: &str) -> Option<String> {
    let mut groups = world.elb.groups.iter();
    groups.find(|(_, g)| g.account == account && g.settings.name == name).map(|(arn, _)| arn.to_string())
}

/// The ARN of the listener with this name in this account.
pub(crate) fn listener_arn(world: &World, account: &str, name: &str) -> Option<String> {
    let mut listeners = world.elb.listeners.iter();
    listeners.find(|(_, l)| l.account == account && l.name == name).map(|(arn, _)| arn.to_string())
}

/// What a load balancer is called as a metric's dimension.
pub(crate) fn dimension(account: &str, name: &str) -> String {
    format!("app/{name}/{}", id(&[account, "balancer", name]))
}

/// Puts a target into a group; its health starts as `initial`.
pub(crate) fn register_target(world: &mut World, group_arn: &str, target: Target) {
    let now = world.now;
    let elb = &mut world.elb;
    let Some(group) = elb.groups.get_mut(group_arn) else { return };
    elb.registrations += 1;
    let serial = elb.registrations;
    match group.targets.iter_mut().find(|t| t.is(&target.id, target.port)) {
        Some(known) if !known.draining() => {}
        // Taken back out of its drain: what is under way goes on counting.
        Some(known) => {
            known.target = target;
            known.start(now);
        }
        None => group.targets.push(Registered::new(target, serial, now)),
    }
}

/// Takes a target out: no new request goes there. It is gone once nothing is under way to it,
/// or its deregistration delay is over.
pub(crate) fn deregister_target(world: &mut World, group_arn: &str, target_id: &str, port: u16) {
    let until = health::drained_at(world, group_arn);
    let Some(group) = world.elb.groups.get_mut(group_arn) else { return };
    group.targets.retain_mut(|t| {
        if t.is(target_id, port) && !t.draining() {
            t.health = Health::Draining { until };
            return t.under_way > 0;
        }
        true
    });
}

/// Whether the target is out of the group and nothing is under way to it.
pub(crate) fn drained(world: &World, group_arn: &str, target_id: &str, port: u16) -> bool {
    world.elb.target(group_arn, target_id, port).is_none()
}

/// `healthy`, `initial`, `unhealthy`, `draining`, `unused`; `None` when it isn't registered.
pub(crate) fn health(world: &World, group_arn: &str, target_id: &str, port: u16) -> Option<String> {
    let target = world.elb.target(group_arn, target_id, port)?;
    let used = world.elb.in_use().contains(group_arn);
    Some(target.health.report(used, world.now.since(target.since)).state.to_owned())
}

/// Why a target is in the state that it is in, in the API's words.
pub(crate) fn why(world: &World, group_arn: &str, target_id: &str, port: u16) -> Option<String> {
    let target = world.elb.target(group_arn, target_id, port)?;
    let used = world.elb.in_use().contains(group_arn);
    target.health.report(used, world.now.since(target.since)).description
}

/// How many targets of each group behind each load balancer are healthy and unhealthy:
/// (load balancer, group, healthy, unhealthy).
pub(crate) fn host_counts(world: &World) -> Vec<(Arc<str>, Arc<str>, u32, u32)> {
    let mut pairs = BTreeSet::new();
    for listener in world.elb.listeners.values() {
        pairs.extend(listener.forward.iter().map(|f| (listener.load_balancer.clone(), f.group.clone())));
    }
    let count = |group: &TargetGroup, wanted: fn(&Health) -> bool| {
        u32::try_from(group.targets.iter().filter(|t| wanted(&t.health)).count()).unwrap_or(u32::MAX)
    };
    pairs
        .into_iter()
        .filter_map(|(balancer, arn)| {
            let group = world.elb.groups.get(&arn).filter(|g| !g.targets.is_empty())?;
            let healthy = count(group, |h| matches!(h, Health::Healthy));
            Some((balancer, arn, healthy, count(group, |h| matches!(h, Health::Unhealthy(_)))))
        })
        .collect()
}

/// `listeners` (with their weights and what they answered) and `targets` of the snapshot.
pub(crate) fn snapshot(world: &World) -> Value {
    let elb = &world.elb;
    let used = elb.in_use();
    let name = |arn: &str| elb.groups.get(arn).map_or("", |g| g.settings.name.as_str());
    let listeners = elb.listeners.iter().map(|(arn, listener)| {
        let weights = listener.forward.iter();
        let weights = weights.map(|f| json!({ "target_group": name(&f.group), "weight": f.weight }));
        json!({
            "account": listener.account,
            "name": listener.name,
            "arn": &**arn,
            "load_balancer": elb.balancer(&listener.load_balancer).map(|b| &b.name),
            "port": listener.port,
            "weights": weights.collect::<Vec<_>>(),
            "requests": listener.tally.snapshot(),
        })
    });
    let targets = elb.groups.iter().flat_map(|(arn, group)| {
        let used = used.contains(&**arn);
        group.targets.iter().map(move |t| {
            let report = t.health.report(used, world.now.since(t.since));
            json!({
                "account": group.account,
                "target_group": group.settings.name,
                "id": t.target.id,
                "port": t.target.port,
                "address": t.target.address.to_string(),
                "task_set": t.target.task_set,
                "state": report.state,
                "reason": report.reason,
                "requests_under_way": t.under_way,
            })
        })
    });
    json!({ "listeners": listeners.collect::<Vec<_>>(), "targets": targets.collect::<Vec<_>>() })
}

impl State {
    pub(crate) fn of(world: &spec::WorldSpec, sockets: &Sockets) -> State {
        let (probes, asked) = mpsc::unbounded_channel();
        let mut state = State {
            load_balancers: Vec::new(),
            listeners: BTreeMap::new(),
            groups: BTreeMap::new(),
            speed: 1.0,
            registrations: 0,
            probes,
            asked: Some(asked),
        };
        for account in &world.accounts {
            state.populate(account, sockets);
        }
        state
    }

    fn populate(&mut self, account: &spec::Account, sockets: &Sockets) {
        let prefix = format!("arn:aws:elasticloadbalancing:{}:{}", account.region, account.id);
        let group_arn = |name: &str| -> Arc<str> {
            format!("{prefix}:targetgroup/{name}/{}", id(&[&account.id, "group", name])).into()
        };
        for group in &account.target_groups {
            let group = TargetGroup {
                account: account.id.clone(),
                region: account.region.clone(),
                settings: group.clone(),
                targets: Vec::new(),
                turn: 0,
            };
            self.groups.insert(group_arn(&group.settings.name), group);
        }
        for balancer in &account.load_balancers {
            let path = dimension(&account.id, &balancer.name);
            let arn: Arc<str> = format!("{prefix}:loadbalancer/{path}").into();
            self.load_balancers.push(LoadBalancer {
                arn: arn.clone(),
                name: balancer.name.clone(),
                account: account.id.clone(),
                region: account.region.clone(),
                created: Time(chrono::Utc::now().timestamp_millis()),
            });
            for listener in &balancer.listeners {
                let only = listener.forward.len() == 1;
                let forward = listener.forward.iter().map(|f| Forward {
                    group: group_arn(&f.target_group),
                    weight: if only { f.weight.min(1) } else { f.weight },
                    credit: 0,
                });
                let last = id(&[&account.id, "listener", &balancer.name, &listener.name]);
                self.listeners.insert(
                    format!("{prefix}:listener/{path}/{last}").into(),
                    Listener {
                        name: listener.name.clone(),
                        account: account.id.clone(),
                        load_balancer: arn.clone(),
                        port: sockets.port(&account.id, &listener.name).unwrap_or(listener.port),
                        forward: forward.collect(),
                        idle_timeout: IDLE_TIMEOUT,
                        tally: Tally::default(),
                    },
                );
            }
        }
    }

    /// The groups that a listener forwards to, with whatever weight.
    fn in_use(&self) -> BTreeSet<Arc<str>> {
        self.listeners.values().flat_map(|l| l.forward.iter().map(|f| f.group.clone())).collect()
    }

    fn balancer(&self, arn: &str) -> Option<&LoadBalancer> {
        self.load_balancers.iter().find(|b| *b.arn == *arn)
    }

    fn target(&self, group_arn: &str, id: &str, port: u16) -> Option<&Registered> {
        self.groups.get(group_arn)?.targets.iter().find(|t| t.is(id, port))
    }
}

impl Registered {
    fn new(target: Target, serial: u64, now: Time) -> Registered {
        Registered {
            target,
            serial,
            since: now,
            health: Health::Initial,
            under_way: 0,
            next_check: now + health::REGISTRATION,
            checking: false,
            streak: 0,
            last_passed: false,
        }
    }

    /// Lets the checks begin anew.
    fn start(&mut self, now: Time) {
        self.since = now;
        self.health = Health::Initial;
        self.next_check = now + health::REGISTRATION;
        self.streak = 0;
    }

    fn is(&self, id: &str, port: u16) -> bool {
        self.target.port == port && self.target.id == id
    }

    fn draining(&self) -> bool {
        matches!(self.health, Health::Draining { .. })
    }
}

/// The sixteen hex digits of an ARN, the same in every world of the same names.
fn id(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    hex::encode(&digest.finalize()[..8])
}
