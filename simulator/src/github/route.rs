//! The operations: method and path, the permission that each takes, its name and its documentation.

use super::{State, checks, comments, deployments, input::Ask, reply::Answer, repository, statuses};

/// A permission and whether it takes writing. Any one of several will do.
pub(super) type Permission = (&'static str, bool);

pub(super) struct Route {
    pub(super) method: &'static str,
    /// Below the repository; `*` takes one segment.
    path: &'static str,
    /// As GitHub's OpenAPI description names it.
    pub(super) operation: &'static str,
    pub(super) permissions: &'static [Permission],
    pub(super) documentation: &'static str,
    pub(super) answer: fn(&mut State, &Ask) -> Answer,
}

macro_rules! routes {
    ($($method:literal $path:literal => $operation:literal, $permissions:expr, $documentation:literal, $answer:path;)+) => {
        pub(super) const ROUTES: &[Route] = &[$(Route {
            method: $method,
            path: $path,
            operation: $operation,
            permissions: $permissions,
            documentation: $documentation,
            answer: $answer,
        }),+];
    };
}

const METADATA: &[Permission] = &[("metadata", false)];
const CONTENTS: &[Permission] = &[("contents", false)];
const CHECKS_READ: &[Permission] = &[("checks", false)];
const CHECKS: &[Permission] = &[("checks", true)];
const STATUSES_READ: &[Permission] = &[("statuses", false)];
const STATUSES: &[Permission] = &[("statuses", true)];
const COMMENTS_READ: &[Permission] = &[("issues", false), ("pull-requests", false)];
const COMMENTS: &[Permission] = &[("issues", true), ("pull-requests", true)];
const DEPLOYMENTS_READ: &[Permission] = &[("deployments", false)];
const DEPLOYMENTS: &[Permission] = &[("deployments", true)];
const PULLS_READ: &[Permission] = &[("pull-requests", false)];

routes! {
    "POST" "check-runs" => "checks/create", CHECKS, "/checks/runs#create-a-check-run", checks::create;
    "PATCH" "check-runs/*" => "checks/update", CHECKS, "/checks/runs#update-a-check-run", checks::update;
    "GET" "check-runs/*" => "checks/get", CHECKS_READ, "/checks/runs#get-a-check-run", checks::get;
    "GET" "check-runs/*/annotations" => "checks/list-annotations", CHECKS_READ, "/checks/runs#list-check-run-annotations", checks::annotations;
    "GET" "commits/*/check-runs" => "checks/list-for-ref", CHECKS_READ, "/checks/runs#list-check-runs-for-a-git-reference", checks::list_for_ref;
    "POST" "statuses/*" => "repos/create-commit-status", STATUSES, "/commits/statuses#create-a-commit-status", statuses::create;
    "GET" "commits/*/status" => "repos/get-combined-status-for-ref", STATUSES_READ, "/commits/statuses#get-the-combined-status-for-a-specific-reference", statuses::combined;
    "GET" "commits/*/statuses" => "repos/list-commit-statuses-for-ref", STATUSES_READ, "/commits/statuses#list-commit-statuses-for-a-reference", statuses::list;
    "GET" "statuses/*" => "repos/list-commit-statuses-for-ref", STATUSES_READ, "/commits/statuses#list-commit-statuses-for-a-reference", statuses::list;
    "GET" "issues/*/comments" => "issues/list-comments", COMMENTS_READ, "/issues/comments#list-issue-comments", comments::list;
    "POST" "issues/*/comments" => "issues/create-comment", COMMENTS, "/issues/comments#create-an-issue-comment", comments::create;
    "GET" "issues/comments/*" => "issues/get-comment", COMMENTS_READ, "/issues/comments#get-an-issue-comment", comments::get;
    "PATCH" "issues/comments/*" => "issues/update-comment", COMMENTS, "/issues/comments#update-an-issue-comment", comments::update;
    "POST" "issues/comments/*" => "issues/update-comment", COMMENTS, "/issues/comments#update-an-issue-comment", comments::update;
    "DELETE" "issues/comments/*" => "issues/delete-comment", COMMENTS, "/issues/comments#delete-an-issue-comment", comments::delete;
    "POST" "deployments" => "repos/create-deployment", DEPLOYMENTS, "/deployments/deployments#create-a-deployment", deployments::create;
    "GET" "deployments" => "repos/list-deployments", DEPLOYMENTS_READ, "/deployments/deployments#list-deployments", deployments::list;
    "GET" "deployments/*" => "repos/get-deployment", DEPLOYMENTS_READ, "/deployments/deployments#get-a-deployment", deployments::get;
    "DELETE" "deployments/*" => "repos/delete-deployment", DEPLOYMENTS, "/deployments/deployments#delete-a-deployment", deployments::delete;
    "POST" "deployments/*/statuses" => "repos/create-deployment-status", DEPLOYMENTS, "/deployments/statuses#create-a-deployment-status", deployments::create_status;
    "GET" "deployments/*/statuses" => "repos/list-deployment-statuses", DEPLOYMENTS_READ, "/deployments/statuses#list-deployment-statuses", deployments::list_statuses;
    "GET" "deployments/*/statuses/*" => "repos/get-deployment-status", DEPLOYMENTS_READ, "/deployments/statuses#get-a-deployment-status", deployments::get_status;
    "GET" "commits/*/pulls" => "repos/list-pull-requests-associated-with-commit", PULLS_READ, "/commits/commits#list-pull-requests-associated-with-a-commit", repository::pulls_of_commit;
    "GET" "commits/*" => "repos/get-commit", CONTENTS, "/commits/commits#get-a-commit", repository::commit;
    "GET" "compare/*" => "repos/compare-commits-with-basehead", CONTENTS, "/commits/commits#compare-two-commits", repository::compare;
    "GET" "pulls" => "pulls/list", PULLS_READ, "/pulls/pulls#list-pull-requests", repository::pulls;
    "GET" "pulls/*" => "pulls/get", PULLS_READ, "/pulls/pulls#get-a-pull-request", repository::pull_request;
    "GET" "" => "repos/get", METADATA, "/repos/repos#get-a-repository", repository::get;
}

/// The route, and what its open segments hold.
pub(super) fn find(method: &str, path: &str) -> Option<(&'static Route, Vec<String>)> {
    // A HEAD is a GET without its content.
    let method = if method == "HEAD" { "GET" } else { method };
    ROUTES.iter().filter(|route| route.method == method).find_map(|route| {
        let captures = matches(route.path, path)?;
        Some((route, captures))
    })
}

fn matches(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (wanted, given): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    // A branch's name may have slashes, so an open segment between others takes what is left over.
    let open = wanted.iter().position(|segment| *segment == "*");
    let spare = given.len().checked_sub(wanted.len())?;
    if spare > 0 && (wanted.first() != Some(&"commits") || open.is_none()) {
        return None;
    }
    let mut captures = Vec::new();
    let mut at = 0;
    for (n, segment) in wanted.iter().enumerate() {
        let end = at + 1 + if Some(n) == open { spare } else { 0 };
        let part = given.get(at..end)?.join("/");
        match *segment {
            "*" if part.is_empty() => return None,
            "*" => {
                captures.push(percent_encoding::percent_decode_str(&part).decode_utf8_lossy().into_owned())
            }
            segment if segment == part => {}
            _ => return None,
        }
        at = end;
    }
    Some(captures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_its_operation() {
        let found =
            |method, path| find(method, path).map(|(route, captures)| (route.operation, captures.join(" ")));
        let is = |operation, captures: &str| Some((operation, captures.to_owned()));
        assert_eq!(found("GET", ""), is("repos/get", ""));
        assert_eq!(found("POST", "check-runs"), is("checks/create", ""));
        assert_eq!(found("GET", "commits/main/check-runs"), is("checks/list-for-ref", "main"));
        assert_eq!(found("GET", "commits/feature/one/check-runs"), is("checks/list-for-ref", "feature/one"));
        assert_eq!(
            found("GET", "commits/feature%2Fone/status"),
            is("repos/get-combined-status-for-ref", "feature/one")
        );
        assert_eq!(found("HEAD", "issues/comments/5"), is("issues/get-comment", "5"));
        assert_eq!(found("GET", "issues/5/comments"), is("issues/list-comments", "5"));
        assert_eq!(found("GET", "deployments/1/statuses/2"), is("repos/get-deployment-status", "1 2"));
        assert_eq!(found("PUT", "check-runs"), None);
        assert_eq!(found("GET", "issues/5/comments/6"), None);
        assert_eq!(found("GET", "nothing"), None);
    }
}
