//! A registry's refusals, in the form that the OCI distribution specification gives them.

use crate::{
    ecr::access::Refused,
    faults::{Kind, Trouble},
    front::ApiError,
};
use axum::body::Body;
use hyper::{
    Response, StatusCode,
    header::{CONTENT_TYPE, WWW_AUTHENTICATE},
};
use serde_json::json;

#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    challenge: Option<String>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status, code, message: message.into(), challenge: None }
    }

    pub(super) fn unauthenticated(host: &str) -> Refusal {
        Refusal {
            challenge: Some(format!("Basic realm=\"http://{host}/\",service=\"ecr.amazonaws.com\"")),
            ..Refusal::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "Not Authorized")
        }
    }

    pub(super) fn unsupported() -> Refusal {
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "The operation is unsupported.")
    }

    pub(super) fn broken(error: impl std::fmt::Display) -> Refusal {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", error.to_string())
    }

    /// How a registry says no to a call that is in trouble.
    pub(super) fn of(trouble: Trouble) -> Refusal {
        match trouble.kind {
            Kind::Throttled => {
                Refusal::new(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", "Rate exceeded")
            }
            Kind::Denied => Refusal::new(StatusCode::FORBIDDEN, "DENIED", "requested access is denied"),
            Kind::NotFound => Refusal::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "it does not exist"),
            _ => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", "internal error"),
        }
    }

    pub(super) fn respond(self, head: bool) -> Response<Body> {
        let body = json!({"errors": [{"code": self.code, "message": self.message}]}).to_string();
        let body = if head { Body::empty() } else { Body::from(body) };
        let mut headers = vec![(CONTENT_TYPE, "application/json; charset=utf-8")];
        if let Some(challenge) = &self.challenge {
            headers.push((WWW_AUTHENTICATE, challenge));
        }
        super::respond(self.status, &headers, body)
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Refusal {
        match refused {
            Refused::Denied(ApiError { message, .. }) => {
                Refusal::new(StatusCode::FORBIDDEN, "DENIED", message)
            }
            Refused::NoRepository(ApiError { message, .. }) => {
                Refusal::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", message)
            }
        }
    }
}
