//! The CodeDeploy group: named or found by its service, its settings, its config's shape, its
//! deployments that have not ended.

use super::{Part, Service, near};
use crate::{
    aws::{Clients, Failure},
    deployment::Shape,
    outcome::Finding,
    plan::RollbackEvents,
    say::{current as say, refusals},
};
use aws_sdk_codedeploy::types::{
    AutoRollbackEvent, ComputePlatform, DeploymentCreator, DeploymentGroupInfo, DeploymentReadyAction,
    DeploymentStatus,
};
use futures_util::{StreamExt, stream};
use std::time::Duration;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    pub application: String,
    pub name: String,
    /// `ECS`, `Lambda`, `Server`
    pub platform: String,
    /// The services that it deploys: (cluster, service).
    pub services: Vec<(String, String)>,
    pub config: Option<String>,
    /// `Some`: it stops at Ready for so long.
    pub ready_wait: Option<Duration>,
    pub termination_wait: Duration,
    pub rollback: RollbackEvents,
    pub alarms: Vec<String>,
    pub production_listeners: Vec<String>,
    pub test_listeners: Vec<String>,
    /// Names of the pair.
    pub target_groups: Vec<String>,
    /// Its newest deployment, however that ended.
    pub last: Option<String>,
}

/// A deployment of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Active {
    pub id: String,
    pub status: String,
    pub description: String,
    /// Whether it takes another one back.
    pub is_rollback: bool,
    /// The deployment that it takes back.
    pub takes_back: Option<String>,
    /// Its deployment config.
    pub config: Option<String>,
}

pub(super) async fn read(clients: &Clients, application: &str, group: &str) -> Part<Group> {
    match get(clients, application, group).await {
        Ok(found) => Part::of(found),
        Err(failure) if failure.is("ApplicationDoesNotExistException") => {
            let known = near::applications(clients).await;
            Part::wrong(say::no_application(application, known.as_deref()))
        }
        Err(failure) if failure.is("DeploymentGroupDoesNotExistException") => {
            let known = near::groups(clients, application).await;
            Part::wrong(say::no_group(group, application, known.as_deref()))
        }
        Err(failure) => {
            let misspelt =
                if failure.is_denied() { misspelt(clients, application, group).await } else { None };
            Part::wrong(misspelt.unwrap_or_else(|| refusals::failure(&failure)))
        }
    }
}

/// A role that may see one group only is denied a misspelt one.
async fn misspelt(clients: &Clients, application: &str, group: &str) -> Option<Finding> {
    let applications = near::applications(clients).await?;
    if !applications.iter().any(|name| name == application) {
        return Some(say::no_application(application, Some(&applications)));
    }
    let groups = near::groups(clients, application).await?;
    let known = groups.iter().any(|name| name == group);
    (!known).then(|| say::no_group(group, application, Some(&groups)))
}

async fn get(clients: &Clients, application: &str, group: &str) -> Result<Group, Failure> {
    let answer = clients
        .codedeploy()
        .get_deployment_group()
        .application_name(application)
        .deployment_group_name(group)
        .send()
        .await
        .map_err(clients.failed("codedeploy:GetDeploymentGroup"))?;
    let info = answer.deployment_group_info.unwrap_or_else(|| DeploymentGroupInfo::builder().build());
    Ok(of(&info, application, group))
}

fn of(info: &DeploymentGroupInfo, application: &str, group: &str) -> Group {
    const MINUTE: u64 = 60;
    let minutes = |n: i32| Duration::from_secs(u64::try_from(n).unwrap_or_default() * MINUTE);
    let blue_green = info.blue_green_deployment_configuration();
    let ready = blue_green.and_then(|b| b.deployment_ready_option());
    let terminate = blue_green.and_then(|b| b.terminate_blue_instances_on_deployment_success());
    let pair = info.load_balancer_info().and_then(|l| l.target_group_pair_info_list().first());
    let listeners = |route: Option<&aws_sdk_codedeploy::types::TrafficRoute>| {
        route.map(|r| r.listener_arns().to_vec()).unwrap_or_default()
    };
    let rollback = info.auto_rollback_configuration().filter(|r| r.enabled());
    let on = |event: AutoRollbackEvent| rollback.is_some_and(|r| r.events().contains(&event));
    let alarms = info.alarm_configuration().filter(|a| a.enabled());
    Group {
        application: info.application_name().unwrap_or(application).to_owned(),
        name: info.deployment_group_name().unwrap_or(group).to_owned(),
        platform: info.compute_platform().map_or("Server", ComputePlatform::as_str).to_owned(),
        services: info
            .ecs_services()
            .iter()
            .filter_map(|s| Some((s.cluster_name()?.to_owned(), s.service_name()?.to_owned())))
            .collect(),
        config: info.deployment_config_name().map(str::to_owned),
        ready_wait: ready
            .filter(|r| r.action_on_timeout() == Some(&DeploymentReadyAction::StopDeployment))
            .map(|r| minutes(r.wait_time_in_minutes())),
        termination_wait: terminate
            .map(|t| minutes(t.termination_wait_time_in_minutes()))
            .unwrap_or_default(),
        rollback: RollbackEvents {
            on_failure: on(AutoRollbackEvent::DeploymentFailure),
            on_alarm: on(AutoRollbackEvent::DeploymentStopOnAlarm),
            on_request: on(AutoRollbackEvent::DeploymentStopOnRequest),
        },
        alarms: alarms
            .map(|a| a.alarms().iter().filter_map(|alarm| alarm.name()).map(str::to_owned).collect())
            .unwrap_or_default(),
        production_listeners: listeners(pair.and_then(|p| p.prod_traffic_route())),
        test_listeners: listeners(pair.and_then(|p| p.test_traffic_route())),
        target_groups: pair
            .map(|p| p.target_groups().iter().filter_map(|t| t.name()).map(str::to_owned).collect())
            .unwrap_or_default(),
        last: info.last_attempted_deployment().and_then(|last| last.deployment_id()).map(str::to_owned),
    }
}

/// Finds the one group that deploys the service.
pub(super) async fn discover(
    clients: &Clients,
    service: &Service,
    (application, group): (Option<&str>, Option<&str>),
) -> Part<Group> {
    let applications = match application {
        Some(application) => vec![application.to_owned()],
        None => match near::applications(clients).await {
            Some(mut names) => {
                // The likely ones first: names that have the service's in them.
                names.sort_by_key(|name| !name.contains(&service.name));
                names
            }
            None => return by_convention(clients, service).await,
        },
    };
    let mut found = Box::pin(
        stream::iter(applications)
            .map(|application| async move { in_application(clients, &application, service, group).await })
            .buffered(4)
            .filter_map(async |found| found),
    );
    match found.next().await {
        Some(group) => Part::of(group),
        None => Part::wrong(say::no_group_of_service(&service.name, &service.cluster, application, group)),
    }
}

async fn in_application(
    clients: &Clients,
    application: &str,
    service: &Service,
    group: Option<&str>,
) -> Option<Group> {
    let names = match group {
        Some(group) => vec![group.to_owned()],
        None => near::groups(clients, application).await?,
    };
    for names in names.chunks(100) {
        let answer = clients
            .codedeploy()
            .batch_get_deployment_groups()
            .application_name(application)
            .set_deployment_group_names(Some(names.to_vec()))
            .send()
            .await
            .ok()?;
        let infos = answer.deployment_groups_info.unwrap_or_default();
        let groups =
            infos.iter().map(|info| of(info, application, info.deployment_group_name().unwrap_or_default()));
        let mut ours = groups.filter(|group| group.deploys(service));
        if let Some(group) = ours.next() {
            return Some(group);
        }
    }
    None
}

/// Without the leave to list: the names that the ECS console gives.
async fn by_convention(clients: &Clients, service: &Service) -> Part<Group> {
    let application = format!("AppECS-{}-{}", service.cluster, service.name);
    let group = format!("DgpECS-{}-{}", service.cluster, service.name);
    match get(clients, &application, &group).await {
        Ok(found) if found.deploys(service) => Part::of(found),
        _ => Part::wrong(say::group_not_found_without_listing(&service.name)),
    }
}

impl Group {
    pub fn deploys(&self, service: &Service) -> bool {
        self.services.iter().any(|(cluster, name)| *cluster == service.cluster && *name == service.name)
    }
}

/// How a deployment config shifts.
pub(super) async fn shape(clients: &Clients, config: &str) -> Part<Shape> {
    let answer = clients
        .codedeploy()
        .get_deployment_config()
        .deployment_config_name(config)
        .send()
        .await
        .map_err(clients.failed("codedeploy:GetDeploymentConfig"));
    match answer {
        Ok(answer) => {
            let info = answer.deployment_config_info;
            match info.as_ref().and_then(|i| i.compute_platform()) {
                Some(ComputePlatform::Ecs) | None => {
                    Part::of(Shape::of(info.as_ref().and_then(|i| i.traffic_routing_config())))
                }
                Some(other) => Part::wrong(say::config_of_another_platform(config, other.as_str())),
            }
        }
        Err(failure) if failure.is("DeploymentConfigDoesNotExistException") => {
            let known = near::configs(clients).await;
            Part::wrong(say::no_config(config, known.as_deref()))
        }
        Err(failure) => Part::wrong(refusals::failure(&failure)),
    }
}

/// The group's deployments that have not ended, newest first.
pub(super) async fn active(clients: &Clients, group: &Group) -> Part<Vec<Active>> {
    let statuses = vec![
        DeploymentStatus::Created,
        DeploymentStatus::Queued,
        DeploymentStatus::InProgress,
        DeploymentStatus::Baking,
        DeploymentStatus::Ready,
    ];
    let answer = clients
        .codedeploy()
        .list_deployments()
        .application_name(&group.application)
        .deployment_group_name(&group.name)
        .set_include_only_statuses(Some(statuses))
        .send()
        .await
        .map_err(clients.failed("codedeploy:ListDeployments"));
    let ids = match answer {
        Ok(answer) => answer.deployments.unwrap_or_default(),
        Err(failure) => return Part::wrong(refusals::failure(&failure)),
    };
    let mut active = Vec::new();
    for id in ids {
        match deployment(clients, &id).await {
            Ok(found) => active.extend(found),
            Err(failure) => return Part::wrong(refusals::failure(&failure)),
        }
    }
    Part::of(active)
}

/// One deployment, whether it runs or has ended.
pub async fn deployment(clients: &Clients, id: &str) -> Result<Option<Active>, Failure> {
    let answer = clients
        .codedeploy()
        .get_deployment()
        .deployment_id(id)
        .send()
        .await
        .map_err(clients.failed("codedeploy:GetDeployment"))?;
    Ok(answer.deployment_info.map(|info| Active {
        id: id.to_owned(),
        status: info.status().map_or("Created", DeploymentStatus::as_str).to_owned(),
        description: info.description().unwrap_or_default().to_owned(),
        is_rollback: info.creator() == Some(&DeploymentCreator::CodeDeployRollback),
        takes_back: info
            .rollback_info()
            .and_then(|rollback| rollback.rollback_triggering_deployment_id())
            .map(str::to_owned),
        config: info.deployment_config_name().map(str::to_owned),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_codedeploy::types::{
        Alarm, AlarmConfiguration, AutoRollbackConfiguration, BlueGreenDeploymentConfiguration,
        BlueInstanceTerminationOption, DeploymentReadyOption, EcsService, LoadBalancerInfo, TargetGroupInfo,
        TargetGroupPairInfo, TrafficRoute,
    };

    fn info(action: DeploymentReadyAction, rollback: bool) -> DeploymentGroupInfo {
        let ready =
            DeploymentReadyOption::builder().action_on_timeout(action).wait_time_in_minutes(5).build();
        let terminate = BlueInstanceTerminationOption::builder().termination_wait_time_in_minutes(60).build();
        let route = |arn: &str| TrafficRoute::builder().listener_arns(arn).build();
        let pair = TargetGroupPairInfo::builder()
            .target_groups(TargetGroupInfo::builder().name("blue").build())
            .target_groups(TargetGroupInfo::builder().name("green").build())
            .prod_traffic_route(route("prod"))
            .test_traffic_route(route("test"))
            .build();
        DeploymentGroupInfo::builder()
            .compute_platform(ComputePlatform::Ecs)
            .ecs_services(EcsService::builder().cluster_name("prod").service_name("hello").build())
            .blue_green_deployment_configuration(
                BlueGreenDeploymentConfiguration::builder()
                    .deployment_ready_option(ready)
                    .terminate_blue_instances_on_deployment_success(terminate)
                    .build(),
            )
            .load_balancer_info(LoadBalancerInfo::builder().target_group_pair_info_list(pair).build())
            .auto_rollback_configuration(
                AutoRollbackConfiguration::builder()
                    .enabled(rollback)
                    .events(AutoRollbackEvent::DeploymentFailure)
                    .events(AutoRollbackEvent::DeploymentStopOnAlarm)
                    .build(),
            )
            .alarm_configuration(
                AlarmConfiguration::builder()
                    .enabled(true)
                    .alarms(Alarm::builder().name("5xx").build())
                    .build(),
            )
            .build()
    }

    #[test]
    fn a_group_is_read_with_its_waits_and_routes() {
        let group = of(&info(DeploymentReadyAction::StopDeployment, true), "hello", "hello-production");
        assert_eq!((group.application.as_str(), group.platform.as_str()), ("hello", "ECS"));
        assert_eq!(group.ready_wait, Some(Duration::from_secs(300)));
        assert_eq!(group.termination_wait, Duration::from_secs(3600));
        assert_eq!(group.rollback, RollbackEvents { on_failure: true, on_alarm: true, on_request: false });
        assert_eq!(
            (group.production_listeners, group.test_listeners),
            (vec!["prod".into()], vec!["test".into()])
        );
        assert_eq!(
            (group.target_groups, group.alarms),
            (vec!["blue".into(), "green".into()], vec!["5xx".into()])
        );
    }

    #[test]
    fn a_group_that_continues_by_itself_does_not_hold() {
        let group = of(&info(DeploymentReadyAction::ContinueDeployment, false), "a", "g");
        assert_eq!(group.ready_wait, None);
        assert_eq!(group.rollback, RollbackEvents::default());
    }

    #[test]
    fn a_group_without_settings_is_read_too() {
        let group = of(&DeploymentGroupInfo::builder().build(), "a", "g");
        assert_eq!((group.name.as_str(), group.ready_wait, group.platform.as_str()), ("g", None, "Server"));
    }
}
