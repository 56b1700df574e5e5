//! Sentences on commits that are older than what is deployed.

use crate::{github::Failure, outcome::Finding};

pub fn overtaken(ours: &str, theirs: &str, whose: &str) -> Finding {
    Finding::new(
        format!("Commit {} is older than {}, which {whose}.", short(ours), short(theirs)),
        "There is nothing to do: the newer commit holds this one. To go back to it all the same, run \
         `greenlight rollback --to` with it, or set `allow-older: true`.",
    )
}

pub fn live() -> &'static str {
    "production runs already"
}

pub fn on_its_way(id: &str) -> String {
    format!("deployment {id} brings")
}

pub fn unknown(theirs: &str, why: &str) -> String {
    format!(
        "whether commit {}, which is deployed, is newer than this one can't be told: {why}",
        short(theirs)
    )
}

/// What came of asking GitHub.
pub fn unasked(failure: &Failure) -> String {
    match failure {
        Failure::Denied(what) => {
            format!("GitHub says {what}; it takes `contents: read` in the job's permissions")
        }
        Failure::Unauthorized(what) | Failure::Missing(what) | Failure::Rejected(what) => {
            format!("GitHub says {what}")
        }
        Failure::Unavailable { what, .. } => format!("GitHub has no answer: {what}"),
        Failure::Limited(_) => "GitHub asks for patience".to_owned(),
    }
}

fn short(commit: &str) -> &str {
    commit.get(..9).unwrap_or(commit)
}
