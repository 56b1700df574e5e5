//! The way into AWS: whose session signs which calls. Credentials live in memory only and renew
//! themselves.

mod ambient;
mod clients;
mod failure;
mod http;
mod oidc;
mod raw;
mod renewing;
mod retry;
mod roles;
mod signed;

pub use clients::Clients;
pub use failure::{Failure, Kind};
pub use oidc::{AUDIENCE, Claims, NoToken};
pub use raw::{Body, send_json};
pub use retry::NotTwice;
pub use roles::NoSession;
pub use signed::Target;

use crate::{
    marker::Marker,
    outcome::{Finding, Stop},
    report::Reporter,
    request::{Auth, ImageRequest, RegistryLogin, Request, Role},
    say::refusals,
    surroundings::Variables,
};
use ambient::Ambient;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use clients::Settings;
use oidc::Oidc;
use renewing::Renewing;
use roles::{ByToken, Chained, Entry};
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

/// How long calls may take and how often they are tried.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub connect: Duration,
    pub attempt: Duration,
    pub operation: Duration,
    pub attempts: u32,
    /// The longest wait before the second try; it doubles with each further one, with jitter.
    pub backoff: Duration,
}

/// How long one call may take, in place of the usual; all else goes with it.
pub const CALL_TIMEOUT: &str = "GREENLIGHT_CALL_TIMEOUT";

impl Limits {
    pub fn of(variables: &Variables) -> Limits {
        let usual = Limits::default();
        let Some(attempt) = call_timeout(variables) else { return usual };
        let scaled = |span: Duration| span.mul_f64(attempt.as_secs_f64() / usual.attempt.as_secs_f64());
        Limits {
            connect: scaled(usual.connect),
            attempt,
            operation: scaled(usual.operation),
            attempts: usual.attempts,
            backoff: scaled(usual.backoff),
        }
    }
}

pub fn call_timeout(variables: &Variables) -> Option<Duration> {
    let given = humantime::parse_duration(variables.get(CALL_TIMEOUT)?).ok()?;
    (given > Duration::ZERO).then_some(given)
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(3),
            attempt: Duration::from_secs(10),
            operation: Duration::from_secs(60),
            attempts: 8,
            backoff: Duration::from_millis(300),
        }
    }
}

/// The sessions of a run.
#[derive(Debug)]
pub struct Access {
    /// `None` when the images come from the deploy account itself.
    pub build: Option<Clients>,
    pub deploy: Clients,
    /// Of the roles that log in to further registries, by ARN.
    pub registries: BTreeMap<String, Clients>,
    /// Which way in was taken: full sentences.
    pub notes: Vec<String>,
    /// The end of credentials that can't be renewed.
    pub ends: Option<SystemTime>,
    /// The GitHub job has an `environment:` of its own.
    pub job_environment: bool,
}

impl Access {
    /// Makes the sessions and sees that they are in the accounts that the configuration names.
    /// Whatever is secret of them is told to the report before it is used.
    pub async fn open(
        request: &Request,
        variables: &Variables,
        marker: &Marker,
        limits: Limits,
        report: &Reporter,
    ) -> Result<Access, Stop> {
        let settings = Settings::of(variables, limits, report);
        let oidc = Oidc::of(variables, &settings.http, limits.backoff, report);
        let build_role = request.build_account.as_ref().and_then(|b| b.role.as_ref());
        let deploy_role = request.environment.role.as_ref();
        let oidc = by_token(request.auth, oidc, build_role.or(deploy_role).is_some(), variables)?;

        let door = Door { settings: &settings, oidc: oidc.as_ref(), marker };
        let deploy_region = &request.environment.region;
        let first_region = request.build_account.as_ref().map_or(deploy_region, |b| &b.region);
        // With a token, only a build account without a role still needs what is there already.
        let ambient = match (&oidc, &request.build_account) {
            (Some(_), Some(build)) if build.role.is_some() => None,
            (Some(_), None) => None,
            _ => Some(Ambient::of(variables, &settings, first_region, oidc.is_none()).await?),
        };
        let ends = ambient.as_ref().and_then(|a| a.ends);
        let there = ambient.map(|a| a.session);
        let start = |role: Option<&Role>| if oidc.is_some() && role.is_some() { None } else { there.clone() };
        let build_session = match &request.build_account {
            Some(build) => {
                let session = door.enter(build_role, &build.region, start(build_role))?;
                // The deploy role may be entered from it: its trouble is told once.
                session.check().await?;
                Some(session)
            }
            None => None,
        };
        let before = match build_role {
            Some(_) => build_session.clone(),
            None => start(deploy_role),
        };
        let deploy_session = door.enter(deploy_role, deploy_region, before)?;

        let pushing = build_session.as_ref().unwrap_or(&deploy_session);
        let mut registries = BTreeMap::new();
        for (role, region) in registry_roles(request) {
            let session = door.enter(Some(role), region, Some(pushing.clone()))?;
            registries.insert(role.arn.clone(), session.clients(&settings, region));
        }
        let mut deploy = deploy_session.clients(&settings, deploy_region);
        let mut build = match (&request.build_account, &build_session) {
            (Some(account), Some(session)) => Some(session.clients(&settings, &account.region)),
            _ => None,
        };
        let named = |stated: &Option<String>, role: Option<&Role>| {
            stated.clone().or_else(|| role.and_then(|r| account_of(&r.arn)).map(str::to_owned))
        };
        let build_account = request.build_account.as_ref().and_then(|b| named(&b.account, build_role));
        let deploy_account = named(&request.environment.account, deploy_role);
        let (built, deployed) = tokio::join!(
            async {
                match &mut build {
                    Some(clients) => identify(clients, build_account.as_deref(), "build-account").await,
                    None => Ok(()),
                }
            },
            identify(&mut deploy, deploy_account.as_deref(), &request.environment.name),
        );
        let mut findings: Vec<Finding> = Vec::new();
        for finding in [built.err(), deployed.err()].into_iter().flatten() {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        if !findings.is_empty() {
            return Err(Stop::refused(findings));
        }
        let roles: Vec<&str> =
            [build_role, deploy_role].into_iter().flatten().map(|r| r.arn.as_str()).collect();
        let notes = vec![refusals::way_in(oidc.is_some(), &roles, &deploy.caller)];
        let job_environment = oidc.as_ref().is_some_and(|oidc| oidc.environment().is_some());
        Ok(Access { build, deploy, registries, notes, ends, job_environment })
    }

    /// The clients that hold the images: the build account's, or else the deploy account's.
    pub fn registry(&self) -> &Clients {
        self.build.as_ref().unwrap_or(&self.deploy)
    }
}

/// The roles that log in to further registries, each with its registry's region.
fn registry_roles(request: &Request) -> impl Iterator<Item = (&Role, &str)> {
    let registries = match &request.image {
        ImageRequest::Build(build) => build.registries.as_slice(),
        ImageRequest::Given(_) => &[],
    };
    registries.iter().filter_map(|registry| match &registry.login {
        RegistryLogin::Ecr { role: Some(role), region, .. } => Some((role, region.as_str())),
        _ => None,
    })
}

/// Whether the token is used, or why it can't be.
fn by_token(
    auth: Auth,
    oidc: Option<Oidc>,
    role_named: bool,
    variables: &Variables,
) -> Result<Option<Oidc>, Stop> {
    match (auth, oidc, role_named) {
        (Auth::Ambient, ..) | (Auth::Auto, None, _) | (Auth::Auto, _, false) => Ok(None),
        (Auth::Oidc, _, false) => Err(Stop::invalid(vec![refusals::oidc_without_role()])),
        (Auth::Oidc, None, _) => {
            Err(Stop::refused(vec![refusals::no_id_token(variables.get("GITHUB_ACTIONS").is_some())]))
        }
        (Auth::Oidc | Auth::Auto, Some(oidc), true) => Ok(Some(oidc)),
    }
}

/// A provider, and how it renews.
#[derive(Clone)]
struct Session {
    provider: SharedCredentialsProvider,
    renewing: Option<Renewing>,
    role: Option<String>,
}

impl Session {
    fn renewing(renewing: Renewing, role: Option<String>) -> Session {
        Session { provider: SharedCredentialsProvider::new(renewing.clone()), renewing: Some(renewing), role }
    }

    /// Makes sure that there is a session to sign with.
    async fn check(&self) -> Result<(), Stop> {
        let Err(error) = self.provider.provide_credentials().await else { return Ok(()) };
        let finding = match failure::no_session(&error) {
            Some(cause) => refusals::no_session(cause),
            None => refusals::no_credentials(Some(&failure::innermost(&error))),
        };
        Err(Stop::refused(vec![finding]))
    }

    fn clients(&self, settings: &Settings, region: &str) -> Clients {
        Clients::new(settings, region, self.clone())
    }
}

struct Door<'a> {
    settings: &'a Settings,
    oidc: Option<&'a Oidc>,
    marker: &'a Marker,
}

impl Door<'_> {
    /// The session of a role: from the session before it, or else with the token. Without a
    /// role, the session before it is the one.
    fn enter(&self, role: Option<&Role>, region: &str, before: Option<Session>) -> Result<Session, Stop> {
        let none = || Stop::refused(vec![refusals::no_credentials(None)]);
        let Some(role) = role else { return before.ok_or_else(none) };
        let entry = self.entry(role);
        let arn = Some(role.arn.clone());
        let region = region.to_owned();
        let report = self.settings.report.clone();
        let renewing = match before {
            Some(before) => {
                let clients = before.clients(self.settings, &region);
                Renewing::new(
                    Chained { entry, sts: clients.sts().clone(), from: before.role, region },
                    report,
                )
            }
            None => {
                let oidc = self.oidc.cloned().ok_or_else(none)?;
                Renewing::new(
                    ByToken { oidc, entry, sts: self.settings.unsigned_sts(&region), region },
                    report,
                )
            }
        };
        Ok(Session::renewing(renewing, arn))
    }

    fn entry(&self, role: &Role) -> Entry {
        let mut tags = role.session_tags.clone();
        if role.tag_session {
            let Marker { repository, commit, run, .. } = self.marker;
            let ours = [
                ("Repository", repository.as_str()),
                ("Run", run),
                ("Commit", commit.as_deref().unwrap_or_default()),
            ];
            for (key, value) in ours.into_iter().filter(|(_, value)| !value.is_empty()) {
                tags.entry(key.to_owned()).or_insert_with(|| value.to_owned());
            }
        }
        Entry {
            role: role.clone(),
            session: roles::session_name(&self.marker.run),
            tags: tags.into_iter().map(|(key, value)| (key, roles::tag_value(&value))).collect(),
        }
    }
}

/// Who the clients act as; refused when that is in another account than the one named.
async fn identify(clients: &mut Clients, expected: Option<&str>, what: &str) -> Result<(), Finding> {
    let answer = clients
        .sts()
        .get_caller_identity()
        .send()
        .await
        .map_err(clients.failed("sts:GetCallerIdentity"))
        .map_err(|failure| refusals::failure(&failure))?;
    clients.account = answer.account.unwrap_or_default();
    clients.caller = answer.arn.unwrap_or_default();
    match expected {
        Some(expected) if expected != clients.account => {
            Err(refusals::wrong_account(what, expected, &clients.account, &clients.caller))
        }
        _ => Ok(()),
    }
}

/// The account in a role's ARN.
fn account_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|id| id.len() == 12)
}
