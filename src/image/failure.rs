//! What a failed build's output says: what failed, at which line of the Dockerfile, and whether
//! it was the push that was denied.

use std::{fs, path::Path};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub kind: Kind,
    /// The builder's own words.
    pub message: String,
    /// The last lines of the step that failed.
    pub lines: Vec<String>,
    /// In the Dockerfile.
    pub line: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Step,
    /// The registry doesn't let us push; the permission, when it is named.
    PushDenied {
        action: Option<String>,
    },
    /// A tag is there already and can't be moved.
    TagExists,
    NoRepository,
    /// A base image can't be had.
    PullDenied,
    /// No builder answers.
    NoEngine,
    /// The builder can't build for several platforms.
    Platforms,
    /// What is asked for is beyond the engine's own builder.
    Beyond,
    /// The builder couldn't be started.
    NoStart,
    /// A cache couldn't be written.
    Cache,
    /// The Dockerfile wants a secret that it isn't given.
    NoSecret(String),
}

/// More of a step's output is in the log already.
const SHOWN: usize = 12;

pub fn read(lines: &[String], dockerfile: &Path) -> Failure {
    let message = message(lines);
    let step = step(lines);
    let (name, output) = step.unwrap_or_default();
    Failure {
        kind: kind(&message, name, lines),
        line: line(lines, &message, name, dockerfile),
        lines: output.iter().rev().take(SHOWN).rev().cloned().collect(),
        message,
    }
}

/// The last error, without the words that stand before each.
fn message(lines: &[String]) -> String {
    let error = lines.iter().rev().find_map(|line| line.strip_prefix("ERROR: "));
    let last = || lines.iter().rev().map(|line| line.trim()).find(|line| !line.is_empty());
    let mut message = error.or_else(last).unwrap_or_default();
    for prefix in ["failed to build: ", "failed to solve: ", "rpc error: code = Unknown desc = "] {
        message = message.strip_prefix(prefix).unwrap_or(message);
    }
    message.trim_end_matches('.').to_owned()
}

/// The step that failed and its output: BuildKit repeats them at the end between rules.
fn step(lines: &[String]) -> Option<(&str, &[String])> {
    let rule = |line: &String| line.starts_with("------") && line.bytes().all(|b| b == b'-');
    let start =
        lines.windows(2).rposition(|pair| matches!(pair, [a, b] if rule(a) && b.starts_with(" > ")))? + 1;
    let name = lines.get(start)?.trim_start_matches(" > ").trim_end_matches(':');
    let output = lines.get(start + 1..)?;
    let end = output.iter().position(rule).unwrap_or(output.len());
    Some((name, output.get(..end)?))
}

fn kind(message: &str, step: &str, lines: &[String]) -> Kind {
    let lower = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let pushing = step.starts_with("pushing ")
        || step.contains("exporting to image")
        || lower.contains("failed to push");
    if step.contains("booting buildkit") || step.contains("[internal] waiting for connection") {
        return Kind::NoStart;
    }
    if step.contains("exporting cache") {
        return Kind::Cache;
    }
    if let Some(secret) = message.strip_prefix("secret ").and_then(|rest| rest.strip_suffix(": not found")) {
        return Kind::NoSecret(secret.trim_end_matches(" not found").to_owned());
    }
    if let Some(action) = action(message) {
        // The actions that only a push needs.
        let of_push = ["InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage"];
        if pushing || of_push.iter().any(|name| action.ends_with(name)) {
            return Kind::PushDenied { action: Some(action) };
        }
        return Kind::PullDenied;
    }
    if says(&[
        "multi-platform build is not supported",
        "multiple platforms feature is currently not supported",
    ]) {
        return Kind::Platforms;
    }
    if says(&[
        "is not supported for the docker driver",
        "attestations are not supported by",
        "unsupported frontend capability",
    ]) {
        return Kind::Beyond;
    }
    if says(&["cannot connect to the docker daemon", "error during connect", "no builder"])
        || lines.iter().any(|line| line.contains("Cannot connect to the Docker daemon"))
    {
        return Kind::NoEngine;
    }
    if pushing && says(&["immutable", "tag_invalid", "tag invalid"]) {
        return Kind::TagExists;
    }
    if pushing && says(&["name unknown", "name_unknown", "repository with name", "404 not found"]) {
        return Kind::NoRepository;
    }
    let denied = says(&[
        "denied",
        "unauthorized",
        "403 forbidden",
        "401 unauthorized",
        "no basic auth",
        "authorization",
    ]);
    match (denied, pushing) {
        (true, true) => Kind::PushDenied { action: None },
        (true, false)
            if says(&[
                "pull access",
                "pulling from host",
                "failed to resolve",
                "load metadata",
                "failed to authorize",
            ]) =>
        {
            Kind::PullDenied
        }
        _ => Kind::Step,
    }
}

/// The permission that AWS's own sentence names.
fn action(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("not authorized to perform: ")?;
    rest.split_whitespace().next().map(|action| action.trim_end_matches(['.', ',']).to_owned())
}

fn line(lines: &[String], message: &str, step: &str, dockerfile: &Path) -> Option<usize> {
    let shown = || {
        // `Dockerfile:3`, over an excerpt.
        let rule = |line: &String| line.starts_with("--------------------");
        lines.windows(2).rev().find_map(|pair| match pair {
            [place, below] if rule(below) => place.rsplit_once(':')?.1.parse().ok(),
            _ => None,
        })
    };
    let told = || {
        let (_, rest) = message.split_once("parse error ")?;
        let rest = rest.trim_start_matches("on ").strip_prefix("line ")?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    shown().or_else(told).or_else(|| find(step, &fs::read_to_string(dockerfile).ok()?))
}

/// The line of the instruction that a step's name ends with: `[stage 2/3] RUN make`.
fn find(step: &str, dockerfile: &str) -> Option<usize> {
    let (_, instruction) = step.rsplit_once("] ").filter(|_| step.starts_with('['))?;
    let plain =
        |text: &str| text.split_whitespace().filter(|word| *word != "\\").collect::<Vec<_>>().join(" ");
    let wanted = plain(instruction);
    let lines: Vec<&str> = dockerfile.lines().collect();
    (0..lines.len()).find_map(|at| {
        let mut end = at;
        while lines.get(end)?.trim_end().ends_with('\\') && end + 1 < lines.len() {
            end += 1;
        }
        let whole = lines
            .get(at..=end)?
            .iter()
            .map(|line| line.trim_end().trim_end_matches('\\'))
            .collect::<Vec<_>>();
        (plain(&whole.join(" ")) == wanted).then_some(at + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Failure {
        read(&text.lines().map(str::to_owned).collect::<Vec<_>>(), Path::new("/nowhere/Dockerfile"))
    }

    #[test]
    fn a_failing_step_with_its_excerpt() {
        let failure = of("\
#5 [2/2] RUN make
#5 0.4 make: *** [x] Error 1
#5 ERROR: process \"/bin/sh -c make\" did not complete successfully: exit code: 2
------
 > [2/2] RUN make:
0.4 cc: no such file
0.4 make: *** [x] Error 1
------
Dockerfile:7
--------------------
   5 |
   7 | >>> RUN make
--------------------
ERROR: failed to build: failed to solve: process \"/bin/sh -c make\" did not complete successfully: exit code: 2");
        assert_eq!((failure.kind, failure.line), (Kind::Step, Some(7)));
        assert_eq!(
            failure.message,
            "process \"/bin/sh -c make\" did not complete successfully: exit code: 2"
        );
        assert_eq!(failure.lines, ["0.4 cc: no such file", "0.4 make: *** [x] Error 1"]);
    }

    #[test]
    fn a_line_that_the_parser_names() {
        let failure = of(
            "ERROR: failed to solve: rpc error: code = Unknown desc = failed to solve with frontend dockerfile.v0: \
                          failed to create LLB definition: dockerfile parse error line 2: unknown instruction: COPI",
        );
        assert_eq!((failure.kind, failure.line), (Kind::Step, Some(2)));
        assert_eq!(of("ERROR: dockerfile parse error on line 12: x").line, Some(12));
    }

    #[test]
    fn the_instruction_is_found_in_the_dockerfile() {
        let dockerfile =
            "FROM scratch\n# RUN make\nRUN --mount=type=cache,target=/x \\\n    make  all\nRUN make\n";
        assert_eq!(find("[build 2/3] RUN make", dockerfile), Some(5));
        assert_eq!(find("[2/3] RUN --mount=type=cache,target=/x make all", dockerfile), Some(3));
        assert_eq!(find("pushing x with docker", dockerfile), None);
    }

    #[test]
    fn denials_are_told_apart() {
        let denied = of("\
------
 > pushing 111111111111.dkr.ecr.eu-central-1.amazonaws.com/hello:v1 with docker:
------
ERROR: denied: User: arn:aws:sts::111111111111:assumed-role/build/x is not authorized to perform: \
ecr:InitiateLayerUpload on resource: arn:aws:ecr:eu-central-1:111111111111:repository/hello because no identity-based policy allows it");
        assert_eq!(denied.kind, Kind::PushDenied { action: Some("ecr:InitiateLayerUpload".into()) });
        let kinds = |text: &str| of(text).kind;
        let pushing = |error: &str| {
            kinds(&format!("------\n > exporting to image:\n------\nERROR: failed to solve: {error}"))
        };
        assert_eq!(
            pushing("failed to push x: unexpected status: 403 Forbidden"),
            Kind::PushDenied { action: None }
        );
        assert_eq!(
            pushing(
                "tag invalid: The image tag 'v1' already exists in the 'hello' repository and cannot be overwritten because the repository is immutable."
            ),
            Kind::TagExists
        );
        assert_eq!(
            pushing(
                "name unknown: The repository with name 'hello' does not exist in the registry with id '1'"
            ),
            Kind::NoRepository
        );
        assert_eq!(
            kinds("ERROR: pull access denied, repository does not exist or may require authorization"),
            Kind::PullDenied
        );
        assert_eq!(
            kinds(
                "ERROR: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
            ),
            Kind::NoEngine
        );
        assert_eq!(
            kinds("ERROR: Multi-platform build is not supported for the docker driver."),
            Kind::Platforms
        );
        assert_eq!(
            kinds("ERROR: failed to build: Cache export is not supported for the docker driver."),
            Kind::Beyond
        );
        let step = |name: &str, error: &str| kinds(&format!("------\n > {name}:\n------\nERROR: {error}"));
        assert_eq!(step("[internal] booting buildkit", "pull access denied for x"), Kind::NoStart);
        let denied = "error writing manifest blob: unexpected status: 403 Forbidden";
        assert_eq!(step("exporting cache to registry", denied), Kind::Cache);
        assert_eq!(step("[internal] waiting for connection", "context deadline exceeded"), Kind::NoStart);
        assert_eq!(
            kinds("ERROR: failed to solve: secret npm not found: not found"),
            Kind::NoSecret("npm".into())
        );
        assert_eq!(kinds("ERROR: failed to solve: secret npm: not found"), Kind::NoSecret("npm".into()));
        assert_eq!(
            kinds(
                "ERROR: failed to solve with frontend dockerfile.v0: failed to create LLB definition: pulling from host \
                 333333333333.dkr.ecr.eu-west-1.amazonaws.com failed with status code [manifests 1]: 403 Forbidden"
            ),
            Kind::PullDenied
        );
        assert_eq!(kinds("ERROR: failed to solve: chown: permission denied"), Kind::Step);
        assert_eq!(kinds(""), Kind::Step);
    }
}
