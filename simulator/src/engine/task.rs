//! One task: its images are pulled, then its containers live side by side, each started when
//! those that it depends on have come as far as it wants.

use super::{
    Condition, ContainerPlan, Orders, Runtime, TaskPlan,
    container::{Home, Running, exited, judged},
};
use crate::ecs;
use crate::world::World;
use futures_util::future::join_all;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::watch;

/// A dependency without a start timeout is waited for so long.
const START_TIMEOUT: Duration = Duration::from_secs(180);
/// Containers start and stop in real time, so that however fast the world runs they have so
/// long on the wall.
const LEAST: Duration = Duration::from_secs(2);

/// How far a container has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    started: bool,
    healthy: bool,
    /// It is over; with its exit code if it ran.
    ended: Option<Option<i64>>,
}

type Watches = BTreeMap<String, watch::Sender<Progress>>;

/// Runs a task from its pull to its end, and reports what happens.
pub(super) async fn run(world: &Arc<World>, runtime: &Runtime, task: &str, orders: &Orders) {
    match world.change(|state| ecs::prepare(state, task)) {
        Ok(plan) => live(world, runtime, &plan, orders).await,
        Err(reason) => world.change(|state| ecs::failed(state, task, None, &reason)),
    }
    world.change(|state| ecs::ended(state, task));
}

async fn live(world: &Arc<World>, runtime: &Runtime, plan: &TaskPlan, orders: &Orders) {
    for container in &plan.containers {
        let pulled = tokio::select! {
            () = orders.stopped() => return,
            pulled = runtime.pull(world, container) => pulled,
        };
        match pulled {
            Ok(digest) => {
                world.change(|state| ecs::pulled(state, &plan.task, &container.name, digest));
            }
            Err(error) => {
                world.change(|state| {
                    ecs::pull_failed(state, &plan.task, &container.name, &container.image, &error);
                });
                return;
            }
        }
    }
    let home = match runtime.make_home(plan).await {
        Ok(home) => home,
        Err(error) => {
            let reason = format!("ResourceInitializationError: {error}");
            world.change(|state| ecs::failed(state, &plan.task, None, &reason));
            return;
        }
    };
    let watches: Watches =
        plan.containers.iter().map(|one| (one.name.clone(), watch::Sender::default())).collect();
    let lives = plan.containers.iter().map(|one| {
        let life = Life { world, runtime, plan, orders, watches: &watches, container: one };
        life.live(&home)
    });
    join_all(lives).await;
    runtime.leave_home(home).await;
}

/// One container of a task, with what it is surrounded by.
struct Life<'a> {
    world: &'a Arc<World>,
    runtime: &'a Runtime,
    plan: &'a TaskPlan,
    orders: &'a Orders,
    watches: &'a Watches,
    container: &'a ContainerPlan,
}

impl Life<'_> {
    async fn live(self, home: &Home) {
        let mut code = None;
        let ready = tokio::select! {
            biased;
            () = self.orders.stopped() => None,
            ready = self.dependencies() => Some(ready),
        };
        match ready {
            None => {}
            Some(Err(reason)) => self.failed(&reason),
            Some(Ok(())) => match self.runtime.start(self.world, self.plan, self.container, home).await {
                Err(reason) => self.failed(&reason),
                Ok(running) => code = Some(self.follow(running).await),
            },
        }
        self.progress(|progress| progress.ended = Some(code));
    }

    /// From the container's start to its exit; answers the exit code.
    async fn follow(&self, running: Running) -> i64 {
        let (task, name) = (&self.plan.task, &self.container.name);
        self.world.change(|state| ecs::started(state, task, name, &running.id, &running.ports));
        self.progress(|progress| progress.started = true);
        let (mut exit, mut health) = (running.exit.clone(), running.health.clone());
        let exit = {
            let mut stop = std::pin::pin!(self.stop(&running));
            let mut asked = false;
            loop {
                tokio::select! {
                    exit = exited(&mut exit) => break exit,
                    healthy = judged(&mut health) => {
                        self.world.change(|state| ecs::health(state, task, name, healthy));
                        self.progress(|progress| progress.healthy = healthy);
                    }
                    () = &mut stop, if !asked => asked = true,
                }
            }
        };
        running.remove().await;
        self.world.change(|state| ecs::exited(state, task, name, Some(exit.code), exit.out_of_memory));
        exit.code
    }

    /// Stops the container when the task is to stop, and kills it when it takes too long or the
    /// world shuts down.
    async fn stop(&self, running: &Running) {
        let graceful = async {
            self.order_to_stop().await;
            running.terminate().await;
            tokio::time::sleep(self.real(self.container.stop_timeout)).await;
        };
        tokio::select! {
            () = graceful => {}
            () = self.orders.closing.cancelled() => {}
        }
        running.kill().await;
    }

    /// A container stops after those that depend on it.
    async fn order_to_stop(&self) {
        self.orders.stop.cancelled().await;
        let depends =
            |one: &&ContainerPlan| one.dependencies.iter().any(|(on, _)| *on == self.container.name);
        for dependent in self.plan.containers.iter().filter(depends) {
            self.wait_for(&dependent.name, |progress| progress.ended.is_some()).await;
        }
    }

    async fn dependencies(&self) -> Result<(), String> {
        for (on, condition) in &self.container.dependencies {
            let plan = self.plan.containers.iter().find(|one| one.name == *on);
            let limit = plan.and_then(|one| one.start_timeout).unwrap_or(START_TIMEOUT);
            let come =
                self.wait_for(on, |progress| progress.ended.is_some() || reached(*condition, progress));
            let progress = tokio::time::timeout(self.real(limit), come).await;
            match progress {
                Ok(progress) if reached(*condition, &progress) => {}
                Ok(Progress { ended: Some(Some(code)), .. }) => {
                    return Err(format!(
                        "DependencyError: container {on}, which {} depends on, exited with {code}",
                        self.container.name
                    ));
                }
                Ok(_) => return Err(format!("DependencyError: container {on} didn't start")),
                Err(_) => {
                    return Err(format!(
                        "DependencyError: container {on} didn't become what {} depends on within {} s",
                        self.container.name,
                        limit.as_secs()
                    ));
                }
            }
        }
        Ok(())
    }

    /// The first progress of another container that is as wanted.
    async fn wait_for(&self, name: &str, wanted: impl Fn(&Progress) -> bool) -> Progress {
        let Some(sender) = self.watches.get(name) else { return Progress::default() };
        let mut watch = sender.subscribe();
        watch.wait_for(|progress| wanted(progress)).await.map(|progress| *progress).unwrap_or_default()
    }

    fn failed(&self, reason: &str) {
        let (task, name) = (&self.plan.task, &self.container.name);
        self.world.change(|state| ecs::failed(state, task, Some(name), reason));
    }

    fn progress(&self, change: impl FnOnce(&mut Progress)) {
        if let Some(sender) = self.watches.get(&self.container.name) {
            sender.send_modify(change);
        }
    }

    fn real(&self, span: Duration) -> Duration {
        self.world.clock().real(span).max(LEAST)
    }
}

fn reached(condition: Condition, progress: &Progress) -> bool {
    match condition {
        Condition::Start => progress.started,
        Condition::Complete => matches!(progress.ended, Some(Some(_))),
        Condition::Success => progress.ended == Some(Some(0)),
        Condition::Healthy => progress.healthy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_condition_is_met_by_its_own_progress() {
        let started = Progress { started: true, ..Progress::default() };
        let failed = Progress { ended: Some(Some(1)), ..started };
        let done = Progress { ended: Some(Some(0)), ..started };
        let healthy = Progress { healthy: true, ..started };
        let met = |condition| [started, failed, done, healthy].map(|one| reached(condition, &one));
        assert_eq!(met(Condition::Start), [true; 4]);
        assert_eq!(met(Condition::Complete), [false, true, true, false]);
        assert_eq!(met(Condition::Success), [false, false, true, false]);
        assert_eq!(met(Condition::Healthy), [false, false, false, true]);
    }
}
