//! A copy of the user's Docker configuration with logins added, in a private folder. All that
//! the user's has keeps working: logins and credential helpers, contexts, plugins, builders.

use super::ecr::Login;
use crate::{
    secret::{PrivateFolder, Secret},
    surroundings::Variables,
};
use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};
use std::{
    fs, io,
    io::Write,
    os::unix::fs::{OpenOptionsExt, symlink},
    path::{Path, PathBuf},
};
use tokio::process::Command;

#[derive(Debug)]
pub struct DockerConfig {
    folder: PrivateFolder,
    /// Where buildx keeps its builders.
    buildx: Option<PathBuf>,
}

/// Docker Hub's host in image names, and what its login stands under.
pub const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

pub fn is_docker_hub(host: &str) -> bool {
    matches!(host, DOCKER_HUB | "index.docker.io" | "registry-1.docker.io")
}

/// Where Docker's configuration is, whether or not there is one.
pub fn folder(variables: &Variables) -> Option<PathBuf> {
    let named = variables.get("DOCKER_CONFIG").map(PathBuf::from);
    named.or_else(|| variables.get("HOME").map(|home| Path::new(home).join(".docker")))
}

/// The configuration's `config.json`; empty when there is none.
pub fn read(folder: &Path) -> anyhow::Result<Map<String, Value>> {
    let file = folder.join("config.json");
    let text = match fs::read_to_string(&file) {
        Ok(text) if text.trim().is_empty() => return Ok(Map::new()),
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(error) => return Err(error).with_context(|| format!("can't read {}", file.display())),
    };
    // The parser's own message could quote a login.
    serde_json::from_str(&text).ok().with_context(|| format!("{} isn't valid JSON", file.display()))
}

/// The user and the password that the user's configuration itself holds for a registry.
pub fn login(variables: &Variables, host: &str) -> Option<(String, Secret)> {
    let config = read(&folder(variables)?).ok()?;
    let key = if is_docker_hub(host) { DOCKER_HUB_KEY } else { host };
    let held = BASE64_STANDARD.decode(config.get("auths")?.get(key)?.get("auth")?.as_str()?).ok()?;
    let held = String::from_utf8(held).ok()?;
    let (user, password) = held.split_once(':')?;
    Some((user.to_owned(), Secret::new(password.to_owned())))
}

impl DockerConfig {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn with(variables: &Variables, logins: &[Login]) -> anyhow::Result<DockerConfig> {
        let copy = PrivateFolder::new().context("can't make a private folder")?;
        let users = folder(variables);
        let mut config = match &users {
            Some(users) => read(users)?,
            None => Map::new(),
        };
        if let Some(users) = &users {
            link_all_but_config(users, copy.path())?;
        }
        logins.iter().for_each(|login| add_login(&mut config, login));
        write_private(&copy.path().join("config.json"), &Value::Object(config))?;
        let buildx =
            variables.get("BUILDX_CONFIG").map(PathBuf::from).or(users.map(|users| users.join("buildx")));
        // Where the user's can't be made, buildx takes the copy's.
        let buildx = buildx.filter(|folder| fs::create_dir_all(folder).is_ok());
        Ok(DockerConfig { folder: copy, buildx })
    }

    /// A file in the private folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn apply(&self, command: &mut Command) {
        command.env("DOCKER_CONFIG", self.folder.path());
        if let Some(buildx) = &self.buildx {
            command.env("BUILDX_CONFIG", buildx);
        }
    }
}

fn add_login(config: &mut Map<String, Value>, login: &Login) {
    let host = if is_docker_hub(&login.host) { DOCKER_HUB_KEY } else { login.host.as_str() };
    let mut section = |name: &str, value: Value| {
        let section = config.entry(name).or_insert(Value::Null);
        if !section.is_object() {
            *section = Value::Object(Map::new());
        }
        section[host] = value;
    };
    section("auths", json!({ "auth": login.token.expose() }));
    // No helper for this host, whatever store or helper there is: or the login above isn't read.
    section("credHelpers", "".into());
}

fn link_all_but_config(from: &Path, to: &Path) -> anyhow::Result<()> {
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("can't read {}", from.display())),
    };
    for entry in entries {
        let entry = entry.with_context(|| format!("can't read {}", from.display()))?;
        if entry.file_name() != "config.json" {
            let target = fs::canonicalize(entry.path()).unwrap_or_else(|_| entry.path());
            symlink(target, to.join(entry.file_name())).context("can't copy Docker's configuration")?;
        }
    }
    Ok(())
}

fn write_private(path: &Path, value: &Value) -> anyhow::Result<()> {
    let open = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    open.and_then(|mut file| file.write_all(value.to_string().as_bytes()))
        .with_context(|| format!("can't write {}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::secret::Secret;
    use tempfile::TempDir;

    fn login() -> Login {
        Login { host: "ecr.example".into(), token: Secret::new("dG9rZW4=") }
    }

    fn variables(docker_config: &Path) -> Variables {
        Variables::of([("DOCKER_CONFIG".to_owned(), docker_config.display().to_string())])
    }

    #[test]
    fn a_login_is_told_by_its_registry() {
        let home = TempDir::new().unwrap();
        let auths = json!({ "auths": {
            "r.example": { "auth": "dXNlcjpwYXNzOndvcmQ=" },
            DOCKER_HUB_KEY: { "auth": "aHViOnNlY3JldA==" },
            "empty.example": {},
        }});
        fs::write(home.path().join("config.json"), auths.to_string()).unwrap();
        let variables = Variables::of([("DOCKER_CONFIG".into(), home.path().display().to_string())]);
        let found =
            |host| super::login(&variables, host).map(|(user, password)| user + " " + password.expose());
        assert_eq!(found("r.example").as_deref(), Some("user pass:word"));
        assert_eq!(found("docker.io").as_deref(), Some("hub secret"));
        assert_eq!((found("empty.example"), found("other.example")), (None, None));
    }

    #[test]
    fn the_users_configuration_keeps_working() {
        let users = TempDir::new().unwrap();
        fs::create_dir_all(users.path().join("contexts/meta")).unwrap();
        let theirs = json!({
            "auths": {"ghcr.io": {"auth": "eA=="}},
            "credsStore": "desktop",
            "credHelpers": {"ecr.example": "ecr-login", "gcr.io": "gcloud"},
            "currentContext": "remote",
        });
        fs::write(users.path().join("config.json"), theirs.to_string()).unwrap();
        let config = DockerConfig::with(&variables(users.path()), &[login()]).unwrap();
        let copy = read(config.folder.path()).unwrap();
        assert_eq!(
            Value::Object(copy),
            json!({
                "auths": {"ghcr.io": {"auth": "eA=="}, "ecr.example": {"auth": "dG9rZW4="}},
                "credsStore": "desktop",
                "credHelpers": {"ecr.example": "", "gcr.io": "gcloud"},
                "currentContext": "remote",
            })
        );
        assert!(config.file("contexts").join("meta").is_dir());
        assert_eq!(config.buildx.as_deref(), Some(users.path().join("buildx").as_path()));
        let folder = config.folder.path().to_owned();
        drop(config);
        assert!(!folder.exists() && users.path().join("contexts/meta").is_dir());
    }

    #[test]
    fn without_a_configuration_there_are_just_the_logins() {
        let nowhere = TempDir::new().unwrap().path().join("nothing");
        let hub = Login { host: DOCKER_HUB.into(), token: Secret::new("aHVi") };
        let config = DockerConfig::with(&variables(&nowhere), &[login(), hub]).unwrap();
        let copy = read(config.folder.path()).unwrap();
        assert_eq!(copy["auths"]["ecr.example"]["auth"], "dG9rZW4=");
        assert_eq!(copy["auths"]["https://index.docker.io/v1/"]["auth"], "aHVi");
        fs::remove_dir_all(nowhere).unwrap();
    }

    #[test]
    fn a_broken_configuration_is_not_quoted() {
        let users = TempDir::new().unwrap();
        fs::write(users.path().join("config.json"), r#"{"auths": {"x": {"auth": s3cret}}}"#).unwrap();
        let error = DockerConfig::with(&variables(users.path()), &[login()]).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains("isn't valid JSON") && !error.contains("s3cret"), "{error}");
    }
}
