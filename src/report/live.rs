//! The live view: one panel at the foot of a terminal that shows the deployment as it is now,
//! with the lines of the log above it.

use super::{history::History, lock, text::Text};
use crate::{say, surroundings::Pace};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressState, ProgressStyle};
use std::{
    fmt, io,
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

pub(super) struct View {
    history: Arc<Mutex<History>>,
    pace: Pace,
    colour: bool,
    panel: Option<ProgressBar>,
}

impl View {
    pub(super) fn new(history: Arc<Mutex<History>>, pace: Pace, colour: bool) -> View {
        View { history, pace, colour, panel: None }
    }

    pub(super) fn print(&self, line: &str) {
        match &self.panel {
            Some(panel) => panel.println(line),
            None => drop(writeln!(io::stdout(), "{line}")),
        }
    }

    /// Shows the panel from the deployment's start to the run's end.
    pub(super) fn refresh(&mut self) {
        let (running, ended) = {
            let history = lock(&self.history);
            (!history.deployments.is_empty(), history.outcome.is_some())
        };
        match &self.panel {
            Some(panel) if ended => {
                panel.finish();
                self.panel = None;
            }
            Some(panel) => panel.tick(),
            None if running && !ended => self.panel = Some(self.start()),
            None => {}
        }
    }

    fn start(&self) -> ProgressBar {
        let (history, pace) = (self.history.clone(), self.pace);
        let text = Text::new(false, self.colour, true);
        let show = move |_: &ProgressState, out: &mut dyn fmt::Write| {
            let lines = say::progress::panel(&lock(&history), pace.now());
            let lines: Vec<_> = lines.iter().map(|line| text.line(line)).collect();
            let _ = write!(out, "{}", lines.join("\n"));
        };
        let style = ProgressStyle::with_template("{panel}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner())
            .with_key("panel", show);
        let panel = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout())
            .with_style(style)
            .with_finish(ProgressFinish::AndLeave);
        panel.enable_steady_tick(Duration::from_secs(1));
        panel
    }
}
