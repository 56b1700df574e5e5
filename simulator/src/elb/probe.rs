//! Makes the health checks that the world asks for.

use super::health::{self, Failure, Found, Probe};
use crate::World;
use axum::http::{Request, header};
use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use std::sync::Arc;
use tokio::sync::mpsc;

type Prober = Client<HttpConnector, Empty<Bytes>>;

pub(super) async fn run(world: Arc<World>, mut asked: mpsc::UnboundedReceiver<Probe>) {
    let client: Prober = Client::builder(TokioExecutor::new()).build_http();
    while let Some(probe) = asked.recv().await {
        let (client, keeper) = (client.clone(), world.clone());
        world.spawn(async move {
            let found = check(&client, &probe).await;
            let matters = health::checked(&mut keeper.lock(), &probe.group, probe.serial, found);
            if matters {
                keeper.change(|_| ());
            }
        });
    }
}

async fn check(client: &Prober, probe: &Probe) -> Found {
    let request = Request::get(format!("http://{}{}", probe.address, probe.path))
        .header(header::USER_AGENT, "ELB-HealthChecker/2.0")
        .header(header::CONNECTION, "close")
        .body(Empty::new())
        .map_err(|_| Failure::NoAnswer)?;
    match tokio::time::timeout(probe.timeout, client.request(request)).await {
        Ok(Ok(answer)) => Ok(answer.status().as_u16()),
        Ok(Err(_)) => Err(Failure::NoAnswer),
        Err(_) => Err(Failure::Timeout),
    }
}
