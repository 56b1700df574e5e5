//! The revisions that production could go back to.

use crate::{
    aws::{Clients, Failure, Kind},
    current, deployment,
    outcome::Stop,
    say::{back as say, refusals},
    task_definition::Revision,
    verified::Verified,
};
use aws_sdk_ecs::types::{SortOrder, TaskDefinitionStatus};
use futures_util::{StreamExt, stream};
use std::cmp::Reverse;

/// So many of a family are looked at, the newest first.
const LIMIT: usize = 100;
/// Without the leave to list, numbers are tried: many of them may be gone.
const COUNTED: usize = 30;
/// Looked at before it is decided whether to look further.
const CHUNK: usize = 5;
const AT_A_TIME: usize = 5;

/// The last verified revision before the one that is live: by when it was verified, not by its
/// number.
pub async fn last_verified(clients: &Clients, live: &Revision) -> Result<Revision, Stop> {
    let before = Verified::of(live).map(|verified| verified.at);
    let mut seen = Vec::new();
    for names in newest(clients, live.document.family()).await?.chunks(CHUNK) {
        let revisions = read(clients, names).await?;
        let mut found: Vec<(Verified, &Revision)> = revisions
            .iter()
            .filter(|revision| revision.arn != live.arn && !revision.inactive)
            .filter_map(|revision| Some((Verified::of(revision)?, revision)))
            .filter(|(verified, _)| before.as_ref().is_none_or(|before| verified.at < *before))
            .collect();
        found.sort_by_key(|(verified, _)| Reverse(verified.at.clone()));
        for (verified, revision) in found {
            // Marked while blue still stood by, it may have been taken back after all.
            let succeeded = deployment::succeeded(clients, &verified.deployment).await.map_err(refused)?;
            if succeeded != Some(false) {
                return Ok(revision.clone());
            }
        }
        seen.extend(revisions);
    }
    seen.retain(|revision| revision.arn != live.arn);
    Err(Stop::refused(vec![say::nothing_verified(&live.arn, &seen)]))
}

/// The family's revisions, newest first.
pub async fn all(clients: &Clients, family: &str) -> Result<Vec<Revision>, Stop> {
    let names = newest(clients, family).await?;
    let mut revisions = read(clients, &names).await?;
    revisions.retain(|revision| !revision.inactive);
    Ok(revisions)
}

async fn newest(clients: &Clients, family: &str) -> Result<Vec<String>, Stop> {
    let answer = clients
        .ecs()
        .list_task_definitions()
        .family_prefix(family)
        .status(TaskDefinitionStatus::Active)
        .sort(SortOrder::Desc)
        .max_results(100)
        .send()
        .await
        .map_err(clients.failed("ecs:ListTaskDefinitions"));
    match answer {
        Ok(answer) => Ok(answer.task_definition_arns.unwrap_or_default().into_iter().take(LIMIT).collect()),
        Err(failure) if failure.is_denied() => counted(clients, family).await,
        Err(failure) => Err(refused(failure)),
    }
}

/// Their names, by their numbers.
async fn counted(clients: &Clients, family: &str) -> Result<Vec<String>, Stop> {
    let newest = current::describe(clients, family).await.map_err(refused)?;
    let number: usize = newest.arn.rsplit(':').next().and_then(|number| number.parse().ok()).unwrap_or(1);
    Ok((1..=number).rev().take(COUNTED).map(|number| format!("{family}:{number}")).collect())
}

/// Those that there are, in the same order.
async fn read(clients: &Clients, names: &[String]) -> Result<Vec<Revision>, Stop> {
    let reads = stream::iter(names.to_vec()).map(async |name| current::describe(clients, &name).await);
    let answers: Vec<Result<Revision, Failure>> = reads.buffered(AT_A_TIME).collect().await;
    let mut revisions = Vec::new();
    for answer in answers {
        match answer {
            Ok(revision) => revisions.push(revision),
            Err(failure) if failure.kind == Kind::Answer => {}
            Err(failure) => return Err(refused(failure)),
        }
    }
    Ok(revisions)
}

fn refused(failure: Failure) -> Stop {
    Stop::refused(vec![refusals::failure(&failure)])
}
