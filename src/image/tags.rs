//! An image's tags and labels: the commit's first.

use super::words::{self, Words};
use crate::{git::Checkout, request::Build, surroundings::Variables};
use std::collections::BTreeMap;

/// A word that stands for nothing in this run.
#[derive(Debug, PartialEq, Eq)]
pub struct NoWord {
    pub word: String,
    pub text: String,
}

/// What the words in braces stand for.
pub fn words(checkout: &Checkout, environment: &str, variables: &Variables) -> Words {
    Words {
        commit: checkout.commit.as_ref().map(|commit| marked(commit, checkout)),
        branch: checkout.branch.clone(),
        run_number: variables.get("GITHUB_RUN_NUMBER").map(str::to_owned),
        environment: environment.to_owned(),
    }
}

/// The commit's own tag; `None` outside of version control.
pub fn of_commit(checkout: &Checkout) -> Option<String> {
    checkout.commit.as_ref().map(|commit| marked(commit, checkout))
}

fn marked(commit: &str, checkout: &Checkout) -> String {
    if checkout.dirty { format!("{commit}-dirty") } else { commit.to_owned() }
}

/// What the user adds, with what a tag can't have replaced.
pub fn of_user(build: &Build, words: &Words) -> Result<Vec<String>, NoWord> {
    let safe = Words {
        branch: words.branch.as_deref().map(words::tag_safe),
        environment: words::tag_safe(&words.environment),
        ..words.clone()
    };
    build.tags.iter().map(|tag| expand(&safe, tag)).collect()
}

pub fn build_args(build: &Build, words: &Words) -> Result<BTreeMap<String, String>, NoWord> {
    build.build_args.iter().map(|(name, value)| Ok((name.clone(), expand(words, value)?))).collect()
}

fn expand(words: &Words, text: &str) -> Result<String, NoWord> {
    words.expand(text).map_err(|word| NoWord { word, text: text.to_owned() })
}

/// Where the image comes from, as registries and scanners read it.
pub fn labels(checkout: &Checkout, variables: &Variables) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    if let Some(commit) = of_commit(checkout) {
        labels.insert("org.opencontainers.image.revision".to_owned(), commit);
    }
    if let (Some(server), Some(repository)) =
        (variables.get("GITHUB_SERVER_URL"), variables.get("GITHUB_REPOSITORY"))
    {
        labels.insert("org.opencontainers.image.source".to_owned(), format!("{server}/{repository}"));
    }
    labels
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn checkout(dirty: bool) -> Checkout {
        Checkout { commit: Some("0123456789abcdef".into()), branch: Some("feature/x".into()), dirty }
    }

    fn variables() -> Variables {
        let pairs = [
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "acme/hello"),
            ("GITHUB_RUN_NUMBER", "7"),
        ];
        Variables::of(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    #[test]
    fn the_commit_and_what_the_user_adds() {
        let build = Build {
            tags: vec!["{branch}-{run-number}".into(), "{short-commit}".into()],
            build_args: [("BRANCH".into(), "{branch}".into())].into(),
            ..Build::default()
        };
        let words = words(&checkout(false), "production", &variables());
        assert_eq!(of_commit(&checkout(false)).unwrap(), "0123456789abcdef");
        assert_eq!(of_commit(&checkout(true)).unwrap(), "0123456789abcdef-dirty");
        assert_eq!(of_user(&build, &words).unwrap(), ["feature-x-7", "0123456"]);
        assert_eq!(build_args(&build, &words).unwrap()["BRANCH"], "feature/x");
        let nowhere = Words { environment: "production".into(), ..Words::default() };
        let missing = NoWord { word: "branch".into(), text: "{branch}-{run-number}".into() };
        assert_eq!(of_user(&build, &nowhere).unwrap_err(), missing);
    }

    #[test]
    fn labels_say_where_it_comes_from() {
        let labels = labels(&checkout(true), &variables());
        assert_eq!(labels["org.opencontainers.image.revision"], "0123456789abcdef-dirty");
        assert_eq!(labels["org.opencontainers.image.source"], "https://github.com/acme/hello");
    }
}
