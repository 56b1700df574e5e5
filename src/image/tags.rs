//! An image's tags and labels: the commit's first.

use super::words::{self, Words};
use crate::{
    git::Checkout,
    job::{Job, PullRequest},
    request::Build,
    say,
    surroundings::Variables,
};
use std::collections::BTreeMap;

/// As registries have it.
const LONGEST: usize = 128;

/// A word that stands for nothing in this run.
#[derive(Debug, PartialEq, Eq)]
pub struct NoWord {
    pub word: String,
    pub text: String,
}

/// What the words in braces stand for.
pub fn words(checkout: &Checkout, environment: &str, variables: &Variables) -> Words {
    let of_tag = variables.get("GITHUB_REF_TYPE") == Some("tag");
    let pull_request = match Job::of(variables).map(|job| job.pull_request) {
        Some(PullRequest::Known(number) | PullRequest::HeadOf(number)) => Some(number),
        _ => None,
    };
    Words {
        commit: checkout.commit.as_ref().map(|commit| marked(commit, checkout)),
        branch: checkout.branch.clone(),
        tag: variables.get("GITHUB_REF_NAME").filter(|_| of_tag).map(str::to_owned),
        pull_request,
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

/// What the user adds, with what a tag can't have replaced; what is for other runs is noted.
pub fn of_user(build: &Build, words: &Words, notes: &mut Vec<String>) -> Result<Vec<String>, NoWord> {
    let mut tags = Vec::new();
    for text in &build.tags {
        let Some(tag) = for_this_run(words.expand_in_tag(text), "tag", text, notes)? else { continue };
        let tag = as_tag(&tag);
        if !tag.is_empty() && !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

/// What a branch's name may bring along: too much of it, a beginning that no tag has.
fn as_tag(text: &str) -> String {
    text.trim_start_matches(['.', '-']).chars().take(LONGEST).collect()
}

pub fn build_args(build: &Build, words: &Words) -> Result<BTreeMap<String, String>, NoWord> {
    let expanded = build.build_args.iter().map(|(name, text)| match words.expand(text) {
        Ok(value) => Ok((name.clone(), value)),
        Err(word) => Err(NoWord { word, text: text.clone() }),
    });
    expanded.collect()
}

/// A text with its words replaced; `None`, and a note, when it is for runs of another kind.
pub fn for_this_run(
    expanded: Result<String, String>,
    what: &str,
    text: &str,
    notes: &mut Vec<String>,
) -> Result<Option<String>, NoWord> {
    match expanded {
        Ok(expanded) => Ok(Some(expanded)),
        Err(word) if words::is_of_some_runs(&word) => {
            notes.push(say::build::left_out(what, text, &word));
            Ok(None)
        }
        Err(word) => Err(NoWord { word, text: text.to_owned() }),
    }
}

/// Where the image comes from, as registries and scanners read it, and what the user adds. The same
/// commit has the same labels: `created` is its own time, or the same build again would be another
/// image.
pub fn labels(
    build: &Build,
    checkout: &Checkout,
    words: &Words,
    variables: &Variables,
    notes: &mut Vec<String>,
) -> Result<BTreeMap<String, String>, NoWord> {
    let mut labels = BTreeMap::new();
    let mut label = |name: &str, value: Option<String>| {
        labels.extend(value.map(|value| (format!("org.opencontainers.image.{name}"), value)));
    };
    label("revision", of_commit(checkout));
    let place = (variables.get("GITHUB_SERVER_URL"), variables.get("GITHUB_REPOSITORY"));
    if let (Some(server), Some(repository)) = place {
        label("source", Some(format!("{server}/{repository}")));
    }
    label("created", checkout.committed.clone().filter(|_| !checkout.dirty));
    label("version", words.version().map(|version| version.full.to_owned()).or_else(|| words.tag.clone()));
    for (name, text) in &build.labels {
        if let Some(value) = for_this_run(words.expand(text), "label", text, notes)? {
            labels.insert(name.clone(), value);
        }
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn checkout(dirty: bool) -> Checkout {
        let committed = Some("2026-11-21T06:00:00+00:00".to_owned());
        Checkout {
            commit: Some("0123456789abcdef".into()),
            branch: Some("feature/x".into()),
            dirty,
            committed,
        }
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
        let mut notes = Vec::new();
        assert_eq!(of_user(&build, &words, &mut notes).unwrap(), ["feature-x-7", "0123456"]);
        assert_eq!(build_args(&build, &words).unwrap()["BRANCH"], "feature/x");
        assert_eq!(notes, [""; 0]);
    }

    #[test]
    fn what_is_for_other_runs_is_left_out_and_what_is_for_none_is_told() {
        let of = |tags: &[&str]| Build {
            tags: tags.iter().map(|tag| (*tag).into()).collect(),
            ..Build::default()
        };
        let nowhere = Words { environment: "production".into(), ..Words::default() };
        let mut notes = Vec::new();
        let build = of(&["{branch}", "{version}", "pr-{pull-request}", "{environment}"]);
        assert_eq!(of_user(&build, &nowhere, &mut notes).unwrap(), ["production"]);
        insta::assert_snapshot!(notes.join("\n"), @"
        The tag `{branch}` is left out: no branch is checked out.
        The tag `{version}` is left out: the run isn't for a tag such as `v1.2.3`.
        The tag `pr-{pull-request}` is left out: the run isn't for a pull request.
        ");
        let missing = NoWord { word: "run-number".into(), text: "b{run-number}".into() };
        assert_eq!(of_user(&of(&["b{run-number}"]), &nowhere, &mut notes).unwrap_err(), missing);
        let build = Build { build_args: [("B".into(), "{branch}".into())].into(), ..Build::default() };
        assert_eq!(build_args(&build, &nowhere).unwrap_err().word, "branch");
    }

    #[test]
    fn a_release_has_the_tags_of_its_version() {
        let job = [("GITHUB_REF_TYPE", "tag"), ("GITHUB_REF_NAME", "app/v1.2.3")];
        let variables = variables().with(job.map(|(n, v)| (n.to_owned(), v.to_owned())));
        let words = words(&Checkout { branch: None, ..checkout(false) }, "production", &variables);
        let tags = ["{version}", "{major}.{minor}", "{major}", "{tag}", "{ref}", "{branch}"];
        let build = Build { tags: tags.map(str::to_owned).into(), ..Build::default() };
        let tags = of_user(&build, &words, &mut Vec::new()).unwrap();
        assert_eq!(tags, ["1.2.3", "1.2", "1", "app-v1.2.3"]);
    }

    #[test]
    fn a_branch_of_any_name_makes_a_tag() {
        let of = |branch: &str| {
            let words = Words { branch: Some(branch.into()), ..Words::default() };
            let build = Build { tags: vec!["{branch}".into()], ..Build::default() };
            of_user(&build, &words, &mut Vec::new()).unwrap().concat()
        };
        assert_eq!(of("x/ü"), "x--");
        assert_eq!(of("-x"), "x");
        assert_eq!(of(&"y".repeat(200)).len(), 128);
        assert_eq!(of("..."), "");
    }

    #[test]
    fn labels_say_where_it_comes_from() {
        let of = |dirty: bool, own: &[(&str, &str)]| {
            let own = own.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
            let build = Build { labels: own.collect(), ..Build::default() };
            let words = words(&checkout(dirty), "production", &variables());
            labels(&build, &checkout(dirty), &words, &variables(), &mut Vec::new()).unwrap()
        };
        let said = of(true, &[]);
        assert_eq!(said["org.opencontainers.image.revision"], "0123456789abcdef-dirty");
        assert_eq!(said["org.opencontainers.image.source"], "https://github.com/acme/hello");
        assert_eq!(said.len(), 2);
        let own =
            [("org.opencontainers.image.source", "here"), ("branch", "{branch}"), ("version", "{version}")];
        let said = of(false, &own);
        assert_eq!(said["org.opencontainers.image.created"], "2026-11-21T06:00:00+00:00");
        assert_eq!(said["org.opencontainers.image.source"], "here");
        assert_eq!(said["branch"], "feature/x");
        assert!(!said.contains_key("version"), "{said:?}");
    }
}
