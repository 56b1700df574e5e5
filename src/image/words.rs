//! Words in braces that tags and build arguments may name.

/// `{word}` as the configuration writes them.
pub const KNOWN: [&str; 12] = [
    "commit",
    "short-commit",
    "branch",
    "tag",
    "ref",
    "version",
    "major",
    "minor",
    "patch",
    "pull-request",
    "run-number",
    "environment",
];

/// Those that stand for nothing in a run of another kind: what names one is for other runs.
const OF_SOME_RUNS: [&str; 8] =
    ["branch", "tag", "ref", "version", "major", "minor", "patch", "pull-request"];

/// What the words stand for in this run; `None` where nothing does.
#[derive(Clone, Debug, Default)]
pub struct Words {
    pub commit: Option<String>,
    pub branch: Option<String>,
    pub tag: Option<String>,
    pub pull_request: Option<u64>,
    pub run_number: Option<String>,
    pub environment: String,
}

/// What a tag such as `v1.2.3` or `app/1.2.3-rc.1` says of a version.
#[derive(Debug, PartialEq, Eq)]
pub struct Version<'a> {
    pub full: &'a str,
    /// Its numbers, unless it is one before a release.
    release: Option<[&'a str; 3]>,
}

impl Version<'_> {
    pub fn of(tag: &str) -> Option<Version<'_>> {
        let last = tag.rsplit('/').next()?;
        let full = last.strip_prefix('v').unwrap_or(last);
        let (numbers, before) = match full.find(['-', '+']) {
            Some(end) => (full.get(..end)?, full[end..].starts_with('-')),
            None => (full, false),
        };
        let numbers: Vec<&str> = numbers.split('.').collect();
        let numbers: [&str; 3] = numbers.try_into().ok()?;
        let sound = numbers.iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        sound.then_some(Version { full, release: (!before).then_some(numbers) })
    }
}

impl Words {
    /// Each word stands for something, to see whether what is around them is sound.
    pub fn any() -> Words {
        let any = || Some("x".to_owned());
        Words {
            commit: any(),
            branch: any(),
            tag: Some("1.2.3".into()),
            pull_request: Some(1),
            run_number: any(),
            environment: "x".into(),
        }
    }

    pub fn version(&self) -> Option<Version<'_>> {
        Version::of(self.tag.as_deref()?)
    }

    fn value(&self, word: &str) -> Option<String> {
        let number = |at: usize| Some(self.version()?.release?[at].to_owned());
        match word {
            "commit" => self.commit.clone(),
            "short-commit" => {
                self.commit.as_deref().map(|commit| commit.get(..7).unwrap_or(commit).to_owned())
            }
            "branch" => self.branch.clone(),
            "tag" => self.tag.clone(),
            "ref" => self.branch.clone().or_else(|| self.tag.clone()),
            "version" => Some(self.version()?.full.to_owned()),
            "major" => number(0),
            "minor" => number(1),
            "patch" => number(2),
            "pull-request" => self.pull_request.map(|number| number.to_string()),
            "run-number" => self.run_number.clone(),
            "environment" => Some(self.environment.clone()),
            _ => None,
        }
    }

    /// The text with its words replaced, or the first word that stands for nothing here. Braces
    /// around what is no known word stay as they are.
    pub fn expand(&self, text: &str) -> Result<String, String> {
        self.replace(text, |value| value)
    }

    /// The same, where each is part of a tag.
    pub fn expand_in_tag(&self, text: &str) -> Result<String, String> {
        self.replace(text, |value| tag_safe(&value))
    }

    fn replace(&self, text: &str, form: impl Fn(String) -> String) -> Result<String, String> {
        let mut expanded = String::new();
        for piece in pieces(text) {
            match piece {
                Piece::Word(word) if KNOWN.contains(&word) => {
                    expanded += &form(self.value(word).ok_or(word)?);
                }
                Piece::Word(word) => expanded += &format!("{{{word}}}"),
                Piece::Text(text) => expanded += text,
            }
        }
        Ok(expanded)
    }
}

/// Whether what names the word can be left out of a run where it stands for nothing.
pub fn is_of_some_runs(word: &str) -> bool {
    OF_SOME_RUNS.contains(&word)
}

/// Words in braces that aren't known.
pub fn unknown(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Word(word) if !KNOWN.contains(&word) => Some(word),
        _ => None,
    })
}

/// A text as part of a tag: what a tag can't have becomes a dash.
pub fn tag_safe(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' }).collect()
}

enum Piece<'a> {
    Text(&'a str),
    Word(&'a str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        pieces.push(Piece::Text(before));
        let end = after.find(|c: char| !(c.is_ascii_lowercase() || c == '-')).unwrap_or(after.len());
        let (word, behind) = after.split_at(end);
        match behind.strip_prefix('}') {
            Some(behind) if !word.is_empty() => {
                pieces.push(Piece::Word(word));
                rest = behind;
            }
            _ => {
                pieces.push(Piece::Text("{"));
                rest = after;
            }
        }
    }
    pieces.push(Piece::Text(rest));
    pieces
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_are_replaced_and_other_braces_stay() {
        let words = Words {
            commit: Some("0123456789abcdef".into()),
            branch: Some("feature/x".into()),
            environment: "production".into(),
            ..Words::default()
        };
        let expand = |text| words.expand(text);
        assert_eq!(expand("v-{short-commit}-{environment}").unwrap(), "v-0123456-production");
        assert_eq!(expand("{commit}{branch}").unwrap(), "0123456789abcdeffeature/x");
        assert_eq!(expand(r#"{"a": {b}, {}}"#).unwrap(), r#"{"a": {b}, {}}"#);
        assert_eq!(expand("{").unwrap(), "{");
        assert_eq!(expand("x{run-number}").unwrap_err(), "run-number");
        assert_eq!(unknown("{comit} {\"a\"} {branch}").collect::<Vec<_>>(), ["comit"]);
        assert_eq!(tag_safe("feature/x y"), "feature-x-y");
    }

    #[test]
    fn a_tag_tells_a_version() {
        let expand = |tag: &str, text: &str| Words { tag: Some(tag.into()), ..Words::default() }.expand(text);
        assert_eq!(
            expand("v1.2.3", "{version} {major} {major}.{minor} {patch} {ref}").unwrap(),
            "1.2.3 1 1.2 3 v1.2.3"
        );
        assert_eq!(expand("app/1.20.3", "{version}").unwrap(), "1.20.3");
        assert_eq!(expand("v1.2.3-rc.1", "{version}").unwrap(), "1.2.3-rc.1");
        assert_eq!(expand("v1.2.3-rc.1", "{major}").unwrap_err(), "major");
        assert_eq!(expand("v1.2.3+build", "{minor}").unwrap(), "2");
        for tag in ["latest", "v1", "1.2", "1.2.3.4", "1.2.x", "v"] {
            assert_eq!(expand(tag, "{version}").unwrap_err(), "version", "{tag}");
        }
        let words = Words { tag: Some("app/v1.2.3+b ild".into()), ..Words::default() };
        assert_eq!(words.expand_in_tag("{version} {minor} {tag}").unwrap(), "1.2.3-b-ild 2 app-v1.2.3-b-ild");
    }
}
