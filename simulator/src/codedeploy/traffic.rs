//! What a deployment does to the two listeners, and how it reads them back.

use super::{
    ending::Ending,
    model::{Deployment, Side, TargetGroup, TaskSetInfo},
    neighbours::Neighbours,
};
use crate::Time;

/// The pair of target groups.
pub(super) fn pair(d: &Deployment, aws: &dyn Neighbours) -> Vec<TargetGroup> {
    let resolve = |name: &String| {
        let arn = aws.target_group_arn(&d.place.account, name)?;
        Some(TargetGroup { name: name.clone(), arn })
    };
    d.group.target_groups.iter().filter_map(resolve).collect()
}

/// Gives green so many per cent of the production traffic.
pub(super) fn shift(
    d: &mut Deployment,
    percent: u32,
    now: Time,
    aws: &mut dyn Neighbours,
) -> Result<(), Ending> {
    let (Some(blue), Some(green)) = (&d.blue, &d.green) else { return Err(Ending::not_behind_listener()) };
    set_production(&d.group.production_listener, &blue.group, &green.group, percent, aws)?;
    d.weights.push((now, percent));
    Ok(())
}

/// Gives all of the production traffic to blue before there is a green, and puts the idle group
/// behind the listener, so that its targets are checked.
pub(super) fn all_to_blue(
    d: &Deployment,
    blue: &TargetGroup,
    idle: &TargetGroup,
    aws: &mut dyn Neighbours,
) -> Result<(), Ending> {
    set_production(&d.group.production_listener, blue, idle, 0, aws)
}

fn set_production(
    listener: &str,
    blue: &TargetGroup,
    green: &TargetGroup,
    percent: u32,
    aws: &mut dyn Neighbours,
) -> Result<(), Ending> {
    if !aws.weights(listener).iter().any(|(arn, _)| *arn == blue.arn) {
        return Err(Ending::not_behind_listener());
    }
    let weights = [(blue.arn.clone(), 100 - percent), (green.arn.clone(), percent)];
    aws.set_weights(listener, &weights).map_err(|e| Ending::listener(&e.message))
}

/// Sends the test listener to green.
pub(super) fn allow_test(d: &mut Deployment, aws: &mut dyn Neighbours) -> Result<(), Ending> {
    let (Some(blue), Some(green), Some(listener)) = (&d.blue, &d.green, &d.group.test_listener) else {
        return Ok(());
    };
    let before = aws.weights(listener);
    if !before.iter().any(|(arn, _)| [&blue.group.arn, &green.group.arn].contains(&arn)) {
        return Err(Ending::not_behind_listener());
    }
    let weights = [(blue.group.arn.clone(), 0), (green.group.arn.clone(), 100)];
    aws.set_weights(listener, &weights).map_err(|e| Ending::listener(&e.message))?;
    d.test_before = Some(before);
    Ok(())
}

/// Sends the test listener to where it pointed before.
pub(super) fn restore_test(d: &mut Deployment, aws: &mut dyn Neighbours) -> Result<(), Ending> {
    if let (Some(listener), Some(before)) = (&d.group.test_listener, &d.test_before) {
        aws.set_weights(listener, before).map_err(|e| Ending::listener(&e.message))?;
    }
    Ok(())
}

/// Gives production back to blue.
pub(super) fn restore(d: &mut Deployment, now: Time, aws: &mut dyn Neighbours) -> Result<(), Ending> {
    if d.green.is_some() {
        shift(d, 0, now, aws)?;
    }
    let service = d.service();
    if let Some(blue) = &d.blue {
        let primary = aws.task_sets(&service).into_iter().find(|set| set.status == "PRIMARY");
        if primary.is_none_or(|primary| primary.id != blue.task_set) {
            aws.set_primary(&service, &blue.task_set);
        }
    }
    Ok(())
}

/// How many per cent of the production traffic go to green.
pub(super) fn green_percent(d: &Deployment, aws: &dyn Neighbours) -> u32 {
    let share = d.green.as_ref().map(|green| share(d, &green.group.arn, aws));
    share.unwrap_or_default().round() as u32
}

/// The target's task sets: blue, and green once there is one.
pub(super) fn task_sets(d: &Deployment, aws: &dyn Neighbours) -> Vec<TaskSetInfo> {
    let views = aws.task_sets(&d.service());
    let info = |side: &Side, label| {
        let view = views.iter().find(|view| view.id == side.task_set)?;
        Some(TaskSetInfo {
            id: view.id.clone(),
            label,
            status: view.status.clone(),
            desired: view.desired,
            running: view.running,
            pending: view.pending,
            weight: share(d, &side.group.arn, aws),
            group: side.group.name.clone(),
        })
    };
    let blue = d.blue.as_ref().and_then(|side| info(side, "Blue"));
    let green = d.green.as_ref().and_then(|side| info(side, "Green"));
    blue.into_iter().chain(green).collect()
}

/// A target group's share of the production traffic, in per cent.
fn share(d: &Deployment, group: &str, aws: &dyn Neighbours) -> f64 {
    let weights = aws.weights(&d.group.production_listener);
    let total: u32 = weights.iter().map(|(_, weight)| weight).sum();
    let own: u32 = weights.iter().filter(|(arn, _)| arn == group).map(|(_, weight)| weight).sum();
    if total == 0 { 0.0 } else { f64::from(own) * 100.0 / f64::from(total) }
}
