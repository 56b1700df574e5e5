//! What a repository's policy says of a principal and an action.

use crate::front::Caller;
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    Denied,
    /// The policy says nothing of it.
    Silent,
}

pub(super) fn verdict(policy: Option<&str>, caller: &Caller, action: &str) -> Verdict {
    let Some(document) = policy.and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
        return Verdict::Silent;
    };
    let mut verdict = Verdict::Silent;
    for statement in each(&document["Statement"]) {
        if !speaks_of(statement, caller, action) {
            continue;
        }
        match statement["Effect"].as_str() {
            Some("Deny") => return Verdict::Denied,
            Some("Allow") => verdict = Verdict::Allowed,
            _ => {}
        }
    }
    verdict
}

/// Whether the document can be a repository's policy, or what is wrong with it.
pub(super) fn check(text: &str) -> Result<(), String> {
    let document: Value = serde_json::from_str(text).map_err(|_| "it is not valid JSON".to_owned())?;
    let statements = each(&document["Statement"]);
    if statements.is_empty() {
        return Err("it has no statement".into());
    }
    for statement in statements {
        let effect = statement["Effect"].as_str();
        if !matches!(effect, Some("Allow" | "Deny")) {
            return Err("a statement's Effect is neither Allow nor Deny".into());
        }
        if statement.get("Resource").is_some() {
            return Err("a repository's policy has no Resource".into());
        }
        if statement.get("Principal").is_none() && statement.get("NotPrincipal").is_none() {
            return Err("a statement has no Principal".into());
        }
        if statement.get("Action").is_none() && statement.get("NotAction").is_none() {
            return Err("a statement has no Action".into());
        }
    }
    Ok(())
}

/// Whether a pattern with `*` and `?` covers the text.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) && pattern[p] != '*' {
            (p, t) = (p + 1, t + 1);
        } else if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            (p, t) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

fn speaks_of(statement: &Value, caller: &Caller, action: &str) -> bool {
    let principal = match (statement.get("Principal"), statement.get("NotPrincipal")) {
        (Some(principal), _) => is_principal(principal, caller),
        (None, Some(others)) => !is_principal(others, caller),
        (None, None) => false,
    };
    let covers = |patterns: &Value| {
        each(patterns)
            .iter()
            .filter_map(|p| p.as_str())
            .any(|pattern| matches(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase()))
    };
    let action = match (statement.get("Action"), statement.get("NotAction")) {
        (Some(actions), _) => covers(actions),
        (None, Some(others)) => !covers(others),
        (None, None) => false,
    };
    principal && action && conditions_hold(&statement["Condition"], caller)
}

fn is_principal(principal: &Value, caller: &Caller) -> bool {
    if principal == "*" {
        return true;
    }
    each(&principal["AWS"]).iter().filter_map(|p| p.as_str()).any(|name| {
        name == "*"
            || name == caller.account
            || name == format!("arn:aws:iam::{}:root", caller.account)
            || name == caller.arn
            || name == identity(caller)
    })
}

/// The ARN of the user, or of the role behind a session.
pub(super) fn identity(caller: &Caller) -> String {
    let kind = if caller.assumed_role { "role" } else { "user" };
    format!("arn:aws:iam::{}:{kind}/{}", caller.account, caller.principal)
}

/// The keys that a request to a registry carries. A condition on another one doesn't hold, unless
/// its operator says that it need not be there.
fn conditions_hold(conditions: &Value, caller: &Caller) -> bool {
    let Some(operators) = conditions.as_object() else { return true };
    operators.iter().all(|(operator, keys)| {
        keys.as_object().into_iter().flatten().all(|(key, wanted)| {
            let wanted: Vec<&str> = each(wanted).iter().filter_map(|w| w.as_str()).collect();
            holds(operator, value_of(key, caller).as_deref(), &wanted)
        })
    })
}

fn value_of(key: &str, caller: &Caller) -> Option<String> {
    let key = key.to_ascii_lowercase();
    match key.as_str() {
        "aws:principalaccount" => Some(caller.account.clone()),
        "aws:principalarn" => Some(identity(caller)),
        "aws:principaltype" => Some(if caller.assumed_role { "AssumedRole" } else { "User" }.to_owned()),
        _ => {
            let tag = key.strip_prefix("aws:principaltag/")?;
            caller.tags.iter().find(|(k, _)| k.eq_ignore_ascii_case(tag)).map(|(_, v)| v.clone())
        }
    }
}

fn holds(operator: &str, value: Option<&str>, wanted: &[&str]) -> bool {
    let (operator, if_exists) = match operator.strip_suffix("IfExists") {
        Some(bare) => (bare, true),
        None => (operator, false),
    };
    let negated = operator.contains("Not");
    let Some(value) = value else { return if_exists || negated };
    let any = |test: &dyn Fn(&str) -> bool| wanted.iter().any(|w| test(w));
    let matched = match operator.replace("Not", "").as_str() {
        "StringEquals" => any(&|w| w == value),
        "StringEqualsIgnoreCase" => any(&|w| w.eq_ignore_ascii_case(value)),
        "StringLike" | "ArnLike" | "ArnEquals" => any(&|w| matches(w, value)),
        _ => return false,
    };
    matched != negated
}

fn each(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn task_role() -> Caller {
        Caller {
            account: "222222222222".into(),
            arn: "arn:aws:sts::222222222222:assumed-role/exec/task".into(),
            principal: "exec".into(),
            assumed_role: true,
            tags: Vec::new(),
        }
    }

    fn says(statement: Value, action: &str) -> Verdict {
        let policy = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        verdict(Some(&policy), &task_role(), action)
    }

    #[test]
    fn an_account_a_role_or_everybody_may_be_named() {
        for principal in [
            json!("*"),
            json!({"AWS": "*"}),
            json!({"AWS": "222222222222"}),
            json!({"AWS": ["arn:aws:iam::333333333333:root", "arn:aws:iam::222222222222:root"]}),
            json!({"AWS": "arn:aws:iam::222222222222:role/exec"}),
            json!({"AWS": "arn:aws:sts::222222222222:assumed-role/exec/task"}),
        ] {
            let statement = json!({"Effect": "Allow", "Principal": principal, "Action": "ecr:BatchGet*"});
            assert_eq!(says(statement.clone(), "ecr:BatchGetImage"), Verdict::Allowed, "{statement}");
            assert_eq!(says(statement, "ecr:PutImage"), Verdict::Silent);
        }
        let other = json!({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::222222222222:role/other"}, "Action": "*"});
        assert_eq!(says(other, "ecr:BatchGetImage"), Verdict::Silent);
    }

    #[test]
    fn a_denial_wins_and_conditions_count() {
        let allow = json!({"Effect": "Allow", "Principal": "*", "Action": "ecr:*"});
        let deny =
            json!({"Effect": "Deny", "Principal": {"AWS": "222222222222"}, "NotAction": "ecr:PutImage"});
        assert_eq!(says(json!([allow, deny]), "ecr:BatchGetImage"), Verdict::Denied);
        assert_eq!(says(json!([allow, deny]), "ecr:PutImage"), Verdict::Allowed);
        for (condition, allowed) in [
            (json!({"StringEquals": {"aws:PrincipalAccount": ["1", "222222222222"]}}), true),
            (json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/ex?c"}}), true),
            (json!({"StringNotEquals": {"aws:PrincipalAccount": "222222222222"}}), false),
            (json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}), false),
            (json!({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}}), true),
        ] {
            let statement =
                json!({"Effect": "Allow", "Principal": "*", "Action": "ecr:*", "Condition": condition});
            assert_eq!(says(statement, "ecr:BatchGetImage") == Verdict::Allowed, allowed, "{condition}");
        }
    }

    #[test]
    fn patterns_cover() {
        for (pattern, text, covers) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("*a*", "bab", true),
            ("a?c", "abc", true),
            ("abc", "abcd", false),
        ] {
            assert_eq!(matches(pattern, text), covers, "{pattern} {text}");
        }
    }

    #[test]
    fn a_policy_with_a_resource_is_refused() {
        let statement = json!({"Effect": "Allow", "Principal": "*", "Action": "ecr:*"});
        assert!(check(&json!({"Statement": statement}).to_string()).is_ok());
        let mut wrong = statement;
        wrong["Resource"] = json!("*");
        assert!(check(&json!({"Statement": [wrong]}).to_string()).unwrap_err().contains("Resource"));
        assert!(check("{").is_err());
    }
}
