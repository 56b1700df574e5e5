//! The rest of a deployment whose run was cancelled or died: what was asked for or should have
//! been is carried to its end by another process, and what is left is read back.

use super::{
    Conduct, Context,
    cancelled::goes_on,
    create::Created,
    find::Search,
    follow::{AGAIN, follow},
    observe::{Depth, End, Phase},
};
use crate::{
    kept::Undertaking,
    outcome::{Outcome, Word},
    say::{deployment, post as say, refusals},
};

/// What is known of the run.
pub struct Left<'a> {
    pub undertaking: &'a Undertaking,
    /// None when CreateDeployment wasn't answered, or not asked yet.
    pub id: Option<&'a str>,
    /// By a signal.
    pub cancelled: bool,
    /// CodeDeploy heard already that it shall stop.
    pub stopping: bool,
}

/// Tells what became of the deployment. Its outcome is `cancelled` where all is as the policy has
/// it, and `needs-attention` where it isn't.
pub async fn finish(context: &Context<'_>, left: &Left<'_>) -> Outcome {
    let Left { undertaking, cancelled, .. } = *left;
    let found = match left.id {
        Some(id) => Some(id.to_owned()),
        None => match Search::new(&undertaking.description).look(context, Vec::new()).await {
            Ok(found) => found,
            Err(failure) => return say::unseen(cancelled, None, refusals::failure(&failure)),
        },
    };
    let Some(id) = found else {
        let production = match context.production().await {
            Ok(production) => deployment::production(&production, "", &undertaking.task_definition),
            Err(failure) => deployment::production_denied(&failure),
        };
        return say::none_began(cancelled, &undertaking.task_definition, production);
    };
    let seen = match asked_again(context, || context.observe(&id, Depth::Targets)).await {
        Ok(seen) => seen,
        Err(failure) => return say::unseen(cancelled, Some(&id), refusals::failure(&failure)),
    };
    let created = Created { id: id.clone(), attached: true };
    let ended = matches!(seen.phase, Phase::Ended(_));
    if undertaking.returns {
        let mut outcome = follow(context, Conduct::Return, created, &undertaking.task_definition).await;
        outcome.happened = say::told(cancelled, &outcome.happened);
        return outcome;
    }
    if !ended
        && !left.stopping
        && goes_on(undertaking.on_cancel, undertaking.shift_succeeds, Some(seen.phase))
    {
        return detached(context, left, &id, &seen.status, seen.phase).await;
    }
    if !ended {
        match asked_again(context, || context.ask_to_stop(&id)).await {
            Err(failure) if !failure.is("DeploymentAlreadyCompleted") => {
                return say::unseen(cancelled, Some(&id), refusals::failure(&failure));
            }
            _ => {}
        }
    }
    let mut outcome = follow(context, Conduct::Stopped, created, &undertaking.task_definition).await;
    match outcome.word {
        Word::RolledBack => {
            outcome.word = Word::Cancelled;
            outcome.happened = match seen.phase {
                Phase::Ended(End::Failed) => say::told(cancelled, &outcome.happened),
                _ => say::taken_back(cancelled, &id, outcome.rollback_deployment.as_deref()),
            };
            if !matches!(seen.phase, Phase::Ended(End::Failed)) {
                outcome.findings.clear();
            }
            outcome.next = Some(say::REPEAT.to_owned());
        }
        Word::Succeeded => {
            outcome.word = Word::Cancelled;
            outcome.happened = say::went_on(cancelled, &id);
        }
        _ => {
            outcome.word = Word::NeedsAttention;
            outcome.happened = say::told(cancelled, &outcome.happened);
        }
    }
    outcome
}

async fn detached(context: &Context<'_>, left: &Left<'_>, id: &str, status: &str, phase: Phase) -> Outcome {
    let production = match context.production().await {
        Ok(production) => deployment::production(&production, id, &left.undertaking.task_definition),
        Err(failure) => deployment::production_denied(&failure),
    };
    let mut outcome = Outcome::new(Word::Cancelled, say::goes_on(left.cancelled, id, status), production);
    outcome.next = Some(match phase {
        Phase::Ready => crate::say::cancel::waits_at_ready(id),
        _ => deployment::STATUS_FOLLOWS.to_owned(),
    });
    outcome.deployment = Some(id.to_owned());
    outcome.task_definition = Some(left.undertaking.task_definition.clone());
    outcome
}

/// As often as there is time for, where it may pass.
async fn asked_again<T, F>(context: &Context<'_>, ask: impl Fn() -> F) -> Result<T, crate::aws::Failure>
where
    F: Future<Output = Result<T, crate::aws::Failure>>,
{
    loop {
        match ask().await {
            Err(failure) if failure.may_pass() && !context.time_is_up() => context.pace.sleep(AGAIN).await,
            answer => return answer,
        }
    }
}
