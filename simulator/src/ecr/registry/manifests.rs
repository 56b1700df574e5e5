//! Manifests in and out, tags, referrers and the catalog.

use super::{Answer, Ask, DOCKER_CONTENT_DIGEST, error::Refusal, respond};
use crate::{
    ecr::{
        access::{self, Who},
        blobs::Digest,
        manifest,
        store::{ImageId, Push, PutError, Repository},
    },
    front::Need,
    iam,
    state::State,
};
use axum::body::Body;
use hyper::{
    Method, StatusCode,
    header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LINK, LOCATION},
};
use serde_json::{Value, json};

/// As large as a manifest may be.
const LIMIT: usize = 4 * 1024 * 1024;
const JSON: &str = "application/json";

pub(super) fn get(ask: &Ask, repository: &str, reference: &str) -> Answer {
    let id = image_id(reference);
    let mut state = ask.world.lock();
    let now = state.now;
    if let Some(digest) = find(&state, ask, repository).and_then(|r| r.find(&id).ok()) {
        access::befall_pull(&mut state, &ask.who, &ask.account, repository, &digest);
    }
    ask.may(&state, repository, "ecr:BatchGetImage")?;
    let found = find_mut(&mut state, ask, repository);
    let by_id = found.and_then(|r| r.find(&id).ok().and_then(|digest| r.images.get_mut(&digest)));
    let Some(image) = by_id else { return Err(no_image()) };
    let accepted: Vec<String> = ask
        .headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|kind| kind.split(';').next().unwrap_or(kind).trim().to_owned())
        .collect();
    let stored = &image.manifest.media_type;
    let media_type =
        manifest::form_for(stored, &accepted, id.digest.is_some()).ok_or_else(no_image)?.to_owned();
    let text = match manifest::convert(&image.text, stored, &media_type) {
        Some(converted) => converted,
        None => image.text.clone(),
    };
    if ask.method == Method::GET {
        image.pulled_at = Some(now);
    }
    let (digest, length) = (Digest::of(text.as_bytes()), text.len().to_string());
    let headers = [
        (CONTENT_TYPE, media_type.as_str()),
        (CONTENT_LENGTH, length.as_str()),
        (DOCKER_CONTENT_DIGEST, digest.as_str()),
    ];
    let body = if ask.method == Method::HEAD { Body::empty() } else { Body::from(text) };
    Ok(respond(StatusCode::OK, &headers, body))
}

pub(super) async fn put(ask: &Ask, repository: &str, reference: &str, body: Body) -> Answer {
    {
        let state = ask.world.lock();
        ask.may(&state, repository, "ecr:PutImage")?;
    }
    let bytes = axum::body::to_bytes(body, LIMIT).await.map_err(|e| invalid(e.to_string()))?;
    let text = String::from_utf8(bytes.to_vec()).map_err(|_| invalid("The manifest is not UTF-8."))?;
    let id = image_id(reference);
    let digest = Digest::of(text.as_bytes());
    if let Some(wanted) = id.digest.as_deref().filter(|wanted| *wanted != digest.as_str()) {
        let message = format!("The manifest has the digest '{digest}', not '{wanted}'");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message));
    }
    if id.tag.as_deref().is_some_and(|tag| !is_tag(tag)) {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "TAG_INVALID", "The image tag is not valid."));
    }
    let media_type = ask.header(CONTENT_TYPE);
    let put = ask.world.change(|state| {
        let (now, of_the_start) = (state.now, !state.ecs.begun);
        let push = Push { text: &text, media_type, tag: id.tag.as_deref(), now, of_the_start };
        find_mut(state, ask, repository).map(|r| {
            r.put_image(push).map(|digest| r.images.get(&digest).and_then(|i| i.manifest.subject.clone()))
        })
    });
    let subject = match put {
        Some(Ok(subject)) => subject,
        // A push of what is there already succeeds.
        Some(Err(PutError::AlreadyThere(..))) => None,
        Some(Err(error)) => return Err(refused(&error, &ask.account, repository)),
        None => return Err(no_image()),
    };
    let location = ask.url(&format!("/v2/{repository}/manifests/{digest}"));
    let subject = subject.map(|s| s.to_string());
    let mut headers = vec![(LOCATION, location.as_str()), (DOCKER_CONTENT_DIGEST, digest.as_str())];
    if let Some(subject) = &subject {
        headers.push((HeaderName::from_static("oci-subject"), subject));
    }
    Ok(respond(StatusCode::CREATED, &headers, Body::empty()))
}

pub(super) fn delete(ask: &Ask, repository: &str, reference: &str) -> Answer {
    let id = image_id(reference);
    ask.world.change(|state| {
        ask.may(state, repository, "ecr:BatchDeleteImage")?;
        let repository = find_mut(state, ask, repository).ok_or_else(no_image)?;
        let digest = repository.find(&id).map_err(|_| no_image())?;
        match &id.tag {
            Some(tag) if repository.tags_of(&digest).len() > 1 => {
                repository.tags.remove(tag);
            }
            _ if !repository.lists_with(&digest).is_empty() => {
                let message = "Requested image referenced by manifest list";
                return Err(Refusal::new(StatusCode::FORBIDDEN, "DENIED", message));
            }
            _ => repository.remove_image(&digest),
        }
        Ok(respond(StatusCode::ACCEPTED, &[], Body::empty()))
    })
}

pub(super) fn tags(ask: &Ask, repository: &str) -> Answer {
    let state = ask.world.lock();
    ask.may(&state, repository, "ecr:ListImages")?;
    let tags = find(&state, ask, repository).map(|r| r.tags.keys().cloned().collect()).unwrap_or_default();
    let path = format!("/v2/{repository}/tags/list");
    Ok(page(ask, &path, tags, |tags| json!({"name": repository, "tags": tags})))
}

pub(super) fn catalog(ask: &Ask) -> Answer {
    let state = ask.world.lock();
    let Some(registry) = state.ecr.registries.get(&ask.account) else { return Err(no_image()) };
    if let Who::Session(caller) | Who::Task(caller) = &ask.who {
        let need = Need::new("ecr:DescribeRepositories", registry.arn("*"));
        if caller.account != ask.account || !iam::allows(&state, caller, &need) {
            let denied = iam::denied(&state, caller, &need);
            return Err(Refusal::new(StatusCode::FORBIDDEN, "DENIED", denied.message));
        }
    }
    let names = registry.repositories.keys().cloned().collect();
    Ok(page(ask, "/v2/_catalog", names, |names| json!({"repositories": names})))
}

pub(super) fn referrers(ask: &Ask, repository: &str, digest: &str) -> Answer {
    let state = ask.world.lock();
    ask.may(&state, repository, "ecr:BatchGetImage")?;
    let subject = Digest::parse(digest)
        .ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "The digest is not valid."))?;
    let wanted = ask.query("artifactType");
    let manifests: Vec<Value> = find(&state, ask, repository)
        .into_iter()
        .flat_map(|r| &r.images)
        .filter(|(_, image)| image.manifest.subject.as_ref() == Some(&subject))
        .filter(|(_, image)| wanted.is_none() || wanted == image.manifest.artifact_type.as_deref())
        .map(|(digest, image)| {
            let mut descriptor = json!({
                "mediaType": image.manifest.media_type,
                "digest": digest.as_str(),
                "size": image.text.len(),
            });
            if let Some(kind) = &image.manifest.artifact_type {
                descriptor["artifactType"] = json!(kind);
            }
            if image.manifest.annotations.is_object() {
                descriptor["annotations"] = image.manifest.annotations.clone();
            }
            descriptor
        })
        .collect();
    let index = json!({"schemaVersion": 2, "mediaType": manifest::OCI_INDEX, "manifests": manifests});
    let mut headers = vec![(CONTENT_TYPE, manifest::OCI_INDEX)];
    if wanted.is_some() {
        headers.push((HeaderName::from_static("oci-filters-applied"), "artifactType"));
    }
    Ok(respond(StatusCode::OK, &headers, Body::from(index.to_string())))
}

/// Sorted names, `n` at a time after `last`.
fn page(
    ask: &Ask,
    path: &str,
    names: Vec<String>,
    body: impl Fn(&[String]) -> Value,
) -> hyper::Response<Body> {
    let limit = ask.query("n").and_then(|n| n.parse::<usize>().ok()).unwrap_or(1000);
    let rest: Vec<String> =
        names.into_iter().filter(|name| ask.query("last").is_none_or(|last| name.as_str() > last)).collect();
    let shown = &rest[..limit.min(rest.len())];
    let next = shown.last().filter(|_| shown.len() < rest.len()).map(|last| {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("last", last)
            .append_pair("n", &limit.to_string())
            .finish();
        format!("<{path}?{query}>; rel=\"next\"")
    });
    let mut headers = vec![(CONTENT_TYPE, JSON)];
    if let Some(next) = &next {
        headers.push((LINK, next));
    }
    respond(StatusCode::OK, &headers, Body::from(body(shown).to_string()))
}

fn image_id(reference: &str) -> ImageId {
    if reference.contains(':') {
        ImageId { digest: Some(reference.to_owned()), tag: None }
    } else {
        ImageId { digest: None, tag: Some(reference.to_owned()) }
    }
}

/// As the distribution specification has it.
fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let bytes = tag.as_bytes();
    bytes.len() <= 128
        && bytes.first().is_some_and(|b| word(*b))
        && bytes.iter().all(|b| word(*b) || matches!(b, b'.' | b'-'))
}

fn find<'s>(state: &'s State, ask: &Ask, repository: &str) -> Option<&'s Repository> {
    state.ecr.registries.get(&ask.account)?.repositories.get(repository)
}

fn find_mut<'s>(state: &'s mut State, ask: &Ask, repository: &str) -> Option<&'s mut Repository> {
    state.ecr.registries.get_mut(&ask.account)?.repositories.get_mut(repository)
}

fn refused(error: &PutError, account: &str, repository: &str) -> Refusal {
    let code = match error {
        PutError::Manifest(_) => "MANIFEST_INVALID",
        PutError::LayersMissing(_) | PutError::ImagesMissing(_) => "MANIFEST_BLOB_UNKNOWN",
        PutError::TagImmutable(_) | PutError::AlreadyThere(..) => "TAG_INVALID",
    };
    Refusal::new(StatusCode::BAD_REQUEST, code, error.message(account, repository))
}

fn no_image() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "Requested image not found")
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", message)
}
