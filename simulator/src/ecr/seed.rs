//! What the rest of the world does with the registries without a socket: the images of the
//! start, a task's pull, the look into an image's config.

use super::{
    access::{self, Who},
    blobs::Digest,
    manifest::OCI_MANIFEST,
    store::{Image, ImageId, Push, PutError, Registry, Repository},
};
use crate::{
    front::{ApiError, Caller, Need},
    iam,
    state::State as World,
};
use serde_json::{Value, json};

/// A login that may push anything: for the images of the start.
pub(crate) fn seed_login(world: &mut World, account: &str) -> Option<(String, String, String)> {
    let host = world.ecr.registries.get(account)?.host.clone();
    let (password, _) = world.ecr.log_in(Who::Seed);
    Some((host, "AWS".to_owned(), password))
}

/// The user and password with which a task's engine pulls as its execution role; each request of
/// the pull is then authorised as that session. `Err` when the session may not even log in.
pub(crate) fn pull_credentials(world: &mut World, session: &Caller) -> Result<(String, String), ApiError> {
    may_log_in(world, session)?;
    let (password, _) = world.ecr.log_in(Who::Task(session.clone()));
    Ok(("AWS".to_owned(), password))
}

/// An image as a task got it.
#[derive(Clone, Debug)]
pub(crate) struct Pulled {
    pub(crate) digest: String,
    /// The config document: `config.Env`, `config.Cmd`, labels, platform.
    pub(crate) config: Value,
}

/// A task's pull without an engine: authorised as the registry authorises each request of one.
pub(crate) fn pull(world: &mut World, session: &Caller, uri: &str) -> Result<Pulled, ApiError> {
    may_log_in(world, session)?;
    let place = Place::of(world, uri).ok_or_else(|| {
        ApiError::new("InvalidParameterException", format!("no registry of this world serves {uri}"))
    })?;
    let who = Who::Task(session.clone());
    let found = place.repository(world).and_then(|r| r.find(&place.image).ok());
    if let Some(digest) = found {
        access::befall_pull(world, &who, &place.account, &place.name, &digest);
    }
    for action in ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"] {
        access::authorise(world, &who, &place.account, &place.name, action)?;
    }
    let now = world.now;
    let Some(digest) = place.repository(world).and_then(|r| r.find(&place.image).ok()) else {
        return Err(ApiError::new("ImageNotFoundException", format!("{uri}: not found")));
    };
    let config = place.repository(world).and_then(|r| config(world, r, &digest));
    let registry = world.ecr.registries.get_mut(&place.account);
    let image =
        registry.and_then(|r| r.repositories.get_mut(&place.name)).and_then(|r| r.images.get_mut(&digest));
    if let Some(image) = image {
        image.pulled_at = Some(now);
    }
    Ok(Pulled { digest: digest.to_string(), config: config.unwrap_or(Value::Null) })
}

/// Puts an image of one layer into a repository, as a push would: what a world without an
/// engine runs. Returns the manifest's digest.
pub(crate) fn put_small_image(
    world: &mut World,
    account: &str,
    repository: &str,
    tag: &str,
    mut config: Value,
) -> Result<String, ApiError> {
    // The shortest tar there is: two empty blocks.
    const EMPTY_TAR: [u8; 1024] = [0; 1024];
    let (now, of_the_start) = (world.now, !world.ecs.begun);
    let ecr = &mut world.ecr;
    let broken =
        |e: std::io::Error| ApiError { status: 500, ..ApiError::new("ServerException", e.to_string()) };
    let layer = ecr.disk.put(&EMPTY_TAR).map_err(broken)?;
    let defaults = [
        ("os", json!("linux")),
        ("architecture", json!(architecture())),
        ("rootfs", json!({"type": "layers", "diff_ids": [layer.as_str()]})),
    ];
    for (key, value) in defaults {
        if config.get(key).is_none() {
            config[key] = value;
        }
    }
    let config = config.to_string();
    let config_digest = ecr.disk.put(config.as_bytes()).map_err(broken)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": config_digest.as_str(),
            "size": config.len(),
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": layer.as_str(),
            "size": EMPTY_TAR.len(),
        }],
    })
    .to_string();
    let found = ecr.registries.get_mut(account).and_then(|r| r.repositories.get_mut(repository));
    let found = found.ok_or_else(|| access::no_repository(account, repository))?;
    found.blobs.insert(layer, EMPTY_TAR.len() as u64);
    found.blobs.insert(config_digest, config.len() as u64);
    let push = Push { text: &manifest, media_type: None, tag: Some(tag), now, of_the_start };
    match found.put_image(push) {
        Ok(digest) | Err(PutError::AlreadyThere(digest, _)) => Ok(digest.to_string()),
        Err(error) => {
            Err(ApiError::new("ImageTagAlreadyExistsException", error.message(account, repository)))
        }
    }
}

/// The config document of an image (`Env`, `Cmd`, labels, platform), by `HOST/repository@digest` or `:tag`.
pub(crate) fn image_config(world: &World, uri: &str) -> Option<Value> {
    let place = Place::of(world, uri)?;
    let repository = place.repository(world)?;
    let digest = repository.find(&place.image).ok()?;
    config(world, repository, &digest)
}

fn may_log_in(world: &World, session: &Caller) -> Result<(), ApiError> {
    let need = Need::new("ecr:GetAuthorizationToken", "*");
    if iam::allows(world, session, &need) { Ok(()) } else { Err(iam::denied(world, session, &need)) }
}

fn config(world: &World, repository: &Repository, digest: &Digest) -> Option<Value> {
    let image = for_this_machine(repository, repository.images.get(digest)?)?;
    let path = world.ecr.disk.path(image.manifest.config.as_ref()?);
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// An image, or of a list the one that an engine here would take.
fn for_this_machine<'r>(repository: &'r Repository, image: &'r Image) -> Option<&'r Image> {
    if !image.manifest.is_list() {
        return Some(image);
    }
    let children = &image.manifest.children;
    let fits = children.iter().find(|c| c.os == "linux" && c.architecture == architecture());
    repository.images.get(&fits.or(children.first())?.digest)
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// `HOST/repository[:tag][@digest]`, taken apart.
struct Place {
    account: String,
    name: String,
    image: ImageId,
}

impl Place {
    fn of(world: &World, uri: &str) -> Option<Place> {
        let (host, rest) = uri.split_once('/')?;
        let registry = world.ecr.registries.values().find(|r: &&Registry| r.host == host)?;
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.to_owned())),
            None => (rest, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) => (name, Some(tag.to_owned())),
            None => (rest, None),
        };
        // With a digest the tag says nothing, as for every engine.
        let tag = if digest.is_some() { None } else { tag.or_else(|| Some("latest".to_owned())) };
        let image = ImageId { digest, tag };
        Some(Place { account: registry.account.clone(), name: name.to_owned(), image })
    }

    fn repository<'w>(&self, world: &'w World) -> Option<&'w Repository> {
        world.ecr.registries.get(&self.account)?.repositories.get(&self.name)
    }
}
