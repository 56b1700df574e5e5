//! The end by a signal: what a cancelled run does to its deployment, within the time that the
//! runner gives it.

use super::{Conduct, follow::Follow};
use crate::{
    outcome::{Outcome, Word},
    say::deployment as say,
};
use std::time::Duration;

/// One attempt of asking CodeDeploy to stop, on the wall: the runner gives seven seconds in all.
const STOP_ATTEMPT: Duration = Duration::from_secs(2);

impl Follow<'_> {
    /// Before the success point a cancelled run takes production back; CodeDeploy carries the
    /// rollback on when we are gone.
    pub(super) async fn cancelled(&self) -> Outcome {
        if !matches!(self.conduct, Conduct::Deploy { .. } | Conduct::Approve { .. }) {
            return self.detached().await;
        }
        let mut asked = Err(say::NO_ANSWER.to_owned());
        for _ in 0..2 {
            asked = match tokio::time::timeout(STOP_ATTEMPT, self.context.ask_to_stop(&self.id)).await {
                Ok(answer) => answer.map_err(|failure| failure.to_string()),
                Err(_) => Err(say::NO_ANSWER.to_owned()),
            };
            if asked.is_ok() {
                break;
            }
        }
        let (happened, next) = match &asked {
            Ok(()) => (say::cancelled(&self.id), None),
            Err(why) => (say::cancel_failed(&self.id, why), Some(say::look_at_console(&self.id))),
        };
        let production = tokio::time::timeout(STOP_ATTEMPT, self.production_now()).await;
        let production = production.unwrap_or_else(|_| say::PRODUCTION_UNREAD.to_owned());
        let mut outcome = Outcome::new(Word::Cancelled, happened, production);
        outcome.next = next;
        outcome
    }

    /// Who looks on, or brings production back, stops nothing by leaving.
    async fn detached(&self) -> Outcome {
        let production = tokio::time::timeout(STOP_ATTEMPT, self.production_now()).await;
        let production = production.unwrap_or_else(|_| say::PRODUCTION_UNREAD.to_owned());
        let mut outcome = Outcome::new(Word::Cancelled, say::detached(&self.id), production);
        outcome.next = Some(say::STATUS_FOLLOWS.to_owned());
        outcome
    }
}
