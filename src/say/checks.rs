//! What is said about checks: what they measured, what they wanted, and what to do when the two
//! don't meet.

use super::deployment::duration;
use crate::{
    checks::{Figures, Found, Missing, Moment, Side},
    outcome::Finding,
    request::{Check, HttpCheck, LoadCheck, RunCheck},
};
use std::{io, os::unix::process::ExitStatusExt, process::ExitStatus, time::Duration};

pub const NOTHING: &str = "nothing";
/// As much of a text from outside as a verdict shows.
const SHOWN: usize = 120;

/// How a check calls itself.
pub fn name(check: &Check) -> String {
    match check {
        Check::Http(check) => format!("{} {}", check.ask.method, check.ask.path),
        Check::Run(check) => run_name(check),
        Check::Load(check) => load_name(check),
        Check::Task(task) => super::one_off::name(task),
    }
}

/// The same check at another moment is another one.
pub fn name_at(check: &Check, moment: Moment) -> String {
    match moment {
        Moment::Validate => name(check),
        Moment::Verify => format!("{} on production", name(check)),
    }
}

pub fn run_name(check: &RunCheck) -> String {
    let command = check.command.as_deref().and_then(|command| {
        let mut lines = command.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = shown(lines.next()?);
        Some(if lines.next().is_some() && !first.ends_with('…') { format!("{first} …") } else { first })
    });
    match (command, &check.image) {
        (Some(command), Some(image)) => format!("`{command}` in {image}"),
        (Some(command), None) => format!("`{command}`"),
        (None, image) => format!("image {}", image.as_deref().unwrap_or_default()),
    }
}

pub fn load_name(check: &LoadCheck) -> String {
    let both = if check.asks_blue() { ", green beside blue" } else { "" };
    format!("{} {} × {}/s for {}{both}", check.ask.method, check.ask.path, check.rate, span(check.time))
}

/// A check as a step of the plan.
pub fn step(check: &Check, moment: Moment) -> String {
    let green = match moment {
        Moment::Validate => "green",
        Moment::Verify => "production",
    };
    match check {
        Check::Http(http) => format!(
            "see that {green} answers {} with {}, tried for {}",
            name(check),
            http_limit(http),
            duration(http.within)
        ),
        Check::Run(run) => format!("run {}: {}", name(check), run_limit(run)),
        Check::Load(load) => format!("put {green} under load, {}: {}", name(check), load_limit(load)),
        Check::Task(task) => super::one_off::step(task),
    }
}

/// What stands in place of a verdict when the run was cancelled.
pub fn cancelled() -> Finding {
    Finding::new("The run was cancelled before its checks had ended.", "Deploy again.")
}

pub fn no_url() -> Finding {
    Finding::new(
        "there is no URL under which green answers before it has production traffic",
        "Give the group a test listener, or set `test-url` in the environment.",
    )
}

/// What a command begins with, and what to do about that.
pub fn cannot_run(missing: &Missing) -> (String, String) {
    match missing {
        Missing::NotThere(word) if word.contains('/') => (
            format!("`{word}`, which isn't there"),
            "Correct its path: it starts at the folder of greenlight.yml.".to_owned(),
        ),
        Missing::NotThere(word) => (
            format!("`{word}`, which isn't there"),
            "Correct the name, install the program before, or write its path, as `./smoke.sh`.".to_owned(),
        ),
        Missing::NotExecutable(word) => (
            format!("`{word}`, which isn't executable"),
            format!("Run `chmod +x {word}` and commit it (`git update-index --chmod=+x`)."),
        ),
    }
}

/// Before a deployment is let go on that would be taken back for it.
pub fn verify_cannot_run(missing: &Missing) -> Finding {
    let (what, fix) = cannot_run(missing);
    Finding::new(format!("`verify` would run {what}."), fix)
}

/// The innermost cause, without the address.
pub fn root(error: &reqwest::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

pub fn no_answer(error: &reqwest::Error) -> String {
    if error.is_timeout() { "no answer in time".to_owned() } else { format!("no answer: {}", root(error)) }
}

pub fn http_limit(check: &HttpCheck) -> String {
    let within = check.latency.map(|limit| format!(" within {}", span(limit))).unwrap_or_default();
    let mut parts = vec![format!("status {}{within}", check.status)];
    parts.extend(check.contains.as_ref().map(|text| format!("a body with `{}`", shown(text))));
    parts.extend(check.json.iter().map(|(pointer, value)| format!("`{pointer}` = `{}`", shown(value))));
    parts.join(", ")
}

pub fn http_measured(found: &Found, check: &HttpCheck) -> String {
    let mut parts = vec![format!("status {} in {} ms", found.status, found.took.as_millis())];
    if let (Some(contains), Some(text)) = (found.contains, &check.contains) {
        let text = shown(text);
        parts.push(if contains {
            format!("`{text}` in the body")
        } else {
            format!("no `{text}` in the body")
        });
    }
    parts.extend(found.json.iter().map(|(pointer, value)| match value {
        Some(value) => format!("`{pointer}` = `{}`", shown(value)),
        None => format!("no `{pointer}`"),
    }));
    parts.join(", ")
}

/// A measurement with the number of tries it took, where that was more than one.
pub fn at_try(measured: String, number: u32) -> String {
    if number > 1 { format!("{measured} (try {number})") } else { measured }
}

pub fn http_failed(moment: Moment, url: &str, measured: &str, check: &HttpCheck) -> Finding {
    Finding::new(
        format!(
            "green failed {} {} on the {} listener: {measured}; wanted {}",
            check.ask.method,
            check.ask.path,
            listener(moment),
            http_limit(check)
        ),
        format!("See what green answers at {url}, and its log; {}.", reached(moment)),
    )
}

pub fn run_limit(check: &RunCheck) -> String {
    format!("exit code 0 within {}", span(check.timeout))
}

pub fn run_measured(status: ExitStatus, took: Duration) -> String {
    let how = match (status.code(), status.signal()) {
        // A shell's word for a program of its own that was killed.
        (Some(code), _) if (129..=192).contains(&code) => {
            format!("exit code {code}, killed by signal {}", code - 128)
        }
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => status.to_string(),
    };
    format!("{how} after {}", duration(took))
}

pub fn run_timed_out(limit: Duration) -> String {
    format!("no end within {}: it was stopped", duration(limit))
}

pub fn run_failed(moment: Moment, check: &RunCheck, measured: &str) -> Finding {
    Finding::new(
        format!("{} failed: {measured}; wanted {}", run_name(check), run_limit(check)),
        format!("See its output in the log above; {}.", reached(moment)),
    )
}

pub fn load_limit(check: &LoadCheck) -> String {
    let mut parts = vec![format!("at least {} requests", check.min_samples)];
    parts.extend(check.errors.map(|limit| format!("errors at most {limit}%")));
    parts.extend(check.latencies.each().map(|(name, limit)| format!("{name} at most {}", span(limit))));
    parts.extend(check.errors_above_blue.map(|above| format!("errors at most {above} points above blue's")));
    parts.extend(check.times_blue.each().map(|(name, times)| format!("{name} at most {times} × blue's")));
    parts.join(", ")
}

pub fn load_measured(green: &Figures, blue: Option<&Figures>) -> String {
    let side = |name: &str, figures: &Figures| {
        let times: Vec<String> =
            figures.latencies.each().map(|(name, time)| format!(", {name} {}", millis(time))).collect();
        format!(
            "{name} {} requests, errors {}%{}",
            figures.requests,
            rate(figures.error_rate()),
            times.concat()
        )
    };
    match blue {
        Some(blue) => format!("{}; {}", side("green", green), side("blue", blue)),
        None => side("green", green),
    }
}

pub fn errors_broken(found: f64, limit: f64) -> String {
    format!("errors {}%, at most {limit}%", rate(found))
}

pub fn latency_broken(name: &str, found: Duration, limit: Duration) -> String {
    format!("{name} {}, at most {}", millis(found), span(limit))
}

pub fn errors_above_blue_broken(found: f64, blue: f64, above: f64) -> String {
    format!("errors {}%, at most {above} points above blue's {}%", rate(found), rate(blue))
}

pub fn times_blue_broken(name: &str, found: Duration, blue: Duration, times: f64) -> String {
    format!("{name} {}, at most {times} × blue's {}", millis(found), millis(blue))
}

pub fn load_failed(moment: Moment, check: &LoadCheck, broken: &[String]) -> Finding {
    Finding::new(
        format!(
            "green failed under load on the {} listener, {}: {}",
            listener(moment),
            load_name(check),
            broken.join("; ")
        ),
        format!("See green's log and its size; {}.", reached(moment)),
    )
}

pub fn load_inconclusive(check: &LoadCheck, side: Side, requests: usize) -> Finding {
    let side = match side {
        Side::Green => "green",
        Side::Blue => "blue",
    };
    Finding::new(
        format!(
            "nothing can be told from the load on {side}, {}: {requests} requests, at least {} (`min-samples`)",
            load_name(check),
            check.min_samples
        ),
        "Send longer (`for`) or more (`rate`), from a machine that has the time for it.",
    )
}

fn listener(moment: Moment) -> &'static str {
    match moment {
        Moment::Validate => "test",
        Moment::Verify => "production",
    }
}

pub(super) fn reached(moment: Moment) -> &'static str {
    match moment {
        Moment::Validate => "production traffic never reached it",
        Moment::Verify => "production traffic had reached it",
    }
}

pub fn no_connection(waited: Duration) -> String {
    format!("no connection within {}", span(waited))
}

pub fn no_docker(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no `docker` on the search path".to_owned(),
        _ => format!("`docker` can't be started: {error}"),
    }
}

/// Without Docker's command line.
pub fn no_engine(error: &anyhow::Error) -> String {
    shown(&format!("no `docker` on the search path, and no engine at its socket: {error:#}"))
}

/// Docker's own last word.
pub fn engine_said(stderr: &str) -> String {
    let last = stderr.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("no engine answers");
    shown(last.trim_end_matches('.'))
}

pub fn no_engine_answer(waited: Duration) -> String {
    format!("no answer from the engine within {}", span(waited))
}

/// A span as it was written.
pub fn span(span: Duration) -> String {
    humantime::format_duration(span).to_string()
}

/// A span as it was measured.
fn millis(span: Duration) -> String {
    self::span(Duration::from_millis((span.as_secs_f64() * 1000.0).ceil() as u64))
}

/// With two digits after the point at the most.
fn rate(percent: f64) -> f64 {
    (percent * 100.0).round() / 100.0
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
