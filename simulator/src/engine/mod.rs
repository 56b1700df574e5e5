//! What runs the tasks' containers: Docker's engine, or in-process stand-ins that say so.

mod container;
mod docker;
mod image;
mod misbehave;
mod pause;
mod plan;
mod stand_in;
mod task;

pub(crate) use plan::{Condition, ContainerPlan, HealthCheck, LogStream, Port, PullAs, TaskPlan};

use crate::world::World;
use anyhow::Result;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What the scheduler asks for. Each is carried out beside the world's lock and reported
/// back into the state with `World::change`.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    /// Pull and start the containers of the task with this ARN.
    Start { task: String },
    /// Stop them: SIGTERM, then SIGKILL after the stop timeout.
    Stop { task: String },
}

pub(crate) struct Engine {
    runtime: Arc<Runtime>,
    /// What tells each task's containers to stop, by the task's ARN.
    running: Arc<Mutex<BTreeMap<String, CancellationToken>>>,
    tracker: TaskTracker,
    closing: CancellationToken,
}

/// What containers are made of.
enum Runtime {
    Docker(Box<docker::Docker>),
    StandIn,
}

impl Engine {
    pub(crate) async fn connect(docker: bool) -> Result<Engine> {
        let runtime = if docker {
            Runtime::Docker(Box::new(docker::Docker::connect().await?))
        } else {
            Runtime::StandIn
        };
        Ok(Engine {
            runtime: Arc::new(runtime),
            running: Arc::default(),
            tracker: TaskTracker::new(),
            closing: CancellationToken::new(),
        })
    }

    /// Spawns what the command asks for and returns at once.
    pub(crate) fn carry_out(&self, world: &Arc<World>, command: Command) {
        match command {
            Command::Start { .. } if self.closing.is_cancelled() => {}
            Command::Start { task } => {
                let stop = CancellationToken::new();
                self.running.lock().insert(task.clone(), stop.clone());
                let orders = Orders { stop, closing: self.closing.clone() };
                let (world, runtime, running) = (world.clone(), self.runtime.clone(), self.running.clone());
                self.tracker.spawn(async move {
                    task::run(&world, &runtime, &task, &orders).await;
                    running.lock().remove(&task);
                });
            }
            Command::Stop { task } => {
                if let Some(stop) = self.running.lock().get(&task) {
                    stop.cancel();
                }
            }
        }
    }

    /// Removes every container that this world started, and the images of its registries' hosts.
    pub(crate) async fn clean_up(&self, registries: &[&str]) {
        self.closing.cancel();
        self.tracker.close();
        self.tracker.wait().await;
        if let Runtime::Docker(docker) = &*self.runtime {
            docker.remove_leftovers(registries).await;
        }
    }
}

/// What a running task listens to.
struct Orders {
    /// The task is to stop: SIGTERM, the stop timeout, SIGKILL.
    stop: CancellationToken,
    /// The world shuts down: nothing is waited for.
    closing: CancellationToken,
}

impl Orders {
    async fn stopped(&self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.closing.cancelled() => {}
        }
    }
}
