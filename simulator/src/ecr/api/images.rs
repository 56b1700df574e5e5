//! Images: manifests in and out, descriptions, lists, deletion.

use super::{Paging, Target, WireId, invalid, read, some};
use crate::{
    ecr::{
        blobs::Digest,
        manifest,
        store::{Image, Missing, Push, PutError, Repository},
    },
    front::{Answer, ApiError, Call, timestamp},
    state::State as World,
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ids {
    #[serde(default)]
    image_ids: Vec<WireId>,
}

pub(super) fn batch_get(world: &mut World, call: &Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Accepted {
        #[serde(default)]
        accepted_media_types: Vec<String>,
    }
    let (ids, accepted): (Ids, Accepted) = (read(call)?, read(call)?);
    let target = Target::of(world, call)?;
    let now = world.now;
    let repository = target.repository_mut(world)?;
    let (mut images, mut failures) = (Vec::new(), Vec::new());
    for id in some(ids.image_ids, "imageIds", 100)? {
        let digest = match repository.find(&id.id()) {
            Ok(digest) => digest,
            Err(missing) => {
                failures.push(failure(&id, missing));
                continue;
            }
        };
        let Some(image) = repository.images.get_mut(&digest) else { continue };
        let stored = image.manifest.media_type.clone();
        let by_digest = id.image_digest.is_some();
        let Some(form) = manifest::form_for(&stored, &accepted.accepted_media_types, by_digest) else {
            failures.push(failure(&id, Missing::NotFound));
            continue;
        };
        image.pulled_at = Some(now);
        let text = manifest::convert(&image.text, &stored, form).unwrap_or_else(|| image.text.clone());
        let mut image_id = json!({"imageDigest": Digest::of(text.as_bytes()).as_str()});
        if let Some(tag) = &id.image_tag {
            image_id["imageTag"] = json!(tag);
        }
        images.push(json!({
            "registryId": target.account,
            "repositoryName": target.name,
            "imageId": image_id,
            "imageManifest": text,
            "imageManifestMediaType": form,
        }));
    }
    Ok(json!({"images": images, "failures": failures}))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    tag_status: Option<String>,
    image_status: Option<String>,
}

impl Filter {
    fn check(&self) -> Result<(), ApiError> {
        let one_of = |value: &Option<String>, all: &[&str], parameter: &str| match value {
            Some(value) if !all.contains(&value.as_str()) => {
                let set = all.join(", ");
                Err(invalid(parameter, &format!("Member must satisfy enum value set: [{set}]")))
            }
            _ => Ok(()),
        };
        one_of(&self.tag_status, &["TAGGED", "UNTAGGED", "ANY"], "filter.tagStatus")?;
        one_of(&self.image_status, &["ACTIVE", "ARCHIVED", "ACTIVATING", "ANY"], "filter.imageStatus")
    }

    /// Every image here is active.
    fn shows(&self, tagged: bool) -> bool {
        let by_tag = match self.tag_status.as_deref() {
            Some("TAGGED") => tagged,
            Some("UNTAGGED") => !tagged,
            _ => true,
        };
        by_tag && !matches!(self.image_status.as_deref(), Some("ARCHIVED" | "ACTIVATING"))
    }
}

#[derive(Debug, Deserialize)]
struct Listing {
    #[serde(flatten)]
    paging: Paging,
    #[serde(default)]
    filter: Filter,
}

pub(super) fn describe(world: &World, call: &Call) -> Answer {
    let (ids, listing): (Ids, Listing) = (read(call)?, read(call)?);
    listing.filter.check()?;
    let target = Target::of(world, call)?;
    let repository = target.repository(world)?;
    let detail = |digest: &Digest, image: &Image| describe_image(world, &target, repository, digest, image);
    if !ids.image_ids.is_empty() {
        if listing.paging.is_asked_for() {
            return Err(invalid("imageIds", "cannot be combined with nextToken or maxResults"));
        }
        let mut details: Vec<Value> = Vec::new();
        let mut seen = Vec::new();
        for id in some(ids.image_ids, "imageIds", 100)? {
            let digest = repository.find(&id.id()).map_err(|missing| not_found(&target, &id, missing))?;
            if let Some(image) = repository.images.get(&digest).filter(|_| !seen.contains(&digest)) {
                details.push(detail(&digest, image));
                seen.push(digest);
            }
        }
        return Ok(json!({"imageDetails": details}));
    }
    let shown = repository
        .images
        .iter()
        .filter(|(digest, _)| listing.filter.shows(!repository.tags_of(digest).is_empty()))
        .map(|(digest, image)| detail(digest, image))
        .collect();
    let (page, next) = listing.paging.page(shown, 1000)?;
    Ok(with_next(json!({"imageDetails": page}), next))
}

pub(super) fn list(world: &World, call: &Call) -> Answer {
    let listing: Listing = read(call)?;
    listing.filter.check()?;
    let target = Target::of(world, call)?;
    let repository = target.repository(world)?;
    let mut all = Vec::new();
    for digest in repository.images.keys() {
        let tags = repository.tags_of(digest);
        if tags.is_empty() && listing.filter.shows(false) {
            all.push(json!({"imageDigest": digest.as_str()}));
        }
        if listing.filter.shows(true) {
            all.extend(tags.iter().map(|tag| json!({"imageDigest": digest.as_str(), "imageTag": tag})));
        }
    }
    let (page, next) = listing.paging.page(all, 1000)?;
    Ok(with_next(json!({"imageIds": page}), next))
}

pub(super) fn put(world: &mut World, call: &Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Input {
        #[serde(default)]
        image_manifest: String,
        image_manifest_media_type: Option<String>,
        image_tag: Option<String>,
        image_digest: Option<String>,
    }
    let input: Input = read(call)?;
    let target = Target::of(world, call)?;
    let digest = Digest::of(input.image_manifest.as_bytes());
    if let Some(wanted) = input.image_digest.as_deref().filter(|wanted| *wanted != digest.as_str()) {
        let message = format!("The image has the digest '{digest}', not '{wanted}'");
        return Err(ApiError::new("ImageDigestDoesNotMatchException", message));
    }
    let (now, of_the_start) = (world.now, !world.ecs.begun);
    let repository = target.repository_mut(world)?;
    let push = Push {
        text: &input.image_manifest,
        media_type: input.image_manifest_media_type.as_deref(),
        tag: input.image_tag.as_deref(),
        now,
        of_the_start,
    };
    repository.put_image(push).map_err(|error| {
        let code = match error {
            PutError::Manifest(_) => "InvalidParameterException",
            PutError::LayersMissing(_) => "LayersNotFoundException",
            PutError::ImagesMissing(_) => "ReferencedImagesNotFoundException",
            PutError::TagImmutable(_) => "ImageTagAlreadyExistsException",
            PutError::AlreadyThere(..) => "ImageAlreadyExistsException",
        };
        ApiError::new(code, error.message(&target.account, &target.name))
    })?;
    let media_type = repository.images.get(&digest).map(|image| image.manifest.media_type.clone());
    let id = WireId { image_digest: Some(digest.to_string()), image_tag: input.image_tag };
    Ok(json!({"image": {
        "registryId": target.account,
        "repositoryName": target.name,
        "imageId": id.json(),
        "imageManifest": input.image_manifest,
        "imageManifestMediaType": media_type,
    }}))
}

pub(super) fn batch_delete(world: &mut World, call: &Call) -> Answer {
    let ids: Ids = read(call)?;
    let target = Target::of(world, call)?;
    let repository = target.repository_mut(world)?;
    let (mut gone, mut failures) = (Vec::new(), Vec::new());
    for id in some(ids.image_ids, "imageIds", 100)? {
        let digest = match repository.find(&id.id()) {
            Ok(digest) => digest,
            Err(missing) => {
                failures.push(failure(&id, missing));
                continue;
            }
        };
        let tags: Vec<String> = repository.tags_of(&digest).into_iter().map(str::to_owned).collect();
        let pair = |tag: &String| json!({"imageDigest": digest.as_str(), "imageTag": tag});
        match &id.image_tag {
            // The image itself goes with its last tag.
            Some(tag) if tags.len() > 1 => {
                repository.tags.remove(tag);
                gone.push(pair(tag));
            }
            _ => {
                let lists: Vec<&str> =
                    repository.lists_with(&digest).into_iter().map(Digest::as_str).collect();
                if !lists.is_empty() {
                    failures.push(json!({
                        "imageId": id.json(),
                        "failureCode": "ImageReferencedByManifestList",
                        "failureReason": format!("Requested image referenced by manifest list: [{}]", lists.join(", ")),
                    }));
                    continue;
                }
                repository.remove_image(&digest);
                if tags.is_empty() {
                    gone.push(json!({"imageDigest": digest.as_str()}));
                }
                gone.extend(tags.iter().map(pair));
            }
        }
    }
    Ok(json!({"imageIds": gone, "failures": failures}))
}

pub(super) fn referrers(world: &World, call: &Call) -> Answer {
    let paging: Paging = read(call)?;
    let target = Target::of(world, call)?;
    let Some(subject) = call.input["subjectId"]["imageDigest"].as_str().and_then(Digest::parse) else {
        return Err(invalid("subjectId", "imageDigest must be the digest of an image"));
    };
    let kinds = call.input["filter"]["artifactTypes"].as_array();
    let wanted = |kind: &str| kinds.is_none_or(|kinds| kinds.is_empty() || kinds.iter().any(|k| *k == kind));
    let mut found = Vec::new();
    for (digest, image) in &target.repository(world)?.images {
        let kind = image.manifest.artifact_type.as_deref().unwrap_or_default();
        if image.manifest.subject.as_ref() != Some(&subject) || !wanted(kind) {
            continue;
        }
        let mut referrer = json!({
            "digest": digest.as_str(),
            "mediaType": image.manifest.media_type,
            "artifactType": kind,
            "size": image.text.len(),
            "artifactStatus": "ACTIVE",
        });
        if image.manifest.annotations.is_object() {
            referrer["annotations"] = image.manifest.annotations.clone();
        }
        found.push(referrer);
    }
    let (page, next) = paging.page(found, 50)?;
    Ok(with_next(json!({"referrers": page}), next))
}

fn describe_image(
    world: &World,
    target: &Target,
    repository: &Repository,
    digest: &Digest,
    image: &Image,
) -> Value {
    let mut detail = json!({
        "registryId": target.account,
        "repositoryName": target.name,
        "imageDigest": digest.as_str(),
        "imageSizeInBytes": repository.size(image),
        "imagePushedAt": timestamp(image.pushed_at),
        "imageManifestMediaType": image.manifest.media_type,
        "imageStatus": "ACTIVE",
    });
    let tags = repository.tags_of(digest);
    if !tags.is_empty() {
        detail["imageTags"] = json!(tags);
    }
    if let Some(kind) = &image.manifest.artifact_type {
        detail["artifactMediaType"] = json!(kind);
    }
    if let Some(at) = image.pulled_at {
        detail["lastRecordedPullTime"] = timestamp(at);
    }
    if let Some(subject) = &image.manifest.subject {
        detail["subjectManifestDigest"] = json!(subject.as_str());
    }
    if let Some(scan) = super::scans::summary(repository, digest, image, world.now) {
        detail["imageScanStatus"] = scan["imageScanStatus"].clone();
        if scan["imageScanFindingsSummary"].is_object() {
            detail["imageScanFindingsSummary"] = scan["imageScanFindingsSummary"].clone();
        }
    }
    detail
}

fn failure(id: &WireId, missing: Missing) -> Value {
    let (code, reason) = match missing {
        Missing::NoId => {
            ("MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null")
        }
        Missing::InvalidDigest => (
            "InvalidImageDigest",
            "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
        ),
        Missing::NotFound => ("ImageNotFound", "Requested image not found"),
        Missing::TagOfAnother => {
            ("ImageTagDoesNotMatchDigest", "The image tag does not match the image digest")
        }
    };
    json!({"imageId": id.json(), "failureCode": code, "failureReason": reason})
}

/// The error of the operations that fail on a missing image.
pub(super) fn not_found(target: &Target, id: &WireId, missing: Missing) -> ApiError {
    match missing {
        Missing::NoId => invalid("imageId", "both tag and digest cannot be null"),
        Missing::InvalidDigest => {
            invalid("imageDigest", "must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'")
        }
        Missing::NotFound | Missing::TagOfAnother => ApiError::new(
            "ImageNotFoundException",
            format!(
                "The image with imageId {{imageDigest:'{}', imageTag:'{}'}} does not exist within the repository with name '{}' in the registry with id '{}'",
                id.image_digest.as_deref().unwrap_or("null"),
                id.image_tag.as_deref().unwrap_or("null"),
                target.name,
                target.account
            ),
        ),
    }
}

fn with_next(mut answer: Value, next: Option<String>) -> Value {
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    answer
}
