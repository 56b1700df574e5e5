//! Whose permission a denied pull lacks, where the denial itself doesn't say: the repository's
//! policy decides.

use super::Failed;
use crate::{aws::Failure, current::may_pull};
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacking {
    /// The repository's policy keeps the tasks out.
    Repository,
    /// The repository lets the account in.
    Role,
}

/// None when the image is in a registry that the run knows nothing of.
pub async fn lacking(
    failed: &Failed<'_>,
    image: &str,
    role: Option<&str>,
) -> Result<Option<Lacking>, Failure> {
    let (registry, deploy) = (failed.registry, failed.clients);
    let Some(repository) = repository(image) else { return Ok(None) };
    let answer = registry.ecr().get_repository_policy().repository_name(repository).send().await;
    let policy = match answer.map_err(registry.failed("ecr:GetRepositoryPolicy")) {
        Ok(answer) => answer.policy_text.as_deref().and_then(|text| serde_json::from_str(text).ok()),
        Err(failure) if failure.is("RepositoryPolicyNotFound") => None,
        Err(failure) => return Err(failure),
    };
    let own = registry.account == deploy.account;
    Ok(Some(judged(policy.as_ref(), own, &deploy.account, role)))
}

/// In the repository's own account a policy only matters where it denies.
fn judged(policy: Option<&Value>, own: bool, account: &str, role: Option<&str>) -> Lacking {
    let denies = |policy: &Value| policy["Statement"].to_string().contains("\"Deny\"");
    match policy {
        Some(policy) if denies(policy) => Lacking::Repository,
        _ if own => Lacking::Role,
        Some(policy) if may_pull(policy, account, role) => Lacking::Role,
        _ => Lacking::Repository,
    }
}

/// The name within its registry: without host, tag and digest.
pub fn repository(image: &str) -> Option<&str> {
    let (_, name) = image.split_once('/')?;
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    Some(name.rsplit_once(':').map_or(name, |(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_policy_tells_who_is_in_the_way() {
        let lets_in = json!({"Statement": [{"Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": "ecr:*"}]});
        let denies = json!({"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "ecr:*"}]});
        let judged = |policy: Option<&Value>, own| judged(policy, own, "222222222222", None);
        assert_eq!(judged(Some(&lets_in), false), Lacking::Role);
        assert_eq!(judged(None, false), Lacking::Repository);
        assert_eq!(judged(None, true), Lacking::Role);
        assert_eq!(judged(Some(&denies), true), Lacking::Repository);
    }

    #[test]
    fn a_repository_is_named_without_its_registry() {
        assert_eq!(repository("127.0.0.1:5000/team/hello:1@sha256:0"), Some("team/hello"));
        assert_eq!(repository("nginx"), None);
    }
}
