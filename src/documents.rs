//! The user's own files, read and checked before anyone is asked.

use crate::{
    appspec::AppSpec,
    outcome::{Finding, Stop},
    request::{Request, TaskDefinitionSource},
    say::plan as say,
    task_definition::{self, Document, FromFile},
};

#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// `None`: the revision that runs now is taken.
    pub task_definition: Option<FromFile>,
    /// `None`: it is generated.
    pub appspec: Option<AppSpec>,
}

impl Documents {
    pub fn read(request: &Request) -> Result<Documents, Stop> {
        let environment = &request.environment;
        let mut documents = Documents::default();
        let mut findings = Vec::new();
        if let TaskDefinitionSource::File(path) = &environment.task_definition {
            match task_definition::read(path, &environment.allow_unknown_keys) {
                Ok(read) => {
                    findings.extend(container_findings(request, &read.document));
                    documents.task_definition = Some(read);
                }
                Err(found) => findings.extend(found),
            }
        }
        if let Some(path) = &environment.appspec {
            match AppSpec::read(path) {
                Ok(appspec) => documents.appspec = Some(appspec),
                Err(found) => findings.extend(found),
            }
        }
        if findings.is_empty() { Ok(documents) } else { Err(Stop::invalid(findings)) }
    }
}

/// The container that gets this run's image: the named one, or the only one.
pub fn container(request: &Request, document: &Document) -> Result<String, Finding> {
    let names = document.container_names();
    match (&request.environment.container, names.as_slice()) {
        (Some(named), names) if names.contains(&named.as_str()) => Ok(named.clone()),
        (Some(named), names) => Err(say::no_container(named, names)),
        (None, [only]) => Ok((*only).to_owned()),
        (None, names) => Err(say::which_container(names)),
    }
}

/// What a document lacks of the containers and ports that the request names.
pub fn container_findings(request: &Request, document: &Document) -> Vec<Finding> {
    let mut findings = Vec::new();
    match container(request, document) {
        Ok(container) => {
            let ports = document.ports_of(&container);
            if let Some(port) = request.environment.container_port
                && !ports.contains(&port)
            {
                findings.push(say::no_port(&container, port, &ports));
            }
        }
        Err(finding) => findings.push(finding),
    }
    let names = document.container_names();
    for named in request.environment.images.keys().filter(|named| !names.contains(&named.as_str())) {
        findings.push(say::no_container(named, &names));
    }
    findings
}
