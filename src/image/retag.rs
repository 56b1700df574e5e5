//! Further tags on an image that is there already: a release of a commit that was built before.

use super::{
    ecr::{Registry, Repository, by_digest, by_tag},
    reference::Reference,
};
use crate::{
    aws::Failure,
    outcome::{Finding, Stop},
    say::{image as say, refusals},
};
use anyhow::Context;

/// Those of the tags that the image doesn't have yet. One that another image has, and that can't be
/// moved, is told.
pub async fn missing(
    registry: &Registry<'_>,
    repository: &Repository,
    digest: &str,
    tags: &[String],
) -> anyhow::Result<(Vec<String>, Vec<Finding>)> {
    let (mut missing, mut taken) = (Vec::new(), Vec::new());
    for tag in tags {
        let fixed = repository.tags.as_ref().is_some_and(|tags| tags.are_immutable(tag));
        match registry.manifest(&repository.name, by_tag(tag)).await? {
            Some(there) if there.digest == digest => {}
            Some(_) if fixed => taken.push(say::tag_taken(tag, &repository.name)),
            _ => missing.push(tag.clone()),
        }
    }
    Ok((missing, taken))
}

pub async fn put(registry: &Registry<'_>, uri: &str, digest: &str, tags: &[String]) -> anyhow::Result<()> {
    if tags.is_empty() {
        return Ok(());
    }
    let reference = Reference::parse(uri).context("the image's repository has no name")?;
    let manifest = registry.manifest(&reference.name, by_digest(digest)).await?;
    let manifest = manifest.ok_or_else(|| Stop::build_failed(say::no_image(&format!("{uri}@{digest}"))))?;
    for tag in tags {
        let call = registry.clients.ecr().put_image().repository_name(&reference.name);
        let call = call.image_manifest(&manifest.text).image_digest(digest).image_tag(tag);
        let put = call.set_image_manifest_media_type(manifest.media_type()).send().await;
        match put.map_err(registry.clients.failed("ecr:PutImage")) {
            // Somebody else was quicker.
            Err(failure) if failure.is("ImageAlreadyExistsException") => {}
            put => put.map(drop).map_err(not_put)?,
        }
    }
    Ok(())
}

fn not_put(failure: Failure) -> anyhow::Error {
    Stop::build_failed(refusals::failure(&failure)).into()
}
