//! GitHub's OIDC token: asked for anew whenever a session is made with it, never kept.

use super::{failure::innermost, http::Http};
use crate::{report::Reporter, surroundings::Variables};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rand::Rng;
use serde::Deserialize;
use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

pub const AUDIENCE: &str = "sts.amazonaws.com";
const TRIES: u32 = 5;

/// Where a job asks for its token.
#[derive(Clone)]
pub struct Oidc {
    url: String,
    bearer: String,
    http: Http,
    backoff: Duration,
    report: Reporter,
    /// What the first token said of the job.
    seen: Arc<OnceLock<Claims>>,
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc").finish_non_exhaustive()
    }
}

/// What a token says of its job. The token itself is for STS alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Claims {
    #[serde(default)]
    pub iss: String,
    #[serde(default)]
    pub sub: String,
    #[serde(default)]
    pub aud: String,
    pub environment: Option<String>,
}

pub struct Token {
    pub secret: String,
    pub claims: Claims,
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoToken {
    /// GitHub says no.
    #[error("GitHub answered {status} to the request for an OIDC token: {body}")]
    Refused { status: u16, body: String },
    /// Tried several times.
    #[error("GitHub's OIDC service could not be asked for a token: {0}")]
    Unreachable(String),
    #[error("GitHub's OIDC service answered something that is no token")]
    Unreadable,
}

impl Oidc {
    /// `None` outside of a job, or in one without `id-token: write`.
    pub fn of(variables: &Variables, http: &Http, backoff: Duration, report: &Reporter) -> Option<Oidc> {
        let url = variables.get("ACTIONS_ID_TOKEN_REQUEST_URL")?;
        let bearer = variables.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?;
        let joint = if url.contains('?') { '&' } else { '?' };
        Some(Oidc {
            url: format!("{url}{joint}audience={AUDIENCE}"),
            bearer: bearer.to_owned(),
            http: http.clone(),
            backoff,
            report: report.clone(),
            seen: Arc::default(),
        })
    }

    /// The job's `environment:`, once there was a token and when the job has one.
    pub fn environment(&self) -> Option<&str> {
        self.seen.get()?.environment.as_deref()
    }

    pub async fn token(&self) -> Result<Token, NoToken> {
        let mut tried = 1;
        loop {
            let trouble = match self.http.get(&self.url, Some(&self.bearer)).await {
                Ok((200..=299, body)) => match read(&body) {
                    Ok(token) => {
                        self.report.mask(&token.secret);
                        self.seen.get_or_init(|| token.claims.clone());
                        return Ok(token);
                    }
                    // Cut short, or a proxy's page.
                    Err(unreadable) if tried == TRIES => return Err(unreadable),
                    Err(unreadable) => unreadable.to_string(),
                },
                Ok((status, body)) if status < 500 && ![408, 429].contains(&status) => {
                    let body: String = String::from_utf8_lossy(&body).chars().take(200).collect();
                    return Err(NoToken::Refused { status, body });
                }
                Ok((status, _)) => format!("status {status}"),
                Err(error) => innermost(&error),
            };
            if tried == TRIES {
                return Err(NoToken::Unreachable(trouble));
            }
            let longest = self.backoff * 2_u32.pow(tried);
            let wait = longest.mul_f64(rand::rng().random_range(0.5..1.0));
            tokio::time::sleep(wait).await;
            tried += 1;
        }
    }
}

fn read(body: &[u8]) -> Result<Token, NoToken> {
    #[derive(Deserialize)]
    struct Answer {
        value: String,
    }
    let Answer { value } = serde_json::from_slice(body).map_err(|_| NoToken::Unreadable)?;
    let claims = claims(&value).unwrap_or_default();
    Ok(Token { secret: value, claims })
}

/// The claims, unverified: they are only told, never trusted.
fn claims(token: &str) -> Option<Claims> {
    let payload = token.split('.').nth(1)?;
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&payload).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    fn token_of(payload: &str) -> String {
        format!("eyJhbGciOiJSUzI1NiJ9.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(payload))
    }

    /// Answers each connection with the next of `answers` and gives back the requests' heads.
    async fn issuer(answers: Vec<String>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token?api-version=2.0", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let mut heads = Vec::new();
            for answer in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(socket.read_u8().await.unwrap());
                }
                heads.push(String::from_utf8(head).unwrap());
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
            heads
        });
        (url, served)
    }

    fn answer(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    fn oidc(url: &str) -> Oidc {
        let http = Http::new(&crate::aws::Limits::default());
        let pairs = [("ACTIONS_ID_TOKEN_REQUEST_URL", url), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "job-secret")];
        let variables = Variables::of(pairs.map(|(n, v)| (n.to_owned(), v.to_owned())));
        Oidc::of(&variables, &http, Duration::from_millis(1), &Reporter::silent()).unwrap()
    }

    #[tokio::test]
    async fn asks_again_after_a_server_error_and_reads_the_claims() {
        let token = token_of(
            r#"{"sub":"repo:acme/hello:environment:production","aud":"sts.amazonaws.com","environment":"production"}"#,
        );
        let good = answer("200 OK", &format!(r#"{{"value":"{token}"}}"#));
        let (url, served) = issuer(vec![answer("503 Unavailable", ""), good]).await;
        let oidc = oidc(&url);
        let found = oidc.token().await.unwrap();
        assert_eq!(oidc.environment(), Some("production"));
        assert_eq!(found.secret, token);
        assert_eq!(found.claims.sub, "repo:acme/hello:environment:production");
        let heads = served.await.unwrap();
        assert!(
            heads[1].starts_with("GET /token?api-version=2.0&audience=sts.amazonaws.com "),
            "{}",
            heads[1]
        );
        assert!(heads[1].to_lowercase().contains("authorization: bearer job-secret"));
    }

    #[tokio::test]
    async fn a_refusal_is_final() {
        let (url, served) = issuer(vec![answer("403 Forbidden", "no")]).await;
        let refused = oidc(&url).token().await.err().unwrap();
        assert_eq!(refused, NoToken::Refused { status: 403, body: "no".into() });
        assert_eq!(served.await.unwrap().len(), 1);
    }

    #[test]
    fn a_token_that_is_none_has_no_claims() {
        assert_eq!(claims("not a token"), None);
        assert_eq!(claims("a.!!.c"), None);
    }

    #[test]
    fn shows_no_secret() {
        assert_eq!(format!("{:?}", oidc("http://127.0.0.1:1/")), "Oidc { .. }");
    }
}
