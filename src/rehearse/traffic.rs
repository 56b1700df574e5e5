//! Steady traffic on the production listener: what the users of the service see while it is
//! deployed. Requests leave by the clock, whether or not the ones before them were answered.

use crate::tls;
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Semaphore, task::JoinHandle, time::Instant};

/// Requests from `start` to `stop`.
pub struct Traffic {
    ticker: JoinHandle<()>,
    under_way: Arc<Semaphore>,
    log: Arc<Mutex<Log>>,
}

/// What the users of the service saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Seen {
    pub total: u64,
    /// No whole answer, or the load balancer's own 5xx.
    pub failed: u64,
    /// The app's own answers.
    pub by_version: BTreeMap<String, Answers>,
    /// By second of the world's time since the start, for those in which a request was sent.
    pub timeline: Vec<Second>,
    /// What went wrong, for the first few that failed.
    pub failures: Vec<Failure>,
    /// Requests that left later than they should have, by our own fault.
    pub late: u64,
    /// Requests that never left, by our own fault: we were held up for too long.
    pub missed: u64,
}

/// Of the app: `error` is a 5xx.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Answers {
    pub ok: u64,
    pub error: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Second {
    pub second: u64,
    pub failed: u64,
    pub by_version: BTreeMap<String, Answers>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failure {
    pub second: u64,
    pub what: String,
}

/// The version of an answer that doesn't say one.
pub const UNKNOWN: &str = "unknown";

/// What was seen, as it is counted: `timeline` is made of `seconds` at the end.
#[derive(Default)]
struct Log {
    seen: Seen,
    seconds: BTreeMap<u64, Second>,
}

/// Longer than any load balancer waits by default.
const TIMEOUT: Duration = Duration::from_secs(70);
/// So many requests may be without an answer; more would only use up our own descriptors.
const MOST_UNDER_WAY: u32 = 400;
const LATE: Duration = Duration::from_millis(20);
/// What is later than this isn't sent at all, as it would be a burst and not steady traffic.
const TOO_LATE: Duration = Duration::from_secs(1);
const FAILURES_KEPT: usize = 20;

impl Traffic {
    /// Sends `rate` requests a second to `url`. The app's version is in the answers' header
    /// `version_header`.
    pub fn start(url: &str, rate: u32, version_header: Option<&str>, speed: f64) -> Result<Traffic> {
        ensure!(rate > 0, "traffic takes at least one request a second");
        tls::prepare();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .timeout(TIMEOUT)
            // Shorter than servers keep idle connections, so that none is taken as it closes.
            .pool_idle_timeout(Duration::from_secs(1))
            .build()?;
        let source = Source {
            client,
            url: url.parse().with_context(|| format!("`{url}` is not a URL"))?,
            version_header: version_header.map(str::to_owned),
            log: Arc::default(),
        };
        let under_way = Arc::new(Semaphore::new(MOST_UNDER_WAY as usize));
        let log = source.log.clone();
        let ticker = tokio::spawn(tick(Arc::new(source), rate, speed, under_way.clone()));
        Ok(Traffic { ticker, under_way, log })
    }

    /// What was seen until now; cheap enough for a live view. Without the timeline.
    #[cfg(test)]
    pub fn so_far(&self) -> Seen {
        let Log { seen, .. } = &*lock(&self.log);
        Seen {
            total: seen.total,
            failed: seen.failed,
            by_version: seen.by_version.clone(),
            late: seen.late,
            missed: seen.missed,
            ..Seen::default()
        }
    }

    /// Sends no more, waits for the answers that are under way, and tells.
    pub async fn stop(mut self) -> Seen {
        self.ticker.abort();
        // It was aborted: that is no error.
        let _ = (&mut self.ticker).await;
        let _ = self.under_way.acquire_many(MOST_UNDER_WAY).await;
        let Log { mut seen, seconds } = std::mem::take(&mut *lock(&self.log));
        seen.timeline = seconds.into_values().collect();
        seen
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.ticker.abort();
    }
}

struct Source {
    client: reqwest::Client,
    url: reqwest::Url,
    version_header: Option<String>,
    log: Arc<Mutex<Log>>,
}

async fn tick(source: Arc<Source>, rate: u32, speed: f64, under_way: Arc<Semaphore>) {
    let started = Instant::now();
    let mut number = 0;
    loop {
        let after = Duration::from_secs_f64(number as f64 / f64::from(rate));
        let due = started + after;
        tokio::time::sleep_until(due).await;
        // It is never closed.
        let Ok(permit) = under_way.clone().acquire_owned().await else { return };
        let behind = due.elapsed();
        let missed = skipped(behind, rate);
        if missed > 0 {
            lock(&source.log).seen.missed += missed;
            number += missed;
            continue;
        }
        if behind > LATE {
            lock(&source.log).seen.late += 1;
        }
        let second = after.mul_f64(speed).as_secs();
        let source = source.clone();
        tokio::spawn(async move {
            let answer = source.ask().await;
            lock(&source.log).count(second, answer);
            drop(permit);
        });
        number += 1;
    }
}

/// How many requests aren't sent any more when the next one is so late.
fn skipped(behind: Duration, rate: u32) -> u64 {
    if behind > TOO_LATE { (behind.as_secs_f64() * f64::from(rate)) as u64 } else { 0 }
}

/// The app's version and whether its answer was an error, or why there was no answer.
type Answer = Result<(String, bool), String>;

impl Source {
    async fn ask(&self) -> Answer {
        let broken = |error: reqwest::Error| format!("{:#}", anyhow::Error::from(error.without_url()));
        let answer = self.client.get(self.url.clone()).send().await.map_err(broken)?;
        let status = answer.status();
        let header = |name: &str| answer.headers().get(name).and_then(|v| v.to_str().ok());
        let balancer = header("server").is_some_and(|s| s.starts_with("awselb/"));
        let version = self.version_header.as_deref().and_then(header).unwrap_or(UNKNOWN).to_owned();
        // An answer that breaks off is none.
        answer.bytes().await.map_err(broken)?;
        if balancer && status.is_server_error() {
            return Err(format!("the load balancer answered {status}"));
        }
        Ok((version, status.is_server_error()))
    }
}

impl Log {
    fn count(&mut self, second: u64, answer: Answer) {
        let seen = &mut self.seen;
        seen.total += 1;
        let here = self.seconds.entry(second).or_insert_with(|| Second { second, ..Second::default() });
        match answer {
            Ok((version, error)) => {
                let everywhere = seen.by_version.entry(version.clone()).or_default();
                for answers in [here.by_version.entry(version).or_default(), everywhere] {
                    *if error { &mut answers.error } else { &mut answers.ok } += 1;
                }
            }
            Err(what) => {
                seen.failed += 1;
                here.failed += 1;
                if seen.failures.len() < FAILURES_KEPT {
                    seen.failures.push(Failure { second, what });
                }
            }
        }
    }
}

/// A panic elsewhere doesn't make the counts wrong.
fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    /// A server that gives each request, by its number, the answer that `answer` writes; an empty
    /// one closes the connection instead.
    async fn server(answer: impl Fn(u64) -> String + Send + Sync + 'static) -> (String, Arc<AtomicU64>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicU64::new(0));
        let (counter, answer) = (asked.clone(), Arc::new(answer));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (counter, answer) = (counter.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut head = vec![0; 4096];
                    loop {
                        // A request without a body comes in one piece here.
                        let read = stream.read(&mut head).await.unwrap_or(0);
                        if read == 0 {
                            return;
                        }
                        assert!(head[..read].ends_with(b"\r\n\r\n"));
                        let text = answer(counter.fetch_add(1, Ordering::Relaxed));
                        let written = stream.write_all(text.as_bytes()).await;
                        if text.is_empty() || written.is_err() || text.contains("connection: close") {
                            return;
                        }
                    }
                });
            }
        });
        (url, asked)
    }

    fn answer(status: &str, headers: &str) -> String {
        format!("HTTP/1.1 {status}\r\n{headers}content-length: 2\r\n\r\nok")
    }

    async fn until(asked: &AtomicU64, count: u64) {
        while asked.load(Ordering::Relaxed) < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn answers_are_counted_by_version() {
        let (url, asked) = server(|n| match n % 10 {
            0 => answer("500 Internal Server Error", "x-app-version: 2\r\n"),
            1 => answer("404 Not Found", "x-app-version: 2\r\n"),
            2 => answer("200 OK", ""),
            _ => answer("200 OK", "x-app-version: 1\r\nserver: app\r\n"),
        })
        .await;
        let traffic = Traffic::start(&url, 300, Some("X-App-Version"), 10.0).unwrap();
        until(&asked, 300).await;
        assert!(traffic.so_far().total > 0);
        let seen = traffic.stop().await;
        let asked = asked.load(Ordering::Relaxed);
        assert_eq!((seen.total, seen.failed, seen.failures.as_slice()), (asked, 0, [].as_slice()));
        let shares = |remainders: std::ops::Range<u64>| {
            (0..asked).filter(|n| remainders.contains(&(n % 10))).count() as u64
        };
        assert_eq!(seen.by_version["2"], Answers { ok: shares(1..2), error: shares(0..1) });
        assert_eq!(seen.by_version[UNKNOWN], Answers { ok: shares(2..3), error: 0 });
        assert_eq!(seen.by_version["1"], Answers { ok: shares(3..10), error: 0 });
        let of_timeline: u64 =
            seen.timeline.iter().flat_map(|s| s.by_version.values()).map(|a| a.ok + a.error).sum();
        assert_eq!(of_timeline, asked);
        assert!(seen.timeline.is_sorted_by_key(|s| s.second));
        // 300 requests take a second, which is ten of the world's.
        assert!(seen.timeline.len() >= 10);
    }

    #[tokio::test]
    async fn what_did_not_reach_the_app_has_failed() {
        let (url, asked) = server(|n| match n % 4 {
            0 => answer("502 Bad Gateway", "server: awselb/2.0\r\n"),
            1 => String::new(),
            2 => "HTTP/1.1 200 OK\r\nconnection: close\r\nx-app-version: 1\r\ncontent-length: 9\r\n\r\nshort"
                .into(),
            // The app's own 503 is an answer.
            _ => answer("503 Service Unavailable", "x-app-version: 1\r\n"),
        })
        .await;
        let traffic = Traffic::start(&url, 200, Some("x-app-version"), 1.0).unwrap();
        until(&asked, 100).await;
        let seen = traffic.stop().await;
        assert_eq!(seen.total, asked.load(Ordering::Relaxed));
        assert!(seen.failed >= 75 && seen.failed < seen.total, "{seen:?}");
        assert_eq!(seen.failed, seen.timeline.iter().map(|s| s.failed).sum::<u64>());
        assert_eq!(seen.by_version["1"], Answers { ok: 0, error: seen.total - seen.failed });
        assert_eq!(seen.failures.len(), FAILURES_KEPT);
        assert!(seen.failures.iter().any(|f| f.what.contains("502")), "{:?}", seen.failures);
    }

    #[tokio::test]
    async fn nobody_listens() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let traffic = Traffic::start(&format!("http://{free}/"), 100, None, 1.0).unwrap();
        while traffic.so_far().total < 5 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let seen = traffic.stop().await;
        assert_eq!(seen.failed, seen.total);
        assert!(seen.by_version.is_empty());
        assert!(Traffic::start("nowhere", 1, None, 1.0).is_err());
    }

    #[tokio::test]
    async fn what_the_source_itself_holds_up_is_told() {
        let (url, _) = server(|_| answer("200 OK", "")).await;
        let traffic = Traffic::start(&url, 100, None, 1.0).unwrap();
        // As if all that may be under way were.
        let held = traffic.under_way.acquire_many(MOST_UNDER_WAY).await.unwrap();
        tokio::time::sleep(TOO_LATE + Duration::from_millis(500)).await;
        drop(held);
        while traffic.so_far().missed == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let seen = traffic.stop().await;
        assert!(seen.missed >= 100, "{seen:?}");
        assert_eq!(seen.failed, 0);
    }

    #[test]
    fn only_a_long_delay_is_skipped() {
        assert_eq!(skipped(Duration::from_millis(900), 300), 0);
        assert_eq!(skipped(Duration::from_millis(1010), 300), 303);
    }
}
