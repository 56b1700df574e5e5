//! Repositories: the API of ECR over the store that each account's registry serves.

mod access;
mod api;
mod blobs;
mod manifest;
pub(crate) mod public;
mod registry;
mod seed;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use api::{handle, needs};
pub(crate) use registry::OPERATIONS as REGISTRY_OPERATIONS;
pub(crate) use seed::{image_config, pull, pull_credentials, put_small_image, seed_login};

use crate::{
    Endpoints, World,
    clock::Time,
    spec::{self, WorldSpec},
    state::State as WorldState,
};
use access::Login;
use blobs::{Digest, Disk};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::SystemTime,
};
use store::{Mutability, Registry, Repository, Scans};
use tokio::net::TcpListener;

#[derive(Debug)]
pub(crate) struct State {
    /// By account.
    registries: BTreeMap<String, Registry>,
    /// By password.
    logins: HashMap<String, Login>,
    /// Addresses that serve one layer for a while, by their secret part.
    downloads: HashMap<String, Download>,
    disk: Disk,
    canary: Option<String>,
}

#[derive(Debug)]
struct Download {
    digest: Digest,
    expires: SystemTime,
}

impl State {
    pub(crate) fn of(
        spec: &WorldSpec,
        endpoints: &Endpoints,
        now: Time,
        canary: Option<&str>,
    ) -> anyhow::Result<State> {
        let registries = spec.accounts.iter().map(|account| {
            let host = endpoints.registries.get(&account.id).cloned().unwrap_or_default();
            let enhanced = account.enhanced_scanning;
            let repositories =
                account.repositories.iter().map(|r| (r.name.clone(), repository(r, enhanced, now)));
            let registry = Registry {
                account: account.id.clone(),
                region: account.region.clone(),
                host,
                repositories: repositories.collect(),
                uploads: HashMap::new(),
                settings: BTreeMap::new(),
                enhanced_scanning: enhanced,
            };
            (account.id.clone(), registry)
        });
        Ok(State {
            registries: registries.collect(),
            logins: HashMap::new(),
            downloads: HashMap::new(),
            disk: Disk::new()?,
            canary: canary.map(str::to_owned),
        })
    }
}

fn repository(spec: &spec::Repository, enhanced: bool, now: Time) -> Repository {
    Repository {
        name: spec.name.clone(),
        created_at: now,
        mutability: Mutability::of(if spec.immutable_tags { "IMMUTABLE" } else { "MUTABLE" }),
        scan_on_push: spec.scan_on_push,
        scans: Scans {
            enhanced,
            findings: spec.scan_findings.clone(),
            of_tags: spec.scan_findings_of.clone(),
            seconds: spec.scan_seconds,
            end_as: spec.scan_ends_as.clone(),
        },
        policy: spec.policy.as_ref().map(Value::to_string),
        encryption: json!({"encryptionType": "AES256"}),
        ..Repository::default()
    }
}

/// The ARN of a repository.
pub(crate) fn repository_arn(region: &str, account: &str, name: &str) -> String {
    format!("arn:aws:ecr:{region}:{account}:repository/{name}")
}

/// `repositories` of the snapshot: by account, the tags with their digests, how many images, and what
/// is set.
pub(crate) fn snapshot(world: &WorldState) -> Value {
    let tags = |r: &Repository| {
        r.tags.iter().map(|(tag, digest)| (tag.clone(), json!(digest.as_str()))).collect::<Value>()
    };
    let document =
        |text: &Option<String>| text.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let repositories = |registry: &Registry| {
        registry
            .repositories
            .values()
            .map(|r| {
                let told = json!({
                    "tags": tags(r),
                    "images": r.images.len(),
                    "tag_mutability": r.mutability.setting,
                    "scan_on_push": r.scan_on_push,
                    "encryption": r.encryption,
                    "policy": document(&r.policy),
                    "lifecycle_policy": document(&r.lifecycle_policy),
                });
                (r.name.clone(), told)
            })
            .collect::<Value>()
    };
    let registries = world.ecr.registries.iter();
    let all: Value =
        registries.map(|(account, registry)| (account.clone(), repositories(registry))).collect();
    json!({"repositories": all})
}

/// Removes the folder of the layers.
pub(crate) fn clean_up(world: &WorldState) {
    world.ecr.disk.remove();
}

/// The registries' sockets, one for each account, bound before the world exists.
pub(crate) struct Registries {
    sockets: Vec<(String, TcpListener)>,
}

impl Registries {
    pub(crate) async fn bind(spec: &WorldSpec) -> anyhow::Result<Registries> {
        let mut sockets = Vec::new();
        for account in &spec.accounts {
            sockets.push((account.id.clone(), TcpListener::bind(("127.0.0.1", 0)).await?));
        }
        Ok(Registries { sockets })
    }

    pub(crate) fn hosts(&self) -> BTreeMap<String, String> {
        self.sockets
            .iter()
            .filter_map(|(account, socket)| Some((account.clone(), socket.local_addr().ok()?.to_string())))
            .collect()
    }

    pub(crate) fn serve(self, world: &Arc<World>) {
        for (account, socket) in self.sockets {
            crate::serve::serve(world, socket, move |world, request| {
                registry::answer(world, account.clone(), request)
            });
        }
    }
}
