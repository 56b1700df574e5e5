//! ECR's API: repositories, images by tag or digest, the password for its registry.

use super::{
    manifest::{MEDIA_TYPES, Manifest},
    platform::Platform,
    reference::Reference,
};
use crate::{
    aws::{Access, Clients, Failure},
    secret::Secret,
};
use anyhow::Context;
use aws_sdk_ecr::{
    config::{Config, Region},
    types::{ImageIdentifier, ImageTagMutability, Repository as Described},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

/// A repository, and where it is.
#[derive(Clone, Debug)]
pub struct Repository {
    pub name: String,
    /// With the registry's host, as ECR names it.
    pub uri: String,
    /// `None` when we may not ask.
    pub tags: Option<Tags>,
    pub scan_on_push: Option<bool>,
}

/// Which tags can be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags {
    immutable: bool,
    /// Patterns of tags for which it is the other way round.
    except: Vec<String>,
}

/// A registry: an account's in a region, reached with these clients.
#[derive(Clone)]
pub struct Registry<'a> {
    pub clients: &'a Clients,
    /// Where these aren't the clients' own.
    pub account: Option<String>,
    pub region: Option<String>,
}

/// What opens the registry to a push.
#[derive(Clone, Debug)]
pub struct Login {
    /// The host that ECR names.
    pub host: String,
    /// As Docker's configuration holds it: user and password in base64.
    pub token: Secret,
}

impl Login {
    /// Neither the token nor what is in it may come up in an error.
    pub fn password(&self) -> Option<Secret> {
        let pair = BASE64_STANDARD.decode(self.token.expose()).ok();
        let pair = pair.and_then(|pair| String::from_utf8(pair).ok())?;
        pair.split_once(':').map(|(_, password)| Secret::new(password))
    }
}

impl Tags {
    fn of(repository: &Described) -> Tags {
        let immutable = match repository.image_tag_mutability() {
            Some(ImageTagMutability::Immutable | ImageTagMutability::ImmutableWithExclusion) => true,
            // By its name, since a newer form may not be known here.
            Some(other) => other.as_str().starts_with("IMMUTABLE"),
            None => false,
        };
        let filters = repository.image_tag_mutability_exclusion_filters();
        Tags { immutable, except: filters.iter().map(|filter| filter.filter().to_owned()).collect() }
    }

    /// All of them, or none.
    pub fn all(immutable: bool) -> Tags {
        Tags { immutable, except: Vec::new() }
    }

    pub fn is_immutable(&self) -> bool {
        self.immutable
    }

    pub fn are_immutable(&self, tag: &str) -> bool {
        self.immutable != self.except.iter().any(|pattern| matches(pattern, tag))
    }
}

/// `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            (0..=text.len()).any(|at| text.get(at..).is_some_and(|text| matches(rest, text)))
        }),
    }
}

impl<'a> Registry<'a> {
    /// The clients' own registry.
    pub fn of(clients: &'a Clients) -> Registry<'a> {
        Registry { clients, account: None, region: None }
    }

    /// The registry that holds an image's repository: as its host says, or as ECR knows its
    /// address. `None` when ECR doesn't hold it.
    pub async fn holding(reference: &Reference, access: &'a Access) -> Option<Registry<'a>> {
        if let Some(host) = reference.ecr_host() {
            let of_deploy =
                host.account == access.deploy.account && host.account != access.registry().account;
            let clients = if of_deploy { &access.deploy } else { access.registry() };
            let region = Some(host.region).filter(|region| *region != clients.region);
            return Some(Registry { clients, account: Some(host.account), region });
        }
        for clients in [access.registry(), &access.deploy] {
            let registry = Registry::of(clients);
            // A denial is no yes: other ways are tried.
            if let Ok(Some(found)) = registry.repository(&reference.name).await
                && found.uri == reference.repository()
            {
                return Some(registry);
            }
        }
        None
    }

    /// `None` when there is no such repository.
    pub async fn repository(&self, name: &str) -> Result<Option<Repository>, Failure> {
        let call = self.clients.ecr().describe_repositories().repository_names(name);
        let call = call.set_registry_id(self.account.clone());
        let answer = call.customize().config_override(self.overridden()).send().await;
        let found = match answer.map_err(self.clients.failed("ecr:DescribeRepositories")) {
            Ok(found) => found,
            Err(failure) if failure.is("RepositoryNotFoundException") => return Ok(None),
            Err(failure) => return Err(failure),
        };
        Ok(found.repositories().first().and_then(|repository| {
            Some(Repository {
                name: repository.repository_name()?.to_owned(),
                uri: repository.repository_uri()?.to_owned(),
                tags: Some(Tags::of(repository)),
                scan_on_push: repository.image_scanning_configuration().map(|c| c.scan_on_push()),
            })
        }))
    }

    /// The names of the repositories that there are, as far as one page tells them.
    pub async fn names(&self) -> Result<Vec<String>, Failure> {
        let call = self.clients.ecr().describe_repositories().set_registry_id(self.account.clone());
        let answer = call.customize().config_override(self.overridden()).send().await;
        let answer = answer.map_err(self.clients.failed("ecr:DescribeRepositories"))?;
        Ok(answer.repositories().iter().filter_map(|r| r.repository_name().map(str::to_owned)).collect())
    }

    /// Whether it is known that a repository holds no image.
    pub async fn is_empty(&self, repository: &str) -> bool {
        let call = self.clients.ecr().describe_images().repository_name(repository).max_results(1);
        let call = call.set_registry_id(self.account.clone());
        let answer = call.customize().config_override(self.overridden()).send().await;
        answer.is_ok_and(|answer| answer.image_details().is_empty() && answer.next_token().is_none())
    }

    /// An image's manifest, or `None` when the repository doesn't hold it.
    pub async fn manifest(
        &self,
        repository: &str,
        image: ImageIdentifier,
    ) -> anyhow::Result<Option<Manifest>> {
        let mut call = self.clients.ecr().batch_get_image().repository_name(repository).image_ids(image);
        for media_type in MEDIA_TYPES {
            call = call.accepted_media_types(media_type);
        }
        let call = call.set_registry_id(self.account.clone());
        let answer = call.customize().config_override(self.overridden()).send().await;
        let answer = answer.map_err(self.clients.failed("ecr:BatchGetImage"))?;
        let Some(image) = answer.images().first() else { return Ok(None) };
        let text = image.image_manifest().context("ECR's answer holds no manifest")?;
        Manifest::parse(text).map(Some)
    }

    /// What an image is built for.
    pub async fn platforms(&self, repository: &str, manifest: &Manifest) -> anyhow::Result<Vec<Platform>> {
        if let Some(platforms) = manifest.platforms() {
            return Ok(platforms);
        }
        let Some(config) = manifest.config() else { return Ok(Vec::new()) };
        let call =
            self.clients.ecr().get_download_url_for_layer().repository_name(repository).layer_digest(config);
        let call = call.set_registry_id(self.account.clone());
        let answer = call.customize().config_override(self.overridden()).send().await;
        let answer = answer.map_err(self.clients.failed("ecr:GetDownloadUrlForLayer"))?;
        let url = answer.download_url().context("ECR's answer holds no address")?;
        let (status, body) =
            self.clients.http().get(url, None).await.context("can't fetch the image's config")?;
        anyhow::ensure!(status == 200, "the image's config was answered with status {status}");
        let config: Value = serde_json::from_slice(&body).context("the image's config is no JSON")?;
        Ok(Platform::of(&config).into_iter().collect())
    }

    /// What is secret of it is masked before anyone has it.
    pub async fn login(&self) -> anyhow::Result<Login> {
        let mut call = self.clients.ecr().get_authorization_token();
        if let Some(account) = &self.account {
            // It changes nothing about the token, but the answer names that registry's host.
            #[expect(deprecated)]
            let of_account = call.registry_ids(account);
            call = of_account;
        }
        let answer = call.customize().config_override(self.overridden()).send().await;
        let answer = answer.map_err(self.clients.failed("ecr:GetAuthorizationToken"))?;
        let data = answer.authorization_data().first().context("ECR's answer holds no token")?;
        let token = data.authorization_token().context("ECR's answer holds no token")?;
        self.clients.mask(token);
        let host = data.proxy_endpoint().context("ECR's answer holds no endpoint")?;
        let host = host.split_once("://").map_or(host, |(_, host)| host).trim_end_matches('/');
        let login = Login { host: host.to_owned(), token: Secret::new(token) };
        let password = login.password().context("ECR's token isn't a user and a password")?;
        self.clients.mask(password.expose());
        Ok(login)
    }

    /// The registry's host. ECR names it to who may log in; else it is what AWS's domains make it.
    pub async fn host(&self) -> anyhow::Result<String> {
        match self.login().await.map_err(anyhow::Error::downcast::<Failure>) {
            Ok(login) => Ok(login.host),
            Err(Ok(failure)) if failure.is_denied() => {
                let Clients { account, region, .. } = self.clients;
                let domain = match self.clients.partition() {
                    "aws-cn" => "amazonaws.com.cn",
                    _ => "amazonaws.com",
                };
                Ok(format!("{account}.dkr.ecr.{region}.{domain}"))
            }
            Err(Ok(failure)) => Err(failure.into()),
            Err(Err(error)) => Err(error),
        }
    }

    pub fn overridden(&self) -> aws_sdk_ecr::config::Builder {
        let mut config = Config::builder();
        config.set_region(self.region.clone().map(Region::new));
        config
    }
}

/// The digest that a tag stands for, in a repository of this account's registry.
pub async fn digest_of(clients: &Clients, repository: &str, tag: &str) -> anyhow::Result<Option<String>> {
    match Registry::of(clients).manifest(repository, by_tag(tag)).await {
        Ok(manifest) => Ok(manifest.map(|manifest| manifest.digest)),
        Err(error) => match error.downcast_ref::<Failure>() {
            Some(failure) if failure.is("RepositoryNotFound") => Ok(None),
            _ => Err(error),
        },
    }
}

pub fn by_tag(tag: &str) -> ImageIdentifier {
    ImageIdentifier::builder().image_tag(tag).build()
}

pub fn by_digest(digest: &str) -> ImageIdentifier {
    ImageIdentifier::builder().image_digest(digest).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_immutable_but_for_exceptions() {
        let tags = |immutable, except: &[&str]| Tags {
            immutable,
            except: except.iter().map(|e| (*e).into()).collect(),
        };
        assert!(tags(true, &[]).are_immutable("v1"));
        assert!(!tags(false, &[]).are_immutable("v1"));
        assert!(!tags(true, &["latest", "dev-*"]).are_immutable("dev-7"));
        assert!(tags(false, &["v*.*"]).are_immutable("v1.0"));
        assert!(!tags(false, &["v*.*"]).are_immutable("w1.0"));
    }
}
