//! Starting a one-off task: where the service's own tasks run, once.

use super::{End, Job};
use crate::{aws::Failure, deployment::Context, event::Event, say::one_off as say};
use aws_sdk_ecs::types::{
    CapacityProviderStrategyItem, ContainerOverride, DesiredStatus, KeyValuePair, LaunchType,
    NetworkConfiguration, TaskOverride,
};
use std::time::Duration;
use tokio::time::Instant;

/// Between two attempts to find a place for it, in the world's time.
const AGAIN: Duration = Duration::from_secs(10);

/// Where the service's tasks run.
struct Placement {
    launch_type: Option<LaunchType>,
    strategy: Vec<CapacityProviderStrategyItem>,
    platform_version: Option<String>,
    network: Option<NetworkConfiguration>,
}

/// Its ARN: of one that an earlier run started and that still runs, or of a new one.
pub(super) async fn start(context: &Context<'_>, job: &Job<'_>, deadline: Instant) -> Result<String, End> {
    let started_by = job.started_by();
    if let Some(arn) = running(context, &started_by).await.map_err(End::Unseen)? {
        context.report.tell(Event::Note { text: say::followed(&arn) });
        return Ok(arn);
    }
    let placement = placement(context).await.map_err(End::Unseen)?;
    // One attempt that is repeated after an unclear answer makes no second task.
    let mut token = uuid::Uuid::new_v4().to_string();
    loop {
        if context.cancel.is_requested() {
            return Err(End::Cancelled { stopped: true });
        }
        let words = match run_task(context, job, &placement, &started_by, &token).await {
            Ok(Ok(arn)) => {
                context.report.tell(Event::Note { text: say::started(&arn) });
                return Ok(arn);
            }
            Ok(Err(words)) => {
                token = uuid::Uuid::new_v4().to_string();
                words
            }
            Err(failure) if failure.may_pass() => failure.to_string(),
            Err(failure) => return Err(End::Unseen(failure)),
        };
        if Instant::now() + context.pace.real(AGAIN) >= deadline {
            return Err(End::NotPlaced(words));
        }
        context.report.tell(Event::Note { text: say::not_placed_yet(&words) });
        tokio::select! {
            () = context.pace.sleep(AGAIN) => {}
            () = context.cancel.requested() => return Err(End::Cancelled { stopped: true }),
        }
    }
}

async fn running(context: &Context<'_>, started_by: &str) -> Result<Option<String>, Failure> {
    let answer = context
        .clients
        .ecs()
        .list_tasks()
        .cluster(&context.course.cluster)
        .started_by(started_by)
        .desired_status(DesiredStatus::Running)
        .send()
        .await
        .map_err(context.clients.failed("ecs:ListTasks"))?;
    Ok(answer.task_arns.unwrap_or_default().into_iter().next())
}

async fn placement(context: &Context<'_>) -> Result<Placement, Failure> {
    let course = &context.course;
    let answer = context.clients.ecs().describe_services().cluster(&course.cluster).services(&course.service);
    let answer = answer.send().await.map_err(context.clients.failed("ecs:DescribeServices"))?;
    let service = answer.services.unwrap_or_default().into_iter().next();
    let set = service
        .as_ref()
        .and_then(|service| service.task_sets().iter().find(|set| set.status() == Some("PRIMARY")))
        .cloned();
    let of_set = set.as_ref().map(|set| set.capacity_provider_strategy()).filter(|items| !items.is_empty());
    let of_service = service.as_ref().map(|service| service.capacity_provider_strategy());
    let strategy = of_set.or(of_service).unwrap_or_default().to_vec();
    let launch_type = set
        .as_ref()
        .and_then(|set| set.launch_type().cloned())
        .or_else(|| service.as_ref().and_then(|service| service.launch_type().cloned()));
    Ok(Placement {
        launch_type: launch_type.filter(|_| strategy.is_empty()),
        strategy,
        platform_version: service
            .as_ref()
            .and_then(|service| service.platform_version())
            .or(set.as_ref().and_then(|set| set.platform_version()))
            .filter(|version| !version.is_empty())
            .map(str::to_owned),
        network: set
            .as_ref()
            .and_then(|set| set.network_configuration().cloned())
            .or_else(|| service.as_ref().and_then(|service| service.network_configuration().cloned())),
    })
}

/// Its ARN, or ECS's words on why there is no place for it.
async fn run_task(
    context: &Context<'_>,
    job: &Job<'_>,
    placement: &Placement,
    started_by: &str,
    token: &str,
) -> Result<Result<String, String>, Failure> {
    let own = job.task.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let told = job.variables.iter().map(|(name, value)| (*name, value.as_str()));
    let environment =
        told.chain(own).map(|(name, value)| KeyValuePair::builder().name(name).value(value).build());
    let container = ContainerOverride::builder()
        .name(job.container())
        .set_command(Some(job.task.command.clone()))
        .set_environment(Some(environment.collect()))
        .build();
    let answer = context
        .clients
        .ecs()
        .run_task()
        .cluster(&context.course.cluster)
        .task_definition(job.revision)
        .started_by(started_by)
        .client_token(token)
        .set_launch_type(placement.launch_type.clone())
        .set_capacity_provider_strategy(Some(placement.strategy.clone()).filter(|items| !items.is_empty()))
        .set_platform_version(placement.platform_version.clone())
        .set_network_configuration(placement.network.clone())
        .overrides(TaskOverride::builder().container_overrides(container).build())
        .send()
        .await
        .map_err(context.clients.failed("ecs:RunTask"))?;
    if let Some(arn) = answer.tasks.unwrap_or_default().into_iter().find_map(|task| task.task_arn) {
        return Ok(Ok(arn));
    }
    let words = answer.failures.unwrap_or_default().into_iter().filter_map(|failure| {
        let detail = failure.detail.map(|detail| format!(": {detail}")).unwrap_or_default();
        Some(format!("{}{detail}", failure.reason?))
    });
    let mut words: Vec<String> = words.collect();
    words.dedup();
    Ok(Err(words.join(", ")))
}
