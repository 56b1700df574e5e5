//! What GitHub wouldn't take, gathered so that each kind is one warning at the end.

use crate::{
    job::Job,
    say::github::{self, Denied},
};

#[derive(Debug, Default)]
pub(super) struct Trouble {
    unauthorized: Option<String>,
    denied: Vec<(Denied, String)>,
    rejected: Vec<(&'static str, String)>,
    untold: Option<String>,
    no_commit: bool,
    /// The last attempt that had no answer.
    silence: Option<String>,
}

impl Trouble {
    pub(super) fn unauthorized(&mut self, message: String) {
        self.unauthorized = Some(message);
    }

    pub(super) fn denied(&mut self, what: Denied, message: String) {
        self.denied.push((what, message));
    }

    pub(super) fn rejected(&mut self, what: Denied, message: String) {
        self.rejected.push((what.0, message));
    }

    pub(super) fn no_commit(&mut self) {
        self.no_commit = true;
    }

    pub(super) fn silent(&mut self, message: String) {
        self.silence = Some(message);
    }

    /// The end of the run didn't reach GitHub.
    pub(super) fn untold(&mut self, message: Option<String>) {
        let message = message.or(self.silence.take()).unwrap_or_else(|| "no answer in time".into());
        self.untold = Some(message);
    }

    pub(super) fn warnings(&self, job: &Job) -> Vec<String> {
        if let Some(message) = &self.unauthorized {
            return vec![github::unauthorized(message)];
        }
        let mut warnings = Vec::new();
        if let Some((_, message)) = self.denied.first() {
            let what: Vec<_> = self.denied.iter().map(|(what, _)| *what).collect();
            warnings.push(github::denied(&what, message, job.reads_only));
        }
        if let Some((_, message)) = self.rejected.first() {
            let what: Vec<_> = self.rejected.iter().map(|(what, _)| *what).collect();
            warnings.push(github::rejected(&what.join(", "), message));
        }
        warnings.extend(self.no_commit.then(|| github::no_commit(job)));
        warnings.extend(self.untold.as_deref().map(github::untold));
        warnings
    }
}
