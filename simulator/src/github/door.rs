//! The way of one request to GitHub: who asks, how often, may they, and what came of it.

use super::{
    Entry, State, graphql,
    input::Ask,
    rate::{Limited, PER_HOUR},
    reply::{Refusal, Reply},
    route::{self, Permission},
};
use crate::{
    Fault, World,
    faults::{self, Kind, Moment, Trouble},
    state::State as WorldState,
};
use axum::body::Body;
use hyper::{
    Method, Request, Response, StatusCode,
    header::{self, HeaderMap, HeaderName, HeaderValue},
    http::request::Parts,
};
use percent_encoding::percent_decode_str;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use std::sync::Arc;

/// Where a job asks for its OIDC token.
pub(super) const ID_TOKEN_PATH: &str = "/_oidc/token";

const LARGEST_BODY: usize = 25 << 20;
const VERSIONS: &[&str] = &["2022-11-28", "2026-03-10"];

pub(super) async fn answer(world: Arc<World>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let head = parts.method == Method::HEAD;
    let reply = match axum::body::to_bytes(body, LARGEST_BODY).await {
        Ok(body) => {
            let (service, operation) = named(&world.lock().github, &parts);
            let called = format!("{service}:{operation}");
            world.holds().pass_or_stay(&called, Moment::Before).await;
            let trouble = world.change(|state| state.calls.next(service, &operation));
            let carried_out = || world.change(|state| pass(state, &parts, &body));
            let reply = match trouble {
                None => carried_out(),
                Some(trouble) => {
                    let carried_out = async { respond(carried_out(), head) };
                    let refused =
                        |trouble| respond(world.change(|state| refused(state, &parts, trouble)), head);
                    return faults::meet(trouble, carried_out, refused).await;
                }
            };
            world.holds().pass_or_stay(&called, Moment::After).await;
            reply
        }
        Err(_) => Refusal::new(413, "Request Entity Too Large").reply(""),
    };
    respond(reply, head)
}

/// What a request is called where troubles are named: its service and operation.
fn named(state: &State, parts: &Parts) -> (&'static str, String) {
    let path = parts.uri.path();
    if path == ID_TOKEN_PATH {
        return ("oidc", "token".to_owned());
    }
    let rest = path.strip_prefix("/api/v3").unwrap_or(path);
    let found = state.below_repository(rest).and_then(|below| route::find(parts.method.as_str(), below));
    let unknown = || path.trim_start_matches('/').to_owned();
    ("github", found.map_or_else(unknown, |(route, _)| route.operation.to_owned()))
}

/// How GitHub says no to a call that is in trouble; it stands in the journal unless it was
/// carried out, which has written it there.
fn refused(world: &mut WorldState, parts: &Parts, trouble: Trouble) -> Reply {
    let (service, operation) = named(&world.github, parts);
    let reading = matches!(parts.method, Method::GET | Method::HEAD);
    let reply = refusal(trouble, reading).reply("");
    let silent = matches!(trouble.kind, Kind::Reset | Kind::Slow | Kind::Malformed);
    if !trouble.after && service == "github" {
        world.github.journal.push(Entry {
            at: world.now,
            method: parts.method.to_string(),
            path: parts.uri.path_and_query().map_or("", |p| p.as_str()).to_owned(),
            operation,
            status: if silent { 0 } else { reply.status },
            sent: Value::Null,
            answered: reply.body.clone().unwrap_or_default(),
        });
    }
    reply
}

fn refusal(trouble: Trouble, reading: bool) -> Refusal {
    match trouble.kind {
        // GitHub answers a secondary limit with either status.
        Kind::Throttled => {
            let seconds = trouble.time.map_or(60, |time| i64::try_from(time.as_secs()).unwrap_or(60));
            let refusal = refuse_limited(Limited::Secondary { retry_after: seconds });
            Refusal { status: if reading { 429 } else { 403 }, ..refusal }
        }
        Kind::Denied => Refusal::new(403, "Resource not accessible by integration"),
        Kind::NotFound => Refusal::not_found(),
        Kind::Invalid => Refusal::new(422, "Validation Failed"),
        _ => Refusal::new(502, "Server Error"),
    }
}

fn pass(world: &mut WorldState, parts: &Parts, body: &[u8]) -> Reply {
    let path = parts.uri.path();
    if let Some(reply) = issuer(world, parts) {
        return reply;
    }
    let (operation, reply) = asked(world, parts, path, body);
    world.github.journal.push(Entry {
        at: world.now,
        method: parts.method.to_string(),
        path: parts.uri.path_and_query().map_or(path, |p| p.as_str()).to_owned(),
        operation,
        status: reply.status,
        sent: serde_json::from_slice(body).unwrap_or_default(),
        answered: reply.body.clone().unwrap_or_default(),
    });
    reply
}

/// The OIDC issuer is a service of its own: neither GitHub's limits nor its faults concern it.
fn issuer(world: &WorldState, parts: &Parts) -> Option<Reply> {
    let state = &world.github;
    let issuer = &world.iam.issuer;
    match parts.uri.path() {
        "/.well-known/openid-configuration" => Some(Reply::ok(issuer.configuration(&state.job, &state.base))),
        "/.well-known/jwks" => Some(Reply::ok(issuer.jwks())),
        ID_TOKEN_PATH => {
            let refuse = |status: u16, message: &str| Reply {
                status,
                ..Reply::ok(json!({"$id": "1", "message": message}))
            };
            if bearer(&parts.headers) != Some(&state.runtime_token) {
                return Some(refuse(401, "The token is not valid."));
            }
            if !state.may_have_id_token() {
                return Some(refuse(403, "The job has no permission `id-token: write`."));
            }
            let query = query(parts);
            let audience = query.iter().find(|(key, _)| key == "audience").map(|(_, value)| value.as_str());
            Some(match issuer.token_answer(&state.job, audience) {
                Ok(answer) => Reply::ok(answer),
                Err(error) => refuse(500, &error.to_string()),
            })
        }
        _ => None,
    }
}

/// The operation's name, and its answer.
fn asked(world: &mut WorldState, parts: &Parts, path: &str, body: &[u8]) -> (String, Reply) {
    let unknown = || format!("{} {path}", parts.method);
    let (prefix, rest) = match path.strip_prefix("/api/v3") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => ("/api/v3", rest),
        _ => ("", path),
    };
    world.github.shown_base = format!("{}{prefix}", world.github.base);
    let graphql = matches!(path, "/graphql" | "/api/graphql") && parts.method == Method::POST;
    let limits = rest == "/rate_limit" && parts.method == Method::GET;
    let found =
        world.github.below_repository(rest).and_then(|below| route::find(parts.method.as_str(), below));
    let operation = match &found {
        Some((route, _)) => route.operation.to_owned(),
        None if graphql => "graphql".to_owned(),
        None if limits => "rate-limit/get".to_owned(),
        None => unknown(),
    };
    let documentation = found.as_ref().map_or("", |(route, _)| route.documentation);
    if world.has(Fault::GithubDown) {
        let message = "No server is currently available to service your request. Sorry about that. Please try refreshing and contact us if the problem persists.";
        return (operation, Refusal::new(503, message).reply(""));
    }
    if let Err(refusal) = known(&world.github, &parts.headers) {
        return (operation, refusal.reply(""));
    }
    let now = chrono::Utc::now().timestamp();
    let read_only = world.has(Fault::GithubReadOnly);
    if limits {
        let reply = Reply::ok(rate_limit(&mut world.github, now));
        return (operation, with_limits(&mut world.github, reply, now));
    }
    let reading = matches!(parts.method, Method::GET | Method::HEAD);
    let content = operation == "issues/create-comment";
    let points = if reading { 1 } else { 5 };
    if let Err(limited) = world.github.limits.take(now, points, content) {
        let reply = refuse_limited(limited).reply(documentation);
        return (operation, with_limits(&mut world.github, reply, now));
    }
    let ask = Ask {
        captures: found.as_ref().map(|(_, captures)| captures.clone()).unwrap_or_default(),
        query: query(parts),
        body: if body.is_empty() { json!({}) } else { serde_json::from_slice(body).unwrap_or(Value::Null) },
        now: world.now,
    };
    let state = &mut world.github;
    let reply = match found {
        _ if ask.body.is_null() => Refusal::new(400, "Problems parsing JSON").reply(documentation),
        Some((route, _)) if !state.may(route.permissions, read_only) => {
            let reply = Refusal::new(403, "Resource not accessible by integration").reply(documentation);
            reply.with("x-accepted-github-permissions", accepted(route.permissions))
        }
        Some((route, _)) => (route.answer)(state, &ask)
            .unwrap_or_else(|refusal| refusal.reply(documentation))
            .with("x-accepted-github-permissions", accepted(route.permissions)),
        None if graphql => {
            let may_write = state.may(&[("pull-requests", true)], read_only);
            graphql::answer(state, &ask, may_write)
        }
        None => Refusal::not_found().reply(documentation),
    };
    let reply = if reading { unless_known(state, &parts.headers, reply) } else { reply };
    (operation, with_limits(state, reply, now))
}

impl State {
    /// What follows the repository in a path; `None` when it is another's.
    fn below_repository<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix("/repos/")?;
        let (owner, rest) = rest.split_once('/')?;
        let (name, below) = rest.split_once('/').unwrap_or((rest, ""));
        let full = format!("{owner}/{name}");
        let full = percent_decode_str(&full).decode_utf8_lossy();
        full.eq_ignore_ascii_case(&self.job.repository).then_some(below)
    }

    fn may(&self, any_of: &[Permission], read_only: bool) -> bool {
        any_of.iter().any(|(name, write)| {
            let granted = self.job.permissions.get(*name).map_or("none", String::as_str);
            match granted {
                // What a repository is called is told to every token.
                _ if *name == "metadata" => true,
                "write" => !*write || !(read_only || self.of_fork()),
                "read" => !*write,
                _ => false,
            }
        })
    }

    pub(super) fn may_have_id_token(&self) -> bool {
        self.job.id_token && !self.of_fork()
    }

    /// The job runs what a fork has written. With `pull_request_target` it runs the repository's own.
    fn of_fork(&self) -> bool {
        self.job.fork && self.job.event != "pull_request_target"
    }
}

/// Whether the request says who asks and with what.
fn known(state: &State, headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.get(header::USER_AGENT).is_none_or(HeaderValue::is_empty) {
        let message = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.";
        return Err(Refusal::new(403, message));
    }
    if !headers.contains_key(header::AUTHORIZATION) {
        return Err(Refusal::new(401, "Requires authentication"));
    }
    if bearer(headers) != Some(&state.token) {
        return Err(Refusal::new(401, "Bad credentials"));
    }
    let version = headers.get("x-github-api-version").and_then(|v| v.to_str().ok());
    match version {
        Some(version) if !VERSIONS.contains(&version) => {
            Err(Refusal::new(400, format!("The API version {version} is not supported.")))
        }
        _ => Ok(()),
    }
}

/// The token after `Bearer` or `token`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    known.then_some(token.trim())
}

fn refuse_limited(limited: Limited) -> Refusal {
    match limited {
        Limited::Primary => Refusal::new(403, "API rate limit exceeded for installation."),
        Limited::Secondary { retry_after } => {
            let message =
                "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
            let mut refusal = Refusal::new(403, message);
            refusal.headers.push(("retry-after", retry_after.to_string()));
            refusal
        }
    }
}

fn rate_limit(state: &mut State, now: i64) -> Value {
    let (used, remaining, reset) = state.limits.read(now);
    let core =
        json!({"limit": PER_HOUR, "used": used, "remaining": remaining, "reset": reset, "resource": "core"});
    let untouched = |limit: u32, resource: &str| json!({"limit": limit, "used": 0, "remaining": limit, "reset": reset, "resource": resource});
    json!({
        "resources": {
            "core": core, "search": untouched(30, "search"), "graphql": untouched(PER_HOUR, "graphql"),
        },
        "rate": core,
    })
}

fn with_limits(state: &mut State, reply: Reply, now: i64) -> Reply {
    let (used, remaining, reset) = state.limits.read(now);
    reply
        .with("x-ratelimit-limit", PER_HOUR.to_string())
        .with("x-ratelimit-remaining", remaining.to_string())
        .with("x-ratelimit-used", used.to_string())
        .with("x-ratelimit-reset", reset.to_string())
        .with("x-ratelimit-resource", "core")
}

/// "Not modified" for a reader who has it already, which costs nothing.
fn unless_known(state: &mut State, headers: &HeaderMap, reply: Reply) -> Reply {
    let Some(body) = reply.body.as_ref().filter(|_| reply.status == 200) else { return reply };
    let etag = format!("\"{}\"", hex::encode(digest(&SHA256, body.to_string().as_bytes())));
    let held = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let same = held.is_some_and(|held| {
        held.split(',').any(|one| matches!(one.trim(), "*") || one.trim().trim_start_matches("W/") == etag)
    });
    let reply = reply.with("etag", etag).with("cache-control", "private, max-age=60, s-maxage=60");
    if same {
        state.limits.refund();
        return Reply { status: 304, body: None, ..reply };
    }
    reply
}

/// `issues=write; pull_requests=write`: any of them will do.
fn accepted(permissions: &[Permission]) -> String {
    let one = |(name, write): &Permission| {
        format!("{}={}", name.replace('-', "_"), if *write { "write" } else { "read" })
    };
    permissions.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn query(parts: &Parts) -> Vec<(String, String)> {
    form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

fn respond(reply: Reply, head: bool) -> Response<Body> {
    let text = reply.body.map(|body| body.to_string());
    let mut response = Response::new(match &text {
        Some(text) if !head => Body::from(text.clone()),
        _ => Body::empty(),
    });
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if text.is_some() {
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, json);
    }
    let id = uuid::Uuid::new_v4().simple().to_string().to_uppercase();
    let all = reply
        .headers
        .into_iter()
        .chain([("x-github-request-id", id), ("x-github-media-type", "github.v3; format=json".to_owned())]);
    for (name, value) in all {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}
