//! The operations whose calls can be given trouble, by the names that the journal has for them:
//! AWS's by their IAM prefix, GitHub's as its OpenAPI description has them.

/// IAM prefix → operations.
pub(crate) const AWS: &[(&str, &[&str])] = &[
    ("sts", &["AssumeRole", "AssumeRoleWithWebIdentity", "GetCallerIdentity"]),
    (
        "ecr",
        &[
            "BatchCheckLayerAvailability",
            "BatchDeleteImage",
            "BatchGetImage",
            "CompleteLayerUpload",
            "CreateRepository",
            "DescribeImages",
            "DescribeImageScanFindings",
            "DescribeRepositories",
            "GetAuthorizationToken",
            "GetDownloadUrlForLayer",
            "GetLifecyclePolicy",
            "GetRepositoryPolicy",
            "InitiateLayerUpload",
            "ListImageReferrers",
            "ListImages",
            "PutImage",
            "PutLifecyclePolicy",
            "SetRepositoryPolicy",
            "StartImageScan",
            "UploadLayerPart",
        ],
    ),
    ("ecr-public", &["GetAuthorizationToken"]),
    (
        "ecs",
        &[
            "DeregisterTaskDefinition",
            "DescribeCapacityProviders",
            "DescribeClusters",
            "DescribeContainerInstances",
            "DescribeServices",
            "DescribeTaskDefinition",
            "DescribeTaskSets",
            "DescribeTasks",
            "ListClusters",
            "ListContainerInstances",
            "ListServices",
            "ListTagsForResource",
            "ListTaskDefinitionFamilies",
            "ListTaskDefinitions",
            "ListTasks",
            "RegisterTaskDefinition",
            "RunTask",
            "StopTask",
            "TagResource",
            "UntagResource",
            "UpdateService",
        ],
    ),
    (
        "codedeploy",
        &[
            "BatchGetApplicationRevisions",
            "BatchGetDeploymentGroups",
            "BatchGetDeploymentTargets",
            "BatchGetDeployments",
            "ContinueDeployment",
            "CreateDeployment",
            "GetApplication",
            "GetApplicationRevision",
            "GetDeployment",
            "GetDeploymentConfig",
            "GetDeploymentGroup",
            "GetDeploymentTarget",
            "ListApplicationRevisions",
            "ListApplications",
            "ListDeploymentConfigs",
            "ListDeploymentGroups",
            "ListDeploymentTargets",
            "ListDeployments",
            "PutLifecycleEventHookExecutionStatus",
            "RegisterApplicationRevision",
            "StopDeployment",
        ],
    ),
    (
        "elasticloadbalancing",
        &[
            "DescribeListeners",
            "DescribeLoadBalancers",
            "DescribeRules",
            "DescribeTags",
            "DescribeTargetGroupAttributes",
            "DescribeTargetGroups",
            "DescribeTargetHealth",
            "ModifyListener",
        ],
    ),
    ("cloudwatch", &["DescribeAlarms", "GetMetricData", "GetMetricStatistics", "ListMetrics"]),
    ("logs", &["DescribeLogGroups", "DescribeLogStreams", "FilterLogEvents", "GetLogEvents"]),
    ("application-autoscaling", &["DescribeScalableTargets", "DescribeScalingPolicies"]),
];

/// Of GitHub's issuer of OIDC tokens.
const OIDC: &[&str] = &["token"];

/// What stands for any operation of a service.
const ANY: &str = "*";

pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let of = |service: &'static str, operations: &'static [&'static str]| {
        operations.iter().map(move |operation| (service, *operation))
    };
    AWS.iter()
        .flat_map(move |(service, operations)| of(service, operations))
        .chain(crate::github::operations().map(|operation| ("github", operation)))
        .chain(of("oidc", OIDC))
        .chain(of("registry", crate::ecr::REGISTRY_OPERATIONS))
}

pub(super) fn find(service: &str, operation: &str) -> Option<(&'static str, &'static str)> {
    let known = all().find(|(s, o)| *s == service && (*o == operation || operation == ANY))?;
    Some((known.0, if operation == ANY { ANY } else { known.1 }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Options, World, front, spec::WorldSpec};
    use serde_json::json;

    #[tokio::test]
    async fn each_of_them_is_there() {
        let spec: WorldSpec = serde_json::from_value(
            json!({"regions": [], "accounts": [], "caller": {"account": "1", "user": "x"}}),
        )
        .unwrap();
        let listen = ([127, 0, 0, 1], 0).into();
        let options = Options { listen, speed: 1.0, faults: Vec::new(), docker: false, canary: None };
        let world = World::start(spec, options).await.unwrap();
        for (service, operations) in AWS {
            for operation in *operations {
                let known = world.change(|state| front::knows(state, service, operation));
                assert!(known, "{service}:{operation}");
            }
        }
        world.shut_down().await;
    }
}
