//! Task definitions as documents: read, checked against AWS's model, pinned, compared,
//! registered. Keys stay as they are: what this version doesn't know isn't lost.

use serde_json::{Map, Value};

/// What RegisterTaskDefinition takes (without `tags`), in the user's order of keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document(pub Map<String, Value>);
