//! Image manifests, lists and indexes: what they refer to, and the two forms of one image.

use super::blobs::Digest;
use serde_json::{Value, json};

pub(super) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(super) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(super) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The parts of each form of an image's manifest that have a media type of their own.
const TWINS: &[(&str, &str)] = &[
    (DOCKER_MANIFEST, OCI_MANIFEST),
    ("application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json"),
    ("application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.oci.image.layer.v1.tar+gzip"),
    ("application/vnd.docker.image.rootfs.diff.tar", "application/vnd.oci.image.layer.v1.tar"),
];

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Manifest {
    pub(super) media_type: String,
    /// The config's media type, or the artifact type that the manifest says.
    pub(super) artifact_type: Option<String>,
    pub(super) config: Option<Digest>,
    /// Config and layers that must be in the repository, without those that live elsewhere.
    pub(super) blobs: Vec<Digest>,
    /// What config and layers weigh together.
    pub(super) size: u64,
    pub(super) children: Vec<Child>,
    pub(super) subject: Option<Digest>,
    pub(super) annotations: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Child {
    pub(super) digest: Digest,
    pub(super) os: String,
    pub(super) architecture: String,
}

impl Manifest {
    /// Reads a manifest; `declared` is the media type that came beside it.
    pub(super) fn parse(text: &str, declared: Option<&str>) -> Result<Manifest, String> {
        let document: Value =
            serde_json::from_str(text).map_err(|_| "Invalid JSON syntax in the image manifest".to_owned())?;
        if document["schemaVersion"] != 2 {
            return Err("Image manifests need schemaVersion 2".into());
        }
        let declared = declared.map(|d| d.split(';').next().unwrap_or(d).trim()).filter(|d| !d.is_empty());
        let media_type = match (document["mediaType"].as_str(), declared) {
            (Some(inside), Some(declared)) if inside != declared => {
                return Err(format!("The manifest says mediaType '{inside}' but was sent as '{declared}'"));
            }
            (Some(inside), _) => inside,
            (None, Some(declared)) => declared,
            (None, None) => return Err("The media type of the image manifest isn't known".into()),
        };
        match media_type {
            DOCKER_MANIFEST | OCI_MANIFEST => image(&document, media_type),
            DOCKER_LIST | OCI_INDEX => list(&document, media_type),
            other => Err(format!("The image manifest media type '{other}' is not supported")),
        }
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.media_type.as_str(), DOCKER_LIST | OCI_INDEX)
    }
}

fn image(document: &Value, media_type: &str) -> Result<Manifest, String> {
    let config = digest(&document["config"])?;
    let layers = document["layers"].as_array().ok_or("The image manifest has no layers")?;
    let mut blobs = vec![config.clone()];
    let mut size = document["config"]["size"].as_u64().unwrap_or(0);
    for layer in layers {
        size += layer["size"].as_u64().unwrap_or(0);
        let layer_digest = digest(layer)?;
        if layer["urls"].as_array().is_none_or(Vec::is_empty) {
            blobs.push(layer_digest);
        }
    }
    Ok(Manifest {
        media_type: media_type.to_owned(),
        artifact_type: document["artifactType"]
            .as_str()
            .or(document["config"]["mediaType"].as_str())
            .map(str::to_owned),
        config: Some(config),
        blobs,
        size,
        children: Vec::new(),
        subject: subject(document)?,
        annotations: document["annotations"].clone(),
    })
}

fn list(document: &Value, media_type: &str) -> Result<Manifest, String> {
    let manifests = document["manifests"].as_array().ok_or("The manifest list has no manifests")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut children = Vec::new();
    for child in manifests {
        children.push(Child {
            digest: digest(child)?,
            os: text(&child["platform"]["os"]),
            architecture: text(&child["platform"]["architecture"]),
        });
    }
    Ok(Manifest {
        media_type: media_type.to_owned(),
        artifact_type: document["artifactType"].as_str().map(str::to_owned),
        config: None,
        blobs: Vec::new(),
        size: 0,
        children,
        subject: subject(document)?,
        annotations: document["annotations"].clone(),
    })
}

fn digest(descriptor: &Value) -> Result<Digest, String> {
    descriptor["digest"]
        .as_str()
        .and_then(Digest::parse)
        .ok_or_else(|| "The image manifest refers to something without a valid digest".to_owned())
}

fn subject(document: &Value) -> Result<Option<Digest>, String> {
    match &document["subject"] {
        Value::Null => Ok(None),
        descriptor => digest(descriptor).map(Some),
    }
}

/// The same image in the other form, for a client that only understands that one.
pub(super) fn convert(text: &str, from: &str, to: &str) -> Option<String> {
    let pick: fn(&(&'static str, &'static str)) -> (&'static str, &'static str) = match (from, to) {
        (DOCKER_MANIFEST, OCI_MANIFEST) => |&(docker, oci)| (docker, oci),
        (OCI_MANIFEST, DOCKER_MANIFEST) => |&(docker, oci)| (oci, docker),
        _ => return None,
    };
    let mut document: Value = serde_json::from_str(text).ok()?;
    let twin = |media_type: &mut Value| {
        let found = TWINS.iter().map(pick).find(|(this, _)| *media_type == *this);
        if let Some((_, that)) = found {
            *media_type = json!(that);
        }
    };
    document["mediaType"] = json!(to);
    twin(&mut document["config"]["mediaType"]);
    for layer in document["layers"].as_array_mut()? {
        twin(&mut layer["mediaType"]);
    }
    Some(document.to_string())
}

/// Which form of a stored manifest suits an `Accept` list. Without one, or with one that speaks of
/// no manifest at all, the stored form does.
pub(super) fn form_for<'a>(stored: &'a str, accepted: &[String], by_digest: bool) -> Option<&'a str> {
    let known = [DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX];
    let names_a_manifest = accepted.iter().any(|a| known.contains(&a.as_str()));
    if !names_a_manifest || accepted.iter().any(|a| a == stored || a == "*/*" || a == "application/*") {
        return Some(stored);
    }
    let other = match stored {
        DOCKER_MANIFEST => OCI_MANIFEST,
        OCI_MANIFEST => DOCKER_MANIFEST,
        _ => return None,
    };
    (!by_digest && accepted.iter().any(|a| a == other)).then_some(other)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn oci() -> String {
        let digest = |c: &str| format!("sha256:{}", c.repeat(64));
        json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest("a"), "size": 3},
            "layers": [
                {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest("b"), "size": 5},
                {"mediaType": "x", "digest": digest("c"), "size": 7, "urls": ["https://elsewhere"]},
            ],
        })
        .to_string()
    }

    #[test]
    fn layers_that_live_elsewhere_are_not_required() {
        let manifest = Manifest::parse(&oci(), None).unwrap();
        assert_eq!(manifest.blobs.len(), 2);
        assert_eq!(manifest.size, 15);
    }

    #[test]
    fn a_manifest_must_be_what_it_was_sent_as() {
        assert!(Manifest::parse(&oci(), Some(OCI_MANIFEST)).is_ok());
        assert!(Manifest::parse(&oci(), Some(DOCKER_MANIFEST)).unwrap_err().contains("was sent as"));
        assert!(Manifest::parse("{", None).unwrap_err().contains("JSON"));
        assert!(Manifest::parse(r#"{"schemaVersion":1}"#, None).is_err());
        assert!(Manifest::parse(r#"{"schemaVersion":2,"manifests":[]}"#, None).is_err());
    }

    #[test]
    fn an_image_converts_by_tag_and_not_by_digest() {
        let only_docker = [DOCKER_MANIFEST.to_owned()];
        assert_eq!(form_for(OCI_MANIFEST, &only_docker, false), Some(DOCKER_MANIFEST));
        assert_eq!(form_for(OCI_MANIFEST, &only_docker, true), None);
        assert_eq!(form_for(OCI_INDEX, &only_docker, false), None);
        assert_eq!(form_for(OCI_INDEX, &[], false), Some(OCI_INDEX));
        assert_eq!(form_for(OCI_INDEX, &["application/json".to_owned()], false), Some(OCI_INDEX));

        let converted = convert(&oci(), OCI_MANIFEST, DOCKER_MANIFEST).unwrap();
        let back = convert(&converted, DOCKER_MANIFEST, OCI_MANIFEST).unwrap();
        assert!(converted.contains("vnd.docker.image.rootfs.diff.tar.gzip"));
        assert_eq!(back, oci());
    }
}
