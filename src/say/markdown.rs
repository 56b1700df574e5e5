//! A run in Markdown: the job's summary, the check's text, the pull request's comment. Whatever
//! could come from outside is defused here.

use super::{
    github,
    outcome::took,
    progress::{clock, percent, short, span},
};
use crate::{
    event::Conclusion,
    explain::Evidence,
    job::Job,
    outcome::{Finding, Outcome, Word},
    report::{
        foreign::{code, cut, fence, prose},
        history::{Deployment, History},
    },
};
use std::fmt::Write;

/// GitHub takes 65,535 characters of a check's text and 65,536 of a comment's.
const TEXT: usize = 60_000;
/// And 1 MiB of a step's summary.
const SUMMARY: usize = 1_000_000;
const PLAN: usize = 30_000;
const ROWS: usize = 100;
const FINDINGS: usize = 20;
const FINDING: usize = 1_000;

/// The job's summary: all there is, written at the end.
pub fn summary(history: &History, job: Option<&Job>) -> String {
    let mut out = heading(history);
    findings(&mut out, history);
    sentences(&mut out, history);
    facts(&mut out, history, job);
    figures(&mut out, history);
    if !history.warnings.is_empty() {
        out.push_str("### Warnings\n\n");
        for warning in history.warnings.iter().take(ROWS) {
            let _ = writeln!(out, "- {}", prose(warning));
        }
        out.push('\n');
    }
    plan(&mut out, history);
    limited(out, SUMMARY)
}

/// The text of a check: its title stands above it already.
pub fn check(history: &History, job: Option<&Job>) -> String {
    let mut out = String::new();
    findings(&mut out, history);
    sentences(&mut out, history);
    facts(&mut out, history, job);
    figures(&mut out, history);
    plan(&mut out, history);
    limited(out, TEXT)
}

/// The comment, with the line by which it is found again.
pub fn comment(history: &History, job: Option<&Job>) -> String {
    let mut out = String::new();
    if let Some(run) = &history.run {
        let _ = writeln!(out, "{}", github::marker(run));
    }
    out.push_str(&heading(history));
    findings(&mut out, history);
    sentences(&mut out, history);
    facts(&mut out, history, job);
    let mut more = String::new();
    figures(&mut more, history);
    if !more.is_empty() {
        let _ = write!(out, "<details><summary>Traffic and lifecycle</summary>\n\n{more}</details>\n\n");
    }
    plan(&mut out, history);
    limited(out, TEXT)
}

fn heading(history: &History) -> String {
    let subject = history.run.as_ref().map(|run| format!(": {} / {}", run.service, run.environment));
    format!("## {} {}{}\n\n", sign(history), github::title(history), prose(&subject.unwrap_or_default()))
}

fn sign(history: &History) -> &'static str {
    match history.outcome.as_ref().map(|outcome| outcome.word) {
        None => "⏳",
        Some(Word::Succeeded | Word::Unchanged | Word::Planned | Word::RolledBackOnRequest) => "✅",
        Some(Word::Held | Word::StillRunning | Word::Cancelled | Word::Superseded) => "⚠️",
        Some(_) => "❌",
    }
}

fn sentences(out: &mut String, history: &History) {
    match &history.outcome {
        Some(outcome) => {
            let _ = writeln!(out, "{}\n{}\n", prose(&outcome.happened), prose(&outcome.production));
            if let Some(next) = &outcome.next {
                let _ = writeln!(out, "**Next:** {}\n", prose(next));
            }
        }
        None => {
            if let Some(waiting) = &history.waiting {
                let _ = writeln!(out, "Waiting: {}\n", prose(&waiting.what));
            }
        }
    }
}

fn findings(out: &mut String, history: &History) {
    let Some(outcome) = history.outcome.as_ref().filter(|outcome| !outcome.findings.is_empty()) else {
        return;
    };
    out.push_str("### What was found\n\n");
    for finding in outcome.findings.iter().take(FINDINGS) {
        let _ = writeln!(out, "- {}", item(finding));
    }
    if let more @ 1.. = outcome.findings.len().saturating_sub(FINDINGS) {
        let _ = writeln!(out, "- and {more} more, in the job log");
    }
    out.push('\n');
    evidence(out, &outcome.evidence);
}

/// What speaks for the cause: a line a fact, and the log as it is.
fn evidence(out: &mut String, evidence: &Evidence) {
    for fact in &evidence.facts {
        let _ = writeln!(out, "- {}: {}", prose(&fact.about), prose(&fact.text));
    }
    for text in &evidence.unseen {
        let _ = writeln!(out, "- {}", prose(text));
    }
    if !evidence.facts.is_empty() || !evidence.unseen.is_empty() {
        out.push('\n');
    }
    if let Some(log) = &evidence.log {
        let _ = write!(out, "Log: {}\n\n{}\n", prose(&log.title), fence("", &log.lines.join("\n")));
    }
}

fn item(finding: &Finding) -> String {
    let place = finding.place.as_ref().map(|place| match place.line {
        Some(line) => format!("{}: ", code(&format!("{}:{line}", place.file))),
        None => format!("{}: ", code(&place.file)),
    });
    let fix = match finding.fix.as_str() {
        "" => String::new(),
        fix => format!("<br>{}", prose(&cut(fix, FINDING))),
    };
    format!("{}**{}**{fix}", place.unwrap_or_default(), prose(&cut(&finding.what, FINDING)).trim())
}

fn facts(out: &mut String, history: &History, job: Option<&Job>) {
    let outcome = history.outcome.as_deref();
    let of = |field: fn(&Outcome) -> &Option<String>| outcome.and_then(|o| field(o).clone());
    let mut rows: Vec<(&str, String)> = Vec::new();
    let pinned = history.image.as_ref().map(|image| image.pinned());
    if let Some(image) = of(|o| &o.image).or(pinned) {
        let repository = image.split_once('@').map_or(image.as_str(), |(repository, _)| repository);
        rows.push(("Image", code(repository)));
        let digest = of(|o| &o.digest).or(history.image.as_ref().map(|image| image.digest.clone()));
        rows.extend(digest.map(|digest| ("Digest", code(&digest))));
    }
    let revision = history.task_definition.as_ref().map(|revision| revision.arn.clone());
    if let Some(arn) = of(|o| &o.task_definition).or(revision) {
        rows.push(("Revision", code(super::deployment::revision(&arn))));
    }
    if let Some(arn) = of(|o| &o.previous_task_definition) {
        rows.push(("Previous revision", code(super::deployment::revision(&arn))));
    }
    for (at, deployment) in history.deployments.iter().enumerate() {
        let name = if at == 0 { "Deployment" } else { "Rollback" };
        rows.push((name, link(deployment)));
    }
    if let Some(run) = &history.run {
        if let Some(commit) = &run.commit {
            let actor = job.filter(|job| !job.actor.is_empty()).map(|job| format!(", {}", prose(&job.actor)));
            rows.push(("Commit", format!("{}{}", code(short(commit)), actor.unwrap_or_default())));
        }
        let place = [&run.account, &run.region].into_iter().filter(|word| !word.is_empty());
        rows.push(("Account", place.map(|word| code(word)).collect::<Vec<_>>().join(", ")));
        rows.extend(run.url.as_deref().map(|url| ("URL", prose(url))));
    }
    if let Some(job) = job {
        rows.push(("Run", prose(&job.run_url)));
    }
    rows.extend(outcome.and_then(took).map(|took| ("Took", took)));
    if rows.is_empty() {
        return;
    }
    out.push_str("| | |\n|---|---|\n");
    for (name, value) in rows {
        let _ = writeln!(out, "| {name} | {value} |");
    }
    out.push('\n');
}

fn link(deployment: &Deployment) -> String {
    match deployment.console_url.as_deref().filter(|url| plain(url)) {
        Some(url) => format!("[{}]({url})", code(&deployment.id)),
        None => code(&deployment.id),
    }
}

/// Whether an address can stand in a link as it is.
fn plain(url: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#=&%+,".contains(c);
    url.starts_with("https://") && url.chars().all(fine)
}

/// Traffic, lifecycle, checks and alarms: one table each.
fn figures(out: &mut String, history: &History) {
    let began = history.deployments.first().map(|deployment| deployment.began).unwrap_or_default();
    let after = |at: std::time::Duration| clock(at.saturating_sub(began));
    if !history.traffic.is_empty() {
        out.push_str("| traffic at | blue | green |\n|---|---|---|\n");
        for shift in history.traffic.iter().take(ROWS) {
            let _ =
                writeln!(out, "| {} | {} | {} |", after(shift.at), percent(shift.blue), percent(shift.green));
        }
        out.push('\n');
    }
    for deployment in history.deployments.iter().filter(|deployment| !deployment.lifecycle.is_empty()) {
        let _ = writeln!(
            out,
            "| lifecycle of {} | status | began | took |\n|---|---|---|---|",
            code(&deployment.id)
        );
        for event in deployment.lifecycle.iter().take(ROWS) {
            let began = event.began.map(after).unwrap_or_default();
            let took = event.ended.zip(event.began).map(|(end, begin)| span(end.saturating_sub(begin)));
            let _ = writeln!(
                out,
                "| {} | {} | {began} | {} |",
                prose(&event.name),
                prose(&event.status),
                took.unwrap_or_default()
            );
        }
        out.push('\n');
    }
    if !history.checks.is_empty() {
        out.push_str("| check | | measured | wanted |\n|---|---|---|---|\n");
        for check in history.checks.iter().take(ROWS) {
            let verdict = match check.conclusion {
                Conclusion::Passed => "passed",
                Conclusion::Failed => "**failed**",
                Conclusion::Inconclusive => "**inconclusive**",
            };
            let (measured, limit) = (prose(&check.measured), prose(&check.limit));
            let _ = writeln!(out, "| {} | {verdict} | {measured} | {limit} |", prose(&check.name));
        }
        out.push('\n');
    }
    if !history.alarms.is_empty() {
        out.push_str("| alarm | state | |\n|---|---|---|\n");
        for alarm in history.alarms.iter().take(ROWS) {
            let reason = alarm.reason.as_deref().unwrap_or_default();
            let _ = writeln!(
                out,
                "| {} | {} | {} |",
                prose(&alarm.name),
                prose(&alarm.state),
                prose(&cut(reason, FINDING))
            );
        }
        out.push('\n');
    }
}

fn plan(out: &mut String, history: &History) {
    if let Some(plan) = &history.plan {
        let open = match history.outcome.as_ref().map(|outcome| outcome.word) {
            Some(Word::Planned) => "<details open>",
            _ => "<details>",
        };
        let text = fence("", &cut(plan, PLAN));
        let _ = write!(out, "{open}<summary>Plan</summary>\n\n{text}\n</details>\n\n");
    }
}

/// Within what GitHub takes. What is left out at the end stands in the job log.
fn limited(text: String, limit: usize) -> String {
    if text.len() <= limit {
        return text;
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}\n\nMore of it stands in the job log.\n", &text[..end])
}
