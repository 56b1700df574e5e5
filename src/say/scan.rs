//! What is said about ECR's scan of an image.

use super::{deployment::duration, refusals};
use crate::{
    image::scan::{Level, Unscanned, Verdict, Vulnerability},
    outcome::Finding,
    request::{ScanRule, Severity},
};

/// The scan among the run's checks.
pub const CHECK: &str = "ECR's scan of the image";
pub const NOT_SCANNED: &str = "not scanned";
/// As many findings as a refusal names.
const NAMED: usize = 10;

pub fn waiting(images: usize) -> String {
    match images {
        1 => "ECR's scan of the image".to_owned(),
        several => format!("ECR's scans of the {several} images"),
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low => "low",
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Critical => "critical",
        Level::High => "high",
        Level::Medium => "medium",
        Level::Low => "low",
        Level::Informational => "informational",
        Level::Unjudged => "not judged yet",
    }
}

pub fn limit(rule: &ScanRule) -> String {
    match rule.fail_on {
        Severity::Critical => "nothing critical".to_owned(),
        lowest => format!("nothing {} or worse", severity(lowest)),
    }
}

/// As a step of the plan.
pub fn step(rule: &ScanRule) -> String {
    let ignored = match rule.ignore.as_slice() {
        [] => String::new(),
        names => format!(", but for {}", super::list(names.iter().map(String::as_str))),
    };
    format!(
        "see that ECR's scan finds {} in it{ignored}, {} at the most",
        limit(rule),
        duration(rule.timeout)
    )
}

pub fn counts(verdict: &Verdict) -> String {
    let parts: Vec<String> =
        verdict.counts.iter().map(|(of, count)| format!("{count} {}", level(*of))).collect();
    let ignored = match verdict.ignored {
        0 => String::new(),
        count => format!(" ({count} more ignored)"),
    };
    match parts.is_empty() {
        true => format!("nothing{ignored}"),
        false => format!("{}{ignored}", parts.join(", ")),
    }
}

fn vulnerability(found: &Vulnerability) -> String {
    let package = match (&found.package, &found.version) {
        (Some(name), Some(version)) => format!(" in {name} {version}"),
        (Some(name), None) => format!(" in {name}"),
        _ => String::new(),
    };
    let fixed = found.fixed_in.as_ref().map(|version| format!(", fixed in {version}")).unwrap_or_default();
    format!("{} ({}){package}{fixed}", found.name, level(found.level))
}

pub fn too_much(image: &str, verdict: &Verdict, rule: &ScanRule) -> Finding {
    // A line for each where there are lines, a list where there are none.
    let mut named: Vec<String> = verdict.against.iter().take(NAMED).map(vulnerability).collect();
    if verdict.against.len() > NAMED {
        named.push(format!("and {} more", verdict.against.len() - NAMED));
    }
    let named = named.join(";\n");
    Finding::new(
        format!(
            "ECR's scan of {image} found {}, and `fail-on: {}` deploys {}:\n{named}.",
            counts(verdict),
            severity(rule.fail_on),
            limit(rule)
        ),
        "Build on a newer base image or with newer packages; what you accept, name under `ignore:` of `image.scan`.",
    )
}

/// One sentence, for a warning or a note.
pub fn not_scanned(image: &str, why: &Unscanned) -> String {
    format!("{} It is deployed without, as `allow-unscanned` says.", reason(image, why))
}

pub fn unscanned(image: &str, why: &Unscanned) -> Finding {
    let what = reason(image, why);
    let allow = "or deploy it without with `allow-unscanned: true` under `image.scan`.";
    let fix = match why {
        Unscanned::NotInEcr => format!("Push it to ECR, {allow}"),
        Unscanned::Ended { .. } => format!("See what ECR's console says of the image, {allow}"),
        Unscanned::NotStarted(failure) if failure.is_denied() => {
            format!("{} Or turn scan on push on for the repository, {allow}", refusals::failure(failure).fix)
        }
        Unscanned::NotStarted(_) => {
            format!("See that the registry's scanning settings cover the repository, {allow}")
        }
        Unscanned::Denied(failure) => {
            format!("{} Or, {allow}", refusals::failure(failure).fix).replace("Or, or", "Or")
        }
        Unscanned::TooLong(_) => format!("Run again, raise `timeout` under `image.scan`, {allow}"),
    };
    Finding::new(what, fix)
}

fn reason(image: &str, why: &Unscanned) -> String {
    match why {
        Unscanned::NotInEcr => format!("ECR can't scan {image}, for it isn't in ECR."),
        Unscanned::Ended { status, description } => {
            let said = description.as_deref().map(|text| format!(": {}", text.trim_end_matches('.')));
            format!("ECR's scan of {image} ended as {status}{}.", said.unwrap_or_default())
        }
        Unscanned::NotStarted(failure) => format!(
            "ECR doesn't scan {image} by itself, and no scan could be started: {}",
            refusals::failure(failure).what
        ),
        Unscanned::Denied(failure) => {
            format!("What ECR's scan of {image} finds can't be seen: {}", refusals::failure(failure).what)
        }
        Unscanned::TooLong(time) => format!("ECR's scan of {image} had no result after {}.", duration(*time)),
    }
}
