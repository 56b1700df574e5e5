//! Looks for a deployment that may have been created: by its description, which no other has. One
//! that has ended already counts as well: it was created, and must not be created twice.

use super::{Context, follow::AGAIN};
use crate::aws::Failure;
use aws_sdk_codedeploy::{primitives::DateTime, types::TimeRange};
use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

/// Between looks, and how many: a list may lag behind what was created.
const LOOKS: usize = 3;
/// Looks that fail in a row before it stays unknown.
const UNREAD: usize = 8;
/// How far back deployments are listed. It only shortens the list, so that no clock has to be right.
const BACK: Duration = Duration::from_secs(3600);

pub(super) struct Search<'a> {
    description: &'a str,
    /// Somebody else's.
    others: BTreeSet<String>,
}

impl<'a> Search<'a> {
    pub(super) fn new(description: &'a str) -> Search<'a> {
        Search { description, others: BTreeSet::new() }
    }

    /// `named` are ids that AWS gave, listed or not. An error leaves it open.
    pub(super) async fn look(
        &mut self,
        context: &Context<'_>,
        named: Vec<String>,
    ) -> Result<Option<String>, Failure> {
        let (mut looks, mut unread) = (0, 0);
        loop {
            match self.look_once(context, &named).await {
                Ok(Some(id)) => return Ok(Some(id)),
                Ok(None) => {
                    looks += 1;
                    if looks == LOOKS {
                        return Ok(None);
                    }
                }
                Err(failure) if failure.may_pass() && unread < UNREAD => unread += 1,
                Err(failure) => return Err(failure),
            }
            context.pace.sleep(AGAIN).await;
        }
    }

    async fn look_once(
        &mut self,
        context: &Context<'_>,
        named: &[String],
    ) -> Result<Option<String>, Failure> {
        let mut ids = named.to_vec();
        ids.extend(self.listed(context).await?);
        for id in ids {
            if self.others.contains(&id) {
                continue;
            }
            let answer = context.clients.codedeploy().get_deployment().deployment_id(&id).send().await;
            let answer = answer.map_err(context.clients.failed("codedeploy:GetDeployment"))?;
            let description = answer.deployment_info.and_then(|info| info.description);
            if description.as_deref() == Some(self.description) {
                return Ok(Some(id));
            }
            self.others.insert(id);
        }
        Ok(None)
    }

    async fn listed(&self, context: &Context<'_>) -> Result<Vec<String>, Failure> {
        let since = SystemTime::now().checked_sub(BACK).map(DateTime::from);
        let mut ids = Vec::new();
        let mut next = None;
        loop {
            let answer = context
                .clients
                .codedeploy()
                .list_deployments()
                .application_name(&context.course.application)
                .deployment_group_name(&context.course.group)
                .create_time_range(TimeRange::builder().set_start(since).build())
                .set_next_token(next)
                .send()
                .await
                .map_err(context.clients.failed("codedeploy:ListDeployments"))?;
            ids.extend(answer.deployments.unwrap_or_default());
            next = answer.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(ids);
            }
        }
    }
}
