//! Whether the addresses that checks ask can be reached from here: a connection, and nothing
//! said over it.

use super::Traffic;
use crate::{
    request::{Check, Environment},
    say::checks as say,
    surroundings::Variables,
};
use reqwest::Url;
use std::{net::IpAddr, time::Duration};
use tokio::{net::TcpStream, time::timeout};

/// On the wall. A load balancer answers in a round trip; what is shut off by a security group
/// never does.
const CONNECT: Duration = Duration::from_secs(5);
const PROXIES: [&str; 6] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// An address that a check asks and that nothing can be sent to.
#[derive(Clone, Debug, PartialEq)]
pub struct Unreachable {
    pub listener: &'static str,
    pub url: String,
    pub why: String,
}

pub(super) async fn read(
    environment: &Environment,
    traffic: &Traffic,
    variables: &Variables,
) -> Vec<Unreachable> {
    let url = |given: &Option<String>, listeners: &[super::Listener]| {
        given.clone().or_else(|| listeners.iter().find_map(|listener| listener.url()))
    };
    let asks_production = environment.verify.iter().any(Check::asks)
        || environment.validate.iter().any(|check| matches!(check, Check::Load(load) if load.asks_blue()));
    let test =
        environment.validate.iter().any(Check::asks).then(|| url(&environment.test_url, &traffic.test));
    let production = asks_production.then(|| url(&environment.url, &traffic.production));
    let (test, production) = tokio::join!(
        unreachable("test", test.flatten(), variables),
        unreachable("production", production.flatten(), variables)
    );
    test.into_iter().chain(production).collect()
}

/// The same for production alone, where nothing else was read.
pub async fn production_unreachable(url: Option<String>) -> Option<Unreachable> {
    unreachable("production", url, &Variables::of_process()).await
}

async fn unreachable(
    listener: &'static str,
    url: Option<String>,
    variables: &Variables,
) -> Option<Unreachable> {
    let url = url?;
    let parsed: Url = url.parse().ok()?;
    let host = parsed.host_str()?.trim_matches(['[', ']']).to_owned();
    let near = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    // What goes through a proxy is the proxy's to reach.
    if !near && PROXIES.iter().any(|name| variables.get(name).is_some()) {
        return None;
    }
    let port = parsed.port_or_known_default()?;
    let why = match timeout(CONNECT, TcpStream::connect((host.as_str(), port))).await {
        Ok(Ok(_)) => return None,
        Ok(Err(error)) => error.to_string(),
        Err(_) => say::no_connection(CONNECT),
    };
    Some(Unreachable { listener, url, why })
}
