//! What the libraries say of themselves, for who asks with `RUST_LOG`: foreign text, on standard error,
//! without the secrets that were told.

use super::{foreign, lock, secrets::Secrets};
use crate::surroundings::Variables;
use std::{
    io::{self, Write},
    sync::Mutex,
};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::LevelFilter,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
};

/// Of every reporter of the process: what one was told is nothing for another's log either.
static KNOWN: Mutex<Vec<Secrets>> = Mutex::new(Vec::new());

pub(super) fn listen(variables: &Variables, secrets: &Secrets) {
    lock(&KNOWN).push(secrets.clone());
    let Some(filter) = variables.get("RUST_LOG").and_then(|wanted| EnvFilter::try_new(wanted).ok()) else {
        return;
    };
    // Below debug stand the headers and bodies of all requests, among them secrets that nobody has
    // told yet.
    let lines = fmt::layer().with_ansi(false).with_writer(Lines).with_filter(LevelFilter::DEBUG);
    // The first reporter's counts.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(filter).with(lines));
}

struct Lines;

/// What is written of one event.
struct Told(Vec<u8>);

impl MakeWriter<'_> for Lines {
    type Writer = Told;

    fn make_writer(&self) -> Told {
        Told(Vec::new())
    }
}

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let mut text = String::from_utf8_lossy(&self.0).into_owned();
        for secrets in lock(&KNOWN).iter() {
            secrets.hide(&mut text);
        }
        let mut out = io::stderr().lock();
        for line in foreign::lines(&text) {
            let _ = writeln!(out, "| {}", foreign::tame(line));
        }
    }
}
