//! Layers through the API: what is there, where to get it, and uploads in parts.

use super::{Target, invalid, read, some};
use crate::{
    ecr::{Download, State, blobs::Digest, store::Upload},
    front::{Answer, ApiError, Call},
    state::State as World,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::json;
use std::time::{Duration, SystemTime};

/// Every part but the last is at least this large, and none is larger than the limit.
const SMALLEST_PART: u64 = 5 * 1024 * 1024;
const LARGEST_PART: u64 = 20 * 1024 * 1024;
/// The part size that a client is told.
const PART_SIZE: u64 = 10 * 1024 * 1024;
const MOST_PARTS: usize = 4200;

/// How long an address for a layer holds, in real time.
const URL_LIFE: Duration = Duration::from_secs(60 * 60);

impl State {
    /// An address that serves the layer to whoever knows it.
    pub(in crate::ecr) fn download_url(&mut self, account: &str, digest: &Digest) -> String {
        let secret = self.secret();
        let host = self.registries.get(account).map(|r| r.host.as_str()).unwrap_or_default();
        let url = format!("http://{host}/_layers/{secret}");
        let now = SystemTime::now();
        self.downloads.retain(|_, download| download.expires > now);
        self.downloads.insert(secret, Download { digest: digest.clone(), expires: now + URL_LIFE });
        url
    }
}

pub(super) fn check_availability(world: &World, call: &Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Input {
        #[serde(default)]
        layer_digests: Vec<String>,
    }
    let input: Input = read(call)?;
    let target = Target::of(world, call)?;
    let repository = target.repository(world)?;
    let (mut layers, mut failures) = (Vec::new(), Vec::new());
    for text in some(input.layer_digests, "layerDigests", 100)? {
        let Some(digest) = Digest::parse(&text) else {
            let code = if text.is_empty() { "MissingLayerDigest" } else { "InvalidLayerDigest" };
            failures.push(json!({
                "layerDigest": text,
                "failureCode": code,
                "failureReason": "Invalid request parameters: layer digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
            }));
            continue;
        };
        layers.push(match repository.blobs.get(&digest) {
            Some(size) => json!({
                "layerDigest": text,
                "layerAvailability": "AVAILABLE",
                "layerSize": size,
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
            }),
            None => json!({"layerDigest": text, "layerAvailability": "UNAVAILABLE"}),
        });
    }
    Ok(json!({"layers": layers, "failures": failures}))
}

pub(super) fn download_url(world: &mut World, call: &Call) -> Answer {
    let target = Target::of(world, call)?;
    let Some(digest) = call.input["layerDigest"].as_str().and_then(Digest::parse) else {
        return Err(invalid(
            "layerDigest",
            "must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
        ));
    };
    if !target.repository(world)?.blobs.contains_key(&digest) {
        return Err(ApiError::new(
            "LayersNotFoundException",
            format!(
                "Layer with digest '{digest}' does not exist in the repository with name '{}' in the registry with id '{}'",
                target.name, target.account
            ),
        ));
    }
    let url = world.ecr.download_url(&target.account, &digest);
    Ok(json!({"downloadUrl": url, "layerDigest": digest.as_str()}))
}

pub(super) fn initiate(world: &mut World, call: &Call) -> Answer {
    let target = Target::of(world, call)?;
    let id = uuid::Uuid::new_v4().to_string();
    let writer = world.ecr.disk.begin(&id).map_err(broken)?;
    let upload = Upload { repository: target.name.clone(), writer: Some(writer), parts: Vec::new() };
    target.registry_mut(world)?.uploads.insert(id.clone(), upload);
    Ok(json!({"uploadId": id, "partSize": PART_SIZE}))
}

pub(super) fn upload_part(world: &mut World, call: &Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Input {
        #[serde(default)]
        upload_id: String,
        part_first_byte: Option<u64>,
        part_last_byte: Option<u64>,
    }
    let input: Input = read(call)?;
    let target = Target::of(world, call)?;
    let bytes = STANDARD
        .decode(call.input["layerPartBlob"].as_str().unwrap_or_default())
        .map_err(|_| ApiError::new("SerializationException", "layerPartBlob is not base64"))?;
    let size = bytes.len() as u64;
    let upload = upload(world, &target, &input.upload_id)?;
    let Some(writer) = upload.writer.as_mut() else { return Err(no_upload(&target, &input.upload_id)) };
    let (first, last) = (input.part_first_byte.unwrap_or(0), input.part_last_byte.unwrap_or(0));
    let received = writer.received();
    if first != received || size == 0 || size > LARGEST_PART || last.checked_sub(first) != Some(size - 1) {
        let message = format!(
            "The layer part of bytes {first} to {last} ({size} bytes) doesn't follow the {received} bytes received, or is too large"
        );
        return Err(ApiError::new("InvalidLayerPartException", message));
    }
    if upload.parts.len() >= MOST_PARTS {
        let message = format!("A layer can have {MOST_PARTS} parts at the most");
        return Err(ApiError::new("LimitExceededException", message));
    }
    writer.append(&bytes).map_err(broken)?;
    upload.parts.push(size);
    target.answer(json!({"uploadId": input.upload_id, "lastByteReceived": last}))
}

pub(super) fn complete(world: &mut World, call: &Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Input {
        #[serde(default)]
        upload_id: String,
        #[serde(default)]
        layer_digests: Vec<String>,
    }
    let input: Input = read(call)?;
    let target = Target::of(world, call)?;
    let digests = some(input.layer_digests, "layerDigests", 100)?;
    let upload = upload(world, &target, &input.upload_id)?;
    let parts = &upload.parts;
    if parts.is_empty() {
        return Err(ApiError::new(
            "EmptyUploadException",
            format!("The upload with id '{}' does not contain any layer parts", input.upload_id),
        ));
    }
    if parts[..parts.len() - 1].iter().any(|size| *size < SMALLEST_PART) {
        let message = "Layer parts must be at least 5242880 bytes in size";
        return Err(ApiError::new("LayerPartTooSmallException", message));
    }
    // However it ends, the upload is over.
    let Some(writer) = upload.writer.take() else { return Err(no_upload(&target, &input.upload_id)) };
    target.registry_mut(world)?.uploads.remove(&input.upload_id);
    let written = writer.finish();
    let digest = written.digest.clone();
    if !digests.iter().any(|d| d == digest.as_str()) {
        written.discard();
        let message = format!("The layer has the digest '{digest}', not '{}'", digests.join("', '"));
        return Err(ApiError::new("InvalidLayerException", message));
    }
    if target.repository(world)?.blobs.contains_key(&digest) {
        written.discard();
        return Err(ApiError::new(
            "LayerAlreadyExistsException",
            format!(
                "Layer with digest '{digest}' already exists in the repository with name '{}' in the registry with id '{}'",
                target.name, target.account
            ),
        ));
    }
    let size = written.size;
    world.ecr.disk.keep(written).map_err(broken)?;
    target.repository_mut(world)?.blobs.insert(digest.clone(), size);
    target.answer(json!({"uploadId": input.upload_id, "layerDigest": digest.as_str()}))
}

fn upload<'w>(world: &'w mut World, target: &Target, id: &str) -> Result<&'w mut Upload, ApiError> {
    let found = target.registry_mut(world)?.uploads.get_mut(id);
    found.filter(|upload| upload.repository == target.name).ok_or_else(|| no_upload(target, id))
}

fn no_upload(target: &Target, id: &str) -> ApiError {
    ApiError::new(
        "UploadNotFoundException",
        format!("The upload with id '{id}' could not be found in the repository with name '{}'", target.name),
    )
}

fn broken(error: std::io::Error) -> ApiError {
    ApiError { status: 500, ..ApiError::new("ServerException", error.to_string()) }
}
