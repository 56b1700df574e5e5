//! The AppSpec of an ECS deployment: JSON or YAML, keys in any case.

use serde_json::{Map, Value, json};

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct AppSpec {
    pub(super) task_definition: String,
    pub(super) container: String,
    pub(super) container_port: u16,
    pub(super) platform_version: Option<String>,
    /// As ECS's API writes it.
    pub(super) network_configuration: Option<Value>,
    pub(super) capacity_provider_strategy: Vec<Value>,
    /// (lifecycle event, function's name or ARN)
    pub(super) hooks: Vec<(&'static str, String)>,
}

/// The events that a function may be called at.
const HOOKS: [&str; 5] =
    ["BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic"];

/// Reads an AppSpec, or says what is wrong with it.
pub(super) fn parse(content: &str) -> Result<AppSpec, String> {
    let document = if content.trim_start().starts_with('{') {
        serde_json::from_str(content).map_err(|e| format!("The AppSpec file is not well-formed JSON: {e}"))?
    } else {
        serde_yaml::from_str(content).map_err(|e| format!("The AppSpec file is not well-formed YAML: {e}"))?
    };
    let document = object(&document, "The AppSpec file")?;
    version(document)?;

    let resources = get(document, "resources").ok_or("The AppSpec file must contain a Resources section")?;
    let [resource] = resources.as_array().map(Vec::as_slice).unwrap_or_default() else {
        return Err("Resources must be a list with exactly one ECS service".into());
    };
    let mut named = object(resource, "A resource")?.iter();
    let (Some((name, resource)), None) = (named.next(), named.next()) else {
        return Err("A resource must be a mapping of one name to its definition".into());
    };
    let resource = object(resource, name)?;
    let kind = get(resource, "type").and_then(Value::as_str).unwrap_or_default();
    if kind != "AWS::ECS::Service" {
        return Err(format!("The Type of {name} must be AWS::ECS::Service, it is '{kind}'"));
    }
    let properties = get(resource, "properties").ok_or_else(|| format!("{name} has no Properties"))?;
    let properties = object(properties, "Properties")?;
    let mut spec = self::properties(properties)?;
    if let Some(hooks) = present(document, "hooks") {
        spec.hooks = self::hooks(hooks)?;
    }
    Ok(spec)
}

fn version(document: &Map<String, Value>) -> Result<(), String> {
    match get(document, "version") {
        Some(Value::Number(n)) if n.as_f64() == Some(0.0) => Ok(()),
        Some(Value::String(s)) if s == "0.0" => Ok(()),
        Some(other) => Err(format!("The AppSpec version must be 0.0, it is {other}")),
        None => Err("The AppSpec file has no version; it must be 0.0".into()),
    }
}

fn properties(properties: &Map<String, Value>) -> Result<AppSpec, String> {
    let task_definition = text(properties, "taskDefinition")?.ok_or("Properties has no TaskDefinition")?;
    if !(task_definition.starts_with("arn:") && task_definition.contains(":task-definition/")) {
        return Err(format!(
            "TaskDefinition must be the ARN of a task definition, it is '{task_definition}'"
        ));
    }
    let balancer = get(properties, "loadBalancerInfo").ok_or("Properties has no LoadBalancerInfo")?;
    let balancer = object(balancer, "LoadBalancerInfo")?;
    let container = text(balancer, "containerName")?.ok_or("LoadBalancerInfo has no ContainerName")?;
    let port = get(balancer, "containerPort").ok_or("LoadBalancerInfo has no ContainerPort")?;
    let container_port = port
        .as_u64()
        .and_then(|p| u16::try_from(p).ok())
        .filter(|p| *p > 0)
        .ok_or_else(|| format!("ContainerPort must be a number from 1 to 65535, it is {port}"))?;
    Ok(AppSpec {
        task_definition,
        container,
        container_port,
        platform_version: text(properties, "platformVersion")?,
        network_configuration: present(properties, "networkConfiguration").map(network).transpose()?,
        capacity_provider_strategy: present(properties, "capacityProviderStrategy")
            .map(strategy)
            .transpose()?
            .unwrap_or_default(),
        hooks: Vec::new(),
    })
}

fn network(network: &Value) -> Result<Value, String> {
    let network = object(network, "NetworkConfiguration")?;
    let vpc = get(network, "awsvpcConfiguration").ok_or("NetworkConfiguration has no AwsvpcConfiguration")?;
    let vpc = object(vpc, "AwsvpcConfiguration")?;
    let list = |name: &str| {
        get(vpc, name)
            .and_then(Value::as_array)
            .filter(|items| !items.is_empty() && items.iter().all(Value::is_string))
            .ok_or_else(|| format!("AwsvpcConfiguration needs {name} as a list of ids"))
    };
    let assign = text(vpc, "assignPublicIp")?.unwrap_or_default();
    if !["ENABLED", "DISABLED"].contains(&assign.as_str()) {
        return Err("AwsvpcConfiguration needs AssignPublicIp as ENABLED or DISABLED".into());
    }
    Ok(json!({ "awsvpcConfiguration": {
        "subnets": list("subnets")?,
        "securityGroups": list("securityGroups")?,
        "assignPublicIp": assign,
    }}))
}

fn strategy(strategy: &Value) -> Result<Vec<Value>, String> {
    let items = strategy.as_array().ok_or("CapacityProviderStrategy must be a list")?;
    let item = |item: &Value| {
        let item = object(item, "An item of CapacityProviderStrategy")?;
        let provider =
            text(item, "capacityProvider")?.ok_or("CapacityProviderStrategy has no CapacityProvider")?;
        let number = |name: &str| match present(item, name) {
            None => Ok(0),
            Some(n) => n.as_u64().ok_or_else(|| format!("{name} of {provider} must be a number")),
        };
        Ok(json!({ "capacityProvider": provider, "weight": number("weight")?, "base": number("base")? }))
    };
    items.iter().map(item).collect()
}

fn hooks(hooks: &Value) -> Result<Vec<(&'static str, String)>, String> {
    let items = hooks.as_array().ok_or("Hooks must be a list of mappings from an event to a function")?;
    let mut found = Vec::new();
    for item in items {
        for (event, function) in object(item, "A hook")? {
            let event = HOOKS
                .into_iter()
                .find(|known| known.eq_ignore_ascii_case(event))
                .ok_or_else(|| format!("No function can be called at '{event}' in an ECS deployment"))?;
            let function = function.as_str().filter(|f| !f.is_empty());
            let function = function.ok_or_else(|| format!("The hook {event} must name a Lambda function"))?;
            found.push((event, function.to_owned()));
        }
    }
    Ok(found)
}

fn get<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Like `get`; an explicit null counts as absent.
fn present<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    get(map, name).filter(|value| !value.is_null())
}

fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, String> {
    value.as_object().ok_or_else(|| format!("{what} must be a mapping"))
}

fn text(map: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match present(map, name) {
        None => Ok(None),
        Some(Value::String(s)) if !s.is_empty() => Ok(Some(s.clone())),
        Some(other) => Err(format!("{name} must be a text, it is {other}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ARN: &str = "arn:aws:ecs:eu-central-1:222222222222:task-definition/web:8";

    fn yaml(version: &str, rest: &str) -> String {
        format!(
            "version: {version}\nResources:\n  - Target:\n      Type: AWS::ECS::Service\n      Properties:\n        TaskDefinition: {ARN}\n        LoadBalancerInfo: {{ContainerName: web, ContainerPort: 80}}\n{rest}"
        )
    }

    #[test]
    fn yaml_and_json_of_either_case_are_the_same() {
        let upper = parse(&yaml("0.0", "")).unwrap();
        let lower = format!(
            r#"{{"version":0,"resources":[{{"any":{{"type":"AWS::ECS::Service","properties":{{"taskDefinition":"{ARN}","loadBalancerInfo":{{"containerName":"web","containerPort":80}}}}}}}}]}}"#
        );
        assert_eq!(parse(&lower).unwrap(), upper);
        assert_eq!(upper.container_port, 80);
        assert_eq!(upper.task_definition, ARN);
    }

    #[test]
    fn version_zero_comes_in_three_spellings() {
        for good in ["0.0", "0", "\"0.0\""] {
            assert!(parse(&yaml(good, "")).is_ok(), "{good}");
        }
        for bad in ["1", "0.1", "\"zero\"", "null"] {
            assert!(parse(&yaml(bad, "")).unwrap_err().contains("version"), "{bad}");
        }
    }

    #[test]
    fn platform_network_and_strategy_reach_ecs_in_its_own_words() {
        let spec = parse(&yaml(
            "0.0",
            "        PlatformVersion: LATEST\n        NetworkConfiguration: {AwsvpcConfiguration: {Subnets: [s-1], SecurityGroups: [sg-1], AssignPublicIp: ENABLED}}\n        CapacityProviderStrategy: [{Base: 1, CapacityProvider: FARGATE, Weight: 2}]\n",
        ))
        .unwrap();
        assert_eq!(spec.platform_version.as_deref(), Some("LATEST"));
        assert_eq!(
            spec.network_configuration.unwrap(),
            json!({"awsvpcConfiguration": {"subnets": ["s-1"], "securityGroups": ["sg-1"], "assignPublicIp": "ENABLED"}})
        );
        assert_eq!(
            spec.capacity_provider_strategy,
            [json!({"capacityProvider": "FARGATE", "weight": 2, "base": 1})]
        );
    }

    #[test]
    fn hooks_are_a_list_of_events_and_functions() {
        let spec =
            parse(&yaml("0.0", "Hooks:\n  - beforeInstall: one\n  - AfterAllowTraffic: two\n")).unwrap();
        assert_eq!(
            spec.hooks,
            [("BeforeInstall", "one".to_owned()), ("AfterAllowTraffic", "two".to_owned())]
        );
        assert!(parse(&yaml("0.0", "Hooks:\n  - AllowTraffic: one\n")).is_err());
        assert!(parse(&yaml("0.0", "Hooks: {BeforeInstall: one}\n")).is_err());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |from: &str, to: &str| parse(&yaml("0.0", "").replace(from, to)).unwrap_err();
        assert!(wrong("AWS::ECS::Service", "AWS::Lambda::Function").contains("AWS::ECS::Service"));
        assert!(wrong(ARN, "web:8").contains("TaskDefinition"));
        assert!(wrong("ContainerPort: 80", "ContainerPort: \"80\"").contains("ContainerPort"));
        assert!(wrong("ContainerPort: 80", "ContainerPort: 70000").contains("ContainerPort"));
        assert!(wrong("ContainerName: web, ", "").contains("ContainerName"));
        assert!(wrong("LoadBalancerInfo:", "Other:").contains("LoadBalancerInfo"));
        assert!(parse("{").unwrap_err().contains("JSON"));
        assert!(parse("a: [").unwrap_err().contains("YAML"));
        assert!(parse("just text").unwrap_err().contains("mapping"));
        assert!(parse("version: 0.0").unwrap_err().contains("Resources"));
        let partial = yaml(
            "0.0",
            "        NetworkConfiguration: {AwsvpcConfiguration: {Subnets: [s-1], AssignPublicIp: ENABLED}}\n",
        );
        assert!(parse(&partial).unwrap_err().contains("securityGroups"));
    }
}
