//! The plan: a value made from what is asked for and what there is, shown as it is and executed
//! as it is. Making it writes nothing; what can be refused is refused here.

mod decide;

use crate::{
    appspec::AppSpec,
    deployment::{Budget, Shape},
    event::Run,
    image::Login,
    marker,
    request::{Build, Builder, Check, Concurrency, Hold, NewRepository, OnCancel, OneOff, ScanRule, Until},
    say::{self, planned},
    task_definition::Document,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt, time::Duration};

#[derive(Clone, Debug)]
pub struct Plan {
    pub run: Run,
    pub image: ImageStep,
    /// What ECR's scan of the image may find before it is deployed.
    pub scan: Option<ScanRule>,
    pub task_definition: TaskDefinitionStep,
    pub deployment: DeploymentStep,
    pub budget: Budget,
    /// What doesn't forbid the run but should be known before it: full sentences.
    pub warnings: Vec<String>,
    /// What could not be seen and is done without: full sentences.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug)]
pub enum ImageStep {
    /// Build and push; `tags` are complete, the commit's first. The digest is known afterwards.
    Build {
        build: Box<Build>,
        /// There is no such repository: it is created before, like this.
        create: Option<NewRepository>,
        /// To the registries of the images that the build starts from.
        logins: Vec<Login>,
        repository_uri: String,
        tags: Vec<String>,
        labels: BTreeMap<String, String>,
        immutable: bool,
    },
    /// The commit's tag is there already and can't be moved: that image is used.
    Reuse {
        uri: String,
        digest: String,
        tag: String,
        /// Those that it doesn't have yet.
        more: Vec<String>,
    },
    /// Given by the user, resolved.
    Given { uri: String, digest: String },
}

#[derive(Clone, Debug)]
pub struct TaskDefinitionStep {
    /// What is registered, but for the images that `pins` names.
    pub document: Document,
    /// Container → image; `None` is the image of this run.
    pub pins: BTreeMap<String, Option<String>>,
    /// The revision that the service runs now: its ARN and its document.
    pub live_arn: String,
    pub live: Document,
    pub live_tags: BTreeMap<String, String>,
    /// A revision of an earlier run of ours (same marker) that was never deployed.
    pub marked_arn: Option<String>,
    pub marked: Option<Document>,
    /// Tags to put on the revision.
    pub tags: BTreeMap<String, String>,
    /// Register and deploy even when nothing changed.
    pub force: bool,
}

#[derive(Clone, Debug)]
pub struct DeploymentStep {
    pub cluster: String,
    pub service: String,
    pub application: String,
    pub group: String,
    /// The deployment config's name, and whether it was given by the user (then it is sent).
    pub config: String,
    pub config_given: bool,
    pub shape: Shape,
    /// `Some`: the group stops at Ready and waits so long for ContinueDeployment.
    pub ready_wait: Option<Duration>,
    pub termination_wait: Duration,
    /// Whether production goes back by itself: on failure, on an alarm, on request.
    pub rollback: RollbackEvents,
    pub appspec: AppSpec,
    /// The marker, as CreateDeployment's description carries it.
    pub description: String,
    pub production_listeners: Vec<String>,
    pub test_listeners: Vec<String>,
    /// Names of the pair of target groups.
    pub target_groups: Vec<String>,
    /// Where production and green answer, as far as known.
    pub production_url: Option<String>,
    pub test_url: Option<String>,
    /// Checks on green at Ready.
    /// Their containers are named.
    pub before: Vec<OneOff>,
    pub validate: Vec<Check>,
    /// Checks on production in the termination wait.
    pub verify: Vec<Check>,
    pub alarms: Vec<String>,
    /// Those of the configuration that aren't the group's: the run itself stops for them.
    pub own_alarms: Vec<String>,
    /// So many tasks of green that stop for one reason are enough; 0 is off.
    pub fail_fast: u32,
    /// Our own deployment, started by an earlier run with the same marker and still running.
    pub attach: Option<String>,
    /// Somebody else's that is active now.
    pub active: Option<String>,
    /// It may be stopped for ours, where that is asked for.
    pub supersedes: bool,
    pub concurrency: Concurrency,
    pub hold: Hold,
    pub until: Until,
    pub on_cancel: Option<OnCancel>,
    pub time_limit: Option<Duration>,
    pub desired_count: i32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackEvents {
    pub on_failure: bool,
    pub on_alarm: bool,
    pub on_request: bool,
}

impl TaskDefinitionStep {
    /// Whether the service runs this document already, with the user's tags.
    pub fn is_unchanged(&self, document: &Document) -> bool {
        let theirs = |tags: &BTreeMap<String, String>| {
            let mut tags = tags.clone();
            tags.retain(|key, _| !marker::is_ours(key) && !key.starts_with("aws:"));
            tags
        };
        !self.force && self.live.same_as(document) && theirs(&self.live_tags) == theirs(&self.tags)
    }
}

/// As people read it: several lines, the last one without its end.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&planned::text(self))
    }
}

impl Plan {
    /// Whether this run itself brings the image to production: it doesn't run there already, and no
    /// earlier run is bringing it.
    pub fn brings(&self, image: &str) -> bool {
        let step = &self.task_definition;
        self.deployment.attach.is_none() && !step.is_unchanged(&step.document.pinned(&step.pins, image))
    }

    /// As programs read it.
    pub fn json(&self) -> Value {
        let Plan { run, image, scan, task_definition, deployment, budget, warnings, notes } = self;
        let mut image = match image {
            ImageStep::Build { build, create, repository_uri, tags, immutable, .. } => json!({
                "step": "build", "repository": repository_uri, "tags": tags, "immutable": immutable,
                "platforms": build.platforms, "creates-repository": create.is_some(),
                "builder": build.builder.as_ref().map(|builder| match builder {
                    Builder::Named(name) => json!({"name": name}),
                    Builder::Own(own) => json!({"driver": own.driver, "endpoint": own.endpoint}),
                }),
                "cache-from": build.cache_from, "cache-to": build.cache_to,
            }),
            ImageStep::Reuse { uri, digest, tag, more } => json!({
                "step": "reuse", "repository": uri, "digest": digest, "tags": [tag], "adds-tags": more,
            }),
            ImageStep::Given { uri, digest } => json!({"step": "given", "repository": uri, "digest": digest}),
        };
        if let Some(scan) = scan {
            image["scan"] = json!({ "fail-on": scan.fail_on, "ignore": scan.ignore });
        }
        let shape = match deployment.shape {
            Shape::AllAtOnce => json!({"kind": "all-at-once"}),
            Shape::Canary { percent, interval } => {
                json!({"kind": "canary", "percent": percent, "interval-seconds": interval.as_secs()})
            }
            Shape::Linear { percent, interval } => {
                json!({"kind": "linear", "percent": percent, "interval-seconds": interval.as_secs()})
            }
        };
        json!({
            "run": run,
            "image": image,
            "task-definition": {
                "family": task_definition.document.family(),
                "live": task_definition.live_arn,
                "marked": task_definition.marked_arn,
                "changes": planned::changes(self),
            },
            "deployment": {
                "cluster": deployment.cluster,
                "service": deployment.service,
                "application": deployment.application,
                "group": deployment.group,
                "config": deployment.config,
                "target-groups": deployment.target_groups,
                "shape": shape,
                "ready-wait-seconds": deployment.ready_wait.map(|wait| wait.as_secs()),
                "termination-wait-seconds": deployment.termination_wait.as_secs(),
                "rolls-back": {
                    "on-failure": deployment.rollback.on_failure,
                    "on-alarm": deployment.rollback.on_alarm,
                    "on-request": deployment.rollback.on_request,
                },
                "alarms": deployment.alarms,
                "before": deployment.before.iter().map(say::one_off::name).collect::<Vec<_>>(),
                "validate": deployment.validate.iter().map(say::checks::name).collect::<Vec<_>>(),
                "verify": deployment.verify.iter().map(say::checks::name).collect::<Vec<_>>(),
                "production-url": deployment.production_url,
                "test-url": deployment.test_url,
                "attaches-to": deployment.attach,
                "behind": deployment.active,
                "supersedes": deployment.supersedes,
                "hold": deployment.hold,
            },
            "budget-seconds": {
                "provisioning": budget.provisioning.as_secs(),
                "ready-wait": budget.ready_wait.as_secs(),
                "shift": budget.shift.as_secs(),
                "termination-wait": budget.termination_wait.as_secs(),
                "limit": deployment.time_limit.unwrap_or(budget.limit).as_secs(),
            },
            "warnings": warnings,
            "notes": notes,
        })
    }
}

#[cfg(test)]
mod tests;
