//! The AppSpec of an ECS deployment: generated from the service, or the user's own with the
//! task definition put in.

use crate::{outcome::Finding, say::appspec as say, task_definition};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::{fs, path::Path};

const ECS_SERVICE: &str = "AWS::ECS::Service";
const PLACE: &str = "/Resources/0/TargetService/Properties";

const PROPERTIES: [&str; 5] = [
    "TaskDefinition",
    "LoadBalancerInfo",
    "PlatformVersion",
    "NetworkConfiguration",
    "CapacityProviderStrategy",
];

/// Events that a function may hook into, in their order.
pub const HOOKS: [&str; 5] =
    ["BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic"];

/// An AppSpec, complete but for the task definition's ARN.
#[derive(Clone, Debug, PartialEq)]
pub struct AppSpec {
    pub document: Value,
}

/// What a deployment keeps of the service as it is, where an AppSpec says nothing else.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    pub container: String,
    pub container_port: u16,
    pub platform_version: Option<String>,
    /// In the AppSpec's own form: `{AwsvpcConfiguration: {…}}`.
    pub network: Option<Value>,
    /// Likewise; a service has either a strategy or a launch type, which an AppSpec can't name.
    pub strategy: Vec<Value>,
}

impl AppSpec {
    /// One that says nothing yet: all is kept as it is.
    pub fn generated() -> AppSpec {
        AppSpec {
            document: json!({
                "version": 0.0,
                "Resources": [{"TargetService": {"Type": ECS_SERVICE, "Properties": {}}}],
            }),
        }
    }

    /// The user's own file, JSON or YAML, its keys in any case.
    pub fn read(path: &Path) -> Result<AppSpec, Vec<Finding>> {
        let text = fs::read_to_string(path).map_err(|error| vec![say::unreadable(path, &error)])?;
        let value = task_definition::parse(path, &text).map_err(|m| vec![say::malformed(path, &m)])?;
        of(&value).map_err(|wrong| wrong.iter().map(|wrong| say::wrong(path, wrong)).collect())
    }

    /// Fills in what it doesn't say.
    pub fn completed(mut self, kept: &Kept) -> AppSpec {
        let Some(properties) = self.properties_mut() else { return self };
        let mut fill = |key: &str, value: Option<Value>| {
            if let Some(value) = value
                && !properties.contains_key(key)
            {
                properties.insert(key.to_owned(), value);
            }
        };
        let balanced = json!({"ContainerName": kept.container, "ContainerPort": kept.container_port});
        fill("LoadBalancerInfo", Some(balanced));
        fill("PlatformVersion", kept.platform_version.clone().map(Value::from));
        fill("NetworkConfiguration", kept.network.clone());
        fill(
            "CapacityProviderStrategy",
            (!kept.strategy.is_empty()).then(|| Value::Array(kept.strategy.clone())),
        );
        self
    }

    /// The container and the port behind the load balancer.
    pub fn target(&self) -> Option<(&str, u16)> {
        let info = self.document.pointer(PLACE)?.get("LoadBalancerInfo")?;
        let port = info["ContainerPort"].as_u64().and_then(|port| u16::try_from(port).ok())?;
        Some((info["ContainerName"].as_str()?, port))
    }

    /// Names of the events that call a function.
    #[cfg(test)]
    pub fn hooks(&self) -> Vec<&str> {
        let hooks = self.document["Hooks"].as_array().into_iter().flatten();
        hooks.filter_map(Value::as_object).flat_map(Map::keys).map(String::as_str).collect()
    }

    /// The function that a lifecycle event calls, by its name.
    pub fn function_of(&self, event: &str) -> Option<&str> {
        let named = self.document["Hooks"].as_array()?.iter().find_map(|hook| hook[event].as_str())?;
        // `arn:aws:lambda:R:A:function:name:alias`
        Some(if named.starts_with("arn:") { named.split(':').nth(6)? } else { named })
    }

    /// The text that names this task definition, and its SHA-256 in lowercase hex.
    pub fn content(&self, task_definition: &str) -> (String, String) {
        let mut named = self.clone();
        if let Some(properties) = named.properties_mut() {
            properties.insert("TaskDefinition".to_owned(), Value::from(task_definition));
        }
        let content = named.document.to_string();
        let sha256 = hex::encode(Sha256::digest(&content));
        (content, sha256)
    }

    /// Both ways to make one put this object there.
    fn properties_mut(&mut self) -> Option<&mut Map<String, Value>> {
        self.document.pointer_mut(PLACE)?.as_object_mut()
    }
}

/// What makes a document no AppSpec for an ECS service.
#[derive(Clone, Debug, PartialEq)]
pub enum Wrong {
    NoObject,
    Version(Value),
    NoResource,
    SeveralResources(usize),
    /// The `Type` of a resource, or what else betrays another platform.
    OtherPlatform(String),
    UnknownKey {
        key: String,
        known: Vec<&'static str>,
    },
    NoPort(Value),
    /// A hook that is no `{event: function}`.
    Hook(Value),
}

/// Keys in their own case, whatever case the user chose.
fn of(value: &Value) -> Result<AppSpec, Vec<Wrong>> {
    let Some(object) = value.as_object() else { return Err(vec![Wrong::NoObject]) };
    for stray in ["os", "files", "permissions"] {
        if get(object, stray).is_some() {
            return Err(vec![Wrong::OtherPlatform(format!("`{stray}:`, which is for servers"))]);
        }
    }
    let mut wrong = Vec::new();
    let mut document = Map::new();
    match get(object, "version") {
        None => {}
        Some(Value::Number(n)) if n.as_f64() == Some(0.0) => {}
        Some(Value::String(text)) if text == "0.0" || text == "0" => {}
        Some(other) => wrong.push(Wrong::Version(other.clone())),
    }
    document.insert("version".to_owned(), json!(0.0));
    strays(object, &["version", "Resources", "Hooks"], &mut wrong);

    let resources = get(object, "Resources").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let properties = match resources {
        [] => Err(Wrong::NoResource),
        [resource] => resource_properties(resource),
        several => Err(Wrong::SeveralResources(several.len())),
    };
    match properties {
        Ok(given) => {
            strays(given, &PROPERTIES, &mut wrong);
            let mut properties = Map::new();
            for key in PROPERTIES {
                if let Some(value) = get(given, key).filter(|v| !v.is_null()) {
                    properties.insert(key.to_owned(), canonical(value));
                }
            }
            check_port(&properties, &mut wrong);
            let target = json!({"TargetService": {"Type": ECS_SERVICE, "Properties": properties}});
            document.insert("Resources".to_owned(), Value::Array(vec![target]));
        }
        Err(problem) => wrong.push(problem),
    }
    if let Some(hooks) = get(object, "Hooks").and_then(Value::as_array) {
        let hooks: Vec<Value> = hooks.iter().map(|given| hook(given, &mut wrong)).collect();
        document.insert("Hooks".to_owned(), Value::Array(hooks));
    }
    if wrong.is_empty() { Ok(AppSpec { document: Value::Object(document) }) } else { Err(wrong) }
}

fn resource_properties(resource: &Value) -> Result<&Map<String, Value>, Wrong> {
    // `- TargetService: {Type, Properties}` with any logical name.
    let body = resource.as_object().and_then(|r| r.values().next()).and_then(Value::as_object);
    let body = body.ok_or(Wrong::NoResource)?;
    match get(body, "Type").and_then(Value::as_str) {
        Some(ECS_SERVICE) => {}
        Some(other) => return Err(Wrong::OtherPlatform(format!("a resource of type `{other}`"))),
        None => return Err(Wrong::OtherPlatform("a resource without a `Type`".to_owned())),
    }
    get(body, "Properties").and_then(Value::as_object).ok_or(Wrong::NoResource)
}

fn check_port(properties: &Map<String, Value>, wrong: &mut Vec<Wrong>) {
    let Some(info) = properties.get("LoadBalancerInfo") else { return };
    let named = info["ContainerName"].is_string();
    let port = info["ContainerPort"].as_u64().is_some_and(|port| u16::try_from(port).is_ok());
    if !named || !port {
        wrong.push(Wrong::NoPort(info.clone()));
    }
}

fn hook(given: &Value, wrong: &mut Vec<Wrong>) -> Value {
    let entry = given.as_object().filter(|o| o.len() == 1).and_then(|o| o.iter().next());
    let Some((event, Value::String(function))) = entry else {
        wrong.push(Wrong::Hook(given.clone()));
        return Value::Null;
    };
    match HOOKS.iter().find(|known| known.eq_ignore_ascii_case(event)) {
        Some(known) => json!({ *known: function }),
        None => {
            wrong.push(Wrong::UnknownKey { key: event.clone(), known: HOOKS.to_vec() });
            Value::Null
        }
    }
}

fn get<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    object.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, value)| value)
}

fn strays(object: &Map<String, Value>, known: &[&'static str], wrong: &mut Vec<Wrong>) {
    for key in object.keys().filter(|key| !known.iter().any(|k| k.eq_ignore_ascii_case(key))) {
        wrong.push(Wrong::UnknownKey { key: key.clone(), known: known.to_vec() });
    }
}

/// The keys below a property in the case that AWS's own pages use.
fn canonical(value: &Value) -> Value {
    const KEYS: [&str; 9] = [
        "ContainerName",
        "ContainerPort",
        "AwsvpcConfiguration",
        "Subnets",
        "SecurityGroups",
        "AssignPublicIp",
        "Base",
        "CapacityProvider",
        "Weight",
    ];
    match value {
        Value::Object(object) => {
            let name = |key: &String| match KEYS.iter().find(|known| known.eq_ignore_ascii_case(key)) {
                Some(known) => (*known).to_owned(),
                None => key.clone(),
            };
            Value::Object(object.iter().map(|(key, value)| (name(key), canonical(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        scalar => scalar.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn kept() -> Kept {
        Kept {
            container: "app".into(),
            container_port: 8080,
            platform_version: Some("1.4.0".into()),
            network: Some(
                json!({"AwsvpcConfiguration": {"Subnets": ["s-1"], "SecurityGroups": ["sg-1"], "AssignPublicIp": "ENABLED"}}),
            ),
            strategy: vec![json!({"Base": 1, "CapacityProvider": "FARGATE", "Weight": 1})],
        }
    }

    const ARN: &str = "arn:aws:ecs:eu-central-1:222222222222:task-definition/hello:8";

    #[test]
    fn generated_from_the_service() {
        let (content, sha256) = AppSpec::generated().completed(&kept()).content(ARN);
        insta::assert_snapshot!(content, @r#"{"version":0.0,"Resources":[{"TargetService":{"Type":"AWS::ECS::Service","Properties":{"LoadBalancerInfo":{"ContainerName":"app","ContainerPort":8080},"PlatformVersion":"1.4.0","NetworkConfiguration":{"AwsvpcConfiguration":{"Subnets":["s-1"],"SecurityGroups":["sg-1"],"AssignPublicIp":"ENABLED"}},"CapacityProviderStrategy":[{"Base":1,"CapacityProvider":"FARGATE","Weight":1}],"TaskDefinition":"arn:aws:ecs:eu-central-1:222222222222:task-definition/hello:8"}}}]}"#);
        assert_eq!(sha256, hex::encode(Sha256::digest(&content)));
    }

    #[test]
    fn what_the_service_does_not_have_is_not_said() {
        let bare = Kept { platform_version: None, network: None, strategy: Vec::new(), ..kept() };
        insta::assert_snapshot!(AppSpec::generated().completed(&bare).content(ARN).0, @r#"{"version":0.0,"Resources":[{"TargetService":{"Type":"AWS::ECS::Service","Properties":{"LoadBalancerInfo":{"ContainerName":"app","ContainerPort":8080},"TaskDefinition":"arn:aws:ecs:eu-central-1:222222222222:task-definition/hello:8"}}}]}"#);
    }

    fn yaml(text: &str) -> Result<AppSpec, Vec<Wrong>> {
        of(&task_definition::parse(Path::new("appspec.yml"), text).unwrap())
    }

    const OWN: &str = r#"
version: 0.0
resources:
  - TargetService:
      type: AWS::ECS::Service
      properties:
        taskDefinition: "<TASK_DEFINITION>"
        loadBalancerInfo: {containerName: web, containerPort: 80}
        platformVersion: LATEST
hooks:
  - afterAllowTestTraffic: "check-green"
"#;

    #[test]
    fn the_users_own_wins_over_what_is_kept() {
        let own = yaml(OWN).unwrap().completed(&kept());
        assert_eq!(own.target(), Some(("web", 80)));
        assert_eq!(own.hooks(), ["AfterAllowTestTraffic"]);
        assert_eq!(own.function_of("AfterAllowTestTraffic"), Some("check-green"));
        assert_eq!(own.function_of("AfterInstall"), None);
        insta::assert_snapshot!(own.content(ARN).0, @r#"{"version":0.0,"Resources":[{"TargetService":{"Type":"AWS::ECS::Service","Properties":{"TaskDefinition":"arn:aws:ecs:eu-central-1:222222222222:task-definition/hello:8","LoadBalancerInfo":{"ContainerName":"web","ContainerPort":80},"PlatformVersion":"LATEST","NetworkConfiguration":{"AwsvpcConfiguration":{"Subnets":["s-1"],"SecurityGroups":["sg-1"],"AssignPublicIp":"ENABLED"}},"CapacityProviderStrategy":[{"Base":1,"CapacityProvider":"FARGATE","Weight":1}]}}}],"Hooks":[{"AfterAllowTestTraffic":"check-green"}]}"#);
    }

    #[test]
    fn every_way_to_write_the_version_is_taken() {
        for version in ["0", "0.0", "\"0.0\""] {
            assert!(yaml(&OWN.replace("version: 0.0", &format!("version: {version}"))).is_ok(), "{version}");
        }
        let one = yaml(&OWN.replace("version: 0.0", "version: 1.0"));
        assert_eq!(one, Err(vec![Wrong::Version(json!(1.0))]));
    }

    #[test]
    fn another_platform_is_refused() {
        let lambda = yaml(&OWN.replace("AWS::ECS::Service", "AWS::Lambda::Function"));
        assert_eq!(
            lambda,
            Err(vec![Wrong::OtherPlatform("a resource of type `AWS::Lambda::Function`".into())])
        );
        let server = yaml("version: 0.0\nos: linux\nfiles: []\n");
        assert_eq!(server, Err(vec![Wrong::OtherPlatform("`os:`, which is for servers".into())]));
    }

    #[test]
    fn all_that_is_wrong_is_found_at_once() {
        let text = OWN
            .replace("platformVersion", "platfromVersion")
            .replace("containerPort: 80", "containerPort: http")
            .replace("afterAllowTestTraffic", "AfterTest");
        let found = yaml(&text).unwrap_err();
        assert!(
            matches!(&found[..], [
            Wrong::UnknownKey { key: property, .. },
            Wrong::NoPort(_),
            Wrong::UnknownKey { key: event, .. },
        ] if property == "platfromVersion" && event == "AfterTest"),
            "{found:?}"
        );
    }

    #[test]
    fn a_document_without_a_resource_is_told() {
        assert_eq!(yaml("version: 0.0\n"), Err(vec![Wrong::NoResource]));
        assert_eq!(of(&json!([])), Err(vec![Wrong::NoObject]));
    }
}
