//! The job log as JSON lines: every event an object with the time of the wall.

use crate::event::Event;
use serde::Serialize;
use std::time::Duration;

#[derive(Serialize)]
struct Entry<'a> {
    at: String,
    #[serde(rename = "elapsed-ms")]
    elapsed_ms: u128,
    #[serde(flatten)]
    event: &'a Event,
    #[serde(rename = "exit-code", skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
}

pub(super) fn line(event: &Event, at: chrono::DateTime<chrono::Utc>, elapsed: Duration) -> Option<String> {
    let exit_code = match event {
        Event::Finished(outcome) => Some(outcome.word.code()),
        _ => None,
    };
    let at = at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let entry = Entry { at, elapsed_ms: elapsed.as_millis(), event, exit_code };
    let document = serde_json::to_string(&entry).ok()?;
    Some(super::foreign::json(&document).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_object() {
        let at = chrono::DateTime::from_timestamp(1_800_000_000, 5_000_000).unwrap();
        let told = |event| line(&event, at, Duration::from_millis(1500)).unwrap();
        insta::assert_snapshot!(told(Event::Traffic { blue: 90.0, green: 10.0 }), @r#"{"at":"2027-01-15T08:00:00.005Z","elapsed-ms":1500,"event":"traffic","blue":90.0,"green":10.0}"#);
        insta::assert_snapshot!(
            told(Event::Waiting { what: "a\nb".into(), remaining: Some(Duration::from_secs(90)) }),
            @r#"{"at":"2027-01-15T08:00:00.005Z","elapsed-ms":1500,"event":"waiting","what":"a\nb","remaining-seconds":90.0}"#
        );
        insta::assert_snapshot!(
            told(Event::Finished(std::sync::Arc::new(crate::say::outcome::planned(&Default::default())))),
            @r#"{"at":"2027-01-15T08:00:00.005Z","elapsed-ms":1500,"event":"finished","word":"planned","happened":"What would change in  was read and can be carried out; nothing was written.","production":"Production is untouched.","next":"`greenlight deploy` with the same options carries it out.","findings":[],"evidence":{"facts":[],"log":null,"unseen":[]},"image":null,"digest":null,"task-definition":null,"previous-task-definition":null,"deployment":null,"rollback-deployment":null,"console-url":null,"took":{"secs":0,"nanos":0},"exit-code":0}"#
        );
    }
}
