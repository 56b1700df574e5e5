//! What is said about flags, inputs and `greenlight.yml`.

use super::{
    checks::{cannot_run, span},
    did_you_mean, list,
};
use crate::{
    checks::Missing,
    config::{
        check::{Problem, Wrong},
        facts,
        schema::Kind,
        yaml::Malformed,
    },
    inputs::source::Subject,
    outcome::Finding,
    request::LoadCheck,
};
use serde_json::Value;
use std::{error::Error, io, path::Path, time::Duration};

pub const NOT_A_BOOLEAN: &str = "a boolean is one of true, True, TRUE, false, False and FALSE";
pub const NOT_A_SPEED: &str = "the speed is a number above 0";

/// How a sentence names what didn't come from the file.
pub fn given_as(name: &str, input: bool) -> String {
    if input { format!("the input `{name}`") } else { format!("`--{name}`") }
}

pub fn unknown_input(name: &str, nearest: Option<&str>) -> Finding {
    let fix = match nearest {
        Some(nearest) => format!("Did you mean `{nearest}`?"),
        None => "Take it out of the step's `with:`.".to_owned(),
    };
    Finding::new(format!("There is no input `{name}`."), fix)
}

pub fn input_of_another(name: &str, takers: &[&str], command: &str) -> Finding {
    Finding::new(
        format!(
            "The input `{name}` is for {}, and the command is `{command}`.",
            list(takers.iter().copied())
        ),
        "Take it out of the step's `with:`, or name another `command:` there.",
    )
}

pub fn no_command(name: &str, known: &[&str]) -> Finding {
    Finding::new(
        format!("The input `command` is `{name}`, and there is no such command."),
        did_you_mean(name, known.iter().copied()),
    )
}

pub fn no_boolean(name: &str, value: &str) -> Finding {
    let found = Value::String(value.to_owned());
    wrong_kind(&Subject::input(name), &Kind::Boolean, &found, name)
}

pub fn no_such_word(name: &str, value: &str, known: &[&str]) -> Finding {
    wrong_word(&Subject::input(name), value, known)
}

/// For a reason that only the option's own reader knows.
pub fn not_taken(name: &str, value: &str, why: &dyn Error) -> Finding {
    let why = why.source().map_or_else(|| why.to_string(), ToString::to_string);
    Finding::new(
        format!("The input `{name}` can't be `{value}`: {why}."),
        "Correct it under the step's `with:`.",
    )
}

pub fn unreadable(file: &Path, error: &io::Error) -> Finding {
    Finding::new(
        format!("The configuration {} can't be read: {error}.", file.display()),
        "Name an existing file with `--config` (as an action: the input `config`), or leave it out.",
    )
}

pub fn misnamed(file: &str) -> Finding {
    Finding::new(
        format!("The configuration {file} isn't looked for."),
        "Call it greenlight.yml, or name it with `--config` (as an action: the input `config`).",
    )
    .at(file, None)
}

/// Nothing was given in its place either.
pub fn no_configuration(places: &[&str]) -> Finding {
    Finding::new(
        format!("There is no configuration: neither {}.", places.join(" nor ")),
        "Add one, or name it with `--config` (as an action: the input `config`). In a job, `actions/checkout` has to \
         come before this step.",
    )
}

pub fn malformed(file: &str, malformed: &Malformed) -> Finding {
    Finding::new(
        format!("{file} is no valid YAML: {}.", malformed.message),
        "Correct the line; mind the indentation and put texts with special characters in quotes.",
    )
    .at(file, malformed.line)
}

pub fn which_environment(known: &[&str]) -> Finding {
    Finding::new(
        format!("There are {} environments and none is named: {}.", known.len(), list(known.iter().copied())),
        "Name one with `--environment`, or the input `environment`.",
    )
}

pub fn unknown_environment(named: &str, known: &[&str], file: String) -> Finding {
    let fix = match known {
        [] => format!("Add it under `environments:` in {file}."),
        known => did_you_mean(named, known.iter().copied()),
    };
    Finding::new(format!("There is no environment `{named}`."), fix).at(file, None)
}

pub fn not_a_pair(said: &str, line: &str) -> Finding {
    Finding::new(
        format!("{} has a line that isn't `NAME=VALUE`: `{line}`.", capital(said)),
        "Write one `NAME=VALUE` a line.",
    )
}

pub fn not_yaml(said: &str, malformed: &Malformed) -> Finding {
    let line = malformed.line.map(|line| format!(", line {line},")).unwrap_or_default();
    Finding::new(
        format!("{}{line} is no valid YAML: {}.", capital(said), malformed.message),
        "Write it as it would stand in greenlight.yml.",
    )
}

/// A finding of the check against the schema.
pub fn problem(problem: &Problem, subject: &Subject) -> Finding {
    let said = capital(&subject.said);
    match &problem.wrong {
        Wrong::UnknownKey { known } => subject.finding(
            format!("{said} is a key that Greenlight doesn't know."),
            did_you_mean(problem.path.name(), known.iter().copied()),
        ),
        Wrong::MissingKey { key } => {
            subject.finding(format!("{said} has no `{key}`."), format!("Add `{key}:`."))
        }
        Wrong::Kind { expected, found } => wrong_kind(subject, expected, found, problem.path.name()),
        Wrong::Word { given, known } => wrong_word(subject, given, known),
        Wrong::Blank => blank(subject),
        Wrong::Form { form, given } => {
            let (is, write) = form_of(form);
            subject.finding(format!("{said} is `{given}`, which is no {is}."), write)
        }
        Wrong::Choice { known } => subject.finding(
            format!("{said} has to have exactly one key, which says what it is."),
            format!("Known here: {}.", list(known.iter().copied())),
        ),
    }
}

fn wrong_kind(subject: &Subject, expected: &Kind, found: &Value, key: &str) -> Finding {
    let (found, wanted) = (found_kind(found), expected_kind(expected));
    subject.finding(
        format!("{} is {found}, where {wanted} is expected.", capital(&subject.said)),
        example(expected, key, subject.place.is_some()),
    )
}

fn wrong_word(subject: &Subject, given: &str, known: &[&str]) -> Finding {
    subject.finding(
        format!("{} can't be `{given}`.", capital(&subject.said)),
        format!("Take one of {}.", list(known.iter().copied())),
    )
}

pub fn missing(key: &str, environment: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("Environment `{environment}` has no `{key}`."),
        format!("Add `{key}:` to it, or give `--{key}` (as an action: the input `{key}`)."),
    )
}

pub fn no_image(subject: &Subject) -> Finding {
    subject.finding(
        "Nothing says which image to ship.".into(),
        "Add `image:` with a `repository:` to greenlight.yml, or give `--image URI` for one that exists.",
    )
}

pub fn no_repository(subject: &Subject) -> Finding {
    subject.finding(
        "Nothing says which repository the image is pushed to.".into(),
        "Add `repository:` under `image:`, or give `--repository`.",
    )
}

pub fn not_a_repository(name: &str, subject: &Subject) -> Finding {
    let fix = if name.contains(':') || name.split('/').next().is_some_and(|host| host.contains('.')) {
        "Give the repository's name alone, without host, tag or digest: the registry is the build account's."
    } else {
        "A repository's name has 2 to 256 lower-case letters and digits, with `.`, `_`, `-` and `/` between them."
    };
    subject.finding(format!("{} is `{name}`, which ECR doesn't take as a name.", capital(&subject.said)), fix)
}

pub fn image_and_build(image: &str, said: &[String]) -> Finding {
    Finding::new(
        format!("{} ships an image as it is, but {} would build one.", capital(image), super::and(said)),
        "Leave out either the image or what describes the build.",
    )
}

pub fn unknown_region(region: &str, subject: &Subject, option: &str) -> Finding {
    let fix = match facts::nearest(region, facts::regions()) {
        Some(near) => format!("Did you mean `{near}`? If AWS opened `{region}` since, set `{option}`."),
        None => format!("Write a region as `eu-central-1`. If AWS opened `{region}` since, set `{option}`."),
    };
    subject.finding(format!("{} is `{region}`, a region that nobody has.", capital(&subject.said)), fix)
}

pub fn other_partition(region: &str, arn: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!(
            "{} is `{arn}`, which isn't of the partition of the region `{region}`.",
            capital(&subject.said)
        ),
        "Take a role and a region of one partition.",
    )
}

pub fn other_account(account: &str, arn: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("{} is `{account}`, but the role `{arn}` is in another account.", capital(&subject.said)),
        "Take a role of that account, or leave `account` out: it is the role's then.",
    )
}

pub fn oidc_without_role(subject: &Subject) -> Finding {
    subject.finding(
        "`auth` is `oidc`, but no role is named that GitHub's token could enter.".into(),
        "Name a `role:` in the environment or under `build-account:`.",
    )
}

pub fn external_id_without_role(subject: &Subject) -> Finding {
    subject.finding(
        format!("{} is given, but no role that it would be for.", capital(&subject.said)),
        "Name the `role:` beside it, or leave it out.",
    )
}

pub fn tags_of_no_session(subject: &Subject) -> Finding {
    subject.finding(
        format!(
            "{} gives tags, but `tag-session: false` keeps the session without any.",
            capital(&subject.said)
        ),
        "Leave one of both out.",
    )
}

pub fn session_tag(name: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("The session tag `{name}` isn't one that STS takes."),
        "A tag's name has 1 to 128 characters, its value up to 256, of letters, digits, spaces and `_.:/=+-@`.",
    )
}

pub fn image_twice(container: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!(
            "The container `{container}` gets the image of this run and is given another one in `images`."
        ),
        "Take it out of `images`, or let `container` name another one.",
    )
}

pub fn no_context(path: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("The build's context {path} isn't a folder."),
        "Let `context` name the folder that the image is built from.",
    )
}

pub fn no_dockerfile(path: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("There is no Dockerfile at {path}."),
        format!("Let `dockerfile` name it; its path starts at {}.", start_of_paths(subject)),
    )
}

pub fn no_file(key: &str, path: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("There is no file {path}, which `{key}` names."),
        format!("Let `{key}` name an existing file; its path starts at {}.", start_of_paths(subject)),
    )
}

fn start_of_paths(subject: &Subject) -> &'static str {
    if subject.place.is_some() { "the folder of greenlight.yml" } else { "the working directory" }
}

pub fn not_a_platform(platform: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("{} is `{platform}`, which is no platform.", capital(&subject.said)),
        "Write `linux/amd64` or `linux/arm64`.",
    )
}

pub fn unknown_word(word: &str, known: &[&str], subject: &Subject) -> Finding {
    subject.finding(
        format!("{} names `{{{word}}}`, which stands for nothing.", capital(&subject.said)),
        did_you_mean(word, known.iter().copied()),
    )
}

pub fn unsound_tag(tag: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("{} is `{tag}`, which is no tag that a registry takes.", capital(&subject.said)),
        "A tag has up to 128 letters, digits, `_`, `.` and `-`, and starts with none of the last two.",
    )
}

pub fn blank(subject: &Subject) -> Finding {
    subject.finding(format!("{} is empty.", capital(&subject.said)), "Give it a value, or leave it out.")
}

pub fn head_has_no_body(key: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("{} asks for a body, but the answer to HEAD has none.", capital(&subject.said)),
        format!("Take `method: GET`, or leave `{key}` out."),
    )
}

pub fn not_a_pointer(pointer: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("`{pointer}` is no JSON pointer."),
        format!("Write it with slashes, as `/{}`.", pointer.trim_start_matches(['$', '.']).replace('.', "/")),
    )
}

pub fn not_a_method(method: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("{} is `{method}`, which is no method of HTTP.", capital(&subject.said)),
        "Take one of `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE` and `OPTIONS`.",
    )
}

pub fn not_a_header(name: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("`{name}` with its value is no header that HTTP takes."),
        "A name has letters, digits and `-`; a value is one line.",
    )
}

pub fn host_as_header(subject: &Subject) -> Finding {
    subject.finding(
        format!("{} is the name of the server, which `host` is for.", capital(&subject.said)),
        "Write it as `host:` beside `headers:`; it counts for TLS then, too.",
    )
}

pub fn no_certificates(subject: &Subject) -> Finding {
    subject.finding(
        format!("{} names a file that holds no certificate.", capital(&subject.said)),
        "Let it name a PEM file, with `-----BEGIN CERTIFICATE-----` in it.",
    )
}

pub fn nothing_to_run(subject: &Subject) -> Finding {
    subject.finding(
        format!("{} has neither a `command` nor an `image`.", capital(&subject.said)),
        "Add `command:` with what a shell is to run, or `image:` with what `docker run` is to.",
    )
}

pub fn no_words(subject: &Subject) -> Finding {
    subject.finding(
        format!("{} is empty.", capital(&subject.said)),
        "Name the command word by word: `command: [./migrate, up]`.",
    )
}

pub fn not_to_be_run(missing: &Missing, subject: &Subject) -> Finding {
    let (what, fix) = cannot_run(missing);
    subject.finding(format!("{} would run {what}.", capital(&subject.said)), fix)
}

pub fn beyond_timeout(limit: Duration, timeout: Duration, subject: &Subject) -> Finding {
    subject.finding(
        format!(
            "{} is {}, but no answer is waited for longer than {}.",
            capital(&subject.said),
            span(limit),
            span(timeout)
        ),
        "Lower it, or raise the check's `timeout`.",
    )
}

pub fn no_limit(subject: &Subject) -> Finding {
    subject.finding(
        format!("{} has no limit, so nothing could fail it.", capital(&subject.said)),
        "Add one of `errors`, `p50`, `p95`, `p99` and `against-blue`.",
    )
}

pub fn never_enough(load: &LoadCheck, sent: f64, subject: &Subject) -> Finding {
    subject.finding(
        format!(
            "{} requests a second for {} are {}, fewer than the {} below which nothing is told (`min-samples`).",
            load.rate,
            span(load.time),
            sent.floor(),
            load.min_samples
        ),
        "Send longer (`for`) or more (`rate`), or lower `min-samples`.",
    )
}

pub fn percentiles_cross(low: (&str, Duration), high: (&str, Duration), subject: &Subject) -> Finding {
    subject.finding(
        format!(
            "{} is {}, beyond the {} of `{}`: what keeps the second keeps the first.",
            capital(&subject.said),
            span(low.1),
            span(high.1),
            high.0
        ),
        format!("Lower `{}`, or raise `{}`.", low.0, high.0),
    )
}

pub fn not_a_multiple(subject: &Subject) -> Finding {
    subject.finding(
        format!("{} is no multiple that a time can have.", capital(&subject.said)),
        "Write a number above 0, as `1.2`.",
    )
}

pub fn no_blue_any_more(subject: &Subject) -> Finding {
    subject.finding(
        format!(
            "{} compares with blue, which has no traffic any more after the shift.",
            capital(&subject.said)
        ),
        "Compare in `validate`, or take fixed limits: `errors`, `p50`, `p95`, `p99`.",
    )
}

pub(super) fn capital(text: &str) -> String {
    match text.strip_prefix("the ") {
        Some(rest) => format!("The {rest}"),
        None => text.to_owned(),
    }
}

fn found_kind(value: &Value) -> String {
    match value {
        Value::Null => "empty".into(),
        Value::Bool(value) => format!("the boolean `{value}`"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text `{text}`"),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "a mapping".into(),
    }
}

fn expected_kind(kind: &Kind) -> String {
    match kind {
        Kind::Text(_) => "a text".into(),
        Kind::Integer { minimum: i64::MIN, maximum: i64::MAX } => "a whole number".into(),
        Kind::Integer { minimum, maximum } if *maximum > i64::from(u16::MAX) => {
            format!("a whole number from {minimum}")
        }
        Kind::Integer { minimum, maximum } => format!("a whole number from {minimum} to {maximum}"),
        Kind::Number => "a number".into(),
        Kind::Boolean => "a boolean".into(),
        Kind::Word(words) => format!("one of {}", list(words.iter().copied())),
        Kind::List(_) => "a list".into(),
        Kind::Map(_) | Kind::Object { .. } | Kind::Choice(_) => "a mapping".into(),
        Kind::NameOr(_) => "a name or a mapping".into(),
        Kind::Switch { .. } => "`true`, `false` or a mapping".into(),
    }
}

fn example(kind: &Kind, key: &str, in_file: bool) -> String {
    match kind {
        Kind::Text(Some(form)) if *form != "path" => form_of(form).1.to_owned(),
        Kind::Text(_) => format!("Write `{key}: \"…\"`; a text with braces or colons needs its quotes."),
        Kind::Integer { .. } | Kind::Number if in_file => "Write the number, without quotes.".into(),
        Kind::Integer { .. } | Kind::Number => "Write the number alone.".into(),
        Kind::List(_) if !in_file => "Write it as YAML, a line for each, as `- …`.".into(),
        Kind::Boolean => "Write `true` or `false`.".into(),
        Kind::Word(words) => format!("Take one of {}.", list(words.iter().copied())),
        Kind::List(_) => format!("Write `{key}:` and under it a line for each, as `- …`."),
        Kind::Map(_) => format!("Write `{key}:` and under it a line for each, as `name: value`."),
        Kind::Object { properties, .. } => {
            format!("Known under it: {}.", list(properties.keys().map(String::as_str)))
        }
        Kind::Switch { properties, .. } => format!(
            "Write `true` or `false`, or how it is to be. Known under it: {}.",
            list(properties.keys().map(String::as_str))
        ),
        Kind::NameOr(described) => format!(
            "Write `{key}: NAME`. {}",
            match Kind::of(described) {
                Kind::Object { properties, .. } =>
                    format!("Known under it: {}.", list(properties.keys().map(String::as_str))),
                _ => String::new(),
            }
        ),
        Kind::Choice(kinds) => {
            format!("Write one of {} and under it what it needs.", list(kinds.iter().map(|k| k.0)))
        }
    }
}

/// What a form is called, and how to write it.
fn form_of(form: &str) -> (&'static str, &'static str) {
    match form {
        "account-id" => ("account id", "An account id has twelve digits; a leading 0 belongs to it."),
        "role-arn" => ("role's ARN", "Write it as `arn:aws:iam::123456789012:role/NAME`."),
        "external-id" => ("external id", "It has 2 to 1224 letters, digits and `_+=,.@:/-`."),
        "time-span" => ("span of time", "Write it as `90s`, `30m` or `1h 30m`."),
        "url" => ("URL", "Write it with `https://` or `http://`."),
        "url-path" => ("path", "A path starts with `/` and has no spaces."),
        "host" => ("host", "Write the name alone, as `shop.example`."),
        "percent" => ("share", "Write it as `1%` or `0.5%`, from 0% to 100%."),
        _ => ("value for it", "Give it a value, or leave it out."),
    }
}
