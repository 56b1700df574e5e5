//! The service, its task sets, its task definitions.

use super::{Part, near};
use crate::{
    aws::{Body, Clients, Failure, Kind},
    outcome::Finding,
    say::{current as say, refusals},
    task_definition::Revision,
};
use aws_sdk_ecs::types::{
    self, CapacityProviderStrategyItem, NetworkConfiguration, ServiceField, TaskDefinitionField,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Service {
    pub arn: String,
    pub name: String,
    pub cluster: String,
    /// `CODE_DEPLOY`, `ECS`, `EXTERNAL`
    pub controller: String,
    pub desired_count: i32,
    pub launch_type: Option<String>,
    pub platform_version: Option<String>,
    /// As an AppSpec says it.
    pub network: Option<Value>,
    /// Likewise; empty when the service has a launch type instead.
    pub strategy: Vec<Value>,
    pub balancers: Vec<Balancer>,
    pub task_sets: Vec<TaskSetNow>,
    /// The revision that serves production.
    pub task_definition: String,
    pub tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Balancer {
    pub container: String,
    pub port: u16,
    pub target_group: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskSetNow {
    /// `PRIMARY`, `ACTIVE`, `DRAINING`
    pub status: String,
    pub task_definition: String,
    /// The deployment that made it.
    pub deployment: Option<String>,
    pub target_group: Option<String>,
}

impl Service {
    pub fn on_fargate(&self) -> bool {
        let by_strategy = self
            .strategy
            .iter()
            .any(|s| s["CapacityProvider"].as_str().is_some_and(|p| p.starts_with("FARGATE")));
        by_strategy || self.launch_type.as_deref() == Some("FARGATE")
    }

    pub fn primary(&self) -> Option<&TaskSetNow> {
        self.task_sets.iter().find(|set| set.status == "PRIMARY")
    }
}

pub(super) async fn read(clients: &Clients, cluster: &str, service: &str) -> Part<Service> {
    let answer = clients
        .ecs()
        .describe_services()
        .cluster(cluster)
        .services(service)
        .include(ServiceField::Tags)
        .send()
        .await
        .map_err(clients.failed("ecs:DescribeServices"));
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) if failure.is("ClusterNotFoundException") => {
            let known = near::clusters(clients).await;
            return Part::wrong(say::no_cluster(cluster, &clients.region, known.as_deref()));
        }
        Err(failure) => {
            let misspelt = if failure.is_denied() { misspelt(clients, cluster, service).await } else { None };
            return Part::wrong(misspelt.unwrap_or_else(|| refusals::failure(&failure)));
        }
    };
    match answer.services.unwrap_or_default().into_iter().next() {
        Some(found) if found.status.as_deref() != Some("INACTIVE") => Part::of(of(found, cluster)),
        _ => {
            let known = near::services(clients, cluster).await;
            Part::wrong(say::no_service(service, cluster, known.as_deref()))
        }
    }
}

/// A role that may see one service only is denied a misspelt one.
async fn misspelt(clients: &Clients, cluster: &str, service: &str) -> Option<Finding> {
    let clusters = near::clusters(clients).await?;
    if !clusters.iter().any(|name| name == cluster) {
        return Some(say::no_cluster(cluster, &clients.region, Some(&clusters)));
    }
    let services = near::services(clients, cluster).await?;
    let known = services.iter().any(|name| name == service);
    (!known).then(|| say::no_service(service, cluster, Some(&services)))
}

fn of(service: types::Service, cluster: &str) -> Service {
    let primary = service.task_sets().iter().find(|set| set.status() == Some("PRIMARY"));
    let network = primary.and_then(|set| set.network_configuration()).or(service.network_configuration());
    let strategy = match primary.map(|set| set.capacity_provider_strategy()) {
        Some(strategy) if !strategy.is_empty() => strategy,
        _ => service.capacity_provider_strategy(),
    };
    let balancers = match primary.map(|set| set.load_balancers()) {
        Some(balancers) if !balancers.is_empty() => balancers,
        _ => service.load_balancers(),
    };
    let launch_type = primary.and_then(|set| set.launch_type()).or(service.launch_type());
    let platform_version = service.platform_version().or(primary.and_then(|set| set.platform_version()));
    let running = primary.and_then(|set| set.task_definition()).or(service.task_definition());
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    Service {
        arn: text(service.service_arn()),
        name: text(service.service_name()),
        cluster: service.cluster_arn().and_then(|arn| arn.rsplit('/').next()).unwrap_or(cluster).to_owned(),
        controller: service.deployment_controller().map_or("ECS", |c| c.r#type().as_str()).to_owned(),
        desired_count: service.desired_count(),
        launch_type: launch_type.map(|l| l.as_str().to_owned()).filter(|_| strategy.is_empty()),
        platform_version: platform_version.filter(|v| !v.is_empty()).map(str::to_owned),
        network: network.and_then(appspec_network),
        strategy: strategy.iter().map(appspec_strategy).collect(),
        balancers: balancers
            .iter()
            .map(|b| Balancer {
                container: text(b.container_name()),
                port: b.container_port().and_then(|port| u16::try_from(port).ok()).unwrap_or_default(),
                target_group: b.target_group_arn().map(str::to_owned),
            })
            .collect(),
        task_sets: service
            .task_sets()
            .iter()
            .map(|set| TaskSetNow {
                status: text(set.status()),
                task_definition: text(set.task_definition()),
                deployment: set.external_id().filter(|id| !id.is_empty()).map(str::to_owned),
                target_group: set
                    .load_balancers()
                    .iter()
                    .find_map(|b| b.target_group_arn())
                    .map(str::to_owned),
            })
            .collect(),
        task_definition: text(running),
        tags: service
            .tags()
            .iter()
            .filter_map(|tag| Some((tag.key()?.to_owned(), text(tag.value()))))
            .collect(),
    }
}

fn appspec_network(network: &NetworkConfiguration) -> Option<Value> {
    let vpc = network.awsvpc_configuration()?;
    let mut configuration = json!({"Subnets": vpc.subnets(), "SecurityGroups": vpc.security_groups()});
    if let Some(public) = vpc.assign_public_ip() {
        configuration["AssignPublicIp"] = Value::from(public.as_str());
    }
    Some(json!({"AwsvpcConfiguration": configuration}))
}

fn appspec_strategy(item: &CapacityProviderStrategyItem) -> Value {
    json!({"Base": item.base(), "CapacityProvider": item.capacity_provider(), "Weight": item.weight()})
}

/// The revision that the service runs.
pub(super) async fn live(clients: &Clients, service: &Service) -> Part<Revision> {
    if service.task_definition.is_empty() {
        return Part::wrong(say::nothing_runs(&service.name));
    }
    revision(clients, &service.task_definition).await
}

/// A revision that must be there.
pub(super) async fn revision(clients: &Clients, name: &str) -> Part<Revision> {
    match describe(clients, name).await {
        Ok(revision) => Part::of(revision),
        Err(failure) => Part::wrong(refusals::failure(&failure)),
    }
}

/// A family's latest revision; a family that doesn't exist yet has none.
pub(super) async fn latest(clients: &Clients, family: &str) -> Part<Revision> {
    match describe(clients, family).await {
        Ok(revision) => Part::of(revision),
        Err(failure) if failure.kind == Kind::Answer => Part::none(),
        Err(failure) => Part::wrong(refusals::failure(&failure)),
    }
}

/// A revision as AWS wrote it: the typed answer would lose what this version's client doesn't know.
pub async fn describe(clients: &Clients, name: &str) -> Result<Revision, Failure> {
    let body = Body::default();
    let failed = clients.failed("ecs:DescribeTaskDefinition");
    clients
        .ecs()
        .describe_task_definition()
        .task_definition(name)
        .include(TaskDefinitionField::Tags)
        .customize()
        .interceptor(body.clone())
        .send()
        .await
        .map_err(failed)?;
    body.json().ok().and_then(Revision::of_answer).ok_or_else(|| {
        clients.unreadable(
            "ecs:DescribeTaskDefinition",
            format!("no task definition stands in the answer for {name}"),
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use aws_sdk_ecs::types::{
        AssignPublicIp, AwsVpcConfiguration, DeploymentController, DeploymentControllerType, LaunchType,
        LoadBalancer, TaskSet,
    };

    fn strategy_item() -> CapacityProviderStrategyItem {
        CapacityProviderStrategyItem::builder()
            .capacity_provider("FARGATE_SPOT")
            .weight(3)
            .base(1)
            .build()
            .unwrap()
    }

    fn network() -> NetworkConfiguration {
        let vpc = AwsVpcConfiguration::builder()
            .subnets("s-1")
            .security_groups("sg-1")
            .assign_public_ip(AssignPublicIp::Disabled)
            .build()
            .unwrap();
        NetworkConfiguration::builder().awsvpc_configuration(vpc).build()
    }

    fn service() -> types::builders::ServiceBuilder {
        let controller =
            DeploymentController::builder().r#type(DeploymentControllerType::CodeDeploy).build().unwrap();
        types::Service::builder()
            .service_name("hello")
            .cluster_arn("arn:aws:ecs:eu-central-1:222222222222:cluster/prod")
            .status("ACTIVE")
            .desired_count(2)
            .deployment_controller(controller)
    }

    #[test]
    fn what_the_primary_task_set_has_counts() {
        let primary = TaskSet::builder()
            .status("PRIMARY")
            .task_definition("hello:8")
            .platform_version("1.4.0")
            .network_configuration(network())
            .capacity_provider_strategy(strategy_item())
            .load_balancers(
                LoadBalancer::builder()
                    .container_name("app")
                    .container_port(8080)
                    .target_group_arn("tg")
                    .build(),
            )
            .build();
        let green = TaskSet::builder().status("ACTIVE").task_definition("hello:9").external_id("d-1").build();
        let service = service().task_definition("hello:7").task_sets(green).task_sets(primary).build();
        let service = of(service, "prod");
        assert_eq!((service.controller.as_str(), service.cluster.as_str()), ("CODE_DEPLOY", "prod"));
        assert_eq!(service.task_definition, "hello:8");
        assert_eq!(service.platform_version.as_deref(), Some("1.4.0"));
        assert_eq!(service.strategy, [json!({"Base": 1, "CapacityProvider": "FARGATE_SPOT", "Weight": 3})]);
        assert_eq!(service.launch_type, None);
        assert!(service.on_fargate());
        assert_eq!(
            service.network,
            Some(
                json!({"AwsvpcConfiguration": {"Subnets": ["s-1"], "SecurityGroups": ["sg-1"], "AssignPublicIp": "DISABLED"}})
            )
        );
        assert_eq!(
            service.balancers[0],
            Balancer { container: "app".into(), port: 8080, target_group: Some("tg".into()) }
        );
        assert_eq!(service.task_sets[0].deployment.as_deref(), Some("d-1"));
    }

    #[test]
    fn a_launch_type_and_a_strategy_are_never_both_kept() {
        let by_type = of(service().launch_type(LaunchType::Ec2).build(), "prod");
        assert_eq!((by_type.launch_type.as_deref(), by_type.strategy.len()), (Some("EC2"), 0));
        assert!(!by_type.on_fargate());
        let both = of(
            service().launch_type(LaunchType::Fargate).capacity_provider_strategy(strategy_item()).build(),
            "prod",
        );
        assert_eq!((both.launch_type, both.strategy.len()), (None, 1));
    }
}
