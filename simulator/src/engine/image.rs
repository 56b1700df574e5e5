//! References of images, and why a registry doesn't give one.

use crate::ecs::{PullError, PullErrorKind};

/// An image's reference: `HOST/repository@digest` or `HOST/repository:tag`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    pub(super) host: &'a str,
    pub(super) repository: &'a str,
    /// The tag or the digest; `latest` when neither is given.
    pub(super) version: &'a str,
}

impl<'a> Reference<'a> {
    /// `None` when it doesn't name a host.
    pub(super) fn parse(image: &'a str) -> Option<Reference<'a>> {
        let (host, rest) = image.split_once('/')?;
        if !host.contains(['.', ':']) && host != "localhost" {
            return None;
        }
        let (repository, version) = match rest.split_once('@') {
            // A digest decides, whatever tag stands before it.
            Some((name, digest)) => (name.split_once(':').map_or(name, |(name, _)| name), digest),
            None => rest.rsplit_once(':').unwrap_or((rest, "latest")),
        };
        Some(Reference { host, repository, version })
    }

    /// The last part of the repository's name.
    pub(super) fn name(&self) -> &'a str {
        self.repository.rsplit('/').next().unwrap_or(self.repository)
    }
}

/// Tells by an engine's message why a pull failed.
pub(super) fn pull_error(message: String, platform: Option<&str>) -> PullError {
    let text = message.to_ascii_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    let kind = if says(&["no matching manifest", "does not match the specified platform"]) {
        PullErrorKind::Platform(platform.unwrap_or("linux/amd64").to_owned())
    } else if says(&["denied", "unauthorized", "no basic auth", "forbidden"]) {
        PullErrorKind::Denied
    } else if says(&["not found", "manifest unknown", "name unknown"]) {
        PullErrorKind::NotFound
    } else {
        PullErrorKind::Other
    };
    PullError { kind, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_name_host_repository_and_version() {
        let parse = |image| Reference::parse(image).map(|r| (r.host, r.repository, r.version));
        assert_eq!(parse("127.0.0.1:5000/a/b:1"), Some(("127.0.0.1:5000", "a/b", "1")));
        assert_eq!(parse("127.0.0.1:5000/a@sha256:00"), Some(("127.0.0.1:5000", "a", "sha256:00")));
        assert_eq!(parse("127.0.0.1:5000/a:1@sha256:00"), Some(("127.0.0.1:5000", "a", "sha256:00")));
        assert_eq!(parse("127.0.0.1:5000/a"), Some(("127.0.0.1:5000", "a", "latest")));
        assert_eq!(parse("library/nginx:1"), None);
        assert_eq!(parse("nginx"), None);
    }

    #[test]
    fn the_engines_words_tell_denied_from_missing() {
        let kind = |message: &str| pull_error(message.to_owned(), None).kind;
        assert_eq!(
            kind(
                "pull access denied for a, repository does not exist or may require 'docker login': denied: no"
            ),
            PullErrorKind::Denied
        );
        assert_eq!(kind("manifest for a:1 not found: manifest unknown: x"), PullErrorKind::NotFound);
        assert_eq!(
            kind("no matching manifest for linux/amd64 in the manifest list entries"),
            PullErrorKind::Platform("linux/amd64".into())
        );
        assert_eq!(kind("connection refused"), PullErrorKind::Other);
    }
}
