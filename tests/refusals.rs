//! What can be refused is refused before the first write, with its exit code, what is wrong, and
//! what to do about it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::json;
use std::sync::{Arc, Mutex, Weak};
use support::{Done, Files, Project, World};

/// The world of examples/hello, where listing is granted.
fn hello() -> Arc<World> {
    static WORLD: Mutex<Weak<World>> = Mutex::new(Weak::new());
    World::shared(&WORLD, World::hello)
}

/// A world with more in it, where the deploy role may do no more than it must.
fn narrow() -> Arc<World> {
    static WORLD: Mutex<Weak<World>> = Mutex::new(Weak::new());
    World::shared(&WORLD, || {
        let mut document = support::document();
        let services = document["accounts"][1]["services"].as_array_mut().unwrap();
        let mut rolling = services[0].clone();
        rolling["name"] = json!("rolling");
        rolling["controller"] = json!("ECS");
        services.push(rolling);
        document["accounts"][1]["applications"][0]["groups"][0]["ready-wait-minutes"] = json!(120);
        let document = document.to_string();
        World::of_document(Project::with(|files| files.write("world.yml", &document)), &[])
    })
}

/// Deploys a changed copy of the project into the world: it must end so, and nothing be written.
#[track_caller]
fn refused(world: &World, code: i32, change: impl FnOnce(&Files), args: &[&str]) -> Done {
    let project = Project::with(change);
    let before = world.written();
    let done = world.run_in(project.folder(), &[&["deploy"], args].concat()).end();
    let done = done.expect(code, if code == 2 { "invalid" } else { "refused" });
    assert_eq!(world.written(), before);
    done.says(&["Production is untouched."])
}

fn same(_: &Files) {}

#[test]
fn malformed_yaml() {
    let change = |files: &Files| {
        files.replace("greenlight.yml", "service: hello\n\nimage:", "service: [hello\n\nimage:")
    };
    refused(&hello(), 2, change, &[]).points_at("greenlight.yml", 4).says(&["no valid YAML"]);
}

#[test]
fn malformed_json() {
    let change = |files: &Files| files.replace("taskdef.json", "\"cpu\": \"256\",", "\"cpu\": \"256\"");
    refused(&hello(), 2, change, &[]).points_at("taskdef.json", 6).says(&["can't be parsed"]);
}

#[test]
fn a_malformed_appspec() {
    let change = |files: &Files| {
        files.replace("greenlight.yml", "    cluster: prod", "    cluster: prod\n    appspec: appspec.yml");
        files.write("appspec.yml", "version: 0.0\nResources: [\n");
    };
    refused(&hello(), 2, change, &[]).says(&["appspec.yml", "can't be parsed"]);
}

#[test]
fn an_unknown_key() {
    let change = |files: &Files| {
        files.replace(
            "greenlight.yml",
            "  build-args:\n    VERSION: \"{short",
            "  buildargs:\n    VERSION: \"{short",
        )
    };
    refused(&hello(), 2, change, &[])
        .points_at("greenlight.yml", 6)
        .says(&["`image.buildargs`", "Did you mean `build-args`?"]);
}

#[test]
fn an_unknown_key_of_the_task_definition() {
    let change = |files: &Files| files.replace("taskdef.json", "\"portMappings\"", "\"portMapping\"");
    refused(&hello(), 2, change, &[]).points_at("taskdef.json", 14).says(&[
        "portMapping`",
        "Did you mean `portMappings`?",
        "allow-unknown-keys",
    ]);
}

#[test]
fn an_unknown_flag() {
    let world = hello();
    let before = world.written();
    let done = world.run(&["deploy", "--clutser", "prod"]).end();
    assert_eq!(done.ended.code, Some(2));
    done.says(&["--clutser", "--cluster"]);
    assert_eq!(world.written(), before);
}

#[test]
fn a_missing_dockerfile() {
    refused(&hello(), 2, |files| files.remove("Dockerfile"), &[])
        .says(&["There is no Dockerfile at", "`dockerfile`"]);
}

#[test]
fn a_missing_configuration() {
    refused(&hello(), 2, same, &["--config", "nowhere.yml"]).says(&["nowhere.yml can't be read"]);
}

#[test]
fn a_missing_task_definition() {
    refused(&hello(), 2, |files| files.remove("taskdef.json"), &[])
        .says(&["taskdef.json", "`task-definition`"]);
}

#[test]
fn a_container_that_is_not_there() {
    refused(&hello(), 2, same, &["--container", "application"]).says(&[
        "has no container `application`",
        "There is: `app`.",
        "Correct `container`",
    ]);
}

#[test]
fn a_container_that_the_live_task_definition_does_not_have() {
    refused(&hello(), 3, same, &["--container", "application", "--task-definition", "live"])
        .says(&["has no container `application`", "There is: `app`."]);
}

#[test]
fn a_port_that_is_not_there() {
    refused(&hello(), 2, same, &["--container-port", "9090"])
        .says(&["Container `app` doesn't open port 9090: it has 8080."]);
}

#[test]
fn a_task_definition_of_more_than_64_kib() {
    let change = |files: &Files| {
        files.edit("taskdef.json", |document| {
            document["containerDefinitions"][0]["environment"] =
                json!([{ "name": "LONG", "value": "x".repeat(70_000) }]);
        });
    };
    refused(&hello(), 2, change, &[]).says(&["at most 65536", "environmentFiles"]);
}

#[test]
fn a_stray_type_in_the_task_definition() {
    let change = |files: &Files| {
        files.replace("taskdef.json", "\"containerPort\": 8080", "\"containerPort\": \"8080\"")
    };
    refused(&hello(), 2, change, &[]).points_at("taskdef.json", 14).says(&[
        "containerPort` in",
        "must be a whole number, and is `\"8080\"`",
        "Write it without quotes: 8080.",
    ]);
}

#[test]
fn a_role_that_the_build_role_may_not_assume() {
    refused(&hello(), 3, same, &["--auth", "ambient", "--role", "arn:aws:iam::222222222222:role/nobody"])
        .says(&[
            "Role arn:aws:iam::222222222222:role/nobody can't be assumed by",
            "`sts:AssumeRole`",
            "Check that the role exists.",
        ]);
}

#[test]
fn a_role_that_wants_an_external_id() {
    let role = "arn:aws:iam::222222222222:role/greenlight-guarded";
    refused(&narrow(), 3, same, &["--auth", "ambient", "--role", role]).says(&["no `external-id` was sent"]);
    let given = &["--auth", "ambient", "--role", role, "--external-id", "wrong"];
    refused(&narrow(), 3, same, given)
        .says(&["\"sts:ExternalId\"", "the `external-id` that the configuration names"]);
}

#[test]
fn a_role_that_takes_no_session_tags() {
    let role = "arn:aws:iam::222222222222:role/greenlight-untagged";
    refused(&narrow(), 3, same, &["--auth", "ambient", "--role", role])
        .says(&["sts:TagSession", "tag-session: false"]);
}

#[test]
fn a_role_that_does_not_trust_the_token() {
    let world = narrow();
    let role = "arn:aws:iam::111111111111:role/greenlight-release";
    refused(&world, 3, same, &["--auth", "oidc", "--build-role", role]).says(&[
        &format!("may not enter role {role}"),
        "The token says sub `repo:acme@1001/hello@2002:ref:refs/heads/main` and aud `sts.amazonaws.com`",
        "\"token.actions.githubusercontent.com:sub\": \"repo:acme@1001/hello@2002:ref:refs/heads/main\"",
        "\"token.actions.githubusercontent.com:aud\": \"sts.amazonaws.com\"",
    ]);
}

#[test]
fn an_account_that_knows_no_identity_provider() {
    let role = "arn:aws:iam::222222222222:role/greenlight-deploy";
    refused(&narrow(), 3, same, &["--auth", "oidc", "--build-role", role]).says(&[
        "Add the identity provider `https://token.actions.githubusercontent.com`",
        "account 222222222222",
    ]);
}

#[test]
fn a_job_without_id_token_write() {
    let world = hello();
    let project = Project::hello();
    let before = world.written();
    world
        .run_in(project.folder(), &["deploy", "--auth", "oidc"])
        .env("GITHUB_ACTIONS", "true")
        .without(&["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"])
        .end()
        .expect(3, "refused")
        .says(&["ACTIONS_ID_TOKEN_REQUEST_URL", "permissions:", "id-token: write"]);
    world
        .run_in(project.folder(), &["deploy"])
        .env("GITHUB_ACTIONS", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .without(&["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"])
        .without(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
        .end()
        .expect(3, "refused")
        .says(&["id-token: write"]);
    assert_eq!(world.written(), before);
}

#[test]
fn another_account_than_the_configuration_names() {
    // The caller's own credentials, and they are the build account's.
    let change = |files: &Files| {
        files.replace(
            "greenlight.yml",
            "    role: arn:aws:iam::222222222222:role/greenlight-deploy\n",
            "    account: \"222222222222\"\n",
        );
        files.replace(
            "greenlight.yml",
            "build-account:\n  role: arn:aws:iam::111111111111:role/greenlight-build\n",
            "build-account:\n",
        );
    };
    refused(&hello(), 3, change, &["--auth", "ambient"]).says(&[
        "are in account 111111111111",
        "names account 222222222222",
        "Use credentials or a role of account 222222222222",
    ]);
}

#[test]
fn a_role_of_another_account_than_the_configuration_names() {
    refused(&hello(), 2, same, &["--account", "333333333333"])
        .says(&["333333333333", "is in another account"]);
}

#[test]
fn a_cluster_that_is_not_there() {
    refused(&hello(), 3, same, &["--cluster", "prd"]).says(&[
        "There is no cluster `prd` in eu-central-1.",
        "`prod`",
        "Correct the environment's `cluster`",
    ]);
}

#[test]
fn a_service_that_is_not_there() {
    refused(&hello(), 3, same, &["--service", "helo"])
        .says(&["There is no active service `helo` in cluster `prod`.", "`hello`"]);
}

#[test]
fn an_application_that_is_not_there() {
    refused(&hello(), 3, same, &["--application", "helo"])
        .says(&["There is no CodeDeploy application `helo`.", "`hello`"]);
}

#[test]
fn a_group_that_is_not_there() {
    refused(&hello(), 3, same, &["--deployment-group", "hello-prod"])
        .says(&["has no deployment group `hello-prod`.", "`hello-production`"]);
}

#[test]
fn a_repository_that_is_not_there() {
    refused(&narrow(), 3, same, &["--repository", "helo"]).says(&[
        "There is no ECR repository `helo` in account 111111111111 in eu-central-1.",
        "Did you mean `hello`?",
    ]);
    // A role of one repository may not even ask for another.
    refused(&hello(), 3, same, &["--repository", "helo"]).says(&[
        "`greenlight-build`",
        "repository/helo",
        "Allow `ecr:",
    ]);
}

#[test]
fn a_deployment_config_that_is_not_there() {
    refused(&hello(), 3, same, &["--deployment-config", "CodeDeployDefault.ECSCanary10Percent5Minute"])
        .says(&["There is no deployment config `CodeDeployDefault.ECSCanary10Percent5Minute`."]);
}

#[test]
fn an_image_that_is_not_there() {
    let world = hello();
    let image = world.revision(&world.live())["images"][0].as_str().unwrap().replace(":before", ":v999");
    let built = |files: &Files| {
        let text = files.read("greenlight.yml");
        let (head, rest) = text.split_once("image:").unwrap();
        let (_, tail) = rest.split_once("build-account:").unwrap();
        files.write("greenlight.yml", &format!("{head}build-account:{tail}"));
    };
    refused(&world, 3, built, &["--image", &image]).says(&[&image]);
}

#[test]
fn names_that_may_not_be_listed_are_said_to_be_so() {
    let world = narrow();
    refused(&world, 3, same, &["--service", "helo"]).says(&["`helo`", "could not be listed"]);
    refused(&world, 3, same, &["--deployment-group", "hello-prod"])
        .says(&["`hello-prod`", "could not be listed"]);
}

#[test]
fn a_service_with_another_controller() {
    refused(&narrow(), 3, same, &["--service", "rolling"])
        .says(&["Service `rolling` is deployed by the controller ECS, not by CODE_DEPLOY."]);
}

#[test]
fn an_alarm_that_is_in_alarm() {
    refused(&narrow(), 3, same, &["--alarms", "hello-slow"])
        .says(&["Alarm `hello-slow` is in ALARM already"]);
}

#[test]
fn an_alarm_that_is_not_there() {
    refused(&narrow(), 3, same, &["--alarms", "hello-4xx"])
        .says(&["There is no alarm `hello-4xx`", "Create it, or take it out"]);
}

#[test]
fn an_alarm_without_data() {
    let world = narrow();
    refused(&world, 3, same, &["--alarms", "hello-new"]).says(&[
        "Alarm `hello-new` has no data",
        "`notBreaching`",
        "`allow-missing-data: true`",
    ]);
    world
        .run(&["plan", "--alarms", "hello-new", "--allow-missing-data"])
        .end()
        .expect(0, "planned")
        .says(&["Alarm `hello-new` has no data"]);
}

#[test]
fn an_appspec_of_another_platform() {
    let change = |files: &Files| {
        files.replace("greenlight.yml", "    cluster: prod", "    cluster: prod\n    appspec: appspec.yml");
        files.write("appspec.yml", "version: 0.0\nos: linux\nfiles:\n  - source: /\n    destination: /srv\n");
    };
    refused(&hello(), 2, change, &[]).says(&["appspec.yml", "is for another platform"]);
}

#[test]
fn an_image_of_another_platform() {
    let world = hello();
    let image = world.revision(&world.live())["images"][0].as_str().unwrap().to_owned();
    let other = if cfg!(target_arch = "aarch64") { "X86_64" } else { "ARM64" };
    let change = |files: &Files| {
        let text = files.read("greenlight.yml");
        let (head, rest) = text.split_once("image:").unwrap();
        let (_, tail) = rest.split_once("build-account:").unwrap();
        files.write("greenlight.yml", &format!("{head}build-account:{tail}"));
        files.edit("taskdef.json", |document| {
            document["runtimePlatform"] =
                json!({ "cpuArchitecture": other, "operatingSystemFamily": "LINUX" });
        });
    };
    refused(&world, 3, change, &["--image", &image]).says(&["linux/amd64", "linux/arm64"]);
}

#[test]
fn a_build_for_another_platform() {
    refused(&hello(), 3, same, &["--platforms", "linux/arm64"]).says(&["linux/amd64", "linux/arm64"]);
}

#[test]
fn a_region_that_nobody_has() {
    let world = hello();
    refused(&world, 2, same, &["--region", "eu-centrall-1"])
        .says(&["`eu-centrall-1`, a region that nobody has", "Did you mean `eu-central-1`?"]);
    refused(&world, 3, same, &["--region", "eu-centrall-1", "--allow-unknown-region"])
        .says(&["`eu-centrall-1`", "Did you mean `eu-central-1`?"]);
}

#[test]
fn all_that_is_wrong_is_told_in_one_go() {
    let change = |files: &Files| {
        files.replace("greenlight.yml", "    container: app", "    contaner: app");
        files.replace("greenlight.yml", "    cluster: prod\n", "");
        files.remove("Dockerfile");
    };
    refused(&hello(), 2, change, &[]).says(&[
        "contaner",
        "Did you mean `container`?",
        "has no `cluster`",
        "There is no Dockerfile",
        "The configuration has 3 errors",
    ]);
    refused(&hello(), 3, same, &["--service", "helo", "--repository", "helo", "--deployment-group", "x1"])
        .says(&[
            "service `helo`",
            "deployment group `x1`",
            "repository",
            "The plan can't be carried out for 3 reasons",
        ]);
}

#[test]
fn a_plan_that_cannot_be_carried_out_is_refused_like_a_deployment() {
    let world = hello();
    let before = world.written();
    world.run(&["plan", "--cluster", "prd"]).end().expect(3, "refused").says(&["There is no cluster `prd`"]);
    world.run(&["plan", "--container", "web"]).end().expect(2, "invalid").says(&["no container `web`"]);
    assert_eq!(world.written(), before);
}

/// Checks in place of the example's own, and a script that they may run.
fn checks(checks: &'static str) -> impl FnOnce(&Files) {
    move |files| {
        let text = files.read("greenlight.yml");
        let (head, rest) = text.split_once("    validate:").unwrap();
        let (_, tail) = rest.split_once("\n\n").unwrap();
        files.write("greenlight.yml", &format!("{head}{checks}\n\n{tail}"));
        files.write("smoke.sh", "#!/bin/sh\n");
    }
}

#[test]
fn a_command_that_is_not_there() {
    let missing = "    validate:\n      - run:\n          command: ./smoke-test.sh";
    let line = 27;
    refused(&hello(), 2, checks(missing), &[])
        .points_at("greenlight.yml", line)
        .says(&["`./smoke-test.sh`, which isn't there"]);
    let unknown = "    validate:\n      - run:\n          command: no-such-program --fast";
    refused(&hello(), 2, checks(unknown), &[])
        .points_at("greenlight.yml", line)
        .says(&["`no-such-program`, which isn't there"]);
    let plain = "    validate:\n      - run:\n          command: ./smoke.sh";
    refused(&hello(), 2, checks(plain), &[])
        .points_at("greenlight.yml", line)
        .says(&["isn't executable", "chmod +x ./smoke.sh"]);
    let nothing = "    validate:\n      - run:\n          timeout: 1m";
    refused(&hello(), 2, checks(nothing), &[]).says(&["neither a `command` nor an `image`"]);
}

#[test]
fn limits_that_contradict() {
    let load = "    validate:
      - load:
          path: /
          rate: 10
          for: 5s
          min-samples: 51
          p50: 200ms
          p95: 100ms
          timeout: 1s
          p99: 2s
      - load: { path: / }
      - http:
          path: /
          method: HEAD
          contains: hello
          latency: 6s
          json: { service: hello }
      - http: { path: /, method: FETCH, headers: { Host: x }, ca: Dockerfile }
    verify:
      - load: { path: /, against-blue: { p95: 0 } }";
    let mut done = refused(&hello(), 2, checks(load), &[]).says(&[
        "10 requests a second for 5s are 50, fewer than the 51",
        "is 200ms, beyond the 100ms of `p95`",
        "is 2s, but no answer is waited for longer than 1s",
        "has no limit, so nothing could fail it",
        "asks for a body, but the answer to HEAD has none",
        "is 6s, but no answer is waited for longer than 5s",
        "`service` is no JSON pointer",
        "Write it with slashes, as `/service`",
        "is `FETCH`, which is no method of HTTP",
        "is the name of the server, which `host` is for",
        "holds no certificate",
        "is no multiple that a time can have",
        "compares with blue, which has no traffic any more after the shift",
    ]);
    for line in [30, 31, 34, 35, 39, 40, 41] {
        done = done.points_at("greenlight.yml", line);
    }
}

#[test]
fn checks_that_have_no_time_or_nobody_to_ask() {
    let long =
        "    validate: [{ run: { command: 'true', timeout: 1h }}, { run: { command: 'true', timeout: 1h }}]";
    refused(&hello(), 3, checks(long), &[]).says(&[
        "`validate` may take 2h together",
        "waits at Ready for 2h",
        "to 134 or more",
    ]);
    let long = "    verify: [{ http: { path: / } }]";
    refused(&hello(), 3, checks(long), &[]).says(&[
        "`verify` may take 1m 5s together",
        "keeps blue for 1m",
        "to 2 or more",
    ]);
    // Nobody listens on it.
    refused(&hello(), 3, same, &["--test-url", "http://127.0.0.1:9"]).says(&[
        "The test listener at http://127.0.0.1:9 can't be reached from here",
        "self-hosted runner",
        "Lambda",
        "`task`",
    ]);
    let unasked = "    validate: [{ run: { command: 'true' } }]";
    let project = Project::with(checks(unasked));
    let args = ["plan", "--test-url", "http://127.0.0.1:9"];
    hello().run_in(project.folder(), &args).end().expect(0, "planned");
}

#[test]
fn a_group_that_cannot_hold() {
    let mut document = support::document();
    let group = &mut document["accounts"][1]["applications"][0]["groups"][0];
    group.as_object_mut().unwrap().remove("ready-wait-minutes");
    let document = document.to_string();
    let world = World::of_document(Project::with(|files| files.write("world.yml", &document)), &[]);
    refused(&world, 3, same, &[]).says(&["shifts at once and can't hold", "STOP_DEPLOYMENT"]);
}

#[test]
fn an_image_to_run_where_there_is_no_docker() {
    let image = "    validate: [{ run: { image: smoke } }]";
    let project = Project::with(|files| {
        checks(image)(files);
        files.write("docker", "#!/bin/sh\necho 'Cannot connect to the Docker daemon.' >&2; exit 1\n");
        let path = files.path("docker");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    });
    let world = hello();
    let before = world.written();
    let path = format!("{}:{}", project.folder().display(), std::env::var("PATH").unwrap());
    let done = world.run_in(project.folder(), &["deploy"]).env("PATH", &path).end().expect(3, "refused");
    done.says(&["needs Docker, and there is none here: Cannot connect to the Docker daemon"]);
    assert_eq!(world.written(), before);
}
