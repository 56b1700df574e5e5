//! GitHub as a job's token sees it: checks, statuses, comments, deployments, and the OIDC issuer.

pub(crate) mod oidc;

#[derive(Debug, Default)]
pub(crate) struct State {}

impl State {
    pub(crate) fn of(
        _spec: &crate::spec::WorldSpec,
        _endpoints: &crate::Endpoints,
        _canary: Option<&str>,
    ) -> State {
        State::default()
    }
}

/// GitHub's socket, bound before the world exists so that its address can be told.
pub(crate) struct Server {
    listener: tokio::net::TcpListener,
    address: std::net::SocketAddr,
}

impl Server {
    pub(crate) async fn bind() -> anyhow::Result<Server> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        Ok(Server { listener, address })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn serve(self, _world: &std::sync::Arc<crate::World>) {
        let _ = self.listener;
    }
}

/// GITHUB_*, ACTIONS_* and the token of the job that the world plays.
pub(crate) fn job_environment(
    _world: &crate::state::State,
    _spec: &crate::spec::WorldSpec,
    _endpoints: &crate::Endpoints,
) -> Vec<(String, String)> {
    Vec::new()
}

/// `checks`, `statuses`, `comments` and `github_deployments` of the snapshot.
pub(crate) fn snapshot(_world: &crate::state::State) -> serde_json::Value {
    serde_json::json!({})
}
