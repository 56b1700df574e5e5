//! Listeners, what they forward to by which weight, and under which address they answer.

use super::{Group, Part};
use crate::{
    aws::{Clients, Failure},
    say::{current as say, refusals},
};
use aws_sdk_elasticloadbalancingv2::types::{self, Action, ActionTypeEnum, Rule};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    pub production: Vec<Listener>,
    pub test: Vec<Listener>,
    /// Whether listeners could be read at all.
    pub seen: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listener {
    pub arn: String,
    pub protocol: String,
    pub port: u16,
    /// The load balancer's name in DNS, when it may be read.
    pub host: Option<String>,
    /// Target group's ARN → weight, of all actions and rules that forward.
    pub forwards: BTreeMap<String, u32>,
    /// A name that a rule asks for before it forwards to the pair.
    pub host_header: Option<String>,
}

impl Listener {
    /// Where it answers: the address that users have, or the load balancer's own.
    pub fn url(&self) -> Option<String> {
        let scheme = match self.protocol.as_str() {
            "HTTPS" | "TLS" => "https",
            _ => "http",
        };
        let host = self.host_header.as_ref().or(self.host.as_ref())?;
        Some(match (scheme, self.port) {
            ("https", 443) | ("http", 80) => format!("{scheme}://{host}"),
            (_, port) => format!("{scheme}://{host}:{port}"),
        })
    }

    pub fn is_of_network_balancer(&self) -> bool {
        matches!(self.protocol.as_str(), "TCP" | "UDP" | "TLS" | "TCP_UDP" | "QUIC" | "TCP_QUIC")
    }
}

/// A target group's name, from its ARN.
pub fn group_name(arn: &str) -> &str {
    arn.split("targetgroup/").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or(arn)
}

pub(super) async fn read(clients: &Clients, group: &Group) -> Part<Traffic> {
    let arns: Vec<String> = group.production_listeners.iter().chain(&group.test_listeners).cloned().collect();
    if arns.is_empty() {
        return Part::none();
    }
    let (listeners, pair) =
        tokio::join!(listeners(clients, &arns), missing_groups(clients, &group.target_groups));
    let mut listeners = match listeners {
        Ok(listeners) => listeners,
        Err(failure) if failure.is_denied() => return Part::without(say::listeners_unseen(&failure)),
        Err(failure) if failure.is("ListenerNotFound") => {
            return Part::wrong(say::no_listener(&group.name, &failure));
        }
        Err(failure) => return Part::wrong(refusals::failure(&failure)),
    };
    let mut part = Part::none();
    if let Some(finding) = pair {
        part.findings.push(finding);
    }
    let balancers: Vec<String> = {
        let mut arns: Vec<String> = listeners.values().filter_map(|l| l.load_balancer_arn.clone()).collect();
        arns.sort();
        arns.dedup();
        arns
    };
    let (hosts, rules) = tokio::join!(hosts(clients, &balancers), rules(clients, &arns));
    let hosts = hosts.unwrap_or_else(|failure| {
        part.notes.push(say::balancers_unseen(&failure));
        BTreeMap::new()
    });
    let mut take = |arns: &[String]| -> Vec<Listener> {
        let found = arns.iter().filter_map(|arn| listeners.remove(arn));
        let rules_of = |arn: &str| rules.get(arn).map(Vec::as_slice).unwrap_or_default();
        found
            .map(|l| of(&l, rules_of(l.listener_arn().unwrap_or_default()), &hosts, &group.target_groups))
            .collect()
    };
    let production = take(&group.production_listeners);
    let test = take(&group.test_listeners);
    part.value = Some(Traffic { production, test, seen: true });
    part
}

async fn listeners(clients: &Clients, arns: &[String]) -> Result<BTreeMap<String, types::Listener>, Failure> {
    let answer = clients
        .elbv2()
        .describe_listeners()
        .set_listener_arns(Some(arns.to_vec()))
        .send()
        .await
        .map_err(clients.failed("elasticloadbalancing:DescribeListeners"))?;
    let found = answer.listeners.unwrap_or_default().into_iter();
    Ok(found.filter_map(|l| Some((l.listener_arn.clone()?, l))).collect())
}

/// Load balancer's ARN → name in DNS.
async fn hosts(clients: &Clients, arns: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let answer = clients
        .elbv2()
        .describe_load_balancers()
        .set_load_balancer_arns(Some(arns.to_vec()))
        .send()
        .await
        .map_err(clients.failed("elasticloadbalancing:DescribeLoadBalancers"))?;
    let found = answer.load_balancers.unwrap_or_default().into_iter();
    Ok(found.filter_map(|b| Some((b.load_balancer_arn?, b.dns_name?))).collect())
}

/// The rules of application load balancers; none where they can't be read: the default action
/// says enough then.
async fn rules(clients: &Clients, listeners: &[String]) -> BTreeMap<String, Vec<Rule>> {
    let mut rules = BTreeMap::new();
    for arn in listeners {
        if let Ok(answer) = clients.elbv2().describe_rules().listener_arn(arn).send().await {
            rules.insert(arn.clone(), answer.rules.unwrap_or_default());
        }
    }
    rules
}

async fn missing_groups(clients: &Clients, names: &[String]) -> Option<crate::outcome::Finding> {
    if names.is_empty() {
        return None;
    }
    let answer = clients
        .elbv2()
        .describe_target_groups()
        .set_names(Some(names.to_vec()))
        .send()
        .await
        .map_err(clients.failed("elasticloadbalancing:DescribeTargetGroups"));
    match answer {
        Err(failure) if failure.is("TargetGroupNotFound") => Some(say::no_target_group(names, &failure)),
        _ => None,
    }
}

fn of(
    listener: &types::Listener,
    rules: &[Rule],
    hosts: &BTreeMap<String, String>,
    pair: &[String],
) -> Listener {
    let mut forwards = weights(listener.default_actions());
    let is_of_pair =
        |weights: &BTreeMap<String, u32>| weights.keys().any(|arn| pair.iter().any(|p| p == group_name(arn)));
    let by_default = is_of_pair(&forwards);
    let mut host_header = None;
    for rule in rules.iter().filter(|rule| rule.is_default() != Some(true)) {
        let found = weights(rule.actions());
        if !by_default && host_header.is_none() && is_of_pair(&found) {
            host_header = asked_host(rule);
        }
        forwards.extend(found);
    }
    Listener {
        arn: listener.listener_arn().unwrap_or_default().to_owned(),
        protocol: listener.protocol().map_or("HTTP", |p| p.as_str()).to_owned(),
        port: listener.port().and_then(|port| u16::try_from(port).ok()).unwrap_or(80),
        host: listener.load_balancer_arn().and_then(|arn| hosts.get(arn)).cloned(),
        forwards,
        host_header,
    }
}

/// Both forms of a forward: weighted, or one group alone.
fn weights(actions: &[Action]) -> BTreeMap<String, u32> {
    let mut weights = BTreeMap::new();
    for action in actions.iter().filter(|a| a.r#type() == Some(&ActionTypeEnum::Forward)) {
        let groups = action.forward_config().map(|f| f.target_groups()).unwrap_or_default();
        for group in groups {
            let weight = group.weight().map_or(1, |w| u32::try_from(w).unwrap_or_default());
            weights.extend(group.target_group_arn().map(|arn| (arn.to_owned(), weight)));
        }
        if groups.is_empty() {
            weights.extend(action.target_group_arn().map(|arn| (arn.to_owned(), 1)));
        }
    }
    weights
}

/// The first host that a rule names outright.
fn asked_host(rule: &Rule) -> Option<String> {
    let condition = rule.conditions().iter().find(|c| c.field() == Some("host-header"))?;
    let values = match condition.host_header_config() {
        Some(config) => config.values(),
        None => condition.values(),
    };
    values.iter().find(|host| !host.contains(['*', '?'])).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_elasticloadbalancingv2::types::{
        ForwardActionConfig, HostHeaderConditionConfig, ProtocolEnum, RuleCondition, TargetGroupTuple,
    };

    const BLUE: &str = "arn:aws:elasticloadbalancing:eu-central-1:2:targetgroup/blue/1";
    const GREEN: &str = "arn:aws:elasticloadbalancing:eu-central-1:2:targetgroup/green/2";
    const OTHER: &str = "arn:aws:elasticloadbalancing:eu-central-1:2:targetgroup/other/3";

    fn weighted(groups: &[(&str, i32)]) -> Action {
        let groups = groups
            .iter()
            .map(|(arn, w)| TargetGroupTuple::builder().target_group_arn(*arn).weight(*w).build());
        let config = ForwardActionConfig::builder().set_target_groups(Some(groups.collect())).build();
        Action::builder().r#type(ActionTypeEnum::Forward).forward_config(config).build()
    }

    fn single(arn: &str) -> Action {
        Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(arn).build()
    }

    fn listener(protocol: ProtocolEnum, port: i32, action: Action) -> types::Listener {
        types::Listener::builder()
            .listener_arn("l")
            .load_balancer_arn("lb")
            .protocol(protocol)
            .port(port)
            .default_actions(action)
            .build()
    }

    fn read(listener: &types::Listener, rules: &[Rule]) -> Listener {
        let hosts = BTreeMap::from([("lb".to_owned(), "lb.example".to_owned())]);
        of(listener, rules, &hosts, &["blue".to_owned(), "green".to_owned()])
    }

    #[test]
    fn both_forms_of_a_forward_are_read() {
        let both = read(&listener(ProtocolEnum::Http, 80, weighted(&[(BLUE, 100), (GREEN, 0)])), &[]);
        assert_eq!(both.forwards, BTreeMap::from([(BLUE.to_owned(), 100), (GREEN.to_owned(), 0)]));
        let one = read(&listener(ProtocolEnum::Http, 8080, single(GREEN)), &[]);
        assert_eq!(one.forwards, BTreeMap::from([(GREEN.to_owned(), 1)]));
    }

    #[test]
    fn addresses_leave_out_the_scheme_s_own_port() {
        let url = |protocol, port| read(&listener(protocol, port, single(BLUE)), &[]).url();
        assert_eq!(url(ProtocolEnum::Http, 80).as_deref(), Some("http://lb.example"));
        assert_eq!(url(ProtocolEnum::Https, 443).as_deref(), Some("https://lb.example"));
        assert_eq!(url(ProtocolEnum::Http, 9001).as_deref(), Some("http://lb.example:9001"));
        assert_eq!(url(ProtocolEnum::Tls, 443).as_deref(), Some("https://lb.example"));
    }

    #[test]
    fn a_rule_s_host_is_the_address_when_only_the_rule_forwards_to_the_pair() {
        let hosts = HostHeaderConditionConfig::builder().values("*.example").values("hello.example").build();
        let condition = RuleCondition::builder().field("host-header").host_header_config(hosts).build();
        let rule = Rule::builder().conditions(condition).actions(weighted(&[(BLUE, 1), (GREEN, 0)])).build();
        let shared = read(&listener(ProtocolEnum::Https, 443, single(OTHER)), std::slice::from_ref(&rule));
        assert_eq!(shared.url().as_deref(), Some("https://hello.example"));
        assert_eq!(shared.forwards.len(), 3);
        let own = read(&listener(ProtocolEnum::Https, 443, single(BLUE)), &[rule]);
        assert_eq!(own.url().as_deref(), Some("https://lb.example"));
    }

    #[test]
    fn a_group_is_named_in_its_arn() {
        assert_eq!(group_name(BLUE), "blue");
        assert_eq!(group_name("blue"), "blue");
    }
}
