//! How a run ended, in three sentences: what happened, what production is on, what to do next.

use super::{
    line::{Line, Tone},
    progress::span,
};
use crate::{
    event::Run,
    explain::Evidence,
    image::Image,
    outcome::{Finding, Outcome, Stop, Word},
};
use std::time::Duration;

/// An outcome as a heading of few words.
pub fn title(word: Word) -> &'static str {
    match word {
        Word::Succeeded => "Deployed",
        Word::Unchanged => "Nothing to do",
        Word::Planned => "Planned",
        Word::Held => "Waiting for approval",
        Word::RolledBackOnRequest => "Rolled back as asked for",
        Word::InternalError => "Broke off",
        Word::Invalid => "Invalid configuration",
        Word::Refused => "Refused",
        Word::BuildFailed => "Build failed",
        Word::RolledBack => "Failed and rolled back",
        Word::NeedsAttention => "Needs attention",
        Word::StillRunning => "Still running",
        Word::Cancelled => "Cancelled",
        Word::Superseded => "Superseded",
    }
}

pub fn tone(word: Word) -> Tone {
    match word {
        Word::Succeeded | Word::Unchanged | Word::Planned | Word::RolledBackOnRequest => Tone::Good,
        Word::Held | Word::StillRunning | Word::Cancelled | Word::Superseded => Tone::Caution,
        _ => Tone::Bad,
    }
}

/// The lines at the end of the log, behind the findings.
pub fn lines(outcome: &Outcome) -> Vec<Line> {
    let mut lines = vec![
        Line::new()
            .with(tone(outcome.word), title(outcome.word))
            .dim(format!("  {} (exit {})", outcome.word, outcome.word.code()))
            .dim(took(outcome).map(|took| format!(", took {took}")).unwrap_or_default()),
        Line::of(&outcome.happened),
        Line::of(&outcome.production),
    ];
    if let Some(next) = &outcome.next {
        lines.push(Line::new().strong("Next: ").plain(next));
    }
    if let Some(url) = &outcome.console_url {
        lines.push(Line::new().dim(url));
    }
    lines
}

/// A finding in one text.
pub fn finding(finding: &Finding) -> String {
    format!("{}\n{}", finding.what, finding.fix).trim_end().to_owned()
}

/// A finding in the log, with its place.
pub fn finding_lines(finding: &Finding) -> Vec<Line> {
    let place = finding.place.as_ref().map(|place| match place.line {
        Some(line) => format!("{}:{line}: ", place.file),
        None => format!("{}: ", place.file),
    });
    let mut lines = Vec::new();
    for (at, text) in finding.what.lines().enumerate() {
        lines.push(match at {
            0 => Line::new()
                .with(Tone::Bad, "error: ")
                .plain(format!("{}{text}", place.as_deref().unwrap_or_default())),
            _ => Line::of(format!("       {text}")),
        });
    }
    lines.extend(finding.fix.lines().map(|text| Line::new().dim("       → ").plain(text)));
    lines
}

/// What speaks for the cause, in the log.
pub fn evidence_lines(evidence: &Evidence) -> Vec<Line> {
    let labelled = |about: &str, text: &str| Line::new().plain("       ").label(about).plain(text);
    let mut lines: Vec<Line> = evidence.facts.iter().map(|fact| labelled(&fact.about, &fact.text)).collect();
    if let Some(log) = &evidence.log {
        lines.push(labelled("log", &log.title));
        lines.extend(log.lines.iter().map(|line| Line::new().dim("       | ").plain(line)));
    }
    lines.extend(evidence.unseen.iter().map(|text| labelled("unseen", text)));
    lines
}

pub fn took(outcome: &Outcome) -> Option<String> {
    (outcome.took > Duration::ZERO).then(|| span(outcome.took))
}

/// Stopped before anything was written.
pub fn stopped(stop: &Stop) -> Outcome {
    let happened = match (stop.word, stop.findings.as_slice()) {
        (Word::BuildFailed, _) => "The image was not built and pushed, so nothing was deployed.".to_owned(),
        (Word::Invalid, [_]) => "The configuration has an error, so nothing was done.".to_owned(),
        (Word::Invalid, findings) => {
            format!("The configuration has {} errors, so nothing was done.", findings.len())
        }
        (Word::Superseded, _) => "A newer commit has taken this one's place, so nothing was done.".to_owned(),
        (_, [_]) | (_, []) => "The plan can't be carried out, so nothing was done.".to_owned(),
        (_, findings) => {
            format!("The plan can't be carried out for {} reasons, so nothing was done.", findings.len())
        }
    };
    let mut outcome = Outcome::new(stop.word, happened, untouched());
    outcome.next = Some(match stop.findings.as_slice() {
        [only] if !only.fix.is_empty() => only.fix.clone(),
        _ => "Mend what is listed above and run the same again.".to_owned(),
    });
    outcome.findings = stop.findings.clone();
    outcome
}

/// Stopped between the task definition's revision and its deployment.
pub fn not_started(stop: &Stop, image: &str, task_definition: &str) -> Outcome {
    let mut outcome = stopped(stop);
    outcome.happened = format!(
        "No deployment was started. {image} is in its registry and {} is registered and unused: the next run of \
         this commit uses both.",
        super::deployment::revision(task_definition)
    );
    if stop.word == Word::NeedsAttention {
        outcome.happened = format!(
            "It is not known whether a deployment of {} was started.",
            super::deployment::revision(task_definition)
        );
        outcome.production = super::deployment::PRODUCTION_UNREAD.to_owned();
    }
    outcome.task_definition = Some(task_definition.to_owned());
    outcome
}

/// Stopped with the image in its registry, and nothing behind it.
pub fn withheld(stop: &Stop, image: &Image) -> Outcome {
    let mut outcome = stopped(stop);
    outcome.happened = format!("The image was not deployed: {} stays in its registry.", image.pinned());
    outcome.image = Some(image.pinned());
    outcome.digest = Some(image.digest.clone());
    outcome
}

/// Broke off for a reason that is nobody's fault but ours, or that nothing was prepared for.
/// `production` is what is known of it.
pub fn broke_off(error: &anyhow::Error, production: impl Into<String>) -> Outcome {
    let mut outcome = Outcome::new(Word::InternalError, format!("The run broke off: {error:#}."), production);
    outcome.next = Some(
        "Run the same again: it finds what this run left and goes on from there. RUST_LOG=debug tells more."
            .into(),
    );
    outcome
}

pub fn planned(run: &Run) -> Outcome {
    let happened = format!(
        "What would change in {} was read and can be carried out; nothing was written.",
        run.environment
    );
    let mut outcome = Outcome::new(Word::Planned, happened, untouched());
    outcome.next = Some("`greenlight deploy` with the same options carries it out.".into());
    outcome
}

pub fn unchanged(run: &Run, live: &str) -> Outcome {
    let happened = format!(
        "{} runs this very image and task definition in {} already; nothing was registered or deployed.",
        run.service, run.environment
    );
    let mut outcome = Outcome::new(
        Word::Unchanged,
        happened,
        format!("Production stays on {}.", super::deployment::revision(live)),
    );
    outcome.next = Some("`--force` deploys it all the same.".into());
    outcome
}

pub fn untouched() -> String {
    "Production is untouched.".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(outcome: &Outcome) -> String {
        outcome
            .findings
            .iter()
            .flat_map(finding_lines)
            .chain(lines(outcome))
            .map(|line| line.text())
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn a_stop_lists_its_findings_first() {
        let outcome = stopped(&Stop::invalid(vec![
            Finding::new("Unknown key `buildargs`.", "Did you mean `build-args`?")
                .at("greenlight.yml", Some(7)),
            Finding::new("There is no Dockerfile at ./Dockerfile.", "Set `image.dockerfile`."),
        ]));
        insta::assert_snapshot!(told(&outcome), @"
        error: greenlight.yml:7: Unknown key `buildargs`.
               → Did you mean `build-args`?
        error: There is no Dockerfile at ./Dockerfile.
               → Set `image.dockerfile`.
        Invalid configuration  invalid (exit 2)
        The configuration has 2 errors, so nothing was done.
        Production is untouched.
        Next: Mend what is listed above and run the same again.
        ");
    }
}
