//! What went wrong with a call, by meaning: a denial, a bad name, a session that can't be had,
//! an address that doesn't answer.

use super::{http::Http, roles::NoSession};
use aws_smithy_runtime_api::client::{
    interceptors::context::InterceptorContext,
    orchestrator::HttpResponse,
    result::{ConnectorError, SdkError},
    retries::classifiers::{ClassifyRetry, RetryAction},
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::error::Error;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The caller's role lacks a permission.
    Denied,
    /// The credentials are expired, unknown or wrong.
    Credentials,
    /// No session could be made to sign the call with.
    NoSession(Box<NoSession>),
    /// Still throttled after all tries.
    Throttled,
    /// AWS's own trouble, after all tries.
    Server,
    /// Nothing answered at the address.
    Unreachable,
    /// The service's own no: see `code`.
    Answer,
    /// What came back could not be read.
    Unreadable,
}

/// A call that failed for good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{action} failed in {region}: {}{message}", code.as_deref().map(|c| format!("{c}: ")).unwrap_or_default())]
pub struct Failure {
    /// By the name that permissions have: `ecs:DescribeServices`.
    pub action: &'static str,
    pub kind: Kind,
    pub code: Option<String>,
    pub message: String,
    /// The ARN of who asked, when it is known.
    pub caller: Option<String>,
    pub region: String,
}

impl Failure {
    pub fn of<E>(action: &'static str, region: &str, error: SdkError<E, HttpResponse>) -> Failure
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let code = error.code().map(str::to_owned);
        let (kind, message) = match &error {
            SdkError::ServiceError(answer) => {
                let status = answer.raw().status();
                let message = match answer.err().message() {
                    Some(message) => message.to_owned(),
                    None if status.is_success() => innermost(answer.err()),
                    None => format!("status {}", status.as_u16()),
                };
                (kind_of(code.as_deref().unwrap_or_default(), status.as_u16()), message)
            }
            SdkError::ResponseError(answer) if answer.raw().status().is_server_error() => {
                (Kind::Server, format!("status {}", answer.raw().status()))
            }
            SdkError::ResponseError(_) => (Kind::Unreadable, innermost(&error)),
            other => match no_session(other) {
                Some(found) => (Kind::NoSession(Box::new(found.clone())), found.to_string()),
                None => (Kind::Unreachable, innermost(&error)),
            },
        };
        Failure { action, kind, code, message, caller: None, region: region.to_owned() }
    }

    /// What an answer of AWS's JSON protocol says that is none of success.
    pub(super) fn of_answer(
        action: &'static str,
        region: &str,
        status: u16,
        body: &serde_json::Value,
    ) -> Failure {
        let code = body["__type"].as_str().map(|code| code.rsplit('#').next().unwrap_or(code).to_owned());
        let message = body["message"].as_str().or(body["Message"].as_str()).map(str::to_owned);
        Failure {
            action,
            kind: kind_of(code.as_deref().unwrap_or_default(), status),
            code,
            message: message.unwrap_or_else(|| format!("status {status}")),
            caller: None,
            region: region.to_owned(),
        }
    }

    /// What kept a request from being answered.
    pub(super) fn of_connection(action: &'static str, region: &str, error: &ConnectorError) -> Failure {
        let (kind, message) = (Kind::Unreachable, innermost(error));
        Failure { action, kind, code: None, message, caller: None, region: region.to_owned() }
    }

    /// What kept it from being signed.
    pub(super) fn of_credentials(
        action: &'static str,
        region: &str,
        error: &(dyn Error + 'static),
    ) -> Failure {
        let (kind, message) = match no_session(error) {
            Some(found) => (Kind::NoSession(Box::new(found.clone())), found.to_string()),
            None => (Kind::Credentials, innermost(error)),
        };
        Failure { action, kind, code: None, message, caller: None, region: region.to_owned() }
    }

    pub fn is_denied(&self) -> bool {
        self.kind == Kind::Denied
    }

    /// Whether the same call may well work a moment later: in a long wait it is asked again.
    pub fn may_pass(&self) -> bool {
        match &self.kind {
            Kind::Throttled | Kind::Server | Kind::Unreachable | Kind::Unreadable => true,
            // Others are wrong for good; an expired session is renewed for the next call.
            Kind::Credentials => self.is("ExpiredToken") || self.is("RequestExpired"),
            Kind::NoSession(cause) => match &**cause {
                NoSession::ByToken { failure, .. } | NoSession::Chained { failure, .. } => failure.may_pass(),
                NoSession::Empty { .. } => true,
                NoSession::NoToken(_) => false,
            },
            Kind::Denied | Kind::Answer => false,
        }
    }

    /// Whether a write may have been carried out for all that.
    pub fn may_be_done(&self) -> bool {
        matches!(self.kind, Kind::Server | Kind::Unreachable | Kind::Unreadable)
    }

    /// Whether the service answered with this code (`FooException`, or `Foo` as query APIs say).
    pub fn is(&self, code: &str) -> bool {
        self.code.as_deref().is_some_and(|c| c == code || c.strip_suffix("Exception") == Some(code))
    }
}

fn kind_of(code: &str, status: u16) -> Kind {
    match code.strip_suffix("Exception").unwrap_or(code) {
        "AccessDenied" | "UnauthorizedOperation" | "AuthorizationError" | "NotAuthorized" => Kind::Denied,
        "ExpiredToken"
        | "UnrecognizedClient"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidSignature"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "RequestExpired" => Kind::Credentials,
        "Throttling"
        | "Throttled"
        | "RequestThrottled"
        | "EC2Throttled"
        | "TooManyRequests"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "PriorRequestNotComplete"
        | "SlowDown" => Kind::Throttled,
        _ if status == 429 => Kind::Throttled,
        _ if status >= 500 => Kind::Server,
        // What answers without a code is no service of AWS's, or was cut short.
        "" => Kind::Unreadable,
        _ => Kind::Answer,
    }
}

/// The step into a role that went wrong, when that is what an error is about.
pub(super) fn no_session<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a NoSession> {
    chain(error).find_map(|e| e.downcast_ref())
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&e| e.source())
}

/// The cause at the bottom is what says something: "Connection refused".
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().unwrap_or(error).to_string()
}

/// Gives up at once on an address that nobody has: no wait makes it exist.
#[derive(Debug)]
pub struct AddressMustExist(pub Http);

impl ClassifyRetry for AddressMustExist {
    fn classify_retry(&self, ctx: &InterceptorContext) -> RetryAction {
        let failed =
            ctx.output_or_error().and_then(|answer| answer.err()).and_then(|e| e.as_connector_error());
        match failed {
            Some(error) if is_nobody(error, self.0.has_answered()) => RetryAction::RetryForbidden,
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "address must exist"
    }
}

/// A closed door is final as long as it was never open.
fn is_nobody(error: &ConnectorError, has_answered: bool) -> bool {
    const UNKNOWN: [&str; 4] = [
        "Name or service not known",
        "Name does not resolve",
        "No address associated",
        "nodename nor servname",
    ];
    let text = innermost(error);
    UNKNOWN.iter().any(|said| text.contains(said)) || (!has_answered && text.contains("Connection refused"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_denial_from_a_bad_name() {
        assert_eq!(kind_of("AccessDeniedException", 400), Kind::Denied);
        assert_eq!(kind_of("AccessDenied", 403), Kind::Denied);
        assert_eq!(kind_of("ExpiredToken", 403), Kind::Credentials);
        assert_eq!(kind_of("ThrottlingException", 400), Kind::Throttled);
        assert_eq!(kind_of("Throttling", 400), Kind::Throttled);
        assert_eq!(kind_of("ClusterNotFoundException", 400), Kind::Answer);
        assert_eq!(kind_of("InternalFailure", 500), Kind::Server);
        assert_eq!(kind_of("", 200), Kind::Unreadable);
        assert_eq!(kind_of("", 403), Kind::Unreadable);
        assert_eq!(kind_of("", 429), Kind::Throttled);
    }

    #[test]
    fn an_unknown_host_is_final_and_a_busy_resolver_is_not() {
        let error = |said: &str| ConnectorError::io(std::io::Error::other(said.to_owned()).into());
        let unknown = error("failed to lookup address information: Name or service not known");
        let busy = error("failed to lookup address information: Temporary failure in name resolution");
        assert!(is_nobody(&unknown, true) && !is_nobody(&busy, false));
        let closed = error("Connection refused (os error 111)");
        assert!(is_nobody(&closed, false) && !is_nobody(&closed, true));
    }
}
