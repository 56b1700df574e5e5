//! Checks a document against the schema and collects all that is wrong, so that one run tells
//! everything.

use super::{
    facts,
    schema::{Kind, SCHEMA},
    yaml::Path,
};
use serde_json::{Map, Number, Value};

/// One thing that is wrong in the document, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub path: Path,
    pub wrong: Wrong,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Wrong {
    UnknownKey {
        known: Vec<&'static str>,
    },
    MissingKey {
        key: &'static str,
    },
    /// Another kind of value than expected.
    Kind {
        expected: Kind,
        found: Value,
    },
    /// A text with nothing in it.
    Blank,
    Word {
        given: String,
        known: Vec<&'static str>,
    },
    Form {
        form: &'static str,
        given: String,
    },
    /// A check of no kind, or of several.
    Choice {
        known: Vec<&'static str>,
    },
}

/// `as_written` gives a scalar's own text: where text is expected, `1.10` and `012` are text.
pub fn check(document: &mut Value, as_written: &dyn Fn(&Path) -> Option<String>) -> Vec<Problem> {
    let mut checker = Checker { as_written, problems: Vec::new() };
    if !checker.value(document, &SCHEMA, &Path::default()) {
        *document = Value::Object(Map::new());
    }
    checker.problems
}

struct Checker<'a> {
    as_written: &'a dyn Fn(&Path) -> Option<String>,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    /// Whether the value may stay: what is wrong is taken out, so that the rest can be read on.
    fn value(&mut self, value: &mut Value, schema: &'static Value, path: &Path) -> bool {
        match (Kind::of(schema), &mut *value) {
            (Kind::Text(form), Value::String(text)) => self.form(form, text, path),
            (Kind::Text(form), Value::Number(_) | Value::Bool(_)) => {
                let text = (self.as_written)(path).unwrap_or_else(|| value.to_string());
                let sound = self.form(form, &text, path);
                *value = Value::String(text);
                sound
            }
            (Kind::Integer { minimum, maximum }, Value::Number(number))
                if within(number, minimum, maximum) =>
            {
                true
            }
            (Kind::Number, Value::Number(_)) | (Kind::Boolean | Kind::Switch { .. }, Value::Bool(_)) => true,
            (Kind::Word(known), Value::String(given)) => {
                known.contains(&given.as_str())
                    || self.wrong(path, Wrong::Word { given: given.clone(), known })
            }
            (Kind::List(items), Value::Array(values)) => {
                let mut at = 0;
                values.retain_mut(|value| {
                    at += 1;
                    self.value(value, items, &path.index(at - 1))
                });
                true
            }
            (Kind::Map(values), Value::Object(map)) => {
                map.retain(|key, value| self.value(value, values, &path.key(key)));
                true
            }
            (
                Kind::Object { properties, required } | Kind::Switch { properties, required },
                Value::Object(object),
            ) => self.object(object, properties, &required, path),
            (Kind::Choice(kinds), Value::Object(object)) => self.choice(object, &kinds, path),
            (Kind::NameOr(_), Value::String(_)) => true,
            (Kind::NameOr(described), Value::Object(_)) => self.value(value, described, path),
            (expected, _) => self.wrong(path, Wrong::Kind { expected, found: value.clone() }),
        }
    }

    fn object(
        &mut self,
        object: &mut Map<String, Value>,
        properties: &'static Map<String, Value>,
        required: &[&'static str],
        path: &Path,
    ) -> bool {
        // A key without a value is a key that isn't there, unless nobody knows it.
        object.retain(|key, value| !(value.is_null() && properties.contains_key(key)));
        let mut complete = true;
        for key in required.iter().filter(|key| !object.contains_key(**key)) {
            complete = self.wrong(path, Wrong::MissingKey { key });
        }
        object.retain(|key, value| match properties.get(key) {
            Some(schema) if is_blank(value, schema) => self.wrong(&path.key(key), Wrong::Blank),
            Some(schema) => self.value(value, schema, &path.key(key)),
            None => {
                let known = properties.keys().map(String::as_str).collect();
                self.wrong(&path.key(key), Wrong::UnknownKey { known })
            }
        });
        complete && required.iter().all(|key| object.contains_key(*key))
    }

    fn choice(
        &mut self,
        object: &mut Map<String, Value>,
        kinds: &[(&'static str, &'static Value)],
        path: &Path,
    ) -> bool {
        let known: Vec<_> = kinds.iter().map(|(key, _)| *key).collect();
        if object.len() != 1 {
            return self.wrong(path, Wrong::Choice { known });
        }
        object.retain(|key, value| match kinds.iter().find(|(known, _)| known == key) {
            Some((_, schema)) => self.value(value, schema, &path.key(key)),
            None => self.wrong(&path.key(key), Wrong::UnknownKey { known: known.clone() }),
        });
        !object.is_empty()
    }

    fn form(&mut self, form: Option<&'static str>, text: &str, path: &Path) -> bool {
        match form.filter(|form| !facts::has_form(form, text)) {
            Some(form) => self.wrong(path, Wrong::Form { form, given: text.to_owned() }),
            None => true,
        }
    }

    /// Always false: what is wrong can't stay.
    fn wrong(&mut self, path: &Path, wrong: Wrong) -> bool {
        self.problems.push(Problem { path: path.clone(), wrong });
        false
    }
}

/// An empty text says nothing. Under keys of the user's own it may: a variable that is empty.
fn is_blank(value: &Value, schema: &'static Value) -> bool {
    matches!(Kind::of(schema), Kind::Text(_)) && value.as_str().is_some_and(|text| text.trim().is_empty())
}

fn within(number: &Number, minimum: i64, maximum: i64) -> bool {
    number.as_i64().is_some_and(|number| (minimum..=maximum).contains(&number))
}
