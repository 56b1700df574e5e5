//! The way back while blue still stands: CodeDeploy is asked to stop and to roll back, and is watched
//! until production is on blue again.

use super::redeploy;
use crate::{
    attend::{Attached, Visit},
    deployment::{self, Conduct, Created},
    event::Event,
    outcome::{Outcome, Stop, Word},
    say::{back as say, refusals},
};
use anyhow::Result;
use std::time::Duration;

/// Between two requests that may pass.
const AGAIN: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 5;

/// What came of the request.
pub enum Stopped {
    /// Production is on what it was on before.
    Back(Outcome),
    /// It isn't, and this is what is known.
    Elsewhere(Outcome),
    /// The deployment has ended, or is finished rather than stopped: blue is gone.
    TooLate,
}

pub async fn stop(visit: &Visit<'_>, attached: Attached) -> Result<Stopped> {
    let context = visit.context(attached.course.without_alarms().looking_on());
    let mut tries = 0;
    loop {
        tries += 1;
        match context.ask_to_stop(&attached.id).await {
            Ok(()) => break,
            Err(failure) if failure.may_pass() && tries < ATTEMPTS && !visit.cancel.is_requested() => {
                visit.report.tell(Event::Note { text: crate::say::deployment::still_asking(&failure) });
                visit.pace.sleep(AGAIN).await;
            }
            // It has ended meanwhile, or CodeDeploy doesn't stop it in its termination wait.
            Err(failure) if failure.is("DeploymentAlreadyCompleted") => {
                // The answer to an earlier request may have been lost.
                if context.was_stopped(&attached.id).await {
                    break;
                }
                visit.report.tell(Event::Note { text: say::not_to_be_stopped(&attached.id) });
                context.finish(&attached.id).await?;
                return Ok(Stopped::TooLate);
            }
            Err(failure) => return Err(Stop::refused(vec![refusals::failure(&failure)]).into()),
        }
    }
    let created = Created { id: attached.id, attached: true };
    let outcome = deployment::follow(&context, Conduct::Stopped, created, &attached.task_definition).await;
    // It was at its end before the request was heeded.
    if outcome.word == Word::Succeeded {
        return Ok(Stopped::TooLate);
    }
    let outcome = redeploy::stopped(&context, outcome);
    Ok(match outcome.word {
        Word::RolledBackOnRequest => Stopped::Back(outcome),
        _ => Stopped::Elsewhere(outcome),
    })
}
