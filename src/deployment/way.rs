//! What is active in the group when ours wants to start: waited for, or told to make way. What brings
//! a newer commit isn't overtaken by an older one.

use super::{
    Context,
    create::wait_for_slot,
    observe::{Depth, Phase},
};
use crate::{
    ages::Ages,
    aws::Failure,
    current::{self, Active},
    event::Event,
    outcome::Stop,
    request::Concurrency,
    say::{ages, deployment as say, refusals},
};
use std::time::Duration;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);

/// Returns when the group's place is free again, as far as this deployment and its rollback go.
pub async fn clear(
    context: &Context<'_>,
    order: Concurrency,
    known: Option<&Ages<'_>>,
    id: &str,
) -> anyhow::Result<()> {
    if let Some(active) = read(context, id).await? {
        if let Some(known) = known {
            known.give_way(active.found().as_ref(), &ages::on_its_way(id)).await?;
        }
        if order == Concurrency::Supersede && active.makes_way_for(context.marker) {
            make_way(context, id).await?;
        }
    }
    wait_for_slot(context, id).await
}

async fn read(context: &Context<'_>, id: &str) -> Result<Option<Active>, Stop> {
    loop {
        match current::deployment(context.clients, id).await {
            Err(failure) if failure.may_pass() && !context.time_is_up() => context.pace.sleep(LOOK).await,
            answer => return answer.map_err(refused),
        }
    }
}

/// Stops it with rollback; where it has all traffic, that would take production a version back, and it
/// is finished.
async fn make_way(context: &Context<'_>, id: &str) -> Result<(), Stop> {
    while !context.time_is_up() {
        match context.observe(id, Depth::Targets).await.map(|seen| seen.phase) {
            Ok(Phase::Ended(_)) => return Ok(()),
            Ok(Phase::TerminationWait) => {
                context.report.tell(Event::Note { text: say::finishes_other(id) });
                return context.finish(id).await;
            }
            Ok(Phase::Shifted) => {}
            Ok(_) => match context.ask_to_stop(id).await {
                Ok(()) => {
                    context.report.tell(Event::Note { text: say::stops_other(id) });
                    return Ok(());
                }
                // It has come to its end, or to its termination wait.
                Err(failure) if failure.may_pass() || failure.is("DeploymentAlreadyCompleted") => {}
                Err(failure) => return Err(refused(failure)),
            },
            Err(failure) if failure.may_pass() => {}
            Err(failure) => return Err(refused(failure)),
        }
        context.pace.sleep(LOOK).await;
    }
    Ok(())
}

fn refused(failure: Failure) -> Stop {
    Stop::refused(vec![refusals::failure(&failure)])
}
