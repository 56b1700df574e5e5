//! What is asked again at once, by meaning: an answer that can't be read is, a write that may have
//! been carried out is not.

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{AfterDeserializationInterceptorContextRef, InterceptorContext},
            dyn_dispatch_hint,
        },
        retries::classifiers::{ClassifyRetry, RetryAction},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;

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

/// Refuses an XML answer that was cut short: the typed clients take the half that came for all of
/// it, half a session's credentials among them.
#[derive(Clone, Debug)]
pub struct WholeXml;

#[dyn_dispatch_hint]
impl Intercept for WholeXml {
    fn name(&self) -> &'static str {
        "whole xml"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let xml = response.headers().get("content-type").is_some_and(|kind| kind.contains("xml"));
        let body = response.body().bytes().unwrap_or_default();
        if xml && response.status().is_success() && !is_whole(body) {
            return Err("the answer was cut short".into());
        }
        Ok(())
    }
}

/// All answers of the query protocol end with the tag of their root.
fn is_whole(xml: &[u8]) -> bool {
    xml.trim_ascii_end().ends_with(b"Response>")
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

#[cfg(test)]
mod tests {
    use super::is_whole;

    #[test]
    fn half_an_answer_is_told_from_a_whole_one() {
        let whole = b"<AssumeRoleResponse><AssumeRoleResult>..</AssumeRoleResult></AssumeRoleResponse>\n";
        assert!(is_whole(whole));
        assert!(!is_whole(&whole[..40]) && !is_whole(b"<html></html>") && !is_whole(b""));
    }
}
