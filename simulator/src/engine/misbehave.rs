//! What a fault makes a container do, whatever program is in it: a proxy before its port answers
//! in its place. A program that knows `MISBEHAVE` is told too, and says so in its log.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A crash comes so long after the start, in real time, if the program doesn't crash by itself.
pub(super) const CRASH_AFTER: Duration = Duration::from_millis(500);
/// How long a slow answer takes, in real time.
const SLOW: Duration = Duration::from_millis(800);
/// `errors` begins under traffic: a check or two before it is still answered well.
const CALM: u32 = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Exits right after its start.
    Crash,
    /// Is killed for using more memory than it has.
    OutOfMemory,
    /// The load balancer's checks fail.
    Unhealthy,
    /// Health is fine, and traffic gets errors.
    Errors,
    /// Health is fine, and whoever looks closer gets an error.
    Wrong,
    /// Health is fine, and a body says something else than it should.
    Garbled,
    Slow,
}

/// How one container misbehaves, and what it has answered so far.
#[derive(Debug)]
pub(super) struct Misbehaviour {
    pub(super) kind: Kind,
    /// Of `errors`: so many answers in a hundred are errors, from the first one on.
    percent: Option<u32>,
    /// Of `slow`, in real time.
    delay: Duration,
    answered: AtomicU32,
}

impl Misbehaviour {
    /// By the name that `MISBEHAVE` has; others are the program's own business. `errors:30%` and
    /// `slow:200ms` say how much.
    pub(super) fn parse(text: &str) -> Option<Misbehaviour> {
        let (name, measure) = text.split_once(':').map_or((text, None), |(name, how)| (name, Some(how)));
        let number = |unit: &str| measure?.strip_suffix(unit)?.parse::<u32>().ok();
        let kind = match name {
            "crash" => Kind::Crash,
            "out-of-memory" => Kind::OutOfMemory,
            "unhealthy" => Kind::Unhealthy,
            "errors" => Kind::Errors,
            "wrong" => Kind::Wrong,
            "garbled" => Kind::Garbled,
            "slow" => Kind::Slow,
            _ => return None,
        };
        let percent = number("%").filter(|percent| *percent <= 100);
        let delay = number("ms").map_or(SLOW, |millis| Duration::from_millis(millis.into()));
        Some(Misbehaviour { kind, percent, delay, answered: AtomicU32::new(0) })
    }

    /// The answer in place of the container's own. The path of a health check isn't known here,
    /// so the load balancer's are known by their user agent.
    pub(super) async fn answer(&self, headers: &HeaderMap) -> Option<Response> {
        let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let check = agent.is_some_and(|agent| agent.starts_with("ELB-HealthChecker"));
        match self.kind {
            Kind::Unhealthy if check => Some((StatusCode::SERVICE_UNAVAILABLE, "not ready\n")),
            Kind::Errors if !check && self.is_an_errors_turn() => {
                Some((StatusCode::INTERNAL_SERVER_ERROR, "something broke\n"))
            }
            Kind::Wrong if !check => Some((StatusCode::INTERNAL_SERVER_ERROR, "cannot tell\n")),
            Kind::Garbled if !check => Some((StatusCode::OK, "something else\n")),
            Kind::Slow => {
                tokio::time::sleep(self.delay).await;
                None
            }
            _ => None,
        }
        .map(IntoResponse::into_response)
    }

    fn is_an_errors_turn(&self) -> bool {
        let turn = self.answered.fetch_add(1, Ordering::Relaxed);
        match self.percent {
            // Spread evenly, so that any stretch of answers has its share of errors.
            Some(percent) => (turn % 100 + 1) * percent / 100 > (turn % 100) * percent / 100,
            None => turn >= CALM,
        }
    }
}

/// Puts a proxy that misbehaves before an address, until `end`. Answers where it listens.
pub(super) async fn before(
    behind: SocketAddr,
    how: Arc<Misbehaviour>,
    end: CancellationToken,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let router = Router::new().fallback(forward).with_state(Arc::new(Proxy { behind, how, client }));
    tokio::spawn(async move {
        tokio::select! {
            _ = axum::serve(listener, router) => {}
            () = end.cancelled() => {}
        }
    });
    Ok(address)
}

struct Proxy {
    behind: SocketAddr,
    how: Arc<Misbehaviour>,
    client: Client<HttpConnector, Body>,
}

async fn forward(State(proxy): State<Arc<Proxy>>, mut request: Request) -> Response {
    if let Some(answer) = proxy.how.answer(request.headers()).await {
        return answer;
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let Ok(uri) = format!("http://{}{path}", proxy.behind).parse::<Uri>() else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    *request.uri_mut() = uri;
    match proxy.client.request(request).await {
        Ok(answer) => answer.map(Body::new),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The statuses of some requests to `/`, and that of a health check after them.
    async fn statuses(name: &str, requests: usize) -> (Vec<u16>, u16) {
        let app = Router::new().fallback(|| async { "fine" });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let behind = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        let end = CancellationToken::new();
        let how = Arc::new(Misbehaviour::parse(name).unwrap());
        let address = before(behind, how, end.clone()).await.unwrap();
        let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).build_http();
        let get = async |agent: &str| {
            let request = Request::get(format!("http://{address}/")).header(header::USER_AGENT, agent);
            client.request(request.body(Body::empty()).unwrap()).await.unwrap().status().as_u16()
        };
        let mut told = Vec::new();
        for _ in 0..requests {
            told.push(get("curl").await);
        }
        let checked = get("ELB-HealthChecker/2.0").await;
        end.cancel();
        (told, checked)
    }

    #[tokio::test]
    async fn an_unhealthy_container_fails_its_checks_alone() {
        assert_eq!(statuses("unhealthy", 2).await, (vec![200, 200], 503));
    }

    #[tokio::test]
    async fn a_wrong_container_is_healthy_and_fails_whoever_looks() {
        assert_eq!(statuses("wrong", 2).await, (vec![500, 500], 200));
    }

    #[tokio::test]
    async fn errors_begin_under_traffic() {
        let (told, checked) = statuses("errors", CALM as usize + 2).await;
        let (calm, storm) = told.split_at(CALM as usize);
        assert!(calm.iter().all(|status| *status == 200));
        assert_eq!((storm, checked), (&[500, 500][..], 200));
    }

    #[tokio::test]
    async fn errors_by_share_are_spread_evenly() {
        let (told, checked) = statuses("errors:30%", 20).await;
        let errors = |part: &[u16]| part.iter().filter(|status| **status == 500).count();
        assert_eq!((errors(&told[..10]), errors(&told[10..]), checked), (3, 3, 200));
    }

    #[tokio::test]
    async fn a_garbled_container_answers_well_and_says_something_else() {
        assert_eq!(statuses("garbled", 1).await, (vec![200], 200));
    }

    #[test]
    fn other_words_are_the_programs_own() {
        assert!(Misbehaviour::parse("").is_none());
        assert!(Misbehaviour::parse("politely").is_none());
    }
}
