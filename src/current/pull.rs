//! Whether the deploy account's tasks may pull from the repository of another account.

use super::Part;
use crate::{
    aws::Access,
    say::{current as say, refusals},
};
use serde_json::Value;

/// Refuses a repository whose policy keeps the tasks out. Where the policy may not be read, or
/// has conditions, nothing is said against it. `will_let` is true where this run gives a repository
/// that has no policy one that lets them in.
pub(super) async fn policy(
    access: &Access,
    repository: &str,
    execution_role: Option<&str>,
    will_let: bool,
) -> Part<()> {
    let clients = access.registry();
    let deploy = &access.deploy;
    if clients.account == deploy.account {
        return Part::none();
    }
    let answer = clients
        .ecr()
        .get_repository_policy()
        .repository_name(repository)
        .send()
        .await
        .map_err(clients.failed("ecr:GetRepositoryPolicy"));
    match answer {
        Ok(answer) => {
            let policy = answer.policy_text.as_deref().and_then(|text| serde_json::from_str(text).ok());
            match policy.is_none_or(|policy| may_pull(&policy, &deploy.account, execution_role)) {
                true => Part::of(()),
                false => Part::wrong(say::no_pull(
                    repository,
                    &clients.account,
                    &deploy.account,
                    deploy.partition(),
                )),
            }
        }
        Err(failure) if failure.is("RepositoryPolicyNotFoundException") && will_let => Part::none(),
        Err(failure) if failure.is("RepositoryPolicyNotFoundException") => {
            Part::wrong(say::no_pull(repository, &clients.account, &deploy.account, deploy.partition()))
        }
        Err(failure) if failure.is_denied() => Part::without(say::policy_unseen(repository, &failure)),
        // The image's own reader tells of a repository that isn't there.
        Err(failure) if failure.is("RepositoryNotFoundException") => Part::none(),
        Err(failure) => Part::wrong(refusals::failure(&failure)),
    }
}

const NEEDED: [&str; 2] = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];

/// Whether the policy lets a role of the account pull. Denials aren't looked at.
pub fn may_pull(policy: &Value, account: &str, role: Option<&str>) -> bool {
    let statements = items(&policy["Statement"]);
    NEEDED.iter().all(|action| {
        statements.iter().any(|statement| {
            statement["Effect"] == "Allow"
                && names_us(&statement["Principal"], account, role)
                && items(&statement["Action"]).iter().any(|a| a.as_str().is_some_and(|a| matches(a, action)))
        })
    })
}

/// By account, by role, or anybody. A condition is taken to hold.
fn names_us(principal: &Value, account: &str, role: Option<&str>) -> bool {
    let named = |value: &Value| match value.as_str() {
        Some("*") => true,
        Some(name) => name == account || name.ends_with(&format!("::{account}:root")) || Some(name) == role,
        None => false,
    };
    match principal {
        Value::Object(kinds) => {
            kinds.get("AWS").is_some_and(|aws| items(aws).iter().any(|value| named(value)))
        }
        other => named(other),
    }
}

/// One or several, as policies write both.
fn items(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    match pattern.split_once('*') {
        Some((start, end)) => action.starts_with(start) && action.ends_with(end),
        None => pattern == action,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ROLE: &str = "arn:aws:iam::222222222222:role/hello-execution";

    fn may(principal: &Value, actions: &Value) -> bool {
        let statement = json!({"Effect": "Allow", "Principal": principal, "Action": actions});
        may_pull(&json!({"Statement": [statement]}), "222222222222", Some(ROLE))
    }

    #[test]
    fn the_account_its_role_or_anybody_may_be_named() {
        let pull = json!(NEEDED);
        for principal in [
            json!("*"),
            json!({"AWS": "arn:aws:iam::222222222222:root"}),
            json!({"AWS": ["333333333333", "222222222222"]}),
            json!({"AWS": ROLE}),
        ] {
            assert!(may(&principal, &pull), "{principal}");
        }
        for principal in
            [json!({"AWS": "arn:aws:iam::333333333333:root"}), json!({"Service": "ecs.amazonaws.com"})]
        {
            assert!(!may(&principal, &pull), "{principal}");
        }
    }

    #[test]
    fn both_actions_are_needed() {
        let root = json!({"AWS": "arn:aws:iam::222222222222:root"});
        assert!(may(&root, &json!("ecr:*")));
        assert!(may(&root, &json!(["ecr:BatchGet*", "ecr:GetDownloadUrlForLayer"])));
        assert!(!may(&root, &json!("ecr:BatchGetImage")));
        assert!(!may_pull(&json!({}), "222222222222", None));
    }
}
