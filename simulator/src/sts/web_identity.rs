//! AssumeRoleWithWebIdentity: a job's OIDC token in place of a signature.

use super::{open, validate};
use crate::front::{Answer, ApiError, Call};
use crate::github::oidc::Foreign;
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
    let issuer = claims["iss"].as_str().unwrap_or_default();
    let host = issuer.trim_start_matches("https://");
    let account = role_arn.split(':').nth(4).unwrap_or_default();
    if !world.iam.trusts_github(account) {
        return Err(invalid_token(&format!("No OpenIDConnect provider found in your account for {issuer}")));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::{Caller, Service};
    use crate::{Options, World, github::oidc::Issuer, spec::Job};
    use chrono::TimeDelta;
    use std::sync::Arc;

    const BUILD: &str = "arn:aws:iam::111111111111:role/greenlight-build";

    async fn world() -> Arc<World> {
        let spec = serde_yaml::from_str(include_str!("../../tests/worlds/hello.yml")).unwrap();
        let listen = ([127, 0, 0, 1], 0).into();
        let options = Options { listen, speed: 1.0, faults: Vec::new(), docker: false, canary: None };
        World::start(spec, options).await.unwrap()
    }

    fn assume(world: &World, role: &str, token: &str) -> Answer {
        let call = Call {
            service: Service::Sts,
            operation: "AssumeRoleWithWebIdentity".into(),
            input: json!({ "RoleArn": role, "RoleSessionName": "run", "WebIdentityToken": token }),
            caller: Caller::default(),
            region: "eu-central-1".into(),
        };
        world.change(|state| assume_role_with_web_identity(state, &call))
    }

    fn token(world: &World, job: &Job, audience: &str, age: TimeDelta) -> String {
        let state = world.lock();
        let issuer = &state.iam.issuer;
        issuer.token(&issuer.claims(job, Some(audience), Utc::now() - age)).unwrap()
    }

    #[tokio::test]
    async fn a_job_of_the_repository_enters() {
        let world = world().await;
        let job = Job { environment: Some("production".into()), ..Job::default() };
        let answer = assume(&world, BUILD, &token(&world, &job, AUDIENCE, TimeDelta::zero())).unwrap();
        assert_eq!(answer["SubjectFromWebIdentityToken"], "repo:acme@1001/hello@2002:environment:production");
        assert_eq!(
            answer["AssumedRoleUser"]["Arn"],
            "arn:aws:sts::111111111111:assumed-role/greenlight-build/run"
        );
        assert!(answer["Credentials"]["SessionToken"].is_string());
        world.shut_down().await;
    }

    #[tokio::test]
    async fn each_refusal_has_its_code() {
        let world = world().await;
        let (job, none) = (Job::default(), TimeDelta::zero());
        let good = token(&world, &job, AUDIENCE, none);
        let old_form = Job { immutable_sub: false, ..Job::default() };
        let stranger = Issuer::new(None).unwrap();
        let foreign = stranger.token(&stranger.claims(&job, Some(AUDIENCE), Utc::now())).unwrap();
        let deploy = "arn:aws:iam::222222222222:role/greenlight-deploy";
        let refusals = [
            (BUILD, token(&world, &job, AUDIENCE, TimeDelta::seconds(301)), "ExpiredTokenException", 400),
            (BUILD, token(&world, &job, "https://github.com/acme", none), "InvalidIdentityToken", 400),
            (BUILD, foreign, "InvalidIdentityToken", 400),
            (BUILD, "not-a-token".to_owned(), "InvalidIdentityToken", 400),
            (BUILD, token(&world, &old_form, AUDIENCE, none), "AccessDenied", 403),
            ("arn:aws:iam::111111111111:role/greenlight-branch", good.clone(), "AccessDenied", 403),
            ("arn:aws:iam::111111111111:role/nobody", good.clone(), "AccessDenied", 403),
            (deploy, good, "InvalidIdentityToken", 400),
        ];
        for (role, token, code, status) in refusals {
            let error = assume(&world, role, &token).unwrap_err();
            assert_eq!((error.code.as_str(), error.status), (code, status), "{}", error.message);
        }
        world.shut_down().await;
    }
}
