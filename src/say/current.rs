//! What is said about AWS as it was found: what is missing, what could not be seen.

use super::near;
use crate::{aws::Failure, outcome::Finding};

/// The names that there are, when listing is granted.
fn known(wanted: &str, names: Option<&[String]>) -> String {
    match names {
        Some(names) => near::there_are(wanted, names.iter().map(String::as_str)),
        None => " (The names that there are could not be listed.)".to_owned(),
    }
}

pub fn no_cluster(cluster: &str, region: &str, names: Option<&[String]>) -> Finding {
    Finding::new(
        format!("There is no cluster `{cluster}` in {region}.{}", known(cluster, names)),
        "Correct the environment's `cluster` or `region`.",
    )
}

pub fn no_service(service: &str, cluster: &str, names: Option<&[String]>) -> Finding {
    Finding::new(
        format!("There is no active service `{service}` in cluster `{cluster}`.{}", known(service, names)),
        "Correct the environment's `service` or `cluster`.",
    )
}

pub fn nothing_runs(service: &str) -> Finding {
    Finding::new(
        format!("Service `{service}` has no task definition yet, so there is no blue to go from."),
        "Create the service with a first task definition; after that it is deployed from here.",
    )
}

pub fn no_application(application: &str, names: Option<&[String]>) -> Finding {
    Finding::new(
        format!("There is no CodeDeploy application `{application}`.{}", known(application, names)),
        "Correct the environment's `application`, or leave it out: it is found from the service then.",
    )
}

pub fn no_group(group: &str, application: &str, names: Option<&[String]>) -> Finding {
    Finding::new(
        format!(
            "The CodeDeploy application `{application}` has no deployment group `{group}`.{}",
            known(group, names)
        ),
        "Correct the environment's `deployment-group`, or leave it out: it is found from the service then.",
    )
}

pub fn no_group_of_service(
    service: &str,
    cluster: &str,
    application: Option<&str>,
    group: Option<&str>,
) -> Finding {
    let within = match (application, group) {
        (Some(application), _) => format!(" in application `{application}`"),
        (None, Some(group)) => format!(" with the name `{group}`"),
        (None, None) => String::new(),
    };
    Finding::new(
        format!("No CodeDeploy deployment group{within} deploys service `{service}` of cluster `{cluster}`."),
        "Create one for the service, or correct the environment's `application`, `deployment-group`, `cluster` and `service`.",
    )
}

pub fn group_not_found_without_listing(service: &str) -> Finding {
    Finding::new(
        format!(
            "The deployment group of service `{service}` can't be found: listing CodeDeploy's applications isn't granted."
        ),
        "Name `application` and `deployment-group` in the environment, or allow `codedeploy:ListApplications`, \
         `codedeploy:ListDeploymentGroups` and `codedeploy:BatchGetDeploymentGroups`.",
    )
}

pub fn no_config(config: &str, names: Option<&[String]>) -> Finding {
    Finding::new(
        format!("There is no deployment config `{config}`.{}", known(config, names)),
        "Correct the environment's `deployment-config`, or leave it out: the group's own is taken then.",
    )
}

pub fn config_of_another_platform(config: &str, platform: &str) -> Finding {
    Finding::new(
        format!("The deployment config `{config}` is for {platform}, not for ECS."),
        "Take one for ECS, such as `CodeDeployDefault.ECSCanary10Percent5Minutes`.",
    )
}

pub fn no_listener(group: &str, failure: &Failure) -> Finding {
    Finding::new(
        format!(
            "A listener of deployment group `{group}` doesn't exist any more: {}.",
            failure.message.trim_end_matches('.')
        ),
        "Correct the group's load balancer settings in CodeDeploy.",
    )
}

pub fn no_target_group(names: &[String], failure: &Failure) -> Finding {
    let names = super::list(names.iter().map(String::as_str));
    Finding::new(
        format!(
            "A target group of the pair {names} doesn't exist any more: {}.",
            failure.message.trim_end_matches('.')
        ),
        "Correct the deployment group's load balancer settings in CodeDeploy.",
    )
}

pub fn no_pull(repository: &str, holder: &str, account: &str, partition: &str) -> Finding {
    Finding::new(
        format!(
            "The policy of repository `{repository}` in account {holder} keeps the tasks of account {account} from pulling."
        ),
        format!(
            "Add to the repository's policy: {{\"Effect\": \"Allow\", \"Principal\": {{\"AWS\": \"arn:{partition}:iam::{account}:root\"}}, \
             \"Action\": [\"ecr:BatchGetImage\", \"ecr:GetDownloadUrlForLayer\", \"ecr:BatchCheckLayerAvailability\"]}}"
        ),
    )
}

/// Something that is done without.
pub(super) fn unseen(failure: &Failure, consequence: &str) -> String {
    match failure.is_denied() {
        true => format!("`{}` isn't granted: {consequence}.", failure.action),
        false => {
            format!("`{}` failed ({}): {consequence}.", failure.action, failure.message.trim_end_matches('.'))
        }
    }
}

pub fn listeners_unseen(failure: &Failure) -> String {
    unseen(failure, "the listeners' weights and addresses are not known")
}

pub fn balancers_unseen(failure: &Failure) -> String {
    unseen(failure, "the load balancer's address is not known")
}

pub fn scaling_unseen(failure: &Failure) -> String {
    unseen(failure, "whether a scaling policy may act during the shift is not known")
}

pub fn policy_unseen(repository: &str, failure: &Failure) -> String {
    unseen(failure, &format!("whether the tasks may pull from `{repository}` shows only when they start"))
}
