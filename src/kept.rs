//! What a run keeps for its post step: each thing the moment it is known, in the runner's state,
//! so that a run that dies at any moment can be finished by another process.

use crate::{
    deployment::Course,
    event::{Event, Run},
    explain::Evidence,
    outcome::{Outcome, Word},
    request::OnCancel,
    surroundings::Variables,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// The names of the state's values.
pub mod name {
    /// The arguments of the command, its inputs among them.
    pub const ASKED: &str = "asked";
    pub const RUN: &str = "run";
    /// A signal came.
    pub const CANCELLED: &str = "cancelled";
    /// Where the registry's password is, while the image is built.
    pub const PRIVATE_FOLDER: &str = "private_folder";
    /// The builder that is made for the build, while it is there.
    pub const BUILDER: &str = "builder";
    /// The family, before a revision of it is registered.
    pub const REGISTERING: &str = "registering";
    /// A one-off task that is under way before the deployment.
    pub const ONE_OFF: &str = "one_off";
    pub const TASK_DEFINITION: &str = "task_definition_arn";
    pub const UNDERTAKING: &str = "undertaking";
    pub const DEPLOYMENT: &str = "deployment_id";
    /// CodeDeploy heard that it shall stop.
    pub const STOP_ANSWERED: &str = "stop_answered";
    pub const ROLLBACK: &str = "rollback_deployment_id";
    pub const OUTCOME: &str = "outcome";
    /// The outcome in full.
    pub const ENDED: &str = "ended";
    /// GitHub knows the end.
    pub const TOLD: &str = "told";
}

/// The deployment that a run is about to start, or has started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Undertaking {
    pub course: Course,
    /// The description that CreateDeployment is given.
    pub description: String,
    /// The revision that it brings.
    pub task_definition: String,
    pub on_cancel: Option<OnCancel>,
    /// It brings an older revision back.
    pub returns: bool,
    /// With all traffic on green the run has succeeded.
    pub shift_succeeds: bool,
}

impl Undertaking {
    /// The deployment's beginning, for those who haven't heard of it.
    pub fn created(&self, id: &str) -> Event {
        Event::DeploymentCreated {
            id: id.to_owned(),
            application: self.course.application.clone(),
            group: self.course.group.clone(),
            config: self.course.config.clone(),
            console_url: crate::console::deployment(&self.course.region, id),
            attached: true,
        }
    }
}

/// The state as the runner gives it back.
#[derive(Clone)]
pub struct Kept {
    variables: Variables,
}

impl Kept {
    pub fn of(variables: &Variables) -> Kept {
        Kept { variables: variables.clone() }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.variables.get(&format!("STATE_{name}"))
    }

    /// What can't be read counts as not kept.
    fn value<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.text(name)?).ok()
    }

    pub fn asked(&self) -> Option<Vec<String>> {
        self.value(name::ASKED)
    }

    pub fn run(&self) -> Option<Run> {
        self.value(name::RUN)
    }

    pub fn undertaking(&self) -> Option<Undertaking> {
        self.value(name::UNDERTAKING)
    }

    /// The outcome that the run told by itself.
    pub fn ended(&self) -> Option<Outcome> {
        self.value(name::ENDED)
    }

    pub fn cancelled(&self) -> bool {
        self.text(name::CANCELLED).is_some()
    }

    /// Whether there is nothing to finish: the run told its end, here and to GitHub, and left no
    /// deployment to itself by being cancelled.
    pub fn is_over(&self) -> bool {
        let left_one = self.text(name::OUTCOME) == Some(Word::Cancelled.name())
            && self.text(name::UNDERTAKING).is_some();
        self.text(name::OUTCOME).is_some() && self.text(name::TOLD).is_some() && !left_one
    }

    /// The ids of what was made at GitHub, by their names.
    pub fn ids(&self) -> BTreeMap<String, u64> {
        let ids = self
            .variables
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix("STATE_")?.to_owned(), value.parse().ok()?)));
        ids.collect()
    }
}

/// As much of an outcome as the environment of a process takes.
pub fn shortened(outcome: &Outcome) -> Outcome {
    const FINDINGS: usize = 5;
    const LENGTH: usize = 2000;
    let short = |text: &str| text.chars().take(LENGTH).collect();
    let mut outcome = outcome.clone();
    outcome.evidence = Evidence::default();
    outcome.findings.truncate(FINDINGS);
    for finding in &mut outcome.findings {
        (finding.what, finding.fix) = (short(&finding.what), short(&finding.fix));
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(pairs: &[(&str, &str)]) -> Kept {
        let pairs = pairs.iter().map(|(name, value)| (format!("STATE_{name}"), (*value).to_owned()));
        Kept::of(&Variables::of(pairs))
    }

    #[test]
    fn a_run_that_told_its_end_is_over() {
        assert!(kept(&[("outcome", "succeeded"), ("told", "yes"), ("undertaking", "{}")]).is_over());
        assert!(kept(&[("outcome", "cancelled"), ("told", "yes")]).is_over());
    }

    #[test]
    fn a_run_that_died_or_left_a_deployment_or_github_is_not() {
        assert!(!kept(&[]).is_over());
        assert!(!kept(&[("outcome", "succeeded")]).is_over());
        assert!(!kept(&[("outcome", "cancelled"), ("told", "yes"), ("undertaking", "{}")]).is_over());
    }

    #[test]
    fn what_was_cut_off_counts_as_not_kept() {
        assert_eq!(kept(&[("asked", r#"["deploy""#)]).asked(), None);
        assert_eq!(kept(&[("asked", r#"["deploy"]"#)]).asked(), Some(vec!["deploy".to_owned()]));
    }
}
