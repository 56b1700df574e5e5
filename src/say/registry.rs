//! What is said about registries: logging in to further ones, and the repository that is created.

use super::{and, list};
use crate::{
    aws::{Clients, Failure},
    image::{PUBLIC, Repository},
    inputs::source::Subject,
    outcome::Finding,
    request::{FurtherRegistry, NewRepository, RegistryLogin},
    say::refusals,
};

/// What a repository is left without when its creation breaks off.
pub const LIFECYCLE: &str = "its lifecycle policy";
pub const POLICY: &str = "the policy that lets other accounts pull";

pub fn registry_name(login: &RegistryLogin) -> String {
    match login {
        RegistryLogin::Password { host, .. } => host.clone(),
        RegistryLogin::Ecr { account, region, .. } => format!("ECR of account {account} in {region}"),
        RegistryLogin::Public => PUBLIC.to_owned(),
    }
}

pub fn host_or_ecr(subject: &Subject) -> Finding {
    subject.finding(
        format!("{} has to name a registry by one of `host` and `ecr`.", subject.said),
        "Write `host: ghcr.io` with `username:` and `password-env:`, or `ecr: 333333333333` for a registry of ECR.",
    )
}

pub fn registry_twice(login: &RegistryLogin, subject: &Subject) -> Finding {
    subject.finding(
        format!("{} logs in to {} a second time.", subject.said, registry_name(login)),
        "Leave one of the two: Docker knows one login for a host.",
    )
}

pub fn not_for_ecr(key: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("{} is given for a registry of ECR, whose password is asked of AWS.", subject.said),
        format!("Leave `{key}` out; name a `role:` where the login takes another one."),
    )
}

pub fn only_for_ecr(key: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("{} is for registries of ECR, and this one is named by its host.", subject.said),
        format!("Leave `{key}` out, or name the registry's account with `ecr:` in place of `host:`."),
    )
}

pub fn ecr_as_host(account: &str, region: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("{} is a registry of ECR, whose password is asked of AWS.", subject.said),
        format!("Write `ecr: \"{account}\"` and `region: {region}` in place of `host:`."),
    )
}

pub fn no_public_registry(partition: &str) -> Finding {
    Finding::new(
        format!("{PUBLIC} can't be logged in to with credentials of the partition `{partition}`."),
        "Take it out of `registries`: its images can be pulled without a login.",
    )
}

pub fn not_for_public(key: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("{} is given for {PUBLIC}, to which the role that pushes logs in.", subject.said),
        format!("Leave `{key}` out."),
    )
}

pub fn not_a_registry(host: &str, subject: &Subject) -> Finding {
    let bare = host.split_once("://").map_or(host, |(_, rest)| rest);
    let bare = bare.split('/').next().filter(|bare| bare.contains('.')).unwrap_or("ghcr.io");
    subject.finding(
        format!("{} is `{host}`, which is no registry's host.", subject.said),
        format!("Write the host alone, without a scheme or a path: `{bare}`."),
    )
}

pub fn login_lacks(key: &str, host: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("{} has no `{key}` to log in to {host} with.", subject.said),
        "It takes `username:` and `password-env:`, the name of a variable that the workflow sets from a secret.",
    )
}

pub fn colon_in_username(subject: &Subject) -> Finding {
    subject
        .finding(format!("{} has a colon, which no user's name has.", subject.said), "Write the name alone.")
}

/// What stands there is not shown: it may be the password itself.
pub fn not_a_variable(subject: &Subject) -> Finding {
    subject.finding(
        format!("{} isn't the name of a variable.", subject.said),
        "Name the variable that holds the password: `password-env: GHCR_TOKEN`, with \
         `env: { GHCR_TOKEN: ${{ secrets.GHCR_TOKEN }} }` at the step. Should it be a password, it is in the file for \
         all to see: have it replaced.",
    )
}

pub fn not_whole_days(seconds: u64, subject: &Subject) -> Finding {
    let shown = humantime::format_duration(std::time::Duration::from_secs(seconds));
    subject.finding(
        format!("{} is {shown}, but ECR counts in whole days.", subject.said),
        "Write it in days: `14d`.",
    )
}

pub fn not_an_account(id: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("{} is `{id}`, which is no account id.", subject.said),
        "An account id has twelve digits; a leading 0 belongs to it, and takes quotes.",
    )
}

pub fn not_a_vulnerability(name: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("{} is `{name}`, which is no vulnerability's name.", subject.said),
        "Write it as the scan names it: `CVE-2026-12345`.",
    )
}

pub fn no_password(host: &str, variable: &str) -> Finding {
    Finding::new(
        format!(
            "There is no password to log in to {host} with: the variable `{variable}` is not set, or empty."
        ),
        format!(
            "Give it to the step: `env: {{ {variable}: ${{{{ secrets.{variable} }}}} }}`. A pull request from a fork \
             and Dependabot get no such secrets."
        ),
    )
}

pub fn login_twice(host: &str, pushed_to: bool) -> Finding {
    match pushed_to {
        true => Finding::new(
            format!("{host} is the registry that the image is pushed to: its login is there already."),
            "Take it out of `registries`.",
        ),
        false => Finding::new(
            format!("Two entries of `registries` are one registry, {host}."),
            "Leave one of the two: Docker knows one login for a host.",
        ),
    }
}

pub fn not_let_in(host: &str, username: &str, variable: &str, status: reqwest::StatusCode) -> Finding {
    Finding::new(
        format!("{host} doesn't let `{username}` in with what `{variable}` holds: it answers {status}."),
        format!(
            "See that `{variable}` holds a password or token of `{username}` that hasn't expired and may pull; for \
             ghcr.io the job's own token will do, with `packages: read` in the job's `permissions:`."
        ),
    )
}

pub fn not_asked(host: &str, username: &str, why: &str) -> String {
    format!("Whether {host} lets `{username}` in shows only in the build, for it couldn't be asked: {why}.")
}

/// What a plan does without, and a deployment can't.
pub fn only_planned(finding: &Finding) -> String {
    format!("A deployment would be refused here: {}", finding.what)
}

pub fn no_login(login: &RegistryLogin, failed: &Finding) -> Finding {
    let registry = match login {
        RegistryLogin::Ecr { account, .. } => format!("the registry of account {account}"),
        other => registry_name(other),
    };
    let fix = match login {
        RegistryLogin::Public => format!(
            "{} It takes `ecr-public:GetAuthorizationToken` and `sts:GetServiceBearerToken`; public images can be \
             pulled without a login, too.",
            failed.fix
        ),
        _ => failed.fix.clone(),
    };
    Finding::new(format!("There is no login to {registry}: {}", failed.what), fix)
}

/// Whose permission a base image lacks, where its registry is one that was logged in to.
pub fn pull_denied(message: &str, registries: &[FurtherRegistry]) -> Option<String> {
    let named = |login: &RegistryLogin| match login {
        RegistryLogin::Password { host, .. } => message.contains(host.as_str()),
        RegistryLogin::Ecr { account, region, .. } => {
            message.contains(&format!("{account}.dkr")) || message.contains(&format!(":{region}:{account}:"))
        }
        // What it holds is for all.
        RegistryLogin::Public => false,
    };
    let registry = registries.iter().find(|registry| named(&registry.login))?;
    Some(match &registry.login {
        RegistryLogin::Password { host, username, variable } => format!(
            "Let `{username}` read the image in {host}, and see that `{variable}` holds a password or token of \
             theirs that hasn't expired and may pull."
        ),
        RegistryLogin::Ecr { account, role, .. } => {
            let who = match role {
                Some(role) => format!("`{}`", role.arn),
                None => "the role that pushes".to_owned(),
            };
            format!(
                "Let {who} pull from the repository in account {account}: `ecr:BatchGetImage` and \
                 `ecr:GetDownloadUrlForLayer`, in a policy of the role and, from another account, in the repository's \
                 policy too."
            )
        }
        RegistryLogin::Public => return None,
    })
}

/// As a step of the plan.
pub fn creation(repository: &str, wanted: &NewRepository) -> String {
    let mut parts = Vec::new();
    // These a repository has from its creation on.
    if wanted.scan_on_push && !wanted.is_there {
        parts.push("scan on push".to_owned());
    }
    if wanted.immutable_tags && !wanted.is_there {
        parts.push("tags that can't be moved".to_owned());
    }
    if let Some(key) = wanted.kms_key.as_ref().filter(|_| !wanted.is_there) {
        parts.push(format!("encryption with {key}"));
    }
    if let Some(days) = wanted.expire_untagged {
        parts.push(format!("untagged images deleted after {days} days"));
    }
    if let Some(images) = wanted.keep {
        parts.push(format!("all but the newest {images} images deleted"));
    }
    if !wanted.pull_accounts.is_empty() {
        parts.push(format!("leave to pull for {}", and(&wanted.pull_accounts)));
    }
    if wanted.is_there {
        return format!(
            "set on repository {repository}, which is empty, what isn't set yet of: {}",
            and(&parts)
        );
    }
    let with = if parts.is_empty() { String::new() } else { format!(", with {}", and(&parts)) };
    format!("create repository {repository}, which isn't there{with}")
}

pub fn created(name: &str, made: bool, clients: &Clients) -> String {
    let place = format!("in account {} in {}", clients.account, clients.region);
    match made {
        true => format!("Repository `{name}` was created {place}."),
        false => format!("Repository `{name}` {place} is there: what was set on it stays."),
    }
}

pub fn not_created(name: &str, failure: &Failure) -> Finding {
    let failed = refusals::failure(failure);
    let fix = match failure.is_denied() {
        true => format!("{} Or create the repository yourself.", failed.fix),
        false => failed.fix,
    };
    Finding::new(format!("Repository `{name}` couldn't be created: {}", failed.what), fix)
}

pub fn half_made(name: &str, lacks: &str, failure: &Failure, clients: &Clients) -> Finding {
    let failed = refusals::failure(failure);
    Finding::new(
        format!(
            "Repository `{name}` was created in account {}, but {lacks} couldn't be set: {}",
            clients.account, failed.what
        ),
        format!(
            "{} Then run again: as long as the repository is empty, what isn't set on it yet is set.",
            failed.fix
        ),
    )
}

pub fn no_pull_account(account: &str) -> Finding {
    Finding::new(
        format!(
            "The repository is to be created, but `pull-accounts` keeps the tasks of account {account} from pulling."
        ),
        format!(
            "Add \"{account}\" to `pull-accounts`, or leave that out: then the environments' accounts are taken."
        ),
    )
}

/// A repository that is there stays as it is, though another was asked for.
pub fn otherwise(repository: &Repository, wanted: &NewRepository) -> Option<String> {
    let mut differs = Vec::new();
    if wanted.scan_on_push && repository.scan_on_push == Some(false) {
        differs.push("scan on push is off");
    }
    if wanted.immutable_tags && repository.tags.as_ref().is_some_and(|tags| !tags.is_immutable()) {
        differs.push("its tags can be moved");
    }
    let differs: Vec<String> = differs.into_iter().map(str::to_owned).collect();
    (!differs.is_empty()).then(|| {
        format!(
            "Repository {} is there and stays as it is, otherwise than `create-repository` asks: {}.",
            list([repository.name.as_str()]),
            and(&differs)
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn whose_permission_a_base_image_lacks() {
        let ecr = |account: &str| RegistryLogin::Ecr {
            account: account.into(),
            region: "eu-west-1".into(),
            role: None,
        };
        let password = RegistryLogin::Password {
            host: "ghcr.io".into(),
            username: "octocat".into(),
            variable: "GHCR_TOKEN".into(),
        };
        let registries = [ecr("333333333333"), password, ecr("444444444444")]
            .map(|login| FurtherRegistry { login, place: None });
        let told = |message: &str| pull_denied(message, &registries);
        let host = "pulling from host 444444444444.dkr.ecr.eu-west-1.amazonaws.com failed with status code [manifests 1]: 403 Forbidden";
        assert!(
            told(host)
                .unwrap()
                .starts_with("Let the role that pushes pull from the repository in account 444444444444")
        );
        let arn = "ecr:BatchGetImage on resource: arn:aws:ecr:eu-west-1:333333333333:repository/base because";
        assert!(told(arn).unwrap().contains("in account 333333333333"));
        let token = "failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://ghcr.io/token: 403 Forbidden";
        assert!(
            told(token)
                .unwrap()
                .starts_with("Let `octocat` read the image in ghcr.io, and see that `GHCR_TOKEN`")
        );
        assert_eq!(told("quay.io: 401 Unauthorized"), None);
    }
}
