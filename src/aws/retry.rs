//! What is asked again at once, by meaning: an answer that can't be read is, a write that may have
//! been carried out is not.

use aws_smithy_runtime_api::client::{
    interceptors::context::InterceptorContext,
    retries::classifiers::{ClassifyRetry, RetryAction},
};

/// Asks again for an answer of success that can't be read: the typed clients don't.
#[derive(Debug)]
pub struct UnreadAgain;

impl ClassifyRetry for UnreadAgain {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        if is_unread(context) { RetryAction::transient_error() } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "unread again"
    }
}

/// For a write that has no token to be told by: whoever sent it looks first whether it was carried
/// out. Only what was surely refused is sent again.
#[derive(Debug)]
pub struct NotTwice;

impl ClassifyRetry for NotTwice {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(Err(error)) = context.output_or_error() else { return RetryAction::NoActionIndicated };
        let unanswered = error.is_timeout_error() || error.is_response_error() || error.is_connector_error();
        if unanswered || is_unread(context) || status(context).is_some_and(|status| status >= 500) {
            RetryAction::RetryForbidden
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "not twice"
    }
}

/// An answer of success can only fail us by what it says.
fn is_unread(context: &InterceptorContext) -> bool {
    context.output_or_error().is_some_and(|answer| answer.is_err())
        && status(context).is_some_and(|status| (200..300).contains(&status))
}

fn status(context: &InterceptorContext) -> Option<u16> {
    context.response().map(|response| response.status().as_u16())
}
