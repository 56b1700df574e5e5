//! Access keys: the users' own, and those of sessions, which end.

use crate::Time;
use crate::front::{Caller, Refusal, Signed};
use crate::iam::Policy;
use crate::spec::WorldSpec;
use crate::state::{State as World, random_id};
use base64::Engine as _;
use chrono::{DateTime, Utc};
use std::{collections::HashMap, time::Duration};

/// With the fault, how long after the first CreateDeployment the sessions end, in the world's time.
const MIDDLE_OF_DEPLOYMENT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Credentials {
    keys: HashMap<String, Key>,
    canary: String,
    /// Sessions that were minted before this moment are over once it has come.
    cut: Option<Time>,
}

#[derive(Debug)]
struct Key {
    secret: String,
    caller: Caller,
    session: Option<Held>,
}

/// What a key of a session has beside its secret.
#[derive(Debug)]
struct Held {
    token: String,
    /// In real time, as clients reckon it.
    expires: DateTime<Utc>,
    minted: Time,
    transitive: Vec<String>,
    source_identity: Option<String>,
    policy: Option<Policy>,
}

/// A session to be minted.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) caller: Caller,
    pub(crate) seconds: u32,
    pub(crate) transitive: Vec<String>,
    pub(crate) source_identity: Option<String>,
    pub(crate) policy: Option<Policy>,
}

/// A minted session, as the client gets it.
#[derive(Debug)]
pub(crate) struct Minted {
    pub(crate) access_key: String,
    pub(crate) secret: String,
    pub(crate) token: String,
    pub(crate) expires: DateTime<Utc>,
}

impl Credentials {
    pub(super) fn new(canary: Option<&str>) -> Credentials {
        Credentials { keys: HashMap::new(), canary: canary.unwrap_or_default().to_owned(), cut: None }
    }

    pub(super) fn add_user(&mut self, account: &str, name: &str) {
        let access_key = format!("AKIA{}", random_id(16));
        let caller = Caller {
            account: account.to_owned(),
            arn: format!("arn:aws:iam::{account}:user/{name}"),
            principal: name.to_owned(),
            access_key: access_key.clone(),
            ..Caller::default()
        };
        self.keys.insert(access_key, Key { secret: self.secret(40), caller, session: None });
    }

    pub(crate) fn mint(&mut self, now: Time, session: Session) -> Minted {
        let access_key = format!("ASIA{}", random_id(16));
        let (secret, token) = (self.secret(40), self.secret(320));
        let expires = Utc::now() + Duration::from_secs(session.seconds.into());
        let held = Held {
            token: token.clone(),
            expires,
            minted: now,
            transitive: session.transitive,
            source_identity: session.source_identity,
            policy: session.policy,
        };
        let caller = Caller { access_key: access_key.clone(), ..session.caller };
        self.keys.insert(access_key.clone(), Key { secret: secret.clone(), caller, session: Some(held) });
        Minted { access_key, secret, token, expires }
    }

    /// Tag keys that go on to the sessions that this caller opens.
    pub(crate) fn transitive(&self, caller: &Caller) -> &[String] {
        self.session(caller).map(|s| s.transitive.as_slice()).unwrap_or_default()
    }

    pub(crate) fn source_identity(&self, caller: &Caller) -> Option<&str> {
        self.session(caller)?.source_identity.as_deref()
    }

    pub(super) fn session_policy(&self, caller: &Caller) -> Option<&Policy> {
        self.session(caller)?.policy.as_ref()
    }

    fn is_over(&self, session: &Held, world_now: Time, now: DateTime<Utc>) -> bool {
        let cut = self.cut.is_some_and(|cut| world_now >= cut && session.minted < cut);
        cut || session.expires <= now
    }

    fn session(&self, caller: &Caller) -> Option<&Held> {
        self.keys.get(&caller.access_key)?.session.as_ref()
    }

    /// With the characters of base64, as real ones have: not all of them are safe in a URL.
    fn secret(&self, length: usize) -> String {
        let bytes: Vec<u8> = (0..length).map(|_| rand::random()).collect();
        let random = base64::engine::general_purpose::STANDARD.encode(bytes);
        format!("{}{}", self.canary, &random[..length])
    }
}

/// The caller whose key signed the request.
pub(crate) fn authenticate(world: &World, signed: &Signed, now: DateTime<Utc>) -> Result<Caller, Refusal> {
    let credentials = &world.iam.credentials;
    let key = credentials.keys.get(&signed.access_key).ok_or(Refusal::UnknownKey)?;
    if signed.token.as_ref() != key.session.as_ref().map(|s| &s.token) {
        return Err(Refusal::UnknownKey);
    }
    signed.check(&key.secret, now)?;
    if key.session.as_ref().is_some_and(|session| credentials.is_over(session, world.now, now)) {
        return Err(Refusal::Expired);
    }
    Ok(key.caller.clone())
}

/// Lets all sessions end once, a while from now.
pub(crate) fn expire_sessions(world: &mut World) {
    if world.iam.credentials.cut.is_none() {
        world.iam.credentials.cut = Some(world.now + MIDDLE_OF_DEPLOYMENT);
    }
}

/// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION of the caller that the world hands out.
pub(crate) fn caller_environment(world: &World, spec: &WorldSpec) -> Vec<(String, String)> {
    let key = world.iam.credentials.keys.values().find(|key| {
        key.session.is_none()
            && key.caller.account == spec.caller.account
            && key.caller.principal == spec.caller.user
    });
    let region = spec.account(&spec.caller.account).map(|a| a.region.clone()).unwrap_or_default();
    let mut environment = Vec::new();
    if let Some(key) = key {
        environment.push(("AWS_ACCESS_KEY_ID".to_owned(), key.caller.access_key.clone()));
        environment.push(("AWS_SECRET_ACCESS_KEY".to_owned(), key.secret.clone()));
    }
    // Some clients read the one, some the other.
    environment.push(("AWS_REGION".to_owned(), region.clone()));
    environment.push(("AWS_DEFAULT_REGION".to_owned(), region));
    environment
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn mint(credentials: &mut Credentials, at: i64) -> Minted {
        let caller = crate::iam::session_caller("1", "build", "run");
        let session =
            Session { caller, seconds: 900, transitive: Vec::new(), source_identity: None, policy: None };
        credentials.mint(Time(at), session)
    }

    #[test]
    fn every_secret_holds_the_canary() {
        let mut credentials = Credentials::new(Some("canary"));
        credentials.add_user("1", "developer");
        let minted = mint(&mut credentials, 0);
        assert!(minted.secret.contains("canary") && minted.token.contains("canary"));
        assert!(credentials.keys.values().all(|key| key.secret.contains("canary")));
        assert!(!minted.access_key.contains("canary"), "an access key's id is no secret");
    }

    #[test]
    fn sessions_end_by_their_time_and_by_the_cut() {
        let mut credentials = Credentials::new(None);
        let (before, now) = (mint(&mut credentials, 1_000), Utc::now());
        let over = |credentials: &Credentials, minted: &Minted, world: i64, now| {
            let session = credentials.keys[&minted.access_key].session.as_ref().unwrap();
            credentials.is_over(session, Time(world), now)
        };
        assert!(!over(&credentials, &before, 5_000, now));
        assert!(over(&credentials, &before, 5_000, now + TimeDelta::seconds(901)));

        credentials.cut = Some(Time(3_000));
        assert!(!over(&credentials, &before, 2_999, now), "the moment has not come");
        assert!(over(&credentials, &before, 3_000, now));
        let after = mint(&mut credentials, 3_000);
        assert!(!over(&credentials, &after, 9_000, now), "they end once");
    }
}
