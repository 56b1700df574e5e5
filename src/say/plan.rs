//! What is said about a plan: why it is refused, what it should be known for, and itself.

use super::{deployment::duration, from_here, list};
use crate::{
    current::{AlarmNow, Scaling},
    deployment::Shape,
    outcome::Finding,
    plan::{ImageStep, Plan},
    request::{Check, Until},
    task_definition::Change,
};
use std::{fmt::Write, time::Duration};

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

pub fn cannot_hold(group: &str) -> Finding {
    Finding::new(
        format!(
            "`validate` is asked for, but deployment group `{group}` shifts at once and can't hold until green was tested."
        ),
        "Set the group's `deploymentReadyOption` to `{actionOnTimeout: STOP_DEPLOYMENT, waitTimeInMinutes: 10}`, or take `validate` out.",
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

/// The plan as people read it.
pub fn text(plan: &Plan) -> String {
    let mut text = String::new();
    write_plan(&mut text, plan).unwrap_or_default();
    text.trim_end().to_owned()
}

fn write_plan(out: &mut String, plan: &Plan) -> std::fmt::Result {
    let run = &plan.run;
    writeln!(out, "{} → {} (account {}, {})", run.service, run.environment, run.account, run.region)?;
    writeln!(out, "\nImage\n  {}", image(&plan.image))?;
    write_task_definition(out, plan)?;
    write_deployment(out, plan)?;
    let budget = &plan.budget;
    let parts: Vec<String> = [
        (budget.provisioning, "until green is healthy"),
        (budget.shift, "for the shift"),
        (budget.termination_wait, "of termination wait"),
    ]
    .into_iter()
    .filter(|(span, _)| !span.is_zero())
    .map(|(span, what)| format!("{} {what}", duration(span)))
    .collect();
    writeln!(out, "\nTime\n  likely {}: {}", duration(budget.likely()), super::and(&parts))?;
    let limit = plan.deployment.time_limit.unwrap_or(budget.limit);
    writeln!(out, "  this run gives up watching after {}", duration(limit))?;
    for (title, lines) in [("Warnings", &plan.warnings), ("Done without", &plan.notes)] {
        if !lines.is_empty() {
            writeln!(out, "\n{title}")?;
            lines.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
        }
    }
    Ok(())
}

fn image(step: &ImageStep) -> String {
    match step {
        ImageStep::Build { build, repository_uri, tags, .. } => {
            let platforms = match build.platforms.as_slice() {
                [] => String::new(),
                platforms => format!(" for {}", platforms.join(", ")),
            };
            format!(
                "build {}{platforms}, push to {repository_uri} as {}",
                from_here(&build.context),
                tags.join(", ")
            )
        }
        ImageStep::Reuse { uri, digest, tag } => {
            format!("use {uri}@{digest}, which is there already for {tag}")
        }
        ImageStep::Given { uri, digest } => format!("use {uri}@{digest}, as given"),
    }
}

/// The image as a task definition will name it, or what stands for it before it is built.
fn planned_image(step: &ImageStep) -> String {
    match step {
        ImageStep::Build { repository_uri, .. } => format!("{repository_uri}@(digest of this build)"),
        ImageStep::Reuse { uri, digest, .. } | ImageStep::Given { uri, digest } => format!("{uri}@{digest}"),
    }
}

/// What the next revision has otherwise than the one that runs.
pub fn changes(plan: &Plan) -> Vec<String> {
    let step = &plan.task_definition;
    let next = step.document.pinned(&step.pins, &planned_image(&plan.image));
    let line = |change: &Change| match change {
        Change::Gone(line) => format!("- {line}"),
        Change::New(line) => format!("+ {line}"),
    };
    step.live.changes(&next).iter().map(line).collect()
}

fn write_task_definition(out: &mut String, plan: &Plan) -> std::fmt::Result {
    let step = &plan.task_definition;
    let live = super::deployment::revision(&step.live_arn);
    let changes = changes(plan);
    writeln!(out, "\nTask definition")?;
    match (&step.marked_arn, changes.is_empty(), step.force) {
        (Some(marked), ..) => {
            writeln!(
                out,
                "  {}, registered by an earlier run and not deployed yet; against {live}, which runs now:",
                super::deployment::revision(marked)
            )?;
        }
        (None, true, false) => writeln!(out, "  {live}, which runs now: nothing changes")?,
        (None, true, true) => writeln!(
            out,
            "  a new revision of {}, as asked for: nothing changes against {live}",
            step.document.family()
        )?,
        (None, false, _) => {
            writeln!(out, "  a new revision of {}, against {live}, which runs now:", step.document.family())?
        }
    }
    changes.iter().try_for_each(|line| writeln!(out, "    {line}"))
}

fn write_deployment(out: &mut String, plan: &Plan) -> std::fmt::Result {
    let step = &plan.deployment;
    let by = if step.config_given { "as the configuration names it" } else { "the group's own" };
    writeln!(out, "\nDeployment")?;
    writeln!(
        out,
        "  CodeDeploy {} / {} to {}/{}, {} ({by})",
        step.application, step.group, step.cluster, step.service, step.config
    )?;
    if let Some(id) = &step.attach {
        writeln!(out, "  {id}, started by an earlier run of this commit, is followed: no other is created")?;
    }
    if let Some(id) = &step.active {
        writeln!(out, "  waits behind {id}, which is active")?;
    }
    let mut steps = Vec::new();
    steps.push(format!("start green with {}, wait until it is healthy", tasks(step.desired_count)));
    if !step.test_listeners.is_empty() {
        let at = step.test_url.as_ref().map(|url| format!(" at {url}")).unwrap_or_default();
        steps.push(format!("send test traffic to green{at}"));
    }
    for Check::Http(check) in &step.validate {
        steps.push(format!(
            "see that green answers {} on {}, within {}",
            check.status,
            check.path,
            duration(check.within)
        ));
    }
    steps.push(shift(&step.shape, step.production_url.as_deref()));
    if !step.alarms.is_empty() {
        steps.push(format!("watch {}", list(step.alarms.iter().map(String::as_str))));
    }
    steps.push(match step.until {
        Until::Terminated => format!("keep blue for {}, then end it", duration(step.termination_wait)),
        Until::TrafficShifted => {
            format!("end here, while blue stands by for another {}", duration(step.termination_wait))
        }
    });
    for (number, line) in steps.iter().enumerate() {
        writeln!(out, "  {}. {line}", number + 1)?;
    }
    let rollback: Vec<String> = [
        (step.rollback.on_failure, "on failure"),
        (step.rollback.on_alarm, "on an alarm"),
        (step.rollback.on_request, "on request"),
    ]
    .into_iter()
    .filter(|(on, _)| *on)
    .map(|(_, when)| when.to_owned())
    .collect();
    match rollback.is_empty() {
        true => writeln!(out, "  production does not go back to blue by itself"),
        false => writeln!(out, "  production goes back to blue by itself {}", super::and(&rollback)),
    }
}

fn tasks(count: i32) -> String {
    if count == 1 { "1 task".to_owned() } else { format!("{count} tasks") }
}

fn shift(shape: &Shape, url: Option<&str>) -> String {
    let at = url.map(|url| format!(" at {url}")).unwrap_or_default();
    match shape {
        Shape::AllAtOnce => format!("shift all production traffic{at} at once"),
        Shape::Canary { percent, interval } => {
            format!("shift {percent}% of production traffic{at}, and the rest after {}", duration(*interval))
        }
        Shape::Linear { percent, interval } => {
            format!("shift {percent}% of production traffic{at} every {}", duration(*interval))
        }
    }
}
