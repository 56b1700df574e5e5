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

/// Why there is no login.
enum Lack {
    /// What the job should have been given.
    Missing(Finding),
    Refused(Finding),
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
        let (mut logins, mut twice, mut missing, mut refused) =
            (Vec::<Login>::new(), Vec::new(), Vec::new(), Vec::new());
        for registry in registries {
            let at = |finding: Finding| Finding { place: registry.place.clone(), ..finding };
            match self.login(&registry.login, notes).await? {
                Err(Lack::Missing(finding)) => missing.push(at(finding)),
                Err(Lack::Refused(finding)) => refused.push(at(finding)),
                Ok(login) => {
                    if login.host == pushed_to || logins.iter().any(|known| known.host == login.host) {
                        twice.push(at(say::login_twice(&login.host, login.host == pushed_to)));
                    }
                    logins.push(login);
                }
            }
        }
        if self.only_planned && twice.is_empty() {
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

    async fn login(
        &self,
        login: &RegistryLogin,
        notes: &mut Vec<String>,
    ) -> anyhow::Result<Result<Login, Lack>> {
        let pushing = self.access.registry();
        let failed = |failure: &Failure| Lack::Refused(say::no_login(login, &refusals::failure(failure)));
        Ok(match login {
            RegistryLogin::Password { host, username, variable } => {
                self.with_password(host, username, variable, notes).await
            }
            RegistryLogin::Ecr { account, region, role } => {
                let own = role.as_ref().and_then(|role| self.access.registries.get(&role.arn));
                let clients = own.unwrap_or(pushing);
                let region = Some(region.clone()).filter(|region| *region != clients.region);
                match (Registry { clients, account: Some(account.clone()), region }).login().await {
                    Ok(login) => Ok(login),
                    Err(error) => Err(failed(&error.downcast::<Failure>()?)),
                }
            }
            RegistryLogin::Public if pushing.partition() != "aws" => {
                Err(Lack::Refused(say::no_public_registry(pushing.partition())))
            }
            RegistryLogin::Public => public_ecr::login(pushing).await.map_err(|failure| failed(&failure)),
        })
    }

    async fn with_password(
        &self,
        host: &str,
        username: &str,
        variable: &str,
        notes: &mut Vec<String>,
    ) -> Result<Login, Lack> {
        let password = self.variables.get(variable).map(|password| Secret::new(password.trim()));
        let password = password.ok_or_else(|| Lack::Missing(say::no_password(host, variable)))?;
        let login = password_login(host, username, &password, self.access);
        match sign_in::ask(host, username, &password).await {
            Answer::In => {}
            Answer::Denied(status) => {
                return Err(Lack::Refused(say::not_let_in(host, username, variable, status)));
            }
            Answer::Unknown(why) => notes.push(say::not_asked(host, username, &why)),
        }
        Ok(login)
    }
}

/// Masked before it is put anywhere.
fn password_login(host: &str, username: &str, password: &Secret, access: &Access) -> Login {
    access.deploy.mask(password.expose());
    let token = BASE64_STANDARD.encode(format!("{username}:{}", password.expose()));
    access.deploy.mask(&token);
    Login { host: host.to_owned(), token: Secret::new(token) }
}
