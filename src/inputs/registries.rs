//! From the file's types to the request's: further registries, the repository that is created, the
//! scan.

use super::{assemble::Assembly, field::Section};
use crate::{
    config::{
        facts::{self, RoleArn},
        file,
        yaml::Path,
    },
    image::{DOCKER_HUB, PUBLIC, Reference, is_docker_hub},
    request::{FurtherRegistry, NewRepository, RegistryLogin, Role, ScanRule},
    say::registry as say,
};
use std::{collections::BTreeSet, time::Duration};

const SCAN: Duration = Duration::from_secs(10 * 60);
const DAY: u64 = 24 * 60 * 60;

impl Assembly<'_> {
    pub(super) fn scan(&mut self, image: Option<&file::Image>) -> Option<ScanRule> {
        let scan = image?.scan.as_ref()?;
        let path = Section::Image.path(self.environment).key("scan").key("ignore");
        for (at, name) in scan.ignore.iter().enumerate().filter(|(_, name)| !is_vulnerability(name)) {
            self.add(|subject| say::not_a_vulnerability(name, subject), &path.index(at));
        }
        Some(ScanRule {
            fail_on: scan.fail_on,
            timeout: scan.timeout.map_or(SCAN, |span| span.0),
            ignore: scan.ignore.clone(),
            allow_unscanned: scan.allow_unscanned.unwrap_or_default(),
        })
    }

    pub(super) fn new_repository(
        &mut self,
        asked: Option<&file::CreateRepository>,
        file: &file::File,
        section: &Path,
    ) -> Option<NewRepository> {
        let fields = match asked? {
            file::CreateRepository::Asked(false) => return None,
            file::CreateRepository::Asked(true) => &file::NewRepository::default(),
            file::CreateRepository::As(fields) => fields.as_ref(),
        };
        let path = section.key("create-repository");
        let expire = fields.expire_untagged.map(|span| span.0.as_secs());
        if let Some(span) = expire.filter(|span| *span == 0 || !span.is_multiple_of(DAY)) {
            self.add(|subject| say::not_whole_days(span, subject), &path.key("expire-untagged"));
        }
        if fields.kms_key.as_ref().is_some_and(|key| key.trim().is_empty()) {
            self.add(crate::say::inputs::blank, &path.key("kms-key"));
        }
        let given = fields.pull_accounts.as_deref().unwrap_or_default();
        for (at, id) in given.iter().enumerate().filter(|(_, id)| !facts::has_form("account-id", id)) {
            self.add(|subject| say::not_an_account(id, subject), &path.key("pull-accounts").index(at));
        }
        let of_environments = file.environments.values().filter_map(|environment| {
            let of_role = || Some(RoleArn::parse(environment.role.as_deref()?)?.account);
            environment.account.as_deref().or_else(of_role)
        });
        let accounts: BTreeSet<&str> = match &fields.pull_accounts {
            Some(given) => given.iter().map(String::as_str).collect(),
            None => of_environments.collect(),
        };
        Some(NewRepository {
            scan_on_push: fields.scan_on_push.unwrap_or_default(),
            immutable_tags: fields.immutable_tags.unwrap_or_default(),
            keep: fields.keep,
            expire_untagged: expire.map(|span| span / DAY),
            kms_key: fields.kms_key.clone(),
            pull_accounts: accounts.into_iter().map(str::to_owned).collect(),
            pull_accounts_given: fields.pull_accounts.is_some(),
            is_there: false,
        })
    }

    pub(super) fn registries(
        &mut self,
        registries: &[file::Registry],
        file: &file::File,
        section: &Path,
    ) -> Vec<FurtherRegistry> {
        let mut seen = BTreeSet::new();
        let mut logins = Vec::new();
        for (at, registry) in registries.iter().enumerate() {
            let path = section.index(at);
            let login = match (&registry.ecr, &registry.host) {
                (Some(account), None) => self.ecr(account, registry, file, &path),
                (None, Some(host)) => self.password(host, registry, &path),
                _ => {
                    self.add(say::host_or_ecr, &path);
                    None
                }
            };
            let Some(login) = login else { continue };
            if !seen.insert(say::registry_name(&login)) {
                self.add(|subject| say::registry_twice(&login, subject), &path);
            }
            logins.push(FurtherRegistry { login, place: self.source.subject(&path).place });
        }
        logins
    }

    fn ecr(
        &mut self,
        id: &str,
        registry: &file::Registry,
        file: &file::File,
        path: &Path,
    ) -> Option<RegistryLogin> {
        for (key, given) in
            [("username", registry.username.is_some()), ("password-env", registry.password_env.is_some())]
        {
            if given {
                self.add(|subject| say::not_for_ecr(key, subject), &path.key(key));
            }
        }
        let build = file.build_account.as_ref();
        let environment = file.environments.get(self.environment);
        let usual = build
            .and_then(|build| build.region.clone())
            .or_else(|| environment.and_then(|e| e.region.clone()));
        let region = registry.region.clone().or(usual).unwrap_or_default();
        if registry.region.is_some() {
            let allowed = build.and_then(|build| build.allow_unknown_region);
            self.region(&region, allowed, path, "build-allow-unknown-region");
        }
        if registry.role.is_none() && registry.external_id.is_some() {
            self.add(crate::say::inputs::external_id_without_role, &path.key("external-id"));
        }
        let role = registry.role.as_ref().map(|arn| Role {
            arn: arn.clone(),
            external_id: registry.external_id.clone(),
            session_tags: build.map(|build| build.session_tags.clone()).unwrap_or_default(),
            tag_session: build.and_then(|build| build.tag_session).unwrap_or(true),
        });
        Some(RegistryLogin::Ecr { account: id.to_owned(), region, role })
    }

    fn password(&mut self, host: &str, registry: &file::Registry, path: &Path) -> Option<RegistryLogin> {
        let place = path.key("host");
        let ecr = Reference::parse(&format!("{host}/x")).and_then(|reference| reference.ecr_host());
        if let Some(ecr) = ecr {
            self.add(|subject| say::ecr_as_host(&ecr.account, &ecr.region, subject), &place);
            return None;
        }
        if host == PUBLIC {
            for (key, given) in [
                ("username", registry.username.is_some()),
                ("password-env", registry.password_env.is_some()),
                ("region", registry.region.is_some()),
                ("role", registry.role.is_some()),
            ] {
                if given {
                    self.add(|subject| say::not_for_public(key, subject), &path.key(key));
                }
            }
            return Some(RegistryLogin::Public);
        }
        if !is_host(host) {
            self.add(|subject| say::not_a_registry(host, subject), &place);
            return None;
        }
        for (key, given) in [
            ("region", registry.region.is_some()),
            ("role", registry.role.is_some()),
            ("external-id", registry.external_id.is_some()),
        ] {
            if given {
                self.add(|subject| say::only_for_ecr(key, subject), &path.key(key));
            }
        }
        let [username, variable] =
            [("username", &registry.username), ("password-env", &registry.password_env)].map(
                |(key, value)| {
                    let value = value.as_ref().filter(|value| !value.trim().is_empty());
                    if value.is_none() {
                        self.add(|subject| say::login_lacks(key, host, subject), path);
                    }
                    value.cloned()
                },
            );
        let (username, variable) = (username?, variable?);
        if username.contains(':') {
            self.add(say::colon_in_username, &path.key("username"));
        }
        if !is_variable(&variable) {
            self.add(say::not_a_variable, &path.key("password-env"));
            return None;
        }
        let host = if is_docker_hub(host) { DOCKER_HUB } else { host };
        Some(RegistryLogin::Password { host: host.to_owned(), username, variable })
    }
}

/// A name with a dot or a port, as image names begin with it; no scheme, no path.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    let named = !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        && (name.contains('.') || name == "localhost" || port.is_some());
    named && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// As shells name variables. What isn't one may well be the password itself: it is never quoted.
fn is_variable(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_vulnerability(text: &str) -> bool {
    text.contains('-') && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_variables_and_vulnerabilities() {
        for host in ["ghcr.io", "localhost", "127.0.0.1:5000", "registry:5000"] {
            assert!(is_host(host), "{host}");
        }
        for wrong in ["https://ghcr.io", "ghcr.io/acme", "ghcr", "", "ghcr.io:x", "a b.c"] {
            assert!(!is_host(wrong), "{wrong}");
        }
        assert!(is_variable("GHCR_TOKEN") && !is_variable("ghp-abc") && !is_variable("1A"));
        assert!(
            is_vulnerability("CVE-2026-12345")
                && !is_vulnerability("openssl")
                && !is_vulnerability("CVE-1 x")
        );
    }
}
