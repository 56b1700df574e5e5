//! What is said of a failure: the likeliest cause with what to do about it, and what speaks for it.

use super::{
    current::{self, unseen},
    deployment::{duration, look_at_console, revision},
    watch::went_off,
};
use crate::{
    aws::Failure,
    explain::{
        Evidence, Excerpt, Fact, Failed, Gathered, Hook, Lacking, Likeliest, Log, TailOf, Targets, repository,
    },
    outcome::Finding,
    report::foreign::cut,
    task::{Ended, Group, LogPlace, Pull, Why},
    watch::AlarmNow,
};

/// Kinds of stopped tasks, and events, that are shown.
const GROUPS: usize = 3;
const EVENTS: usize = 2;
/// Characters of a foreign text, and of a line of a log.
const TEXT: usize = 500;
const LINE: usize = 300;

const MEND: &str = "See what it logged last, mend it and deploy again.";

pub fn cause(failed: &Failed<'_>, found: &Gathered, likeliest: &Likeliest) -> Finding {
    let mut finding = match likeliest {
        Likeliest::Ours(finding) => finding.clone(),
        Likeliest::Alarm(alarms) => alarm(failed, alarms),
        Likeliest::ReadyWait => ready_wait(failed),
        Likeliest::Hook { hook, silent } => hook_failed(failed, hook, *silent),
        Likeliest::StoppedOutside => Finding::new(
            format!("Somebody stopped deployment {}.", failed.id),
            "`greenlight rollback` does that, and a newer run with `concurrency: supersede`; CloudTrail knows who called \
             `StopDeployment`. Deploy again only what was meant to stay.",
        ),
        Likeliest::Tasks(group) => tasks(failed, found, group),
        Likeliest::Unhealthy(targets) => unhealthy(found, Some(targets)),
        Likeliest::Unplaced(event) => Finding::new(
            format!("The service can't start green: it {}", sentence(event)),
            "Give the cluster room for blue and green together, then deploy again.",
        ),
        Likeliest::Said => said(failed),
    };
    if let Some(count) = failed.known.gave_up_after {
        finding.what +=
            &format!(" It was stopped after {count} tasks (`fail-fast`), not after CodeDeploy's hour.");
    }
    finding
}

pub fn evidence(failed: &Failed<'_>, found: &Gathered, likeliest: &Likeliest) -> Evidence {
    let mut facts = Vec::new();
    let mut fact = |about: &str, text: String| {
        facts.push(Fact { about: about.to_owned(), text: cut(&named(&text), TEXT).into_owned() });
    };
    let ours = matches!(likeliest, Likeliest::Ours(_) | Likeliest::StoppedOutside | Likeliest::Said)
        || failed.known.gave_up_after.is_some();
    if let (Some(error), false) = (failed.known.error, ours) {
        let at = found.hook.as_ref().map(|hook| format!(" at {}", hook.name)).unwrap_or_default();
        fact("codedeploy", format!("{}{at}: {}", error.code, error.message));
    }
    for group in found.tasks.iter().take(GROUPS) {
        fact("tasks", group_line(group));
    }
    let told = match likeliest {
        Likeliest::Unhealthy(_) => true,
        Likeliest::Tasks(group) => group.one.why() == Why::BalancerHealth,
        _ => false,
    };
    if let (Some(targets), false) = (&found.targets, told) {
        fact("targets", unhealthy(found, Some(targets)).what);
    }
    // What stopped tasks tell themselves, the service only tells once more.
    let news = |event: &&String| found.tasks.is_empty() || event.contains("unable to place");
    for event in found.events.iter().filter(news).take(EVENTS) {
        if !matches!(likeliest, Likeliest::Unplaced(told) if told == event) {
            fact("service", event.clone());
        }
    }
    let said = cause(failed, found, likeliest).what;
    for alarm in failed.known.alarms.iter().filter(|alarm| !said.contains(&format!("`{}`", alarm.name))) {
        fact("alarm", went_off(alarm));
    }
    let mut unseen: Vec<String> = found.unseen.iter().map(unseen_part).collect();
    let log = found.log.as_ref().and_then(|tail| log(tail, &mut facts, &mut unseen));
    Evidence { facts, log, unseen }
}

fn alarm(failed: &Failed<'_>, alarms: &[AlarmNow]) -> Finding {
    let what = match alarms {
        [] => {
            let message = failed.known.error.map(|e| e.message.as_str()).unwrap_or_default();
            format!("An alarm of the deployment group went into ALARM: {}", sentence(message))
        }
        alarms => alarms.iter().map(went_off).collect::<Vec<_>>().join(" "),
    };
    Finding::new(what, "See what it watches in the new version. CodeDeploy stopped the deployment for it.")
}

fn ready_wait(failed: &Failed<'_>) -> Finding {
    let wait = failed.course.ready_wait.map(|wait| format!(" of {}", duration(wait))).unwrap_or_default();
    Finding::new(
        format!("The deployment stood at Ready until its ready wait{wait} was over: nobody let it go on."),
        "Let it go on sooner, or give the group more time (`deploymentReadyOption.waitTimeInMinutes`).",
    )
}

fn hook_failed(failed: &Failed<'_>, hook: &Hook, silent: bool) -> Finding {
    let name = match hook.name.as_str() {
        "" => "A lifecycle hook".to_owned(),
        name => format!("The hook of `{name}`"),
    };
    let function = failed.known.appspec.and_then(|appspec| appspec.function_of(&hook.name));
    let called = function.map(|function| format!(" `{function}`")).unwrap_or_default();
    let what = match (silent, &hook.said) {
        (true, _) => format!("{name} timed out: its function{called} didn't answer within an hour."),
        (false, Some(said)) => format!("{name} said no: {}", sentence(said)),
        (false, None) => format!("{name} said no: its function{called} answered `Failed`."),
    };
    let fix = match (function, silent) {
        (Some(function), false) => format!("See the function's log, group /aws/lambda/{function}."),
        (Some(function), true) => format!(
            "See whether it calls PutLifecycleEventHookExecutionStatus, and its log, group /aws/lambda/{function}."
        ),
        (None, _) => "See the log of the Lambda function that the AppSpec names for it.".to_owned(),
    };
    Finding::new(what, fix)
}

/// CodeDeploy's own words.
fn said(failed: &Failed<'_>) -> Finding {
    let what = match failed.known.error.map(|e| (e.code.as_str(), e.message.as_str())) {
        None | Some(("", "")) => format!("CodeDeploy gives no cause for the failure of {}.", failed.id),
        Some((code, "")) => code.to_owned(),
        Some(("", message)) => message.to_owned(),
        Some((code, message)) => format!("{code}: {message}"),
    };
    Finding::new(what, look_at_console(failed.id))
}

fn tasks(failed: &Failed<'_>, found: &Gathered, group: &Group) -> Finding {
    let task = &group.one;
    let container =
        task.culprit().map_or_else(|| "its container".to_owned(), |c| format!("container `{}`", c.name));
    let role = match &found.execution_role {
        Some(role) => format!("execution role `{}`", revision(role)),
        None => "execution role".to_owned(),
    };
    let cant_start = |why: String| format!("Green can't start: {why}");
    let (what, fix) = match task.why() {
        Why::Pull(pull) => return denied_pull(failed, found, task, pull, &role),
        Why::Secret => (
            cant_start(format!("a secret or parameter of its task definition can't be had. {}", sentence(task.words()))),
            format!(
                "Correct its name, or allow the {role} `secretsmanager:GetSecretValue` or `ssm:GetParameters` (and `kms:Decrypt` on its key)."
            ),
        ),
        Why::Log => (
            cant_start(format!("its log driver can't be set up. {}", sentence(task.words()))),
            format!("Create the log group, and allow the {role} `logs:CreateLogStream` and `logs:PutLogEvents`."),
        ),
        Why::Role => (
            cant_start("ECS can't enter a role of its task definition.".to_owned()),
            "Let the role's trust policy name `ecs-tasks.amazonaws.com`, and correct `taskRoleArn` and `executionRoleArn`.".to_owned(),
        ),
        Why::NotStarted => (
            cant_start(sentence(task.words())),
            "Correct what the message names, then deploy again.".to_owned(),
        ),
        Why::OutOfMemory => (
            format!("Green runs out of memory: {container} was killed for using more than it has{}.", code(task)),
            "Raise `memory` of the container or of the task, or let it use less.".to_owned(),
        ),
        Why::Exited(0) => (
            format!("Green ends by itself: {container} exits with code 0."),
            "An essential container has to go on running: see its command and what it logged last.".to_owned(),
        ),
        Why::Exited(137) => (
            format!("Green crashes: {container} was killed (exit code 137, SIGKILL), which AWS doesn't call out of memory."),
            "See what it logged last, and whether it stops within its `stopTimeout` when it is told to.".to_owned(),
        ),
        Why::Exited(exit) => {
            (format!("Green crashes: {container} exits with code {exit}{}.", signal(exit)), MEND.to_owned())
        }
        Why::Ended | Why::Other | Why::Asked | Why::Scaled | Why::Infrastructure => {
            (format!("Green's tasks stop: {}", sentence(task.words())), MEND.to_owned())
        }
        Why::ContainerHealth => (
            format!("Green isn't healthy: {container} fails its own health check."),
            "See the `healthCheck` of the task definition and what the container logged last; `startPeriod` gives it time to boot."
                .to_owned(),
        ),
        Why::BalancerHealth => return unhealthy(found, found.targets.as_ref()),
    };
    Finding::new(what, fix)
}

fn denied_pull(failed: &Failed<'_>, found: &Gathered, task: &Ended, pull: Pull, role: &str) -> Finding {
    let image = found.image.as_deref().map(|image| format!(" `{image}`")).unwrap_or_default();
    let name = found.image.as_deref().and_then(repository).unwrap_or("?");
    let (registry, deploy) = (failed.registry, failed.clients);
    let by_repository = || {
        let mut finding = current::no_pull(name, &registry.account, &deploy.account, deploy.partition());
        finding.what = format!("Green can't start: {}", lower(&finding.what));
        finding
    };
    let by_role = |action: &str| {
        Finding::new(
            format!("Green can't start: its {role} may not `{action}`, so its image can't be pulled."),
            format!("Allow `{action}` in a policy of the {role}."),
        )
    };
    let pair = "ecr:BatchGetImage` and `ecr:GetDownloadUrlForLayer";
    match (pull, found.lacking) {
        (Pull::DeniedToRole, _)
            if task.words().contains("no identity-based policy")
                && task.words().contains("BatchGetImage") =>
        {
            by_role(pair)
        }
        (Pull::DeniedToRole, _) => by_role("ecr:GetAuthorizationToken"),
        (Pull::DeniedByRepository, _) | (Pull::Denied, Some(Lacking::Repository)) => by_repository(),
        (Pull::Denied, Some(Lacking::Role)) => {
            let mut finding = by_role(pair);
            finding.fix += &format!(
                " The policy of repository `{name}` lets the account in. Where a KMS key of your own encrypts it, allow `kms:Decrypt` on the key, too."
            );
            finding
        }
        (Pull::Denied, None) => Finding::new(
            format!("Green can't start: pulling its image{image} is denied."),
            format!(
                "Allow `{pair}` both in a policy of the {role} and in the policy of the repository; where a KMS key of your own \
                 encrypts it, `kms:Decrypt` on the key."
            ),
        ),
        (Pull::DeniedByKey, _) => Finding::new(
            format!(
                "Green can't start: its {role} may not use the KMS key that repository `{name}` is encrypted with."
            ),
            format!("Allow `kms:Decrypt` on the key, in a policy of the {role} and in the key's own policy."),
        ),
        (Pull::NotFound, _) => Finding::new(
            format!("Green can't start: its image{image} is not in its registry."),
            format!(
                "See whether a lifecycle policy or somebody deletes images of repository `{name}`; then deploy again with `--force`, which pushes it anew."
            ),
        ),
        (Pull::Platform, _) => Finding::new(
            format!(
                "Green can't start: its image{image} isn't built for the platform that its tasks run on."
            ),
            "Set `image.platforms`, or `runtimePlatform` in the task definition.",
        ),
        (Pull::Unreachable, _) => Finding::new(
            "Green can't start: its tasks don't reach the registry.",
            "Give their subnets a way out (a NAT gateway, or VPC endpoints for ecr.api, ecr.dkr and S3), and let their security groups pass port 443.",
        ),
        (Pull::Other, _) => Finding::new(
            format!("Green can't start: its image{image} can't be pulled. {}", sentence(task.words())),
            "Correct what the message names, then deploy again.",
        ),
    }
}

/// Green doesn't pass the load balancer's check: the measured answer beside the wanted one.
fn unhealthy(found: &Gathered, targets: Option<&Targets>) -> Finding {
    let check = found.health_check.as_ref();
    let asked = check.map(|c| format!(" of {}", c.path)).unwrap_or_default();
    let wanted = check.filter(|c| !c.matcher.is_empty());
    let wanted = wanted.map(|c| format!(", wanted {}", c.matcher)).unwrap_or_default();
    let what = match targets {
        Some(Targets { unhealthy, all, reason, description }) => format!(
            "Green isn't healthy: {unhealthy} of {all} targets fail the load balancer's check{asked}: {} ({reason}){wanted}.",
            description.trim_end_matches('.')
        ),
        None => {
            let reason = found.events.iter().find_map(|e| e.split_once("(reason ")).map(|(_, reason)| reason);
            let reason = reason.map(|r| format!(": {}", r.trim_end_matches([')', '.']))).unwrap_or_default();
            format!("Green isn't healthy: its tasks fail the load balancer's check{asked}{reason}{wanted}.")
        }
    };
    Finding::new(
        what,
        "See what the container answers there, what it logged last, and whether the service's health check grace period lets it boot.",
    )
}

/// AWS's own words on tasks that ended for one reason.
fn group_line(group: &Group) -> String {
    let task = &group.one;
    let code = match task.stop_code.as_str() {
        "" => String::new(),
        code => format!("{code}: "),
    };
    let words = |exit: &crate::task::Exit| {
        let ended = exit.code.map(|code| format!("exit code {code}"));
        let reason = exit.reason.clone().filter(|reason| *reason != task.reason);
        let told: Vec<String> = [ended, reason].into_iter().flatten().collect();
        (!told.is_empty()).then(|| format!("; `{}`: {}", exit.name, told.join(", ")))
    };
    let exits: String = task.containers.iter().filter_map(words).collect();
    let number =
        if group.count == 1 { "1 stopped".to_owned() } else { format!("{} stopped alike", group.count) };
    format!("{number}: {code}{}{exits}", task.reason)
}

/// What could be read of the log, or where to look.
fn log(tail: &TailOf, facts: &mut Vec<Fact>, unseen: &mut Vec<String>) -> Option<Log> {
    let name = &tail.container;
    let mut fact = |text: String| facts.push(Fact { about: "log".to_owned(), text });
    match (&tail.place, &tail.excerpt) {
        (LogPlace::CloudWatch { group, stream, .. }, Excerpt::Lines(lines)) if lines.is_empty() => {
            fact(format!("`{name}` logged nothing (stream {stream} of {group})"));
        }
        (LogPlace::CloudWatch { group, stream, .. }, Excerpt::Lines(lines)) => {
            return Some(Log {
                title: format!("the last lines of `{name}` (stream {stream} of {group})"),
                lines: lines.iter().map(|line| cut(line.trim_end(), LINE).into_owned()).collect(),
            });
        }
        (LogPlace::CloudWatch { group, stream, .. }, Excerpt::Unread(failure)) => {
            unseen.push(self::unseen(
                failure,
                &format!("the log of `{name}` stands in stream {stream} of {group}"),
            ));
        }
        (LogPlace::CloudWatch { group, stream, region }, Excerpt::None) => {
            let region = region.as_deref().map(|r| format!(", region {r}")).unwrap_or_default();
            fact(format!("the log of `{name}` stands in stream {stream} of {group}{region}"));
        }
        (LogPlace::Elsewhere(driver), _) => fact(format!("`{name}` logs by {driver}: look there")),
        (LogPlace::Nowhere, _) => {
            fact(format!("`{name}` has no log driver: what it says is kept nowhere. Give it `awslogs`."));
        }
    }
    None
}

fn unseen_part(failure: &Failure) -> String {
    let consequence = match failure.action {
        "ecs:ListTasks" | "ecs:DescribeTasks" => "what green's tasks stopped for is not known",
        "elasticloadbalancing:DescribeTargetHealth" => "the health of green's targets is not known",
        "ecr:GetRepositoryPolicy" => "whether the repository's policy denies the pull is not known",
        "ecs:DescribeTaskDefinition" => "where green's containers log is not known",
        _ => "what it would tell is missing here",
    };
    unseen(failure, consequence)
}

fn code(task: &Ended) -> String {
    let code = task.culprit().and_then(|c| c.code);
    code.map(|code| format!(" (exit code {code})")).unwrap_or_default()
}

fn signal(code: i32) -> &'static str {
    match code {
        126 => " (its command can't be executed)",
        127 => " (its command isn't there)",
        134 => " (SIGABRT)",
        139 => " (SIGSEGV)",
        143 => " (SIGTERM)",
        _ => "",
    }
}

/// A foreign text at the end of a sentence of ours.
fn sentence(text: &str) -> String {
    let text = named(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    format!("{}.", cut(text.trim_end_matches('.'), TEXT))
}

/// Target groups by their names instead of their ARNs.
pub fn named(text: &str) -> String {
    let word = |word: &str| {
        let name = word.split_once(":targetgroup/").filter(|_| word.starts_with("arn:"));
        match name.and_then(|(_, name)| name.split_once('/')) {
            Some((name, id)) => {
                format!("{name}{}", id.trim_start_matches(|c: char| c.is_ascii_alphanumeric()))
            }
            None => word.to_owned(),
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_groups_have_names() {
        let arn =
            "arn:aws:elasticloadbalancing:eu-central-1:222222222222:targetgroup/hello-green/d368080638639b8e";
        assert_eq!(
            named(&format!("is unhealthy in (target-group {arn}) due to x")),
            "is unhealthy in (target-group hello-green) due to x"
        );
        assert_eq!(named("nothing of arn:aws:ecs:x:y:service/a/b"), "nothing of arn:aws:ecs:x:y:service/a/b");
    }

    #[test]
    fn tasks_that_stopped_alike_are_one_line() {
        let app = crate::task::Exit { name: "app".into(), code: Some(3), ..Default::default() };
        let one = Ended {
            stop_code: "EssentialContainerExited".into(),
            reason: "Essential container in task exited".into(),
            containers: vec![app],
            ..Ended::default()
        };
        assert_eq!(
            group_line(&Group { count: 4, one }),
            "4 stopped alike: EssentialContainerExited: Essential container in task exited; `app`: exit code 3"
        );
    }
}
