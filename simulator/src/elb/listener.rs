//! The listeners' sockets: every request that comes in is forwarded to the target that the
//! weights and the health choose, and counted until its answer is over.

use super::{probe, routing, routing::Over, routing::Way};
use crate::{World, spec::WorldSpec};
use anyhow::Context as _;
use axum::http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, Version, header, request,
    uri::{Authority, PathAndQuery, Scheme},
};
use bytes::Bytes;
use http_body_util::{Either, Empty, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::{
    client::legacy::{Client, Error as ClientError, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    error::Error,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::Sleep,
};

/// The listeners' sockets, bound before the world exists so that their addresses can be told.
pub(crate) struct Sockets {
    bound: Vec<((String, String), TcpListener, SocketAddr)>,
}

impl Sockets {
    pub(crate) async fn bind(spec: &WorldSpec) -> anyhow::Result<Sockets> {
        let mut bound = Vec::new();
        for account in &spec.accounts {
            for listener in account.load_balancers.iter().flat_map(|b| &b.listeners) {
                let socket = TcpListener::bind(("127.0.0.1", listener.port)).await.with_context(|| {
                    format!("the listener `{}` can't take port {}", listener.name, listener.port)
                })?;
                let address = socket.local_addr()?;
                bound.push(((account.id.clone(), listener.name.clone()), socket, address));
            }
        }
        Ok(Sockets { bound })
    }

    /// (account, listener's name) → URL.
    pub(crate) fn urls(&self) -> BTreeMap<(String, String), String> {
        self.bound.iter().map(|(key, _, address)| (key.clone(), format!("http://{address}"))).collect()
    }

    pub(super) fn port(&self, account: &str, listener: &str) -> Option<u16> {
        let mut bound = self.bound.iter();
        bound.find(|((a, l), ..)| a == account && l == listener).map(|(.., address)| address.port())
    }

    pub(crate) fn serve(self, world: &Arc<World>) {
        let asked = {
            let mut state = world.lock();
            state.elb.speed = world.speed();
            state.elb.asked.take()
        };
        if let Some(asked) = asked {
            world.spawn(probe::run(world.clone(), asked));
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(10)));
        let client: Upstream = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            // Shorter than servers keep idle connections, so that none is closed as it is taken.
            .pool_idle_timeout(Duration::from_secs(1))
            .build(connector);
        for ((account, name), socket, address) in self.bound {
            let arn = super::listener_arn(&world.lock(), &account, &name);
            let Some(arn) = arn else { continue };
            let door = Door {
                world: world.clone(),
                listener: arn.into(),
                port: HeaderValue::from(address.port()),
                client: client.clone(),
            };
            world.spawn(accept(Arc::new(door), socket));
        }
    }
}

type Upstream = Client<HttpConnector, Either<Incoming, Empty<Bytes>>>;

/// One listener, as its connections see it.
struct Door {
    world: Arc<World>,
    listener: Arc<str>,
    port: HeaderValue,
    client: Upstream,
}

async fn accept(door: Arc<Door>, socket: TcpListener) {
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => door.world.spawn(converse(door.clone(), stream, peer.ip())),
            Err(error) => {
                // Out of descriptors, as a rule: those that are open have to go first.
                tracing::warn!(%error, "a listener can't accept");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn converse(door: Arc<Door>, stream: TcpStream, peer: IpAddr) {
    // Without it an answer may wait for the client's acknowledgement; not worth an error.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(|request| {
        let door = door.clone();
        async move { Ok::<_, Infallible>(forward(door, peer, request).await) }
    });
    // A client that goes away ends its connection and nothing else.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn forward(door: Arc<Door>, peer: IpAddr, request: Request<Incoming>) -> Response<Answer> {
    let way = routing::pick(&mut door.world.lock().elb, &door.listener);
    let mut passing = Passing { door, way, target_status: None, status: CLIENT_GONE, seconds: 0.0 };
    let Some(way) = &passing.way else { return passing.refuse(StatusCode::SERVICE_UNAVAILABLE) };
    let door = &passing.door;

    let (mut head, body) = request.into_parts();
    if prepare(&mut head, way.address, peer, &door.port).is_err() {
        return passing.refuse(StatusCode::BAD_REQUEST);
    }
    // What has no body and no effect may be sent twice, in case that a kept connection closes
    // at this very moment.
    let again = (body.is_end_stream() && head.method.is_safe()).then(|| head.clone());
    let started = Instant::now();
    let answer = tokio::time::timeout(way.idle_timeout, async {
        let answer = door.client.request(Request::from_parts(head, Either::Left(body))).await;
        match (answer, again) {
            (Err(error), Some(head)) if closed(&error) => {
                door.client.request(Request::from_parts(head, Either::Right(Empty::new()))).await
            }
            (answer, _) => answer,
        }
    });
    let answer = match answer.await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) if error.is_connect() && io_kind(&error) == Some(std::io::ErrorKind::TimedOut) => {
            return passing.refuse(StatusCode::GATEWAY_TIMEOUT);
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, target = %way.address, "a target gave no answer");
            return passing.refuse(StatusCode::BAD_GATEWAY);
        }
        Err(_) => return passing.refuse(StatusCode::GATEWAY_TIMEOUT),
    };
    passing.seconds = started.elapsed().as_secs_f64();
    passing.status = answer.status().as_u16();
    passing.target_status = Some(passing.status);
    let limit = way.idle_timeout;
    let (mut head, body) = answer.into_parts();
    head.version = Version::HTTP_11;
    remove_hop_by_hop(&mut head.headers);
    Response::from_parts(head, Either::Left(Counted { body, limit, silence: None, _passing: passing }))
}

/// What the balancer notes when the client went away before its answer.
const CLIENT_GONE: u16 = 460;

/// A request under way. Counted as over when this is dropped, however it ends.
struct Passing {
    door: Arc<Door>,
    way: Option<Way>,
    target_status: Option<u16>,
    status: u16,
    seconds: f64,
}

impl Passing {
    /// The balancer's own answer, told from the target's by its `server`.
    fn refuse(mut self, status: StatusCode) -> Response<Answer> {
        self.status = status.as_u16();
        let title = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
        let page = format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<h1>{title}</h1>\r\n</body>\r\n</html>\r\n"
        );
        let mut answer = Response::new(Either::Right(Full::from(page)));
        *answer.status_mut() = status;
        answer.headers_mut().insert(header::SERVER, HeaderValue::from_static("awselb/2.0"));
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        answer
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let over = Over {
            listener: &self.door.listener,
            way: self.way.as_ref(),
            target_status: self.target_status,
            status: self.status,
            seconds: self.seconds,
        };
        let drained = routing::settle(&mut self.door.world.lock(), &over);
        if drained {
            self.door.world.change(|_| ());
        }
    }
}

type Answer = Either<Counted, Full<Bytes>>;

/// A target's answer on its way to the client.
struct Counted {
    body: Incoming,
    limit: Duration,
    silence: Option<Pin<Box<Sleep>>>,
    _passing: Passing,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                self.silence = None;
                Poll::Ready(frame.map(|f| f.map_err(Into::into)))
            }
            Poll::Pending => {
                let limit = self.limit;
                let silence = self.silence.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
                silence.as_mut().poll(cx).map(|()| Some(Err("the target fell silent".into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Turns a client's request into the one that the target gets.
fn prepare(
    head: &mut request::Parts,
    target: SocketAddr,
    peer: IpAddr,
    port: &HeaderValue,
) -> anyhow::Result<()> {
    const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
    const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
    const TRACE: HeaderName = HeaderName::from_static("x-amzn-trace-id");

    let path = head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    let authority: Authority = target.to_string().parse()?;
    head.uri = Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query(path).build()?;
    head.version = Version::HTTP_11;
    let headers = &mut head.headers;
    remove_hop_by_hop(headers);
    let clients = match headers.get(&FORWARDED_FOR).and_then(|v| v.to_str().ok()) {
        Some(before) => format!("{before}, {peer}"),
        None => peer.to_string(),
    };
    headers.insert(FORWARDED_FOR, clients.try_into()?);
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    headers.insert(FORWARDED_PORT, port.clone());
    if !headers.contains_key(&TRACE) {
        let unique = rand::random::<u128>() >> 32;
        let trace = format!("Root=1-{:08x}-{unique:024x}", chrono::Utc::now().timestamp());
        headers.insert(TRACE, trace.try_into()?);
    }
    Ok(())
}

/// What is meant for one connection isn't passed on to the next.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(',').filter_map(|name| name.trim().parse().ok()))
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [
        header::CONNECTION,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ] {
        headers.remove(name);
    }
}

/// Whether the connection closed before the answer began.
fn closed(error: &ClientError) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    let incomplete = causes(error)
        .filter_map(|e| e.downcast_ref::<hyper::Error>())
        .any(|e| e.is_incomplete_message() || e.is_canceled() || e.is_closed());
    !error.is_connect()
        && (incomplete || matches!(io_kind(error), Some(BrokenPipe | ConnectionReset | UnexpectedEof)))
}

fn io_kind(error: &ClientError) -> Option<std::io::ErrorKind> {
    causes(error).find_map(|e| e.downcast_ref::<std::io::Error>()).map(std::io::Error::kind)
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |e| (*e).source())
}
