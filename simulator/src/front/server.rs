//! The AWS endpoint's socket.

use crate::World;
use crate::faults::Moment;
use crate::front::{ApiError, door, door::Passage, protocol::Protocol, route, route::Stray, signature};
use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::http::{HeaderValue, request::Parts};
use hyper::server::conn::http1;
use hyper::{Request, Response, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{net::SocketAddr, pin::Pin, sync::Arc, time::Duration};
use tokio::net::{TcpListener, TcpStream};

/// An image layer's part, the largest that any operation takes, as base64 in JSON.
const LARGEST_BODY: usize = 32 << 20;

/// Bound before the world exists so that its address can be told.
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

/// The connection is to be reset instead of an answer.
#[derive(Debug)]
struct Reset;

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
                    Ok((stream, _)) => at.spawn(connection(at.clone(), stream)),
                    // Too many open files, as a rule: others must be closed first, and nothing tells when.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        });
    }
}

async fn connection(world: Arc<World>, stream: TcpStream) {
    _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let answer: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(answer(world.clone(), request));
        answer
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = std::future::poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    if ended.is_err_and(|error| error.is_user()) {
        // Without a linger the kernel sends RST in place of FIN.
        _ = stream.set_zero_linger();
    }
}

async fn answer(world: Arc<World>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Reset> {
    let (parts, body) = request.into_parts();
    if parts.uri.path() == "/_world" {
        return Ok(snapshot(&world, &parts));
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
    let routed = match route::route(&parts, &body) {
        Ok(routed) => routed,
        Err(Stray { protocol, error }) => return Ok(protocol.respond(None, "", &Err(error), false)),
    };
    // Hashing and decoding a large body is kept out of the world's lock.
    let signed = signature::read(&parts, &body);
    let url = parts.uri.query().unwrap_or_default();
    let input = routed.protocol.read(if routed.in_url { url.as_bytes() } else { &body });
    let called = format!("{}:{}", routed.service.signing_name(), routed.operation);
    world.holds().pass(&called, Moment::Before).await.map_err(|_| Reset)?;
    let passage = world.change(|state| door::pass(state, &routed, signed, input));
    world.holds().pass(&called, Moment::After).await.map_err(|_| Reset)?;
    match passage {
        Passage::Reset => Err(Reset),
        Passage::Answered(answer) => {
            let query_mode = parts.headers.get("x-amzn-query-mode").is_some_and(|mode| mode == "true");
            Ok(routed.protocol.respond(Some(routed.service), &routed.operation, &answer, query_mode))
        }
    }
}

fn snapshot(world: &World, parts: &Parts) -> Response<Full<Bytes>> {
    if parts.method != hyper::Method::GET {
        let mut response = Response::new(Full::default());
        *response.status_mut() = hyper::StatusCode::METHOD_NOT_ALLOWED;
        return response;
    }
    json(200, &world.snapshot())
}

fn json(status: u16, body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() =
        hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}

impl std::fmt::Display for Reset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is reset")
    }
}

impl std::error::Error for Reset {}
