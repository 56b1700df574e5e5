//! One whole rehearsal with real containers. Without a Docker engine it fails: nothing else
//! shows that images are built, pulled and run as they are in production.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::Value;
use std::{collections::BTreeSet, process::Command};
use support::{Child, LIMIT, Project, greenlight};

#[test]
fn a_rehearsal_with_containers() {
    let project = Project::hello();
    let report = project.folder().join("report.json");
    let mut command = greenlight();
    command.current_dir(project.folder()).args(["rehearse", "--speed", "30", "--report"]).arg(&report);
    let ended = Child::start(command).wait(LIMIT);
    assert_eq!(ended.code, Some(0), "{}", ended.said());
    let report: Value = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    assert_eq!(report["outcome"], "succeeded", "{report}");
    assert_eq!(report["image"]["built"], true, "{report}");
    assert_eq!(report["requests"]["failed"], 0, "{report}\n{}", ended.said());
    let versions = report["requests"]["by_version"].as_object().unwrap();
    assert_eq!(versions.len(), 2, "{report}");
    assert!(versions.contains_key("1.0.0"), "{report}");
    assert!(versions.values().all(|seen| seen["error"] == 0 && seen["ok"].as_u64() > Some(0)), "{report}");
    assert!(!ended.said().contains("stand-in"), "{}", ended.said());

    // The world takes its containers with it.
    let digest = report["image"]["digest"].as_str().unwrap();
    let left =
        Command::new("docker").args(["ps", "--all", "--format", "{{.ID}} {{.Image}}"]).output().unwrap();
    assert!(left.status.success(), "{}", String::from_utf8_lossy(&left.stderr));
    let left: BTreeSet<String> = String::from_utf8_lossy(&left.stdout)
        .lines()
        .filter(|line| line.contains(digest))
        .map(str::to_owned)
        .collect();
    assert_eq!(left, BTreeSet::new());
}
