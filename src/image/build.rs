//! One `buildx build --push`: its run, and what it made.

use super::{
    Image, arguments, builder, buildx, checks, docker_config::DockerConfig, ecr::Login, failure,
    manifest::is_digest,
};
use crate::{
    cancel::Cancel,
    child::{Cut, Ended},
    event::Event,
    kept::name,
    outcome::{Place, Stop, Word},
    report::Reporter,
    request::Build,
    say,
    surroundings::Variables,
};
use anyhow::Context;
use serde_json::Value;
use std::{
    collections::{BTreeMap, VecDeque},
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
    logins: &[Login],
    variables: &Variables,
    reporter: &Reporter,
    cancel: &Cancel,
) -> anyhow::Result<Image> {
    let program = buildx::find(variables).ok_or_else(|| Stop::build_failed(say::image::no_buildx()))?;
    let config = DockerConfig::with(variables, logins)
        .map_err(|error| Stop::build_failed(say::image::docker_config(&error)))?;
    reporter.keep(name::PRIVATE_FOLDER, &config.path().to_string_lossy());
    let metadata = config.file("metadata.json");
    let command = || {
        let mut command = Command::new(&program);
        config.apply(&mut command);
        command
    };
    let made = builder::make(order, command, reporter, cancel).await?;
    let name = made.as_ref().map(|made| made.name.as_str());
    let built = run(order, command(), &metadata, name, variables, reporter, cancel).await;
    if let Some(made) = made {
        made.remove(command, reporter).await;
    }
    built?;
    Ok(Image {
        uri: order.repository_uri.to_owned(),
        digest: digest_in(&metadata)?,
        tags: order.tags.to_vec(),
        built: true,
    })
}

async fn run(
    order: Order<'_>,
    mut command: Command,
    metadata: &Path,
    builder: Option<&str>,
    variables: &Variables,
    reporter: &Reporter,
    cancel: &Cancel,
) -> anyhow::Result<()> {
    command.args(arguments::of(order, metadata, builder));
    command.envs(arguments::secrets(order.build).map(|(name, value)| (name, value.expose())));
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
        Ended { status, .. } if status.success() => {
            let lines: Vec<String> = tail.into();
            let file = say::from_here(&order.build.dockerfile);
            for (text, line) in checks::read(&lines) {
                reporter.tell(Event::BuildRemark { text, place: Place { file: file.clone(), line } });
            }
            Ok(())
        }
        Ended { cut: Some(Cut::Cancelled), .. } => {
            Err(Stop { word: Word::Cancelled, findings: Vec::new() }.into())
        }
        Ended { status, .. } => {
            let lines: Vec<String> = tail.into();
            let failure = failure::read(&lines, &order.build.dockerfile);
            let dockerfile = say::from_here(&order.build.dockerfile);
            Err(Stop::build_failed(say::image::build_failed(&failure, order, &dockerfile, status)).into())
        }
    }
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
        request::{BuildSecret, Builder, Driver, OwnBuilder, SecretSource},
        secret::Secret,
        surroundings::Pace,
    };
    use tempfile::TempDir;

    /// A stand-in for the plugin, so that what it is given can be looked at.
    struct World {
        folder: TempDir,
        log: Vec<u8>,
    }

    async fn run(script: &str) -> (anyhow::Result<Image>, World) {
        run_with(Build::default(), script, std::io::sink()).await
    }

    async fn run_with(
        build: Build,
        script: &str,
        out: impl std::io::Write + Send + 'static,
    ) -> (anyhow::Result<Image>, World) {
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
        let login = Login { host: "r.example".into(), token: Secret::new("QVdTOnMzY3JldA==") };
        let build =
            Build { dockerfile: folder.path().join("Dockerfile"), context: folder.path().into(), ..build };
        let order = Order {
            build: &build,
            repository_uri: "r.example/hello",
            tags: &["abc".into()],
            labels: &BTreeMap::new(),
        };
        let reporter =
            Reporter::to(report::Options::default(), &Variables::default(), Pace::of(&variables), out);
        for secret in &build.secrets {
            reporter.mask(secret.value.expose());
        }
        let image = super::build(order, &[login], &variables, &reporter, &Cancel::never()).await;
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

    fn own() -> Build {
        let own = OwnBuilder {
            driver: Driver::DockerContainer,
            endpoint: None,
            driver_opts: [("network".to_owned(), "host".to_owned())].into(),
            buildkitd_config: None,
            buildkitd_flags: None,
        };
        Build { builder: Some(Builder::Own(own)), ..Build::default() }
    }

    /// What the plugin was asked for, with the builder's name taken out.
    fn asked(world: &World) -> Vec<String> {
        let asked = fs::read_to_string(world.folder.path().join("asked")).unwrap();
        let name = asked.split_whitespace().find(|word| word.starts_with("greenlight-")).unwrap();
        assert!(name.len() > 40, "{name}");
        let folder = world.folder.path().display().to_string();
        asked.replace(name, "NAME").replace(&folder, "FOLDER").lines().map(str::to_owned).collect()
    }

    const WELL: &str = "echo \"$@\" >> $out/asked\nif [ $1 = build ]; then while [ $1 != --metadata-file ]; do shift; done\n\
         echo '{\"containerimage.digest\": \"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}' > $2; fi";

    #[tokio::test]
    async fn a_builder_is_made_used_and_removed() {
        let (image, world) = run_with(own(), WELL, std::io::sink()).await;
        assert!(image.unwrap().built);
        let asked = asked(&world);
        let [create, build, remove] = asked.as_slice() else { panic!("{asked:?}") };
        assert_eq!(create, "create --name NAME --driver docker-container --driver-opt network=host");
        assert!(build.contains(" --builder NAME "), "{build}");
        assert_eq!(remove, "rm NAME");
    }

    #[tokio::test]
    async fn a_builder_goes_when_the_build_fails_and_when_it_could_not_be_made() {
        let (image, world) =
            run_with(own(), "echo \"$@\" >> $out/asked; [ $1 != build ]", std::io::sink()).await;
        assert_eq!(image.unwrap_err().downcast::<Stop>().unwrap().word, Word::BuildFailed);
        assert_eq!(asked(&world).last().unwrap(), "rm NAME");

        let script = "echo \"$@\" >> $out/asked; if [ $1 = create ]; then echo 'ERROR: no such driver.'; exit 1; fi\n\
            echo \"failed to remove $2: no builder \\\"$2\\\" found\"; echo 'ERROR: failed to remove one or more builders'; exit 1";
        let (mut log, out) = std::io::pipe().unwrap();
        let (image, world) = run_with(own(), script, out).await;
        let mut told = String::new();
        std::io::Read::read_to_string(&mut log, &mut told).unwrap();
        assert_eq!(told, "| ERROR: no such driver.\n", "there is nothing to warn of");
        let stop: Stop = image.unwrap_err().downcast().unwrap();
        insta::assert_snapshot!(stop.findings[0].what, @"The builder of the driver `docker-container` couldn't be made: no such driver.");
        assert_eq!(asked(&world).last().unwrap(), "rm NAME");
    }

    #[tokio::test]
    async fn a_secret_reaches_the_build_and_nobody_else() {
        let secret = |id: &str, from: SecretSource, value: &str| BuildSecret {
            id: id.into(),
            from,
            value: Secret::new(value),
        };
        let build = Build {
            secrets: vec![
                secret("npm", SecretSource::Env("NPM_TOKEN".into()), "npm_planted_one"),
                secret("key", SecretSource::Input, "-----BEGIN-----\nplanted_two"),
            ],
            ..Build::default()
        };
        let (mut log, out) = std::io::pipe().unwrap();
        let script = "echo \"$@\" > $out/line; echo $NPM_TOKEN; echo \"$GREENLIGHT_BUILD_SECRET_1\"; exit 1";
        let (image, world) = run_with(build, script, out).await;
        let mut text = String::new();
        std::io::Read::read_to_string(&mut log, &mut text).unwrap();
        assert_eq!(text, "| ***\n| ***\n| ***\n");
        let line = fs::read_to_string(world.folder.path().join("line")).unwrap();
        assert!(
            line.contains(" --secret id=npm,env=NPM_TOKEN --secret id=key,env=GREENLIGHT_BUILD_SECRET_1 ")
        );
        assert!(!line.contains("planted"), "{line}");
        drop(image);
    }

    /// The stand-in ends only when its first line has been told.
    #[tokio::test]
    async fn output_is_told_as_it_comes() {
        struct Answer(std::path::PathBuf);
        impl std::io::Write for Answer {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                if String::from_utf8_lossy(bytes).contains("first") {
                    let place = String::from_utf8_lossy(bytes).rsplit(' ').next().unwrap().trim().to_owned();
                    fs::write(self.0.join(place), "")?;
                }
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let told = TempDir::new().unwrap();
        let script = format!(
            "echo first go\nwhile [ ! -e {}/go ]; do sleep 0.02; done\n{WELL}",
            told.path().display()
        );
        let (image, _) = run_with(Build::default(), &script, Answer(told.path().into())).await;
        assert!(image.unwrap().built);
    }
}
