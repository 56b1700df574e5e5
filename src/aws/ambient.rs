//! The credentials that are there already: in the job's variables, a profile, SSO, a container's
//! or an instance's role.

use super::{
    Session,
    clients::Settings,
    failure::innermost,
    renewing::{Renewing, mask},
};
use crate::{outcome::Stop, say::refusals, surroundings::Variables};
use aws_config::{
    Region, default_provider::credentials::DefaultCredentialsChain, provider_config::ProviderConfig,
};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError},
};
use aws_smithy_async::rt::sleep::TokioSleep;
use chrono::DateTime;
use std::time::SystemTime;

pub(super) struct Ambient {
    pub(super) session: Session,
    /// The end of what can't be renewed.
    pub(super) ends: Option<SystemTime>,
}

impl Ambient {
    /// `alone`: nothing else could stand in, so a missing `id-token: write` may be the cause.
    pub(super) async fn of(
        variables: &Variables,
        settings: &Settings,
        region: &str,
        alone: bool,
    ) -> Result<Ambient, Stop> {
        if let Some(credentials) = in_variables(variables) {
            mask(&credentials, &settings.report);
            let ends = credentials.expiry();
            let session =
                Session { provider: SharedCredentialsProvider::new(credentials), renewing: None, role: None };
            return Ok(Ambient { session, ends });
        }
        let in_job = variables.get("GITHUB_ACTIONS").is_some();
        let hosted = variables.get("RUNNER_ENVIRONMENT") == Some("github-hosted");
        let elsewhere = ["AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
        if alone && hosted && !elsewhere.iter().any(|name| variables.get(name).is_some()) {
            return Err(Stop::refused(vec![refusals::no_id_token(true)]));
        }
        let config = ProviderConfig::empty()
            .with_region(Some(Region::new(region.to_owned())))
            .with_http_client(settings.http.client())
            .with_sleep_impl(TokioSleep::new())
            .with_retry_config(settings.retries())
            .with_timeout_config(settings.timeouts());
        let chain = DefaultCredentialsChain::builder()
            .region(Region::new(region.to_owned()))
            .configure(config)
            .build()
            .await;
        let renewing = Renewing::new(chain, settings.report.clone());
        if let Err(error) = renewing.provide_credentials().await {
            let finding = match error {
                _ if alone && in_job => refusals::no_id_token(true),
                CredentialsError::CredentialsNotLoaded(_) => refusals::no_credentials(None),
                other => refusals::no_credentials(Some(&innermost(&other))),
            };
            return Err(Stop::refused(vec![finding]));
        }
        Ok(Ambient { session: Session::renewing(renewing, None), ends: None })
    }
}

fn in_variables(variables: &Variables) -> Option<Credentials> {
    let key = variables.get("AWS_ACCESS_KEY_ID")?;
    let secret = variables.get("AWS_SECRET_ACCESS_KEY")?;
    let token = variables.get("AWS_SESSION_TOKEN").map(str::to_owned);
    let ends = variables
        .get("AWS_CREDENTIAL_EXPIRATION")
        .filter(|_| token.is_some())
        .and_then(|text| DateTime::parse_from_rfc3339(text).ok())
        .map(SystemTime::from);
    Some(Credentials::new(key, secret, token, ends, "variables"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        Variables::of(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn keys_in_the_variables_are_taken_as_they_are() {
        let long = variables(&[
            ("AWS_ACCESS_KEY_ID", "AK"),
            ("AWS_SECRET_ACCESS_KEY", "S"),
            ("AWS_SESSION_TOKEN", ""),
        ]);
        let credentials = in_variables(&long).unwrap();
        assert_eq!((credentials.session_token(), credentials.expiry()), (None, None));
        assert!(in_variables(&variables(&[("AWS_ACCESS_KEY_ID", "AK")])).is_none());
    }

    #[test]
    fn the_end_of_a_session_is_known_when_it_is_told() {
        let session = variables(&[
            ("AWS_ACCESS_KEY_ID", "AK"),
            ("AWS_SECRET_ACCESS_KEY", "S"),
            ("AWS_SESSION_TOKEN", "T"),
            ("AWS_CREDENTIAL_EXPIRATION", "1970-01-01T01:00:00+00:00"),
        ]);
        assert_eq!(in_variables(&session).unwrap().expiry(), Some(UNIX_EPOCH + Duration::from_secs(3600)));
    }
}
