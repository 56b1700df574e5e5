//! Applications.

use super::super::model::Application;
use super::input::{self, error};
use crate::front::{Answer, Call, timestamp};
use crate::state::State as World;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    let now = world.now;
    let holdings = input::holdings(world, call);
    let name = input::application_name(&call.input)?;
    let platform = input::text(&call.input, "computePlatform")?.unwrap_or("Server");
    if !["ECS", "Lambda", "Server"].contains(&platform) {
        let message = "The computePlatform should be Lambda, Server, or ECS.";
        return error("InvalidComputePlatformException", message);
    }
    if holdings.applications.contains_key(name) {
        let message = format!("Application already exists: {name}");
        return error("ApplicationAlreadyExistsException", message);
    }
    let application = Application {
        id: Uuid::new_v4().to_string(),
        name: name.to_owned(),
        created: now,
        platform: platform.to_owned(),
        groups: BTreeMap::new(),
        revisions: Vec::new(),
    };
    let id = application.id.clone();
    holdings.applications.insert(name.to_owned(), application);
    Ok(json!({ "applicationId": id }))
}

pub(super) fn update(world: &mut World, call: &Call) -> Answer {
    let holdings = input::holdings(world, call);
    let name = input::application_name(&call.input)?;
    input::application(holdings, name)?;
    if let Some(new) = input::text(&call.input, "newApplicationName")? {
        let new = input::well_formed(new, "Application", "application")?;
        if holdings.applications.contains_key(new) {
            let message = format!("Application already exists: {new}");
            return error("ApplicationAlreadyExistsException", message);
        }
        if let Some(mut application) = holdings.applications.remove(name) {
            application.name = new.to_owned();
            for group in application.groups.values_mut() {
                group.application = new.to_owned();
            }
            for deployment in holdings.deployments.iter_mut().filter(|d| d.group.application == name) {
                deployment.group.application = new.to_owned();
            }
            holdings.applications.insert(new.to_owned(), application);
        }
    }
    Ok(json!({}))
}

pub(super) fn delete(world: &mut World, call: &Call) -> Answer {
    let holdings = input::holdings(world, call);
    holdings.applications.remove(input::application_name(&call.input)?);
    Ok(json!({}))
}

pub(super) fn get(world: &mut World, call: &Call) -> Answer {
    let holdings = input::holdings(world, call);
    let application = input::application(holdings, input::application_name(&call.input)?)?;
    Ok(json!({ "application": view(application) }))
}

pub(super) fn batch_get(world: &mut World, call: &Call) -> Answer {
    let holdings = input::holdings(world, call);
    let names = input::batch(&call.input, "applicationNames", "ApplicationNameRequiredException")?;
    let mut infos = Vec::new();
    for name in names {
        let name = input::well_formed(name, "Application", "application")?;
        infos.push(view(input::application(holdings, name)?));
    }
    Ok(json!({ "applicationsInfo": infos }))
}

pub(super) fn list(world: &mut World, call: &Call) -> Answer {
    let names = input::holdings(world, call).applications.keys().cloned().collect();
    let (applications, next) = input::page(names, &call.input)?;
    Ok(json!({ "applications": applications, "nextToken": next }))
}

fn view(application: &Application) -> Value {
    json!({
        "applicationId": application.id,
        "applicationName": application.name,
        "createTime": timestamp(application.created),
        "linkedToGitHub": false,
        "computePlatform": application.platform,
    })
}
