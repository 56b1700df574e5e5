//! A signal at every stage: what is asked of the world within the runner's seven seconds, the
//! truth that is told, and what the post step finishes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use rustix::process::Signal;
use serde_json::{Value, json};
use support::{Done, Project, Running, World, list, text};

const ALL_AT_ONCE: &str = "CodeDeployDefault.ECSAllAtOnce";
const CANARY: &str = "CodeDeployDefault.ECSCanary10Percent15Minutes";

/// A world whose waits are long enough to be caught in.
fn world(args: &[&str]) -> World {
    let project = Project::with(|files| {
        files.replace("greenlight.yml", "termination-wait: 1m", "termination-wait: 1h");
    });
    World::of(project, args)
}

/// What production is on is what it was on before, and the group takes the next deployment.
#[track_caller]
fn is_on_blue(world: &World, before: &str) {
    world.until(|world| world.deployments().iter().all(has_ended));
    assert_eq!(world.live(), before);
    let serving: Vec<u64> = world.weights("production").into_values().filter(|weight| *weight > 0).collect();
    assert_eq!(serving, [100]);
}

fn has_ended(deployment: &Value) -> bool {
    ["Succeeded", "Failed", "Stopped"].contains(&text(deployment, "status"))
}

/// GitHub shows nothing of the run as if it went on.
#[track_caller]
fn is_closed(world: &World, status: &str) {
    let state = world.state();
    for check in list(&state, "checks") {
        assert_eq!(check["status"], "completed", "{check}");
    }
    let latest = list(&state, "statuses").iter().max_by_key(|s| text(s, "created_at").to_owned());
    assert_eq!(latest.expect("a status")["state"], status, "{}", state["statuses"]);
    for deployment in list(&state, "github_deployments") {
        let last = list(deployment, "statuses").last().expect("a status");
        assert_ne!(last["state"], "in_progress", "{deployment}");
    }
}

/// The post step's end: what it says, and that it says it once.
#[track_caller]
fn post(world: &World, main: &Done, said: &[&str]) -> Done {
    let done = world.post(main).end().says(said);
    assert_eq!(done.ended.code, Some(0), "{}", done.ended.said());
    done
}

/// A run that has nothing left to finish has a post step without a word.
#[track_caller]
fn no_post(world: &World, main: &Done) {
    let calls = list(&world.state(), "api_calls").len();
    let done = world.post(main).end();
    assert_eq!((done.ended.code, done.ended.said().as_str()), (Some(0), ""));
    assert_eq!(list(&world.state(), "api_calls").len(), calls);
}

fn is_in_termination_wait(event: &Value) -> bool {
    event["event"] == "waiting"
        && event["what"].as_str().is_some_and(|what| what.contains("termination wait"))
}

#[test]
fn while_reading() {
    for (signal, held) in [(Signal::INT, "sts:AssumeRole"), (Signal::TERM, "codedeploy:GetDeploymentGroup")] {
        let world = World::hello();
        let before = world.written();
        let hold = world.hold(held, "before");
        let run = world.run(&["deploy"]).start();
        hold.come();
        run.signal(signal);
        let done = run.end().expect(8, "cancelled");
        let done = done.says(&["Cancelled while reading what there is", "Production is untouched."]);
        hold.go_on();
        assert_eq!(world.written(), before);
        no_post(&world, &done);
        is_closed(&world, "error");
    }
}

#[test]
fn while_it_waits_for_its_turn() {
    let world = world(&["--fault", "deployment-active"]);
    let run = world.run(&["deploy"]).start();
    run.until(|event| event["event"] == "waiting");
    run.signal(Signal::TERM);
    let done = run
        .end()
        .expect(8, "cancelled")
        .says(&["Cancelled while it waited for its turn: nothing was deployed.", "Production is untouched."]);
    assert_eq!(world.deployments().len(), 1);
    assert!(!done.outputs.contains_key("deployment-id"));
    no_post(&world, &done);
    is_closed(&world, "error");
}

#[test]
fn while_it_builds() {
    let world = World::hello();
    let images = world.state()["repositories"].clone();
    let hold = world.hold("registry:put-manifest", "before");
    let run = world.run(&["deploy"]).start();
    hold.come();
    run.interrupt();
    let done =
        run.end().expect(8, "cancelled").says(&["Cancelled in the image's stage: nothing was deployed."]);
    // The child has gone with it: nobody waits for what is let go now.
    hold.go_on();
    assert_eq!(
        world.state()["repositories"]["111111111111"]["hello"]["tags"],
        images["111111111111"]["hello"]["tags"]
    );
    no_post(&world, &done);
    is_closed(&world, "error");
}

#[test]
fn while_a_revision_is_registered() {
    let world = World::hello();
    let hold = world.hold("ecs:RegisterTaskDefinition", "after");
    let run = world.run(&["deploy"]).start();
    hold.come();
    run.interrupt();
    let done = run.end().expect(8, "cancelled").says(&["RegisterTaskDefinition wasn't answered"]);
    hold.go_on();
    assert_eq!(world.deployments().len(), 0);
    no_post(&world, &done);

    // The same run uses what there is.
    let registered = list(&world.state(), "task_definitions").len();
    world.run(&["deploy"]).env("GITHUB_RUN_ATTEMPT", "2").end().expect(0, "succeeded");
    assert_eq!(list(&world.state(), "task_definitions").len(), registered);
}

#[test]
fn while_a_deployment_is_created() {
    let world = world(&[]);
    let before = world.live();
    let hold = world.hold("codedeploy:CreateDeployment", "after");
    let run = world.run(&["deploy"]).start();
    hold.come();
    run.interrupt();
    // Its id came from the marker.
    let done = run.end().expect(8, "cancelled").says(&["was asked to stop deployment"]);
    hold.go_on();
    post(
        &world,
        &done,
        &["Cancelled", "Production is on hello:1, the version from before: 100 % of the traffic"],
    );
    assert_eq!(text(&world.deployments()[0], "id"), done.output("deployment-id"));
    is_on_blue(&world, &before);
    is_closed(&world, "error");
}

#[test]
fn a_creation_that_nobody_knows_of_is_looked_for_by_the_post_step() {
    let world = world(&[]);
    let before = world.live();
    let create = world.hold("codedeploy:CreateDeployment", "after");
    let look =
        world.hold_as(&json!({ "operation": "codedeploy:ListDeployments", "moment": "before", "nth": 2 }));
    let run = world.run(&["deploy"]).start();
    create.come();
    run.interrupt();
    let done = run.end().expect(8, "cancelled").says(&["CreateDeployment wasn't answered"]);
    look.go_on();
    create.go_on();
    assert!(!done.state.contains_key("deployment_id"));
    let [deployment] = &world.deployments()[..] else { panic!("one deployment") };
    post(
        &world,
        &done,
        &[text(deployment, "id"), "was stopped and production taken back", "Production is on hello:1"],
    );
    is_on_blue(&world, &before);
    is_closed(&world, "error");
}

#[test]
fn a_creation_that_never_came_leaves_a_revision_that_is_said() {
    let world = World::hello();
    let create = world.hold("codedeploy:CreateDeployment", "before");
    let run = world.run(&["deploy"]).start();
    create.come();
    run.signal(Signal::TERM);
    let done = run.end().expect(8, "cancelled").says(&["CreateDeployment wasn't answered"]);
    create.go_on();
    post(&world, &done, &["none has begun", "the unused revision hello:2", "Production is on hello:1"]);
    assert_eq!(world.deployments().len(), 0);
    is_closed(&world, "error");
}

/// Signals a run of a world at a moment, and gives it back with what production was on before.
fn signalled(world: &World, args: &[&str], signal: Signal, at: impl FnOnce(&Running)) -> Done {
    let run = world.run(&[&["deploy"], args].concat()).start();
    at(&run);
    run.signal(signal);
    run.end().expect(8, "cancelled")
}

#[test]
fn at_ready() {
    let world = world(&[]);
    let before = world.live();
    let hold = world.hold("codedeploy:ContinueDeployment", "before");
    let done = signalled(&world, &[], Signal::TERM, |_| drop(hold.come()));
    let done = done.says(&["was asked to stop deployment", "roll it back"]);
    post(&world, &done, &["was stopped and production taken back", "Production is on hello:1"]);
    is_on_blue(&world, &before);
    is_closed(&world, "error");
}

#[test]
fn at_ready_and_detached() {
    let world = world(&[]);
    let hold = world.hold("codedeploy:ContinueDeployment", "before");
    let done = signalled(&world, &["--on-cancel", "detach"], Signal::INT, |_| drop(hold.come()));
    let done = done.says(&["goes on by itself", "waits at Ready"]);
    assert_eq!(world.calls("StopDeployment"), 0);
    post(&world, &done, &["goes on by itself", "waits at Ready", "Production is on hello:1"]);
    assert_eq!(world.deployments()[0]["status"], "Ready");
    is_closed(&world, "error");
    // The same run attaches and carries it on.
    let args = ["deploy", "--deployment-config", CANARY, "--until", "traffic-shifted"];
    let again = world.run(&args[..1]).env("GITHUB_RUN_ATTEMPT", "2").start();
    again.until(|event| event["event"] == "traffic" && event["green"] == 100.0);
    again.interrupt();
    let again = again.end().expect(8, "cancelled");
    assert_eq!(again.output("deployment-id"), done.output("deployment-id"));
}

#[test]
fn in_the_shift() {
    let world = world(&["--speed", "60"]);
    let before = world.live();
    let shifting = |run: &Running| run.until(|event| event["event"] == "traffic" && event["green"] == 10.0);
    let done = signalled(&world, &["--deployment-config", CANARY], Signal::INT, shifting);
    let done = done.says(&["was asked to stop deployment"]);
    post(&world, &done, &["was stopped and production taken back", "Production is on hello:1"]);
    is_on_blue(&world, &before);
    is_closed(&world, "error");
    no_second_word(&world, &done);
}

/// What was finished stays so when it is finished again.
#[track_caller]
fn no_second_word(world: &World, main: &Done) {
    let deployments = world.deployments();
    post(world, main, &["Production is on hello:1"]);
    assert_eq!(world.deployments(), deployments);
}

#[test]
fn in_the_shift_and_detached() {
    let world = World::of(Project::hello(), &["--speed", "60"]);
    let before = world.live();
    let shifting = |run: &Running| run.until(|event| event["event"] == "traffic" && event["green"] == 10.0);
    let args =
        ["--deployment-config", "CodeDeployDefault.ECSCanary10Percent5Minutes", "--on-cancel", "detach"];
    let done = signalled(&world, &args, Signal::TERM, shifting);
    let done = done.says(&["goes on by itself", "90 % on hello:1", "10 % on hello:2"]);
    assert_eq!(world.calls("StopDeployment"), 0);
    post(&world, &done, &["by itself"]);
    is_closed(&world, "error");
    world.until(|world| world.deployments()[0]["status"] == "Succeeded");
    assert_ne!(world.live(), before);
    post(&world, &done, &["went on by itself and succeeded", "Production is on hello:2, the new version"]);
}

#[test]
fn in_the_termination_wait() {
    let world = world(&[]);
    let before = world.live();
    let waiting = |run: &Running| run.until(is_in_termination_wait);
    let done = signalled(&world, &["--deployment-config", ALL_AT_ONCE], Signal::TERM, waiting);
    let done = done.says(&["was asked to stop deployment"]);
    post(&world, &done, &["was stopped and production taken back", "Production is on hello:1"]);
    is_on_blue(&world, &before);
    is_closed(&world, "error");
}

#[test]
fn in_the_termination_wait_and_detached() {
    let world = world(&[]);
    let waiting = |run: &Running| run.until(is_in_termination_wait);
    let args = ["--deployment-config", ALL_AT_ONCE, "--on-cancel", "detach"];
    let done = signalled(&world, &args, Signal::INT, waiting);
    let done =
        done.says(&["goes on by itself", "Production is on hello:2, the new version: 100 % of the traffic"]);
    post(&world, &done, &["goes on by itself", "Production is on hello:2"]);
    assert_eq!(world.calls("StopDeployment"), 0);
    is_closed(&world, "error");
}

#[test]
fn while_a_rollback_is_followed() {
    let world = world(&["--fault", "validation-fails"]);
    let before = world.live();
    // It reads production when the rollback has ended.
    let read = json!({ "operation": "ecs:DescribeServices", "moment": "before", "every": true });
    let mut hold = None;
    let done = signalled(&world, &[], Signal::INT, |run| {
        run.until(|event| event["event"] == "deployment-created");
        hold.insert(world.hold_as(&read)).come();
    });
    let done = done.says(&["had failed", "could not be read"]);
    hold.expect("a call is held").go_on();
    post(&world, &done, &["Production is on hello:1, the version from before"]);
    assert_eq!(world.calls("StopDeployment"), 1);
    is_on_blue(&world, &before);
    is_closed(&world, "error");
}

#[test]
fn a_second_signal_leaves_at_once_and_the_post_step_finishes() {
    let world = world(&[]);
    let before = world.live();
    let stop = world
        .hold_as(&json!({ "operation": "codedeploy:StopDeployment", "moment": "before", "every": true }));
    let run = world.run(&["deploy", "--deployment-config", ALL_AT_ONCE]).start();
    run.until(is_in_termination_wait);
    run.interrupt();
    stop.come();
    run.signal(Signal::TERM);
    let done = run.end();
    assert_eq!(done.ended.code, Some(8), "{}", done.ended.said());
    assert!(!done.state.contains_key("outcome"), "{:?}", done.state);
    assert_eq!(done.state["cancelled"], "yes");
    stop.go_on();
    post(&world, &done, &["The run was cancelled; deployment", "was stopped and production taken back"]);
    is_on_blue(&world, &before);
    is_closed(&world, "error");
}

#[test]
fn a_stop_that_is_not_answered_is_asked_for_again_by_the_post_step() {
    let world = world(&[]);
    let before = world.live();
    let stop = world
        .hold_as(&json!({ "operation": "codedeploy:StopDeployment", "moment": "before", "every": true }));
    let waiting = |run: &Running| run.until(is_in_termination_wait);
    let done = signalled(&world, &["--deployment-config", ALL_AT_ONCE], Signal::INT, waiting);
    let done = done.says(&["could not be asked to stop", "no answer in time", "it goes on"]);
    assert_eq!(world.deployments()[0]["status"], "InProgress");
    stop.go_on();
    post(&world, &done, &["was stopped and production taken back", "Production is on hello:1"]);
    is_on_blue(&world, &before);
    is_closed(&world, "error");
}

#[test]
fn with_github_down_the_deployment_is_stopped_all_the_same() {
    let world = world(&["--fault", "github-down"]);
    let before = world.live();
    let waiting = |run: &Running| run.until(is_in_termination_wait);
    let done = signalled(&world, &["--deployment-config", ALL_AT_ONCE], Signal::INT, waiting);
    let done = done.says(&["was asked to stop deployment", "warning"]);
    post(&world, &done, &["was stopped and production taken back", "warning"]);
    is_on_blue(&world, &before);
}

#[test]
fn a_rehearsal_is_cancelled_as_a_job_is() {
    let project = Project::with(|files| {
        files.replace("greenlight.yml", "termination-wait: 1m", "termination-wait: 1h");
    });
    let report = project.folder().join("report.json");
    let mut command = support::greenlight();
    command.current_dir(project.folder());
    command.args([
        "rehearse",
        "--no-docker",
        "--speed",
        "120",
        "--deployment-config",
        ALL_AT_ONCE,
        "--report",
    ]);
    command.arg(&report);
    let rehearsal = support::Child::start(command);
    rehearsal.line_with("blue stands by", support::LIMIT);
    rehearsal.signal(Signal::INT);
    let ended = rehearsal.wait(support::LIMIT);
    assert_eq!(ended.code, Some(8), "{}", ended.said());
    assert!(ended.said().contains("was stopped and production taken back"), "{}", ended.said());
    let report: Value = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    assert_eq!((&report["outcome"], &report["post_exit_code"]), (&json!("cancelled"), &json!(0)), "{report}");
    assert_eq!(report["requests"]["failed"], 0, "{report}");
}

#[test]
fn what_a_dead_build_left_of_its_login_is_deleted() {
    let world = World::hello();
    let hold = world.hold("registry:put-manifest", "before");
    let run = world.run(&["deploy"]).start();
    hold.come();
    let done = run.kill();
    let folder = std::path::Path::new(&done.state["private_folder"]);
    assert!(folder.join("config.json").exists());
    post(&world, &done, &["The run died before a deployment was started.", "Production is untouched."]);
    assert!(!folder.exists());
    is_closed(&world, "error");
}

#[test]
fn every_secret_that_is_minted_is_told_to_the_runner() {
    let world = World::hello();
    let done = world.run(&["plan"]).end().expect(0, "planned");
    let masks: Vec<&str> =
        done.ended.stdout.lines().filter_map(|line| line.strip_prefix("::add-mask::")).collect();
    // Of each role's session, its secret and its token.
    assert!(masks.iter().filter(|mask| mask.contains(support::CANARY)).count() >= 4, "{masks:?}");
    let local = world.run(&["plan"]).without(&["GITHUB_ACTIONS"]).end().expect(0, "planned");
    local.says_not(&["::add-mask::"]);
}

#[test]
fn a_run_that_told_its_end_has_a_post_step_without_a_word() {
    let world = World::hello();
    let done = world.run(&["deploy", "--deployment-config", ALL_AT_ONCE]).end().expect(0, "succeeded");
    no_post(&world, &done);
    let failed = world.run(&["deploy", "--cluster", "nowhere"]).end().expect(3, "refused");
    no_post(&world, &failed);
}

#[test]
fn an_end_that_github_did_not_hear_is_told_by_the_post_step() {
    let world = World::hello();
    let done = world.run(&["deploy", "--deployment-config", ALL_AT_ONCE]).end().expect(0, "succeeded");
    let mut untold = done;
    untold.state.remove("told");
    let calls = list(&world.state(), "api_calls").len();
    post(&world, &untold, &["Deployed", "Production is on hello:2"]);
    assert_eq!(list(&world.state(), "api_calls").len(), calls);
    let state = world.state();
    assert_eq!(list(&state, "checks").len(), 1);
    assert_eq!(list(&state, "comments").len(), 1);
    assert_eq!(list(&state, "github_deployments").len(), 1);
    is_closed(&world, "success");
}
