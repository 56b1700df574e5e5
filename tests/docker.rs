//! One whole rehearsal with real containers. Without a Docker engine it fails: nothing else
//! shows that images are built, pulled and run as they are in production.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::Value;
use std::{collections::BTreeSet, fs, os::unix::fs::symlink, path::Path, process::Command};
use support::{Child, Done, LIMIT, Project, World, greenlight};
use tempfile::TempDir;

#[test]
fn a_rehearsal_with_containers() {
    let project = Project::with(|files| {
        let before = "    before:\n      - { command: [migrate], timeout: 1h }\n    validate:\n";
        files.replace("greenlight.yml", "    validate:\n", before);
    });
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
    assert!(ended.said().contains("| nothing to migrate for version "), "{}", ended.said());

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

/// An image whose only program is a small shell.
struct Image(String);

impl Image {
    fn build() -> Image {
        let context = TempDir::new().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images/shell/main.rs");
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.args(["--edition", "2024", "-C", "target-feature=+crt-static", "-o"]);
        assert!(rustc.arg(context.path().join("sh")).arg(source).status().unwrap().success());
        let lines = "FROM scratch\nCOPY sh /bin/sh\nENTRYPOINT [\"/bin/sh\"]\n";
        fs::write(context.path().join("Dockerfile"), lines).unwrap();
        let name = format!("greenlight-test-shell:{}", std::process::id());
        let mut docker = Command::new("docker");
        docker.args(["build", "--quiet", "--tag", &name]).arg(context.path());
        assert!(docker.output().expect("this test needs Docker").status.success());
        Image(name)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rmi", "--force", &self.0]).output();
    }
}

/// All that the search path has but Docker's command line.
fn without_docker() -> TempDir {
    let folder = TempDir::new().unwrap();
    for from in std::env::split_paths(&std::env::var_os("PATH").unwrap()) {
        let Ok(programs) = fs::read_dir(from) else { continue };
        for program in programs.flatten().filter(|program| program.file_name() != "docker") {
            // The first of a name is the one that counts.
            let _ = symlink(program.path(), folder.path().join(program.file_name()));
        }
    }
    folder
}

/// A deployment whose green is checked by a command in the image, and the containers that were left.
fn checked_by(image: &Image, more: &str) -> (Done, String) {
    let project = Project::with(|files| {
        let text = files.read("greenlight.yml");
        let (head, rest) = text.split_once("    validate:").unwrap();
        let (_, tail) = rest.split_once("\n\n").unwrap();
        let check = format!("    validate: [{{ run: {{ image: '{}', {more} }} }}]", image.0);
        files.write("greenlight.yml", &format!("{head}{check}\n\n{tail}"));
    });
    let path = without_docker();
    let world = World::of(project, &[]);
    let done = world.run(&["deploy"]).env("PATH", path.path().to_str().unwrap()).end();
    let left = Command::new("docker").args(["ps", "--all", "--format", "{{.Image}}"]).output().unwrap();
    let left = String::from_utf8_lossy(&left.stdout);
    (done, left.lines().filter(|line| *line == image.0).collect())
}

#[test]
fn a_check_runs_in_an_image_without_docker_s_command_line() {
    let image = Image::build();
    let (done, left) = checked_by(&image, "command: report");
    done.expect(0, "succeeded").says(&["| green is http://", "| and nothing of the job"]);
    assert_eq!(left, "");
    let (done, left) = checked_by(&image, "timeout: 20m");
    done.expect(0, "succeeded").says(&["| called with []"]);
    assert_eq!(left, "");
    let (done, left) = checked_by(&image, "command: fail");
    done.expect(5, "rolled-back").says(&["exit code 3"]);
    assert_eq!(left, "");
    let (done, left) = checked_by(&image, "command: hang, timeout: 2m");
    done.expect(5, "rolled-back").says(&["no end within 2m"]);
    assert_eq!(left, "");
    let gone = Image("127.0.0.1:1/nothing:1".to_owned());
    checked_by(&gone, "command: report")
        .0
        .expect(5, "rolled-back")
        .says(&["can't pull 127.0.0.1:1/nothing:1"]);
}
