//! Whose deployment is it? The marker stands in a deployment's description and in a revision's
//! tags, so that a repeated run finds what an earlier one began.

use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fmt};

/// What CreateDeployment takes as a description.
const DESCRIPTION_LIMIT: usize = 256;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marker {
    /// `owner/name`, or empty outside of GitHub.
    pub repository: String,
    /// The full SHA; `None` outside of a git work tree.
    pub commit: Option<String>,
    /// The work tree holds what no commit does.
    pub dirty: bool,
    pub environment: String,
    /// A hash of the configuration; its first 16 digits are written.
    pub configuration: String,
    /// `<run id>.<attempt>`, or something as unique on a laptop.
    pub run: String,
}

/// ` call=` and eight digits: tells one call of CreateDeployment from all others.
const CALL: usize = 14;

/// A marker as it was read back: each field as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found(BTreeMap<&'static str, String>);

/// Each field's name and how long it may be. All together stay within the description's limit.
const FIELDS: [(&str, usize); 5] =
    [("repository", 57), ("commit", 46), ("environment", 32), ("configuration", 16), ("run", 22)];
const IDENTITY: [&str; 4] = ["repository", "commit", "environment", "configuration"];
const PREFIX: &str = "greenlight";

impl Marker {
    fn fields(&self) -> [String; 5] {
        let commit = match (&self.commit, self.dirty) {
            (Some(commit), true) => format!("{commit}-dirty"),
            (Some(commit), false) => commit.clone(),
            (None, _) => "none".to_owned(),
        };
        let configuration = self.configuration.get(..16).unwrap_or(&self.configuration);
        let values = [&self.repository, &commit, &self.environment, configuration, &self.run];
        let mut written = values.into_iter().zip(FIELDS).map(|(value, (_, limit))| field(value, limit));
        std::array::from_fn(|_| written.next().unwrap_or_default())
    }

    /// A description that no other deployment has.
    pub fn description(&self) -> String {
        format!("{self} {}", call())
    }

    /// The revision's tags.
    pub fn tags(&self) -> BTreeMap<String, String> {
        FIELDS
            .into_iter()
            .zip(self.fields())
            .map(|((name, _), value)| (format!("{PREFIX}:{name}"), value))
            .collect()
    }

    /// Whether it is this very run's work.
    pub fn is_of_run(&self, found: &Found) -> bool {
        FIELDS.iter().zip(&self.fields()).all(|((name, _), value)| found.0.get(name) == Some(value))
    }

    /// Whether an earlier run's work is this run's too: same commit, environment and
    /// configuration. Uncommitted work attaches to nothing.
    pub fn owns(&self, found: &Found) -> bool {
        if self.dirty || self.commit.is_none() {
            return false;
        }
        let fields = self.fields();
        FIELDS
            .iter()
            .zip(&fields)
            .filter(|((name, _), _)| IDENTITY.contains(name))
            .all(|((name, _), value)| found.0.get(name) == Some(value))
    }
}

impl Marker {
    /// Whether what was found is of the same repository and environment. Outside of GitHub we have
    /// no repository, and the environment alone counts.
    pub fn is_neighbour_of(&self, found: &Found) -> bool {
        let [repository, _, environment, ..] = self.fields();
        let same = |name: &str, value: &str| found.0.get(name).is_some_and(|known| known == value);
        same("environment", &environment) && (self.repository.is_empty() || same("repository", &repository))
    }
}

fn call() -> String {
    format!("call={}", &uuid::Uuid::new_v4().simple().to_string()[..8])
}

/// The last word of the description of a deployment that brings an older revision back.
const BACK: &str = "back";

/// The description of a deployment that brings a revision back: it is the revision's own work, so that
/// no run takes it for the bad release's.
pub fn way_back(revision: Option<&Found>, ours: &Marker) -> String {
    let ours = Marker { commit: None, dirty: false, configuration: String::new(), ..ours.clone() };
    let run = ours.fields()[4].clone();
    let Some(Found(known)) = revision else { return format!("{ours} {} {BACK}", call()) };
    let word = |name: &str| match name {
        "run" => run.clone(),
        name => known.get(name).cloned().unwrap_or_default(),
    };
    let words: Vec<String> = FIELDS.iter().map(|(name, _)| format!("{name}={}", word(name))).collect();
    format!("{PREFIX} {} {} {BACK}", words.join(" "), call())
}

/// Whether a deployment was started to bring an older revision back.
pub fn goes_back(description: &str) -> bool {
    description.starts_with(PREFIX) && description.split_whitespace().last() == Some(BACK)
}

/// As CreateDeployment's description carries it.
impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        for ((name, _), value) in FIELDS.into_iter().zip(self.fields()) {
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}

impl Found {
    pub fn in_description(description: &str) -> Option<Found> {
        let mut words = description.split_whitespace();
        if words.next() != Some(PREFIX) {
            return None;
        }
        Found::of(words.filter_map(|word| word.split_once('=')))
    }

    pub fn in_tags<'a>(tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Found> {
        Found::of(
            tags.into_iter()
                .filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?.strip_prefix(':')?, value))),
        )
    }

    fn of<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Found> {
        let known = |name: &str| FIELDS.iter().find(|(n, _)| *n == name).map(|(n, _)| *n);
        let found: BTreeMap<_, _> =
            pairs.filter_map(|(name, value)| Some((known(name)?, value.to_owned()))).collect();
        IDENTITY.iter().all(|name| found.contains_key(name)).then_some(Found(found))
    }

    pub fn commit(&self) -> Option<&str> {
        self.get("commit")
    }

    /// The commit that uncommitted work was made on, too.
    pub fn base(&self) -> Option<&str> {
        self.commit().map(|commit| commit.strip_suffix("-dirty").unwrap_or(commit))
    }

    pub fn repository(&self) -> Option<&str> {
        self.get("repository")
    }

    pub fn environment(&self) -> Option<&str> {
        self.get("environment")
    }

    pub fn run(&self) -> Option<&str> {
        self.get("run")
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| *value != "none")
    }
}

/// Whether a tag's key is one of ours.
pub fn is_ours(tag: &str) -> bool {
    tag.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with(':'))
}

/// A value in characters that descriptions and tags both take. One that had to be changed or cut
/// ends in a hash of what it was, so that different values stay different.
fn field(value: &str, limit: usize) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || "_./@:+-".contains(c);
    let clean: String = value.chars().map(|c| if kept(c) { c } else { '_' }).collect();
    if clean == value && clean.len() <= limit && !clean.is_empty() {
        return clean;
    }
    if value.is_empty() {
        return "none".to_owned();
    }
    let hash = hex::encode(Sha256::digest(value));
    let short = &hash[..8.min(limit)];
    format!("{}-{short}", clean.chars().take(limit.saturating_sub(9)).collect::<String>())
}

const _: () = {
    let mut total = PREFIX.len() + CALL;
    let mut i = 0;
    while i < FIELDS.len() {
        total += FIELDS[i].0.len() + FIELDS[i].1 + 2;
        i += 1;
    }
    assert!(total + BACK.len() < DESCRIPTION_LIMIT, "with the space before its last word");
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_way_back_is_the_work_of_the_revision_that_comes_back() {
        let bad = Marker { commit: Some("f".repeat(40)), run: "77.1".into(), ..marker() };
        let good = Found::in_description(&marker().to_string()).unwrap();
        let description = way_back(Some(&good), &bad);
        let found = Found::in_description(&description).unwrap();
        assert!(marker().owns(&found) && !bad.owns(&found), "{description}");
        assert_eq!((found.run(), found.commit()), (Some("77.1"), marker().commit.as_deref()));
        assert!(goes_back(&description) && !goes_back(&marker().description()));
        assert!(!goes_back("taken back"));
        // What nobody of ours registered belongs to no commit.
        let unmarked = way_back(None, &bad);
        let found = Found::in_description(&unmarked).unwrap();
        assert!(goes_back(&unmarked) && !bad.owns(&found) && found.commit().is_none(), "{unmarked}");
        let long =
            Marker { repository: "r".repeat(90), environment: "e".repeat(90), run: "1".repeat(90), ..bad };
        let found = Found::in_description(&long.to_string()).unwrap();
        assert!(way_back(Some(&found), &long).len() <= DESCRIPTION_LIMIT);
        assert!(way_back(None, &long).len() <= DESCRIPTION_LIMIT);
    }

    fn marker() -> Marker {
        Marker {
            repository: "acme/hello".into(),
            commit: Some("0123456789abcdef0123456789abcdef01234567".into()),
            dirty: false,
            environment: "production".into(),
            configuration: "5f3a9c0d11223344".into(),
            run: "4242.1".into(),
        }
    }

    fn tags(marker: &Marker) -> Found {
        let tags = marker.tags();
        Found::in_tags(tags.iter().map(|(k, v)| (k.as_str(), v.as_str()))).unwrap()
    }

    #[test]
    fn is_written_for_people_too() {
        insta::assert_snapshot!(marker(), @"greenlight repository=acme/hello commit=0123456789abcdef0123456789abcdef01234567 environment=production configuration=5f3a9c0d11223344 run=4242.1");
    }

    #[test]
    fn is_read_back_from_a_description_and_from_tags() {
        let found = Found::in_description(&marker().to_string()).unwrap();
        assert!(marker().owns(&found));
        assert_eq!(found.commit(), marker().commit.as_deref());
        assert_eq!(found, tags(&marker()));
    }

    #[test]
    fn another_run_of_the_same_commit_owns_it() {
        let later = Marker { run: "4243.2".into(), ..marker() };
        assert!(later.owns(&tags(&marker())));
    }

    #[test]
    fn another_commit_environment_or_configuration_does_not() {
        let found = tags(&marker());
        for other in [
            Marker { commit: Some("f".repeat(40)), ..marker() },
            Marker { environment: "staging".into(), ..marker() },
            Marker { configuration: "0".into(), ..marker() },
            Marker { repository: "acme/other".into(), ..marker() },
        ] {
            assert!(!other.owns(&found), "{other}");
        }
    }

    #[test]
    fn uncommitted_work_attaches_to_nothing() {
        let dirty = Marker { dirty: true, ..marker() };
        assert!(!dirty.owns(&tags(&dirty)));
        assert!(!marker().owns(&tags(&dirty)));
        let bare = Marker { commit: None, ..marker() };
        assert!(!bare.owns(&tags(&bare)));
    }

    #[test]
    fn the_longest_names_fit_and_stay_apart() {
        let long = |end: &str| Marker {
            repository: format!("{}/{}{end}", "o".repeat(39), "r".repeat(99)),
            dirty: true,
            environment: format!("an environment with spaces {}", "e".repeat(200)),
            configuration: "c".repeat(64),
            run: "9".repeat(30),
            ..marker()
        };
        assert!(long("1").to_string().len() <= DESCRIPTION_LIMIT, "{}", long("1"));
        assert_ne!(long("1").to_string(), long("2").to_string());
        let found = Found::in_description(&long("1").to_string()).unwrap();
        assert_eq!(found, tags(&long("1")));
    }

    #[test]
    fn foreign_descriptions_carry_no_marker() {
        for foreign in [
            "",
            "run 123",
            "greenlight",
            "greenlight commit=abc",
            "Greenlight repository=a commit=b environment=c configuration=d",
        ] {
            assert_eq!(Found::in_description(foreign), None, "{foreign}");
        }
    }
}
