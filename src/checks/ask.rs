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
        let mut url: Url = address(base, ask).parse().map_err(|e| format!("{base}: {e}"))?;
        let mut client = crate::tls::client(url.as_str())
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rustls::{
        ServerConfig, ServerConnection, StreamOwned,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    };
    use std::{
        io::{Read, Write},
        net::TcpListener,
        path::{Path, PathBuf},
        sync::Arc,
        thread::{JoinHandle, spawn},
    };

    const PATIENCE: Duration = Duration::from_secs(30);
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

    fn ask() -> Ask {
        Ask { path: "/health?deep=1".into(), method: "POST".into(), timeout: PATIENCE, ..Ask::default() }
    }

    fn head(stream: &mut impl Read) -> String {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap()
    }

    /// Answers one request, and says what it was.
    fn plain() -> (String, JoinHandle<String>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let base = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let served = spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let head = head(&mut stream);
            stream.write_all(ANSWER).unwrap();
            head
        });
        (base, served)
    }

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
    }

    /// The same over TLS, as `shop.example` and for nobody else; with the name that was asked for.
    fn secure() -> (String, JoinHandle<Option<(String, String)>>) {
        crate::tls::prepare();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let base = format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let chain = CertificateDer::pem_file_iter(fixture("shop.pem")).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(fixture("shop.key")).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let served = spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut tls = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), stream);
            let head = head(&mut tls);
            if head.is_empty() {
                return None;
            }
            tls.write_all(ANSWER).unwrap();
            tls.conn.send_close_notify();
            let _ = tls.flush();
            Some((tls.conn.server_name().unwrap_or_default().to_owned(), head))
        });
        (base, served)
    }

    #[tokio::test]
    async fn a_request_is_made_as_it_is_asked_for() {
        let (base, served) = plain();
        let mut ask = ask();
        ask.headers.insert("X-Tenant".into(), "acme".into());
        ask.host = Some("shop.example".into());
        let answer = Asker::new(&base, &ask).await.unwrap().once(PATIENCE).await.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"ok"[..]));
        let head = served.join().unwrap().to_ascii_lowercase();
        assert!(head.starts_with("post /health?deep=1 http/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nx-tenant: acme\r\n"), "{head}");
        assert_eq!(head.matches("\r\nhost: ").count(), 1, "{head}");
        assert!(head.contains("\r\nhost: shop.example\r\n"), "{head}");
    }

    #[tokio::test]
    async fn the_host_is_the_name_of_the_certificate_too() {
        let (base, served) = secure();
        let ask = Ask { host: Some("shop.example".into()), ca: Some(fixture("ca.pem")), ..ask() };
        let answer = Asker::new(&base, &ask).await.unwrap().once(PATIENCE).await.unwrap();
        assert_eq!(answer.status, 200);
        let (name, head) = served.join().unwrap().unwrap();
        assert_eq!(name, "shop.example");
        assert!(head.to_ascii_lowercase().contains("\r\nhost: shop.example\r\n"), "{head}");
    }

    #[tokio::test]
    async fn a_certificate_that_nobody_vouches_for_is_no_answer() {
        let (base, served) = secure();
        let stranger = Ask { host: Some("shop.example".into()), ..ask() };
        let why = Asker::new(&base, &stranger).await.unwrap().once(PATIENCE).await.unwrap_err();
        assert!(why.starts_with("no answer: "), "{why}");
        assert_eq!(served.join().unwrap(), None);
        let (base, served) = secure();
        let other = Ask { host: Some("other.example".into()), ca: Some(fixture("ca.pem")), ..ask() };
        Asker::new(&base, &other).await.unwrap().once(PATIENCE).await.unwrap_err();
        assert_eq!(served.join().unwrap(), None);
    }
}
