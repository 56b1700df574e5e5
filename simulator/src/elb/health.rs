//! The health of targets: when they are checked, what a check's result means, and how long
//! a target that was taken out is waited for.

use super::{Registered, TargetGroup};
use crate::{Time, state::State as World};
use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

/// How long a registration takes before the first check.
pub(super) const REGISTRATION: Duration = Duration::from_secs(1);

/// However fast the world runs, requests under way have so long until a drain is cut short.
const LEAST_DRAIN: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Initial,
    Healthy,
    Unhealthy(Failure),
    Draining { until: Time },
}

/// Why a check failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Status(u16),
    Timeout,
    NoAnswer,
}

/// What a check found.
pub(super) type Found = Result<u16, Failure>;

/// A check to be made, beside the world's lock.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) group: Arc<str>,
    pub(super) serial: u64,
    pub(super) address: SocketAddr,
    pub(super) path: String,
    /// In real time.
    pub(super) timeout: Duration,
}

/// A target's health as the API describes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) state: &'static str,
    pub(super) reason: Option<&'static str>,
    pub(super) description: Option<String>,
}

impl Health {
    /// `age` is how long ago the target was registered.
    pub(super) fn report(&self, used: bool, age: Duration) -> Report {
        let report = |state, reason, description: &str| Report {
            state,
            reason: Some(reason),
            description: Some(description.to_owned()),
        };
        match self {
            Health::Draining { .. } => {
                report("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
            }
            _ if !used => report(
                "unused",
                "Target.NotInUse",
                "Target group is not configured to receive traffic from the load balancer",
            ),
            Health::Healthy => Report { state: "healthy", reason: None, description: None },
            Health::Initial if age < REGISTRATION => {
                report("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
            }
            Health::Initial => {
                report("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
            }
            Health::Unhealthy(Failure::Status(status)) => report(
                "unhealthy",
                "Target.ResponseCodeMismatch",
                &format!("Health checks failed with these codes: [{status}]"),
            ),
            Health::Unhealthy(Failure::Timeout) => report("unhealthy", "Target.Timeout", "Request timed out"),
            Health::Unhealthy(Failure::NoAnswer) => {
                report("unhealthy", "Target.FailedHealthChecks", "Health checks failed")
            }
        }
    }
}

/// One moment of the health checks and drains.
pub(crate) fn advance(world: &mut World) -> Option<Time> {
    let now = world.now;
    let elb = &mut world.elb;
    let used = elb.in_use();
    let mut next: Option<Time> = None;
    let mut wait_until = |at: Time| next = Some(next.map_or(at, |n| n.min(at)));
    for (arn, group) in &mut elb.groups {
        let before = group.targets.len();
        group.targets.retain(|t| !matches!(t.health, Health::Draining { until } if until <= now));
        if group.targets.len() < before {
            // Others wait for a drain's end, and were asked before us.
            wait_until(now);
        }
        let used = used.contains(arn);
        let interval = Duration::from_secs(group.settings.interval_seconds.max(1));
        // An answer takes as long as it takes, however fast the world's waits run.
        let timeout = Duration::from_secs(group.settings.timeout_seconds);
        for target in &mut group.targets {
            if let Health::Draining { until } = target.health {
                wait_until(until);
                continue;
            }
            if !used {
                continue;
            }
            if target.next_check <= now && !target.checking {
                target.checking = true;
                target.next_check = now + interval;
                let probe = Probe {
                    group: arn.clone(),
                    serial: target.serial,
                    address: target.target.address,
                    path: group.settings.health_check_path.clone(),
                    timeout,
                };
                // It is taken until the world shuts down, and then nobody waits for it.
                let _ = elb.probes.send(probe);
            }
            // A check that takes longer than the interval tells when it is over.
            if target.next_check > now {
                wait_until(target.next_check);
            }
        }
    }
    next
}

/// Takes in what a check found. True when somebody should look: the health changed, or the
/// next check is due.
pub(super) fn checked(world: &mut World, group: &str, serial: u64, found: Found) -> bool {
    let now = world.now;
    let speed = world.elb.speed;
    let Some(TargetGroup { settings, targets, .. }) = world.elb.groups.get_mut(group) else { return false };
    let Some(target) = targets.iter_mut().find(|t| t.serial == serial) else { return false };
    target.checking = false;
    let result = match found {
        Ok(status) if matches(&settings.matcher, status) => Ok(()),
        Ok(status) => Err(Failure::Status(status)),
        Err(failure) => Err(failure),
    };
    target.streak = if target.last_passed == result.is_ok() { target.streak.saturating_add(1) } else { 1 };
    target.last_passed = result.is_ok();

    let health = match (&target.health, result) {
        (Health::Initial, Ok(())) => Health::Healthy,
        (Health::Unhealthy(_), Ok(())) if target.streak >= settings.healthy_threshold => Health::Healthy,
        (Health::Initial, Err(failure)) if target.streak >= settings.unhealthy_threshold => {
            // A container boots in real time, so one that doesn't answer at all yet has as long
            // on the wall as it would have in AWS.
            let boot = Duration::from_secs(settings.interval_seconds) * settings.unhealthy_threshold;
            let answered = matches!(failure, Failure::Status(_));
            match answered || now.since(target.since).div_f64(speed) >= boot {
                true => Health::Unhealthy(failure),
                false => Health::Initial,
            }
        }
        (Health::Healthy, Err(failure)) if target.streak >= settings.unhealthy_threshold => {
            Health::Unhealthy(failure)
        }
        (Health::Unhealthy(_), Err(failure)) => Health::Unhealthy(failure),
        (same, _) => same.clone(),
    };
    let changed = health != target.health;
    target.health = health;
    changed || target.next_check <= now
}

/// When a drain that begins now is cut short.
pub(super) fn drained_at(world: &World, group: &str) -> Time {
    let delay = world.elb.groups.get(group).map_or(0, |g| g.settings.deregistration_delay_seconds);
    world.now + Duration::from_secs(delay).max(LEAST_DRAIN.mul_f64(world.elb.speed))
}

/// Begins anew with the targets of groups that weren't in use before.
pub(super) fn start_checking(world: &mut World, before: &BTreeSet<Arc<str>>) {
    let now = world.now;
    for arn in world.elb.in_use().difference(before) {
        let targets = world.elb.groups.get_mut(arn).map(|g| g.targets.as_mut_slice());
        targets
            .unwrap_or_default()
            .iter_mut()
            .filter(|t| !t.draining())
            .for_each(|t| Registered::start(t, now));
    }
}

/// Whether a status is among those that a matcher names: `200`, `200,202`, `200-299`.
fn matches(matcher: &str, status: u16) -> bool {
    matcher.split(',').any(|part| match part.trim().split_once('-') {
        Some((low, high)) => {
            let bounds = (low.trim().parse::<u16>(), high.trim().parse::<u16>());
            matches!(bounds, (Ok(low), Ok(high)) if (low..=high).contains(&status))
        }
        None => part.trim().parse() == Ok(status),
    })
}
