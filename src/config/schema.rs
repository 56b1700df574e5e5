//! The file's JSON Schema, generated from its types: what editors use, what the file is checked
//! against, and where the flags and the action's inputs come from.

use super::file;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};
use std::sync::LazyLock;

/// For editors: published beside the documentation.
pub static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<file::File>().to_value()
});

/// What a value may be, read off its schema.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Text, with the name of the form that it has to have, if any.
    Text(Option<&'static str>),
    Integer {
        minimum: i64,
        maximum: i64,
    },
    Number,
    Boolean,
    /// One of these words.
    Word(Vec<&'static str>),
    List(&'static Value),
    /// Any keys, values of one kind.
    Map(&'static Value),
    /// Fixed keys.
    Object {
        properties: &'static Map<String, Value>,
        required: Vec<&'static str>,
    },
    /// `true` or `false`, or an object with fixed keys.
    Switch {
        properties: &'static Map<String, Value>,
        required: Vec<&'static str>,
    },
    /// An object with exactly one key, which says what it is.
    Choice(Vec<(&'static str, &'static Value)>),
    /// A name, or what is described instead of named.
    NameOr(&'static Value),
}

impl Kind {
    pub fn of(schema: &'static Value) -> Kind {
        let schema = resolved(schema);
        if let Some(variants) = schema["oneOf"].as_array() {
            let words: Vec<_> = variants.iter().filter_map(|v| v["const"].as_str()).collect();
            if words.len() == variants.len() {
                return Kind::Word(words);
            }
            let objects = variants.iter().filter_map(|v| v["properties"].as_object()?.iter().next());
            return Kind::Choice(objects.map(|(key, schema)| (key.as_str(), schema)).collect());
        }
        if let Some([first, described]) = alternatives(schema).as_deref() {
            return match (Kind::of(first), Kind::of(described)) {
                (Kind::Boolean, Kind::Object { properties, required }) => {
                    Kind::Switch { properties, required }
                }
                _ => Kind::NameOr(described),
            };
        }
        let bound = |key: &str| schema[key].as_i64();
        match type_of(schema) {
            "integer" => Kind::Integer {
                minimum: bound("minimum").unwrap_or(i64::MIN),
                maximum: bound("maximum").unwrap_or(i64::MAX),
            },
            "number" => Kind::Number,
            "boolean" => Kind::Boolean,
            "array" => Kind::List(&schema["items"]),
            "object" => match schema["properties"].as_object() {
                Some(properties) => Kind::Object { properties, required: words(&schema["required"]) },
                None => Kind::Map(&schema["additionalProperties"]),
            },
            _ => Kind::Text(schema["format"].as_str()),
        }
    }
}

/// What the schema says about one of its types, by the type's name.
pub fn definition(name: &str) -> &'static Value {
    &SCHEMA["definitions"][name]
}

/// Behind references, and behind "or null": a key without a value is a key that isn't there.
fn resolved(schema: &'static Value) -> &'static Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return resolved(definition(reference.trim_start_matches("#/definitions/")));
    }
    match alternatives(schema).as_deref() {
        Some([only]) => resolved(only),
        _ => schema,
    }
}

fn alternatives(schema: &'static Value) -> Option<Vec<&'static Value>> {
    let all = schema["anyOf"].as_array().or_else(|| schema["allOf"].as_array())?;
    Some(all.iter().filter(|one| one["type"] != "null").collect())
}

fn type_of(schema: &'static Value) -> &'static str {
    match &schema["type"] {
        Value::Array(types) => {
            types.iter().filter_map(Value::as_str).find(|t| *t != "null").unwrap_or_default()
        }
        one => one.as_str().unwrap_or_default(),
    }
}

fn words(list: &'static Value) -> Vec<&'static str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// `UPDATE=1 cargo test schema` writes it anew.
    #[test]
    fn the_published_schema_is_not_stale() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/greenlight.schema.json");
        let now = serde_json::to_string_pretty(&*SCHEMA).unwrap() + "\n";
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/docs")).unwrap();
            std::fs::write(file, &now).unwrap();
        }
        let published = std::fs::read_to_string(file).unwrap_or_default();
        assert!(published == now, "docs/greenlight.schema.json is stale: run `UPDATE=1 cargo test schema`");
    }

    #[test]
    fn kinds_are_read_off_the_schema() {
        let kind = |name: &str, key: &str| Kind::of(&definition(name)["properties"][key]);
        assert_eq!(kind("Environment", "role"), Kind::Text(Some("role-arn")));
        assert_eq!(kind("Environment", "time-limit"), Kind::Text(Some("time-span")));
        assert_eq!(kind("Environment", "container-port"), Kind::Integer { minimum: 1, maximum: 65535 });
        assert_eq!(kind("Environment", "until"), Kind::Word(vec!["terminated", "traffic-shifted"]));
        assert_eq!(kind("Environment", "tag-session"), Kind::Boolean);
        assert_eq!(kind("Rehearse", "alarm-threshold"), Kind::Number);
        assert!(
            matches!(kind("Environment", "images"), Kind::Map(values) if Kind::of(values) == Kind::Text(None))
        );
        assert!(matches!(kind("Environment", "validate"), Kind::List(items)
            if matches!(&Kind::of(items), Kind::Choice(kinds) if kinds[0].0 == "http")));
        assert!(matches!(kind("Rehearse", "before"), Kind::Object { .. }));
        assert!(matches!(kind("Image", "create-repository"), Kind::Switch { properties, .. }
            if properties.contains_key("keep")));
    }
}
