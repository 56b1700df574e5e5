//! Two documents beside each other, as AWS would echo them: whether they say the same, and what
//! one says otherwise.

use super::Document;
use serde_json::{Map, Value};
use similar::{ChangeTag, TextDiff};
use std::collections::BTreeMap;

/// A line of one document that the other doesn't have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Gone(String),
    New(String),
}

impl Document {
    /// Whether AWS would run the same for both.
    pub fn same_as(&self, other: &Document) -> bool {
        self.normal() == other.normal()
    }

    /// What `newer` says otherwise: a line for each value, by its path. Values that look like
    /// secrets are hidden.
    pub fn changes(&self, newer: &Document) -> Vec<Change> {
        let (mut old, mut new) = (lines(&self.normal()), lines(&newer.normal()));
        hide(&mut old, &mut new);
        let text = |lines: &BTreeMap<String, String>| {
            lines.iter().map(|(path, value)| format!("{path}: {value}\n")).collect::<String>()
        };
        let (old, new) = (text(&old), text(&new));
        let diff = TextDiff::from_lines(&old, &new);
        diff.iter_all_changes()
            .filter_map(|change| {
                let line = change.value().trim_end().to_owned();
                match change.tag() {
                    ChangeTag::Delete => Some(Change::Gone(line)),
                    ChangeTag::Insert => Some(Change::New(line)),
                    ChangeTag::Equal => None,
                }
            })
            .collect()
    }

    /// Without what AWS adds to every answer, and in one order.
    fn normal(&self) -> Value {
        let mut object = self.0.clone();
        let shares_ports = matches!(self.network_mode(), "awsvpc" | "host");
        for size in ["cpu", "memory"] {
            if let Some(Value::String(text)) = object.get_mut(size) {
                *text = units(text);
            }
        }
        drop_default(&mut object, "enableFaultInjection", &Value::Bool(false));
        if let Some(Value::Array(needed)) = object.get_mut("requiresCompatibilities") {
            needed.sort_by_key(Value::to_string);
        }
        let containers = object.get_mut("containerDefinitions").and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
            normal_container(container, shares_ports);
        }
        let mut value = Value::Object(object);
        drop_empty(&mut value);
        value
    }
}

fn normal_container(container: &mut Map<String, Value>, shares_ports: bool) {
    drop_default(container, "cpu", &Value::from(0));
    drop_default(container, "essential", &Value::Bool(true));
    for list in ["environment", "secrets"] {
        if let Some(Value::Array(entries)) = container.get_mut(list) {
            entries.sort_by_key(|entry| entry["name"].as_str().unwrap_or_default().to_owned());
        }
    }
    let ports = container.get_mut("portMappings").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
        drop_default(port, "protocol", &Value::from("tcp"));
        let implied = if shares_ports { port.get("containerPort").cloned() } else { Some(Value::from(0)) };
        if let Some(implied) = implied {
            drop_default(port, "hostPort", &implied);
        }
    }
    for list in ["mountPoints", "volumesFrom"] {
        let entries = container.get_mut(list).and_then(Value::as_array_mut);
        for entry in entries.into_iter().flatten().filter_map(Value::as_object_mut) {
            drop_default(entry, "readOnly", &Value::Bool(false));
        }
    }
    if let Some(Value::Object(check)) = container.get_mut("healthCheck") {
        for (key, default) in [("interval", 30), ("timeout", 5), ("retries", 3)] {
            drop_default(check, key, &Value::from(default));
        }
    }
}

fn drop_default(object: &mut Map<String, Value>, key: &str, default: &Value) {
    if object.get(key) == Some(default) {
        object.shift_remove(key);
    }
}

/// Empty lists and objects mean what is not given.
fn drop_empty(value: &mut Value) {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    };
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(drop_empty);
            object.retain(|_, value| !is_empty(value));
        }
        Value::Array(items) => items.iter_mut().for_each(drop_empty),
        _ => {}
    }
}

/// `1 vCPU` and `2 GB` as AWS echoes them: `1024`, `2048`.
fn units(text: &str) -> String {
    let lower = text.trim().to_ascii_lowercase();
    let number =
        lower.strip_suffix("vcpu").or(lower.strip_suffix("gb")).and_then(|n| n.trim().parse::<f64>().ok());
    number.map_or_else(|| text.trim().to_owned(), |n| format!("{}", (n * 1024.0).round()))
}

/// Each scalar (or list of scalars) by its path. Items are named by what names them, so that a
/// line says where it belongs.
fn lines(document: &Value) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    collect(document, String::new(), &mut lines);
    lines
}

fn collect(value: &Value, path: String, lines: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(value, path, lines);
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            let names: Vec<Option<String>> = items.iter().map(item_name).collect();
            for (index, item) in items.iter().enumerate() {
                let sole = |name: &&String| names.iter().flatten().filter(|other| other == name).count() == 1;
                let name = names[index].as_ref().filter(sole).cloned().unwrap_or_else(|| index.to_string());
                collect(pair(item).unwrap_or(item), format!("{path}[{name}]"), lines);
            }
        }
        scalar => {
            lines.insert(path, scalar.to_string());
        }
    }
}

fn item_name(item: &Value) -> Option<String> {
    let named = ["name", "containerPath", "containerPort", "containerName", "hostname"];
    let name = named.iter().find_map(|key| item.get(key))?;
    Some(name.as_str().map_or_else(|| name.to_string(), str::to_owned))
}

/// The value of a `{name, value}` or `{name, valueFrom}`.
fn pair(item: &Value) -> Option<&Value> {
    let object = item.as_object().filter(|o| o.len() == 2 && o.contains_key("name"))?;
    object.get("value").or(object.get("valueFrom"))
}

fn hide(old: &mut BTreeMap<String, String>, new: &mut BTreeMap<String, String>) {
    const HIDDEN: &str = "(hidden)";
    const ALTERED: &str = "(hidden, another value)";
    let secret = |path: &str| {
        let name = path.rsplit_once("environment[").map(|(_, name)| name.to_ascii_uppercase());
        const WORDS: [&str; 7] = ["SECRET", "PASSWORD", "PASSWD", "TOKEN", "CREDENTIAL", "PRIVATE", "KEY"];
        name.is_some_and(|name| WORDS.iter().any(|word| name.contains(word)))
    };
    for (path, value) in new.iter_mut().filter(|(path, _)| secret(path)) {
        let altered = old.get(path).is_some_and(|old| old != value);
        *value = if altered { ALTERED } else { HIDDEN }.to_owned();
    }
    for (_, value) in old.iter_mut().filter(|(path, _)| secret(path)) {
        *value = HIDDEN.to_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task_definition::tests::{document, hello};
    use serde_json::json;

    fn changes(old: &Document, new: &Document) -> String {
        let line = |change: &Change| match change {
            Change::Gone(line) => format!("- {line}"),
            Change::New(line) => format!("+ {line}"),
        };
        old.changes(new).iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// `hello` as AWS answers it.
    fn echo() -> Document {
        document(json!({
            "containerDefinitions": [
                {"name": "app", "image": "old", "cpu": 0, "essential": true, "environment": [], "mountPoints": [],
                 "volumesFrom": [], "systemControls": [],
                 "portMappings": [{"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"}]},
                {"name": "sidecar", "image": "envoy:1", "cpu": 0, "portMappings": [], "essential": true,
                 "environment": [], "mountPoints": [], "volumesFrom": []},
            ],
            "family": "hello",
            "executionRoleArn": "arn:aws:iam::222222222222:role/hello-execution",
            "networkMode": "awsvpc",
            "volumes": [],
            "placementConstraints": [],
            "cpu": "256",
            "memory": "512",
            "enableFaultInjection": false,
        }))
    }

    #[test]
    fn what_aws_adds_by_itself_is_no_change() {
        assert!(hello().same_as(&echo()));
        assert_eq!(hello().changes(&echo()), []);
    }

    #[test]
    fn units_and_order_of_variables_are_no_change() {
        let with = |cpu: &str, names: [&str; 2]| {
            let environment: Vec<Value> = names.iter().map(|n| json!({"name": n, "value": "1"})).collect();
            document(
                json!({"family": "f", "cpu": cpu, "memory": "0.5 GB", "containerDefinitions": [{"name": "a", "environment": environment}]}),
            )
        };
        assert!(with("1 vCPU", ["A", "B"]).same_as(&with("1024", ["B", "A"])));
        assert!(!with("1 vCPU", ["A", "B"]).same_as(&with("512", ["A", "B"])));
    }

    #[test]
    fn a_host_port_of_its_own_is_a_change() {
        let with = |host: Option<u16>| {
            document(
                json!({"family": "f", "networkMode": "bridge", "containerDefinitions": [{"name": "a", "portMappings": [{"containerPort": 80, "hostPort": host}]}]}),
            )
        };
        assert!(with(None).same_as(&with(Some(0))));
        assert!(!with(None).same_as(&with(Some(80))));
    }

    #[test]
    fn changes_are_told_by_path_and_secrets_are_hidden() {
        let mut old = hello();
        old.0["containerDefinitions"][0]["environment"] = json!([{"name": "API_TOKEN", "value": "hunter2"}, {"name": "PORT", "value": "1"}, {"name": "DB_PASSWORD", "value": "same"}]);
        let mut new = old.clone();
        new.pin("app", "hello@sha256:1");
        new.0["containerDefinitions"][0]["environment"] = json!([{"name": "API_TOKEN", "value": "hunter3"}, {"name": "PORT", "value": "2"}, {"name": "DB_PASSWORD", "value": "same"}]);
        new.0["containerDefinitions"][0]["portMappings"] = json!([{"containerPort": 9090}]);
        new.0.insert("newKey".into(), json!({"deep": [1, 2]}));
        insta::assert_snapshot!(changes(&old, &new), @r#"
        - containerDefinitions[app].environment[API_TOKEN]: (hidden)
        + containerDefinitions[app].environment[API_TOKEN]: (hidden, another value)
        - containerDefinitions[app].environment[PORT]: "1"
        - containerDefinitions[app].image: "old"
        + containerDefinitions[app].environment[PORT]: "2"
        + containerDefinitions[app].image: "hello@sha256:1"
        - containerDefinitions[app].portMappings[8080].containerPort: 8080
        + containerDefinitions[app].portMappings[9090].containerPort: 9090
        + newKey.deep: [1,2]
        "#);
    }
}
