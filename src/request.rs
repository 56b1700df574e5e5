//! What is asked for, after flags, action inputs and `greenlight.yml` were merged and everything
//! that can be checked without asking anyone was checked. Paths are absolute or start at the
//! file's folder already.

use crate::{outcome::Place, secret::Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

#[derive(Clone, Debug)]
pub struct Request {
    /// The service's name for people: comments, checks, statuses.
    pub service: String,
    pub environment: Environment,
    pub build_account: Option<BuildAccount>,
    pub image: ImageRequest,
    /// What ECR's scan of the image may find.
    pub scan: Option<ScanRule>,
    pub auth: Auth,
    /// Register and deploy even when nothing changed.
    pub force: bool,
    /// A hash of all that describes the environment and the image, for the marker.
    pub configuration_hash: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// GitHub's token where the job may have one and a role is named, else what the surroundings hold.
    #[default]
    Auto,
    /// GitHub's token.
    Oidc,
    /// What the surroundings hold: variables, profiles, the machine's role.
    Ambient,
}

#[derive(Clone, Debug)]
pub struct Role {
    pub arn: String,
    pub external_id: Option<String>,
    /// Further session tags; those that say repository, run and commit are added when `tag_session`.
    pub session_tags: BTreeMap<String, String>,
    pub tag_session: bool,
}

#[derive(Clone, Debug)]
pub struct BuildAccount {
    pub role: Option<Role>,
    /// The account that the caller must be in; from the role's ARN unless stated.
    pub account: Option<String>,
    pub region: String,
}

#[derive(Clone, Debug)]
pub enum ImageRequest {
    /// Build it with buildx and push it.
    Build(Box<Build>),
    /// Take this one: resolved to a digest, nothing built.
    Given(String),
}

impl ImageRequest {
    /// What nobody may see of the build.
    pub fn secrets(&self) -> &[BuildSecret] {
        match self {
            ImageRequest::Build(build) => &build.secrets,
            ImageRequest::Given(_) => &[],
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Build {
    /// The repository's name in the build account, without a host.
    pub repository: String,
    pub context: PathBuf,
    pub dockerfile: PathBuf,
    /// Values may name words in braces: see `image::words`.
    pub build_args: BTreeMap<String, String>,
    pub target: Option<String>,
    pub platforms: Vec<String>,
    /// Further tags beside the commit's, with the same words as `build_args`.
    pub tags: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub secrets: Vec<BuildSecret>,
    /// As buildx takes them.
    pub ssh: Vec<String>,
    /// As the user wrote them, until it is decided where they lie.
    pub cache_from: Vec<String>,
    pub cache_to: Vec<String>,
    pub provenance: Option<String>,
    pub sbom: Option<String>,
    pub build_contexts: BTreeMap<String, String>,
    pub no_cache: bool,
    pub pull: bool,
    pub builder: Option<Builder>,
    /// How the repository is to be when there is none.
    pub create: Option<NewRepository>,
    /// Logins for the images that the build starts from.
    pub registries: Vec<FurtherRegistry>,
}

/// A secret of the build. Its value is read while the inputs are, so that one that is missing is
/// told before anything is written, and all of it can be kept out of the log.
#[derive(Clone, Debug)]
pub struct BuildSecret {
    pub id: String,
    pub from: SecretSource,
    pub value: Secret,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A variable of ours.
    Env(String),
    File(PathBuf),
    /// The action's input.
    Input,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Builder {
    /// One that is there.
    Named(String),
    /// To be made for this run.
    Own(OwnBuilder),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnBuilder {
    pub driver: Driver,
    pub endpoint: Option<String>,
    pub driver_opts: BTreeMap<String, String>,
    pub buildkitd_config: Option<PathBuf>,
    pub buildkitd_flags: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// In a container beside the engine.
    DockerContainer,
    /// A BuildKit that runs already.
    Remote,
    /// In pods of a cluster.
    Kubernetes,
}

impl Driver {
    pub fn name(self) -> &'static str {
        match self {
            Driver::DockerContainer => "docker-container",
            Driver::Remote => "remote",
            Driver::Kubernetes => "kubernetes",
        }
    }
}

/// A repository that is created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRepository {
    pub scan_on_push: bool,
    pub immutable_tags: bool,
    pub keep: Option<u32>,
    /// In days.
    pub expire_untagged: Option<u64>,
    pub kms_key: Option<String>,
    /// Whose tasks may pull. The repository's own account is none of them.
    pub pull_accounts: Vec<String>,
    /// Whether these were named: then no other is added.
    pub pull_accounts_given: bool,
    /// It is there, and nothing was ever pushed to it.
    pub is_there: bool,
}

impl NewRepository {
    /// Whether there is anything to set that a repository doesn't have from its creation on.
    pub fn sets_more(&self) -> bool {
        self.keep.is_some() || self.expire_untagged.is_some() || !self.pull_accounts.is_empty()
    }
}

/// A registry to log in to beside the one that is pushed to.
#[derive(Clone, Debug)]
pub struct FurtherRegistry {
    pub login: RegistryLogin,
    /// Where the configuration names it.
    pub place: Option<Place>,
}

#[derive(Clone, Debug)]
pub enum RegistryLogin {
    /// The password stands in a variable.
    Password { host: String, username: String, variable: String },
    /// Without a role, the one that pushes logs in.
    Ecr { account: String, region: String, role: Option<Role> },
    /// ECR's public one.
    Public,
}

/// What an image may have in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanRule {
    /// The lowest severity that isn't deployed.
    pub fail_on: Severity,
    pub timeout: Duration,
    /// Names of vulnerabilities that are accepted.
    pub ignore: Vec<String>,
    /// What can't be scanned is warned of, not refused.
    pub allow_unscanned: bool,
}

/// How bad a vulnerability has to be to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Critical ones alone.
    Critical,
    /// High and critical ones.
    High,
    /// All but low ones.
    Medium,
    /// Any that has a severity.
    Low,
}

#[derive(Clone, Debug)]
pub struct Environment {
    pub name: String,
    /// The account that the caller must be in; from the role's ARN unless stated.
    pub account: Option<String>,
    pub role: Option<Role>,
    pub region: String,
    pub cluster: String,
    pub service: String,
    /// The container that gets the image; the only one when not given.
    pub container: Option<String>,
    /// Its port behind the load balancer; the service's own when not given.
    pub container_port: Option<u16>,
    /// Further containers with their images.
    pub images: BTreeMap<String, String>,
    pub task_definition: TaskDefinitionSource,
    /// Keys that AWS's model doesn't know (yet) and that are let through.
    pub allow_unknown_keys: Vec<String>,
    pub application: Option<String>,
    pub deployment_group: Option<String>,
    pub deployment_config: Option<String>,
    pub appspec: Option<PathBuf>,
    pub url: Option<String>,
    /// Where green answers under the test listener; found from the listener when not given.
    pub test_url: Option<String>,
    pub time_limit: Option<Duration>,
    pub until: Until,
    pub on_cancel: Option<OnCancel>,
    pub concurrency: Concurrency,
    /// A commit that is older than the one deployed takes its place.
    pub allow_older: bool,
    pub hold: Hold,
    /// Alarms to watch beside the group's own.
    pub alarms: Vec<String>,
    /// Alarms without data are warned of, not refused.
    pub allow_missing_data: bool,
    /// So many tasks of green that stop for one reason are enough; 0 is off.
    pub fail_fast: u32,
    /// What has to end well before the deployment starts.
    pub before: Vec<OneOff>,
    /// Checks on green before production traffic.
    pub validate: Vec<Check>,
    /// Checks on production after the shift.
    pub verify: Vec<Check>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskDefinitionSource {
    /// The revision that the service runs now.
    Live,
    /// A JSON or YAML file.
    File(PathBuf),
}

/// The success point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// Blue is gone: until then an alarm may take the release back.
    #[default]
    Terminated,
    /// All production traffic is on green.
    TrafficShifted,
}

/// What becomes of the deployment of a run that is cancelled or dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnCancel {
    /// It is stopped, and production goes back.
    Rollback,
    /// It goes on by itself.
    Detach,
}

/// What to do behind a deployment that is active already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Concurrency {
    /// Wait for its end.
    #[default]
    Wait,
    /// End at once, untouched.
    Fail,
    /// Stop it with rollback when it is of an older commit of this repository, and wait for that rollback; one
    /// that has all traffic already is finished instead.
    Supersede,
}

/// Whether the run ends at `Ready` and leaves the rest to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// What the checks decide is done.
    #[default]
    None,
    /// `greenlight approve` lets it go on.
    Approve,
}

/// A check on green.
#[derive(Clone, Debug)]
pub enum Check {
    Http(HttpCheck),
    Run(RunCheck),
    Load(LoadCheck),
    Task(OneOff),
}

/// A one-off ECS task with the new revision.
#[derive(Clone, Debug)]
pub struct OneOff {
    pub command: Vec<String>,
    /// The plan names the one that gets the image when none is given.
    pub container: Option<String>,
    pub environment: BTreeMap<String, String>,
    pub timeout: Duration,
}

impl Check {
    /// How long it may take until it has decided.
    pub fn longest(&self) -> Duration {
        match self {
            Check::Http(check) => check.within + check.ask.timeout,
            Check::Run(check) => check.timeout,
            Check::Load(check) => check.time + check.ask.timeout,
            Check::Task(task) => task.timeout,
        }
    }

    /// Whether the run itself has to reach the side that it asks.
    pub fn asks(&self) -> bool {
        matches!(self, Check::Http(_) | Check::Load(_))
    }

    pub fn when_inconclusive(&self) -> Inconclusive {
        match self {
            Check::Load(check) => check.inconclusive,
            _ => Inconclusive::Hold,
        }
    }
}

/// A request and how it is made.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    pub path: String,
    pub method: String,
    pub headers: BTreeMap<String, String>,
    /// The Host header, and the server's name over TLS.
    pub host: Option<String>,
    /// Certificates to trust beside the system's own.
    pub ca: Option<PathBuf>,
    pub timeout: Duration,
}

#[derive(Clone, Debug)]
pub struct HttpCheck {
    pub ask: Ask,
    pub status: u16,
    /// A text that the body must contain.
    pub contains: Option<String>,
    /// JSON pointer → the value there, as text.
    pub json: BTreeMap<String, String>,
    pub latency: Option<Duration>,
    /// How long to try until it passes.
    pub within: Duration,
}

#[derive(Clone, Debug)]
pub struct RunCheck {
    /// For a shell; at least one of this and the image is there.
    pub command: Option<String>,
    pub image: Option<String>,
    /// Where it runs.
    pub folder: PathBuf,
    pub timeout: Duration,
}

#[derive(Clone, Debug)]
pub struct LoadCheck {
    pub ask: Ask,
    /// Requests a second.
    pub rate: u32,
    pub time: Duration,
    pub connections: u32,
    pub min_samples: u32,
    /// In percent.
    pub errors: Option<f64>,
    pub latencies: Latencies<Duration>,
    /// Points of percent above blue's.
    pub errors_above_blue: Option<f64>,
    /// Multiples of blue's.
    pub times_blue: Latencies<f64>,
    pub inconclusive: Inconclusive,
}

/// A figure, or a limit, for each of the percentiles that are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Latencies<T> {
    pub p50: Option<T>,
    pub p95: Option<T>,
    pub p99: Option<T>,
}

impl<T: Copy> Latencies<T> {
    /// Those that there are, with the percentile's name.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, T)> {
        let all = [("p50", self.p50), ("p95", self.p95), ("p99", self.p99)];
        all.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

impl LoadCheck {
    /// Whether blue gets the same load.
    pub fn asks_blue(&self) -> bool {
        self.errors_above_blue.is_some() || self.times_blue.each().next().is_some()
    }
}

/// What to do when nothing can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Inconclusive {
    /// Decide nothing: the deployment waits for somebody who can tell.
    #[default]
    Hold,
    /// Take it as failed.
    Fail,
}
