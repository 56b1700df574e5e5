//! Which image is shipped: one to be built, one that is there already, or one that was named.
//! Reads only.

use super::{
    builder, buildx, cache,
    ecr::{Registry, Repository, Tags, by_digest, by_tag},
    imagetools::{self, NotFound},
    logins,
    manifest::Manifest,
    platform::Platform,
    reference::Reference,
    retag, scan, tags,
};
use crate::{
    aws::{Access, Failure},
    git::Checkout,
    outcome::{Finding, Stop},
    plan::ImageStep,
    request::{Build, ImageRequest, NewRepository, Request},
    say::{self, refusals},
    surroundings::Variables,
};

/// The plan's step, before it is known what the tasks run on.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub step: ImageStep,
    /// What the image is for; `None` when that can't be told.
    pub platforms: Option<Vec<Platform>>,
    /// What was done without, in full sentences.
    pub notes: Vec<String>,
}

/// `only_planned`: whoever plans may well do less than who deploys, so that what only a deployment
/// takes is noted where it is missing.
pub async fn decide(
    request: &Request,
    access: &Access,
    checkout: &Checkout,
    variables: &Variables,
    only_planned: bool,
) -> anyhow::Result<Candidate> {
    let decided = match &request.image {
        ImageRequest::Build(build) => {
            to_build(build, request, access, checkout, variables, only_planned).await
        }
        ImageRequest::Given(uri) => given(uri, access, variables).await,
    };
    let scanned = match (decided, &request.scan) {
        (Ok(candidate), Some(rule)) => scan::may_be_seen(rule, candidate, access, only_planned).await,
        (decided, _) => decided,
    };
    scanned.map_err(|error| match error.downcast::<Failure>() {
        Ok(failure) => refused(refusals::failure(&failure)),
        Err(error) => error,
    })
}

impl Candidate {
    /// Sees that the image is for what the tasks run on. A build that names no platform is for it.
    pub fn fit(&mut self, wanted: &Platform) -> Option<Finding> {
        if let ImageStep::Build { build, .. } = &mut self.step
            && build.platforms.is_empty()
        {
            build.platforms.push(wanted.to_string());
            self.platforms = Some(vec![wanted.clone()]);
        }
        let platforms = self.platforms.as_ref()?;
        let fits = platforms.iter().any(|platform| platform.runs_on(wanted));
        (!fits && !platforms.is_empty()).then(|| say::image::other_platform(platforms, wanted))
    }
}

fn refused(finding: Finding) -> anyhow::Error {
    Stop::refused(vec![finding]).into()
}

async fn to_build(
    build: &Build,
    request: &Request,
    access: &Access,
    checkout: &Checkout,
    variables: &Variables,
    only_planned: bool,
) -> anyhow::Result<Candidate> {
    let clients = access.registry();
    let words = tags::words(checkout, &request.environment.name, variables);
    let no_word = |missing| anyhow::Error::from(Stop::invalid(vec![say::image::no_word(&missing)]));
    let mut notes = Vec::new();
    let of_user = tags::of_user(build, &words, &mut notes).map_err(no_word)?;
    let labels = tags::labels(build, checkout, &words, variables, &mut notes).map_err(no_word)?;
    let mut build = Build { build_args: tags::build_args(build, &words).map_err(no_word)?, ..build.clone() };

    let registry = Registry::of(clients);
    let wanted = build.create.as_ref().map(|wanted| for_accounts(wanted, access));
    let (repository, create) = find_repository(&registry, &build.repository, wanted, &mut notes).await?;
    if let Some(create) = &create
        && access.deploy.account != clients.account
        && !create.pull_accounts.contains(&access.deploy.account)
    {
        return Err(refused(say::registry::no_pull_account(&access.deploy.account)));
    }
    // Where it isn't known whether tags can be moved, what is there is left alone.
    let immutable = |tag: &str| repository.tags.as_ref().is_none_or(|tags| tags.are_immutable(tag));
    let commit = tags::of_commit(checkout);
    let mut tag = commit.clone().unwrap_or_else(|| format!("no-commit-{}", unique()));
    if commit.is_some()
        && create.is_none()
        && immutable(&tag)
        && let Some(manifest) = registry.manifest(&repository.name, by_tag(&tag)).await?
    {
        if !checkout.dirty {
            let platforms = platforms(&registry, &repository.name, &manifest, &mut notes).await;
            let (more, taken) = retag::missing(&registry, &repository, &manifest.digest, &of_user).await?;
            if !taken.is_empty() {
                return Err(Stop::refused(taken).into());
            }
            let step = ImageStep::Reuse { uri: repository.uri, digest: manifest.digest, tag, more };
            return Ok(Candidate { step, platforms, notes });
        }
        // Other work on the same commit has taken it.
        tag = format!("{tag}-{}", unique());
    }
    let mut taken = Vec::new();
    for tag in
        of_user.iter().filter(|tag| repository.tags.as_ref().is_some_and(|tags| tags.are_immutable(tag)))
    {
        if create.is_none() && registry.manifest(&repository.name, by_tag(tag)).await?.is_some() {
            taken.push(say::image::tag_taken(tag, &repository.name));
        }
    }
    (build.cache_from, build.cache_to) =
        cache::settle(&build, &words, &repository, variables, &mut notes).map_err(no_word)?;
    taken.extend(cache::fixed(&build.cache_to, &repository));
    if !taken.is_empty() {
        return Err(Stop::refused(taken).into());
    }
    if buildx::find(variables).is_none() {
        return Err(Stop::build_failed(say::image::no_buildx()).into());
    }
    builder::check(&build, variables).await?;
    let host = repository.uri.split('/').next().unwrap_or_default();
    let beside = logins::Beside { access, variables, only_planned };
    let logins = beside.logins(&build.registries, host, &mut notes).await?;
    let platforms = build.platforms.iter().map(|text| Platform::parse(text)).collect();
    let immutable = repository.tags.as_ref().is_some_and(|tags| tags.are_immutable(&tag));
    let others = of_user.into_iter().filter(|other| *other != tag).collect();
    let tags = [vec![tag.clone()], others].concat();
    let repository_uri = repository.uri;
    let step =
        ImageStep::Build { build: Box::new(build), create, logins, repository_uri, tags, labels, immutable };
    Ok(Candidate { step, platforms, notes })
}

/// With the accounts whose tasks may pull: the one that is deployed to is among them unless others
/// were named, and the repository's own needs no word.
fn for_accounts(wanted: &NewRepository, access: &Access) -> NewRepository {
    let mut wanted = wanted.clone();
    let accounts = &mut wanted.pull_accounts;
    if !wanted.pull_accounts_given && !accounts.contains(&access.deploy.account) {
        accounts.push(access.deploy.account.clone());
    }
    accounts.retain(|account| *account != access.registry().account);
    wanted
}

/// The repository, or what it will be where it is to be created.
async fn find_repository(
    registry: &Registry<'_>,
    name: &str,
    wanted: Option<NewRepository>,
    notes: &mut Vec<String>,
) -> anyhow::Result<(Repository, Option<NewRepository>)> {
    let at = |host: String, tags| Repository {
        name: name.to_owned(),
        uri: format!("{host}/{name}"),
        tags,
        scan_on_push: None,
    };
    match (registry.repository(name).await, wanted) {
        // What nothing was ever pushed to may be what an earlier run left half done.
        (Ok(Some(repository)), Some(wanted)) if wanted.sets_more() && registry.is_empty(name).await => {
            Ok((repository, Some(NewRepository { is_there: true, ..wanted })))
        }
        (Ok(Some(repository)), wanted) => {
            notes.extend(wanted.and_then(|wanted| say::registry::otherwise(&repository, &wanted)));
            Ok((repository, None))
        }
        (Ok(None), Some(wanted)) => {
            let host = registry.host().await?;
            Ok((at(host, Some(Tags::all(wanted.immutable_tags))), Some(wanted)))
        }
        (Ok(None), None) => {
            // Listing may be denied: then there are no near names to tell.
            let known = registry.names().await.unwrap_or_default();
            Err(refused(say::image::no_repository(name, registry.clients, &known)))
        }
        (Err(failure), _) if failure.is_denied() => {
            notes.push(say::image::repository_unseen(name, &failure));
            let host = registry.host().await?;
            Ok((at(host, None), None))
        }
        (Err(failure), _) => Err(failure.into()),
    }
}

async fn platforms(
    registry: &Registry<'_>,
    repository: &str,
    manifest: &Manifest,
    notes: &mut Vec<String>,
) -> Option<Vec<Platform>> {
    match registry.platforms(repository, manifest).await {
        Ok(platforms) => Some(platforms),
        Err(error) => {
            notes.push(say::image::platform_unseen(&manifest.digest, &error));
            None
        }
    }
}

async fn given(uri: &str, access: &Access, variables: &Variables) -> anyhow::Result<Candidate> {
    let reference =
        Reference::parse(uri).ok_or_else(|| Stop::invalid(vec![say::image::not_a_reference(uri)]))?;
    let Some(registry) = Registry::holding(&reference, access).await else {
        return elsewhere(uri, &reference, variables).await;
    };
    let id = match (&reference.digest, &reference.tag) {
        (Some(digest), _) => by_digest(digest),
        (None, tag) => by_tag(tag.as_deref().unwrap_or("latest")),
    };
    let found = match registry.manifest(&reference.name, id).await {
        Err(error)
            if error.downcast_ref::<Failure>().is_some_and(|f| f.is("RepositoryNotFoundException")) =>
        {
            None
        }
        found => found?,
    };
    let manifest = found.ok_or_else(|| refused(say::image::no_image(uri)))?;
    let mut notes = Vec::new();
    let platforms = platforms(&registry, &reference.name, &manifest, &mut notes).await;
    let step = ImageStep::Given { uri: reference.repository(), digest: manifest.digest };
    Ok(Candidate { step, platforms, notes })
}

async fn elsewhere(uri: &str, reference: &Reference, variables: &Variables) -> anyhow::Result<Candidate> {
    match imagetools::inspect(uri, variables).await {
        Ok(found) => Ok(Candidate {
            step: ImageStep::Given { uri: reference.repository(), digest: found.digest },
            platforms: Some(found.platforms),
            notes: Vec::new(),
        }),
        Err(NotFound::NoBuildx) => Err(refused(say::image::no_buildx())),
        Err(NotFound::Said(text)) => Err(refused(say::image::not_resolved(uri, &text))),
    }
}

fn unique() -> String {
    uuid::Uuid::new_v4().simple().to_string().chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(step: ImageStep, platforms: &[(&str, &str)]) -> Candidate {
        let platforms = platforms.iter().map(|(os, architecture)| Platform::new(os, architecture)).collect();
        Candidate { step, platforms: Some(platforms), notes: Vec::new() }
    }

    fn given() -> ImageStep {
        ImageStep::Given { uri: "r.example/hello".into(), digest: "sha256:0".into() }
    }

    #[test]
    fn an_image_of_another_platform_is_refused() {
        let amd64 = Platform::new("linux", "amd64");
        assert_eq!(candidate(given(), &[("linux", "arm64"), ("linux", "amd64")]).fit(&amd64), None);
        assert_eq!(candidate(given(), &[]).fit(&amd64), None);
        assert!(candidate(given(), &[("linux", "arm64")]).fit(&amd64).is_some());
        let unknown = Candidate { step: given(), platforms: None, notes: Vec::new() };
        assert_eq!(unknown.clone().fit(&amd64), None);
    }

    #[test]
    fn a_build_without_platforms_is_for_what_the_tasks_run_on() {
        let build = |platforms: &[&str]| ImageStep::Build {
            build: Box::new(Build {
                platforms: platforms.iter().map(|p| (*p).into()).collect(),
                ..Build::default()
            }),
            create: None,
            logins: Vec::new(),
            repository_uri: "r.example/hello".into(),
            tags: Vec::new(),
            labels: Default::default(),
            immutable: false,
        };
        let arm64 = Platform::new("linux", "arm64");
        let mut open = candidate(build(&[]), &[]);
        assert_eq!(open.fit(&arm64), None);
        assert!(matches!(&open.step, ImageStep::Build { build, .. } if build.platforms == ["linux/arm64"]));
        assert!(candidate(build(&["linux/amd64"]), &[("linux", "amd64")]).fit(&arm64).is_some());
    }
}
