//! Why GitHub didn't do what it was asked for, by what there is to do about it.

use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The token is none (any more).
    Unauthorized(String),
    /// The token lacks a permission.
    Denied(String),
    /// Not there, or hidden from the token.
    Missing(String),
    /// Too much was asked for; all calls wait so long.
    Limited(Duration),
    /// No answer, or none that can be read. `sent`: what was asked for may have been done.
    Unavailable { what: String, sent: bool },
    /// The request is wrong in GitHub's eyes.
    Rejected(String),
}

/// When GitHub asks for patience without saying for how long.
const PATIENCE: Duration = Duration::from_secs(60);

impl From<octocrab::Error> for Failure {
    fn from(error: octocrab::Error) -> Failure {
        match error {
            octocrab::Error::GitHub { source, .. } => answered(&source),
            error => unanswered(&error),
        }
    }
}

fn answered(error: &octocrab::GitHubError) -> Failure {
    let status = error.status_code.as_u16();
    let mut what = format!("{status} {}", error.message);
    for detail in error.errors.iter().flatten() {
        match detail["message"].as_str().or(detail.as_str()) {
            Some(message) => what.push_str(&format!("; {message}")),
            None => what.push_str(&format!("; {detail}")),
        }
    }
    match status {
        401 => Failure::Unauthorized(what),
        403 | 429 => match limited(error) {
            Some(wait) => Failure::Limited(wait),
            None => Failure::Denied(what),
        },
        404 | 410 => Failure::Missing(what),
        408 | 500.. => Failure::Unavailable { what, sent: true },
        _ => Failure::Rejected(what),
    }
}

/// How long to wait, when it is a limit that was reached and no permission that is missing.
fn limited(error: &octocrab::GitHubError) -> Option<Duration> {
    let header = |name: &str| error.headers.as_ref()?.get(name)?.to_str().ok();
    if let Some(seconds) = header("retry-after").and_then(|text| text.trim().parse().ok()) {
        return Some(Duration::from_secs(seconds));
    }
    if header("x-ratelimit-remaining") == Some("0") {
        let reset: i64 = header("x-ratelimit-reset").and_then(|text| text.trim().parse().ok())?;
        // By GitHub's own clock where it tells it.
        let now = header("date")
            .and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok())
            .map_or_else(|| chrono::Utc::now().timestamp(), |date| date.timestamp());
        return Some(Duration::from_secs((reset - now).clamp(1, 3600).unsigned_abs()));
    }
    let secondary = error.message.to_ascii_lowercase().contains("rate limit");
    (secondary || error.status_code.as_u16() == 429).then_some(PATIENCE)
}

fn unanswered(error: &octocrab::Error) -> Failure {
    let mut sent = true;
    let mut last: &dyn std::error::Error = error;
    loop {
        if last.downcast_ref::<reqwest::Error>().is_some_and(|e| e.is_connect() || e.is_builder()) {
            sent = false;
        }
        match last.source() {
            Some(source) => last = source,
            None => break,
        }
    }
    Failure::Unavailable { what: last.to_string(), sent }
}
