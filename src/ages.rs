//! Whether what is deployed, or on its way, is newer than this run's commit. Git tells it where the work
//! tree has both; else GitHub is asked. What nobody can tell stands in nobody's way.

use crate::{
    event::Event,
    git::{self, Kinship},
    github,
    job::Job,
    marker::{Found, Marker},
    outcome::{Stop, Word},
    report::Reporter,
    say::ages as say,
    secret::Secret,
    surroundings::Variables,
};
use std::path::Path;

pub struct Ages<'a> {
    pub marker: &'a Marker,
    /// The work tree's.
    pub folder: &'a Path,
    pub variables: &'a Variables,
    pub token: Option<Secret>,
    pub report: &'a Reporter,
    /// An older commit is wanted.
    pub allow_older: bool,
}

impl Ages<'_> {
    /// Ends the run where `found`, the work of `whose`, is of a newer commit of the same repository and environment.
    pub async fn give_way(&self, found: Option<&Found>, whose: &str) -> Result<(), Stop> {
        let Some((ours, theirs)) = self.compared(found) else { return Ok(()) };
        match self.kinship(ours, theirs).await {
            Some(Kinship::Behind) => {
                Err(Stop { word: Word::Superseded, findings: vec![say::overtaken(ours, theirs, whose)] })
            }
            _ => Ok(()),
        }
    }

    /// Our commit and theirs, where they are to be compared at all.
    fn compared<'f>(&self, found: Option<&'f Found>) -> Option<(&str, &'f str)> {
        let found = found.filter(|found| !self.allow_older && self.marker.is_neighbour_of(found))?;
        let (ours, theirs) = (self.marker.commit.as_deref()?, found.base()?);
        (ours != theirs).then_some((ours, theirs))
    }

    async fn kinship(&self, ours: &str, theirs: &str) -> Option<Kinship> {
        if let Some(order) = git::kinship(self.folder, self.variables, ours, theirs).await {
            return Some(order);
        }
        let job = Job::of(self.variables)?;
        let token = self.token.as_ref()?.expose();
        let client = github::Client::new(&job.api_url, token, &job.repository, github::Limits::default());
        let asked = match client {
            Ok(client) => client.kinship(ours, theirs).await.map_err(|failure| say::unasked(&failure)),
            Err(error) => Err(format!("{error:#}")),
        };
        if let Err(why) = &asked {
            self.report.tell(Event::Note { text: say::unknown(theirs, why) });
        }
        asked.ok()
    }
}
