//! What has to be there before the world's services can run: what the image needs, and the image
//! that production runs before the rehearsal.

use super::world::BEFORE;
use crate::{
    cancel::Cancel,
    git::Checkout,
    image::{
        build::{self, Order},
        ecr::Login,
        tags,
    },
    inputs::Inputs,
    outcome::{Stop, Word},
    report::{self, Reporter},
    request::{Build, ImageRequest},
    say::rehearse as say,
    secret::Secret,
    surroundings::{Pace, Variables},
};
use anyhow::{Context, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::process::Stdio;

/// Runs the user's own preparation, which is quiet unless it fails.
pub async fn prepare(inputs: &Inputs) -> Result<()> {
    let Some(command) = &inputs.rehearse.prepare else { return Ok(()) };
    let done = tokio::process::Command::new("sh")
        .args(["-c", command])
        .current_dir(&inputs.folder)
        .stdin(Stdio::null())
        .output()
        .await
        .context("`sh` can't be started")?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    Err(Stop { word: Word::BuildFailed, findings: vec![say::not_prepared(command, &said)] }.into())
}

/// Builds and pushes the image that production runs before. `login` is the registry's host, a user
/// and a password.
pub async fn before(
    inputs: &Inputs,
    checkout: &Checkout,
    (host, user, password): (String, String, String),
    variables: &Variables,
    cancel: &Cancel,
) -> Result<()> {
    let ImageRequest::Build(build) = &inputs.request.image else { return Ok(()) };
    let words = tags::words(checkout, &inputs.request.environment.name, variables);
    // Caches and attestations are for what is shipped.
    let mut build = Build {
        cache_from: Vec::new(),
        cache_to: Vec::new(),
        provenance: None,
        sbom: None,
        ..*build.clone()
    };
    build.build_args.extend(inputs.rehearse.before.build_args.clone());
    build.build_args = tags::build_args(&build, &words)
        .map_err(|word| Stop::invalid(vec![crate::say::image::no_word(&word)]))?;
    let token = Secret::new(STANDARD.encode(format!("{user}:{password}")));
    let login = Login { host: host.clone(), token };
    let order = Order {
        repository_uri: &format!("{host}/{}", build.repository),
        build: &build,
        tags: &[BEFORE.to_owned()],
        // Nothing else need tell it from the image of the run, which would then change nothing.
        labels: &[("greenlight.rehearsal".to_owned(), BEFORE.to_owned())].into(),
    };
    let quiet =
        Reporter::to(report::Options::default(), &Variables::default(), Pace::of(variables), std::io::sink());
    build::build(order, &[login], variables, &quiet, cancel).await.map(drop)
}
