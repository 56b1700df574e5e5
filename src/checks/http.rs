//! A request, tried until its answer is as it should be or its time is over.

use super::{
    Ended, Scene, Verdict,
    ask::{Answer, Asker, address},
};
use crate::{request::HttpCheck, say::checks as say};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// Between two tries of a check that may still become true.
const RETRY: Duration = Duration::from_millis(500);
/// A last try has at least so long.
const LAST_TRY: Duration = Duration::from_secs(1);

/// What an answer shows beside what it should.
#[derive(Debug, PartialEq)]
pub struct Found {
    pub status: u16,
    pub took: Duration,
    /// Whether the body has the text, where one is wanted.
    pub contains: Option<bool>,
    /// JSON pointer → what is there, as text; one that is wanted and isn't there has none.
    pub json: Vec<(String, Option<String>)>,
}

pub(super) async fn check(check: &HttpCheck, scene: &Scene<'_>) -> Ended {
    let limit = say::http_limit(check);
    let Some(base) = scene.green_url else {
        let verdict = Verdict::Failed(say::no_url());
        return Ended { verdict, measured: say::NOTHING.to_owned(), limit };
    };
    let (passed, measured) = tries(base, check, scene.within(check.within)).await;
    let url = address(base, &check.ask);
    let verdict = match passed {
        true => Verdict::Passed,
        false => Verdict::Failed(say::http_failed(scene.moment, &url, &measured, check)),
    };
    Ended { verdict, measured, limit }
}

/// Tries until it passes or its time is over; what was measured last, either way.
async fn tries(base: &str, check: &HttpCheck, within: Duration) -> (bool, String) {
    let end = Instant::now() + within;
    let mut asker = None;
    for number in 1.. {
        let left = end.saturating_duration_since(Instant::now()).max(LAST_TRY);
        let answer = async {
            let asker = match &mut asker {
                Some(asker) => asker,
                none => none.insert(Asker::new(base, &check.ask).await?),
            };
            asker.once(left).await
        };
        let (passed, measured) = match answer.await {
            Ok(answer) => {
                let found = look(&answer, check);
                (found.passes(check), say::http_measured(&found, check))
            }
            Err(why) => (false, why),
        };
        if passed || Instant::now() + RETRY > end {
            return (passed, say::at_try(measured, number));
        }
        tokio::time::sleep(RETRY).await;
    }
    (false, say::NOTHING.to_owned())
}

fn look(answer: &Answer, check: &HttpCheck) -> Found {
    let contains =
        check.contains.as_ref().map(|text| String::from_utf8_lossy(&answer.body).contains(text.as_str()));
    let document: Option<Value> =
        if check.json.is_empty() { None } else { serde_json::from_slice(&answer.body).ok() };
    let at = |pointer: &String| document.as_ref()?.pointer(pointer).map(text);
    let json = check.json.keys().map(|pointer| (pointer.clone(), at(pointer))).collect();
    Found { status: answer.status, took: answer.took, contains, json }
}

/// A value as the file would have it: a text without its quotes.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Found {
    fn passes(&self, check: &HttpCheck) -> bool {
        self.status == check.status
            && self.contains != Some(false)
            && self.json.iter().all(|(pointer, found)| found.as_ref() == check.json.get(pointer))
            && check.latency.is_none_or(|limit| self.took <= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Ask;

    fn check() -> HttpCheck {
        HttpCheck {
            ask: Ask { path: "/".into(), method: "GET".into(), ..Ask::default() },
            status: 200,
            contains: Some("ok".into()),
            json: [("/status", "ok"), ("/ready", "true"), ("/parts/0/version", "1.10")]
                .map(|(pointer, value)| (pointer.to_owned(), value.to_owned()))
                .into(),
            latency: Some(Duration::from_millis(100)),
            within: Duration::ZERO,
        }
    }

    fn found(body: &str, millis: u64) -> Found {
        let answer = Answer { status: 200, body: body.into(), took: Duration::from_millis(millis) };
        look(&answer, &check())
    }

    #[test]
    fn an_answer_passes_by_all_that_is_wanted() {
        let body = r#"{"status":"ok","ready":true,"parts":[{"version":"1.10"}]}"#;
        assert!(found(body, 100).passes(&check()));
        assert!(!found(body, 101).passes(&check()), "too late");
        assert!(!found(&body.replace("true", "false"), 1).passes(&check()));
        assert!(!found("ok", 1).passes(&check()), "no JSON");
        assert!(!HttpCheck { status: 204, ..check() }.status.eq(&found(body, 1).status));
    }

    #[test]
    fn what_is_measured_stands_beside_what_is_wanted() {
        insta::assert_snapshot!(say::http_limit(&check()), @"status 200 within 100ms, a body with `ok`, `/parts/0/version` = `1.10`, `/ready` = `true`, `/status` = `ok`");
        let answer = found(r#"{"status":"starting","ready":null}"#, 7);
        insta::assert_snapshot!(say::http_measured(&answer, &check()), @"status 200 in 7 ms, no `ok` in the body, no `/parts/0/version`, `/ready` = `null`, `/status` = `starting`");
    }
}
