//! The task-definition stage: the revision that is deployed, registered only when there is none
//! yet that says the same.

use super::Document;
use crate::{
    aws::{Clients, Failure, Kind, NotTwice, send_json},
    current,
    event::Event,
    outcome::Stop,
    plan::TaskDefinitionStep,
    report::Reporter,
    say::{refusals, task_definition as say},
    surroundings::Pace,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const REGISTER: &str = "ecs:RegisterTaskDefinition";
/// Answers that may pass before the run gives up.
const TRIES: usize = 5;
/// Before what may pass is asked again.
const AGAIN: Duration = Duration::from_secs(2);
/// Looks for a revision, and how many may fail in a row.
const LOOKS: usize = 3;
const UNREAD: usize = 8;

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
pub async fn settle(
    clients: &Clients,
    step: &TaskDefinitionStep,
    image: &str,
    report: &Reporter,
    pace: Pace,
) -> Result<Settled, Stop> {
    let document = step.document.pinned(&step.pins, image);
    if step.is_unchanged(&document) {
        return Ok(Settled::Unchanged { arn: step.live_arn.clone() });
    }
    if let (Some(arn), Some(marked)) = (&step.marked_arn, &step.marked)
        && marked.same_as(&document)
    {
        return Ok(Settled::Marked { arn: arn.clone() });
    }
    let registration = Registration { clients, document: &document, tags: &step.tags, report, pace };
    registration.register().await.map(|arn| Settled::Registered { arn })
}

struct Registration<'a> {
    clients: &'a Clients,
    document: &'a Document,
    tags: &'a BTreeMap<String, String>,
    report: &'a Reporter,
    pace: Pace,
}

impl Registration<'_> {
    /// There is no idempotency token: after an answer that leaves open whether a revision was
    /// registered, it is looked for by its tags before it is asked for again.
    async fn register(&self) -> Result<String, Stop> {
        let mut tries = 0;
        loop {
            let failure = match self.ask().await {
                Ok(arn) => return Ok(arn),
                Err(failure) => failure,
            };
            if failure.may_be_done() {
                self.report.tell(Event::Note { text: say::looking(&failure) });
                match self.look().await {
                    Ok(Some(arn)) => return Ok(arn),
                    Ok(None) => {}
                    Err(unread) => {
                        let finding = say::perhaps_registered(self.document.family(), &failure, &unread);
                        return Err(Stop::refused(vec![finding]));
                    }
                }
            }
            if !failure.may_pass() || tries == TRIES {
                return Err(Stop::refused(vec![match failure.kind {
                    Kind::Answer => say::not_registered(self.document.family(), &failure),
                    _ => refusals::failure(&failure),
                }]));
            }
            tries += 1;
            self.pace.sleep(AGAIN).await;
        }
    }

    /// Registers the document as it is: the typed client would drop what it doesn't know.
    async fn ask(&self) -> Result<String, Failure> {
        let answer = self
            .clients
            .ecs()
            .register_task_definition()
            .family(self.document.family())
            .customize()
            .mutate_request(send_json(&body(self.document, self.tags)))
            .config_override(aws_sdk_ecs::Config::builder().retry_classifier(NotTwice))
            .send()
            .await
            .map_err(self.clients.failed(REGISTER))?;
        let arn = answer.task_definition.and_then(|t| t.task_definition_arn).filter(|arn| !arn.is_empty());
        arn.ok_or_else(|| self.clients.unreadable(REGISTER, "it names no revision"))
    }

    /// This run's own revision, should there be one: the latest of the family, since others can
    /// only have come after it. What was just registered may take a moment to be read.
    async fn look(&self) -> Result<Option<String>, Failure> {
        let (mut looks, mut unread) = (0, 0);
        loop {
            match current::describe(self.clients, self.document.family()).await {
                Ok(latest) if latest.tags == *self.tags && latest.document.same_as(self.document) => {
                    return Ok(Some(latest.arn));
                }
                Err(failure) if failure.may_pass() && unread < UNREAD => unread += 1,
                Err(failure) if failure.kind != Kind::Answer => return Err(failure),
                // The family has none yet, or another latest one.
                Ok(_) | Err(_) => {
                    looks += 1;
                    if looks == LOOKS {
                        return Ok(None);
                    }
                }
            }
            self.pace.sleep(AGAIN).await;
        }
    }
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
