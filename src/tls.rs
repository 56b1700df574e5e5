//! One TLS provider for every client of the process: ring, the one that the AWS clients use.

use std::sync::Once;

/// Before the first `reqwest` client is built.
pub fn prepare() {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| {
        // Somebody else's choice would do as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
