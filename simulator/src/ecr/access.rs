//! Who may do what in a registry: logins, and the identity's and the repository's policies.

use super::{
    State,
    blobs::Digest,
    store::{Registry, Repository},
};
use crate::{
    Fault,
    front::{ApiError, Caller, Need},
    iam::{self, Decision, Verdict},
    state::{State as World, random_hex},
};
use std::time::{Duration, SystemTime};

/// How long a registry password holds, in real time.
pub(super) const LOGIN_LIFE: Duration = Duration::from_secs(12 * 60 * 60);

#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) who: Who,
    pub(super) expires: SystemTime,
}

/// On whose behalf a registry is used.
#[derive(Clone, Debug)]
pub(super) enum Who {
    /// The world itself, before it begins.
    Seed,
    Session(Caller),
    /// A task's engine, as the execution role.
    Task(Caller),
}

impl Who {
    fn caller(&self) -> Option<&Caller> {
        match self {
            Who::Seed => None,
            Who::Session(caller) | Who::Task(caller) => Some(caller),
        }
    }
}

impl State {
    /// A new password for the registries.
    pub(super) fn log_in(&mut self, who: Who) -> (String, SystemTime) {
        let password = self.secret();
        let expires = SystemTime::now() + LOGIN_LIFE;
        self.logins.insert(password.clone(), Login { who, expires });
        (password, expires)
    }

    pub(super) fn secret(&self) -> String {
        match &self.canary {
            Some(word) => format!("{word}{}", random_hex(48)),
            None => random_hex(64),
        }
    }
}

/// Why a request to a repository isn't carried out.
#[derive(Debug)]
pub(super) enum Refused {
    Denied(ApiError),
    NoRepository(ApiError),
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> ApiError {
        match refused {
            Refused::Denied(error) | Refused::NoRepository(error) => error,
        }
    }
}

/// Whether the login may do this to the repository: as the identity's policies and, from another
/// account, the repository's allow.
pub(super) fn authorise(
    world: &World,
    who: &Who,
    account: &str,
    repository: &str,
    action: &str,
) -> Result<(), Refused> {
    let registry = world.ecr.registries.get(account);
    let found = registry.and_then(|r| r.repositories.get(repository));
    if let (Some(caller), Some(registry)) = (who.caller(), registry) {
        let need = Need::new(action, registry.arn(repository));
        if !iam::allows(world, caller, &need) && !grants(world, caller, registry, found, &need) {
            return Err(Refused::Denied(iam::denied(world, caller, &need)));
        }
    }
    let (Some(registry), Some(_)) = (registry, found) else {
        return Err(Refused::NoRepository(no_repository(account, repository)));
    };
    match who.caller() {
        Some(caller) => by_resource(world, caller, registry, repository, action).map_err(Refused::Denied),
        None => Ok(()),
    }
}

/// The half of the decision that isn't the identity's: what the repository's policy says.
pub(super) fn by_resource(
    world: &World,
    caller: &Caller,
    registry: &Registry,
    repository: &str,
    action: &str,
) -> Result<(), ApiError> {
    let need = Need::new(action, registry.arn(repository));
    let because = match says(registry.repositories.get(repository), caller, &need) {
        Verdict::Allow => return Ok(()),
        Verdict::Silent if caller.account == registry.account => return Ok(()),
        Verdict::Silent => format!("because no resource-based policy allows the {action} action"),
        Verdict::Deny => "with an explicit deny in a resource-based policy".to_owned(),
    };
    Err(ApiError {
        message: format!(
            "User: {} is not authorized to perform: {action} on resource: {} {because}",
            caller.arn, need.resource
        ),
        ..iam::denied(world, caller, &need)
    })
}

/// Whether, in its own account, the repository's policy allows what no policy of the identity denies.
pub(super) fn grants(
    world: &World,
    caller: &Caller,
    registry: &Registry,
    repository: Option<&Repository>,
    need: &Need,
) -> bool {
    caller.account == registry.account
        && says(repository, caller, need) == Verdict::Allow
        && iam::identity(world, caller, need) == Decision::ImplicitDeny
}

fn says(repository: Option<&Repository>, caller: &Caller, need: &Need) -> Verdict {
    let document = repository.and_then(|r| r.policy.as_deref()).and_then(|p| serde_json::from_str(p).ok());
    document.map_or(Verdict::Silent, |document| iam::resource_policy(&document, caller, need))
}

pub(super) fn no_repository(account: &str, repository: &str) -> ApiError {
    ApiError::new(
        "RepositoryNotFoundException",
        format!("The repository with name '{repository}' does not exist in the registry with id '{account}'"),
    )
}

/// What the world's faults do before a task's engine pulls an image that came after the start.
pub(super) fn befall_pull(world: &mut World, who: &Who, account: &str, repository: &str, image: &Digest) {
    let Who::Task(caller) = who else { return };
    let (gone, denied) = (world.has(Fault::ImageMissing), world.has(Fault::PullDenied));
    let Some(repository) =
        world.ecr.registries.get_mut(account).and_then(|r| r.repositories.get_mut(repository))
    else {
        return;
    };
    if repository.images.get(image).is_none_or(|found| found.of_the_start) {
        return;
    }
    if gone {
        repository.remove_image(image);
    }
    if denied {
        repository.policy = (caller.account == account).then(|| deny_pull(caller));
    }
}

/// In the repository's own account silence allows, so it takes a denial.
fn deny_pull(caller: &Caller) -> String {
    serde_json::json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Deny",
        "Principal": {"AWS": iam::principal_arn(caller)},
        "Action": ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
    }]})
    .to_string()
}
