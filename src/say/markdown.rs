//! A run in Markdown: the job's summary, the check's text, the pull request's comment. Whatever
//! could come from outside is defused here.

use super::{
    github,
    outcome::took,
    picture,
    progress::{clock, percent, short, span},
};
use crate::{
    console,
    event::Conclusion,
    explain::Evidence,
    job::Job,
    outcome::{Finding, Outcome, Word},
    report::{
        foreign::{code, cut, fence, prose},
        history::{Deployment, History},
    },
};

/// GitHub takes 65,535 characters of a check's text and 65,536 of a comment's.
const TEXT: usize = 60_000;
/// And 1 MiB of a step's summary.
const SUMMARY: usize = 1_000_000;
const PLAN: usize = 30_000;
const ROWS: usize = 100;
const FINDINGS: usize = 20;
const FINDING: usize = 1_000;
const LOG: usize = 8_000;
const MORE: &str = "\nMore of it stands in the job log.\n";

/// The job's summary: all there is, written at the end.
pub fn summary(history: &History, job: Option<&Job>) -> String {
    let mut page = Page::of(SUMMARY);
    page.add(heading(history));
    at_a_glance(&mut page, history, job);
    pictures(&mut page, history);
    verdicts(&mut page, history);
    course(&mut page, history);
    if !history.warnings.is_empty() {
        page.add("### Warnings\n\n");
        for warning in history.warnings.iter().take(ROWS) {
            page.add(format!("- {}\n", prose(warning)));
        }
        page.add("\n");
    }
    plan(&mut page, history);
    page.end()
}

/// The text of a check: its title stands above it already, and no diagram is drawn there.
pub fn check(history: &History, job: Option<&Job>) -> String {
    let mut page = Page::of(TEXT);
    at_a_glance(&mut page, history, job);
    verdicts(&mut page, history);
    course(&mut page, history);
    plan(&mut page, history);
    page.end()
}

/// The comment, with the line by which it is found again.
pub fn comment(history: &History, job: Option<&Job>) -> String {
    let mut page = Page::of(TEXT);
    if let Some(run) = &history.run {
        page.add(format!("{}\n", github::marker(run)));
    }
    page.add(heading(history));
    at_a_glance(&mut page, history, job);
    pictures(&mut page, history);
    verdicts(&mut page, history);
    let mut more = Page::of(TEXT / 4);
    course(&mut more, history);
    if let more = more.end()
        && !more.is_empty()
    {
        page.add(format!("<details><summary>Traffic and lifecycle</summary>\n\n{more}</details>\n\n"));
    }
    plan(&mut page, history);
    page.end()
}

/// A text within what GitHub takes: a part that doesn't fit as a whole is left out, and said.
struct Page {
    text: String,
    limit: usize,
    left_out: bool,
}

impl Page {
    fn of(limit: usize) -> Page {
        Page { text: String::new(), limit, left_out: false }
    }

    fn add(&mut self, part: impl AsRef<str>) {
        let part = part.as_ref();
        if part.len() > self.room() {
            self.left_out = true;
        } else {
            self.text.push_str(part);
        }
    }

    fn room(&self) -> usize {
        self.limit.saturating_sub(self.text.len() + MORE.len())
    }

    fn end(mut self) -> String {
        if self.left_out {
            self.text.push_str(MORE);
        }
        self.text
    }
}

/// The cause first, when there is one.
fn at_a_glance(page: &mut Page, history: &History, job: Option<&Job>) {
    findings(page, history);
    sentences(page, history);
    if let Some(outcome) = &history.outcome {
        evidence(page, &outcome.evidence);
    }
    facts(page, history, job);
}

fn pictures(page: &mut Page, history: &History) {
    for picture in [picture::traffic(history), picture::lifecycle(history)].into_iter().flatten() {
        page.add(picture);
    }
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

fn sentences(page: &mut Page, history: &History) {
    let Some(outcome) = &history.outcome else {
        if let Some(waiting) = &history.waiting {
            page.add(format!("Waiting: {}\n\n", prose(&waiting.what)));
        }
        return;
    };
    let text = |text: &str| prose(&cut(text, FINDING));
    page.add(format!("**{}** {}\n\n", text(&outcome.happened).trim(), text(&outcome.production)));
    if let Some(next) = &outcome.next {
        page.add(format!("**Next:** {}\n\n", text(next)));
    }
    if let (Word::Succeeded, Some(run)) = (outcome.word, &history.run)
        && run.command != "rollback"
    {
        page.add(github::take_back(run));
    }
}

fn findings(page: &mut Page, history: &History) {
    let Some(outcome) = &history.outcome else { return };
    let Some((first, further)) = outcome.findings.split_first() else { return };
    // A box in red: what happened, and what to do.
    page.add(format!("> [!CAUTION]\n> {}\n\n", item(first)));
    for finding in further.iter().take(FINDINGS) {
        page.add(format!("- {}\n", item(finding)));
    }
    if let more @ 1.. = further.len().saturating_sub(FINDINGS) {
        page.add(format!("- and {more} more, in the job log\n"));
    }
    if !further.is_empty() {
        page.add("\n");
    }
}

/// What speaks for the cause: a line a fact, and the log as it is.
fn evidence(page: &mut Page, evidence: &Evidence) {
    for fact in evidence.facts.iter().take(ROWS) {
        page.add(format!("- {}: {}\n", prose(&fact.about), prose(&cut(&fact.text, FINDING))));
    }
    for text in evidence.unseen.iter().take(ROWS) {
        page.add(format!("- {}\n", prose(&cut(text, FINDING))));
    }
    if !evidence.facts.is_empty() || !evidence.unseen.is_empty() {
        page.add("\n");
    }
    if let Some(log) = &evidence.log {
        let lines = fence("", &cut(&log.lines.join("\n"), LOG));
        page.add(format!("Log: {}\n\n{lines}\n", prose(&log.title)));
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

fn facts(page: &mut Page, history: &History, job: Option<&Job>) {
    let outcome = history.outcome.as_deref();
    let of = |field: fn(&Outcome) -> &Option<String>| outcome.and_then(|o| field(o).clone());
    let mut rows: Vec<(&str, String)> = Vec::new();
    let revision = |arn: &str| code(super::deployment::revision(arn));
    let new = history.task_definition.as_ref().map(|revision| revision.arn.clone());
    rows.extend(of(|o| &o.task_definition).or(new).map(|arn| ("Revision", revision(&arn))));
    rows.extend(of(|o| &o.previous_task_definition).map(|arn| ("Previous revision", revision(&arn))));
    let pinned = history.image.as_ref().map(|image| image.pinned());
    if let Some(image) = of(|o| &o.image).or(pinned) {
        let repository = image.split_once('@').map_or(image.as_str(), |(repository, _)| repository);
        rows.push(("Image", code(repository)));
        let digest = of(|o| &o.digest).or(history.image.as_ref().map(|image| image.digest.clone()));
        rows.extend(digest.map(|digest| ("Digest", code(&digest))));
    }
    if let Some(run) = &history.run {
        rows.extend(run.commit.as_deref().map(|commit| ("Commit", whose(commit, job))));
        let place = [&run.account, &run.region].into_iter().filter(|word| !word.is_empty());
        rows.push(("Account", place.map(|word| code(word)).collect::<Vec<_>>().join(", ")));
        rows.extend(run.url.as_deref().map(|url| ("URL", prose(url))));
    }
    for (at, deployment) in history.deployments.iter().enumerate() {
        let name = if at == 0 { "Deployment" } else { "Rollback" };
        let region = history.run.as_ref().map_or("", |run| run.region.as_str());
        rows.push((name, link(deployment, region)));
    }
    rows.extend(job.map(|job| ("Run", prose(&job.run_url))));
    rows.extend(outcome.and_then(took).map(|took| ("Took", took)));
    table(page, &["", ""], rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]));
}

/// The commit, and who set the run off. A pull request's job runs a merge that nobody knows, so the
/// pull request's own commit goes before it.
fn whose(commit: &str, job: Option<&Job>) -> String {
    let Some(job) = job else { return code(short(commit)) };
    let link = |sha: &str| {
        let url = format!("{}/commit/{sha}", job.page);
        let known = sha.chars().all(|c| c.is_ascii_hexdigit()) && plain(&url);
        if known { format!("[{}]({url})", code(short(sha))) } else { code(short(sha)) }
    };
    let merged = job.event.starts_with("pull_request").then_some(job.sha.as_deref()).flatten();
    let commit = match merged.filter(|head| *head != commit) {
        Some(head) => format!("{}, merged as {}", link(head), link(commit)),
        None => link(commit),
    };
    match job.actor.as_str() {
        "" => commit,
        actor => format!("{commit}, by {}", prose(actor)),
    }
}

/// Its first row is the head where the columns have no names: a head without words is an empty line.
fn table(page: &mut Page, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut rows = rows.into_iter();
    let head = match head.iter().all(|name| name.is_empty()) {
        true => rows.next(),
        false => Some(head.iter().map(|name| (*name).to_owned()).collect()),
    };
    let Some(head) = head else { return };
    let mut text = format!("{}|{}\n", line(&head), ":---|".repeat(head.len()));
    for row in rows.take(ROWS) {
        text.push_str(&line(&row));
    }
    page.add(format!("{text}\n"));
}

/// What took a deployment back is told by its id alone.
fn link(deployment: &Deployment, region: &str) -> String {
    let told = deployment.console_url.clone();
    let ours = || (!region.is_empty()).then(|| console::deployment(region, &deployment.id));
    match told.or_else(ours).filter(|url| plain(url)) {
        Some(url) => format!("[{}]({url}) in the AWS console", code(&deployment.id)),
        None => code(&deployment.id),
    }
}

/// Whether an address can stand in a link as it is.
fn plain(url: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#=&%+,".contains(c);
    url.starts_with("https://") && url.chars().all(fine)
}

/// What was measured, and what the alarms said.
fn verdicts(page: &mut Page, history: &History) {
    let checks = history.checks.iter().map(|check| {
        let verdict = match check.conclusion {
            Conclusion::Passed => "✅ passed",
            Conclusion::Failed => "❌ **failed**",
            Conclusion::Inconclusive => "⚠️ **inconclusive**",
        };
        vec![
            prose(&cut(&check.name, FINDING)),
            verdict.to_owned(),
            prose(&cut(&check.measured, FINDING)),
            prose(&cut(&check.limit, FINDING)),
        ]
    });
    let alarms = history.alarms.iter().map(|alarm| {
        let reason = alarm.reason.as_deref().unwrap_or_default();
        let sign = match alarm.state.as_str() {
            "OK" => "✅ ",
            "ALARM" => "❌ ",
            _ => "",
        };
        let state = format!("{sign}{}", prose(&alarm.state));
        vec![prose(&cut(&alarm.name, FINDING)), state, prose(&cut(reason, FINDING))]
    });
    if !history.checks.is_empty() {
        table(page, &["Check", "", "Measured", "Wanted"], checks);
    }
    if !history.alarms.is_empty() {
        table(page, &["Alarm", "State", "Reason"], alarms);
    }
}

/// Traffic and lifecycle in figures.
fn course(page: &mut Page, history: &History) {
    let began = history.deployments.first().map(|deployment| deployment.began).unwrap_or_default();
    let after = |at: std::time::Duration| clock(at.saturating_sub(began));
    if !history.traffic.is_empty() {
        let rows = history.traffic.iter();
        let rows = rows.map(|shift| vec![after(shift.at), percent(shift.blue), percent(shift.green)]);
        table(page, &["Traffic at", "Blue", "Green"], rows);
    }
    for deployment in history.deployments.iter().filter(|deployment| !deployment.lifecycle.is_empty()) {
        let rows = deployment.lifecycle.iter().map(|event| {
            let took = event.ended.zip(event.began).map(|(end, begin)| span(end.saturating_sub(begin)));
            vec![
                prose(&event.name),
                prose(&event.status),
                event.began.map(after).unwrap_or_default(),
                took.unwrap_or_default(),
            ]
        });
        let name = format!("Lifecycle of {}", code(&deployment.id));
        table(page, &[&name, "Status", "Began", "Took"], rows);
    }
}

fn plan(page: &mut Page, history: &History) {
    let Some(plan) = &history.plan else { return };
    let open = match history.outcome.as_ref().map(|outcome| outcome.word) {
        Some(Word::Planned) => "<details open>",
        _ => "<details>",
    };
    // What is left of it stands in the job log.
    let room = page.room().saturating_sub(200);
    let end = (0..=room.min(plan.len())).rev().find(|end| plan.is_char_boundary(*end)).unwrap_or(0);
    let text = fence("", &cut(plan, PLAN.min(plan[..end].chars().count().max(1))));
    page.add(format!("{open}<summary>Plan</summary>\n\n{text}\n</details>\n\n"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Event, explain::Log};
    use std::{sync::Arc, time::Duration};

    /// More of everything than GitHub takes, in characters that are written as several.
    fn endless() -> History {
        let much = "@\u{1f600}`|*<b>\n```\n".repeat(3_000);
        let mut history = History::default();
        let mut take = |event: Event| {
            history.take(&event, Duration::from_secs(1));
        };
        take(Event::Started(Arc::new(crate::event::Run {
            command: "deploy".into(),
            service: "hello".into(),
            environment: "production".into(),
            ..crate::event::Run::default()
        })));
        take(Event::Planned { text: much.clone(), plan: serde_json::Value::Null });
        for n in 0..300 {
            take(Event::Warning { text: format!("{n} {much}") });
            take(Event::Check {
                name: format!("{n} {much}"),
                conclusion: Conclusion::Failed,
                measured: much.clone(),
                limit: much.clone(),
            });
            take(Event::Alarm {
                name: format!("{n} {much}"),
                state: "ALARM".into(),
                reason: Some(much.clone()),
            });
            let name = format!("{n} {much}");
            take(Event::Lifecycle { deployment: "d-1".into(), name, status: "Failed".into() });
        }
        let mut outcome = Outcome::new(Word::RolledBack, much.clone(), much.clone());
        outcome.next = Some(much.clone());
        outcome.findings.push(Finding::new("The very cause", "and its cure"));
        outcome.findings.extend((0..300).map(|_| Finding::new(&much, &much)));
        outcome.evidence.log = Some(Log { title: "green".into(), lines: vec![much.clone(); 50] });
        take(Event::Finished(Arc::new(outcome)));
        history
    }

    #[test]
    fn whatever_there_is_fits_into_what_github_takes_and_the_cause_stands_first() {
        let history = endless();
        for (text, limit) in [
            (check(&history, None), 65_535),
            (comment(&history, None), 65_536),
            (summary(&history, None), 1 << 20),
        ] {
            // In bytes, which are never fewer than characters.
            assert!(text.len() <= limit, "{}", text.len());
            let (before, _) = text.split_once("The very cause").unwrap();
            assert!(before.len() < 200, "{before}");
            assert_eq!(text.matches("<details").count(), text.matches("</details>").count());
            let fences = text.lines().filter(|line| line.starts_with("```")).count();
            assert_eq!(fences % 2, 0, "every fence is closed");
            assert!(text.ends_with(MORE), "what is left out is said");
        }
        let run = history.run.as_deref().unwrap();
        let line = github::description(run, history.outcome.as_deref());
        assert!(line.chars().count() <= 140 && !line.contains('\n'), "{line}");
    }
}
