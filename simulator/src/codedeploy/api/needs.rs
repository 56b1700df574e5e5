//! Which permissions an operation takes, on which ARNs.

use super::super::{configs, model::Place};
use crate::front::{Call, Need};
use crate::state::State as World;
use serde_json::Value;

/// What can't be told from the call is asked for on nothing: the operation then answers that
/// it is missing or unknown.
pub(crate) fn needs(world: &World, call: &Call) -> Vec<Need> {
    let place = Place::of(call);
    let given = |field: &str| call.input.get(field).and_then(Value::as_str);
    let several = |field: &str| -> Vec<&str> {
        let items = call.input.get(field).and_then(Value::as_array);
        items.map(|items| items.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
    };
    let action = format!("codedeploy:{}", call.operation);
    let on = |resource: String| Need::new(&action, place.arn(&resource));
    let application = given("applicationName").map(|name| format!("application:{name}"));
    let group = |name: &str| Some(format!("deploymentgroup:{}/{name}", given("applicationName")?));
    let group_of = |id: &str| {
        let deployment = world.codedeploy.places.get(&place)?.deployment(id)?;
        Some(format!("deploymentgroup:{}/{}", deployment.group.application, deployment.group.name))
    };
    match call.operation.as_str() {
        "CreateDeployment" => {
            let Some(group) = given("deploymentGroupName").and_then(group) else { return Vec::new() };
            let mut needs = vec![on(group.clone())];
            if let Some(config) =
                given("deploymentConfigName").map(str::to_owned).or_else(|| config(world, call))
            {
                needs.push(Need::new(
                    "codedeploy:GetDeploymentConfig",
                    place.arn(&format!("deploymentconfig:{config}")),
                ));
            }
            // The inline AppSpec becomes a revision of the application.
            needs.extend(
                application.map(|a| Need::new("codedeploy:RegisterApplicationRevision", place.arn(&a))),
            );
            if call.input.get("overrideAlarmConfiguration").is_some_and(|c| !c.is_null()) {
                needs.push(Need::new("codedeploy:UpdateDeploymentGroup", place.arn(&group)));
            }
            needs
        }
        "ListDeployments" => {
            vec![on(given("deploymentGroupName").and_then(group).unwrap_or("deploymentgroup:*".into()))]
        }
        "BatchGetDeployments" => {
            let mut groups: Vec<String> = several("deploymentIds").into_iter().filter_map(group_of).collect();
            groups.sort();
            groups.dedup();
            groups.into_iter().map(on).collect()
        }
        "BatchGetDeploymentGroups" => {
            several("deploymentGroupNames").into_iter().filter_map(group).map(on).collect()
        }
        "BatchGetApplications" => {
            several("applicationNames").into_iter().map(|name| on(format!("application:{name}"))).collect()
        }
        "ListApplications" => vec![on("application:*".into())],
        "ListDeploymentConfigs" => vec![on("deploymentconfig:*".into())],
        "GetDeploymentConfig" | "CreateDeploymentConfig" | "DeleteDeploymentConfig" => {
            given("deploymentConfigName")
                .map(|name| on(format!("deploymentconfig:{name}")))
                .into_iter()
                .collect()
        }
        "CreateDeploymentGroup" | "DeleteDeploymentGroup" | "GetDeploymentGroup" => {
            given("deploymentGroupName").and_then(group).map(on).into_iter().collect()
        }
        "UpdateDeploymentGroup" => {
            given("currentDeploymentGroupName").and_then(group).map(on).into_iter().collect()
        }
        _ => match given("deploymentId") {
            Some(id) => group_of(id).map(on).into_iter().collect(),
            None => application.map(on).into_iter().collect(),
        },
    }
}

/// The group's own config, when it is one that exists.
fn config(world: &World, call: &Call) -> Option<String> {
    let holdings = world.codedeploy.places.get(&Place::of(call))?;
    let given = |field: &str| call.input.get(field).and_then(Value::as_str);
    let application = holdings.applications.get(given("applicationName")?)?;
    let group = application.groups.get(given("deploymentGroupName")?)?;
    configs::find(holdings, &group.config).map(|config| config.name)
}
