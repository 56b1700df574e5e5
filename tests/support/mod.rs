//! The real binary in a world of its own: a simulator as a child process, runs of `greenlight`
//! in its job environment, and what became of both.
#![allow(dead_code, unused_imports)]

mod child;
mod plugin;
mod project;
mod run;
mod runner;

pub use child::{Child, Ended};
pub use plugin::Plugin;
pub use project::{Files, Project};
pub use run::{Done, Run, Running};
pub use runner::{Image, Step};

use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

/// The world's waits shrink by it: minutes become half seconds.
pub const SPEED: &str = "120";
/// Stands in every secret of the world.
pub const CANARY: &str = "Kanarienvogel";
/// Beyond it a process hangs.
pub const LIMIT: Duration = Duration::from_secs(180);
/// Variables of these kinds are the world's to give.
const SCRUBBED: &[&str] =
    &["ACTIONS_", "AWS_", "CI", "DOCKER_CONFIG", "GITHUB_", "GREENLIGHT_", "INPUT_", "RUNNER_", "STATE_"];

/// The binary, without what the surroundings of the tests would tell it.
pub fn greenlight() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greenlight"));
    for (name, _) in std::env::vars_os() {
        if SCRUBBED.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

/// A simulator that serves the world of a project; ended with this value.
pub struct World {
    /// First, so that it ends before its folder goes.
    _process: Child,
    pub project: Project,
    pub environment: BTreeMap<String, String>,
}

impl World {
    /// The world of examples/hello.
    pub fn hello() -> World {
        World::of(Project::hello(), &[])
    }

    /// The world of a project's configuration, with stand-ins for containers.
    pub fn of(project: Project, args: &[&str]) -> World {
        World::serve(project, &[&["--no-docker"], args].concat())
    }

    /// The same, with containers.
    pub fn with_containers(project: Project, args: &[&str]) -> World {
        World::serve(project, args)
    }

    /// The world of `world.yml` in the project.
    pub fn of_document(project: Project, args: &[&str]) -> World {
        World::serve(project, &[&["--no-docker", "--world", "world.yml"], args].concat())
    }

    pub fn serve(project: Project, args: &[&str]) -> World {
        let speed: &[&str] = if args.contains(&"--speed") { &[] } else { &["--speed", SPEED] };
        let mut command = greenlight();
        command.env("GREENLIGHT_CANARY", CANARY);
        command.arg("simulator").args(speed).args(args).current_dir(project.folder());
        let process = Child::start(command);
        let mut environment = BTreeMap::new();
        for line in process.lines_until("# ready", LIMIT) {
            let Some((name, value)) = line.strip_prefix("export ").and_then(|l| l.split_once('=')) else {
                continue;
            };
            environment.insert(name.to_owned(), unquoted(value));
        }
        World { _process: process, project, environment }
    }

    /// One world for all tests that change nothing in it and run at the same time.
    pub fn shared(cell: &Mutex<Weak<World>>, make: impl FnOnce() -> World) -> Arc<World> {
        let mut shared = cell.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(world) = shared.upgrade() {
            return world;
        }
        let world = Arc::new(make());
        *shared = Arc::downgrade(&world);
        world
    }

    /// A run in the project's own folder.
    pub fn run(&self, args: &[&str]) -> Run<'_> {
        Run::new(self, self.project.folder(), args)
    }

    /// A run in another folder.
    pub fn run_in(&self, folder: impl Into<PathBuf>, args: &[&str]) -> Run<'_> {
        Run::new(self, folder.into(), args)
    }

    /// The post step of a run in the project's own folder.
    pub fn post(&self, main: &Done) -> Run<'_> {
        Run::post(self, self.project.folder(), main)
    }

    pub fn variable(&self, name: &str) -> &str {
        self.environment.get(name).unwrap_or_else(|| panic!("the world gives no {name}"))
    }

    /// The world's state.
    pub fn state(&self) -> Value {
        let body = get(self.variable("AWS_ENDPOINT_URL"), "/_world");
        serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"))
    }

    /// What GitHub was asked and answered, bodies included.
    pub fn github(&self) -> Vec<Value> {
        let body = get(self.variable("AWS_ENDPOINT_URL"), "/_github");
        serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"))
    }

    /// What only a write changes.
    pub fn written(&self) -> Value {
        let state = self.state();
        let calls: Vec<&Value> = list(&state, "api_calls")
            .iter()
            .filter(|call| !is_read(call["operation"].as_str().unwrap_or_default()))
            .map(|call| &call["operation"])
            .collect();
        serde_json::json!({
            "repositories": state["repositories"],
            "task_definitions": state["task_definitions"],
            "deployments": state["deployments"],
            "writes": calls,
        })
    }

    /// Shares of a listener by target group.
    pub fn weights(&self, listener: &str) -> BTreeMap<String, u64> {
        let state = self.state();
        let listener = list(&state, "listeners").iter().find(|l| l["name"] == listener).cloned();
        let listener = listener.expect("the listener is there");
        let weights = list(&listener, "weights").iter();
        weights.map(|w| (text(w, "target_group").to_owned(), w["weight"].as_u64().unwrap())).collect()
    }

    /// Waits until the world is so.
    pub fn until(&self, so: impl Fn(&World) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !so(self) {
            assert!(Instant::now() < deadline, "the world stays as it is: {:?}", self.deployments());
            // Nothing tells of its changes.
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Deployments in the order of their start.
    pub fn deployments(&self) -> Vec<Value> {
        let mut deployments = list(&self.state(), "deployments").clone();
        deployments.sort_by_key(|d| text(d, "created").to_owned());
        deployments
    }

    /// The revision that production's task set runs.
    pub fn live(&self) -> String {
        let state = self.state();
        let primary = list(&state, "task_sets").iter().find(|set| set["status"] == "PRIMARY");
        text(primary.expect("there is a PRIMARY task set"), "task_definition").to_owned()
    }

    pub fn revision(&self, arn: &str) -> Value {
        let state = self.state();
        let found = list(&state, "task_definitions").iter().find(|d| d["arn"] == arn);
        found.unwrap_or_else(|| panic!("there is no {arn}")).clone()
    }

    /// Holds a call of an operation at a moment: `before` it is carried out, `after` it, or, when it is
    /// `answered`, whichever call comes next.
    pub fn hold(&self, operation: &str, moment: &str) -> Held<'_> {
        self.hold_as(&json!({ "operation": operation, "moment": moment }))
    }

    pub fn hold_as(&self, asked: &Value) -> Held<'_> {
        let answer = ask("POST", self.variable("AWS_ENDPOINT_URL"), "/_holds", &asked.to_string());
        let answer: Value = serde_json::from_str(&answer).unwrap();
        Held { world: self, path: format!("/_holds/{}", answer["id"]) }
    }

    /// From here on calls count anew, and meet these faults.
    pub fn trouble(&self, faults: &[&str]) {
        ask("POST", self.variable("AWS_ENDPOINT_URL"), "/_faults", &json!(faults).to_string());
    }

    /// How often an operation was called.
    pub fn calls(&self, operation: &str) -> usize {
        let state = self.state();
        list(&state, "api_calls").iter().filter(|call| call["operation"] == operation).count()
    }
}

/// A call that the world keeps from going on.
pub struct Held<'a> {
    world: &'a World,
    path: String,
}

impl Held<'_> {
    /// Waits until it has come; the operation that it is of.
    pub fn come(&self) -> String {
        let answer = ask("GET", self.world.variable("AWS_ENDPOINT_URL"), &self.path, "");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        text(&answer, "operation").to_owned()
    }

    /// The same, unless the run ends before.
    pub fn come_or_end(&self, run: &Running) -> Option<String> {
        let address = self.world.variable("AWS_ENDPOINT_URL");
        loop {
            match try_ask("GET", address, &self.path, "", Duration::from_millis(200)) {
                Ok(answer) => {
                    let answer: Value = serde_json::from_str(&answer).unwrap();
                    return Some(text(&answer, "operation").to_owned());
                }
                Err(_) if run.has_ended() => return None,
                Err(_) => {}
            }
        }
    }

    pub fn go_on(&self) {
        ask("DELETE", self.world.variable("AWS_ENDPOINT_URL"), &self.path, "");
    }
}

/// The document of tests/worlds/hello.yml, where the roles may do what a run must, and list nothing.
pub fn document() -> Value {
    let text = include_str!("../worlds/hello.yml").replace("{hello}", "{registry:111111111111}/hello:before");
    let mut world: Value = serde_yaml::from_str(&text).unwrap();
    let build = [
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:CompleteLayerUpload",
        "ecr:DescribeImages",
        "ecr:DescribeRepositories",
        "ecr:GetAuthorizationToken",
        "ecr:GetDownloadUrlForLayer",
        "ecr:GetRepositoryPolicy",
        "ecr:InitiateLayerUpload",
        "ecr:PutImage",
        "ecr:UploadLayerPart",
    ];
    let deploy = [
        "cloudwatch:DescribeAlarms",
        "codedeploy:BatchGetDeploymentTargets",
        "codedeploy:ContinueDeployment",
        "codedeploy:CreateDeployment",
        "codedeploy:GetApplicationRevision",
        "codedeploy:GetDeployment",
        "codedeploy:GetDeploymentConfig",
        "codedeploy:GetDeploymentGroup",
        "codedeploy:ListDeployments",
        "codedeploy:RegisterApplicationRevision",
        "codedeploy:StopDeployment",
        "ecs:DescribeServices",
        "ecs:DescribeTaskDefinition",
        "ecs:RegisterTaskDefinition",
        "ecs:TagResource",
        "elasticloadbalancing:Describe*",
        "iam:PassRole",
    ];
    let may = |actions: &[&str]| json!({ "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }] });
    for (account, role, policy) in
        [(0, "greenlight-build", may(&build)), (1, "greenlight-deploy", may(&deploy))]
    {
        let role = named(&mut world["accounts"][account]["roles"], role);
        match role["policies"].as_array_mut() {
            Some(policies) => policies.push(policy),
            None => role["policies"] = json!([policy]),
        }
    }
    world
}

/// The member of a list that has a name.
pub fn named<'a>(list: &'a mut Value, name: &str) -> &'a mut Value {
    let list = list.as_array_mut().expect("a list");
    list.iter_mut().find(|member| member["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

/// Sessions are no writes: a refusal has to come in to find out.
fn is_read(operation: &str) -> bool {
    ["Get", "Describe", "List", "Batch", "Assume"].iter().any(|verb| operation.starts_with(verb))
}

pub fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key].as_array().unwrap_or_else(|| panic!("no list `{key}` in {value}"))
}

pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text `{key}` in {value}"))
}

/// The body of a plain GET.
fn get(base: &str, path: &str) -> String {
    ask("GET", base, path, "")
}

fn ask(method: &str, base: &str, path: &str, body: &str) -> String {
    try_ask(method, base, path, body, LIMIT).expect("the world answers")
}

/// An error when there is no answer in time.
fn try_ask(method: &str, base: &str, path: &str, body: &str, limit: Duration) -> std::io::Result<String> {
    let host = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(limit))?;
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all((head + body).as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    assert!(head.split(' ').nth(1) == Some("200"), "{head}");
    Ok(body.to_owned())
}

/// As a shell reads it.
fn unquoted(value: &str) -> String {
    match value.strip_prefix('\'').and_then(|v| v.strip_suffix('\'')) {
        Some(inner) => inner.replace(r"'\''", "'"),
        None => value.to_owned(),
    }
}
