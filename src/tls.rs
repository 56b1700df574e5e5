//! TLS for every client of the process: one provider, ring, which the AWS clients use, too; roots only
//! where they are needed.

use reqwest::{Client, ClientBuilder};
use std::{env, sync::Once};

/// Of a proxy for addresses without TLS.
const PROXIES: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

/// For this address. The machine's roots, some hundred kilobytes, are read only where TLS is met.
pub fn client(url: &str) -> ClientBuilder {
    prepare();
    let by_tls = |proxy: &str| env::var(proxy).is_ok_and(|address| address.starts_with("https:"));
    match url.starts_with("http:") && !PROXIES.into_iter().any(by_tls) {
        true => Client::builder().tls_certs_only([]),
        false => Client::builder(),
    }
}

/// Before the first `reqwest` client is built.
pub fn prepare() {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| {
        // Somebody else's choice would do as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
