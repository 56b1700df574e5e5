//! Deployment configs.

use super::super::configs::{self, Config, PREFIX, Shape};
use super::input::{self, Result, error};
use crate::front::{Answer, Call, timestamp};
use crate::state::State as World;
use serde_json::{Value, json};
use uuid::Uuid;

pub(super) fn get(world: &mut World, call: &Call) -> Answer {
    let holdings = input::holdings(world, call);
    let name = name(&call.input)?;
    match configs::find(holdings, name) {
        Some(config) => Ok(json!({ "deploymentConfigInfo": view(&config) })),
        None => error(
            "DeploymentConfigDoesNotExistException",
            format!("No deployment configuration found for name: {name}"),
        ),
    }
}

pub(super) fn list(world: &mut World, call: &Call) -> Answer {
    let names = configs::names(input::holdings(world, call));
    let (page, next) = input::page(names, &call.input)?;
    Ok(json!({ "deploymentConfigsList": page, "nextToken": next }))
}

pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    const LIMIT: usize = 200;
    let now = world.now;
    let holdings = input::holdings(world, call);
    let name = name(&call.input)?;
    if name.starts_with(PREFIX) {
        let message = format!("A name can't begin with {PREFIX}");
        return error("InvalidDeploymentConfigNameException", message);
    }
    if holdings.configs.contains_key(name) {
        let message = format!("Deployment Configuration already exists for name: {name}");
        return error("DeploymentConfigAlreadyExistsException", message);
    }
    if holdings.configs.len() >= LIMIT {
        let message = format!("There are {LIMIT} deployment configurations already.");
        return error("DeploymentConfigLimitExceededException", message);
    }
    let platform = input::text(&call.input, "computePlatform")?.unwrap_or("Server");
    let (shape, minimum_healthy) = match platform {
        "ECS" | "Lambda" => (Some(shape(call.input.get("trafficRoutingConfig"))?), None),
        "Server" => (None, Some(minimum(call.input.get("minimumHealthyHosts"))?)),
        _ => {
            let message = "The computePlatform should be Lambda, Server, or ECS.";
            return error("InvalidComputePlatformException", message);
        }
    };
    let config = Config {
        name: name.to_owned(),
        id: Uuid::new_v4().to_string(),
        created: now,
        platform: platform.to_owned(),
        shape,
        minimum_healthy,
    };
    let id = config.id.clone();
    holdings.configs.insert(name.to_owned(), config);
    Ok(json!({ "deploymentConfigId": id }))
}

pub(super) fn delete(world: &mut World, call: &Call) -> Answer {
    let holdings = input::holdings(world, call);
    let name = name(&call.input)?;
    if name.starts_with(PREFIX) {
        return error("InvalidOperationException", "A predefined deployment configuration can't be deleted.");
    }
    let mut groups = holdings.applications.values().flat_map(|application| application.groups.values());
    if groups.any(|group| group.config == name) {
        let message = format!("The deployment configuration {name} is still in use.");
        return error("DeploymentConfigInUseException", message);
    }
    holdings.configs.remove(name);
    Ok(json!({}))
}

fn name(input: &Value) -> Result<&str> {
    input::name(input, "deploymentConfigName", "DeploymentConfig", "deployment configuration")
}

fn shape(config: Option<&Value>) -> Result<Shape> {
    fn invalid<T>(message: &str) -> Result<T> {
        error("InvalidTrafficRoutingConfigurationException", message)
    }
    let Some(config) = config.filter(|c| !c.is_null()) else {
        return invalid("A traffic routing configuration is needed.");
    };
    let part = |part: &str, percentage: &str, interval: &str| -> Result<(u32, u32)> {
        let part = config.get(part).cloned().unwrap_or_default();
        let percentage = input::minutes(&part, percentage)?.unwrap_or_default();
        let minutes = input::minutes(&part, interval)?.unwrap_or_default();
        if !(1..100).contains(&percentage) || !(1..=2880).contains(&minutes) {
            return invalid("The percentage must be from 1 to 99 and the interval from 1 to 2880 minutes.");
        }
        Ok((percentage, minutes))
    };
    match input::text(config, "type")? {
        Some("AllAtOnce") => Ok(Shape::AllAtOnce),
        Some("TimeBasedCanary") => {
            let (percentage, minutes) = part("timeBasedCanary", "canaryPercentage", "canaryInterval")?;
            Ok(Shape::Canary { percentage, minutes })
        }
        Some("TimeBasedLinear") => {
            let (percentage, minutes) = part("timeBasedLinear", "linearPercentage", "linearInterval")?;
            Ok(Shape::Linear { percentage, minutes })
        }
        _ => invalid("The type should be TimeBasedCanary, TimeBasedLinear or AllAtOnce."),
    }
}

fn minimum(hosts: Option<&Value>) -> Result<(String, i64)> {
    let hosts = hosts.cloned().unwrap_or_default();
    match (input::text(&hosts, "type")?, hosts.get("value").and_then(Value::as_i64)) {
        (Some(kind @ ("HOST_COUNT" | "FLEET_PERCENT")), Some(value)) if value >= 0 => {
            Ok((kind.to_owned(), value))
        }
        _ => {
            error("InvalidMinimumHealthyHostValueException", "The minimum healthy hosts value is not valid.")
        }
    }
}

fn view(config: &Config) -> Value {
    let routing = config.shape.map(|shape| match shape {
        Shape::AllAtOnce => json!({ "type": "AllAtOnce" }),
        Shape::Canary { percentage, minutes } => json!({
            "type": "TimeBasedCanary",
            "timeBasedCanary": { "canaryPercentage": percentage, "canaryInterval": minutes },
        }),
        Shape::Linear { percentage, minutes } => json!({
            "type": "TimeBasedLinear",
            "timeBasedLinear": { "linearPercentage": percentage, "linearInterval": minutes },
        }),
    });
    let minimum = config.minimum_healthy.as_ref();
    json!({
        "deploymentConfigId": config.id,
        "deploymentConfigName": config.name,
        "minimumHealthyHosts": minimum.map(|(kind, value)| json!({ "type": kind, "value": value })),
        "createTime": timestamp(config.created),
        "computePlatform": config.platform,
        "trafficRoutingConfig": routing,
    })
}
