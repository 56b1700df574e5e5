//! Commits that overtake each other: an older one takes no newer one's place, and a newer one doesn't wait
//! where it is told not to.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::json;
use std::{path::Path, process::Command};
use support::{Project, World, list, text};
use tempfile::TempDir;

const CANARY: [&str; 2] = ["--deployment-config", "CodeDeployDefault.ECSCanary10Percent15Minutes"];
const SUPERSEDE: [&str; 3] = ["deploy", "--concurrency", "supersede"];

fn git(folder: &Path, args: &[&str]) -> String {
    let done = Command::new("git").args(args).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

fn head(project: &Project) -> String {
    git(&project.folder(), &["rev-parse", "HEAD"])
}

/// One more commit, which the container's environment tells.
fn next(project: &Project) {
    project.files().edit("taskdef.json", |document| {
        document["containerDefinitions"][0]["environment"] =
            json!([{ "name": "PORT", "value": "8080" }, { "name": "COLOUR", "value": "blue" }]);
    });
    project.commit();
}

/// The project as it was at a commit, with so much of its history.
fn clone_of(project: &Project, commit: &str, args: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    let from = format!("file://{}", project.folder().display());
    git(&project.folder(), &["branch", "--force", "there", commit]);
    let into = folder.path().to_str().unwrap();
    git(folder.path(), &[&["clone", "--quiet", "--branch", "there"], args, &[&from, into]].concat());
    folder
}

fn long_termination() -> Project {
    Project::with(|files| files.replace("greenlight.yml", "termination-wait: 1m", "termination-wait: 2h"))
}

#[test]
fn an_older_commit_takes_no_newer_one_s_place() {
    let world = World::hello();
    let first = head(&world.project);
    next(&world.project);
    let newer = world.run(&["deploy"]).env("GITHUB_RUN_ID", "1").end().expect(0, "succeeded");
    let older = clone_of(&world.project, &first, &[]);
    let before = world.written();
    for command in ["plan", "deploy"] {
        let done = world.run_in(older.path(), &[command]).env("GITHUB_RUN_ID", "2").end();
        let done = done.expect(9, "superseded").says(&[
            &format!("Commit {} is older than {}", &first[..9], &head(&world.project)[..9]),
            "which production runs already",
            "allow-older: true",
            "Production is untouched",
        ]);
        assert_eq!(done.output("outcome"), "superseded");
    }
    assert_eq!(world.written(), before);
    assert_eq!(world.live(), newer.output("task-definition-arn"));

    let run = world.run_in(older.path(), &["deploy", "--allow-older"]).env("GITHUB_RUN_ID", "3");
    let done = run.end().expect(0, "succeeded");
    assert_eq!(world.live(), done.output("task-definition-arn"));
    // The newer one is ahead of what is live now.
    world.run(&["deploy", "--force"]).env("GITHUB_RUN_ID", "4").end().expect(0, "succeeded");
}

#[test]
fn github_tells_the_order_where_a_shallow_checkout_cannot() {
    for reads in [true, false] {
        let project = Project::hello();
        let first = head(&project);
        next(&project);
        let mut document = support::document();
        document["accounts"][1]["applications"][0]["groups"][0]["ready-wait-minutes"] = json!(120);
        document["job"]["history"] = json!([first, head(&project)]);
        if !reads {
            document["job"]["permissions"] = json!({ "checks": "write", "statuses": "write" });
        }
        let text = project.files().read("greenlight.yml");
        let (start, rest) = text.split_once("    validate:").unwrap();
        let (_, end) = rest.split_once("\n\n").unwrap();
        project.files().write("world.yml", &document.to_string());
        let world = World::of_document(project, &[]);
        // Its stand-ins have no answer for the check.
        let unchecked = world.project.files().path("unchecked.yml");
        std::fs::write(&unchecked, format!("{start}\n{end}")).unwrap();
        let config = ["--config", "unchecked.yml"];
        world
            .run(&[&["deploy"], &config[..]].concat())
            .env("GITHUB_RUN_ID", "1")
            .end()
            .expect(0, "succeeded");

        let older = clone_of(&world.project, &first, &["--depth", "1"]);
        std::fs::copy(&unchecked, older.path().join("unchecked.yml")).unwrap();
        let run = world.run_in(older.path(), &[&["deploy"], &config[..]].concat()).env("GITHUB_RUN_ID", "2");
        let done = run.end();
        let asked =
            world.github().iter().any(|call| call["operation"] == "repos/compare-commits-with-basehead");
        assert!(asked);
        if reads {
            done.expect(9, "superseded").says(&["is older than"]);
        } else {
            done.expect(0, "succeeded").says(&["can't be told", "`contents: read`"]);
        }
    }
}

#[test]
fn an_older_deployment_makes_way() {
    let world = World::of(Project::hello(), &["--speed", "60"]);
    let before = world.live();
    let run = world.run(&[&["deploy"], &CANARY[..]].concat()).env("GITHUB_RUN_ID", "1").start();
    run.until(|event| event["event"] == "traffic" && event["green"] == 10.0);
    next(&world.project);
    let done = world.run(&SUPERSEDE).env("GITHUB_RUN_ID", "2").end().expect(0, "succeeded");
    let done = done.says(&["takes the place of d-", "is stopped, and rolls back, to make way for this one"]);
    run.end().expect(5, "rolled-back");
    let all = world.deployments();
    let [older, rollback, ours] = &all[..] else { panic!("{all:?}") };
    assert_eq!((text(older, "status"), text(rollback, "status")), ("Stopped", "Succeeded"));
    assert_eq!((&rollback["rolls_back"], text(ours, "id")), (&older["id"], done.output("deployment-id")));
    assert!(text(rollback, "ended") <= text(ours, "created"), "its rollback holds the place");
    assert_ne!(world.live(), before);
    assert_eq!(world.live(), done.output("task-definition-arn"));
}

#[test]
fn one_that_has_all_traffic_is_finished_and_not_stopped() {
    let world = World::of(long_termination(), &[]);
    let first = world.run(&["deploy", "--until", "traffic-shifted"]).env("GITHUB_RUN_ID", "1");
    let first = first.end().expect(0, "succeeded");
    next(&world.project);
    let run =
        world.run(&[&SUPERSEDE[..], &["--until", "traffic-shifted"]].concat()).env("GITHUB_RUN_ID", "2");
    let done = run.end().expect(0, "succeeded").says(&["has all traffic: its termination wait is ended"]);
    let all = world.deployments();
    let [older, ours] = &all[..] else { panic!("{all:?}") };
    assert_eq!((text(older, "id"), text(older, "status")), (first.output("deployment-id"), "Succeeded"));
    assert_eq!(text(ours, "id"), done.output("deployment-id"));
    assert_eq!(world.calls("StopDeployment"), 0);
}

#[test]
fn a_newer_deployment_makes_no_way_for_an_older_commit() {
    let world = World::of(Project::hello(), &["--speed", "60"]);
    let first = head(&world.project);
    next(&world.project);
    let run = world.run(&[&["deploy"], &CANARY[..]].concat()).env("GITHUB_RUN_ID", "1").start();
    run.until(|event| event["event"] == "traffic" && event["green"] == 10.0);
    let older = clone_of(&world.project, &first, &[]);
    let done = world.run_in(older.path(), &SUPERSEDE).env("GITHUB_RUN_ID", "2").end();
    done.expect(9, "superseded").says(&["is older than", "which deployment d-"]);
    run.end().expect(0, "succeeded");
    let all = world.deployments();
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(list(&world.state(), "checks").iter().all(|check| check["status"] == "completed"));
}
