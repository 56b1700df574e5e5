//! What a world is made of: the document that `--world FILE` reads and that a rehearsal
//! writes from a configuration. Everything here exists before the first call.

use crate::CallFault;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WorldSpec {
    /// Regions that exist. A request signed for another one is refused: its
    /// credential isn't scoped to a valid region.
    pub regions: Vec<String>,
    pub accounts: Vec<Account>,
    #[serde(default)]
    pub job: Job,
    /// The user whose keys the world hands out: `{account, user}`.
    pub caller: CallerSpec,
    #[serde(default)]
    pub truths: Truths,
    /// What stand-ins answer, by path: there is no application behind them that would know.
    #[serde(default)]
    pub stand_in: BTreeMap<String, StandInAnswer>,
    /// What commands of one-off tasks do where no engine runs them: without a word here they end well.
    #[serde(default)]
    pub stand_in_commands: Vec<StandInCommand>,
    /// Trouble with single calls: `codedeploy:CreateDeployment=reset-after@1`.
    #[serde(default)]
    pub call_faults: Vec<CallFault>,
}

/// A command of a one-off task, as the world has it end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StandInCommand {
    pub command: Vec<String>,
    #[serde(default)]
    pub exit: i64,
    #[serde(default)]
    pub out_of_memory: bool,
    /// What it writes, at its start.
    #[serde(default)]
    pub lines: Vec<String>,
    /// In the world's time.
    #[serde(default)]
    pub seconds: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StandInAnswer {
    pub status: u16,
    #[serde(default)]
    pub body: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CallerSpec {
    pub account: String,
    pub user: String,
}

/// One AWS account. All its resources live in `region`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Account {
    pub id: String,
    pub region: String,
    /// Whether the account trusts GitHub's OIDC issuer as an identity provider.
    pub oidc_provider: bool,
    pub users: Vec<User>,
    pub roles: Vec<Role>,
    pub repositories: Vec<Repository>,
    /// Inspector scans all images of the account's registry, from their push on.
    pub enhanced_scanning: bool,
    pub clusters: Vec<Cluster>,
    /// Documents as RegisterTaskDefinition takes them; images may be `{repository}` of `seed-images`.
    pub task_definitions: Vec<Value>,
    pub target_groups: Vec<TargetGroup>,
    pub load_balancers: Vec<LoadBalancer>,
    pub services: Vec<Service>,
    pub functions: Vec<Function>,
    pub alarms: Vec<Alarm>,
    pub log_groups: Vec<String>,
    pub deployment_configs: Vec<DeploymentConfig>,
    pub applications: Vec<Application>,
    pub scaling_policies: Vec<ScalingPolicy>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct User {
    pub name: String,
    pub policies: Vec<Value>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Role {
    pub name: String,
    /// The trust policy document.
    pub trust: Value,
    /// Permission policy documents.
    pub policies: Vec<Value>,
    pub max_session_seconds: Option<u32>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Repository {
    pub name: String,
    pub immutable_tags: bool,
    /// The repository policy document, if any.
    pub policy: Option<Value>,
    pub scan_on_push: bool,
    /// What a scan of any image finds, as DescribeImageScanFindings lists it: under `findings`, or in
    /// an account with enhanced scanning under `enhancedFindings`.
    pub scan_findings: Vec<Value>,
    /// The same for what stands under a tag, the images of a list included.
    pub scan_findings_of: BTreeMap<String, Vec<Value>>,
    /// How long a scan takes, in the world's time; 15 s when not given.
    pub scan_seconds: Option<f64>,
    /// What scans end as in place of COMPLETE or ACTIVE: FAILED, UNSUPPORTED_IMAGE, FINDINGS_UNAVAILABLE, …
    pub scan_ends_as: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Cluster {
    pub name: String,
    /// `FARGATE`, `FARGATE_SPOT` or the name of an EC2 capacity provider.
    pub capacity_providers: Vec<String>,
    /// EC2 instances registered with the cluster.
    pub container_instances: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TargetGroup {
    pub name: String,
    pub port: u16,
    /// `ip` or `instance`.
    pub target_type: String,
    pub health_check_path: String,
    /// As AWS writes it: `200`, `200,202`, `200-299`.
    pub matcher: String,
    pub interval_seconds: u64,
    pub timeout_seconds: u64,
    pub healthy_threshold: u32,
    pub unhealthy_threshold: u32,
    pub deregistration_delay_seconds: u64,
}

impl Default for TargetGroup {
    fn default() -> Self {
        TargetGroup {
            name: String::new(),
            port: 80,
            target_type: "ip".into(),
            health_check_path: "/".into(),
            matcher: "200".into(),
            interval_seconds: 10,
            timeout_seconds: 5,
            healthy_threshold: 2,
            unhealthy_threshold: 2,
            deregistration_delay_seconds: 15,
        }
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LoadBalancer {
    pub name: String,
    pub listeners: Vec<Listener>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Listener {
    /// How other parts of this document name it, `production` or `test` as a rule.
    pub name: String,
    /// The loopback port to listen on; 0 takes a free one.
    pub port: u16,
    /// Target groups with their weights at the start.
    pub forward: Vec<Weighted>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Weighted {
    pub target_group: String,
    pub weight: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Service {
    pub name: String,
    pub cluster: String,
    /// Family (its latest revision) of `task-definitions`.
    pub task_definition: String,
    pub desired_count: u32,
    /// `CODE_DEPLOY`, `ECS` or `EXTERNAL`.
    pub controller: String,
    /// `FARGATE`, `EC2` or empty when a strategy is given.
    pub launch_type: String,
    pub platform_version: Option<String>,
    pub capacity_provider_strategy: Vec<Value>,
    /// `{awsvpcConfiguration: {...}}`, as the API takes it.
    pub network_configuration: Option<Value>,
    pub target_group: String,
    pub container: String,
    pub container_port: u16,
    pub tags: BTreeMap<String, String>,
}

impl Default for Service {
    fn default() -> Self {
        Service {
            name: String::new(),
            cluster: String::new(),
            task_definition: String::new(),
            desired_count: 2,
            controller: "CODE_DEPLOY".into(),
            launch_type: "FARGATE".into(),
            platform_version: None,
            capacity_provider_strategy: Vec::new(),
            network_configuration: None,
            target_group: String::new(),
            container: String::new(),
            container_port: 80,
            tags: BTreeMap::new(),
        }
    }
}

/// A Lambda function that a lifecycle event may name: it answers as told.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Function {
    pub name: String,
    /// `Succeeded`, `Failed`, or empty for one that never answers.
    pub answer: String,
    /// World seconds until it answers.
    pub after_seconds: u64,
}

/// An alarm on what really passed through a listener's target groups.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Alarm {
    pub name: String,
    pub load_balancer: String,
    /// `HTTPCode_Target_5XX_Count`, `HTTPCode_ELB_5XX_Count`, `RequestCount` or `TargetResponseTime`.
    pub metric: String,
    pub statistic: String,
    pub threshold: f64,
    pub period_seconds: u64,
    pub evaluation_periods: u32,
    /// `notBreaching`, `breaching`, `ignore` or `missing`.
    pub treat_missing_data: String,
    /// The state before the first evaluation.
    pub state: String,
}

impl Default for Alarm {
    fn default() -> Self {
        Alarm {
            name: String::new(),
            load_balancer: String::new(),
            metric: "HTTPCode_Target_5XX_Count".into(),
            statistic: "Sum".into(),
            threshold: 5.0,
            period_seconds: 60,
            evaluation_periods: 1,
            treat_missing_data: "notBreaching".into(),
            state: "OK".into(),
        }
    }
}

/// A custom CodeDeploy configuration; the predefined ones are always there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct DeploymentConfig {
    pub name: String,
    /// `AllAtOnce`, `TimeBasedCanary` or `TimeBasedLinear`.
    pub kind: String,
    pub percentage: u32,
    pub interval_minutes: u32,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Application {
    pub name: String,
    pub groups: Vec<DeploymentGroup>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct DeploymentGroup {
    pub name: String,
    pub service_role: String,
    pub cluster: String,
    pub service: String,
    pub deployment_config: String,
    /// Names of the pair, the serving one first.
    pub target_groups: Vec<String>,
    pub production_listener: String,
    pub test_listener: Option<String>,
    /// `Some`: STOP_DEPLOYMENT after so many minutes; `None`: CONTINUE_DEPLOYMENT.
    pub ready_wait_minutes: Option<u32>,
    pub termination_wait_minutes: u32,
    pub alarms: Vec<String>,
    pub rollback: bool,
    /// DEPLOYMENT_FAILURE, DEPLOYMENT_STOP_ON_ALARM, DEPLOYMENT_STOP_ON_REQUEST.
    pub rollback_events: Vec<String>,
}

impl Default for DeploymentGroup {
    fn default() -> Self {
        DeploymentGroup {
            name: String::new(),
            service_role: "codedeploy".into(),
            cluster: String::new(),
            service: String::new(),
            deployment_config: "CodeDeployDefault.ECSAllAtOnce".into(),
            target_groups: Vec::new(),
            production_listener: "production".into(),
            test_listener: Some("test".into()),
            ready_wait_minutes: None,
            termination_wait_minutes: 5,
            alarms: Vec::new(),
            rollback: true,
            rollback_events: vec![
                "DEPLOYMENT_FAILURE".into(),
                "DEPLOYMENT_STOP_ON_ALARM".into(),
                "DEPLOYMENT_STOP_ON_REQUEST".into(),
            ],
        }
    }
}

/// A target-tracking policy registered for a service, as Application Auto Scaling lists it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ScalingPolicy {
    pub name: String,
    pub cluster: String,
    pub service: String,
    pub metric: String,
    pub target: f64,
    pub min_capacity: u32,
    pub max_capacity: u32,
    pub suspended: bool,
}

/// The GitHub job that the world plays.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Job {
    /// The host of an Enterprise Server: its API is below `/api/v3`, its issuer `HOST/_services/token`.
    /// Without one it is github.com.
    pub server: Option<String>,
    /// `owner/name`.
    pub repository: String,
    pub repository_id: u64,
    pub owner_id: u64,
    pub sha: String,
    /// The branch's name; `main` as a rule.
    pub branch: String,
    /// The commits that are known to be one line of the repository's history, the oldest first.
    pub history: Vec<String>,
    /// `push`, `pull_request`, `workflow_dispatch` or another that starts a workflow.
    pub event: String,
    /// The open pull request whose head `sha` is, if any.
    pub pull_request: Option<u64>,
    /// Whether it comes from a fork: but for `pull_request_target`, the token can't write then, and
    /// there is no OIDC token.
    pub fork: bool,
    /// What the pull request has been told before the job.
    pub comments: Vec<Comment>,
    pub actor: String,
    pub workflow: String,
    pub run_id: u64,
    pub run_attempt: u32,
    /// The job's `environment:`, which goes into the OIDC token's `sub`.
    pub environment: Option<String>,
    /// Whether the job has `id-token: write`.
    pub id_token: bool,
    /// Whether `sub` uses the form with ids.
    pub immutable_sub: bool,
    /// `write`, `read` or `none` by permission name (`checks`, `statuses`, `pull-requests`, `deployments`, `contents`).
    pub permissions: BTreeMap<String, String>,
}

impl Default for Job {
    fn default() -> Self {
        let write = ["checks", "statuses", "pull-requests", "deployments"];
        let mut permissions: BTreeMap<String, String> =
            write.iter().map(|p| ((*p).to_owned(), "write".to_owned())).collect();
        permissions.insert("contents".into(), "read".into());
        Job {
            server: None,
            repository: "acme/hello".into(),
            repository_id: 2002,
            owner_id: 1001,
            sha: "0123456789abcdef0123456789abcdef01234567".into(),
            branch: "main".into(),
            history: Vec::new(),
            event: "push".into(),
            pull_request: Some(7),
            fork: false,
            comments: Vec::new(),
            actor: "octocat".into(),
            workflow: "deploy".into(),
            run_id: 4242,
            run_attempt: 1,
            environment: None,
            id_token: true,
            immutable_sub: true,
            permissions,
        }
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Comment {
    pub user: String,
    pub body: String,
}

/// Where the truth about AWS isn't known, the world can be told either way.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Truths {
    /// Green takes PRIMARY at the end of the shift (true) or at its first step.
    pub primary_at_end_of_shift: bool,
    /// StopDeployment is allowed in the termination wait.
    pub stop_in_termination_wait: bool,
    /// A target lookup right after CreateDeployment answers DeploymentNotStartedException.
    pub not_started_while_created: bool,
    /// The code of a deployment that was stopped by request.
    pub manual_stop_code: String,
    /// The code of a deployment whose green never became healthy.
    pub unhealthy_code: String,
    /// The code of a deployment whose ready wait ran out.
    pub ready_timeout_code: String,
    /// ContinueDeployment's wait type when none is given.
    pub default_wait_type: String,
    /// HTTP status of ExpiredTokenException on JSON services.
    pub expired_token_status: u16,
    /// HTTP status of AccessDeniedException on JSON services.
    pub access_denied_status: u16,
    /// A description beyond so many characters is refused.
    pub description_limit: usize,
    /// The rollback's own deployment holds the group's slot.
    pub rollback_holds_slot: bool,
    /// How long Install waits for green to become healthy.
    pub install_limit_minutes: u64,
    /// Request rates by bucket, where they differ from the built-in ones: `codedeploy/read`, `ecs/service-read`.
    pub rates: BTreeMap<String, Rate>,
}

/// A bucket of requests: how many fit into it, and how many come back each real second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rate {
    pub burst: f64,
    pub refill: f64,
}

impl Default for Truths {
    fn default() -> Self {
        Truths {
            primary_at_end_of_shift: true,
            stop_in_termination_wait: true,
            not_started_while_created: true,
            manual_stop_code: "MANUAL_STOP".into(),
            unhealthy_code: "TIMEOUT".into(),
            ready_timeout_code: "TIMEOUT".into(),
            default_wait_type: "READY_WAIT".into(),
            expired_token_status: 400,
            access_denied_status: 400,
            description_limit: 512,
            rollback_holds_slot: true,
            install_limit_minutes: 60,
            rates: BTreeMap::new(),
        }
    }
}

impl WorldSpec {
    pub fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.iter().find(|a| a.id == id)
    }
}

/// A JSON object literal's type, for documents that are passed through.
pub type Document = Map<String, Value>;
