//! What AWS knows of a failed deployment: read side by side, each read for itself.

use super::{
    Failed,
    pull::{self, Lacking},
};
use crate::{
    aws::Failure,
    task::{Group, LogPlace, Pull, Stopped, Why, groups, tail},
};
use aws_sdk_codedeploy::types::{LifecycleEventStatus, TargetLabel};
use aws_sdk_ecs::types::{ContainerDefinition, TaskDefinition};
use std::{future::Future, time::Duration};

/// A read that takes longer is done without: the rollback is waiting to be told of.
const LIMIT: Duration = Duration::from_secs(15);
/// Of a container's log.
const LINES: i32 = 10;

#[derive(Debug, Default)]
pub struct Gathered {
    /// The lifecycle event that failed.
    pub hook: Option<Hook>,
    /// Names of the lifecycle events that succeeded.
    pub done: Vec<String>,
    /// Green's stopped tasks by their reason, the most frequent first.
    pub tasks: Vec<Group>,
    /// The account's own name for the role that pulls and logs.
    pub execution_role: Option<String>,
    /// The image that the failed container wanted.
    pub image: Option<String>,
    pub lacking: Option<Lacking>,
    pub targets: Option<Targets>,
    pub health_check: Option<HealthCheck>,
    /// What the service says of green and that tells of trouble, the newest first.
    pub events: Vec<String>,
    pub log: Option<TailOf>,
    pub unseen: Vec<Failure>,
}

/// A lifecycle event that failed, with CodeDeploy's diagnostics where it has some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hook {
    pub name: String,
    pub said: Option<String>,
}

/// Green's targets that aren't healthy, for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    pub unhealthy: usize,
    pub all: usize,
    /// The reason's code, and the words to it.
    pub reason: String,
    pub description: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthCheck {
    pub path: String,
    pub matcher: String,
}

/// Where a failed container's output went, and what could be read of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailOf {
    pub container: String,
    pub place: LogPlace,
    pub excerpt: Excerpt,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Excerpt {
    Lines(Vec<String>),
    Unread(Failure),
    /// Not where it could be read from.
    None,
}

/// Green as the service has it.
#[derive(Clone, Debug, Default)]
struct Green {
    task_set: Option<String>,
    /// By its ARN, as long as the service has green.
    target_group: Option<String>,
    target_group_name: Option<String>,
    container: Option<String>,
}

pub async fn gather(failed: &Failed<'_>) -> Gathered {
    let mut found = Gathered::default();
    let (target, service, stopped, definition) = tokio::join!(
        limited(target(failed)),
        limited(service(failed)),
        limited(stopped(failed)),
        limited(definition(failed)),
    );
    let (hook, done, by_label) = found.take(target).unwrap_or_default();
    (found.hook, found.done) = (hook, done);
    let (green, events) = found.take(service).unwrap_or_default();
    // The service may have lost it by now.
    let green = Green {
        task_set: green.task_set.or(by_label.task_set).or_else(|| failed.known.green.clone()),
        target_group_name: by_label.target_group_name,
        ..green
    };
    found.events = telling(&events, green.task_set.as_deref());
    if let Some(stopped) = found.take(stopped) {
        found.tasks = groups(&stopped.of(green.task_set.as_deref(), failed.revision));
    }
    let definition = found.take(definition).flatten();
    found.execution_role = definition.as_ref().and_then(|d| d.execution_role_arn.clone());

    let wanted = culprit(&found.tasks, &green);
    let container = definition.as_ref().and_then(|definition| {
        let named = |c: &&ContainerDefinition| c.name() == wanted.as_ref().map(|(name, _)| name.as_str());
        definition.container_definitions().iter().find(named)
    });
    found.image = container.and_then(|c| c.image()).map(str::to_owned);
    let denied = found.tasks.first().is_some_and(|group| group.one.why() == Why::Pull(Pull::Denied));
    let (targets, log, lacking) = tokio::join!(
        async {
            match &green.target_group {
                Some(group) => limited(targets(failed, group)).await,
                None => None,
            }
        },
        async {
            match (container, &wanted) {
                (Some(container), Some((_, Some(task)))) => Some(log(failed, container, task).await),
                _ => None,
            }
        },
        async {
            match found.image.as_deref().filter(|_| denied) {
                Some(image) => limited(pull::lacking(failed, image, found.execution_role.as_deref())).await,
                None => None,
            }
        },
    );
    found.targets = found.take(targets).flatten();
    let fails_check = found.targets.is_some()
        || found.tasks.first().is_some_and(|group| group.one.why() == Why::BalancerHealth);
    let name = green.target_group_name.or_else(|| found.tasks.first().and_then(|g| group_in(&g.one.reason)));
    if let Some(name) = name.as_deref().filter(|_| fails_check) {
        found.health_check = found.take(limited(health_check(failed, name)).await).flatten();
    }
    found.lacking = found.take(lacking).flatten();
    found.log = log;
    found
}

impl Gathered {
    /// None for what failed, which is kept to be said.
    fn take<T>(&mut self, read: Option<Result<T, Failure>>) -> Option<T> {
        match read? {
            Ok(found) => Some(found),
            Err(failure) => {
                self.unseen.push(failure);
                None
            }
        }
    }
}

async fn limited<T>(read: impl Future<Output = Result<T, Failure>>) -> Option<Result<T, Failure>> {
    tokio::time::timeout(LIMIT, read).await.ok()
}

/// The deployment's one target: what failed, what was done, and green's task set.
async fn target(failed: &Failed<'_>) -> Result<(Option<Hook>, Vec<String>, Green), Failure> {
    let answer = failed
        .clients
        .codedeploy()
        .batch_get_deployment_targets()
        .deployment_id(failed.id)
        .target_ids(failed.course.target_id())
        .send()
        .await
        .map_err(failed.clients.failed("codedeploy:BatchGetDeploymentTargets"))?;
    let target = answer.deployment_targets.unwrap_or_default().into_iter().find_map(|t| t.ecs_target);
    let Some(target) = target else { return Ok(Default::default()) };
    let name = |e: &aws_sdk_codedeploy::types::LifecycleEvent| {
        e.lifecycle_event_name().unwrap_or_default().to_owned()
    };
    let in_status = |status: LifecycleEventStatus| {
        target.lifecycle_events().iter().filter(move |e| e.status() == Some(&status))
    };
    let hook = in_status(LifecycleEventStatus::Failed).next().map(|event| {
        let said = event.diagnostics().into_iter().flat_map(|d| [d.message(), d.log_tail()]);
        let said: Vec<&str> = said.flatten().map(str::trim).filter(|text| !text.is_empty()).collect();
        Hook { name: name(event), said: (!said.is_empty()).then(|| said.join("\n")) }
    });
    let done = in_status(LifecycleEventStatus::Succeeded).map(name).collect();
    let green = target.task_sets_info().iter().find(|s| s.task_set_label() == Some(&TargetLabel::Green));
    let green = green.map_or_else(Green::default, |set| Green {
        task_set: set.identifer().map(str::to_owned),
        target_group_name: set.target_group().and_then(|group| group.name()).map(str::to_owned),
        ..Green::default()
    });
    Ok((hook, done, green))
}

/// Green's task set, and what the service says.
async fn service(failed: &Failed<'_>) -> Result<(Green, Vec<String>), Failure> {
    let course = failed.course;
    let answer =
        failed.clients.ecs().describe_services().cluster(&course.cluster).services(&course.service).send();
    let answer = answer.await.map_err(failed.clients.failed("ecs:DescribeServices"))?;
    let Some(service) = answer.services.unwrap_or_default().into_iter().next() else {
        return Ok(Default::default());
    };
    let green = service.task_sets().iter().find(|set| set.external_id() == Some(failed.id));
    let green = green.map_or_else(Green::default, |set| {
        let balancer = set.load_balancers().first();
        Green {
            task_set: set.id().map(str::to_owned),
            target_group: balancer.and_then(|b| b.target_group_arn()).map(str::to_owned),
            container: balancer.and_then(|b| b.container_name()).map(str::to_owned),
            target_group_name: None,
        }
    });
    let events = service.events.unwrap_or_default().into_iter().filter_map(|event| event.message).collect();
    Ok((green, events))
}

/// Events of green that tell of trouble, each kind once. Those of a service's task set name it.
fn telling(events: &[String], task_set: Option<&str>) -> Vec<String> {
    const TROUBLE: [&str; 3] = ["unable to", "is unhealthy in", "was stopped"];
    let mut told: Vec<String> = Vec::new();
    for event in events {
        let ours = task_set.is_some_and(|id| event.contains(id));
        let what = event.split_once(") ").map_or(event.as_str(), |(_, what)| what);
        if ours && TROUBLE.iter().any(|words| event.contains(words)) && !told.iter().any(|t| t == what) {
            told.push(what.to_owned());
        }
    }
    told
}

async fn stopped(failed: &Failed<'_>) -> Result<Stopped, Failure> {
    let mut stopped = Stopped::default();
    stopped.read(failed.clients, &failed.course.cluster, &failed.course.service).await?;
    Ok(stopped)
}

async fn definition(failed: &Failed<'_>) -> Result<Option<TaskDefinition>, Failure> {
    let answer = failed.clients.ecs().describe_task_definition().task_definition(failed.revision).send();
    let answer = answer.await.map_err(failed.clients.failed("ecs:DescribeTaskDefinition"))?;
    Ok(answer.task_definition)
}

/// The container to look at, and a task of it that ran. A task that fails the load balancer's
/// check has no culprit of its own: it's the container behind the load balancer.
fn culprit(groups: &[Group], green: &Green) -> Option<(String, Option<String>)> {
    let task = &groups.first()?.one;
    let name = match (task.why(), &green.container) {
        (Why::BalancerHealth, Some(container)) => container.clone(),
        _ => task.culprit()?.name.clone(),
    };
    let ran = !matches!(task.why(), Why::Pull(_) | Why::Role | Why::Secret | Why::Log | Why::NotStarted);
    Some((name, ran.then(|| task.id.clone())))
}

async fn log(failed: &Failed<'_>, container: &ContainerDefinition, task: &str) -> TailOf {
    let place = LogPlace::of(container, task);
    let excerpt = match &place {
        LogPlace::CloudWatch { region, group, stream }
            if region.as_ref().is_none_or(|region| *region == failed.course.region) =>
        {
            match limited(tail(failed.clients, group, stream, LINES)).await {
                Some(Ok(lines)) => Excerpt::Lines(lines),
                Some(Err(failure)) => Excerpt::Unread(failure),
                None => Excerpt::None,
            }
        }
        _ => Excerpt::None,
    };
    TailOf { container: container.name().unwrap_or_default().to_owned(), place, excerpt }
}

/// Green's targets, when some aren't healthy and it says why.
async fn targets(failed: &Failed<'_>, group: &str) -> Result<Option<Targets>, Failure> {
    use aws_sdk_elasticloadbalancingv2::types::TargetHealthStateEnum as State;
    let answer = failed.clients.elbv2().describe_target_health().target_group_arn(group).send().await;
    let answer = answer.map_err(failed.clients.failed("elasticloadbalancing:DescribeTargetHealth"))?;
    let healths: Vec<_> =
        answer.target_health_descriptions().iter().filter_map(|d| d.target_health()).collect();
    let sick: Vec<_> = healths.iter().filter(|h| h.state() == Some(&State::Unhealthy)).collect();
    Ok(sick.first().map(|first| Targets {
        unhealthy: sick.len(),
        all: healths.len(),
        reason: first.reason().map(|r| r.as_str().to_owned()).unwrap_or_default(),
        description: first.description().unwrap_or_default().to_owned(),
    }))
}

/// The name of the target group that a reason names by its ARN.
fn group_in(reason: &str) -> Option<String> {
    let (_, rest) = reason.split_once(":targetgroup/")?;
    rest.split('/').next().map(str::to_owned)
}

/// What the load balancer asks green's targets.
async fn health_check(failed: &Failed<'_>, group: &str) -> Result<Option<HealthCheck>, Failure> {
    let answer = failed.clients.elbv2().describe_target_groups().names(group).send().await;
    let answer = answer.map_err(failed.clients.failed("elasticloadbalancing:DescribeTargetGroups"))?;
    Ok(answer.target_groups.unwrap_or_default().into_iter().next().and_then(|group| {
        let matcher = group.matcher.and_then(|m| m.http_code.or(m.grpc_code));
        Some(HealthCheck { path: group.health_check_path?, matcher: matcher.unwrap_or_default() })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_names_its_target_group() {
        let arn =
            "arn:aws:elasticloadbalancing:eu-central-1:222222222222:targetgroup/hello-green/d368080638639b8e";
        let reason = format!("Task failed ELB health checks in (target-group {arn})");
        assert_eq!(group_in(&reason).as_deref(), Some("hello-green"));
        assert_eq!(group_in("Essential container in task exited"), None);
    }

    #[test]
    fn only_greens_troubles_are_kept_and_each_once() {
        let of = |set: &str, what: &str| format!("(service hello, taskSet {set}) {what}");
        let place = "was unable to place a task because no container instance met all of its requirements.";
        let events = [
            of("ecs-svc/2", place),
            of("ecs-svc/2", "has started 2 tasks: (task a)."),
            of("ecs-svc/2", place),
            of("ecs-svc/1", "was unable to place a task because of another reason."),
        ];
        assert_eq!(telling(&events, Some("ecs-svc/2")), [place]);
        assert!(telling(&events, None).is_empty());
    }
}
