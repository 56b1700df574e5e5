//! What becomes of a deployment that is there already: it is followed, approved, stopped, or taken
//! back by another one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use support::{Done, Project, World, list, text};

const CANARY: [&str; 2] = ["--deployment-config", "CodeDeployDefault.ECSCanary10Percent15Minutes"];
const AT_ONCE: [&str; 2] = ["--deployment-config", "CodeDeployDefault.ECSAllAtOnce"];

/// On a machine that has other things to do, an alarm must not miss its minutes.
const UNHURRIED: [&str; 2] = ["--speed", "40"];

/// Users of the service, until this value goes.
struct Traffic {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    lost: Arc<AtomicUsize>,
    users: Option<JoinHandle<()>>,
}

impl Traffic {
    fn on(world: &World) -> Traffic {
        let url = world.variable("PRODUCTION_URL").trim_end_matches('/').to_owned();
        let (stop, sent, lost) = <(Arc<AtomicBool>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let shared = (stop.clone(), sent.clone(), lost.clone());
        let users = std::thread::spawn(move || {
            let (stop, sent, lost) = shared;
            while !stop.load(Ordering::Relaxed) {
                sent.fetch_add(1, Ordering::Relaxed);
                // The load balancer's own errors, or no answer at all.
                if request(&url).is_none_or(|status| [502, 503, 504].contains(&status)) {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Traffic { stop, sent, lost, users: Some(users) }
    }

    fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.users.take().unwrap().join().unwrap();
        assert!(self.sent.load(Ordering::Relaxed) > 0);
        assert_eq!(self.lost.load(Ordering::Relaxed), 0, "requests were lost");
    }
}

fn request(url: &str) -> Option<u16> {
    let host = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).ok()?;
    write!(stream, "GET / HTTP/1.0\r\nHost: {host}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

fn shares(world: &World) -> Vec<u64> {
    world.weights("production").into_values().collect()
}

/// The world of examples/hello with a termination wait that no test lives to see the end of.
fn long_termination(args: &[&str]) -> World {
    let project = Project::with(|files| {
        files.replace("greenlight.yml", "termination-wait: 1m", "termination-wait: 2h");
    });
    World::of(project, args)
}

/// The world of tests/worlds/hello.yml, where the roles may do what a run must, and no more.
fn document(change: impl FnOnce(&mut Value)) -> World {
    document_at(&[], change)
}

fn document_at(args: &[&str], change: impl FnOnce(&mut Value)) -> World {
    let mut document = support::document();
    document["accounts"][1]["applications"][0]["groups"][0]["ready-wait-minutes"] = json!(120);
    change(&mut document);
    let project = Project::with(|files| {
        files.write("world.yml", &document.to_string());
        // The stand-ins of this world have no answer for it.
        let text = files.read("greenlight.yml");
        let (head, rest) = text.split_once("    validate:").unwrap();
        let (_, tail) = rest.split_once("\n\n").unwrap();
        files.write("greenlight.yml", &format!("{head}\n{tail}"));
    });
    World::of_document(project, args)
}

fn deploy(world: &World, args: &[&str]) -> Done {
    world.run(&[&["deploy"], args].concat()).end().expect(0, "succeeded")
}

/// Another commit of the project, with this in the container's environment.
fn change(world: &World, name: &str, value: &str) {
    world.project.files().edit("taskdef.json", |document| {
        document["containerDefinitions"][0]["environment"] =
            json!([{ "name": "PORT", "value": "8080" }, { "name": name, "value": value }]);
    });
    world.project.commit();
}

fn verified(world: &World, arn: &str) -> Option<String> {
    world.revision(arn)["tags"]["greenlight:verified"].as_str().map(str::to_owned)
}

/// Reads and looks take no part in it.
fn writes(world: &World) -> Vec<String> {
    list(&world.written(), "writes").iter().map(|w| w.as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_shifts_is_stopped_and_production_is_back() {
    let world = World::of(Project::hello(), &["--speed", "60"]);
    let before = world.live();
    let traffic = Traffic::on(&world);
    let run = world.run(&[&["deploy"], &CANARY[..]].concat()).start();
    run.until(|event| event["event"] == "traffic" && event["green"] == 10.0);
    let done =
        world.run(&["rollback"]).env("GITHUB_RUN_ID", "77").end().expect(0, "rolled-back-on-request").says(
            &[
                "Stop deployment ",
                "was started by acme/hello for commit ",
                "Production goes back to hello:1, which still stands",
                "was stopped, and ",
                "Production is on hello:1",
            ],
        );
    assert_eq!(shares(&world), [100, 0]);
    assert_eq!(world.live(), before);
    run.end().expect(5, "rolled-back");
    traffic.end();
    let [ours, rollback] = &world.deployments()[..] else { panic!("{:?}", world.deployments()) };
    assert_eq!((text(ours, "status"), text(rollback, "status")), ("Stopped", "Succeeded"));
    assert_eq!(done.output("rollback-deployment-id"), text(rollback, "id"));
    assert_eq!(done.told("production-back")["task-definition"], before);
    assert!(done.told("production-back")["after-seconds"].as_f64().is_some());
    let plan = done.events.iter().position(|e| e["event"] == "planned").unwrap();
    let stage = done.events.iter().position(|e| e["stage"] == "rollback").unwrap();
    assert!(plan < stage, "the plan comes first");
    // Sessions, and the least that there is to read, before the one write: counted, not timed.
    let state = world.state();
    let of_rollback = |call: &&Value| text(call, "caller").ends_with("/greenlight-77.1");
    let made: Vec<&str> =
        list(&state, "api_calls").iter().filter(of_rollback).map(|call| text(call, "operation")).collect();
    let stop = made.iter().position(|operation| *operation == "StopDeployment").unwrap();
    let mut before: Vec<&str> = made[..stop].to_vec();
    before.sort_unstable();
    assert_eq!(
        before,
        [
            "AssumeRole",
            "DescribeServices",
            "GetCallerIdentity",
            "GetCallerIdentity",
            "GetDeployment",
            "GetDeploymentGroup",
            "ListDeployments"
        ],
        "{made:?}"
    );
    assert!(
        made.iter().all(|operation| !["CreateDeployment", "TagResource"].contains(operation)),
        "{made:?}"
    );
}

#[test]
fn another_goal_than_blue_takes_a_stop_and_a_new_deployment() {
    let world = long_termination(&[]);
    let first = world.live();
    let shifted = [&AT_ONCE[..], &["--until", "traffic-shifted"]].concat();
    deploy(&world, &shifted);
    // Finishes what stands by, so that the next can start.
    let stopped = world.run(&["rollback"]).end().expect(0, "rolled-back-on-request");
    assert_eq!(
        stopped.told("finished")["task-definition"],
        "arn:aws:ecs:eu-central-1:222222222222:task-definition/hello:2"
    );
    change(&world, "COLOUR", "blue");
    let third = deploy(&world, &shifted);
    let traffic = Traffic::on(&world);
    let done = world
        .run(&["rollback", "--to", "hello:2"])
        .end()
        .expect(0, "rolled-back-on-request")
        .says(&["Production goes back to hello:1, which still stands", "Then bring hello:2 (commit "]);
    traffic.end();
    assert!(world.live().ends_with("/hello:2"), "{}", world.live());
    assert_ne!(world.live(), first);
    let all = world.deployments();
    let [.., of_third, rollback, back] = &all[..] else { panic!("{all:?}") };
    assert_eq!(text(of_third, "id"), third.output("deployment-id"));
    assert_eq!(rollback["rolls_back"], of_third["id"]);
    assert_eq!(text(back, "id"), done.output("deployment-id"));
}

#[test]
fn while_blue_still_stands_a_stop_takes_production_back() {
    let world = long_termination(&[]);
    let before = world.live();
    let done = deploy(&world, &[&AT_ONCE[..], &["--until", "traffic-shifted"]].concat());
    assert_eq!(shares(&world), [0, 100]);
    let traffic = Traffic::on(&world);
    world.run(&["rollback", "--to", "hello:1"]).end().expect(0, "rolled-back-on-request");
    traffic.end();
    assert_eq!((shares(&world), world.live()), (vec![100, 0], before));
    assert_eq!(world.deployments().len(), 2);
    assert_eq!(world.deployments()[1]["rolls_back"], done.output("deployment-id"));

    // It was marked when it had all traffic, and its deployment didn't end well.
    assert!(verified(&world, done.output("task-definition-arn")).is_some());
    let before = world.written();
    world
        .run(&["rollback"])
        .end()
        .expect(3, "refused")
        .says(&["No revision before hello:1 is known to be good", "hello:2 (commit "]);
    assert_eq!(world.written(), before);
}

#[test]
fn where_no_stop_is_taken_any_more_a_new_deployment_brings_blue_back() {
    let world = document(|document| {
        document["truths"] = json!({ "stop-in-termination-wait": false });
        document["accounts"][1]["applications"][0]["groups"][0]["termination-wait-minutes"] = json!(120);
    });
    let before = world.live();
    let shifted = deploy(&world, &[&AT_ONCE[..], &["--until", "traffic-shifted"]].concat());
    let done = world.run(&["rollback"]).end().expect(0, "rolled-back-on-request").says(&[
        "CodeDeploy doesn't stop deployment ",
        "hello:1 is brought back by a new deployment instead",
        "brought the older revision back",
    ]);
    assert_eq!(world.live(), before);
    let [first, back] = &world.deployments()[..] else { panic!("{:?}", world.deployments()) };
    assert_eq!((text(first, "status"), text(first, "id")), ("Succeeded", shifted.output("deployment-id")));
    assert_eq!(text(back, "id"), done.output("deployment-id"));
    assert!(text(back, "description").ends_with(" back"), "{back}");
    assert_eq!(verified(&world, shifted.output("task-definition-arn")).as_deref(), Some("taken-back"));

    // Asked for again while what was left still stands by, it doesn't go back to that.
    let before = world.written();
    world
        .run(&["rollback"])
        .end()
        .expect(0, "rolled-back-on-request")
        .says(&["Production was on its way back already", "Production is on hello:1"]);
    assert_eq!(world.written(), before);
}

#[test]
fn after_the_end_the_last_verified_revision_comes_back() {
    let world = World::hello();
    let first = world.live();
    let good = deploy(&world, &AT_ONCE);
    let good_arn = good.output("task-definition-arn").to_owned();
    assert!(verified(&world, &good_arn).unwrap().ends_with(good.output("deployment-id")));
    change(&world, "MISBEHAVE", "crash");
    world.run(&[&["deploy"], &AT_ONCE[..]].concat()).end().expect(5, "rolled-back");
    change(&world, "COLOUR", "blue");
    let bad = deploy(&world, &AT_ONCE);
    let bad_arn = bad.output("task-definition-arn").to_owned();
    assert!(bad_arn.ends_with("hello:4") && good_arn.ends_with("hello:2"), "{bad_arn} after {good_arn}");

    // All that means what is live finds it there, and writes nothing.
    let writes_before = writes(&world);
    let digest = bad.output("image-digest");
    let tag = bad.output("image-tags");
    let ways = ["hello:4", &bad_arn, tag, &tag[..9], bad.output("deployment-id")];
    for to in ways.into_iter().chain((digest != good.output("image-digest")).then_some(digest)) {
        world.run(&["rollback", "--to", to]).end().expect(0, "unchanged").says(&["Production is on hello:4"]);
    }
    for (to, said) in [
        ("hello:99", "No revision is meant by `--to hello:99`"),
        ("nonsense", "No revision is meant by `--to nonsense`"),
        ("d-ZZZZZZZZZ", "knows no deployment d-ZZZZZZZZZ"),
        ("sha256:", "it isn't guessed which"),
    ] {
        let done = world.run(&["rollback", "--to", to]).end().expect(3, "refused").says(&[said]);
        if !to.starts_with("d-") {
            done.says(&["hello:4 (commit ", "verified by d-", "hello:2 (commit "]);
        }
    }
    assert_eq!(writes(&world), writes_before);

    let traffic = Traffic::on(&world);
    let done = world.run(&["rollback"]).end().expect(0, "rolled-back-on-request").says(&[
        "Bring hello:2 (commit ",
        "back by a new deployment, all at once",
        "It takes production from hello:4",
        "hello:4 still stands by",
    ]);
    traffic.end();
    assert_eq!(world.live(), good_arn);
    assert_eq!(done.told("production-back")["task-definition"].as_str(), Some(good_arn.as_str()));
    let back = world.deployments().pop().unwrap();
    assert_eq!(text(&back, "id"), done.output("deployment-id"));
    assert_eq!(back["config"], "CodeDeployDefault.ECSAllAtOnce");
    let commit = good.output("image-tags");
    assert!(text(&back, "description").contains(&format!(" commit={commit} ")), "{back}");
    assert_eq!(verified(&world, &bad_arn).as_deref(), Some("taken-back"));

    // A second one doesn't go to what was taken back, and the start of the world is nobody's work.
    world.until(|world| text(world.deployments().last().unwrap(), "status") == "Succeeded");
    world
        .run(&["rollback"])
        .end()
        .expect(3, "refused")
        .says(&["No revision before hello:2", "taken back from"]);
    world.run(&["rollback", "--to", "hello:1"]).end().expect(0, "rolled-back-on-request");
    assert_eq!(world.live(), first);
}

#[test]
fn an_alarm_that_rings_for_the_bad_release_does_not_block_the_way_back() {
    let world = World::of(Project::hello(), &UNHURRIED);
    let good = deploy(&world, &AT_ONCE);
    change(&world, "MISBEHAVE", "errors");
    // The stand-in's check of green is answered well, and then production isn't.
    deploy(&world, &AT_ONCE);
    let traffic = ring(&world);
    world
        .run(&["rollback"])
        .end()
        .expect(0, "rolled-back-on-request")
        .says(&["The group's alarms are left out of it: `hello-5xx`; `hello-5xx` is in ALARM now"]);
    traffic.end();
    assert_eq!(world.live(), good.output("task-definition-arn"));
    let last = world.deployments().pop().unwrap();
    world.until(|world| text(world.deployments().last().unwrap(), "status") != "InProgress");
    assert_ne!(last["status"], "Stopped");
}

#[test]
fn an_alarm_that_rings_and_may_not_be_left_out_is_told_before_anything_starts() {
    let world = document_at(&UNHURRIED, |_| {});
    deploy(&world, &AT_ONCE);
    change(&world, "MISBEHAVE", "errors");
    deploy(&world, &AT_ONCE);
    let traffic = ring(&world);
    let before = world.written();
    world
        .run(&["rollback"])
        .end()
        .expect(3, "refused")
        .says(&["is in ALARM and would stop the way back", "Allow `codedeploy:UpdateDeploymentGroup`"]);
    traffic.end();
    assert_eq!(world.written()["deployments"], before["deployments"]);
}

#[test]
fn what_nobody_of_ours_started_is_told_with_whose_it_is() {
    let world = World::of(Project::hello(), &["--fault", "deployment-active", "--speed", "20"]);
    world.run(&["approve"]).end().expect(3, "refused");
    let before = world.live();
    world
        .run(&["rollback"])
        .end()
        .expect(0, "rolled-back-on-request")
        .says(&["carries no mark of Greenlight's: somebody else started it"]);
    assert_eq!((shares(&world), world.live()), (vec![100, 0], before));
    assert_eq!(world.deployments()[0]["status"], "Stopped");
}

/// Users that meet the bad release: the alarm rings, and goes on ringing as long as they are there.
fn ring(world: &World) -> Traffic {
    let traffic = Traffic::on(world);
    world.until(|world| {
        let state = world.state();
        list(&state, "alarms").iter().any(|alarm| alarm["name"] == "hello-5xx" && alarm["state"] == "ALARM")
    });
    traffic
}

#[test]
fn with_the_least_permissions_the_way_back_is_found_by_counting() {
    let world = document(|_| {});
    let good = deploy(&world, &AT_ONCE);
    change(&world, "COLOUR", "blue");
    deploy(&world, &AT_ONCE);
    // The alarms can't be left out, and none rings.
    world
        .run(&["rollback"])
        .end()
        .expect(0, "rolled-back-on-request")
        .says(&["lacks `codedeploy:UpdateDeploymentGroup`", "Bring hello:2"]);
    assert_eq!(world.live(), good.output("task-definition-arn"));
}

#[test]
fn without_leave_to_tag_a_release_is_not_marked_and_that_is_said() {
    let world = document(|document| {
        let roles = document["accounts"][1]["roles"].as_array_mut().unwrap();
        let role = roles.iter_mut().find(|role| role["name"] == "greenlight-deploy").unwrap();
        let actions = role["policies"][0]["Statement"][0]["Action"].as_array_mut().unwrap();
        actions.retain(|action| action != "ecs:TagResource");
        // On registering, the tag comes with it.
        role["policies"].as_array_mut().unwrap().push(json!({ "Statement": [{
            "Effect": "Allow", "Action": "ecs:TagResource", "Resource": "*",
            "Condition": { "StringEquals": { "ecs:CreateAction": "RegisterTaskDefinition" } },
        }] }));
    });
    let done = deploy(&world, &AT_ONCE).says(&["could not be marked as verified", "ecs:TagResource"]);
    assert_eq!(verified(&world, done.output("task-definition-arn")), None);
}

fn held(world: &World) -> Done {
    world.run(&["deploy", "--hold", "approve"]).end().expect(0, "held").says(&[
        "end here and wait for `greenlight approve`, 2h at the most",
        "waits at Ready for a decision: production traffic has not been shifted",
        "greenlight approve",
        "greenlight rollback",
        "then CodeDeploy stops it by itself",
    ])
}

fn status_of(world: &World) -> Value {
    let state = world.state();
    let ours = list(&state, "statuses").iter().filter(|s| s["context"] == "greenlight/hello/production");
    ours.max_by_key(|status| text(status, "created_at").to_owned()).expect("a status").clone()
}

#[test]
fn what_is_held_goes_on_with_an_approval() {
    let world = World::hello();
    let held = held(&world);
    assert_eq!(held.told("check")["conclusion"], "passed");
    assert_eq!(shares(&world), [100, 0]);
    assert_eq!(world.deployments()[0]["status"], "Ready");
    assert_eq!(status_of(&world)["state"], "pending");
    let check = list(&world.state(), "checks")[0].clone();
    assert_eq!((text(&check, "status"), text(&check, "conclusion")), ("completed", "action_required"));

    // Who looks on changes nothing.
    let before = world.written();
    let looked = world.run(&["status", "--hold", "approve"]).end().expect(0, "held");
    looked.says(&["in time: its wait of 2h is under way"]);
    assert_eq!(world.written(), before);

    let done = world.run(&["approve"]).end().expect(0, "succeeded").says(&["Let deployment ", "acme/hello"]);
    assert_eq!(done.output("deployment-id"), held.output("deployment-id"));
    assert_eq!(shares(&world), [0, 100]);
    assert!(verified(&world, held.output("task-definition-arn")).is_some());
    assert_eq!(world.calls("ContinueDeployment"), 1);
    assert!(!done.events.iter().any(|event| event["event"] == "check"), "the checks ran before");
    let status = status_of(&world);
    assert_eq!((text(&status, "state"), text(&status, "sha")), ("success", held.output("image-tags")));
    let checks = list(&world.state(), "checks").clone();
    assert_eq!(text(checks.last().unwrap(), "conclusion"), "success");
    let state = world.state();
    let [deployment] = &list(&state, "github_deployments")[..] else { panic!("one deployment") };
    let states: Vec<&str> = list(deployment, "statuses").iter().map(|s| text(s, "state")).collect();
    assert!(states.contains(&"pending") && states.contains(&"success"), "{states:?}");

    world.run(&["approve"]).end().expect(3, "refused").says(&["nothing waits for approval"]);
}

#[test]
fn what_is_held_is_stopped_by_a_rollback() {
    let world = World::hello();
    let before = world.live();
    let held = held(&world);
    let traffic = Traffic::on(&world);
    world.run(&["rollback"]).end().expect(0, "rolled-back-on-request");
    traffic.end();
    assert_eq!((shares(&world), world.live()), (vec![100, 0], before));
    assert_eq!(world.deployments()[0]["status"], "Stopped");
    let status = status_of(&world);
    assert_eq!((text(&status, "state"), text(&status, "sha")), ("failure", held.output("image-tags")));
    let state = world.state();
    let [deployment] = &list(&state, "github_deployments")[..] else { panic!("one deployment") };
    let states: Vec<&str> = list(deployment, "statuses").iter().map(|s| text(s, "state")).collect();
    assert!(states.contains(&"inactive"), "{states:?}");
    world.run(&["approve"]).end().expect(3, "refused");
}

#[test]
fn what_waited_too_long_is_told_on_its_commit() {
    let project = Project::with(|files| files.replace("greenlight.yml", "ready-wait: 2h", "ready-wait: 40m"));
    let world = World::of(project, &["--speed", "240"]);
    let before = world.live();
    let held = world.run(&["deploy", "--hold", "approve"]).end().expect(0, "held");
    assert_eq!(status_of(&world)["state"], "pending");
    world.until(|world| world.deployments().iter().all(|d| text(d, "status") != "Ready"));
    world.until(|world| world.deployments().iter().all(|d| text(d, "status") != "InProgress"));

    let done = world.run(&["approve"]).end().expect(3, "refused");
    let id = held.output("deployment-id");
    done.says(&[&format!("Deployment {id} doesn't wait for approval any more: it "), "Deploy again"]);
    let status = status_of(&world);
    assert_eq!((text(&status, "state"), text(&status, "sha")), ("failure", held.output("image-tags")));
    assert_eq!((shares(&world), world.live()), (vec![100, 0], before));
}

#[test]
fn a_group_that_cannot_hold_is_refused() {
    let world = World::of(
        Project::with(|files| {
            files.replace("greenlight.yml", "  ready-wait: 2h\n", "");
            let text = files.read("greenlight.yml");
            let (head, rest) = text.split_once("    validate:").unwrap();
            let (_, tail) = rest.split_once("\n\n").unwrap();
            files.write("greenlight.yml", &format!("{head}\n{tail}"));
        }),
        &[],
    );
    let before = world.written();
    world
        .run(&["deploy", "--hold", "approve"])
        .end()
        .expect(3, "refused")
        .says(&["`hold: approve` is asked for", "deploymentReadyOption"]);
    assert_eq!(world.written(), before);
}

#[test]
fn what_another_repository_started_is_not_approved_in_passing() {
    let world = World::hello();
    let held = held(&world);
    let before = world.written();
    world.run(&["approve"]).env("GITHUB_REPOSITORY", "acme/other").end().expect(3, "refused").says(&[
        "was started by acme/hello",
        "It is not approved in passing",
        "approve --deployment d-",
    ]);
    world.run(&["approve", "--deployment", "d-ZZZZZZZZZ"]).end().expect(3, "refused");
    assert_eq!(world.written(), before);
    let id = held.output("deployment-id");
    world
        .run(&["approve", "--deployment", id])
        .env("GITHUB_REPOSITORY", "acme/other")
        .end()
        .expect(0, "succeeded");
}

#[test]
fn status_follows_what_runs_to_the_same_end() {
    let world = World::of(Project::hello(), &["--speed", "60"]);
    let run = world.run(&[&["deploy"], &CANARY[..]].concat()).start();
    run.until(|event| event["event"] == "traffic" && event["green"] == 10.0);
    let before = writes(&world);
    // Whoever only looks on may leave at any time.
    let watching = world.run(&["status"]).start();
    watching.until(|event| event["event"] == "traffic");
    watching.interrupt();
    watching.end().expect(8, "cancelled").says(&["goes on by itself"]);
    assert_eq!(writes(&world), before);

    // No image, no Dockerfile, no task definition is needed.
    let elsewhere =
        Project::with(|files| ["taskdef.json", "Dockerfile"].iter().for_each(|name| files.remove(name)));
    let done = world.run_in(elsewhere.folder(), &["status"]).end().expect(0, "succeeded");
    let deployed = run.end().expect(0, "succeeded");
    assert_eq!(done.output("deployment-id"), deployed.output("deployment-id"));
    assert_eq!(done.told("finished")["production"], deployed.told("finished")["production"]);
    assert_eq!(done.told("traffic")["green"], 100.0);

    let before = world.written();
    world
        .run(&["status"])
        .end()
        .expect(0, "unchanged")
        .says(&["No deployment of group hello-production runs", "Production is on hello:2: 100 %"]);
    assert_eq!(world.written(), before);
}

#[test]
fn a_time_limit_ends_with_the_truth() {
    let world = World::of(Project::hello(), &["--speed", "60"]);
    let args = [&["deploy", "--until", "traffic-shifted", "--time-limit", "15m"], &CANARY[..]].concat();
    let limited = world.run(&args).end();
    let done = limited.expect(7, "still-running").says(&["goes on (", "greenlight status"]);
    assert_eq!(world.deployments()[0]["status"], "InProgress");
    assert_eq!(shares(&world), [90, 10]);
    let followed = world.run(&["status"]).end().expect(0, "succeeded");
    assert_eq!(followed.output("deployment-id"), done.output("deployment-id"));
}

#[test]
fn the_inputs_of_the_action_count_here_too() {
    let world = World::hello();
    let before = world.written();
    world
        .run(&[])
        .input("command", "rollback")
        .input("to", "hello:77")
        .input("image", "")
        .end()
        .expect(3, "refused")
        .says(&["`--to hello:77`"]);
    world.run(&[]).input("command", "approve").input("deployment", "d-ZZZZZZZZZ").end().expect(3, "refused");
    assert_eq!(world.written(), before);
}
