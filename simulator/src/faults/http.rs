//! Trouble with calls over plain HTTP, the registries' and GitHub's.

use super::{Kind, Trouble};
use axum::body::Body;
use hyper::{Response, header};

/// Marks an answer in whose place the connection is reset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reset;

/// What a proxy answers that has lost its way.
const PAGE: &str = "<html><head><title>Sorry</title></head><body>";

/// Lets a call meet its trouble. `refused` is told of a call that isn't carried out, and answers
/// for it where the trouble is a no.
pub(crate) async fn meet(
    trouble: Trouble,
    carried_out: impl Future<Output = Response<Body>>,
    refused: impl FnOnce(Trouble) -> Response<Body>,
) -> Response<Body> {
    let late = trouble.time.filter(|_| trouble.kind == Kind::Slow);
    let carried_out = if trouble.after || late.is_some() { Some(carried_out.await) } else { None };
    let answer = match &carried_out {
        Some(_) if trouble.kind != Kind::Error => Response::new(Body::empty()),
        _ => refused(trouble),
    };
    match (trouble.kind, carried_out) {
        (Kind::Reset, _) => {
            let mut reset = Response::new(Body::empty());
            reset.extensions_mut().insert(Reset);
            reset
        }
        (Kind::Slow, carried_out) => match (late, carried_out) {
            (Some(late), Some(answer)) => {
                tokio::time::sleep(late).await;
                answer
            }
            // Until the client gives up.
            _ => std::future::pending().await,
        },
        (Kind::Malformed, Some(answer)) => cut(answer).await,
        (Kind::Malformed, None) => {
            let mut page = Response::new(Body::from(PAGE));
            page.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/html"));
            page
        }
        _ => answer,
    }
}

pub(crate) fn was_reset(response: &Response<Body>) -> bool {
    response.extensions().get::<Reset>().is_some()
}

/// The first half of what was to be said.
async fn cut(answer: Response<Body>) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body.slice(..body.len() / 2)))
}
