//! One `buildx build --push`: its command line, its run, and what it made.

use super::{Image, buildx, docker_config::DockerConfig, ecr::Login, failure, manifest::is_digest};
use crate::{
    cancel::Cancel,
    child::{Cut, Ended},
    event::Event,
    kept::name,
    outcome::{Stop, Word},
    report::Reporter,
    request::Build,
    say,
    surroundings::Variables,
};
use anyhow::Context;
use serde_json::Value;
use std::{
    collections::{BTreeMap, VecDeque},
    ffi::OsString,
    fs,
    path::Path,
};
use tokio::process::Command;

/// As much of the output's end as a failure is read from.
const KEPT: usize = 400;

/// What is built, and where it goes.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    pub build: &'a Build,
    pub repository_uri: &'a str,
    pub tags: &'a [String],
    pub labels: &'a BTreeMap<String, String>,
}

pub async fn build(
    order: Order<'_>,
    login: &Login,
    variables: &Variables,
    reporter: &Reporter,
    cancel: &Cancel,
) -> anyhow::Result<Image> {
    let program = buildx::find(variables).ok_or_else(|| Stop::build_failed(say::image::no_buildx()))?;
    let host = order.repository_uri.split('/').next().unwrap_or_default();
    let config = DockerConfig::with(variables, host, login)
        .map_err(|error| Stop::build_failed(say::image::docker_config(&error)))?;
    reporter.keep(name::PRIVATE_FOLDER, &config.path().to_string_lossy());
    let metadata = config.file("metadata.json");
    let mut command = Command::new(program);
    command.args(arguments(order, &metadata));
    config.apply(&mut command);
    // An attestation carries times: with it, the same build again would be another digest, and
    // what is unchanged would be deployed.
    if variables.get("BUILDX_NO_DEFAULT_ATTESTATIONS").is_none() {
        command.env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1");
    }

    let mut tail = VecDeque::new();
    let ended = buildx::run(command, cancel, |line| {
        if tail.len() == KEPT {
            tail.pop_front();
        }
        tail.push_back(line.clone());
        reporter.tell(Event::BuildOutput { line });
    });
    match ended.await? {
        Ended { status, .. } if status.success() => {}
        Ended { cut: Some(Cut::Cancelled), .. } => {
            return Err(Stop { word: Word::Cancelled, findings: Vec::new() }.into());
        }
        Ended { status, .. } => {
            let lines: Vec<String> = tail.into();
            let failure = failure::read(&lines, &order.build.dockerfile);
            return Err(Stop::build_failed(say::image::build_failed(
                &failure,
                order,
                &crate::say::from_here(&order.build.dockerfile),
                status,
            ))
            .into());
        }
    }
    Ok(Image {
        uri: order.repository_uri.to_owned(),
        digest: digest_in(&metadata)?,
        tags: order.tags.to_vec(),
        built: true,
    })
}

fn arguments(order: Order<'_>, metadata: &Path) -> Vec<OsString> {
    let Build { context, dockerfile, build_args, target, platforms, .. } = order.build;
    let mut args: Vec<OsString> = vec!["build".into(), "--push".into(), "--progress=plain".into()];
    let mut option = |name: &str, value: OsString| args.extend([name.into(), value]);
    option("--metadata-file", metadata.into());
    option("--file", dockerfile.into());
    for tag in order.tags {
        option("--tag", format!("{}:{tag}", order.repository_uri).into());
    }
    for (name, value) in order.labels {
        option("--label", format!("{name}={value}").into());
    }
    for (name, value) in build_args {
        option("--build-arg", format!("{name}={value}").into());
    }
    if let Some(target) = target {
        option("--target", target.into());
    }
    if !platforms.is_empty() {
        option("--platform", platforms.join(",").into());
    }
    args.push(context.into());
    args
}

fn digest_in(metadata: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(metadata).context("buildx ended well but wrote no metadata")?;
    let metadata: Value = serde_json::from_str(&text).context("buildx's metadata is no JSON")?;
    let digest = metadata["containerimage.digest"].as_str().filter(|digest| is_digest(digest));
    digest.map(str::to_owned).context("buildx's metadata holds no digest of what was pushed")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        report::{self, Reporter},
        secret::Secret,
        surroundings::Pace,
    };
    use tempfile::TempDir;

    #[test]
    fn the_command_line_says_all_but_secrets() {
        let build = Build {
            repository: "hello".into(),
            context: "/src/app".into(),
            dockerfile: "/src/app/Dockerfile".into(),
            build_args: [("VERSION".to_owned(), "1 2".to_owned())].into(),
            target: Some("final".into()),
            platforms: vec!["linux/amd64".into(), "linux/arm64".into()],
            tags: Vec::new(),
        };
        let order = Order {
            build: &build,
            repository_uri: "r.example/hello",
            tags: &["abc".into(), "latest".into()],
            labels: &[("org.opencontainers.image.revision".to_owned(), "abc".to_owned())].into(),
        };
        let line: Vec<_> =
            arguments(order, Path::new("/tmp/m")).into_iter().map(|a| a.into_string().unwrap()).collect();
        insta::assert_snapshot!(line.join("\n"), @"
        build
        --push
        --progress=plain
        --metadata-file
        /tmp/m
        --file
        /src/app/Dockerfile
        --tag
        r.example/hello:abc
        --tag
        r.example/hello:latest
        --label
        org.opencontainers.image.revision=abc
        --build-arg
        VERSION=1 2
        --target
        final
        --platform
        linux/amd64,linux/arm64
        /src/app
        ");
    }

    /// A stand-in for the plugin, so that what it is given can be looked at.
    struct World {
        folder: TempDir,
        log: Vec<u8>,
    }

    async fn run(script: &str) -> (anyhow::Result<Image>, World) {
        let folder = TempDir::new().unwrap();
        let plugin = folder.path().join("docker/cli-plugins/docker-buildx");
        fs::create_dir_all(plugin.parent().unwrap()).unwrap();
        // Copied by a process of its own: a file that this one has open for writing, other tests'
        // children would have open too, and it couldn't be started.
        let text = format!("#!/bin/sh\nout={}\nexec 2>&1\n{script}", folder.path().display());
        fs::write(folder.path().join("script"), text).unwrap();
        let copy = std::process::Command::new("install")
            .arg("-m755")
            .arg(folder.path().join("script"))
            .arg(&plugin)
            .status();
        assert!(copy.unwrap().success());
        fs::write(folder.path().join("Dockerfile"), "FROM scratch\n\nCOPY  nope \\\n  /x\n").unwrap();
        let variables =
            Variables::of([("DOCKER_CONFIG".into(), folder.path().join("docker").display().to_string())]);
        let login = Login {
            host: "r.example".into(),
            token: Secret::new("QVdTOnMzY3JldA=="),
            password: Secret::new("s3cret"),
        };
        let build = Build {
            dockerfile: folder.path().join("Dockerfile"),
            context: folder.path().into(),
            ..Build::default()
        };
        let order = Order {
            build: &build,
            repository_uri: "r.example/hello",
            tags: &["abc".into()],
            labels: &BTreeMap::new(),
        };
        let reporter = Reporter::to(
            report::Options::default(),
            &Variables::default(),
            Pace::of(&variables),
            std::io::sink(),
        );
        let image = super::build(order, &login, &variables, &reporter, &Cancel::never()).await;
        (image, World { log: fs::read(folder.path().join("log")).unwrap_or_default(), folder })
    }

    #[tokio::test]
    async fn the_digest_comes_from_the_metadata_and_the_login_goes() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let script = format!(
            "{{ echo \"$@\"; env; }} > $out/log; cat $DOCKER_CONFIG/config.json > $out/seen; echo $DOCKER_CONFIG > $out/where\n\
             while [ $1 != --metadata-file ]; do shift; done; echo '{{\"containerimage.digest\": \"{digest}\"}}' > $2"
        );
        let (image, world) = run(&script).await;
        let image = image.unwrap();
        assert_eq!((image.pinned(), image.built), (format!("r.example/hello@{digest}"), true));
        let seen = fs::read_to_string(world.folder.path().join("seen")).unwrap();
        assert!(seen.contains("QVdTOnMzY3JldA=="), "{seen}");
        let log = String::from_utf8(world.log).unwrap();
        assert!(!log.contains("QVdTOnMzY3JldA==") && !log.contains("s3cret"), "{log}");
        let folder = fs::read_to_string(world.folder.path().join("where")).unwrap();
        assert!(!Path::new(folder.trim()).exists());
    }

    #[tokio::test]
    async fn a_failed_build_says_where() {
        let script = "echo '#5 [2/2] COPY nope /x'; echo '------'; echo ' > [2/2] COPY nope   /x:'; echo '------'\n\
                      echo 'ERROR: failed to solve: \"/nope\": not found'; exit 1";
        let (image, world) = run(script).await;
        let stop: Stop = image.unwrap_err().downcast().unwrap();
        assert_eq!(stop.word, Word::BuildFailed);
        let text =
            format!("{:#?}", stop.findings).replace(&world.folder.path().display().to_string(), "FOLDER");
        insta::assert_snapshot!(text, @r#"
        [
            Finding {
                what: "The build failed: \"/nope\": not found.",
                fix: "Correct the step; the whole output is above.",
                place: Some(
                    Place {
                        file: "FOLDER/Dockerfile",
                        line: Some(
                            3,
                        ),
                    },
                ),
            },
        ]
        "#);
    }

    #[tokio::test]
    async fn a_build_that_says_well_but_tells_no_digest_is_no_success() {
        let (image, _) = run("exit 0").await;
        assert!(format!("{:#}", image.unwrap_err()).contains("wrote no metadata"));
    }
}
