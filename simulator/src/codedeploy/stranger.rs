//! Somebody else's deployment of the same group, for the world that has this fault: it is
//! there when the world begins, and ends once somebody has been waiting behind it for a while.

use super::{
    appspec::{self},
    configs,
    creation::{self, Request},
    model::{Alarms, Deployment, Place},
    neighbours::Neighbours,
};
use crate::{Time, state::State as World};
use serde_json::json;
use std::time::Duration;

/// A group in which a deployment is to start, and what its service's tasks listen on.
#[derive(Clone, Debug)]
pub(super) struct Stranger {
    pub(super) place: Place,
    pub(super) application: String,
    pub(super) group: String,
    pub(super) container: String,
    pub(super) container_port: u16,
}

/// Who has noticed it so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    first: Option<Time>,
    /// Since when somebody waits: was refused because of it, or came back to look again.
    waited_for: Option<Time>,
}

/// How long it goes on while somebody waits.
const PATIENCE: Duration = Duration::from_secs(120);
/// Who looks again after so long is waiting, as opposed to making a plan.
const COMES_BACK: Duration = Duration::from_secs(20);

pub(super) fn arn(account: &str) -> String {
    format!("arn:aws:iam::{account}:user/somebody-else")
}

/// Starts the deployments, once the services run.
pub(super) fn arrive(world: &mut World) {
    if !world.ecs.begun {
        return;
    }
    for stranger in std::mem::take(&mut world.codedeploy.strangers) {
        if !deploy(world, &stranger) {
            world.codedeploy.strangers.push(stranger);
        }
    }
}

fn deploy(world: &mut World, stranger: &Stranger) -> bool {
    let now = world.now;
    let Some(holdings) = world.codedeploy.places.get(&stranger.place) else { return true };
    let group = holdings.applications.get(&stranger.application).and_then(|a| a.groups.get(&stranger.group));
    let Some(group) = group.cloned() else { return true };
    let sets = world.task_sets(&group.service_key(&stranger.place));
    let Some(primary) = sets.into_iter().find(|set| set.status == "PRIMARY") else { return false };
    let content = json!({ "version": 0.0, "Resources": [{ "TargetService": {
        "Type": "AWS::ECS::Service",
        "Properties": {
            "TaskDefinition": primary.task_definition,
            "LoadBalancerInfo": {
                "ContainerName": stranger.container,
                "ContainerPort": stranger.container_port,
            },
        },
    }}]})
    .to_string();
    let Ok(appspec) = appspec::parse(&content) else { return true };
    let request = Request {
        rollback: group.rollback.clone(),
        group,
        config: configs::all_at_once(),
        description: Some("by hand".into()),
        created_by: arn(&stranger.place.account),
        appspec,
        content,
        alarms: Alarms::default(),
        alarms_overridden: false,
        failing_hook: None,
    };
    if let Some(holdings) = world.codedeploy.places.get_mut(&stranger.place) {
        creation::create(holdings, &stranger.place, request, now).stranger = Some(Seen::default());
    }
    true
}

/// It waits for the service's first tasks.
pub(super) fn is_held_back(d: &Deployment, aws: &dyn Neighbours) -> bool {
    let steady = || aws.task_sets(&d.service()).iter().any(|set| set.status == "PRIMARY" && set.steady);
    d.stranger.is_some() && !steady()
}

/// When its termination wait ends, once that is known.
pub(super) fn end(d: &Deployment) -> Option<Time> {
    d.stranger.as_ref().and_then(|seen| seen.waited_for).map(|since| since + PATIENCE)
}

/// Somebody has read it.
pub(super) fn looked_at(d: &mut Deployment, now: Time) {
    if let Some(seen) = &mut d.stranger {
        let first = *seen.first.get_or_insert(now);
        if now >= first + COMES_BACK {
            seen.waited_for.get_or_insert(now);
        }
    }
}

/// Somebody was refused because of it.
pub(super) fn stood_in_the_way(d: &mut Deployment, now: Time) {
    if let Some(seen) = &mut d.stranger {
        seen.waited_for.get_or_insert(now);
    }
}
