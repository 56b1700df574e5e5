//! From what was given to what is asked for: flags over inputs over `greenlight.yml`, checked as
//! far as that goes without asking anyone. Everything that is wrong is told in one go.

mod assemble;
mod build;
mod checks;
pub mod field;
mod registries;
pub mod source;
pub mod stray;

use crate::{
    cli::Options,
    config::{check, file, yaml},
    outcome::{Finding, Stop},
    request::Request,
    say,
    surroundings::Variables,
};
use anyhow::Context;
use field::FIELDS;
use serde_json::Value;
use source::Source;
use std::path::{Path, PathBuf};

/// The task definition that stands for the revision that runs now.
pub const LIVE: &str = "live";

/// Where the configuration is looked for.
const FILES: [&str; 2] = ["greenlight.yml", ".github/greenlight.yml"];

/// The environment's name when there is no file to name one.
const ENVIRONMENT: &str = "production";

#[derive(Debug)]
pub struct Inputs {
    pub request: Request,
    /// What the file says about a rehearsal's world.
    pub rehearse: file::Rehearse,
    /// Where the file's paths start: its folder, or the working directory without a file.
    pub folder: PathBuf,
}

/// What the inputs are read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To ship something: the image and all files have to be there.
    Ship,
    /// To make a world of it: what is secret needn't be there.
    Stage,
    /// To go to a deployment that there is already: where it runs is all that counts.
    Attend,
}

/// Reads what is to be shipped. An error that isn't a `Stop` is ours.
pub fn read(options: &Options, working_directory: &Path, variables: &Variables) -> anyhow::Result<Inputs> {
    read_for(Purpose::Ship, options, working_directory, variables)
}

/// The same for a purpose.
pub fn read_for(
    purpose: Purpose,
    options: &Options,
    working_directory: &Path,
    variables: &Variables,
) -> anyhow::Result<Inputs> {
    let mut source = Source::find(options.config.as_deref(), working_directory)?;
    if source.text.is_none() && options.overrides.given.is_empty() && options.image.is_none() {
        return Err(Stop::invalid(vec![say::inputs::no_configuration(&FILES)]).into());
    }
    let mut document = source.parse()?;
    let mut findings = Vec::new();
    let environment =
        choose(options.environment.as_deref(), &document, &source).map_err(|f| findings.push(f)).ok();

    if let Some(environment) = &environment {
        findings.extend(overlay(&mut document, environment, options, &mut source));
    }
    let as_written = |path: &yaml::Path| source.text_of(path);
    let problems = check::check(&mut document, &as_written);
    findings
        .extend(problems.iter().map(|problem| say::inputs::problem(problem, &source.subject(&problem.path))));

    let file: file::File =
        serde_json::from_value(document).context("a checked configuration can't be read")?;
    let rehearse = file.rehearse.clone();
    let request = environment.and_then(|environment| {
        assemble::request(purpose, file, &environment, options, &source, variables, &problems, &mut findings)
    });
    findings.sort_by_key(|finding| finding.place.as_ref().and_then(|place| place.line));
    match request {
        Some(request) if findings.is_empty() => Ok(Inputs { request, rehearse, folder: source.folder }),
        _ => Err(Stop::invalid(findings).into()),
    }
}

/// The environment that is meant: the named one, or the only one.
fn choose(named: Option<&str>, document: &Value, source: &Source) -> Result<String, Finding> {
    let known: Vec<&str> =
        document["environments"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    match (named, known.as_slice()) {
        (None, []) => Ok(ENVIRONMENT.to_owned()),
        (None, [only]) => Ok((*only).to_owned()),
        (None, several) => Err(say::inputs::which_environment(several)),
        (Some(named), []) if source.text.is_none() => Ok(named.to_owned()),
        (Some(named), known) if known.contains(&named) => Ok(named.to_owned()),
        (Some(named), known) => Err(say::inputs::unknown_environment(named, known, source.file_name())),
    }
}

/// Puts what was given as flag or input into the document, and remembers where it came from.
fn overlay(document: &mut Value, environment: &str, options: &Options, source: &mut Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for field in FIELDS.iter() {
        let Some(texts) = options.overrides.given.get(field.name.as_str()) else { continue };
        let from_input = options.overrides.inputs.contains(&field.name);
        let said = say::inputs::given_as(&field.name, from_input);
        let section = field.section.path(environment);
        match field.value(texts, &said, &source.working_directory) {
            Ok(Value::Object(entries)) if field.within.is_some() => {
                let section = section.key(field.key);
                for (id, entry) in entries {
                    source.given.insert(section.key(&id), said.clone());
                    put(document, &section, &id, entry);
                }
            }
            Ok(value) => {
                put(document, &section, field.key, value);
                source.given.insert(section.key(field.key), said);
            }
            Err(finding) => findings.push(finding),
        }
    }
    findings
}

/// Sets a key of a section. A section that isn't an object is left for the check to tell.
fn put(document: &mut Value, section: &yaml::Path, key: &str, value: Value) {
    let mut at = document;
    for step in &section.0 {
        let yaml::Step::Key(key) = step else { return };
        let Value::Object(object) = at else { return };
        at = object.entry(key).or_insert(Value::Null);
        if at.is_null() {
            *at = Value::Object(serde_json::Map::new());
        }
    }
    if let Value::Object(object) = at {
        object.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests;
