//! AssumeRoleWithWebIdentity: a job's OIDC token in place of a signature.

use super::{open, validate};
use crate::front::{Answer, ApiError, Call};
use crate::github::oidc::{Foreign, ISSUER};
use crate::iam::{self, Context, Principal, Verdict};
use crate::state::State as World;
use chrono::Utc;
use serde_json::{Value, json};

/// The audience that the accounts' identity providers are registered with.
const AUDIENCE: &str = "sts.amazonaws.com";

pub(super) fn assume_role_with_web_identity(world: &mut World, call: &Call) -> Answer {
    let role_arn = validate::role_arn(call)?;
    let session = validate::session_name(call)?;
    let seconds = validate::seconds(call)?;
    let token = validate::web_identity_token(call)?;
    let policy = validate::policy(call)?;

    let claims = world.iam.issuer.verify(token).map_err(|foreign| {
        invalid_token(match foreign {
            Foreign::NotAToken => {
                "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
            }
            Foreign::UnknownKey => {
                "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements"
            }
            Foreign::Forged => "The signature of the ID Token provided is invalid",
        })
    })?;
    let host = ISSUER.trim_start_matches("https://");
    let account = role_arn.split(':').nth(4).unwrap_or_default();
    if !world.iam.trusts_github(account) {
        return Err(invalid_token(&format!("No OpenIDConnect provider found in your account for {ISSUER}")));
    }
    let (now, expiry) = (Utc::now().timestamp(), claims["exp"].as_i64().unwrap_or_default());
    if now >= expiry {
        return Err(ApiError::new(
            "ExpiredTokenException",
            format!(
                "Token expired: current date/time {now} must be before the expiration date/time {expiry}"
            ),
        ));
    }
    let audience = claims["aud"].as_str().unwrap_or_default().to_owned();
    if audience != AUDIENCE {
        return Err(invalid_token("Incorrect token audience"));
    }

    let Some((account, role_name, role)) = world.iam.role(role_arn) else { return Err(refused()) };
    let mut context: Vec<(String, String)> = ["aud", "sub", "amr"]
        .into_iter()
        .filter_map(|name| Some((format!("{host}:{name}"), claims[name].as_str()?.to_owned())))
        .collect();
    context.push(("sts:RoleSessionName".to_owned(), session.to_owned()));
    let provider = format!("arn:aws:iam::{account}:oidc-provider/{host}");
    let (trust, _) = role.trust.resource(
        Principal::Federated(&provider),
        "sts:AssumeRoleWithWebIdentity",
        role_arn,
        &Context::of(context),
    );
    if trust != Verdict::Allow {
        return Err(refused());
    }
    validate::within(seconds, role.max_session_seconds)?;
    let caller = iam::session_caller(account, role_name, session);
    let opened = iam::Session { caller, seconds, transitive: Vec::new(), source_identity: None, policy };
    let mut answer = open(world, opened);
    answer.insert("SubjectFromWebIdentityToken".into(), claims["sub"].clone());
    answer.insert("Provider".into(), json!(provider));
    answer.insert("Audience".into(), json!(audience));
    Ok(Value::Object(answer))
}

fn refused() -> ApiError {
    ApiError {
        status: 403,
        code: "AccessDenied".into(),
        message: "Not authorized to perform sts:AssumeRoleWithWebIdentity".into(),
    }
}

fn invalid_token(message: &str) -> ApiError {
    ApiError::new("InvalidIdentityToken", message)
}
