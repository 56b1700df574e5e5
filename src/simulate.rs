//! `greenlight simulator`: serves a local world until it is stopped, and prints what a shell has
//! to export to live in it.

use crate::{
    cancel::Cancel,
    cli,
    outcome::{Finding, Stop},
    rehearse::{self, Staged, job},
    say::rehearse as say,
    surroundings::Variables,
};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use simulator::{World, spec::WorldSpec};
use std::{collections::BTreeSet, path::Path, process::ExitCode, sync::Arc};
use tempfile::TempDir;

pub async fn serve(args: &cli::Simulator, variables: &Variables) -> Result<ExitCode> {
    let cancel = Cancel::on_signals()?;
    let folder = tempfile::Builder::new().prefix("greenlight-world-").tempdir()?;
    let served = match &args.world {
        Some(file) => of_document(file, args, variables).await?,
        None => {
            let options = args.options();
            let staged = Staged::set(&options, &args.pace, args.listen, variables, &cancel).await?;
            let mut more = staged.environment.clone();
            for (name, listener) in [("PRODUCTION_URL", rehearse::PRODUCTION), ("TEST_URL", rehearse::TEST)] {
                more.push((name.to_owned(), staged.url(listener)?));
            }
            Served { world: staged.world.clone(), more, _staged: Some(staged), _folder: None }
        }
    };
    let mut environment = job::surroundings(&served.world, folder.path())?;
    environment.extend(served.more.clone());
    for (name, value) in &environment {
        job::print(&format!("export {name}={}", quoted(value)));
    }
    job::print("# ready");
    cancel.requested().await;
    served.world.shut_down().await;
    Ok(ExitCode::SUCCESS)
}

struct Served {
    world: Arc<World>,
    more: Vec<(String, String)>,
    _staged: Option<Staged>,
    /// Holds what `more` points to.
    _folder: Option<TempDir>,
}

/// A world of the user's own. What its services run is the user's to push; without an engine,
/// where an image has nothing but a name, it is there already.
async fn of_document(file: &Path, args: &cli::Simulator, variables: &Variables) -> Result<Served> {
    let text = std::fs::read_to_string(file).map_err(|e| {
        Stop::invalid(vec![Finding::new(format!("{}: {e}", file.display()), say::WORLD_FILE)])
    })?;
    let mut spec: WorldSpec = serde_yaml::from_str(&text).map_err(|e| {
        let line = e.location().map(|l| l.line());
        let finding = Finding::new(format!("this is no world: {e}"), say::WORLD_FILE);
        Stop::invalid(vec![finding.at(file.display().to_string(), line)])
    })?;
    let listeners = spec.accounts.iter().flat_map(|a| a.load_balancers.iter().map(move |b| (a, b)));
    let named: Vec<(String, String, String)> = listeners
        .flat_map(|(account, balancer)| {
            balancer.listeners.iter().map(move |l| (account.id.clone(), l.name.clone()))
        })
        .map(|(account, name)| {
            (format!("{}_URL", name.to_ascii_uppercase().replace('-', "_")), account, name)
        })
        .collect();
    let (faults, calls) = rehearse::faults(&args.pace.fault)?;
    spec.call_faults.extend(calls);
    let options = simulator::Options {
        listen: args.listen,
        speed: args.pace.speed,
        faults,
        docker: !args.pace.no_docker,
        canary: variables.get("GREENLIGHT_CANARY").map(str::to_owned),
    };
    let docker = options.docker;
    let folder = tempfile::Builder::new().prefix("greenlight-").tempdir()?;
    let shim = rehearse::shim_environment(folder.path(), docker, &options.faults, variables)?;
    let images = if docker { BTreeSet::new() } else { images(&spec) };
    let world = World::start(spec, options).await.context("the world can't start")?;
    for (account, repository, tag) in images {
        let config = json!({ "os": "linux", "architecture": "amd64", "config": {} });
        world
            .seed_image(&account, &repository, &tag, config)
            .with_context(|| format!("{repository}:{tag} can't be put into account {account}"))?;
    }
    world.begin();
    let urls = &world.endpoints().listeners;
    let more =
        named.into_iter().filter_map(|(n, account, name)| Some((n, urls.get(&(account, name))?.clone())));
    let more = more.chain(shim).collect();
    Ok(Served { world, more, _staged: None, _folder: Some(folder) })
}

/// The images of the world's own registries that its task definitions name: account, repository, tag.
fn images(spec: &WorldSpec) -> BTreeSet<(String, String, String)> {
    let documents = spec.accounts.iter().flat_map(|account| &account.task_definitions);
    let containers = documents.flat_map(|d| d["containerDefinitions"].as_array().into_iter().flatten());
    let image = |container: &Value| {
        let (account, rest) = container["image"].as_str()?.strip_prefix("{registry:")?.split_once("}/")?;
        let (repository, tag) = rest.rsplit_once(':')?;
        Some((account.to_owned(), repository.to_owned(), tag.to_owned()))
    };
    containers.filter_map(image).collect()
}

/// For a shell: in single quotes unless nothing in it is special.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_reads_back_what_was_meant() {
        assert_eq!(quoted("http://127.0.0.1:4566"), "http://127.0.0.1:4566");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("a&b"), "'a&b'");
        assert_eq!(quoted(""), "''");
    }
}
