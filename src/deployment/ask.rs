//! One question to AWS inside the long wait: what a failed call means for the wait.

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Why a call didn't give an answer.
#[derive(Debug)]
pub enum Trouble {
    /// It may work the next time: throttled, a server's error, a broken connection, a time-out,
    /// credentials that are renewed for the next call.
    Passing(String),
    /// It won't get better by asking again.
    Final { code: String, message: String },
}

impl Trouble {
    pub fn code(&self) -> &str {
        match self {
            Trouble::Passing(_) => "",
            Trouble::Final { code, .. } => code,
        }
    }

    pub fn text(&self) -> String {
        match self {
            Trouble::Passing(text) => text.clone(),
            Trouble::Final { code, message } if message.is_empty() => code.clone(),
            Trouble::Final { code, message } => format!("{code}: {message}"),
        }
    }
}

impl<E: ProvideErrorMetadata + std::error::Error + 'static> From<SdkError<E, HttpResponse>> for Trouble {
    fn from(error: SdkError<E, HttpResponse>) -> Trouble {
        let SdkError::ServiceError(service) = &error else {
            return Trouble::Passing(innermost(&error));
        };
        let status = service.raw().status().as_u16();
        let code = service.err().code().unwrap_or_default().to_owned();
        let message = service.err().message().unwrap_or_default().to_owned();
        if status >= 500 || is_passing(&code) {
            Trouble::Passing(format!("{code} {message}").trim().to_owned())
        } else {
            Trouble::Final { code, message }
        }
    }
}

fn is_passing(code: &str) -> bool {
    const PASSING: &[&str] = &[
        "ExpiredToken",
        "ExpiredTokenException",
        "InternalFailure",
        "InternalServerError",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServerException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    ];
    // An empty code is a body that couldn't be read.
    code.is_empty() || PASSING.contains(&code)
}

/// The cause at the bottom is what says something: "connection reset by peer".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::is_passing;

    #[test]
    fn throttling_passes_and_a_denial_does_not() {
        assert!(is_passing("ThrottlingException"));
        assert!(is_passing("ExpiredTokenException"));
        assert!(!is_passing("AccessDeniedException"));
        assert!(!is_passing("DeploymentDoesNotExistException"));
    }
}
