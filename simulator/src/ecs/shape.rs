//! The shape of RegisterTaskDefinition's input: which members exist, of which types. A wrong
//! type is refused; a member that isn't in the model is dropped, as AWS drops it.

use super::input::{mismatch, serialization};
use crate::front::ApiError;
use serde_json::{Map, Value};

/// The type of a member.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Text,
    Integer,
    Boolean,
    List(&'static Shape),
    /// Text by name.
    Texts,
    Structure(&'static [(&'static str, Shape)]),
}

use Shape::{Boolean, Integer, List, Structure, Text, Texts};

/// The value with only the members that the model knows, everything else as it was sent.
/// Null members count as absent.
pub(super) fn conform(value: &Value, shape: Shape) -> Result<Value, ApiError> {
    match (shape, value) {
        (Text, Value::String(_)) | (Boolean, Value::Bool(_)) => Ok(value.clone()),
        (Integer, Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(value.clone()),
        (List(item), Value::Array(items)) => items
            .iter()
            .map(|value| match value {
                Value::Null => Err(serialization("Null value found in list")),
                _ => conform(value, *item),
            })
            .collect(),
        (Texts, Value::Object(members)) => {
            for value in members.values() {
                conform(value, Text)?;
            }
            Ok(value.clone())
        }
        (Structure(known), Value::Object(members)) => {
            let mut kept = Map::new();
            for (name, value) in members {
                let Some((_, shape)) = known.iter().find(|(known, _)| known == name) else { continue };
                if !value.is_null() {
                    kept.insert(name.clone(), conform(value, *shape)?);
                }
            }
            Ok(Value::Object(kept))
        }
        (Text, _) => Err(mismatch(value, "String")),
        (Integer, _) => Err(mismatch(value, "Integer")),
        (Boolean, _) => Err(mismatch(value, "Boolean")),
        (List(_), _) => Err(mismatch(value, "List")),
        (Texts | Structure(_), _) => Err(mismatch(value, "Structure")),
    }
}

pub(super) const TASK_DEFINITION: Shape = Structure(&[
    ("family", Text),
    ("taskRoleArn", Text),
    ("executionRoleArn", Text),
    ("networkMode", Text),
    ("containerDefinitions", List(&CONTAINER_DEFINITION)),
    ("volumes", List(&VOLUME)),
    ("placementConstraints", List(&TASK_DEFINITION_PLACEMENT_CONSTRAINT)),
    ("requiresCompatibilities", List(&Text)),
    ("cpu", Text),
    ("memory", Text),
    ("tags", List(&TAG)),
    ("pidMode", Text),
    ("ipcMode", Text),
    ("proxyConfiguration", PROXY_CONFIGURATION),
    ("inferenceAccelerators", List(&INFERENCE_ACCELERATOR)),
    ("ephemeralStorage", EPHEMERAL_STORAGE),
    ("runtimePlatform", RUNTIME_PLATFORM),
    ("enableFaultInjection", Boolean),
]);

const RUNTIME_PLATFORM: Shape = Structure(&[("cpuArchitecture", Text), ("operatingSystemFamily", Text)]);

const EPHEMERAL_STORAGE: Shape = Structure(&[("sizeInGiB", Integer)]);

const INFERENCE_ACCELERATOR: Shape = Structure(&[("deviceName", Text), ("deviceType", Text)]);

const PROXY_CONFIGURATION: Shape =
    Structure(&[("type", Text), ("containerName", Text), ("properties", List(&KEY_VALUE_PAIR))]);

const TAG: Shape = Structure(&[("key", Text), ("value", Text)]);

const TASK_DEFINITION_PLACEMENT_CONSTRAINT: Shape = Structure(&[("type", Text), ("expression", Text)]);

const VOLUME: Shape = Structure(&[
    ("name", Text),
    ("host", HOST_VOLUME_PROPERTIES),
    ("dockerVolumeConfiguration", DOCKER_VOLUME_CONFIGURATION),
    ("efsVolumeConfiguration", EFS_VOLUME_CONFIGURATION),
    ("s3filesVolumeConfiguration", S3_FILES_VOLUME_CONFIGURATION),
    ("fsxWindowsFileServerVolumeConfiguration", FSX_WINDOWS_FILE_SERVER_VOLUME_CONFIGURATION),
    ("configuredAtLaunch", Boolean),
]);

const FSX_WINDOWS_FILE_SERVER_VOLUME_CONFIGURATION: Shape = Structure(&[
    ("fileSystemId", Text),
    ("rootDirectory", Text),
    ("authorizationConfig", FSX_WINDOWS_FILE_SERVER_AUTHORIZATION_CONFIG),
]);

const FSX_WINDOWS_FILE_SERVER_AUTHORIZATION_CONFIG: Shape =
    Structure(&[("credentialsParameter", Text), ("domain", Text)]);

const S3_FILES_VOLUME_CONFIGURATION: Shape = Structure(&[
    ("fileSystemArn", Text),
    ("rootDirectory", Text),
    ("transitEncryptionPort", Integer),
    ("accessPointArn", Text),
]);

const EFS_VOLUME_CONFIGURATION: Shape = Structure(&[
    ("fileSystemId", Text),
    ("rootDirectory", Text),
    ("transitEncryption", Text),
    ("transitEncryptionPort", Integer),
    ("authorizationConfig", EFS_AUTHORIZATION_CONFIG),
]);

const EFS_AUTHORIZATION_CONFIG: Shape = Structure(&[("accessPointId", Text), ("iam", Text)]);

const DOCKER_VOLUME_CONFIGURATION: Shape = Structure(&[
    ("scope", Text),
    ("autoprovision", Boolean),
    ("driver", Text),
    ("driverOpts", Texts),
    ("labels", Texts),
]);

const HOST_VOLUME_PROPERTIES: Shape = Structure(&[("sourcePath", Text)]);

const CONTAINER_DEFINITION: Shape = Structure(&[
    ("name", Text),
    ("image", Text),
    ("repositoryCredentials", REPOSITORY_CREDENTIALS),
    ("cpu", Integer),
    ("memory", Integer),
    ("memoryReservation", Integer),
    ("links", List(&Text)),
    ("portMappings", List(&PORT_MAPPING)),
    ("essential", Boolean),
    ("restartPolicy", CONTAINER_RESTART_POLICY),
    ("entryPoint", List(&Text)),
    ("command", List(&Text)),
    ("environment", List(&KEY_VALUE_PAIR)),
    ("environmentFiles", List(&ENVIRONMENT_FILE)),
    ("mountPoints", List(&MOUNT_POINT)),
    ("volumesFrom", List(&VOLUME_FROM)),
    ("linuxParameters", LINUX_PARAMETERS),
    ("secrets", List(&SECRET)),
    ("dependsOn", List(&CONTAINER_DEPENDENCY)),
    ("startTimeout", Integer),
    ("stopTimeout", Integer),
    ("versionConsistency", Text),
    ("hostname", Text),
    ("user", Text),
    ("workingDirectory", Text),
    ("disableNetworking", Boolean),
    ("privileged", Boolean),
    ("readonlyRootFilesystem", Boolean),
    ("dnsServers", List(&Text)),
    ("dnsSearchDomains", List(&Text)),
    ("extraHosts", List(&HOST_ENTRY)),
    ("dockerSecurityOptions", List(&Text)),
    ("interactive", Boolean),
    ("pseudoTerminal", Boolean),
    ("dockerLabels", Texts),
    ("ulimits", List(&ULIMIT)),
    ("logConfiguration", LOG_CONFIGURATION),
    ("healthCheck", HEALTH_CHECK),
    ("systemControls", List(&SYSTEM_CONTROL)),
    ("resourceRequirements", List(&RESOURCE_REQUIREMENT)),
    ("firelensConfiguration", FIRELENS_CONFIGURATION),
    ("credentialSpecs", List(&Text)),
]);

const FIRELENS_CONFIGURATION: Shape = Structure(&[("type", Text), ("options", Texts)]);

const RESOURCE_REQUIREMENT: Shape = Structure(&[("value", Text), ("type", Text)]);

const SYSTEM_CONTROL: Shape = Structure(&[("namespace", Text), ("value", Text)]);

const HEALTH_CHECK: Shape = Structure(&[
    ("command", List(&Text)),
    ("interval", Integer),
    ("timeout", Integer),
    ("retries", Integer),
    ("startPeriod", Integer),
]);

const LOG_CONFIGURATION: Shape =
    Structure(&[("logDriver", Text), ("options", Texts), ("secretOptions", List(&SECRET))]);

const ULIMIT: Shape = Structure(&[("name", Text), ("softLimit", Integer), ("hardLimit", Integer)]);

const HOST_ENTRY: Shape = Structure(&[("hostname", Text), ("ipAddress", Text)]);

const CONTAINER_DEPENDENCY: Shape = Structure(&[("containerName", Text), ("condition", Text)]);

const SECRET: Shape = Structure(&[("name", Text), ("valueFrom", Text)]);

const LINUX_PARAMETERS: Shape = Structure(&[
    ("capabilities", KERNEL_CAPABILITIES),
    ("devices", List(&DEVICE)),
    ("initProcessEnabled", Boolean),
    ("sharedMemorySize", Integer),
    ("tmpfs", List(&TMPFS)),
    ("maxSwap", Integer),
    ("swappiness", Integer),
]);

const TMPFS: Shape = Structure(&[("containerPath", Text), ("size", Integer), ("mountOptions", List(&Text))]);

const DEVICE: Shape = Structure(&[("hostPath", Text), ("containerPath", Text), ("permissions", List(&Text))]);

const KERNEL_CAPABILITIES: Shape = Structure(&[("add", List(&Text)), ("drop", List(&Text))]);

const VOLUME_FROM: Shape = Structure(&[("sourceContainer", Text), ("readOnly", Boolean)]);

const MOUNT_POINT: Shape =
    Structure(&[("sourceVolume", Text), ("containerPath", Text), ("readOnly", Boolean)]);

const ENVIRONMENT_FILE: Shape = Structure(&[("value", Text), ("type", Text)]);

const KEY_VALUE_PAIR: Shape = Structure(&[("name", Text), ("value", Text)]);

const CONTAINER_RESTART_POLICY: Shape = Structure(&[
    ("enabled", Boolean),
    ("ignoredExitCodes", List(&Integer)),
    ("restartAttemptPeriod", Integer),
]);

const PORT_MAPPING: Shape = Structure(&[
    ("containerPort", Integer),
    ("hostPort", Integer),
    ("protocol", Text),
    ("name", Text),
    ("appProtocol", Text),
    ("containerPortRange", Text),
]);

const REPOSITORY_CREDENTIALS: Shape = Structure(&[("credentialsParameter", Text)]);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_members_are_dropped_and_empty_ones_kept() {
        let sent = json!({
            "family": "web", "colour": "red",
            "containerDefinitions": [{"name": "app", "command": [], "cpu": 0, "environment": [{"name": "A", "value": "", "kind": 1}], "shade": {}}],
        });
        let kept = json!({
            "family": "web",
            "containerDefinitions": [{"name": "app", "command": [], "cpu": 0, "environment": [{"name": "A", "value": ""}]}],
        });
        assert_eq!(conform(&sent, TASK_DEFINITION).unwrap(), kept);
    }

    #[test]
    fn a_stray_type_is_refused_wherever_it_stands() {
        for (sent, message) in [
            (
                json!({"containerDefinitions": [{"cpu": "256"}]}),
                "STRING_VALUE cannot be converted to Integer",
            ),
            (json!({"cpu": 256}), "NUMBER_VALUE cannot be converted to String"),
            (json!({"containerDefinitions": {}}), "Start of structure or map found where not expected."),
            (json!({"containerDefinitions": [[]]}), "Start of list found where not expected"),
            (
                json!({"containerDefinitions": [{"essential": "true"}]}),
                "STRING_VALUE cannot be converted to Boolean",
            ),
        ] {
            let error = conform(&sent, TASK_DEFINITION).unwrap_err();
            assert_eq!((error.code.as_str(), error.message.as_str()), ("SerializationException", message));
        }
    }
}
