//! One HTTP client for all that a run asks of AWS. TLS and its roots are loaded when the first
//! `https` address is called, and loopback is never sent through a proxy.

use super::Limits;
use aws_smithy_http_client::{
    Connector,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{
        HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
        http_client_fn,
    },
    orchestrator::HttpRequest,
    result::ConnectorError,
};
use aws_smithy_types::byte_stream::ByteStream;
use std::{
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

#[derive(Clone, Debug)]
pub struct Http {
    connector: SharedHttpConnector,
    attempt: Duration,
    answered: Arc<AtomicBool>,
}

impl Http {
    pub fn new(limits: &Limits) -> Http {
        let settings = HttpConnectorSettings::builder()
            .connect_timeout(limits.connect)
            .read_timeout(limits.attempt)
            .build();
        let answered = Arc::new(AtomicBool::new(false));
        let (near, far) = (OnceLock::new(), OnceLock::new());
        let connector =
            SharedHttpConnector::new(ByAddress { settings, near, far, answered: answered.clone() });
        Http { connector, attempt: limits.attempt, answered }
    }

    /// Whether any call of this run was answered at all.
    pub fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    pub fn client(&self) -> SharedHttpClient {
        let connector = self.connector.clone();
        http_client_fn(move |_, _| connector.clone())
    }

    /// One GET, unsigned: its status and its body.
    pub async fn get(&self, url: &str, bearer: Option<&str>) -> Result<(u16, Vec<u8>), ConnectorError> {
        let mut request = HttpRequest::get(url).map_err(|e| ConnectorError::user(e.into()))?;
        request
            .headers_mut()
            .try_insert("accept", "application/json")
            .map_err(|e| ConnectorError::user(e.into()))?;
        if let Some(bearer) = bearer {
            request
                .headers_mut()
                .try_insert("authorization", format!("Bearer {bearer}"))
                .map_err(|e| ConnectorError::user(e.into()))?;
        }
        self.send(request).await
    }

    /// One request as it is: its answer's status and body.
    pub async fn send(&self, request: HttpRequest) -> Result<(u16, Vec<u8>), ConnectorError> {
        let answer = async {
            let response = self.connector.call(request).await?;
            let status = response.status().as_u16();
            let body = ByteStream::new(response.into_body())
                .collect()
                .await
                .map_err(|e| ConnectorError::io(e.into()))?;
            Ok((status, body.to_vec()))
        };
        match tokio::time::timeout(self.attempt, answer).await {
            Ok(answer) => answer,
            Err(late) => Err(ConnectorError::timeout(late.into())),
        }
    }
}

/// Takes the light connector for plain loopback addresses, and the full one for all others.
#[derive(Debug)]
struct ByAddress {
    settings: HttpConnectorSettings,
    near: OnceLock<Connector>,
    far: OnceLock<Connector>,
    answered: Arc<AtomicBool>,
}

impl HttpConnector for ByAddress {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = if is_plain_loopback(request.uri()) {
            self.near.get_or_init(|| connector(&self.settings, TrustStore::empty(), ProxyConfig::disabled()))
        } else {
            self.far.get_or_init(|| connector(&self.settings, TrustStore::default(), ProxyConfig::from_env()))
        };
        let (answer, answered) = (connector.call(request), self.answered.clone());
        HttpConnectorFuture::new(async move {
            let answer = answer.await;
            answered.fetch_or(answer.is_ok(), Ordering::Relaxed);
            answer
        })
    }
}

fn connector(settings: &HttpConnectorSettings, roots: TrustStore, proxy: ProxyConfig) -> Connector {
    let builder = Connector::builder()
        .connector_settings(settings.clone())
        .proxy_config(proxy)
        .pool_max_idle_per_host(4)
        .tls_provider(Provider::Rustls(CryptoMode::Ring));
    match TlsContext::builder().with_trust_store(roots).build() {
        Ok(context) => builder.tls_context(context).build(),
        Err(_) => builder.build(),
    }
}

fn is_plain_loopback(uri: &str) -> bool {
    let Some(rest) = uri.strip_prefix("http://") else { return false };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_plain_loopback_address() {
        for near in ["http://127.0.0.1:4566/", "http://localhost", "http://[::1]:80/x", "http://127.9.9.9?a"]
        {
            assert!(is_plain_loopback(near), "{near}");
        }
        for far in
            ["https://127.0.0.1/", "http://10.0.0.1/", "http://localhost.example/", "http://127.0.0.1.nip.io"]
        {
            assert!(!is_plain_loopback(far), "{far}");
        }
    }
}
