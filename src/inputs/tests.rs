//! The whole way from texts to the request, on files of their own.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    cli::{Cli, Command},
    outcome::Word,
    request::{Builder, Check, Driver, ImageRequest, TaskDefinitionSource},
    surroundings::Variables,
};
use std::fs;
use tempfile::TempDir;

const HELLO: &str = "\
service: hello
image:
  repository: hello
  build-args: {VERSION: '{short-commit}', RELEASE: 1.10}
build-account:
  role: arn:aws:iam::111111111111:role/greenlight-build
environments:
  production:
    role: arn:aws:iam::222222222222:role/greenlight-deploy
    region: eu-central-1
    cluster: prod
    validate:
      - http: {path: /, contains: hello, within: 2m}
rehearse:
  rate: 200
  ready-wait: 5m
";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn read_in(folder: &TempDir, args: &[&str], inputs: &[(&str, &str)]) -> anyhow::Result<Inputs> {
    let args = ["greenlight", "deploy"].iter().chain(args).map(Into::into).collect();
    let inputs = inputs.iter().map(|(name, value)| (format!("INPUT_{name}"), (*value).to_owned()));
    let variables = Variables::of(inputs);
    let Command::Deploy(options) = Cli::read(args, &variables).unwrap() else { unreachable!() };
    read(&options, folder.path(), &variables)
}

/// What is found, a line each; the folder's name taken out.
fn findings(files: &[(&str, &str)], args: &[&str], inputs: &[(&str, &str)]) -> String {
    let folder = folder(files);
    let stop: Stop = read_in(&folder, args, inputs).unwrap_err().downcast().unwrap();
    assert_eq!(stop.word, Word::Invalid);
    let line = |finding: &Finding| {
        let place = finding.place.as_ref().map_or(String::new(), |place| {
            format!("{}{}: ", place.file, place.line.map_or(String::new(), |line| format!(":{line}")))
        });
        format!("{place}{} {}\n", finding.what, finding.fix)
    };
    let text: String = stop.findings.iter().map(line).collect();
    text.replace(&folder.path().display().to_string(), "FOLDER")
}

#[test]
fn a_file_becomes_a_request() {
    let folder = folder(&[("greenlight.yml", HELLO), ("Dockerfile", "FROM scratch\n")]);
    let Inputs { request, rehearse, .. } = read_in(&folder, &[], &[]).unwrap();
    assert_eq!(request.service, "hello");
    let environment = &request.environment;
    assert_eq!((environment.name.as_str(), environment.service.as_str()), ("production", "hello"));
    assert_eq!(environment.account.as_deref(), Some("222222222222"));
    assert_eq!(environment.task_definition, TaskDefinitionSource::Live);
    assert!(environment.role.as_ref().unwrap().tag_session);
    let build_account = request.build_account.unwrap();
    assert_eq!(
        (build_account.region.as_str(), build_account.account.as_deref()),
        ("eu-central-1", Some("111111111111"))
    );
    let ImageRequest::Build(build) = request.image else { unreachable!() };
    assert_eq!(build.build_args["RELEASE"], "1.10");
    assert_eq!(build.dockerfile, folder.path().join("Dockerfile"));
    let [Check::Http(http)] = environment.validate.as_slice() else { unreachable!() };
    assert_eq!((http.status, http.within.as_secs(), http.ask.timeout.as_secs()), (200, 120, 5));
    assert_eq!(rehearse.ready_wait.unwrap().0.as_secs(), 300);
}

#[test]
fn flags_and_inputs_go_over_the_file() {
    let files = [("greenlight.yml", HELLO), ("Dockerfile", "FROM scratch\n"), ("ci/td.json", "{}")];
    let folder = folder(&files);
    let inputs = [
        ("CLUSTER", "from-input"),
        ("REGION", "eu-west-1"),
        ("BUILD-ARGS", "A=1\nB=2"),
        ("TASK-DEFINITION", "ci/td.json"),
    ];
    let request =
        read_in(&folder, &["--region", "us-east-1", "--tags", "a", "--tags", "b"], &inputs).unwrap().request;
    assert_eq!(
        (request.environment.region.as_str(), request.environment.cluster.as_str()),
        ("us-east-1", "from-input")
    );
    assert_eq!(
        request.environment.task_definition,
        TaskDefinitionSource::File(folder.path().join("ci/td.json"))
    );
    let ImageRequest::Build(build) = request.image else { unreachable!() };
    assert_eq!(build.tags, ["a", "b"]);
    assert_eq!(
        build.build_args.into_iter().collect::<Vec<_>>(),
        [("A".into(), "1".into()), ("B".into(), "2".into())]
    );
}

#[test]
fn without_a_file_flags_are_enough() {
    let folder = folder(&[]);
    let args = ["--image", "hello:1", "--region", "eu-central-1", "--cluster", "c", "--service", "s"];
    let request = read_in(&folder, &args, &[]).unwrap().request;
    assert_eq!((request.service.as_str(), request.environment.name.as_str()), ("s", "production"));
}

#[test]
fn a_file_in_the_github_folder_starts_its_paths_there() {
    let folder = folder(&[(".github/greenlight.yml", HELLO), (".github/Dockerfile", "FROM scratch\n")]);
    let inputs = read_in(&folder, &[], &[]).unwrap();
    assert_eq!(inputs.folder, folder.path().join(".github"));
}

#[test]
fn the_hash_tells_what_is_shipped_and_where_to() {
    let hash_of = |text: &str, args: &[&str]| {
        let folder = folder(&[("greenlight.yml", text), ("Dockerfile", "FROM scratch\n"), ("td.json", "{}")]);
        read_in(&folder, args, &[]).unwrap().request.configuration_hash
    };
    let plain = hash_of(HELLO, &[]);
    assert_eq!(plain.len(), 64);
    // Another folder, other comments, another rehearsal, how long we watch: the same release.
    assert_eq!(
        plain,
        hash_of(
            &format!("# hello\n{HELLO}  path: /x\n"),
            &["--time-limit", "9m", "--until", "traffic-shifted"]
        )
    );
    assert_ne!(plain, hash_of(HELLO, &["--cluster", "other"]));
    assert_ne!(plain, hash_of(HELLO, &["--build-args", "VERSION=2"]));
    assert_ne!(plain, hash_of(HELLO, &["--task-definition", "td.json"]));
}

#[test]
fn all_that_is_wrong_is_told_in_one_go() {
    let text = "\
service: hello
imagee: {}
image:
  repository: 111111111111.dkr.ecr.eu-central-1.amazonaws.com/hello:v1
  context: app
  platforms: [linux, linux/amd64]
  tags: ['{comit}', a/b]
  build-args:
    - VERSION=1
environments:
  production:
    role: greenlight-deploy
    account: 22222
    regoin: eu-central-1
    cluster:
    container: app
    container-port: http
    images: {app: x}
    task-definition: td.json
    time-limit: soon
    until: shifted
    validate:
      - http: {path: health, status: 700, timout: 3s}
      - htp: {path: /}
      - path: /
        status: 200
  staging:
    tag-session: 'yes'
    region: eu-central-9
auth: oidcc
";
    insta::assert_snapshot!(findings(&[("greenlight.yml", text)], &["--environment", "production"], &[]), @"
    greenlight.yml:2: `imagee` is a key that Greenlight doesn't know. Did you mean `image`?
    greenlight.yml:4: `image.repository` is `111111111111.dkr.ecr.eu-central-1.amazonaws.com/hello:v1`, which ECR doesn't take as a name. Give the repository's name alone, without host, tag or digest: the registry is the build account's.
    greenlight.yml:5: The build's context app isn't a folder. Let `context` name the folder that the image is built from.
    greenlight.yml:6: `image.platforms[0]` is `linux`, which is no platform. Write `linux/amd64` or `linux/arm64`.
    greenlight.yml:7: `image.tags[0]` names `{comit}`, which stands for nothing. Did you mean `commit`?
    greenlight.yml:7: `image.tags[1]` is `a/b`, which is no tag that a registry takes. A tag has up to 128 letters, digits, `_`, `.` and `-`, and starts with none of the last two.
    greenlight.yml:8: `image.build-args` is a list, where a mapping is expected. Write `build-args:` and under it a line for each, as `name: value`.
    greenlight.yml:11: Environment `production` has no `cluster`. Add `cluster:` to it, or give `--cluster` (as an action: the input `cluster`).
    greenlight.yml:12: `environments.production.role` is `greenlight-deploy`, which is no role's ARN. Write it as `arn:aws:iam::123456789012:role/NAME`.
    greenlight.yml:13: `environments.production.account` is `22222`, which is no account id. An account id has twelve digits; a leading 0 belongs to it.
    greenlight.yml:14: `environments.production.regoin` is a key that Greenlight doesn't know. Did you mean `region`?
    greenlight.yml:17: `environments.production.container-port` is the text `http`, where a whole number from 1 to 65535 is expected. Write the number, without quotes.
    greenlight.yml:18: The container `app` gets the image of this run and is given another one in `images`. Take it out of `images`, or let `container` name another one.
    greenlight.yml:19: There is no file td.json, which `task-definition` names. Let `task-definition` name an existing file; its path starts at the folder of greenlight.yml.
    greenlight.yml:20: `environments.production.time-limit` is `soon`, which is no span of time. Write it as `90s`, `30m` or `1h 30m`.
    greenlight.yml:21: `environments.production.until` can't be `shifted`. Take one of `terminated` and `traffic-shifted`.
    greenlight.yml:23: `environments.production.validate[0].http.path` is `health`, which is no path. A path starts with `/` and has no spaces.
    greenlight.yml:23: `environments.production.validate[0].http.status` is the number 700, where a whole number from 100 to 599 is expected. Write the number, without quotes.
    greenlight.yml:23: `environments.production.validate[0].http.timout` is a key that Greenlight doesn't know. Did you mean `timeout`?
    greenlight.yml:24: `environments.production.validate[1].htp` is a key that Greenlight doesn't know. Did you mean `http`?
    greenlight.yml:25: `environments.production.validate[2]` has to have exactly one key, which says what it is. Known here: `http`, `run`, `load` and `task`.
    greenlight.yml:28: `environments.staging.tag-session` is the text `yes`, where a boolean is expected. Write `true` or `false`.
    greenlight.yml:30: `auth` can't be `oidcc`. Take one of `auto`, `oidc` and `ambient`.
    ");
}

#[test]
fn contradictions() {
    let text = "\
service: hello
image: {repository: hello}
build-account: {external-id: abc, region: eu-centrl-1}
environments:
  production:
    role: arn:aws-cn:iam::222222222222:role/deploy
    account: '333333333333'
    region: eu-central-1
    cluster: prod
    session-tags: {'team!': x}
    appspec: appspec.yml
";
    let files = [("greenlight.yml", text)];
    insta::assert_snapshot!(findings(&files, &[], &[]), @"
    greenlight.yml:2: There is no Dockerfile at Dockerfile. Let `dockerfile` name it; its path starts at the folder of greenlight.yml.
    greenlight.yml:3: `build-account.region` is `eu-centrl-1`, a region that nobody has. Did you mean `eu-central-1`? If AWS opened `eu-centrl-1` since, set `build-allow-unknown-region`.
    greenlight.yml:3: `build-account.external-id` is given, but no role that it would be for. Name the `role:` beside it, or leave it out.
    greenlight.yml:6: `environments.production.role` is `arn:aws-cn:iam::222222222222:role/deploy`, which isn't of the partition of the region `eu-central-1`. Take a role and a region of one partition.
    greenlight.yml:7: `environments.production.account` is `333333333333`, but the role `arn:aws-cn:iam::222222222222:role/deploy` is in another account. Take a role of that account, or leave `account` out: it is the role's then.
    greenlight.yml:10: The session tag `team!` isn't one that STS takes. A tag's name has 1 to 128 characters, its value up to 256, of letters, digits, spaces and `_.:/=+-@`.
    greenlight.yml:11: There is no file appspec.yml, which `appspec` names. Let `appspec` name an existing file; its path starts at the folder of greenlight.yml.
    ");
    let args = ["--image", "x", "--build-args", "A=1", "--auth", "oidc"];
    insta::assert_snapshot!(findings(&[], &args, &[("CONTEXT", "app"), ("CONTAINER-PORT", "0"), ("SESSION-TAGS", "x")]), @"
    The input `session-tags` has a line that isn't `NAME=VALUE`: `x`. Write one `NAME=VALUE` a line.
    The input `container-port` is the number 0, where a whole number from 1 to 65535 is expected. Write the number alone.
    `--image` ships an image as it is, but the input `context` and `--build-args` would build one. Leave out either the image or what describes the build.
    Environment `production` has no `region`. Add `region:` to it, or give `--region` (as an action: the input `region`).
    Environment `production` has no `cluster`. Add `cluster:` to it, or give `--cluster` (as an action: the input `cluster`).
    Environment `production` has no `service`. Add `service:` to it, or give `--service` (as an action: the input `service`).
    `auth` is `oidc`, but no role is named that GitHub's token could enter. Name a `role:` in the environment or under `build-account:`.
    ");
}

#[test]
fn environments_are_named_or_the_only_one() {
    let text = "service: hello\nimage: {repository: hello}\nenvironments: {production: {}, staging: {}}\n";
    insta::assert_snapshot!(findings(&[("greenlight.yml", text)], &[], &[]), @"There are 2 environments and none is named: `production` and `staging`. Name one with `--environment`, or the input `environment`.");
    insta::assert_snapshot!(findings(&[("greenlight.yml", text)], &["--environment", "prodution"], &[]), @"greenlight.yml: There is no environment `prodution`. Did you mean `production`?");
    insta::assert_snapshot!(findings(&[("greenlight.yml", "service: x\n")], &["--environment", "production"], &[]), @"greenlight.yml: There is no environment `production`. Add it under `environments:` in greenlight.yml.");
}

#[test]
fn files_that_are_no_configuration() {
    insta::assert_snapshot!(findings(&[("greenlight.yml", "a:\n  b: 1\n c: 2\n")], &[], &[]), @"greenlight.yml:3: greenlight.yml is no valid YAML: did not find expected key. Correct the line; mind the indentation and put texts with special characters in quotes.");
    insta::assert_snapshot!(findings(&[("greenlight.yml", "- a\n")], &["--image", "x"], &[]), @"greenlight.yml: greenlight.yml is a list, where a mapping is expected. Known under it: `service`, `image`, `build-account`, `environments`, `auth` and `rehearse`.");
    insta::assert_snapshot!(findings(&[("greenlight.yml", "environments: [a]\n")], &["--image", "x"], &[]), @"greenlight.yml:1: `environments` is a list, where a mapping is expected. Write `environments:` and under it a line for each, as `name: value`.");
    insta::assert_snapshot!(findings(&[], &[], &[]), @"There is no configuration: neither greenlight.yml nor .github/greenlight.yml. Add one, or name it with `--config` (as an action: the input `config`). In a job, `actions/checkout` has to come before this step.");
    insta::assert_snapshot!(findings(&[(".github/greenlight.yaml", HELLO)], &[], &[]), @".github/greenlight.yaml: The configuration .github/greenlight.yaml isn't looked for. Call it greenlight.yml, or name it with `--config` (as an action: the input `config`).");
    insta::assert_snapshot!(findings(&[], &["--config", "other.yml"], &[]), @"The configuration other.yml can't be read: No such file or directory (os error 2). Name an existing file with `--config` (as an action: the input `config`), or leave it out.");
}

#[test]
fn what_came_as_an_input_is_told_as_one() {
    let text = format!("{HELLO}  path: ''\n").replace("cluster: prod", "cluster: ' '");
    let files = [("greenlight.yml", text.as_str()), ("Dockerfile", "FROM scratch\n")];
    let inputs = [
        ("PLATFORMS", "linux/amd64\nlinux"),
        ("VALIDATE", "- http: {path: /, timeout: soon}"),
        ("TAG-SESSION", "false"),
        ("SESSION-TAGS", "team=web"),
        ("APPSPEC", "appspec.yml"),
        ("BEFORE", "migrate"),
    ];
    insta::assert_snapshot!(findings(&files, &[], &inputs), @r"
    `[0].http.timeout` in the input `validate` is `soon`, which is no span of time. Write it as `90s`, `30m` or `1h 30m`.
    The input `before` is the text `migrate`, where a list is expected. Write it as YAML, a line for each, as `- …`.
    The input `platforms` is `linux`, which is no platform. Write `linux/amd64` or `linux/arm64`.
    The input `session-tags` gives tags, but `tag-session: false` keeps the session without any. Leave one of both out.
    There is no file appspec.yml, which `appspec` names. Let `appspec` name an existing file; its path starts at the working directory.
    greenlight.yml:11: `environments.production.cluster` is empty. Give it a value, or leave it out.
    greenlight.yml:17: `rehearse.path` is empty. Give it a value, or leave it out.
    ");
    let inputs = [("IMAGE", "Not An Image"), ("TARGET", "release")];
    insta::assert_snapshot!(findings(&[("greenlight.yml", HELLO)], &[], &inputs), @r"
    The input `image` ships an image as it is, but the input `target` would build one. Leave out either the image or what describes the build.
    The image `Not An Image` is no reference to one. Write it as `HOST/NAME:TAG` or `HOST/NAME@sha256:DIGEST`.
    ");
}

#[test]
fn a_build_is_described_with_all_that_people_know() {
    let text = "\
service: hello
image:
  repository: hello
  labels: {team: web}
  secrets: {npm: {env: NPM_TOKEN}, netrc: {file: netrc}}
  ssh: [git=key]
  cache-from: [gha, 'type=registry,ref=a.example/b:{branch}']
  provenance: true
  sbom: false
  build-contexts: {assets: web, base: 'docker-image://base:1'}
  pull: true
  builder: {driver: remote, endpoint: 'tcp://buildkit:1234', driver-opts: {cacert: ca.pem, env.A: 1}}
environments: {production: {region: eu-central-1, cluster: prod}}
";
    let files = ["Dockerfile", "key", "ca.pem", "web/x"].map(|name| (name, "x"));
    let folder = folder(&[&files[..], &[("greenlight.yml", text), ("netrc", "in a file")]].concat());
    let inputs = [("SECRETS", "key=in the input"), ("SECRET-ENVS", "npm=OTHER")];
    let args = ["greenlight", "deploy"].map(Into::into).into();
    let inputs = inputs.map(|(name, value)| (format!("INPUT_{name}"), value.to_owned()));
    let variables = Variables::of(inputs).with([("OTHER".to_owned(), "in a variable".to_owned())]);
    let Command::Deploy(options) = Cli::read(args, &variables).unwrap() else { unreachable!() };
    assert!(!options.arguments.iter().any(|argument| argument.contains("in the input")), "it would be kept");
    let request = read(&options, folder.path(), &variables).unwrap().request;
    let ImageRequest::Build(build) = request.image else { unreachable!() };
    let path = |name: &str| folder.path().join(name).display().to_string();
    let secrets: Vec<_> = build.secrets.iter().map(|s| (s.id.as_str(), s.value.expose())).collect();
    assert_eq!(secrets, [("netrc", "in a file"), ("npm", "in a variable"), ("key", "in the input")]);
    assert_eq!(build.ssh, [format!("git={}", path("key"))]);
    assert_eq!(build.build_contexts["assets"], path("web"));
    assert_eq!(build.build_contexts["base"], "docker-image://base:1");
    assert_eq!((build.provenance.as_deref(), build.sbom.as_deref()), (Some("true"), Some("false")));
    assert!(build.pull && !build.no_cache);
    let Some(Builder::Own(own)) = build.builder else { panic!("{:?}", build.builder) };
    assert_eq!((own.driver, own.endpoint.as_deref()), (Driver::Remote, Some("tcp://buildkit:1234")));
    assert_eq!(own.driver_opts, [("cacert".into(), path("ca.pem")), ("env.A".into(), "1".into())].into());
}

#[test]
fn what_a_build_cannot_be_given_is_told_with_its_line() {
    let text = "\
service: hello
image:
  repository: hello
  secrets:
    npm: {env: NPM_TOKEN}
    'a,b': {env: HOME}
    netrc: {file: nowhere}
    both: {env: A, file: b}
  ssh: [default, 'git=nowhere', '=x']
  cache-from: [',', 'type=gha,scope={comit}']
  cache-to: ['type=s3,secret_access_key=x']
  provenance: maybe
  build-contexts: {assets: nowhere}
  builder: {driver: remote, buildkitd-flags: --debug}
environments: {production: {region: eu-central-1, cluster: prod}}
";
    let files = [("greenlight.yml", text), ("Dockerfile", "FROM scratch\n")];
    let secrets = [("SECRETS", "lone line\nempty=\nnpm=twice")];
    insta::assert_snapshot!(findings(&files, &[], &secrets), @r#"
    Entry 1 of the input `secrets` isn't `ID=VALUE`. Write one `ID=VALUE` a line; an id has letters, digits, `.`, `_` and `-`. A value of several lines stands in quotes with its id: `"ID=…"`.
    The input `secrets` gives the build's secret `empty` no value. Check the name of the secret: one that the repository or the environment doesn't have is empty, and a pull request from a fork has none.
    The input `secrets` gives the build's secret `npm`, which is given elsewhere, too. Give it once: in the input, or under `secrets:` in greenlight.yml.
    greenlight.yml:5: The build's secret `npm` is in the variable NPM_TOKEN, which isn't set, or is empty. Give it to the step: `env: { NPM_TOKEN: ${{ secrets.NPM_TOKEN }} }`. A secret that the repository or the environment doesn't have is empty; a pull request from a fork has none.
    greenlight.yml:6: `a,b` can't be the id of a build's secret. An id has letters, digits, `.`, `_` and `-`: it is what `RUN --mount=type=secret,id=…` names.
    greenlight.yml:7: The build's secret `netrc` is in the file nowhere, which can't be read: No such file or directory (os error 2). Let `file` name a file that is there before the build; its path starts at the folder of greenlight.yml.
    greenlight.yml:8: `image.secrets.both` has to have exactly one key, which says what it is. Known here: `env` and `file`.
    greenlight.yml:9: `image.ssh[0]` takes the SSH agent, but SSH_AUTH_SOCK isn't set. Start an agent, or name a key: `default=KEYFILE`. An agent that an earlier step started can't be reached from the action's container: write the key to a file in the workspace instead.
    greenlight.yml:9: `image.ssh[1]` names nowhere, where there is neither a key nor an agent's socket. Let it name an existing file; its path starts at the folder of greenlight.yml. What an earlier step put outside of the workspace can't be seen from the action's container.
    greenlight.yml:9: `image.ssh[2]` is `=x`, which names no SSH agent or key. Write `default`, `ID=SOCKET` or `ID=KEYFILE`.
    greenlight.yml:10: `image.cache-from[0]` is `,`, which names no cache. Write `registry`, `gha`, or what buildx takes: `type=registry,ref=HOST/NAME:TAG`.
    greenlight.yml:10: `image.cache-from[1]` names `{comit}`, which stands for nothing. Did you mean `commit`?
    greenlight.yml:11: `image.cache-to[0]` has `secret_access_key`, which would stand on a command line that others can see. Leave it out, and give the step buildx's own variables, as AWS_SECRET_ACCESS_KEY.
    greenlight.yml:12: `image.provenance` is `maybe`, which buildx doesn't take. Write `true`, `false`, or attributes such as `mode=max`.
    greenlight.yml:13: The build context `assets` is nowhere, and nothing is there. Let it name a folder, from the folder of greenlight.yml on, or what buildx takes: `docker-image://…`, `https://…`, `oci-layout://…`.
    greenlight.yml:14: The builder's driver is `remote`, but nothing says where its BuildKit is. Add `endpoint:`, as `tcp://buildkit.example:1234`.
    greenlight.yml:14: `buildkitd-flags` is for a BuildKit that is started, but the driver `remote` takes one that runs. Take `buildkitd-flags` out, and set up BuildKit where it runs.
    "#);
    let of = |builder: &str| {
        let text = format!(
            "image: {{repository: hello, builder: {builder}}}\nenvironments: {{production: {{region: eu-central-1, cluster: p, service: s}}}}\n"
        );
        findings(&[("greenlight.yml", &text), ("Dockerfile", "FROM scratch\n")], &[], &[])
    };
    let wrong = ["--x", "[a]", "{driver: docker}", "{endpoint: x}"];
    insta::assert_snapshot!(wrong.map(of).concat(), @"
    greenlight.yml:1: `image.builder` is `--x`, which can't be a builder's name. Name one that `docker buildx ls` shows, or describe one: `builder: { driver: docker-container }`.
    greenlight.yml:1: `image.builder` is a list, where a name or a mapping is expected. Write `builder: NAME`. Known under it: `driver`, `endpoint`, `driver-opts`, `buildkitd-config` and `buildkitd-flags`.
    greenlight.yml:1: `image.builder.driver` can't be `docker`. Take one of `docker-container`, `remote` and `kubernetes`.
    greenlight.yml:1: `image.builder` has no `driver`. Add `driver:`.
    ");
}
