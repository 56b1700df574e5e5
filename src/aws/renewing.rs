//! Credentials that renew themselves: a while before they expire, and at once when AWS says
//! that they already have.

use crate::report::Reporter;
use aws_credential_types::{
    Credentials,
    provider::{self, ProvideCredentials, SharedCredentialsProvider, future},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{
                BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef, InterceptorContext,
            },
            dyn_dispatch_hint,
        },
        orchestrator::HttpResponse,
        retries::classifiers::{ClassifyRetry, RetryAction},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use std::{
    sync::{Arc, Mutex as SyncMutex, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::sync::Mutex;

/// So long before the end a session is renewed, or a quarter of its life when that is less.
const MARGIN: Duration = Duration::from_secs(120);

#[derive(Clone, Debug)]
pub struct Renewing(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: SharedCredentialsProvider,
    report: Reporter,
    held: Mutex<Option<Held>>,
    /// The key that AWS called expired last.
    refused: SyncMutex<String>,
}

#[derive(Debug)]
struct Held {
    credentials: Credentials,
    since: SystemTime,
}

impl Renewing {
    pub fn new(source: impl ProvideCredentials + 'static, report: Reporter) -> Renewing {
        Renewing(Arc::new(Inner {
            source: SharedCredentialsProvider::new(source),
            report,
            held: Mutex::new(None),
            refused: SyncMutex::default(),
        }))
    }

    /// AWS called this key expired: whoever asks next gets another one.
    fn refuse(&self, key: &str) {
        *self.0.refused.lock().unwrap_or_else(PoisonError::into_inner) = key.to_owned();
    }

    fn is_refused(&self, credentials: &Credentials) -> bool {
        *self.0.refused.lock().unwrap_or_else(PoisonError::into_inner) == credentials.access_key_id()
    }

    async fn credentials(&self) -> provider::Result {
        let mut held = self.0.held.lock().await;
        let now = SystemTime::now();
        let refused = held.as_ref().is_some_and(|held| self.is_refused(&held.credentials));
        if let Some(held) = &*held
            && !refused
            && !is_due(held, now)
        {
            return Ok(held.credentials.clone());
        }
        match (self.0.source.provide_credentials().await, &*held) {
            (Ok(credentials), _) => {
                mask(&credentials, &self.0.report);
                *held = Some(Held { credentials: credentials.clone(), since: now });
                Ok(credentials)
            }
            // They couldn't be renewed in good time, but they still hold.
            (Err(_), Some(held))
                if !refused && held.credentials.expiry().is_none_or(|expiry| now < expiry) =>
            {
                Ok(held.credentials.clone())
            }
            (Err(error), _) => Err(error),
        }
    }
}

/// Keeps the secret parts of credentials out of all that is written.
pub fn mask(credentials: &Credentials, report: &Reporter) {
    report.mask(credentials.secret_access_key());
    credentials.session_token().into_iter().for_each(|token| report.mask(token));
}

fn is_due(held: &Held, now: SystemTime) -> bool {
    let Some(expiry) = held.credentials.expiry() else { return false };
    let life = expiry.duration_since(held.since).unwrap_or_default();
    now + MARGIN.min(life / 4) >= expiry
}

impl ProvideCredentials for Renewing {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

/// Tries again with new credentials when AWS says that a session has expired.
#[derive(Clone, Debug)]
pub struct RenewWhenExpired(pub Renewing);

/// The key that an attempt was signed with.
#[derive(Debug)]
struct SignedWith(String);

impl Storable for SignedWith {
    type Storer = StoreReplace<SignedWith>;
}

#[dyn_dispatch_hint]
impl Intercept for RenewWhenExpired {
    fn name(&self) -> &'static str {
        "renew when expired"
    }

    fn read_after_signing(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let key = context.request().headers().get("authorization").and_then(signing_key).unwrap_or_default();
        config.interceptor_state().store_put(SignedWith(key.to_owned()));
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let signed_with = config.load::<SignedWith>();
        if let Some(SignedWith(key)) = signed_with.filter(|_| context.response().is_some_and(says_expired)) {
            self.0.refuse(key);
        }
        Ok(())
    }
}

impl ClassifyRetry for RenewWhenExpired {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response().is_some_and(says_expired) {
            true => RetryAction::transient_error(),
            false => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "renew when expired"
    }
}

/// In each protocol's way to name an error.
fn says_expired(response: &HttpResponse) -> bool {
    let named =
        || response.headers().get("x-amzn-errortype").is_some_and(|code| code.contains("ExpiredToken"));
    let told = || response.body().bytes().is_some_and(|body| contains(body, b"ExpiredToken"));
    response.status().is_client_error() && (named() || told())
}

/// `AWS4-HMAC-SHA256 Credential=KEY/20261120/…`
fn signing_key(authorization: &str) -> Option<&str> {
    authorization.split_once("Credential=")?.1.split('/').next()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Hands out a new key each time, each with the same time to live.
    #[derive(Debug)]
    struct Mint {
        made: AtomicU32,
        life: Option<Duration>,
    }

    impl ProvideCredentials for Mint {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let number = self.made.fetch_add(1, Ordering::Relaxed);
            let expiry = self.life.map(|life| SystemTime::now() + life);
            future::ProvideCredentials::ready(Ok(Credentials::new(
                format!("KEY{number}"),
                "s",
                None,
                expiry,
                "test",
            )))
        }
    }

    fn mint(life: Option<Duration>) -> Renewing {
        Renewing::new(Mint { made: AtomicU32::new(0), life }, Reporter::silent())
    }

    #[tokio::test]
    async fn keeps_what_still_holds() {
        let renewing = mint(Some(Duration::from_secs(3600)));
        for _ in 0..3 {
            assert_eq!(renewing.credentials().await.unwrap().access_key_id(), "KEY0");
        }
    }

    #[tokio::test]
    async fn renews_what_has_expired() {
        let renewing = mint(Some(Duration::ZERO));
        assert_eq!(renewing.credentials().await.unwrap().access_key_id(), "KEY0");
        assert_eq!(renewing.credentials().await.unwrap().access_key_id(), "KEY1");
    }

    #[tokio::test]
    async fn renews_what_aws_refused_and_only_that() {
        let renewing = mint(None);
        renewing.credentials().await.unwrap();
        renewing.refuse("KEY0");
        assert_eq!(renewing.credentials().await.unwrap().access_key_id(), "KEY1");
        // An answer that comes late speaks of the credentials before.
        renewing.refuse("KEY0");
        assert_eq!(renewing.credentials().await.unwrap().access_key_id(), "KEY1");
    }

    #[test]
    fn the_signing_key_is_read_from_the_signature() {
        let header =
            "AWS4-HMAC-SHA256 Credential=ASIA1/20261120/eu-central-1/ecs/aws4_request, SignedHeaders=host";
        assert_eq!(signing_key(header), Some("ASIA1"));
        assert_eq!(signing_key("Bearer x"), None);
    }

    #[test]
    fn a_quarter_of_a_short_life_is_the_margin() {
        let since = SystemTime::UNIX_EPOCH;
        let held = |life| Held {
            credentials: Credentials::new("k", "s", None, Some(since + Duration::from_secs(life)), "test"),
            since,
        };
        assert!(!is_due(&held(60), since + Duration::from_secs(44)));
        assert!(is_due(&held(60), since + Duration::from_secs(45)));
        assert!(!is_due(&held(3600), since + Duration::from_secs(3479)));
        assert!(is_due(&held(3600), since + Duration::from_secs(3480)));
    }
}
