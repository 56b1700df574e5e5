//! Images of registries that aren't ECR: asked for through buildx, with the user's own logins.

use super::{buildx, manifest::is_digest, platform::Platform};
use crate::surroundings::Variables;
use serde_json::Value;
use std::{process::Stdio, time::Duration};
use tokio::{process::Command, time::timeout};

const LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    pub digest: String,
    pub platforms: Vec<Platform>,
}

#[derive(Debug)]
pub enum NotFound {
    NoBuildx,
    /// The registry's answer, as buildx tells it.
    Said(String),
}

pub async fn inspect(reference: &str, variables: &Variables) -> Result<Found, NotFound> {
    let program = buildx::find(variables).ok_or(NotFound::NoBuildx)?;
    let mut command = Command::new(program);
    command.args(["imagetools", "inspect", "--format", "{{json .}}", reference]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let said = |text: &str| NotFound::Said(text.trim().trim_start_matches("ERROR: ").to_owned());
    let output = match timeout(LIMIT, command.output()).await {
        Err(_) => return Err(said("no answer within a minute")),
        Ok(Err(error)) => return Err(said(&error.to_string())),
        Ok(Ok(output)) => output,
    };
    if !output.status.success() {
        return Err(said(&String::from_utf8_lossy(&output.stderr)));
    }
    let answer = serde_json::from_slice(&output.stdout).ok();
    answer.and_then(|answer| read(&answer)).ok_or_else(|| said("an answer that can't be read"))
}

fn read(answer: &Value) -> Option<Found> {
    let digest = answer["manifest"]["digest"].as_str().filter(|digest| is_digest(digest))?;
    let platforms = match answer["manifest"]["manifests"].as_array() {
        Some(entries) => entries.iter().filter_map(|entry| Platform::of(&entry["platform"])).collect(),
        None => Platform::of(&answer["image"]).into_iter().collect(),
    };
    Some(Found { digest: digest.to_owned(), platforms })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn single_images_and_indexes_are_read() {
        let digest = format!("sha256:{}", "b".repeat(64));
        let amd64 = json!({"os": "linux", "architecture": "amd64"});
        let single = json!({"manifest": {"digest": digest}, "image": amd64});
        let attested = json!({"platform": {"os": "unknown", "architecture": "unknown"}});
        let index = json!({"manifest": {"digest": digest, "manifests": [{"platform": amd64}, attested]}});
        let found = Found { digest, platforms: vec![Platform::new("linux", "amd64")] };
        assert_eq!(read(&single).unwrap(), found);
        assert_eq!(read(&index).unwrap(), found);
        assert_eq!(read(&json!({"manifest": {}})), None);
    }
}
