//! The registries' side of a release: the repository that is created when asked, ECR's scan, and
//! logins to further registries.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::{Value, json};
use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::{PermissionsExt, symlink},
};
use support::{Done, Files, Project, World, list, named, text};
use tempfile::TempDir;

const BUILD: &str = "111111111111";
const AT_ONCE: [&str; 3] = ["deploy", "--deployment-config", "CodeDeployDefault.ECSAllAtOnce"];

/// Beside what a build role has anyway.
const CREATION: [&str; 4] =
    ["ecr:CreateRepository", "ecr:GetLifecyclePolicy", "ecr:PutLifecyclePolicy", "ecr:SetRepositoryPolicy"];
const SCAN: [&str; 2] = ["ecr:DescribeImageScanFindings", "ecr:StartImageScan"];

/// A changed world of tests/worlds/hello.yml in which the build role may do more, with lines more in
/// the configuration's `image:`.
fn world(may: &[&str], image: &str, change: impl FnOnce(&mut Value), files: impl FnOnce(&Files)) -> World {
    let mut document = support::document();
    document["accounts"][1]["applications"][0]["groups"][0]["ready-wait-minutes"] = json!(120);
    if !may.is_empty() {
        let role = named(&mut document["accounts"][0]["roles"], "greenlight-build");
        let more = json!({ "Statement": [{ "Effect": "Allow", "Action": may, "Resource": "*" }] });
        role["policies"].as_array_mut().unwrap().push(more);
    }
    change(&mut document);
    let project = Project::with(|project| {
        project.write("world.yml", &document.to_string());
        // The stand-ins of this world have no answer for it.
        let all = project.read("greenlight.yml");
        let (head, rest) = all.split_once("    validate:").unwrap();
        let (_, tail) = rest.split_once("\n\n").unwrap();
        project.write("greenlight.yml", &format!("{head}\n{tail}"));
        let image: String = image.lines().map(|line| format!("  {line}\n")).collect();
        project.replace("greenlight.yml", "image:\n", &format!("image:\n{image}"));
        files(project);
    });
    World::of_document(project, &[])
}

fn as_it_is(_: &mut Value) {}

fn same(_: &Files) {}

/// The repository `hello` of the build account.
fn hello(document: &mut Value) -> &mut Value {
    named(&mut document["accounts"][0]["repositories"], "hello")
}

fn repository(world: &World, name: &str) -> Value {
    world.state()["repositories"][BUILD][name].clone()
}

/// A repository that isn't there is asked for.
fn fresh(files: &Files) {
    files.replace("greenlight.yml", "repository: hello", "repository: team/fresh");
}

/// Neither a revision nor a deployment came of a run.
#[track_caller]
fn assert_nothing_deployed(world: &World, before: &Value) {
    let now = world.written();
    assert_eq!(now["task_definitions"], before["task_definitions"]);
    assert_eq!(now["deployments"], before["deployments"]);
}

#[test]
fn a_repository_is_created_when_asked_and_then_left_alone() {
    let asked = "create-repository:\n  scan-on-push: true\n  immutable-tags: true\n  keep: 50\n  expire-untagged: 14d";
    let world = world(&CREATION, asked, as_it_is, fresh);
    let before = world.written();
    let plan = world.run(&["plan"]).end().expect(0, "planned").says(&[
        "create repository 127.0.0.1:",
        "with scan on push, tags that can't be moved, untagged images deleted after 14 days, all but the newest 50 \
         images deleted and leave to pull for 222222222222",
    ]);
    assert_eq!(plan.told("planned")["plan"]["image"]["creates-repository"], true);
    assert_eq!(world.written(), before);

    let done = world.run(&AT_ONCE).end().expect(0, "succeeded");
    assert_eq!(world.live(), done.output("task-definition-arn"));
    let made = repository(&world, "team/fresh");
    assert_eq!((&made["tag_mutability"], &made["scan_on_push"]), (&json!("IMMUTABLE"), &json!(true)));
    let principal = &made["policy"]["Statement"][0]["Principal"]["AWS"];
    assert_eq!(principal, "arn:aws:iam::222222222222:root");
    let rules = list(&made["lifecycle_policy"], "rules");
    assert_eq!(rules[0]["selection"]["countNumber"], 14);
    assert_eq!(
        rules[1]["selection"],
        json!({ "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 50 })
    );
    assert_eq!(made["tags"][done.output("image-tags")], done.output("image-digest"));

    world.run(&AT_ONCE).end().expect(0, "unchanged");
    assert_eq!(world.calls("CreateRepository"), 1);
    assert_eq!(repository(&world, "team/fresh"), made);
}

#[test]
fn a_repository_that_is_there_stays_as_it_is() {
    let world = world(&CREATION, "create-repository: { scan-on-push: true, keep: 9 }", as_it_is, same);
    let before = repository(&world, "hello");
    world
        .run(&["plan"])
        .end()
        .expect(0, "planned")
        .says(&["Repository `hello` is there and stays as it is", "scan on push is off"])
        .says_not(&["create repository"]);
    world.run(&AT_ONCE).end().expect(0, "succeeded");
    let after = repository(&world, "hello");
    for key in ["scan_on_push", "lifecycle_policy", "policy", "tag_mutability"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    for call in ["CreateRepository", "SetRepositoryPolicy", "PutLifecyclePolicy"] {
        assert_eq!(world.calls(call), 0, "{call}");
    }
}

#[test]
fn without_being_asked_nothing_is_created() {
    let world = world(&CREATION, "", as_it_is, fresh);
    let before = world.written();
    world.run(&["deploy"]).end().expect(3, "refused").says(&[
        "There is no ECR repository `team/fresh`",
        "`create-repository: true` under `image:`",
        "Production is untouched.",
    ]);
    assert_eq!(world.written(), before);
}

#[test]
fn a_creation_that_is_denied_names_the_permission() {
    let world = world(&[], "create-repository: true", as_it_is, fresh);
    let before = world.written();
    world.run(&["deploy"]).end().expect(4, "build-failed").says(&[
        "Repository `team/fresh` couldn't be created",
        "role `greenlight-build` of account 111111111111 may not `ecr:CreateRepository`",
        "Production is untouched.",
    ]);
    assert_eq!(world.state()["repositories"], before["repositories"]);
    assert_nothing_deployed(&world, &before);
}

#[test]
fn a_creation_that_breaks_off_says_what_is_missing() {
    let world = world(&["ecr:CreateRepository"], "create-repository: true", as_it_is, fresh);
    let before = world.written();
    world.run(&["deploy"]).end().expect(4, "build-failed").says(&[
        "Repository `team/fresh` was created in account 111111111111, but the policy that lets other accounts pull \
         couldn't be set",
        "`ecr:SetRepositoryPolicy`",
        "Then run again",
    ]);
    assert_nothing_deployed(&world, &before);
}

#[test]
fn what_an_earlier_run_left_half_done_is_completed() {
    let asked = "create-repository: { keep: 9, scan-on-push: true }";
    let world = world(&CREATION, asked, as_it_is, fresh);
    let killed = world.hold("ecr:PutLifecyclePolicy", "before");
    let run = world.run(&["deploy"]).start();
    killed.come();
    run.kill();
    killed.go_on();
    assert_eq!(repository(&world, "team/fresh")["policy"], Value::Null);
    world.run(&["plan"]).end().expect(0, "planned").says(&[
        "which is empty, what isn't set yet of: all but the newest 9 images deleted and leave to pull for 222222222222",
    ]);
    world.run(&AT_ONCE).end().expect(0, "succeeded");
    let whole = repository(&world, "team/fresh");
    assert!(whole["policy"].is_object() && whole["lifecycle_policy"].is_object(), "{whole}");
    assert_eq!(world.calls("CreateRepository"), 1);
}

#[test]
fn tasks_that_could_not_pull_from_a_new_repository_are_told_before_it_is_made() {
    let world = world(&CREATION, "create-repository: { pull-accounts: [] }", as_it_is, fresh);
    let before = world.written();
    world
        .run(&["deploy"])
        .end()
        .expect(3, "refused")
        .says(&["`pull-accounts` keeps the tasks of account 222222222222 from pulling"]);
    assert_eq!(world.written(), before);
}

#[test]
fn a_lost_answer_to_the_creation_leaves_a_whole_repository() {
    let world = world(
        &CREATION,
        "create-repository: { keep: 9 }",
        |document| document["call-faults"] = json!(["ecr:CreateRepository=reset-after@1"]),
        fresh,
    );
    world.run(&AT_ONCE).end().expect(0, "succeeded");
    let made = repository(&world, "team/fresh");
    assert!(made["policy"].is_object() && made["lifecycle_policy"].is_object(), "{made}");
}

fn findings() -> Value {
    let of = |name: &str, severity: &str, package: &str| {
        json!({ "name": name, "severity": severity, "uri": "https://example.com", "attributes": [
            { "key": "package_name", "value": package }, { "key": "package_version", "value": "1.2.3" },
        ]})
    };
    let mut findings = vec![
        of("CVE-2026-0002", "HIGH", "openssl"),
        of("CVE-2026-0001", "CRITICAL", "zlib"),
        of("CVE-2026-0003", "MEDIUM", "bash"),
    ];
    // More than one page.
    findings.extend((100..220).map(|n| of(&format!("CVE-2026-0{n}"), "LOW", "many")));
    json!(findings)
}

#[test]
fn an_image_with_too_much_in_it_is_not_deployed() {
    let world =
        world(&SCAN, "scan: { fail-on: high }", |world| hello(world)["scan-findings"] = findings(), same);
    let before = world.written();
    let done = world.run(&["deploy"]).end().expect(3, "refused").says(&[
        "1 critical, 1 high, 1 medium, 120 low",
        "`fail-on: high` deploys nothing high or worse",
        "CVE-2026-0001 (critical) in zlib 1.2.3",
        "CVE-2026-0002 (high) in openssl 1.2.3",
        "The image was not deployed: 127.0.0.1:",
        "Production is untouched.",
    ]);
    let done = done.says_not(&["CVE-2026-0003", "CVE-2026-0100"]);
    assert_eq!(repository(&world, "hello")["tags"][done.output("image-tags")], done.output("image-digest"));
    assert_nothing_deployed(&world, &before);
    assert_eq!(world.calls("StartImageScan"), 1);
    assert!(world.calls("DescribeImageScanFindings") >= 3, "the probe, and two pages");

    // What is given is scanned as well: it has been, and isn't again.
    let image = world.revision(&world.live())["images"][0].as_str().unwrap().to_owned();
    world.run(&["deploy", "--image", &image]).end().expect(3, "refused").says(&["CVE-2026-0001"]);

    let lines = "fail-on: critical\nignore: [CVE-2026-0001]";
    let done = world.run(&[&AT_ONCE[..], &["--scan", lines]].concat()).end().expect(0, "succeeded");
    let check = done.told("check");
    assert_eq!((text(check, "conclusion"), text(check, "limit")), ("passed", "nothing critical"));
    assert_eq!(text(check, "measured"), "1 high, 1 medium, 120 low (1 more ignored)");
    assert_eq!(done.output("scan-findings"), text(check, "measured"));
    assert!(done.summary.contains("ECR's scan of the image"), "{}", done.summary);

    // What runs already isn't held up.
    world.run(&AT_ONCE).end().expect(0, "unchanged");
}

#[test]
fn a_scan_is_followed_through_all_trouble() {
    let change = |world: &mut Value| {
        hello(world)["scan-findings"] = findings();
        world["call-faults"] = json!([
            "ecr:StartImageScan=reset-after@1",
            "ecr:DescribeImageScanFindings=error@3",
            "ecr:DescribeImageScanFindings=malformed@4",
            "ecr:DescribeImageScanFindings=throttled@6",
            "ecr:DescribeImageScanFindings=reset@7",
        ]);
    };
    let world = world(&SCAN, "scan: { fail-on: high, timeout: 5h }", change, same);
    world.run(&["deploy"]).end().expect(3, "refused").says(&["1 critical, 1 high, 1 medium, 120 low"]);
}

#[test]
fn what_inspector_finds_counts_once_it_has_looked() {
    let finding = json!({
        "severity": "HIGH", "title": "CVE-2026-0004 - openssl", "type": "PACKAGE_VULNERABILITY", "score": 7.5,
        "packageVulnerabilityDetails": { "vulnerabilityId": "CVE-2026-0004", "vulnerablePackages": [
            { "name": "openssl", "version": "3.0.1", "fixedInVersion": "3.0.2" },
        ]},
    });
    let change = |world: &mut Value| {
        world["accounts"][0]["enhanced-scanning"] = json!(true);
        hello(world)["scan-findings"] = json!([finding]);
        // Long enough for a look at an image that nothing is known of yet.
        hello(world)["scan-seconds"] = json!(240);
    };
    let world = world(&SCAN, "scan: { fail-on: medium, timeout: 5h }", change, same);
    let before = world.written();
    world
        .run(&["deploy"])
        .end()
        .expect(3, "refused")
        .says(&["CVE-2026-0004 (high) in openssl 3.0.1, fixed in 3.0.2"]);
    assert_nothing_deployed(&world, &before);
    assert_eq!(world.calls("StartImageScan"), 0, "nobody has to ask Inspector");
}

#[test]
fn what_ecr_cannot_scan_is_refused_unless_allowed() {
    let change = |world: &mut Value| hello(world)["scan-ends-as"] = json!("UNSUPPORTED_IMAGE");
    let world = world(&SCAN, "scan: { fail-on: high }", change, same);
    let before = world.written();
    world
        .run(&["deploy"])
        .end()
        .expect(3, "refused")
        .says(&["ended as UNSUPPORTED_IMAGE", "`allow-unscanned: true` under `image.scan`"]);
    assert_nothing_deployed(&world, &before);
    let lines = "{ fail-on: high, allow-unscanned: true }";
    let done = world.run(&[&AT_ONCE[..], &["--scan", lines]].concat()).end().expect(0, "succeeded");
    assert!(
        text(done.told("warning"), "text").contains("It is deployed without"),
        "{:?}",
        done.told("warning")
    );
}

#[test]
fn a_scan_that_takes_too_long_is_not_waited_for() {
    let change = |world: &mut Value| hello(world)["scan-seconds"] = json!(1_000_000);
    let world = world(&SCAN, "scan: { fail-on: high, timeout: 2m }", change, same);
    world.run(&["deploy"]).end().expect(3, "refused").says(&["had no result after 2m", "raise `timeout`"]);
}

#[test]
fn findings_that_may_not_be_read_are_told_before_anything_is_written() {
    let world = world(&[], "scan: { fail-on: high }", as_it_is, same);
    let before = world.written();
    world.run(&["deploy"]).end().expect(3, "refused").says(&[
        "may not `ecr:DescribeImageScanFindings`",
        "role `greenlight-build` of account 111111111111",
    ]);
    assert_eq!(world.written(), before);
}

#[test]
fn a_scan_that_nobody_may_start_names_the_permission() {
    let world = world(&SCAN[..1], "scan: { fail-on: high, timeout: 1h }", as_it_is, same);
    let before = world.written();
    world.run(&["deploy"]).end().expect(3, "refused").says(&[
        "no scan could be started",
        "may not `ecr:StartImageScan`",
        "turn scan on push on",
    ]);
    assert_nothing_deployed(&world, &before);
}

#[test]
fn a_scan_is_given_up_when_the_run_is_cancelled() {
    let change = |world: &mut Value| hello(world)["scan-seconds"] = json!(1_000_000);
    let world = world(&SCAN, "scan: { fail-on: high, timeout: 24h }", change, same);
    let before = world.written();
    let run = world.run(&["deploy"]).start();
    run.until(|event| event["event"] == "waiting");
    run.interrupt();
    run.end().expect(8, "cancelled").says(&["Production is untouched."]);
    assert_nothing_deployed(&world, &before);
}

/// A plugin that keeps the Docker configuration which it was given, and then does what the world's does.
fn keeping_plugin(world: &World) -> TempDir {
    let folder = TempDir::new().unwrap();
    let plugins = folder.path().join("docker/cli-plugins");
    fs::create_dir_all(&plugins).unwrap();
    let real = std::path::Path::new(world.variable("DOCKER_CONFIG")).join("cli-plugins/docker-buildx");
    symlink(fs::canonicalize(real).unwrap(), folder.path().join("docker-buildx")).unwrap();
    let at = folder.path().display();
    let script = format!(
        "#!/bin/sh\ncat \"$DOCKER_CONFIG/config.json\" > {at}/config.json\necho \"$@\" > {at}/line\nexec {at}/docker-buildx \"$@\"\n"
    );
    fs::write(folder.path().join("script"), script).unwrap();
    // Copied by a process of its own: what this one has open for writing, its children can't start.
    let plugin = plugins.join("docker-buildx");
    let copied = std::process::Command::new("cp").arg(folder.path().join("script")).arg(&plugin).status();
    assert!(copied.unwrap().success());
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[test]
fn a_rehearsal_has_what_the_configuration_asks_of_registries() {
    let project = Project::with(|files| {
        files.replace(
            "greenlight.yml",
            "image:\n",
            "image:\n  create-repository: { immutable-tags: true, scan-on-push: true }\n  scan: { fail-on: high, timeout: 2h }\n  \
             registries:\n    - { ecr: 333333333333, role: \"arn:aws:iam::333333333333:role/puller\" }\n",
        );
    });
    let report = project.folder().join("report.json");
    let mut command = support::greenlight();
    command.current_dir(project.folder());
    command.args(["rehearse", "--no-docker", "--speed", support::SPEED, "--report"]).arg(&report);
    let ended = support::Child::start(command).wait(support::LIMIT);
    assert_eq!(ended.code, Some(0), "{}", ended.said());
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    let calls = &report["api_calls"];
    let called = |operation: &str| calls.get(operation).and_then(Value::as_u64).unwrap_or_default();
    assert!(called("ecr:DescribeImageScanFindings") >= 2 && called("ecr:CreateRepository") == 0, "{calls}");
    assert_eq!(called("ecr:GetAuthorizationToken"), 2, "of the two registries: {calls}");
}

const FURTHER: &str = "\
registries:
  - { host: ghcr.io, username: octocat, password-env: GHCR_TOKEN }
  - { ecr: 333333333333, region: eu-central-1, role: \"arn:aws:iam::333333333333:role/puller\" }";

/// A third account, whose role the build role may enter.
fn third(document: &mut Value) {
    let role = named(&mut document["accounts"][0]["roles"], "greenlight-build");
    role["policies"].as_array_mut().unwrap().push(json!({ "Statement": [
        { "Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": "arn:aws:iam::333333333333:role/puller" },
    ]}));
    document["accounts"].as_array_mut().unwrap().push(json!({
        "id": "333333333333", "region": "eu-central-1",
        "repositories": [{ "name": "base" }],
        "roles": [{
            "name": "puller",
            "trust": { "Statement": [{
                "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::111111111111:role/greenlight-build" },
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            }]},
            "policies": [{ "Statement": [{ "Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*" }] }],
        }],
    }));
}

/// A registry with tokens that lets one user in, until the test ends.
fn registry(right: &'static str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let realm = format!("Bearer realm=\"http://{host}/token\",service=\"stub\"");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let status = match head.starts_with("GET /token?") && head.contains(right) {
                true => "200 OK",
                false => "401 Unauthorized",
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\nwww-authenticate: {realm}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    host
}

/// `octocat` and `PASSWORD`, in base64.
const LOGIN: &str = "b2N0b2NhdDpQYXNzd29ydC1laW5lcy1hbmRlcmVu";
const PASSWORD: &str = "Passwort-eines-anderen";

/// With a registry of this test's in place of GitHub's.
fn at(host: &str) -> String {
    FURTHER.replace("ghcr.io", host)
}

#[test]
fn a_build_finds_the_logins_of_further_registries() {
    let host = registry(LOGIN);
    let world = world(&[], &at(&format!("\"{host}\"")), third, same);
    let folder = keeping_plugin(&world);
    let docker = folder.path().join("docker").display().to_string();
    let done = world
        .run(&AT_ONCE)
        .env("GHCR_TOKEN", PASSWORD)
        .env("DOCKER_CONFIG", &docker)
        .env("RUST_LOG", "trace")
        .end()
        .expect(0, "succeeded");
    let config: Value =
        serde_json::from_slice(&fs::read(folder.path().join("config.json")).unwrap()).unwrap();
    let auths = config["auths"].as_object().unwrap();
    assert_eq!(auths[&host]["auth"], LOGIN);
    let image = done.output("image").to_owned();
    let own = image.split('/').next().unwrap();
    let other = auths.keys().find(|name| *name != own && **name != host).unwrap();
    assert!(other.starts_with("127.0.0.1:") && auths.len() == 3, "{:?}", auths.keys());
    let line = fs::read_to_string(folder.path().join("line")).unwrap();
    let log = done.ended.stdout.lines().chain(done.ended.stderr.lines());
    let told: Vec<&str> = log.filter(|line| !line.starts_with("::add-mask::")).collect();
    for secret in [PASSWORD, LOGIN] {
        assert!(!line.contains(secret) && !told.iter().any(|line| line.contains(secret)));
        assert!(done.ended.stdout.contains(&format!("::add-mask::{secret}")), "the runner is told");
    }
    assert!(!folder.path().join("docker/config.json").exists());
}

#[test]
fn a_password_that_a_registry_does_not_take_is_told_before_anything_is_written() {
    let host = registry(LOGIN);
    let further =
        format!("registries:\n  - {{ host: \"{host}\", username: octocat, password-env: GHCR_TOKEN }}");
    let world = world(&[], &further, as_it_is, same);
    let before = world.written();
    world
        .run(&["deploy"])
        .env("GHCR_TOKEN", "ein-altes-Passwort")
        .end()
        .expect(3, "refused")
        .says(&[&format!("{host} doesn't let `octocat` in with what `GHCR_TOKEN` holds")])
        .says_not(&["measured"])
        .points_at("greenlight.yml", 6);
    assert_eq!(world.written(), before);
    world.run(&["plan"]).env("GHCR_TOKEN", PASSWORD).end().expect(0, "planned");
}

#[test]
fn a_base_image_of_another_account_is_pulled_with_its_login() {
    let further = FURTHER.lines().filter(|line| !line.contains("ghcr.io")).collect::<Vec<_>>().join("\n");
    for may_pull in [false, true] {
        let change = |document: &mut Value| {
            third(document);
            let account = &mut document["accounts"][2];
            // So that there is one.
            account["task-definitions"] = json!([{ "family": "base", "containerDefinitions": [
                { "name": "base", "image": "{registry:333333333333}/base:1", "memory": 128 },
            ]}]);
            if may_pull {
                let pull = json!({ "Effect": "Allow", "Action": "ecr:BatchGetImage", "Resource": "*" });
                account["roles"][0]["policies"][0]["Statement"].as_array_mut().unwrap().push(pull);
            }
        };
        let world = world(&[], &further, change, same);
        let state = world.state();
        let base =
            list(&state, "task_definitions").iter().find(|d| text(d, "arn").contains("/base:")).unwrap();
        let base = base["images"][0].as_str().unwrap().to_owned();
        world.project.files().replace("Dockerfile", "FROM scratch", &format!("FROM {base}"));
        world.project.commit();
        let run = world.run(&AT_ONCE).end();
        if may_pull {
            run.expect(0, "succeeded");
        } else {
            run.expect(4, "build-failed").says(&[
                "An image that the build starts from can't be had",
                "Let `arn:aws:iam::333333333333:role/puller` pull from the repository in account 333333333333",
            ]);
        }
    }
}

#[test]
fn a_role_that_cannot_be_entered_is_told_before_anything_is_written() {
    let change = |document: &mut Value| {
        third(document);
        let accounts = document["accounts"].as_array_mut().unwrap();
        accounts[2]["roles"][0]["trust"]["Statement"][0]["Principal"]["AWS"] =
            json!("arn:aws:iam::333333333333:root");
    };
    let world = world(&[], FURTHER, change, same);
    let before = world.written();
    world
        .run(&["deploy"])
        .env("GHCR_TOKEN", "Passwort-eines-anderen")
        .end()
        .expect(3, "refused")
        .says(&[
            "There is no login to the registry of account 333333333333",
            "Role arn:aws:iam::333333333333:role/puller can't be assumed by arn:aws:iam::111111111111:role/greenlight-build",
        ])
        .points_at("greenlight.yml", 7);
    assert_eq!(world.written(), before);
}

#[test]
fn the_public_registry_is_logged_in_to_with_the_role_that_pushes() {
    let further = "registries:\n  - { host: public.ecr.aws }";
    let denied = world(&[], further, as_it_is, same);
    let before = denied.written();
    denied.run(&["deploy"]).end().expect(3, "refused").points_at("greenlight.yml", 6).says(&[
        "There is no login to public.ecr.aws",
        "role `greenlight-build` of account 111111111111 may not `ecr-public:GetAuthorizationToken`",
        "`sts:GetServiceBearerToken`",
    ]);
    assert_eq!(denied.written(), before);

    let may = ["ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken"];
    let fault =
        |document: &mut Value| document["call-faults"] = json!(["ecr-public:GetAuthorizationToken=error@1"]);
    let world = world(&may, further, fault, same);
    let folder = keeping_plugin(&world);
    let docker = folder.path().join("docker").display().to_string();
    world.run(&AT_ONCE).env("DOCKER_CONFIG", &docker).end().expect(0, "succeeded");
    let config: Value =
        serde_json::from_slice(&fs::read(folder.path().join("config.json")).unwrap()).unwrap();
    assert!(config["auths"]["public.ecr.aws"]["auth"].is_string());
    assert_eq!(world.calls("GetAuthorizationToken"), 3, "of both registries, one of them asked twice");
}

#[test]
fn a_plan_does_without_what_only_a_deployment_takes() {
    let image = format!("create-repository: true\nscan: {{ fail-on: high }}\n{FURTHER}");
    let change = |document: &mut Value| {
        let role = named(&mut document["accounts"][0]["roles"], "greenlight-build");
        for policy in role["policies"].as_array_mut().unwrap() {
            if let Some(actions) = policy["Statement"][0]["Action"].as_array_mut() {
                actions.retain(|action| action != "ecr:GetAuthorizationToken");
            }
        }
    };
    let fresh = world(&[], &image, change, fresh);
    fresh.run(&["plan"]).end().expect(0, "planned").says(&[
        "create repository 111111111111.dkr.ecr.eu-central-1.amazonaws.com/team/fresh",
        "A deployment would be refused here: There is no password to log in to ghcr.io with",
        "A deployment would be refused here: There is no login to the registry of account 333333333333",
    ]);
    let there = world(&[], &image, change, same);
    there.run(&["plan"]).end().expect(0, "planned").says(&[
        "A deployment would be refused here: What ECR's scan of",
        "may not `ecr:DescribeImageScanFindings`",
    ]);
}

/// Refused without asking anyone.
#[track_caller]
fn invalid(world: &World, image: &str, line: u64) -> Done {
    let project = Project::with(|files| {
        let image: String = image.lines().map(|line| format!("  {line}\n")).collect();
        files.replace("greenlight.yml", "image:\n", &format!("image:\n{image}"));
    });
    let before = world.written();
    let done = world.run_in(project.folder(), &["deploy"]).end().expect(2, "invalid");
    assert_eq!(world.written(), before);
    done.points_at("greenlight.yml", line)
}

#[test]
fn what_is_wrong_with_registries_is_one_clear_sentence() {
    let world = world(&[], "", as_it_is, same);
    let twice = "registries:\n  - { host: ghcr.io, username: a, password-env: A }\n  - { host: ghcr.io, username: b, password-env: B }";
    invalid(&world, twice, 7).says(&["`image.registries[1]` logs in to ghcr.io a second time"]);
    let scheme = "registries:\n  - { host: \"https://ghcr.io/acme\", username: a, password-env: A }";
    invalid(&world, scheme, 6).says(&["is no registry's host", "without a scheme or a path: `ghcr.io`"]);
    let missing = "registries:\n  - { host: ghcr.io, username: a, password-env: NOT_THERE }";
    invalid(&world, missing, 6).says(&["the variable `NOT_THERE` is not set", "secrets.NOT_THERE"]);
    let password = "registries:\n  - { host: ghcr.io, username: a, password-env: \"ghp-Geheimnis\" }";
    invalid(&world, password, 6).says(&["isn't the name of a variable"]).says_not(&["ghp-Geheimnis"]);
    let half = "registries:\n  - { host: ghcr.io, username: a }";
    invalid(&world, half, 6).says(&["no `password-env` to log in to ghcr.io with"]);
    let ecr = "registries:\n  - { host: 333333333333.dkr.ecr.eu-west-1.amazonaws.com, username: AWS, password-env: A }";
    invalid(&world, ecr, 6).says(&["Write `ecr: \"333333333333\"` and `region: eu-west-1`"]);
    let public = "registries:\n  - { host: public.ecr.aws, username: AWS }";
    invalid(&world, public, 6).says(&["to which the role that pushes logs in"]);
    let neither = "registries:\n  - { username: a }";
    invalid(&world, neither, 6).says(&["one of `host` and `ecr`"]);
    let own = "registries:\n  - { ecr: 111111111111 }";
    invalid(&world, own, 6).says(&["is the registry that the image is pushed to"]);
    invalid(&world, "create-repository: maybe", 5).says(&["`true`, `false` or a mapping"]);
    invalid(&world, "create-repository:\n  kep: 5", 6).says(&["Did you mean `keep`?"]);
    invalid(&world, "create-repository:\n  expire-untagged: 36h", 6).says(&["ECR counts in whole days"]);
    invalid(&world, "scan:\n  fail-on: severe", 6).says(&["can't be `severe`"]);
    invalid(&world, "scan: {}", 5).says(&["has no `fail-on`"]);
    invalid(&world, "scan:\n  fail-on: high\n  ignore: [openssl]", 7).says(&["is no vulnerability's name"]);
}
