//! The door: one HTTP server for all AWS services. It finds the service by signature scope,
//! target or path, checks the signature, takes a token from the rate bucket, asks IAM, calls
//! the service, writes the answer in the caller's protocol, and keeps the journal.

mod cbor;
mod disturb;
mod door;
mod input;
mod protocol;
mod query;
mod rate;
mod route;
mod server;
mod signature;
mod xml;

pub(crate) use server::Server;
pub(crate) use signature::{Refusal, Signed};

use crate::{Time, state::State as World};
use serde_json::Value;
use std::collections::HashMap;

/// The services behind the one base URL, by their signing names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Service {
    Sts,
    Ecr,
    EcrPublic,
    Ecs,
    CodeDeploy,
    Elb,
    CloudWatch,
    Logs,
    AutoScaling,
}

/// Who calls, after the signature was checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    pub(crate) account: String,
    /// `arn:aws:iam::A:user/N` or `arn:aws:sts::A:assumed-role/R/SESSION`.
    pub(crate) arn: String,
    /// The role's name for an assumed role, else the user's.
    pub(crate) principal: String,
    pub(crate) assumed_role: bool,
    /// Session tags that came with AssumeRole.
    pub(crate) tags: Vec<(String, String)>,
    /// The id of the key that signed; empty for a session that a service holds.
    pub(crate) access_key: String,
}

/// One call of one operation. `input` is the decoded request, whatever the protocol was:
/// JSON as it came; query parameters nested, their lists as arrays, their leaves as strings.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) service: Service,
    pub(crate) operation: String,
    pub(crate) input: Value,
    pub(crate) caller: Caller,
    pub(crate) region: String,
}

/// The answer of an operation. A time is written with `timestamp`, so that each protocol
/// can give it its own form; a list is a JSON array (`member` in XML).
pub(crate) type Answer = Result<Value, ApiError>;

#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    /// As the wire has it: `ClusterNotFoundException`, `TargetGroupNotFound`.
    pub(crate) code: String,
    pub(crate) message: String,
}

impl ApiError {
    /// A client's error: HTTP 400.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> ApiError {
        ApiError { status: 400, code: code.to_owned(), message: message.into() }
    }
}

/// A permission that a call takes, before it is carried out.
#[derive(Clone, Debug)]
pub(crate) struct Need {
    /// `ecs:RegisterTaskDefinition`
    pub(crate) action: String,
    /// The resource's ARN, or `*`.
    pub(crate) resource: String,
    /// Condition keys with their values: `iam:PassedToService` and the like.
    pub(crate) context: Vec<(String, String)>,
}

impl Need {
    pub(crate) fn new(action: &str, resource: impl Into<String>) -> Need {
        Need { action: action.to_owned(), resource: resource.into(), context: Vec::new() }
    }
}

/// A moment inside an answer: a number of epoch seconds in JSON, ISO 8601 in XML, tag 1 in CBOR.
pub(crate) fn timestamp(at: Time) -> Value {
    serde_json::json!({ TIMESTAMP: at.0 })
}

/// The key that marks a timestamp (milliseconds) inside an answer.
pub(crate) const TIMESTAMP: &str = "$timestamp";

/// The journal of calls and the rate buckets.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) journal: Vec<Entry>,
    buckets: rate::Buckets,
    /// How often each operation was called, for the faults that come every so often.
    counts: HashMap<(Service, String), u32>,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) at: Time,
    pub(crate) service: Service,
    pub(crate) operation: String,
    /// The caller's ARN; empty when unsigned.
    pub(crate) caller: String,
    /// The error's code as the client got it, if the call had one.
    pub(crate) error: Option<String>,
}

impl Service {
    /// As the signature's scope has it.
    pub(crate) fn signing_name(self) -> &'static str {
        match self {
            Service::Sts => "sts",
            Service::Ecr => "ecr",
            Service::EcrPublic => "ecr-public",
            Service::Ecs => "ecs",
            Service::CodeDeploy => "codedeploy",
            Service::Elb => "elasticloadbalancing",
            Service::CloudWatch => "monitoring",
            Service::Logs => "logs",
            Service::AutoScaling => "application-autoscaling",
        }
    }

    /// Before the colon in the names of its permissions.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Service::CloudWatch => "cloudwatch",
            other => other.signing_name(),
        }
    }
}

/// `api_calls` of the snapshot.
pub(crate) fn snapshot(world: &World) -> Value {
    let calls = world.front.journal.iter().map(|entry| {
        serde_json::json!({
            "at": entry.at.iso(),
            "service": entry.service.signing_name(),
            "action": format!("{}:{}", entry.service.prefix(), entry.operation),
            "operation": entry.operation,
            "caller": entry.caller,
            "error": entry.error,
        })
    });
    serde_json::json!({ "api_calls": calls.collect::<Vec<_>>() })
}

/// Which permissions the call takes.
pub(crate) fn needs(world: &World, call: &Call) -> Vec<Need> {
    match call.service {
        Service::Sts => crate::sts::needs(world, call),
        Service::Ecr => crate::ecr::needs(world, call),
        Service::EcrPublic => crate::ecr::public::needs(world, call),
        Service::Ecs => crate::ecs::needs(world, call),
        Service::CodeDeploy => crate::codedeploy::needs(world, call),
        Service::Elb => crate::elb::needs(world, call),
        Service::CloudWatch | Service::Logs => crate::cloudwatch::needs(world, call),
        Service::AutoScaling => crate::autoscaling::needs(world, call),
    }
}

/// Carries the call out.
pub(crate) fn handle(world: &mut World, call: &Call) -> Answer {
    match call.service {
        Service::Sts => crate::sts::handle(world, call),
        Service::Ecr => crate::ecr::handle(world, call),
        Service::EcrPublic => crate::ecr::public::handle(world, call),
        Service::Ecs => crate::ecs::handle(world, call),
        Service::CodeDeploy => crate::codedeploy::handle(world, call),
        Service::Elb => crate::elb::handle(world, call),
        Service::CloudWatch | Service::Logs => crate::cloudwatch::handle(world, call),
        Service::AutoScaling => crate::autoscaling::handle(world, call),
    }
}

/// Whether a service, by its IAM prefix, has an operation.
#[cfg(test)]
pub(crate) fn knows(world: &mut World, prefix: &str, operation: &str) -> bool {
    use Service::*;
    let all = [Sts, Ecr, EcrPublic, Ecs, CodeDeploy, Elb, CloudWatch, Logs, AutoScaling];
    let Some(service) = all.into_iter().find(|service| service.prefix() == prefix) else { return false };
    let call = Call {
        service,
        operation: operation.to_owned(),
        input: serde_json::json!({}),
        caller: Caller::default(),
        region: String::new(),
    };
    handle(world, &call).err().is_none_or(|error| error.code != "InvalidAction")
}
