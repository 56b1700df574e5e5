//! Applications, deployment groups, and deployments as an explicit state machine.

use crate::front::{Answer, ApiError, Call, Need};
use crate::state::State as World;

#[derive(Debug, Default)]
pub(crate) struct State {}

pub(crate) fn needs(_world: &World, _call: &Call) -> Vec<Need> {
    Vec::new()
}

pub(crate) fn handle(_world: &mut World, call: &Call) -> Answer {
    Err(ApiError::new("InvalidAction", format!("no operation is named {}", call.operation)))
}

/// One moment of all deployments.
pub(crate) fn advance(_world: &mut World) -> Option<crate::Time> {
    None
}

/// The applications, groups and configs that the world starts with.
pub(crate) fn populate(_world: &mut World, _spec: &crate::spec::WorldSpec) -> anyhow::Result<()> {
    Ok(())
}

/// `deployments` of the snapshot.
pub(crate) fn snapshot(_world: &World) -> serde_json::Value {
    serde_json::json!({})
}
