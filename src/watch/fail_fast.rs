//! Green that can't start: so many tasks stopped for one reason and none healthy. CodeDeploy
//! would wait an hour for it.

use crate::{
    aws::{Clients, Failure},
    event::Event,
    report::Reporter,
    say::watch as say,
    task::{Group, Stopped, groups},
};
use std::time::Duration;

/// Between two looks at the stopped tasks.
const LOOK: Duration = Duration::from_secs(15);

#[derive(Debug, Default)]
pub struct FailFast {
    /// 0 is off.
    limit: usize,
    stopped: Stopped,
    next: Duration,
    blind: bool,
    failures: bool,
}

/// Green as it was seen last.
#[derive(Clone, Copy, Debug)]
pub struct Green<'a> {
    pub cluster: &'a str,
    pub service: &'a str,
    /// The deployment that makes it.
    pub deployment: &'a str,
    pub task_set: &'a str,
    pub revision: &'a str,
    pub running: i32,
}

impl FailFast {
    pub fn new(limit: u32) -> FailFast {
        FailFast { limit: limit as usize, ..FailFast::default() }
    }

    /// Tasks that run now may be the next to stop.
    pub fn has_seen_failures(&self) -> bool {
        self.failures
    }

    /// Answers what green's tasks stop for, when it is time to give up.
    pub async fn look(
        &mut self,
        clients: &Clients,
        report: &Reporter,
        green: Green<'_>,
        now: Duration,
    ) -> Option<Group> {
        if self.limit == 0 || self.blind || now < self.next {
            return None;
        }
        self.next = now + LOOK;
        match self.hopeless(clients, green).await {
            Ok(group) => group,
            Err(failure) if failure.may_pass() => None,
            Err(failure) => {
                self.blind = true;
                report.tell(Event::Note { text: say::start_unseen(&failure) });
                None
            }
        }
    }

    async fn hopeless(&mut self, clients: &Clients, green: Green<'_>) -> Result<Option<Group>, Failure> {
        self.stopped.read(clients, green.cluster, green.service).await?;
        let tasks = self.stopped.of(Some(green.task_set), green.revision);
        let groups = groups(&tasks);
        self.failures = !groups.is_empty();
        let Some(group) = groups.into_iter().find(|group| group.count >= self.limit) else {
            return Ok(None);
        };
        // A task that runs may be on its way up: its target says whether it has arrived.
        let none_healthy = green.running == 0 || !any_healthy(clients, green).await?;
        Ok(none_healthy.then_some(group))
    }
}

async fn any_healthy(clients: &Clients, green: Green<'_>) -> Result<bool, Failure> {
    use aws_sdk_elasticloadbalancingv2::types::TargetHealthStateEnum as State;
    let answer =
        clients.ecs().describe_services().cluster(green.cluster).services(green.service).send().await;
    let answer = answer.map_err(clients.failed("ecs:DescribeServices"))?;
    let sets = answer.services().iter().flat_map(|service| service.task_sets());
    let balancers =
        sets.filter(|set| set.external_id() == Some(green.deployment)).flat_map(|set| set.load_balancers());
    for group in balancers.filter_map(|balancer| balancer.target_group_arn()) {
        let answer = clients.elbv2().describe_target_health().target_group_arn(group).send().await;
        let answer = answer.map_err(clients.failed("elasticloadbalancing:DescribeTargetHealth"))?;
        let states = answer.target_health_descriptions().iter().filter_map(|d| d.target_health()?.state());
        if states.into_iter().any(|state| *state == State::Healthy) {
            return Ok(true);
        }
    }
    Ok(false)
}
