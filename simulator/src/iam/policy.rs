//! Policy documents: what they say about an action on a resource, and to whom.

use crate::front::Caller;
use crate::iam::condition::{Condition, Context, glob, substitute};
use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// What a policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allow,
    Deny,
    Silent,
}

/// Who is named or not named by a `Principal`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Principal<'a> {
    Caller(&'a Caller),
    /// An identity provider, by its ARN.
    Federated(&'a str),
    /// An AWS service, such as `ecs-tasks.amazonaws.com`.
    Service(&'a str),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    statements: Vec<Statement>,
}

#[derive(Clone, Debug)]
struct Statement {
    allow: bool,
    actions: Names,
    /// A resource's own policy may leave it out.
    resources: Option<Names>,
    principals: Vec<(Kind, String)>,
    conditions: Vec<Condition>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Clone, Debug)]
struct Names {
    patterns: Vec<String>,
    negated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Anyone,
    Aws,
    Federated,
    Service,
}

impl Policy {
    pub(crate) fn parse(document: &Value) -> Result<Policy> {
        let statements = match document.get("Statement") {
            // A bare list of statements, or a bare statement, is taken for a document.
            None if document.is_array() || document.get("Effect").is_some() => one_or_many(document),
            None => bail!("a policy has no `Statement`: {document}"),
            Some(statements) => one_or_many(statements),
        };
        let statements = statements
            .into_iter()
            .map(|s| Statement::parse(s).with_context(|| format!("in the policy statement {s}")))
            .collect::<Result<_>>()?;
        Ok(Policy { statements })
    }

    /// What an identity's policy says; `Principal` has no place in one.
    pub(crate) fn identity(&self, action: &str, resource: &str, context: &Context) -> Verdict {
        verdict(self.statements.iter().filter(|s| s.speaks_of(action, Some(resource), context)))
    }

    /// What a resource's own policy says to this principal, and whether it names him rather than
    /// his whole account.
    pub(crate) fn resource(
        &self,
        principal: Principal<'_>,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> (Verdict, bool) {
        let speaking = || {
            self.statements.iter().filter_map(|s| {
                let by_name = s.names(principal)?;
                s.speaks_of(action, Some(resource), context).then_some((s, by_name))
            })
        };
        let verdict = verdict(speaking().map(|(s, _)| s));
        (verdict, speaking().any(|(s, by_name)| s.allow && by_name))
    }
}

fn verdict<'a>(statements: impl Iterator<Item = &'a Statement>) -> Verdict {
    let mut verdict = Verdict::Silent;
    for statement in statements {
        if !statement.allow {
            return Verdict::Deny;
        }
        verdict = Verdict::Allow;
    }
    verdict
}

impl Statement {
    fn parse(document: &Value) -> Result<Statement> {
        let fields = document.as_object().context("it is not an object")?;
        const KNOWN: &[&str] =
            &["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "Condition"];
        if let Some(unknown) = fields.keys().find(|k| !KNOWN.contains(&k.as_str())) {
            bail!("`{unknown}` isn't known");
        }
        let allow = match fields.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => bail!("`Effect` is neither `Allow` nor `Deny`"),
        };
        Ok(Statement {
            allow,
            actions: Names::parse(document, "Action", "NotAction")?.context("`Action` is missing")?,
            resources: Names::parse(document, "Resource", "NotResource")?,
            principals: fields.get("Principal").map(principals).transpose()?.unwrap_or_default(),
            conditions: fields.get("Condition").map(Condition::parse).transpose()?.unwrap_or_default(),
        })
    }

    fn speaks_of(&self, action: &str, resource: Option<&str>, context: &Context) -> bool {
        let (action, lower) = (action.to_ascii_lowercase(), |p: &str| p.to_ascii_lowercase());
        self.actions.matches(|pattern| glob(&lower(pattern), &action))
            && self.resources.as_ref().is_none_or(|names| {
                names.matches(|pattern| {
                    resource.is_some_and(|resource| glob(&substitute(pattern, context), resource))
                })
            })
            && self.conditions.iter().all(|condition| condition.holds(context))
    }

    /// `None` when the statement isn't about this principal, else whether it names him exactly.
    fn names(&self, principal: Principal<'_>) -> Option<bool> {
        let named: Vec<bool> = self
            .principals
            .iter()
            .filter_map(|(kind, name)| match (kind, principal) {
                (Kind::Anyone, _) => Some(true),
                (Kind::Aws, Principal::Caller(caller)) => names_caller(name, caller),
                (Kind::Federated, Principal::Federated(arn)) => (name == arn).then_some(true),
                (Kind::Service, Principal::Service(service)) => (name == service).then_some(true),
                _ => None,
            })
            .collect();
        (!named.is_empty()).then(|| named.contains(&true))
    }
}

/// An account (`A`, `arn:aws:iam::A:root`) names all who are in it; a role all its sessions.
fn names_caller(name: &str, caller: &Caller) -> Option<bool> {
    if name == caller.account || name == format!("arn:aws:iam::{}:root", caller.account) {
        return Some(false);
    }
    (name == caller.arn || name == super::principal_arn(caller)).then_some(true)
}

impl Names {
    fn parse(statement: &Value, plain: &str, negated: &str) -> Result<Option<Names>> {
        let (patterns, negated) = match (statement.get(plain), statement.get(negated)) {
            (Some(patterns), None) => (patterns, false),
            (None, Some(patterns)) => (patterns, true),
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => bail!("`{plain}` and `{negated}` exclude each other"),
        };
        Ok(Some(Names { patterns: texts(patterns)?, negated }))
    }

    fn matches(&self, matches: impl Fn(&str) -> bool) -> bool {
        self.patterns.iter().any(|pattern| matches(pattern)) != self.negated
    }
}

fn principals(document: &Value) -> Result<Vec<(Kind, String)>> {
    if document == "*" {
        return Ok(vec![(Kind::Anyone, "*".into())]);
    }
    let mut principals = Vec::new();
    for (kind, names) in document.as_object().context("`Principal` is neither `*` nor an object")? {
        let kind = match kind.as_str() {
            "AWS" => Kind::Aws,
            "Federated" => Kind::Federated,
            "Service" => Kind::Service,
            other => bail!("the principal `{other}` isn't known"),
        };
        for name in texts(names)? {
            let anyone = kind == Kind::Aws && name == "*";
            principals.push((if anyone { Kind::Anyone } else { kind }, name));
        }
    }
    Ok(principals)
}

fn one_or_many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(many) => many.iter().collect(),
        one => vec![one],
    }
}

pub(super) fn texts(value: &Value) -> Result<Vec<String>> {
    one_or_many(value)
        .into_iter()
        .map(|v| match v {
            Value::String(s) => Ok(s.clone()),
            Value::Bool(b) => Ok(b.to_string()),
            Value::Number(n) => Ok(n.to_string()),
            other => bail!("{other} is not a text"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn says(policy: Value, action: &str, resource: &str, context: &[(&str, &str)]) -> Verdict {
        let context = Context::of(context.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        Policy::parse(&policy).unwrap().identity(action, resource, &context)
    }

    fn allow(action: Value, resource: Value) -> Value {
        json!({"Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]})
    }

    #[test]
    fn actions_and_resources_have_wildcards() {
        let policy = allow(
            json!(["ecs:Describe*", "ECR:getauthorizationtoken"]),
            json!("arn:aws:ecs:*:2:service/prod/?ello"),
        );
        let hello = "arn:aws:ecs:eu-central-1:2:service/prod/hello";
        assert_eq!(says(policy.clone(), "ecs:DescribeServices", hello, &[]), Verdict::Allow);
        assert_eq!(says(policy.clone(), "ecr:GetAuthorizationToken", hello, &[]), Verdict::Allow);
        assert_eq!(says(policy.clone(), "ecs:UpdateService", hello, &[]), Verdict::Silent);
        assert_eq!(
            says(policy, "ecs:DescribeServices", &hello.replace("prod", "test"), &[]),
            Verdict::Silent
        );
    }

    #[test]
    fn deny_wins_and_negation_turns_round() {
        let policy = json!({"Statement": [
            {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"},
            {"Effect": "Deny", "Action": "ecs:*", "NotResource": "arn:aws:ecs:*:*:service/prod/*"},
        ]});
        assert_eq!(says(policy.clone(), "iam:PassRole", "x", &[]), Verdict::Silent);
        assert_eq!(says(policy.clone(), "ecr:PutImage", "x", &[]), Verdict::Allow);
        assert_eq!(
            says(policy.clone(), "ecs:RunTask", "arn:aws:ecs:r:1:service/prod/a", &[]),
            Verdict::Allow
        );
        assert_eq!(says(policy, "ecs:RunTask", "arn:aws:ecs:r:1:service/test/a", &[]), Verdict::Deny);
    }

    #[test]
    fn variables_are_filled_in() {
        let policy = allow(json!("ecs:*"), json!("arn:aws:ecs:*:*:service/${aws:PrincipalTag/team}/*"));
        let context = [("aws:PrincipalTag/team", "prod")];
        assert_eq!(
            says(policy.clone(), "ecs:RunTask", "arn:aws:ecs:r:1:service/prod/a", &context),
            Verdict::Allow
        );
        assert_eq!(says(policy, "ecs:RunTask", "arn:aws:ecs:r:1:service/prod/a", &[]), Verdict::Silent);
    }

    #[test]
    fn principals_name_a_role_an_account_or_a_session() {
        let caller = Caller {
            account: "1".into(),
            arn: "arn:aws:sts::1:assumed-role/build/run-7".into(),
            principal: "build".into(),
            assumed_role: true,
            ..Caller::default()
        };
        let asked = |principal: Value| {
            let policy =
                json!({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}});
            Policy::parse(&policy).unwrap().resource(
                Principal::Caller(&caller),
                "sts:AssumeRole",
                "arn:aws:iam::2:role/deploy",
                &Context::default(),
            )
        };
        assert_eq!(asked(json!({"AWS": "arn:aws:iam::1:root"})), (Verdict::Allow, false));
        assert_eq!(asked(json!({"AWS": ["9", "1"]})), (Verdict::Allow, false));
        assert_eq!(asked(json!({"AWS": "arn:aws:iam::1:role/build"})), (Verdict::Allow, true));
        assert_eq!(asked(json!({"AWS": "arn:aws:sts::1:assumed-role/build/run-7"})), (Verdict::Allow, true));
        assert_eq!(
            asked(json!({"AWS": "arn:aws:sts::1:assumed-role/build/run-8"})),
            (Verdict::Silent, false)
        );
        assert_eq!(asked(json!({"Service": "ecs-tasks.amazonaws.com"})), (Verdict::Silent, false));
        assert_eq!(asked(json!("*")), (Verdict::Allow, true));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for document in [
            json!({}),
            json!({"Statement": [{"Effect": "Perhaps", "Action": "*", "Resource": "*"}]}),
            json!({"Statement": [{"Effect": "Allow", "Resource": "*"}]}),
            json!({"Statement": [{"Effect": "Allow", "Action": "*", "Ressource": "*"}]}),
            json!({"Statement": [{"Effect": "Allow", "Action": "*", "Condition": {"StringAlmost": {"a": "b"}}}]}),
        ] {
            assert!(Policy::parse(&document).is_err(), "{document}");
        }
    }
}
