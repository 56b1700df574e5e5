//! What is said about AppSpecs.

use super::{did_you_mean, from_here};
use crate::{appspec::Wrong, config::yaml::Malformed, outcome::Finding};
use std::{io, path::Path};

pub fn unreadable(path: &Path, error: &io::Error) -> Finding {
    Finding::new(
        format!("The AppSpec {} can't be read: {error}.", from_here(path)),
        "Correct `appspec`, or leave it out: it is generated from the service then.",
    )
    .at(from_here(path), None)
}

pub fn malformed(path: &Path, malformed: &Malformed) -> Finding {
    Finding::new(
        format!("The AppSpec {} can't be parsed: {}.", from_here(path), malformed.message),
        "Correct the line; the file may be JSON or YAML.",
    )
    .at(from_here(path), malformed.line)
}

pub fn wrong(path: &Path, wrong: &Wrong) -> Finding {
    let file = from_here(path);
    let (what, fix) = match wrong {
        Wrong::NoObject => (
            format!("The AppSpec {file} is not an object."),
            "It has `version`, `Resources` and perhaps `Hooks`.".to_owned(),
        ),
        Wrong::Version(version) => {
            (format!("The AppSpec {file} is of version {version}."), "Write `version: 0.0`, the only one.".to_owned())
        }
        Wrong::NoResource => (
            format!("The AppSpec {file} names no ECS service to deploy."),
            "Under `Resources:` there must be one `TargetService` with `Type: AWS::ECS::Service` and `Properties`; or \
             leave `appspec` out: it is generated then."
                .to_owned(),
        ),
        Wrong::SeveralResources(count) => (
            format!("The AppSpec {file} names {count} resources, and a deployment to ECS has one."),
            "Keep the one of this service.".to_owned(),
        ),
        Wrong::OtherPlatform(what) => (
            format!("The AppSpec {file} is for another platform: it has {what}."),
            "For ECS, `Resources:` has one `TargetService` with `Type: AWS::ECS::Service`.".to_owned(),
        ),
        Wrong::UnknownKey { key, known } => (
            format!("`{key}` in {file} is a key that an AppSpec for ECS doesn't have."),
            did_you_mean(key, known.iter().copied()),
        ),
        Wrong::NoPort(found) => (
            format!("`LoadBalancerInfo` in {file} has no container and port: {found}."),
            "Write `{ContainerName: \"…\", ContainerPort: 80}`, the port as a number; or leave it out.".to_owned(),
        ),
        Wrong::Hook(found) => (
            format!("A hook in {file} is no pair of an event and a function: {found}."),
            "Write `- AfterAllowTestTraffic: \"name-or-ARN-of-a-function\"`.".to_owned(),
        ),
    };
    Finding::new(what, fix).at(file, None)
}
