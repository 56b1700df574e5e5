//! The query protocol's requests: `A.member.1.B=x` becomes `{"A": [{"B": "x"}]}`.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The parameters of a form body or a query string.
pub(crate) fn parameters(form: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(form).into_owned().collect()
}

/// Nests parameters by their names. Lists may be marked by `member` or be flat; what goes by
/// number is a list, in the order of its numbers. Leaves stay strings.
pub(crate) fn nest(parameters: &[(String, String)]) -> Value {
    let mut root = Node::default();
    for (name, value) in parameters {
        let node =
            name.split('.').fold(&mut root, |node, part| node.children.entry(part.to_owned()).or_default());
        node.value = Some(value.clone());
    }
    root.children.remove("Action");
    root.children.remove("Version");
    root.into_value()
}

#[derive(Default)]
struct Node {
    value: Option<String>,
    children: BTreeMap<String, Node>,
}

impl Node {
    fn into_value(mut self) -> Value {
        if self.children.is_empty() {
            return Value::String(self.value.unwrap_or_default());
        }
        if self.children.len() == 1
            && let Some(members) = self.children.remove("member")
        {
            return match members.into_value() {
                list @ Value::Array(_) => list,
                other => Value::Object(Map::from_iter([("member".to_owned(), other)])),
            };
        }
        let numbers: Option<Vec<u64>> = self.children.keys().map(|k| k.parse().ok()).collect();
        match numbers {
            Some(_) => {
                let mut members: Vec<(u64, Node)> = self
                    .children
                    .into_iter()
                    .filter_map(|(number, node)| Some((number.parse().ok()?, node)))
                    .collect();
                members.sort_by_key(|(number, _)| *number);
                members.into_iter().map(|(_, node)| node.into_value()).collect()
            }
            None => Value::Object(
                self.children.into_iter().map(|(name, node)| (name, node.into_value())).collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_and_structures_nest() {
        let form = b"Action=Modify&Version=1&ListenerArn=arn%3Aa&DefaultActions.member.1.Type=forward\
            &DefaultActions.member.1.ForwardConfig.TargetGroups.member.2.Weight=10\
            &DefaultActions.member.1.ForwardConfig.TargetGroups.member.1.Weight=90\
            &Tags.member.10.Key=b&Tags.member.9.Key=a&Empty=";
        assert_eq!(
            nest(&parameters(form)),
            json!({
                "ListenerArn": "arn:a",
                "DefaultActions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": [{"Weight": "90"}, {"Weight": "10"}]}}],
                "Tags": [{"Key": "a"}, {"Key": "b"}],
                "Empty": "",
            })
        );
    }

    #[test]
    fn a_flat_list_is_a_list() {
        assert_eq!(nest(&parameters(b"Names.1=a&Names.2=b")), json!({"Names": ["a", "b"]}));
    }
}
