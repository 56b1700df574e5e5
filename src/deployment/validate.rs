//! Checks on green before production traffic, through the test listener.

use super::Context;
use crate::{
    event::Event,
    outcome::Finding,
    request::{Check, HttpCheck},
    say::deployment as say,
};
use std::time::Duration;
use tokio::time::Instant;

/// Between two tries of a check that may still become true.
const RETRY: Duration = Duration::from_millis(500);
/// More of a body than this isn't looked at.
const BODY: usize = 256 * 1024;

/// Runs the checks one after the other; the first that fails ends them with its finding.
pub async fn validate(checks: &[Check], url: Option<&str>, context: &Context<'_>) -> Result<(), Finding> {
    for check in checks {
        let Check::Http(check) = check;
        let Some(url) = url else { return Err(say::no_test_url()) };
        let url = format!("{}/{}", url.trim_end_matches('/'), check.path.trim_start_matches('/'));
        let name = format!("GET {}", check.path);
        let limit = say::http_limit(check);
        let result = http(&url, check, window(check, context)).await;
        let (passed, measured) = match &result {
            Ok(measured) => (true, measured.clone()),
            Err(measured) => (false, measured.clone()),
        };
        context.report.tell(Event::Check { name: name.clone(), passed, measured: measured.clone(), limit });
        if !passed {
            return Err(say::check_failed(&name, &url, &measured, check));
        }
    }
    Ok(())
}

/// How long to try, on the wall. What is tried for runs at the world's pace, and has to be decided
/// while the deployment still waits for it.
fn window(check: &HttpCheck, context: &Context<'_>) -> Duration {
    let wait = context.course.ready_wait.unwrap_or(check.within);
    context.pace.real(check.within.min(wait.mul_f64(0.8)))
}

/// Tries until it passes or its time is over; what was measured last, either way.
async fn http(url: &str, check: &HttpCheck, within: Duration) -> Result<String, String> {
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
