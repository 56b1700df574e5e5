//! What a rehearsal tells at its end: what the users of the service saw, and how the run ended.

use super::{job::Ended, traffic::Seen};
use serde::Serialize;
use serde_json::Value;
use simulator::World;
use std::{collections::BTreeMap, path::Path};

#[derive(Debug, Serialize)]
pub struct Report {
    pub outcome: String,
    pub exit_code: u8,
    pub image: Image,
    pub deployment: Deployment,
    pub requests: Seen,
    /// AWS operations → how often they were called.
    pub api_calls: BTreeMap<String, u64>,
    pub github_calls: u64,
    /// From the world's end of the deployment to the moment when the run knew, on the wall.
    pub detection_lag_ms: Option<i64>,
    pub post_exit_code: u8,
    pub speed: f64,
    pub github: GitHub,
}

/// What GitHub was told: Markdown.
#[derive(Debug, Serialize)]
pub struct GitHub {
    pub check: Option<String>,
    pub comment: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Image {
    pub digest: Option<String>,
    pub built: bool,
}

#[derive(Debug, Serialize)]
pub struct Deployment {
    pub id: Option<String>,
    pub status: Option<String>,
}

impl Report {
    pub fn of(main: &Ended, post: &Ended, world: &World, seen: &Seen) -> Report {
        let told = |name: &str| main.events.iter().rev().find(|e| e["event"] == name);
        let text = |event: Option<&Value>, key: &str| event.and_then(|e| e[key].as_str()).map(str::to_owned);
        let finished = told("finished");
        let image = told("image-ready");
        let id = text(finished, "deployment").or_else(|| text(told("deployment-created"), "id"));
        let snapshot = world.snapshot();
        let deployment = id.as_ref().and_then(|id| in_world(&snapshot, id));
        Report {
            outcome: text(finished, "word").unwrap_or_else(|| "internal-error".into()),
            exit_code: main.exit_code,
            image: Image { digest: text(image, "digest"), built: image.is_some_and(|i| i["built"] == true) },
            detection_lag_ms: id.as_ref().and_then(|id| lag(&main.events, id, deployment?)),
            deployment: Deployment {
                status: deployment.and_then(|d| d["status"].as_str()).map(str::to_owned),
                id,
            },
            requests: seen.clone(),
            api_calls: count(&snapshot["api_calls"]),
            github_calls: snapshot["github_calls"].as_array().map_or(0, |calls| calls.len() as u64),
            github: GitHub {
                check: last(&snapshot["checks"], "summary"),
                comment: last(&snapshot["comments"], "body"),
            },
            post_exit_code: post.exit_code,
            speed: world.speed(),
        }
    }

    /// Asked before everything else: the rehearsal would be for nothing.
    pub fn may_be_written(path: &Path) -> std::io::Result<()> {
        let is_new = !path.exists();
        std::fs::OpenOptions::new().create(true).append(true).open(path)?;
        // None is left where the rehearsal ends early.
        if is_new { std::fs::remove_file(path) } else { Ok(()) }
    }

    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")
    }

    pub fn text(&self, path: &Path) -> String {
        crate::say::rehearse::report(self, path)
    }
}

fn last(list: &Value, key: &str) -> Option<String> {
    list.as_array()?.last()?[key].as_str().map(str::to_owned)
}

fn in_world<'a>(snapshot: &'a Value, id: &str) -> Option<&'a Value> {
    snapshot["deployments"].as_array()?.iter().find(|d| d["id"] == id)
}

/// The first event that tells a final status of this deployment, against the world's own end of it.
fn lag(events: &[Value], id: &str, deployment: &Value) -> Option<i64> {
    let ended = deployment["ended_real_ms"].as_i64()?;
    let knew = events.iter().find(|e| {
        e["event"] == "deployment-status"
            && e["deployment"] == id
            && matches!(e["status"].as_str(), Some("Succeeded" | "Failed" | "Stopped"))
    })?;
    let at = chrono::DateTime::parse_from_rfc3339(knew["at"].as_str()?).ok()?;
    Some(at.timestamp_millis() - ended)
}

/// The journal, counted by `service:Operation`.
fn count(calls: &Value) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for call in calls.as_array().into_iter().flatten() {
        let name = |key: &str| call[key].as_str().unwrap_or_default().to_owned();
        *counts.entry(format!("{}:{}", name("service"), name("operation"))).or_default() += 1;
    }
    counts
}
