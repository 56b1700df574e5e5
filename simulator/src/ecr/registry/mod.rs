//! The registry's HTTP API: who asks, for what, and may they.

mod blobs;
mod error;
mod manifests;
mod uploads;

use super::access::{self, Who};
use crate::{
    World,
    faults::{self, Moment},
    state::State,
};
use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use error::Refusal;
use hyper::{
    Method, Request, Response, StatusCode,
    header::{self, HeaderMap},
};
use std::{sync::Arc, time::SystemTime};

type Answer = Result<Response<Body>, Refusal>;

/// One request, by a login that was checked.
struct Ask {
    world: Arc<World>,
    /// Whose registry is asked.
    account: String,
    host: String,
    who: Who,
    method: Method,
    query: Vec<(String, String)>,
    headers: HeaderMap,
}

#[derive(Debug, PartialEq)]
enum Route {
    Base,
    Catalog,
    Layer(String),
    Tags { repository: String },
    Manifest { repository: String, reference: String },
    Referrers { repository: String, digest: String },
    Blob { repository: String, digest: String },
    Uploads { repository: String },
    Upload { repository: String, id: String },
}

pub(super) async fn answer(world: Arc<World>, account: String, request: Request<Body>) -> Response<Body> {
    let head = request.method() == Method::HEAD;
    let operation = Route::of(request.uri().path()).and_then(|route| route.operation(request.method()));
    let trouble = operation.and_then(|name| world.change(|state| state.calls.next("registry", name)));
    let Some(trouble) = trouble else { return carried_out(world, account, request).await };
    let carried_out = carried_out(world, account, request);
    faults::meet(trouble, carried_out, |trouble| Refusal::of(trouble).respond(head)).await
}

async fn carried_out(world: Arc<World>, account: String, request: Request<Body>) -> Response<Body> {
    let head = request.method() == Method::HEAD;
    let answer = match Route::of(request.uri().path()) {
        // The secret in its path is all that such an address takes.
        Some(Route::Layer(secret)) => blobs::download(&world, &secret, request).await,
        Some(route) => {
            let called = format!("registry:{}", route.operation(request.method()).unwrap_or_default());
            let held = world.clone();
            held.holds().pass_or_stay(&called, Moment::Before).await;
            let answer = asked(world, account, route, request).await;
            held.holds().pass_or_stay(&called, Moment::After).await;
            answer
        }
        None => Err(Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", "404 page not found")),
    };
    answer.unwrap_or_else(|refusal| refusal.respond(head))
}

async fn asked(world: Arc<World>, account: String, route: Route, request: Request<Body>) -> Answer {
    let (parts, body) = request.into_parts();
    let (who, host) = {
        let state = world.lock();
        let host = state.ecr.registries.get(&account).map(|r| r.host.clone()).unwrap_or_default();
        (log_in(&state, &host, &parts.headers)?, host)
    };
    let query = parts.uri.query().unwrap_or_default();
    let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let ask = Ask { world, account, host, who, method: parts.method, query, headers: parts.headers };
    match (route, ask.method.clone()) {
        (Route::Base, Method::GET | Method::HEAD) => Ok(respond(StatusCode::OK, &[], Body::from("{}"))),
        (Route::Catalog, Method::GET) => manifests::catalog(&ask),
        (Route::Tags { repository }, Method::GET) => manifests::tags(&ask, &repository),
        (Route::Referrers { repository, digest }, Method::GET) => {
            manifests::referrers(&ask, &repository, &digest)
        }
        (Route::Manifest { repository, reference }, Method::GET | Method::HEAD) => {
            manifests::get(&ask, &repository, &reference)
        }
        (Route::Manifest { repository, reference }, Method::PUT) => {
            manifests::put(&ask, &repository, &reference, body).await
        }
        (Route::Manifest { repository, reference }, Method::DELETE) => {
            manifests::delete(&ask, &repository, &reference)
        }
        (Route::Blob { repository, digest }, Method::HEAD) => blobs::head(&ask, &repository, &digest),
        (Route::Blob { repository, digest }, Method::GET) => blobs::get(&ask, &repository, &digest),
        (Route::Uploads { repository }, Method::POST) => uploads::begin(&ask, &repository, body).await,
        (Route::Upload { repository, id }, Method::GET) => uploads::status(&ask, &repository, &id),
        (Route::Upload { repository, id }, Method::PATCH) => {
            uploads::append(&ask, &repository, &id, body).await
        }
        (Route::Upload { repository, id }, Method::PUT) => {
            uploads::finish(&ask, &repository, &id, body).await
        }
        (Route::Upload { repository, id }, Method::DELETE) => uploads::cancel(&ask, &repository, &id),
        _ => Err(Refusal::unsupported()),
    }
}

/// The principal behind the password.
fn log_in(state: &State, host: &str, headers: &HeaderMap) -> Result<Who, Refusal> {
    let password = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, coded)| STANDARD.decode(coded.trim()).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|pair| pair.strip_prefix("AWS:").map(str::to_owned));
    let Some(login) = password.and_then(|password| state.ecr.logins.get(&password)) else {
        return Err(Refusal::unauthenticated(host));
    };
    if login.expires <= SystemTime::now() {
        let expired = "Your authorization token has expired. Reauthenticate and try again.";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "DENIED", expired));
    }
    Ok(login.who.clone())
}

impl Ask {
    fn may(&self, state: &State, repository: &str, action: &str) -> Result<(), Refusal> {
        Ok(access::authorise(state, &self.who, &self.account, repository, action)?)
    }

    fn query(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }
}

/// By the names that troubles have for them.
pub(crate) const OPERATIONS: &[&str] = &[
    "base",
    "get-layer",
    "get-manifest",
    "put-manifest",
    "head-blob",
    "get-blob",
    "start-upload",
    "upload-chunk",
    "finish-upload",
    "list-tags",
];

impl Route {
    fn operation(&self, method: &Method) -> Option<&'static str> {
        let name = match (self, method.as_str()) {
            (Route::Base, _) => "base",
            (Route::Layer(_), _) => "get-layer",
            (Route::Manifest { .. }, "GET" | "HEAD") => "get-manifest",
            (Route::Manifest { .. }, "PUT") => "put-manifest",
            (Route::Blob { .. }, "HEAD") => "head-blob",
            (Route::Blob { .. }, "GET") => "get-blob",
            (Route::Uploads { .. }, "POST") => "start-upload",
            (Route::Upload { .. }, "PATCH") => "upload-chunk",
            (Route::Upload { .. }, "PUT") => "finish-upload",
            (Route::Tags { .. }, "GET") => "list-tags",
            _ => return None,
        };
        Some(name)
    }

    fn of(path: &str) -> Option<Route> {
        if let Some(secret) = path.strip_prefix("/_layers/") {
            return Some(Route::Layer(secret.to_owned()));
        }
        let rest = path.strip_prefix("/v2")?;
        if rest.is_empty() || rest == "/" {
            return Some(Route::Base);
        }
        // A repository's name has slashes, so what follows it is read from the end.
        let parts: Vec<&str> = rest.strip_prefix('/')?.split('/').collect();
        let name = |parts: &[&str]| (!parts.is_empty()).then(|| parts.join("/"));
        match parts.as_slice() {
            ["_catalog"] => Some(Route::Catalog),
            [repository @ .., "tags", "list"] => Some(Route::Tags { repository: name(repository)? }),
            [repository @ .., "blobs", "uploads"] | [repository @ .., "blobs", "uploads", ""] => {
                Some(Route::Uploads { repository: name(repository)? })
            }
            [repository @ .., "blobs", "uploads", id] => {
                Some(Route::Upload { repository: name(repository)?, id: (*id).to_owned() })
            }
            [repository @ .., "blobs", digest] => {
                Some(Route::Blob { repository: name(repository)?, digest: (*digest).to_owned() })
            }
            [repository @ .., "manifests", reference] => {
                Some(Route::Manifest { repository: name(repository)?, reference: (*reference).to_owned() })
            }
            [repository @ .., "referrers", digest] => {
                Some(Route::Referrers { repository: name(repository)?, digest: (*digest).to_owned() })
            }
            _ => None,
        }
    }
}

fn respond(status: StatusCode, headers: &[(header::HeaderName, &str)], body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let all = response.headers_mut();
    all.insert("docker-distribution-api-version", header::HeaderValue::from_static("registry/2.0"));
    for (name, value) in headers {
        if let Ok(value) = header::HeaderValue::from_str(value) {
            all.insert(name, value);
        }
    }
    response
}

const DOCKER_CONTENT_DIGEST: header::HeaderName = header::HeaderName::from_static("docker-content-digest");
const DOCKER_UPLOAD_UUID: header::HeaderName = header::HeaderName::from_static("docker-upload-uuid");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_with_slashes_is_found_in_every_path() {
        let repository = || "a/b".to_owned();
        for (path, route) in [
            ("/v2/", Some(Route::Base)),
            ("/v2", Some(Route::Base)),
            ("/v2/_catalog", Some(Route::Catalog)),
            ("/v2/a/b/tags/list", Some(Route::Tags { repository: repository() })),
            ("/v2/a/b/blobs/uploads/", Some(Route::Uploads { repository: repository() })),
            ("/v2/a/b/blobs/uploads", Some(Route::Uploads { repository: repository() })),
            ("/v2/a/b/blobs/uploads/1", Some(Route::Upload { repository: repository(), id: "1".into() })),
            (
                "/v2/a/b/blobs/sha256:1",
                Some(Route::Blob { repository: repository(), digest: "sha256:1".into() }),
            ),
            (
                "/v2/a/b/manifests/v1",
                Some(Route::Manifest { repository: repository(), reference: "v1".into() }),
            ),
            ("/v2/manifests/v1", None),
            ("/v1/a", None),
            ("/", None),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }
}
