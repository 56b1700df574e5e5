//! What a run says of a failure: the likeliest cause first, what speaks for it, and what could not
//! be seen; and what it does itself about alarms and about green that can't start.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::TcpStream,
};
use support::{Done, Project, World, list, named, text};

/// A world of tests/worlds/hello.yml, with the configuration of examples/hello but for its checks,
/// which the stand-ins there have no answer for.
fn world(change: impl FnOnce(&mut Value), args: &[&str]) -> World {
    let mut document = support::document();
    let account = &mut document["accounts"][1];
    account["applications"][0]["groups"][0]["ready-wait-minutes"] = json!(120);
    change(account);
    let project = Project::with(|files| {
        files.write("world.yml", &document.to_string());
        let text = files.read("greenlight.yml");
        let (head, rest) = text.split_once("    validate:").unwrap();
        let (_, tail) = rest.split_once("\n\n").unwrap();
        files.write("greenlight.yml", &format!("{head}\n{tail}"));
    });
    World::of_document(project, args)
}

/// The deploy role may do this, too.
fn allow(account: &mut Value, actions: &[&str]) {
    let role = named(&mut account["roles"], "greenlight-deploy");
    let statement = json!({ "Effect": "Allow", "Action": actions, "Resource": "*" });
    role["policies"].as_array_mut().unwrap().push(json!({ "Statement": [statement] }));
}

const TASKS: [&str; 2] = ["ecs:DescribeTasks", "ecs:ListTasks"];

/// The cause that the run tells first.
fn cause(done: &Done) -> &str {
    text(&done.told("finished")["findings"][0], "what")
}

fn unseen(done: &Done) -> String {
    let unseen = list(&done.told("finished")["evidence"], "unseen").iter();
    unseen.map(|text| text.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn out_of_memory_is_called_so() {
    let world = World::hello();
    let files = world.project.files();
    files.edit("taskdef.json", |document| {
        let environment = &mut document["containerDefinitions"][0]["environment"];
        environment.as_array_mut().unwrap().push(json!({ "name": "MISBEHAVE", "value": "out-of-memory" }));
    });
    world.project.commit();
    let done = world.run(&["deploy"]).end().expect(5, "rolled-back").says(&[
        "`app`: exit code 137, OutOfMemoryError: Container killed due to memory usage",
        "told to use more memory than there is (MISBEHAVE=out-of-memory)",
        "Production is on hello:1, the version from before",
    ]);
    let cause = cause(&done).to_owned();
    assert!(
        cause.starts_with(
            "Green runs out of memory: container `app` was killed for using more than it has (exit code 137)."
        ),
        "{cause}"
    );
    assert!(done.summary.contains("told to use more memory than there is"), "{}", done.summary);
    // Once asked for, not again with every task that stops meanwhile.
    assert_eq!(world.calls("StopDeployment"), 1);
}

#[test]
fn a_log_that_may_not_be_read_is_named() {
    let world = world(|account| allow(account, &TASKS), &["--fault", "green-crashes"]);
    let done = world.run(&["deploy"]).end().expect(5, "rolled-back");
    assert!(
        cause(&done).starts_with("Green crashes: container `app` exits with code 1."),
        "{}",
        cause(&done)
    );
    let unseen = unseen(&done);
    assert!(
        unseen.starts_with("`logs:GetLogEvents` isn't granted: the log of `app` stands in stream hello/app/"),
        "{unseen}"
    );
    assert_eq!(done.told("finished")["evidence"]["log"], Value::Null);
}

#[test]
fn of_another_log_driver_it_is_said_where_to_look() {
    let world = world(|account| allow(account, &TASKS), &["--fault", "green-crashes"]);
    world.project.files().edit("taskdef.json", |document| {
        document["containerDefinitions"][0]["logConfiguration"] =
            json!({ "logDriver": "splunk", "options": { "splunk-url": "https://splunk.example" } });
    });
    world.project.commit();
    let done = world.run(&["deploy"]).end().expect(5, "rolled-back");
    let facts = list(&done.told("finished")["evidence"], "facts").clone();
    let log = facts.iter().find(|fact| fact["about"] == "log").unwrap_or_else(|| panic!("{facts:?}"));
    assert_eq!(log["text"], "`app` logs by splunk: look there");
}

#[test]
fn what_may_not_be_read_is_done_without() {
    let world = world(|_| {}, &["--fault", "green-crashes", "--speed", "600"]);
    let done = world.run(&["deploy"]).end().expect(5, "rolled-back").says(&[
        "`ecs:ListTasks` isn't granted: green that can't start is waited for as long as CodeDeploy waits.",
    ]);
    assert!(
        unseen(&done).contains("`ecs:ListTasks` isn't granted: what green's tasks stopped for is not known."),
        "{}",
        unseen(&done)
    );
    assert_eq!(world.deployments()[0]["status"], "Failed");
}

#[test]
fn an_execution_role_that_may_not_pull_is_named() {
    let world = world(
        |account| {
            allow(account, &TASKS);
            let roles = account["roles"].as_array_mut().unwrap();
            let mut poor = roles.iter().find(|role| role["name"] == "hello-execution").unwrap().clone();
            poor["name"] = json!("hello-poor");
            poor["policies"] = json!([]);
            roles.push(poor);
        },
        &[],
    );
    let files = world.project.files();
    files.edit("taskdef.json", |document| {
        document["executionRoleArn"] = json!("arn:aws:iam::222222222222:role/hello-poor");
    });
    world.project.commit();
    let done = world.run(&["deploy"]).end().expect(5, "rolled-back");
    let wanted = "Green can't start: its execution role `hello-poor` may not `ecr:GetAuthorizationToken`";
    assert!(cause(&done).starts_with(wanted), "{}", cause(&done));
}

/// CodeDeploy's code for it is the one of a green that never became healthy.
#[test]
fn a_ready_wait_that_ran_out_is_no_illness_of_green() {
    let world = world(
        |account| {
            account["applications"][0]["groups"][0]["ready-wait-minutes"] = json!(5);
            let role = named(&mut account["roles"], "greenlight-deploy");
            for policy in role["policies"].as_array_mut().unwrap() {
                let actions = policy["Statement"][0]["Action"].as_array_mut().unwrap();
                actions.retain(|action| action != "codedeploy:ContinueDeployment");
            }
        },
        &[],
    );
    let done = world.run(&["deploy"]).end().expect(5, "rolled-back");
    let wanted = "The deployment stood at Ready until its ready wait of 5m was over: nobody let it go on.";
    assert_eq!(cause(&done), wanted);
}

/// One request under production traffic is one too many for it.
fn busy(account: &mut Value, of_group: bool) {
    account["alarms"] = json!([
        { "name": "hello-busy", "load-balancer": "hello", "metric": "RequestCount", "threshold": 1.0 },
        { "name": "hello-5xx", "load-balancer": "hello" },
    ]);
    let alarms = if of_group { json!(["hello-busy"]) } else { json!(["hello-5xx"]) };
    account["applications"][0]["groups"][0]["alarms"] = alarms;
}

fn ask(url: &str) {
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET / HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 200 "), "{answer}");
}

fn deploy_while_busy(world: &World) -> Done {
    let args = [
        "deploy",
        "--alarms",
        "hello-busy",
        "--deployment-config",
        "CodeDeployDefault.ECSCanary10Percent15Minutes",
    ];
    let run = world.run(&args).start();
    run.until(|event| event["event"] == "traffic" && event["green"] == 10.0);
    ask(world.variable("PRODUCTION_URL"));
    let done = run.end().expect(5, "rolled-back");
    let told = |event: &&Value| event["event"] == "alarm" && event["name"] == "hello-busy";
    let states: Vec<&str> = done.events.iter().filter(told).map(|event| text(event, "state")).collect();
    assert_eq!(states[..2], ["OK", "ALARM"]);
    let reason = done.events.iter().filter(told).find(|e| e["state"] == "ALARM").unwrap();
    assert!(text(reason, "reason").starts_with("Threshold Crossed: "), "{reason}");
    let wanted = "Alarm `hello-busy` went into ALARM during the deployment: Threshold Crossed: ";
    assert!(cause(&done).starts_with(wanted), "{}", cause(&done));
    assert_eq!(world.weights("production").into_values().collect::<Vec<_>>(), [100, 0]);
    done
}

#[test]
fn for_an_alarm_of_the_configuration_the_run_stops_the_deployment() {
    let world = world(|account| busy(account, false), &[]);
    let done = deploy_while_busy(&world).says(&[
        "alarm hello-busy is in ALARM: stopping the deployment and rolling it back",
        "this run stopped the deployment for it",
    ]);
    assert_eq!(world.calls("StopDeployment"), 1);
    assert_eq!(world.deployments()[0]["status"], "Stopped");
    // The alarm and the deployment's own words are one and the same cause: it is told once.
    assert_eq!(list(&done.told("finished")["evidence"], "facts").len(), 0, "{:?}", done.told("finished"));
}

#[test]
fn for_an_alarm_of_the_group_codedeploy_stops_it() {
    let world = world(|account| busy(account, true), &[]);
    deploy_while_busy(&world).says(&["CodeDeploy stopped the deployment for it."]);
    assert_eq!(world.calls("StopDeployment"), 0);
}

/// Deploys with a hook of the user's own.
fn hooked(function: Value, args: &[&str]) -> Done {
    let name = text(&function, "name").to_owned();
    let world = world(|account| account["functions"] = json!([function]), args);
    let files = world.project.files();
    files.replace("greenlight.yml", "    cluster: prod", "    cluster: prod\n    appspec: appspec.yml");
    files.write(
        "appspec.yml",
        &format!(
            "version: 0.0\nResources:\n  - TargetService:\n      Type: AWS::ECS::Service\n      Properties:\n        \
             TaskDefinition: <TASK_DEFINITION>\n        LoadBalancerInfo: {{ContainerName: app, ContainerPort: 8080}}\n\
             Hooks:\n  - AfterAllowTestTraffic: {name}\n"
        ),
    );
    world.project.commit();
    world.run(&["deploy"]).end().expect(5, "rolled-back")
}

#[test]
fn a_hook_that_says_no_is_named_with_its_function() {
    let function = json!({ "name": "CodeDeployHook_check", "answer": "Failed", "after-seconds": 2 });
    let done = hooked(function, &[]).says(&["group /aws/lambda/CodeDeployHook_check"]);
    let wanted =
        "The hook of `AfterAllowTestTraffic` said no: its function `CodeDeployHook_check` answered `Failed`.";
    assert_eq!(cause(&done), wanted);
}

#[test]
fn a_hook_that_says_nothing_is_told_apart() {
    let done = hooked(json!({ "name": "CodeDeployHook_silent" }), &["--speed", "600"]);
    let wanted = "The hook of `AfterAllowTestTraffic` timed out: its function `CodeDeployHook_silent` didn't answer within an hour.";
    assert_eq!(cause(&done), wanted);
}
