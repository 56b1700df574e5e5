//! What the users of the service see while things go wrong: nothing is lost where blue could serve,
//! and a bad green meets no more of them than the canary's share.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::Value;
use support::{Child, Ended, LIMIT, Project, greenlight};

/// Slow enough for traffic that a share can be told from.
const SPEED: &str = "60";

/// Rehearses examples/hello with stand-ins; the report, and what was said.
fn rehearse(faults: &[&str]) -> (Value, Ended) {
    let project = Project::hello();
    let file = project.folder().join("report.json");
    let mut command = greenlight();
    command.current_dir(project.folder());
    command.args(["rehearse", "--no-docker", "--speed", SPEED, "--report"]).arg(&file);
    for fault in faults {
        command.args(["--fault", fault]);
    }
    let ended = Child::start(command).wait(LIMIT);
    let report = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("no report: {e}\n{}", ended.said()));
    (serde_json::from_str(&report).unwrap(), ended)
}

/// Answers of the version from before and of the new one, from the first of the new to its last.
fn exposure(report: &Value) -> (u64, u64) {
    let answers = |second: &Value, new: bool| -> u64 {
        let versions = second["by_version"].as_object().unwrap();
        let side = versions.iter().filter(|(version, _)| (version.as_str() != "1.0.0") == new);
        side.map(|(_, seen)| seen["ok"].as_u64().unwrap() + seen["error"].as_u64().unwrap()).sum()
    };
    let timeline = report["requests"]["timeline"].as_array().unwrap();
    let met: Vec<usize> = (0..timeline.len()).filter(|at| answers(&timeline[*at], true) > 0).collect();
    let (Some(first), Some(last)) = (met.first(), met.last()) else { return (0, 0) };
    let window = &timeline[*first..=*last];
    (window.iter().map(|s| answers(s, false)).sum(), window.iter().map(|s| answers(s, true)).sum())
}

#[test]
fn a_bad_green_meets_no_more_than_the_canary_s_share() {
    let (report, ended) = rehearse(&["alarm"]);
    assert_eq!(ended.code, Some(5), "{}", ended.said());
    assert_eq!(report["requests"]["failed"], 0, "{report}");
    let (blue, green) = exposure(&report);
    assert!(green > 0, "green met nobody, so nothing is proved: {report}");
    // Ten of a hundred, and the one that the first turn may go to.
    assert!(green <= (blue + green) / 10 + 1, "{green} of {} met green", blue + green);
}

#[test]
fn answers_that_are_lost_cost_the_users_nothing() {
    let (report, ended) = rehearse(&[
        "sts:AssumeRole=reset-after@1",
        "ecs:RegisterTaskDefinition=reset-after@1",
        "codedeploy:CreateDeployment=malformed-after@1",
        "codedeploy:ContinueDeployment=error-after@1",
        "codedeploy:GetDeployment=malformed-after@3",
        "ecs:DescribeServices=reset@2",
        "github:checks/create=error-after@1",
        "github:issues/create-comment=reset-after@1",
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.said());
    assert_eq!(report["requests"]["failed"], 0, "{report}");
    assert_eq!(report["deployment"]["status"], "Succeeded");
    assert_eq!(report["api_calls"]["codedeploy:CreateDeployment"], 1, "{report}");
    assert_eq!(report["api_calls"]["ecs:RegisterTaskDefinition"], 1, "{report}");
}

#[test]
fn a_deployment_that_failed_before_its_answer_came_is_not_started_again() {
    let (report, ended) = rehearse(&["hook-fails", "codedeploy:CreateDeployment=reset-after@1"]);
    assert_eq!(ended.code, Some(5), "{}", ended.said());
    assert_eq!(report["requests"]["failed"], 0, "{report}");
    assert_eq!(report["api_calls"]["codedeploy:CreateDeployment"], 1, "{report}");
}

#[test]
fn a_misspelt_call_is_told_with_the_nearest_one() {
    let project = Project::hello();
    let refused = |fault: &str, parts: &[&str]| {
        let mut command = greenlight();
        command.current_dir(project.folder()).args(["rehearse", "--no-docker", "--fault", fault]);
        let ended = Child::start(command).wait(LIMIT);
        assert_eq!(ended.code, Some(2), "{}", ended.said());
        for part in parts {
            assert!(ended.said().contains(part), "not said: `{part}`\n{}", ended.said());
        }
    };
    refused("codedeploy:CreateDeploymnet=reset", &["Did you mean `codedeploy:CreateDeployment`?"]);
    refused("github:check/create=reset", &["Did you mean `github:checks/create`?"]);
    refused("ecs:TagResource=sloow", &["no trouble is named `sloow`", "slow, malformed, denied"]);
}
