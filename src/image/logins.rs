//! Logins to the registries that the images come from which a build starts from. They are for the
//! private copy of Docker's configuration alone.

use super::{
    ecr::{Login, Registry},
    public_ecr,
    sign_in::{self, Answer},
};
use crate::{
    aws::{Access, Failure},
    outcome::{Finding, Stop},
    request::{FurtherRegistry, RegistryLogin},
    say::{refusals, registry as say},
    secret::Secret,
    surroundings::Variables,
};
use base64::{Engine, prelude::BASE64_STANDARD};

/// What logins are made with.
pub struct Beside<'a> {
    pub access: &'a Access,
    pub variables: &'a Variables,
    /// Nothing is built with them: what is missing is noted.
    pub only_planned: bool,
}

impl Beside<'_> {
    /// One for each registry, or all that keeps them from being made. `pushed_to` is the host whose
    /// login there is anyway.
    pub async fn logins(
        &self,
        registries: &[FurtherRegistry],
        pushed_to: &str,
        notes: &mut Vec<String>,
    ) -> anyhow::Result<Vec<Login>> {
        let Beside { access, variables, only_planned } = *self;
        let (mut logins, mut twice, mut missing, mut refused) =
            (Vec::<Login>::new(), Vec::new(), Vec::new(), Vec::new());
        for registry in registries {
            let at = |finding: Finding| Finding { place: registry.place.clone(), ..finding };
            let login = match &registry.login {
                RegistryLogin::Password { host, username, variable } => {
                    let Some(password) = variables.get(variable) else {
                        missing.push(at(say::no_password(host, variable)));
                        continue;
                    };
                    let password = Secret::new(password.trim());
                    let login = password_login(host, username, &password, access);
                    match sign_in::ask(host, username, &password).await {
                        Answer::In => {}
                        Answer::Denied(status) => {
                            refused.push(at(say::not_let_in(host, username, variable, status)));
                        }
                        Answer::Unknown(why) => notes.push(say::not_asked(host, username, &why)),
                    }
                    login
                }
                RegistryLogin::Ecr { account, region, role } => {
                    let clients = match role {
                        Some(role) => access.registries.get(&role.arn),
                        None => Some(access.registry()),
                    };
                    let Some(clients) = clients else { continue };
                    let region = Some(region.clone()).filter(|region| *region != clients.region);
                    let at_ecr = Registry { clients, account: Some(account.clone()), region };
                    match at_ecr.login().await {
                        Ok(login) => login,
                        Err(error) => {
                            let failure = error.downcast::<Failure>()?;
                            refused.push(at(say::no_login(&registry.login, &refusals::failure(&failure))));
                            continue;
                        }
                    }
                }
                RegistryLogin::Public if access.registry().partition() != "aws" => {
                    refused.push(at(say::no_public_registry(access.registry().partition())));
                    continue;
                }
                RegistryLogin::Public => match public_ecr::login(access.registry()).await {
                    Ok(login) => login,
                    Err(failure) => {
                        refused.push(at(say::no_login(&registry.login, &refusals::failure(&failure))));
                        continue;
                    }
                },
            };
            if login.host == pushed_to || logins.iter().any(|known| known.host == login.host) {
                twice.push(at(say::login_twice(&login.host, login.host == pushed_to)));
            }
            logins.push(login);
        }
        if only_planned && twice.is_empty() {
            let found = missing.into_iter().chain(refused);
            notes.extend(found.map(|finding| say::only_planned(&finding)));
            return Ok(Vec::new());
        }
        if !missing.is_empty() || !twice.is_empty() {
            return Err(Stop::invalid([twice, missing, refused].concat()).into());
        }
        if !refused.is_empty() {
            return Err(Stop::refused(refused).into());
        }
        Ok(logins)
    }
}

/// Masked before it is put anywhere.
fn password_login(host: &str, username: &str, password: &Secret, access: &Access) -> Login {
    access.deploy.mask(password.expose());
    let token = BASE64_STANDARD.encode(format!("{username}:{}", password.expose()));
    access.deploy.mask(&token);
    Login { host: host.to_owned(), token: Secret::new(token) }
}
