//! One running container, whatever it is made of, and what its task's containers share.

use super::{ContainerPlan, Port, Runtime, TaskPlan, docker, stand_in};
use crate::ecs::PullError;
use crate::world::World;
use std::{net::SocketAddr, sync::Arc};
use tokio::sync::watch;

pub(super) struct Running {
    pub(super) id: String,
    /// The published ports with the loopback address that each answers at.
    pub(super) ports: Vec<(Port, SocketAddr)>,
    /// Set once it has ended.
    pub(super) exit: watch::Receiver<Option<Exit>>,
    /// The last result of its health check.
    pub(super) health: watch::Receiver<Option<bool>>,
    pub(super) handle: Handle,
}

/// How a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exit {
    pub(super) code: i64,
    pub(super) out_of_memory: bool,
}

/// What a container is stopped and removed by.
pub(super) enum Handle {
    Docker(docker::Handle),
    StandIn(stand_in::Handle),
}

/// What the containers of a task share: a network, volumes.
pub(super) enum Home {
    Docker(docker::Home),
    StandIn,
}

impl Runtime {
    /// Fetches the image; answers the digest of its manifest.
    pub(super) async fn pull(
        &self,
        world: &Arc<World>,
        plan: &ContainerPlan,
    ) -> Result<Option<String>, PullError> {
        match self {
            Runtime::Docker(docker) => docker.pull(plan).await,
            Runtime::StandIn => stand_in::pull(world, plan),
        }
    }

    pub(super) async fn make_home(&self, plan: &TaskPlan) -> Result<Home, String> {
        match self {
            Runtime::Docker(docker) => docker.make_home(plan).await.map(Home::Docker),
            Runtime::StandIn => Ok(Home::StandIn),
        }
    }

    pub(super) async fn leave_home(&self, home: Home) {
        if let (Runtime::Docker(docker), Home::Docker(home)) = (self, home) {
            docker.leave_home(home).await;
        }
    }

    /// Starts the container, or says why it can't start.
    pub(super) async fn start(
        &self,
        world: &Arc<World>,
        task: &TaskPlan,
        plan: &ContainerPlan,
        home: &Home,
    ) -> Result<Running, String> {
        match (self, home) {
            (Runtime::Docker(docker), Home::Docker(home)) => docker.start(world, task, plan, home).await,
            _ => stand_in::start(world, task, plan).await,
        }
    }
}

impl Running {
    /// Asks it to end.
    pub(super) async fn terminate(&self) {
        match &self.handle {
            Handle::Docker(handle) => handle.terminate().await,
            Handle::StandIn(handle) => handle.terminate(),
        }
    }

    pub(super) async fn kill(&self) {
        match &self.handle {
            Handle::Docker(handle) => handle.kill().await,
            Handle::StandIn(handle) => handle.kill(),
        }
    }

    /// Takes away what is left of it once it has ended.
    pub(super) async fn remove(self) {
        if let Handle::Docker(handle) = self.handle {
            handle.remove().await;
        }
    }
}

/// Resolves when the container has ended.
pub(super) async fn exited(exit: &mut watch::Receiver<Option<Exit>>) -> Exit {
    let ended = exit.wait_for(Option::is_some).await.ok().and_then(|exit| *exit);
    // Whoever watched it is gone, and so is the container.
    ended.unwrap_or(Exit { code: 137, out_of_memory: false })
}

/// Resolves when the health check has a result that is another than before.
pub(super) async fn judged(health: &mut watch::Receiver<Option<bool>>) -> bool {
    loop {
        if health.changed().await.is_err() {
            return std::future::pending().await;
        }
        if let Some(healthy) = *health.borrow_and_update() {
            return healthy;
        }
    }
}
