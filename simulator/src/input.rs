//! Reads a decoded request leniently: what is a number in JSON and CBOR comes as a string
//! from the query protocol.

use crate::{Time, front::TIMESTAMP};
use serde_json::Value;

pub(crate) fn text<'a>(input: &'a Value, key: &str) -> Option<&'a str> {
    input.get(key)?.as_str().filter(|text| !text.is_empty())
}

pub(crate) fn list<'a>(input: &'a Value, key: &str) -> &'a [Value] {
    input.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(crate) fn texts<'a>(input: &'a Value, key: &str) -> Vec<&'a str> {
    list(input, key).iter().filter_map(Value::as_str).collect()
}

pub(crate) fn number(input: &Value, key: &str) -> Option<f64> {
    match input.get(key)? {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_f64(),
    }
}

pub(crate) fn integer<T: TryFrom<i64>>(input: &Value, key: &str) -> Option<T> {
    let value = match input.get(key)? {
        Value::String(text) => text.trim().parse().ok()?,
        value => value.as_i64()?,
    };
    T::try_from(value).ok()
}

pub(crate) fn boolean(input: &Value, key: &str) -> Option<bool> {
    match input.get(key)? {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_bool(),
    }
}

/// A moment: epoch seconds, ISO 8601, or the mark that an answer's timestamps have.
pub(crate) fn moment(input: &Value, key: &str) -> Option<Time> {
    let seconds = |s: f64| Time((s * 1000.0).round() as i64);
    match input.get(key)? {
        Value::Number(n) => n.as_f64().map(seconds),
        Value::String(text) => match chrono::DateTime::parse_from_rfc3339(text) {
            Ok(at) => Some(Time(at.timestamp_millis())),
            Err(_) => text.parse().ok().map(seconds),
        },
        marked => marked.get(TIMESTAMP)?.as_i64().map(Time),
    }
}
