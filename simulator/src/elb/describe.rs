//! What load balancers and their parts are described as.

use super::{
    Forward, IDLE_TIMEOUT, Listener, LoadBalancer, TargetGroup,
    api::{group_not_found, listener_not_found},
    id,
};
use crate::{
    front::{Answer, ApiError, Call, timestamp},
    input,
    state::State as World,
};
use base64::Engine as _;
use serde_json::{Value, json};
use std::sync::Arc;

const VPC: &str = "vpc-0a1b2c3d4e5f60718";

pub(super) fn describe_load_balancers(world: &World, call: &Call) -> Answer {
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
                "SubnetId": format!("subnet-{}", id(&[&balancer.account, zone])),
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

pub(super) fn describe_load_balancer_attributes(world: &World, call: &Call) -> Answer {
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

pub(super) fn describe_listeners(world: &World, call: &Call) -> Answer {
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

pub(super) fn described(arn: &str, listener: &Listener) -> Value {
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

pub(super) fn describe_rules(world: &World, call: &Call) -> Answer {
    let wanted = input::texts(&call.input, "RuleArns");
    let listeners = world.elb.listeners.iter().filter(|(arn, _)| call.sees(arn));
    let mut rules: Vec<(String, &Listener)> = listeners
        .clone()
        .map(|(arn, listener)| {
            let path = arn.replacen(":listener/", ":listener-rule/", 1);
            (format!("{path}/{}", id(&["default rule", arn])), listener)
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

pub(super) fn describe_target_groups(world: &World, call: &Call) -> Answer {
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

pub(super) fn describe_target_group_attributes(world: &World, call: &Call) -> Answer {
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

pub(super) fn describe_target_health(world: &World, call: &Call) -> Answer {
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

pub(super) fn describe_tags(world: &World, call: &Call) -> Answer {
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

/// Whether a description of a target means this one; its port is the group's when not given.
fn names(wanted: &Value, group: &TargetGroup, id: &str, port: u16) -> bool {
    input::text(wanted, "Id") == Some(id)
        && input::integer(wanted, "Port").unwrap_or(group.settings.port) == port
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
