//! `greenlight status`: follows the deployment that runs, with the same output and the same end as
//! the run that started it; or says what production is on.

use super::{Visit, commit};
use crate::{
    deployment::{self, Conduct, Created},
    event::{Event, Stage},
    marker::Found,
    outcome::{Outcome, Word},
    request::Hold,
    say::attend as say,
};
use anyhow::Result;

pub(super) async fn status(visit: &Visit<'_>) -> Result<Outcome> {
    let Some(active) = visit.site.active.first() else { return nothing_runs(visit).await };
    let found = Found::in_description(&active.description);
    visit.begin("status", commit(found.as_ref()));
    visit.report.tell(Event::Note { text: say::whose(&active.id, found.as_ref()) });
    visit.report.tell(Event::Stage { stage: Stage::Deployment });
    let attached = visit.cancel.unless(visit.attach(active)).await??;
    let hold = visit.environment().hold == Hold::Approve;
    let context = visit.context(attached.course.looking_on());
    let created = Created { id: attached.id, attached: true };
    Ok(deployment::follow(&context, Conduct::Watch { hold }, created, &attached.task_definition).await)
}

async fn nothing_runs(visit: &Visit<'_>) -> Result<Outcome> {
    visit.begin("status", None);
    let production = visit.production().await;
    Ok(Outcome::new(Word::Unchanged, say::nothing_runs(&visit.site.group.name), production))
}
