//! What `--to` means: exactly one revision, or a refusal with the candidates.

use super::revisions;
use crate::{
    attend::Visit,
    aws::{Failure, Kind},
    current, deployment,
    event::Event,
    image::{Reference, digest_of},
    marker::Found,
    outcome::Stop,
    say::{back as say, refusals},
    task_definition::Revision,
};

/// The forms that can be told apart by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// `hello:7` or its ARN
    Revision,
    Deployment,
    Digest(String),
    /// A commit, an image's tag, or both.
    Word,
}

pub async fn find(visit: &Visit<'_>, to: &str, live: &Revision) -> Result<Revision, Stop> {
    let clients = &visit.access.deploy;
    let family = live.document.family();
    let named = match form(to) {
        Form::Revision => to.to_owned(),
        Form::Deployment => match deployment::brought_by(clients, &visit.site.group.application, to).await {
            Ok(Some(arn)) => arn,
            Ok(None) => return Err(Stop::refused(vec![say::no_such_deployment(to)])),
            Err(failure) if failure.kind == Kind::Answer => {
                return Err(Stop::refused(vec![say::no_such_deployment(to)]));
            }
            Err(failure) => return Err(refused(failure)),
        },
        Form::Digest(digest) => {
            let all = revisions::all(clients, family).await?;
            return only(to, all, |revision| revision.digests().any(|known| known.starts_with(&digest)));
        }
        Form::Word => {
            let all = revisions::all(clients, family).await?;
            let digest = by_tag(visit, live, to).await;
            return only(to, all, |revision| {
                let of_commit = is_commit(to) && of_commit(revision.marker().as_ref(), to);
                of_commit || revision.digests().any(|known| Some(known) == digest.as_deref())
            });
        }
    };
    match current::describe(clients, &named).await {
        Ok(revision) => Ok(revision),
        Err(failure) if failure.kind == Kind::Answer => {
            let all = revisions::all(clients, family).await?;
            Err(Stop::refused(vec![say::matches_nothing(to, &all)]))
        }
        Err(failure) => Err(refused(failure)),
    }
}

fn form(to: &str) -> Form {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_id = |id: &str| id.len() >= 6 && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if to.starts_with("arn:") {
        return Form::Revision;
    }
    if to.strip_prefix("d-").is_some_and(is_id) {
        return Form::Deployment;
    }
    // A digest alone, or behind a repository.
    if let Some(at) = to.find("sha256:") {
        return Form::Digest(to.get(at..).unwrap_or_default().to_owned());
    }
    match to.rsplit_once(':') {
        Some((family, number)) if is_number(number) && !family.contains(['/', '.']) => Form::Revision,
        _ => Form::Word,
    }
}

fn is_commit(text: &str) -> bool {
    text.len() >= 7 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn of_commit(found: Option<&Found>, commit: &str) -> bool {
    found.and_then(Found::commit).is_some_and(|known| known.starts_with(&commit.to_lowercase()))
}

/// The digest of an image's tag, in the repositories of the images that run now.
async fn by_tag(visit: &Visit<'_>, live: &Revision, to: &str) -> Option<String> {
    // `repository:tag` is as good as the tag.
    let tag = to.rsplit_once(':').map_or(to, |(_, tag)| tag);
    let names = live.document.container_names();
    for image in names.into_iter().filter_map(|name| live.document.image_of(name)) {
        let Some(reference) = Reference::parse(image) else { continue };
        match digest_of(visit.access.registry(), &reference.name, tag).await {
            Ok(Some(digest)) => return Some(digest),
            Ok(None) => {}
            Err(error) => {
                visit.report.tell(Event::Note { text: say::tags_unseen(&reference.name, &error) });
            }
        }
    }
    None
}

fn only(to: &str, all: Vec<Revision>, matches: impl Fn(&Revision) -> bool) -> Result<Revision, Stop> {
    let found: Vec<Revision> = all.iter().filter(|revision| matches(revision)).cloned().collect();
    match <[Revision; 1]>::try_from(found) {
        Ok([only]) => Ok(only),
        Err(none) if none.is_empty() => Err(Stop::refused(vec![say::matches_nothing(to, &all)])),
        Err(several) => Err(Stop::refused(vec![say::matches_several(to, &several)])),
    }
}

fn refused(failure: Failure) -> Stop {
    Stop::refused(vec![refusals::failure(&failure)])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn forms_are_told_apart() {
        let arn = "arn:aws:ecs:eu-central-1:222222222222:task-definition/hello:7";
        assert_eq!(form(arn), Form::Revision);
        assert_eq!(form("hello:7"), Form::Revision);
        assert_eq!(form("d-A7YW3F91L"), Form::Deployment);
        assert_eq!(form("d-day"), Form::Word);
        assert_eq!(form("sha256:0f"), Form::Digest("sha256:0f".into()));
        assert_eq!(form("host/hello@sha256:0f"), Form::Digest("sha256:0f".into()));
        assert_eq!(form("v1.2.0"), Form::Word);
        assert_eq!(form("host.example/hello:12"), Form::Word);
        assert!(is_commit("0123abc") && !is_commit("0123ab") && !is_commit("release"));
    }

    #[test]
    fn one_match_is_taken_and_none_or_several_are_refused() {
        let revision = |number: u8, commit: &str| {
            let fields = ["repository", "commit", "environment", "configuration"];
            let tags =
                fields.map(|f| (format!("greenlight:{f}"), if f == "commit" { commit } else { "x" }.into()));
            Revision { arn: format!("hello:{number}"), tags: BTreeMap::from(tags), ..Revision::default() }
        };
        let all = vec![revision(3, "aaaaaaa3"), revision(2, "aaaaaaa2"), revision(1, "bbbbbbb1")];
        let find = |to: &str| only(to, all.clone(), |revision| of_commit(revision.marker().as_ref(), to));
        assert_eq!(find("bbbbbbb").unwrap().arn, "hello:1");
        assert!(find("ccccccc").unwrap_err().to_string().contains("ccccccc"));
        let several = find("aaaaaaa").unwrap_err();
        assert!(several.findings[0].fix.contains("hello:3") && several.findings[0].fix.contains("hello:2"));
    }
}
