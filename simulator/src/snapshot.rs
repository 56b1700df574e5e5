//! The world's state as `GET /_world` answers it.

use crate::state::State;
use serde_json::{Value, json};

pub(crate) fn of(_state: &State) -> Value {
    json!({})
}
