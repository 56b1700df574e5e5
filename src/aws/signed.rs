//! A call of a service that there is no client for: its JSON, signed and sent as it is.

use super::{Clients, Failure};
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;
use std::time::{Duration, SystemTime};

const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// One operation of AWS's JSON protocol, and where it is.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// By the name that permissions have.
    pub action: &'static str,
    pub signing_name: &'static str,
    pub region: &'static str,
    pub endpoint: &'static str,
    /// What the header `X-Amz-Target` says.
    pub header: &'static str,
}

impl Clients {
    /// For reads: what may pass is asked again a few times.
    pub async fn signed(&self, target: &Target, input: &Value) -> Result<Value, Failure> {
        let mut tries = 1;
        loop {
            match self.once(target, &input.to_string()).await {
                Err(failure) if failure.may_pass() && tries < TRIES => {
                    tokio::time::sleep(PAUSE * tries).await;
                    tries += 1;
                }
                answer => return answer,
            }
        }
    }

    async fn once(&self, target: &Target, body: &str) -> Result<Value, Failure> {
        let unreadable =
            |why: String| Failure { region: target.region.to_owned(), ..self.unreadable(target.action, why) };
        let provider = self.sdk().credentials_provider();
        let provider = provider.ok_or_else(|| unreadable("there are no credentials".into()))?;
        let credentials = provider.provide_credentials().await;
        let credentials =
            credentials.map_err(|error| Failure::of_credentials(target.action, target.region, &error))?;
        let url = self.endpoint(target.signing_name).unwrap_or_else(|| target.endpoint.to_owned());
        let url = format!("{}/", url.trim_end_matches('/'));
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.header)];
        let identity = credentials.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(target.region)
            .name(target.signing_name)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| unreadable(error.to_string()))?
            .into();
        let signable =
            SignableRequest::new("POST", &url, headers.into_iter(), SignableBody::Bytes(body.as_bytes()))
                .map_err(|error| unreadable(error.to_string()))?;
        let signed = sign(signable, &parameters).map_err(|error| unreadable(error.to_string()))?;
        let (instructions, _) = signed.into_parts();

        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").map_err(|error| unreadable(error.to_string()))?;
        request.set_uri(url).map_err(|error| unreadable(error.to_string()))?;
        for (name, value) in headers.into_iter().chain(instructions.headers()) {
            request.headers_mut().insert(name.to_owned(), value.to_owned());
        }
        let (status, answer) = self
            .http()
            .send(request)
            .await
            .map_err(|error| Failure::of_connection(target.action, target.region, &error))?;
        let document: Value = serde_json::from_slice(&answer).unwrap_or_default();
        match status {
            200 if document.is_object() => Ok(document),
            200 => Err(unreadable("the answer is no JSON".into())),
            status => Err(Failure {
                caller: (!self.caller.is_empty()).then(|| self.caller.clone()),
                ..Failure::of_answer(target.action, target.region, status, &document)
            }),
        }
    }
}
