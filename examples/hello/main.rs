//! A tiny HTTP service that says its version and can be told to misbehave. With the word `migrate` it
//! does what a service's migration would, and ends.
//!
//! `VERSION` is what it says. `MISBEHAVE` is one of `crash`, `unhealthy`, `errors`, `wrong`,
//! `garbled`, `slow`, or empty; `errors:30%` and `slow:200ms` say how much. `PORT` is 8080 unless given. It needs nothing but itself: `./build` links it
//! statically, so that its image can start `FROM scratch`.

use std::{
    env,
    io::{BufRead, BufReader, Result, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

struct App {
    version: String,
    misbehave: String,
    /// Answers to `/`, for the share of them that are errors.
    answered: AtomicU32,
}

fn main() {
    let app = Arc::new(App {
        version: env::var("VERSION").unwrap_or_else(|_| "dev".into()),
        misbehave: env::var("MISBEHAVE").unwrap_or_default(),
        answered: AtomicU32::new(0),
    });
    if app.misbehave == "crash" {
        eprintln!("fatal: cannot open the database: connection refused (MISBEHAVE=crash)");
        std::process::exit(1);
    }
    if env::args().nth(1).as_deref() == Some("migrate") {
        println!("nothing to migrate for version {}", app.version);
        return;
    }
    leave_on_sigterm();

    let port: u16 = env::var("PORT").ok().and_then(|p| p.parse().ok()).unwrap_or(8080);
    let listener = match TcpListener::bind(("0.0.0.0", port)) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("fatal: cannot listen on port {port}: {error}");
            std::process::exit(1);
        }
    };
    println!("version {} listens on port {port}", app.version);
    for stream in listener.incoming().flatten() {
        let app = Arc::clone(&app);
        // A client that goes away is no concern of the others.
        thread::spawn(move || serve(&app, stream).ok());
    }
}

/// Answers one connection's requests until the client closes it.
fn serve(app: &App, stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request)? == 0 {
            return Ok(());
        }
        let mut close = false;
        let mut length = 0;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
                break;
            }
            let header = header.to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            close |= header.starts_with("connection:") && header.contains("close");
        }
        std::io::copy(&mut std::io::Read::take(&mut reader, length), &mut std::io::sink())?;

        let target = request.split(' ').nth(1).unwrap_or("/");
        let (status, body) = app.answer(target.split('?').next().unwrap_or("/"));
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nX-App-Version: {}\r\nConnection: {}\r\n\r\n",
            body.len(),
            app.version,
            if close { "close" } else { "keep-alive" },
        );
        let body = if request.starts_with("HEAD ") { "" } else { body.as_str() };
        writer.write_all(format!("{answer}{body}").as_bytes())?;
        if close {
            return Ok(());
        }
    }
}

impl App {
    fn answer(&self, path: &str) -> (&'static str, String) {
        let (how, measure) = self.misbehave.split_once(':').unwrap_or((&self.misbehave, ""));
        let misbehaves = |name: &str| how == name;
        if misbehaves("slow") {
            let millis = measure.strip_suffix("ms").and_then(|n| n.parse().ok()).unwrap_or(800);
            thread::sleep(Duration::from_millis(millis));
        }
        match path {
            "/healthz" if misbehaves("unhealthy") => ("503 Service Unavailable", "not ready\n".into()),
            "/healthz" => ("200 OK", "ok\n".into()),
            "/" | "/version" if misbehaves("garbled") => ("200 OK", "something else\n".into()),
            "/version" if misbehaves("wrong") => ("500 Internal Server Error", "cannot tell\n".into()),
            "/version" => ("200 OK", format!("{{\"service\":\"hello\",\"version\":\"{}\"}}\n", self.version)),
            "/" if misbehaves("errors") && self.is_an_errors_turn(measure) => {
                eprintln!("error: GET / failed: division by zero (MISBEHAVE=errors)");
                ("500 Internal Server Error", "something broke\n".into())
            }
            "/" => ("200 OK", format!("hello from version {}\n", self.version)),
            _ => ("404 Not Found", "nothing here\n".into()),
        }
    }

    /// All are, unless a share is told: then those are spread evenly.
    fn is_an_errors_turn(&self, measure: &str) -> bool {
        let Some(percent) = measure.strip_suffix('%').and_then(|n| n.parse::<u32>().ok()) else {
            return true;
        };
        let turn = self.answered.fetch_add(1, Ordering::Relaxed) % 100;
        (turn + 1) * percent / 100 > turn * percent / 100
    }
}

/// As the first process of a container it would not get SIGTERM otherwise. By then the load
/// balancer has drained it, so there is nothing to finish.
fn leave_on_sigterm() {
    unsafe extern "C" {
        fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
        fn _exit(code: i32) -> !;
    }
    extern "C" fn leave(_: i32) {
        // SAFETY: _exit may be called from a signal handler.
        unsafe { _exit(0) }
    }
    const SIGTERM: i32 = 15;
    // SAFETY: the handler does nothing but _exit.
    unsafe { signal(SIGTERM, leave) };
}
