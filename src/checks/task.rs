//! A one-off task with the new revision, from inside the network: for what the runner can't reach.

use super::{Ended, Scene, Verdict};
use crate::{
    one_off::{self, End, Job},
    request::OneOff,
    say::one_off as say,
};

pub(super) async fn check(task: &OneOff, scene: &Scene<'_>) -> Ended {
    let job = Job {
        task,
        revision: scene.task_definition,
        of: scene.deployment,
        variables: scene.variables(),
        within: scene.within(task.timeout),
    };
    let end = one_off::run(scene.context, &job).await;
    let measured = say::measured(&end);
    let verdict = match end {
        End::Well { .. } => Verdict::Passed,
        _ => Verdict::Failed(say::check_failed(scene.moment, task, &end)),
    };
    Ended { verdict, measured, limit: say::limit(task) }
}
