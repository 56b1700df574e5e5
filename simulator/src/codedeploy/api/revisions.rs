//! An application's revisions: the only place where an AppSpec's text can be read back.

use super::super::{
    creation,
    model::{Application, Holdings, Revision},
};
use super::input::{self, Result, error};
use super::views;
use crate::front::{Answer, Call, timestamp};
use crate::state::State as World;
use serde_json::{Value, json};

pub(super) fn get(world: &mut World, call: &Call) -> Answer {
    let holdings = input::holdings(world, call);
    let application = input::application(holdings, input::application_name(&call.input)?)?;
    let sha256 = input::revision_sha256(input::revision_location(&call.input)?)?;
    let revision = find(application, &sha256)?;
    Ok(json!({
        "applicationName": application.name,
        "revision": views::full_location(revision),
        "revisionInfo": info(holdings, application, revision),
    }))
}

pub(super) fn batch_get(world: &mut World, call: &Call) -> Answer {
    let holdings = input::holdings(world, call);
    let application = input::application(holdings, input::application_name(&call.input)?)?;
    let locations = input::list(&call.input, "revisions")?.unwrap_or_default();
    if locations.is_empty() {
        return error("RevisionRequiredException", "RevisionLocation must be specified");
    }
    let mut revisions = Vec::new();
    let mut missing = None;
    for location in locations {
        input::inline(location)?;
        match find(application, &input::revision_sha256(location)?) {
            Ok(revision) => revisions.push(json!({
                "revisionLocation": views::full_location(revision),
                "genericRevisionInfo": info(holdings, application, revision),
            })),
            Err(e) => missing = Some(e.message),
        }
    }
    Ok(json!({ "applicationName": application.name, "revisions": revisions, "errorMessage": missing }))
}

pub(super) fn register(world: &mut World, call: &Call) -> Answer {
    let (now, limit) = (world.now, world.truths.description_limit);
    let holdings = input::holdings(world, call);
    let name = input::application_name(&call.input)?;
    input::application(holdings, name)?;
    let (content, _) = input::revision(&call.input)?;
    let description = input::text(&call.input, "description")?;
    if description.is_some_and(|text| text.chars().count() > limit) {
        return error("DescriptionTooLongException", "The description is too long.");
    }
    creation::register(holdings, name, &content, description.map(str::to_owned), now);
    Ok(json!({}))
}

pub(super) fn list(world: &mut World, call: &Call) -> Answer {
    let holdings = input::holdings(world, call);
    let input = &call.input;
    let application = input::application(holdings, input::application_name(input)?)?;
    let mut revisions: Vec<&Revision> = application.revisions.iter().collect();
    match input::text(input, "sortBy")? {
        None | Some("registerTime") => revisions.sort_by_key(|r| r.registered),
        Some("firstUsedTime") => revisions.sort_by_key(|r| r.first_used),
        Some("lastUsedTime") => revisions.sort_by_key(|r| r.last_used),
        Some(other) => {
            return error("InvalidSortByException", format!("Revisions can't be sorted by {other}."));
        }
    }
    match input::text(input, "sortOrder")? {
        None | Some("ascending") => {}
        Some("descending") => revisions.reverse(),
        Some(other) => return error("InvalidSortOrderException", format!("{other} is not an order.")),
    }
    let is_target = |r: &&Revision| !groups(holdings, application, r).is_empty();
    match input::text(input, "deployed")? {
        None | Some("ignore") => {}
        Some("include") => revisions.retain(is_target),
        Some("exclude") => revisions.retain(|r| !is_target(r)),
        Some(other) => {
            let message = format!("{other} is not a filter for deployed revisions.");
            return error("InvalidDeployedStateFilterException", message);
        }
    }
    let (page, next) = input::page(revisions.into_iter().map(|r| r.sha256.clone()).collect(), input)?;
    let locations: Vec<Value> = page.iter().map(|sha256| views::location(sha256)).collect();
    Ok(json!({ "revisions": locations, "nextToken": next }))
}

fn find<'a>(application: &'a Application, sha256: &str) -> Result<&'a Revision> {
    match application.revisions.iter().find(|r| r.sha256 == sha256) {
        Some(revision) => Ok(revision),
        None => error(
            "RevisionDoesNotExistException",
            format!("The application {} has no revision with the SHA256 {sha256}.", application.name),
        ),
    }
}

fn info(holdings: &Holdings, application: &Application, revision: &Revision) -> Value {
    json!({
        "description": revision.description,
        "deploymentGroups": groups(holdings, application, revision),
        "firstUsedTime": views::time(revision.first_used),
        "lastUsedTime": views::time(revision.last_used),
        "registerTime": timestamp(revision.registered),
    })
}

/// The groups that the revision is the target of.
fn groups<'a>(holdings: &Holdings, application: &'a Application, revision: &Revision) -> Vec<&'a String> {
    let is_target = |group: &&String| {
        holdings.target_revision(&application.name, group).as_ref() == Some(&revision.sha256)
    };
    application.groups.keys().filter(is_target).collect()
}
