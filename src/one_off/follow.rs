//! Following a one-off task to its end, with its container's log.

use super::{End, Job, start::start};
use crate::{
    aws::Failure,
    deployment::Context,
    event::Event,
    say::one_off as say,
    task::{Ended, LogPlace, Stream},
};
use aws_sdk_ecs::types::Task;
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
    let arn = tokio::select! {
        started = start(context, job, deadline) => match started {
            Ok(arn) => arn,
            Err(end) => return end,
        },
        () = tokio::time::sleep_until(deadline) => return End::TimedOut { stopped: false },
    };
    let mut log = Log::of(context, job, &arn).await;
    loop {
        let seen = look(context, &arn).await;
        log.tell(context, job).await;
        match seen {
            Ok(Some(task)) if task.last_status() == Some("STOPPED") => {
                log.last_lines(context, job).await;
                return end_of(context, job, &task, began);
            }
            Ok(_) => {}
            Err(failure) if failure.may_pass() => {}
            Err(failure) => return End::Unseen(failure),
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

/// Only the container that was asked for decides.
fn end_of(context: &Context<'_>, job: &Job<'_>, task: &Task, began: Instant) -> End {
    let ended = Ended::of(task);
    let code = ended.containers.iter().find(|exit| exit.name == job.container()).and_then(|exit| exit.code);
    match code {
        Some(0) => End::Well { took: context.pace.world(began.elapsed()) },
        _ => End::Failed(ended),
    }
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

/// The log of the task's container, as far as it can be read.
struct Log(Option<Stream>);

impl Log {
    async fn of(context: &Context<'_>, job: &Job<'_>, arn: &str) -> Log {
        let definition =
            context.clients.ecs().describe_task_definition().task_definition(job.revision).send();
        let definition = definition.await.ok().and_then(|answer| answer.task_definition);
        let containers =
            definition.and_then(|definition| definition.container_definitions).unwrap_or_default();
        let Some(container) = containers.iter().find(|one| one.name() == Some(job.container())) else {
            return Log(None);
        };
        let place = LogPlace::of(container, arn.rsplit('/').next().unwrap_or_default());
        match place {
            LogPlace::CloudWatch { region, group, stream }
                if region.as_ref().is_none_or(|region| *region == context.course.region) =>
            {
                Log(Some(Stream::new(group, stream)))
            }
            place => {
                context.report.tell(Event::Note { text: say::log_elsewhere(&place) });
                Log(None)
            }
        }
    }

    /// What was written since the last look; how many lines.
    async fn tell(&mut self, context: &Context<'_>, job: &Job<'_>) -> usize {
        let Some(stream) = &mut self.0 else { return 0 };
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
                self.0 = None;
                0
            }
        }
    }

    async fn last_lines(&mut self, context: &Context<'_>, job: &Job<'_>) {
        for _ in 0..LAST_LINES {
            let lines = self.tell(context, job).await;
            if self.0.is_none() || context.cancel.is_requested() {
                return;
            }
            if lines == 0 {
                context.pace.sleep(Duration::from_secs(1)).await;
            }
        }
    }
}
