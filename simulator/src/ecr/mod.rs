//! Repositories: the API of ECR over the store that each account's registry serves.

use crate::front::{Answer, ApiError, Call, Need};
use crate::state::State as World;

#[derive(Debug, Default)]
pub(crate) struct State {}

pub(crate) fn needs(_world: &World, _call: &Call) -> Vec<Need> {
    Vec::new()
}

pub(crate) fn handle(_world: &mut World, call: &Call) -> Answer {
    Err(ApiError::new("InvalidAction", format!("no operation is named {}", call.operation)))
}

impl State {
    pub(crate) fn of(_spec: &crate::spec::WorldSpec, _endpoints: &crate::Endpoints) -> State {
        State::default()
    }
}

/// The registries' sockets, one for each account, bound before the world exists.
pub(crate) struct Registries {
    sockets: Vec<(String, tokio::net::TcpListener)>,
}

impl Registries {
    pub(crate) async fn bind(spec: &crate::spec::WorldSpec) -> anyhow::Result<Registries> {
        let mut sockets = Vec::new();
        for account in &spec.accounts {
            sockets.push((account.id.clone(), tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?));
        }
        Ok(Registries { sockets })
    }

    pub(crate) fn hosts(&self) -> std::collections::BTreeMap<String, String> {
        self.sockets
            .iter()
            .filter_map(|(account, socket)| Some((account.clone(), socket.local_addr().ok()?.to_string())))
            .collect()
    }

    pub(crate) fn serve(self, _world: &std::sync::Arc<crate::World>) {}
}

/// A login that may push anything: for the images of the start.
pub(crate) fn seed_login(_world: &mut World, _account: &str) -> Option<(String, String, String)> {
    None
}

/// What a task's pull of this image takes and whether it may: the user and password for the
/// registry when the session may pull, else CannotPullContainerError's text.
pub(crate) fn pull_credentials(
    _world: &mut World,
    _session: &crate::front::Caller,
) -> Result<(String, String), ApiError> {
    Err(ApiError::new("AccessDeniedException", "no registry"))
}

/// Puts an image of one layer into a repository, as a push would: what a world without an
/// engine runs. Returns the manifest's digest.
pub(crate) fn put_small_image(
    _world: &mut World,
    _account: &str,
    _repository: &str,
    _tag: &str,
    _config: serde_json::Value,
) -> Result<String, ApiError> {
    Err(ApiError::new("RepositoryNotFoundException", "no repository"))
}

/// The config document of an image (`Env`, `Cmd`, labels, platform), by `HOST/repository@digest` or `:tag`.
pub(crate) fn image_config(_world: &World, _uri: &str) -> Option<serde_json::Value> {
    None
}

/// `repositories` of the snapshot: images, tags, digests.
pub(crate) fn snapshot(_world: &World) -> serde_json::Value {
    serde_json::json!({})
}
