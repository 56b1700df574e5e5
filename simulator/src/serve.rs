//! Serves HTTP on a socket that was bound before the world existed, until the world shuts down.

use crate::{World, faults};
use axum::body::Body;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{fmt, pin::Pin, sync::Arc};
use tokio::net::{TcpListener, TcpStream};

pub(crate) fn serve<A, F>(world: &Arc<World>, listener: TcpListener, answer: A)
where
    A: Fn(Arc<World>, Request<Body>) -> F + Clone + Send + Sync + Unpin + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let served = world.clone();
    world.spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Too many open files, as a rule: others must be closed first.
                tokio::task::yield_now().await;
                continue;
            };
            let _ = stream.set_nodelay(true);
            let (world, answer) = (served.clone(), answer.clone());
            served.spawn(async move {
                connection(stream, move |request| {
                    let response = answer(world.clone(), request.map(Body::new));
                    async move {
                        let response = response.await;
                        if faults::was_reset(&response) { Err(Reset) } else { Ok(response) }
                    }
                })
                .await;
            });
        }
    });
}

/// The connection is to be reset instead of an answer.
#[derive(Debug)]
pub(crate) struct Reset;

/// Serves one connection; a client that goes away is no news.
pub(crate) async fn connection<A, F, B>(stream: TcpStream, answer: A)
where
    A: Fn(Request<Incoming>) -> F + Unpin,
    F: Future<Output = Result<Response<B>, Reset>> + Send + 'static,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let service = service_fn(move |request| {
        let answer: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(answer(request));
        answer
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new());
    let mut connection = builder.serve_connection(TokioIo::new(stream), service);
    let ended = std::future::poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    if ended.is_err_and(|error| error.is_user()) {
        // Without a linger the kernel sends RST in place of FIN.
        _ = stream.set_zero_linger();
    }
}

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is reset")
    }
}

impl std::error::Error for Reset {}
