//! Moves tasks through their lives, and keeps services at the tasks that they want.

#[cfg(test)]
mod tests;

use super::{
    ServiceKey,
    place::{Purpose, Unplaced, place},
    service::{Controller, Service},
    task::{Binding, ContainerStatus, Phase, Task},
    task_set::TaskSet,
};
use crate::state::State as World;
use crate::{Time, elb, engine::Command};
use std::{collections::BTreeMap, time::Duration};

/// Stopped tasks can be described for so long.
const MEMORY: Duration = Duration::from_secs(3600);
/// A container starts in real time whatever the world's speed: before so many real seconds its
/// target isn't judged.
const REAL_GRACE_SECONDS: f64 = 3.0;

/// One moment of the scheduler: starts what is missing, stops what is too much. Returns when
/// it wants to be called again if nothing happens before.
pub(crate) fn advance(world: &mut World, out: &mut Vec<Command>) -> Option<Time> {
    if !world.ecs.begun {
        return None;
    }
    let mut pass = Pass { out, changed: false, next: None };
    let tasks: Vec<String> = world.ecs.tasks.keys().cloned().collect();
    for arn in tasks {
        pass.task(world, &arn);
    }
    let services: Vec<ServiceKey> = world.ecs.services.keys().cloned().collect();
    for key in services {
        pass.service(world, &key);
    }
    let now = world.now;
    world.ecs.tasks.retain(|_, task| task.times.stopped.is_none_or(|at| now.since(at) < MEMORY));
    let settled = world.ecs.unsettled().is_empty();
    world.ecs.settled.send_if_modified(|known| std::mem::replace(known, settled) != settled);
    // What changed here may be what another service waits for, so all are called once more.
    if pass.changed { Some(now) } else { pass.next }
}

/// How long a task set waits after so many failures in a row.
fn back_off(failures: u32) -> Duration {
    Duration::from_secs((10u64 << failures.saturating_sub(1).min(10)).min(15 * 60))
}

struct Pass<'a> {
    out: &'a mut Vec<Command>,
    changed: bool,
    next: Option<Time>,
}

impl Pass<'_> {
    fn wake(&mut self, at: Time) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    // One task.

    fn task(&mut self, world: &mut World, arn: &str) {
        let Some(mut task) = world.ecs.tasks.remove(arn) else { return };
        let before = (task.phase, task.wanted);
        self.step(world, &mut task);
        self.changed |= before != (task.phase, task.wanted);
        world.ecs.tasks.insert(arn.to_owned(), task);
    }

    fn step(&mut self, world: &mut World, task: &mut Task) {
        let now = world.now;
        match task.phase {
            Phase::Provisioning if !task.wanted => {
                task.times.stopping = Some(now);
                stopped(task, now);
            }
            Phase::Provisioning if now >= task.times.provisioned => {
                task.phase = Phase::Pending;
                self.out.push(Command::Start { task: task.arn.clone() });
            }
            Phase::Provisioning => self.wake(task.times.provisioned),
            Phase::Pending | Phase::Running | Phase::Deactivating if exited(task) => {
                if task.stop_code.is_none() {
                    task.times.started.get_or_insert(now);
                    task.stop("EssentialContainerExited", "Essential container in task exited");
                }
                task.times.execution_stopped = Some(now);
                self.failed(world, task);
                self.deregister(world, task);
                self.stop(task, now);
            }
            Phase::Pending if !task.wanted => {
                self.failed(world, task);
                self.stop(task, now);
            }
            Phase::Pending if task.containers.iter().all(|c| c.status != ContainerStatus::Pending) => {
                task.phase = Phase::Running;
                task.times.started = Some(now);
                register(world, task);
            }
            Phase::Running if !task.wanted => {
                self.deregister(world, task);
                if task.targets.is_empty() {
                    self.stop(task, now);
                } else {
                    task.phase = Phase::Deactivating;
                }
            }
            Phase::Running => self.judge(world, task),
            Phase::Deactivating => {
                let drained =
                    |(group, id, port): &(String, String, u16)| elb::drained(world, group, id, *port);
                if task.targets.iter().all(drained) {
                    self.stop(task, now);
                }
            }
            Phase::Stopping if task.ended => stopped(task, now),
            Phase::Pending | Phase::Stopping | Phase::Stopped => {}
        }
    }

    fn stop(&mut self, task: &mut Task, now: Time) {
        task.phase = Phase::Stopping;
        task.times.stopping = Some(now);
        self.out.push(Command::Stop { task: task.arn.clone() });
    }

    /// Stops a task of a service whose target or container is unhealthy.
    fn judge(&mut self, world: &mut World, task: &mut Task) {
        let Some((key, _)) = &task.owner else { return };
        if task.health() == Some(false) {
            task.stop("ServiceSchedulerInitiated", "Task failed container health checks");
            self.failed(world, task);
            return;
        }
        let sick = task
            .targets
            .iter()
            .find(|(group, id, port)| elb::health(world, group, id, *port).as_deref() == Some("unhealthy"));
        let Some((group, id, port)) = sick.cloned() else { return };
        let seconds = world.ecs.services.get(key).map_or(0, |service| service.grace_seconds);
        let grace =
            Duration::from_secs(seconds).max(Duration::from_secs_f64(REAL_GRACE_SECONDS * world.ecs.speed));
        let judged_from = task.times.started.unwrap_or(world.now) + grace;
        if world.now < judged_from {
            return self.wake(judged_from);
        }
        let why = elb::why(world, &group, &id, port).unwrap_or_else(|| "Health checks failed".into());
        let what = format!("(port {port}) is unhealthy in (target-group {group}) due to (reason {why})");
        note(world, task, &what);
        task.stop(
            "ServiceSchedulerInitiated",
            &format!("Task failed ELB health checks in (target-group {group})"),
        );
        self.failed(world, task);
    }

    /// Puts off the replacement of a task that failed.
    fn failed(&mut self, world: &mut World, task: &Task) {
        let failures = ["TaskFailedToStart", "EssentialContainerExited"];
        let unhealthy =
            task.stopped_reason.as_deref().is_some_and(|reason| reason.starts_with("Task failed"));
        if !unhealthy && !task.stop_code.as_deref().is_some_and(|code| failures.contains(&code)) {
            return;
        }
        let now = world.now;
        let Some((key, id)) = &task.owner else { return };
        let Some(service) = world.ecs.services.get_mut(key) else { return };
        let Some(set) = service.task_set_mut(id) else { return };
        // Tasks that fail together are one failure, else a service of many would wait the longest.
        if now >= set.not_before {
            set.failures += 1;
            set.not_before = now + back_off(set.failures);
        }
        if set.failures == 3 {
            service.event(
                now,
                Some(id),
                "is unable to consistently start tasks successfully. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.",
            );
        }
    }

    fn deregister(&mut self, world: &mut World, task: &Task) {
        for (group, id, port) in &task.targets {
            elb::deregister_target(world, group, id, *port);
            note(world, task, &format!("deregistered 1 targets in (target-group {group})"));
        }
        if !task.targets.is_empty() {
            note(world, task, "has begun draining connections on 1 tasks.");
        }
    }

    // One service.

    fn service(&mut self, world: &mut World, key: &ServiceKey) {
        let Some(mut service) = world.ecs.services.remove(key) else { return };
        let wanted = wanted(world, &service);
        let ids: Vec<String> = service.task_sets.iter().map(|set| set.id.clone()).collect();
        for id in &ids {
            let wanted = wanted.get(id).copied().unwrap_or(0);
            self.scale(world, &mut service, id, wanted);
        }
        let now = world.now;
        for id in &ids {
            let Some(set) = service.task_set(id) else { continue };
            let steady = steady(world, &service, set);
            if steady == set.steady {
                continue;
            }
            self.changed = true;
            if let Some(set) = service.task_set_mut(id) {
                set.steady = steady;
                set.steady_at = now;
                if steady {
                    set.failures = 0;
                }
            }
            if steady {
                service.event(now, Some(id), "has reached a steady state.");
            }
        }
        self.remove_sets(world, &mut service);
        world.ecs.services.insert(key.clone(), service);
    }

    fn scale(&mut self, world: &mut World, service: &mut Service, id: &str, wanted: u32) {
        let now = world.now;
        let Some(set) = service.task_set(id) else { return };
        let mut live: Vec<(Phase, String)> = set
            .tasks(world, service)
            .filter(|task| task.wanted)
            .map(|task| (task.phase, task.arn.clone()))
            .collect();
        live.sort();
        let count = u32::try_from(live.len()).unwrap_or(u32::MAX);
        if count > wanted {
            let excess = (count - wanted) as usize;
            let reason = format!("Scaling activity initiated by (deployment {id})");
            let mut named = Vec::new();
            for (_, arn) in live.into_iter().take(excess) {
                if let Some(task) = world.ecs.tasks.get_mut(&arn) {
                    task.stop("ServiceSchedulerInitiated", &reason);
                    named.push(format!("(task {})", task.id()));
                }
            }
            self.changed = true;
            let what = format!("has stopped {} running tasks: {}.", named.len(), named.join(" "));
            service.event(now, Some(id), &what);
        } else if count < wanted {
            if now < set.not_before {
                return self.wake(set.not_before);
            }
            self.start(world, service, id, wanted - count);
        }
    }

    fn start(&mut self, world: &mut World, service: &mut Service, id: &str, count: u32) {
        let now = world.now;
        let Some(set) = service.task_set(id).cloned() else { return };
        let cluster_key = (service.key.account.clone(), service.key.cluster.clone());
        let Some(cluster) = world.ecs.clusters.get(&cluster_key).cloned() else { return };
        let mut named = Vec::new();
        for _ in 0..count {
            match place(world, &cluster, &set.launch, purpose(service, &set)) {
                Ok(arn) => named.push(format!("(task {})", super::arn::last(&arn))),
                Err(unplaced) => {
                    let what = format!("was unable to place a task because {}", why(&unplaced));
                    service.event(now, Some(id), &what);
                    if let Some(set) = service.task_set_mut(id) {
                        set.failures += 1;
                        set.not_before = now + back_off(set.failures);
                        self.wake(set.not_before);
                    }
                    break;
                }
            }
        }
        if !named.is_empty() {
            self.changed = true;
            let what = format!("has started {} tasks: {}.", named.len(), named.join(" "));
            service.event(now, Some(id), &what);
        }
    }

    /// Drops the task sets that are drained, and the finished deployments of controller ECS.
    fn remove_sets(&mut self, world: &World, service: &mut Service) {
        let rolled = service.controller == Controller::Ecs && service.primary().is_some_and(|set| set.steady);
        let gone: Vec<String> = service
            .task_sets
            .iter()
            .filter(|set| set.status == "DRAINING" || rolled && set.status == "ACTIVE")
            .filter(|set| set.tasks(world, service).all(|task| task.phase == Phase::Stopped))
            .map(|set| set.id.clone())
            .collect();
        if !gone.is_empty() {
            self.changed = true;
            service.task_sets.retain(|set| !gone.contains(&set.id));
        }
    }
}

fn purpose(service: &Service, set: &TaskSet) -> Purpose {
    Purpose {
        owner: Some((service.key.clone(), set.id.clone())),
        group: format!("service:{}", service.key.service),
        started_by: Some(set.id.clone()),
        misbehave: set.misbehave.clone(),
        ..Purpose::default()
    }
}

pub(super) fn why(unplaced: &Unplaced) -> String {
    match unplaced {
        Unplaced::NoInstance => "no container instance met all of its requirements. Reason: No Container Instances were found in your cluster.".into(),
        Unplaced::PortTaken(instance) => format!(
            "no container instance met all of its requirements. The closest matching (container-instance {}) is already using a port required by your task.",
            super::arn::last(instance)
        ),
        Unplaced::NoDefinition => "its task definition doesn't exist.".into(),
    }
}

/// How many tasks each task set is to have now.
fn wanted(world: &World, service: &Service) -> BTreeMap<String, u32> {
    let desired = |set: &TaskSet| {
        let wanted = if set.status == "DRAINING" { 0 } else { set.desired(service) };
        (set.id.clone(), wanted)
    };
    if service.controller != Controller::Ecs {
        return service.task_sets.iter().map(desired).collect();
    }
    // A rolling update: the new one grows within maximumPercent, the others shrink as far as
    // minimumHealthyPercent lets them.
    let count = |set: &TaskSet, fits: fn(&Task) -> bool| {
        let tasks = set.tasks(world, service).filter(|task| task.wanted && fits(task));
        u32::try_from(tasks.count()).unwrap_or(u32::MAX)
    };
    let total = service.desired;
    let most = total * service.percent("maximumPercent", 200) / 100;
    let least = (total * service.percent("minimumHealthyPercent", 100)).div_ceil(100);
    let live: u32 = service.task_sets.iter().map(|set| count(set, |_| true)).sum();
    let healthy = |set: &TaskSet| {
        let fine = set.tasks(world, service).filter(|task| task.wanted && is_fine(world, set, task));
        u32::try_from(fine.count()).unwrap_or(u32::MAX)
    };
    let mut spare = service.task_sets.iter().map(healthy).sum::<u32>().saturating_sub(least);
    let mut wanted = BTreeMap::new();
    for set in &service.task_sets {
        let here = count(set, |_| true);
        let number = if set.status == "PRIMARY" {
            let others = live - here;
            total.min(most.saturating_sub(others).max(here))
        } else {
            // Tasks that serve nobody may always go.
            let kept = healthy(set);
            let go = kept.min(spare);
            spare -= go;
            kept - go
        };
        wanted.insert(set.id.clone(), number);
    }
    wanted
}

/// Running, its containers healthy, its targets registered and healthy.
fn is_fine(world: &World, set: &TaskSet, task: &Task) -> bool {
    task.phase == Phase::Running
        && task.healthy()
        && task.targets.len() == set.launch.load_balancers.len()
        && task.targets.iter().all(|(group, id, port)| {
            // A group behind no listener isn't checked by anyone.
            matches!(elb::health(world, group, id, *port).as_deref(), Some("healthy" | "unused"))
        })
}

/// STEADY_STATE as the API defines it.
fn steady(world: &World, service: &Service, set: &TaskSet) -> bool {
    let counts = set.counts(world, service);
    counts.running == counts.desired
        && counts.pending == 0
        && set
            .tasks(world, service)
            .filter(|task| task.phase == Phase::Running)
            .all(|task| is_fine(world, set, task))
}

/// An essential container is gone, or nothing is left.
fn exited(task: &Task) -> bool {
    task.ended || task.containers.iter().any(|c| c.essential && c.status == ContainerStatus::Stopped)
}

fn stopped(task: &mut Task, now: Time) {
    task.phase = Phase::Stopped;
    task.wanted = false;
    task.times.execution_stopped.get_or_insert(now);
    task.times.stopped = Some(now);
    for container in &mut task.containers {
        container.status = ContainerStatus::Stopped;
    }
}

/// Registers a task that runs in the target groups of its task set.
fn register(world: &mut World, task: &mut Task) {
    let Some((key, id)) = task.owner.clone() else { return };
    let balancers = world
        .ecs
        .services
        .get(&key)
        .and_then(|service| service.task_set(&id))
        .map(|set| set.launch.load_balancers.clone())
        .unwrap_or_default();
    for balancer in balancers {
        let container = task.containers.iter().find(|container| container.name == balancer.container);
        let bound = |binding: &&Binding| binding.container_port == balancer.port;
        let Some(binding) = container.and_then(|c| c.bindings.iter().find(bound)) else {
            let what = format!(
                "was unable to register targets in (target-group {}): container {} has no port {}.",
                balancer.target_group, balancer.container, balancer.port
            );
            note(world, task, &what);
            continue;
        };
        let (target, port) = match (&task.interface, &task.instance_id) {
            (Some(interface), _) => (interface.address.clone(), binding.container_port),
            (None, Some(instance)) => (instance.clone(), binding.host_port),
            (None, None) => continue,
        };
        let address = binding.address;
        elb::register_target(
            world,
            &balancer.target_group,
            elb::Target { id: target.clone(), port, address, task_set: id.clone() },
        );
        let what = format!("registered 1 targets in (target-group {})", balancer.target_group);
        note(world, task, &what);
        task.targets.push((balancer.target_group, target, port));
    }
}

fn note(world: &mut World, task: &Task, what: &str) {
    let now = world.now;
    if let Some((key, id)) = &task.owner
        && let Some(service) = world.ecs.services.get_mut(key)
    {
        service.event(now, Some(id), what);
    }
}
