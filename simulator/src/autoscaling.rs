//! Application Auto Scaling: what may change a service's count during a shift.

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

impl State {
    pub(crate) fn of(_spec: &crate::spec::WorldSpec) -> State {
        State::default()
    }
}

/// `scalable_targets` of the snapshot.
pub(crate) fn snapshot(_world: &World) -> serde_json::Value {
    serde_json::json!({})
}
