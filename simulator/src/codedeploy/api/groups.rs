//! Deployment groups.

use super::super::{
    configs,
    model::{Group, Holdings, Place, Ready},
    stranger,
};
use super::input::{self, Result, error};
use super::views;
use crate::elb;
use crate::front::{Answer, Call};
use crate::state::State as World;
use serde_json::{Value, json};
use uuid::Uuid;

pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    let input = &call.input;
    let application = input::application_name(input)?.to_owned();
    let name = input::group_name(input)?.to_owned();
    let platform = input::application(input::holdings(world, call), &application)?.platform.clone();
    if platform != "ECS" {
        let message = format!("This world deploys to ECS; the application {application} is for {platform}.");
        return error("InvalidInputException", message);
    }
    let exists = |holdings: &Holdings| {
        holdings.applications.get(&application).is_some_and(|a| a.groups.contains_key(&name))
    };
    if exists(input::holdings(world, call)) {
        return already_exists(&name);
    }
    if input::text(input, "serviceRoleArn")?.is_none() {
        return error("RoleRequiredException", "The role ID was not specified.");
    }
    let needed = [
        ("deploymentStyle", "InvalidDeploymentStyleException"),
        ("blueGreenDeploymentConfiguration", "InvalidBlueGreenDeploymentConfigurationException"),
        ("loadBalancerInfo", "InvalidLoadBalancerInfoException"),
        ("ecsServices", "InvalidECSServiceException"),
    ];
    for (field, code) in needed {
        if input.get(field).is_none_or(Value::is_null) {
            return error(code, format!("{field} is needed for the ECS compute platform."));
        }
    }
    let mut group = Group {
        id: Uuid::new_v4().to_string(),
        application: application.clone(),
        name: name.clone(),
        config: configs::all_at_once().name,
        ..Group::default()
    };
    apply(world, call, &mut group)?;
    let id = group.id.clone();
    input::application_mut(input::holdings(world, call), &application)?.groups.insert(name, group);
    Ok(json!({ "deploymentGroupId": id }))
}

pub(super) fn update(world: &mut World, call: &Call) -> Answer {
    let input = &call.input;
    let application = input::application_name(input)?.to_owned();
    let old = input::name(input, "currentDeploymentGroupName", "DeploymentGroup", "deployment group")?;
    let known = input::application(input::holdings(world, call), &application)?;
    let mut group = input::group(known, old)?.clone();
    if let Some(new) = input::text(input, "newDeploymentGroupName")?.filter(|new| *new != old) {
        group.name = input::well_formed(new, "DeploymentGroup", "deployment group")?.to_owned();
        if known.groups.contains_key(new) {
            return already_exists(new);
        }
    }
    apply(world, call, &mut group)?;
    let holdings = input::holdings(world, call);
    for deployment in &mut holdings.deployments {
        if deployment.group.application == application && deployment.group.name == old {
            deployment.group.name = group.name.clone();
        }
    }
    let groups = &mut input::application_mut(holdings, &application)?.groups;
    groups.remove(old);
    groups.insert(group.name.clone(), group);
    Ok(json!({ "hooksNotCleanedUp": [] }))
}

pub(super) fn delete(world: &mut World, call: &Call) -> Answer {
    let application = input::application_name(&call.input)?;
    let name = input::group_name(&call.input)?;
    if let Some(application) = input::holdings(world, call).applications.get_mut(application) {
        application.groups.remove(name);
    }
    Ok(json!({ "hooksNotCleanedUp": [] }))
}

pub(super) fn get(world: &mut World, call: &Call) -> Answer {
    let now = world.now;
    let holdings = input::holdings(world, call);
    let application = input::application(holdings, input::application_name(&call.input)?)?;
    let group = input::group(application, input::group_name(&call.input)?)?.clone();
    let last = holdings.deployments.iter_mut().rev().find(|d| d.group.id == group.id);
    if let Some(last) = last.filter(|d| !d.ended()) {
        stranger::looked_at(last, now);
    }
    Ok(json!({ "deploymentGroupInfo": views::group(holdings, &group) }))
}

pub(super) fn batch_get(world: &mut World, call: &Call) -> Answer {
    let holdings = input::holdings(world, call);
    let application = input::application(holdings, input::application_name(&call.input)?)?;
    let names = input::batch(&call.input, "deploymentGroupNames", "DeploymentGroupNameRequiredException")?;
    let mut infos = Vec::new();
    let mut missing = None;
    for name in names {
        match input::group(application, name) {
            Ok(group) => infos.push(views::group(holdings, group)),
            Err(e) => missing = Some(e.message),
        }
    }
    Ok(json!({ "deploymentGroupsInfo": infos, "errorMessage": missing }))
}

pub(super) fn list(world: &mut World, call: &Call) -> Answer {
    let holdings = input::holdings(world, call);
    let application = input::application(holdings, input::application_name(&call.input)?)?;
    let (groups, next) = input::page(application.groups.keys().cloned().collect(), &call.input)?;
    Ok(json!({ "applicationName": application.name, "deploymentGroups": groups, "nextToken": next }))
}

/// Sets what the call gives; the rest stays as it is.
fn apply(world: &mut World, call: &Call, group: &mut Group) -> Result<()> {
    let input = &call.input;
    let given = |field: &str| input.get(field).filter(|value| !value.is_null());
    if let Some(name) = input::text(input, "deploymentConfigName")? {
        let name = input::well_formed(name, "DeploymentConfig", "deployment configuration")?;
        if configs::find(input::holdings(world, call), name).is_none() {
            let message = format!("No deployment configuration found for name: {name}");
            return error("DeploymentConfigDoesNotExistException", message);
        }
        group.config = name.to_owned();
    }
    if let Some(role) = input::text(input, "serviceRoleArn")? {
        if !(role.starts_with("arn:") && role.contains(":role/")) {
            return error("InvalidRoleException", format!("{role} is not the ARN of a role."));
        }
        group.service_role = role.to_owned();
    }
    if let Some(services) = given("ecsServices") {
        ecs_service(services, group)?;
        let same = |other: &Group| {
            other.id != group.id && other.cluster == group.cluster && other.service == group.service
        };
        let holdings = input::holdings(world, call);
        if holdings.applications.values().flat_map(|a| a.groups.values()).any(same) {
            let message = "An Amazon ECS service can be associated with only one deployment group.";
            return error("ECSServiceMappingLimitExceededException", message);
        }
    }
    if let Some(style) = given("deploymentStyle") {
        let of = |field: &str| style.get(field).and_then(Value::as_str);
        if (of("deploymentType"), of("deploymentOption"))
            != (Some("BLUE_GREEN"), Some("WITH_TRAFFIC_CONTROL"))
        {
            let message = "The ECS compute platform takes BLUE_GREEN and WITH_TRAFFIC_CONTROL only.";
            return error("InvalidDeploymentStyleException", message);
        }
    }
    if let Some(config) = given("blueGreenDeploymentConfiguration") {
        blue_green(config, group)?;
    }
    if let Some(info) = given("loadBalancerInfo") {
        load_balancers(world, &Place::of(call), info, group)?;
    }
    if let Some(alarms) = given("alarmConfiguration") {
        group.alarms = input::alarms(alarms)?;
    }
    if let Some(rollback) = given("autoRollbackConfiguration") {
        group.rollback = input::rollback(rollback)?;
    }
    if let Some(triggers) = input::list(input, "triggerConfigurations")? {
        group.triggers = triggers.to_vec();
    }
    Ok(())
}

fn ecs_service(services: &Value, group: &mut Group) -> Result<()> {
    let invalid =
        || error("InvalidECSServiceException", "Exactly one ECS service with its cluster is needed.");
    let [service] = services.as_array().map(Vec::as_slice).unwrap_or_default() else { return invalid() };
    let (Some(name), Some(cluster)) =
        (input::text(service, "serviceName")?, input::text(service, "clusterName")?)
    else {
        return invalid();
    };
    group.service = name.to_owned();
    group.cluster = cluster.to_owned();
    Ok(())
}

fn blue_green(config: &Value, group: &mut Group) -> Result<()> {
    /// Two days.
    const LONGEST: u32 = 2880;
    let invalid = |message: &str| error("InvalidBlueGreenDeploymentConfigurationException", message);
    if let Some(terminate) = config.get("terminateBlueInstancesOnDeploymentSuccess").filter(|c| !c.is_null())
    {
        match input::text(terminate, "action")? {
            Some("TERMINATE") => {}
            Some("KEEP_ALIVE") => return invalid("KEEP_ALIVE is not supported by the ECS compute platform."),
            _ => return invalid("The action on blue instances should be TERMINATE."),
        }
        group.termination_minutes =
            input::minutes(terminate, "terminationWaitTimeInMinutes")?.unwrap_or_default();
    }
    if let Some(ready) = config.get("deploymentReadyOption").filter(|c| !c.is_null()) {
        let stop = match input::text(ready, "actionOnTimeout")? {
            Some("STOP_DEPLOYMENT") => true,
            Some("CONTINUE_DEPLOYMENT") => false,
            _ => return invalid("actionOnTimeout should be CONTINUE_DEPLOYMENT or STOP_DEPLOYMENT."),
        };
        group.ready =
            Ready { stop, minutes: input::minutes(ready, "waitTimeInMinutes")?.unwrap_or_default() };
    }
    if group.termination_minutes > LONGEST || group.ready.minutes > LONGEST {
        return invalid("A wait can't be longer than 2880 minutes.");
    }
    Ok(())
}

fn load_balancers(world: &World, place: &Place, info: &Value, group: &mut Group) -> Result<()> {
    let pairs = input::list(info, "targetGroupPairInfoList")?.unwrap_or_default();
    let [pair] = pairs else {
        return error("InvalidLoadBalancerInfoException", "Exactly one target group pair is needed.");
    };
    let mut names = Vec::new();
    for target_group in input::list(pair, "targetGroups")?.unwrap_or_default() {
        match input::text(target_group, "name")? {
            Some(name) if elb::target_group_arn(world, &place.account, name).is_some() => {
                names.push(name.to_owned());
            }
            name => {
                let message = format!("There is no target group {}.", name.unwrap_or("without a name"));
                return error("InvalidTargetGroupPairException", message);
            }
        }
    }
    if names.len() != 2 || names[0] == names[1] {
        return error("InvalidTargetGroupPairException", "A pair has two different target groups.");
    }
    let route = |field: &str| -> Result<Option<String>> {
        let route = pair.get(field).cloned().unwrap_or_default();
        let arns = input::texts(&route, "listenerArns")?.unwrap_or_default();
        match arns.as_slice() {
            [] => Ok(None),
            [arn] => Ok(Some((*arn).to_owned())),
            _ => error("InvalidLoadBalancerInfoException", format!("{field} takes one listener.")),
        }
    };
    let Some(production) = route("prodTrafficRoute")? else {
        return error("InvalidLoadBalancerInfoException", "prodTrafficRoute needs a listener.");
    };
    group.target_groups = names;
    group.production_listener = production;
    group.test_listener = route("testTrafficRoute")?;
    Ok(())
}

fn already_exists<T>(name: &str) -> Result<T> {
    let message = format!("Deployment group already exists: {name}");
    error("DeploymentGroupAlreadyExistsException", message)
}
