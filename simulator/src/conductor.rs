//! Moves the world on: calls every service's `advance` whenever something changed or the
//! next moment that one of them waits for has come, and hands their commands to the engine.

use crate::{cloudwatch, codedeploy, ecs, elb, world::World};
use std::sync::Arc;

pub(crate) async fn conduct(world: Arc<World>) {
    loop {
        let changed = world.changed();
        let (next, commands) = {
            let mut state = world.lock();
            let mut commands = Vec::new();
            let next = [
                cloudwatch::advance(&mut state),
                codedeploy::advance(&mut state),
                ecs::advance(&mut state, &mut commands),
                // Last, since the two before it register targets and set weights.
                elb::advance(&mut state),
            ];
            (next.into_iter().flatten().min(), commands)
        };
        for command in commands {
            world.engine().carry_out(&world, command);
        }
        match next {
            Some(at) => {
                tokio::select! {
                    () = changed.notified() => {}
                    () = world.clock().sleep_until(at) => {}
                }
            }
            None => changed.notified().await,
        }
    }
}
