//! How a run ends: one word of a fixed list, its exit code, and what is true of production.

use crate::explain::Evidence;
use serde::{Deserialize, Serialize};
use std::{fmt, process::ExitCode, time::Duration};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(dead_code, reason = "the words are a contract with those who read them, some still to be said")]
pub enum Word {
    Succeeded,
    Unchanged,
    Planned,
    Held,
    RolledBackOnRequest,
    InternalError,
    Invalid,
    Refused,
    BuildFailed,
    RolledBack,
    NeedsAttention,
    StillRunning,
    Cancelled,
    Superseded,
}

impl Word {
    pub const fn code(self) -> u8 {
        match self {
            Word::Succeeded | Word::Unchanged | Word::Planned | Word::Held | Word::RolledBackOnRequest => 0,
            Word::InternalError => 1,
            Word::Invalid => 2,
            Word::Refused => 3,
            Word::BuildFailed => 4,
            Word::RolledBack => 5,
            Word::NeedsAttention => 6,
            Word::StillRunning => 7,
            Word::Cancelled => 8,
            Word::Superseded => 9,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Word::Succeeded => "succeeded",
            Word::Unchanged => "unchanged",
            Word::Planned => "planned",
            Word::Held => "held",
            Word::RolledBackOnRequest => "rolled-back-on-request",
            Word::InternalError => "internal-error",
            Word::Invalid => "invalid",
            Word::Refused => "refused",
            Word::BuildFailed => "build-failed",
            Word::RolledBack => "rolled-back",
            Word::NeedsAttention => "needs-attention",
            Word::StillRunning => "still-running",
            Word::Cancelled => "cancelled",
            Word::Superseded => "superseded",
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The end of a run, told to every report in the same words.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outcome {
    pub word: Word,
    /// What happened, in one sentence.
    pub happened: String,
    /// What production is on now, in one sentence, read back after the fact.
    pub production: String,
    /// What to do next, when there is something to do.
    pub next: Option<String>,
    /// What was wrong, each with what to do; the likeliest cause first.
    pub findings: Vec<Finding>,
    /// What speaks for the cause.
    #[serde(skip_deserializing)]
    pub evidence: Evidence,
    /// The image that was shipped, pinned by digest.
    pub image: Option<String>,
    pub digest: Option<String>,
    pub task_definition: Option<String>,
    pub previous_task_definition: Option<String>,
    pub deployment: Option<String>,
    pub rollback_deployment: Option<String>,
    pub console_url: Option<String>,
    /// On the wall, from the start of the run.
    pub took: Duration,
}

impl Outcome {
    pub fn new(word: Word, happened: impl Into<String>, production: impl Into<String>) -> Outcome {
        Outcome {
            word,
            happened: happened.into(),
            production: production.into(),
            next: None,
            findings: Vec::new(),
            evidence: Evidence::default(),
            image: None,
            digest: None,
            task_definition: None,
            previous_task_definition: None,
            deployment: None,
            rollback_deployment: None,
            console_url: None,
            took: Duration::ZERO,
        }
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.word.code())
    }
}

/// One thing that is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    pub what: String,
    pub fix: String,
    /// Where in a file of the user's, when it is there.
    pub place: Option<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub file: String,
    pub line: Option<usize>,
}

impl Finding {
    pub fn new(what: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding { what: what.into(), fix: fix.into(), place: None }
    }

    pub fn at(mut self, file: impl Into<String>, line: Option<usize>) -> Finding {
        self.place = Some(Place { file: file.into(), line });
        self
    }
}

/// An error that says how the run ends: with which word, and what was found. Any other error
/// is an internal one.
#[derive(Debug, thiserror::Error)]
#[error("{}", findings.iter().map(|f| f.what.as_str()).collect::<Vec<_>>().join("; "))]
pub struct Stop {
    pub word: Word,
    pub findings: Vec<Finding>,
}

impl Stop {
    /// Wrong without asking anyone.
    pub fn invalid(findings: Vec<Finding>) -> Stop {
        Stop { word: Word::Invalid, findings }
    }

    /// AWS, GitHub or our own policy says no.
    pub fn refused(findings: Vec<Finding>) -> Stop {
        Stop { word: Word::Refused, findings }
    }

    pub fn build_failed(finding: Finding) -> Stop {
        Stop { word: Word::BuildFailed, findings: vec![finding] }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Word::*;

    #[test]
    fn the_page_on_troubles_has_every_outcome_under_its_code() {
        let page = std::fs::read_to_string("docs/troubleshooting.md").unwrap();
        let words = [
            Succeeded,
            Unchanged,
            Planned,
            Held,
            RolledBackOnRequest,
            InternalError,
            Invalid,
            Refused,
            BuildFailed,
            RolledBack,
            NeedsAttention,
            StillRunning,
            Cancelled,
            Superseded,
        ];
        for word in words {
            let row = format!("| {} | ", word.code());
            let told = page.lines().any(|line| line.starts_with(&row) && line.contains(&format!("`{word}`")));
            assert!(told, "{word}");
        }
    }
}
