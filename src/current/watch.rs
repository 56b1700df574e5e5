//! What acts beside a deployment: alarms that may stop it, scaling that may disturb it.

use super::{Part, Service};
use crate::{
    aws::Clients,
    say::{current as say, refusals},
    watch::{AlarmNow, describe},
};
use aws_sdk_applicationautoscaling::types::{ScalableDimension, ServiceNamespace};

/// A policy that may change the service's desired count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scaling {
    pub policy: String,
    pub kind: String,
    pub min: i32,
    pub max: i32,
}

/// The alarms by their names, and the names that nothing has.
pub(super) async fn alarms(clients: &Clients, names: &[String]) -> Part<(Vec<AlarmNow>, Vec<String>)> {
    if names.is_empty() {
        return Part::none();
    }
    let found = match describe(clients, names).await {
        Ok(found) => found,
        Err(failure) => return Part::wrong(refusals::failure(&failure)),
    };
    let missing = names.iter().filter(|name| !found.iter().any(|a| a.name == **name)).cloned().collect();
    Part::of((found, missing))
}

/// Policies that are not suspended and have room to act in. Not every deploy role may read them.
pub(super) async fn scaling(clients: &Clients, service: &Service) -> Part<Vec<Scaling>> {
    let resource = format!("service/{}/{}", service.cluster, service.name);
    let client = clients.applicationautoscaling();
    let (targets, policies) = tokio::join!(
        client
            .describe_scalable_targets()
            .service_namespace(ServiceNamespace::Ecs)
            .resource_ids(&resource)
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .send(),
        client
            .describe_scaling_policies()
            .service_namespace(ServiceNamespace::Ecs)
            .resource_id(&resource)
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .send(),
    );
    let targets = targets.map_err(clients.failed("application-autoscaling:DescribeScalableTargets"));
    let policies = policies.map_err(clients.failed("application-autoscaling:DescribeScalingPolicies"));
    let (targets, policies) = match (targets, policies) {
        (Ok(targets), Ok(policies)) => (targets, policies),
        (Err(failure), _) | (_, Err(failure)) => return Part::without(say::scaling_unseen(&failure)),
    };
    let target = targets.scalable_targets().first();
    let (min, max) = target.map_or((0, 0), |t| (t.min_capacity(), t.max_capacity()));
    let suspended = target.and_then(|t| t.suspended_state());
    let is = |flag: Option<Option<bool>>| flag.flatten() == Some(true);
    let both_ways = is(suspended.map(|s| s.dynamic_scaling_in_suspended()))
        && is(suspended.map(|s| s.dynamic_scaling_out_suspended()));
    if both_ways || min == max {
        return Part::of(Vec::new());
    }
    let policy = |p: &aws_sdk_applicationautoscaling::types::ScalingPolicy| Scaling {
        policy: p.policy_name().to_owned(),
        kind: p.policy_type().as_str().to_owned(),
        min,
        max,
    };
    Part::of(policies.scaling_policies().iter().map(policy).collect())
}
