//! The applications, groups, configs and functions that the world starts with.

use super::{
    configs::{Config, Shape},
    model::{Alarms, Application, Group, Place, Ready, Rollback},
    stranger::Stranger,
};
use crate::{
    Fault, Time, elb,
    spec::{self, Account, WorldSpec},
    state::State as World,
};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The function that fails in the world that has that fault.
pub(super) const FAILING_HOOK: &str = "CodeDeployHook_fails";

pub(crate) fn populate(world: &mut World, spec: &WorldSpec) -> Result<()> {
    for account in &spec.accounts {
        let place = Place { account: account.id.clone(), region: account.region.clone() };
        for function in &account.functions {
            let key = (account.id.clone(), function.name.clone());
            world.codedeploy.functions.insert(key, function.clone());
        }
        if world.has(Fault::HookFails) {
            let failing =
                spec::Function { name: FAILING_HOOK.into(), answer: "Failed".into(), after_seconds: 2 };
            world.codedeploy.functions.insert((account.id.clone(), FAILING_HOOK.into()), failing);
        }
        let now = world.now;
        for config in &account.deployment_configs {
            let config = self::config(config, now)?;
            let holdings = world.codedeploy.places.entry(place.clone()).or_default();
            holdings.configs.insert(config.name.clone(), config);
        }
        for application in &account.applications {
            let mut groups = BTreeMap::new();
            for group in &application.groups {
                let made = self::group(world, account, application, group)
                    .with_context(|| format!("deployment group {} of account {}", group.name, account.id))?;
                groups.insert(made.name.clone(), made);
                if world.has(Fault::DeploymentActive) {
                    let stranger = stranger(account, &place, application, group);
                    world.codedeploy.strangers.extend(stranger);
                }
            }
            let application = Application {
                id: Uuid::new_v4().to_string(),
                name: application.name.clone(),
                created: now,
                platform: "ECS".into(),
                groups,
                revisions: Vec::new(),
            };
            let holdings = world.codedeploy.places.entry(place.clone()).or_default();
            holdings.applications.insert(application.name.clone(), application);
        }
    }
    Ok(())
}

fn config(config: &spec::DeploymentConfig, now: Time) -> Result<Config> {
    let (percentage, minutes) = (config.percentage, config.interval_minutes);
    let shape = match config.kind.as_str() {
        "AllAtOnce" => Shape::AllAtOnce,
        "TimeBasedCanary" => Shape::Canary { percentage, minutes },
        "TimeBasedLinear" => Shape::Linear { percentage, minutes },
        other => bail!("deployment config {}: there is no kind `{other}`", config.name),
    };
    ensure!(
        shape == Shape::AllAtOnce || (1..100).contains(&percentage) && minutes > 0,
        "deployment config {}: a percentage from 1 to 99 and an interval are needed",
        config.name
    );
    Ok(Config {
        name: config.name.clone(),
        id: Uuid::new_v4().to_string(),
        created: now,
        platform: "ECS".into(),
        shape: Some(shape),
        minimum_healthy: None,
    })
}

fn group(
    world: &World,
    account: &Account,
    application: &spec::Application,
    group: &spec::DeploymentGroup,
) -> Result<Group> {
    let listener = |name: &str| {
        elb::listener_arn(world, &account.id, name).with_context(|| format!("there is no listener `{name}`"))
    };
    for name in &group.target_groups {
        ensure!(
            account.target_groups.iter().any(|known| known.name == *name),
            "there is no target group `{name}`"
        );
    }
    ensure!(group.target_groups.len() == 2, "a pair of target groups is needed");
    Ok(Group {
        id: Uuid::new_v4().to_string(),
        application: application.name.clone(),
        name: group.name.clone(),
        service_role: if group.service_role.starts_with("arn:") {
            group.service_role.clone()
        } else {
            format!("arn:aws:iam::{}:role/{}", account.id, group.service_role)
        },
        config: group.deployment_config.clone(),
        cluster: group.cluster.clone(),
        service: group.service.clone(),
        target_groups: group.target_groups.clone(),
        production_listener: listener(&group.production_listener)?,
        test_listener: group.test_listener.as_deref().map(listener).transpose()?,
        ready: Ready {
            stop: group.ready_wait_minutes.is_some(),
            minutes: group.ready_wait_minutes.unwrap_or_default(),
        },
        termination_minutes: group.termination_wait_minutes,
        alarms: Alarms {
            enabled: !group.alarms.is_empty(),
            ignore_poll_failure: false,
            names: group.alarms.clone(),
        },
        rollback: Rollback {
            enabled: group.rollback && !world.has(Fault::RollbackDisabled),
            events: group.rollback_events.clone(),
        },
        triggers: Vec::new(),
    })
}

fn stranger(
    account: &Account,
    place: &Place,
    application: &spec::Application,
    group: &spec::DeploymentGroup,
) -> Option<Stranger> {
    let service = account.services.iter().find(|s| s.cluster == group.cluster && s.name == group.service)?;
    Some(Stranger {
        place: place.clone(),
        application: application.name.clone(),
        group: group.name.clone(),
        container: service.container.clone(),
        container_port: service.container_port,
    })
}
