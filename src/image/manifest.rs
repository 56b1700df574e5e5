//! Manifests as registries hold them: their digest, and the platforms that they are for.

use super::platform::Platform;
use anyhow::Context;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What is asked for of a registry: single images and indexes, in both dialects.
pub const MEDIA_TYPES: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

#[derive(Clone, Debug)]
pub struct Manifest {
    pub digest: String,
    /// As the registry has it: the digest is its own.
    pub text: String,
    document: Value,
}

impl Manifest {
    pub fn parse(text: &str) -> anyhow::Result<Manifest> {
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(text)));
        let document = serde_json::from_str(text)
            .with_context(|| format!("the registry's manifest {digest} is no JSON"))?;
        Ok(Manifest { digest, text: text.to_owned(), document })
    }

    pub fn media_type(&self) -> Option<String> {
        self.document["mediaType"].as_str().map(str::to_owned)
    }

    /// What an index lists. `None` for a single image: its config says it.
    pub fn platforms(&self) -> Option<Vec<Platform>> {
        let entries = self.document["manifests"].as_array()?;
        Some(entries.iter().filter_map(|entry| Platform::of(&entry["platform"])).collect())
    }

    /// The digests of the images that an index lists, without attestations. `None` for a single
    /// image.
    pub fn images(&self) -> Option<Vec<String>> {
        let entries = self.document["manifests"].as_array()?;
        let images = entries.iter().filter(|entry| Platform::of(&entry["platform"]).is_some());
        Some(images.filter_map(|entry| entry["digest"].as_str()).map(str::to_owned).collect())
    }

    /// The digest of a single image's config.
    pub fn config(&self) -> Option<&str> {
        self.document["config"]["digest"].as_str()
    }
}

/// Whether a text is a digest as registries write it.
pub fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hash| hash.len() == 64 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_index_lists_its_platforms_without_attestations() {
        let entry = |os: &str, architecture: &str| serde_json::json!({"digest": format!("sha256:{architecture}"), "platform": {"os": os, "architecture": architecture}});
        let index = serde_json::json!({"manifests": [
            entry("linux", "amd64"), entry("linux", "arm64"), entry("unknown", "unknown"), {"digest": "sha256:0"},
        ]});
        let index = Manifest::parse(&index.to_string()).unwrap();
        assert_eq!(index.images().unwrap(), ["sha256:amd64", "sha256:arm64"]);
        let platforms = index.platforms().unwrap();
        assert_eq!(platforms, [Platform::new("linux", "amd64"), Platform::new("linux", "arm64")]);
    }

    #[test]
    fn a_digest_is_the_bytes_own() {
        let manifest = Manifest::parse(r#"{"config": {"digest": "sha256:c"}}"#).unwrap();
        assert!(is_digest(&manifest.digest) && !is_digest("sha256:abc"));
        assert_eq!((manifest.platforms(), manifest.config()), (None, Some("sha256:c")));
        assert!(Manifest::parse("<html>").is_err());
    }
}
