//! Decided and shipped against a local world's ECR, with the real buildx.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    aws::{Access, Limits},
    cli::{Cli, Command},
    git::Checkout,
    inputs,
    marker::Marker,
    outcome::Word,
    plan::ImageStep,
    report::{self, Reporter},
    request::Request,
    surroundings::Pace,
};
use platform::Platform;
use serde_json::{Value, json};
use simulator::{Options, World, spec};
use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixListener,
    path::Path,
    sync::{Arc, Mutex},
};
use tempfile::TempDir;

const BUILD: &str = "111111111111";
const DEPLOY: &str = "222222222222";
const REGION: &str = "eu-central-1";

fn role(name: &str, principal: &str, actions: Value) -> spec::Role {
    spec::Role {
        name: name.into(),
        trust: json!({"Statement": [{"Effect": "Allow", "Principal": {"AWS": principal}, "Action": ["sts:AssumeRole", "sts:TagSession"]}]}),
        policies: vec![json!({"Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]})],
        ..Default::default()
    }
}

/// What lets an account pull.
fn pull(account: &str) -> Value {
    crate::permissions::repository("aws", &[account.to_owned()])
}

/// A world, a folder with something to build in it, and a way to ask.
struct Bench {
    world: Arc<World>,
    variables: Variables,
    folder: TempDir,
    /// References that the engine keeps, taken away at the end.
    built: Vec<String>,
    log: Log,
}

/// What builds have told.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// All since it was last looked at.
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Bench {
    async fn new(actions: Value) -> Bench {
        let user = format!("arn:aws:iam::{BUILD}:user/ci");
        let enter = json!({"Statement": [{"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": "*"}]});
        let repository = |name: &str| spec::Repository { name: name.into(), ..Default::default() };
        let fixed = spec::Repository { immutable_tags: true, ..repository("fixed") };
        let found = |name: &str| vec![json!({ "name": name, "severity": "HIGH" })];
        let scanned = spec::Repository {
            scan_on_push: true,
            scan_seconds: Some(0.0),
            scan_findings_of: [("amd64".into(), found("CVE-1")), ("arm64".into(), found("CVE-2"))].into(),
            ..repository("scanned")
        };
        let accounts = vec![
            spec::Account {
                id: BUILD.into(),
                region: REGION.into(),
                users: vec![spec::User { name: "ci".into(), policies: vec![enter] }],
                roles: vec![role("build", &user, actions)],
                repositories: vec![repository("hello"), fixed, scanned],
                ..Default::default()
            },
            spec::Account {
                id: DEPLOY.into(),
                region: REGION.into(),
                repositories: vec![
                    spec::Repository { policy: Some(pull(BUILD)), ..repository("base") },
                    repository("closed"),
                ],
                roles: vec![role(
                    "deploy",
                    &format!("arn:aws:iam::{BUILD}:role/build"),
                    json!(["ecr:DescribeRepositories"]),
                )],
                ..Default::default()
            },
        ];
        let spec = spec::WorldSpec {
            regions: vec![REGION.into()],
            accounts,
            job: Default::default(),
            caller: spec::CallerSpec { account: BUILD.into(), user: "ci".into() },
            truths: Default::default(),
            stand_in: Default::default(),
            stand_in_commands: Vec::new(),
            call_faults: Vec::new(),
        };
        let listen = ([127, 0, 0, 1], 0).into();
        let options = Options { listen, speed: 1.0, faults: Vec::new(), docker: false, canary: None };
        let world = World::start(spec, options).await.unwrap();
        let of_process = ["PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG"];
        let of_process =
            of_process.into_iter().filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)));
        let variables = Variables::of(world.job_environment().into_iter().chain(of_process));
        let folder = TempDir::new().unwrap();
        fs::write(
            folder.path().join("Dockerfile"),
            "FROM scratch\nARG WORD\nCOPY hello /hello\nLABEL word=$WORD\n",
        )
        .unwrap();
        fs::write(folder.path().join("hello"), folder.path().display().to_string()).unwrap();
        Bench { world, variables, folder, built: Vec::new(), log: Log::default() }
    }

    fn request(&self, args: &[&str]) -> Request {
        let build = format!("arn:aws:iam::{BUILD}:role/build");
        let deploy = format!("arn:aws:iam::{DEPLOY}:role/deploy");
        let frame = ["--auth", "ambient", "--region", REGION, "--cluster", "c", "--service", "s"];
        let roles = ["--build-role", build.as_str(), "--role", deploy.as_str()];
        let args =
            ["greenlight", "deploy"].iter().chain(&frame).chain(&roles).chain(args).map(Into::into).collect();
        let Command::Deploy(options) = Cli::read(args, &Variables::default()).unwrap() else {
            unreachable!()
        };
        inputs::read(&options, self.folder.path(), &self.variables).unwrap().request
    }

    async fn decide(&self, args: &[&str], commit: &str) -> anyhow::Result<(Candidate, Access)> {
        let request = self.request(args);
        let marker = Marker { run: "1.1".into(), ..Marker::default() };
        let access =
            Access::open(&request, &self.variables, &marker, Limits::default(), &Reporter::silent()).await?;
        let dirty = commit.ends_with('*');
        let commit = Some(commit.trim_end_matches('*').to_owned());
        let branch = Some("feature/x".into());
        let checkout = Checkout { commit, branch, dirty, ..Checkout::default() };
        let candidate = decide(&request, &access, &checkout, &self.variables, false).await?;
        Ok((candidate, access))
    }

    /// Decides, and does it.
    async fn ship(&mut self, args: &[&str], commit: &str) -> anyhow::Result<Image> {
        let (mut candidate, access) = self.decide(args, commit).await?;
        assert_eq!(candidate.fit(&Platform::new("linux", "amd64")), None);
        if let ImageStep::Build { repository_uri, tags, .. } = &candidate.step {
            self.built.extend(tags.iter().map(|tag| format!("{repository_uri}:{tag}")));
        }
        let reporter = Reporter::to(
            report::Options::default(),
            &Variables::default(),
            Pace::of(&self.variables),
            self.log.clone(),
        );
        if let ImageStep::Build { build, .. } = &candidate.step {
            build.secrets.iter().for_each(|secret| reporter.mask(secret.value.expose()));
        }
        ship(&candidate.step, access.registry(), &self.variables, &reporter, &Cancel::never()).await
    }

    fn host(&self) -> &str {
        &self.world.endpoints().registries[BUILD]
    }

    async fn end(self) {
        let mut docker = std::process::Command::new("docker");
        docker.args(["image", "rm", "--force"]).args(&self.built).output().unwrap();
        self.world.shut_down().await;
    }
}

fn stop(error: anyhow::Error) -> Stop {
    error.downcast().unwrap()
}

fn all() -> Value {
    json!(["ecr:*", "sts:AssumeRole", "sts:TagSession"])
}

#[tokio::test]
async fn an_image_is_built_and_pushed_and_then_found_by_its_uri() {
    let mut bench = Bench::new(all()).await;
    let args = ["--repository", "hello", "--build-args", "WORD={short-commit}", "--tags", "{branch}"];
    let image = bench.ship(&args, "0123456789abcdef").await.unwrap();
    assert!(image.built);
    assert_eq!(image.tags, ["0123456789abcdef", "feature-x"]);
    assert_eq!(image.uri, format!("{}/hello", bench.host()));

    // By a tag of its own registry's host, which only ECR can tell to be its own.
    let uri = format!("{}:feature-x", image.uri);
    let (mut candidate, _) = bench.decide(&["--image", &uri], "f").await.unwrap();
    assert!(matches!(&candidate.step, ImageStep::Given { digest, .. } if *digest == image.digest));
    assert_eq!(candidate.platforms.as_deref().unwrap().len(), 1);
    assert_eq!(candidate.fit(&Platform::new("linux", "amd64")), None);
    let other = candidate.fit(&Platform::new("linux", "arm64")).unwrap();
    assert_eq!(other.what, "The image is for linux/amd64, but the service's tasks run on linux/arm64.");

    let (candidate, _) = bench.decide(&["--image", &image.pinned()], "f").await.unwrap();
    assert!(matches!(candidate.step, ImageStep::Given { digest, .. } if digest == image.digest));
    let missing = bench.decide(&["--image", &format!("{}:nothing", image.uri)], "f").await.unwrap_err();
    assert_eq!(stop(missing).word, Word::Refused);
    bench.end().await;
}

#[tokio::test]
async fn a_tag_that_cannot_be_moved_is_used_as_it_is() {
    let mut bench = Bench::new(all()).await;
    let first = bench.ship(&["--repository", "fixed"], "abc").await.unwrap();
    let again = bench.ship(&["--repository", "fixed"], "abc").await.unwrap();
    assert_eq!((again.digest, again.built), (first.digest.clone(), false));

    // A release of the same commit is the same image under a further name.
    let tags = ["--repository", "fixed", "--tags", "v1\nlatest"];
    let released = bench.ship(&tags, "abc").await.unwrap();
    assert_eq!((released.digest, released.built), (first.digest.clone(), false));
    assert_eq!(released.tags, ["abc", "v1", "latest"]);
    let uri = format!("{}:v1", first.uri);
    let (candidate, _) = bench.decide(&["--image", &uri], "f").await.unwrap();
    assert!(matches!(candidate.step, ImageStep::Given { digest, .. } if digest == first.digest));
    let (candidate, _) = bench.decide(&tags, "abc").await.unwrap();
    assert!(matches!(candidate.step, ImageStep::Reuse { more, .. } if more.is_empty()));

    // Uncommitted work is never taken for another's.
    bench.ship(&["--repository", "fixed"], "abc*").await.unwrap();
    let dirty = bench.ship(&["--repository", "fixed"], "abc*").await.unwrap();
    assert!(dirty.built && dirty.tags[0].starts_with("abc-dirty-"), "{:?}", dirty.tags);

    bench.ship(&["--repository", "fixed"], "def").await.unwrap();
    for commit in ["def", "ghi"] {
        let told = stop(bench.decide(&tags, commit).await.unwrap_err());
        assert_eq!((told.word, told.findings.len()), (Word::Refused, 2), "{told:#?}");
    }
    let taken = bench.decide(&["--repository", "fixed", "--tags", "abc"], "ghi").await.unwrap_err();
    let taken = stop(taken);
    assert_eq!(taken.word, Word::Refused);
    assert_eq!(taken.findings[0].what, "The tag `abc` is in `fixed` already, and tags there can't be moved.");
    bench.end().await;
}

#[tokio::test]
async fn a_repository_that_is_not_there_is_told_with_the_near_ones() {
    let bench = Bench::new(all()).await;
    let stop = stop(bench.decide(&["--repository", "helo"], "abc").await.unwrap_err());
    assert_eq!(stop.word, Word::Refused);
    assert_eq!(
        stop.findings[0].what,
        "There is no ECR repository `helo` in account 111111111111 in eu-central-1."
    );
    assert!(
        stop.findings[0].fix.starts_with("Did you mean `hello`? Else create it, or let it be created"),
        "{stop}"
    );
    bench.end().await;
}

#[tokio::test]
async fn what_is_optional_is_done_without_and_a_denied_push_names_its_permission() {
    let denied_later = json!([
        "sts:AssumeRole",
        "sts:TagSession",
        "ecr:GetAuthorizationToken",
        "ecr:BatchGetImage",
        "ecr:BatchCheckLayerAvailability",
        "ecr:UploadLayerPart",
        "ecr:CompleteLayerUpload",
        "ecr:PutImage",
    ]);
    let mut bench = Bench::new(denied_later).await;
    let (candidate, _) = bench.decide(&["--repository", "hello"], "abc").await.unwrap();
    insta::assert_snapshot!(candidate.notes.join("\n"), @"Whether tags in `hello` can be moved isn't known (ecr:DescribeRepositories was denied): a commit's image that is there already is used as it is.");
    let stop = stop(bench.ship(&["--repository", "hello"], "abc").await.unwrap_err());
    assert_eq!(stop.word, Word::BuildFailed);
    assert!(stop.findings[0].what.contains("was denied"), "{stop:#?}");
    assert!(stop.findings[0].fix.contains("`ecr:InitiateLayerUpload`"), "{stop:#?}");
    bench.end().await;
}

/// A store holds all logins but our own: that one it must not be asked for.
#[tokio::test]
async fn a_credential_store_of_the_users_does_not_hide_the_login() {
    let mut bench = Bench::new(all()).await;
    let plugin = buildx::find(&bench.variables).unwrap();
    let config = bench.folder.path().join("docker");
    fs::create_dir(&config).unwrap();
    let users = json!({"credsStore": "that-is-not-there", "cliPluginsExtraDirs": [plugin.parent()]});
    fs::write(config.join("config.json"), users.to_string()).unwrap();
    let changed = [("DOCKER_CONFIG".to_owned(), config.display().to_string())];
    let as_they_are = bench.variables.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    bench.variables = Variables::of(as_they_are.chain(changed));
    assert!(bench.ship(&["--repository", "hello"], "abc").await.unwrap().built);
    bench.end().await;
}

#[tokio::test]
async fn a_step_that_fails_is_told_with_its_line() {
    let mut bench = Bench::new(all()).await;
    fs::write(bench.folder.path().join("Dockerfile"), "FROM scratch\nCOPY hello /\nCOPY nothing /\n")
        .unwrap();
    let stop = stop(bench.ship(&["--repository", "hello"], "abc").await.unwrap_err());
    assert_eq!(stop.word, Word::BuildFailed);
    assert_eq!(stop.findings[0].place.as_ref().unwrap().line, Some(3));
    assert!(stop.findings[0].what.contains("nothing"), "{stop:#?}");
    bench.end().await;
}

/// Links a program that runs in an image without a base: it tells of files, and asks an SSH agent for
/// its keys.
fn probe(folder: &Path) {
    let text = r#"
        use std::{env, fs, io::{Read, Write}, os::unix::net::UnixStream};
        fn main() {
            for name in env::args().skip(1) {
                if name == "agent" {
                    let mut agent = UnixStream::connect(env::var("SSH_AUTH_SOCK").unwrap()).unwrap();
                    agent.write_all(&[0, 0, 0, 1, 11]).unwrap();
                    let mut answer = [0; 9];
                    agent.read_exact(&mut answer).unwrap();
                    println!("the agent answers {}", answer[4]);
                } else {
                    let text = fs::read_to_string(&name).unwrap();
                    println!("{name} has {} bytes: {text}", text.len());
                }
            }
        }
    "#;
    fs::write(folder.join("probe.rs"), text).unwrap();
    let mut rustc = std::process::Command::new("rustc");
    rustc.args(["--edition", "2024", "-C", "target-feature=+crt-static", "-C", "panic=abort"]);
    let linked = rustc.arg("-o").arg(folder.join("probe")).arg(folder.join("probe.rs")).output().unwrap();
    assert!(linked.status.success(), "{}", String::from_utf8_lossy(&linked.stderr));
}

/// An agent without keys.
fn agent(socket: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut stream = stream;
                let mut asked = [0; 5];
                while stream.read_exact(&mut asked).is_ok() {
                    stream.write_all(&[0, 0, 0, 5, 12, 0, 0, 0, 0]).unwrap();
                }
            });
        }
    });
}

#[tokio::test]
async fn secrets_and_an_agent_reach_a_step_and_stay_out_of_the_log() {
    let mut bench = Bench::new(all()).await;
    let folder = bench.folder.path().to_owned();
    probe(&folder);
    agent(&folder.join("agent"));
    let elsewhere = TempDir::new().unwrap();
    fs::write(elsewhere.path().join("netrc"), "planted-in-a-file").unwrap();
    let dockerfile = "FROM scratch\nCOPY probe /probe\n\
        RUN --mount=type=secret,id=npm --mount=type=secret,id=netrc --mount=type=secret,id=key --mount=type=ssh \
        [\"/probe\", \"agent\", \"/run/secrets/npm\", \"/run/secrets/netrc\", \"/run/secrets/key\"]\n";
    fs::write(folder.join("Dockerfile"), dockerfile).unwrap();
    let given = [
        ("NPM_TOKEN".to_owned(), "planted-in-a-variable".to_owned()),
        ("INPUT_SECRETS".to_owned(), "key=planted-in-the-input".to_owned()),
        ("SSH_AUTH_SOCK".to_owned(), folder.join("agent").display().to_string()),
    ];
    bench.variables = bench.variables.with(given);
    let socket = format!("default={}", folder.join("agent").display());
    let file = format!("netrc={}", elsewhere.path().join("netrc").display());
    let args = ["--repository", "hello", "--secret-envs", "npm=NPM_TOKEN", "--secret-files", &file];
    let args = [&args[..], &["--ssh", &socket, "--no-cache"]].concat();
    let shipped = bench.ship(&args, "abc").await;
    let log = bench.log.take();
    assert!(shipped.is_ok(), "{:?}\n{log}", shipped.unwrap_err());
    for told in [
        "the agent answers 12",
        "/run/secrets/npm has 21 bytes: ***",
        "/run/secrets/netrc has 17 bytes: ***",
        "/run/secrets/key has 20 bytes: ***",
    ] {
        assert!(log.contains(told), "{told}\n{log}");
    }
    assert!(!log.contains("planted"), "{log}");

    // One that the Dockerfile wants, and nobody gives.
    let wants = "FROM scratch\nCOPY probe /probe\nRUN --mount=type=secret,id=npm,required [\"/probe\"]\n";
    fs::write(folder.join("Dockerfile"), wants).unwrap();
    let told = stop(bench.ship(&["--repository", "hello"], "abd").await.unwrap_err());
    assert_eq!(told.findings[0].what, "The Dockerfile wants the secret `npm`, and the build isn't given it.");
    assert_eq!(told.findings[0].place.as_ref().unwrap().line, Some(3));

    // What isn't there is told before anything is asked for.
    let request = |args: &[&str], variables: &Variables| {
        let args = [
            "greenlight",
            "deploy",
            "--region",
            REGION,
            "--cluster",
            "c",
            "--service",
            "s",
            "--repository",
            "hello",
        ]
        .iter()
        .chain(args)
        .map(Into::into)
        .collect();
        let Command::Deploy(options) = Cli::read(args, variables).unwrap() else { unreachable!() };
        inputs::read(&options, &folder, variables).map(|_| ())
    };
    let none = Variables::default();
    for args in
        [["--secret-envs", "npm=NPM_TOKEN"], ["--secret-files", "netrc=nowhere"], ["--ssh", "default"]]
    {
        assert_eq!(stop(request(&args, &none).unwrap_err()).word, Word::Invalid, "{args:?}");
    }
    bench.end().await;
}

#[tokio::test]
async fn target_labels_and_caches_are_as_they_are_asked_for() {
    let mut bench = Bench::new(all()).await;
    let stages = "FROM scratch AS wanted\nCOPY hello /hello\nFROM wanted\nCOPY nothing /\n";
    fs::write(bench.folder.path().join("Dockerfile"), stages).unwrap();
    let args = ["--repository", "hello", "--tags", "latest", "--labels", "team=web\nbranch={branch}"];
    let args = [&args[..], &["--target", "wanted"]].concat();
    let inline = ["--cache-to", "inline", "--builder", "default"];
    let image = bench.ship(&[&args[..], &inline].concat(), "abc").await.unwrap();
    let mut inspect = std::process::Command::new("docker");
    inspect.args([
        "image",
        "inspect",
        "--format",
        "{{json .Config.Labels}}",
        &format!("{}:latest", image.uri),
    ]);
    let labels: Value = serde_json::from_slice(&inspect.output().unwrap().stdout).unwrap();
    assert_eq!((&labels["team"], &labels["branch"]), (&json!("web"), &json!("feature/x")), "{labels}");
    assert_eq!(labels["org.opencontainers.image.revision"], "abc");
    assert!(bench.log.take().contains("preparing build cache for export"));

    let from = format!("type=registry,ref={}:latest", image.uri);
    let again = bench.ship(&[&args[..], &["--cache-from", &from]].concat(), "abc").await.unwrap();
    let log = bench.log.take();
    assert!(log.contains("importing cache manifest from") && log.contains("CACHED"), "{log}");
    assert!(!again.digest.is_empty());
    bench.ship(&[&args[..], &["--no-cache", "--pull"]].concat(), "abc").await.unwrap();
    let log = bench.log.take();
    assert!(!log.contains("CACHED"), "{log}");
    bench.end().await;
}

#[tokio::test]
async fn what_the_builder_cannot_do_is_refused_before_anything_is_written() {
    let bench = Bench::new(all()).await;
    let own = ["--builder", "driver: docker-container", "--cache-to", "registry", "--cache-from", "registry"];
    let beyond =
        ["--repository", "hello", "--provenance", "mode=max", "--platforms", "linux/amd64\nlinux/arm64"];
    let told =
        stop(bench.decide(&[&beyond[..], &["--cache-to", "registry"]].concat(), "abc").await.unwrap_err());
    assert_eq!((told.word, told.findings.len()), (Word::Refused, 3), "{told:#?}");
    assert!(told.findings[0].fix.contains("builder: { driver: docker-container }"), "{told:#?}");
    let unknown =
        stop(bench.decide(&["--repository", "hello", "--builder", "nowhere"], "abc").await.unwrap_err());
    assert_eq!(unknown.word, Word::Refused);
    assert_eq!(unknown.findings[0].what, "The builder `nowhere` can't be had: no builder \"nowhere\" found.");

    // One that is made can.
    let (candidate, _) = bench.decide(&[&beyond[..], &own].concat(), "abc").await.unwrap();
    let ImageStep::Build { build, repository_uri, .. } = candidate.step else { unreachable!() };
    let to = "mode=max,ignore-error=true,image-manifest=true,oci-mediatypes=true";
    assert_eq!(build.cache_to, [format!("type=registry,ref={repository_uri}:cache,{to}")]);
    assert_eq!(build.cache_from, [format!("type=registry,ref={repository_uri}:cache")]);
    // But for a tag that it could write once.
    let fixed =
        stop(bench.decide(&[&["--repository", "fixed"], &own[..]].concat(), "abc").await.unwrap_err());
    assert_eq!((fixed.word, fixed.findings.len()), (Word::Refused, 1), "{fixed:#?}");
    assert!(fixed.findings[0].what.contains("tags in `fixed` can't be moved"), "{fixed:#?}");
    bench.end().await;
}

#[tokio::test]
async fn of_an_index_every_platforms_image_is_scanned() {
    let bench = Bench::new(all()).await;
    let mut entries = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let config = json!({ "os": "linux", "architecture": architecture });
        let digest = bench.world.seed_image(BUILD, "scanned", architecture, config).unwrap();
        entries.push(json!({ "digest": digest, "size": 1, "platform": { "os": "linux", "architecture": architecture } }));
    }
    let media_type = "application/vnd.oci.image.index.v1+json";
    let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": entries });
    let (_, access) = bench.decide(&["--repository", "hello"], "abc").await.unwrap();
    let login = Registry::of(access.registry()).login().await.unwrap();
    crate::tls::prepare();
    let put = reqwest::Client::new()
        .put(format!("http://{}/v2/scanned/manifests/both", bench.host()))
        .header("authorization", format!("Basic {}", login.token.expose()))
        .header("content-type", media_type)
        .body(index.to_string());
    assert_eq!(put.send().await.unwrap().status(), 201);

    let uri = format!("{}/scanned:both", bench.host());
    let scan = ["--image", &uri, "--scan", "fail-on: high"];
    let (candidate, access) = bench.decide(&scan, "abc").await.unwrap();
    let ImageStep::Given { uri, digest } = candidate.step else { panic!("{:?}", candidate.step) };
    let image = Image { uri, digest, tags: Vec::new(), built: false };
    let rule = bench.request(&scan).scan.unwrap();
    let pace = Pace::of(&bench.variables);
    let judged = scan::judge(&rule, &image, &access, &Reporter::silent(), pace).await;
    let said = stop(judged.unwrap_err()).to_string();
    assert!(said.contains("CVE-1") && said.contains("CVE-2") && said.contains("found 2 high"), "{said}");
    bench.end().await;
}

/// There is no such image of BuildKit, so that the builder can be made but not started.
#[tokio::test]
async fn a_builder_that_does_not_start_is_told_and_removed() {
    let mut bench = Bench::new(all()).await;
    let builder = "{driver: docker-container, driver-opts: {image: '127.0.0.1:1/no/buildkit:here'}}";
    let told = stop(bench.ship(&["--repository", "hello", "--builder", builder], "abc").await.unwrap_err());
    let log = bench.log.take();
    assert_eq!(told.word, Word::BuildFailed);
    assert!(told.findings[0].what.starts_with("The builder couldn't be started: "), "{told:#?}\n{log}");
    let name = log.lines().find_map(|line| line.strip_prefix("| greenlight-")).unwrap();
    let list = std::process::Command::new("docker").args(["buildx", "ls"]).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.contains("default") && !list.contains(name), "{name} is left: {list}");
    bench.end().await;
}

#[tokio::test]
async fn a_build_starts_from_an_image_of_another_accounts_registry() {
    let mut bench = Bench::new(all()).await;
    let host = bench.world.endpoints().registries[DEPLOY].clone();
    for name in ["base", "closed"] {
        let config = json!({ "os": "linux", "architecture": "amd64" });
        bench.world.seed_image(DEPLOY, name, "1", config).unwrap();
    }
    let from = |name: &str| format!("FROM {host}/{name}:1\nCOPY hello /hello\n");
    let dockerfile = bench.folder.path().join("Dockerfile");
    let args = ["--repository", "hello", "--registries", "- ecr: 222222222222"];
    fs::write(&dockerfile, from("base")).unwrap();
    let image = bench.ship(&args, "0123456789abcdef").await.unwrap();
    assert!(image.built);
    fs::write(&dockerfile, from("closed")).unwrap();
    let refused = stop(bench.ship(&args, "fedcba9876543210").await.unwrap_err());
    assert_eq!(refused.word, Word::BuildFailed);
    assert!(refused.findings[0].what.contains("can't be had"), "{refused:#?}");
    bench.end().await;
}
