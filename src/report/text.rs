//! The job log as text: a group for each stage, a line only when something changed. Under GitHub
//! Actions with the runner's commands, elsewhere plain.

use super::{foreign, history::History};
use crate::{
    event::{Event, Stage},
    outcome::Outcome,
    say::{self, Line, Tone},
};
use std::{fmt::Write, time::Duration};

/// GitHub shows ten of a kind for a step; beyond them a finding is a plain line.
const ANNOTATIONS: usize = 10;

#[derive(Clone)]
pub(super) struct Text {
    /// Whether the runner reads along.
    pub(super) actions: bool,
    pub(super) colour: bool,
    /// Whether changes of the deployment are shown by the live view.
    pub(super) live: bool,
    open: bool,
    errors: usize,
    remarks: usize,
}

impl Text {
    pub(super) fn new(actions: bool, colour: bool, live: bool) -> Text {
        Text { actions, colour, live, open: false, errors: 0, remarks: 0 }
    }

    /// The lines that tell an event.
    pub(super) fn lines(&mut self, event: &Event, history: &History, now: Duration) -> Vec<String> {
        let mut out = Vec::new();
        match event {
            Event::Stage { stage } => self.stage(*stage, &mut out),
            Event::Note { text } => out.extend(foreign::lines(text).map(|l| self.line(&Line::of(l)))),
            Event::Warning { text } => self.warning(text, &mut out),
            Event::Planned { text, .. } => {
                out.extend(foreign::lines(text).map(|line| guard(foreign::tame(line).into_owned())));
            }
            Event::BuildOutput { line } | Event::Output { line, .. } => {
                out.extend(foreign::lines(line).map(|line| format!("| {}", foreign::tame(line))));
            }
            // Elsewhere the build's output has said it.
            Event::BuildRemark { text, place } if self.actions && self.remarks < ANNOTATIONS => {
                self.remarks += 1;
                out.push(annotation("warning", text, Some(&place.file), place.line, say::build::REMARK));
            }
            Event::BuildRemark { .. } => {}
            Event::Finished(outcome) => self.outcome(outcome, &mut out),
            Event::Lifecycle { .. }
            | Event::DeploymentStatus { .. }
            | Event::Traffic { .. }
            | Event::Tasks { .. }
            | Event::Waiting { .. }
                if self.live => {}
            event => {
                for line in say::progress::lines(event, history, now) {
                    out.push(self.timed(&line, history.elapsed(now)));
                }
            }
        }
        out
    }

    /// A secret that the runner shall hide from here on.
    pub(super) fn mask(secret: &str) -> Vec<String> {
        foreign::lines(secret).map(|line| format!("::add-mask::{}", foreign::message(line))).collect()
    }

    pub(super) fn line(&self, line: &Line) -> String {
        let mut out = String::new();
        for (tone, text) in line.spans() {
            let text = foreign::lines(text).map(foreign::tame).collect::<Vec<_>>().join(" ");
            match colour(tone) {
                Some(code) if self.colour && !text.is_empty() => {
                    let _ = write!(out, "\u{1b}[{code}m{text}\u{1b}[0m");
                }
                _ => out.push_str(&text),
            }
        }
        // Two harmless spans can meet in a harmful word.
        if out.contains("##[") {
            out = out.replace("##[", "##\\[");
        }
        guard(out.trim_end().to_owned())
    }

    fn timed(&self, line: &Line, elapsed: Option<Duration>) -> String {
        match elapsed {
            Some(elapsed) if !self.live => {
                let mut timed = Line::new().dim(format!("{}  ", say::progress::clock(elapsed)));
                for (tone, text) in line.spans() {
                    timed = timed.with(tone, text);
                }
                self.line(&timed)
            }
            _ => self.line(line),
        }
    }

    fn stage(&mut self, stage: Stage, out: &mut Vec<String>) {
        self.close(out);
        let heading = say::progress::heading(stage);
        match (self.actions, stage) {
            // The outcome stays in sight.
            (_, Stage::Outcome) => {}
            (true, _) => {
                self.open = true;
                out.push(format!("::group::{heading}"));
            }
            (false, _) => out.extend([String::new(), self.line(&Line::new().strong(heading))]),
        }
    }

    fn close(&mut self, out: &mut Vec<String>) {
        if std::mem::take(&mut self.open) {
            out.push("::endgroup::".into());
        }
    }

    fn warning(&self, text: &str, out: &mut Vec<String>) {
        if self.actions {
            out.push(format!("::warning::{}", foreign::message(text)));
        } else {
            let line = Line::new().with(Tone::Caution, "warning: ").plain(text);
            out.push(self.line(&line));
        }
    }

    fn outcome(&mut self, outcome: &Outcome, out: &mut Vec<String>) {
        self.close(out);
        if !self.actions {
            out.push(String::new());
        }
        for finding in &outcome.findings {
            if self.actions && outcome.word.code() != 0 && self.errors < ANNOTATIONS {
                let place = finding.place.as_ref();
                out.push(self.error(
                    say::outcome::title(outcome.word),
                    &say::outcome::finding(finding),
                    place.map(|p| p.file.as_str()),
                    place.and_then(|p| p.line),
                ));
            } else {
                out.extend(say::outcome::finding_lines(finding).iter().map(|line| self.line(line)));
            }
        }
        if self.actions && outcome.word.code() != 0 && outcome.findings.is_empty() {
            out.push(self.error(say::outcome::title(outcome.word), &outcome.happened, None, None));
        }
        let evidence = say::outcome::evidence_lines(&outcome.evidence);
        out.extend(evidence.iter().chain(&say::outcome::lines(outcome)).map(|line| self.line(line)));
    }

    fn error(&mut self, title: &str, message: &str, file: Option<&str>, line: Option<usize>) -> String {
        self.errors += 1;
        annotation("error", message, file, line, title)
    }
}

/// A command that has the runner show a message at its place.
fn annotation(kind: &str, message: &str, file: Option<&str>, line: Option<usize>, title: &str) -> String {
    let mut properties = String::new();
    if let Some(file) = file {
        let _ = write!(properties, "file={},", foreign::property(file));
    }
    if let Some(line) = line {
        let _ = write!(properties, "line={line},");
    }
    format!("::{kind} {properties}title={}::{}", foreign::property(title), foreign::message(message))
}

/// No line of ours but a command is one.
fn guard(line: String) -> String {
    if foreign::commands(&line) { format!("| {line}") } else { line }
}

fn colour(tone: Tone) -> Option<&'static str> {
    match tone {
        Tone::Plain => None,
        Tone::Strong => Some("1"),
        Tone::Dim => Some("90"),
        Tone::Blue => Some("34"),
        Tone::Green => Some("32"),
        Tone::Good => Some("1;32"),
        Tone::Bad => Some("1;31"),
        Tone::Caution => Some("33"),
    }
}
