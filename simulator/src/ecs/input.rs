//! Reads the members of a call's input, with ECS's errors for wrong types and values.

use crate::front::ApiError;
use serde_json::{Map, Value, json};

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterException", message)
}

pub(super) fn client(message: impl Into<String>) -> ApiError {
    ApiError::new("ClientException", message)
}

pub(super) fn serialization(message: impl Into<String>) -> ApiError {
    ApiError::new("SerializationException", message)
}

/// A string; `None` when it is absent or null.
pub(super) fn text<'a>(input: &'a Value, member: &str) -> Result<Option<&'a str>, ApiError> {
    match input.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(mismatch(other, "String")),
    }
}

pub(super) fn required<'a>(input: &'a Value, member: &str, label: &str) -> Result<&'a str, ApiError> {
    text(input, member)?
        .filter(|text| !text.is_empty())
        .ok_or_else(|| invalid(format!("{label} cannot be empty.")))
}

pub(super) fn integer(input: &Value, member: &str) -> Result<Option<i64>, ApiError> {
    match input.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| mismatch(value, "Integer")),
    }
}

pub(super) fn flag(input: &Value, member: &str) -> Result<Option<bool>, ApiError> {
    match input.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(other) => Err(mismatch(other, "Boolean")),
    }
}

pub(super) fn list<'a>(input: &'a Value, member: &str) -> Result<&'a [Value], ApiError> {
    match input.get(member) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(other) => Err(mismatch(other, "List")),
    }
}

pub(super) fn texts<'a>(input: &'a Value, member: &str) -> Result<Vec<&'a str>, ApiError> {
    list(input, member)?.iter().map(|item| item.as_str().ok_or_else(|| mismatch(item, "String"))).collect()
}

/// Whether `include` asks for TAGS.
pub(super) fn wants_tags(input: &Value) -> Result<bool, ApiError> {
    Ok(texts(input, "include")?.contains(&"TAGS"))
}

/// A value of another type than the model's.
pub(super) fn mismatch(value: &Value, wanted: &str) -> ApiError {
    let token = match value {
        Value::Null => "NULL_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(number) if number.is_f64() => "DECIMAL_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => return serialization("Start of list found where not expected"),
        Value::Object(_) => return serialization("Start of structure or map found where not expected."),
    };
    if matches!(wanted, "List" | "Structure") {
        return serialization("Unexpected field type");
    }
    serialization(format!("{token} cannot be converted to {wanted}"))
}

/// One page of a listing: `{KEY: […], nextToken}`, of `size` items unless the call says otherwise.
/// The token says where the next page starts.
pub(super) fn page(input: &Value, key: &str, items: Vec<Value>, size: usize) -> Result<Value, ApiError> {
    let limit = match integer(input, "maxResults")? {
        None => size,
        Some(limit @ 1..=100) => usize::try_from(limit).unwrap_or(100),
        Some(_) => return Err(invalid("maxResults must be between 1 and 100.")),
    };
    let start = match text(input, "nextToken")? {
        None => 0,
        Some(token) => token
            .strip_prefix("page-")
            .and_then(|at| at.parse().ok())
            .filter(|at| *at <= items.len())
            .ok_or_else(|| invalid("Invalid token."))?,
    };
    let end = items.len().min(start + limit);
    let mut answer = Map::new();
    answer.insert(key.into(), items.get(start..end).unwrap_or(&[]).to_vec().into());
    if end < items.len() {
        answer.insert("nextToken".into(), json!(format!("page-{end}")));
    }
    Ok(Value::Object(answer))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_wrong_type_is_told_as_the_deserialiser_does() {
        let error = integer(&json!({"count": "2"}), "count").unwrap_err();
        assert_eq!(error.code, "SerializationException");
        assert_eq!(error.message, "STRING_VALUE cannot be converted to Integer");
    }

    #[test]
    fn pages_follow_their_tokens_to_the_end() {
        let items: Vec<Value> = (0..5).map(|n| json!(n)).collect();
        let mut input = json!({"maxResults": 2});
        let mut seen = Vec::new();
        loop {
            let answer = page(&input, "all", items.clone(), 100).unwrap();
            seen.extend(answer["all"].as_array().unwrap().clone());
            match answer.get("nextToken") {
                Some(token) => input["nextToken"] = token.clone(),
                None => break,
            }
        }
        assert_eq!(seen, items);
        assert!(page(&json!({"nextToken": "x"}), "all", items, 100).is_err());
    }
}
