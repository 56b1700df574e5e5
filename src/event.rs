//! What happens during a run, as values. Every stage tells its events to the `Reporter`, which
//! feeds all that show them; no stage prints anything itself.

use crate::outcome::{Outcome, Place};
use serde::{Deserialize, Serialize, Serializer};
use std::{sync::Arc, time::Duration};

/// The stages of a run, in their order. A stage is a group in the job log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Read,
    Plan,
    Image,
    TaskDefinition,
    Deployment,
    Rollback,
    Outcome,
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Event {
    /// The run is known: what it ships, where to, for whom.
    Started(Arc<Run>),
    Stage {
        stage: Stage,
    },
    /// Something worth a line. The sentence comes from `say`.
    Note {
        text: String,
    },
    /// Something that a user should act on, but that doesn't end the run.
    Warning {
        text: String,
    },
    /// The plan, as `plan` prints it (plain text, several lines) and as data.
    Planned {
        text: String,
        plan: serde_json::Value,
    },
    /// One line of the build's output: foreign text.
    BuildOutput {
        line: String,
    },
    /// What the builder remarks on a line of the user's Dockerfile, after it has shown it in its output:
    /// foreign text.
    BuildRemark {
        text: String,
        place: Place,
    },
    /// One line of what a check or a task says: foreign text.
    #[allow(dead_code, reason = "reports know every event that a run can have")]
    Output {
        from: String,
        line: String,
    },
    ImageReady {
        uri: String,
        digest: String,
        tags: Vec<String>,
        built: bool,
    },
    TaskDefinitionReady {
        arn: String,
        registered: bool,
    },
    /// The deployment exists; `attached` when it is one that an earlier run started.
    DeploymentCreated {
        id: String,
        application: String,
        group: String,
        config: String,
        console_url: String,
        attached: bool,
    },
    /// A lifecycle event changed its status; both by the API's names.
    Lifecycle {
        deployment: String,
        name: String,
        status: String,
    },
    /// CodeDeploy's own status of the deployment changed.
    DeploymentStatus {
        deployment: String,
        status: String,
    },
    /// Shares of production traffic, in percent.
    Traffic {
        blue: f64,
        green: f64,
    },
    /// Task counts of both sides; `None` when a side has no task set.
    Tasks {
        blue: Option<TaskCount>,
        green: Option<TaskCount>,
    },
    #[allow(dead_code, reason = "reports know every event that a run can have")]
    Alarm {
        name: String,
        state: String,
        reason: Option<String>,
    },
    /// A check against green (or production) ended: the measured figure beside its limit.
    Check {
        name: String,
        conclusion: Conclusion,
        measured: String,
        limit: String,
    },
    /// The run waits for something that has an end: `until` counts from now, in the world's time.
    Waiting {
        what: String,
        #[serde(rename = "remaining-seconds", serialize_with = "seconds")]
        remaining: Option<Duration>,
    },
    /// How long the deployment takes still, as far as can be known: counted from now, in the
    /// world's time.
    Eta {
        #[serde(rename = "remaining-seconds", serialize_with = "seconds")]
        remaining: Option<Duration>,
    },
    RollbackStarted {
        deployment: String,
        rollback: String,
        reason: Option<String>,
    },
    /// On the way back: production was read as being on what was wanted.
    ProductionBack {
        task_definition: String,
        /// Since the start of the run, in the world's time.
        #[serde(rename = "after-seconds", serialize_with = "some_seconds")]
        after: Duration,
    },
    Finished(Arc<Outcome>),
}

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    Passed,
    Failed,
    /// It could not be told.
    Inconclusive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TaskCount {
    pub running: i32,
    pub desired: i32,
    pub pending: i32,
}

/// Who runs what for whom: the frame of every report.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Run {
    /// `deploy`, `plan`, `rollback`, `status`
    pub command: String,
    pub service: String,
    pub environment: String,
    pub account: String,
    pub region: String,
    /// The production URL, when it is known.
    pub url: Option<String>,
    /// The commit that is shipped, when there is one.
    pub commit: Option<String>,
}

fn some_seconds<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(span.as_secs_f64())
}

fn seconds<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    span.map(|span| span.as_secs_f64()).serialize(serializer)
}
