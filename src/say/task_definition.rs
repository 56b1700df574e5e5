//! What is said about task definitions.

use super::{did_you_mean, from_here};
use crate::{
    aws::Failure,
    config::yaml::Malformed,
    outcome::Finding,
    task_definition::{Problem, SIZE_LIMIT, Wrong},
};
use serde_json::Value;
use std::{io, path::Path};

pub fn unreadable(path: &Path, error: &io::Error) -> Finding {
    Finding::new(
        format!("The task definition {} can't be read: {error}.", from_here(path)),
        "Correct `task-definition`: a path from the folder of greenlight.yml, or `live` for the revision that runs now.",
    )
    .at(from_here(path), None)
}

pub fn malformed(path: &Path, malformed: &Malformed) -> Finding {
    Finding::new(
        format!("The task definition {} can't be parsed: {}.", from_here(path), malformed.message),
        "Correct the line; the file may be JSON or YAML.",
    )
    .at(from_here(path), malformed.line)
}

pub fn no_object(path: &Path) -> Finding {
    Finding::new(
        format!("The task definition {} is not an object.", from_here(path)),
        "It starts with `family` and `containerDefinitions`, as RegisterTaskDefinition takes it.",
    )
    .at(from_here(path), None)
}

pub fn too_large(path: &Path, size: usize) -> Finding {
    Finding::new(
        format!(
            "The task definition {} has {size} bytes, and AWS takes at most {SIZE_LIMIT}.",
            from_here(path)
        ),
        "Move long values out: environment variables into a file in S3 (`environmentFiles`), settings into \
         Parameter Store (`secrets`).",
    )
    .at(from_here(path), None)
}

pub fn problem(path: &Path, line: Option<usize>, problem: &Problem) -> Finding {
    let (at, file) = (&problem.path, from_here(path));
    let finding = match &problem.wrong {
        Wrong::UnknownKey { known } => Finding::new(
            format!("`{at}` in {file} is a key that AWS's model of a task definition doesn't know."),
            format!(
                "{} A key that is newer than this version is let through with `allow-unknown-keys: [{}]`.",
                did_you_mean(at.name(), known.iter().copied()),
                at.name()
            ),
        ),
        Wrong::MissingKey { key } if at.0.is_empty() => {
            Finding::new(format!("The task definition {file} has no `{key}`."), format!("Add `{key}`."))
        }
        Wrong::MissingKey { key } => {
            Finding::new(format!("`{at}` in {file} has no `{key}`."), format!("Add `{key}` to it."))
        }
        Wrong::Type { expected, found } => Finding::new(
            format!("`{at}` in {file} must be {expected}, and is {}.", short(found)),
            hint(expected, found),
        ),
    };
    finding.at(file, line)
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::Object(_) => return "an object".to_owned(),
        Value::Array(_) => return "a list".to_owned(),
        other => other.to_string(),
    };
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

fn hint(expected: &str, found: &Value) -> String {
    match (expected, found) {
        ("a text", Value::Number(_) | Value::Bool(_)) => format!("Put it in quotes: \"{found}\"."),
        ("a whole number" | "a number" | "true or false", Value::String(text)) => {
            format!("Write it without quotes: {text}.")
        }
        ("a list", Value::String(text)) => format!("Write a list: [\"{text}\"]."),
        _ => format!("Write {expected} there."),
    }
}

/// AWS looked at the document and said no.
pub fn not_registered(family: &str, failure: &Failure) -> Finding {
    Finding::new(
        format!(
            "AWS does not take the task definition `{family}`: {}.",
            failure.message.trim_end_matches('.')
        ),
        "Correct what the message names in the task definition. Nothing was registered, and production is untouched.",
    )
}

/// RegisterTaskDefinition may or may not have been carried out.
pub fn perhaps_registered(family: &str, register: &Failure, look: &Failure) -> Finding {
    Finding::new(
        format!(
            "it is not known whether a revision of `{family}` was registered: RegisterTaskDefinition had no answer \
             ({register}), and the family can't be read ({look})"
        ),
        "Run again: a revision that was registered is found by its tags and used.",
    )
}

pub fn looking(failure: &Failure) -> String {
    format!("{failure}; looking whether a revision was registered all the same")
}
