//! Starts the deployment, or finds that an earlier run of ours has started it already. A group
//! takes one deployment at a time: what is active there is waited for, or ends the run.

use super::{Context, observe};
use crate::{
    event::Event,
    outcome::{Stop, Word},
    plan::Plan,
    request::Concurrency,
    say::{deployment as say, refusals},
};
use anyhow::Result;
use aws_sdk_codedeploy::types::{AppSpecContent, RevisionLocation, RevisionLocationType};
use std::time::Duration;

/// Between two looks at somebody else's deployment.
const LOOK: Duration = Duration::from_secs(5);
/// Ambiguous answers to CreateDeployment before the run gives up.
const ATTEMPTS: usize = 5;

pub struct Created {
    pub id: String,
    /// Started by an earlier run of the same commit, environment and configuration.
    pub attached: bool,
}

/// CreateDeployment has no idempotency token: after an answer that leaves open whether it was
/// carried out, the deployment is looked for by its description before it is asked for again.
pub async fn create(context: &Context<'_>, plan: &Plan, task_definition: &str) -> Result<Created> {
    let step = &plan.deployment;
    if let Some(id) = &step.attach {
        return Ok(Created { id: id.clone(), attached: true });
    }
    let (content, sha256) = step.appspec.content(task_definition);
    let revision = RevisionLocation::builder()
        .revision_type(RevisionLocationType::AppSpecContent)
        .app_spec_content(AppSpecContent::builder().content(content).sha256(sha256).build())
        .build();
    let mut passing = 0;
    loop {
        let answer = context
            .clients
            .codedeploy()
            .create_deployment()
            .application_name(&step.application)
            .deployment_group_name(&step.group)
            .set_deployment_config_name(step.config_given.then(|| step.config.clone()))
            .description(&step.description)
            .revision(revision.clone())
            .send()
            .await;
        let failure = match answer.map_err(context.clients.failed("codedeploy:CreateDeployment")) {
            Ok(answer) => {
                let id =
                    answer.deployment_id.ok_or_else(|| anyhow::anyhow!("CreateDeployment answered no id"))?;
                return Ok(Created { id, attached: false });
            }
            Err(failure) => failure,
        };
        if let Some(id) = ours(context, &step.description).await {
            return Ok(Created { id, attached: false });
        }
        if failure.is("DeploymentLimitExceeded") {
            let active = id_in(&failure.message);
            if step.concurrency == Concurrency::Fail {
                return Err(Stop::refused(vec![say::slot_taken(&step.group, active.as_deref())]).into());
            }
            match active {
                Some(active) => wait_for_slot(context, &active).await?,
                None => context.pace.sleep(LOOK).await,
            }
        } else if failure.may_pass() && passing < ATTEMPTS {
            passing += 1;
            context.report.tell(Event::Note { text: say::still_asking(&failure) });
            context.pace.sleep(LOOK).await;
        } else {
            return Err(Stop::refused(vec![say::not_created(&failure)]).into());
        }
    }
}

/// The active deployment of the group that carries this run's own description.
async fn ours(context: &Context<'_>, description: &str) -> Option<String> {
    use aws_sdk_codedeploy::types::DeploymentStatus as Status;
    let listed = context
        .clients
        .codedeploy()
        .list_deployments()
        .application_name(&context.course.application)
        .deployment_group_name(&context.course.group)
        .set_include_only_statuses(Some(vec![
            Status::Created,
            Status::Queued,
            Status::InProgress,
            Status::Baking,
            Status::Ready,
        ]))
        .send()
        .await
        .ok()?;
    for id in listed.deployments.unwrap_or_default() {
        let answer = context.clients.codedeploy().get_deployment().deployment_id(&id).send().await.ok()?;
        if answer.deployment_info.and_then(|i| i.description).as_deref() == Some(description) {
            return Some(id);
        }
    }
    None
}

/// Waits until a deployment that isn't ours, and the one that rolls it back, have ended.
pub async fn wait_for_slot(context: &Context<'_>, active: &str) -> Result<()> {
    let mut id = active.to_owned();
    context.report.tell(Event::Waiting { what: say::waits_behind(&id), remaining: None });
    loop {
        if context.time_is_up() {
            let finding = say::slot_taken(&context.course.group, Some(&id));
            return Err(Stop { word: Word::Refused, findings: vec![finding] }.into());
        }
        match context.observe(&id, observe::Depth::Status).await {
            Ok(seen) => match (seen.phase, seen.rollback) {
                (observe::Phase::Ended(_), Some(rollback)) => {
                    context
                        .report
                        .tell(Event::Waiting { what: say::waits_behind(&rollback), remaining: None });
                    id = rollback;
                    continue;
                }
                (observe::Phase::Ended(_), None) => return Ok(()),
                _ => {}
            },
            Err(failure) if failure.may_pass() => {}
            Err(failure) => return Err(Stop::refused(vec![refusals::failure(&failure)]).into()),
        }
        context.pace.sleep(LOOK).await;
    }
}

/// The deployment id that AWS names in a message.
fn id_in(message: &str) -> Option<String> {
    message
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .find(|word| word.strip_prefix("d-").is_some_and(|id| id.len() >= 9))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::id_in;

    #[test]
    fn the_active_deployment_is_read_from_the_message() {
        let new = "The Deployment Group 'web' already has an active Deployment 'd-A7YW3F91L'";
        let old = "web is already deploying 'd-ABCDEFGHI'.";
        assert_eq!(id_in(new).as_deref(), Some("d-A7YW3F91L"));
        assert_eq!(id_in(old).as_deref(), Some("d-ABCDEFGHI"));
        assert_eq!(id_in("Rate exceeded for d-day"), None);
    }
}
