//! The mark of a revision that a successful run carried to its end: a tag, by which a way back
//! finds what production can be trusted to.

use crate::{
    aws::{Clients, Failure},
    task_definition::Revision,
};
use aws_sdk_ecs::types::Tag;

const TAG: &str = "greenlight:verified";
/// The value of one that production was taken back from.
const TAKEN_BACK: &str = "taken-back";

/// When a revision was verified, and by which deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Sorts as text: the clock of who marked it, in UTC.
    pub at: String,
    pub deployment: String,
}

impl Verified {
    pub fn of(revision: &Revision) -> Option<Verified> {
        let (at, deployment) = revision.tags.get(TAG)?.split_once(' ')?;
        Some(Verified { at: at.to_owned(), deployment: deployment.to_owned() })
    }
}

/// Whether production was taken back from it and it has not been verified since.
pub fn was_taken_back(revision: &Revision) -> bool {
    revision.tags.get(TAG).is_some_and(|value| value == TAKEN_BACK)
}

pub async fn mark(clients: &Clients, arn: &str, deployment: &str) -> Result<(), Failure> {
    let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    tag(clients, arn, &format!("{now} {deployment}")).await
}

pub async fn take_back(clients: &Clients, arn: &str) -> Result<(), Failure> {
    tag(clients, arn, TAKEN_BACK).await
}

async fn tag(clients: &Clients, arn: &str, value: &str) -> Result<(), Failure> {
    let tag = Tag::builder().key(TAG).value(value).build();
    let answer = clients.ecs().tag_resource().resource_arn(arn).tags(tag).send().await;
    answer.map(|_| ()).map_err(clients.failed("ecs:TagResource"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn revision(value: &str) -> Revision {
        Revision { tags: [(TAG.to_owned(), value.to_owned())].into(), ..Revision::default() }
    }

    #[test]
    fn a_mark_says_when_and_by_what() {
        let verified = Verified::of(&revision("2026-11-21T03:00:00.120Z d-ABCDEFGHI")).unwrap();
        assert_eq!(
            (verified.at.as_str(), verified.deployment.as_str()),
            ("2026-11-21T03:00:00.120Z", "d-ABCDEFGHI")
        );
        assert_eq!(Verified::of(&Revision::default()), None);
        assert_eq!(Verified::of(&revision(TAKEN_BACK)), None);
        assert!(was_taken_back(&revision(TAKEN_BACK)) && !was_taken_back(&Revision::default()));
    }
}
