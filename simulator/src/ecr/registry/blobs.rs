//! Layers and configs on their way out: a lookup here, the bytes from an address of their own,
//! as ECR hands them to its storage.

use super::{Answer, Ask, DOCKER_CONTENT_DIGEST, error::Refusal, respond};
use crate::{
    World,
    ecr::{blobs::Digest, store::Repository},
    state::State,
};
use axum::body::Body;
use hyper::{
    Method, Request, StatusCode,
    header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE},
};
use std::{io::SeekFrom, ops::Range, time::SystemTime};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

const OCTETS: &str = "application/octet-stream";

pub(super) fn head(ask: &Ask, repository: &str, digest: &str) -> Answer {
    let state = ask.world.lock();
    ask.may(&state, repository, "ecr:BatchCheckLayerAvailability")?;
    let (digest, size) = find(&state, &ask.account, repository, digest)?;
    let size = size.to_string();
    let headers = [
        (CONTENT_LENGTH, size.as_str()),
        (CONTENT_TYPE, OCTETS),
        (ACCEPT_RANGES, "bytes"),
        (DOCKER_CONTENT_DIGEST, digest.as_str()),
    ];
    Ok(respond(StatusCode::OK, &headers, Body::empty()))
}

pub(super) fn get(ask: &Ask, repository: &str, digest: &str) -> Answer {
    let mut state = ask.world.lock();
    ask.may(&state, repository, "ecr:GetDownloadUrlForLayer")?;
    let (digest, _) = find(&state, &ask.account, repository, digest)?;
    let url = state.ecr.download_url(&ask.account, &digest);
    let headers = [(LOCATION, url.as_str()), (DOCKER_CONTENT_DIGEST, digest.as_str())];
    Ok(respond(StatusCode::TEMPORARY_REDIRECT, &headers, Body::empty()))
}

/// Serves the layer that the secret part of an address stands for, or a range of it.
pub(super) async fn download(world: &World, secret: &str, request: Request<Body>) -> Answer {
    let (request, _) = request.into_parts();
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Err(Refusal::unsupported());
    }
    let path = {
        let state = world.lock();
        let download = state.ecr.downloads.get(secret).filter(|d| d.expires > SystemTime::now());
        let expired = || Refusal::new(StatusCode::FORBIDDEN, "DENIED", "Request has expired");
        state.ecr.disk.path(&download.ok_or_else(expired)?.digest)
    };
    let mut file = tokio::fs::File::open(&path).await.map_err(Refusal::broken)?;
    let size = file.metadata().await.map_err(Refusal::broken)?.len();
    let asked = request.headers.get(RANGE).and_then(|r| r.to_str().ok());
    let part = match asked.map(|text| range(text, size)) {
        None | Some(Asked::Whole) => None,
        Some(Asked::Part(part)) => Some(part),
        Some(Asked::Outside) => {
            let all = format!("bytes */{size}");
            return Ok(respond(StatusCode::RANGE_NOT_SATISFIABLE, &[(CONTENT_RANGE, &all)], Body::empty()));
        }
    };
    let bytes = part.clone().unwrap_or(0..size);
    let length = (bytes.end - bytes.start).to_string();
    let of = format!("bytes {}-{}/{size}", bytes.start, bytes.end.saturating_sub(1));
    let mut headers =
        vec![(CONTENT_LENGTH, length.as_str()), (CONTENT_TYPE, OCTETS), (ACCEPT_RANGES, "bytes")];
    if part.is_some() {
        headers.push((CONTENT_RANGE, &of));
    }
    let body = if request.method == Method::HEAD {
        Body::empty()
    } else {
        file.seek(SeekFrom::Start(bytes.start)).await.map_err(Refusal::broken)?;
        let reader = file.take(bytes.end - bytes.start);
        Body::from_stream(ReaderStream::with_capacity(reader, 256 * 1024))
    };
    let status = if part.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    Ok(respond(status, &headers, body))
}

fn find(state: &State, account: &str, repository: &str, digest: &str) -> Result<(Digest, u64), Refusal> {
    let found: Option<&Repository> =
        state.ecr.registries.get(account).and_then(|r| r.repositories.get(repository));
    let Some(digest) = Digest::parse(digest) else {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "The digest is not valid."));
    };
    match found.and_then(|r| r.blobs.get(&digest)) {
        Some(size) => Ok((digest, *size)),
        None => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "BLOB_UNKNOWN",
            format!("The layer with digest '{digest}' does not exist in the repository '{repository}'"),
        )),
    }
}

#[derive(Debug, PartialEq)]
enum Asked {
    /// Not one range that we understand: the whole is the right answer.
    Whole,
    Part(Range<u64>),
    Outside,
}

fn range(text: &str, size: u64) -> Asked {
    let Some((from, to)) = text.strip_prefix("bytes=").and_then(|r| r.trim().split_once('-')) else {
        return Asked::Whole;
    };
    let part = match (from.parse::<u64>(), to.parse::<u64>()) {
        (Ok(from), Ok(to)) if from <= to => from..to.saturating_add(1).min(size),
        (Ok(from), Err(_)) if to.is_empty() => from..size,
        (Err(_), Ok(last)) if from.is_empty() && last > 0 => size.saturating_sub(last)..size,
        _ => return Asked::Whole,
    };
    if part.start >= size { Asked::Outside } else { Asked::Part(part) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        for (text, part) in [
            ("bytes=0-3", Asked::Part(0..4)),
            ("bytes=4-", Asked::Part(4..10)),
            ("bytes=-3", Asked::Part(7..10)),
            ("bytes=-30", Asked::Part(0..10)),
            ("bytes=8-99", Asked::Part(8..10)),
            ("bytes=10-", Asked::Outside),
            ("bytes=3-1", Asked::Whole),
            ("bytes=0-1,4-5", Asked::Whole),
            ("lines=1-2", Asked::Whole),
        ] {
            assert_eq!(range(text, 10), part, "{text}");
        }
    }
}
