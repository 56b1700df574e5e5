//! Elastic Load Balancing's API, version 2: what may be called, and what changes something.

use super::{LoadBalancer, TargetGroup, describe};
use crate::{
    front::{Answer, ApiError, Call, Need},
    input,
    state::State as World,
};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) fn needs(_world: &World, call: &Call) -> Vec<Need> {
    let resource = match call.operation.as_str() {
        "ModifyListener" => input::text(&call.input, "ListenerArn"),
        "RegisterTargets" | "DeregisterTargets" => input::text(&call.input, "TargetGroupArn"),
        // Descriptions can't be restricted to a resource.
        description if description.starts_with("Describe") => None,
        // What there isn't needs no permission.
        _ => return Vec::new(),
    };
    vec![Need::new(&format!("elasticloadbalancing:{}", call.operation), resource.unwrap_or("*"))]
}

pub(crate) fn handle(world: &mut World, call: &Call) -> Answer {
    match call.operation.as_str() {
        "DescribeLoadBalancers" => describe::describe_load_balancers(world, call),
        "DescribeLoadBalancerAttributes" => describe::describe_load_balancer_attributes(world, call),
        "DescribeListeners" => describe::describe_listeners(world, call),
        "DescribeRules" => describe::describe_rules(world, call),
        "DescribeTargetGroups" => describe::describe_target_groups(world, call),
        "DescribeTargetGroupAttributes" => describe::describe_target_group_attributes(world, call),
        "DescribeTargetHealth" => describe::describe_target_health(world, call),
        "DescribeTags" => describe::describe_tags(world, call),
        "ModifyListener" => modify_listener(world, call),
        "RegisterTargets" => register_targets(world, call),
        "DeregisterTargets" => deregister_targets(world, call),
        other => Err(ApiError::new(
            "InvalidAction",
            format!("Could not find operation {other} for version 2015-12-01"),
        )),
    }
}

fn modify_listener(world: &mut World, call: &Call) -> Answer {
    let arn = input::text(&call.input, "ListenerArn").unwrap_or_default();
    if !call.sees(arn) || !world.elb.listeners.contains_key(arn) {
        return Err(listener_not_found());
    }
    if let Some(port) = input::integer::<u16>(&call.input, "Port")
        && world.elb.listeners.get(arn).is_some_and(|l| l.port != port)
    {
        return Err(ApiError::new("InvalidConfigurationRequest", "A listener of this world keeps its port"));
    }
    let weights = match input::list(&call.input, "DefaultActions") {
        [] => None,
        [action] => Some(forwarded(call, action)?),
        _ => return Err(ApiError::new("TooManyActions", "A default rule takes one action")),
    };
    if let Some(weights) = weights {
        super::set_weights(world, arn, &weights)?;
    }
    let listener = world.elb.listeners.get(arn).ok_or_else(listener_not_found)?;
    Ok(json!({ "Listeners": [describe::described(arn, listener)] }))
}

/// The groups and weights of an action, in either of its forms.
fn forwarded(call: &Call, action: &Value) -> Result<Vec<(String, u32)>, ApiError> {
    if input::text(action, "Type") != Some("forward") {
        return Err(ApiError::new(
            "InvalidLoadBalancerAction",
            "The listeners of this world can only forward",
        ));
    }
    let groups = action.get("ForwardConfig").map(|c| input::list(c, "TargetGroups")).unwrap_or_default();
    let mut weights = Vec::new();
    for group in groups {
        let arn = input::text(group, "TargetGroupArn").unwrap_or_default();
        // A weight that isn't given is 1; one that isn't a weight is refused with the rest.
        let weight = match group.get("Weight") {
            Some(_) => input::integer(group, "Weight").unwrap_or(u32::MAX),
            None => 1,
        };
        weights.push((arn.to_owned(), weight));
    }
    match (weights.as_slice(), input::text(action, "TargetGroupArn")) {
        ([], Some(arn)) => weights.push((arn.to_owned(), 1)),
        ([(same, _)], Some(arn)) if same == arn => {}
        (_, None) => {}
        _ => {
            let message =
                "You cannot specify a target group ARN beside the groups of a forward configuration";
            return Err(ApiError::new("ValidationError", message));
        }
    }
    match weights.iter().all(|(arn, _)| call.sees(arn)) {
        true => Ok(weights),
        false => Err(group_not_found()),
    }
}

fn register_targets(world: &mut World, call: &Call) -> Answer {
    let (arn, port) = call.group(world).map(|(arn, group)| (arn.clone(), group.settings.port))?;
    for wanted in input::list(&call.input, "Targets") {
        let Some(id) = input::text(wanted, "Id") else {
            return Err(ApiError::new("ValidationError", "A target takes an id"));
        };
        let port = input::integer(wanted, "Port").unwrap_or(port);
        let known = world.elb.groups.values().flat_map(|g| &g.targets).find(|t| t.is(id, port));
        let target = match (known.map(|t| t.target.clone()), id.parse()) {
            (Some(known), _) => known,
            (None, Ok(ip)) => super::Target {
                id: id.to_owned(),
                port,
                address: (std::net::IpAddr::V4(ip), port).into(),
                task_set: String::new(),
            },
            (None, Err(_)) => {
                let message = format!("The following targets are not valid: '{id}'");
                return Err(ApiError::new("InvalidTarget", message));
            }
        };
        super::register_target(world, &arn, target);
    }
    Ok(json!({}))
}

fn deregister_targets(world: &mut World, call: &Call) -> Answer {
    let (arn, group) = call.group(world)?;
    let arn = arn.clone();
    let wanted = input::list(&call.input, "Targets");
    let chosen: Vec<(String, u16)> = group
        .targets
        .iter()
        .map(|t| (t.target.id.clone(), t.target.port))
        .filter(|(id, port)| {
            // Without a port every registration of the target is meant.
            wanted.iter().any(|w| {
                input::text(w, "Id") == Some(id) && input::integer(w, "Port").is_none_or(|p: u16| p == *port)
            })
        })
        .collect();
    for (id, port) in chosen {
        super::deregister_target(world, &arn, &id, port);
    }
    Ok(json!({}))
}

impl Call {
    /// Whether the ARN is of the caller's account and the call's region.
    pub(super) fn sees(&self, arn: &str) -> bool {
        let mut parts = arn.split(':').skip(3);
        parts.next() == Some(&self.region) && parts.next() == Some(&self.caller.account)
    }

    pub(super) fn group<'w>(&self, world: &'w World) -> Result<(&'w Arc<str>, &'w TargetGroup), ApiError> {
        let arn = input::text(&self.input, "TargetGroupArn").unwrap_or_default();
        let group = world.elb.groups.get_key_value(arn).filter(|(arn, _)| self.sees(arn));
        group.ok_or_else(group_not_found)
    }

    pub(super) fn balancer<'w>(&self, world: &'w World) -> Result<&'w LoadBalancer, ApiError> {
        let arn = input::text(&self.input, "LoadBalancerArn").unwrap_or_default();
        let balancer = world.elb.balancer(arn).filter(|b| self.sees(&b.arn));
        balancer.ok_or_else(|| ApiError::new("LoadBalancerNotFound", "One or more load balancers not found"))
    }
}

pub(super) fn listener_not_found() -> ApiError {
    ApiError::new("ListenerNotFound", "One or more listeners not found")
}

pub(super) fn group_not_found() -> ApiError {
    ApiError::new("TargetGroupNotFound", "One or more target groups not found")
}
