//! What can be told a deployment that runs: to go on from Ready, and to stop and go back.

use super::Context;
use crate::aws::Failure;
use aws_sdk_codedeploy::types::DeploymentWaitType;

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

    pub(super) async fn ask_to_stop(&self, id: &str) -> Result<(), Failure> {
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
}
