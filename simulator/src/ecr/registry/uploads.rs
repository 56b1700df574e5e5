//! Layers and configs on their way in: at once, streamed, in chunks, or mounted from another repository.

use super::{Answer, Ask, DOCKER_CONTENT_DIGEST, DOCKER_UPLOAD_UUID, error::Refusal, respond};
use crate::{
    World,
    ecr::{
        access,
        blobs::{Digest, Writer, Written},
        store::Upload,
    },
    state::State,
};
use axum::body::Body;
use bytes::BytesMut;
use futures_util::StreamExt as _;
use hyper::{
    StatusCode,
    header::{CONTENT_RANGE, LOCATION, RANGE},
};
use std::sync::Arc;

/// How much is gathered before it is written.
const BUFFER: usize = 1024 * 1024;

pub(super) async fn begin(ask: &Ask, repository: &str, body: Body) -> Answer {
    {
        let state = ask.world.lock();
        ask.may(&state, repository, "ecr:InitiateLayerUpload")?;
    }
    if let (Some(digest), Some(from)) = (ask.query("mount"), ask.query("from")) {
        let mounted = Digest::parse(digest)
            .filter(|digest| ask.world.change(|state| mount(state, ask, repository, from, digest)));
        if let Some(digest) = mounted {
            return Ok(created(ask, repository, &digest));
        }
    }
    let id = uuid::Uuid::new_v4().to_string();
    ask.world.change(|state| {
        let writer = state.ecr.disk.begin(&id).map_err(Refusal::broken)?;
        let upload = Upload { repository: repository.to_owned(), writer: Some(writer), parts: Vec::new() };
        if let Some(registry) = state.ecr.registries.get_mut(&ask.account) {
            registry.uploads.insert(id.clone(), upload);
        }
        Ok::<_, Refusal>(())
    })?;
    if ask.query("digest").is_some() {
        return finish(ask, repository, &id, body).await;
    }
    Ok(accepted(ask, repository, &id, 0))
}

pub(super) fn status(ask: &Ask, repository: &str, id: &str) -> Answer {
    let state = ask.world.lock();
    ask.may(&state, repository, "ecr:UploadLayerPart")?;
    let received = find(&state, ask, repository, id)?;
    let mut response = accepted(ask, repository, id, received);
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

pub(super) async fn append(ask: &Ask, repository: &str, id: &str, body: Body) -> Answer {
    let mut borrowed = borrow(ask, repository, id, "ecr:UploadLayerPart")?;
    borrowed.starts_where_it_stands(ask)?;
    let received = borrowed.write(body).await?;
    Ok(accepted(ask, repository, id, received))
}

pub(super) async fn finish(ask: &Ask, repository: &str, id: &str, body: Body) -> Answer {
    let mut borrowed = borrow(ask, repository, id, "ecr:CompleteLayerUpload")?;
    borrowed.starts_where_it_stands(ask)?;
    borrowed.write(body).await?;
    let wanted = ask.query("digest").and_then(Digest::parse);
    let wanted = wanted.ok_or_else(|| invalid_digest("The digest of the layer is missing or not valid."))?;
    let Some(written) = borrowed.take() else { return Err(unknown(id)) };
    if written.digest != wanted {
        let message = format!("The layer has the digest '{}', not '{wanted}'", written.digest);
        written.discard();
        return Err(invalid_digest(message));
    }
    ask.world.change(|state| {
        let size = written.size;
        state.ecr.disk.keep(written).map_err(Refusal::broken)?;
        if let Some(repository) =
            state.ecr.registries.get_mut(&ask.account).and_then(|r| r.repositories.get_mut(repository))
        {
            repository.blobs.insert(wanted.clone(), size);
        }
        Ok::<_, Refusal>(())
    })?;
    Ok(created(ask, repository, &wanted))
}

pub(super) fn cancel(ask: &Ask, repository: &str, id: &str) -> Answer {
    let mut state = ask.world.lock();
    ask.may(&state, repository, "ecr:UploadLayerPart")?;
    find(&state, ask, repository, id)?;
    let upload = state.ecr.registries.get_mut(&ask.account).and_then(|r| r.uploads.remove(id));
    if let Some(writer) = upload.and_then(|u| u.writer) {
        writer.discard();
    }
    Ok(respond(StatusCode::NO_CONTENT, &[], Body::empty()))
}

/// Takes a layer over from another repository of the account, when the account's setting, the
/// caller's permission on it and a manifest that refers to the layer allow it.
fn mount(state: &mut State, ask: &Ask, repository: &str, from: &str, digest: &Digest) -> bool {
    let readable =
        access::authorise(state, &ask.who, &ask.account, from, "ecr:GetDownloadUrlForLayer").is_ok();
    let Some(registry) = state.ecr.registries.get_mut(&ask.account) else { return false };
    let enabled = registry.settings.get("BLOB_MOUNTING").is_some_and(|s| s == "ENABLED");
    let found = registry.repositories.get(from).and_then(|source| {
        let used = source.images.values().any(|image| image.manifest.blobs.contains(digest));
        source.blobs.get(digest).filter(|_| used).copied()
    });
    let (Some(size), Some(target)) = (found, registry.repositories.get_mut(repository)) else { return false };
    if readable && enabled {
        target.blobs.insert(digest.clone(), size);
    }
    readable && enabled
}

/// An upload's writer, which goes back when the request is over, however it ends.
struct Borrowed {
    world: Arc<World>,
    account: String,
    id: String,
    writer: Option<Writer>,
}

fn borrow(ask: &Ask, repository: &str, id: &str, action: &str) -> Result<Borrowed, Refusal> {
    let mut state = ask.world.lock();
    ask.may(&state, repository, action)?;
    find(&state, ask, repository, id)?;
    let upload = state.ecr.registries.get_mut(&ask.account).and_then(|r| r.uploads.get_mut(id));
    let Some(writer) = upload.and_then(|u| u.writer.take()) else {
        let message = "Another request writes to this upload.";
        return Err(Refusal::new(StatusCode::CONFLICT, "BLOB_UPLOAD_INVALID", message));
    };
    Ok(Borrowed {
        world: ask.world.clone(),
        account: ask.account.clone(),
        id: id.to_owned(),
        writer: Some(writer),
    })
}

impl Borrowed {
    /// A chunk that says where it belongs must follow the one before.
    fn starts_where_it_stands(&self, ask: &Ask) -> Result<(), Refusal> {
        let Some(text) = ask.header(CONTENT_RANGE) else { return Ok(()) };
        let from = text.trim().trim_start_matches("bytes ").split('-').next();
        let received = self.writer.as_ref().map_or(0, Writer::received);
        if from.and_then(|f| f.parse::<u64>().ok()) == Some(received) {
            return Ok(());
        }
        let message = format!("The chunk {text} doesn't follow the {received} bytes that are here.");
        Err(Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID", message))
    }

    async fn write(&mut self, body: Body) -> Result<u64, Refusal> {
        let mut stream = body.into_data_stream();
        let mut gathered = BytesMut::new();
        let mut broken = None;
        while let Some(piece) = stream.next().await {
            match piece {
                Ok(piece) => gathered.extend_from_slice(&piece),
                Err(error) => broken = Some(error),
            }
            if gathered.len() >= BUFFER {
                self.flush(gathered.split()).await?;
            }
            if broken.is_some() {
                break;
            }
        }
        if !gathered.is_empty() {
            self.flush(gathered).await?;
        }
        match broken {
            Some(error) => {
                Err(Refusal::new(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", error.to_string()))
            }
            None => Ok(self.writer.as_ref().map_or(0, Writer::received)),
        }
    }

    /// Writes and hashes off the runtime's own threads.
    async fn flush(&mut self, bytes: BytesMut) -> Result<(), Refusal> {
        let Some(mut writer) = self.writer.take() else { return Err(unknown(&self.id)) };
        let (writer, written) = tokio::task::spawn_blocking(move || {
            let written = writer.append(&bytes);
            (writer, written)
        })
        .await
        .map_err(Refusal::broken)?;
        self.writer = Some(writer);
        written.map_err(Refusal::broken)
    }

    /// Ends the upload.
    fn take(&mut self) -> Option<Written> {
        let mut state = self.world.lock();
        state.ecr.registries.get_mut(&self.account).and_then(|r| r.uploads.remove(&self.id));
        self.writer.take().map(Writer::finish)
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let mut state = self.world.lock();
        let Some(registry) = state.ecr.registries.get_mut(&self.account) else { return };
        match (registry.uploads.get_mut(&self.id), self.writer.take()) {
            (Some(upload), Some(writer)) => upload.writer = Some(writer),
            // The request was given up in the middle of a write, so what is there can't be known.
            (Some(_), None) => {
                registry.uploads.remove(&self.id);
            }
            (None, Some(writer)) => writer.discard(),
            (None, None) => {}
        }
    }
}

/// How much of the upload is here.
fn find(state: &State, ask: &Ask, repository: &str, id: &str) -> Result<u64, Refusal> {
    let upload = state.ecr.registries.get(&ask.account).and_then(|r| r.uploads.get(id));
    let upload = upload.filter(|u| u.repository == repository).ok_or_else(|| unknown(id))?;
    Ok(upload.writer.as_ref().map_or(0, Writer::received))
}

fn accepted(ask: &Ask, repository: &str, id: &str, received: u64) -> hyper::Response<Body> {
    let location = ask.url(&format!("/v2/{repository}/blobs/uploads/{id}"));
    let range = format!("0-{}", received.saturating_sub(1));
    let headers = [(LOCATION, location.as_str()), (RANGE, range.as_str()), (DOCKER_UPLOAD_UUID, id)];
    respond(StatusCode::ACCEPTED, &headers, Body::empty())
}

fn created(ask: &Ask, repository: &str, digest: &Digest) -> hyper::Response<Body> {
    let location = ask.url(&format!("/v2/{repository}/blobs/{digest}"));
    let headers = [(LOCATION, location.as_str()), (DOCKER_CONTENT_DIGEST, digest.as_str())];
    respond(StatusCode::CREATED, &headers, Body::empty())
}

fn unknown(id: &str) -> Refusal {
    let message = format!("The upload '{id}' could not be found.");
    Refusal::new(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", message)
}

fn invalid_digest(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
}
