//! A request to the side that is checked: under the name, with the headers and the trust that the
//! check asks for.

use crate::{request::Ask, say::checks as say};
use reqwest::{Client, Method, RequestBuilder, Url, header, redirect, retry};
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::{net::lookup_host, time::Instant};

/// More of a body than this isn't looked at.
const BODY: usize = 256 * 1024;
/// Shorter than servers keep idle connections, so that none is taken as it closes.
const IDLE: Duration = Duration::from_secs(1);

/// Makes one request again and again.
pub(super) struct Asker {
    client: Client,
    method: Method,
    url: Url,
    ask: Ask,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    pub took: Duration,
}

impl Asker {
    /// What stands in the way of asking at all is told in words.
    pub async fn new(base: &str, ask: &Ask) -> Result<Asker, String> {
        crate::tls::prepare();
        let mut url: Url = address(base, ask).parse().map_err(|e| format!("{base}: {e}"))?;
        let mut client = Client::builder()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .pool_idle_timeout(IDLE)
            .connect_timeout(ask.timeout);
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        if host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()) {
            client = client.no_proxy();
        }
        if let Some(name) = &ask.host {
            // A proxy would find the name's own address, which is production's.
            let port = url.port_or_known_default().unwrap_or(80);
            let found: Vec<SocketAddr> =
                lookup_host((host.as_str(), port)).await.map_err(|e| format!("{host}: {e}"))?.collect();
            client = client.no_proxy().resolve_to_addrs(name, &found);
            url.set_host(Some(name)).map_err(|e| format!("{name}: {e}"))?;
        }
        if let Some(file) = &ask.ca {
            let pem = std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| say::root(&e))?;
            client = client.tls_certs_merge(certificates);
        }
        let method = ask.method.parse().map_err(|_| format!("no method {}", ask.method))?;
        let client = client.build().map_err(|e| say::root(&e))?;
        Ok(Asker { client, method, url, ask: ask.clone() })
    }

    fn request(&self, timeout: Duration) -> RequestBuilder {
        let mut request = self.client.request(self.method.clone(), self.url.clone()).timeout(timeout);
        if let Some(host) = &self.ask.host {
            request = request.header(header::HOST, host);
        }
        self.ask.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    /// One answer with its body, within the time that the check or its caller gives.
    pub async fn once(&self, within: Duration) -> Result<Answer, String> {
        let asked = Instant::now();
        let mut answer =
            self.request(self.ask.timeout.min(within)).send().await.map_err(|e| say::no_answer(&e))?;
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| say::no_answer(&e))? {
            body.extend_from_slice(&chunk);
            if body.len() > BODY {
                break;
            }
        }
        Ok(Answer { status, body, took: asked.elapsed() })
    }
}

/// The whole address that is asked.
pub(super) fn address(base: &str, ask: &Ask) -> String {
    format!("{}/{}", base.trim_end_matches('/'), ask.path.trim_start_matches('/'))
}
