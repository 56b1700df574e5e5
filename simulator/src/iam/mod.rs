//! Users, roles, their credentials, and the decision whether a call is allowed.

use crate::front::{ApiError, Caller, Need};
use crate::spec::WorldSpec;
use crate::state::State as World;

#[derive(Debug, Default)]
pub(crate) struct State {}

impl State {
    pub(crate) fn of(_spec: &WorldSpec, _canary: Option<&str>) -> State {
        State::default()
    }
}

/// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION of the caller that the world hands out.
pub(crate) fn caller_environment(_world: &World, _spec: &WorldSpec) -> Vec<(String, String)> {
    Vec::new()
}

/// Whether the caller's identity policies allow what is needed. Resource policies (of a
/// repository) are asked by the service that owns them.
pub(crate) fn allows(_world: &World, _caller: &Caller, _need: &Need) -> bool {
    false
}

/// `AccessDeniedException` in AWS's own words.
pub(crate) fn denied(world: &World, caller: &Caller, need: &Need) -> ApiError {
    ApiError {
        status: world.truths.access_denied_status,
        code: "AccessDeniedException".into(),
        message: format!(
            "User: {} is not authorized to perform: {} on resource: {} because no identity-based policy allows the {} action",
            caller.arn, need.action, need.resource, need.action
        ),
    }
}

/// A session of the role without a token, as an AWS service assumes it for itself (tasks pull
/// as their execution role). `None` when there is no such role.
pub(crate) fn service_session(_world: &World, _role_arn: &str, _session: &str) -> Option<Caller> {
    None
}

/// What a resource's own policy (a repository's, a role's trust) says to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allow,
    Deny,
    Silent,
}

/// Asks a resource policy, `Principal` included. A policy document without `Resource` speaks of
/// the resource that it hangs on.
pub(crate) fn resource_policy(_policy: &serde_json::Value, _caller: &Caller, _need: &Need) -> Verdict {
    Verdict::Silent
}
