//! How the image is built: what buildx is asked for, a builder of the run's own, a step that fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use rustix::process::Signal;
use std::fs;
use support::{Plugin, Project, World};

const OWN: &str = "image:\n  builder: {driver: docker-container, driver-opts: {network: host}}\n";
/// A build that waits while there is a file.
const WAITS: &str = "[ $1 = build ] && { touch $out/began; while [ -e $out/wait ]; do sleep 0.05; done; }";

fn with_builder() -> World {
    World::of(Project::with(|files| files.replace("greenlight.yml", "image:\n", OWN)), &[])
}

#[test]
fn a_builder_of_the_runs_own_is_made_used_and_removed() {
    let world = with_builder();
    let plugin = Plugin::new(&world, "");
    let done = world.run(&["deploy"]).env("DOCKER_CONFIG", &plugin.config()).end().expect(0, "succeeded");
    let asked = plugin.asked();
    let [create, build, remove] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(create, "create --name NAME --driver docker-container --driver-opt network=host");
    assert!(build.starts_with("build --push ") && build.contains(" --builder NAME "), "{build}");
    assert_eq!(remove, "rm NAME");
    assert_eq!(done.output("outcome"), "succeeded");
    assert_eq!(done.state["builder"], "");
    world.post(&done).env("DOCKER_CONFIG", &plugin.config()).end();
    assert_eq!(plugin.asked().len(), 3, "there is nothing to remove any more");
}

#[test]
fn what_a_killed_run_has_made_its_post_step_removes() {
    let world = with_builder();
    let plugin = Plugin::new(&world, WAITS);
    fs::write(plugin.path("wait"), "").unwrap();
    let run = world.run(&["deploy"]).env("DOCKER_CONFIG", &plugin.config()).start();
    plugin.until("began");
    let killed = run.kill();
    fs::remove_file(plugin.path("wait")).unwrap();
    assert_eq!(plugin.asked().len(), 2, "it had no time to remove it");
    assert!(killed.state["builder"].starts_with("greenlight-"), "{:?}", killed.state);
    world.post(&killed).env("DOCKER_CONFIG", &plugin.config()).end();
    assert_eq!(plugin.asked().last().unwrap(), "rm NAME");

    // A name that isn't one of ours is left alone, and one that stays is told of.
    let stubborn = Plugin::new(&world, "echo 'ERROR: it is in use' >&2; exit 1");
    let mut other = killed;
    let left = world.post(&other).env("DOCKER_CONFIG", &stubborn.config()).end();
    left.says(&["is left behind: it is in use. Remove it with `docker buildx rm greenlight-"]);
    other.state.insert("builder".into(), "default".into());
    world.post(&other).env("DOCKER_CONFIG", &stubborn.config()).end();
    assert_eq!(stubborn.asked().len(), 1);
}

#[test]
fn a_cancelled_run_removes_it_itself() {
    let world = with_builder();
    let plugin = Plugin::new(&world, WAITS);
    fs::write(plugin.path("wait"), "").unwrap();
    let run = world.run(&["deploy"]).env("DOCKER_CONFIG", &plugin.config()).start();
    plugin.until("began");
    run.signal(Signal::INT);
    let done = run.end().expect(8, "cancelled");
    assert_eq!(plugin.asked().last().unwrap(), "rm NAME");
    assert_eq!(done.state["builder"], "");
}

#[test]
fn a_plan_makes_no_builder_and_shows_what_will_be_done() {
    let world = World::of(
        Project::with(|files| {
            let more =
                "  tags: ['{branch}', '{version}']\n  cache-from: [registry, gha]\n  cache-to: [registry]\n";
            files.replace("greenlight.yml", "image:\n", &format!("{OWN}{more}"));
        }),
        &[],
    );
    let plugin = Plugin::new(&world, "");
    let plan = || world.run(&["plan"]).env("DOCKER_CONFIG", &plugin.config());
    let done = plan().env("ACTIONS_RUNTIME_TOKEN", "").end().expect(0, "planned").says(&[
        " with a builder of its own (docker-container), push to ",
        "/hello:cache,mode=max,ignore-error=true,image-manifest=true,oci-mediatypes=true",
        "The cache `gha` is left out: ACTIONS_RUNTIME_TOKEN isn't set.",
        "The tag `{version}` is left out: the run isn't for a tag such as `v1.2.3`.",
    ]);
    assert_eq!(plugin.asked(), [""; 0]);
    assert!(!done.state.contains_key("builder"), "{:?}", done.state);
    let of_tag = plan().env("GITHUB_REF_TYPE", "tag").env("GITHUB_REF_NAME", "v1.2.3").end();
    of_tag.expect(0, "planned").says(&[", 1.2.3\n"]).says_not(&["`{version}` is left out"]);
    let in_action = plan().env("ACTIONS_RUNTIME_TOKEN", "x").env("ACTIONS_RESULTS_URL", "https://x.example/");
    in_action.end().expect(0, "planned").says(&["cache from type=gha,version=2"]);
}

#[test]
fn a_missing_secret_is_told_before_anything_is_asked_for() {
    let world = World::of(
        Project::with(|files| {
            let secret = "image:\n  secrets:\n    npm: {env: NPM_TOKEN}\n";
            files.replace("greenlight.yml", "image:\n", secret);
        }),
        &[],
    );
    let before = world.calls("AssumeRole");
    let done = world.run(&["deploy"]).end().expect(2, "invalid").points_at("greenlight.yml", 6);
    done.says(&["The build's secret `npm` is in the variable NPM_TOKEN, which isn't set, or is empty."]);
    assert_eq!(world.calls("AssumeRole"), before);
    assert_eq!(world.written()["writes"].as_array().unwrap().len(), 0);
}

/// Its place is the Dockerfile's line, its last lines are told, and none of it commands the runner.
#[test]
fn a_failing_step_is_an_annotation_at_its_line() {
    let name = "a,b:c.Dockerfile";
    let world = World::of(
        Project::with(|files| {
            files.replace("greenlight.yml", "image:\n", &format!("image:\n  dockerfile: '{name}'\n"));
            files.write(name, "FROM scratch\n\nRUN [\"/make\", \"all\"]\n");
        }),
        &[],
    );
    let script = "[ $1 = build ] && {
        echo '#5 [2/2] RUN [\"/make\", \"all\"]'
        echo '#5 0.1 ::set-output name=outcome::forged'
        printf '#5 0.2 cc: no such\\r::error file=x::forged\\n'
        echo '------'
        echo ' > [2/2] RUN [\"/make\", \"all\"]:'
        echo '0.1 ::set-output name=outcome::forged'
        echo '0.2 cc: no such file, 100% ##[error]forged'
        echo '------'
        echo 'ERROR: failed to solve: process \"/make all\" did not complete successfully: exit code: 2'
        exit 1
    } >&2";
    let plugin = Plugin::new(&world, script);
    let done = world.run(&["deploy"]).env("DOCKER_CONFIG", &plugin.config()).end().expect(4, "build-failed");
    let said = done.ended.said();
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("::error")).collect();
    let [error] = errors.as_slice() else { panic!("{errors:?}") };
    assert!(error.starts_with("::error file=a%2Cb%3Ac.Dockerfile,line=3,title="), "{error}");
    assert!(error.contains("exit code: 2.%0A0.1 ::set-output name=outcome::forged%0A0.2 cc: no such file, 100%25 ##\\[error]forged"), "{error}");
    assert!(said.contains("| #5 0.2 cc: no such\n| ::error file=x::forged\n"), "{said}");
    assert_eq!(done.output("outcome"), "build-failed");
}

/// BuildKit's checks of the Dockerfile, as annotations of a build that succeeds.
#[test]
fn what_the_builder_remarks_is_an_annotation() {
    let world = World::hello();
    let script = "[ $1 = build ] && printf '\\n 2 warnings found (use docker --debug to expand):\\n' >&2 &&
        printf ' - FromAsCasing: casing, 100%% ::error::forged (line 1)\\n - Other: of all\\n' >&2";
    let plugin = Plugin::new(&world, script);
    let done = world.run(&["deploy"]).env("DOCKER_CONFIG", &plugin.config()).end().expect(0, "succeeded");
    let said = done.ended.said();
    let remarks: Vec<&str> = said.lines().filter(|line| line.starts_with("::warning ")).collect();
    let first =
        "::warning file=Dockerfile,line=1,title=Dockerfile::FromAsCasing: casing, 100%25 ::error::forged";
    assert_eq!(remarks, [first, "::warning file=Dockerfile,title=Dockerfile::Other: of all"]);
    assert!(said.contains("| - FromAsCasing") || said.contains("|  - FromAsCasing"), "{said}");
}
