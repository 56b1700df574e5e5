//! Serves HTTP on a socket that was bound before the world existed, until the world shuts down.

use crate::World;
use axum::body::Body;
use hyper::{Request, Response, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, sync::Arc};
use tokio::net::TcpListener;

pub(crate) fn serve<A, F>(world: &Arc<World>, listener: TcpListener, answer: A)
where
    A: Fn(Arc<World>, Request<Body>) -> F + Clone + Send + Sync + 'static,
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
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let response = answer(world.clone(), request.map(Body::new));
                    async move { Ok::<_, Infallible>(response.await) }
                });
                // A client that goes away is no news.
                let _ = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
}
