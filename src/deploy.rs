//! The way through, stage by stage, each taking what the one before it made; and its end, told
//! whatever it is.

use crate::{
    ages::Ages,
    aws::{Access, Limits},
    cancel::{Cancel, grace},
    cli::Options,
    current::{Current, Facts},
    deployment,
    documents::Documents,
    event::{Event, Run, Stage},
    git::Checkout,
    image,
    inputs::{self, Inputs},
    kept::name,
    marker::Marker,
    one_off,
    outcome::{Outcome, Stop, Word},
    plan::Plan,
    report::Reporter,
    request::Concurrency,
    say::{ages as say_ages, cancel as say, outcome as said},
    surroundings::{Pace, Variables},
    task_definition::{self, Settled},
};
use anyhow::{Context, Result};
use std::{env, process::ExitCode, sync::Arc};

/// How far the way through is gone.
#[derive(Clone, Copy, PartialEq)]
pub enum UpTo {
    Plan,
    End,
}

/// Goes the way through and tells its end.
pub async fn ship(options: &Options, up_to: UpTo, variables: &Variables) -> ExitCode {
    let pace = Pace::of(variables);
    let report = Reporter::new(options.report(variables), variables, pace);
    let cancel = match begin(options, &report) {
        Ok(cancel) => cancel,
        Err(error) => return stopped_early(error, options, variables),
    };
    let outcome = stages(options, up_to, variables, pace, &report, &cancel).await;
    tell_end(outcome, pace, &report, &cancel).await
}

/// The beginning of every command: what its post step finds when it dies, and its ear for signals.
pub fn begin(options: &Options, report: &Reporter) -> Result<Cancel> {
    report.keep(name::ASKED, &serde_json::to_string(&options.arguments)?);
    let cancel = Cancel::on_signals()?;
    tokio::spawn(cancel.clone().enforce());
    let (noted, reporter) = (cancel.clone(), report.clone());
    tokio::spawn(async move {
        noted.requested().await;
        reporter.keep(name::CANCELLED, "yes");
        reporter.tell(Event::Note { text: say::CANCELLED.to_owned() });
    });
    Ok(cancel)
}

/// The end of every command, told whatever it is.
pub async fn tell_end(outcome: Result<Outcome>, pace: Pace, report: &Reporter, cancel: &Cancel) -> ExitCode {
    let mut outcome = outcome.unwrap_or_else(|error| stopped(error, report));
    outcome.took = pace.elapsed();
    let code = outcome.exit_code();
    report.tell(Event::Stage { stage: Stage::Outcome });
    report.tell(Event::Finished(Arc::new(outcome)));
    report.finish(cancel).await;
    code
}

/// Tells the end of a command that broke off before it had anything to report on.
pub fn stopped_early(error: anyhow::Error, options: &Options, variables: &Variables) -> ExitCode {
    let report = Reporter::new(options.log_alone(), variables, Pace::of(variables));
    let outcome = stopped(error, &report);
    let code = outcome.exit_code();
    report.tell(Event::Finished(Arc::new(outcome)));
    code
}

async fn stages(
    options: &Options,
    up_to: UpTo,
    variables: &Variables,
    pace: Pace,
    report: &Reporter,
    cancel: &Cancel,
) -> Result<Outcome> {
    let here = env::current_dir().context("there is no working directory")?;
    let inputs = inputs::read(options, &here, variables)?;
    let request = &inputs.request;
    for secret in request.image.secrets() {
        report.mask(secret.value.expose());
    }
    let documents = Documents::read(request)?;
    let checkout = cancel.unless(Checkout::of(&inputs.folder, variables)).await?;
    report.tell(Event::Started(Arc::new(run_of(&inputs, &checkout, up_to))));

    report.tell(Event::Stage { stage: Stage::Read });
    let marker = marker(&inputs, &checkout, variables);
    let opened = Access::open(request, variables, &marker, Limits::of(variables), report);
    let access = cancel.unless(opened).await??;
    if access.job_environment {
        report.has_environment();
    }
    for text in &access.notes {
        report.tell(Event::Note { text: text.clone() });
    }
    let facts = Facts { command: up_to.command().to_owned(), marker };
    let ages = Ages {
        marker: &facts.marker,
        folder: &inputs.folder,
        variables,
        token: options.report(variables).github.token,
        report,
        allow_older: request.environment.allow_older,
    };
    let planned = || plan(&inputs, &access, &documents, &checkout, variables, &facts, &ages);
    let mut plan = cancel.unless(planned()).await??;

    report.tell(Event::Stage { stage: Stage::Plan });
    report.tell(Event::Planned { text: plan.to_string(), plan: plan.json() });
    for text in &plan.warnings {
        report.tell(Event::Warning { text: text.clone() });
    }
    if up_to == UpTo::Plan {
        return Ok(said::planned(&plan.run));
    }
    // What is planned behind somebody else's deployment is planned anew when that has ended: it
    // changes what is live.
    while let Some(active) = plan.deployment.active.clone().filter(|_| plan.deployment.attach.is_none()) {
        if plan.deployment.concurrency == Concurrency::Fail {
            return Err(Stop::refused(vec![crate::say::deployment::slot_taken(
                &plan.deployment.group,
                Some(&active),
            )])
            .into());
        }
        let context = context(&plan, &access, &facts.marker, report, pace, cancel);
        let order = plan.deployment.concurrency;
        cancel.unless(deployment::clear_the_way(&context, order, Some(&ages), &active)).await??;
        plan = cancel.unless(planned()).await??;
        report.tell(Event::Planned { text: plan.to_string(), plan: plan.json() });
    }

    report.tell(Event::Stage { stage: Stage::Image });
    // A build has heard of the signal itself, and takes a moment to end.
    let shipped = image::ship(&plan.image, access.registry(), variables, report, cancel);
    let image = cancel.within(grace::STOP, shipped).await;
    let image = image.unwrap_or_else(|| Err(cancelled().into()))?;
    match &plan.scan {
        Some(rule) if plan.brings(&image.pinned()) => {
            let judged = cancel.unless(image::scan::judge(rule, &image, &access, report, pace)).await?;
            match judged.map_err(anyhow::Error::downcast::<Stop>) {
                Ok(()) => {}
                Err(Ok(stop)) => return Ok(said::withheld(&stop, &image)),
                Err(Err(error)) => return Err(error),
            }
        }
        _ => cancel.unless(async {}).await?,
    }

    report.tell(Event::Stage { stage: Stage::TaskDefinition });
    report.keep(name::REGISTERING, plan.task_definition.document.family());
    let pinned = image.pinned();
    let settled = task_definition::settle(&access.deploy, &plan.task_definition, &pinned, report, pace);
    let Some(settled) = cancel.within(grace::ANSWER, settled).await.transpose()? else {
        return Ok(say::registration_unanswered(plan.task_definition.document.family()));
    };
    let registered = matches!(settled, Settled::Registered { .. });
    report.tell(Event::TaskDefinitionReady { arn: settled.arn().to_owned(), registered });
    let mut outcome = if let (Settled::Unchanged { arn }, None) = (&settled, &plan.deployment.attach) {
        said::unchanged(&plan.run, arn)
    } else {
        cancel.unless(async {}).await?;
        report.tell(Event::Stage { stage: Stage::Deployment });
        let context = context(&plan, &access, &facts.marker, report, pace, cancel);
        let ended = deployed(&context, &plan, settled.arn(), &image.pinned(), &ages).await;
        match ended.map_err(anyhow::Error::downcast::<Stop>) {
            Ok(outcome) => outcome,
            Err(Ok(stop)) if stop.word == Word::Cancelled => return Err(stop.into()),
            Err(Ok(stop)) => said::not_started(&stop, &image.pinned(), settled.arn()),
            Err(Err(error)) => return Err(error),
        }
    };
    outcome.image = Some(image.pinned());
    outcome.digest = Some(image.digest);
    Ok(outcome)
}

/// What is followed from an earlier run has what goes before it behind it.
async fn deployed(
    context: &deployment::Context<'_>,
    plan: &Plan,
    task_definition: &str,
    image: &str,
    ages: &Ages<'_>,
) -> Result<Outcome> {
    if plan.deployment.attach.is_none() {
        one_off::before(context, &plan.deployment.before, task_definition, image).await?;
        context.cancel.unless(async {}).await?;
    }
    deployment::carry_out(context, plan, task_definition, image, ages).await
}

async fn plan(
    inputs: &Inputs,
    access: &Access,
    documents: &Documents,
    checkout: &Checkout,
    variables: &Variables,
    facts: &Facts,
    ages: &Ages<'_>,
) -> Result<Plan> {
    let request = &inputs.request;
    let current =
        Current::read(request, access, documents.clone(), checkout, variables, facts.clone()).await?;
    if !current.active.iter().any(|active| active.is_of(&facts.marker)) {
        let live = current.live.as_ref().and_then(|live| live.marker());
        ages.give_way(live.as_ref(), say_ages::live()).await?;
        if let Some(active) = current.active.first() {
            ages.give_way(active.found().as_ref(), &say_ages::on_its_way(&active.id)).await?;
        }
    }
    Ok(Plan::of(request, current)?)
}

fn context<'a>(
    plan: &Plan,
    access: &'a Access,
    marker: &'a Marker,
    report: &'a Reporter,
    pace: Pace,
    cancel: &'a Cancel,
) -> deployment::Context<'a> {
    deployment::Context {
        course: plan.course(),
        clients: &access.deploy,
        registry: access.registry(),
        marker,
        report,
        pace,
        cancel,
    }
}

impl UpTo {
    fn command(self) -> &'static str {
        match self {
            UpTo::Plan => "plan",
            UpTo::End => "deploy",
        }
    }
}

/// The run as far as it is known before anyone is asked.
fn run_of(inputs: &Inputs, checkout: &Checkout, up_to: UpTo) -> Run {
    let environment = &inputs.request.environment;
    Run {
        command: up_to.command().to_owned(),
        service: inputs.request.service.clone(),
        environment: environment.name.clone(),
        account: environment.account.clone().unwrap_or_default(),
        region: environment.region.clone(),
        url: environment.url.clone(),
        commit: checkout.commit.clone(),
    }
}

pub fn marker(inputs: &Inputs, checkout: &Checkout, variables: &Variables) -> Marker {
    let run = match (variables.get("GITHUB_RUN_ID"), variables.get("GITHUB_RUN_ATTEMPT")) {
        (Some(id), attempt) => format!("{id}.{}", attempt.unwrap_or("1")),
        (None, _) => uuid::Uuid::new_v4().simple().to_string().split_off(20),
    };
    Marker {
        repository: variables.get("GITHUB_REPOSITORY").unwrap_or_default().to_owned(),
        commit: checkout.commit.clone(),
        dirty: checkout.dirty,
        environment: inputs.request.environment.name.clone(),
        configuration: inputs.request.configuration_hash.clone(),
        run,
    }
}

/// Before a deployment was asked for.
fn cancelled() -> Stop {
    Stop { word: Word::Cancelled, findings: Vec::new() }
}

fn stopped(error: anyhow::Error, report: &Reporter) -> Outcome {
    match error.downcast_ref::<Stop>() {
        // Before anything was deployed there is nothing to take back.
        Some(Stop { word: Word::Cancelled, findings }) => {
            say::before_a_deployment(&report.history(), findings)
        }
        Some(stop) => said::stopped(stop),
        None => said::broke_off(&error, said::untouched()),
    }
}
