//! The plan: a value made from what is asked for and what there is, shown as it is and executed
//! as it is. Making it writes nothing; what can be refused is refused here.

use crate::{
    appspec::AppSpec,
    deployment::{Budget, Shape},
    event::Run,
    request::{Build, Check, Concurrency, Until},
    task_definition::Document,
};
use std::{collections::BTreeMap, time::Duration};

#[derive(Clone, Debug)]
pub struct Plan {
    pub run: Run,
    pub image: ImageStep,
    pub task_definition: TaskDefinitionStep,
    pub deployment: DeploymentStep,
    pub budget: Budget,
    /// What doesn't forbid the run but should be known before it: full sentences.
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug)]
pub enum ImageStep {
    /// Build and push; `tags` are complete, the commit's first. The digest is known afterwards.
    Build {
        build: Build,
        repository_uri: String,
        tags: Vec<String>,
        labels: BTreeMap<String, String>,
        immutable: bool,
    },
    /// The commit's tag is there already and can't be moved: that image is used.
    Reuse { uri: String, digest: String, tag: String },
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
    /// A revision of an earlier run of ours (same marker) that was never deployed.
    pub marked_arn: Option<String>,
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
    pub validate: Vec<Check>,
    pub alarms: Vec<String>,
    /// Our own deployment, started by an earlier run with the same marker and still running.
    pub attach: Option<String>,
    /// Somebody else's that is active now.
    pub active: Option<String>,
    pub concurrency: Concurrency,
    pub until: Until,
    pub time_limit: Option<Duration>,
    pub desired_count: i32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RollbackEvents {
    pub on_failure: bool,
    pub on_alarm: bool,
    pub on_request: bool,
}
