//! Users, roles, their credentials, and the decision whether a call is allowed.

mod condition;
mod credentials;
mod policy;

pub(crate) use condition::{Context, glob};
pub(crate) use credentials::{Session, authenticate, caller_environment, expire_sessions};
pub(crate) use policy::{Policy, Principal, Verdict};

use crate::front::{ApiError, Caller, Need};
use crate::github::oidc::Issuer;
use crate::spec::WorldSpec;
use crate::state::State as World;
use crate::{Fault, state::random_id};
use anyhow::{Context as _, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub(crate) struct State {
    users: BTreeMap<(String, String), User>,
    roles: BTreeMap<(String, String), Role>,
    pub(super) credentials: credentials::Credentials,
    /// Accounts that have GitHub's issuer as an identity provider.
    providers: BTreeSet<String>,
    /// GitHub's keys, which the identity providers check tokens with.
    pub(crate) issuer: Issuer,
}

#[derive(Debug)]
struct User {
    id: String,
    policies: Vec<Policy>,
}

#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) id: String,
    pub(crate) trust: Policy,
    policies: Vec<Policy>,
    pub(crate) max_session_seconds: u32,
}

impl State {
    pub(crate) fn of(spec: &WorldSpec, canary: Option<&str>) -> Result<State> {
        let mut state = State {
            users: BTreeMap::new(),
            roles: BTreeMap::new(),
            credentials: credentials::Credentials::new(canary),
            providers: spec.accounts.iter().filter(|a| a.oidc_provider).map(|a| a.id.clone()).collect(),
            issuer: Issuer::new(canary)?,
        };
        for account in &spec.accounts {
            for user in &account.users {
                let key = (account.id.clone(), user.name.clone());
                let policies = policies(&user.policies)
                    .with_context(|| format!("the user {} of account {}", user.name, account.id))?;
                state.credentials.add_user(&account.id, &user.name);
                state.users.insert(key, User { id: format!("AIDA{}", random_id(17)), policies });
            }
            for role in &account.roles {
                let whose = || format!("the role {} of account {}", role.name, account.id);
                let key = (account.id.clone(), role.name.clone());
                let trust =
                    Policy::parse(&role.trust).with_context(|| format!("the trust of {}", whose()))?;
                let role = Role {
                    id: format!("AROA{}", random_id(17)),
                    trust,
                    policies: policies(&role.policies).with_context(whose)?,
                    max_session_seconds: role.max_session_seconds.unwrap_or(3600),
                };
                state.roles.insert(key, role);
            }
        }
        // A world of GitHub alone has no accounts, and nobody to call.
        let caller = (spec.caller.account.clone(), spec.caller.user.clone());
        ensure!(
            spec.accounts.is_empty() || state.users.contains_key(&caller),
            "the caller {} is not a user of account {}",
            caller.1,
            caller.0
        );
        Ok(state)
    }

    /// A role, by its ARN.
    pub(crate) fn role(&self, arn: &str) -> Option<(&str, &str, &Role)> {
        let (account, name) = role_of(arn)?;
        let ((account, name), role) = self.roles.get_key_value(&(account.to_owned(), name.to_owned()))?;
        Some((account, name, role))
    }

    pub(crate) fn trusts_github(&self, account: &str) -> bool {
        self.providers.contains(account)
    }

    /// The unique id of a user or role, as `UserId` shows it.
    pub(crate) fn unique_id(&self, caller: &Caller) -> String {
        let key = (caller.account.clone(), caller.principal.clone());
        if caller.assumed_role {
            let session = caller.arn.rsplit('/').next().unwrap_or_default();
            self.roles.get(&key).map(|r| format!("{}:{session}", r.id)).unwrap_or_default()
        } else {
            self.users.get(&key).map(|u| u.id.clone()).unwrap_or_default()
        }
    }
}

/// Whether the caller's identity policies allow what is needed. Resource policies (of a
/// repository) are asked by the service that owns them.
pub(crate) fn allows(world: &World, caller: &Caller, need: &Need) -> bool {
    identity(world, caller, need) == Decision::Allowed
}

/// `AccessDeniedException` in AWS's own words.
pub(crate) fn denied(world: &World, caller: &Caller, need: &Need) -> ApiError {
    let action = &need.action;
    let because = match identity(world, caller, need) {
        Decision::ExplicitDeny => "with an explicit deny in an identity-based policy".to_owned(),
        Decision::SessionPolicy => format!("because no session policy allows the {action} action"),
        Decision::ImplicitDeny => format!("because no identity-based policy allows the {action} action"),
        Decision::Allowed => format!("because no resource-based policy allows the {action} action"),
    };
    ApiError {
        status: world.truths.access_denied_status,
        code: "AccessDeniedException".into(),
        message: format!(
            "User: {} is not authorized to perform: {action} on resource: {} {because}",
            caller.arn, need.resource
        ),
    }
}

/// Asks a resource's own policy (a repository's), `Principal` included. A statement without
/// `Resource` speaks of the resource that the policy hangs on.
pub(crate) fn resource_policy(policy: &serde_json::Value, caller: &Caller, need: &Need) -> Verdict {
    let context = context(caller, need);
    match Policy::parse(policy) {
        Ok(policy) => policy.resource(Principal::Caller(caller), &need.action, &need.resource, &context).0,
        Err(_) => Verdict::Silent,
    }
}

/// Whether an AWS service may take on the role: `ecs-tasks.amazonaws.com` and the like.
#[allow(dead_code, reason = "whether AWS asks it when a role is passed isn't known")]
pub(crate) fn trusts_service(world: &World, role_arn: &str, service: &str) -> bool {
    world.iam.role(role_arn).is_some_and(|(_, _, role)| {
        let principal = Principal::Service(service);
        role.trust.resource(principal, "sts:AssumeRole", role_arn, &Context::default()).0 == Verdict::Allow
    })
}

/// A session of the role without a token, as an AWS service assumes it for itself (tasks pull
/// as their execution role). `None` when there is no such role.
pub(crate) fn service_session(world: &World, role_arn: &str, session: &str) -> Option<Caller> {
    let (account, role, _) = world.iam.role(role_arn)?;
    Some(session_caller(account, role, session))
}

/// The ARN that policies know a caller by: the user's, or the role's for its sessions.
pub(crate) fn principal_arn(caller: &Caller) -> String {
    let kind = if caller.assumed_role { "role" } else { "user" };
    format!("arn:aws:iam::{}:{kind}/{}", caller.account, caller.principal)
}

/// What a caller's own policies say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Allowed,
    ImplicitDeny,
    ExplicitDeny,
    /// The policy that the session was narrowed with doesn't allow it.
    SessionPolicy,
}

pub(crate) fn identity(world: &World, caller: &Caller, need: &Need) -> Decision {
    let lacking = match need.action.as_str() {
        "codedeploy:CreateDeployment" => world.has(Fault::PermissionMissing),
        "ecr:InitiateLayerUpload" | "ecr:PutImage" => world.has(Fault::PushDenied),
        _ => false,
    };
    if lacking {
        return Decision::ImplicitDeny;
    }
    let key = (caller.account.clone(), caller.principal.clone());
    let policies = if caller.assumed_role {
        world.iam.roles.get(&key).map(|r| &r.policies)
    } else {
        world.iam.users.get(&key).map(|u| &u.policies)
    };
    let context = context(caller, need);
    let mut decision = Decision::ImplicitDeny;
    for policy in policies.into_iter().flatten() {
        match policy.identity(&need.action, &need.resource, &context) {
            Verdict::Deny => return Decision::ExplicitDeny,
            Verdict::Allow => decision = Decision::Allowed,
            Verdict::Silent => {}
        }
    }
    if decision == Decision::Allowed
        && let Some(narrowed) = world.iam.credentials.session_policy(caller)
        && narrowed.identity(&need.action, &need.resource, &context) != Verdict::Allow
    {
        return Decision::SessionPolicy;
    }
    decision
}

/// The condition keys of a call: what it needs them for, and who makes it.
pub(crate) fn context(caller: &Caller, need: &Need) -> Context {
    let own = [
        ("aws:PrincipalArn".to_owned(), principal_arn(caller)),
        ("aws:PrincipalAccount".to_owned(), caller.account.clone()),
        ("aws:PrincipalType".to_owned(), if caller.assumed_role { "AssumedRole" } else { "User" }.to_owned()),
        ("aws:CurrentTime".to_owned(), chrono::Utc::now().to_rfc3339()),
        ("aws:SecureTransport".to_owned(), "true".to_owned()),
    ];
    let user = (!caller.assumed_role).then(|| ("aws:username".to_owned(), caller.principal.clone()));
    let tags = caller.tags.iter().map(|(k, v)| (format!("aws:PrincipalTag/{k}"), v.clone()));
    Context::of(own.into_iter().chain(user).chain(tags).chain(need.context.iter().cloned()))
}

pub(crate) fn session_caller(account: &str, role: &str, session: &str) -> Caller {
    Caller {
        account: account.to_owned(),
        arn: format!("arn:aws:sts::{account}:assumed-role/{role}/{session}"),
        principal: role.to_owned(),
        assumed_role: true,
        ..Caller::default()
    }
}

fn role_of(arn: &str) -> Option<(&str, &str)> {
    let (account, role) = arn.strip_prefix("arn:aws:iam::")?.split_once(":role/")?;
    Some((account, role.rsplit('/').next()?))
}

fn policies(documents: &[serde_json::Value]) -> Result<Vec<Policy>> {
    documents.iter().map(Policy::parse).collect()
}
