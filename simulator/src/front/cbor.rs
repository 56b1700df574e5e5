//! The bodies of rpc-v2-cbor.

use crate::front::{ApiError, TIMESTAMP};
use base64::Engine as _;
use ciborium::Value as Cbor;
use serde_json::{Map, Number, Value};

pub(crate) fn read(body: &[u8]) -> Result<Value, ApiError> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    match ciborium::from_reader::<Cbor, _>(body).ok().and_then(into_json) {
        Some(input @ Value::Object(_)) => Ok(input),
        _ => Err(ApiError::new("SerializationException", "The request body is not a CBOR map")),
    }
}

pub(crate) fn write(answer: &Value) -> Vec<u8> {
    let mut body = Vec::new();
    // Writing to memory can only fail for lack of it.
    _ = ciborium::into_writer(&from_json(answer), &mut body);
    body
}

/// `None` for what JSON can't say.
fn into_json(value: Cbor) -> Option<Value> {
    Some(match value {
        Cbor::Null => Value::Null,
        Cbor::Bool(b) => Value::Bool(b),
        Cbor::Integer(i) => Value::Number(Number::from_i128(i.into())?),
        Cbor::Float(f) => Value::Number(Number::from_f64(f)?),
        Cbor::Text(s) => Value::String(s),
        Cbor::Bytes(b) => Value::String(base64::engine::general_purpose::STANDARD.encode(b)),
        Cbor::Array(members) => Value::Array(members.into_iter().map(into_json).collect::<Option<_>>()?),
        Cbor::Map(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, field)| Some((name.into_text().ok()?, into_json(field)?)))
                .collect::<Option<_>>()?,
        ),
        Cbor::Tag(1, at) => into_json(*at)?,
        _ => return None,
    })
}

fn from_json(value: &Value) -> Cbor {
    match value {
        Value::Null => Cbor::Null,
        Value::Bool(b) => Cbor::Bool(*b),
        Value::Number(n) => match n.as_i64() {
            Some(i) => Cbor::Integer(i.into()),
            None => Cbor::Float(n.as_f64().unwrap_or_default()),
        },
        Value::String(s) => Cbor::Text(s.clone()),
        Value::Array(members) => Cbor::Array(members.iter().map(from_json).collect()),
        Value::Object(fields) => {
            if let Some(at) = fields.get(TIMESTAMP).and_then(Value::as_i64) {
                return Cbor::Tag(1, Box::new(Cbor::Float(crate::Time(at).epoch_seconds())));
            }
            let present = fields.iter().filter(|(_, field)| !field.is_null());
            Cbor::Map(present.map(|(name, field)| (Cbor::Text(name.clone()), from_json(field))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Time, front::timestamp};
    use serde_json::json;

    #[test]
    fn numbers_keep_their_kind_and_times_their_tag() {
        let body = write(&json!({"threshold": 5.0, "count": 2, "at": timestamp(Time(1_500)), "none": null}));
        let Cbor::Map(fields) = ciborium::from_reader(&body[..]).unwrap() else { panic!("no map") };
        let field =
            |name: &str| fields.iter().find(|(n, _)| n.as_text() == Some(name)).map(|(_, v)| v.clone());
        assert_eq!(field("threshold"), Some(Cbor::Float(5.0)));
        assert_eq!(field("count"), Some(Cbor::Integer(2.into())));
        assert_eq!(field("at"), Some(Cbor::Tag(1, Box::new(Cbor::Float(1.5)))));
        assert_eq!(field("none"), None);
        assert_eq!(read(&body).unwrap(), json!({"threshold": 5.0, "count": 2, "at": 1.5}));
    }

    #[test]
    fn what_is_not_a_map_is_refused() {
        for body in [&b"\x01"[..], b"\xff", b"{}"] {
            assert_eq!(read(body).unwrap_err().code, "SerializationException");
        }
    }
}
