//! Elastic Load Balancing's API, version 2.

use super::{Forward, IDLE_TIMEOUT, Listener, LoadBalancer, TargetGroup};
use crate::{
    front::{Answer, ApiError, Call, Need, timestamp},
    input,
    state::State as World,
};
use base64::Engine as _;
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) fn needs(_world: &World, call: &Call) -> Vec<Need> {
    let resource = match call.operation.as_str() {
        "ModifyListener" => input::text(&call.input, "ListenerArn"),
        "RegisterTargets" | "DeregisterTargets" => input::text(&call.input, "TargetGroupArn"),
        // Descriptions can't be restricted to a resource.
        _ => None,
    };
    vec![Need::new(&format!("elasticloadbalancing:{}", call.operation), resource.unwrap_or("*"))]
}

pub(crate) fn handle(world: &mut World, call: &Call) -> Answer {
    match call.operation.as_str() {
        "DescribeLoadBalancers" => describe_load_balancers(world, call),
        "DescribeLoadBalancerAttributes" => describe_load_balancer_attributes(world, call),
        "DescribeListeners" => describe_listeners(world, call),
        "DescribeRules" => describe_rules(world, call),
        "DescribeTargetGroups" => describe_target_groups(world, call),
        "DescribeTargetGroupAttributes" => describe_target_group_attributes(world, call),
        "DescribeTargetHealth" => describe_target_health(world, call),
        "DescribeTags" => describe_tags(world, call),
        "ModifyListener" => modify_listener(world, call),
        "RegisterTargets" => register_targets(world, call),
        "DeregisterTargets" => deregister_targets(world, call),
        other => Err(ApiError::new(
            "InvalidAction",
            format!("Could not find operation {other} for version 2015-12-01"),
        )),
    }
}

fn describe_load_balancers(world: &World, call: &Call) -> Answer {
    let arns = input::texts(&call.input, "LoadBalancerArns");
    let names = input::texts(&call.input, "Names");
    let ours: Vec<&LoadBalancer> = world.elb.load_balancers.iter().filter(|b| call.sees(&b.arn)).collect();
    let missing = |wanted: &[&str]| {
        let quoted = wanted.join(", ");
        ApiError::new("LoadBalancerNotFound", format!("Load balancers '[{quoted}]' not found"))
    };
    let chosen = select(&ours, &arns, &names, |b| &b.arn, |b| &b.name).map_err(|wanted| missing(&wanted))?;
    let described = chosen.into_iter().map(|balancer| {
        let zones = ["a", "b"].map(|zone| {
            json!({
                "ZoneName": format!("{}{zone}", balancer.region),
                "SubnetId": format!("subnet-{}", super::id(&[&balancer.account, zone])),
                "LoadBalancerAddresses": [],
            })
        });
        json!({
            "LoadBalancerArn": &*balancer.arn,
            // Together with a listener's port it is the address of a real socket.
            "DNSName": "127.0.0.1",
            "CanonicalHostedZoneId": "Z215JYRZR1TBD5",
            "CreatedTime": timestamp(balancer.created),
            "LoadBalancerName": balancer.name,
            "Scheme": "internet-facing",
            "VpcId": VPC,
            "State": { "Code": "active" },
            "Type": "application",
            "AvailabilityZones": zones,
            "SecurityGroups": [],
            "IpAddressType": "ipv4",
        })
    });
    page("LoadBalancers", described, call)
}

fn describe_load_balancer_attributes(world: &World, call: &Call) -> Answer {
    call.balancer(world)?;
    let attributes = [
        ("access_logs.s3.enabled", "false".to_owned()),
        ("deletion_protection.enabled", "false".to_owned()),
        ("idle_timeout.timeout_seconds", IDLE_TIMEOUT.as_secs().to_string()),
        ("routing.http2.enabled", "true".to_owned()),
        ("routing.http.drop_invalid_header_fields.enabled", "false".to_owned()),
    ];
    Ok(json!({ "Attributes": attributes.map(|(key, value)| json!({ "Key": key, "Value": value })) }))
}

fn describe_listeners(world: &World, call: &Call) -> Answer {
    let arns = input::texts(&call.input, "ListenerArns");
    let listeners = world.elb.listeners.iter().filter(|(arn, _)| call.sees(arn));
    let chosen: Vec<(&Arc<str>, &Listener)> = if !arns.is_empty() {
        let listeners: Vec<_> = listeners.collect();
        select(&listeners, &arns, &[], |(arn, _)| arn, |_| "").map_err(|_| listener_not_found())?
    } else if input::text(&call.input, "LoadBalancerArn").is_some() {
        let balancer = call.balancer(world)?;
        listeners.filter(|(_, l)| l.load_balancer == balancer.arn).collect()
    } else {
        let message = "You must specify either listener ARNs or a load balancer ARN";
        return Err(ApiError::new("ValidationError", message));
    };
    page("Listeners", chosen.into_iter().map(|(arn, l)| described(arn, l)), call)
}

fn described(arn: &str, listener: &Listener) -> Value {
    json!({
        "ListenerArn": arn,
        "LoadBalancerArn": &*listener.load_balancer,
        "Port": listener.port,
        "Protocol": "HTTP",
        "DefaultActions": [action(&listener.forward)],
    })
}

/// A forward action in AWS's shapes: the top-level ARN is there for a single group only.
fn action(forward: &[Forward]) -> Value {
    let groups: Vec<Value> =
        forward.iter().map(|f| json!({ "TargetGroupArn": &*f.group, "Weight": f.weight })).collect();
    let mut action = json!({ "Type": "forward" });
    if let [only] = forward {
        action["TargetGroupArn"] = json!(&*only.group);
    }
    action["ForwardConfig"] =
        json!({ "TargetGroups": groups, "TargetGroupStickinessConfig": { "Enabled": false } });
    action
}

fn describe_rules(world: &World, call: &Call) -> Answer {
    let wanted = input::texts(&call.input, "RuleArns");
    let listeners = world.elb.listeners.iter().filter(|(arn, _)| call.sees(arn));
    let mut rules: Vec<(String, &Listener)> = listeners
        .clone()
        .map(|(arn, listener)| {
            let path = arn.replacen(":listener/", ":listener-rule/", 1);
            (format!("{path}/{}", super::id(&["default rule", arn])), listener)
        })
        .collect();
    if let Some(listener) = input::text(&call.input, "ListenerArn") {
        let Some(at) = listeners.clone().position(|(arn, _)| **arn == *listener) else {
            return Err(listener_not_found());
        };
        rules = vec![rules.swap_remove(at)];
    } else if !wanted.is_empty() {
        if wanted.iter().any(|arn| !rules.iter().any(|(rule, _)| rule == arn)) {
            return Err(ApiError::new("RuleNotFound", "One or more rules not found"));
        }
        rules.retain(|(rule, _)| wanted.contains(&rule.as_str()));
    } else {
        let message = "You must specify either listener rule ARNs or a listener ARN";
        return Err(ApiError::new("ValidationError", message));
    }
    let described = rules.into_iter().map(|(arn, listener)| {
        json!({
            "RuleArn": arn,
            "Priority": "default",
            "Conditions": [],
            "Actions": [action(&listener.forward)],
            "IsDefault": true,
        })
    });
    page("Rules", described, call)
}

fn describe_target_groups(world: &World, call: &Call) -> Answer {
    let arns = input::texts(&call.input, "TargetGroupArns");
    let names = input::texts(&call.input, "Names");
    let mut groups: Vec<(&Arc<str>, &TargetGroup)> =
        world.elb.groups.iter().filter(|(arn, _)| call.sees(arn)).collect();
    let behind = |group: &str| -> Vec<&str> {
        let mut balancers: Vec<&str> = world
            .elb
            .listeners
            .values()
            .filter(|l| l.forward.iter().any(|f| *f.group == *group))
            .map(|l| &*l.load_balancer)
            .collect();
        balancers.sort_unstable();
        balancers.dedup();
        balancers
    };
    if input::text(&call.input, "LoadBalancerArn").is_some() {
        let balancer = call.balancer(world)?;
        groups.retain(|(arn, _)| behind(arn).contains(&&*balancer.arn));
    }
    groups = select(&groups, &arns, &names, |(arn, _)| arn, |(_, g)| &g.settings.name)
        .map_err(|_| group_not_found())?;
    let described = groups.into_iter().map(|(arn, group)| {
        let settings = &group.settings;
        json!({
            "TargetGroupArn": &**arn,
            "TargetGroupName": settings.name,
            "Protocol": "HTTP",
            "Port": settings.port,
            "VpcId": VPC,
            "HealthCheckProtocol": "HTTP",
            "HealthCheckPort": "traffic-port",
            "HealthCheckEnabled": true,
            "HealthCheckIntervalSeconds": settings.interval_seconds,
            "HealthCheckTimeoutSeconds": settings.timeout_seconds,
            "HealthyThresholdCount": settings.healthy_threshold,
            "UnhealthyThresholdCount": settings.unhealthy_threshold,
            "HealthCheckPath": settings.health_check_path,
            "Matcher": { "HttpCode": settings.matcher },
            "LoadBalancerArns": behind(arn),
            "TargetType": settings.target_type,
            "ProtocolVersion": "HTTP1",
            "IpAddressType": "ipv4",
        })
    });
    page("TargetGroups", described, call)
}

fn describe_target_group_attributes(world: &World, call: &Call) -> Answer {
    let (_, group) = call.group(world)?;
    let attributes = [
        ("deregistration_delay.timeout_seconds", group.settings.deregistration_delay_seconds.to_string()),
        ("stickiness.enabled", "false".to_owned()),
        ("stickiness.type", "lb_cookie".to_owned()),
        ("load_balancing.algorithm.type", "round_robin".to_owned()),
        ("slow_start.duration_seconds", "0".to_owned()),
        ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1".to_owned()),
    ];
    Ok(json!({ "Attributes": attributes.map(|(key, value)| json!({ "Key": key, "Value": value })) }))
}

fn describe_target_health(world: &World, call: &Call) -> Answer {
    let (arn, group) = call.group(world)?;
    let used = world.elb.in_use().contains(arn);
    let wanted = input::list(&call.input, "Targets");
    let zone = format!("{}a", group.region);
    let mut described: Vec<Value> = group
        .targets
        .iter()
        .filter(|t| wanted.is_empty() || wanted.iter().any(|w| names(w, group, &t.target.id, t.target.port)))
        .map(|t| {
            let report = t.health.report(used, world.now.since(t.since));
            let mut target = json!({ "Id": t.target.id, "Port": t.target.port });
            if group.settings.target_type == "ip" {
                target["AvailabilityZone"] = json!(zone);
            }
            let mut health = json!({ "State": report.state });
            if let (Some(reason), Some(description)) = (report.reason, report.description) {
                health["Reason"] = json!(reason);
                health["Description"] = json!(description);
            }
            json!({ "Target": target, "HealthCheckPort": t.target.port.to_string(), "TargetHealth": health })
        })
        .collect();
    for unknown in wanted {
        let known = group.targets.iter().any(|t| names(unknown, group, &t.target.id, t.target.port));
        if !known {
            described.push(json!({
                "Target": unknown,
                "TargetHealth": {
                    "State": "unused",
                    "Reason": "Target.NotRegistered",
                    "Description": "Target is not registered to the target group",
                },
            }));
        }
    }
    Ok(json!({ "TargetHealthDescriptions": described }))
}

fn describe_tags(world: &World, call: &Call) -> Answer {
    let elb = &world.elb;
    let mut described = Vec::new();
    for arn in input::texts(&call.input, "ResourceArns") {
        let (code, what, known) = match arn.split(':').nth(5).and_then(|path| path.split('/').next()) {
            Some("targetgroup") => ("TargetGroupNotFound", "target groups", elb.groups.contains_key(arn)),
            Some("listener") => ("ListenerNotFound", "listeners", elb.listeners.contains_key(arn)),
            Some("loadbalancer") => ("LoadBalancerNotFound", "load balancers", elb.balancer(arn).is_some()),
            _ => {
                return Err(ApiError::new("ValidationError", format!("'{arn}' is not a valid resource ARN")));
            }
        };
        if !known || !call.sees(arn) {
            return Err(ApiError::new(code, format!("One or more {what} not found")));
        }
        described.push(json!({ "ResourceArn": arn, "Tags": [] }));
    }
    Ok(json!({ "TagDescriptions": described }))
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
    Ok(json!({ "Listeners": [described(arn, listener)] }))
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

/// Whether a description of a target means this one; its port is the group's when not given.
fn names(wanted: &Value, group: &TargetGroup, id: &str, port: u16) -> bool {
    input::text(wanted, "Id") == Some(id)
        && input::integer(wanted, "Port").unwrap_or(group.settings.port) == port
}

const VPC: &str = "vpc-0a1b2c3d4e5f60718";

impl Call {
    /// Whether the ARN is of the caller's account and the call's region.
    fn sees(&self, arn: &str) -> bool {
        let mut parts = arn.split(':').skip(3);
        parts.next() == Some(&self.region) && parts.next() == Some(&self.caller.account)
    }

    fn group<'w>(&self, world: &'w World) -> Result<(&'w Arc<str>, &'w TargetGroup), ApiError> {
        let arn = input::text(&self.input, "TargetGroupArn").unwrap_or_default();
        let group = world.elb.groups.get_key_value(arn).filter(|(arn, _)| self.sees(arn));
        group.ok_or_else(group_not_found)
    }

    fn balancer<'w>(&self, world: &'w World) -> Result<&'w LoadBalancer, ApiError> {
        let arn = input::text(&self.input, "LoadBalancerArn").unwrap_or_default();
        let balancer = world.elb.balancer(arn).filter(|b| self.sees(&b.arn));
        balancer.ok_or_else(|| ApiError::new("LoadBalancerNotFound", "One or more load balancers not found"))
    }
}

fn listener_not_found() -> ApiError {
    ApiError::new("ListenerNotFound", "One or more listeners not found")
}

fn group_not_found() -> ApiError {
    ApiError::new("TargetGroupNotFound", "One or more target groups not found")
}

/// Those that are wanted by ARN or by name, or all; `Err` with what there isn't.
fn select<'a, T: Copy>(
    all: &[T],
    arns: &[&'a str],
    names: &[&'a str],
    arn: impl Fn(&T) -> &str,
    name: impl Fn(&T) -> &str,
) -> Result<Vec<T>, Vec<&'a str>> {
    let missing_arns = arns.iter().filter(|wanted| !all.iter().any(|one| arn(one) == **wanted));
    let missing_names = names.iter().filter(|wanted| !all.iter().any(|one| name(one) == **wanted));
    let missing: Vec<&str> = missing_arns.chain(missing_names).copied().collect();
    if !missing.is_empty() {
        return Err(missing);
    }
    let wanted = |one: &&T| {
        (arns.is_empty() && names.is_empty()) || arns.contains(&arn(one)) || names.contains(&name(one))
    };
    Ok(all.iter().filter(wanted).copied().collect())
}

/// One page of a description, from the marker on.
fn page(key: &str, items: impl Iterator<Item = Value>, call: &Call) -> Answer {
    let size = match call.input.get("PageSize") {
        Some(_) => input::integer::<usize>(&call.input, "PageSize")
            .filter(|size| (1..=400).contains(size))
            .ok_or_else(|| ApiError::new("ValidationError", "A page has 1 to 400 entries"))?,
        None => 400,
    };
    let marks = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let from = match input::text(&call.input, "Marker") {
        Some(marker) => marks
            .decode(marker)
            .ok()
            .and_then(|mark| String::from_utf8(mark).ok()?.parse::<usize>().ok())
            .ok_or_else(|| ApiError::new("ValidationError", "The marker is not valid"))?,
        None => 0,
    };
    let mut items = items.skip(from);
    let mut answer = json!({ key: items.by_ref().take(size).collect::<Vec<_>>() });
    if items.next().is_some() {
        answer["NextMarker"] = json!(marks.encode((from + size).to_string()));
    }
    Ok(answer)
}
