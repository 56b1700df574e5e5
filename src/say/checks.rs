//! What is said about checks: what they measured, what they wanted, and what to do when the two
//! don't meet.

use super::deployment::duration;
use crate::{
    outcome::Finding,
    request::{Check, HttpCheck},
};
use std::time::Duration;

pub const NOTHING: &str = "nothing";

/// How a check calls itself.
pub fn name(check: &Check) -> String {
    match check {
        Check::Http(check) => format!("GET {}", check.path),
    }
}

/// A check as a step of the plan.
pub fn step(check: &Check) -> String {
    match check {
        Check::Http(check) => format!(
            "see that green answers {} on {}, within {}",
            check.status,
            check.path,
            duration(check.within)
        ),
    }
}

/// What stands in place of a verdict when the run was cancelled.
pub fn cancelled() -> Finding {
    Finding::new("The run was cancelled before its checks had ended.", "Deploy again.")
}

pub fn no_url() -> Finding {
    Finding::new(
        "there is no URL under which green answers before it has production traffic",
        "Give the group a test listener, or set `test-url` in the environment.",
    )
}

pub fn http_limit(check: &HttpCheck) -> String {
    match &check.contains {
        Some(text) => format!("status {} and a body with `{text}`", check.status),
        None => format!("status {}", check.status),
    }
}

pub fn http_measured(status: u16, found: bool, check: &HttpCheck, took: Duration) -> String {
    let body = match (&check.contains, found) {
        (None, _) => String::new(),
        (Some(_), true) => ", body as wanted".to_owned(),
        (Some(_), false) => ", body without that text".to_owned(),
    };
    format!("status {status}{body}, in {} ms", took.as_millis())
}

pub fn no_http_answer(error: &reqwest::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    format!("no answer: {last}")
}

pub fn http_failed(url: &str, measured: &str, check: &HttpCheck) -> Finding {
    Finding::new(
        format!(
            "green failed GET {} on the test listener: {measured}; wanted {}",
            check.path,
            http_limit(check)
        ),
        format!("See what green answers at {url}, and its log; production traffic never reached it."),
    )
}
