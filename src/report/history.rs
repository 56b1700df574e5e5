//! What a run has told so far: what summaries, the live view and GitHub's reports are made from.
//! Times are the world's, from the start of the run.

use crate::{
    event::{Conclusion, Event, Run, Stage, TaskCount},
    outcome::Outcome,
};
use std::{sync::Arc, time::Duration};

#[derive(Clone, Debug, Default)]
pub struct History {
    pub run: Option<Arc<Run>>,
    pub stage: Option<Stage>,
    pub plan: Option<String>,
    pub image: Option<Image>,
    pub task_definition: Option<TaskDefinition>,
    /// The deployment of this run; behind it the one that took it back.
    pub deployments: Vec<Deployment>,
    pub traffic: Vec<Shift>,
    pub tasks: Option<Tasks>,
    pub alarms: Vec<Alarm>,
    pub checks: Vec<Check>,
    pub warnings: Vec<String>,
    pub waiting: Option<Waiting>,
    pub eta: Option<Duration>,
    pub rollback_reason: Option<String>,
    pub outcome: Option<Arc<Outcome>>,
    /// When it was told.
    pub ended: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    pub uri: String,
    pub digest: String,
    pub tags: Vec<String>,
    pub built: bool,
}

impl Image {
    pub fn pinned(&self) -> String {
        if self.uri.contains('@') { self.uri.clone() } else { format!("{}@{}", self.uri, self.digest) }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct TaskDefinition {
    pub arn: String,
    pub registered: bool,
}

#[derive(Clone, Debug)]
pub struct Deployment {
    pub id: String,
    pub console_url: Option<String>,
    pub began: Duration,
    pub status: Option<String>,
    pub lifecycle: Vec<Lifecycle>,
}

#[derive(Clone, Debug)]
pub struct Lifecycle {
    pub name: String,
    pub status: String,
    /// When it was first seen to be more than pending.
    pub began: Option<Duration>,
    pub ended: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
pub struct Shift {
    pub at: Duration,
    pub blue: f64,
    pub green: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tasks {
    pub blue: Option<TaskCount>,
    pub green: Option<TaskCount>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    pub name: String,
    pub state: String,
    pub reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    pub name: String,
    pub conclusion: Conclusion,
    pub measured: String,
    pub limit: String,
}

#[derive(Clone, Debug)]
pub struct Waiting {
    pub what: String,
    pub until: Option<Duration>,
}

impl History {
    /// Takes an event in; whether it said anything new.
    pub fn take(&mut self, event: &Event, now: Duration) -> bool {
        match event {
            Event::Note { .. }
            | Event::ProductionBack { .. }
            | Event::BuildOutput { .. }
            | Event::BuildRemark { .. }
            | Event::Output { .. } => true,
            Event::Started(run) => replace(&mut self.run, run.clone(), Arc::ptr_eq),
            Event::Stage { stage } => {
                self.waiting = None;
                replace(&mut self.stage, *stage, |a, b| a == b)
            }
            Event::Warning { text } => {
                let new = !self.warnings.contains(text);
                if new {
                    self.warnings.push(text.clone());
                }
                new
            }
            Event::Planned { text, .. } => replace(&mut self.plan, text.clone(), |_, _| false),
            Event::ImageReady { uri, digest, tags, built } => replace(
                &mut self.image,
                Image { uri: uri.clone(), digest: digest.clone(), tags: tags.clone(), built: *built },
                |a, b| a == b,
            ),
            Event::TaskDefinitionReady { arn, registered } => replace(
                &mut self.task_definition,
                TaskDefinition { arn: arn.clone(), registered: *registered },
                |a, b| a == b,
            ),
            Event::DeploymentCreated { id, console_url, .. } => {
                let new = !self.deployments.iter().any(|d| d.id == *id && d.console_url.is_some());
                self.deployment(id, now).console_url = Some(console_url.clone());
                new
            }
            Event::Lifecycle { deployment, name, status } => {
                self.deployment(deployment, now).lifecycle(name, status, now)
            }
            Event::DeploymentStatus { deployment, status } => {
                replace(&mut self.deployment(deployment, now).status, status.clone(), |a, b| a == b)
            }
            Event::Traffic { blue, green } => {
                let shift = Shift { at: now, blue: *blue, green: *green };
                let same =
                    |last: &Shift| (last.blue - blue).abs() < 0.05 && (last.green - green).abs() < 0.05;
                let new = !self.traffic.last().is_some_and(same);
                if new {
                    self.traffic.push(shift);
                }
                new
            }
            Event::Tasks { blue, green } => {
                replace(&mut self.tasks, Tasks { blue: *blue, green: *green }, |a, b| a == b)
            }
            Event::Alarm { name, state, reason } => {
                let alarm = Alarm { name: name.clone(), state: state.clone(), reason: reason.clone() };
                match self.alarms.iter_mut().find(|a| a.name == *name) {
                    Some(known) if known.state == *state => false,
                    Some(known) => {
                        *known = alarm;
                        true
                    }
                    None => {
                        self.alarms.push(alarm);
                        true
                    }
                }
            }
            Event::Check { name, conclusion, measured, limit } => {
                let check = Check {
                    name: name.clone(),
                    conclusion: *conclusion,
                    measured: measured.clone(),
                    limit: limit.clone(),
                };
                let new = !self.checks.contains(&check);
                if new {
                    self.checks.retain(|c| c.name != check.name);
                    self.checks.push(check);
                }
                new
            }
            Event::Waiting { what, remaining } => {
                let waiting = Waiting { what: what.clone(), until: remaining.map(|r| now + r) };
                replace(&mut self.waiting, waiting, |a, b| a.what == b.what)
            }
            Event::Eta { remaining } => {
                self.eta = remaining.map(|r| now + r);
                false
            }
            Event::RollbackStarted { rollback, reason, .. } => {
                let new = !self.deployments.iter().any(|d| d.id == *rollback);
                self.deployment(rollback, now);
                self.rollback_reason = reason.clone().or(self.rollback_reason.take());
                self.waiting = None;
                new
            }
            Event::Finished(outcome) => {
                self.waiting = None;
                self.ended = Some(now);
                replace(&mut self.outcome, outcome.clone(), Arc::ptr_eq)
            }
        }
    }

    /// How long the deployment has been running.
    pub fn elapsed(&self, now: Duration) -> Option<Duration> {
        Some(now.saturating_sub(self.deployments.first()?.began))
    }

    fn deployment(&mut self, id: &str, now: Duration) -> &mut Deployment {
        let at = self.deployments.iter().position(|d| d.id == id).unwrap_or_else(|| {
            self.deployments.push(Deployment {
                id: id.to_owned(),
                console_url: None,
                began: now,
                status: None,
                lifecycle: Vec::new(),
            });
            self.deployments.len() - 1
        });
        &mut self.deployments[at]
    }
}

impl Deployment {
    fn lifecycle(&mut self, name: &str, status: &str, now: Duration) -> bool {
        let at = self.lifecycle.iter().position(|l| l.name == name).unwrap_or_else(|| {
            self.lifecycle.push(Lifecycle {
                name: name.to_owned(),
                status: String::new(),
                began: None,
                ended: None,
            });
            self.lifecycle.len() - 1
        });
        let event = &mut self.lifecycle[at];
        if event.status == status {
            return false;
        }
        event.status = status.to_owned();
        if status != "Pending" {
            event.began.get_or_insert(now);
        }
        if !matches!(status, "Pending" | "InProgress") {
            event.ended.get_or_insert(now);
        }
        // That all events wait at the start is no news.
        status != "Pending"
    }
}

fn replace<T>(slot: &mut Option<T>, new: T, same: impl Fn(&T, &T) -> bool) -> bool {
    let changed = !slot.as_ref().is_some_and(|old| same(old, &new));
    *slot = Some(new);
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lifecycle(name: &str, status: &str) -> Event {
        Event::Lifecycle { deployment: "d-1".into(), name: name.into(), status: status.into() }
    }

    #[test]
    fn what_was_said_before_is_no_news() {
        let mut history = History::default();
        let mut at = 0;
        let mut take = |event: Event| {
            at += 1;
            history.take(&event, Duration::from_secs(at))
        };
        assert!(take(Event::Traffic { blue: 100.0, green: 0.0 }));
        assert!(!take(Event::Traffic { blue: 100.0, green: 0.0 }));
        assert!(take(Event::Traffic { blue: 90.0, green: 10.0 }));
        assert!(!take(lifecycle("Install", "Pending")));
        assert!(take(lifecycle("Install", "InProgress")));
        assert!(!take(lifecycle("Install", "InProgress")));
        assert!(take(lifecycle("Install", "Succeeded")));
        let waiting = |seconds| Event::Waiting {
            what: "the canary".into(),
            remaining: Some(Duration::from_secs(seconds)),
        };
        assert!(take(waiting(300)));
        assert!(!take(waiting(290)));
        assert_eq!(history.traffic.len(), 2);
        assert_eq!(history.waiting.unwrap().until, Some(Duration::from_secs(9 + 290)));
    }

    #[test]
    fn lifecycle_events_keep_their_times() {
        let mut history = History::default();
        for (at, status) in [(1, "Pending"), (5, "InProgress"), (9, "Succeeded"), (12, "Succeeded")] {
            history.take(&lifecycle("Install", status), Duration::from_secs(at));
        }
        let event = &history.deployments[0].lifecycle[0];
        assert_eq!(event.began, Some(Duration::from_secs(5)));
        assert_eq!(event.ended, Some(Duration::from_secs(9)));
    }
}
