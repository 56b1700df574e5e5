//! One look at a deployment: its status, its lifecycle events, both task sets with their share
//! of production traffic.

use crate::{
    aws::{Clients, Failure},
    event::TaskCount,
};
use aws_sdk_codedeploy::types::{DeploymentStatus, DeploymentTarget, EcsTarget, TargetLabel, TargetStatus};

/// What a deployment is doing. Each phase has its own rhythm of looking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Starting,
    Installing,
    /// Test traffic goes to green; hooks around it.
    Testing,
    /// Waits for ContinueDeployment.
    Ready,
    Shifting,
    /// Green has all production traffic; hooks after it.
    Shifted,
    TerminationWait,
    Ended(End),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Succeeded,
    Failed,
    Stopped,
}

#[derive(Clone, Debug)]
pub struct Observation {
    pub status: String,
    pub phase: Phase,
    /// Lifecycle events in their order: (name, status), the API's words.
    pub events: Vec<(String, String)>,
    pub blue: Option<Side>,
    pub green: Option<Side>,
    /// The id of the deployment that rolls this one back.
    pub rollback: Option<String>,
    pub error: Option<Cause>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    pub task_set: String,
    pub weight: f64,
    pub tasks: TaskCount,
}

/// CodeDeploy's own words on why it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    pub code: String,
    pub message: String,
}

/// How much is looked at: the termination wait needs no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    Status,
    Targets,
}

pub async fn observe(
    clients: &Clients,
    id: &str,
    target_id: &str,
    depth: Depth,
) -> Result<Observation, Failure> {
    let answer = clients
        .codedeploy()
        .get_deployment()
        .deployment_id(id)
        .send()
        .await
        .map_err(clients.failed("codedeploy:GetDeployment"))?;
    let info = answer
        .deployment_info
        .ok_or_else(|| clients.unreadable("codedeploy:GetDeployment", "it says nothing of the deployment"))?;
    let status = info.status.clone().unwrap_or(DeploymentStatus::Created);
    let ended = end_of(&status);

    let target = match depth {
        Depth::Targets => target(clients, id, target_id).await?,
        Depth::Status => None,
    };
    let events: Vec<(String, String)> = target.iter().flat_map(|t| t.lifecycle_events()).map(event).collect();
    let succeeded = target.as_ref().and_then(EcsTarget::status) == Some(&TargetStatus::Succeeded);
    let phase = match (ended, &status) {
        (Some(end), _) => Phase::Ended(end),
        (None, DeploymentStatus::Ready) => Phase::Ready,
        (None, DeploymentStatus::Created | DeploymentStatus::Queued) => Phase::Starting,
        // Without its target a running deployment is only looked at in its termination wait.
        (None, _) if depth == Depth::Status || succeeded => Phase::TerminationWait,
        (None, _) => phase_of(&events),
    };
    let sides = target.as_ref().map(EcsTarget::task_sets_info).unwrap_or_default();
    let side = |label: TargetLabel| {
        sides.iter().find(|s| s.task_set_label.as_ref() == Some(&label)).map(|s| Side {
            task_set: s.identifer().unwrap_or_default().to_owned(),
            weight: s.traffic_weight,
            tasks: TaskCount {
                running: count(s.running_count),
                desired: count(s.desired_count),
                pending: count(s.pending_count),
            },
        })
    };
    Ok(Observation {
        phase,
        blue: side(TargetLabel::Blue),
        green: side(TargetLabel::Green),
        events,
        rollback: info.rollback_info.and_then(|r| r.rollback_deployment_id).filter(|r| !r.is_empty()),
        error: info.error_information.map(|e| Cause {
            code: e.code.map(|c| c.as_str().to_owned()).unwrap_or_default(),
            message: e.message.unwrap_or_default(),
        }),
        status: status.as_str().to_owned(),
    })
}

/// The service is the deployment's one target. Right after its creation there is none yet.
async fn target(clients: &Clients, id: &str, target_id: &str) -> Result<Option<EcsTarget>, Failure> {
    let answer = clients
        .codedeploy()
        .batch_get_deployment_targets()
        .deployment_id(id)
        .target_ids(target_id)
        .send()
        .await;
    match answer.map_err(clients.failed("codedeploy:BatchGetDeploymentTargets")) {
        Ok(answer) => Ok(answer.deployment_targets.unwrap_or_default().into_iter().find_map(ecs_target)),
        Err(failure) if failure.is("DeploymentNotStarted") => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn ecs_target(target: DeploymentTarget) -> Option<EcsTarget> {
    target.ecs_target
}

fn event(event: &aws_sdk_codedeploy::types::LifecycleEvent) -> (String, String) {
    let status = event.status.as_ref().map_or("Pending", |s| s.as_str());
    (event.lifecycle_event_name.clone().unwrap_or_default(), status.to_owned())
}

fn count(n: i64) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn end_of(status: &DeploymentStatus) -> Option<End> {
    match status {
        DeploymentStatus::Succeeded => Some(End::Succeeded),
        DeploymentStatus::Failed => Some(End::Failed),
        DeploymentStatus::Stopped => Some(End::Stopped),
        _ => None,
    }
}

/// The phase of a running deployment, by the first event that isn't done.
fn phase_of(events: &[(String, String)]) -> Phase {
    let current = events.iter().find(|(_, status)| status != "Succeeded").map(|(name, _)| name.as_str());
    match current {
        None if events.is_empty() => Phase::Starting,
        None => Phase::TerminationWait,
        Some("BeforeInstall" | "Install") => Phase::Installing,
        Some("AllowTraffic") => Phase::Shifting,
        Some("AfterAllowTraffic") => Phase::Shifted,
        Some(_) => Phase::Testing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(done: usize) -> Vec<(String, String)> {
        ["BeforeInstall", "Install", "AfterInstall", "AllowTestTraffic", "AllowTraffic", "AfterAllowTraffic"]
            .iter()
            .enumerate()
            .map(|(i, name)| ((*name).to_owned(), if i < done { "Succeeded" } else { "Pending" }.to_owned()))
            .collect()
    }

    #[test]
    fn the_first_event_that_is_not_done_tells_the_phase() {
        let phases: Vec<Phase> = (0..=6).map(|done| phase_of(&events(done))).collect();
        assert_eq!(
            phases,
            [
                Phase::Installing,
                Phase::Installing,
                Phase::Testing,
                Phase::Testing,
                Phase::Shifting,
                Phase::Shifted,
                Phase::TerminationWait
            ]
        );
        assert_eq!(phase_of(&[]), Phase::Starting);
    }
}
