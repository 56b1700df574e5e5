//! The AWS endpoint's socket.

use crate::World;
use crate::faults::Moment;
use crate::front::{
    Answer, ApiError, door, door::Passage, protocol::Protocol, route, route::Stray, signature,
};
use crate::serve::{Reset, connection};
use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::http::{HeaderValue, request::Parts};
use hyper::{Request, Response};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::net::TcpListener;

/// An image layer's part, the largest that any operation takes, as base64 in JSON.
const LARGEST_BODY: usize = 32 << 20;

/// Bound before the world exists so that its address can be told.
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    pub(crate) async fn bind(at: SocketAddr) -> anyhow::Result<Server> {
        let listener = TcpListener::bind(at).await.with_context(|| format!("cannot listen on {at}"))?;
        let address = listener.local_addr()?;
        Ok(Server { listener, address })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn serve(self, world: &Arc<World>) {
        let (listener, at) = (self.listener, world.clone());
        world.spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        _ = stream.set_nodelay(true);
                        let world = at.clone();
                        at.spawn(connection(stream, move |request| answer(world.clone(), request)));
                    }
                    // Too many open files, as a rule: others must be closed first, and nothing tells when.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        });
    }
}

async fn answer(world: Arc<World>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Reset> {
    let (parts, body) = request.into_parts();
    if parts.uri.path() == "/_world" {
        return Ok(told(&parts, || world.snapshot()));
    }
    if parts.uri.path() == "/_github" {
        return Ok(told(&parts, || world.github_exchanges()));
    }
    let hold = parts.uri.path().strip_prefix("/_holds").map(str::to_owned);
    let Ok(body) = Limited::new(body, LARGEST_BODY).collect().await else {
        let error = ApiError {
            status: 413,
            code: "RequestEntityTooLargeException".into(),
            message: "The request body is too large".into(),
        };
        return Ok(Protocol::Json11.respond(None, "", &Err(error), false));
    };
    let body = body.to_bytes();
    if let Some(hold) = hold {
        let query = parts.uri.query().unwrap_or_default();
        let (status, answer) = world.holds().serve(parts.method.as_str(), &hold, query, &body).await;
        return Ok(json(status, &answer));
    }
    if parts.uri.path() == "/_faults" {
        return Ok(match world.change(|state| state.calls.renew(&body)) {
            Ok(()) => json(200, &serde_json::json!({})),
            Err(message) => json(400, &serde_json::json!({ "message": message })),
        });
    }
    let routed = match route::route(&parts, &body) {
        Ok(routed) => routed,
        Err(Stray { protocol, error }) => return Ok(protocol.respond(None, "", &Err(error), false)),
    };
    // Hashing and decoding a large body is kept out of the world's lock.
    let signed = signature::read(&parts, &body);
    let url = parts.uri.query().unwrap_or_default();
    let input = routed.protocol.read(if routed.in_url { url.as_bytes() } else { &body });
    let respond = |answer: &Answer| {
        let query_mode = parts.headers.get("x-amzn-query-mode").is_some_and(|mode| mode == "true");
        routed.protocol.respond(Some(routed.service), &routed.operation, answer, query_mode)
    };
    let called = format!("{}:{}", routed.service.signing_name(), routed.operation);
    world.holds().pass(&called, Moment::Before).await.map_err(|_| Reset)?;
    let passage = world.change(|state| door::pass(state, &routed, signed, input));
    world.holds().pass(&called, Moment::After).await.map_err(|_| Reset)?;
    match passage {
        Passage::Answered(answer) => Ok(respond(&answer)),
        Passage::Late(answer, late) => {
            tokio::time::sleep(late).await;
            Ok(respond(&answer))
        }
        // Until the client gives up.
        Passage::Silent => std::future::pending().await,
        Passage::Reset => Err(Reset),
        Passage::Mangled(answer) => Ok(mangled(respond(&answer)).await),
    }
}

/// The first half of what was to be said.
async fn mangled(response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    Response::from_parts(parts, Full::new(body.slice(..body.len() / 2)))
}

fn told(parts: &Parts, what: impl FnOnce() -> serde_json::Value) -> Response<Full<Bytes>> {
    if parts.method != hyper::Method::GET {
        let mut response = Response::new(Full::default());
        *response.status_mut() = hyper::StatusCode::METHOD_NOT_ALLOWED;
        return response;
    }
    json(200, &what())
}

fn json(status: u16, body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() =
        hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}
