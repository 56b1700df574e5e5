//! Whether a registry takes a user and a password: asked as `docker login` asks, before anything is
//! written.

use super::docker_config::is_docker_hub;
use crate::secret::Secret;
use reqwest::{Client, StatusCode, Url, header, redirect, retry};
use std::{net::IpAddr, time::Duration};

/// Docker Hub's registry answers under another name than its images have.
const DOCKER_HUB: &str = "registry-1.docker.io";
const LIMIT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The user is let in.
    In,
    /// They aren't.
    Denied(StatusCode),
    /// It couldn't be asked, which is no no: the builder may see what we don't.
    Unknown(String),
}

pub async fn ask(host: &str, username: &str, password: &Secret) -> Answer {
    tried(host, username, password).await.unwrap_or_else(Answer::Unknown)
}

async fn tried(host: &str, username: &str, password: &Secret) -> Result<Answer, String> {
    crate::tls::prepare();
    let near = is_loopback(host);
    let scheme = if near { "http" } else { "https" };
    let host = if is_docker_hub(host) { DOCKER_HUB } else { host };
    let mut client =
        Client::builder().timeout(LIMIT).redirect(redirect::Policy::none()).retry(retry::never());
    if near {
        client = client.no_proxy();
    }
    let client = client.build().map_err(|error| error.to_string())?;
    let root = format!("{scheme}://{host}/v2/");
    let open = client.get(&root).send().await.map_err(said)?;
    let asked = open.headers().get(header::WWW_AUTHENTICATE).and_then(|asked| asked.to_str().ok());
    let at = match (open.status(), asked.map(Challenge::of)) {
        // Anybody is let in: a wrong password would show with the first image that isn't for all.
        (StatusCode::OK, _) => return Ok(Answer::In),
        (StatusCode::UNAUTHORIZED, Some(Some(Challenge::Basic))) => root.parse().map_err(|_| root.clone())?,
        (StatusCode::UNAUTHORIZED, Some(Some(Challenge::Bearer { realm, service }))) => {
            let mut realm: Url = realm.parse().map_err(|_| format!("no address of tokens: {realm}"))?;
            if realm.scheme() != "https" && !near {
                return Err(format!("its tokens are given without TLS, at {realm}"));
            }
            realm.query_pairs_mut().append_pair("account", username);
            if let Some(service) = service {
                realm.query_pairs_mut().append_pair("service", &service);
            }
            realm
        }
        (status, _) => return Err(format!("it answers {status}")),
    };
    let answer = client.get(at).basic_auth(username, Some(password.expose())).send().await.map_err(said)?;
    match answer.status() {
        status if status.is_success() => Ok(Answer::In),
        status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Ok(Answer::Denied(status)),
        status => Err(format!("it answers {status}")),
    }
}

/// Without the address, which may have more in it than a sentence should.
fn said(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Registries on this machine are asked without TLS, as Docker asks them.
fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// How a registry wants to be told who asks.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

impl Challenge {
    fn of(text: &str) -> Option<Challenge> {
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        let value = |name: &str| {
            let (_, rest) = rest.split_once(&format!("{name}=\""))?;
            Some(rest.split_once('"')?.0.to_owned())
        };
        let bearer = scheme.eq_ignore_ascii_case("bearer");
        bearer.then(|| Some(Challenge::Bearer { realm: value("realm")?, service: value("service") }))?
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::github::stub::{Answer as Told, Request, Stub};
    use serde_json::json;

    fn secret() -> Secret {
        Secret::new("Geheimnis")
    }

    /// `octocat:Geheimnis`
    const RIGHT: &str = "Basic b2N0b2NhdDpHZWhlaW1uaXM=";

    async fn asked(
        username: &str,
        answer: impl Fn(&Request) -> Told + Send + Sync + 'static,
    ) -> (Answer, Vec<String>) {
        let stub = Stub::serve(answer).await;
        let answer = ask(stub.url.trim_start_matches("http://"), username, &secret()).await;
        (answer, stub.lines())
    }

    #[tokio::test]
    async fn a_registry_with_tokens_is_asked_for_one() {
        let registry = |request: &Request| match (request.path.as_str(), request.authorization.as_str()) {
            ("/v2/", _) => {
                let realm = format!("Bearer realm=\"http://{}/token\",service=\"r.example\"", request.host);
                Told::of(401, json!({})).with("www-authenticate", realm)
            }
            (_, RIGHT) => Told::of(200, json!({ "token": "t" })),
            _ => Told::of(403, json!({})),
        };
        let (answer, lines) = asked("octocat", registry).await;
        assert_eq!(answer, Answer::In);
        assert_eq!(lines, ["GET /v2/", "GET /token?account=octocat&service=r.example"]);
        assert_eq!(asked("somebody", registry).await.0, Answer::Denied(StatusCode::FORBIDDEN));
    }

    #[tokio::test]
    async fn a_registry_without_tokens_is_told_at_once() {
        let registry = |request: &Request| match request.authorization.as_str() {
            RIGHT => Told::of(200, json!({})),
            _ => Told::of(401, json!({})).with("www-authenticate", "Basic realm=\"r\""),
        };
        assert_eq!(asked("octocat", registry).await.0, Answer::In);
        assert_eq!(asked("somebody", registry).await.0, Answer::Denied(StatusCode::UNAUTHORIZED));
    }

    #[tokio::test]
    async fn what_cannot_be_asked_is_not_denied() {
        let (answer, _) = asked("octocat", |_| Told::of(500, json!({}))).await;
        assert_eq!(answer, Answer::Unknown("it answers 500 Internal Server Error".into()));
        assert!(matches!(ask("127.0.0.1:1", "octocat", &secret()).await, Answer::Unknown(_)));
    }

    #[test]
    fn challenges() {
        let bearer = Challenge::of("Bearer realm=\"https://ghcr.io/token\",service=\"ghcr.io\",scope=\"x\"");
        let ghcr =
            Challenge::Bearer { realm: "https://ghcr.io/token".into(), service: Some("ghcr.io".into()) };
        assert_eq!(bearer, Some(ghcr));
        assert_eq!(Challenge::of("BASIC realm=\"x\""), Some(Challenge::Basic));
        assert_eq!(Challenge::of("Negotiate"), None);
        assert!(is_loopback("127.0.0.1:5000") && is_loopback("localhost") && !is_loopback("ghcr.io"));
    }
}
