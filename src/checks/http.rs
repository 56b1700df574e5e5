//! A request, tried until its answer is as it should be or its time is over.

use super::{Ended, Scene, Verdict};
use crate::{request::HttpCheck, say::checks as say};
use std::time::Duration;
use tokio::time::Instant;

/// Between two tries of a check that may still become true.
const RETRY: Duration = Duration::from_millis(500);
/// More of a body than this isn't looked at.
const BODY: usize = 256 * 1024;

pub(super) async fn check(check: &HttpCheck, scene: &Scene<'_>) -> Ended {
    let limit = say::http_limit(check);
    let Some(base) = scene.green_url else {
        return Ended { verdict: Verdict::Failed(say::no_url()), measured: say::NOTHING.to_owned(), limit };
    };
    let url = format!("{}/{}", base.trim_end_matches('/'), check.path.trim_start_matches('/'));
    let (passed, measured) = match tries(&url, check, scene.within(check.within)).await {
        Ok(measured) => (true, measured),
        Err(measured) => (false, measured),
    };
    let verdict =
        if passed { Verdict::Passed } else { Verdict::Failed(say::http_failed(&url, &measured, check)) };
    Ended { verdict, measured, limit }
}

/// Tries until it passes or its time is over; what was measured last, either way.
async fn tries(url: &str, check: &HttpCheck, within: Duration) -> Result<String, String> {
    crate::tls::prepare();
    let client = reqwest::Client::builder()
        .timeout(check.timeout)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|e| e.to_string())?;
    let end = Instant::now() + within;
    loop {
        let measured = once(&client, url, check).await;
        if measured.is_ok() || Instant::now() + RETRY > end {
            return measured;
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn once(client: &reqwest::Client, url: &str, check: &HttpCheck) -> Result<String, String> {
    let asked = Instant::now();
    let mut answer = client.get(url).send().await.map_err(|e| say::no_http_answer(&e))?;
    let status = answer.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|e| say::no_http_answer(&e))? {
        body.extend_from_slice(&chunk);
        if body.len() > BODY {
            break;
        }
    }
    let found =
        check.contains.as_ref().is_none_or(|text| String::from_utf8_lossy(&body).contains(text.as_str()));
    let measured = say::http_measured(status, found, check, asked.elapsed());
    if status == check.status && found { Ok(measured) } else { Err(measured) }
}
