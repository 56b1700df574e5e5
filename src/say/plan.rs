//! What is said against a plan, and what it should be known for.

use super::{deployment::duration, list};
use crate::{
    current::{Scaling, Unreachable},
    deployment::time_for_checks,
    outcome::Finding,
    watch::AlarmNow,
};
use std::time::Duration;

pub fn no_container(named: &str, names: &[&str]) -> Finding {
    Finding::new(
        format!(
            "The task definition has no container `{named}`.{}",
            super::near::there_are(named, names.iter().copied())
        ),
        "Correct `container` (or `images`) in the environment.",
    )
}

pub fn which_container(names: &[&str]) -> Finding {
    match names {
        [] => Finding::new("The task definition has no container.", "Add one under `containerDefinitions`."),
        names => Finding::new(
            format!(
                "The task definition has {} containers, {}, and none is named.",
                names.len(),
                list(names.iter().copied())
            ),
            "Name the one that gets the image with `container` in the environment.",
        ),
    }
}

pub fn no_port(container: &str, port: u16, ports: &[u16]) -> Finding {
    let there = match ports {
        [] => "it has no port mappings".to_owned(),
        ports => {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            format!("it has {}", super::and(&ports))
        }
    };
    Finding::new(
        format!("Container `{container}` doesn't open port {port}: {there}."),
        "Add the port to its `portMappings`, or correct `container-port` (or the AppSpec's `ContainerPort`).",
    )
}

pub fn controller(service: &str, controller: &str) -> Finding {
    let fix = match controller {
        "ECS" => {
            "This version deploys through CodeDeploy: create the service with the deployment controller CODE_DEPLOY."
        }
        _ => "Create the service with the deployment controller CODE_DEPLOY.",
    };
    Finding::new(
        format!("Service `{service}` is deployed by the controller {controller}, not by CODE_DEPLOY."),
        fix,
    )
}

pub fn group_of_another_platform(group: &str, platform: &str) -> Finding {
    Finding::new(
        format!("The deployment group `{group}` is for {platform}, not for ECS."),
        "Name a deployment group of an ECS service, or leave it out: it is found from the service then.",
    )
}

pub fn group_of_another_service(
    group: &str,
    deploys: &[(String, String)],
    cluster: &str,
    service: &str,
) -> Finding {
    let deploys: Vec<String> =
        deploys.iter().map(|(cluster, service)| format!("`{cluster}/{service}`")).collect();
    let deploys = if deploys.is_empty() { "no service".to_owned() } else { super::and(&deploys) };
    Finding::new(
        format!("The deployment group `{group}` deploys {deploys}, not `{cluster}/{service}`."),
        "Correct the environment's `application` and `deployment-group`, or leave them out: they are found from the service then.",
    )
}

pub fn no_config(group: &str) -> Finding {
    Finding::new(
        format!("The deployment group `{group}` has no deployment config, and none is named."),
        "Name `deployment-config` in the environment, such as `CodeDeployDefault.ECSCanary10Percent5Minutes`.",
    )
}

pub fn no_balancer(service: &str) -> Finding {
    Finding::new(
        format!("Service `{service}` has no load balancer, and blue/green shifts traffic at one."),
        "Give the service a target group behind a listener.",
    )
}

pub fn no_production_listener(group: &str) -> Finding {
    Finding::new(
        format!("The deployment group `{group}` has no production listener."),
        "Give the group a pair of target groups and a production listener in CodeDeploy.",
    )
}

pub fn not_behind_listener(target_group: &str, listener: &str) -> Finding {
    Finding::new(
        format!(
            "The production listener {listener} doesn't forward to `{target_group}`, where the PRIMARY task set is: \
             CodeDeploy would fail with \"Primary taskset target group must be behind listener\"."
        ),
        "Let the listener forward to that target group, and let nothing but CodeDeploy change it after that.",
    )
}

pub fn only_at_once(config: &str) -> Finding {
    Finding::new(
        format!("`{config}` shifts step by step, and a network load balancer can only shift all at once."),
        "Name `deployment-config: CodeDeployDefault.ECSAllAtOnce`, or put the service behind an application load balancer.",
    )
}

pub fn too_large(size: usize, limit: usize) -> Finding {
    Finding::new(
        format!("The task definition would have {size} bytes, and AWS takes at most {limit}."),
        "Move long values out, into files (`environmentFiles`) or Parameter Store (`secrets`).",
    )
}

pub fn alarm_missing(alarm: &str) -> Finding {
    Finding::new(
        format!("There is no alarm `{alarm}`, so nothing would stop a bad release by it."),
        "Create it, or take it out of the deployment group or of `alarms`.",
    )
}

pub fn alarm_in_alarm(alarm: &AlarmNow) -> Finding {
    let reason = match alarm.reason.trim_end_matches('.') {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    Finding::new(
        format!("Alarm `{}` is in ALARM already{reason}. A deployment would be stopped by it.", alarm.name),
        "See to the alarm first, then deploy again.",
    )
}

pub fn alarm_without_data(alarm: &AlarmNow) -> Finding {
    let reason = match alarm.reason.trim_end_matches('.') {
        "" => String::new(),
        reason => format!(" ({reason})"),
    };
    Finding::new(
        format!("Alarm `{}` has no data{reason}: it couldn't tell a bad release.", alarm.name),
        "Let it treat missing data as `notBreaching` (a load balancer publishes its 5xx counts only when there are any), \
         or set `allow-missing-data: true` in the environment.",
    )
}

pub fn cannot_hold(asked: &str, group: &str) -> Finding {
    Finding::new(
        format!(
            "`{asked}` is asked for, but deployment group `{group}` shifts at once and can't hold until green was judged."
        ),
        format!(
            "Set the group's `deploymentReadyOption` to `{{actionOnTimeout: STOP_DEPLOYMENT, waitTimeInMinutes: 10}}`, or take `{asked}` out."
        ),
    )
}

pub fn no_test_listener(group: &str) -> Finding {
    Finding::new(
        format!(
            "`validate` is asked for, but deployment group `{group}` has no test listener to reach green by."
        ),
        "Add a test listener to the group in CodeDeploy, or take `validate` out.",
    )
}

pub fn no_test_url() -> Finding {
    Finding::new(
        "`validate` is asked for, but the test listener's address can't be found out.",
        "Name `test-url` in the environment, or allow `elasticloadbalancing:DescribeListeners` and \
         `elasticloadbalancing:DescribeLoadBalancers`.",
    )
}

pub fn no_production_url() -> Finding {
    Finding::new(
        "`verify` is asked for, but the production listener's address can't be found out.",
        "Name `url` in the environment, or allow `elasticloadbalancing:DescribeListeners` and \
         `elasticloadbalancing:DescribeLoadBalancers`.",
    )
}

pub fn checks_beyond_ready_wait(group: &str, longest: Duration, wait: Duration) -> Finding {
    Finding::new(
        format!(
            "The checks of `validate` may take {} together, and deployment group `{group}` waits at Ready for {}: \
             they have to have decided in nine tenths of that.",
            duration(longest),
            duration(wait)
        ),
        format!(
            "Raise `waitTimeInMinutes` in the group's `deploymentReadyOption` to {} or more, or shorten the checks \
             (`within`, `timeout`, `for`).",
            minutes(longest)
        ),
    )
}

pub fn checks_beyond_termination_wait(group: &str, longest: Duration, wait: Duration) -> Finding {
    Finding::new(
        format!(
            "The checks of `verify` may take {} together, and deployment group `{group}` keeps blue for {} after \
             the shift: they have to have decided in nine tenths of that.",
            duration(longest),
            duration(wait)
        ),
        format!(
            "Raise the group's `terminationWaitTimeInMinutes` to {} or more, or shorten the checks (`within`, \
             `timeout`, `for`).",
            minutes(longest)
        ),
    )
}

/// The shortest wait, in minutes, that is enough for checks of this length.
fn minutes(longest: Duration) -> u64 {
    (1..).find(|n| time_for_checks(Duration::from_secs(60 * n)) >= longest).unwrap_or_default()
}

pub fn unreachable(unreachable: &Unreachable) -> Finding {
    let Unreachable { listener, url, why } = unreachable;
    let checks = if *listener == "test" { "validate" } else { "verify" };
    Finding::new(
        format!("The {listener} listener at {url} can't be reached from here: {why}."),
        format!(
            "Run the job on a self-hosted runner inside the network, or open the listener to this one; or let \
             `{checks}` test from inside (`task`), or a Lambda function as a hook of the AppSpec."
        ),
    )
}

pub fn no_engine(why: &str) -> Finding {
    Finding::new(
        format!("A `run` with an `image` needs Docker, and there is none here: {why}."),
        "Run the job where `docker run` works, or leave `image` out and run the `command` on the runner itself.",
    )
}

pub fn limit_too_short(limit: Duration, waits: Duration) -> Finding {
    Finding::new(
        format!(
            "`time-limit` is {}, but the waits and the shift of the deployment take {} by themselves.",
            duration(limit),
            duration(waits)
        ),
        "Raise `time-limit`, shorten the group's waits, or set `until: traffic-shifted`.",
    )
}

pub fn credentials_too_short(hold: Duration, likely: Duration) -> Finding {
    Finding::new(
        format!(
            "The credentials hold for {} and can't be renewed, but the deployment is likely to take {}.",
            duration(hold),
            duration(likely)
        ),
        "Let the job use GitHub's OIDC token (`auth: oidc`), sign in anew, or set `until: traffic-shifted`.",
    )
}

pub fn no_rollback(group: &str, missing: &[&str]) -> String {
    format!(
        "Deployment group `{group}` doesn't roll back by itself {}: production may be left on green, or split.",
        super::and(&missing.iter().map(|m| (*m).to_owned()).collect::<Vec<_>>())
    )
}

pub fn scaling(scaling: &Scaling) -> String {
    format!(
        "Scaling policy `{}` ({} to {} tasks) may act during the shift; CodeDeploy fails a deployment whose service \
         doesn't come to rest within 5 minutes.",
        scaling.policy, scaling.min, scaling.max
    )
}

pub fn no_data(alarm: &str) -> String {
    format!("Alarm `{alarm}` has no data: it can't tell a bad release until it has.")
}

pub fn no_tasks(service: &str) -> String {
    format!("Service `{service}` wants 0 tasks: green will be started with none, and nothing will be tested.")
}

pub fn split(shares: &str) -> String {
    format!("Production traffic is split before the start: {shares}.")
}

pub fn not_pinned(container: &str, image: &str) -> String {
    format!(
        "The image of container `{container}` could not be pinned by digest: `{image}` may become another one."
    )
}

pub fn dirty() -> String {
    "The work tree has changes that no commit has: the image is marked so, and no later run will attach to this one.".to_owned()
}

pub fn newer_revision(latest: &str, live: &str) -> String {
    format!("{latest} is newer than {live}, which runs now and which the next revision is made from.")
}

pub fn limit_beyond_credentials(hold: Duration) -> String {
    format!(
        "The credentials hold for {} and can't be renewed: a deployment that takes longer can't be followed to its end.",
        duration(hold)
    )
}
