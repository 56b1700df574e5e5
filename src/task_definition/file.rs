//! The user's own file: JSON or YAML, checked before anyone is asked.

use super::{Document, SIZE_LIMIT, model, tags_of};
use crate::{
    config::yaml::{self, Malformed},
    outcome::Finding,
    say::task_definition as say,
};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fs, path::Path};

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FromFile {
    pub document: Document,
    pub tags: BTreeMap<String, String>,
}

/// Reads and checks a file. What DescribeTaskDefinition printed is taken too.
pub fn read(path: &Path, allowed: &[String]) -> Result<FromFile, Vec<Finding>> {
    let text = fs::read_to_string(path).map_err(|error| vec![say::unreadable(path, &error)])?;
    let value = parse(path, &text).map_err(|malformed| vec![say::malformed(path, &malformed)])?;
    of(value, allowed).map_err(|wrong| match wrong {
        Unfit::NoObject => vec![say::no_object(path)],
        Unfit::TooLarge(size) => vec![say::too_large(path, size)],
        Unfit::Problems(problems) => {
            let line = |problem: &model::Problem| yaml::line_of(&text, &problem.path);
            problems.iter().map(|problem| say::problem(path, line(problem), problem)).collect()
        }
    })
}

enum Unfit {
    NoObject,
    TooLarge(usize),
    Problems(Vec<model::Problem>),
}

/// By the name's end; a name without one, by what the text starts with.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Value, Malformed> {
    let end = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    let json = match end.as_deref() {
        Some("json") => true,
        Some("yml" | "yaml") => false,
        _ => text.trim_start().starts_with('{'),
    };
    if json {
        serde_json::from_str(text).map_err(|error| {
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default().to_owned();
            Malformed { line: Some(error.line()), message }
        })
    } else {
        yaml::parse(text)
    }
}

fn of(value: Value, allowed: &[String]) -> Result<FromFile, Unfit> {
    let Value::Object(mut object) = value else { return Err(Unfit::NoObject) };
    let mut outer_tags = None;
    if let Some(Value::Object(inner)) = object.get_mut("taskDefinition") {
        let inner = std::mem::take(inner);
        outer_tags = object.remove("tags");
        object = inner;
    }
    let mut document = Document::writable(object);
    let problems = model::check(&document.0, allowed);
    if !problems.is_empty() {
        return Err(Unfit::Problems(problems));
    }
    let tags = document.0.remove("tags").or(outer_tags).map(tags_of).unwrap_or_default();
    drop_nulls(&mut document.0);
    match document.size() {
        size if size > SIZE_LIMIT => Err(Unfit::TooLarge(size)),
        _ => Ok(FromFile { document, tags }),
    }
}

/// A null is how YAML and JSON write "not given"; every other empty value stays.
fn drop_nulls(object: &mut Map<String, Value>) {
    object.retain(|_, value| !value.is_null());
    for value in object.values_mut() {
        drop_nulls_in(value);
    }
}

fn drop_nulls_in(value: &mut Value) {
    match value {
        Value::Object(object) => drop_nulls(object),
        Value::Array(items) => items.iter_mut().for_each(drop_nulls_in),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;
    use std::io::Write;

    fn file(end: &str, text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::Builder::new().suffix(end).tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn told(end: &str, text: &str) -> String {
        let file = file(end, text);
        let name = file.path().display().to_string();
        let findings = read(file.path(), &[]).unwrap_err();
        let line = |f: &Finding| f.place.as_ref().and_then(|p| p.line).map_or("?".into(), |l| l.to_string());
        let told = |f: &Finding| format!("{}: {}\n  -> {}", line(f), f.what, f.fix);
        findings.iter().map(told).collect::<Vec<_>>().join("\n").replace(&name, "FILE")
    }

    #[test]
    fn json_and_yaml_say_the_same() {
        let json = file(
            ".json",
            r#"{"family":"f","cpu":"256","containerDefinitions":[{"name":"a","command":[],"environment":[{"name":"EMPTY","value":""}],"user":null}],"tags":[{"key":"team","value":"web"}]}"#,
        );
        let yaml = file(
            ".yml",
            "family: f\ncpu: \"256\"\ncontainerDefinitions:\n  - name: a\n    command: []\n    environment: [{name: EMPTY, value: \"\"}]\n    user:\ntags: [{key: team, value: web}]\n",
        );
        let read = |file: &tempfile::NamedTempFile| super::read(file.path(), &[]).unwrap();
        assert_eq!(read(&json), read(&yaml));
        assert_eq!(read(&json).tags["team"], "web");
        let container = &read(&json).document.0["containerDefinitions"][0];
        assert_eq!(
            container,
            &json!({"name": "a", "command": [], "environment": [{"name": "EMPTY", "value": ""}]})
        );
    }

    #[test]
    fn what_describe_task_definition_printed_is_taken() {
        let printed = file(
            "",
            r#" {"taskDefinition":{"family":"f","revision":3,"containerDefinitions":[{"name":"a"}]},"tags":[{"key":"k","value":"v"}]}"#,
        );
        let read = read(printed.path(), &[]).unwrap();
        assert_eq!(
            Value::Object(read.document.0),
            json!({"family": "f", "containerDefinitions": [{"name": "a"}]})
        );
        assert_eq!(read.tags["k"], "v");
    }

    #[test]
    fn problems_have_lines_and_say_what_to_do() {
        insta::assert_snapshot!(told(".json", "{\n  \"family\": \"f\",\n  \"cpu\": 256,\n  \"containerDefinitions\": [\n    { \"name\": \"a\", \"img\": \"x\",\n      \"essentail\": true }\n  ]\n}"), @r#"
        3: `cpu` in FILE must be a text, and is `256`.
          -> Put it in quotes: "256".
        5: `containerDefinitions[0].img` in FILE is a key that AWS's model of a task definition doesn't know.
          -> Did you mean `image`? A key that is newer than this version is let through with `allow-unknown-keys: [img]`.
        6: `containerDefinitions[0].essentail` in FILE is a key that AWS's model of a task definition doesn't know.
          -> Did you mean `essential`? A key that is newer than this version is let through with `allow-unknown-keys: [essentail]`.
        "#);
        insta::assert_snapshot!(told(".yaml", "family: f\ncontainerDefinitions:\n  - name: a\n    memory: \"512\"\n    portMappings:\n      - hostport: 80\n"), @r#"
        4: `containerDefinitions[0].memory` in FILE must be a whole number, and is `"512"`.
          -> Write it without quotes: 512.
        6: `containerDefinitions[0].portMappings[0].hostport` in FILE is a key that AWS's model of a task definition doesn't know.
          -> Did you mean `hostPort`? A key that is newer than this version is let through with `allow-unknown-keys: [hostport]`.
        "#);
    }

    #[test]
    fn malformed_files_are_told_with_their_line() {
        insta::assert_snapshot!(told(".json", "{\n  \"family\": \"f\",\n}"), @r"
        3: The task definition FILE can't be parsed: trailing comma.
          -> Correct the line; the file may be JSON or YAML.
        ");
        insta::assert_snapshot!(told(".yml", "family: f\n  cpu: 1\n"), @r"
        2: The task definition FILE can't be parsed: mapping values are not allowed in this context.
          -> Correct the line; the file may be JSON or YAML.
        ");
        insta::assert_snapshot!(told(".json", "[]"), @r"
        ?: The task definition FILE is not an object.
          -> It starts with `family` and `containerDefinitions`, as RegisterTaskDefinition takes it.
        ");
    }

    #[test]
    fn more_than_64_kib_is_too_much() {
        let large =
            json!({"family": "f", "containerDefinitions": [{"name": "a", "command": ["x".repeat(70_000)]}]});
        insta::assert_snapshot!(told(".json", &large.to_string()), @r"
        ?: The task definition FILE has 70067 bytes, and AWS takes at most 65536.
          -> Move long values out: environment variables into a file in S3 (`environmentFiles`), settings into Parameter Store (`secrets`).
        ");
    }

    #[test]
    fn a_file_that_is_not_there_is_told() {
        let findings = read(Path::new("/nowhere/taskdef.json"), &[]).unwrap_err();
        insta::assert_snapshot!(findings[0].what, @"The task definition /nowhere/taskdef.json can't be read: No such file or directory (os error 2).");
    }
}
