//! Scans of images for known vulnerabilities, as the basic scanner reports them.

use super::{Paging, Target, WireId, images::not_found, read};
use crate::{
    clock::Time,
    ecr::store::{Image, Repository},
    front::{Answer, ApiError, Call, timestamp},
    state::State as World,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How long a scan takes, in the world's time.
const TAKES: Duration = Duration::from_secs(15);

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
    if let Some(image) = repository.images.get_mut(&digest) {
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
    let scan = repository.images.get(&digest).and_then(|image| summary(repository, image, world.now));
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
        let (page, next) = input.paging.page(repository.findings.clone(), 1000)?;
        answer["imageScanFindings"] = scan["imageScanFindingsSummary"].clone();
        answer["imageScanFindings"]["findings"] = json!(page);
        if let Some(next) = next {
            answer["nextToken"] = json!(next);
        }
    }
    target.answer(answer)
}

/// `imageScanStatus`, and once the scan is complete `imageScanFindingsSummary`; `None` before any scan.
pub(super) fn summary(repository: &Repository, image: &Image, now: Time) -> Option<Value> {
    let completed = image.scanned_at? + TAKES;
    if now < completed {
        return Some(json!({"imageScanStatus": {"status": "IN_PROGRESS"}}));
    }
    let mut counts: Map<String, Value> = Map::new();
    for finding in &repository.findings {
        let severity = finding["severity"].as_str().unwrap_or("UNDEFINED");
        let count = counts.get(severity).and_then(Value::as_u64).unwrap_or(0);
        counts.insert(severity.to_owned(), json!(count + 1));
    }
    Some(json!({
        "imageScanStatus": {"status": "COMPLETE", "description": "The scan was completed successfully."},
        "imageScanFindingsSummary": {
            "imageScanCompletedAt": timestamp(completed),
            "vulnerabilitySourceUpdatedAt": timestamp(completed),
            "findingSeverityCounts": counts,
        },
    }))
}
