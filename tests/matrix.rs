//! Every operation that a run calls meets every kind of trouble, at its first call and at a later
//! one. Whatever passes is ridden out; whatever doesn't ends in the truth, within the budget, with
//! GitHub told and nothing left that isn't said.
//!
//! A seeded sample runs unless GREENLIGHT_TEST_ALL is set. GREENLIGHT_TEST_SEED chooses another one,
//! GREENLIGHT_TEST_CELLS its size, and GREENLIGHT_TEST_CELL runs the cells whose names hold one
//! of the texts between its commas.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    io::{self, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use support::{Done, Project, World, list, text};

/// Minutes of the world are tenths of a second.
const SPEED: &str = "600";
/// Most of a cell is waiting, and there are two cores at the least.
const AT_ONCE: usize = 4;
const SAMPLE: usize = 60;
/// How long one call may take; one that is slow takes longer than that.
const CALL_TIMEOUT: &str = "1s";

/// What is run, and how it goes before anything troubles it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Succeeds,
    /// Its own checks stop it, and production goes back.
    RolledBack,
    /// All sessions end in the middle of it.
    Renews,
    /// Green never starts, and it is looked for why.
    Explains,
    /// A task goes before the deployment, and another one looks at green.
    RunsTasks,
    /// Of an image that is there.
    TakesImage,
    /// `greenlight approve` of what is held.
    Approves,
    /// `greenlight status` of what is held.
    Looks,
    /// `greenlight rollback` of what is held.
    Stops,
    /// `greenlight rollback` of what has ended.
    BringsBack,
    /// The post step of a run that was killed.
    Finishes,
}

const WAYS: [Way; 11] = [
    Way::Succeeds,
    Way::RolledBack,
    Way::Renews,
    Way::Explains,
    Way::RunsTasks,
    Way::TakesImage,
    Way::Approves,
    Way::Looks,
    Way::Stops,
    Way::BringsBack,
    Way::Finishes,
];

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::Succeeds => "succeeds",
            Way::RolledBack => "rolled-back",
            Way::Renews => "renews",
            Way::Explains => "explains",
            Way::RunsTasks => "runs-tasks",
            Way::TakesImage => "takes-image",
            Way::Approves => "approves",
            Way::Looks => "looks",
            Way::Stops => "stops",
            Way::BringsBack => "brings-back",
            Way::Finishes => "finishes",
        }
    }

    fn fault(self) -> Option<&'static str> {
        match self {
            Way::RolledBack => Some("validation-fails"),
            Way::Renews => Some("credentials-expire"),
            Way::Explains => Some("green-crashes"),
            _ => None,
        }
    }

    fn code(self) -> i32 {
        if matches!(self, Way::RolledBack | Way::Explains) { 5 } else { 0 }
    }

    /// Whether it starts a deployment of something new.
    fn deploys(self) -> bool {
        use Way::{Explains, Renews, RolledBack, RunsTasks, Succeeds, TakesImage};
        matches!(self, Succeeds | RolledBack | Renews | Explains | RunsTasks | TakesImage)
    }

    /// Whether production is on something else after it.
    fn moves(self) -> bool {
        use Way::{Approves, BringsBack, Renews, RunsTasks, Succeeds, TakesImage};
        matches!(self, Succeeds | Renews | RunsTasks | TakesImage | Approves | BringsBack)
    }

    /// What this way calls at other moments than those before it, or to another end.
    fn calls_otherwise(self, operation: &str) -> bool {
        let operations: &[&str] = match self {
            Way::Succeeds => return true,
            Way::RolledBack => &[
                "codedeploy:GetDeployment",
                "ecs:DescribeServices",
                "elasticloadbalancing:DescribeListeners",
                "github:checks/update",
            ],
            Way::Renews => return operation.starts_with("sts:Assume") || operation == "oidc:token",
            Way::Explains => {
                &["ecs:DescribeTasks", "ecs:ListTasks", "elasticloadbalancing:DescribeTargetHealth"]
            }
            Way::RunsTasks => &["ecs:DescribeTasks", "ecs:ListTasks", "ecs:DescribeServices"],
            Way::TakesImage => &[],
            Way::Approves => &[
                "codedeploy:ContinueDeployment",
                "codedeploy:GetDeployment",
                "codedeploy:ListDeployments",
                "ecs:DescribeServices",
                "github:checks/create",
                "sts:AssumeRole",
            ],
            Way::Looks => &["codedeploy:GetDeployment", "codedeploy:ListDeployments", "ecs:DescribeServices"],
            Way::Stops => &[
                "codedeploy:GetDeployment",
                "codedeploy:GetDeploymentGroup",
                "codedeploy:ListDeployments",
                "codedeploy:StopDeployment",
                "ecs:DescribeServices",
                "elasticloadbalancing:DescribeListeners",
                "github:repos/create-commit-status",
                "sts:AssumeRole",
            ],
            Way::BringsBack => &[
                "codedeploy:CreateDeployment",
                "codedeploy:GetDeployment",
                "codedeploy:ListDeployments",
                "ecs:DescribeServices",
                "ecs:DescribeTaskDefinition",
                "ecs:TagResource",
            ],
            Way::Finishes => &[
                "codedeploy:GetDeployment",
                "codedeploy:StopDeployment",
                "ecs:DescribeServices",
                "elasticloadbalancing:DescribeListeners",
                "github:checks/update",
                "sts:AssumeRole",
            ],
        };
        operations.contains(&operation)
    }
}

/// What a call means to the run.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Read,
    Write,
    /// Done without where it isn't granted.
    Optional,
    /// The way in.
    Session,
    /// What the build pushes with: buildx's own affair.
    Push,
    /// What ECR gives an address for.
    Fetch,
    GitHubRead,
    GitHubWrite,
}

/// All that a run calls.
const OPERATIONS: &[(&str, Part)] = &[
    ("application-autoscaling:DescribeScalableTargets", Part::Optional),
    ("application-autoscaling:DescribeScalingPolicies", Part::Optional),
    ("cloudwatch:DescribeAlarms", Part::Read),
    ("codedeploy:BatchGetDeploymentTargets", Part::Read),
    ("codedeploy:ContinueDeployment", Part::Write),
    ("codedeploy:CreateDeployment", Part::Write),
    ("codedeploy:GetDeployment", Part::Read),
    ("codedeploy:GetDeploymentConfig", Part::Read),
    ("codedeploy:GetDeploymentGroup", Part::Read),
    ("codedeploy:ListDeployments", Part::Read),
    ("codedeploy:StopDeployment", Part::Write),
    ("codedeploy:GetApplicationRevision", Part::Optional),
    ("ecr:BatchGetImage", Part::Read),
    ("ecr:DescribeRepositories", Part::Read),
    ("ecr:GetDownloadUrlForLayer", Part::Read),
    ("ecr:GetAuthorizationToken", Part::Read),
    ("ecr:GetRepositoryPolicy", Part::Optional),
    ("ecs:DescribeServices", Part::Read),
    ("ecs:DescribeTaskDefinition", Part::Read),
    ("ecs:DescribeTasks", Part::Optional),
    ("ecs:ListTaskDefinitions", Part::Read),
    ("ecs:ListTasks", Part::Optional),
    ("ecs:RegisterTaskDefinition", Part::Write),
    ("ecs:RunTask", Part::Write),
    ("ecs:TagResource", Part::Optional),
    ("elasticloadbalancing:DescribeListeners", Part::Read),
    ("elasticloadbalancing:DescribeLoadBalancers", Part::Optional),
    ("elasticloadbalancing:DescribeRules", Part::Optional),
    ("elasticloadbalancing:DescribeTargetGroups", Part::Optional),
    ("elasticloadbalancing:DescribeTargetHealth", Part::Optional),
    ("github:checks/create", Part::GitHubWrite),
    ("github:checks/update", Part::GitHubWrite),
    ("github:issues/create-comment", Part::GitHubWrite),
    ("github:issues/list-comments", Part::GitHubRead),
    ("github:issues/update-comment", Part::GitHubWrite),
    ("github:repos/create-commit-status", Part::GitHubWrite),
    ("github:repos/create-deployment", Part::GitHubWrite),
    ("github:repos/create-deployment-status", Part::GitHubWrite),
    ("github:repos/list-deployments", Part::GitHubRead),
    ("github:repos/list-pull-requests-associated-with-commit", Part::GitHubRead),
    ("logs:GetLogEvents", Part::Optional),
    ("oidc:token", Part::Session),
    ("registry:finish-upload", Part::Push),
    ("registry:get-layer", Part::Fetch),
    ("registry:head-blob", Part::Push),
    ("registry:put-manifest", Part::Push),
    ("registry:start-upload", Part::Push),
    ("sts:AssumeRole", Part::Session),
    ("sts:AssumeRoleWithWebIdentity", Part::Session),
    ("sts:GetCallerIdentity", Part::Session),
];

/// Called only after an answer that was lost, on a busy machine for instance.
const AFTER_DOUBT: &[&str] = &["github:checks/list-for-ref"];

/// Trouble that passes.
const PASSING: &[&str] = &["throttled", "error", "reset", "slow", "malformed-after"];
/// The same for what may have been done: the call was carried out, and its answer lost.
const PASSING_WRITE: &[&str] = &[
    "throttled",
    "error",
    "error-after",
    "reset",
    "reset-after",
    "slow",
    "slow-after",
    "malformed",
    "malformed-after",
];
const REFUSALS: &[&str] = &["denied"];
const GITHUB_REFUSALS: &[&str] = &["denied", "not-found", "invalid"];

#[derive(Clone, Debug)]
struct Cell {
    way: Way,
    operation: &'static str,
    part: Part,
    trouble: &'static str,
    turn: u32,
}

impl Cell {
    fn name(&self) -> String {
        format!("{}: {}", self.way.name(), self.fault())
    }

    fn fault(&self) -> String {
        // GitHub says how long to wait.
        let wait =
            if self.trouble == "throttled" && self.operation.starts_with("github:") { ":1s" } else { "" };
        format!("{}={}{wait}@{}", self.operation, self.trouble, self.turn)
    }

    fn passes(&self) -> bool {
        PASSING_WRITE.contains(&self.trouble)
    }
}

/// The world before a run: nothing of it may be lost where a run says that it touched nothing.
#[derive(Debug)]
struct Before {
    live: String,
    weights: BTreeMap<String, u64>,
    revisions: usize,
    deployments: Vec<Value>,
}

impl Before {
    fn of(world: &World) -> Before {
        Before {
            live: world.live(),
            weights: world.weights("production"),
            revisions: list(&world.state(), "task_definitions").len(),
            deployments: world.deployments(),
        }
    }
}

struct Projects {
    hello: Project,
    /// With one-off tasks, which all end well.
    tasks: Project,
}

impl Projects {
    fn make() -> Projects {
        let tasks = "    before:\n      - { command: [migrate], timeout: 6h }\n    validate:\n      - task: { command: [probe], timeout: 6h }\n";
        Projects {
            hello: Project::hello(),
            tasks: Project::with(|files| {
                files.replace("greenlight.yml", "    validate:\n", tasks);
                files.replace("greenlight.yml", "ready-wait: 2h", "ready-wait: 24h");
            }),
        }
    }

    fn of(&self, way: Way) -> &Project {
        if way == Way::RunsTasks { &self.tasks } else { &self.hello }
    }
}

/// A world where everything is done but what a way is about.
struct Scene {
    world: World,
    what: What,
    before: Before,
}

enum What {
    Command(Vec<String>),
    /// Behind a run that left this.
    Post(Done),
}

impl Scene {
    fn set(projects: &Projects, way: Way) -> Scene {
        let mut args = vec!["--no-docker", "--speed", SPEED];
        if let Some(fault) = way.fault() {
            args.extend(["--fault", fault]);
        }
        let world = World::serve(projects.of(way).clone(), &args);
        let command = |words: &[&str]| What::Command(words.iter().map(|word| (*word).to_owned()).collect());
        let what = match way {
            Way::TakesImage => {
                let state = world.state();
                let image =
                    list(&list(&state, "task_definitions")[0], "images")[0].as_str().unwrap().to_owned();
                command(&["deploy", "--force", "--image", &image])
            }
            Way::Approves | Way::Looks | Way::Stops => {
                world.run(&["deploy", "--hold", "approve"]).end().expect(0, "held");
                command(match way {
                    Way::Approves => &["approve"],
                    Way::Looks => &["status", "--hold", "approve"],
                    _ => &["rollback"],
                })
            }
            Way::BringsBack => {
                for run in ["1", "2"] {
                    let run = world.run(&["deploy", "--force"]).env("GITHUB_RUN_ID", run);
                    run.end().expect(0, "succeeded");
                }
                command(&["rollback"])
            }
            Way::Finishes => {
                let hold = world.hold("codedeploy:ContinueDeployment", "before");
                let run = world.run(&["deploy"]).start();
                hold.come();
                What::Post(run.kill())
            }
            _ => command(&["deploy"]),
        };
        let before = Before::of(&world);
        Scene { world, what, before }
    }

    /// Plays what it is about, with this trouble.
    fn play(&self, faults: &[&str]) -> Done {
        self.world.trouble(faults);
        let run = match &self.what {
            What::Command(words) => self.world.run(&words.iter().map(String::as_str).collect::<Vec<_>>()),
            What::Post(main) => self.world.post(main),
        };
        run.env("GREENLIGHT_CALL_TIMEOUT", CALL_TIMEOUT).end()
    }
}

/// How often a run of this way calls each operation.
fn recorded(projects: &Projects, way: Way) -> BTreeMap<String, u64> {
    let scene = Scene::set(projects, way);
    let done = scene.play(&[]);
    assert_eq!(done.ended.code, Some(way.code()), "{}: {}", way.name(), done.ended.said());
    let calls = scene.world.state()["calls"].clone();
    let named = |(name, count): (&String, &Value)| (name.clone(), count.as_u64().unwrap());
    calls.as_object().unwrap().iter().map(named).collect()
}

/// The cells, and where the matrix isn't what runs call.
fn cells(projects: &Projects) -> (Vec<Cell>, Vec<String>) {
    let mut cells = Vec::new();
    let mut called = BTreeSet::new();
    for way in WAYS {
        let calls = recorded(projects, way);
        for (operation, part) in OPERATIONS.iter().copied() {
            let Some(count) = calls.get(operation) else { continue };
            if called.contains(operation) && !way.calls_otherwise(operation) {
                continue;
            }
            let (passing, refusals) = match part {
                Part::GitHubWrite => (PASSING_WRITE, GITHUB_REFUSALS),
                Part::GitHubRead => (PASSING, GITHUB_REFUSALS),
                Part::Write => (PASSING_WRITE, REFUSALS),
                _ => (PASSING, REFUSALS),
            };
            for trouble in passing.iter().chain(refusals).copied() {
                for turn in (1..=2).filter(|turn| u64::from(*turn) <= *count) {
                    // The first calls are the same on every way.
                    if way == Way::Renews && turn == 1 {
                        continue;
                    }
                    cells.push(Cell { way, operation, part, trouble, turn });
                }
            }
        }
        called.extend(calls.into_keys());
    }
    called.retain(|name| !AFTER_DOUBT.contains(&name.as_str()));
    let known: BTreeSet<String> = OPERATIONS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let unknown =
        called.difference(&known).map(|name| format!("the matrix has no {name}, which a run calls"));
    // What is done without is also called by chance alone.
    let surely = OPERATIONS.iter().filter(|(_, part)| *part != Part::Optional).map(|(name, _)| *name);
    let gone = surely.filter(|name| !called.contains(*name)).map(|name| format!("no run calls {name}"));
    (cells, unknown.chain(gone).collect())
}

/// Why a cell isn't right.
fn wrong(cell: &Cell, projects: &Projects) -> Option<String> {
    let scene = Scene::set(projects, cell.way);
    let done = scene.play(&[&cell.fault()]);
    let judged = catch_unwind(AssertUnwindSafe(|| judge(cell, &scene, &done)));
    let why = match judged {
        Ok(()) => return None,
        Err(panic) => panic.downcast_ref::<String>().cloned().unwrap_or_else(|| {
            panic.downcast_ref::<&str>().map_or("it isn't told why".to_owned(), |text| (*text).to_owned())
        }),
    };
    Some(format!("{why}\n{}", done.ended.said()))
}

fn judge(cell: &Cell, scene: &Scene, done: &Done) {
    let Scene { world, before, .. } = scene;
    let state = world.state();
    let code = done.ended.code.expect("an exit code");
    let said = done.ended.said();
    // What is done without can also be called by chance alone: how long green takes to start, say.
    let met = list(&state, "call_faults").iter().all(|fault| fault["met"].as_u64() > Some(0));
    assert!(met || cell.turn > 1 || cell.part == Part::Optional, "the trouble was never met");

    // What passes is ridden out, and GitHub's no costs no deployment.
    let github = matches!(cell.part, Part::GitHubRead | Part::GitHubWrite);
    match code {
        code if code == cell.way.code() => {}
        _ if cell.passes() || github => panic!("exit {code} where the trouble passes"),
        4 if cell.part == Part::Push => assert!(said.contains("denied"), "the denial isn't told"),
        3 if cell.part == Part::Fetch => assert!(said.contains("status 403"), "the denial isn't told"),
        3 | 4 | 6 => {
            let action = &cell.operation;
            assert!(said.contains(action) || cell.operation == "oidc:token", "{action} isn't named");
        }
        5 => {}
        _ => panic!("exit {code}"),
    }
    true_of_production(cell.way, code, scene, done);

    // Nothing twice, and nothing left that isn't said.
    let deployments = world.deployments();
    if code == 0 && matches!(cell.way, Way::Stops | Way::Finishes) {
        assert!(deployments.iter().all(|one| one["status"] != "Ready"), "it still waits: {deployments:?}");
    }
    let rollback = |deployment: &Value| deployment["creator"] != "user";
    let ours = deployments.iter().filter(|deployment| !rollback(deployment)).count();
    let ours = ours - before.deployments.iter().filter(|deployment| !rollback(deployment)).count();
    let most = usize::from(cell.way.deploys() || cell.way == Way::BringsBack);
    assert!(ours <= most, "{ours} deployments: {deployments:?}");
    let revisions = list(&state, "task_definitions").len() - before.revisions;
    assert!(revisions <= usize::from(cell.way.deploys()), "{revisions} revisions were registered");
    if revisions == 1 && ours == 0 {
        assert!(said.contains("registered and unused"), "the unused revision isn't told of");
    }

    // Where GitHub's no keeps it from being told, the log says so.
    if !github || cell.passes() || !said.contains("warning") {
        github_knows(cell.way, code, &state);
    }
}

/// What the exit code says is so in the world.
fn true_of_production(way: Way, code: i32, Scene { world, before, .. }: &Scene, done: &Done) {
    let weights = world.weights("production");
    let unmoved = || assert_eq!((world.live(), &weights), (before.live.clone(), &before.weights));
    match code {
        0 if way.moves() => {
            assert_eq!(world.live(), text(done.told("finished"), "task-definition"));
            assert_ne!(weights, before.weights, "production is where it was");
            let deployment = world.deployments();
            assert!(deployment.iter().any(|d| d["status"] == "Succeeded"), "{deployment:?}");
        }
        0 => unmoved(),
        3 | 4 => {
            unmoved();
            let ids = |all: &[Value]| all.iter().map(|one| text(one, "id").to_owned()).collect::<Vec<_>>();
            assert_eq!(ids(&world.deployments()), ids(&before.deployments));
        }
        5 => {
            unmoved();
            let state = world.state();
            let primary = list(&state, "task_sets").iter().find(|set| set["status"] == "PRIMARY").unwrap();
            assert!(primary["running"].as_u64() > Some(0), "{primary}");
        }
        6 => {
            let finished = done.told("finished");
            assert!(!text(finished, "production").is_empty(), "{finished}");
            assert!(!list(finished, "findings").is_empty(), "{finished}");
        }
        _ => panic!("exit {code}"),
    }
}

/// The check is completed, and everything is there once.
fn github_knows(way: Way, code: i32, state: &Value) {
    for check in list(state, "checks") {
        assert_eq!(check["status"], "completed", "{check}");
    }
    assert!(list(state, "comments").len() <= 1, "{}", state["comments"]);
    if !way.deploys() {
        return;
    }
    let [check] = &list(state, "checks")[..] else { panic!("one check: {}", state["checks"]) };
    let conclusion = if code == 0 { "success" } else { "failure" };
    assert_eq!(text(check, "conclusion"), conclusion, "{check}");
    let statuses = list(state, "statuses");
    let newest = statuses.iter().max_by_key(|status| status["id"].as_u64()).expect("a status");
    assert_eq!(newest["state"], conclusion, "{newest}");
    assert!(list(state, "github_deployments").len() <= 1, "{}", state["github_deployments"]);
}

/// A shuffle that a seed repeats.
fn shuffled<T>(mut all: Vec<T>, mut seed: u64) -> Vec<T> {
    let mut next = || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    for at in (1..all.len()).rev() {
        all.swap(at, usize::try_from(next() % (at as u64 + 1)).unwrap());
    }
    all
}

/// Past the test harness, which keeps what a test prints to itself.
fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

#[test]
fn every_call_survives_every_trouble() {
    let projects = Projects::make();
    let (all, gaps) = cells(&projects);
    let total = all.len();
    let chosen = if let Ok(wanted) = env::var("GREENLIGHT_TEST_CELL") {
        let named = |cell: &Cell| wanted.split(',').any(|part| cell.name().contains(part));
        all.into_iter().filter(named).collect()
    } else if env::var_os("GREENLIGHT_TEST_ALL").is_some() {
        all
    } else {
        let by_time = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let seed = number("GREENLIGHT_TEST_SEED").unwrap_or_else(by_time);
        let size = number("GREENLIGHT_TEST_CELLS").map_or(SAMPLE, |size| usize::try_from(size).unwrap());
        tell(&format!("a sample of {size} of {total} cells: GREENLIGHT_TEST_SEED={seed}"));
        shuffled(all, seed).into_iter().take(size).collect::<Vec<_>>()
    };
    let (next, failed, started) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Instant::now());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(cell) = chosen.get(at) else { break };
                    if at > 0 && at % 100 == 0 {
                        tell(&format!("{at} of {} after {} s", chosen.len(), started.elapsed().as_secs()));
                    }
                    let why = catch_unwind(AssertUnwindSafe(|| wrong(cell, &projects)))
                        .unwrap_or_else(|_| Some("the run or its world hangs".to_owned()));
                    if let Some(why) = why {
                        tell(&format!("--- {}\n{why}", cell.name()));
                        failed.lock().unwrap().push(cell.name());
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let (survived, seconds) = (chosen.len() - failed.len(), started.elapsed().as_secs());
    tell(&format!("faults survived: {survived} of {} in {seconds} s", chosen.len()));
    let wrong = [gaps, failed].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
