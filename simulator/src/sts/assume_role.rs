//! AssumeRole: the role's trust, the caller's permission, tags, and the limits of chaining.

use super::{open, validate};
use crate::front::{Answer, ApiError, Call, Caller, Need};
use crate::iam::{self, Decision, Principal, Verdict};
use crate::state::State as World;
use serde_json::json;

/// What a session of a session may last.
const CHAINED_SECONDS: u32 = 3600;

pub(super) fn assume_role(world: &mut World, call: &Call) -> Answer {
    let role_arn = validate::role_arn(call)?;
    let session = validate::session_name(call)?;
    let external_id = validate::external_id(call)?;
    let source_identity = validate::source_identity(call)?;
    let seconds = validate::seconds(call)?;
    let passed = validate::tags(call)?;
    let transitive = call.texts("TransitiveTagKeys")?;
    let policy = validate::policy(call)?;
    if call.caller.assumed_role && seconds > CHAINED_SECONDS {
        return Err(validate::invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        ));
    }
    if let Some(unknown) = transitive.iter().find(|key| !passed.iter().any(|(k, _)| k == *key)) {
        return Err(validate::invalid(format!(
            "The transitive tag key {unknown} is not among the session tags"
        )));
    }
    let inherited = world.iam.credentials.transitive(&call.caller).to_vec();
    if let Some((key, _)) =
        passed.iter().find(|(key, _)| inherited.iter().any(|i| i.eq_ignore_ascii_case(key)))
    {
        return Err(validate::invalid(format!(
            "The session tag {key} is transitive in the calling session and can't be passed again"
        )));
    }
    let kept = world.iam.credentials.source_identity(&call.caller).map(str::to_owned);
    let source_identity = source_identity.map(str::to_owned).or(kept);

    let mut context = vec![("sts:RoleSessionName".to_owned(), session.to_owned())];
    context.extend(external_id.map(|id| ("sts:ExternalId".to_owned(), id.to_owned())));
    context.extend(source_identity.iter().map(|id| ("sts:SourceIdentity".to_owned(), id.clone())));
    for (key, value) in &passed {
        context.push((format!("aws:RequestTag/{key}"), value.clone()));
        context.push(("aws:TagKeys".to_owned(), key.clone()));
    }
    context.extend(transitive.iter().map(|key| ("sts:TransitiveTagKeys".to_owned(), (*key).to_owned())));
    let mut actions = vec!["sts:AssumeRole"];
    if !passed.is_empty() {
        actions.push("sts:TagSession");
    }
    if source_identity.is_some() {
        actions.push("sts:SetSourceIdentity");
    }
    for action in actions {
        let need =
            Need { action: action.to_owned(), resource: role_arn.to_owned(), context: context.clone() };
        may_assume(world, &call.caller, &need)?;
    }

    let Some((account, role_name, role)) = world.iam.role(role_arn) else {
        return Err(refused(&call.caller, "sts:AssumeRole", role_arn));
    };
    validate::within(seconds, role.max_session_seconds)?;
    let packed = packed_percent(&passed, call.text("Policy")?);
    if packed > 100 {
        return Err(ApiError::new(
            "PackedPolicyTooLarge",
            format!("Session policy and session tags take {packed}% of the packed size allowed"),
        ));
    }
    let mut caller = iam::session_caller(account, role_name, session);
    caller.tags = call.caller.tags.iter().filter(|(key, _)| inherited.contains(key)).cloned().collect();
    let narrowed = policy.is_some();
    let sized = narrowed || !passed.is_empty();
    caller.tags.extend(passed);
    let transitive = inherited.into_iter().chain(transitive.into_iter().map(str::to_owned)).collect();
    let opened =
        iam::Session { caller, seconds, transitive, source_identity: source_identity.clone(), policy };
    let mut answer = open(world, opened);
    if sized {
        answer.insert("PackedPolicySize".into(), json!(packed));
    }
    if let Some(identity) = source_identity {
        answer.insert("SourceIdentity".into(), json!(identity));
    }
    Ok(answer.into())
}

/// Both sides have a say. Inside one account, a trust policy that names the caller himself is
/// enough; where it names only his account, or another account's caller, his own policy must allow it too.
fn may_assume(world: &World, caller: &Caller, need: &Need) -> Result<(), ApiError> {
    let Some((account, _, role)) = world.iam.role(&need.resource) else {
        return Err(refused(caller, &need.action, &need.resource));
    };
    let context = iam::context(caller, need);
    let (trust, by_name) =
        role.trust.resource(Principal::Caller(caller), &need.action, &need.resource, &context);
    let own = iam::identity(world, caller, need);
    let same_account = account == caller.account;
    match (trust, own) {
        (Verdict::Allow, Decision::Allowed) => Ok(()),
        (Verdict::Allow, Decision::ImplicitDeny) if same_account && by_name => Ok(()),
        // AWS gives a reason inside an account, and none across accounts.
        (_, Decision::ImplicitDeny | Decision::ExplicitDeny | Decision::SessionPolicy) if same_account => {
            Err(iam::denied(world, caller, need))
        }
        _ => Err(refused(caller, &need.action, &need.resource)),
    }
}

fn refused(caller: &Caller, action: &str, resource: &str) -> ApiError {
    ApiError::new(
        "AccessDeniedException",
        format!("User: {} is not authorized to perform: {action} on resource: {resource}", caller.arn),
    )
}

/// AWS packs tags and policy into a space whose size it doesn't tell; this reckons with 4 KiB.
fn packed_percent(tags: &[(String, String)], policy: Option<&str>) -> usize {
    let size: usize = tags.iter().map(|(key, value)| key.len() + value.len() + 2).sum();
    (size + policy.map_or(0, str::len)).div_ceil(41)
}
