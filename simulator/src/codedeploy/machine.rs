//! The life of a deployment, a step at a time: Created, the lifecycle events with the ready
//! wait between them, the termination wait, the end. A rollback's own deployment walks the
//! same way, with nothing to install and the traffic going back.

use super::{
    ending::{self, Ending},
    model::{Deployment, EventStatus, Phase, Side, Status, Stop, Tripped, Work},
    neighbours::Neighbours,
    stranger, traffic,
};
use crate::{
    Fault, Time,
    ecs::NewTaskSet,
    spec::{Function, Truths},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What a step looks at besides the deployment.
pub(super) struct Moment<'a> {
    pub(super) now: Time,
    pub(super) truths: &'a Truths,
    pub(super) faults: &'a BTreeSet<Fault>,
    pub(super) functions: &'a BTreeMap<(String, String), Function>,
}

/// How long it takes until a deployment that was just created is taken up.
pub(super) const TAKE_UP: Duration = Duration::from_secs(3);
/// How long it takes until a request to stop is heeded.
pub(super) const STOP_DELAY: Duration = Duration::from_secs(1);
/// How long it takes from an alarm's change until the deployment stops.
const ALARM_DELAY: Duration = Duration::from_secs(20);
/// How long a lifecycle event waits for its function.
const HOOK_LIMIT: Duration = Duration::from_secs(3600);
/// How long green may be unsteady during the shift.
const UNSTEADY_LIMIT: Duration = Duration::from_secs(300);
/// How often a task set is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Moves all deployments as far as they go now. Returns when to come again if nothing else happens.
pub(super) fn run(
    deployments: &mut Vec<Deployment>,
    moment: &Moment,
    aws: &mut dyn Neighbours,
) -> Option<Time> {
    let mut next = None;
    let mut index = 0;
    // A rollback that is appended on the way gets its own turn.
    while index < deployments.len() {
        let deployment = &mut deployments[index];
        index += 1;
        if deployment.ended() {
            continue;
        }
        let rollback = walk(deployment, moment, aws);
        next = [next, due(deployment, moment.now)].into_iter().flatten().min();
        if let (true, Some(original)) = (deployment.ended(), deployment.rolls_back.clone()) {
            let task_sets = deployment.task_sets.clone();
            if let Some(original) = deployments.iter_mut().find(|d| d.id == original) {
                original.task_sets = task_sets;
            }
        }
        deployments.extend(rollback);
    }
    next
}

fn walk(deployment: &mut Deployment, moment: &Moment, aws: &mut dyn Neighbours) -> Option<Deployment> {
    loop {
        match step(deployment, moment, aws) {
            Ok(true) if !deployment.ended() => {}
            Ok(_) => return None,
            Err(ending) => return ending::end(deployment, ending, moment, aws),
        }
    }
}

/// One step; `false` when there is nothing to do yet.
fn step(d: &mut Deployment, moment: &Moment, aws: &mut dyn Neighbours) -> Result<bool, Ending> {
    let now = moment.now;
    if let Some(stop) = d.stop.as_ref().filter(|stop| stop.at <= now) {
        return Err(Ending::stopped_by_request(stop, moment.truths));
    }
    if d.started.is_some() {
        watch_alarms(d, now, aws)?;
    }
    let phase = d.phase.clone();
    match phase {
        Phase::Created { until } => {
            if now < until || stranger::is_held_back(d, aws) {
                return Ok(false);
            }
            start(d, moment, aws)?;
            Ok(true)
        }
        Phase::Event { index, work } => event(d, index, work, moment, aws),
        Phase::Ready { go: true, .. } => {
            d.status = Status::InProgress;
            let index = d.events.iter().position(|e| e.status == EventStatus::Pending).unwrap_or_default();
            enter(d, index, moment, aws)?;
            Ok(true)
        }
        Phase::Ready { until, .. } if now >= until => {
            Err(Ending::ready_timeout(d.group.ready.minutes, moment.truths))
        }
        Phase::Terminating { until: None } => match stranger::end(d) {
            None => Ok(false),
            end => {
                d.phase = Phase::Terminating { until: end };
                Ok(true)
            }
        },
        Phase::Terminating { until: Some(until) } if now >= until => {
            ending::succeed(d, now, aws);
            Ok(true)
        }
        Phase::Ready { .. } | Phase::Terminating { .. } | Phase::Ended => Ok(false),
    }
}

fn start(d: &mut Deployment, moment: &Moment, aws: &mut dyn Neighbours) -> Result<(), Ending> {
    d.status = Status::InProgress;
    d.started = Some(moment.now);
    if d.blue.is_none() {
        let primary = aws.task_sets(&d.service()).into_iter().find(|set| set.status == "PRIMARY");
        d.blue = primary.and_then(|set| {
            let pair = traffic::pair(d, aws);
            let group = pair.into_iter().find(|group| group.arn == set.target_group)?;
            Some(Side { task_set: set.id, group })
        });
    }
    d.weights.push((moment.now, traffic::green_percent(d, aws)));
    enter(d, 0, moment, aws)?;
    if d.blue.is_none() {
        let primary = aws.task_sets(&d.service()).iter().any(|set| set.status == "PRIMARY");
        return Err(if primary { Ending::not_behind_listener() } else { Ending::no_primary(d) });
    }
    // An alarm that is active from the start leaves nothing to wait for.
    watch_alarms(d, moment.now, aws)?;
    match d.tripped.take() {
        Some(tripped) => Err(Ending::alarm(tripped.message)),
        None => Ok(()),
    }
}

/// Goes on with the lifecycle event that is under way.
fn event(
    d: &mut Deployment,
    index: usize,
    work: Work,
    moment: &Moment,
    aws: &mut dyn Neighbours,
) -> Result<bool, Ending> {
    let now = moment.now;
    match work {
        Work::Moment { until } if now >= until => {}
        Work::Hook { answer: Some((at, good)), .. } if now >= at => {
            if !good {
                return Err(Ending::hook_failed());
            }
        }
        Work::Hook { limit, .. } if now >= limit => return Err(Ending::hook_silent()),
        Work::Install { limit } => {
            let green =
                green(d, aws).ok_or_else(|| Ending::update_error("The replacement task set is gone."))?;
            if !green.steady {
                if now < limit {
                    return Ok(false);
                }
                return Err(Ending::unhealthy(moment.truths));
            }
        }
        Work::Shift { since, done, unsteady } => return shift(d, index, since, done, unsteady, moment, aws),
        Work::Moment { .. } | Work::Hook { .. } => return Ok(false),
    }
    finish(d, index, moment, aws)?;
    Ok(true)
}

fn finish(d: &mut Deployment, index: usize, moment: &Moment, aws: &mut dyn Neighbours) -> Result<(), Ending> {
    let now = moment.now;
    d.events[index].status = EventStatus::Succeeded;
    d.events[index].ended = Some(now);
    d.updated = now;
    let next = index + 1;
    if next == d.events.len() {
        if d.rolls_back.is_some() {
            ending::succeed(d, now, aws);
        } else {
            let wait = Duration::from_secs(60 * u64::from(d.group.termination_minutes));
            let until = if d.stranger.is_some() { None } else { Some(now + wait) };
            d.phase = Phase::Terminating { until };
        }
        return Ok(());
    }
    let waits = d.group.ready.stop && d.rolls_back.is_none() && d.stranger.is_none();
    if waits && d.events[next].name == "BeforeAllowTraffic" {
        let wait = Duration::from_secs(60 * u64::from(d.group.ready.minutes));
        d.status = Status::Ready;
        d.phase = Phase::Ready { until: now + wait, go: false };
        outsider_stops(d, moment, Duration::from_secs(5), 1);
        return Ok(());
    }
    enter(d, next, moment, aws)
}

/// Begins a lifecycle event.
fn enter(d: &mut Deployment, index: usize, moment: &Moment, aws: &mut dyn Neighbours) -> Result<(), Ending> {
    let now = moment.now;
    let event = &mut d.events[index];
    let name = event.name;
    event.status = EventStatus::InProgress;
    event.started = Some(now);
    d.updated = now;
    // Not all moments are equally long.
    let until = now + Duration::from_millis(200 + 70 * index as u64);
    d.phase = Phase::Event { index, work: Work::Moment { until } };
    let back = d.rolls_back.is_some();
    match name {
        "Install" if !back => {
            install(d, aws)?;
            let limit = now + Duration::from_secs(60 * moment.truths.install_limit_minutes);
            d.phase = Phase::Event { index, work: Work::Install { limit } };
        }
        "AllowTestTraffic" if back => traffic::restore_test(d, aws)?,
        "AllowTestTraffic" => traffic::allow_test(d, aws)?,
        "AllowTraffic" if back => traffic::restore(d, now, aws)?,
        "AllowTraffic" => {
            outsider_stops(d, moment, Duration::from_secs(30), 2);
            d.phase = Phase::Event { index, work: Work::Shift { since: now, done: 0, unsteady: None } };
        }
        _ => {
            if let Some(hook) = &mut d.events[index].hook {
                let execution = uuid::Uuid::new_v4().to_string();
                hook.execution = Some(execution);
                let key = (d.place.account.clone(), function_name(&hook.function).to_owned());
                let function = moment.functions.get(&key).ok_or_else(Ending::hook_failed)?;
                let answers = !function.answer.is_empty();
                let after = Duration::from_secs(function.after_seconds);
                let answer = answers.then(|| (now + after, function.answer == "Succeeded"));
                let work = Work::Hook { answer, limit: now + HOOK_LIMIT };
                d.phase = Phase::Event { index, work };
            }
        }
    }
    Ok(())
}

/// `my-function` of itself or of `arn:aws:lambda:R:A:function:my-function:alias`.
fn function_name(name_or_arn: &str) -> &str {
    let mut parts = name_or_arn.split(':');
    if parts.next() == Some("arn") { parts.nth(5).unwrap_or(name_or_arn) } else { name_or_arn }
}

fn install(d: &mut Deployment, aws: &mut dyn Neighbours) -> Result<(), Ending> {
    let Some(blue) = d.blue.clone() else { return Err(Ending::no_primary(d)) };
    let service = d.service();
    let idle = traffic::pair(d, aws).into_iter().find(|group| *group != blue.group);
    let group = idle.ok_or_else(Ending::not_behind_listener)?;
    // What an earlier deployment left behind would be served together with green.
    let left: Vec<String> = aws
        .task_sets(&service)
        .into_iter()
        .filter(|set| set.status == "ACTIVE" && set.id != blue.task_set)
        .map(|set| set.id)
        .collect();
    traffic::all_to_blue(d, &blue.group, &group, aws)?;
    for id in left {
        aws.drain_task_set(&service, &id);
    }
    let spec = d.appspec.clone();
    let new = NewTaskSet {
        task_definition: spec.task_definition,
        target_group: group.arn.clone(),
        container: spec.container,
        container_port: spec.container_port,
        platform_version: spec.platform_version,
        network_configuration: spec.network_configuration,
        capacity_provider_strategy: spec.capacity_provider_strategy,
        external_id: d.id.clone(),
        started_by: "CODE_DEPLOY".into(),
    };
    let task_set = aws.create_task_set(&service, new).map_err(|e| Ending::update_error(&e.message))?;
    d.green = Some(Side { task_set, group });
    Ok(())
}

fn shift(
    d: &mut Deployment,
    index: usize,
    since: Time,
    mut done: usize,
    unsteady: Option<Time>,
    moment: &Moment,
    aws: &mut dyn Neighbours,
) -> Result<bool, Ending> {
    let now = moment.now;
    let steady = green(d, aws).is_some_and(|green| green.steady);
    let unsteady = if steady { None } else { unsteady.or(Some(now)) };
    if unsteady.is_some_and(|since| now >= since + UNSTEADY_LIMIT) {
        return Err(Ending::unsteady());
    }
    let steps = d.config.shape.map(super::configs::Shape::steps).unwrap_or_default();
    let service = d.service();
    let green = d.green.as_ref().map(|green| green.task_set.clone()).unwrap_or_default();
    while let Some((after, percent)) = steps.get(done).filter(|(after, _)| now >= since + *after) {
        traffic::shift(d, *percent, now, aws)?;
        if !moment.truths.primary_at_end_of_shift && done == 0 {
            aws.set_primary(&service, &green);
        }
        tracing::debug!(deployment = d.id, ?after, percent, "traffic shifted");
        done += 1;
    }
    let work = if done == steps.len() {
        if moment.truths.primary_at_end_of_shift {
            aws.set_primary(&service, &green);
        }
        Work::Moment { until: now + Duration::from_millis(700) }
    } else {
        Work::Shift { since, done, unsteady }
    };
    let moved = matches!(work, Work::Moment { .. });
    d.phase = Phase::Event { index, work };
    Ok(moved)
}

fn green(d: &Deployment, aws: &dyn Neighbours) -> Option<crate::ecs::TaskSetView> {
    let green = d.green.as_ref()?;
    aws.task_sets(&d.service()).into_iter().find(|set| set.id == green.task_set)
}

/// Notices an alarm, and stops the deployment once it was noticed long enough ago.
fn watch_alarms(d: &mut Deployment, now: Time, aws: &dyn Neighbours) -> Result<(), Ending> {
    if let Some(tripped) = &d.tripped {
        return if now >= tripped.at { Err(Ending::alarm(tripped.message.clone())) } else { Ok(()) };
    }
    if !d.alarms.enabled || d.rolls_back.is_some() {
        return Ok(());
    }
    let state = |name: &String| aws.alarm_state(&d.place.account, name);
    let active: Vec<&String> =
        d.alarms.names.iter().filter(|name| state(name).as_deref() == Some("ALARM")).collect();
    let unknown = d.alarms.names.iter().find(|name| state(name).is_none());
    let message = match unknown {
        _ if !active.is_empty() => ending::activated(&active),
        Some(name) if !d.alarms.ignore_poll_failure => {
            format!("The state of the alarm <{name}> could not be retrieved from Amazon CloudWatch.")
        }
        _ => return Ok(()),
    };
    d.tripped = Some(Tripped { at: now + ALARM_DELAY, message });
    Ok(())
}

/// Somebody else's StopDeployment, for the world that has this fault: in the shift when that
/// lasts, else in the ready wait, else as soon as traffic moves.
fn outsider_stops(d: &mut Deployment, moment: &Moment, after: Duration, steps: usize) {
    let ours = d.rolls_back.is_none() && d.stranger.is_none();
    if !moment.faults.contains(&Fault::StoppedOutside) || !ours || d.stop.is_some() {
        return;
    }
    let lasting = d.config.shape.is_some_and(|shape| shape.steps().len() > 1);
    let after = match (lasting, steps) {
        (true, 1) => return,
        (false, 2) => Duration::ZERO,
        _ => after,
    };
    d.stop = Some(Stop { at: moment.now + after, rollback: Some(true), by: stranger::arn(&d.place.account) });
}

/// When the deployment wants to be looked at again.
fn due(d: &Deployment, now: Time) -> Option<Time> {
    let phase = match &d.phase {
        Phase::Created { until } => Some(if *until > now { *until } else { now + LOOK }),
        Phase::Event { work, .. } => match work {
            Work::Moment { until } => Some(*until),
            Work::Hook { answer, limit } => Some(answer.map_or(*limit, |(at, _)| at.min(*limit))),
            Work::Install { .. } => Some(now + LOOK),
            Work::Shift { since, done, unsteady } => {
                let steps = d.config.shape.map(super::configs::Shape::steps).unwrap_or_default();
                let step = steps.get(*done).map(|(after, _)| *since + *after);
                [step, unsteady.map(|since| since + UNSTEADY_LIMIT)].into_iter().flatten().min()
            }
        },
        Phase::Ready { until, .. } => Some(*until),
        Phase::Terminating { until } => *until,
        Phase::Ended => return None,
    };
    let tripped = d.tripped.as_ref().map(|tripped| tripped.at);
    let stop = d.stop.as_ref().map(|stop| stop.at);
    [phase, tripped, stop].into_iter().flatten().min()
}
