//! Reading an operation's input. What has the wrong type is refused in AWS's words.

use crate::front::{ApiError, Call};
use serde_json::Value;

impl Call {
    /// A member that is there and not null.
    pub(crate) fn member(&self, name: &str) -> Option<&Value> {
        self.input.get(name).filter(|v| !v.is_null())
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        self.member(name).map(text).transpose()
    }

    /// A list of texts; empty when it isn't given (the query protocol writes an empty list as an empty text).
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<&str>, ApiError> {
        match self.member(name) {
            None => Ok(Vec::new()),
            Some(Value::String(s)) if s.is_empty() => Ok(Vec::new()),
            Some(Value::Array(members)) => members.iter().map(text).collect(),
            Some(other) => Err(unexpected(other, "List")),
        }
    }

    /// A whole number; the query protocol's digits count as one.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(value) = self.member(name) else { return Ok(None) };
        let digits = || value.as_str().and_then(|s| s.parse().ok());
        value.as_i64().or_else(digits).map(Some).ok_or_else(|| unexpected(value, "Integer"))
    }
}

fn text(value: &Value) -> Result<&str, ApiError> {
    value.as_str().ok_or_else(|| unexpected(value, "String"))
}

fn unexpected(value: &Value, wanted: &str) -> ApiError {
    let message = match value {
        Value::Bool(true) => format!("TRUE_VALUE cannot be converted to {wanted}"),
        Value::Bool(false) => format!("FALSE_VALUE cannot be converted to {wanted}"),
        Value::Number(_) => format!("NUMBER_VALUE cannot be converted to {wanted}"),
        Value::String(_) => format!("STRING_VALUE cannot be converted to {wanted}"),
        Value::Array(_) => "Unexpected list element termination".to_owned(),
        Value::Object(_) | Value::Null => "Start of structure or map found where not expected.".to_owned(),
    };
    ApiError::new("SerializationException", message)
}
