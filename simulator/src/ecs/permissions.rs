//! Which permissions the calls take, on which resources.

use super::{arn, definition};
use crate::front::{Call, Need};
use crate::state::State as World;
use serde_json::Value;

pub(crate) fn needs(world: &World, call: &Call) -> Vec<Need> {
    let input = &call.input;
    let action = format!("ecs:{}", call.operation);
    let own = |resource: String| arn::arn(&call.region, &call.caller.account, &resource);
    let text = |member: &str| input.get(member).and_then(Value::as_str).unwrap_or_default();
    let texts = |member: &str| -> Vec<&str> {
        input.get(member).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let cluster = arn::cluster_of(input);
    let in_cluster = |mut need: Need| {
        need.context.push(("ecs:cluster".into(), own(format!("cluster/{cluster}"))));
        need
    };
    let on = |resource: String| in_cluster(Need::new(&action, own(resource)));
    let service = |reference: &str| format!("service/{cluster}/{}", arn::last(reference));
    match call.operation.as_str() {
        "RegisterTaskDefinition" => {
            let mut needs = vec![Need::new(&action, "*")];
            if input.get("tags").and_then(Value::as_array).is_some_and(|tags| !tags.is_empty()) {
                needs.push(on_create(call, own(format!("task-definition/{}:*", text("family")))));
            }
            needs.extend(pass_roles(call, [text("taskRoleArn"), text("executionRoleArn")]));
            needs
        }
        "RunTask" => {
            let definition = definition::named(world, call, text("taskDefinition")).ok().flatten();
            let mut needs = vec![in_cluster(match definition {
                Some(definition) => Need::new(&action, definition.arn()),
                None => {
                    Need::new(&action, own(format!("task-definition/{}", arn::last(text("taskDefinition")))))
                }
            })];
            if input.get("tags").and_then(Value::as_array).is_some_and(|tags| !tags.is_empty()) {
                needs.push(on_create(call, own(format!("task/{cluster}/*"))));
            }
            let overrides = input.get("overrides").unwrap_or(&Value::Null);
            for member in ["taskRoleArn", "executionRoleArn"] {
                let role = overrides[member].as_str();
                let role = role.or_else(|| definition.and_then(|definition| definition.text(member)));
                needs.extend(pass_roles(call, role));
            }
            needs
        }
        "DescribeServices" => texts("services").into_iter().map(|one| on(service(one))).collect(),
        "UpdateService" => vec![on(service(text("service")))],
        "DescribeTaskSets" | "CreateTaskSet" | "UpdateTaskSet" | "DeleteTaskSet" => {
            let id = arn::last(text("taskSet"));
            let id = if id.is_empty() { "*".to_owned() } else { format!("ecs-svc/{id}") };
            let path = format!("task-set/{cluster}/{}/{id}", arn::last(text("service")));
            let mut need = on(path);
            need.context.push(("ecs:service".into(), own(service(text("service")))));
            vec![need]
        }
        "UpdateServicePrimaryTaskSet" => vec![on(service(text("service")))],
        "DescribeTasks" => {
            texts("tasks").into_iter().map(|one| on(format!("task/{cluster}/{}", arn::last(one)))).collect()
        }
        "StopTask" => vec![on(format!("task/{cluster}/{}", arn::last(text("task"))))],
        "ListTasks" => vec![on(format!("container-instance/{cluster}/*"))],
        "DescribeContainerInstances" => texts("containerInstances")
            .into_iter()
            .map(|one| on(format!("container-instance/{cluster}/{}", arn::last(one))))
            .collect(),
        "ListContainerInstances" => vec![Need::new(&action, own(format!("cluster/{cluster}")))],
        "DescribeClusters" => {
            let mut names = texts("clusters");
            if names.is_empty() {
                names.push("default");
            }
            names.iter().map(|one| Need::new(&action, own(format!("cluster/{}", arn::last(one))))).collect()
        }
        "TagResource" | "UntagResource" | "ListTagsForResource" => {
            vec![Need::new(&action, text("resourceArn"))]
        }
        "ListServices" => vec![in_cluster(Need::new(&action, "*"))],
        "DescribeTaskDefinition"
        | "DeregisterTaskDefinition"
        | "ListTaskDefinitions"
        | "ListTaskDefinitionFamilies"
        | "ListClusters"
        | "DescribeCapacityProviders" => vec![Need::new(&action, "*")],
        // What there isn't needs no permission.
        _ => Vec::new(),
    }
}

/// Tagging what is being created.
fn on_create(call: &Call, resource: String) -> Need {
    let mut need = Need::new("ecs:TagResource", resource);
    need.context.push(("ecs:CreateAction".into(), call.operation.clone()));
    need
}

fn pass_roles<'a>(call: &Call, roles: impl IntoIterator<Item = &'a str>) -> Vec<Need> {
    let pass = |role: &str| {
        let arn = if role.starts_with("arn:") {
            role.to_owned()
        } else {
            format!("arn:aws:iam::{}:role/{role}", call.caller.account)
        };
        let mut need = Need::new("iam:PassRole", arn);
        need.context.push(("iam:PassedToService".into(), "ecs-tasks.amazonaws.com".into()));
        need
    };
    roles.into_iter().filter(|role| !role.is_empty()).map(pass).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::fixture;
    use super::*;
    use serde_json::json;

    async fn of(operation: &str, input: Value) -> Vec<(String, String)> {
        let world = fixture::world().await;
        let needs = needs(&world.state(), &fixture::call(operation, input));
        needs.into_iter().map(|need| (need.action, need.resource)).collect()
    }

    #[tokio::test]
    async fn registering_passes_both_roles_to_the_tasks() {
        let role = |name: &str| format!("arn:aws:iam::222222222222:role/{name}");
        let world = fixture::world().await;
        let input = json!({"family": "web", "taskRoleArn": "task", "executionRoleArn": role("exec"), "tags": [{"key": "a"}]});
        let needs = needs(&world.state(), &fixture::call("RegisterTaskDefinition", input));
        let plain: Vec<_> = needs.iter().map(|need| (need.action.as_str(), need.resource.as_str())).collect();
        assert_eq!(
            plain,
            [
                ("ecs:RegisterTaskDefinition", "*"),
                ("ecs:TagResource", "arn:aws:ecs:eu-central-1:222222222222:task-definition/web:*"),
                ("iam:PassRole", role("task").as_str()),
                ("iam:PassRole", role("exec").as_str()),
            ]
        );
        let context = [("iam:PassedToService".to_owned(), "ecs-tasks.amazonaws.com".to_owned())];
        assert_eq!(needs.last().unwrap().context, context);
    }

    #[tokio::test]
    async fn describing_is_asked_for_each_service() {
        let needs = of("DescribeServices", json!({"cluster": "prod", "services": ["web", "api"]})).await;
        let arn = |name: &str| format!("arn:aws:ecs:eu-central-1:222222222222:service/prod/{name}");
        assert_eq!(
            needs,
            [("ecs:DescribeServices".into(), arn("web")), ("ecs:DescribeServices".into(), arn("api"))]
        );
    }

    #[tokio::test]
    async fn running_takes_the_definition_and_its_roles() {
        let needs = of("RunTask", json!({"cluster": "prod", "taskDefinition": "web"})).await;
        assert_eq!(needs[0].1, "arn:aws:ecs:eu-central-1:222222222222:task-definition/web:1");
        assert_eq!(needs[1].0, "iam:PassRole");
    }
}
