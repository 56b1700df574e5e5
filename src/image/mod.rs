//! The image: built and pushed, or found by its tag or its URI; in the end a digest.

mod arguments;
pub mod attributes;
pub mod build;
pub mod builder;
pub mod buildx;
mod cache;
mod checks;
mod creation;
mod decide;
pub mod docker_config;
pub mod ecr;
pub mod failure;
mod imagetools;
mod logins;
mod manifest;
pub mod platform;
mod public_ecr;
pub mod reference;
mod retag;
pub mod scan;
mod sign_in;
pub mod tags;
pub mod words;

pub use decide::{Candidate, decide};
pub use docker_config::{DOCKER_HUB, is_docker_hub, login};
pub use ecr::{Login, Repository, digest_of};
pub use public_ecr::HOST as PUBLIC;
pub use reference::Reference;

use crate::{
    aws::{Clients, Failure},
    cancel::Cancel,
    event::Event,
    outcome::Stop,
    plan::ImageStep,
    report::Reporter,
    say::refusals,
    surroundings::Variables,
};
use build::Order;
use ecr::Registry;

/// An image in its registry, known by its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The repository, with its host and without tag or digest.
    pub uri: String,
    pub digest: String,
    pub tags: Vec<String>,
    /// By this run.
    pub built: bool,
}

impl Image {
    /// As a task definition names it.
    pub fn pinned(&self) -> String {
        format!("{}@{}", self.uri, self.digest)
    }
}

/// Carries out the plan's step. `registry` are the clients of the account that is pushed to.
pub async fn ship(
    step: &ImageStep,
    registry: &Clients,
    variables: &Variables,
    reporter: &Reporter,
    cancel: &Cancel,
) -> anyhow::Result<Image> {
    let image = match step {
        ImageStep::Build { build, create, logins, repository_uri, tags, labels, .. } => {
            let login = Registry::of(registry).login().await.map_err(not_pushed)?;
            if let Some(wanted) = create {
                creation::create(&build.repository, wanted, registry, reporter).await?;
            }
            let host = repository_uri.split('/').next().unwrap_or_default().to_owned();
            let logins = [vec![Login { host, ..login }], logins.clone()].concat();
            let order = Order { build, repository_uri, tags, labels };
            build::build(order, &logins, variables, reporter, cancel).await?
        }
        ImageStep::Reuse { uri, digest, tag, more } => {
            retag::put(&Registry::of(registry), uri, digest, more).await.map_err(not_pushed)?;
            let tags = [vec![tag.clone()], more.clone()].concat();
            Image { uri: uri.clone(), digest: digest.clone(), tags, built: false }
        }
        ImageStep::Given { uri, digest } => {
            Image { uri: uri.clone(), digest: digest.clone(), tags: Vec::new(), built: false }
        }
    };
    let Image { uri, digest, tags, built } = image.clone();
    reporter.tell(Event::ImageReady { uri, digest, tags, built });
    Ok(image)
}

/// A registry that lets nobody in is a failed push.
fn not_pushed(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<Failure>() {
        Ok(failure) => Stop::build_failed(refusals::failure(&failure)).into(),
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests;
