//! The command line of a build, which others can see: of a secret it says where it is, never what.

use super::{attributes, build::Order};
use crate::{
    request::{Build, BuildSecret, Builder, SecretSource},
    secret::Secret,
};
use std::{ffi::OsString, path::Path};

/// `builder` is one that was made for this build.
pub fn of(order: Order<'_>, metadata: &Path, builder: Option<&str>) -> Vec<OsString> {
    let build = order.build;
    let mut args: Vec<OsString> = vec!["build".into(), "--push".into(), "--progress=plain".into()];
    let mut option = |name: &str, value: OsString| args.extend([name.into(), value]);
    option("--metadata-file", metadata.into());
    option("--file", build.dockerfile.clone().into());
    if let Some(name) = builder.or(named(build)) {
        option("--builder", name.into());
    }
    for tag in order.tags {
        option("--tag", format!("{}:{tag}", order.repository_uri).into());
    }
    for (name, value) in order.labels {
        option("--label", format!("{name}={value}").into());
    }
    for (name, value) in &build.build_args {
        option("--build-arg", format!("{name}={value}").into());
    }
    for (name, context) in &build.build_contexts {
        option("--build-context", format!("{name}={context}").into());
    }
    for (at, secret) in build.secrets.iter().enumerate() {
        let place = match &secret.from {
            SecretSource::File(file) => format!("src={}", file.display()),
            _ => format!("env={}", variable(at, secret).unwrap_or_default()),
        };
        option("--secret", format!("id={},{}", secret.id, attributes::field(&place)).into());
    }
    for key in &build.ssh {
        option("--ssh", key.into());
    }
    for cache in &build.cache_from {
        option("--cache-from", cache.into());
    }
    for cache in &build.cache_to {
        option("--cache-to", cache.into());
    }
    if let Some(target) = &build.target {
        option("--target", target.into());
    }
    if !build.platforms.is_empty() {
        option("--platform", build.platforms.join(",").into());
    }
    if let Some(provenance) = &build.provenance {
        option("--provenance", provenance.into());
    }
    if let Some(sbom) = &build.sbom {
        option("--sbom", sbom.into());
    }
    let flags = [("--no-cache", build.no_cache), ("--pull", build.pull)];
    args.extend(flags.into_iter().filter(|(_, wanted)| *wanted).map(|(flag, _)| flag.into()));
    args.push(build.context.clone().into());
    args
}

/// The variables that the command line names, with what they hold.
pub fn secrets(build: &Build) -> impl Iterator<Item = (String, &Secret)> {
    let all = build.secrets.iter().enumerate();
    all.filter_map(|(at, secret)| Some((variable(at, secret)?, &secret.value)))
}

fn variable(at: usize, secret: &BuildSecret) -> Option<String> {
    match &secret.from {
        SecretSource::Env(name) => Some(name.clone()),
        SecretSource::File(_) => None,
        SecretSource::Input => Some(format!("GREENLIGHT_BUILD_SECRET_{at}")),
    }
}

fn named(build: &Build) -> Option<&str> {
    match &build.builder {
        Some(Builder::Named(name)) => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn line(build: &Build, builder: Option<&str>) -> String {
        let order = Order {
            build,
            repository_uri: "r.example/hello",
            tags: &["abc".into(), "latest".into()],
            labels: &[("org.opencontainers.image.revision".to_owned(), "abc".to_owned())].into(),
        };
        let line = of(order, Path::new("/tmp/m"), builder).into_iter().map(|a| a.into_string().unwrap());
        line.collect::<Vec<_>>().join("\n")
    }

    fn secret(id: &str, from: SecretSource) -> BuildSecret {
        BuildSecret { id: id.into(), from, value: Secret::new("hunter2") }
    }

    #[test]
    fn the_command_line_says_all_but_secrets() {
        let build = Build {
            repository: "hello".into(),
            context: "/src/app".into(),
            dockerfile: "/src/app/Dockerfile".into(),
            build_args: [("VERSION".to_owned(), "1 2".to_owned())].into(),
            target: Some("final".into()),
            platforms: vec!["linux/amd64".into(), "linux/arm64".into()],
            secrets: vec![
                secret("npm", SecretSource::Env("NPM_TOKEN".into())),
                secret("netrc", SecretSource::File("/src/app/a,b".into())),
                secret("key", SecretSource::Input),
            ],
            ssh: vec!["default".into(), "git=/key".into()],
            cache_from: vec!["type=gha,version=2".into(), "type=local,src=/c".into()],
            cache_to: vec!["type=gha,version=2,mode=max".into()],
            provenance: Some("mode=max".into()),
            sbom: Some("true".into()),
            build_contexts: [("base".to_owned(), "docker-image://r.example/base:1".to_owned())].into(),
            no_cache: true,
            pull: true,
            builder: Some(Builder::Named("kube".into())),
            ..Build::default()
        };
        insta::assert_snapshot!(line(&build, None), @r#"
        build
        --push
        --progress=plain
        --metadata-file
        /tmp/m
        --file
        /src/app/Dockerfile
        --builder
        kube
        --tag
        r.example/hello:abc
        --tag
        r.example/hello:latest
        --label
        org.opencontainers.image.revision=abc
        --build-arg
        VERSION=1 2
        --build-context
        base=docker-image://r.example/base:1
        --secret
        id=npm,env=NPM_TOKEN
        --secret
        id=netrc,"src=/src/app/a,b"
        --secret
        id=key,env=GREENLIGHT_BUILD_SECRET_2
        --ssh
        default
        --ssh
        git=/key
        --cache-from
        type=gha,version=2
        --cache-from
        type=local,src=/c
        --cache-to
        type=gha,version=2,mode=max
        --target
        final
        --platform
        linux/amd64,linux/arm64
        --provenance
        mode=max
        --sbom
        true
        --no-cache
        --pull
        /src/app
        "#);
        assert!(line(&build, Some("greenlight-x")).contains("--builder\ngreenlight-x\n"));
        let variables: Vec<_> = secrets(&build).map(|(name, value)| (name, value.expose())).collect();
        let named = |name: &str| (name.to_owned(), "hunter2");
        assert_eq!(variables, [named("NPM_TOKEN"), named("GREENLIGHT_BUILD_SECRET_2")]);
    }

    #[test]
    fn what_is_not_given_is_not_said() {
        let build =
            Build { context: "/src".into(), dockerfile: "/src/Dockerfile".into(), ..Build::default() };
        insta::assert_snapshot!(line(&build, None), @"
        build
        --push
        --progress=plain
        --metadata-file
        /tmp/m
        --file
        /src/Dockerfile
        --tag
        r.example/hello:abc
        --tag
        r.example/hello:latest
        --label
        org.opencontainers.image.revision=abc
        /src
        ");
    }
}
