//! A run that is killed at any moment and repeated: at each of its writes, before it is carried out,
//! before its answer and after it, and at seeded moments; with a post step behind it and without
//! one. Nothing makes two deployments, nothing is left unsaid, and GitHub shows nothing as if it
//! went on.
//!
//! All writes are gone through; of the seeded moments a few, or all with GREENLIGHT_TEST_ALL.
//! GREENLIGHT_TEST_SEED chooses others, GREENLIGHT_TEST_KILL one by a part of its name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod support;

use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use support::{Done, Project, World, list, text};

const ARGS: [&str; 3] = ["deploy", "--deployment-config", "CodeDeployDefault.ECSAllAtOnce"];
/// Those of a run that goes well, and what asks GitHub to write.
const WRITES: &[&str] = &[
    "registry:put-manifest",
    "ecs:RegisterTaskDefinition",
    "codedeploy:CreateDeployment",
    "codedeploy:ContinueDeployment",
    "ecs:TagResource",
    "github:checks/create",
    "github:checks/update",
    "github:repos/create-commit-status",
    "github:issues/create-comment",
    "github:issues/update-comment",
    "github:repos/create-deployment",
    "github:repos/create-deployment-status",
];
const MOMENTS: [&str; 3] = ["before", "after", "answered"];
const SEEDED: usize = 50;
const SAMPLE: usize = 4;
/// So many at a time: they mostly wait.
const AT_ONCE: usize = 3;

/// A run that is killed at a call, and whether a post step follows.
#[derive(Clone, Debug)]
struct Kill {
    operation: String,
    moment: &'static str,
    nth: u64,
    post: bool,
    fault: &'static str,
}

impl Kill {
    fn at(operation: &str, moment: &'static str, post: bool) -> Kill {
        Kill { operation: operation.to_owned(), moment, nth: 1, post, fault: "" }
    }

    fn name(&self) -> String {
        let post = if self.post { ", post" } else { "" };
        format!("{} {} {}{post} {}", self.moment, self.operation, self.nth, self.fault)
    }

    fn world(&self) -> World {
        let fault: &[&str] = if self.fault.is_empty() { &[] } else { &["--fault", self.fault] };
        World::of(Project::hello(), fault)
    }

    /// The run that is killed.
    fn happen(&self, world: &World) -> Done {
        let hold = json!({ "operation": self.operation, "moment": self.moment, "nth": self.nth });
        let hold = world.hold_as(&hold);
        let run = world.run(&ARGS).start();
        // What is held stays so: nothing is carried out for one who is gone.
        match hold.come_or_end(&run) {
            Some(_) => run.kill(),
            None => {
                // One of many may come after the end.
                assert_eq!(self.operation, "*", "there is no such call");
                run.end()
            }
        }
    }

    fn goes_well(&self) {
        let world = self.world();
        let before = world.live();
        let main = self.happen(&world);
        let said = if self.post { self.post(&world, &main) } else { String::new() };
        let again = world.run(&ARGS).env("GITHUB_RUN_ATTEMPT", "2").end();
        let all = format!("{}\n--- post\n{said}\n--- again\n{}", main.ended.said(), again.ended.said());
        let fails = !self.fault.is_empty();
        assert_eq!(again.ended.code, Some(if fails { 5 } else { 0 }), "{all}");

        let ours = ours(&world);
        assert!(ours.iter().all(has_ended), "{ours:?}\n{all}");
        let succeeded = ours.iter().filter(|d| d["status"] == "Succeeded").count();
        assert_eq!(succeeded, usize::from(!fails), "{ours:?}\n{all}");
        if !self.post && !fails {
            assert_eq!(ours.len(), 1, "it attaches: {ours:?}\n{all}");
        }
        assert_eq!(world.live() == before, fails, "{all}");
        let serving: Vec<u64> = world.weights("production").into_values().filter(|w| *w > 0).collect();
        assert_eq!(serving, [100], "{all}");

        // Each revision is deployed, or said to be there.
        let deployed: BTreeSet<&str> = ours.iter().map(|d| text(d, "task_definition")).collect();
        let state = world.state();
        for revision in
            list(&state, "task_definitions").iter().filter(|d| d["tags"]["greenlight:run"].is_string())
        {
            let arn = text(revision, "arn");
            let name = arn.rsplit('/').next().unwrap();
            assert!(
                deployed.contains(arn) || all.contains(&format!("revision {name}")),
                "{arn} is left unsaid\n{all}"
            );
        }
        closed(&state, if fails { "failure" } else { "success" });
    }

    /// What it left is finished, and production is what it says.
    fn post(&self, world: &World, main: &Done) -> String {
        let post = world.post(main).end();
        let said = post.ended.said();
        assert_eq!(post.ended.code, Some(0), "{}\n--- post\n{said}", main.ended.said());
        for deployment in ours(world) {
            assert!(has_ended(&deployment), "{deployment}\n{}\n--- post\n{said}", main.ended.said());
            assert!(main.state.contains_key("told") || said.contains(text(&deployment, "id")), "{said}");
        }
        let state = world.state();
        for check in list(&state, "checks") {
            assert_eq!(check["status"], "completed", "{check}\n{said}");
        }
        if !main.state.contains_key("outcome") {
            let unsaid = !said.contains("Production is") && !said.contains("before a deployment was started");
            assert!(!unsaid, "production is left unsaid: {said}");
        }
        said
    }
}

/// The deployments that runs started, the oldest first.
fn ours(world: &World) -> Vec<Value> {
    let mut deployments = world.deployments();
    deployments.retain(|d| d["description"].as_str().is_some_and(|text| text.starts_with("greenlight ")));
    deployments
}

fn has_ended(deployment: &Value) -> bool {
    ["Succeeded", "Failed", "Stopped"].contains(&text(deployment, "status"))
}

#[track_caller]
fn closed(state: &Value, status: &str) {
    for check in list(state, "checks") {
        assert_eq!(check["status"], "completed", "{check}");
    }
    let latest = list(state, "statuses").iter().max_by_key(|s| text(s, "created_at").to_owned());
    assert_eq!(latest.expect("a status")["state"], status, "{}", state["statuses"]);
}

/// Goes through them, several at a time, and tells all that went wrong.
fn go_through(kills: &[Kill]) {
    let wanted = env::var("GREENLIGHT_TEST_KILL").unwrap_or_default();
    let kills: Vec<&Kill> = kills.iter().filter(|kill| kill.name().contains(&wanted)).collect();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(kill) = kills.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if catch_unwind(AssertUnwindSafe(|| kill.goes_well())).is_err() {
                        println!("--- that was {}", kill.name());
                        failed.lock().unwrap().push(kill.name());
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    println!("kills survived: {} of {}", kills.len() - failed.len(), kills.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn all() -> bool {
    env::var_os("GREENLIGHT_TEST_ALL").is_some()
}

/// With a post step and without one, each in turn or both.
fn kills_of(operations: &[&str]) -> Vec<Kill> {
    let both = operations.iter().enumerate().flat_map(|(n, operation)| {
        let turn = move |(m, moment)| {
            [Kill::at(operation, moment, (n + m) % 2 == 0), Kill::at(operation, moment, (n + m) % 2 == 1)]
        };
        MOMENTS.into_iter().enumerate().flat_map(turn)
    });
    both.step_by(if all() { 1 } else { 2 }).collect()
}

#[test]
fn the_writes_are_all_there_are() {
    let world = World::hello();
    world.run(&ARGS).end().expect(0, "succeeded");
    let state = world.state();
    let reads = ["Get", "Describe", "List", "Batch", "Assume"];
    let aws = list(&state, "api_calls").iter().filter_map(|call| {
        let (service, operation) = (text(call, "service"), text(call, "operation"));
        (!reads.iter().any(|verb| operation.starts_with(verb))).then(|| format!("{service}:{operation}"))
    });
    let github = list(&state, "github_calls").iter().filter(|call| call["method"] != "GET");
    let github = github.map(|call| format!("github:{}", text(call, "operation")));
    let known: BTreeSet<String> = WRITES.iter().map(|w| (*w).to_owned()).collect();
    let written: BTreeSet<String> = aws.chain(github).collect();
    assert_eq!(written.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn a_run_that_is_killed_at_a_write_can_be_repeated() {
    go_through(&kills_of(WRITES));
}

#[test]
fn a_run_that_is_killed_as_it_stops_its_deployment_can_be_repeated() {
    let mut kills = kills_of(&["codedeploy:StopDeployment"]);
    kills.iter_mut().for_each(|kill| kill.fault = "validation-fails");
    go_through(&kills);
}

#[test]
fn a_run_that_is_killed_at_any_moment_can_be_repeated() {
    let by_time = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let seed = env::var("GREENLIGHT_TEST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(by_time);
    let size = if all() { SEEDED } else { SAMPLE };
    println!("{size} moments: GREENLIGHT_TEST_SEED={seed}");
    // As many calls as a run makes.
    let world = World::hello();
    world.run(&ARGS).end().expect(0, "succeeded");
    let state = world.state();
    let calls = list(&state, "api_calls").len() + list(&state, "github_calls").len();
    drop(world);
    let mut random = seed;
    let kills: Vec<Kill> = (0..size)
        .map(|n| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let nth = (random >> 33) % calls as u64 + 1;
            let moment = MOMENTS[usize::try_from((random >> 20) % 2).unwrap()];
            Kill { nth, ..Kill::at("*", moment, n % 2 == 0) }
        })
        .collect();
    go_through(&kills);
}
