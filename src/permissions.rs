//! The permissions that a run needs, as IAM policy documents: what docs/permissions.md prints and
//! what a rehearsal enforces.

use serde_json::{Value, json};

/// What the policies are cut to.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    pub partition: &'a str,
    pub build_account: &'a str,
    pub build_region: &'a str,
    pub repository: &'a str,
    pub deploy_role: Option<&'a str>,
    pub account: &'a str,
    pub region: &'a str,
    pub cluster: &'a str,
    pub service: &'a str,
    pub application: &'a str,
    pub group: &'a str,
    /// The roles that the task definition names: RegisterTaskDefinition passes them on.
    pub passed_roles: Vec<String>,
}

/// The build role: push to one repository, and go on into the deploy role.
pub fn build_role(scope: &Scope<'_>) -> Value {
    let mut statements = vec![
        allow(&["ecr:GetAuthorizationToken"], json!("*")),
        allow(
            &[
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:CompleteLayerUpload",
                "ecr:DescribeImages",
                "ecr:DescribeRepositories",
                "ecr:GetDownloadUrlForLayer",
                "ecr:GetRepositoryPolicy",
                "ecr:InitiateLayerUpload",
                "ecr:PutImage",
                "ecr:UploadLayerPart",
            ],
            json!(scope.repository_arn()),
        ),
    ];
    if let Some(role) = scope.deploy_role {
        statements.push(allow(&["sts:AssumeRole", "sts:TagSession"], json!(role)));
    }
    policy(statements)
}

/// Beside the build role's, where the repository is to be created when there is none.
pub fn build_role_creation(scope: &Scope<'_>) -> Value {
    policy(vec![allow(
        &[
            "ecr:CreateRepository",
            "ecr:GetLifecyclePolicy",
            "ecr:PutLifecyclePolicy",
            "ecr:SetRepositoryPolicy",
        ],
        json!(scope.repository_arn()),
    )])
}

/// Beside the build role's, where ECR's scan of the image is waited for.
pub fn build_role_scan(scope: &Scope<'_>) -> Value {
    policy(vec![allow(
        &["ecr:DescribeImageScanFindings", "ecr:StartImageScan"],
        json!(scope.repository_arn()),
    )])
}

impl Scope<'_> {
    fn repository_arn(&self) -> String {
        let Scope { partition, build_account, build_region, repository, .. } = self;
        format!("arn:{partition}:ecr:{build_region}:{build_account}:repository/{repository}")
    }
}

/// The deploy role: one service, one deployment group.
pub fn deploy_role(scope: &Scope<'_>) -> Value {
    let Scope { partition, account, region, cluster, service, application, group, .. } = scope;
    let codedeploy = format!("arn:{partition}:codedeploy:{region}:{account}");
    let mut statements = vec![
        allow(
            &[
                "cloudwatch:DescribeAlarms",
                "ecs:DescribeTaskDefinition",
                "ecs:DescribeTasks",
                "ecs:ListTaskDefinitions",
                "ecs:ListTasks",
                "ecs:RegisterTaskDefinition",
                "elasticloadbalancing:DescribeListeners",
                "elasticloadbalancing:DescribeLoadBalancers",
                "elasticloadbalancing:DescribeRules",
                "elasticloadbalancing:DescribeTargetGroups",
                "elasticloadbalancing:DescribeTargetHealth",
            ],
            json!("*"),
        ),
        allow(
            &["ecs:TagResource"],
            json!(format!("arn:{partition}:ecs:{region}:{account}:task-definition/*")),
        ),
        allow(
            &["ecs:DescribeServices"],
            json!(format!("arn:{partition}:ecs:{region}:{account}:service/{cluster}/{service}")),
        ),
        allow(
            &[
                "codedeploy:BatchGetDeploymentTargets",
                "codedeploy:ContinueDeployment",
                "codedeploy:CreateDeployment",
                "codedeploy:GetApplication",
                "codedeploy:GetApplicationRevision",
                "codedeploy:GetDeployment",
                "codedeploy:GetDeploymentConfig",
                "codedeploy:GetDeploymentGroup",
                "codedeploy:ListDeployments",
                "codedeploy:RegisterApplicationRevision",
                "codedeploy:StopDeployment",
            ],
            json!([
                format!("{codedeploy}:application:{application}"),
                format!("{codedeploy}:deploymentgroup:{application}/{group}"),
                format!("{codedeploy}:deploymentconfig:*"),
            ]),
        ),
    ];
    if !scope.passed_roles.is_empty() {
        let mut pass = allow(&["iam:PassRole"], json!(scope.passed_roles));
        pass["Condition"] = json!({ "StringEquals": { "iam:PassedToService": "ecs-tasks.amazonaws.com" } });
        statements.push(pass);
    }
    policy(statements)
}

/// What is nice to have: near names in refusals, a group that is found by its service, a warning
/// about scaling policies, the last lines of a log; and a way back that the group's alarms don't stop.
/// A run does without and says so.
pub fn deploy_role_optional(scope: &Scope<'_>) -> Value {
    let Scope { partition, account, region, application, group, .. } = scope;
    let group =
        format!("arn:{partition}:codedeploy:{region}:{account}:deploymentgroup:{application}/{group}");
    let listed = allow(
        &[
            "application-autoscaling:DescribeScalableTargets",
            "application-autoscaling:DescribeScalingPolicies",
            "codedeploy:BatchGetDeploymentGroups",
            "codedeploy:ListApplications",
            "codedeploy:ListDeploymentGroups",
            "ecs:ListClusters",
            "ecs:ListServices",
            "logs:GetLogEvents",
        ],
        json!("*"),
    );
    policy(vec![listed, allow(&["codedeploy:UpdateDeploymentGroup"], json!(group))])
}

/// Beside the deploy role's, where `before` or a check of kind `task` runs one-off tasks.
pub fn deploy_role_tasks(scope: &Scope<'_>) -> Value {
    let Scope { partition, account, region, cluster, .. } = scope;
    let mut run =
        allow(&["ecs:RunTask"], json!(format!("arn:{partition}:ecs:{region}:{account}:task-definition/*")));
    let inside = json!({ "ArnEquals": { "ecs:cluster": format!("arn:{partition}:ecs:{region}:{account}:cluster/{cluster}") } });
    run["Condition"] = inside.clone();
    let mut stop =
        allow(&["ecs:StopTask"], json!(format!("arn:{partition}:ecs:{region}:{account}:task/{cluster}/*")));
    stop["Condition"] = inside;
    policy(vec![run, stop])
}

/// On the repository: tasks of these accounts pull from it.
pub fn repository(partition: &str, accounts: &[String]) -> Value {
    let root = |account: &String| json!(format!("arn:{partition}:iam::{account}:root"));
    let principals = match accounts {
        [one] => root(one),
        several => several.iter().map(root).collect(),
    };
    policy(vec![json!({
        "Effect": "Allow",
        "Principal": { "AWS": principals },
        "Action": ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
    })])
}

fn allow(actions: &[&str], resource: Value) -> Value {
    json!({ "Effect": "Allow", "Action": actions, "Resource": resource })
}

fn policy(statements: Vec<Value>) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What people copy is what rehearsals enforce. `UPDATE=1 cargo test -p greenlight --bin greenlight
    /// permissions` writes examples/iam and docs/permissions.md anew.
    #[test]
    fn the_documented_policies_are_these() {
        let scope = Scope {
            partition: "aws",
            build_account: "111111111111",
            build_region: "eu-central-1",
            repository: "hello",
            deploy_role: Some("arn:aws:iam::222222222222:role/greenlight-deploy"),
            account: "222222222222",
            region: "eu-central-1",
            cluster: "prod",
            service: "hello",
            application: "hello",
            group: "hello-production",
            passed_roles: ["hello-execution", "hello-task"]
                .map(|role| format!("arn:aws:iam::222222222222:role/{role}"))
                .to_vec(),
        };
        let enforced = [
            ("build", build_role(&scope)),
            ("build-create", build_role_creation(&scope)),
            ("build-scan", build_role_scan(&scope)),
            ("deploy", deploy_role(&scope)),
            ("deploy-tasks", deploy_role_tasks(&scope)),
            ("deploy-optional", deploy_role_optional(&scope)),
            ("repository", repository("aws", &["222222222222".to_owned()])),
        ];
        for (name, policy) in enforced {
            check(&format!("examples/iam/{name}.json"), name, &policy);
        }
    }

    /// A file that people copy, and the page that shows it.
    fn check(file: &str, name: &str, policy: &Value) {
        const PAGE: &str = "docs/permissions.md";
        let text = serde_json::to_string_pretty(policy).unwrap() + "\n";
        let page = std::fs::read_to_string(PAGE).unwrap();
        let (before, rest) = page.split_once(&format!("(../{file})")).unwrap();
        let (between, rest) = rest.split_once("```json\n").unwrap();
        let (shown, after) = rest.split_once("```").unwrap();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(file, &text).unwrap();
            let page = format!("{before}(../{file}){between}```json\n{text}```{after}");
            return std::fs::write(PAGE, page).unwrap();
        }
        let copied: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert_eq!(&copied, policy, "{file}");
        assert_eq!(&serde_json::from_str::<Value>(shown).unwrap(), policy, "{name} in {PAGE}");
    }
}
