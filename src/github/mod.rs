//! GitHub's REST API, as far as reports need it. A call is one attempt: whoever reports decides
//! on the next, since a lost answer to a creation must not create a second one.

mod failure;
#[cfg(test)]
pub mod stub;
#[cfg(test)]
mod tests;

pub use failure::Failure;

use crate::git::Kinship;
use anyhow::Context;
use octocrab::{FromResponse, Octocrab, Page};
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::{Value, json};
use std::time::Duration;

type Result<T> = std::result::Result<T, Failure>;

/// What a job's own token writes as.
pub const ACTIONS_LOGIN: &str = "github-actions[bot]";

#[derive(Clone)]
pub struct Client {
    octocrab: Octocrab,
    /// `/repos/owner/name`
    repository: String,
}

/// How long GitHub may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub connect: Duration,
    /// For the whole of a request; GitHub itself gives up after ten seconds.
    pub request: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { connect: Duration::from_secs(5), request: Duration::from_secs(12) }
    }
}

impl Limits {
    /// A request may take so long.
    pub fn of(request: Duration) -> Limits {
        Limits { connect: Limits::default().connect.min(request), request }
    }
}

#[derive(Debug, Serialize)]
pub struct NewCheck<'a> {
    pub name: &'a str,
    pub head_sha: &'a str,
    /// Tells this run's check from others of its name.
    pub external_id: &'a str,
    pub details_url: &'a str,
    pub started_at: &'a str,
    #[serde(flatten)]
    pub state: &'a Value,
}

#[derive(Debug, Serialize)]
pub struct NewDeployment<'a> {
    #[serde(rename = "ref")]
    pub commit: &'a str,
    pub task: &'a str,
    pub environment: &'a str,
    pub payload: &'a Value,
    /// Left out, GitHub may merge the default branch into ours and create no deployment.
    auto_merge: bool,
    /// Left out, every status must be green, the one of this very run included.
    required_contexts: [&'a str; 0],
}

impl<'a> NewDeployment<'a> {
    pub fn of(commit: &'a str, task: &'a str, environment: &'a str, payload: &'a Value) -> NewDeployment<'a> {
        NewDeployment { commit, task, environment, payload, auto_merge: false, required_contexts: [] }
    }
}

#[derive(Debug, Deserialize)]
struct Id {
    id: u64,
}

#[derive(Debug, Deserialize)]
pub struct Deployment {
    pub id: u64,
    #[serde(default)]
    pub payload: Value,
    /// Of the commit.
    #[serde(default)]
    pub sha: String,
}

impl Client {
    /// Of a repository, `owner/name`. Needs a runtime.
    pub fn new(api_url: &str, token: &str, repository: &str, limits: Limits) -> anyhow::Result<Client> {
        let http = crate::tls::client(api_url)
            .connect_timeout(limits.connect)
            .timeout(limits.request)
            .pool_max_idle_per_host(1)
            .build()
            .context("no HTTP client can be made")?;
        let octocrab = Octocrab::builder()
            .base_uri(api_url.trim_end_matches('/'))
            .with_context(|| format!("`{api_url}` is no address"))?
            .personal_token(token.to_owned())
            .build_with_reqwest(http)?;
        Ok(Client { octocrab, repository: format!("/repos/{repository}") })
    }

    pub async fn create_check(&self, check: &NewCheck<'_>) -> Result<u64> {
        let created: Id = self.post("check-runs", check).await?;
        Ok(created.id)
    }

    pub async fn update_check(&self, id: u64, state: &Value) -> Result<()> {
        self.patch(&format!("check-runs/{id}"), state).await
    }

    /// A check of a commit that was created under this id of ours.
    pub async fn find_check(&self, sha: &str, name: &str, external_id: &str) -> Result<Option<u64>> {
        let ours = |check: &Check| check.external_id.as_deref() == Some(external_id);
        Ok(self.checks(sha, name, &[]).await?.into_iter().find(ours).map(|check| check.id))
    }

    /// The checks of this name that are in progress, but for the one of this id of ours.
    pub async fn open_checks(&self, sha: &str, name: &str, external_id: &str) -> Result<Vec<u64>> {
        let checks = self.checks(sha, name, &[("status", "in_progress")]).await?;
        let others = checks.into_iter().filter(|check| check.external_id.as_deref() != Some(external_id));
        Ok(others.map(|check| check.id).collect())
    }

    async fn checks(&self, sha: &str, name: &str, further: &[(&str, &str)]) -> Result<Vec<Check>> {
        #[derive(Deserialize)]
        struct Checks {
            check_runs: Vec<Check>,
        }
        // By default the newest of a name is the only one that is told.
        let query = [&[("check_name", name), ("per_page", "100"), ("filter", "all")], further].concat();
        let checks: Checks = self.get(&format!("commits/{sha}/check-runs"), &query).await?;
        Ok(checks.check_runs)
    }

    /// The newest of a context counts, so a repetition does no harm.
    pub async fn create_status(&self, sha: &str, status: &Value) -> Result<()> {
        self.send_post(&format!("statuses/{sha}"), status).await
    }

    /// The oldest comment that begins with the marker and that `login` wrote: anyone can write a
    /// marker.
    pub async fn find_comment(&self, pull_request: u64, marker: &str, login: &str) -> Result<Option<u64>> {
        #[derive(Deserialize)]
        struct Comment {
            id: u64,
            #[serde(default)]
            body: Option<String>,
            user: Option<User>,
        }
        #[derive(Deserialize)]
        struct User {
            login: String,
        }
        let query = [("per_page", "100")];
        let mut page: Page<Comment> = self.get(&format!("issues/{pull_request}/comments"), &query).await?;
        loop {
            let ours = page.items.iter().find(|comment| {
                comment.user.as_ref().is_some_and(|user| user.login == login)
                    && comment.body.as_deref().is_some_and(|body| body.starts_with(marker))
            });
            if let Some(comment) = ours {
                return Ok(Some(comment.id));
            }
            match self.octocrab.get_page(&page.next).await? {
                Some(next) => page = next,
                None => return Ok(None),
            }
        }
    }

    pub async fn create_comment(&self, pull_request: u64, body: &str) -> Result<u64> {
        let created: Id =
            self.post(&format!("issues/{pull_request}/comments"), &json!({ "body": body })).await?;
        Ok(created.id)
    }

    /// octocrab's own call sends a POST here, which the API doesn't know.
    pub async fn update_comment(&self, id: u64, body: &str) -> Result<()> {
        self.patch(&format!("issues/comments/{id}"), &json!({ "body": body })).await
    }

    pub async fn create_deployment(&self, deployment: &NewDeployment<'_>) -> Result<u64> {
        let created: Id = self.post("deployments", deployment).await?;
        Ok(created.id)
    }

    /// The newest first.
    pub async fn deployments(&self, environment: &str, task: &str) -> Result<Vec<Deployment>> {
        let query = [("environment", environment), ("task", task), ("per_page", "30")];
        self.get("deployments", &query).await
    }

    pub async fn create_deployment_status(&self, id: u64, status: &Value) -> Result<()> {
        self.send_post(&format!("deployments/{id}/statuses"), status).await
    }

    /// The state that a deployment is in.
    pub async fn deployment_state(&self, id: u64) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Status {
            id: u64,
            state: String,
        }
        let statuses: Vec<Status> =
            self.get(&format!("deployments/{id}/statuses"), &[("per_page", "100")]).await?;
        Ok(statuses.into_iter().max_by_key(|status| status.id).map(|status| status.state))
    }

    /// The pull request that a commit belongs to: an open one whose head it is, else any that
    /// holds it.
    pub async fn pull_request_of(&self, sha: &str) -> Result<Option<u64>> {
        #[derive(Deserialize)]
        struct Request {
            number: u64,
            state: String,
            head: Head,
        }
        let requests: Vec<Request> =
            self.get(&format!("commits/{sha}/pulls"), &[("per_page", "100")]).await?;
        let head = requests.iter().find(|request| request.state == "open" && request.head.sha == sha);
        Ok(head.or(requests.first()).map(|request| request.number))
    }

    /// How a commit stands to another one.
    pub async fn kinship(&self, commit: &str, other: &str) -> Result<Kinship> {
        #[derive(Deserialize)]
        struct Comparison {
            status: Status,
        }
        /// Of the second one.
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Status {
            Identical,
            Ahead,
            Behind,
            Diverged,
        }
        let compared: Comparison =
            self.get(&format!("compare/{commit}...{other}"), &[("per_page", "1")]).await?;
        Ok(match compared.status {
            Status::Identical => Kinship::Same,
            Status::Ahead => Kinship::Behind,
            Status::Behind => Kinship::Ahead,
            Status::Diverged => Kinship::Apart,
        })
    }

    pub async fn head_of(&self, pull_request: u64) -> Result<String> {
        #[derive(Deserialize)]
        struct Request {
            head: Head,
        }
        let request: Request = self.get(&format!("pulls/{pull_request}"), &[]).await?;
        Ok(request.head.sha)
    }

    async fn get<T: FromResponse>(&self, path: &str, query: &[(&str, &str)]) -> Result<T> {
        Ok(self.octocrab.get(self.route(path), Some(query)).await?)
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        Ok(self.octocrab.post(self.route(path), Some(body)).await?)
    }

    /// The same where nothing of the answer is needed, but that it is GitHub's.
    async fn send_post(&self, path: &str, body: &impl Serialize) -> Result<()> {
        let IgnoredAny = self.post(path, body).await?;
        Ok(())
    }

    async fn patch(&self, path: &str, body: &impl Serialize) -> Result<()> {
        let IgnoredAny = self.octocrab.patch(self.route(path), Some(body)).await?;
        Ok(())
    }

    fn route(&self, path: &str) -> String {
        format!("{}/{path}", self.repository)
    }
}

#[derive(Deserialize)]
struct Check {
    id: u64,
    external_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Head {
    sha: String,
}
