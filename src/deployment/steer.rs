//! What can be told a deployment that runs: to go on from Ready, and to stop and go back.

use super::Context;
use super::observe::{Depth, End, Phase};
use crate::{aws::Failure, outcome::Stop, say::refusals};
use aws_sdk_codedeploy::types::DeploymentWaitType;
use std::time::Duration;

/// Between two looks at a deployment that is to end at once.
const LOOK: Duration = Duration::from_secs(1);

impl Context<'_> {
    pub(super) async fn ask_to_continue(&self, id: &str) -> Result<(), Failure> {
        self.clients
            .codedeploy()
            .continue_deployment()
            .deployment_id(id)
            .deployment_wait_type(DeploymentWaitType::ReadyWait)
            .send()
            .await
            .map_err(self.clients.failed("codedeploy:ContinueDeployment"))?;
        Ok(())
    }

    pub async fn ask_to_stop(&self, id: &str) -> Result<(), Failure> {
        self.clients
            .codedeploy()
            .stop_deployment()
            .deployment_id(id)
            .auto_rollback_enabled(true)
            .send()
            .await
            .map_err(self.clients.failed("codedeploy:StopDeployment"))?;
        Ok(())
    }

    /// Ends a termination wait that nobody may stop any more, and waits for the deployment's end: it
    /// holds the group's only place.
    pub async fn finish(&self, id: &str) -> Result<(), Stop> {
        let refused = |failure: Failure| Stop::refused(vec![refusals::failure(&failure)]);
        let mut asked = false;
        loop {
            match self.observe(id, Depth::Status).await {
                Ok(seen) if matches!(seen.phase, Phase::Ended(_)) => return Ok(()),
                Ok(_) if !asked => match self.ask_to_finish(id).await {
                    Ok(()) => asked = true,
                    Err(failure) if failure.may_pass() || failure.is("DeploymentAlreadyCompleted") => {}
                    Err(failure) => return Err(refused(failure)),
                },
                Ok(_) => {}
                Err(failure) if failure.may_pass() && !self.time_is_up() => {}
                Err(failure) => return Err(refused(failure)),
            }
            self.pace.sleep(LOOK).await;
        }
    }

    /// Whether it has ended without success.
    pub async fn was_stopped(&self, id: &str) -> bool {
        let seen = self.observe(id, Depth::Status).await;
        seen.is_ok_and(|seen| matches!(seen.phase, Phase::Ended(End::Stopped | End::Failed)))
    }

    async fn ask_to_finish(&self, id: &str) -> Result<(), Failure> {
        let call = self.clients.codedeploy().continue_deployment().deployment_id(id);
        let answer = call.deployment_wait_type(DeploymentWaitType::TerminationWait).send().await;
        answer.map(|_| ()).map_err(self.clients.failed("codedeploy:ContinueDeployment"))
    }
}
