//! Task definitions as they are kept: what is asked of them, and the calls that read them.

use super::{
    arn,
    input::{client, flag, invalid, page, required, text, wants_tags},
    tags::{self, Tags},
};
use crate::Time;
use crate::front::{Answer, ApiError, Call, timestamp};
use crate::state::State as World;
use serde_json::{Map, Value, json};

/// One revision. `document` is what DescribeTaskDefinition answers, but for status and times.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) family: String,
    pub(super) revision: u32,
    pub(super) document: Map<String, Value>,
    pub(super) tags: Tags,
    pub(super) registered_at: Time,
    pub(super) registered_by: String,
    pub(super) deregistered_at: Option<Time>,
}

impl Definition {
    pub(super) fn arn(&self) -> String {
        arn::arn(&self.region, &self.account, &format!("task-definition/{}:{}", self.family, self.revision))
    }

    pub(super) fn active(&self) -> bool {
        self.deregistered_at.is_none()
    }

    pub(super) fn text(&self, member: &str) -> Option<&str> {
        self.document.get(member).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    pub(super) fn containers(&self) -> &[Value] {
        self.document.get("containerDefinitions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub(super) fn container(&self, name: &str) -> Option<&Value> {
        self.containers().iter().find(|container| container["name"] == name)
    }

    pub(super) fn network_mode(&self) -> &str {
        self.text("networkMode").unwrap_or("bridge")
    }

    /// Whether tasks of this definition can be launched so.
    pub(super) fn fits(&self, launch_type: &str) -> bool {
        let compatible = self.document.get("compatibilities").and_then(Value::as_array);
        compatible.is_some_and(|types| types.iter().any(|one| one == launch_type))
    }

    pub(super) fn json(&self) -> Value {
        let mut document = self.document.clone();
        let status = if self.active() { "ACTIVE" } else { "INACTIVE" };
        document.insert("status".into(), json!(status));
        document.insert("registeredAt".into(), timestamp(self.registered_at));
        document.insert("registeredBy".into(), json!(self.registered_by));
        if let Some(at) = self.deregistered_at {
            document.insert("deregisteredAt".into(), timestamp(at));
        }
        Value::Object(document)
    }

    /// `{taskDefinition}`, with its tags when they are asked for.
    pub(super) fn answer(&self, with_tags: bool) -> Value {
        let mut answer = json!({ "taskDefinition": self.json() });
        if with_tags {
            answer["tags"] = tags::json(&self.tags);
        }
        answer
    }
}

/// The revisions of a family, oldest first; none when the family doesn't exist.
pub(super) fn revisions<'a>(world: &'a World, account: &str, region: &str, family: &str) -> &'a [Definition] {
    let key = (account.to_owned(), region.to_owned(), family.to_owned());
    world.ecs.definitions.get(&key).map_or(&[], Vec::as_slice)
}

/// The revision, or without one the latest that is ACTIVE.
pub(super) fn find<'a>(
    world: &'a World,
    account: &str,
    region: &str,
    family: &str,
    revision: Option<u32>,
) -> Option<&'a Definition> {
    let revisions = revisions(world, account, region, family);
    match revision {
        Some(number) => revisions.iter().find(|definition| definition.revision == number),
        None => revisions.iter().rev().find(|definition| definition.active()),
    }
}

pub(super) fn by_arn<'a>(world: &'a World, text: &str) -> Option<&'a Definition> {
    let parsed = arn::Arn::parse(text).filter(|parsed| parsed.kind == "task-definition")?;
    let (family, revision) = parsed.path.split_once(':')?;
    find(world, parsed.account, parsed.region, family, revision.parse().ok())
}

/// What a call's `taskDefinition` names.
pub(super) fn named<'a>(
    world: &'a World,
    call: &Call,
    reference: &str,
) -> Result<Option<&'a Definition>, ApiError> {
    let (family, revision) = arn::definition(call, reference)?;
    Ok(find(world, &call.caller.account, &call.region, family, revision))
}

/// What a service, task set or task is to run: it must exist and be ACTIVE.
pub(super) fn usable<'a>(world: &'a World, call: &Call, reference: &str) -> Result<&'a Definition, ApiError> {
    match named(world, call, reference)? {
        None => Err(client("TaskDefinition not found.")),
        Some(definition) if !definition.active() => Err(client("TaskDefinition is inactive")),
        Some(definition) => Ok(definition),
    }
}

pub(super) fn describe(world: &World, call: &Call) -> Answer {
    let reference = required(&call.input, "taskDefinition", "Task definition")?;
    let with_tags = wants_tags(&call.input)?;
    named(world, call, reference)?
        .map(|definition| definition.answer(with_tags))
        .ok_or_else(|| client("Unable to describe task definition."))
}

pub(super) fn deregister(world: &mut World, call: &Call) -> Answer {
    let reference = required(&call.input, "taskDefinition", "Task definition")?;
    let (family, revision) = arn::definition(call, reference)?;
    let revision = revision.ok_or_else(|| client("Invalid revision number. Number: null"))?;
    let key = (call.caller.account.clone(), call.region.clone(), family.to_owned());
    let now = world.now;
    let definition = world
        .ecs
        .definitions
        .get_mut(&key)
        .and_then(|revisions| revisions.iter_mut().find(|definition| definition.revision == revision))
        .ok_or_else(|| client("The specified task definition does not exist."))?;
    if definition.active() {
        definition.deregistered_at = Some(now);
    }
    Ok(definition.answer(false))
}

pub(super) fn list(world: &World, call: &Call) -> Answer {
    let family = text(&call.input, "familyPrefix")?;
    let active = match text(&call.input, "status")?.unwrap_or("ACTIVE") {
        "ACTIVE" => Some(true),
        "INACTIVE" => Some(false),
        "DELETE_IN_PROGRESS" => None,
        other => return Err(invalid(format!("Invalid status: {other}"))),
    };
    let mut arns: Vec<Value> = of_caller(world, call)
        .filter(|(name, _)| family.is_none_or(|family| family == *name))
        .flat_map(|(_, revisions)| revisions)
        .filter(|definition| Some(definition.active()) == active)
        .map(|definition| json!(definition.arn()))
        .collect();
    if text(&call.input, "sort")? == Some("DESC") {
        arns.reverse();
    }
    page(&call.input, "taskDefinitionArns", arns, 100)
}

pub(super) fn list_families(world: &World, call: &Call) -> Answer {
    let prefix = text(&call.input, "familyPrefix")?.unwrap_or("");
    let status = text(&call.input, "status")?.unwrap_or("ALL");
    let families = of_caller(world, call)
        .filter(|(name, _)| name.starts_with(prefix))
        .filter(|(_, revisions)| {
            let active = revisions.iter().any(Definition::active);
            status == "ALL" || active == (status == "ACTIVE")
        })
        .map(|(name, _)| json!(name))
        .collect();
    page(&call.input, "families", families, 100)
}

fn of_caller<'a>(world: &'a World, call: &'a Call) -> impl Iterator<Item = (&'a str, &'a Vec<Definition>)> {
    world
        .ecs
        .definitions
        .iter()
        .filter(|((account, region, _), _)| *account == call.caller.account && *region == call.region)
        .map(|((_, _, family), revisions)| (family.as_str(), revisions))
}

/// Whether a container of a definition is essential; it is unless it says otherwise.
pub(super) fn essential(container: &Value) -> bool {
    flag(container, "essential").ok().flatten().unwrap_or(true)
}
