//! A plan as people read it.

use super::{
    deployment::{duration, revision},
    from_here, list,
};
use crate::{
    checks::Moment,
    deployment::Shape,
    plan::{ImageStep, Plan},
    request::{Builder, Hold, Until},
    task_definition::Change,
};
use std::fmt::Write;

/// Several lines, with an end after each but the last.
pub fn text(plan: &Plan) -> String {
    let mut text = String::new();
    write_plan(&mut text, plan).unwrap_or_default();
    text.trim_end().to_owned()
}

fn write_plan(out: &mut String, plan: &Plan) -> std::fmt::Result {
    let run = &plan.run;
    writeln!(out, "{} → {} (account {}, {})", run.service, run.environment, run.account, run.region)?;
    writeln!(out, "\nImage")?;
    if let ImageStep::Build { create: Some(wanted), repository_uri, .. } = &plan.image {
        writeln!(out, "  {}", super::registry::creation(repository_uri, wanted))?;
    }
    writeln!(out, "  {}", image(&plan.image))?;
    if let (Some(rule), None) = (&plan.scan, &plan.deployment.attach) {
        writeln!(out, "  {}", super::scan::step(rule))?;
    }
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
            let builder = match &build.builder {
                None => String::new(),
                Some(Builder::Named(name)) => format!(" with the builder {name}"),
                Some(Builder::Own(own)) => format!(" with a builder of its own ({})", own.driver.name()),
            };
            let pushed = tags.join(", ");
            let mut text = format!(
                "build {}{platforms}{builder}, push to {repository_uri} as {pushed}",
                from_here(&build.context)
            );
            for (what, caches) in [("from", &build.cache_from), ("to", &build.cache_to)] {
                caches.iter().for_each(|cache| text += &format!("\n  cache {what} {cache}"));
            }
            text
        }
        ImageStep::Reuse { uri, digest, tag, more } => {
            let more = if more.is_empty() { String::new() } else { format!("; tag it {}", more.join(", ")) };
            format!("use {uri}@{digest}, which is there already for {tag}{more}")
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
    let live = revision(&step.live_arn);
    let changes = changes(plan);
    writeln!(out, "\nTask definition")?;
    match (&step.marked_arn, changes.is_empty(), step.force) {
        (Some(marked), ..) if plan.deployment.attach.is_some() => {
            writeln!(
                out,
                "  {}, registered by an earlier run; against {live}, which runs now:",
                revision(marked)
            )?;
        }
        (Some(marked), ..) => {
            writeln!(
                out,
                "  {}, registered by an earlier run and not deployed yet; against {live}, which runs now:",
                revision(marked)
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
        match step.supersedes {
            true => writeln!(
                out,
                "  takes the place of {id}, which is active: it is stopped and rolls back, or finished where it has all traffic"
            )?,
            false => writeln!(out, "  waits behind {id}, which is active")?,
        }
    }
    let mut steps = Vec::new();
    steps.extend(step.before.iter().map(super::one_off::step));
    let give_up = match step.fail_fast {
        0 => String::new(),
        1 => ", give up when a task fails".to_owned(),
        tasks => format!(", give up when {tasks} tasks fail alike"),
    };
    steps.push(format!("start green with {}, wait until it is healthy{give_up}", tasks(step.desired_count)));
    if !step.test_listeners.is_empty() {
        let at = step.test_url.as_ref().map(|url| format!(" at {url}")).unwrap_or_default();
        steps.push(format!("send test traffic to green{at}"));
    }
    steps.extend(step.validate.iter().map(|check| super::checks::step(check, Moment::Validate)));
    if step.hold == Hold::Approve {
        let wait = step.ready_wait.map(duration).unwrap_or_default();
        steps.push(format!("end here and wait for `greenlight approve`, {wait} at the most; then:"));
    }
    steps.push(shift(&step.shape, step.production_url.as_deref()));
    if !step.alarms.is_empty() {
        let own = match step.own_alarms.as_slice() {
            [] => String::new(),
            own => format!("; this run stops for {}", list(own.iter().map(String::as_str))),
        };
        steps.push(format!("watch {}{own}", list(step.alarms.iter().map(String::as_str))));
    }
    steps.extend(step.verify.iter().map(|check| super::checks::step(check, Moment::Verify)));
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
