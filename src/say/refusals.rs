//! What AWS refuses, and what to do about it: sessions, permissions, accounts, addresses.

use crate::{
    aws::{AUDIENCE, Claims, Failure, Kind, NoSession, NoToken},
    config::facts,
    outcome::Finding,
};

/// Which way in was taken.
pub fn way_in(by_token: bool, roles: &[&str], caller: &str) -> String {
    let start = if by_token { "GitHub's OIDC token" } else { "those that the environment holds" };
    match roles {
        [] => format!("Credentials: {start}, as {caller}."),
        roles => {
            let roles: Vec<String> = roles.iter().map(|arn| format!("then {}", role(arn))).collect();
            format!("Credentials: {start}, {}.", roles.join(", "))
        }
    }
}

/// A role's ARN as people name it.
fn role(arn: &str) -> String {
    match (arn.split(':').nth(4), arn.rsplit('/').next()) {
        (Some(account), Some(name)) if arn.contains(":role/") => {
            format!("role `{name}` of account {account}")
        }
        _ => format!("`{arn}`"),
    }
}

pub fn oidc_without_role() -> Finding {
    Finding::new(
        "`auth: oidc` is asked for, but no role is named that the token could enter.",
        "Name the environment's `role` (or the build account's), or set `auth: ambient`.",
    )
}

pub fn no_id_token(in_job: bool) -> Finding {
    if !in_job {
        return Finding::new(
            "`auth: oidc` is asked for, but GitHub's OIDC token can only be had inside a GitHub Actions job.",
            "Set `auth: ambient` to use the credentials of this machine.",
        );
    }
    Finding::new(
        "The job can't ask GitHub for an OIDC token, and there are no other AWS credentials: \
         ACTIONS_ID_TOKEN_REQUEST_URL is not set, which means that `id-token: write` is missing.",
        "Add to the job in the workflow file:\n    permissions:\n      id-token: write\n      contents: read\n\
         (a pull request from a fork never gets a token).",
    )
}

pub fn no_credentials(why: Option<&str>) -> Finding {
    Finding::new(
        match why {
            Some(why) => format!(
                "The AWS credentials that the environment names can't be used: {}.",
                why.trim_end_matches('.')
            ),
            None => {
                "There are no AWS credentials: not in the environment, in a profile, nor of this machine."
                    .to_owned()
            }
        },
        "Name a `role` and let the job have `id-token: write`, or provide credentials: AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or `aws sso login`.",
    )
}

pub fn wrong_account(what: &str, expected: &str, found: &str, caller: &str) -> Finding {
    Finding::new(
        format!(
            "The credentials for `{what}` are in account {found} ({caller}), but the configuration names account {expected}."
        ),
        format!(
            "Use credentials or a role of account {expected}, or correct the `role` or `account` of `{what}`."
        ),
    )
}

/// A call that failed for good.
pub fn failure(failure: &Failure) -> Finding {
    let Failure { action, kind, message, region, .. } = failure;
    match kind {
        Kind::NoSession(cause) => no_session(cause),
        Kind::Denied => denied(failure),
        Kind::Credentials if message.contains("valid region") => no_region(action, region, message),
        Kind::Credentials => Finding::new(
            format!("AWS does not take the credentials for `{action}` in {region}: {}.", said(failure)),
            "Renew them: sign in again, or check the keys in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and \
             AWS_SESSION_TOKEN.",
        ),
        Kind::Throttled => Finding::new(
            format!("`{action}` was throttled to the last try: {}.", said(failure)),
            "Run again when fewer calls are made in this account and region.",
        ),
        Kind::Server => Finding::new(
            format!("AWS could not carry out `{action}` in {region}, to the last try: {}.", said(failure)),
            "Run again; https://health.aws.amazon.com tells of outages.",
        ),
        Kind::Unreachable => unreachable(action, region, message),
        Kind::Unreadable => Finding::new(
            format!("The answer to `{action}` from {region} could not be read: {message}."),
            "Check that AWS_ENDPOINT_URL and the proxy settings lead to AWS.",
        ),
        Kind::Answer => Finding::new(
            format!("`{action}` was refused in {region}: {}.", said(failure)),
            "Correct what the message names and run again.",
        ),
    }
}

fn said(failure: &Failure) -> String {
    let message = failure.message.trim_end_matches('.');
    match failure.code.as_deref() {
        Some(code) => format!("{code}, {message}"),
        None => message.to_owned(),
    }
}

/// What a denial's text tells: who, which action, on what, why.
struct Denial<'a> {
    who: Option<&'a str>,
    action: &'a str,
    resource: Option<&'a str>,
    because: Option<&'a str>,
}

impl<'a> Denial<'a> {
    fn of(failure: &'a Failure) -> Denial<'a> {
        let text = failure.message.as_str();
        let after = |mark: &str| text.split_once(mark).map(|(_, rest)| rest);
        let word = |rest: &'a str| rest.split_whitespace().next().map(|w| w.trim_end_matches(['.', ',']));
        Denial {
            who: after("User: ").and_then(word).or(failure.caller.as_deref()),
            action: after("perform: ").and_then(word).unwrap_or(failure.action),
            resource: after("on resource: ").and_then(word),
            because: after(" because ").map(|b| b.trim_end_matches('.')),
        }
    }
}

/// The role (or user) in a caller's ARN, as people name it.
fn principal(arn: &str) -> String {
    let account = arn.split(':').nth(4).unwrap_or_default();
    match arn.split('/').collect::<Vec<_>>()[..] {
        [kind, name, _] if kind.ends_with(":assumed-role") => format!("role `{name}` of account {account}"),
        [kind, name] if kind.ends_with(":user") => format!("user `{name}` of account {account}"),
        _ => format!("`{arn}`"),
    }
}

fn denied(failure: &Failure) -> Finding {
    let denial = Denial::of(failure);
    let who = denial.who.map_or_else(|| "the caller".to_owned(), principal);
    let on = denial.resource.map(|r| format!(" on {r}")).unwrap_or_default();
    let because = denial.because.map(|b| format!(", because {b}")).unwrap_or_default();
    let asked = match denial.action == failure.action {
        true => String::new(),
        false => format!(" (asked for by `{}`)", failure.action),
    };
    Finding::new(
        format!("The {who} may not `{}`{on}{asked}{because}.", denial.action).replace("The the", "The"),
        format!("Allow `{}`{on} in a policy of {who}.{}", denial.action, perhaps_misspelt(denial.action)),
    )
}

/// A role that may see one repository is denied another, whether there is such a one or not.
fn perhaps_misspelt(action: &str) -> &'static str {
    match action {
        "ecr:DescribeRepositories" => {
            " Where a policy allows it for another repository only, the name may be misspelt, or there is no such \
             repository: AWS denies all of that alike."
        }
        _ => "",
    }
}

fn unreachable(action: &str, region: &str, message: &str) -> Finding {
    if facts::regions().any(|known| known == region) {
        return Finding::new(
            format!("No AWS endpoint answers in {region} (asked for `{action}`): {message}."),
            "Check the network, the proxy settings and AWS_ENDPOINT_URL.",
        );
    }
    no_region(action, region, message)
}

fn no_region(action: &str, region: &str, message: &str) -> Finding {
    let likely = facts::nearest(region, facts::regions());
    let likely = likely.map(|near| format!(" Did you mean `{near}`?")).unwrap_or_default();
    Finding::new(
        format!(
            "No AWS endpoint answers for region `{region}` (asked for `{action}`): {}.",
            message.trim_end_matches('.')
        ),
        format!("Correct `region`.{likely}"),
    )
}

pub fn no_session(cause: &NoSession) -> Finding {
    match cause {
        NoSession::NoToken(NoToken::Refused { status, body }) => Finding::new(
            format!("GitHub refused the job an OIDC token (status {status}): {}", body.trim()),
            "Give the job `permissions:` with `id-token: write`; a pull request from a fork never gets a token.",
        ),
        NoSession::NoToken(NoToken::Unreachable(why)) => Finding::new(
            format!("GitHub's OIDC service could not be asked for a token: {why}."),
            "Run again; https://www.githubstatus.com tells of outages.",
        ),
        NoSession::NoToken(NoToken::Unreadable) => Finding::new(
            "GitHub's OIDC service answered something that is no token.",
            "Check that ACTIONS_ID_TOKEN_REQUEST_URL is as the runner set it.",
        ),
        NoSession::ByToken { role, claims, failure } => by_token(role, claims, failure),
        NoSession::Chained { role, from, external_id, tagged, failure } => {
            chained(role, from.as_deref(), *external_id, *tagged, failure)
        }
        NoSession::Empty { role } => Finding::new(
            format!("STS let us into role {role}, but sent no credentials."),
            "Run again; check AWS_ENDPOINT_URL when it happens again.",
        ),
    }
}

fn by_token(role: &str, claims: &Claims, failure: &Failure) -> Finding {
    if !matches!(failure.kind, Kind::Denied | Kind::Answer | Kind::Credentials) {
        return self::failure(failure);
    }
    let Claims { sub, aud, .. } = claims;
    let issuer = claims.iss.trim_start_matches("https://");
    let issuer = if issuer.is_empty() { "token.actions.githubusercontent.com" } else { issuer };
    let what = format!(
        "The job's OIDC token may not enter role {role}: {}. The token says sub `{sub}` and aud `{aud}`.",
        said(failure)
    );
    if failure.is("InvalidIdentityToken") {
        let account = role.split(':').nth(4).unwrap_or_default();
        return Finding::new(
            what,
            format!(
                "Add the identity provider `https://{issuer}` with audience `{AUDIENCE}` to account {account}."
            ),
        );
    }
    Finding::new(
        what,
        format!(
            "Check that the role exists, and let its trust policy allow `sts:AssumeRoleWithWebIdentity` to the \
             provider `{issuer}` under conditions that this token meets:\n    \
             \"{issuer}:aud\": \"{aud}\"\n    \"{issuer}:sub\": \"{sub}\""
        ),
    )
}

fn chained(role: &str, from: Option<&str>, external_id: bool, tagged: bool, failure: &Failure) -> Finding {
    if !matches!(failure.kind, Kind::Denied | Kind::Answer) {
        return self::failure(failure);
    }
    let denial = Denial::of(failure);
    let caller = from.or(denial.who).unwrap_or("the caller");
    let what = format!("Role {role} can't be assumed by {caller}: {}.", said(failure));
    if tagged && denial.action == "sts:TagSession" {
        return Finding::new(
            what,
            format!(
                "Let the trust policy of {role} allow `sts:TagSession` beside `sts:AssumeRole`, or set `tag-session: false`."
            ),
        );
    }
    let id = match external_id {
        true => {
            "with the condition \"sts:ExternalId\" equal to the `external-id` that the configuration names"
        }
        false => "(no `external-id` was sent: name it when the trust policy asks for one)",
    };
    let tag = if tagged { " and `sts:TagSession`" } else { "" };
    Finding::new(
        what,
        format!(
            "Check that the role exists. Its trust policy must allow `sts:AssumeRole`{tag} to {caller} {id}, \
             and a policy of {caller} must allow `sts:AssumeRole` on {role}."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(kind: Kind, code: &str, message: &str) -> Failure {
        Failure {
            action: "sts:AssumeRole",
            kind,
            code: Some(code.to_owned()),
            message: message.to_owned(),
            caller: None,
            region: "eu-central-1".to_owned(),
        }
    }

    fn text(finding: Finding) -> String {
        format!("{}\n-> {}", finding.what, finding.fix)
    }

    const BUILD: &str = "arn:aws:sts::111111111111:assumed-role/greenlight-build/greenlight-1";
    const DEPLOY: &str = "arn:aws:iam::222222222222:role/greenlight-deploy";

    #[test]
    fn a_denial_names_action_role_and_resource() {
        let message = format!(
            "User: {BUILD} is not authorized to perform: ecs:DescribeServices on resource: arn:aws:ecs:eu-central-1:1:service/prod/hello because no identity-based policy allows the ecs:DescribeServices action"
        );
        let denied = Failure {
            action: "ecs:DescribeServices",
            ..failed(Kind::Denied, "AccessDeniedException", &message)
        };
        insta::assert_snapshot!(text(failure(&denied)), @r"
        The role `greenlight-build` of account 111111111111 may not `ecs:DescribeServices` on arn:aws:ecs:eu-central-1:1:service/prod/hello, because no identity-based policy allows the ecs:DescribeServices action.
        -> Allow `ecs:DescribeServices` on arn:aws:ecs:eu-central-1:1:service/prod/hello in a policy of role `greenlight-build` of account 111111111111.
        ");
    }

    #[test]
    fn a_token_that_a_role_does_not_trust_is_told_by_its_claims() {
        let claims = Claims {
            iss: "https://token.actions.githubusercontent.com".into(),
            sub: "repo:acme@1001/hello@2002:ref:refs/heads/main".into(),
            aud: "sts.amazonaws.com".into(),
            environment: None,
        };
        let failure =
            failed(Kind::Denied, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity");
        let failure = Box::new(failure);
        let refused = NoSession::ByToken { role: DEPLOY.into(), claims, failure };
        insta::assert_snapshot!(text(no_session(&refused)), @r#"
        The job's OIDC token may not enter role arn:aws:iam::222222222222:role/greenlight-deploy: AccessDenied, Not authorized to perform sts:AssumeRoleWithWebIdentity. The token says sub `repo:acme@1001/hello@2002:ref:refs/heads/main` and aud `sts.amazonaws.com`.
        -> Check that the role exists, and let its trust policy allow `sts:AssumeRoleWithWebIdentity` to the provider `token.actions.githubusercontent.com` under conditions that this token meets:
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com"
            "token.actions.githubusercontent.com:sub": "repo:acme@1001/hello@2002:ref:refs/heads/main"
        "#);
    }

    #[test]
    fn a_chain_that_breaks_says_both_sides() {
        let message =
            format!("User: {BUILD} is not authorized to perform: sts:AssumeRole on resource: {DEPLOY}");
        let refused = NoSession::Chained {
            role: DEPLOY.into(),
            from: Some("arn:aws:iam::111111111111:role/greenlight-build".into()),
            external_id: false,
            tagged: false,
            failure: Box::new(failed(Kind::Denied, "AccessDenied", &message)),
        };
        insta::assert_snapshot!(text(no_session(&refused)), @r"
        Role arn:aws:iam::222222222222:role/greenlight-deploy can't be assumed by arn:aws:iam::111111111111:role/greenlight-build: AccessDenied, User: arn:aws:sts::111111111111:assumed-role/greenlight-build/greenlight-1 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::222222222222:role/greenlight-deploy.
        -> Check that the role exists. Its trust policy must allow `sts:AssumeRole` to arn:aws:iam::111111111111:role/greenlight-build (no `external-id` was sent: name it when the trust policy asks for one), and a policy of arn:aws:iam::111111111111:role/greenlight-build must allow `sts:AssumeRole` on arn:aws:iam::222222222222:role/greenlight-deploy.
        ");
    }

    #[test]
    fn a_missing_tag_session_is_told_apart() {
        let message =
            format!("User: {BUILD} is not authorized to perform: sts:TagSession on resource: {DEPLOY}");
        let refused = NoSession::Chained {
            role: DEPLOY.into(),
            from: None,
            external_id: true,
            tagged: true,
            failure: Box::new(failed(Kind::Denied, "AccessDenied", &message)),
        };
        assert!(
            no_session(&refused)
                .fix
                .contains("`sts:TagSession` beside `sts:AssumeRole`, or set `tag-session: false`")
        );
    }

    #[test]
    fn a_misspelt_region_is_told_from_a_network_that_is_down() {
        let down = failed(Kind::Unreachable, "", "dispatch failure");
        assert!(failure(&down).fix.contains("Check the network"));
        let misspelt = Failure { region: "eu-centrall-1".into(), ..down };
        assert!(failure(&misspelt).fix.contains("eu-central-1"), "{:?}", failure(&misspelt));
    }
}
