//! Why a deployment failed: what AWS knows is gathered, the likeliest cause is found in it, and
//! what speaks for it is kept, so that one screen tells all that says something.

mod gather;
mod pull;
mod rank;

pub use gather::{Excerpt, Gathered, Hook, TailOf, Targets};
pub use pull::{Lacking, repository};
pub use rank::{Likeliest, rank};

use crate::{
    appspec::AppSpec,
    aws::Clients,
    deployment::{Cause, Course},
    outcome::Finding,
    say::explain as say,
    watch::AlarmNow,
};
use serde::Serialize;

/// The deployment that failed, and what the run itself knows of it.
pub struct Failed<'a> {
    pub clients: &'a Clients,
    /// Of the account that holds the image.
    pub registry: &'a Clients,
    pub course: &'a Course,
    pub id: &'a str,
    /// The revision that green runs.
    pub revision: &'a str,
    pub known: Known<'a>,
}

/// What the run itself knows of a failure.
#[derive(Default)]
pub struct Known<'a> {
    /// CodeDeploy's own words.
    pub error: Option<&'a Cause>,
    /// The AppSpec that the run sent, where it sent one.
    pub appspec: Option<&'a AppSpec>,
    /// Green's task set, as it was seen last.
    pub green: Option<String>,
    /// Why the run itself stopped it.
    pub stopped_for: Option<Finding>,
    /// Those that went into ALARM during the run.
    pub alarms: Vec<AlarmNow>,
    /// The run stopped it because so many tasks had stopped.
    pub gave_up_after: Option<usize>,
}

/// The likeliest cause, and what speaks for it.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub cause: Finding,
    pub evidence: Evidence,
}

/// What was gathered about a failure, as far as it says something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Evidence {
    pub facts: Vec<Fact>,
    /// The last lines of the failed container's log.
    pub log: Option<Log>,
    /// What could not be seen and is done without: full sentences.
    pub unseen: Vec<String>,
}

/// One line of what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// One word: `codedeploy`, `tasks`, `targets`, …
    pub about: String,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Log {
    /// Whose log it is, and where the rest of it stands.
    pub title: String,
    pub lines: Vec<String>,
}

/// Reads what there is while green's tasks can still be listed. Each read is done without when
/// it isn't granted or fails.
pub async fn explain(failed: Failed<'_>) -> Explanation {
    let gathered = gather::gather(&failed).await;
    let likeliest = rank(&failed.known, &gathered);
    let cause = say::cause(&failed, &gathered, &likeliest);
    Explanation { cause, evidence: say::evidence(&failed, &gathered, &likeliest) }
}
