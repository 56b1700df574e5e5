//! What stands between the job and buildx in a rehearsal: where there is no engine it makes a
//! small image by itself and pushes it through the registry's API; for the fault `build-fails` it
//! lets the real build fail for a real reason. It is this binary under another name, found
//! among the job's plugins.

use crate::{image, surroundings::Variables};
use anyhow::{Context, Result, bail};
use base64::Engine as _;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use simulator::Fault;
use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::Write,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// The name that makes this binary the shim.
pub const NAME: &str = "docker-buildx";
/// The real plugin, for the shim.
const REAL: &str = "GREENLIGHT_REAL_BUILDX";
pub const FAILS: &str = "GREENLIGHT_BUILD_FAILS";
const PLUGINS: &str = "cli-plugins";
/// A step that no image can carry out.
const FAILING_STEP: &str = "\nRUN [\"/the-build-fails-here\"]\n";

const PUSH_TIMEOUT: Duration = Duration::from_secs(30);
const PUSH_TRIES: u32 = 5;
const PUSH_PAUSE: Duration = Duration::from_millis(100);

/// What is asked of builders, before and after a build.
const BUILDERS: [&str; 3] = ["inspect", "create", "rm"];

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The variables that put the shim in front of buildx, when this rehearsal needs one: a Docker
/// configuration like the user's, but for its plugins.
pub fn environment(
    folder: &Path,
    docker: bool,
    faults: &[Fault],
    variables: &Variables,
) -> Result<Vec<(String, String)>> {
    let fails = faults.contains(&Fault::BuildFails);
    if docker && !fails {
        return Ok(Vec::new());
    }
    let users = image::docker_config::folder(variables);
    for entry in users.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten() {
        if entry.file_name() != PLUGINS {
            symlink(entry.path(), folder.join(entry.file_name()))?;
        }
    }
    std::fs::create_dir(folder.join(PLUGINS))?;
    symlink(std::env::current_exe()?, folder.join(PLUGINS).join(NAME))?;
    let mut environment = vec![("DOCKER_CONFIG".to_owned(), folder.display().to_string())];
    if fails {
        environment.push((FAILS.to_owned(), "yes".to_owned()));
    }
    if docker {
        let real = image::buildx::find(variables).context("buildx isn't installed")?;
        environment.push((REAL.to_owned(), real.display().to_string()));
    }
    Ok(environment)
}

/// Does what buildx was asked for. `args` start with the program's name.
pub async fn build(args: Vec<OsString>, variables: &Variables) -> ExitCode {
    let args: Vec<String> = args.into_iter().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    let fails = variables.get(FAILS).is_some();
    let done = match variables.get(REAL) {
        None if BUILDERS.contains(&args.first().map_or("", String::as_str)) => Ok(builders(&args)),
        Some(real) if fails => fail(real, args),
        Some(real) => run(real, &args),
        None => stand_in(&Asked::of(&args), fails, variables).await,
    };
    done.unwrap_or_else(|error| {
        say(&format!("ERROR: {error:#}"));
        ExitCode::FAILURE
    })
}

/// Any builder is there, and can do all.
#[allow(clippy::print_stdout)]
fn builders(args: &[String]) -> ExitCode {
    if args.first().is_some_and(|asked| asked == "inspect") {
        println!("Name:   {}\nDriver: stand-in", args.get(1).map_or("default", String::as_str));
    }
    ExitCode::SUCCESS
}

/// The real build of the user's Dockerfile with one step more.
fn fail(real: &str, mut args: Vec<String>) -> Result<ExitCode> {
    let asked = Asked::of(&args);
    if !asked.build {
        return run(real, &args);
    }
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(std::fs::read(asked.dockerfile())?.as_slice())?;
    file.write_all(FAILING_STEP.as_bytes())?;
    let path = file.path().display().to_string();
    match args.iter().position(|a| a == "--file" || a == "-f") {
        Some(at) => args[at + 1] = path,
        None => args.splice(args.len() - 1..args.len() - 1, ["--file".to_owned(), path]).for_each(drop),
    }
    run(real, &args)
}

fn run(real: &str, args: &[String]) -> Result<ExitCode> {
    let status = std::process::Command::new(real).args(args).status()?;
    Ok(ExitCode::from(status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(1)))
}

/// What of buildx's arguments the stand-in understands.
#[derive(Debug, Default, PartialEq)]
struct Asked {
    build: bool,
    tags: Vec<String>,
    args: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    metadata: Option<PathBuf>,
    file: Option<PathBuf>,
    context: PathBuf,
}

impl Asked {
    fn of(args: &[String]) -> Asked {
        let mut asked = Asked::default();
        let mut args = args.iter().flat_map(|arg| match arg.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => vec![flag, value],
            _ => vec![arg.as_str()],
        });
        let pair = |value: &str| value.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
        while let Some(arg) = args.next() {
            match arg {
                "build" => asked.build = true,
                "--push" | "--load" | "--pull" | "--no-cache" | "buildx" | "--debug" => {}
                "--tag" | "-t" => asked.tags.extend(args.next().map(str::to_owned)),
                "--build-arg" => asked.args.extend(args.next().and_then(pair)),
                "--label" => asked.labels.extend(args.next().and_then(pair)),
                "--metadata-file" => asked.metadata = args.next().map(PathBuf::from),
                "--file" | "-f" => asked.file = args.next().map(PathBuf::from),
                flag if flag.starts_with('-') => drop(args.next()),
                context => asked.context = PathBuf::from(context),
            }
        }
        asked
    }

    fn dockerfile(&self) -> PathBuf {
        self.file.clone().unwrap_or_else(|| self.context.join("Dockerfile"))
    }
}

async fn stand_in(asked: &Asked, fails: bool, variables: &Variables) -> Result<ExitCode> {
    if !asked.build {
        bail!("the stand-in for buildx only builds");
    }
    let path = asked.dockerfile();
    let dockerfile = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    say("#1 stand-in: no engine builds here; an image without files is made of the Dockerfile's settings");
    if fails {
        bail!("failed to solve: process \"/the-build-fails-here\" did not complete successfully");
    }
    for base in bases(&dockerfile, asked) {
        resolve(&base, variables).await?;
    }
    let config = config(&dockerfile, asked).to_string().into_bytes();
    // Two blocks of zeros are a tar archive without a file.
    let layer = vec![0_u8; 1024];
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": CONFIG, "digest": digest(&config), "size": config.len() },
        "layers": [{ "mediaType": LAYER, "digest": digest(&layer), "size": layer.len() }],
    })
    .to_string();
    for tag in &asked.tags {
        let registry = Registry::of(tag, variables)?;
        say(&format!("#2 pushing {tag}"));
        registry.push(&[&config, &layer], &manifest).await?;
    }
    if let Some(path) = &asked.metadata {
        let name = asked.tags.join(",");
        let metadata = json!({ "containerimage.digest": digest(manifest.as_bytes()), "image.name": name });
        std::fs::write(path, metadata.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The image's config, as far as the Dockerfile's settings say it without running anything.
fn config(dockerfile: &str, asked: &Asked) -> Value {
    let mut args: BTreeMap<String, String> = BTreeMap::new();
    let mut environment = Vec::new();
    let mut config = json!({ "Labels": asked.labels });
    let expand = |text: &str, args: &BTreeMap<String, String>| {
        let text = text.trim().trim_matches('"').to_owned();
        // The longest name first, so that `$VERSION` isn't taken for `$VER`.
        let mut names: Vec<&String> = args.keys().collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        names.into_iter().fold(text, |text, name| {
            text.replace(&format!("${{{name}}}"), &args[name]).replace(&format!("${name}"), &args[name])
        })
    };
    for line in dockerfile.lines() {
        let Some((word, rest)) = line.trim().split_once(char::is_whitespace) else { continue };
        match word.to_ascii_uppercase().as_str() {
            "ARG" => {
                let (name, usual) = rest.trim().split_once('=').unwrap_or((rest.trim(), ""));
                let value = asked.args.get(name).cloned().unwrap_or_else(|| expand(usual, &args));
                args.insert(name.to_owned(), value);
            }
            "ENV" => {
                if let Some((name, value)) = rest.split_once('=') {
                    environment.push(format!("{}={}", name.trim(), expand(value, &args)));
                }
            }
            "EXPOSE" => {
                let port = rest.trim();
                let port = if port.contains('/') { port.to_owned() } else { format!("{port}/tcp") };
                config["ExposedPorts"] = json!({ port: {} });
            }
            "ENTRYPOINT" => {
                config["Entrypoint"] = serde_json::from_str(rest).unwrap_or(json!(["/bin/sh", "-c", rest]))
            }
            "CMD" => config["Cmd"] = serde_json::from_str(rest).unwrap_or(json!(["/bin/sh", "-c", rest])),
            _ => {}
        }
    }
    config["Env"] = json!(environment);
    let layer = digest(&[0_u8; 1024]);
    json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": config,
        "rootfs": { "type": "layers", "diff_ids": [layer] },
    })
}

/// The images of registries on this machine that the Dockerfile starts from: all that a stand-in can
/// ask for.
fn bases(dockerfile: &str, asked: &Asked) -> Vec<String> {
    let mut args: BTreeMap<&str, &str> = BTreeMap::new();
    let mut bases = Vec::new();
    for line in dockerfile.lines().map(str::trim) {
        match line.split_once(char::is_whitespace) {
            Some((word, rest)) if word.eq_ignore_ascii_case("ARG") => {
                let (name, usual) = rest.trim().split_once('=').unwrap_or((rest.trim(), ""));
                args.insert(name, asked.args.get(name).map_or(usual, String::as_str));
            }
            Some((word, rest)) if word.eq_ignore_ascii_case("FROM") => {
                let image = rest.split_whitespace().find(|word| !word.starts_with("--")).unwrap_or_default();
                let image = args.iter().fold(image.to_owned(), |image, (name, value)| {
                    image.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value)
                });
                if image.starts_with("127.0.0.1:") || image.starts_with("localhost:") {
                    bases.push(image);
                }
            }
            _ => {}
        }
    }
    bases
}

/// Looks an image up with the login that there is for its registry, as a build begins.
async fn resolve(image: &str, variables: &Variables) -> Result<()> {
    let (host, rest) = image.split_once('/').context("the image names no registry")?;
    let (repository, reference) = match rest.split_once('@') {
        Some(pair) => pair,
        None => rest.rsplit_once(':').unwrap_or((rest, "latest")),
    };
    say(&format!("#1 [internal] load metadata for {image}"));
    let client = Client::builder().timeout(PUSH_TIMEOUT).no_proxy().build()?;
    let mut asked = client.get(format!("http://{host}/v2/{repository}/manifests/{reference}"));
    asked = asked.header("accept", "*/*");
    if let Some(auth) = login(host, variables)? {
        asked = asked.header("authorization", format!("Basic {auth}"));
    }
    let answer = asked.send().await?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    bail!(
        "failed to solve: {image}: failed to resolve source metadata for {image}: unexpected status from HEAD request \
         to {}: {status}: {}",
        answer.url().clone(),
        answer.text().await?
    )
}

/// What the Docker configuration holds for a host.
fn login(host: &str, variables: &Variables) -> Result<Option<String>> {
    let folder = variables.get("DOCKER_CONFIG").context("DOCKER_CONFIG is not set")?;
    let config: Value = serde_json::from_slice(&std::fs::read(Path::new(folder).join("config.json"))?)?;
    let auths = config["auths"].as_object().into_iter().flatten();
    let mut ours =
        auths.filter(|(name, _)| name.trim_start_matches("https://").trim_end_matches('/') == host);
    Ok(ours.find_map(|(_, entry)| entry["auth"].as_str()).map(str::to_owned))
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// One repository of a registry, with the login that the Docker configuration holds for it.
struct Registry {
    client: Client,
    base: String,
    tag: String,
    authorization: String,
}

impl Registry {
    fn of(image: &str, variables: &Variables) -> Result<Registry> {
        let (host, rest) = image.split_once('/').context("the image names no registry")?;
        let (repository, tag) = rest.rsplit_once(':').unwrap_or((rest, "latest"));
        let auth = login(host, variables)?.with_context(|| format!("no login for {host}"))?;
        // Malformed ones are the registry's to refuse; it is only checked that there is one.
        base64::engine::general_purpose::STANDARD.decode(&auth).context("the login is not base64")?;
        Ok(Registry {
            client: Client::builder()
                .timeout(crate::aws::call_timeout(variables).unwrap_or(PUSH_TIMEOUT))
                .build()?,
            base: format!("http://{host}/v2/{repository}"),
            tag: tag.to_owned(),
            authorization: format!("Basic {auth}"),
        })
    }

    /// As buildx does, again where the registry had no answer or trouble of its own.
    async fn push(&self, blobs: &[&[u8]], manifest: &str) -> Result<()> {
        let mut tries = 0;
        loop {
            let pushed = async {
                for blob in blobs {
                    self.put_blob(blob).await?;
                }
                self.put_manifest(manifest).await
            };
            match pushed.await {
                Err(error) if tries < PUSH_TRIES && !error.is::<Refused>() => {
                    tries += 1;
                    tokio::time::sleep(PUSH_PAUSE * tries).await;
                }
                pushed => return pushed,
            }
        }
    }

    async fn put_blob(&self, bytes: &[u8]) -> Result<()> {
        let digest = digest(bytes);
        let head = self.client.head(format!("{}/blobs/{digest}", self.base));
        if head.header("authorization", &self.authorization).send().await?.status() == StatusCode::OK {
            return Ok(());
        }
        let begin = self.client.post(format!("{}/blobs/uploads/", self.base));
        let begun = checked(begin.header("authorization", &self.authorization).send().await?).await?;
        let location =
            begun.headers().get("location").and_then(|l| l.to_str().ok()).context("no upload location")?;
        let upload = begun.url().join(location)?;
        let put = self.client.put(upload).query(&[("digest", digest)]).body(bytes.to_vec());
        let put = put.header("content-type", "application/octet-stream");
        checked(put.header("authorization", &self.authorization).send().await?).await?;
        Ok(())
    }

    async fn put_manifest(&self, manifest: &str) -> Result<()> {
        let put = self.client.put(format!("{}/manifests/{}", self.base, self.tag)).body(manifest.to_owned());
        let put = put.header("content-type", MANIFEST);
        checked(put.header("authorization", &self.authorization).send().await?).await?;
        Ok(())
    }
}

async fn checked(answer: Response) -> Result<Response> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status();
    let path = answer.url().path().to_owned();
    let what = format!("failed to push: unexpected status from {path}: {status}: {}", answer.text().await?);
    if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
        return Err(Refused(what).into());
    }
    bail!(what)
}

/// The registry's no.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

#[allow(clippy::print_stderr)]
fn say(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_in_both_spellings() {
        let args = ["buildx", "build", "--push", "--metadata-file=m.json", "--platform", "linux/amd64"];
        let more = ["-t", "h/r:1", "--tag=h/r:2", "--build-arg", "VERSION=7", "--file", "D", "folder"];
        let args: Vec<String> = args.iter().chain(&more).map(|a| (*a).to_owned()).collect();
        let asked = Asked::of(&args);
        assert!(asked.build);
        assert_eq!(asked.tags, ["h/r:1", "h/r:2"]);
        assert_eq!(asked.args["VERSION"], "7");
        assert_eq!(asked.metadata, Some("m.json".into()));
        assert_eq!((asked.dockerfile(), asked.context), ("D".into(), "folder".into()));
    }

    #[test]
    fn settings_of_a_dockerfile_become_a_config() {
        let asked = Asked { args: BTreeMap::from([("VERSION".into(), "7".into())]), ..Asked::default() };
        let text = "FROM scratch\nARG VERSION=dev\nARG V=x\nENV VERSION=$VERSION\nENV W=\"${V}y\"\nEXPOSE 8080\nENTRYPOINT [\"/hello\"]\n";
        let config = config(text, &asked);
        assert_eq!(config["config"]["Env"], json!(["VERSION=7", "W=xy"]));
        assert_eq!(config["config"]["ExposedPorts"], json!({ "8080/tcp": {} }));
        assert_eq!(config["config"]["Entrypoint"], json!(["/hello"]));
    }
}
