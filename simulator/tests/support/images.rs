//! Real images for worlds whose tasks are real containers, built from nothing but a compiler.

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use serde_json::json;
use simulator::World;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::process::Command;

/// Where an account's images of the start are pushed to.
pub(crate) struct Pusher {
    host: String,
    /// Docker's configuration, logged in.
    config: TempDir,
}

impl Pusher {
    pub(crate) fn new(world: &Arc<World>, account: &str) -> Result<Pusher> {
        let (host, user, password) = world.seed_login(account).context("no such account")?;
        let auth = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let config = tempfile::tempdir()?;
        std::fs::write(
            config.path().join("config.json"),
            json!({"auths": {&host: {"auth": auth}}}).to_string(),
        )?;
        Ok(Pusher { host, config })
    }

    /// The sample app, saying this version.
    pub(crate) async fn hello(&self, repository: &str, version: &str) -> Result<()> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/hello/main.rs");
        self.push(&source, repository, version).await
    }

    /// The tests' own program.
    pub(crate) async fn tool(&self, repository: &str, version: &str) -> Result<()> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images/tool/main.rs");
        self.push(&source, repository, version).await
    }

    async fn push(&self, source: &Path, repository: &str, version: &str) -> Result<()> {
        let context = tempfile::tempdir()?;
        let program: PathBuf = context.path().join("program");
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.args(["--edition", "2024", "-C", "target-feature=+crt-static", "-C", "panic=abort", "-o"]);
        done(rustc.arg(&program).arg(source)).await?;
        std::fs::write(
            context.path().join("Dockerfile"),
            format!(
                "FROM scratch\nENV VERSION={version}\nCOPY program /program\nENTRYPOINT [\"/program\"]\n"
            ),
        )?;
        let name = format!("{}/{repository}:{version}", self.host);
        done(
            self.docker().env("DOCKER_BUILDKIT", "0").args(["build", "-q", "-t", &name]).arg(context.path()),
        )
        .await?;
        let pushed = done(self.docker().args(["push", "-q", &name])).await;
        done(self.docker().args(["rmi", &name])).await?;
        pushed
    }

    fn docker(&self) -> Command {
        let mut docker = Command::new("docker");
        docker.env("DOCKER_CONFIG", self.config.path());
        docker
    }
}

async fn done(command: &mut Command) -> Result<()> {
    let output = command.output().await.with_context(|| format!("this test needs {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
