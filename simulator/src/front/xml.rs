//! The query protocol's answers.

use crate::Time;
use crate::front::{ApiError, TIMESTAMP};
use serde_json::Value;
use std::fmt::Write as _;

pub(crate) fn answer(namespace: &str, operation: &str, result: &Value, request_id: &str) -> String {
    let mut inner = String::new();
    write(&mut inner, result);
    format!(
        "<{operation}Response xmlns=\"{namespace}\"><{operation}Result>{inner}</{operation}Result>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    )
}

pub(crate) fn error(namespace: &str, error: &ApiError, request_id: &str) -> String {
    let side = if error.status < 500 { "Sender" } else { "Receiver" };
    format!(
        "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{side}</Type><Code>{}</Code><Message>{}</Message></Error>\
         <RequestId>{request_id}</RequestId></ErrorResponse>",
        escape(&error.code),
        escape(&error.message)
    )
}

fn write(out: &mut String, value: &Value) {
    match value {
        Value::Null => {}
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => _ = write!(out, "{n}"),
        Value::String(s) => out.push_str(&escape(s)),
        Value::Array(members) => {
            for member in members {
                element(out, "member", member);
            }
        }
        Value::Object(fields) => {
            if let Some(at) = fields.get(TIMESTAMP).and_then(Value::as_i64) {
                out.push_str(&Time(at).iso());
                return;
            }
            for (name, field) in fields {
                element(out, name, field);
            }
        }
    }
}

fn element(out: &mut String, name: &str, value: &Value) {
    if value.is_null() {
        return;
    }
    _ = write!(out, "<{name}>");
    write(out, value);
    _ = write!(out, "</{name}>");
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(c),
            // XML 1.0 cannot hold the other control characters, escaped or not.
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::timestamp;
    use serde_json::json;

    #[test]
    fn values_become_elements() {
        let value = json!({
            "Listeners": [{"Port": 80, "Open": true, "Gone": null}], "At": timestamp(Time(1_500)), "Text": "a<b",
        });
        assert_eq!(
            answer("urn:x", "DescribeListeners", &value, "r"),
            "<DescribeListenersResponse xmlns=\"urn:x\"><DescribeListenersResult><Listeners><member><Port>80</Port>\
             <Open>true</Open></member></Listeners><At>1970-01-01T00:00:01.500Z</At><Text>a&lt;b</Text>\
             </DescribeListenersResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></DescribeListenersResponse>"
        );
    }
}
