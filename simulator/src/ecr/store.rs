//! What the registries hold: repositories, their images and tags, and the layers of each.

use super::{
    blobs::{Digest, Writer},
    manifest::Manifest,
};
use crate::Time;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// The registry of an account.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) account: String,
    pub(super) region: String,
    /// `127.0.0.1:PORT`
    pub(super) host: String,
    pub(super) repositories: BTreeMap<String, Repository>,
    pub(super) uploads: HashMap<String, Upload>,
    /// `BLOB_MOUNTING` and the like.
    pub(super) settings: BTreeMap<String, String>,
    pub(super) enhanced_scanning: bool,
}

impl Registry {
    pub(super) fn arn(&self, repository: &str) -> String {
        super::repository_arn(&self.region, &self.account, repository)
    }
}

#[derive(Debug, Default)]
pub(super) struct Repository {
    pub(super) name: String,
    pub(super) created_at: Time,
    pub(super) mutability: Mutability,
    pub(super) scan_on_push: bool,
    pub(super) scans: Scans,
    pub(super) policy: Option<String>,
    pub(super) lifecycle_policy: Option<String>,
    pub(super) encryption: Value,
    pub(super) resource_tags: BTreeMap<String, String>,
    /// Layers and configs that may be asked for here, with their sizes.
    pub(super) blobs: BTreeMap<Digest, u64>,
    pub(super) images: BTreeMap<Digest, Image>,
    pub(super) tags: BTreeMap<String, Digest>,
}

/// What scans of the repository's images are like.
#[derive(Clone, Debug, Default)]
pub(super) struct Scans {
    /// By Inspector, which nobody has to ask.
    pub(super) enhanced: bool,
    /// What is found in any image.
    pub(super) findings: Vec<Value>,
    /// And in what stands under a tag.
    pub(super) of_tags: BTreeMap<String, Vec<Value>>,
    pub(super) seconds: Option<f64>,
    pub(super) end_as: Option<String>,
}

/// Whether a tag may move to another image.
#[derive(Clone, Debug)]
pub(super) struct Mutability {
    pub(super) setting: String,
    /// Patterns with `*` of the tags that the setting doesn't hold for.
    pub(super) exclusions: Vec<String>,
}

impl Default for Mutability {
    fn default() -> Mutability {
        Mutability::of("MUTABLE")
    }
}

impl Mutability {
    pub(super) fn of(setting: &str) -> Mutability {
        Mutability { setting: setting.to_owned(), exclusions: Vec::new() }
    }

    pub(super) fn is_immutable(&self, tag: &str) -> bool {
        let excluded = || self.exclusions.iter().any(|pattern| crate::iam::glob(pattern, tag));
        match self.setting.as_str() {
            "IMMUTABLE" => true,
            "IMMUTABLE_WITH_EXCLUSION" => !excluded(),
            "MUTABLE_WITH_EXCLUSION" => excluded(),
            _ => false,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Image {
    pub(super) text: String,
    pub(super) manifest: Manifest,
    pub(super) pushed_at: Time,
    pub(super) pulled_at: Option<Time>,
    /// It was there before the world began.
    pub(super) of_the_start: bool,
    /// When a scan was asked for.
    pub(super) scanned_at: Option<Time>,
}

/// A layer on its way in.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) repository: String,
    /// Taken out while somebody writes.
    pub(super) writer: Option<Writer>,
    /// Sizes of the parts that came through the API.
    pub(super) parts: Vec<u64>,
}

/// What names an image: a tag, a digest, or both.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ImageId {
    pub(super) digest: Option<String>,
    pub(super) tag: Option<String>,
}

/// Why no image was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Missing {
    NoId,
    InvalidDigest,
    NotFound,
    TagOfAnother,
}

#[derive(Debug, PartialEq)]
pub(super) enum PutError {
    Manifest(String),
    LayersMissing(Vec<Digest>),
    ImagesMissing(Vec<Digest>),
    TagImmutable(String),
    AlreadyThere(Digest, Option<String>),
}

/// A moment of a push.
pub(super) struct Push<'a> {
    pub(super) text: &'a str,
    pub(super) media_type: Option<&'a str>,
    pub(super) tag: Option<&'a str>,
    pub(super) now: Time,
    pub(super) of_the_start: bool,
}

impl Repository {
    pub(super) fn put_image(&mut self, push: Push<'_>) -> Result<Digest, PutError> {
        let manifest = Manifest::parse(push.text, push.media_type).map_err(PutError::Manifest)?;
        let digest = Digest::of(push.text.as_bytes());
        let layers: Vec<Digest> =
            manifest.blobs.iter().filter(|b| !self.blobs.contains_key(b)).cloned().collect();
        if !layers.is_empty() {
            return Err(PutError::LayersMissing(layers));
        }
        let children = manifest.children.iter().map(|c| &c.digest);
        let images: Vec<Digest> = children.filter(|c| !self.images.contains_key(c)).cloned().collect();
        if !images.is_empty() {
            return Err(PutError::ImagesMissing(images));
        }
        match push.tag {
            Some(tag) => match self.tags.get(tag) {
                Some(held) if *held == digest => {
                    return Err(PutError::AlreadyThere(digest, Some(tag.to_owned())));
                }
                Some(_) if self.mutability.is_immutable(tag) => {
                    return Err(PutError::TagImmutable(tag.to_owned()));
                }
                _ => {
                    self.tags.insert(tag.to_owned(), digest.clone());
                }
            },
            None if self.images.contains_key(&digest) => return Err(PutError::AlreadyThere(digest, None)),
            None => {}
        }
        let scanned = self.scan_on_push || self.scans.enhanced;
        let scanned_at = (scanned && !manifest.is_list()).then_some(push.now);
        self.images.entry(digest.clone()).or_insert_with(|| Image {
            text: push.text.to_owned(),
            manifest,
            pushed_at: push.now,
            pulled_at: None,
            of_the_start: push.of_the_start,
            scanned_at,
        });
        Ok(digest)
    }

    pub(super) fn find(&self, id: &ImageId) -> Result<Digest, Missing> {
        let by_digest = match &id.digest {
            Some(text) => Some(Digest::parse(text).ok_or(Missing::InvalidDigest)?),
            None => None,
        };
        match (by_digest, &id.tag) {
            (None, None) => Err(Missing::NoId),
            (Some(digest), None) => {
                self.images.contains_key(&digest).then_some(digest).ok_or(Missing::NotFound)
            }
            (None, Some(tag)) => self.tags.get(tag).cloned().ok_or(Missing::NotFound),
            (Some(digest), Some(tag)) => match self.tags.get(tag) {
                Some(held) if *held == digest => Ok(digest),
                Some(_) => Err(Missing::TagOfAnother),
                None => Err(Missing::NotFound),
            },
        }
    }

    pub(super) fn tags_of(&self, digest: &Digest) -> Vec<&str> {
        self.tags.iter().filter(|(_, d)| *d == digest).map(|(t, _)| t.as_str()).collect()
    }

    /// The lists that hold the image.
    pub(super) fn lists_with(&self, digest: &Digest) -> Vec<&Digest> {
        let holds = |image: &Image| image.manifest.children.iter().any(|c| c.digest == *digest);
        self.images.iter().filter(|(_, image)| holds(image)).map(|(d, _)| d).collect()
    }

    /// What a scan finds in an image: by its own tags or those of a list that holds it.
    pub(super) fn findings(&self, digest: &Digest) -> &[Value] {
        let lists = self.lists_with(digest);
        let mut tags = self.tags.iter().filter(|(_, held)| *held == digest || lists.contains(held));
        let of_tag = tags.find_map(|(tag, _)| self.scans.of_tags.get(tag));
        of_tag.unwrap_or(&self.scans.findings)
    }

    pub(super) fn remove_image(&mut self, digest: &Digest) {
        self.images.remove(digest);
        self.tags.retain(|_, held| held != digest);
    }

    /// What an image weighs; a list weighs what its heaviest image does.
    pub(super) fn size(&self, image: &Image) -> u64 {
        let child = |digest| self.images.get(digest).map_or(0, |child: &Image| child.manifest.size);
        if image.manifest.is_list() {
            image.manifest.children.iter().map(|c| child(&c.digest)).max().unwrap_or(0)
        } else {
            image.manifest.size
        }
    }

    pub(super) fn describe(&self, registry: &str, arn: &str, host: &str) -> Value {
        let mut description = json!({
            "repositoryArn": arn,
            "registryId": registry,
            "repositoryName": self.name,
            "repositoryUri": format!("{host}/{}", self.name),
            "createdAt": crate::front::timestamp(self.created_at),
            "imageTagMutability": self.mutability.setting,
            "imageScanningConfiguration": {"scanOnPush": self.scan_on_push},
            "encryptionConfiguration": self.encryption,
        });
        if let Some(filters) = self.mutability.filters() {
            description["imageTagMutabilityExclusionFilters"] = filters;
        }
        description
    }
}

impl Mutability {
    /// The exclusions as the API lists them.
    pub(super) fn filters(&self) -> Option<Value> {
        let filter = |pattern: &String| json!({"filterType": "WILDCARD", "filter": pattern});
        (!self.exclusions.is_empty()).then(|| self.exclusions.iter().map(filter).collect())
    }
}

impl PutError {
    /// What AWS says of it; `account` and `repository` say where.
    pub(super) fn message(&self, account: &str, repository: &str) -> String {
        let list = |digests: &[Digest]| digests.iter().map(Digest::as_str).collect::<Vec<_>>().join(", ");
        let place = format!("repository with name '{repository}' in registry with id '{account}'");
        match self {
            PutError::Manifest(why) => {
                format!("Invalid parameter at 'ImageManifest' failed to satisfy constraint: '{why}'")
            }
            PutError::LayersMissing(layers) => {
                format!(
                    "Layers with digests '[{}]' required for pushing image into {place} do not exist",
                    list(layers)
                )
            }
            PutError::ImagesMissing(images) => {
                format!(
                    "Images with digests '[{}]' required for pushing image into {place} do not exist",
                    list(images)
                )
            }
            PutError::TagImmutable(tag) => format!(
                "The image tag '{tag}' already exists in the '{repository}' repository and cannot be overwritten because the repository is immutable."
            ),
            PutError::AlreadyThere(digest, Some(tag)) => {
                format!("Image with digest '{digest}' and tag '{tag}' already exists in the {place}")
            }
            PutError::AlreadyThere(digest, None) => {
                format!("Image with digest '{digest}' already exists in the {place}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ecr::manifest::{OCI_INDEX, OCI_MANIFEST};

    fn repository(setting: &str) -> (Repository, Digest) {
        let mut repository = Repository { mutability: Mutability::of(setting), ..Repository::default() };
        let layer = Digest::of(b"layer");
        repository.blobs.insert(layer.clone(), 5);
        (repository, layer)
    }

    fn image(layer: &Digest, salt: u32) -> String {
        json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "annotations": {"salt": salt.to_string()},
            "config": {"digest": layer.as_str(), "size": 5}, "layers": [],
        })
        .to_string()
    }

    fn push<'a>(text: &'a str, tag: Option<&'a str>) -> Push<'a> {
        Push { text, media_type: None, tag, now: Time(1), of_the_start: false }
    }

    #[test]
    fn a_tag_moves_unless_it_is_immutable() {
        for (setting, exclusions, moves) in [
            ("MUTABLE", vec![], true),
            ("IMMUTABLE", vec![], false),
            ("IMMUTABLE_WITH_EXCLUSION", vec!["v*"], true),
            ("IMMUTABLE_WITH_EXCLUSION", vec!["dev-*"], false),
            ("MUTABLE_WITH_EXCLUSION", vec!["v*"], false),
        ] {
            let (mut repository, layer) = repository(setting);
            repository.mutability.exclusions = exclusions.iter().map(|e| (*e).to_owned()).collect();
            let first = repository.put_image(push(&image(&layer, 1), Some("v1"))).unwrap();
            let again = repository.put_image(push(&image(&layer, 1), Some("v1")));
            assert_eq!(again, Err(PutError::AlreadyThere(first.clone(), Some("v1".into()))));
            let other = repository.put_image(push(&image(&layer, 2), Some("v1")));
            assert_eq!(other.is_ok(), moves, "{setting}");
            assert_eq!(repository.tags["v1"] != first, moves);
        }
    }

    #[test]
    fn what_a_manifest_refers_to_must_be_there() {
        let (mut repository, layer) = repository("MUTABLE");
        let missing = Digest::of(b"another layer");
        let refused = repository.put_image(push(&image(&missing, 1), None)).unwrap_err();
        assert_eq!(refused, PutError::LayersMissing(vec![missing]));

        let text = image(&layer, 1);
        let child = Digest::of(text.as_bytes());
        let index =
            json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{"digest": child.as_str()}]});
        let index = index.to_string();
        let refused = repository.put_image(push(&index, Some("v1"))).unwrap_err();
        assert_eq!(refused, PutError::ImagesMissing(vec![child.clone()]));
        repository.put_image(push(&text, None)).unwrap();
        let list = repository.put_image(push(&index, Some("v1"))).unwrap();
        assert_eq!(repository.lists_with(&child), [&list]);
        assert_eq!(repository.size(&repository.images[&list]), 5);
    }

    /// BuildKit writes a cache as an index over layers, unless it is told to write an image.
    #[test]
    fn a_build_s_cache_is_taken_when_it_looks_like_an_image() {
        let (mut repository, layer) = repository("MUTABLE");
        let entry =
            json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": layer.as_str()});
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).to_string();
        let refused = repository.put_image(push(&index, Some("cache"))).unwrap_err();
        assert_eq!(refused, PutError::ImagesMissing(vec![layer.clone()]));
        let mut cache: serde_json::Value = serde_json::from_str(&image(&layer, 1)).unwrap();
        cache["config"]["mediaType"] = "application/vnd.buildkit.cacheconfig.v0".into();
        repository.put_image(push(&cache.to_string(), Some("cache"))).unwrap();
    }

    #[test]
    fn an_image_is_found_by_tag_digest_or_both() {
        let (mut repository, layer) = repository("MUTABLE");
        let digest = repository.put_image(push(&image(&layer, 1), Some("v1"))).unwrap();
        let other = repository.put_image(push(&image(&layer, 2), Some("v2"))).unwrap();
        let id = |digest: Option<&Digest>, tag: Option<&str>| ImageId {
            digest: digest.map(|d| d.as_str().to_owned()),
            tag: tag.map(str::to_owned),
        };
        assert_eq!(repository.find(&id(None, None)), Err(Missing::NoId));
        assert_eq!(repository.find(&id(None, Some("v1"))), Ok(digest.clone()));
        assert_eq!(repository.find(&id(Some(&other), None)), Ok(other.clone()));
        assert_eq!(repository.find(&id(Some(&other), Some("v1"))), Err(Missing::TagOfAnother));
        assert_eq!(repository.find(&id(None, Some("v3"))), Err(Missing::NotFound));
        let bad = ImageId { digest: Some("sha256:1".into()), tag: None };
        assert_eq!(repository.find(&bad), Err(Missing::InvalidDigest));
        repository.remove_image(&digest);
        assert_eq!(repository.find(&id(None, Some("v1"))), Err(Missing::NotFound));
    }
}
