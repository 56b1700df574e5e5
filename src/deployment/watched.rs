//! What a run does about what it watches beside the deployment: an alarm that only it acts on, and
//! green that can't start, stop the deployment with rollback.

use super::{
    Course,
    follow::Follow,
    observe::{Observation, Phase, Side},
};
use crate::{
    event::Event,
    say::{deployment as say, watch as watch_say},
    watch::{AlarmWatch, FailFast, Green},
};

pub(super) struct Watch {
    pub alarms: AlarmWatch,
    start: FailFast,
    /// Green's task set, as it was seen last.
    pub green: Option<String>,
    /// It was stopped when so many tasks of green had stopped for one reason.
    pub gave_up_after: Option<usize>,
    /// It is being stopped already.
    stopping: bool,
}

impl Watch {
    pub fn new(course: &Course) -> Watch {
        Watch {
            alarms: AlarmWatch::new(&course.alarms, &course.own_alarms),
            start: FailFast::new(course.fail_fast),
            green: None,
            gave_up_after: None,
            stopping: false,
        }
    }
}

impl Follow<'_> {
    /// Looks at the alarms, and at green's tasks while they start.
    pub(super) async fn look_around(&mut self, seen: &Observation) {
        if let Some(green) = &seen.green {
            self.watch.green = Some(green.task_set.clone());
        }
        self.look_at_alarms().await;
        if let (Phase::Installing, Some(green)) = (seen.phase, &seen.green) {
            self.look_at_start(green).await;
        }
    }

    pub(super) async fn look_at_alarms(&mut self) {
        let context = self.context;
        let now = context.pace.now();
        let alarm = self.watch.alarms.look(context.clients, context.report, now).await;
        let Some(alarm) = alarm.filter(|_| !self.watch.stopping) else { return };
        context.report.tell(Event::Note { text: watch_say::stops_for_alarm(&alarm) });
        if self.stop().await {
            self.stopped_for = Some(watch_say::tripped(&alarm));
        }
    }

    async fn look_at_start(&mut self, green: &Side) {
        let context = self.context;
        let started = green.tasks.desired > 0 && green.tasks.running >= green.tasks.desired;
        if started && !self.watch.start.has_seen_failures() || self.watch.stopping {
            return;
        }
        let green = Green {
            cluster: &context.course.cluster,
            service: &context.course.service,
            deployment: &self.id,
            task_set: &green.task_set,
            revision: &self.task_definition,
            running: green.tasks.running,
        };
        let now = context.pace.now();
        let group = self.watch.start.look(context.clients, context.report, green, now).await;
        let Some(group) = group else { return };
        let text = watch_say::stops_for_tasks(group.count, group.one.words());
        context.report.tell(Event::Note { text });
        if self.stop().await {
            self.watch.gave_up_after = Some(group.count);
        }
    }

    /// Whether the stop is, or may be, on its way.
    async fn stop(&mut self) -> bool {
        match self.context.ask_to_stop(&self.id).await {
            Ok(()) => self.watch.stopping = true,
            // It is asked again with the next look.
            Err(failure) if failure.may_pass() => {}
            Err(failure) => {
                self.watch.stopping = true;
                let text = say::not_stopped(&self.id, &failure);
                self.context.report.tell(Event::Warning { text });
                return false;
            }
        }
        true
    }
}
