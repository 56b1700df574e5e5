//! AWS as it is now: reads only, side by side where they don't depend on each other. What is
//! missing or denied is kept as a finding, so that the plan tells all of it in one go.

mod engine;
mod group;
mod near;
mod pull;
mod reach;
mod service;
mod site;
#[cfg(test)]
mod tests;
mod traffic;
mod watch;

pub use engine::missing as engine_missing;
pub use group::{Active, Group, deployment};
pub use pull::may_pull;
pub use reach::{Unreachable, production_unreachable};
#[cfg(test)]
pub use service::{Balancer, TaskSetNow};
pub use service::{Service, describe};
pub use site::{Site, alarms_that_ring, find_group as group, find_service as service};
pub use traffic::{Listener, Traffic, group_name};
pub use watch::Scaling;

use crate::{
    aws::{Access, Clients},
    deployment::Shape,
    documents::Documents,
    git::Checkout,
    image::{self, Candidate},
    marker::{self, Found, Marker},
    outcome::{Finding, Stop},
    plan::ImageStep,
    request::{ImageRequest, Request},
    surroundings::Variables,
    task_definition::Revision,
    watch::AlarmNow,
};
use std::{collections::BTreeMap, time::Duration, time::SystemTime};

/// What a run knows of itself before it asks anyone.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// `deploy`, `plan`, …: the run's own command.
    pub command: String,
    pub marker: Marker,
}

#[derive(Debug, Default)]
pub struct Current {
    pub facts: Facts,
    pub documents: Documents,
    pub account: String,
    pub region: String,
    pub service: Option<Service>,
    /// The revision that the service runs.
    pub live: Option<Revision>,
    /// The family's latest revision, when that is another one.
    pub latest: Option<Revision>,
    pub group: Option<Group>,
    /// The deployment config that applies, and how it shifts.
    pub config: Option<(String, Shape)>,
    /// Deployments of the group that have not ended, newest first.
    pub active: Vec<Active>,
    /// The revision that our own active deployment brings, when there is one.
    pub attached: Option<Revision>,
    pub traffic: Traffic,
    /// Of the addresses that the checks ask.
    pub unreachable: Vec<Unreachable>,
    /// Why there is no engine to run checks in images, when some are.
    pub no_engine: Option<String>,
    pub alarms: Vec<AlarmNow>,
    /// Alarms that are named and don't exist.
    pub missing_alarms: Vec<String>,
    pub scaling: Vec<Scaling>,
    pub image: Option<Candidate>,
    /// Why there is no candidate for the image.
    pub image_refused: Option<Stop>,
    /// Further containers' images, by digest where that could be found.
    pub images: BTreeMap<String, String>,
    /// How long credentials hold that can't be renewed.
    pub credentials_hold: Option<Duration>,
    pub findings: Vec<Finding>,
    /// What is done without, and said: full sentences.
    pub notes: Vec<String>,
}

/// What one reader found: a value, or why there is none.
struct Part<T> {
    value: Option<T>,
    findings: Vec<Finding>,
    notes: Vec<String>,
}

impl<T> Part<T> {
    fn of(value: T) -> Part<T> {
        Part { value: Some(value), findings: Vec::new(), notes: Vec::new() }
    }

    fn none() -> Part<T> {
        Part { value: None, findings: Vec::new(), notes: Vec::new() }
    }

    fn wrong(finding: Finding) -> Part<T> {
        Part { findings: vec![finding], ..Part::none() }
    }

    fn without(note: String) -> Part<T> {
        Part { notes: vec![note], ..Part::none() }
    }
}

impl Current {
    /// An error here is ours: what AWS lacks or denies is kept as a finding.
    pub async fn read(
        request: &Request,
        access: &Access,
        documents: Documents,
        checkout: &Checkout,
        variables: &Variables,
        facts: Facts,
    ) -> anyhow::Result<Current> {
        let clients = &access.deploy;
        let environment = &request.environment;
        let mut current = Current {
            account: clients.account.clone(),
            region: clients.region.clone(),
            credentials_hold: access
                .ends
                .map(|end| end.duration_since(SystemTime::now()).unwrap_or_default()),
            ..Current::default()
        };

        let family = documents.task_definition.as_ref().map(|t| t.document.family().to_owned());
        let named_group = environment.application.as_deref().zip(environment.deployment_group.as_deref());
        let (service, group, image, images, latest) = tokio::join!(
            service::read(clients, &environment.cluster, &environment.service),
            async {
                match named_group {
                    Some((application, group)) => group::read(clients, application, group).await,
                    None => Part::none(),
                }
            },
            image::decide(request, access, checkout, variables, facts.command == "plan"),
            pinned(request, access, checkout, variables),
            async {
                match &family {
                    Some(family) => service::latest(clients, family).await,
                    None => Part::none(),
                }
            },
        );
        current.service = current.take(service);
        current.group = current.take(group);
        match image {
            Ok(candidate) => current.image = Some(candidate),
            Err(error) => current.image_refused = Some(error.downcast::<Stop>()?),
        }
        current.images = images?;
        current.latest = current.take(latest);

        if let (Some(service), None) = (&current.service, named_group) {
            let names = (environment.application.as_deref(), environment.deployment_group.as_deref());
            let found = group::discover(clients, service, names).await;
            current.group = current.take(found);
        }

        let config = environment.deployment_config.as_deref();
        let config = config.or(current.group.as_ref().and_then(|g| g.config.as_deref())).map(str::to_owned);
        let mut alarms = current.group.as_ref().map(|g| g.alarms.clone()).unwrap_or_default();
        alarms.extend(environment.alarms.iter().filter(|a| !alarms.contains(a)).cloned().collect::<Vec<_>>());
        let role = documents.task_definition.as_ref().and_then(|t| t.document.execution_role());
        let repository = current.image.as_ref().and_then(|i| repository(&i.step, &access.registry().account));
        let will_let = current
            .image
            .as_ref()
            .is_some_and(|image| matches!(image.step, ImageStep::Build { create: Some(_), .. }));
        let (live, scaling, shape, active, traffic, alarms, pull) = {
            let (service, group) = (current.service.as_ref(), current.group.as_ref());
            tokio::join!(
                async {
                    match service {
                        Some(service) => service::live(clients, service).await,
                        None => Part::none(),
                    }
                },
                async {
                    match service {
                        Some(service) => watch::scaling(clients, service).await,
                        None => Part::none(),
                    }
                },
                async {
                    match &config {
                        Some(config) => group::shape(clients, config).await,
                        None => Part::none(),
                    }
                },
                async {
                    match group {
                        Some(group) => group::active(clients, group).await,
                        None => Part::none(),
                    }
                },
                async {
                    match group {
                        Some(group) => traffic::read(clients, group).await,
                        None => Part::none(),
                    }
                },
                watch::alarms(clients, &alarms),
                async {
                    match repository {
                        Some(repository) => pull::policy(access, &repository, role, will_let).await,
                        None => Part::none(),
                    }
                },
            )
        };
        current.live = current.take(live);
        current.scaling = current.take(scaling).unwrap_or_default();
        current.config = config.zip(current.take(shape));
        current.active = current.take(active).unwrap_or_default();
        current.traffic = current.take(traffic).unwrap_or_default();
        (current.alarms, current.missing_alarms) = current.take(alarms).unwrap_or_default();
        current.take(pull);
        (current.unreachable, current.no_engine) =
            tokio::join!(reach::read(environment, &current.traffic, variables), engine_missing(environment));

        if current.latest.is_none()
            && let Some(live) = &current.live
            && family.is_none()
        {
            let latest = service::latest(clients, live.document.family()).await;
            current.latest = current.take(latest);
        }
        if current.latest.as_ref().map(|l| &l.arn) == current.live.as_ref().map(|l| &l.arn) {
            current.latest = None;
        }
        let ours = current.active.iter().find(|a| a.is_of(&facts.marker)).map(|a| a.id.clone());
        if let (Some(id), Some(service)) = (ours, &current.service)
            && let Some(green) = service.task_sets.iter().find(|set| set.deployment.as_deref() == Some(&id))
        {
            let attached = service::revision(clients, &green.task_definition).await;
            current.attached = current.take(attached);
        }
        current.facts = facts;
        current.documents = documents;
        Ok(current)
    }

    fn take<T>(&mut self, part: Part<T>) -> Option<T> {
        for finding in part.findings {
            if !self.findings.contains(&finding) {
                self.findings.push(finding);
            }
        }
        self.notes.extend(part.notes);
        part.value
    }
}

/// The repository that the image is pulled from, when this account holds it.
fn repository(step: &ImageStep, account: &str) -> Option<String> {
    let (ImageStep::Build { repository_uri: uri, .. }
    | ImageStep::Reuse { uri, .. }
    | ImageStep::Given { uri, .. }) = step;
    let (host, name) = uri.split_once('/')?;
    let holder = host.split('.').next().filter(|id| id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit()));
    holder.is_none_or(|holder| holder == account).then(|| name.to_owned())
}

/// The further containers' images by digest; one that can't be resolved stays as it is written.
async fn pinned(
    request: &Request,
    access: &Access,
    checkout: &Checkout,
    variables: &Variables,
) -> anyhow::Result<BTreeMap<String, String>> {
    let mut pinned = BTreeMap::new();
    for (container, image) in &request.environment.images {
        let given = Request { image: ImageRequest::Given(image.clone()), scan: None, ..request.clone() };
        let resolved = match image.contains("@sha256:") {
            true => None,
            false => match image::decide(&given, access, checkout, variables, true).await {
                Ok(Candidate { step: ImageStep::Given { uri, digest }, .. }) => {
                    Some(format!("{uri}@{digest}"))
                }
                Ok(_) => None,
                Err(error) => error.downcast::<Stop>().map(|_| None)?,
            },
        };
        pinned.insert(container.clone(), resolved.unwrap_or_else(|| image.clone()));
    }
    Ok(pinned)
}

/// The newest revision of a family, as far as it can be seen.
pub async fn newest_revision(clients: &Clients, family: &str) -> Option<Revision> {
    service::latest(clients, family).await.value
}

impl Active {
    /// Whether an earlier run of the same commit, environment and configuration started it.
    pub fn is_of(&self, marker: &Marker) -> bool {
        !self.is_rollback && self.found().is_some_and(|found| marker.owns(&found))
    }

    /// Whose it is, as it says itself.
    pub fn found(&self) -> Option<Found> {
        Found::in_description(&self.description)
    }

    /// Whether it may be stopped for another deployment: one of the same repository and environment, that
    /// brings something new. What takes production back is never in the way.
    pub fn makes_way_for(&self, marker: &Marker) -> bool {
        let goes_back = self.is_rollback || marker::goes_back(&self.description);
        !goes_back && self.found().is_some_and(|found| marker.is_neighbour_of(&found))
    }
}
