//! What AWS's model says about a document: keys that it knows, the types of their values.

use crate::config::yaml::Path;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::LazyLock};

/// One thing in a document that RegisterTaskDefinition would not take.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub path: Path,
    pub wrong: Wrong,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Wrong {
    UnknownKey { known: Vec<&'static str> },
    MissingKey { key: &'static str },
    Type { expected: &'static str, found: Value },
}

#[derive(Deserialize)]
struct Model {
    root: String,
    structures: BTreeMap<String, Structure>,
}

#[derive(Deserialize)]
struct Structure {
    /// Key → `string`, `integer`, `boolean`, `[T]`, `{T}` or a structure's name.
    members: Map<String, Value>,
    #[serde(default)]
    required: Vec<String>,
}

/// Empty only when the file that is compiled in is broken, which a test would tell.
static MODEL: LazyLock<Model> = LazyLock::new(|| {
    serde_json::from_str(include_str!("shapes.json"))
        .unwrap_or(Model { root: String::new(), structures: BTreeMap::new() })
});

/// All that is wrong with a document; `allowed` keys are let through unseen.
pub fn check(document: &Map<String, Value>, allowed: &[String]) -> Vec<Problem> {
    let mut check = Check { allowed, problems: Vec::new() };
    if let Some(root) = MODEL.structures.get(&MODEL.root) {
        check.structure(document, root, &Path::default());
    }
    check.problems
}

struct Check<'a> {
    allowed: &'a [String],
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn structure(&mut self, object: &Map<String, Value>, structure: &'static Structure, path: &Path) {
        for (key, value) in object {
            let at = path.key(key);
            match structure.members.get(key).and_then(Value::as_str) {
                Some(form) => self.value(value, form, &at),
                None if self.allowed.iter().any(|a| a == key || *a == at.to_string()) => {}
                None => {
                    let known = structure.members.keys().map(String::as_str).collect();
                    self.problem(at, Wrong::UnknownKey { known });
                }
            }
        }
        for key in &structure.required {
            if object.get(key).is_none_or(Value::is_null) {
                self.problem(path.clone(), Wrong::MissingKey { key });
            }
        }
    }

    fn value(&mut self, value: &Value, form: &'static str, path: &Path) {
        if value.is_null() {
            return;
        }
        if let Some(item) = form.strip_prefix('[').and_then(|f| f.strip_suffix(']')) {
            match value {
                Value::Array(items) => {
                    for (index, value) in items.iter().enumerate() {
                        self.value(value, item, &path.index(index));
                    }
                }
                _ => self.mistyped(path, "a list", value),
            }
        } else if let Some(item) = form.strip_prefix('{').and_then(|f| f.strip_suffix('}')) {
            match value {
                Value::Object(entries) => {
                    for (key, value) in entries {
                        self.value(value, item, &path.key(key));
                    }
                }
                _ => self.mistyped(path, "an object", value),
            }
        } else if let Some(structure) = MODEL.structures.get(form) {
            match value {
                Value::Object(object) => self.structure(object, structure, path),
                _ => self.mistyped(path, "an object", value),
            }
        } else {
            let (expected, fits) = match form {
                "string" => ("a text", value.is_string()),
                "boolean" => ("true or false", value.is_boolean()),
                "integer" | "long" => ("a whole number", value.is_i64() || value.is_u64()),
                _ => ("a number", value.is_number()),
            };
            if !fits {
                self.mistyped(path, expected, value);
            }
        }
    }

    fn mistyped(&mut self, path: &Path, expected: &'static str, found: &Value) {
        self.problem(path.clone(), Wrong::Type { expected, found: found.clone() });
    }

    fn problem(&mut self, path: Path, wrong: Wrong) {
        self.problems.push(Problem { path, wrong });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task_definition::tests::{document, hello};
    use serde_json::json;

    fn told(value: Value, allowed: &[&str]) -> Vec<String> {
        let allowed: Vec<String> = allowed.iter().map(|a| (*a).to_owned()).collect();
        let told = |p: &Problem| match &p.wrong {
            Wrong::UnknownKey { .. } => format!("{}: unknown", p.path),
            Wrong::MissingKey { key } => format!("{}: lacks {key}", p.path),
            Wrong::Type { expected, found } => format!("{}: {expected}, not {found}", p.path),
        };
        check(&document(value).0, &allowed).iter().map(told).collect()
    }

    #[test]
    fn the_model_that_is_compiled_in_can_be_read() {
        assert!(MODEL.structures[&MODEL.root].members.contains_key("containerDefinitions"));
        for form in MODEL.structures.values().flat_map(|s| s.members.values()) {
            let simple = form.as_str().unwrap_or_default().trim_matches(['[', ']', '{', '}']);
            let known = ["string", "integer", "long", "boolean", "double", "float"];
            assert!(known.contains(&simple) || MODEL.structures.contains_key(simple), "{form}");
        }
    }

    #[test]
    fn a_sound_document_has_no_problems() {
        assert_eq!(check(&hello().0, &[]), []);
    }

    #[test]
    fn stray_keys_and_types_are_found_at_any_depth() {
        let found = told(
            json!({
                "family": "hello",
                "cpu": 256,
                "contianerDefinitions": [],
                "containerDefinitions": [
                    {"name": "app", "image": "x", "essential": "yes", "portMappings": [{"containerPort": 80.5, "port": 1}]},
                    "app",
                    {"name": "b", "dockerLabels": {"a": 1}, "healthCheck": {}, "command": "run"},
                ],
            }),
            &[],
        );
        insta::assert_snapshot!(found.join("\n"), @r#"
        cpu: a text, not 256
        contianerDefinitions: unknown
        containerDefinitions[0].essential: true or false, not "yes"
        containerDefinitions[0].portMappings[0].containerPort: a whole number, not 80.5
        containerDefinitions[0].portMappings[0].port: unknown
        containerDefinitions[1]: an object, not "app"
        containerDefinitions[2].dockerLabels.a: a text, not 1
        containerDefinitions[2].healthCheck: lacks command
        containerDefinitions[2].command: a list, not "run"
        "#);
    }

    #[test]
    fn what_is_missing_is_told() {
        assert_eq!(told(json!({"cpu": "256"}), &[]), [": lacks family", ": lacks containerDefinitions"]);
    }

    #[test]
    fn keys_of_tomorrow_can_be_let_through_by_name_or_path() {
        let value = json!({"family": "f", "containerDefinitions": [{"newKey": {"x": 1}}], "newKey": 1});
        assert_eq!(told(value.clone(), &["newKey"]), Vec::<String>::new());
        assert_eq!(told(value, &["containerDefinitions[0].newKey"]), ["newKey: unknown"]);
    }
}
