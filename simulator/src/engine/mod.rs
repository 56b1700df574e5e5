//! What runs the tasks' containers: Docker's engine, or in-process stand-ins that say so.

use crate::world::World;
use std::sync::Arc;

/// What the scheduler asks for. Each is carried out beside the world's lock and reported
/// back into the state with `World::change`.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    /// Pull and start the containers of the task with this ARN.
    Start { task: String },
    /// Stop them: SIGTERM, then SIGKILL after the stop timeout.
    Stop { task: String },
}

pub(crate) enum Engine {
    Docker,
    StandIn,
}

impl Engine {
    pub(crate) async fn connect(docker: bool) -> anyhow::Result<Engine> {
        Ok(if docker { Engine::Docker } else { Engine::StandIn })
    }

    /// Spawns what the command asks for and returns at once.
    pub(crate) fn carry_out(&self, _world: &Arc<World>, _command: Command) {}

    /// Removes every container that this world started.
    pub(crate) async fn clean_up(&self) {}
}
