//! YAML as JSON values, with the lines kept: parsing, and finding a place again by its path.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::{cell::Cell, fmt};

/// Where a value stands in its document.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(pub Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// Why a text is no YAML.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed {
    pub line: Option<usize>,
    pub message: String,
}

/// The document as JSON, anchors and merge keys resolved; nothing is an empty object.
pub fn parse(text: &str) -> Result<Value, Malformed> {
    let mut value: serde_yaml::Value = serde_yaml::from_str(text).map_err(|error| malformed(error, text))?;
    value.apply_merge().map_err(|error| malformed(error, text))?;
    match serde_json::to_value(value) {
        Ok(Value::Null) => Ok(Value::Object(serde_json::Map::new())),
        Ok(value) => Ok(value),
        Err(error) => Err(Malformed { line: None, message: error.to_string() }),
    }
}

/// The line of a key or a list's item, when it stands in the text as it is.
pub fn line_of(text: &str, path: &Path) -> Option<usize> {
    seek(text, path, Wanted::Place).0
}

/// A scalar as it was written: `1.10` stays `1.10`.
pub fn text_of(text: &str, path: &Path) -> Option<String> {
    seek(text, path, Wanted::Text).1
}

impl Path {
    pub fn of(keys: &[&str]) -> Path {
        Path(keys.iter().map(|key| Step::Key((*key).to_owned())).collect())
    }

    pub fn key(&self, key: &str) -> Path {
        self.then(Step::Key(key.to_owned()))
    }

    pub fn index(&self, index: usize) -> Path {
        self.then(Step::Index(index))
    }

    fn then(&self, step: Step) -> Path {
        Path(self.0.iter().cloned().chain([step]).collect())
    }

    pub fn starts_with(&self, other: &Path) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The path of what holds it.
    pub fn parent(&self) -> &[Step] {
        self.0.split_last().map_or(&[], |(_, parent)| parent)
    }

    /// The last key's name.
    pub fn name(&self) -> &str {
        let name = self.0.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        });
        name.unwrap_or_default()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if at == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

fn malformed(error: serde_yaml::Error, text: &str) -> Malformed {
    let line = error.location().map(|place| place.line());
    let message = error.to_string();
    // The line is told apart from the message.
    let message = message.split(" at line ").next().unwrap_or_default().to_owned();
    let of_line = line.and_then(|line| text.lines().nth(line.checked_sub(1)?));
    if of_line.is_some_and(|line| line.trim_start_matches(' ').starts_with('\t')) {
        return Malformed {
            line,
            message: "the line is indented with a tab, which YAML doesn't take".to_owned(),
        };
    }
    let twice = message.split_once("duplicate entry with key \"").and_then(|(_, key)| key.strip_suffix('"'));
    match (twice, line) {
        (Some(key), Some(first)) => {
            let line = again(text, first, key).or(line);
            Malformed { line, message: format!("the key `{key}` is there already") }
        }
        _ => Malformed { line, message },
    }
}

/// Where a key stands for the second time in the mapping that begins at a line.
fn again(text: &str, first: usize, key: &str) -> Option<usize> {
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '-']).len();
    let depth = indent(text.lines().nth(first.checked_sub(1)?)?);
    let places = text.lines().enumerate().skip(first - 1).filter(|(_, line)| {
        let named = line.trim_start_matches([' ', '-']).trim_start_matches(['"', '\'']).strip_prefix(key);
        indent(line) == depth
            && named.is_some_and(|rest| rest.trim_start_matches(['"', '\'']).starts_with(':'))
    });
    places.map(|(at, _)| at + 1).nth(1)
}

#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    Place,
    Text,
}

/// The parser tells a place only with an error: so one is raised where the path ends.
fn seek(text: &str, path: &Path, wanted: Wanted) -> (Option<usize>, Option<String>) {
    let (found, scalar) = (Cell::new(false), Cell::new(None));
    let seek = Seek { steps: &path.0, wanted, found: &found, scalar: &scalar };
    let error = seek.deserialize(serde_yaml::Deserializer::from_str(text)).err();
    let line = error.and_then(|error| error.location()).map(|place| place.line());
    (line.filter(|_| found.get()), scalar.take())
}

#[derive(Clone, Copy)]
struct Seek<'a> {
    steps: &'a [Step],
    wanted: Wanted,
    found: &'a Cell<bool>,
    scalar: &'a Cell<Option<String>>,
}

impl Seek<'_> {
    fn stop<E: Error>(&self, scalar: Option<String>) -> E {
        self.found.set(true);
        self.scalar.set(scalar);
        E::custom("found")
    }
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if !self.steps.is_empty() {
            return deserializer.deserialize_any(self);
        }
        match self.wanted {
            Wanted::Text => deserializer.deserialize_str(self),
            Wanted::Place => {
                self.found.set(true);
                deserializer.deserialize_any(Nothing)
            }
        }
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the way on")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        Err(if self.steps.is_empty() { self.stop(Some(text.to_owned())) } else { E::custom("no way on") })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((Step::Key(wanted), rest)) = self.steps.split_first() else {
            return Err(A::Error::custom("no way on"));
        };
        let last = rest.is_empty() && self.wanted == Wanted::Place;
        while let Some(is_it) = map.next_key_seed(IsKey { wanted, seek: self, last })? {
            if is_it {
                map.next_value_seed(Seek { steps: rest, ..self })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((Step::Index(wanted), rest)) = self.steps.split_first() else {
            return Err(A::Error::custom("no way on"));
        };
        for _ in 0..*wanted {
            items.next_element::<IgnoredAny>()?;
        }
        items.next_element_seed(Seek { steps: rest, ..self }).map(|_| ())
    }
}

struct IsKey<'a> {
    wanted: &'a str,
    seek: Seek<'a>,
    /// Whether the key itself is what is looked for.
    last: bool,
}

impl<'de> DeserializeSeed<'de> for IsKey<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsKey<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        match key == self.wanted {
            true if self.last => Err(self.seek.stop(None)),
            is_it => Ok(is_it),
        }
    }
}

/// Takes no value at all, so that whatever stands there is an error with a place.
struct Nothing;

impl Visitor<'_> for Nothing {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = "\
# a comment
service: hello
environments:
  production:
    account: 012345678901
    version: 1.10
    alarms:
      - one
      - name:
          two
";

    #[test]
    fn keys_and_items_have_lines() {
        let line = |path: Path| line_of(TEXT, &path);
        let production = Path::of(&["environments", "production"]);
        assert_eq!(line(Path::of(&["service"])), Some(2));
        assert_eq!(line(production.clone()), Some(4));
        assert_eq!(line(production.key("alarms")), Some(7));
        assert_eq!(line(production.key("alarms").index(0)), Some(8));
        assert_eq!(line(production.key("alarms").index(1).key("name")), Some(9));
        assert_eq!(line(production.key("nothing")), None);
        assert_eq!(line(Path::of(&["service", "deeper"])), None);
        assert_eq!(
            production.key("alarms").index(1).key("name").to_string(),
            "environments.production.alarms[1].name"
        );
    }

    #[test]
    fn scalars_come_as_written() {
        let text = |key: &str| text_of(TEXT, &Path::of(&["environments", "production", key]));
        assert_eq!(text("version").as_deref(), Some("1.10"));
        assert_eq!(text("account").as_deref(), Some("012345678901"));
        assert_eq!(text("alarms"), None);
    }

    #[test]
    fn what_is_no_yaml_is_told_with_its_line() {
        insta::assert_debug_snapshot!(parse("service: hello\n  image: x\n").unwrap_err(), @r#"
        Malformed {
            line: Some(
                2,
            ),
            message: "mapping values are not allowed in this context",
        }
        "#);
        insta::assert_debug_snapshot!(parse("a: 1\nb: 2\na: 3\n").unwrap_err(), @r#"
        Malformed {
            line: Some(
                3,
            ),
            message: "the key `a` is there already",
        }
        "#);
        let below = parse("a:\n  - x: 1\n    b: {x: 2}\n    x: 2\n").unwrap_err();
        assert_eq!((below.line, below.message.as_str()), (Some(4), "the key `x` is there already"));
        let tab = parse("a:\n\tb: 1\n").unwrap_err();
        assert_eq!((tab.line, tab.message.contains("a tab")), (Some(2), true));
        insta::assert_debug_snapshot!(parse("a: [1, 2\n").unwrap_err(), @r#"
        Malformed {
            line: Some(
                2,
            ),
            message: "did not find expected ',' or ']'",
        }
        "#);
        insta::assert_debug_snapshot!(parse("a: *nobody\n").unwrap_err(), @r#"
        Malformed {
            line: Some(
                1,
            ),
            message: "unknown anchor",
        }
        "#);
    }

    #[test]
    fn anchors_and_merge_keys_are_resolved() {
        let value =
            parse("base: &base {region: eu-central-1, 7: x}\nother: {<<: *base, cluster: c}\n").unwrap();
        assert_eq!(value["other"], serde_json::json!({"cluster": "c", "region": "eu-central-1", "7": "x"}));
        assert_eq!(parse("# nothing\n").unwrap(), serde_json::json!({}));
    }
}
