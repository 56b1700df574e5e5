//! The registries, used by clients that nobody here wrote: docker, buildx, skopeo. They need a
//! Docker engine and skopeo, and fail when there is none.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use simulator::{
    Options, World,
    spec::{Account, CallerSpec, Repository, User, WorldSpec},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;
use tokio::process::Command;

const ACCOUNT: &str = "111111111111";

struct Registry {
    world: Arc<World>,
    host: String,
    password: String,
    /// Docker's configuration, logged in.
    config: TempDir,
}

impl Registry {
    async fn start() -> Registry {
        let repository = |name: &str| Repository { name: name.into(), ..Default::default() };
        let account = Account {
            id: ACCOUNT.into(),
            region: "eu-central-1".into(),
            users: vec![User { name: "ci".into(), ..Default::default() }],
            repositories: vec![
                repository("hello"),
                repository("team/app"),
                Repository { immutable_tags: true, ..repository("fixed") },
            ],
            ..Default::default()
        };
        let spec = WorldSpec {
            regions: vec!["eu-central-1".into()],
            accounts: vec![account],
            caller: CallerSpec { account: ACCOUNT.into(), user: "ci".into() },
            ..WorldSpec::default()
        };
        let options = Options {
            listen: ([127, 0, 0, 1], 0).into(),
            speed: 1.0,
            faults: Vec::new(),
            docker: false,
            canary: None,
        };
        let world = World::start(spec, options).await.unwrap();
        let (host, user, password) = world.seed_login(ACCOUNT).unwrap();
        let config = tempfile::tempdir().unwrap();
        let auth = base64(&format!("{user}:{password}"));
        let auths = json!({"auths": {&host: {"auth": auth}}});
        fs::write(config.path().join("config.json"), auths.to_string()).unwrap();
        Registry { world, host, password, config }
    }

    fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command.env("DOCKER_CONFIG", self.config.path());
        command
    }

    /// docker with the buildx plugin, which lies in the user's own configuration as a rule.
    fn buildx(&self) -> Command {
        let plugins = self.config.path().join("cli-plugins");
        let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".docker/cli-plugins");
        let places = [home, "/usr/libexec/docker/cli-plugins".into(), "/usr/lib/docker/cli-plugins".into()];
        if let Some(found) = places.iter().map(|p| p.join("docker-buildx")).find(|p| p.exists()) {
            fs::create_dir_all(&plugins).unwrap();
            let _ = std::os::unix::fs::symlink(found, plugins.join("docker-buildx"));
        }
        let mut command = self.docker();
        command.arg("buildx");
        command
    }

    fn skopeo(&self, verb: &str) -> Command {
        let mut command = Command::new("skopeo");
        command.args(["--insecure-policy", verb, "--authfile"]).arg(self.config.path().join("config.json"));
        command
    }
}

impl Drop for Registry {
    /// Takes what a test left in the engine out again; the host's name is this test's own.
    fn drop(&mut self) {
        for depth in ["*", "*/*"] {
            let reference = format!("reference={}/{depth}", self.host);
            let list =
                std::process::Command::new("docker").args(["images", "-q", "--filter", &reference]).output();
            let ids = list.map(|o| text(&o.stdout)).unwrap_or_default();
            let ids: Vec<&str> = ids.split_whitespace().collect();
            if !ids.is_empty() {
                let _ = std::process::Command::new("docker").args(["rmi", "-f"]).args(ids).output();
            }
        }
    }
}

/// Runs a client and returns what it printed, or fails with all that it said.
async fn run(command: &mut Command) -> String {
    let output = output(command).await;
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?} failed:\n{said}");
    text(&output.stdout)
}

/// Runs a client that must fail and returns what it said.
async fn run_in_vain(command: &mut Command) -> String {
    let output = output(command).await;
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(!output.status.success(), "{command:?} should have failed:\n{said}");
    said
}

async fn output(command: &mut Command) -> std::process::Output {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    command.output().await.unwrap_or_else(|e| panic!("this test needs {program}, which can't be run: {e}"))
}

async fn engine_is_there() {
    let version = output(Command::new("docker").arg("version")).await;
    let said = text(&version.stderr);
    assert!(version.status.success(), "this test needs a Docker engine, and none answers: {said}");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// A build context whose image is one file of a few megabytes.
fn context() -> TempDir {
    let context = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(context.path().join("data"), bytes).unwrap();
    let salt = tempfile::tempdir().unwrap().path().display().to_string();
    fs::write(
        context.path().join("Dockerfile"),
        format!("FROM scratch\nLABEL salt={salt}\nCOPY data /data\n"),
    )
    .unwrap();
    context
}

/// An OCI layout of an index with an image for each of two platforms.
fn layout(folder: &Path) -> String {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        let digest = digest(bytes);
        fs::write(blobs.join(&digest[7..]), bytes).unwrap();
        (digest, bytes.len())
    };
    let tar = [0u8; 1024];
    let (layer, layer_size) = put(&tar);
    let manifests: Vec<Value> = ["amd64", "arm64"]
        .iter()
        .map(|architecture| {
            let config = json!({
                "os": "linux", "architecture": architecture,
                "rootfs": {"type": "layers", "diff_ids": [layer]}, "config": {"Cmd": ["/app"]},
            });
            let (config, config_size) = put(config.to_string().as_bytes());
            let manifest = json!({
                "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": config_size},
                "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": layer_size}],
            });
            let (manifest, size) = put(manifest.to_string().as_bytes());
            json!({
                "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": manifest, "size": size,
                "platform": {"os": "linux", "architecture": architecture},
            })
        })
        .collect();
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests,
    });
    let (index, size) = put(index.to_string().as_bytes());
    let top = json!({"schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.index.v1+json", "digest": index, "size": size,
        "annotations": {"org.opencontainers.image.ref.name": "v1"},
    }]});
    fs::write(folder.join("index.json"), top.to_string()).unwrap();
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    index
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_pushes_and_pulls() {
    engine_is_there().await;
    let registry = Registry::start().await;
    let context = context();
    let image = format!("{}/hello:v1", registry.host);
    run(registry.buildx().args(["build", "--load", "-t", &image]).arg(context.path())).await;
    let inspect = ["image", "inspect", "--format", "{{.Id}}", &image];
    let built = run(registry.docker().args(inspect)).await;
    let pushed = run(registry.docker().args(["push", &image])).await;
    assert!(pushed.contains("v1: digest: sha256:"), "{pushed}");
    run(registry.docker().args(["rmi", &image])).await;
    run(registry.docker().args(["pull", &image])).await;
    assert_eq!(run(registry.docker().args(inspect)).await, built);

    // The same again changes nothing; another image under an immutable tag is refused.
    run(registry.docker().args(["push", &image])).await;
    let fixed = format!("{}/fixed:v1", registry.host);
    run(registry.docker().args(["tag", &image, &fixed])).await;
    run(registry.docker().args(["push", &fixed])).await;
    run(registry.docker().args(["push", &fixed])).await;
    let other = self::context();
    run(registry.buildx().args(["build", "--load", "-t", &fixed]).arg(other.path())).await;
    let said = run_in_vain(registry.docker().args(["push", &fixed])).await;
    assert!(
        said.contains(
            "The image tag 'v1' already exists in the 'fixed' repository and cannot be overwritten"
        ),
        "{said}"
    );
    let nowhere = format!("{}/nowhere:v1", registry.host);
    run(registry.docker().args(["tag", &image, &nowhere])).await;
    let said = run_in_vain(registry.docker().args(["push", &nowhere])).await;
    assert!(said.contains("does not exist in the registry with id '111111111111'"), "{said}");
    registry.world.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buildx_builds_and_pushes_and_tells_the_digest() {
    engine_is_there().await;
    let registry = Registry::start().await;
    let context = context();
    let metadata = registry.config.path().join("metadata.json");
    let image = format!("{}/team/app:v1", registry.host);
    run(registry
        .buildx()
        .args(["build", "--push", "-t", &image, "--metadata-file"])
        .arg(&metadata)
        .arg(context.path()))
    .await;
    let metadata: Value = serde_json::from_slice(&fs::read(metadata).unwrap()).unwrap();
    let digest = metadata["containerimage.digest"].as_str().unwrap();
    let pinned = format!("{}/team/app@{digest}", registry.host);
    run(registry.docker().args(["pull", &pinned])).await;
    registry.world.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_without_a_good_password_is_kept_out() {
    engine_is_there().await;
    let registry = Registry::start().await;
    registry.world.seed_image(ACCOUNT, "hello", "v1", json!({"config": {}})).unwrap();
    let empty = tempfile::tempdir().unwrap();
    let image = format!("{}/hello:v1", registry.host);
    let said = run_in_vain(registry.docker().env("DOCKER_CONFIG", empty.path()).args(["pull", &image])).await;
    assert!(said.contains("no basic auth credentials"), "{said}");
    let mut login = registry.docker();
    login.env("DOCKER_CONFIG", empty.path()).args(["login", "-u", "AWS", "-p", "wrong", &registry.host]);
    assert!(run_in_vain(&mut login).await.contains("401"));
    let mut login = registry.docker();
    login.env("DOCKER_CONFIG", empty.path()).args([
        "login",
        "-u",
        "AWS",
        "-p",
        &registry.password,
        &registry.host,
    ]);
    run(&mut login).await;
    run(registry.docker().env("DOCKER_CONFIG", empty.path()).args(["pull", &image])).await;
    registry.world.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_copies_an_index_in_and_out_and_between_repositories() {
    let registry = Registry::start().await;
    let folder = tempfile::tempdir().unwrap();
    let digest = layout(folder.path());
    let source = format!("oci:{}:v1", folder.path().display());
    let there = format!("docker://{}/hello:v1", registry.host);
    run(registry.skopeo("copy").args([
        "--all",
        "--preserve-digests",
        "--dest-tls-verify=false",
        &source,
        &there,
    ]))
    .await;
    let inspected = run(registry.skopeo("inspect").args(["--tls-verify=false", "--raw", &there])).await;
    assert_eq!(self::digest(inspected.as_bytes()), digest);
    let tls = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    let copy = format!("docker://{}/team/app:v1", registry.host);
    run(registry.skopeo("copy").arg("--all").args(tls).args(["--preserve-digests", &there, &copy])).await;
    let shown = run(registry.skopeo("inspect").args(["--tls-verify=false", &copy])).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["Digest"], &shown["RepoTags"]), (&json!(digest), &json!(["v1"])));

    // One image of it in Docker's form, and out again as OCI has it.
    let one = format!("docker://{}/hello:one", registry.host);
    let format = ["--format", "v2s2"];
    run(registry.skopeo("copy").args(tls).args(format).args([&there, &one])).await;
    let raw = run(registry.skopeo("inspect").args(["--tls-verify=false", "--raw", &one])).await;
    assert!(raw.contains("application/vnd.docker.distribution.manifest.v2+json"), "{raw}");
    let out = tempfile::tempdir().unwrap();
    let target = format!("oci:{}:v1", out.path().display());
    run(registry.skopeo("copy").args(["--src-tls-verify=false", &one, &target])).await;
    assert!(out.path().join("index.json").exists());

    run(registry.skopeo("delete").args(["--tls-verify=false", &one])).await;
    let said = run_in_vain(registry.skopeo("inspect").args(["--tls-verify=false", &one])).await;
    assert!(said.contains("Requested image not found"), "{said}");
    let nowhere = format!("docker://{}/nowhere:v1", registry.host);
    let said =
        run_in_vain(registry.skopeo("copy").args(["--dest-tls-verify=false", &source, &nowhere])).await;
    assert!(said.contains("does not exist in the registry"), "{said}");
    registry.world.shut_down().await;
}
