//! What is said about the image: its build, its push, its registry.

use super::did_you_mean;
use crate::{
    aws::{self, Clients},
    image::{
        build::Order,
        failure::{Failure, Kind},
        platform::Platform,
        tags::NoWord,
    },
    outcome::Finding,
};
use std::process::ExitStatus;

pub fn no_buildx() -> Finding {
    Finding::new(
        "Docker's buildx plugin isn't there: the image can't be built.",
        "Install it (the package docker-buildx-plugin or docker-buildx, or Docker Desktop), or ship an image that \
         exists with `--image`.",
    )
}

pub fn docker_config(error: &anyhow::Error) -> Finding {
    Finding::new(
        format!("Docker's configuration can't be taken over: {error:#}."),
        "Correct it, or name another folder in DOCKER_CONFIG.",
    )
}

pub fn build_failed(failure: &Failure, order: Order<'_>, dockerfile: &str, status: ExitStatus) -> Finding {
    let (build, repository) = (order.build, order.repository_uri);
    let message = match failure.message.as_str() {
        "" => format!("buildx ended with {status}"),
        message => message.to_owned(),
    };
    match &failure.kind {
        Kind::Step => {
            let shown: String = failure.lines.iter().map(|line| format!("\n{line}")).collect();
            let finding = Finding::new(
                format!("The build failed: {message}.{shown}"),
                "Correct the step; the whole output is above.",
            );
            finding.at(dockerfile, failure.line)
        }
        Kind::PushDenied { action } => {
            let permissions = action.clone().map_or_else(push_permissions, |action| format!("`{action}`"));
            Finding::new(
                format!("The push to {repository} was denied: {message}."),
                format!(
                    "Allow {permissions} on the repository to the role that pushes; see also the repository's own policy."
                ),
            )
        }
        Kind::TagExists => Finding::new(
            format!("The push to {repository} was refused, for a tag is there already: {message}."),
            "Run again: a commit's image that is there is used as it is. Take tags that move out of `tags`, or let \
             the repository exclude them from immutability.",
        ),
        Kind::NoRepository => Finding::new(
            format!("The push failed, for the registry doesn't know {repository}: {message}."),
            "Create the repository in the build account, or correct `repository`.",
        ),
        Kind::PullDenied => Finding::new(
            format!("An image that the build starts from can't be had: {message}."),
            super::registry::pull_denied(&message, &build.registries).unwrap_or_else(|| {
                "Check its name in the Dockerfile, and let `registries` or `docker login` log in to its registry.".into()
            }),
        ),
        Kind::Beyond => Finding::new(
            format!("The builder can't do what is asked for: {message}."),
            "Let a builder be made for the run: `builder: { driver: docker-container }` under `image:`.",
        ),
        Kind::NoStart => super::build::builder_not_started(build.builder.as_ref(), &message),
        Kind::Cache => Finding::new(
            format!("The image is built, but its cache couldn't be written: {message}."),
            "Check what `cache-to` names and that the role may push there, or let a release go on without it: \
             `ignore-error=true`.",
        ),
        Kind::NoSecret(id) => {
            let finding = Finding::new(
                format!("The Dockerfile wants the secret `{id}`, and the build isn't given it."),
                format!("Add it under `image:` as `secrets: {{ {id}: {{ env: NAME }} }}`, or take it out."),
            );
            finding.at(dockerfile, failure.line)
        }
        Kind::NoEngine => Finding::new(
            format!("No builder answers: {message}."),
            "Start Docker, or choose a builder that runs with `docker buildx use`.",
        ),
        Kind::Platforms => Finding::new(
            format!("The builder can't build for {}: {message}.", build.platforms.join(", ")),
            "Build for the one platform that the tasks run on, or let a builder be made that can do several: \
             `builder: { driver: docker-container }` under `image:`.",
        ),
    }
}

fn push_permissions() -> String {
    super::list([
        "ecr:BatchCheckLayerAvailability",
        "ecr:InitiateLayerUpload",
        "ecr:UploadLayerPart",
        "ecr:CompleteLayerUpload",
        "ecr:PutImage",
    ])
}

pub fn no_word(missing: &NoWord) -> Finding {
    let NoWord { word, text } = missing;
    let why = super::build::why_no_word(word);
    Finding::new(
        format!("`{text}` names `{{{word}}}`, but {why}."),
        format!("Take `{{{word}}}` out, or run where it is known."),
    )
}

const CREATE: &str = "create it, or let it be created with `create-repository: true` under `image:`";

pub fn no_repository(name: &str, clients: &Clients, known: &[String]) -> Finding {
    let fix = match known {
        [] => format!("Correct `repository`, or {CREATE}."),
        known => format!("{} Else {CREATE}.", did_you_mean(name, known.iter().map(String::as_str))),
    };
    Finding::new(
        format!("There is no ECR repository `{name}` in account {} in {}.", clients.account, clients.region),
        fix,
    )
}

pub fn repository_unseen(name: &str, failure: &aws::Failure) -> String {
    format!(
        "Whether tags in `{name}` can be moved isn't known ({} was denied): a commit's image that is there already is used as it is.",
        failure.action
    )
}

pub fn tag_taken(tag: &str, repository: &str) -> Finding {
    Finding::new(
        format!("The tag `{tag}` is in `{repository}` already, and tags there can't be moved."),
        "Take it out of `tags`, name `{commit}` in it, or let the repository exclude it from immutability.",
    )
}

pub fn platform_unseen(digest: &str, error: &anyhow::Error) -> String {
    format!("What platform {digest} is for couldn't be checked: {error:#}.")
}

pub fn other_platform(platforms: &[Platform], wanted: &Platform) -> Finding {
    let names: Vec<String> = platforms.iter().map(Platform::to_string).collect();
    Finding::new(
        format!("The image is for {}, but the service's tasks run on {wanted}.", super::and(&names)),
        format!(
            "Build it for {wanted} (`platforms: [{wanted}]`), or let the task definition's `runtimePlatform` be the image's."
        ),
    )
}

pub fn not_a_reference(uri: &str) -> Finding {
    Finding::new(
        format!("The image `{uri}` is no reference to one."),
        "Write it as `HOST/NAME:TAG` or `HOST/NAME@sha256:DIGEST`.",
    )
}

pub fn no_image(uri: &str) -> Finding {
    Finding::new(
        format!("There is no image {uri}."),
        "Check repository, tag and digest; push it first if it isn't there yet.",
    )
}

pub fn not_resolved(uri: &str, said: &str) -> Finding {
    Finding::new(
        format!("The image {uri} can't be resolved to a digest: {said}."),
        "Check its name and tag, and that `docker login` was done for its registry.",
    )
}
