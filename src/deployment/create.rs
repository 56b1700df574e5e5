//! Starts the deployment, or finds that an earlier run of ours has started it already. A group
//! takes one deployment at a time: what is active there is waited for, or ends the run.

use super::{Context, find::Search, observe, way};
use crate::{
    ages::Ages,
    aws::NotTwice,
    cancel::grace,
    event::Event,
    outcome::{Stop, Word},
    request::Concurrency,
    say::{deployment as say, refusals},
};
use aws_sdk_codedeploy::types::{AlarmConfiguration, AppSpecContent, RevisionLocation, RevisionLocationType};
use std::time::Duration;

/// Between two looks at somebody else's deployment.
const LOOK: Duration = Duration::from_secs(5);
/// Answers to CreateDeployment that may pass before the run gives up.
const TRIES: usize = 5;
const CREATE: &str = "codedeploy:CreateDeployment";

pub struct Created {
    pub id: String,
    /// Started by an earlier run of the same commit, environment and configuration.
    pub attached: bool,
}

/// What CreateDeployment is asked for.
#[derive(Clone)]
pub struct Order<'a> {
    /// The AppSpec's text and its SHA-256.
    pub content: (String, String),
    /// The deployment config, where it isn't the group's own.
    pub config: Option<&'a str>,
    pub description: &'a str,
    pub concurrency: Concurrency,
    /// Without them nothing is too old to be created.
    pub ages: Option<&'a Ages<'a>>,
    pub alarms: Alarms,
}

/// Whether the group's alarms may stop the deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarms {
    Heed,
    /// A way back isn't stopped by what the bad release set off. Where the role may not leave
    /// them out, they are heeded, unless one is in ALARM: it would stop the deployment for sure.
    LeaveOut {
        in_alarm: bool,
    },
}

/// CreateDeployment has no idempotency token: after an answer that leaves open whether it was
/// carried out, the deployment is looked for by its description before it is asked for again.
/// `None`: the run was cancelled before it was known what came of it.
pub async fn create(context: &Context<'_>, order: &Order<'_>) -> anyhow::Result<Option<Created>> {
    let course = &context.course;
    let (content, sha256) = order.content.clone();
    let none = || AlarmConfiguration::builder().enabled(false).build();
    let mut alarms = order.alarms;
    let revision = RevisionLocation::builder()
        .revision_type(RevisionLocationType::AppSpecContent)
        .app_spec_content(AppSpecContent::builder().content(content).sha256(sha256).build())
        .build();
    let mut search = Search::new(order.description);
    let (mut tries, mut in_doubt) = (0, false);
    let cancel = context.cancel;
    loop {
        let asked = context
            .clients
            .codedeploy()
            .create_deployment()
            .application_name(&course.application)
            .deployment_group_name(&course.group)
            .set_deployment_config_name(order.config.map(str::to_owned))
            .description(order.description)
            .revision(revision.clone())
            .set_override_alarm_configuration((alarms != Alarms::Heed).then(none))
            .customize()
            .config_override(aws_sdk_codedeploy::Config::builder().retry_classifier(NotTwice))
            .send();
        let Some(answer) = cancel.within(grace::ANSWER, asked).await else {
            let found = cancel.within(grace::LOOK, search.look(context, Vec::new())).await;
            let found = found.and_then(Result::ok).flatten();
            return Ok(found.map(|id| Created { id, attached: false }));
        };
        let failure = match answer.map_err(context.clients.failed(CREATE)) {
            Ok(answer) => match answer.deployment_id.filter(|id| !id.is_empty()) {
                Some(id) => return Ok(Some(Created { id, attached: false })),
                None => context.clients.unreadable(CREATE, "it names no deployment"),
            },
            Err(failure) => failure,
        };
        if let Alarms::LeaveOut { in_alarm } = alarms
            && failure.is_denied()
            && failure.message.contains("UpdateDeploymentGroup")
        {
            if in_alarm {
                return Err(Stop::refused(vec![say::alarms_in_the_way(&course.group, &failure)]).into());
            }
            context.report.tell(Event::Warning { text: say::alarms_heeded(&course.group) });
            alarms = Alarms::Heed;
            continue;
        }
        in_doubt |= failure.may_be_done();
        let active = failure.is("DeploymentLimitExceeded").then(|| id_in(&failure.message));
        if in_doubt {
            if failure.may_be_done() {
                context.report.tell(Event::Note { text: say::looking(&failure) });
            }
            let named = active.iter().flatten().cloned().collect();
            let Some(looked) = cancel.within(grace::LOOK, search.look(context, named)).await else {
                return Ok(None);
            };
            match looked {
                Ok(Some(id)) => return Ok(Some(Created { id, attached: false })),
                Ok(None) => {}
                Err(unread) => {
                    let finding = say::perhaps_created(&course.group, &failure, &unread);
                    return Err(Stop { word: Word::NeedsAttention, findings: vec![finding] }.into());
                }
            }
        }
        match active {
            Some(active) if order.concurrency == Concurrency::Fail => {
                return Err(Stop::refused(vec![say::slot_taken(&course.group, active.as_deref())]).into());
            }
            Some(Some(active)) => {
                cancel.unless(way::clear(context, order.concurrency, order.ages, &active)).await??;
            }
            Some(None) => cancel.unless(context.pace.sleep(LOOK)).await?,
            None if failure.may_pass() && tries < TRIES => {
                tries += 1;
                if !failure.may_be_done() {
                    context.report.tell(Event::Note { text: say::still_asking(&failure) });
                }
                cancel.unless(context.pace.sleep(LOOK)).await?;
            }
            None => return Err(Stop::refused(vec![say::not_created(&failure)]).into()),
        }
    }
}

/// Waits until a deployment that isn't ours, and the one that rolls it back, have ended.
pub async fn wait_for_slot(context: &Context<'_>, active: &str) -> anyhow::Result<()> {
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
