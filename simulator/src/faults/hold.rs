//! Calls that are held. Whoever watches the world asks for one by its operation, hears when it has
//! come, does what is to be done at exactly that moment, and lets it go on or loses its answer.
//! `POST /_holds` on the AWS endpoint asks for one, `GET /_holds/ID` answers once the call has
//! come, `DELETE /_holds/ID` lets it go, `DELETE /_holds/ID?lose` leaves it unanswered.

use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::watch;

/// When a call is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Moment {
    /// It has come, and nothing is done yet.
    Before,
    /// It is carried out, and not answered yet.
    After,
    /// It is answered: the next call, whichever it is, is held before it is carried out.
    Answered,
}

/// The answer isn't given.
#[derive(Debug)]
pub(crate) struct Lost;

#[derive(Default)]
pub(crate) struct Holds(Mutex<Vec<Arc<Hold>>>);

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Asked {
    /// `codedeploy:CreateDeployment`, `github:checks/create`, `registry:put-manifest`; a star at
    /// its end stands for any rest.
    operation: String,
    moment: Moment,
    /// Which call of it, from 1 on.
    #[serde(default = "first")]
    nth: u32,
    /// Those after it as well.
    #[serde(default)]
    every: bool,
}

struct Hold {
    asked: Mutex<Asked>,
    /// The operation that was held.
    come: watch::Sender<Option<String>>,
    go: watch::Sender<Option<Go>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Go {
    On,
    Lose,
}

fn first() -> u32 {
    1
}

impl Holds {
    /// A call passes this moment: it stays here as long as it is held.
    pub(crate) async fn pass(&self, operation: &str, moment: Moment) -> Result<(), Lost> {
        let holding: Vec<Arc<Hold>> =
            self.0.lock().iter().filter(|hold| hold.takes(operation, moment)).cloned().collect();
        for hold in holding {
            hold.come.send_if_modified(|come| {
                let first = come.is_none();
                come.get_or_insert_with(|| operation.to_owned());
                first
            });
            let mut go = hold.go.subscribe();
            // The sender lives as long as the hold.
            if let Ok(go) = go.wait_for(Option::is_some).await
                && *go == Some(Go::Lose)
            {
                return Err(Lost);
            }
        }
        Ok(())
    }

    /// The same where a connection can't be reset: its client waits in vain.
    pub(crate) async fn pass_or_stay(&self, operation: &str, moment: Moment) {
        if self.pass(operation, moment).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The endpoint: a status and a body.
    pub(crate) async fn serve(&self, method: &str, path: &str, query: &str, body: &[u8]) -> (u16, Value) {
        let hold = || {
            let id = path.trim_start_matches('/').parse::<usize>().ok()?;
            self.0.lock().get(id).cloned()
        };
        match (method, hold()) {
            ("POST", _) => match serde_json::from_slice::<Asked>(body) {
                Ok(asked) => (200, json!({ "id": self.add(asked) })),
                Err(error) => (400, json!({ "message": error.to_string() })),
            },
            ("GET", Some(hold)) => {
                let mut come = hold.come.subscribe();
                let operation = come.wait_for(Option::is_some).await.ok().and_then(|come| come.clone());
                (200, json!({ "operation": operation }))
            }
            ("DELETE", Some(hold)) => {
                hold.asked.lock().nth = 0;
                hold.asked.lock().every = false;
                hold.go.send_replace(Some(if query == "lose" { Go::Lose } else { Go::On }));
                (200, json!({}))
            }
            _ => (404, json!({ "message": "there is no such hold" })),
        }
    }

    fn add(&self, asked: Asked) -> usize {
        let mut all = self.0.lock();
        let asked = Mutex::new(asked);
        all.push(Arc::new(Hold { asked, come: watch::Sender::default(), go: watch::Sender::default() }));
        all.len() - 1
    }
}

impl Hold {
    fn takes(&self, operation: &str, moment: Moment) -> bool {
        let mut asked = self.asked.lock();
        let named = match asked.operation.strip_suffix('*') {
            Some(start) => operation.starts_with(start),
            None => operation == asked.operation,
        };
        let due = match asked.moment {
            Moment::Answered => Moment::After,
            other => other,
        };
        if !named || moment != due || asked.nth == 0 {
            return false;
        }
        if asked.nth > 1 {
            asked.nth -= 1;
            return false;
        }
        if asked.moment == Moment::Answered {
            asked.moment = Moment::Before;
            asked.operation = "*".into();
            return false;
        }
        if !asked.every {
            asked.nth = 0;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn ask(holds: &Holds, asked: Value) {
        assert_eq!(holds.serve("POST", "", "", asked.to_string().as_bytes()).await.0, 200);
    }

    #[tokio::test]
    async fn the_nth_call_is_held_until_it_is_let_go() {
        let holds = Holds::default();
        ask(&holds, json!({ "operation": "ecs:Register*", "moment": "before", "nth": 2 })).await;
        let call = || holds.pass("ecs:RegisterTaskDefinition", Moment::Before);
        assert!(call().await.is_ok());
        assert!(holds.pass("ecs:RegisterTaskDefinition", Moment::After).await.is_ok());
        let watch = async {
            let come = holds.serve("GET", "/0", "", b"").await;
            assert_eq!(come.1["operation"], "ecs:RegisterTaskDefinition");
            holds.serve("DELETE", "/0", "", b"").await
        };
        assert!(tokio::join!(call(), watch).0.is_ok());
        assert!(call().await.is_ok());
    }

    #[tokio::test]
    async fn an_answer_is_lost_and_what_follows_is_not() {
        let holds = Holds::default();
        ask(&holds, json!({ "operation": "a:B", "moment": "after" })).await;
        let watch = async {
            holds.serve("GET", "/0", "", b"").await;
            holds.serve("DELETE", "/0", "lose", b"").await
        };
        assert!(tokio::join!(holds.pass("a:B", Moment::After), watch).0.is_err());
        assert!(holds.pass("a:B", Moment::After).await.is_ok());
    }

    #[tokio::test]
    async fn after_an_answer_the_next_call_is_held_whichever_it_is() {
        let holds = Holds::default();
        ask(&holds, json!({ "operation": "a:B", "moment": "answered" })).await;
        for moment in [Moment::Before, Moment::After] {
            assert!(holds.pass("a:B", moment).await.is_ok());
        }
        let watch = async {
            let come = holds.serve("GET", "/0", "", b"").await;
            holds.serve("DELETE", "/0", "", b"").await;
            come.1["operation"].clone()
        };
        assert_eq!(tokio::join!(holds.pass("c:D", Moment::Before), watch).1, "c:D");
    }

    #[tokio::test]
    async fn what_is_no_hold_is_refused() {
        let holds = Holds::default();
        assert_eq!(holds.serve("POST", "", "", b"{}").await.0, 400);
        assert_eq!(holds.serve("GET", "/7", "", b"").await.0, 404);
    }
}
