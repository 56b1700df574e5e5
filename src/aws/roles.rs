//! Ways into a role: with GitHub's token, or from another role's session.

use super::{
    failure::Failure,
    oidc::{Claims, NoToken, Oidc},
};
use crate::request::Role;
use aws_credential_types::{
    Credentials,
    provider::{self, ProvideCredentials, error::CredentialsError, future},
};
use aws_sdk_sts::types::{Credentials as Session, Tag};
use std::time::SystemTime;

/// A role, and the name and tags that its sessions carry.
#[derive(Clone, Debug)]
pub struct Entry {
    pub role: Role,
    pub session: String,
    pub tags: Vec<(String, String)>,
}

/// Why a role has no session for us.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSession {
    #[error(transparent)]
    NoToken(#[from] NoToken),
    /// STS did not take the job's token for this role.
    #[error("role {role} could not be assumed with the job's OIDC token: {failure}")]
    ByToken { role: String, claims: Claims, failure: Box<Failure> },
    /// The session before did not get into this role.
    #[error("role {role} could not be assumed: {failure}")]
    Chained { role: String, from: Option<String>, external_id: bool, tagged: bool, failure: Box<Failure> },
    #[error("role {role} was assumed, but STS sent no credentials")]
    Empty { role: String },
}

/// Enters a role with GitHub's OIDC token, asked for anew each time.
#[derive(Debug)]
pub struct ByToken {
    pub oidc: Oidc,
    pub entry: Entry,
    /// Unsigned: the token speaks for itself.
    pub sts: aws_sdk_sts::Client,
    pub region: String,
}

impl ByToken {
    async fn assume(&self) -> Result<Credentials, NoSession> {
        let Entry { role, session, .. } = &self.entry;
        let token = self.oidc.token().await?;
        let answer = self
            .sts
            .assume_role_with_web_identity()
            .role_arn(&role.arn)
            .role_session_name(session)
            .web_identity_token(token.secret)
            .send()
            .await
            .map_err(|e| NoSession::ByToken {
                role: role.arn.clone(),
                claims: token.claims,
                failure: Box::new(Failure::of("sts:AssumeRoleWithWebIdentity", &self.region, e)),
            })?;
        credentials(&role.arn, answer.credentials)
    }
}

/// Enters a role from the session that signs for `sts`.
#[derive(Debug)]
pub struct Chained {
    pub entry: Entry,
    pub sts: aws_sdk_sts::Client,
    /// The role before, when it is one.
    pub from: Option<String>,
    pub region: String,
}

impl Chained {
    async fn assume(&self) -> Result<Credentials, NoSession> {
        let Entry { role, session, tags } = &self.entry;
        let tags: Vec<Tag> = tags
            .iter()
            .filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok())
            .collect();
        let tagged = !tags.is_empty();
        let answer = self
            .sts
            .assume_role()
            .role_arn(&role.arn)
            .role_session_name(session)
            .set_external_id(role.external_id.clone())
            .set_tags(tagged.then_some(tags))
            .send()
            .await
            .map_err(|e| {
                let failure = Failure::of("sts:AssumeRole", &self.region, e);
                // The session before is what's missing, not this one.
                match failure.kind {
                    super::Kind::NoSession(earlier) => *earlier,
                    _ => NoSession::Chained {
                        role: role.arn.clone(),
                        from: self.from.clone(),
                        external_id: role.external_id.is_some(),
                        tagged,
                        failure: Box::new(failure),
                    },
                }
            })?;
        credentials(&role.arn, answer.credentials)
    }
}

fn credentials(role: &str, session: Option<Session>) -> Result<Credentials, NoSession> {
    let session = session.ok_or_else(|| NoSession::Empty { role: role.to_owned() })?;
    let expiry = SystemTime::try_from(session.expiration).ok();
    Ok(Credentials::new(
        session.access_key_id,
        session.secret_access_key,
        Some(session.session_token),
        expiry,
        "role",
    ))
}

macro_rules! provides {
    ($provider:ty) => {
        impl ProvideCredentials for $provider {
            fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
            where
                Self: 'a,
            {
                future::ProvideCredentials::new(async {
                    let made: provider::Result =
                        self.assume().await.map_err(CredentialsError::provider_error);
                    made
                })
            }
        }
    };
}
provides!(ByToken);
provides!(Chained);

/// As STS takes session names: 2 to 64 of `[\w+=,.@-]`.
pub fn session_name(run: &str) -> String {
    let name: String = format!("greenlight-{run}")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) { c } else { '-' })
        .collect();
    name.chars().take(64).collect::<String>().trim_end_matches('-').to_owned()
}

/// As STS takes a session tag's value: at most 256 letters, digits, spaces and `_.:/=+-@`.
pub fn tag_value(value: &str) -> String {
    let kept = |c: char| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c);
    value.chars().map(|c| if kept(c) { c } else { '_' }).take(256).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_names_are_what_sts_takes() {
        assert_eq!(session_name("4242.1"), "greenlight-4242.1");
        assert_eq!(session_name("refs/heads/a b:c"), "greenlight-refs-heads-a-b-c");
        assert_eq!(session_name(""), "greenlight");
        assert_eq!(session_name(&"x".repeat(90)).len(), 64);
    }

    #[test]
    fn tag_values_are_what_sts_takes() {
        assert_eq!(tag_value("acme/hello"), "acme/hello");
        assert_eq!(tag_value("a#b*c"), "a_b_c");
        assert_eq!(tag_value(&"é".repeat(300)).chars().count(), 256);
    }
}
