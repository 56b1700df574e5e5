//! Each fault of the world has one right end: its exit code, what production is on, and that the
//! users of the service lost nothing where blue could serve.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::Value;
use support::{Child, Ended, LIMIT, Project, SPEED, greenlight};

struct Rehearsal {
    ended: Ended,
    report: Value,
}

/// Rehearses examples/hello with stand-ins.
#[track_caller]
fn rehearse(fault: &str, args: &[&str], code: i32, outcome: &str) -> Rehearsal {
    let project = Project::hello();
    let report = project.folder().join("report.json");
    let mut command = greenlight();
    command.current_dir(project.folder());
    command.args(["rehearse", "--no-docker", "--report"]).arg(&report);
    if !args.contains(&"--speed") {
        command.args(["--speed", SPEED]);
    }
    if !fault.is_empty() {
        command.args(["--fault", fault]);
    }
    command.args(args);
    let ended = Child::start(command).wait(LIMIT);
    let report =
        std::fs::read_to_string(report).unwrap_or_else(|e| panic!("no report: {e}\n{}", ended.said()));
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(ended.code, Some(code), "{}", ended.said());
    assert_eq!(report["exit_code"], code, "{report}");
    assert_eq!(report["outcome"], outcome, "{report}");
    assert_eq!(report["post_exit_code"], 0, "{report}");
    Rehearsal { ended, report }.whole()
}

impl Rehearsal {
    /// All that a report promises is there.
    #[track_caller]
    fn whole(self) -> Rehearsal {
        let report = &self.report;
        assert!(report["image"]["built"].is_boolean(), "{report}");
        assert!(report["image"].get("digest").is_some(), "{report}");
        assert!(report["deployment"].get("id").is_some(), "{report}");
        assert!(report["requests"]["total"].as_u64().is_some_and(|total| total > 0), "{report}");
        assert!(report["requests"]["failed"].is_u64(), "{report}");
        let versions = report["requests"]["by_version"].as_object().expect("answers by version");
        assert!(versions.values().all(|v| v["ok"].is_u64() && v["error"].is_u64()), "{report}");
        let calls = report["api_calls"].as_object().expect("calls by operation");
        assert!(calls.values().all(Value::is_u64) && !calls.is_empty(), "{report}");
        assert!(report["github_calls"].is_u64(), "{report}");
        assert!(report.get("detection_lag_ms").is_some(), "{report}");
        self
    }

    #[track_caller]
    fn loses_nothing(self) -> Rehearsal {
        assert_eq!(self.report["requests"]["failed"], 0, "{}\n{}", self.report, self.ended.said());
        self
    }

    /// The users saw the version from before and none else.
    #[track_caller]
    fn stays_on_blue(self) -> Rehearsal {
        let versions = self.report["requests"]["by_version"].as_object().unwrap();
        assert_eq!(versions.keys().collect::<Vec<_>>(), ["1.0.0"], "{}", self.ended.said());
        self
    }

    /// The likeliest cause comes first: in the log, in GitHub's check and in the comment.
    #[track_caller]
    fn because(self, causes: &[&str]) -> Rehearsal {
        let said = self.ended.said();
        let log = said.lines().find_map(|line| line.split_once("error: ")).expect("an error").1;
        let mut told = vec![("log", log.to_owned())];
        for place in ["check", "comment"] {
            let text = plain(self.report["github"][place].as_str().expect(place));
            let (_, found) = text.split_once("CAUTION").unwrap_or_else(|| panic!("{place}: {text}"));
            let first = found.lines().nth(1).unwrap_or_default();
            told.push((place, first.to_owned()));
        }
        for (place, first) in told {
            let first = first.replace('`', "");
            for cause in causes {
                assert!(first.contains(&cause.replace('`', "")), "{place}: {first}\n{said}");
            }
        }
        self
    }

    #[track_caller]
    fn says(self, parts: &[&str]) -> Rehearsal {
        for part in parts {
            assert!(self.ended.said().contains(part), "not said: `{part}`\n{}", self.ended.said());
        }
        self
    }
}

#[test]
fn none() {
    let played = rehearse("", &[], 0, "succeeded").loses_nothing();
    let report = &played.report;
    assert_eq!(report["requests"]["by_version"].as_object().unwrap().len(), 2, "{report}");
    assert_eq!(report["image"]["built"], true);
    assert_eq!(report["deployment"]["status"], "Succeeded");
    assert!(report["image"]["digest"].as_str().unwrap().starts_with("sha256:"));
    assert!(report["detection_lag_ms"].is_i64(), "{report}");
    assert_eq!(report["api_calls"]["codedeploy:CreateDeployment"], 1);
}

#[test]
fn build_fails() {
    let played = rehearse("build-fails", &[], 4, "build-failed").loses_nothing().stays_on_blue();
    assert_eq!(played.report["deployment"]["id"], Value::Null);
    assert!(played.report["api_calls"].get("ecs:RegisterTaskDefinition").is_none());
    played.says(&["Production is untouched."]);
}

#[test]
fn push_denied() {
    let played = rehearse("push-denied", &[], 4, "build-failed").loses_nothing().stays_on_blue();
    assert!(played.report["api_calls"].get("ecs:RegisterTaskDefinition").is_none());
    played.says(&["Production is untouched."]);
}

#[test]
fn permission_missing() {
    let played = rehearse("permission-missing", &[], 3, "refused").loses_nothing().stays_on_blue();
    played.says(&["codedeploy:CreateDeployment"]);
}

/// Markdown without its escapes.
fn plain(markdown: &str) -> String {
    markdown.replace(['\\', '\u{200b}'], "").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// CodeDeploy waits an hour for green to become healthy.
const HOUR: &[&str] = &["--speed", "300", "--fail-fast", "0"];

/// Green never gets as far as production.
fn green_fails(fault: &str, args: &[&str]) -> Rehearsal {
    let played = rehearse(fault, args, 5, "rolled-back").loses_nothing().stays_on_blue();
    assert_ne!(played.report["deployment"]["status"], "Succeeded");
    played.says(&["Production is on hello:1, the version from before: 100 % of the traffic"])
}

/// And isn't waited for until CodeDeploy gives up.
fn fails_fast(fault: &str) -> Rehearsal {
    let played = green_fails(fault, &[]);
    assert_eq!(played.report["deployment"]["status"], "Stopped");
    played.says(&["of green's tasks stopped for one reason and none is healthy"])
}

#[test]
fn green_crashes() {
    fails_fast("green-crashes")
        .because(&["Green crashes: container `app` exits with code 1.", "(`fail-fast`)"])
        .says(&[
            "stopped alike: EssentialContainerExited: Essential container in task exited",
            "fatal: told to crash (MISBEHAVE=crash)",
        ]);
}

#[test]
fn green_crashes_for_an_hour() {
    let played = green_fails("green-crashes", HOUR);
    assert_eq!(played.report["deployment"]["status"], "Failed");
    played
        .because(&["Green crashes: container `app` exits with code 1."])
        .says(&["TIMEOUT at Install: The deployment timed out while waiting for the replacement task set"]);
}

#[test]
fn green_unhealthy() {
    fails_fast("green-unhealthy")
        .because(&[
            "Green isn't healthy: ",
            "check of /healthz: Health checks failed with these codes: [503]",
            ", wanted 200.",
        ])
        .says(&["Task failed ELB health checks"]);
}

#[test]
fn image_missing() {
    fails_fast("image-missing").because(&["Green can't start: its image", "is not in its registry."]);
}

#[test]
fn pull_denied() {
    fails_fast("pull-denied").because(&[
        "Green can't start: the policy of repository `hello` in account 111111111111 keeps the tasks of account 222222222222 from pulling.",
    ]);
}

#[test]
fn validation_fails() {
    green_fails("validation-fails", &[]).because(&["GET /version"]);
}

#[test]
fn hook_fails() {
    green_fails("hook-fails", &[])
        .because(&["The hook of `AfterAllowTestTraffic` said no"])
        .says(&["HOOK_EXECUTION_FAILURE at AfterAllowTestTraffic: "]);
}

/// A share of a canary's requests in a minute has to be enough for the alarm, on any machine.
const BUSY: &[&str] = &["--speed", "40"];

#[test]
fn alarm() {
    let played = rehearse("alarm", BUSY, 5, "rolled-back").loses_nothing();
    let versions = played.report["requests"]["by_version"].as_object().unwrap().clone();
    assert_eq!(versions["1.0.0"]["error"], 0);
    assert!(versions.iter().any(|(version, seen)| version != "1.0.0" && seen["error"].as_u64() > Some(0)));
    played
        .because(&["Alarm `hello-5xx` went into ALARM during the deployment: Threshold Crossed: "])
        .says(&["Production is on hello:1, the version from before", "ALARM_ACTIVE at AllowTraffic: "]);
}

#[test]
fn stopped_outside() {
    rehearse("stopped-outside", &[], 5, "rolled-back")
        .loses_nothing()
        .because(&["Somebody stopped deployment d-"])
        .says(&["Production is on hello:1, the version from before: 100 % of the traffic"]);
}

#[test]
fn rollback_disabled() {
    rehearse("rollback-disabled", BUSY, 6, "needs-attention")
        .loses_nothing()
        .because(&["Alarm `hello-5xx` went into ALARM during the deployment: Threshold Crossed: "])
        .says(&["Production", "greenlight rollback --to hello:1"]);
}

/// Ridden out.
fn survives(fault: &str) -> Rehearsal {
    let played = rehearse(fault, &[], 0, "succeeded").loses_nothing();
    assert_eq!(played.report["deployment"]["status"], "Succeeded");
    assert_eq!(played.report["requests"]["by_version"].as_object().unwrap().len(), 2);
    played
}

#[test]
fn throttling() {
    survives("throttling");
}

#[test]
fn server_errors() {
    survives("server-errors");
}

#[test]
fn connection_resets() {
    survives("connection-resets");
}

#[test]
fn credentials_expire() {
    survives("credentials-expire");
}

#[test]
fn github_read_only() {
    let played = survives("github-read-only");
    assert!(played.ended.said().contains("warning: "), "{}", played.ended.said());
}

#[test]
fn github_down() {
    let played = survives("github-down");
    assert!(played.ended.said().contains("warning: "), "{}", played.ended.said());
}

#[test]
fn deployment_active() {
    survives("deployment-active");
    rehearse("deployment-active", &["--concurrency", "fail"], 3, "refused").loses_nothing().stays_on_blue();
}

#[test]
fn a_fault_that_there_is_not() {
    let mut command = greenlight();
    let project = Project::hello();
    command.current_dir(project.folder()).args(["rehearse", "--no-docker", "--fault", "green-crash"]);
    let ended = Child::start(command).wait(LIMIT);
    assert_eq!(ended.code, Some(2), "{}", ended.said());
    assert!(ended.said().contains("Did you mean `green-crashes`?"), "{}", ended.said());
}
