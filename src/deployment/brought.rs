//! What a deployment brings: the task definition in its AppSpec, which only the application's
//! revisions hold.

use crate::aws::{Clients, Failure};
use aws_sdk_codedeploy::types::{AppSpecContent, DeploymentStatus, RevisionLocation, RevisionLocationType};
use serde_json::Value;

/// The ARN of the task definition; `None` when the AppSpec names none that can be read.
pub async fn brought_by(clients: &Clients, application: &str, id: &str) -> Result<Option<String>, Failure> {
    let answer = clients.codedeploy().get_deployment().deployment_id(id).send().await;
    let answer = answer.map_err(clients.failed("codedeploy:GetDeployment"))?;
    let revision = answer.deployment_info.and_then(|info| info.revision);
    let Some(sha256) = revision.and_then(|r| r.app_spec_content).and_then(|content| content.sha256) else {
        return Ok(None);
    };
    let location = RevisionLocation::builder()
        .revision_type(RevisionLocationType::AppSpecContent)
        .app_spec_content(AppSpecContent::builder().sha256(sha256).build())
        .build();
    let call = clients.codedeploy().get_application_revision().application_name(application);
    let answer = call.revision(location).send().await;
    let answer = answer.map_err(clients.failed("codedeploy:GetApplicationRevision"))?;
    let content = answer.revision.and_then(|r| r.app_spec_content).and_then(|content| content.content);
    Ok(content.as_deref().and_then(task_definition))
}

/// Whether a deployment succeeded; `None` when CodeDeploy doesn't know it any more.
pub async fn succeeded(clients: &Clients, id: &str) -> Result<Option<bool>, Failure> {
    let answer = clients.codedeploy().get_deployment().deployment_id(id).send().await;
    match answer.map_err(clients.failed("codedeploy:GetDeployment")) {
        Ok(answer) => {
            let status = answer.deployment_info.and_then(|info| info.status);
            Ok(Some(status == Some(DeploymentStatus::Succeeded)))
        }
        Err(failure) if failure.is("DeploymentDoesNotExist") => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// JSON is YAML too; keys come in any case.
fn task_definition(appspec: &str) -> Option<String> {
    fn find(value: &Value) -> Option<&str> {
        match value {
            Value::Object(members) => members.iter().find_map(|(key, value)| match value {
                Value::String(text) if key.eq_ignore_ascii_case("TaskDefinition") => Some(text.as_str()),
                other => find(other),
            }),
            Value::Array(items) => items.iter().find_map(find),
            _ => None,
        }
    }
    let document: Value = serde_yaml::from_str(appspec).ok()?;
    find(&document).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::task_definition;

    #[test]
    fn the_task_definition_is_found_in_any_form() {
        let json =
            r#"{"version":0.0,"Resources":[{"TargetService":{"Properties":{"TaskDefinition":"arn:x:7"}}}]}"#;
        let yaml = "version: 0.0\nresources:\n  - s:\n      properties: {taskDefinition: hello:7}\n";
        assert_eq!(task_definition(json).as_deref(), Some("arn:x:7"));
        assert_eq!(task_definition(yaml).as_deref(), Some("hello:7"));
        assert_eq!(task_definition("version: 0.0"), None);
    }
}
