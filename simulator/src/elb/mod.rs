//! Load balancers: descriptions over listeners that are real sockets.

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

/// The account of a load balancer's parts, by ARN. Weights as the API has them (0 to 999).
pub(crate) fn set_weights(
    _world: &mut World,
    _listener_arn: &str,
    _weights: &[(String, u32)],
) -> Result<(), ApiError> {
    Err(ApiError::new("ListenerNotFound", "One or more listeners not found"))
}

/// The listener's target groups with their weights.
pub(crate) fn weights(_world: &World, _listener_arn: &str) -> Vec<(String, u32)> {
    Vec::new()
}

/// The ARN of the group with this name in this account.
pub(crate) fn target_group_arn(_world: &World, _account: &str, _name: &str) -> Option<String> {
    None
}

/// Puts a target into a group; its health starts as `initial`.
pub(crate) fn register_target(_world: &mut World, _group_arn: &str, _target: Target) {}

/// Takes a target out: no new request goes there; `drained` tells when the delay is over
/// and no request is under way.
pub(crate) fn deregister_target(_world: &mut World, _group_arn: &str, _target_id: &str, _port: u16) {}

/// Whether the target is out of the group and nothing is under way to it.
pub(crate) fn drained(_world: &World, _group_arn: &str, _target_id: &str, _port: u16) -> bool {
    true
}

/// `healthy`, `initial`, `unhealthy`, `draining`, `unused`; `None` when it isn't registered.
pub(crate) fn health(_world: &World, _group_arn: &str, _target_id: &str, _port: u16) -> Option<String> {
    None
}

/// A target as AWS names it, and where it really answers.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The task's private address, or an instance id.
    pub(crate) id: String,
    /// The port in AWS's view.
    pub(crate) port: u16,
    /// The loopback address where it really listens.
    pub(crate) address: std::net::SocketAddr,
    /// What to count its answers as: the task set's id.
    pub(crate) task_set: String,
}

/// One moment of the health checks and drains.
pub(crate) fn advance(_world: &mut World) -> Option<crate::Time> {
    None
}

impl State {
    pub(crate) fn of(_spec: &crate::spec::WorldSpec, _sockets: &Sockets) -> State {
        State::default()
    }
}

/// The listeners' sockets, bound before the world exists so that their addresses can be told.
pub(crate) struct Sockets {
    bound: Vec<((String, String), tokio::net::TcpListener)>,
}

impl Sockets {
    pub(crate) async fn bind(spec: &crate::spec::WorldSpec) -> anyhow::Result<Sockets> {
        let mut bound = Vec::new();
        for account in &spec.accounts {
            for listener in account.load_balancers.iter().flat_map(|b| &b.listeners) {
                let socket = tokio::net::TcpListener::bind(("127.0.0.1", listener.port)).await?;
                bound.push(((account.id.clone(), listener.name.clone()), socket));
            }
        }
        Ok(Sockets { bound })
    }

    /// (account, listener's name) → URL.
    pub(crate) fn urls(&self) -> std::collections::BTreeMap<(String, String), String> {
        self.bound
            .iter()
            .filter_map(|(key, socket)| Some((key.clone(), format!("http://{}", socket.local_addr().ok()?))))
            .collect()
    }

    pub(crate) fn serve(self, _world: &std::sync::Arc<crate::World>) {}
}

/// The ARN of the listener with this name in this account.
pub(crate) fn listener_arn(_world: &World, _account: &str, _name: &str) -> Option<String> {
    None
}

/// `listeners` (with their weights) and `targets` of the snapshot.
pub(crate) fn snapshot(_world: &World) -> serde_json::Value {
    serde_json::json!({})
}
