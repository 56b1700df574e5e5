//! The wire protocols: what a request's input is and how answers and errors are written.

use crate::Time;
use crate::front::{Answer, ApiError, Service, TIMESTAMP, cbor, query, xml};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, http::HeaderValue};
use serde_json::{Map, Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Json10,
    Json11,
    Query,
    Cbor,
}

impl Protocol {
    /// The operation's input, decoded.
    pub(crate) fn read(self, body: &[u8]) -> Result<Value, ApiError> {
        match self {
            Protocol::Query => Ok(query::nest(&query::parameters(body))),
            Protocol::Cbor => cbor::read(body),
            Protocol::Json10 | Protocol::Json11 => {
                if body.is_empty() {
                    return Ok(Value::Object(Map::new()));
                }
                match serde_json::from_slice(body) {
                    Ok(input @ Value::Object(_)) => Ok(input),
                    Ok(_) => Err(ApiError::new(
                        "SerializationException",
                        "Start of structure or map found where not expected.",
                    )),
                    Err(_) => {
                        Err(ApiError::new("SerializationException", "The request body is not valid JSON"))
                    }
                }
            }
        }
    }

    /// The whole HTTP response. `query_mode` is the wish of a client of a service that once
    /// spoke the query protocol to be told the error's old code too.
    pub(crate) fn respond(
        self,
        service: Option<Service>,
        operation: &str,
        answer: &Answer,
        query_mode: bool,
    ) -> Response<Full<Bytes>> {
        let request_id = uuid::Uuid::new_v4().to_string();
        let answer = &match answer {
            Ok(answer) => Ok(answer.clone()),
            Err(error) => Err(self.named(error)),
        };
        let namespace = service.map(namespace).unwrap_or_default();
        let (content_type, body) = match (self, answer) {
            (Protocol::Query, Ok(result)) => {
                ("text/xml", xml::answer(namespace, operation, result, &request_id).into_bytes())
            }
            (Protocol::Query, Err(error)) => {
                ("text/xml", xml::error(namespace, error, &request_id).into_bytes())
            }
            (Protocol::Cbor, Ok(result)) => ("application/cbor", cbor::write(&or_empty(result))),
            (Protocol::Cbor, Err(error)) => ("application/cbor", cbor::write(&plain(error))),
            (json, answer) => {
                let value = match answer {
                    Ok(result) => timed(or_empty(result)),
                    Err(error) => plain(error),
                };
                (json.content_type(), value.to_string().into_bytes())
            }
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        let headers = response.headers_mut();
        headers.insert("content-type", HeaderValue::from_static(content_type));
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            headers.insert("x-amzn-requestid", id);
        }
        if self == Protocol::Cbor {
            headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
        }
        if let Err(error) = answer {
            if self != Protocol::Query
                && let Ok(code) = HeaderValue::from_str(&error.code)
            {
                headers.insert("x-amzn-errortype", code);
            }
            if query_mode && self != Protocol::Query {
                let side = if error.status < 500 { "Sender" } else { "Receiver" };
                let old = match error.code.as_str() {
                    // STS has an error of this name in the query protocol, so `named` lets it be.
                    "ExpiredTokenException" => "ExpiredToken".to_owned(),
                    _ => Protocol::Query.named(error).code,
                };
                if let Ok(code) = HeaderValue::from_str(&format!("{old};{side}")) {
                    headers.insert("x-amzn-query-error", code);
                }
            }
            if let Ok(status) = hyper::StatusCode::from_u16(error.status) {
                *response.status_mut() = status;
            }
        }
        response
    }

    /// The errors that are common to all services have one name in the query protocol and
    /// another in the others.
    pub(crate) fn named(self, error: &ApiError) -> ApiError {
        let mut error = error.clone();
        if self == Protocol::Query {
            let (code, status) = match error.code.as_str() {
                "AccessDeniedException" => ("AccessDenied", 403),
                "IncompleteSignatureException" => ("IncompleteSignature", 400),
                "InvalidSignatureException" => ("SignatureDoesNotMatch", 403),
                "MissingAuthenticationTokenException" => ("MissingAuthenticationToken", 403),
                "SerializationException" => ("MalformedInput", 400),
                "ServiceUnavailableException" => ("ServiceUnavailable", 503),
                "ThrottlingException" => ("Throttling", 400),
                "UnknownOperationException" => ("InvalidAction", 400),
                "UnrecognizedClientException" => ("InvalidClientTokenId", 403),
                // CloudWatch's own, which speaks both.
                "InternalServiceFault" => ("InternalServiceError", 500),
                "InvalidFormatFault" => ("InvalidFormat", 400),
                "InvalidParameterCombinationException" => ("InvalidParameterCombination", 400),
                "InvalidParameterValueException" => ("InvalidParameterValue", 400),
                "LimitExceededFault" => ("LimitExceeded", 400),
                "MissingRequiredParameterException" => ("MissingParameter", 400),
                _ => return error,
            };
            error.code = code.into();
            error.status = status;
        } else if error.code == "InvalidAction" {
            error.code = "UnknownOperationException".into();
        }
        error
    }

    fn content_type(self) -> &'static str {
        match self {
            Protocol::Json10 => "application/x-amz-json-1.0",
            Protocol::Json11 => "application/x-amz-json-1.1",
            Protocol::Query => "text/xml",
            Protocol::Cbor => "application/cbor",
        }
    }
}

fn namespace(service: Service) -> &'static str {
    match service {
        Service::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
        Service::Elb => "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
        Service::CloudWatch => "http://monitoring.amazonaws.com/doc/2010-08-01/",
        _ => "",
    }
}

fn plain(error: &ApiError) -> Value {
    json!({ "__type": error.code, "message": error.message })
}

fn or_empty(answer: &Value) -> Value {
    if answer.is_null() { json!({}) } else { answer.clone() }
}

/// Times as epoch seconds.
fn timed(value: Value) -> Value {
    match value {
        Value::Array(members) => members.into_iter().map(timed).collect(),
        Value::Object(fields) => match fields.get(TIMESTAMP).and_then(Value::as_i64) {
            Some(at) => json!(Time(at).epoch_seconds()),
            None => Value::Object(fields.into_iter().map(|(name, field)| (name, timed(field))).collect()),
        },
        other => other,
    }
}
