//! The conditions of a policy statement, and the context that they are asked on.

use crate::iam::policy::texts;
use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::{borrow::Cow, collections::BTreeMap};

/// Condition keys with their values. Keys are the same in any case; a key may have several values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    pub(crate) fn of(pairs: impl IntoIterator<Item = (String, String)>) -> Context {
        let mut context = Context::default();
        for (key, value) in pairs {
            context.0.entry(key.to_ascii_lowercase()).or_default().push(value);
        }
        context
    }

    fn get(&self, key: &str) -> &[String] {
        self.0.get(&key.to_ascii_lowercase()).map(Vec::as_slice).unwrap_or_default()
    }
}

/// One operator on one key: all of a statement's must hold.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    operator: Operator,
    negated: bool,
    if_exists: bool,
    set: Option<Set>,
    key: String,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
enum Operator {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    Arn,
    Bool,
    Numeric(Comparison),
    Date(Comparison),
    Null,
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Equals,
    LessThan,
    LessThanEquals,
    GreaterThan,
    GreaterThanEquals,
}

/// How a key of several values is asked.
#[derive(Clone, Copy, Debug)]
enum Set {
    ForAllValues,
    ForAnyValue,
}

impl Condition {
    pub(super) fn parse(document: &Value) -> Result<Vec<Condition>> {
        let mut conditions = Vec::new();
        for (written, keys) in document.as_object().context("`Condition` is not an object")? {
            let (set, name) = match written.split_once(':') {
                Some(("ForAllValues", name)) => (Some(Set::ForAllValues), name),
                Some(("ForAnyValue", name)) => (Some(Set::ForAnyValue), name),
                Some(_) => bail!("the condition operator `{written}` isn't known"),
                None => (None, written.as_str()),
            };
            let (name, if_exists) = match name.strip_suffix("IfExists") {
                Some(name) => (name, true),
                None => (name, false),
            };
            let (operator, negated) =
                operator(name).with_context(|| format!("the condition operator `{written}` isn't known"))?;
            for (key, values) in keys.as_object().context("a condition operator holds no object")? {
                let (key, values) = (key.clone(), texts(values)?);
                conditions.push(Condition { operator, negated, if_exists, set, key, values });
            }
        }
        Ok(conditions)
    }

    pub(super) fn holds(&self, context: &Context) -> bool {
        let actual = context.get(&self.key);
        if let Operator::Null = self.operator {
            return self.values.iter().any(|v| (v == "true") == actual.is_empty());
        }
        match self.set {
            Some(Set::ForAllValues) => actual.iter().all(|a| self.one_holds(a, context)),
            Some(Set::ForAnyValue) => actual.iter().any(|a| self.one_holds(a, context)),
            None if actual.is_empty() => self.negated || self.if_exists,
            None => actual.iter().any(|a| self.one_holds(a, context)),
        }
    }

    fn one_holds(&self, actual: &str, context: &Context) -> bool {
        let wanted = |v: &String| self.operator.matches(&substitute(v, context), actual);
        self.values.iter().any(wanted) != self.negated
    }
}

impl Operator {
    fn matches(self, wanted: &str, actual: &str) -> bool {
        match self {
            Operator::StringEquals => wanted == actual,
            Operator::StringEqualsIgnoreCase => wanted.eq_ignore_ascii_case(actual),
            Operator::StringLike => glob(wanted, actual),
            Operator::Arn => {
                let (wanted, actual): (Vec<&str>, Vec<&str>) =
                    (wanted.splitn(6, ':').collect(), actual.splitn(6, ':').collect());
                wanted.len() == actual.len() && wanted.iter().zip(&actual).all(|(w, a)| glob(w, a))
            }
            Operator::Bool => wanted.eq_ignore_ascii_case(actual),
            Operator::Numeric(comparison) => {
                compare(comparison, wanted.parse::<f64>().ok(), actual.parse::<f64>().ok())
            }
            Operator::Date(comparison) => compare(comparison, date(wanted), date(actual)),
            Operator::Null => false,
        }
    }
}

fn operator(name: &str) -> Option<(Operator, bool)> {
    use Comparison::{Equals, GreaterThan, GreaterThanEquals, LessThan, LessThanEquals};
    Some(match name {
        "StringEquals" => (Operator::StringEquals, false),
        "StringNotEquals" => (Operator::StringEquals, true),
        "StringEqualsIgnoreCase" => (Operator::StringEqualsIgnoreCase, false),
        "StringNotEqualsIgnoreCase" => (Operator::StringEqualsIgnoreCase, true),
        "StringLike" => (Operator::StringLike, false),
        "StringNotLike" => (Operator::StringLike, true),
        "ArnEquals" | "ArnLike" => (Operator::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Operator::Arn, true),
        "Bool" => (Operator::Bool, false),
        "Null" => (Operator::Null, false),
        "NumericEquals" => (Operator::Numeric(Equals), false),
        "NumericNotEquals" => (Operator::Numeric(Equals), true),
        "NumericLessThan" => (Operator::Numeric(LessThan), false),
        "NumericLessThanEquals" => (Operator::Numeric(LessThanEquals), false),
        "NumericGreaterThan" => (Operator::Numeric(GreaterThan), false),
        "NumericGreaterThanEquals" => (Operator::Numeric(GreaterThanEquals), false),
        "DateEquals" => (Operator::Date(Equals), false),
        "DateNotEquals" => (Operator::Date(Equals), true),
        "DateLessThan" => (Operator::Date(LessThan), false),
        "DateLessThanEquals" => (Operator::Date(LessThanEquals), false),
        "DateGreaterThan" => (Operator::Date(GreaterThan), false),
        "DateGreaterThanEquals" => (Operator::Date(GreaterThanEquals), false),
        _ => return None,
    })
}

fn compare<T: PartialOrd>(comparison: Comparison, wanted: Option<T>, actual: Option<T>) -> bool {
    let (Some(wanted), Some(actual)) = (wanted, actual) else { return false };
    match comparison {
        Comparison::Equals => actual == wanted,
        Comparison::LessThan => actual < wanted,
        Comparison::LessThanEquals => actual <= wanted,
        Comparison::GreaterThan => actual > wanted,
        Comparison::GreaterThanEquals => actual >= wanted,
    }
}

fn date(text: &str) -> Option<DateTime<Utc>> {
    let seconds = || DateTime::from_timestamp(text.parse().ok()?, 0);
    DateTime::parse_from_rfc3339(text).ok().map(Into::into).or_else(seconds)
}

/// `*` for any text, `?` for any one character.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where to go on after the latest star, should what follows it not match.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((after, taken)) => {
                    star = Some((after, taken + 1));
                    p = after;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Fills in `${aws:PrincipalTag/team}`; a variable without a value matches nothing.
pub(super) fn substitute<'a>(pattern: &'a str, context: &Context) -> Cow<'a, str> {
    if !pattern.contains("${") {
        return Cow::Borrowed(pattern);
    }
    let mut filled = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((variable, after)) = after.split_once('}') else { break };
        filled.push_str(before);
        match context.get(variable).first() {
            Some(value) => filled.push_str(value),
            None => filled.push('\u{0}'),
        }
        rest = after;
    }
    filled.push_str(rest);
    Cow::Owned(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn holds(condition: Value, context: &[(&str, &str)]) -> bool {
        let context = Context::of(context.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        Condition::parse(&condition).unwrap().iter().all(|c| c.holds(&context))
    }

    #[test]
    fn globs() {
        for (pattern, text) in [("*", ""), ("a*c", "abbc"), ("a?c", "abc"), ("*b*b", "abab"), ("", "")] {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a*c", "ab"), ("?", ""), ("ab", "abc"), ("*b", "ba")] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn operators() {
        let sub = [("token.actions.githubusercontent.com:sub", "repo:acme/shop:ref:refs/heads/main")];
        let on = |operator: &str, value: &str| {
            holds(json!({operator: {"token.actions.githubusercontent.com:SUB": [value]}}), &sub)
        };
        assert!(on("StringLike", "repo:acme/*"));
        assert!(!on("StringEquals", "repo:acme/*"));
        assert!(on("StringNotEquals", "repo:acme/other"));
        assert!(!on("StringNotLike", "repo:acme/*"));
        assert!(holds(
            json!({"ArnLike": {"a": "arn:aws:iam::*:role/b*"}}),
            &[("a", "arn:aws:iam::1:role/build")]
        ));
        assert!(!holds(json!({"ArnLike": {"a": "arn:aws:*"}}), &[("a", "arn:aws:iam::1:role/build")]));
        assert!(holds(json!({"Bool": {"aws:SecureTransport": false}}), &[("aws:SecureTransport", "false")]));
        assert!(holds(json!({"NumericLessThanEquals": {"n": "3600"}}), &[("n", "900")]));
        assert!(holds(
            json!({"DateGreaterThan": {"d": "2026-01-01T00:00:00Z"}}),
            &[("d", "2026-06-01T00:00:00Z")]
        ));
    }

    #[test]
    fn a_missing_key() {
        assert!(!holds(json!({"StringEquals": {"sts:ExternalId": "x"}}), &[]));
        assert!(holds(json!({"StringNotEquals": {"sts:ExternalId": "x"}}), &[]));
        assert!(holds(json!({"StringEqualsIfExists": {"sts:ExternalId": "x"}}), &[]));
        assert!(holds(json!({"Null": {"sts:ExternalId": "true"}}), &[]));
        assert!(!holds(json!({"Null": {"sts:ExternalId": "true"}}), &[("sts:ExternalId", "x")]));
    }

    #[test]
    fn several_values() {
        let keys = [("aws:TagKeys", "Repository"), ("aws:TagKeys", "Commit")];
        assert!(holds(
            json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["Repository", "Commit"]}}),
            &keys
        ));
        assert!(!holds(json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["Repository"]}}), &keys));
        assert!(holds(json!({"ForAnyValue:StringEquals": {"aws:TagKeys": ["Repository"]}}), &keys));
        assert!(!holds(json!({"ForAnyValue:StringEquals": {"aws:TagKeys": ["Repository"]}}), &[]));
    }
}
