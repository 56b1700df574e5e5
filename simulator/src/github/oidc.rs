//! GitHub's OIDC issuer: the tokens of a job, and the documents to check them by. The API of
//! GitHub's socket serves these; STS checks tokens by the same key.

use super::job::{git_ref, trigger_sha};
use crate::spec::Job;
use anyhow::{Result, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chrono::{DateTime, Utc};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use serde_json::{Value, json};

/// The issuer's name; trust policies spell their conditions by what follows the scheme.
pub(crate) fn issuer(job: &Job) -> String {
    match &job.server {
        Some(host) => format!("https://{host}/_services/token"),
        None => "https://token.actions.githubusercontent.com".to_owned(),
    }
}

const LIFETIME_SECONDS: i64 = 300;

#[derive(Debug)]
pub(crate) struct Issuer {
    key: EcdsaKeyPair,
    key_id: String,
    random: SystemRandom,
    canary: String,
}

/// Why a token isn't one of this issuer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    NotAToken,
    UnknownKey,
    Forged,
}

impl Issuer {
    pub(crate) fn new(canary: Option<&str>) -> Result<Issuer> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random)
            .map_err(|_| anyhow!("cannot make the OIDC issuer's key"))?;
        let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random)
            .map_err(|e| anyhow!("cannot read the OIDC issuer's key: {e}"))?;
        let key_id = uuid::Uuid::new_v4().to_string();
        Ok(Issuer { key, key_id, random, canary: canary.unwrap_or_default().to_owned() })
    }

    /// The answer to a job that asks for a token: GET on ACTIONS_ID_TOKEN_REQUEST_URL, with the
    /// `audience` that it named. Its bearer token is checked by whoever serves this.
    pub(crate) fn token_answer(&self, job: &Job, audience: Option<&str>) -> Result<Value> {
        let token = self.token(&self.claims(job, audience, Utc::now()))?;
        Ok(json!({ "count": token.len(), "value": token }))
    }

    /// `/.well-known/jwks`
    pub(crate) fn jwks(&self) -> Value {
        // An uncompressed point: 4, x, y.
        let (x, y) = self.key.public_key().as_ref()[1..].split_at(32);
        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.key_id,
            "x": BASE64.encode(x), "y": BASE64.encode(y),
        }] })
    }

    /// `/.well-known/openid-configuration`, for an issuer that is reached at `base`.
    pub(crate) fn configuration(&self, job: &Job, base: &str) -> Value {
        json!({
            "issuer": issuer(job),
            "jwks_uri": format!("{base}/.well-known/jwks"),
            "subject_types_supported": ["public", "pairwise"],
            "response_types_supported": ["id_token"],
            "claims_supported": [
                "sub", "aud", "exp", "iat", "iss", "jti", "nbf", "ref", "sha", "repository", "repository_id",
                "repository_owner", "repository_owner_id", "run_id", "run_number", "run_attempt", "actor",
                "workflow", "event_name", "ref_type", "environment", "job_workflow_ref", "runner_environment",
            ],
            "id_token_signing_alg_values_supported": ["ES256"],
            "scopes_supported": ["openid"],
        })
    }

    /// The claims of a token whose signature is this issuer's, whatever they say.
    pub(crate) fn verify(&self, token: &str) -> Result<Value, Foreign> {
        let parts: Vec<&str> = token.split('.').collect();
        let [header, payload, signature] = parts[..] else { return Err(Foreign::NotAToken) };
        let json = |part: &str| -> Option<Value> { serde_json::from_slice(&BASE64.decode(part).ok()?).ok() };
        let (Some(head), Some(claims)) = (json(header), json(payload)) else {
            return Err(Foreign::NotAToken);
        };
        if head["alg"] != "ES256" || head["kid"] != self.key_id.as_str() {
            return Err(Foreign::UnknownKey);
        }
        let signature = BASE64.decode(signature).map_err(|_| Foreign::NotAToken)?;
        let signed = &token.as_bytes()[..header.len() + 1 + payload.len()];
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public_key().as_ref())
            .verify(signed, &signature)
            .map_err(|_| Foreign::Forged)?;
        Ok(claims)
    }

    pub(crate) fn token(&self, claims: &Value) -> Result<String> {
        let header = json!({ "alg": "ES256", "kid": self.key_id, "typ": "JWT" });
        let encode = |part: &Value| BASE64.encode(part.to_string());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let signature =
            self.key.sign(&self.random, signed.as_bytes()).map_err(|_| anyhow!("cannot sign a token"))?;
        Ok(format!("{signed}.{}", BASE64.encode(signature)))
    }

    pub(crate) fn claims(&self, job: &Job, audience: Option<&str>, now: DateTime<Utc>) -> Value {
        let owner = job.repository.split('/').next().unwrap_or_default();
        let git_ref = git_ref(job);
        let workflow_ref = format!("{}/.github/workflows/{}.yml@{git_ref}", job.repository, job.workflow);
        let default_audience = format!("https://github.com/{owner}");
        let mut claims = json!({
            "jti": format!("{}{}", self.canary, uuid::Uuid::new_v4()),
            "iss": issuer(job),
            "aud": audience.unwrap_or(&default_audience),
            "sub": subject(job),
            "repository": job.repository,
            "repository_id": job.repository_id.to_string(),
            "repository_owner": owner,
            "repository_owner_id": job.owner_id.to_string(),
            "repository_visibility": "private",
            "ref": git_ref,
            "ref_type": if git_ref.starts_with("refs/tags/") { "tag" } else { "branch" },
            "ref_protected": "true",
            "head_ref": "",
            "base_ref": "",
            "sha": trigger_sha(job),
            "event_name": job.event,
            "actor": job.actor,
            "workflow": job.workflow,
            "workflow_ref": workflow_ref,
            "workflow_sha": job.sha,
            "job_workflow_ref": workflow_ref,
            "job_workflow_sha": job.sha,
            "run_id": job.run_id.to_string(),
            "run_number": "1",
            "run_attempt": job.run_attempt.to_string(),
            "runner_environment": "github-hosted",
            "nbf": now.timestamp() - LIFETIME_SECONDS,
            "iat": now.timestamp(),
            "exp": now.timestamp() + LIFETIME_SECONDS,
        });
        if let Some(environment) = &job.environment {
            claims["environment"] = json!(environment);
        }
        if job.event == "pull_request" {
            claims["ref_protected"] = json!("false");
            claims["head_ref"] = json!(job.branch);
            claims["base_ref"] = json!("main");
        }
        claims
    }
}

/// Who the job is, as a trust policy names it. The environment takes the place of the ref.
pub(crate) fn subject(job: &Job) -> String {
    let (owner, name) = job.repository.split_once('/').unwrap_or((&job.repository, ""));
    let repository = if job.immutable_sub {
        format!("{owner}@{}/{name}@{}", job.owner_id, job.repository_id)
    } else {
        job.repository.clone()
    };
    let rest = match &job.environment {
        Some(environment) => format!("environment:{}", environment.replace(':', "%3A")),
        None if job.event == "pull_request" => "pull_request".to_owned(),
        None => format!("ref:{}", git_ref(job)),
    };
    format!("repo:{repository}:{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        Job::default()
    }

    #[test]
    fn the_subject_names_environment_pull_request_or_ref() {
        assert_eq!(subject(&job()), "repo:acme@1001/hello@2002:ref:refs/heads/main");
        let old = Job { immutable_sub: false, ..job() };
        assert_eq!(subject(&old), "repo:acme/hello:ref:refs/heads/main");
        let pull = Job { event: "pull_request".into(), ..old.clone() };
        assert_eq!(subject(&pull), "repo:acme/hello:pull_request");
        let environment = Job { environment: Some("prod:eu".into()), ..pull };
        assert_eq!(subject(&environment), "repo:acme/hello:environment:prod%3Aeu");
    }

    #[test]
    fn a_token_is_taken_by_its_issuer_alone() {
        let issuer = Issuer::new(Some("canary")).unwrap();
        let answer = issuer.token_answer(&job(), Some("sts.amazonaws.com")).unwrap();
        let token = answer["value"].as_str().unwrap();
        let claims = issuer.verify(token).unwrap();
        assert_eq!(claims["aud"], "sts.amazonaws.com");
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
        assert!(claims["jti"].as_str().unwrap().starts_with("canary"));

        assert_eq!(Issuer::new(None).unwrap().verify(token), Err(Foreign::UnknownKey));
        assert_eq!(issuer.verify("not.a-token"), Err(Foreign::NotAToken));
        let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        parts[1] = BASE64.encode(json!({"sub": "repo:evil/evil:ref:refs/heads/main"}).to_string());
        assert_eq!(issuer.verify(&parts.join(".")), Err(Foreign::Forged));
    }
}
