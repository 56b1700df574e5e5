//! Credentials that renew themselves: a while before they expire, and at once when AWS says
//! that they already have.

use aws_credential_types::{
    Credentials,
    provider::{self, ProvideCredentials, SharedCredentialsProvider, future},
};
use aws_smithy_runtime_api::client::{
    interceptors::context::InterceptorContext,
    retries::classifiers::{ClassifyRetry, RetryAction},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::sync::Mutex;

/// So long before the end a session is renewed, or a quarter of its life when that is less.
const MARGIN: Duration = Duration::from_secs(120);

/// A refusal that comes so soon after a renewal still speaks of the credentials before it.
const FRESH: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
pub struct Renewing(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: SharedCredentialsProvider,
    held: Mutex<Option<Held>>,
    refused: AtomicBool,
}

#[derive(Debug)]
struct Held {
    credentials: Credentials,
    since: SystemTime,
}

impl Renewing {
    pub fn new(source: impl ProvideCredentials + 'static) -> Renewing {
        Renewing(Arc::new(Inner {
            source: SharedCredentialsProvider::new(source),
            held: Mutex::new(None),
            refused: AtomicBool::new(false),
        }))
    }

    /// AWS called the held credentials expired: the next to ask gets new ones.
    fn refuse(&self) {
        self.0.refused.store(true, Ordering::Relaxed);
    }

    async fn credentials(&self) -> provider::Result {
        let mut held = self.0.held.lock().await;
        let now = SystemTime::now();
        let refused = self.0.refused.swap(false, Ordering::Relaxed);
        if let Some(held) = &*held
            && !is_due(held, now, refused)
        {
            return Ok(held.credentials.clone());
        }
        match (self.0.source.provide_credentials().await, &*held) {
            (Ok(credentials), _) => {
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

fn is_due(held: &Held, now: SystemTime, refused: bool) -> bool {
    if refused && now.duration_since(held.since).is_ok_and(|age| age > FRESH) {
        return true;
    }
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
#[derive(Debug)]
pub struct RenewWhenExpired(pub Renewing);

impl ClassifyRetry for RenewWhenExpired {
    fn classify_retry(&self, ctx: &InterceptorContext) -> RetryAction {
        let Some(response) = ctx.response().filter(|r| r.status().is_client_error()) else {
            return RetryAction::NoActionIndicated;
        };
        let named =
            response.headers().get("x-amzn-errortype").is_some_and(|code| code.contains("ExpiredToken"));
        let told = || response.body().bytes().is_some_and(|body| contains(body, b"ExpiredToken"));
        if named || told() {
            self.0.refuse();
            return RetryAction::transient_error();
        }
        RetryAction::NoActionIndicated
    }

    fn name(&self) -> &'static str {
        "renew when expired"
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::AtomicU32;

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
        Renewing::new(Mint { made: AtomicU32::new(0), life })
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
    async fn renews_once_what_was_refused_long_after_it_was_made() {
        let renewing = mint(None);
        renewing.credentials().await.unwrap();
        renewing.refuse();
        assert_eq!(
            renewing.credentials().await.unwrap().access_key_id(),
            "KEY0",
            "told of the credentials before"
        );
        renewing.0.held.lock().await.as_mut().unwrap().since -= Duration::from_secs(60);
        renewing.refuse();
        assert_eq!(renewing.credentials().await.unwrap().access_key_id(), "KEY1");
        assert_eq!(renewing.credentials().await.unwrap().access_key_id(), "KEY1");
    }

    #[test]
    fn a_quarter_of_a_short_life_is_the_margin() {
        let since = SystemTime::UNIX_EPOCH;
        let held = |life| Held {
            credentials: Credentials::new("k", "s", None, Some(since + Duration::from_secs(life)), "test"),
            since,
        };
        assert!(!is_due(&held(60), since + Duration::from_secs(44), false));
        assert!(is_due(&held(60), since + Duration::from_secs(45), false));
        assert!(!is_due(&held(3600), since + Duration::from_secs(3479), false));
        assert!(is_due(&held(3600), since + Duration::from_secs(3480), false));
    }
}
