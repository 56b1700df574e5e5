//! What GitHub answers, and how it refuses.

use serde_json::{Value, json};

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// `None` for an answer without content.
    pub(super) body: Option<Value>,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Reply {
    pub(super) fn ok(body: Value) -> Reply {
        Reply { status: 200, body: Some(body), headers: Vec::new() }
    }

    pub(super) fn created(body: Value) -> Reply {
        Reply { status: 201, ..Reply::ok(body) }
    }

    pub(super) fn no_content() -> Reply {
        Reply { status: 204, body: None, headers: Vec::new() }
    }

    pub(super) fn with(mut self, header: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((header, value.into()));
        self
    }
}

/// An error, without what the door adds: the documentation's address and the status as text.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: String,
    pub(super) errors: Vec<Value>,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Refusal {
        Refusal { status, message: message.into(), errors: Vec::new(), headers: Vec::new() }
    }

    pub(super) fn not_found() -> Refusal {
        Refusal::new(404, "Not Found")
    }

    /// A request that isn't of the right form.
    pub(super) fn malformed(why: impl std::fmt::Display) -> Refusal {
        Refusal::new(422, format!("Invalid request.\n\n{why}"))
    }

    /// A request whose value the resource doesn't take.
    pub(super) fn invalid(resource: &str, field: &str, code: &str, message: Option<&str>) -> Refusal {
        let mut error = json!({"resource": resource, "code": code, "field": field});
        if let Some(message) = message {
            error["message"] = json!(message);
        }
        Refusal { errors: vec![error], ..Refusal::new(422, "Validation Failed") }
    }

    pub(super) fn reply(self, documentation: &str) -> Reply {
        let mut body = json!({"message": self.message});
        if !self.errors.is_empty() {
            body["errors"] = json!(self.errors);
        }
        body["documentation_url"] = json!(format!("https://docs.github.com/rest{documentation}"));
        body["status"] = json!(self.status.to_string());
        Reply { status: self.status, body: Some(body), headers: self.headers }
    }
}

pub(super) type Answer = Result<Reply, Refusal>;
