//! What AWS takes as a lifecycle policy. The policies are kept; nothing is ever expired by them.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) fn check(text: &str) -> Result<()> {
    let document: Value = serde_json::from_str(text).context("it is no JSON")?;
    let rules = document["rules"].as_array().filter(|rules| !rules.is_empty()).context("it has no rules")?;
    ensure!(rules.len() <= 50, "it has more than 50 rules");
    let mut priorities = BTreeSet::new();
    let (mut any, mut untagged) = (None, 0);
    for rule in rules {
        let priority = rule["rulePriority"].as_u64().filter(|p| *p > 0).context("rulePriority is missing")?;
        ensure!(priorities.insert(priority), "rulePriority {priority} isn't unique");
        ensure!(rule["action"]["type"] == "expire", "action.type has to be expire");
        match selection(&rule["selection"])? {
            Kind::Any => {
                ensure!(any.is_none(), "there are several rules for any image");
                any = Some(priority);
            }
            Kind::Untagged => untagged += 1,
            Kind::Tagged => {}
        }
    }
    ensure!(untagged <= 1, "there are several rules for untagged images");
    ensure!(
        any.is_none() || any == priorities.last().copied(),
        "a rule for any image has to have the lowest priority"
    );
    Ok(())
}

enum Kind {
    Any,
    Tagged,
    Untagged,
}

fn selection(selection: &Value) -> Result<Kind> {
    let lists = ["tagPrefixList", "tagPatternList"];
    let named = lists.iter().filter(|key| selection[**key].as_array().is_some_and(|list| !list.is_empty()));
    let named = named.count();
    let kind = match selection["tagStatus"].as_str() {
        Some("tagged") => Kind::Tagged,
        Some("untagged") => Kind::Untagged,
        Some("any") => Kind::Any,
        _ => anyhow::bail!("tagStatus has to be tagged, untagged or any"),
    };
    match kind {
        Kind::Tagged => ensure!(named == 1, "tagged takes tagPrefixList or tagPatternList"),
        _ => ensure!(named == 0, "prefixes and patterns go with tagged alone"),
    }
    ensure!(selection["countNumber"].as_u64().is_some_and(|n| n > 0), "countNumber has to be above 0");
    match (selection["countType"].as_str(), selection["countUnit"].as_str()) {
        (Some("imageCountMoreThan"), None) | (Some("sinceImagePushed"), Some("days")) => Ok(kind),
        (Some("imageCountMoreThan"), Some(_)) => anyhow::bail!("countUnit goes with sinceImagePushed"),
        (Some("sinceImagePushed"), _) => anyhow::bail!("sinceImagePushed takes countUnit days"),
        _ => anyhow::bail!("countType has to be imageCountMoreThan or sinceImagePushed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(priority: u64, status: &str) -> Value {
        json!({
            "rulePriority": priority,
            "selection": {"tagStatus": status, "countType": "imageCountMoreThan", "countNumber": 9},
            "action": {"type": "expire"},
        })
    }

    fn is_taken(rules: &[Value]) -> bool {
        check(&json!({"rules": rules}).to_string()).is_ok()
    }

    #[test]
    fn rules_are_held_to_what_aws_says_of_them() {
        assert!(is_taken(&[rule(1, "untagged"), rule(2, "any")]));
        assert!(!is_taken(&[rule(2, "untagged"), rule(1, "any")]), "any comes last");
        assert!(!is_taken(&[rule(1, "untagged"), rule(1, "any")]), "a priority is one rule's");
        assert!(!is_taken(&[rule(1, "tagged")]), "tagged names tags");
        assert!(!is_taken(&[]));
        let with = |key: &str, value: Value| {
            let mut rule = rule(1, "untagged");
            rule["selection"][key] = value;
            rule
        };
        assert!(!is_taken(&[with("countUnit", json!("days"))]));
        assert!(!is_taken(&[with("countType", json!("sinceImagePushed"))]));
        assert!(!is_taken(&[with("countNumber", json!(0))]));
        assert!(!is_taken(&[with("tagPrefixList", json!(["v"]))]));
    }
}
