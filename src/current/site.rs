//! Where a service runs, for those who go to a deployment that there is already: the service, its
//! group, what is active. No image, no task definition, no file of the user's is asked for.

use super::{Active, Group, Part, Service, group, service, traffic, watch};
use crate::{
    aws::Clients,
    deployment::{Budget, Course, Shape},
    outcome::{Finding, Stop},
    request::{Environment, Until},
    say::plan as say,
    surroundings::Pace,
};

#[derive(Debug)]
pub struct Site {
    pub service: Service,
    pub group: Group,
    /// Deployments of the group that have not ended, newest first.
    pub active: Vec<Active>,
}

impl Site {
    pub async fn read(environment: &Environment, clients: &Clients) -> Result<Site, Stop> {
        let named = environment.application.as_deref().zip(environment.deployment_group.as_deref());
        let of_named = async {
            let Some((application, name)) = named else { return (Part::none(), None) };
            let place = Group { application: application.into(), name: name.into(), ..Group::default() };
            let (group, active) =
                tokio::join!(group::read(clients, application, name), group::active(clients, &place));
            (group, Some(active))
        };
        let (service, (group, active)) =
            tokio::join!(service::read(clients, &environment.cluster, &environment.service), of_named);
        let mut findings = Vec::new();
        let service = take(service, &mut findings);
        let mut group = take(group, &mut findings);
        if let (Some(service), None) = (&service, named) {
            let names = (environment.application.as_deref(), environment.deployment_group.as_deref());
            group = match service.controller.as_str() {
                "CODE_DEPLOY" => take(group::discover(clients, service, names).await, &mut findings),
                other => {
                    findings.push(say::controller(&service.name, other));
                    None
                }
            };
        }
        let (Some(service), Some(group)) = (service, group) else { return Err(Stop::refused(findings)) };
        if !group.deploys(&service) {
            let (cluster, name) = (&service.cluster, &service.name);
            findings.push(say::group_of_another_service(&group.name, &group.services, cluster, name));
        }
        let active = match active {
            Some(active) => active,
            None => group::active(clients, &group).await,
        };
        let active = take(active, &mut findings).unwrap_or_default();
        if findings.is_empty() { Ok(Site { service, group, active }) } else { Err(Stop::refused(findings)) }
    }

    /// What a deployment by this config is followed by. `live` is what production was on before.
    pub async fn course(
        &self,
        environment: &Environment,
        clients: &Clients,
        config: Option<&str>,
        live: &str,
    ) -> Result<Course, Stop> {
        let config = config.or(self.group.config.as_deref()).unwrap_or_default();
        let mut findings = Vec::new();
        let shape = take(group::shape(clients, config).await, &mut findings);
        let shape = shape.ok_or_else(|| Stop::refused(findings))?;
        Ok(self.course_of(environment, (config, shape), live, environment.until))
    }

    /// The same where the shift is known.
    pub fn course_of(
        &self,
        environment: &Environment,
        (config, shape): (&str, Shape),
        live: &str,
        until: Until,
    ) -> Course {
        let Site { service, group, .. } = self;
        let own_alarms: Vec<String> =
            environment.alarms.iter().filter(|alarm| !group.alarms.contains(alarm)).cloned().collect();
        let budget =
            Budget::of(&shape, group.ready_wait, group.termination_wait, service.desired_count, until);
        Course {
            region: environment.region.clone(),
            cluster: service.cluster.clone(),
            service: service.name.clone(),
            application: group.application.clone(),
            group: group.name.clone(),
            config: config.to_owned(),
            shape,
            ready_wait: group.ready_wait,
            termination_wait: group.termination_wait,
            rollback: group.rollback,
            production_listeners: group.production_listeners.clone(),
            until,
            on_cancel: environment.on_cancel,
            budget,
            time_limit: environment.time_limit,
            alarms: group.alarms.iter().chain(&own_alarms).cloned().collect(),
            own_alarms,
            fail_fast: environment.fail_fast,
            live_arn: live.to_owned(),
        }
    }

    /// Where the production listener answers, as far as it may be read.
    pub async fn production_url(&self, clients: &Clients) -> Option<String> {
        let traffic = traffic::read(clients, &self.group).await.value?;
        traffic.production.iter().find_map(|listener| listener.url())
    }

    /// The revision that a deployment brings, when its task set is there already.
    pub fn green_of(&self, deployment: &str) -> Option<&str> {
        let set = self.service.task_sets.iter().find(|set| set.deployment.as_deref() == Some(deployment))?;
        Some(&set.task_definition)
    }

    /// The revision that production was on before a deployment.
    pub fn blue_of(&self, deployment: &str) -> Option<&str> {
        let others = || {
            let sets = self.service.task_sets.iter();
            sets.filter(|set| set.deployment.as_deref() != Some(deployment) && set.status != "DRAINING")
        };
        let before = others().find(|set| set.status == "PRIMARY").or_else(|| others().next())?;
        Some(&before.task_definition)
    }

    /// What bringing an older revision back is followed by.
    pub fn way_back(&self, environment: &Environment, live: &str, pace: Pace) -> Course {
        let course = self.course_of(environment, ("", Shape::AllAtOnce), live, Until::TrafficShifted);
        course.way_back(live, pace)
    }
}

/// Names of the group's alarms that are in ALARM, as far as they may be read.
pub async fn alarms_that_ring(clients: &Clients, group: &Group) -> Vec<String> {
    let (alarms, _) = watch::alarms(clients, &group.alarms).await.value.unwrap_or_default();
    alarms.into_iter().filter(|alarm| alarm.state == "ALARM").map(|alarm| alarm.name).collect()
}

/// A service that must be there.
pub async fn find_service(clients: &Clients, cluster: &str, name: &str) -> Result<Service, Stop> {
    found(service::read(clients, cluster, name).await)
}

/// A group that must be there.
pub async fn find_group(clients: &Clients, application: &str, name: &str) -> Result<Group, Stop> {
    found(group::read(clients, application, name).await)
}

fn found<T>(part: Part<T>) -> Result<T, Stop> {
    part.value.ok_or_else(|| Stop::refused(part.findings))
}

fn take<T>(part: Part<T>, findings: &mut Vec<Finding>) -> Option<T> {
    findings.extend(part.findings);
    part.value
}
