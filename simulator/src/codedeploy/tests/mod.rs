//! The deployments' machine, row by row, beside a service and listeners that are plain values.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod api;
mod deviations;
mod faults;
mod success;

use super::{
    appspec,
    configs::{self, Config, Shape},
    creation::{self, Request},
    machine::{self, Moment},
    model::{
        Alarms, Application, Deployment, EventStatus, Group, Holdings, Phase, Place, Ready, Rollback, Stop,
    },
    neighbours::Neighbours,
};
use crate::{
    Fault, Time,
    ecs::{NewTaskSet, ServiceKey, TaskSetView},
    front::ApiError,
    spec::{Function, Truths},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const PRODUCTION: &str = "listener/production";
const TEST: &str = "listener/test";
const BLUE: &str = "ecs-svc/1";
const GREEN: &str = "ecs-svc/2";

/// A service with one task set, a pair of target groups, two listeners.
struct Service {
    sets: Vec<TaskSetView>,
    listeners: BTreeMap<&'static str, Vec<(String, u32)>>,
    alarms: BTreeMap<String, String>,
    /// Whether new task sets become steady.
    healthy: bool,
    /// What CreateTaskSet answers instead.
    refusal: Option<String>,
}

impl Neighbours for Service {
    fn task_sets(&self, service: &ServiceKey) -> Vec<TaskSetView> {
        assert_eq!((service.cluster.as_str(), service.service.as_str()), ("prod", "web"));
        self.sets.clone()
    }

    fn create_task_set(&mut self, _: &ServiceKey, new: NewTaskSet) -> Result<String, ApiError> {
        if let Some(refusal) = &self.refusal {
            return Err(ApiError::new("InvalidParameterException", refusal.clone()));
        }
        let id = format!("ecs-svc/{}", self.sets.len() + 1);
        let mut set = task_set(&id, "ACTIVE", &new.target_group);
        set.steady = self.healthy;
        set.task_definition = new.task_definition;
        self.sets.push(set);
        Ok(id)
    }

    fn set_primary(&mut self, _: &ServiceKey, id: &str) {
        for set in &mut self.sets {
            if set.id == id {
                set.status = "PRIMARY".into();
            } else if set.status == "PRIMARY" {
                set.status = "ACTIVE".into();
            }
        }
    }

    fn drain_task_set(&mut self, _: &ServiceKey, id: &str) {
        for set in self.sets.iter_mut().filter(|set| set.id == id) {
            set.status = "DRAINING".into();
            set.desired = 0;
        }
    }

    fn target_group_arn(&self, _: &str, name: &str) -> Option<String> {
        Some(group_arn(name))
    }

    fn weights(&self, listener: &str) -> Vec<(String, u32)> {
        self.listeners[listener].clone()
    }

    fn set_weights(&mut self, listener: &str, weights: &[(String, u32)]) -> Result<(), ApiError> {
        *self.listeners.get_mut(listener).unwrap() = weights.to_vec();
        Ok(())
    }

    fn alarm_state(&self, _: &str, name: &str) -> Option<String> {
        self.alarms.get(name).cloned()
    }
}

fn group_arn(name: &str) -> String {
    format!("targetgroup/{name}")
}

fn task_set(id: &str, status: &str, target_group: &str) -> TaskSetView {
    TaskSetView {
        id: id.into(),
        status: status.into(),
        task_definition: "web:1".into(),
        target_group: target_group.into(),
        desired: 2,
        running: 2,
        pending: 0,
        steady: true,
    }
}

struct Bench {
    now: Time,
    holdings: Holdings,
    group: Group,
    service: Service,
    truths: Truths,
    faults: BTreeSet<Fault>,
    functions: BTreeMap<(String, String), Function>,
    /// What the next deployment is created with.
    shape: Shape,
    hooks: String,
}

fn bench() -> Bench {
    let mut holdings = Holdings::default();
    let application = Application {
        id: "id".into(),
        name: "shop".into(),
        created: Time(0),
        platform: "ECS".into(),
        groups: BTreeMap::new(),
        revisions: Vec::new(),
    };
    holdings.applications.insert("shop".into(), application);
    let events = ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"];
    Bench {
        now: Time(1_000_000),
        holdings,
        group: Group {
            application: "shop".into(),
            name: "web".into(),
            cluster: "prod".into(),
            service: "web".into(),
            target_groups: vec!["one".into(), "two".into()],
            production_listener: PRODUCTION.into(),
            test_listener: Some(TEST.into()),
            termination_minutes: 5,
            rollback: Rollback { enabled: true, events: events.map(str::to_owned).to_vec() },
            ..Group::default()
        },
        service: Service {
            sets: vec![task_set(BLUE, "PRIMARY", &group_arn("one"))],
            listeners: BTreeMap::from([
                (PRODUCTION, vec![(group_arn("one"), 1)]),
                (TEST, vec![(group_arn("one"), 1)]),
            ]),
            alarms: BTreeMap::new(),
            healthy: true,
            refusal: None,
        },
        truths: Truths::default(),
        faults: BTreeSet::new(),
        functions: BTreeMap::new(),
        shape: Shape::Canary { percentage: 10, minutes: 5 },
        hooks: String::new(),
    }
}

impl Bench {
    /// Creates a deployment and returns its place in the list.
    fn create(&mut self) -> usize {
        let content = format!(
            "version: 0.0\nResources:\n  - T:\n      Type: AWS::ECS::Service\n      Properties:\n        TaskDefinition: arn:aws:ecs:r:1:task-definition/web:{}\n        LoadBalancerInfo: {{ContainerName: web, ContainerPort: 80}}\n{}",
            self.holdings.deployments.len() + 2,
            self.hooks,
        );
        let config = Config { name: "custom".into(), shape: Some(self.shape), ..configs::all_at_once() };
        let failing_hook = self.faults.contains(&Fault::HookFails).then(|| "fails".to_owned());
        let request = Request {
            config,
            description: None,
            created_by: "arn:aws:iam::1:user/us".into(),
            appspec: appspec::parse(&content).unwrap(),
            content,
            rollback: self.group.rollback.clone(),
            alarms: self.group.alarms.clone(),
            alarms_overridden: false,
            failing_hook,
            group: self.group.clone(),
        };
        creation::create(&mut self.holdings, &place(), request, self.now);
        self.holdings.deployments.len() - 1
    }

    fn d(&self, index: usize) -> &Deployment {
        &self.holdings.deployments[index]
    }

    /// Lets the machine do what is due at this moment; returns when it wants to go on.
    fn step(&mut self) -> Option<Time> {
        let moment =
            Moment { now: self.now, truths: &self.truths, faults: &self.faults, functions: &self.functions };
        machine::run(&mut self.holdings.deployments, &moment, &mut self.service)
    }

    /// Goes from one moment to the next until the deployment is as wanted.
    fn until(&mut self, index: usize, wanted: impl Fn(&Deployment) -> bool) {
        for _ in 0..10_000 {
            let next = self.step();
            if wanted(self.d(index)) {
                return;
            }
            let next = next.unwrap_or_else(|| panic!("nothing is due, but {:?}", self.d(index)));
            assert!(next > self.now, "{:?} is due again and again", self.d(index));
            self.now = next;
        }
        panic!("never came there: {:?}", self.d(index));
    }

    fn until_event(&mut self, index: usize, name: &str) {
        let running =
            |d: &Deployment| d.events.iter().any(|e| e.name == name && e.status == EventStatus::InProgress);
        self.until(index, running);
    }

    fn until_ended(&mut self, index: usize) {
        self.until(index, Deployment::ended);
    }

    fn until_termination_wait(&mut self, index: usize) {
        self.until(index, |d| matches!(d.phase, Phase::Terminating { .. }));
    }

    /// Lets so much time pass, moment by moment.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let next = self.step();
            match next.filter(|next| *next < end) {
                Some(next) => self.now = next,
                None => break,
            }
        }
        self.now = end;
        self.step();
    }

    fn stop(&mut self, index: usize, rollback: Option<bool>) {
        let stop = Stop { at: self.now, rollback, by: "arn:aws:iam::1:user/us".into() };
        self.holdings.deployments[index].stop = Some(stop);
    }

    /// The production listener's weights, blue's group first.
    fn production(&self) -> [u32; 2] {
        self.weights(PRODUCTION)
    }

    fn test(&self) -> [u32; 2] {
        self.weights(TEST)
    }

    fn weights(&self, listener: &str) -> [u32; 2] {
        let weights = &self.service.listeners[listener];
        ["one", "two"].map(|name| {
            weights.iter().find(|(arn, _)| *arn == group_arn(name)).map(|(_, w)| *w).unwrap_or_default()
        })
    }

    fn set_status(&self, id: &str) -> &str {
        &self.service.sets.iter().find(|set| set.id == id).unwrap().status
    }

    fn event_status(&self, index: usize) -> Vec<(&'static str, EventStatus)> {
        self.d(index).events.iter().map(|e| (e.name, e.status)).collect()
    }

    /// Until `name` all Succeeded, it Failed, the rest Skipped.
    fn assert_failed_at(&self, index: usize, name: &str) {
        let mut expected = EventStatus::Succeeded;
        for (event, status) in self.event_status(index) {
            if event == name {
                assert_eq!(status, EventStatus::Failed, "{event}");
                expected = EventStatus::Skipped;
            } else {
                assert_eq!(status, expected, "{event}");
            }
        }
        assert_eq!(expected, EventStatus::Skipped, "there is no {name}");
    }

    fn code(&self, index: usize) -> &str {
        &self.d(index).error.as_ref().unwrap().code
    }

    fn message(&self, index: usize) -> &str {
        &self.d(index).error.as_ref().unwrap().message
    }

    fn alarm(&mut self, name: &str, state: &str) {
        self.service.alarms.insert(name.into(), state.into());
    }

    fn function(&mut self, name: &str, answer: &str, after_seconds: u64) {
        let function = Function { name: name.into(), answer: answer.into(), after_seconds };
        self.functions.insert(("1".into(), name.into()), function);
    }
}

fn place() -> Place {
    Place { account: "1".into(), region: "r".into() }
}

fn watching(name: &str) -> Alarms {
    Alarms { enabled: true, ignore_poll_failure: false, names: vec![name.into()] }
}

const MINUTE: Duration = Duration::from_secs(60);
