//! Following a one-off task to its end, with its container's log.

use super::{End, Job, start::start};
use crate::{
    aws::Failure,
    deployment::Context,
    event::Event,
    say::one_off as say,
    task::{Ended, LogPlace, Stream},
};
use aws_sdk_ecs::types::{ContainerDefinition, Task, TaskStopCode};
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks, in the world's time: a task takes its time to start, and may end at once.
const LOOK: Duration = Duration::from_secs(3);
/// What a container wrote last shows in its log a moment after its end.
const LAST_LINES: usize = 3;
/// Of asking ECS to stop it, on the wall.
const STOP_ATTEMPT: Duration = Duration::from_secs(2);

pub(super) async fn to_the_end(context: &Context<'_>, job: &Job<'_>) -> End {
    let began = Instant::now();
    let deadline = began + job.within;
    // Never dropped: the answer to what was asked already may be a task.
    let arn = match start(context, job, deadline).await {
        Ok(arn) => arn,
        Err(end) => return end,
    };
    let mut log = Log::of(context, job, &arn).await;
    let mut overtaken = false;
    loop {
        let seen = look(context, &arn).await;
        log.tell(context, job).await;
        match seen {
            Ok(Some(task)) => {
                overtaken |= is_overtaken(job.container(), &log.others, &task);
                if task.last_status() == Some("STOPPED") {
                    log.last_lines(context, job).await;
                    return end_of(job.container(), &task, overtaken, context.pace.world(began.elapsed()));
                }
                // Nothing else ends one whose other containers run on.
                if exit_code(job.container(), &task).is_some() && task.desired_status() == Some("RUNNING") {
                    stop(context, &arn, say::STOP_DONE).await;
                    log.last_lines(context, job).await;
                    return end_of(job.container(), &task, overtaken, context.pace.world(began.elapsed()));
                }
            }
            Ok(None) => {}
            Err(failure) if failure.may_pass() => {}
            Err(failure) => {
                stop(context, &arn, say::STOP_UNSEEN).await;
                return End::Unseen(failure);
            }
        }
        tokio::select! {
            () = context.pace.sleep(LOOK) => {}
            () = context.cancel.requested() => {
                return End::Cancelled { stopped: stop(context, &arn, say::STOP_CANCELLED).await };
            }
            () = tokio::time::sleep_until(deadline) => {
                let stopped = stop(context, &arn, say::STOP_TIMED_OUT).await;
                log.last_lines(context, job).await;
                return End::TimedOut { stopped };
            }
        }
    }
}

/// One that was just started may not be known everywhere yet.
async fn look(context: &Context<'_>, arn: &str) -> Result<Option<Task>, Failure> {
    let answer =
        context.clients.ecs().describe_tasks().cluster(&context.course.cluster).tasks(arn).send().await;
    let answer = answer.map_err(context.clients.failed("ecs:DescribeTasks"))?;
    Ok(answer.tasks.unwrap_or_default().into_iter().next())
}

/// Only the container that was asked for decides, and only by an end of its own: one that was told
/// to stop may well end with 0.
fn end_of(container: &str, task: &Task, overtaken: bool, took: Duration) -> End {
    let by_itself = matches!(task.stop_code(), None | Some(TaskStopCode::EssentialContainerExited));
    match exit_code(container, task) {
        Some(0) if overtaken => End::Overtaken,
        Some(0) if by_itself => End::Well { took },
        _ => End::Failed(Ended::of(task)),
    }
}

fn exit_code(container: &str, task: &Task) -> Option<i32> {
    task.containers().iter().find(|one| one.name() == Some(container))?.exit_code()
}

/// Whether one of the others has ended while the container that decides runs.
fn is_overtaken(container: &str, others: &[String], task: &Task) -> bool {
    let is = |name: &str, status: &str| {
        task.containers().iter().any(|one| one.name() == Some(name) && one.last_status() == Some(status))
    };
    is(container, "RUNNING") && others.iter().any(|other| is(other, "STOPPED"))
}

/// Whether ECS said that it stops it.
async fn stop(context: &Context<'_>, arn: &str, reason: &str) -> bool {
    let request = context.clients.ecs().stop_task().cluster(&context.course.cluster).task(arn).reason(reason);
    let asked = tokio::time::timeout(STOP_ATTEMPT, request.send()).await;
    match asked.map(|answer| answer.map_err(context.clients.failed("ecs:StopTask"))) {
        Ok(Ok(_)) => true,
        Ok(Err(failure)) => {
            context.report.tell(Event::Warning { text: say::not_stopped(arn, &failure.to_string()) });
            false
        }
        Err(_) => {
            context.report.tell(Event::Warning { text: say::not_stopped(arn, say::NO_ANSWER) });
            false
        }
    }
}

/// The log of the task's container, as far as it can be read; and the names of the others that the
/// task can't do without.
struct Log {
    stream: Option<Stream>,
    others: Vec<String>,
}

impl Log {
    async fn of(context: &Context<'_>, job: &Job<'_>, arn: &str) -> Log {
        let definition =
            context.clients.ecs().describe_task_definition().task_definition(job.revision).send();
        let definition = definition.await.ok().and_then(|answer| answer.task_definition);
        let containers =
            definition.and_then(|definition| definition.container_definitions).unwrap_or_default();
        let is_other = |one: &&ContainerDefinition| {
            one.essential() != Some(false) && one.name() != Some(job.container())
        };
        let others = containers.iter().filter(is_other).filter_map(|one| one.name().map(str::to_owned));
        let others = others.collect();
        let Some(container) = containers.iter().find(|one| one.name() == Some(job.container())) else {
            return Log { stream: None, others };
        };
        let place = LogPlace::of(container, arn.rsplit('/').next().unwrap_or_default());
        match place {
            LogPlace::CloudWatch { region, group, stream }
                if region.as_ref().is_none_or(|region| *region == context.course.region) =>
            {
                Log { stream: Some(Stream::new(group, stream)), others }
            }
            place => {
                context.report.tell(Event::Note { text: say::log_elsewhere(&place) });
                Log { stream: None, others }
            }
        }
    }

    /// What was written since the last look; how many lines.
    async fn tell(&mut self, context: &Context<'_>, job: &Job<'_>) -> usize {
        let Some(stream) = &mut self.stream else { return 0 };
        match stream.next(context.clients).await {
            Ok(lines) => {
                let count = lines.len();
                for line in lines {
                    context.report.tell(Event::Output { from: say::name(job.task), line });
                }
                count
            }
            Err(failure) if failure.may_pass() => 0,
            Err(failure) => {
                context.report.tell(Event::Note { text: say::log_unread(&failure.to_string()) });
                self.stream = None;
                0
            }
        }
    }

    async fn last_lines(&mut self, context: &Context<'_>, job: &Job<'_>) {
        for _ in 0..LAST_LINES {
            let lines = self.tell(context, job).await;
            if self.stream.is_none() || context.cancel.is_requested() {
                return;
            }
            if lines == 0 {
                context.pace.sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::Container;

    fn task(stop_code: Option<TaskStopCode>, containers: &[(&str, &str, Option<i32>)]) -> Task {
        let containers = containers.iter().map(|(name, status, code)| {
            Container::builder().name(*name).last_status(*status).set_exit_code(*code).build()
        });
        Task::builder().set_stop_code(stop_code).set_containers(Some(containers.collect())).build()
    }

    fn ended(stop_code: Option<TaskStopCode>, code: Option<i32>, overtaken: bool) -> End {
        let task = task(stop_code, &[("proxy", "STOPPED", Some(0)), ("app", "STOPPED", code)]);
        end_of("app", &task, overtaken, Duration::ZERO)
    }

    #[test]
    fn zero_counts_as_well_only_by_an_end_of_its_own() {
        let exited = || Some(TaskStopCode::EssentialContainerExited);
        assert!(matches!(ended(exited(), Some(0), false), End::Well { .. }));
        assert!(matches!(ended(None, Some(0), false), End::Well { .. }));
        assert!(matches!(ended(exited(), Some(0), true), End::Overtaken));
        for told in [TaskStopCode::UserInitiated, TaskStopCode::SpotInterruption] {
            assert!(matches!(ended(Some(told), Some(0), false), End::Failed(_)));
        }
        for code in [Some(1), None] {
            assert!(matches!(ended(exited(), code, false), End::Failed(_)));
        }
    }

    #[test]
    fn another_container_that_ends_first_is_seen() {
        let others = ["proxy".to_owned()];
        let seen = |proxy, app| {
            is_overtaken("app", &others, &task(None, &[("proxy", proxy, None), ("app", app, None)]))
        };
        assert!(seen("STOPPED", "RUNNING"));
        assert!(!seen("RUNNING", "RUNNING") && !seen("RUNNING", "STOPPED") && !seen("STOPPED", "STOPPED"));
    }
}
