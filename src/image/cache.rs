//! Where a build's caches lie: short forms are written out, and what this run can't reach is left
//! out, for a cache is never worth a release.

use super::{
    attributes::{self, Attribute},
    ecr::Repository,
    reference::Reference,
    tags::{self, NoWord},
    words::Words,
};
use crate::{outcome::Finding, request::Build, say::build as say, surroundings::Variables};

/// The tag of the image's own repository that holds the cache.
const TAG: &str = "cache";

/// What GitHub gives an action for its cache.
const TOKEN: &str = "ACTIONS_RUNTIME_TOKEN";
const RESULTS: &str = "ACTIONS_RESULTS_URL";
const LEGACY: &str = "ACTIONS_CACHE_URL";
const MODE: &str = "ACTIONS_CACHE_MODE";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    From,
    To,
}

/// A build's caches as buildx takes them.
pub fn settle(
    build: &Build,
    words: &Words,
    repository: &Repository,
    variables: &Variables,
    notes: &mut Vec<String>,
) -> Result<(Vec<String>, Vec<String>), NoWord> {
    let mut all = |texts: &[String], way: Way, what: &str| {
        let mut caches = Vec::new();
        for text in texts {
            let Some(text) = tags::for_this_run(words.expand_in_tag(text), what, text, notes)? else {
                continue;
            };
            match written_out(&text, way, &repository.uri, variables) {
                Ok(cache) => caches.push(cache),
                Err(note) => notes.push(note),
            }
        }
        Ok(caches)
    };
    Ok((
        all(&build.cache_from, Way::From, "cache to read")?,
        all(&build.cache_to, Way::To, "cache to write")?,
    ))
}

/// Caches to write, under tags that can't be moved: written once, they would be refused ever after.
pub fn fixed(caches: &[String], repository: &Repository) -> Vec<Finding> {
    let fixed = |cache: &String| {
        let attributes = attributes::read(cache)?;
        let text = value(&attributes, "ref")?;
        let reference = Reference::parse(text)?;
        let tag = reference.tag.as_deref().unwrap_or("latest");
        let ours = reference.repository() == repository.uri;
        let immutable = repository.tags.as_ref().is_some_and(|tags| tags.are_immutable(tag));
        (ours && immutable).then(|| say::cache_tag_fixed(text, &repository.name))
    };
    caches.iter().filter_map(fixed).collect()
}

/// Whether the engine itself can write it: into the image alone.
pub fn is_inline(cache: &str) -> bool {
    attributes::read(cache).is_some_and(|attributes| value(&attributes, "type") == Some("inline"))
}

/// `Err` is a note on why it is left out.
fn written_out(text: &str, way: Way, uri: &str, variables: &Variables) -> Result<String, String> {
    let Some(mut attributes) = attributes::read(text) else { return Ok(text.to_owned()) };
    let short = match attributes.first_mut() {
        Some((name, value @ None)) if matches!(name.as_str(), "gha" | "registry" | "inline") => {
            *value = Some(std::mem::replace(name, "type".to_owned()));
            true
        }
        _ => false,
    };
    if let [(reference, None)] = attributes.as_slice() {
        attributes = vec![("type".into(), Some("registry".into())), ("ref".into(), Some(reference.clone()))];
    }
    match value(&attributes, "type") {
        Some("gha") => {
            reachable(text, way, variables)?;
            // The first version's service is shut down; on an Enterprise Server it may be all there is.
            if variables.get(RESULTS).is_some() {
                usually(&mut attributes, "version", "2");
            }
            if short && way == Way::To {
                usually(&mut attributes, "mode", "max");
                usually(&mut attributes, "ignore-error", "true");
            }
        }
        Some("registry") => {
            if short {
                usually(&mut attributes, "ref", &format!("{uri}:{TAG}"));
            }
            if way == Way::To {
                if short {
                    usually(&mut attributes, "mode", "max");
                    usually(&mut attributes, "ignore-error", "true");
                }
                // ECR takes a cache only when it looks like an image.
                if value(&attributes, "ref").is_some_and(|reference| is_ecr(reference, uri)) {
                    usually(&mut attributes, "image-manifest", "true");
                    usually(&mut attributes, "oci-mediatypes", "true");
                }
            }
        }
        _ => {}
    }
    Ok(attributes::write(&attributes))
}

fn is_ecr(reference: &str, uri: &str) -> bool {
    Reference::parse(reference).is_some_and(|reference| {
        let of_ours = Reference::parse(uri).is_some_and(|ours| ours.host == reference.host);
        of_ours || reference.ecr_host().is_some()
    })
}

fn reachable(text: &str, way: Way, variables: &Variables) -> Result<(), String> {
    let missing = match (variables.get(TOKEN), variables.get(RESULTS).or_else(|| variables.get(LEGACY))) {
        (None, _) => Some(TOKEN),
        (_, None) => Some(RESULTS),
        _ => None,
    };
    if let Some(missing) = missing {
        return Err(say::cache_without_job(text, missing));
    }
    match (variables.get(MODE), way) {
        (Some(mode @ ("none" | "read")), Way::To) | (Some(mode @ ("none" | "write-only")), Way::From) => {
            Err(say::cache_not_allowed(text, mode))
        }
        _ => Ok(()),
    }
}

fn value<'a>(attributes: &'a [Attribute], wanted: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|(name, _)| name == wanted)?;
    found.1.as_deref()
}

/// What the user says goes.
fn usually(attributes: &mut Vec<Attribute>, name: &str, usual: &str) {
    if !attributes.iter().any(|(known, _)| known == name) {
        attributes.push((name.to_owned(), Some(usual.to_owned())));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const URI: &str = "111111111111.dkr.ecr.eu-central-1.amazonaws.com/hello";

    fn job(more: &[(&str, &str)]) -> Variables {
        let of_job = [(TOKEN, "secret"), (RESULTS, "https://results.example/")];
        Variables::of(of_job.iter().chain(more).map(|(n, v)| ((*n).to_owned(), (*v).to_owned())))
    }

    fn from(text: &str) -> String {
        written_out(text, Way::From, URI, &job(&[])).unwrap()
    }

    fn to(text: &str) -> String {
        written_out(text, Way::To, URI, &job(&[])).unwrap()
    }

    #[test]
    fn short_forms_are_written_out() {
        assert_eq!(from("gha"), "type=gha,version=2");
        assert_eq!(to("gha"), "type=gha,version=2,mode=max,ignore-error=true");
        assert_eq!(to("gha,scope=a,mode=min"), "type=gha,scope=a,mode=min,version=2,ignore-error=true");
        assert_eq!(from("registry"), format!("type=registry,ref={URI}:cache"));
        let registry = "mode=max,ignore-error=true,image-manifest=true,oci-mediatypes=true";
        assert_eq!(to("registry"), format!("type=registry,ref={URI}:cache,{registry}"));
        assert_eq!(to("inline"), "type=inline");
    }

    #[test]
    fn long_forms_get_what_they_would_fail_without() {
        assert_eq!(to("type=gha,mode=max"), "type=gha,mode=max,version=2");
        assert_eq!(to("type=gha,version=1"), "type=gha,version=1");
        let ecr = "222222222222.dkr.ecr.us-east-1.amazonaws.com/cache:main";
        let manifest = "image-manifest=true,oci-mediatypes=true";
        assert_eq!(to(&format!("type=registry,ref={ecr}")), format!("type=registry,ref={ecr},{manifest}"));
        assert_eq!(to(ecr), format!("type=registry,ref={ecr},{manifest}"));
        assert_eq!(from(ecr), format!("type=registry,ref={ecr}"));
        assert_eq!(to("type=registry,ref=ghcr.io/a/b:c"), "type=registry,ref=ghcr.io/a/b:c");
        for as_it_is in
            ["type=local,dest=/a", "type=s3,region=x,bucket=y", r#"type=local,"dest=/a,b""#, "a/b,c/d"]
        {
            assert_eq!(to(as_it_is), as_it_is);
        }
    }

    #[test]
    fn github_s_cache_is_left_out_where_it_cannot_be_had() {
        let why = |way: Way, variables: &Variables| written_out("gha", way, URI, variables).unwrap_err();
        insta::assert_snapshot!(why(Way::To, &Variables::default()), @"The cache `gha` is left out: ACTIONS_RUNTIME_TOKEN isn't set. GitHub gives it to actions, neither to `run:` steps nor to a laptop.");
        let legacy = [(TOKEN, "x"), (LEGACY, "https://ghe.example/")];
        let legacy = Variables::of(legacy.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(written_out("gha", Way::From, URI, &legacy).unwrap(), "type=gha");
        insta::assert_snapshot!(why(Way::To, &job(&[(MODE, "read")])), @"The cache `gha` is left out: for this job GitHub's cache is `read` (ACTIONS_CACHE_MODE).");
        assert!(written_out("gha", Way::From, URI, &job(&[(MODE, "read")])).is_ok());
        assert!(written_out("gha", Way::From, URI, &job(&[(MODE, "write-only")])).is_err());
        assert!(written_out("gha", Way::To, URI, &job(&[(MODE, "write")])).is_ok());
    }

    #[test]
    fn what_the_engine_can_write_itself_is_inline() {
        assert!(is_inline("type=inline") && !is_inline("type=gha,version=2"));
    }
}
