//! `greenlight.yml` as types. The JSON Schema, the flags and the action's inputs are made from
//! them, so what stands in a doc comment here is what people read.

use crate::request::{Auth, Concurrency, Driver, Hold, Inconclusive, OnCancel, Severity, Until};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{borrow::Cow, collections::BTreeMap, time::Duration};

/// What Greenlight ships, and where to.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "greenlight.yml")]
pub struct File {
    /// The service's name, for people; an environment's `service` when that gives none.
    pub service: Option<String>,
    /// How the image is built and where it is pushed to.
    pub image: Option<Image>,
    /// The account whose registry holds the image; the environment's own when not given.
    pub build_account: Option<BuildAccount>,
    /// Where the service runs, by name.
    #[serde(default)]
    pub environments: BTreeMap<String, Environment>,
    /// Where the first credentials come from (default: auto).
    pub auth: Option<Auth>,
    /// What a rehearsal's world is like where it differs from what is usual.
    #[serde(default)]
    pub rehearse: Rehearse,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Image {
    /// The repository's name in the build account's registry, without a host.
    pub repository: Option<String>,
    /// The folder that is the build's context; the file's own folder when not given.
    #[schemars(extend("format" = "path"))]
    pub context: Option<String>,
    /// The Dockerfile; `Dockerfile` in the context when not given.
    #[schemars(extend("format" = "path"))]
    pub dockerfile: Option<String>,
    /// Build arguments. Values may name `{commit}`, `{short-commit}`, `{branch}`, `{tag}`, `{ref}`, `{version}`, `{pull-request}`, `{run-number}` and `{environment}`.
    #[serde(default)]
    pub build_args: BTreeMap<String, String>,
    /// The stage of the Dockerfile to build; the last one when not given.
    pub target: Option<String>,
    /// Platforms to build for, as `linux/amd64`.
    #[serde(default)]
    pub platforms: Vec<String>,
    /// Tags beside the commit's, with the same words in braces as build arguments, and `{major}`, `{minor}` and `{patch}` of a version; a tag whose word stands for nothing in a run, as `{version}` on a branch, is left out.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Labels, with the same words as tags, beside those that say where the image comes from: source, revision, created, version.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Secrets of the build by their ids, for `RUN --mount=type=secret`.
    #[serde(default)]
    pub secrets: BTreeMap<String, BuildSecret>,
    /// SSH agents and keys for `RUN --mount=type=ssh`, as `default`, `ID=SOCKET` or `ID=KEYFILE`.
    #[serde(default)]
    pub ssh: Vec<String>,
    /// Caches to build from: `registry`, `gha`, or as buildx takes them, as `type=registry,ref=HOST/NAME:TAG`.
    #[serde(default)]
    pub cache_from: Vec<String>,
    /// Caches to write, as in `cache-from`, and `inline`.
    #[serde(default)]
    pub cache_to: Vec<String>,
    /// An attestation of how the image was built: `true`, `mode=max` (default: false).
    pub provenance: Option<String>,
    /// An attestation of what is in the image: `true`, `generator=IMAGE` (default: false).
    pub sbom: Option<String>,
    /// Further contexts by name: a folder, or as buildx takes them, as `docker-image://HOST/NAME:TAG`.
    #[serde(default)]
    pub build_contexts: BTreeMap<String, String>,
    /// Build every step anew (default: false).
    pub no_cache: Option<bool>,
    /// Ask registries for newer base images even when the builder has some (default: false).
    pub pull: Option<bool>,
    /// The builder: the name of one that is there, or `driver` and what it needs, to make one for this run alone.
    pub builder: Option<Builder>,
    /// Create the repository when there is none: `true`, or how it is to be (default: false).
    pub create_repository: Option<CreateRepository>,
    /// Wait for ECR's scan of the image, and deploy nothing in which it finds too much.
    pub scan: Option<Scan>,
    /// Further registries to log in to, for the images that the build starts from.
    #[serde(default)]
    pub registries: Vec<Registry>,
}

/// Where a secret of the build comes from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BuildSecret {
    /// The variable of the step that holds it.
    Env(String),
    /// The file that holds it.
    File(String),
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Builder {
    /// One that is there.
    Named(String),
    Own(OwnBuilder),
}

/// A builder that is made for a run and removed after it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OwnBuilder {
    /// Where BuildKit runs.
    pub driver: Driver,
    /// The address of a `remote` BuildKit; for the other drivers the Docker or Kubernetes context, the current one when not given.
    pub endpoint: Option<String>,
    /// Options of the driver, by name.
    #[serde(default)]
    pub driver_opts: BTreeMap<String, String>,
    /// BuildKit's own configuration, a TOML file.
    #[schemars(extend("format" = "path"))]
    pub buildkitd_config: Option<String>,
    /// Flags for BuildKit, as `--allow-insecure-entitlement network.host`.
    pub buildkitd_flags: Option<String>,
}

/// `true`, or how the repository is to be.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CreateRepository {
    Asked(bool),
    As(Box<NewRepository>),
}

/// A repository that is created. One that is there already stays as it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NewRepository {
    /// Scan each image when it is pushed (default: false).
    pub scan_on_push: Option<bool>,
    /// Let no tag be moved to another image (default: false).
    pub immutable_tags: Option<bool>,
    /// How many images to keep; older ones are deleted. All are kept when not given.
    #[schemars(range(min = 1))]
    pub keep: Option<u32>,
    /// How long to keep images without a tag, in days: `14d`. They are kept when not given.
    pub expire_untagged: Option<Span>,
    /// The KMS key that encrypts the images, by ARN, id or alias; `aws/ecr` is the one that AWS manages. ECR's own encryption when not given.
    pub kms_key: Option<String>,
    /// Accounts whose tasks may pull; when not given, those of the environments that are in another account.
    pub pull_accounts: Option<Vec<String>>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scan {
    /// The lowest severity that isn't deployed.
    pub fail_on: Severity,
    /// How long the scan may take (default: 10m).
    pub timeout: Option<Span>,
    /// Vulnerabilities that are accepted, by name: `CVE-2026-12345`.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// Deploy, with a warning, what ECR doesn't or can't scan (default: false).
    pub allow_unscanned: Option<bool>,
}

/// A registry to log in to: a host with a user and a password, or another registry of ECR.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Registry {
    /// The registry's host, as image names begin with it: `ghcr.io`; `docker.io` is Docker Hub, and `public.ecr.aws` needs nothing else.
    pub host: Option<String>,
    /// Who logs in.
    pub username: Option<String>,
    /// The environment variable that holds the password or token.
    pub password_env: Option<String>,
    /// The account of a registry of ECR, in place of a host.
    #[schemars(extend("format" = "account-id"))]
    pub ecr: Option<String>,
    /// The region of that registry; the build account's when not given.
    pub region: Option<String>,
    /// A role to enter for its login; the build role itself logs in when not given.
    #[schemars(extend("format" = "role-arn"))]
    pub role: Option<String>,
    /// The external id that the role's trust policy asks for.
    #[schemars(extend("format" = "external-id"))]
    pub external_id: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BuildAccount {
    /// The ARN of the role that pushes the image.
    #[schemars(extend("format" = "role-arn"))]
    pub role: Option<String>,
    /// The external id that the build role's trust policy asks for.
    #[schemars(extend("format" = "external-id"))]
    pub external_id: Option<String>,
    /// Session tags for the build role, beside repository, run and commit.
    #[serde(default)]
    pub session_tags: BTreeMap<String, String>,
    /// Whether the build role's session is tagged at all (default: true).
    pub tag_session: Option<bool>,
    /// The build account's id; the role's own when not given.
    #[schemars(extend("format" = "account-id"))]
    pub account: Option<String>,
    /// The registry's region; the environment's when not given.
    pub region: Option<String>,
    /// Take a build region that this version doesn't know (default: false).
    pub allow_unknown_region: Option<bool>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Environment {
    /// The ARN of the role that deploys.
    #[schemars(extend("format" = "role-arn"))]
    pub role: Option<String>,
    /// The external id that the role's trust policy asks for.
    #[schemars(extend("format" = "external-id"))]
    pub external_id: Option<String>,
    /// Session tags for the role, beside repository, run and commit.
    #[serde(default)]
    pub session_tags: BTreeMap<String, String>,
    /// Whether the role's session is tagged at all (default: true); tags need `sts:TagSession` in its trust policy.
    pub tag_session: Option<bool>,
    /// The account that is deployed to; the role's own when not given.
    #[schemars(extend("format" = "account-id"))]
    pub account: Option<String>,
    /// The region that is deployed to.
    pub region: Option<String>,
    /// Take a region that this version doesn't know (default: false).
    pub allow_unknown_region: Option<bool>,
    /// The ECS cluster.
    pub cluster: Option<String>,
    /// The ECS service; the file's `service` when not given.
    pub service: Option<String>,
    /// The container that gets the image; the only one when not given.
    pub container: Option<String>,
    /// The container's port behind the load balancer; the service's own when not given.
    #[schemars(range(min = 1))]
    pub container_port: Option<u16>,
    /// Images for further containers, by the container's name.
    #[serde(default)]
    pub images: BTreeMap<String, String>,
    /// The task definition, a JSON or YAML file; `live` (the default) takes the revision that runs now.
    #[schemars(extend("format" = "path"))]
    pub task_definition: Option<String>,
    /// Keys of the task definition that AWS added after this version and that are let through.
    #[serde(default)]
    pub allow_unknown_keys: Vec<String>,
    /// The CodeDeploy application; found from the service when not given.
    pub application: Option<String>,
    /// The CodeDeploy deployment group; found from the service when not given.
    pub deployment_group: Option<String>,
    /// The CodeDeploy deployment config; the group's own when not given.
    pub deployment_config: Option<String>,
    /// An AppSpec file; generated from the service when not given.
    #[schemars(extend("format" = "path"))]
    pub appspec: Option<String>,
    /// Where users reach the service.
    #[schemars(extend("format" = "url"))]
    pub url: Option<String>,
    /// Where green answers under the test listener; found from the listener when not given.
    #[schemars(extend("format" = "url"))]
    pub test_url: Option<String>,
    /// How long the run may take, as `45m`; computed from the deployment's own waits when not given.
    pub time_limit: Option<Span>,
    /// When the run has succeeded (default: terminated).
    pub until: Option<Until>,
    /// What becomes of the deployment when the run is cancelled or dies: `rollback` stops it and takes production back, `detach` lets it go on by itself (default: rollback before the run has succeeded, detach after).
    pub on_cancel: Option<OnCancel>,
    /// What to do behind a deployment that is active already (default: wait).
    pub concurrency: Option<Concurrency>,
    /// Deploy a commit that is older than the one deployed, or than the one that is being deployed (default: false).
    pub allow_older: Option<bool>,
    /// `approve` ends the run while green waits without production traffic, for `greenlight approve` to let it go on
    /// (default: none).
    pub hold: Option<Hold>,
    /// CloudWatch alarms to watch beside the deployment group's own.
    #[serde(default)]
    pub alarms: Vec<String>,
    /// Deploy even when an alarm has no data (INSUFFICIENT_DATA) and so can't tell a bad release (default: false).
    pub allow_missing_data: Option<bool>,
    /// How many of green's tasks may stop for one reason, with none healthy, until the deployment is stopped; 0 waits as long as CodeDeploy does (default: 3).
    pub fail_fast: Option<u32>,
    /// One-off tasks with the new revision that have to end with 0 before the deployment starts: a migration.
    #[serde(default)]
    pub before: Vec<OneOff>,
    /// Checks on green, through the test listener, before it gets production traffic.
    #[serde(default)]
    pub validate: Vec<Check>,
    /// Checks through the production listener after the shift, while blue still stands by; what fails brings blue back.
    #[serde(default)]
    pub verify: Vec<Check>,
}

/// One check; the key says of which kind.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// A request to green.
    Http(HttpCheck),
    /// A command of yours, which finds GREEN_URL, BLUE_URL, IMAGE, TASK_DEFINITION and DEPLOYMENT_ID in its environment.
    Run(RunCheck),
    /// Requests to green at a steady rate, and to blue side by side where the two are compared.
    Load(LoadCheck),
    /// A one-off task with the new revision inside the network, for what a runner can't reach; it finds the same variables in its environment.
    Task(OneOff),
}

/// A one-off task, placed as the service's own tasks are.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OneOff {
    /// The command, word by word; it passes when its container ends with 0.
    pub command: Vec<String>,
    /// The container that runs it; the one that gets the image when not given.
    pub container: Option<String>,
    /// Variables on top of the container's own.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// How long it may take, its start included (default: 10m before the deployment, 2m as a check); then it is stopped and has failed.
    pub timeout: Option<Span>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HttpCheck {
    /// The path to ask for, with its query.
    #[schemars(extend("format" = "url-path"))]
    pub path: String,
    /// The request's method (default: GET).
    pub method: Option<String>,
    /// Headers of the request, by name.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The name that green is asked for: as the Host header, and over TLS as the server's name.
    #[schemars(extend("format" = "host"))]
    pub host: Option<String>,
    /// A PEM file of certificates to trust beside the system's own.
    #[schemars(extend("format" = "path"))]
    pub ca: Option<String>,
    /// The status that is expected (default: 200).
    #[schemars(range(min = 100, max = 599))]
    pub status: Option<u16>,
    /// A text that the body has to contain.
    pub contains: Option<String>,
    /// What the body, as JSON, has to hold: JSON pointers such as `/status`, each with its value.
    #[serde(default)]
    pub json: BTreeMap<String, String>,
    /// How long the answer may take at the most to pass.
    pub latency: Option<Span>,
    /// How long an answer is waited for (default: 5s).
    pub timeout: Option<Span>,
    /// How long to try until it passes (default: 1m).
    pub within: Option<Span>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RunCheck {
    /// What a shell (`sh -e`) runs in the file's folder; it passes when it ends with 0.
    pub command: Option<String>,
    /// An image to run it in, with `docker run`; without `command` the image's own is run.
    pub image: Option<String>,
    /// How long it may take (default: 2m); then it is ended and has failed.
    pub timeout: Option<Span>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LoadCheck {
    /// The path to ask for, with its query.
    #[schemars(extend("format" = "url-path"))]
    pub path: String,
    /// The request's method (default: GET).
    pub method: Option<String>,
    /// Headers of the request, by name.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The name that is asked for: as the Host header, and over TLS as the server's name.
    #[schemars(extend("format" = "host"))]
    pub host: Option<String>,
    /// A PEM file of certificates to trust beside the system's own.
    #[schemars(extend("format" = "path"))]
    pub ca: Option<String>,
    /// Requests a second, on each side (default: 20).
    #[schemars(range(min = 1, max = 1000))]
    pub rate: Option<u32>,
    /// How long to send (default: 30s).
    #[serde(rename = "for")]
    pub time: Option<Span>,
    /// Connections to each side at the most (default: 50).
    #[schemars(range(min = 1, max = 1000))]
    pub connections: Option<u32>,
    /// How long an answer is waited for; a later one is an error (default: 5s).
    pub timeout: Option<Span>,
    /// With fewer requests than this nothing is told from them (default: 100).
    #[schemars(range(min = 1))]
    pub min_samples: Option<u32>,
    /// The share of requests, as `1%`, that may get no answer or one that is neither 2xx nor 3xx.
    #[schemars(extend("format" = "percent"))]
    pub errors: Option<String>,
    /// The time within which half of the requests are answered.
    pub p50: Option<Span>,
    /// The time within which 95 of 100 requests are answered.
    pub p95: Option<Span>,
    /// The time within which 99 of 100 requests are answered.
    pub p99: Option<Span>,
    /// Limits by what blue shows under the same load at the same time, through the production listener.
    pub against_blue: Option<AgainstBlue>,
    /// What to do when there were too few requests to tell (default: hold).
    pub inconclusive: Option<Inconclusive>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AgainstBlue {
    /// How much more of green's requests may fail than of blue's, in points, as `1%`.
    #[schemars(extend("format" = "percent"))]
    pub errors: Option<String>,
    /// Green's p50 at most, as a multiple of blue's.
    pub p50: Option<f64>,
    /// Green's p95 at most, as a multiple of blue's: `1.2`.
    pub p95: Option<f64>,
    /// Green's p99 at most, as a multiple of blue's.
    pub p99: Option<f64>,
}

/// A rehearsal's world, where it can't be told from the rest of the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rehearse {
    /// A command that is run in the file's folder before anything else, to build what the image needs.
    pub prepare: Option<String>,
    /// How the image that production runs before the rehearsal differs.
    #[serde(default)]
    pub before: Before,
    /// The response header in which the service tells its version; without it answers aren't told apart.
    pub version_header: Option<String>,
    /// The path that the users of the rehearsal ask for (default: /).
    #[schemars(extend("format" = "url-path"))]
    pub path: Option<String>,
    /// Requests a second on production (default: 220).
    #[schemars(range(min = 1))]
    pub rate: Option<u32>,
    /// Tasks that the service runs (default: 2).
    #[schemars(range(min = 1))]
    pub desired_count: Option<u32>,
    /// The port that the container listens on (default: the task definition's, else 80).
    #[schemars(range(min = 1))]
    pub container_port: Option<u16>,
    /// The path of the load balancer's health check (default: /).
    #[schemars(extend("format" = "url-path"))]
    pub health_path: Option<String>,
    /// How long the deployment group waits for the word to shift traffic (default: 5m with `validate`, else not at all).
    pub ready_wait: Option<Span>,
    /// How long blue stands by after the shift (default: 5m).
    pub termination_wait: Option<Span>,
    /// The deployment group's deployment config (default: the environment's, else CodeDeployDefault.ECSCanary10Percent5Minutes).
    pub deployment_config: Option<String>,
    /// Answers of 5xx in a minute from which on the alarm goes off (default: 10).
    pub alarm_threshold: Option<f64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Before {
    /// Build arguments, on top of the image's own.
    #[serde(default)]
    pub build_args: BTreeMap<String, String>,
}

/// A span of time as people write it: `90s`, `30m`, `1h 30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map(Span).map_err(D::Error::custom)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "time-span",
            "description": "A span of time: `90s`, `30m`, `1h 30m`.",
        })
    }
}
