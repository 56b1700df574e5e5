//! The task-definition stage: the revision that is deployed, registered only when there is none
//! yet that says the same.

use super::Document;
use crate::{
    aws::{Clients, send_json},
    outcome::Stop,
    plan::TaskDefinitionStep,
    say::{refusals, task_definition as say},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The revision to deploy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The service runs it already: nothing is to be done.
    Unchanged {
        arn: String,
    },
    /// An earlier run of ours registered it and didn't get to deploy it.
    Marked {
        arn: String,
    },
    Registered {
        arn: String,
    },
}

impl Settled {
    pub fn arn(&self) -> &str {
        match self {
            Settled::Unchanged { arn } | Settled::Marked { arn } | Settled::Registered { arn } => arn,
        }
    }
}

/// `image` is the image of this run, pinned by digest.
pub async fn settle(clients: &Clients, step: &TaskDefinitionStep, image: &str) -> Result<Settled, Stop> {
    let document = step.document.pinned(&step.pins, image);
    if step.is_unchanged(&document) {
        return Ok(Settled::Unchanged { arn: step.live_arn.clone() });
    }
    if let (Some(arn), Some(marked)) = (&step.marked_arn, &step.marked)
        && marked.same_as(&document)
    {
        return Ok(Settled::Marked { arn: arn.clone() });
    }
    register(clients, &document, &step.tags).await.map(|arn| Settled::Registered { arn })
}

/// Registers the document as it is: the typed client would drop what it doesn't know.
async fn register(
    clients: &Clients,
    document: &Document,
    tags: &BTreeMap<String, String>,
) -> Result<String, Stop> {
    let answer = clients
        .ecs()
        .register_task_definition()
        .family(document.family())
        .customize()
        .mutate_request(send_json(&body(document, tags)))
        .send()
        .await
        .map_err(clients.failed("ecs:RegisterTaskDefinition"))
        .map_err(|failure| match failure.kind {
            crate::aws::Kind::Answer => Stop::refused(vec![say::not_registered(document.family(), &failure)]),
            _ => Stop::refused(vec![refusals::failure(&failure)]),
        })?;
    let arn = answer.task_definition.and_then(|t| t.task_definition_arn);
    arn.ok_or_else(|| Stop::refused(vec![say::no_arn(document.family())]))
}

fn body(document: &Document, tags: &BTreeMap<String, String>) -> Value {
    let mut body = document.0.clone();
    if !tags.is_empty() {
        let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        body.insert("tags".to_owned(), Value::Array(tags));
    }
    Value::Object(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task_definition::tests::document;

    #[test]
    fn the_body_is_the_document_with_its_tags() {
        let document = document(
            json!({"family": "f", "keyOfTomorrow": [], "containerDefinitions": [{"name": "a", "command": []}]}),
        );
        let tags = BTreeMap::from([("team".to_owned(), "web".to_owned())]);
        assert_eq!(
            body(&document, &tags).to_string(),
            r#"{"family":"f","keyOfTomorrow":[],"containerDefinitions":[{"name":"a","command":[]}],"tags":[{"key":"team","value":"web"}]}"#
        );
        assert!(body(&document, &BTreeMap::new()).get("tags").is_none());
    }
}
