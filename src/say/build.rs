//! What is said about how the image is built: secrets, keys, caches, builders.

use crate::{
    inputs::source::Subject,
    outcome::Finding,
    request::{Builder, Driver, OwnBuilder},
    say::inputs::capital,
};

/// Over what the builder remarks on the Dockerfile.
pub const REMARK: &str = "Dockerfile";

pub fn not_an_id(id: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("`{id}` can't be the id of a build's secret."),
        "An id has letters, digits, `.`, `_` and `-`: it is what `RUN --mount=type=secret,id=…` names.",
    )
}

pub fn no_variable(id: &str, name: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("The build's secret `{id}` is in the variable {name}, which isn't set, or is empty."),
        format!(
            "Give it to the step: `env: {{ {name}: ${{{{ secrets.{name} }}}} }}`. A secret that the repository or the \
             environment doesn't have is empty; a pull request from a fork has none."
        ),
    )
}

pub fn no_secret_file(id: &str, file: &str, error: &std::io::Error, subject: &Subject) -> Finding {
    subject.finding(
        format!("The build's secret `{id}` is in the file {file}, which can't be read: {error}."),
        "Let `file` name a file that is there before the build; its path starts at the folder of greenlight.yml.",
    )
}

pub fn empty_secret(id: &str, file: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("The build's secret `{id}` is in the file {file}, which is empty."),
        "Write the secret into it before this step, or name another file.",
    )
}

pub fn large_secret(id: &str, file: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("The build's secret `{id}` is in the file {file}, which is larger than BuildKit takes."),
        "A secret has at most 500 KiB: hand in larger files as a build context.",
    )
}

pub fn blank_secret(id: &str) -> Finding {
    Finding::new(
        format!("The input `secrets` gives the build's secret `{id}` no value."),
        "Check the name of the secret: one that the repository or the environment doesn't have is empty, and a pull \
         request from a fork has none.",
    )
}

pub fn secret_twice(id: &str) -> Finding {
    Finding::new(
        format!("The input `secrets` gives the build's secret `{id}`, which is given elsewhere, too."),
        "Give it once: in the input, or under `secrets:` in greenlight.yml.",
    )
}

/// The line itself isn't told.
pub fn not_a_secret(number: usize) -> Finding {
    Finding::new(
        format!("Entry {number} of the input `secrets` isn't `ID=VALUE`."),
        "Write one `ID=VALUE` a line; an id has letters, digits, `.`, `_` and `-`. A value of several lines stands in \
         quotes with its id: `\"ID=…\"`.",
    )
}

pub fn not_ssh(key: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("{} is `{key}`, which names no SSH agent or key.", capital(&subject.said)),
        "Write `default`, `ID=SOCKET` or `ID=KEYFILE`.",
    )
}

pub fn no_key(path: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("{} names {path}, where there is neither a key nor an agent's socket.", capital(&subject.said)),
        "Let it name an existing file; its path starts at the folder of greenlight.yml. What an earlier step put \
         outside of the workspace can't be seen from the action's container.",
    )
}

pub fn no_agent(socket: Option<&str>, subject: &Subject) -> Finding {
    let why = match socket {
        None => "SSH_AUTH_SOCK isn't set".to_owned(),
        Some(socket) => format!("SSH_AUTH_SOCK is {socket}, and nothing is there"),
    };
    subject.finding(
        format!("{} takes the SSH agent, but {why}.", capital(&subject.said)),
        "Start an agent, or name a key: `default=KEYFILE`. An agent that an earlier step started can't be reached from \
         the action's container: write the key to a file in the workspace instead.",
    )
}

pub fn not_a_cache(cache: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("{} is `{cache}`, which names no cache.", capital(&subject.said)),
        "Write `registry`, `gha`, or what buildx takes: `type=registry,ref=HOST/NAME:TAG`.",
    )
}

pub fn secret_in_cache(name: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!(
            "{} has `{name}`, which would stand on a command line that others can see.",
            capital(&subject.said)
        ),
        "Leave it out, and give the step buildx's own variables, as AWS_SECRET_ACCESS_KEY.",
    )
}

pub fn not_an_attestation(value: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("{} is `{value}`, which buildx doesn't take.", capital(&subject.said)),
        "Write `true`, `false`, or attributes such as `mode=max`.",
    )
}

pub fn no_build_context(name: &str, path: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("The build context `{name}` is {path}, and nothing is there."),
        "Let it name a folder, from the folder of greenlight.yml on, or what buildx takes: `docker-image://…`, \
         `https://…`, `oci-layout://…`.",
    )
}

pub fn not_a_builder(name: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("{} is `{name}`, which can't be a builder's name.", capital(&subject.said)),
        "Name one that `docker buildx ls` shows, or describe one: `builder: { driver: docker-container }`.",
    )
}

pub fn no_endpoint(subject: &Subject) -> Finding {
    subject.finding(
        "The builder's driver is `remote`, but nothing says where its BuildKit is.".to_owned(),
        "Add `endpoint:`, as `tcp://buildkit.example:1234`.",
    )
}

pub fn remote_is_configured(key: &str, subject: &Subject) -> Finding {
    subject.finding(
        format!("`{key}` is for a BuildKit that is started, but the driver `remote` takes one that runs."),
        format!("Take `{key}` out, and set up BuildKit where it runs."),
    )
}

/// What a build asks for that the builder's driver can't do.
pub fn beyond_driver(asked: &str, builder: Option<&str>) -> Finding {
    let builder =
        builder.map_or_else(|| "the current builder".to_owned(), |name| format!("the builder `{name}`"));
    Finding::new(
        format!("{asked} can't be had of {builder}: its driver is `docker`, the engine itself."),
        "Let a builder be made for the run: `builder: { driver: docker-container }` under `image:`. Or turn on the \
         engine's containerd image store.",
    )
}

pub fn no_builder(name: &str, said: &str, in_job: bool) -> Finding {
    let seen = if in_job {
        " One that an earlier step of the job made can't be seen from the action's container, unless BUILDX_CONFIG \
         names a folder under the runner's temporary one for both."
    } else {
        ""
    };
    Finding::new(
        format!("The builder `{name}` can't be had: {said}."),
        format!(
            "Name one that `docker buildx ls` shows, or let one be made: `builder: {{ driver: docker-container }}`.{seen}"
        ),
    )
}

pub fn builder_not_made(own: &OwnBuilder, said: &str) -> Finding {
    let fix = match own.driver {
        Driver::DockerContainer => "Check that the engine answers and what `builder` says of it.",
        Driver::Remote => "Check the builder's `endpoint`, and the certificates in `driver-opts`.",
        Driver::Kubernetes => "Check that KUBECONFIG names the cluster, and what `driver-opts` says.",
    };
    Finding::new(format!("The builder of the driver `{}` couldn't be made: {said}.", own.driver.name()), fix)
}

pub fn builder_not_started(builder: Option<&Builder>, said: &str) -> Finding {
    let (what, fix) = match builder {
        Some(Builder::Own(own)) if own.driver == Driver::Remote => (
            "The builder doesn't answer",
            "Check the builder's `endpoint`, that BuildKit listens there, and the certificates in `driver-opts`.",
        ),
        _ => (
            "The builder couldn't be started",
            "Check that its image can be pulled (`driver-opts: { image: HOST/NAME:TAG }` takes another than \
             moby/buildkit), and what `builder` says of it.",
        ),
    };
    Finding::new(format!("{what}: {said}."), fix)
}

pub fn builder_left(name: &str, said: &str) -> String {
    format!("The builder {name} is left behind: {said}. Remove it with `docker buildx rm {name}`.")
}

pub fn cache_without_job(cache: &str, missing: &str) -> String {
    format!(
        "The cache `{cache}` is left out: {missing} isn't set. GitHub gives it to actions, neither to `run:` steps nor \
         to a laptop."
    )
}

pub fn cache_not_allowed(cache: &str, mode: &str) -> String {
    format!("The cache `{cache}` is left out: for this job GitHub's cache is `{mode}` (ACTIONS_CACHE_MODE).")
}

pub fn cache_tag_fixed(reference: &str, repository: &str) -> Finding {
    Finding::new(
        format!(
            "The cache would be written to {reference}, but tags in `{repository}` can't be moved: the second time it would be refused."
        ),
        "Exclude the tag from immutability (`IMMUTABLE_WITH_EXCLUSION`, a filter such as `cache*`), write the cache to \
         another repository (`type=registry,ref=HOST/NAME:TAG`), or take `gha`.",
    )
}

/// What was asked for and doesn't apply to this run.
pub fn left_out(what: &str, text: &str, word: &str) -> String {
    format!("The {what} `{text}` is left out: {}.", why_no_word(word))
}

/// Why a word in braces stands for nothing.
pub fn why_no_word(word: &str) -> &'static str {
    match word {
        "branch" => "no branch is checked out",
        "tag" => "the run isn't for a tag",
        "ref" => "the run is for no branch and no tag",
        "version" => "the run isn't for a tag such as `v1.2.3`",
        "major" | "minor" | "patch" => "the run isn't for a tag such as `v1.2.3`, a release's",
        "pull-request" => "the run isn't for a pull request",
        "run-number" => "this isn't a GitHub Actions job",
        _ => "this isn't a git work tree",
    }
}
