//! A deployment's beginning, whoever asked for it.

use super::{
    appspec::AppSpec,
    configs::Config,
    ending::new_id,
    machine::TAKE_UP,
    model::{
        AFTER_TEST, Alarms, Deployment, Event, Group, Holdings, Hook, Phase, Place, Revision, Rollback,
        Status,
    },
};
use crate::Time;
use sha2::{Digest, Sha256};

pub(super) struct Request {
    pub(super) group: Group,
    pub(super) config: Config,
    pub(super) description: Option<String>,
    pub(super) created_by: String,
    pub(super) appspec: AppSpec,
    /// The AppSpec's text.
    pub(super) content: String,
    pub(super) rollback: Rollback,
    pub(super) alarms: Alarms,
    pub(super) alarms_overridden: bool,
    /// Call this function in the middle of the tests, whatever the AppSpec says.
    pub(super) failing_hook: Option<String>,
}

pub(super) fn create<'a>(
    holdings: &'a mut Holdings,
    place: &Place,
    request: Request,
    now: Time,
) -> &'a mut Deployment {
    let Request { group, config, appspec, .. } = request;
    let sha256 = register(holdings, &group.application, &request.content, None, now);
    if let Some(application) = holdings.applications.get_mut(&group.application) {
        for revision in application.revisions.iter_mut().filter(|r| r.sha256 == sha256) {
            revision.first_used = revision.first_used.or(Some(now));
            revision.last_used = Some(now);
        }
    }
    let mut events: Vec<Event> = group.event_names().into_iter().map(Event::pending).collect();
    for event in &mut events {
        let function =
            appspec.hooks.iter().rev().find(|(name, _)| *name == event.name).map(|(_, f)| f.clone());
        event.hook = function.map(|function| Hook { function, execution: None });
    }
    if let Some(function) = request.failing_hook {
        let name = if group.test_listener.is_some() { AFTER_TEST } else { "BeforeAllowTraffic" };
        for event in events.iter_mut().filter(|e| e.name == name) {
            event.hook = Some(Hook { function: function.clone(), execution: None });
        }
    }
    let deployment = Deployment {
        id: new_id(),
        place: place.clone(),
        config,
        description: request.description,
        created_by: request.created_by,
        appspec,
        revision: sha256,
        previous_revision: holdings.target_revision(&group.application, &group.name),
        rollback: request.rollback,
        alarms: request.alarms,
        alarms_overridden: request.alarms_overridden,
        status: Status::Created,
        created: now,
        started: None,
        completed: None,
        updated: now,
        ended_real_ms: None,
        error: None,
        rolls_back: None,
        rolled_back_by: None,
        phase: Phase::Created { until: now + TAKE_UP },
        events,
        blue: None,
        green: None,
        test_before: None,
        weights: Vec::new(),
        task_sets: None,
        tripped: None,
        stop: None,
        stranger: None,
        group,
    };
    let index = holdings.deployments.len();
    holdings.deployments.push(deployment);
    &mut holdings.deployments[index]
}

/// Keeps an application's revision and returns its SHA-256.
pub(super) fn register(
    holdings: &mut Holdings,
    application: &str,
    content: &str,
    description: Option<String>,
    now: Time,
) -> String {
    let sha256 = sha256(content);
    if let Some(application) = holdings.applications.get_mut(application) {
        match application.revisions.iter_mut().find(|r| r.sha256 == sha256) {
            Some(known) => known.description = description.or(known.description.take()),
            None => application.revisions.push(Revision {
                sha256: sha256.clone(),
                content: content.to_owned(),
                description,
                registered: now,
                first_used: None,
                last_used: None,
            }),
        }
    }
    sha256
}

/// Lowercase hex.
pub(super) fn sha256(content: &str) -> String {
    hex::encode(Sha256::digest(content.as_bytes()))
}
