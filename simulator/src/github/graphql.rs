//! The one mutation that the REST API lacks: hiding a comment, and showing it again.

use super::{State, comments, input::Ask, reply::Reply};
use serde_json::{Value, json};

const CLASSIFIERS: &[&str] = &["ABUSE", "DUPLICATE", "OFF_TOPIC", "OUTDATED", "RESOLVED", "SPAM"];

/// Errors are answers too, with status 200.
pub(super) fn answer(state: &mut State, ask: &Ask, may_write: bool) -> Reply {
    let query = ask.body["query"].as_str().unwrap_or_default();
    let variables = &ask.body["variables"];
    let name = ["unminimizeComment", "minimizeComment"].into_iter().find(|name| query.contains(*name));
    let Some(name) = name.filter(|_| query.trim_start().starts_with("mutation")) else {
        let message = "this world answers the mutations minimizeComment and unminimizeComment alone";
        return Reply::ok(json!({"errors": [{"type": "NOT_IMPLEMENTED", "message": message}]}));
    };
    let refuse = |kind: &str, message: String| {
        Reply::ok(json!({
            "data": {name: null},
            "errors": [{"type": kind, "path": [name], "locations": [{"line": 1, "column": 1}], "message": message}],
        }))
    };
    if !may_write {
        let message = "Resource not accessible by integration".to_owned();
        return Reply::ok(json!({
            "data": null, "errors": [{"type": "FORBIDDEN", "path": [name], "message": message}],
        }));
    }
    let Some(subject) = argument(query, variables, "subjectId") else {
        let message =
            format!("Argument 'subjectId' on InputObject '{name}Input' is required. Expected type ID!");
        return refuse("INVALID", message);
    };
    let reason = match name {
        "unminimizeComment" => None,
        _ => match argument(query, variables, "classifier") {
            Some(classifier) if CLASSIFIERS.contains(&classifier.as_str()) => {
                Some(classifier.to_lowercase().replace('_', "-"))
            }
            other => {
                let given = other.unwrap_or_else(|| "null".into());
                let message = format!(
                    "Argument 'classifier' on InputObject 'MinimizeCommentInput' has an invalid value ({given}). Expected type 'ReportedContentClassifiers!'."
                );
                return refuse("INVALID", message);
            }
        },
    };
    let minimized = reason.is_some();
    if comments::minimize(state, &subject, reason.clone()).is_none() {
        let message = format!("Could not resolve to a node with the global id of '{subject}'");
        return refuse("NOT_FOUND", message);
    }
    let mut comment = json!({});
    for (field, value) in [("isMinimized", json!(minimized)), ("minimizedReason", json!(reason))] {
        if query.contains(field) {
            comment[field] = value;
        }
    }
    let answer = if minimized { "minimizedComment" } else { "unminimizedComment" };
    Reply::ok(json!({"data": {name: {answer: comment}}}))
}

/// An input's value: written in the query, or a variable's, or a member of the variable `input`.
fn argument(query: &str, variables: &Value, name: &str) -> Option<String> {
    let written = query.split_once(&format!("{name}:")).map(|(_, rest)| rest.trim_start());
    let found = match written {
        Some(rest) if rest.starts_with('"') => return rest[1..].split('"').next().map(str::to_owned),
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"_$".contains(c));
            let word = &rest[..end.unwrap_or(rest.len())];
            match word.strip_prefix('$') {
                Some(variable) => variables.get(variable),
                None => return Some(word.to_owned()),
            }
        }
        None => {
            let (_, rest) = query.rsplit_once("input:")?;
            let variable = rest.trim_start().strip_prefix('$')?;
            let end = variable.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            variables.get(&variable[..end.unwrap_or(variable.len())]).and_then(|input| input.get(name))
        }
    };
    found?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_found_wherever_it_is_written() {
        let variables = json!({"id": "IC_1", "input": {"subjectId": "IC_2", "classifier": "SPAM"}});
        let whole = |query, name| argument(query, &variables, name);
        let with_variable =
            "mutation($id:ID!){minimizeComment(input:{subjectId:$id,classifier:OUTDATED}){x}}";
        assert_eq!(whole(with_variable, "subjectId").as_deref(), Some("IC_1"));
        assert_eq!(whole(with_variable, "classifier").as_deref(), Some("OUTDATED"));
        let literal = r#"mutation { minimizeComment(input: {subjectId: "IC_3", classifier: SPAM}) {x} }"#;
        assert_eq!(whole(literal, "subjectId").as_deref(), Some("IC_3"));
        let input = "mutation($input: MinimizeCommentInput!) { minimizeComment(input: $input) { x } }";
        assert_eq!(whole(input, "subjectId").as_deref(), Some("IC_2"));
        assert_eq!(whole(input, "classifier").as_deref(), Some("SPAM"));
        assert_eq!(whole("mutation { minimizeComment }", "subjectId"), None);
    }
}
