//! Applications, deployment groups, and deployments as an explicit state machine.

mod api;
mod appspec;
mod configs;
mod creation;
mod ending;
mod machine;
mod model;
mod neighbours;
mod populate;
mod snapshot;
mod stranger;
#[cfg(test)]
mod tests;
mod traffic;

pub(crate) use api::{handle, needs};
pub(crate) use model::State;
pub(crate) use populate::populate;
pub(crate) use snapshot::snapshot;

use crate::state::State as World;
use machine::Moment;

/// One moment of all deployments.
pub(crate) fn advance(world: &mut World) -> Option<crate::Time> {
    stranger::arrive(world);
    let active = world.codedeploy.places.values().flat_map(|holdings| &holdings.deployments);
    if active.into_iter().all(model::Deployment::ended) {
        return None;
    }
    // The machine changes the deployments and their surroundings at once.
    let mut state = std::mem::take(&mut world.codedeploy);
    let (truths, faults) = (world.truths.clone(), world.faults.clone());
    let moment = Moment { now: world.now, truths: &truths, faults: &faults, functions: &state.functions };
    let next = state
        .places
        .values_mut()
        .filter_map(|holdings| machine::run(&mut holdings.deployments, &moment, world))
        .min();
    world.codedeploy = state;
    next
}
