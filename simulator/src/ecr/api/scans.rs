//! Scans of images for known vulnerabilities: ECR's own, which is asked for, and Inspector's enhanced
//! one, which looks at every image from its push on.

use super::{Paging, Target, WireId, images::not_found, read};
use crate::{
    clock::Time,
    ecr::{
        blobs::Digest,
        store::{Image, Repository},
    },
    front::{Answer, ApiError, Call, timestamp},
    state::State as World,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How long a scan takes unless the world says otherwise, in the world's time.
const TAKES: f64 = 15.0;
/// An image is scanned once in so long, whoever asked for it.
const AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    #[serde(default)]
    image_id: WireId,
    #[serde(flatten)]
    paging: Paging,
}

pub(super) fn start(world: &mut World, call: &Call) -> Answer {
    let input: Input = read(call)?;
    let target = Target::of(world, call)?;
    let now = world.now;
    let repository = target.repository_mut(world)?;
    let id = input.image_id;
    let digest = repository.find(&id.id()).map_err(|missing| not_found(&target, &id, missing))?;
    if repository.scans.enhanced {
        return Err(ApiError::new("ValidationException", "This feature is disabled"));
    }
    if let Some(image) = repository.images.get_mut(&digest) {
        if image.scanned_at.is_some_and(|last| now < last + AGAIN) {
            let message = "The scan quota per image has been exceeded. Wait and try again.";
            return Err(ApiError::new("LimitExceededException", message));
        }
        if image.manifest.is_list() {
            let message = "The operation is not supported for this image type";
            return Err(ApiError::new("UnsupportedImageTypeException", message));
        }
        image.scanned_at = Some(now);
    }
    let id = WireId { image_digest: Some(digest.to_string()), ..id };
    target.answer(json!({"imageId": id.json(), "imageScanStatus": {"status": "IN_PROGRESS"}}))
}

pub(super) fn findings(world: &World, call: &Call) -> Answer {
    let input: Input = read(call)?;
    let target = Target::of(world, call)?;
    let repository = target.repository(world)?;
    let id = input.image_id;
    let digest = repository.find(&id.id()).map_err(|missing| not_found(&target, &id, missing))?;
    let image = repository.images.get(&digest);
    let scan = image.and_then(|image| summary(repository, &digest, image, world.now));
    let Some(scan) = scan else {
        return Err(ApiError::new(
            "ScanNotFoundException",
            format!(
                "Image scan does not exist for the image with '{digest}' in the repository with name '{}' in the registry with id '{}'",
                target.name, target.account
            ),
        ));
    };
    let id = WireId { image_digest: Some(digest.to_string()), ..id };
    let mut answer = json!({"imageId": id.json(), "imageScanStatus": scan["imageScanStatus"]});
    if scan["imageScanFindingsSummary"].is_object() {
        let (page, next) = input.paging.page(repository.findings(&digest).to_vec(), 1000)?;
        let list = if repository.scans.enhanced { "enhancedFindings" } else { "findings" };
        answer["imageScanFindings"] = scan["imageScanFindingsSummary"].clone();
        answer["imageScanFindings"][list] = json!(page);
        if let Some(next) = next {
            answer["nextToken"] = json!(next);
        }
    } else if scan["imageScanStatus"]["status"] == "ACTIVE" {
        // Nothing is known yet, and the list that comes with it is empty.
        answer["imageScanFindings"] = json!({"findings": []});
    }
    target.answer(answer)
}

/// `imageScanStatus`, and once there are findings `imageScanFindingsSummary`; `None` before any scan.
pub(super) fn summary(repository: &Repository, digest: &Digest, image: &Image, now: Time) -> Option<Value> {
    let scans = &repository.scans;
    let begun = image.scanned_at?;
    let takes = Duration::from_secs_f64(scans.seconds.unwrap_or(TAKES));
    let completed = begun + takes;
    let status = |status: &str, description: &str| json!({"imageScanStatus": {"status": status, "description": description}});
    if now < completed {
        return Some(match scans.enhanced {
            true if now < begun + takes / 2 => status("PENDING", "The scan is waiting to be started."),
            true => status("ACTIVE", "Continuous scan is selected for image."),
            false => json!({"imageScanStatus": {"status": "IN_PROGRESS"}}),
        });
    }
    if let Some(word) = &scans.end_as {
        return Some(status(word, &format!("The scan ended as {word}.")));
    }
    let mut counts: Map<String, Value> = Map::new();
    for finding in repository.findings(digest) {
        // What Inspector hasn't judged yet has no key of its own here.
        let severity = finding["severity"].as_str().filter(|s| *s != "UNTRIAGED").unwrap_or("UNDEFINED");
        let count = counts.get(severity).and_then(Value::as_u64).unwrap_or(0);
        counts.insert(severity.to_owned(), json!(count + 1));
    }
    let mut summary = match scans.enhanced {
        true => status("ACTIVE", "Continuous scan is selected for image."),
        false => status("COMPLETE", "The scan was completed successfully."),
    };
    summary["imageScanFindingsSummary"] = json!({
        "imageScanCompletedAt": timestamp(completed),
        "vulnerabilitySourceUpdatedAt": timestamp(completed),
        "findingSeverityCounts": counts,
    });
    Some(summary)
}
