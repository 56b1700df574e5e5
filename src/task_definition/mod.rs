//! Task definitions as documents: read, checked against AWS's model, pinned, compared,
//! registered. Keys stay as they are: what this version doesn't know isn't lost.

mod compare;
mod file;
mod model;
mod register;

pub use compare::Change;
pub(crate) use file::parse;
pub use file::{FromFile, read};
pub use model::{Problem, Wrong};
pub use register::{Settled, settle};

use crate::{image::platform::Platform, marker::Found};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What RegisterTaskDefinition takes (without `tags`), in the user's order of keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document(pub Map<String, Value>);

/// A registered revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Revision {
    pub arn: String,
    pub document: Document,
    pub tags: BTreeMap<String, String>,
    /// Deregistered: no new task set can be made of it.
    pub inactive: bool,
}

/// What AWS tells of a revision, but doesn't take for the next one.
const READ_ONLY: [&str; 9] = [
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];

/// AWS's limit for a whole document.
pub const SIZE_LIMIT: usize = 64 * 1024;

impl Revision {
    /// Whose work it is, by its tags.
    pub fn marker(&self) -> Option<Found> {
        Found::in_tags(self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }

    /// The digests of its containers' images.
    pub fn digests(&self) -> impl Iterator<Item = &str> {
        let names = self.document.container_names();
        let images = names.into_iter().filter_map(|name| self.document.image_of(name));
        images.filter_map(|image| image.split_once('@')).map(|(_, digest)| digest)
    }

    /// From DescribeTaskDefinition's answer, as it came over the wire.
    pub fn of_answer(answer: Value) -> Option<Revision> {
        let Value::Object(mut answer) = answer else { return None };
        let tags = answer.remove("tags").map(tags_of).unwrap_or_default();
        let Some(Value::Object(definition)) = answer.remove("taskDefinition") else { return None };
        let arn = definition.get("taskDefinitionArn")?.as_str()?.to_owned();
        let inactive = definition.get("status").is_some_and(|status| status != "ACTIVE");
        Some(Revision { arn, document: Document::writable(definition), tags, inactive })
    }
}

/// `[{key, value}]` as a map; what isn't of that form is left out.
fn tags_of(tags: Value) -> BTreeMap<String, String> {
    let Value::Array(tags) = tags else { return BTreeMap::new() };
    tags.iter()
        .filter_map(|tag| {
            let value = tag["value"].as_str().unwrap_or_default();
            Some((tag["key"].as_str()?.to_owned(), value.to_owned()))
        })
        .collect()
}

impl Document {
    /// Without what AWS alone may say.
    fn writable(mut definition: Map<String, Value>) -> Document {
        definition.retain(|key, _| !READ_ONLY.contains(&key.as_str()));
        Document(definition)
    }

    pub fn family(&self) -> &str {
        self.text("family").unwrap_or_default()
    }

    pub fn execution_role(&self) -> Option<&str> {
        self.text("executionRoleArn")
    }

    /// `awsvpc`, `bridge`, `host`, `none`
    pub fn network_mode(&self) -> &str {
        self.text("networkMode").unwrap_or("bridge")
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str()
    }

    fn containers(&self) -> impl Iterator<Item = &Map<String, Value>> {
        self.0
            .get("containerDefinitions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
    }

    fn container(&self, name: &str) -> Option<&Map<String, Value>> {
        self.containers().find(|c| name_of(c) == name)
    }

    pub fn container_names(&self) -> Vec<&str> {
        self.containers().map(name_of).collect()
    }

    pub fn has_container(&self, name: &str) -> bool {
        self.container(name).is_some()
    }

    pub fn image_of(&self, container: &str) -> Option<&str> {
        self.container(container)?.get("image")?.as_str()
    }

    /// The container's own ports, in their order.
    pub fn ports_of(&self, container: &str) -> Vec<u16> {
        let mappings =
            self.container(container).and_then(|c| c.get("portMappings")).and_then(Value::as_array);
        let port =
            |mapping: &Value| mapping["containerPort"].as_u64().and_then(|port| u16::try_from(port).ok());
        mappings.into_iter().flatten().filter_map(port).collect()
    }

    /// The platform that its tasks run on. Fargate has a default; an instance decides for itself.
    pub fn platform(&self, fargate: bool) -> Option<Platform> {
        match self.0.get("runtimePlatform") {
            Some(platform) => Some(Platform::of_runtime(platform)),
            None => fargate.then(|| Platform::of_runtime(&Value::Null)),
        }
    }

    /// Puts an image into a container, whatever stood there.
    pub fn pin(&mut self, container: &str, image: &str) {
        let containers = self.0.get_mut("containerDefinitions").and_then(Value::as_array_mut);
        for definition in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
            if name_of(definition) == container {
                definition.insert("image".to_owned(), Value::from(image));
            }
        }
    }

    /// With every image that `pins` names put in; `None` there is the image of this run.
    pub fn pinned(&self, pins: &BTreeMap<String, Option<String>>, image: &str) -> Document {
        let mut document = self.clone();
        for (container, pin) in pins {
            document.pin(container, pin.as_deref().unwrap_or(image));
        }
        document
    }

    /// In bytes, as it is sent.
    pub fn size(&self) -> usize {
        serde_json::to_string(&self.0).map_or(0, |text| text.len())
    }
}

fn name_of(container: &Map<String, Value>) -> &str {
    container.get("name").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    pub(crate) fn document(value: Value) -> Document {
        match value {
            Value::Object(map) => Document(map),
            _ => panic!("no document"),
        }
    }

    pub(crate) fn hello() -> Document {
        document(json!({
            "family": "hello",
            "networkMode": "awsvpc",
            "cpu": "256",
            "memory": "512",
            "executionRoleArn": "arn:aws:iam::222222222222:role/hello-execution",
            "containerDefinitions": [
                {"name": "app", "image": "old", "portMappings": [{"containerPort": 8080}], "command": []},
                {"name": "sidecar", "image": "envoy:1"},
            ],
        }))
    }

    #[test]
    fn what_aws_alone_may_say_is_left_out_and_the_rest_stays() {
        let answer = json!({
            "taskDefinition": {
                "taskDefinitionArn": "arn:aws:ecs:eu-central-1:2:task-definition/hello:7",
                "family": "hello", "revision": 7, "status": "ACTIVE", "compatibilities": ["EC2"],
                "requiresAttributes": [], "registeredAt": 1.5, "registeredBy": "x", "deregisteredAt": 1,
                "deleteRequestedAt": 2, "aKeyOfTomorrow": {"deep": []}, "containerDefinitions": [],
            },
            "tags": [{"key": "team", "value": "web"}, {"key": "empty"}],
        });
        let revision = Revision::of_answer(answer).unwrap();
        assert_eq!(revision.arn, "arn:aws:ecs:eu-central-1:2:task-definition/hello:7");
        assert_eq!(
            Value::Object(revision.document.0),
            json!({"family": "hello", "aKeyOfTomorrow": {"deep": []}, "containerDefinitions": []})
        );
        assert_eq!(
            revision.tags,
            BTreeMap::from([("team".into(), "web".into()), ("empty".into(), String::new())])
        );
        assert_eq!(Revision::of_answer(json!({"message": "x"})), None);
    }

    #[test]
    fn images_go_into_named_containers_only() {
        let pins = BTreeMap::from([("app".to_owned(), None), ("absent".to_owned(), Some("x".to_owned()))]);
        let pinned = hello().pinned(&pins, "repo@sha256:1");
        assert_eq!(pinned.image_of("app"), Some("repo@sha256:1"));
        assert_eq!(pinned.image_of("sidecar"), Some("envoy:1"));
        assert_eq!(pinned.0["containerDefinitions"][0]["command"], json!([]));
    }

    #[test]
    fn knows_its_platform() {
        let with = |platform: Value| {
            let mut document = hello();
            document.0.insert("runtimePlatform".into(), platform);
            document.platform(true).map(|p| p.to_string())
        };
        assert_eq!(hello().platform(true).unwrap().to_string(), "linux/amd64");
        assert_eq!(hello().platform(false), None);
        assert_eq!(with(json!({"cpuArchitecture": "ARM64"})).as_deref(), Some("linux/arm64"));
        assert_eq!(
            with(json!({"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"})).as_deref(),
            Some("windows/amd64")
        );
    }

    #[test]
    fn knows_containers_and_ports() {
        assert_eq!(hello().container_names(), ["app", "sidecar"]);
        assert_eq!(hello().ports_of("app"), [8080]);
        assert!(hello().ports_of("sidecar").is_empty() && hello().ports_of("absent").is_empty());
    }
}
