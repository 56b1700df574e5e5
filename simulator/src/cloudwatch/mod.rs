//! Metrics of the traffic that really passed, the alarms on them, and the containers' logs.

use crate::front::{Answer, ApiError, Call, Need};
use crate::state::State as World;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(crate) struct State {}

pub(crate) fn needs(_world: &World, _call: &Call) -> Vec<Need> {
    Vec::new()
}

pub(crate) fn handle(_world: &mut World, call: &Call) -> Answer {
    Err(ApiError::new("InvalidAction", format!("no operation is named {}", call.operation)))
}

/// One request that passed a load balancer.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    /// ARNs.
    pub(crate) load_balancer: Arc<str>,
    pub(crate) target_group: Option<Arc<str>>,
    /// The target's status, `None` when no target answered.
    pub(crate) target_status: Option<u16>,
    /// What the client got.
    pub(crate) status: u16,
    /// Until the target's head was there.
    pub(crate) seconds: f64,
}

pub(crate) fn record(_world: &mut World, _passed: &Passed) {}

/// `OK`, `ALARM` or `INSUFFICIENT_DATA`; `None` when there is no such alarm.
pub(crate) fn alarm_state(_world: &World, _account: &str, _name: &str) -> Option<String> {
    None
}

/// Evaluates what is due.
pub(crate) fn advance(_world: &mut World) -> Option<crate::Time> {
    None
}

/// One line of a container's output.
pub(crate) fn log(_world: &mut World, _account: &str, _group: &str, _stream: &str, _line: String) {}

impl State {
    pub(crate) fn of(_spec: &crate::spec::WorldSpec) -> State {
        State::default()
    }
}

/// `alarms` of the snapshot.
pub(crate) fn snapshot(_world: &World) -> serde_json::Value {
    serde_json::json!({})
}
