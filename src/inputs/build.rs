//! How the image is built, from the file's types to the request's: secrets are read, and what isn't
//! there is told before anything is asked for.

use super::{
    Purpose,
    assemble::Assembly,
    source::{Source, Subject},
};
use crate::{
    cli::boolean,
    config::{facts, file, yaml::Path},
    image::{
        attributes::{self, Attribute},
        reference::Reference,
        words,
    },
    outcome::Finding,
    request::{BuildSecret, Builder, Driver, OwnBuilder, SecretSource},
    say::build as say,
    secret::Secret,
};
use std::{collections::BTreeMap, fs, path::PathBuf};

/// The input whose lines are secrets themselves: never a flag, for a command line can be seen, and
/// never among the arguments that are kept for the post step.
pub const SECRETS: &str = "secrets";
const SECRETS_INPUT: &str = "INPUT_SECRETS";
/// As BuildKit has it.
const LARGEST_SECRET: usize = 500 * 1024;
/// Attributes of caches that are secrets: buildx finds them in its environment as well.
const SECRET_ATTRIBUTES: [&str; 4] = ["secret_access_key", "session_token", "token", "ghtoken"];
/// Options of the `remote` driver that name files.
const CERTIFICATES: [&str; 3] = ["cacert", "cert", "key"];

impl Assembly<'_> {
    pub(super) fn build_secrets(
        &mut self,
        secrets: &BTreeMap<String, file::BuildSecret>,
        section: &Path,
    ) -> Vec<BuildSecret> {
        let mut found = Vec::new();
        for (id, secret) in secrets {
            let path = section.key(id);
            if !is_id(id) {
                self.add(|subject| say::not_an_id(id, subject), &path);
                continue;
            }
            let (from, value) = match secret {
                file::BuildSecret::Env(name) => {
                    let value = self.variables.get(name).map(str::to_owned);
                    if value.is_none() {
                        self.missing(|subject| say::no_variable(id, name, subject), &path);
                    }
                    (SecretSource::Env(name.clone()), value)
                }
                file::BuildSecret::File(name) => {
                    let file = self.path(name);
                    let value = fs::read(&file);
                    let shown = self.source.shown(&file);
                    match &value {
                        Err(error) => {
                            self.missing(|subject| say::no_secret_file(id, &shown, error, subject), &path);
                        }
                        Ok(bytes) if bytes.is_empty() => {
                            self.add(|subject| say::empty_secret(id, &shown, subject), &path);
                        }
                        Ok(bytes) if bytes.len() > LARGEST_SECRET => {
                            self.add(|subject| say::large_secret(id, &shown, subject), &path);
                        }
                        Ok(_) => {}
                    }
                    let text = value.ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                    (SecretSource::File(file), text)
                }
            };
            found.extend(value.map(|value| BuildSecret { id: id.clone(), from, value: Secret::new(value) }));
        }
        found.extend(self.secrets_of_input(secrets));
        found
    }

    fn secrets_of_input(&mut self, others: &BTreeMap<String, file::BuildSecret>) -> Vec<BuildSecret> {
        let Some(text) = self.variables.get(SECRETS_INPUT) else { return Vec::new() };
        let mut found: Vec<BuildSecret> = Vec::new();
        for (at, pair) in pairs(text).into_iter().enumerate() {
            match pair {
                Some((id, value)) if is_id(&id) && value.is_empty() => self.tell(say::blank_secret(&id)),
                Some((id, _)) if others.contains_key(&id) || found.iter().any(|known| known.id == id) => {
                    self.tell(say::secret_twice(&id));
                }
                Some((id, value)) if is_id(&id) => {
                    found.push(BuildSecret { id, from: SecretSource::Input, value: Secret::new(value) })
                }
                // What the line holds may well be a secret.
                _ => self.tell(say::not_a_secret(at + 1)),
            }
        }
        found
    }

    /// Paths are made to start at the file's folder.
    pub(super) fn ssh(&mut self, keys: &[String], section: &Path) -> Vec<String> {
        let base = self.base(section);
        let mut found = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            let path = section.index(at);
            let (id, files) = key.split_once('=').unwrap_or((key, ""));
            if !is_id(id) {
                self.add(|subject| say::not_ssh(key, subject), &path);
                continue;
            }
            let files: Vec<PathBuf> =
                files.split(',').filter(|file| !file.is_empty()).map(|file| base.join(file)).collect();
            if let Some(missing) = files.iter().find(|file| !file.exists()) {
                let missing = self.source.shown(missing);
                self.missing(|subject| say::no_key(&missing, subject), &path);
            }
            if files.is_empty() {
                // What buildx takes then is the agent's socket.
                match self.variables.get("SSH_AUTH_SOCK") {
                    None => self.missing(|subject| say::no_agent(None, subject), &path),
                    Some(socket) if !std::path::Path::new(socket).exists() => {
                        let socket = socket.to_owned();
                        self.missing(|subject| say::no_agent(Some(&socket), subject), &path);
                    }
                    Some(_) => {}
                }
                found.push(id.to_owned());
            } else {
                let files: Vec<_> = files.iter().map(|file| file.to_string_lossy()).collect();
                found.push(format!("{id}={}", files.join(",")));
            }
        }
        found
    }

    pub(super) fn caches(&mut self, caches: &[String], section: &Path) {
        for (at, cache) in caches.iter().enumerate() {
            let path = section.index(at);
            let attributes = attributes::read(cache).filter(|attributes| is_cache(attributes));
            let Some(attributes) = attributes else {
                self.add(|subject| say::not_a_cache(cache, subject), &path);
                continue;
            };
            self.words(cache, &path);
            let secret = attributes.iter().find(|(name, _)| SECRET_ATTRIBUTES.contains(&name.as_str()));
            if let Some((name, _)) = secret {
                self.add(|subject| say::secret_in_cache(name, subject), &path);
            }
        }
    }

    /// Whether it is a yes or a no, or what buildx takes beside those.
    pub(super) fn attestation(&mut self, value: Option<String>, path: &Path) -> Option<String> {
        let value = value?;
        if let Ok(value) = boolean(&value) {
            return Some(value.to_string());
        }
        let sound = attributes::read(&value).is_some_and(|all| all.iter().all(|(_, value)| value.is_some()));
        if !sound {
            self.add(|subject| say::not_an_attestation(&value, subject), path);
        }
        Some(value)
    }

    /// Folders are made to start at the file's folder.
    pub(super) fn contexts(
        &mut self,
        contexts: BTreeMap<String, String>,
        section: &Path,
    ) -> BTreeMap<String, String> {
        let base = self.base(section);
        let mut found = BTreeMap::new();
        for (name, context) in contexts {
            let elsewhere = context.contains("://") || context.starts_with("target:") || is_git(&context);
            let context = if elsewhere {
                context
            } else {
                let folder = base.join(&context);
                if !folder.exists() {
                    let shown = self.source.shown(&folder);
                    self.add(|subject| say::no_build_context(&name, &shown, subject), &section.key(&name));
                }
                folder.to_string_lossy().into_owned()
            };
            found.insert(name, context);
        }
        found
    }

    pub(super) fn builder(&mut self, builder: Option<file::Builder>, section: &Path) -> Option<Builder> {
        let own = match builder? {
            file::Builder::Named(name) => {
                if !is_builder(&name) {
                    self.add(|subject| say::not_a_builder(&name, subject), section);
                }
                return Some(Builder::Named(name));
            }
            file::Builder::Own(own) => own,
        };
        if own.driver == Driver::Remote && own.endpoint.is_none() {
            self.add(say::no_endpoint, section);
        }
        if own.driver == Driver::Remote && (own.buildkitd_config.is_some() || own.buildkitd_flags.is_some()) {
            let key = if own.buildkitd_config.is_some() { "buildkitd-config" } else { "buildkitd-flags" };
            self.add(|subject| say::remote_is_configured(key, subject), &section.key(key));
        }
        let mut driver_opts = own.driver_opts;
        for (name, value) in &mut driver_opts {
            if own.driver == Driver::Remote && CERTIFICATES.contains(&name.as_str()) {
                let file = self.path(value);
                if !file.is_file() {
                    let shown = self.source.shown(&file);
                    let path = section.key("driver-opts").key(name);
                    self.add(|subject| crate::say::inputs::no_file(name, &shown, subject), &path);
                }
                *value = file.to_string_lossy().into_owned();
            }
        }
        let buildkitd_config =
            own.buildkitd_config.as_deref().map(|path| self.file(path, section, "buildkitd-config"));
        Some(Builder::Own(OwnBuilder {
            driver: own.driver,
            endpoint: own.endpoint,
            driver_opts,
            buildkitd_config,
            buildkitd_flags: own.buildkitd_flags,
        }))
    }

    /// A secret that isn't there, or a key: only those who ship need it.
    fn missing(&mut self, finding: impl FnOnce(&Subject) -> Finding, path: &Path) {
        if self.purpose == Purpose::Ship {
            self.add(finding, path);
        }
    }

    /// A flag's paths start where the command was typed, not at the file's folder.
    fn base(&self, section: &Path) -> PathBuf {
        let Source { folder, working_directory, given, .. } = self.source;
        if given.contains_key(section) { working_directory.clone() } else { folder.clone() }
    }

    /// Braces may well be the value's own: only what looks mistyped is told.
    pub(super) fn words(&mut self, text: &str, path: &Path) {
        for word in words::unknown(text).filter(|word| facts::nearest(word, words::KNOWN).is_some()) {
            self.add(|subject| crate::say::inputs::unknown_word(word, &words::KNOWN, subject), path);
        }
    }
}

/// Of a secret or an SSH key: it stands in a list that commas divide.
fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// As buildx has it; a name is never taken for a flag.
fn is_builder(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && is_id(text)
}

fn is_git(context: &str) -> bool {
    context.starts_with("git@") || context.ends_with(".git")
}

/// `ID=VALUE`, one a line. One of several lines stands in quotes, with its own quotes doubled.
/// `None` is no such pair.
fn pairs(text: &str) -> Vec<Option<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let quoted = rest.strip_prefix('"').and_then(attributes::quoted_field);
        let (entry, after) = match quoted {
            Some((entry, after)) => (entry, after.split_once('\n').map_or("", |(_, after)| after)),
            None => {
                let (entry, after) = rest.split_once('\n').unwrap_or((rest, ""));
                (entry.to_owned(), after)
            }
        };
        let pair = entry.trim().split_once('=');
        pairs.push(pair.map(|(id, value)| (id.trim().to_owned(), value.trim().to_owned())));
        rest = after.trim_start();
    }
    pairs
}

/// A word alone is a short form, or the reference of a cache in a registry.
fn is_cache(attributes: &[Attribute]) -> bool {
    let [(alone, None)] = attributes else { return true };
    // A word that nobody knows is told as one.
    words::Words::any().expand_in_tag(alone).map_or(true, |text| Reference::parse(&text).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stand_one_a_line_or_in_quotes() {
        let pair = |id: &str, value: &str| Some((id.to_owned(), value.to_owned()));
        let text = "\nnpm=abc=\n\n  \"key=-----BEGIN\nsay \"\"x\"\"\n-----END\"\nlast = y\nlone\n";
        let all =
            [pair("npm", "abc="), pair("key", "-----BEGIN\nsay \"x\"\n-----END"), pair("last", "y"), None];
        assert_eq!(pairs(text), all);
        assert_eq!(pairs("  \n"), []);
        assert_eq!(pairs("\"open=x\ny=z"), [pair("\"open", "x"), pair("y", "z")]);
    }
}
