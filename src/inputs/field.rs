//! Fields of the file that can be given as flags or inputs: made from the file's types, and their
//! texts turned into values as the file would hold them.

use super::build;
use crate::{
    cli::boolean,
    config::{
        schema::{Kind, definition},
        yaml::{self, Path},
    },
    outcome::Finding,
    say,
};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

/// Every field that has a flag.
pub static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let of = |section: Section, prefix: &'static str, definition: &'static Value| {
        let properties = definition["properties"].as_object().into_iter().flatten();
        // Their values would be on the command line.
        let properties = properties.filter(|(key, _)| *key != build::SECRETS);
        properties.map(move |(key, schema)| Field {
            name: format!("{prefix}{key}"),
            section,
            key: key.as_str(),
            within: None,
            kind: Kind::of(schema),
            help: schema["description"].as_str().unwrap_or_default(),
        })
    };
    let secrets = |name: &str, within, help| Field {
        name: name.into(),
        section: Section::Image,
        key: build::SECRETS,
        within: Some(within),
        kind: Kind::of(&definition("Image")["properties"]["build-args"]),
        help,
    };
    of(Section::Environment, "", definition("Environment"))
        .chain(of(Section::Image, "", definition("Image")))
        .chain([
            secrets(
                "secret-envs",
                "env",
                "Secrets of the build, by the variables of the step that hold them.",
            ),
            secrets("secret-files", "file", "Secrets of the build, by the files that hold them."),
        ])
        .chain(of(Section::BuildAccount, "build-", definition("BuildAccount")))
        .chain([Field {
            name: "auth".into(),
            section: Section::Top,
            key: "auth",
            within: None,
            kind: Kind::of(definition("Auth")),
            help: "Where the first credentials come from (default: auto).",
        }])
        .collect()
});

#[derive(Debug)]
pub struct Field {
    /// The flag's and the input's.
    pub name: String,
    pub section: Section,
    /// The name in its section of the file.
    pub key: &'static str,
    /// The key under each of its names that the value goes to: beside what the file has there.
    pub within: Option<&'static str>,
    pub kind: Kind,
    help: &'static str,
}

/// The part of the file where a field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Environment,
    Image,
    BuildAccount,
    Top,
}

impl Section {
    pub fn path(self, environment: &str) -> Path {
        match self {
            Section::Environment => Path::of(&["environments", environment]),
            Section::Image => Path::of(&["image"]),
            Section::BuildAccount => Path::of(&["build-account"]),
            Section::Top => Path::default(),
        }
    }

    fn heading(self) -> &'static str {
        match self {
            Section::Environment => "Environment",
            Section::Image => "Image",
            Section::BuildAccount | Section::Top => "Build account and credentials",
        }
    }
}

/// The texts that were given for fields, by the field's name.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    pub given: BTreeMap<&'static str, Vec<String>>,
    /// Which of all options came as the action's inputs.
    pub inputs: BTreeSet<String>,
}

impl Args for Overrides {
    fn augment_args(command: Command) -> Command {
        FIELDS.iter().fold(command, |command, field| command.arg(field.arg()))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Overrides {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Overrides, clap::Error> {
        let given = FIELDS.iter().filter_map(|field| {
            let texts = matches.get_many::<String>(&field.name)?;
            Some((field.name.as_str(), texts.cloned().collect()))
        });
        Ok(Overrides { given: given.collect(), inputs: BTreeSet::new() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Field {
    fn arg(&'static self) -> Arg {
        let arg = Arg::new(self.name.as_str())
            .long(self.name.as_str())
            .help(self.help)
            .help_heading(self.section.heading());
        match &self.kind {
            Kind::List(items) if matches!(Kind::of(items), Kind::Text(_)) => {
                arg.action(ArgAction::Append).value_name("TEXT")
            }
            // In YAML, lists begin with a dash.
            Kind::List(_) => arg.action(ArgAction::Append).value_name("YAML").allow_hyphen_values(true),
            Kind::Map(_) if self.within == Some("env") => {
                arg.action(ArgAction::Append).value_name("ID=VARIABLE")
            }
            Kind::Map(_) if self.within.is_some() => arg.action(ArgAction::Append).value_name("ID=FILE"),
            Kind::Map(_) => arg.action(ArgAction::Append).value_name("NAME=VALUE"),
            Kind::Boolean => {
                arg.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("BOOLEAN")
            }
            Kind::Integer { .. } | Kind::Number => arg.value_name("NUMBER"),
            Kind::Word(words) => {
                arg.value_name("WORD").help(format!("{} [possible values: {}]", self.help, words.join(", ")))
            }
            Kind::Text(Some("path")) => arg.value_name("FILE"),
            Kind::Text(Some("time-span")) => arg.value_name("SPAN"),
            _ => arg.value_name("TEXT"),
        }
    }

    /// The value that the file would hold. What can't be read stays a text, for the check to tell.
    pub fn value(&self, texts: &[String], said: &str, folder: &std::path::Path) -> Result<Value, Finding> {
        let text = || texts.last().cloned().unwrap_or_default();
        let lines =
            || texts.iter().flat_map(|text| text.lines()).map(str::trim).filter(|line| !line.is_empty());
        Ok(match &self.kind {
            Kind::Text(Some("path")) => Value::String(from_folder(&text(), folder)),
            Kind::Text(_) | Kind::Word(_) => Value::String(text()),
            Kind::Integer { .. } | Kind::Number => {
                text().parse().map_or_else(|_| Value::String(text()), Value::Number)
            }
            Kind::Boolean => boolean(&text()).map_or_else(|_| Value::String(text()), Value::Bool),
            Kind::List(items) if matches!(Kind::of(items), Kind::Text(_)) => {
                lines().map(Value::from).collect()
            }
            Kind::Map(_) => {
                let pair = |line: &str| match line.split_once('=') {
                    Some((name, value)) if !name.trim().is_empty() => {
                        Ok((name.trim().to_owned(), Value::from(value.trim())))
                    }
                    _ => Err(say::inputs::not_a_pair(said, line)),
                };
                let within = |(name, value): (String, Value)| match (self.within, &value) {
                    (Some("file"), Value::String(file)) => {
                        (name, json!({ "file": from_folder(file, folder) }))
                    }
                    (Some(key), _) => (name, json!({ key: value })),
                    (None, _) => (name, value),
                };
                let pairs = lines().map(|line| pair(line).map(within));
                Value::Object(pairs.collect::<Result<Map<_, _>, _>>()?)
            }
            Kind::Switch { .. } if boolean(&text()).is_ok() => {
                boolean(&text()).map_or(Value::Null, Value::Bool)
            }
            _ => {
                yaml::parse(&texts.join("\n")).map_err(|malformed| say::inputs::not_yaml(said, &malformed))?
            }
        })
    }
}

/// A flag's path starts where the command was typed, not at the file's folder.
fn from_folder(path: &str, folder: &std::path::Path) -> String {
    match path {
        "" | super::LIVE => path.to_owned(),
        _ => folder.join(path).to_string_lossy().into_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn value(name: &str, texts: &[&str]) -> Result<Value, Finding> {
        let field = FIELDS.iter().find(|field| field.name == name).unwrap();
        let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
        field.value(&texts, &format!("`--{name}`"), std::path::Path::new("/repo"))
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = FIELDS.iter().map(|field| &field.name).collect();
        assert_eq!(names.len(), FIELDS.len());
    }

    #[test]
    fn texts_become_values_of_their_field() {
        assert_eq!(value("region", &["eu-central-1"]).unwrap(), json!("eu-central-1"));
        assert_eq!(value("container-port", &["8080"]).unwrap(), json!(8080));
        assert_eq!(value("container-port", &["http"]).unwrap(), json!("http"));
        assert_eq!(value("build-tag-session", &["FALSE"]).unwrap(), json!(false));
        assert_eq!(value("tag-session", &["no"]).unwrap(), json!("no"));
        assert_eq!(value("tags", &["v1\n\n  latest ", "x"]).unwrap(), json!(["v1", "latest", "x"]));
        assert_eq!(value("build-args", &["A=1\nB = x=y"]).unwrap(), json!({"A": "1", "B": "x=y"}));
        assert_eq!(value("task-definition", &["td.json"]).unwrap(), json!("/repo/td.json"));
        assert_eq!(value("task-definition", &["live"]).unwrap(), json!("live"));
        assert_eq!(value("validate", &["- http: {path: /}"]).unwrap(), json!([{"http": {"path": "/"}}]));
        assert!(value("build-args", &["A"]).is_err());
        assert_eq!(
            value("secret-envs", &["a=A\nb=B"]).unwrap(),
            json!({"a": {"env": "A"}, "b": {"env": "B"}})
        );
        assert_eq!(value("secret-files", &["a=f"]).unwrap(), json!({"a": {"file": "/repo/f"}}));
        assert_eq!(value("builder", &["kube"]).unwrap(), json!("kube"));
        assert_eq!(value("builder", &["driver: remote"]).unwrap(), json!({"driver": "remote"}));
        assert_eq!(value("create-repository", &["TRUE"]).unwrap(), json!(true));
        assert_eq!(value("create-repository", &["keep: 9"]).unwrap(), json!({"keep": 9}));
        assert_eq!(value("scan", &["fail-on: high"]).unwrap(), json!({"fail-on": "high"}));
    }
}
