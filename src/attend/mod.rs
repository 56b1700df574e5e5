//! Commands that go to a deployment that there is already: what they share on their way in.

mod approve;
mod status;

use crate::{
    aws::{Access, Limits},
    back,
    cancel::Cancel,
    cli::Options,
    current::{Active, Site},
    deploy,
    deployment::{self, Context, Course, Shape},
    event::{Event, Run, Stage},
    git::Checkout,
    inputs::{self, Purpose},
    marker::{Found, Marker},
    outcome::{Outcome, Stop},
    report::Reporter,
    request::{Environment, Request},
    say::{self, refusals},
    surroundings::{Pace, Variables},
};
use anyhow::{Context as _, Result};
use std::{env, process::ExitCode, sync::Arc};

#[derive(Clone, Copy)]
pub enum Errand<'a> {
    Status,
    Approve { deployment: Option<&'a str> },
    Rollback { to: Option<&'a str> },
}

/// What an errand works with: nothing has been written yet.
pub struct Visit<'a> {
    pub request: &'a Request,
    pub access: &'a Access,
    pub site: Site,
    pub marker: &'a Marker,
    pub report: &'a Reporter,
    pub pace: Pace,
    pub cancel: &'a Cancel,
}

/// A deployment that can be followed.
pub struct Attached {
    pub id: String,
    /// What it brings.
    pub task_definition: String,
    pub course: Course,
}

/// Runs an errand and tells its end.
pub async fn attend(errand: Errand<'_>, options: &Options, variables: &Variables) -> ExitCode {
    let pace = Pace::of(variables);
    let told = match errand {
        // It changes nothing, so there is nothing for GitHub to know.
        Errand::Status => options.log_alone(),
        Errand::Approve { .. } | Errand::Rollback { .. } => options.report(variables),
    };
    let report = Reporter::new(told, variables, pace);
    let cancel = match deploy::begin(options, &report) {
        Ok(cancel) => cancel,
        Err(error) => return deploy::stopped_early(error, options, variables),
    };
    let outcome = go(errand, options, variables, pace, &report, &cancel).await;
    deploy::tell_end(outcome, pace, &report, &cancel).await
}

async fn go(
    errand: Errand<'_>,
    options: &Options,
    variables: &Variables,
    pace: Pace,
    report: &Reporter,
    cancel: &Cancel,
) -> Result<Outcome> {
    let here = env::current_dir().context("there is no working directory")?;
    let inputs = inputs::read_for(Purpose::Attend, options, &here, variables)?;
    let checkout = cancel.unless(Checkout::of(&inputs.folder, variables)).await?;
    if matches!(errand, Errand::Rollback { .. }) && options.image.is_some() {
        let said = say::inputs::given_as("image", options.overrides.inputs.contains("image"));
        report.tell(Event::Warning { text: say::attend::image_not_looked_at(&said) });
    }
    report.tell(Event::Stage { stage: Stage::Read });
    let marker = deploy::marker(&inputs, &checkout, variables);
    let opened = Access::open(&inputs.request, variables, &marker, Limits::of(variables), report);
    let access = cancel.unless(opened).await??;
    if access.job_environment {
        report.has_environment();
    }
    for text in &access.notes {
        report.tell(Event::Note { text: text.clone() });
    }
    let site = cancel.unless(Site::read(&inputs.request.environment, &access.deploy)).await??;
    let request = &inputs.request;
    let visit = Visit { request, access: &access, site, marker: &marker, report, pace, cancel };
    match errand {
        Errand::Status => status::status(&visit).await,
        Errand::Approve { deployment } => approve::approve(&visit, deployment).await,
        Errand::Rollback { to } => back::roll_back(visit, to).await,
    }
}

impl Visit<'_> {
    pub fn environment(&self) -> &Environment {
        &self.request.environment
    }

    /// Says what this is about. `commit` is the one that the deployment ships.
    pub fn begin(&self, command: &str, commit: Option<&str>) {
        let clients = &self.access.deploy;
        self.report.tell(Event::Started(Arc::new(Run {
            command: command.to_owned(),
            service: self.request.service.clone(),
            environment: self.environment().name.clone(),
            account: clients.account.clone(),
            region: clients.region.clone(),
            url: self.environment().url.clone(),
            commit: commit.map(str::to_owned),
        })));
    }

    pub fn context(&self, course: Course) -> Context<'_> {
        let Visit { marker, report, pace, cancel, .. } = *self;
        let (clients, registry) = (&self.access.deploy, self.access.registry());
        Context { course, clients, registry, marker, report, pace, cancel }
    }

    /// Where users reach the service, as told or as the listener tells.
    pub async fn production_url(&self) -> Option<String> {
        match &self.environment().url {
            Some(url) => Some(url.clone()),
            None => self.site.production_url(&self.access.deploy).await,
        }
    }

    /// Production as it reads now, in words.
    pub async fn production(&self) -> String {
        let Site { service, group, .. } = &self.site;
        let (clients, listeners) = (&self.access.deploy, &group.production_listeners);
        match deployment::production(clients, &service.cluster, &service.name, listeners).await {
            Ok(production) => say::attend::production(&production),
            Err(failure) => say::deployment::production_denied(&failure),
        }
    }

    /// What it takes to follow an active deployment: a rollback is followed by what it takes back.
    pub async fn attach(&self, active: &Active) -> Result<Attached, Stop> {
        let attached = self.attach_at_once(active).await?;
        let (config, live) = (active.config.as_deref(), &attached.course.live_arn);
        let course = self.site.course(self.environment(), &self.access.deploy, config, live).await?;
        Ok(Attached { course, ..attached })
    }

    /// The same where it doesn't count how traffic shifts: fewer calls.
    pub async fn attach_at_once(&self, active: &Active) -> Result<Attached, Stop> {
        let (site, clients) = (&self.site, &self.access.deploy);
        let id = active.takes_back.as_ref().filter(|_| active.is_rollback).unwrap_or(&active.id);
        let task_definition = match site.green_of(id) {
            Some(green) => green.to_owned(),
            None => deployment::brought_by(clients, &site.group.application, id)
                .await
                .map_err(|failure| Stop::refused(vec![refusals::failure(&failure)]))?
                .unwrap_or_default(),
        };
        let blue = site.blue_of(id).unwrap_or_default();
        let config = (active.config.as_deref().unwrap_or_default(), Shape::AllAtOnce);
        let course = site.course_of(self.environment(), config, blue, self.environment().until);
        Ok(Attached { id: id.clone(), task_definition, course })
    }
}

/// The commit that a deployment's description names.
pub fn commit(found: Option<&Found>) -> Option<&str> {
    found.and_then(Found::commit)
}
