//! One stream of events to all that show it: job log, live view, JSON lines, job summary,
//! outputs, GitHub. A report that fails is a warning, never the run's failure.

use crate::event::Event;

pub struct Reporter {}

impl Reporter {
    /// Tells an event to every report; never blocks and never fails.
    pub fn tell(&self, _event: Event) {}
}
