//! Tags on clusters, services, task sets, task definitions and tasks.

use super::{
    State, arn,
    input::{client, invalid, list, required, text, texts},
};
use crate::front::{Answer, ApiError, Call};
use crate::state::State as World;
use serde_json::{Value, json};

/// Keys with their values, in the order in which they were given.
pub(super) type Tags = Vec<(String, String)>;

const LIMIT: usize = 50;

pub(super) fn json(tags: &Tags) -> Value {
    tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

/// The `tags` of an input, validated.
pub(super) fn read(input: &Value) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for tag in list(input, "tags")? {
        let key = text(tag, "key")?.unwrap_or_default();
        let value = text(tag, "value")?.unwrap_or_default();
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(invalid("Tag keys must have 1 to 128 characters and tag values at most 256."));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid("Tag keys can not start with aws:"));
        }
        if tags.iter().any(|(known, _)| known == key) {
            return Err(invalid(format!("Duplicate tag key: {key}")));
        }
        tags.push((key.to_owned(), value.to_owned()));
    }
    within_limit(&tags)?;
    Ok(tags)
}

pub(super) fn set(world: &mut World, call: &Call) -> Answer {
    let new = read(&call.input)?;
    let tags = of_resource(&mut world.ecs, call)?;
    let mut merged = tags.clone();
    for (key, value) in new {
        match merged.iter_mut().find(|(known, _)| *known == key) {
            Some(known) => known.1 = value,
            None => merged.push((key, value)),
        }
    }
    within_limit(&merged)?;
    *tags = merged;
    Ok(json!({}))
}

pub(super) fn remove(world: &mut World, call: &Call) -> Answer {
    let keys = texts(&call.input, "tagKeys")?;
    of_resource(&mut world.ecs, call)?.retain(|(key, _)| !keys.contains(&key.as_str()));
    Ok(json!({}))
}

pub(super) fn list_for_resource(world: &mut World, call: &Call) -> Answer {
    Ok(json!({ "tags": json(of_resource(&mut world.ecs, call)?) }))
}

fn within_limit(tags: &Tags) -> Result<(), ApiError> {
    if tags.len() > LIMIT {
        return Err(invalid(format!("The number of tags exceeds the limit of {LIMIT}.")));
    }
    Ok(())
}

fn of_resource<'a>(ecs: &'a mut State, call: &Call) -> Result<&'a mut Tags, ApiError> {
    let text = required(&call.input, "resourceArn", "Resource ARN")?;
    let arn = arn::Arn::parse(text).ok_or_else(|| invalid(format!("Invalid resource ARN: {text}")))?;
    arn::same_account(call, &arn)?;
    let account = &call.caller.account;
    let missing = |what: &str| client(format!("The specified {what} does not exist."));
    match arn.kind {
        "cluster" => ecs
            .clusters
            .get_mut(&(account.clone(), arn.path.to_owned()))
            .map(|cluster| &mut cluster.tags)
            .ok_or_else(super::cluster::not_found),
        "task-definition" => {
            let (family, revision) = arn.path.split_once(':').unwrap_or((arn.path, ""));
            let key = (account.clone(), call.region.clone(), family.to_owned());
            let revision: Option<u32> = revision.parse().ok();
            ecs.definitions
                .get_mut(&key)
                .and_then(|all| all.iter_mut().find(|definition| Some(definition.revision) == revision))
                .map(|definition| &mut definition.tags)
                .ok_or_else(|| missing("task definition"))
        }
        "service" => {
            let service = arn::last(arn.path);
            ecs.services
                .values_mut()
                .find(|known| {
                    known.key.account == *account && known.arn() == text && known.key.service == service
                })
                .map(|service| &mut service.tags)
                .ok_or_else(|| missing("service"))
        }
        "task-set" => ecs
            .services
            .values_mut()
            .flat_map(|service| &mut service.task_sets)
            .find(|set| set.arn == text)
            .map(|set| &mut set.tags)
            .ok_or_else(|| missing("task set")),
        "task" => ecs.tasks.get_mut(text).map(|task| &mut task.tags).ok_or_else(|| missing("task")),
        other => Err(invalid(format!("Tags are not supported on {other}."))),
    }
}
