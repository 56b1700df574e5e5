//! The secrets that were told, kept out of all that is written.

use super::{foreign, lock};
use crate::{
    event::{Event, Run},
    explain::Evidence,
    outcome::{Finding, Outcome},
};
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// A shorter one would take words out of the log that aren't one.
const SHORTEST: usize = 8;

#[derive(Clone, Default)]
pub(super) struct Secrets(Arc<Mutex<Vec<String>>>);

impl Secrets {
    /// What of it is new, line by line.
    pub(super) fn add(&self, secret: &str) -> Vec<String> {
        let mut known = lock(&self.0);
        let mut new = Vec::new();
        for line in foreign::lines(secret).map(str::trim).filter(|line| line.len() >= SHORTEST) {
            if !known.iter().any(|secret| secret == line) {
                known.push(line.to_owned());
                new.push(line.to_owned());
            }
        }
        // One may be part of another.
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        new
    }

    /// Takes them out of an event before anyone sees it: later, an escape could hide one.
    pub(super) fn hide_in(&self, event: &mut Event) {
        let known = lock(&self.0);
        if known.is_empty() {
            return;
        }
        each_text(event, &mut |text| hide(&known, text));
    }

    pub(super) fn hide(&self, text: &mut String) {
        hide(&lock(&self.0), text);
    }
}

fn hide(known: &[String], text: &mut String) {
    for secret in known {
        if text.contains(secret.as_str()) {
            *text = text.replace(secret.as_str(), "***");
        }
    }
}

/// Every text of an event.
pub(super) fn each_text(event: &mut Event, hide: &mut dyn FnMut(&mut String)) {
    match event {
        Event::Stage { .. } | Event::Traffic { .. } | Event::Tasks { .. } | Event::Eta { .. } => {}
        Event::Note { text } | Event::Warning { text } | Event::BuildOutput { line: text } => hide(text),
        Event::BuildRemark { text, place } => [text, &mut place.file].into_iter().for_each(hide),
        Event::Output { from, line } => [from, line].into_iter().for_each(hide),
        Event::Waiting { what, remaining: _ } => hide(what),
        Event::Planned { text, plan } => {
            hide(text);
            each_text_of(plan, hide);
        }
        Event::ImageReady { uri, digest, tags, built: _ } => {
            [uri, digest].into_iter().chain(tags).for_each(hide);
        }
        Event::TaskDefinitionReady { arn, registered: _ } => hide(arn),
        Event::ProductionBack { task_definition, after: _ } => hide(task_definition),
        Event::DeploymentCreated { id, application, group, config, console_url, attached: _ } => {
            [id, application, group, config, console_url].into_iter().for_each(hide);
        }
        Event::Lifecycle { deployment, name, status } => {
            [deployment, name, status].into_iter().for_each(hide)
        }
        Event::DeploymentStatus { deployment, status } => [deployment, status].into_iter().for_each(hide),
        Event::Alarm { name, state, reason } => [name, state].into_iter().chain(reason).for_each(hide),
        Event::Check { name, conclusion: _, measured, limit } => {
            [name, measured, limit].into_iter().for_each(hide)
        }
        Event::RollbackStarted { deployment, rollback, reason } => {
            [deployment, rollback].into_iter().chain(reason).for_each(hide);
        }
        Event::Started(run) => {
            let Run { command, service, environment, account, region, url, commit } = Arc::make_mut(run);
            let named = [command, service, environment, account, region];
            named.into_iter().chain(url).chain(commit).for_each(hide);
        }
        Event::Finished(outcome) => each_text_of_outcome(Arc::make_mut(outcome), hide),
    }
}

fn each_text_of_outcome(outcome: &mut Outcome, hide: &mut dyn FnMut(&mut String)) {
    let Outcome {
        word: _,
        happened,
        production,
        next,
        findings,
        evidence: Evidence { facts, log, unseen },
        image,
        digest,
        task_definition,
        previous_task_definition,
        deployment,
        rollback_deployment,
        console_url,
        took: _,
    } = outcome;
    for Finding { what, fix, place } in findings {
        [what, fix].into_iter().chain(place.as_mut().map(|place| &mut place.file)).for_each(&mut *hide);
    }
    facts.iter_mut().flat_map(|fact| [&mut fact.about, &mut fact.text]).for_each(&mut *hide);
    if let Some(log) = log {
        std::iter::once(&mut log.title).chain(&mut log.lines).for_each(&mut *hide);
    }
    unseen.iter_mut().for_each(&mut *hide);
    let ids = [task_definition, previous_task_definition, deployment, rollback_deployment];
    let optional = [next, image, digest, console_url].into_iter().chain(ids).flatten();
    [happened, production].into_iter().chain(optional).for_each(hide);
}

fn each_text_of(document: &mut Value, hide: &mut dyn FnMut(&mut String)) {
    match document {
        Value::String(text) => hide(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text_of(item, hide)),
        Value::Object(fields) => fields.values_mut().for_each(|field| each_text_of(field, hide)),
        _ => {}
    }
}
