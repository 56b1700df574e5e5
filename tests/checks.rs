//! Checks decide: what passes lets the deployment go on, what fails takes it back, and what can't
//! be told is left to people. The verdict states the measured figure beside its limit.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use support::{Child, Done, Files, LIMIT, Project, SPEED, World, greenlight, text};

const ALL_AT_ONCE: [&str; 3] = ["deploy", "--deployment-config", "CodeDeployDefault.ECSAllAtOnce"];

/// examples/hello with these checks, as they stand under the environment, and a script.
fn project(checks: &str, script: &str, misbehave: &str) -> Project {
    Project::with(|files| {
        let text = files.read("greenlight.yml");
        let (head, rest) = text.split_once("    validate:").unwrap();
        let (_, tail) = rest.split_once("\n\n").unwrap();
        files.write("greenlight.yml", &format!("{head}{checks}\n\n{tail}"));
        executable(files, "smoke.sh", script);
        if !misbehave.is_empty() {
            files.edit("taskdef.json", |document| {
                let environment = &mut document["containerDefinitions"][0]["environment"];
                environment.as_array_mut().unwrap().push(json!({ "name": "MISBEHAVE", "value": misbehave }));
            });
        }
    })
}

fn executable(files: &Files, name: &str, script: &str) {
    files.write(name, &format!("#!/bin/sh\n{script}\n"));
    let path = files.path(name);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn shares(world: &World) -> (u64, u64) {
    let weights = world.weights("production");
    (weights["hello-blue"], weights["hello-green"])
}

/// A world where blue is fine, and a deployment of this project into it.
struct Played {
    world: World,
    project: Project,
    done: Done,
}

fn play(checks: &str, script: &str, misbehave: &str, args: &[&str]) -> Played {
    let world = World::hello();
    let project = project(checks, script, misbehave);
    let done = world.run_in(project.folder(), &[&ALL_AT_ONCE[..], args].concat()).end();
    Played { world, project, done }
}

impl Played {
    #[track_caller]
    fn passes(self) -> Played {
        let done = self.done.expect(0, "succeeded");
        assert_eq!(done.told("check")["conclusion"], "passed");
        assert_eq!(shares(&self.world), (0, 100));
        assert_eq!(self.world.live(), done.output("task-definition-arn"));
        Played { done, ..self }
    }

    /// Green never had production traffic.
    #[track_caller]
    fn fails(self) -> Played {
        let done = self.done.expect(5, "rolled-back");
        assert_eq!(done.told("check")["conclusion"], "failed");
        assert!(!done.events.iter().any(|e| e["event"] == "traffic" && e["green"] != 0.0));
        assert_eq!(shares(&self.world), (100, 0));
        assert_eq!(self.world.live(), done.output("previous-task-definition-arn"));
        assert_eq!(self.world.deployments()[0]["status"], "Stopped");
        Played { done: done.says(&["Production is on hello:1, the version from before: 100 %"]), ..self }
    }

    #[track_caller]
    fn measures(self, measured: &[&str], limit: &str) -> Played {
        let check = self.done.told("check");
        for part in measured {
            assert!(text(check, "measured").contains(part), "{part}: {check}");
        }
        assert_eq!(text(check, "limit"), limit);
        // Where people look, too.
        let shown = check["limit"].as_str().unwrap().split(' ').next().unwrap();
        assert!(self.done.summary.contains(shown), "{}", self.done.summary);
        self
    }
}

#[test]
fn a_request_passes_by_all_that_is_wanted_of_its_answer() {
    let checks = r#"    validate:
      - http:
          path: /version
          method: GET
          headers: { X-Tenant: acme }
          host: shop.example
          contains: '"service":"hello"'
          json: { /service: hello }
          latency: 30s
          timeout: 30s
          within: 20m"#;
    // The stand-ins of a world answer what its own configuration asks for.
    let (world, project) = (World::of(project(checks, "", ""), &[]), project(checks, "", ""));
    let done = world.run_in(project.folder(), &ALL_AT_ONCE).end();
    Played { world, project, done }.passes().measures(
        &["status 200 in ", "`/service` = `hello`"],
        "status 200 within 30s, a body with `\"service\":\"hello\"`, `/service` = `hello`",
    );
}

#[test]
fn a_wrong_body_takes_green_back() {
    let checks = "    validate: [{ http: { path: /version, json: { /service: hello }, within: 30s } }]";
    play(checks, "", "garbled", &[])
        .fails()
        .measures(&["status 200 in ", "no `/service`"], "status 200, `/service` = `hello`")
        .done
        .says(&["green failed GET /version on the test listener", "production traffic never reached it"]);
}

#[test]
fn an_answer_beyond_its_latency_takes_green_back() {
    let checks = "    validate: [{ http: { path: /version, latency: 100ms, within: 30s } }]";
    play(checks, "", "slow:400ms", &[]).fails().measures(&["status 200 in "], "status 200 within 100ms");
}

#[test]
fn no_answer_in_time_takes_green_back() {
    let checks = "    validate: [{ http: { path: /version, timeout: 100ms, within: 30s } }]";
    play(checks, "", "slow:3000ms", &[]).fails().measures(&["no answer in time"], "status 200");
}

const RUN: &str = "    validate: [{ run: { command: ./smoke.sh one, timeout: 100m } }]";

#[test]
fn a_command_finds_what_it_needs_and_nothing_of_the_steps_own() {
    let script = r#"env > seen; echo "checking $1"; echo "::set-output name=x::y" >&2"#;
    let world = World::hello();
    let project = project(RUN, script, "");
    let run = world.run_in(project.folder(), &ALL_AT_ONCE).input("github-token", "not-for-others");
    let run = run.env("MINE", "here").env("ACTIONS_RUNTIME_TOKEN", "not-for-others").end();
    let played = Played { world, project, done: run }.passes();
    let Played { world, project, done } = &played;
    let seen = project.files().read("seen");
    let variable = |name: &str| seen.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
    assert_eq!(variable("GREEN_URL"), Some(world.variable("TEST_URL")));
    assert_eq!(variable("BLUE_URL"), Some(world.variable("PRODUCTION_URL")));
    assert_eq!(variable("IMAGE"), Some(done.output("image")));
    assert_eq!(variable("TASK_DEFINITION"), Some(done.output("task-definition-arn")));
    assert_eq!(variable("DEPLOYMENT_ID"), Some(done.output("deployment-id")));
    // The caller's own keys were in the run's environment already; a session's are in none.
    assert_eq!(variable("MINE"), Some("here"));
    assert_eq!(variable("AWS_ACCESS_KEY_ID"), Some(world.variable("AWS_ACCESS_KEY_ID")));
    assert!(!seen.contains("not-for-others") && !seen.contains("AWS_SESSION_TOKEN="), "{seen}");
    assert_eq!(variable("GITHUB_OUTPUT"), None);
    // What it says is text, and no word to the runner.
    let said = done.ended.stdout.lines().collect::<Vec<_>>();
    assert!(said.iter().any(|line| line.ends_with("| checking one")), "{said:?}");
    assert!(!said.iter().any(|line| line.trim_start().starts_with("::set-output")), "{said:?}");
    played.measures(&["exit code 0 after "], "exit code 0 within 1h 40m");
}

#[test]
fn a_command_that_fails_takes_green_back() {
    play(RUN, "echo 'the cart is empty' >&2; exit 3", "", &[])
        .fails()
        .measures(&["exit code 3 after "], "exit code 0 within 1h 40m")
        .done
        .says(&["| the cart is empty", "`./smoke.sh one` failed: exit code 3"]);
}

#[test]
fn a_command_that_is_killed_has_failed() {
    play(RUN, "kill -9 $$", "", &[]).fails().measures(&["killed by signal 9"], "exit code 0 within 1h 40m");
}

#[test]
fn a_command_that_does_not_end_has_failed_and_ends() {
    let checks = "    validate: [{ run: { command: ./smoke.sh, timeout: 1m } }]";
    // It says that all is well when it is told to stop, and leaves somebody behind.
    let script = "(trap '' TERM; while :; do sleep 0.1; date > alive; done) & trap 'exit 0' TERM\nwhile :; do sleep 0.1; done";
    let played = play(checks, script, "", &[])
        .fails()
        .measures(&["no end within 1m: it was stopped"], "exit code 0 within 1m");
    let alive = played.project.folder().join("alive");
    let _ = std::fs::remove_file(&alive);
    // It would be written again ten times over.
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(!alive.exists());
}

#[test]
fn a_cancelled_run_passes_the_signal_on() {
    let world = World::hello();
    let script = "trap 'echo stopping > told; exit 0' TERM\ntouch started\nwhile :; do sleep 0.1; done";
    let project = project(RUN, script, "");
    let run = world.run_in(project.folder(), &ALL_AT_ONCE).start();
    let started = project.folder().join("started");
    world.until(|_| started.exists());
    run.interrupt();
    let done = run.end().expect(8, "cancelled");
    assert_eq!(project.files().read("told"), "stopping\n");
    assert!(!done.events.iter().any(|event| event["event"] == "check"), "{:?}", done.events);
    world.until(|world| world.deployments()[0]["status"] == "Stopped");
    assert_eq!(shares(&world), (100, 0));
}

fn load(more: &str) -> String {
    format!(
        "    validate: [{{ load: {{ path: /, rate: 50, for: 8m, min-samples: 50, timeout: 30s, {more} }} }}]"
    )
}

#[test]
fn load_within_its_limits_passes() {
    let checks = load("errors: 1%, p99: 30s, against-blue: { errors: 1%, p95: 1000 }");
    play(&checks, "", "", &[]).passes().measures(
        &["green ", "; blue ", " requests, errors 0%, p50 ", "p95 ", "p99 "],
        "at least 50 requests, errors at most 1%, p99 at most 30s, errors at most 1 points above blue's, p95 at most 1000 × blue's",
    );
}

#[test]
fn errors_under_load_take_green_back() {
    // An alarm would see them first.
    let calm = |project: Project| {
        project.files().replace("greenlight.yml", "[hello-5xx]", "[]");
        project.commit();
        project
    };
    let world = World::of(calm(Project::hello()), &[]);
    let project = calm(project(&load("errors: 5%, against-blue: { errors: 2% }"), "", "errors:30%"));
    let done = world.run_in(project.folder(), &ALL_AT_ONCE).end();
    let played = Played { world, project, done }.fails();
    let what = text(&played.done.told("finished")["findings"][0], "what").to_owned();
    assert!(what.starts_with("green failed under load on the test listener, GET / × 50/s"), "{what}");
    assert!(what.contains("%, at most 5%;") && what.contains("at most 2 points above blue's 0%"), "{what}");
}

#[test]
fn a_check_ends_with_the_deployment_that_an_alarm_stops() {
    let played = play(&load("errors: 99%").replace("8m", "80m"), "", "errors:30%", &[]);
    let done = played.done.expect(5, "rolled-back").says(&["hello-5xx"]);
    assert!(!done.events.iter().any(|event| event["event"] == "check"), "{:?}", done.events);
    assert_eq!(shares(&played.world), (100, 0));
}

#[test]
fn slowness_beside_blue_takes_green_back() {
    // Far beyond what a busy machine does to blue.
    play(&load("against-blue: { p95: 1.2 }"), "", "slow:3000ms", &[])
        .fails()
        .done
        .says(&["green failed under load", "at most 1.2 × blue's"]);
}

/// At the world's speed there is no time for so many requests.
const TOO_FEW: &str = "path: /, rate: 1, for: 5m, min-samples: 300, errors: 1%, timeout: 30s";

#[test]
fn from_too_few_requests_nothing_is_told() {
    let world = World::hello();
    let project = project(&format!("    validate: [{{ load: {{ {TOO_FEW} }} }}]"), "", "");
    let done = world.run_in(project.folder(), &ALL_AT_ONCE).end().expect(0, "held").says(&[
        "nothing can be told from the load on green",
        "at least 300 (`min-samples`)",
        "greenlight approve",
    ]);
    assert_eq!(done.told("check")["conclusion"], "inconclusive");
    assert_eq!(world.deployments()[0]["status"], "Ready");
    assert_eq!(shares(&world), (100, 0));
}

#[test]
fn too_few_requests_fail_where_that_is_asked_for() {
    let played =
        play(&format!("    validate: [{{ load: {{ {TOO_FEW}, inconclusive: fail }} }}]"), "", "", &[]);
    let done = played.done.expect(5, "rolled-back").says(&["nothing can be told from the load on green"]);
    assert_eq!(done.told("check")["conclusion"], "inconclusive");
    assert_eq!(shares(&played.world), (100, 0));
}

#[test]
fn what_is_verified_is_let_be() {
    let world = World::of(patient("10m", Project::hello), &[]);
    let checks = "    verify: [{ http: { path: /version, json: { /service: hello }, within: 30s } }]";
    let project = project(checks, "", "");
    let done = world.run_in(project.folder(), &ALL_AT_ONCE).end();
    let played = Played { world, project, done }.passes();
    assert_eq!(played.done.told("check")["name"], "GET /version on production");
    let order: Vec<&Value> =
        played.done.events.iter().filter(|e| e["event"] == "traffic" || e["event"] == "check").collect();
    assert_eq!(order.last().unwrap()["event"], "check", "{order:?}");
}

const VERIFY: &str = "    verify: [{ http: { path: /other, contains: 'never said', within: 20s } }]";

/// Green had production, and blue has it again.
#[track_caller]
fn taken_back(played: Played) {
    let done = played.done.expect(5, "rolled-back").says(&[
        "green failed GET /other on the production listener",
        "no `never said` in the body",
        "Green had 100 % of production traffic for",
        "Production is on hello:1, the version from before: 100 %",
    ]);
    assert_eq!(done.told("check")["conclusion"], "failed");
    assert!(done.events.iter().any(|e| e["event"] == "traffic" && e["green"] == 100.0));
    assert_eq!(shares(&played.world), (100, 0));
    assert_eq!(played.world.live(), done.output("previous-task-definition-arn"));
    let deployments = played.world.deployments();
    assert_eq!(deployments[0]["status"], "Stopped");
    assert_eq!(deployments[1]["rolls_back"], done.output("deployment-id"));
}

/// A termination wait that a busy machine doesn't miss.
fn verify(args: &[&str]) -> Played {
    let world = World::of(patient("60m", Project::hello), &[]);
    let project = project(VERIFY, "", "");
    let done = world.run_in(project.folder(), &[&ALL_AT_ONCE[..], args].concat()).end();
    Played { world, project, done }
}

fn patient(wait: &str, make: impl FnOnce() -> Project) -> Project {
    let project = make();
    let wait = format!("termination-wait: {wait}");
    project.files().replace("greenlight.yml", "termination-wait: 1m", &wait);
    project.commit();
    project
}

#[test]
fn what_fails_after_the_shift_brings_blue_back() {
    taken_back(verify(&[]));
}

#[test]
fn what_fails_after_the_shift_is_no_success_at_the_shift() {
    taken_back(verify(&["--until", "traffic-shifted"]));
}

/// Where CodeDeploy stops nothing in the termination wait.
fn not_to_be_stopped(args: &[&str]) {
    let mut document = support::document();
    document["truths"] = json!({ "stop-in-termination-wait": false });
    let group = &mut document["accounts"][1]["applications"][0]["groups"][0];
    group["termination-wait-minutes"] = json!(60);
    let world =
        World::of_document(Project::with(|files| files.write("world.yml", &document.to_string())), &[]);
    let before = world.live();
    let project = project(VERIFY, "", "");
    let done = world.run_in(project.folder(), &[&ALL_AT_ONCE[..], args].concat()).end();
    let done = done.expect(5, "rolled-back").says(&[
        "can't be stopped any more",
        "green failed GET /other on the production listener",
        "has deployed the version from before again",
        "Green had 100 % of production traffic for",
        "Production is on hello:1, the version from before: 100 %",
    ]);
    let [ours, back] = &world.deployments()[..] else { panic!("{:?}", world.deployments()) };
    assert_eq!((text(ours, "id"), text(ours, "status")), (done.output("deployment-id"), "Succeeded"));
    assert_eq!(text(back, "id"), done.output("rollback-deployment-id"));
    assert_eq!((text(back, "task_definition"), world.live()), (before.as_str(), before.clone()));
    assert_eq!(
        world.weights("production").into_iter().collect::<Vec<_>>(),
        [("blue".to_owned(), 100), ("green".to_owned(), 0)]
    );
}

#[test]
fn what_cannot_be_stopped_is_taken_back_by_another_deployment() {
    not_to_be_stopped(&[]);
}

#[test]
fn what_cannot_be_stopped_is_taken_back_from_the_shift_on() {
    not_to_be_stopped(&["--until", "traffic-shifted"]);
}

/// A termination wait that is over before anybody looks.
#[test]
fn what_is_seen_too_late_is_verified_all_the_same() {
    let mut document = support::document();
    document["truths"] = json!({ "stop-in-termination-wait": false });
    let project_of =
        |document: &Value| Project::with(|files| files.write("world.yml", &document.to_string()));
    let world = World::of_document(project_of(&document), &["--speed", "600"]);
    let before = world.live();
    let project = project(VERIFY, "", "");
    let done = world.run_in(project.folder(), &ALL_AT_ONCE).end().expect(5, "rolled-back");
    assert_eq!(done.told("check")["conclusion"], "failed");
    assert_eq!(world.live(), before);
}

#[test]
fn until_the_shift_ends_after_its_checks() {
    let world = World::of(patient("60m", Project::hello), &[]);
    let project = project("    verify: [{ http: { path: /version, within: 20s } }]", "", "");
    let args = [&ALL_AT_ONCE[..], &["--until", "traffic-shifted"]].concat();
    let done = world.run_in(project.folder(), &args).end();
    let done = done.expect(0, "succeeded").says(&["has moved all production traffic to green"]);
    assert_eq!(done.told("check")["conclusion"], "passed");
}

/// Docker's command line as far as checks use it: says what it is asked, and has a container that
/// outlives it.
const DOCKER: &str = r#"case "$1" in
version) echo 20.10.24 ;;
run) echo "$@" > ran; env > seen; echo "from the image"; test -e hangs || exit 0; while :; do sleep 0.1; done ;;
rm) echo "$@" > removed ;;
esac"#;

fn in_image(more: &str, hangs: bool) -> Played {
    let world = World::hello();
    let project = project(&format!("    validate: [{{ run: {{ image: 'smoke:1', {more} }} }}]"), "", "");
    let files = project.files();
    executable(&files, "docker", DOCKER);
    if hangs {
        files.write("hangs", "");
    }
    let path = format!("{}:{}", project.folder().display(), std::env::var("PATH").unwrap());
    let done = world.run_in(project.folder(), &ALL_AT_ONCE).env("PATH", &path).end();
    Played { world, project, done }
}

#[test]
fn a_command_runs_in_an_image() {
    let played = in_image("command: ./check --all", false).passes();
    let ran = played.project.files().read("ran");
    let words: Vec<&str> = ran.split_whitespace().collect();
    assert_eq!(words[..3], ["run", "--rm", "--init"]);
    assert!(ran.trim().ends_with("--entrypoint sh smoke:1 -e -c ./check --all"), "{ran}");
    // By name alone: values stand on no command line.
    assert!(ran.contains("--env GREEN_URL --env BLUE_URL --env IMAGE "), "{ran}");
    let green = format!("GREEN_URL={}", played.world.variable("TEST_URL"));
    assert!(played.project.files().read("seen").lines().any(|line| line == green));
    played.done.says(&["| from the image"]);
}

#[test]
fn a_container_that_does_not_end_is_removed() {
    let played = in_image("timeout: 1m", true).fails();
    let (ran, removed) = (played.project.files().read("ran"), played.project.files().read("removed"));
    let name = ran.split_whitespace().skip_while(|word| *word != "--name").nth(1).unwrap();
    assert_eq!(removed.trim(), format!("rm --force {name}"));
    assert!(ran.trim().ends_with("smoke:1"), "{ran}");
}

/// Of the whole, by the users of the service: `validation-fails` makes green answer 500.
#[test]
fn a_rehearsal_tells_who_met_a_bad_green() {
    let checks = "    verify: [{ http: { path: /version, within: 30s } }]";
    let project = patient("60m", || project(checks, "", ""));
    // It would be quicker than the checks.
    project.files().replace("greenlight.yml", "[hello-5xx]", "[]");
    project.commit();
    let report = project.folder().join("report.json");
    let mut command = greenlight();
    command.current_dir(project.folder());
    command.args(["rehearse", "--no-docker", "--speed", SPEED, "--fault", "validation-fails", "--report"]);
    command.arg(&report).args(&ALL_AT_ONCE[1..]);
    let ended = Child::start(command).wait(LIMIT);
    assert_eq!(ended.code, Some(5), "{}", ended.said());
    assert!(ended.said().contains("Green had 100 % of production traffic for"), "{}", ended.said());
    let report: Value = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    assert_eq!(report["outcome"], "rolled-back", "{report}");
    assert_eq!(report["requests"]["failed"], 0, "{report}");
    let versions = report["requests"]["by_version"].as_object().unwrap();
    assert_eq!(versions["1.0.0"]["error"], 0, "{report}");
}

#[test]
fn what_could_not_be_verified_is_not_let_go_on() {
    let checks = "    hold: approve\n    verify: [{ run: { command: ./smoke.sh, timeout: 30s } }]";
    let world = World::hello();
    let project = project(checks, "", "");
    world.run_in(project.folder(), &ALL_AT_ONCE).end().expect(0, "held");
    // In another job, without a checkout of the script, it would fail whatever green does.
    project.files().remove("smoke.sh");
    let done = world.run_in(project.folder(), &["approve"]).end().expect(3, "refused");
    done.says(&["`verify` would run `./smoke.sh`, which isn't there"]);
    assert_eq!(world.deployments()[0]["status"], "Ready");
    // The way back needs no script.
    world.run_in(project.folder(), &["rollback"]).end().expect(0, "rolled-back-on-request");
    assert_eq!(shares(&world), (100, 0));
}
