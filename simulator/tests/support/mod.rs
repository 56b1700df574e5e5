//! What the tests against foreign clients share: worlds, and the interpreter that runs scripts.

use anyhow::{Context as _, Result, bail};
use simulator::{Options, World, spec::WorldSpec};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::process::Command;

/// A world described by a document of `tests/worlds`.
pub(crate) fn spec(name: &str) -> Result<WorldSpec> {
    let path = folder().join("worlds").join(name);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_yaml::from_str(&text).with_context(|| format!("{} is not a world", path.display()))
}

pub(crate) fn options() -> Options {
    Options {
        listen: ([127, 0, 0, 1], 0).into(),
        speed: 1.0,
        faults: Vec::new(),
        docker: false,
        canary: None,
    }
}

/// Runs a script of `tests/clients` in the environment of the world's job, and fails as it does.
pub(crate) async fn run(world: &Arc<World>, script: &str) -> Result<()> {
    let python = python()?;
    // The commands of a virtual environment, the AWS CLI's among them, come before others.
    let mut path = python.parent().map(|p| p.as_os_str().to_owned()).unwrap_or_default();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let output = Command::new(&python)
        .arg(folder().join("clients").join(script))
        .env_clear()
        .env("PATH", path.to_string_lossy().trim_start_matches(':'))
        .env("HOME", std::env::temp_dir())
        // A proxy or a shared file must not come between the client and the world.
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .envs(world.job_environment())
        .kill_on_drop(true)
        .output()
        .await?;
    if !output.status.success() {
        bail!(
            "{script} ended with {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// An interpreter that has boto3: GREENLIGHT_PYTHON (the interpreter, or a virtual environment's
/// folder) or `python3`.
fn python() -> Result<PathBuf> {
    let python = match std::env::var_os("GREENLIGHT_PYTHON").map(PathBuf::from) {
        Some(folder) if folder.is_dir() => folder.join("bin/python3"),
        Some(interpreter) => interpreter,
        None => PathBuf::from("python3"),
    };
    let probe = std::process::Command::new(&python).args(["-c", "import boto3"]).output();
    match probe {
        Ok(output) if output.status.success() => Ok(python),
        Ok(output) => bail!(
            "{} has no boto3; name one that has in GREENLIGHT_PYTHON\n{}",
            python.display(),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => {
            bail!("{} doesn't run ({error}); name one that has boto3 in GREENLIGHT_PYTHON", python.display())
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}
