//! Security tokens: AssumeRole, AssumeRoleWithWebIdentity, GetCallerIdentity.

use crate::front::{Answer, ApiError, Call, Need};
use crate::state::State as World;

pub(crate) fn needs(_world: &World, _call: &Call) -> Vec<Need> {
    Vec::new()
}

pub(crate) fn handle(_world: &mut World, call: &Call) -> Answer {
    Err(ApiError::new("InvalidAction", format!("no operation is named {}", call.operation)))
}
