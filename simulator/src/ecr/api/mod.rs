//! ECR's JSON API: which permissions an operation takes, and carrying it out.

mod images;
mod layers;
mod lifecycle;
mod repositories;
mod scans;

use super::{
    access::{self, Who},
    repository_arn,
    store::{ImageId, Registry, Repository},
};
use crate::{
    clock::Time,
    front::{Answer, ApiError, Call, Need, timestamp},
    state::State as World,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) fn needs(world: &World, call: &Call) -> Vec<Need> {
    let action = format!("ecr:{}", call.operation);
    let account = call.input["registryId"].as_str().unwrap_or(&call.caller.account);
    let arn = |name: &str| repository_arn(&call.region, account, name);
    let strings = |key: &str| {
        let items = call.input[key].as_array().into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    match call.operation.as_str() {
        "GetAuthorizationToken" | "GetAccountSetting" | "PutAccountSetting" | "DescribeRegistry" => {
            vec![Need::new(&action, "*")]
        }
        "DescribeRepositories" => {
            let names = strings("repositoryNames");
            if names.is_empty() {
                return vec![Need::new(&action, arn("*"))];
            }
            names.iter().map(|name| Need::new(&action, arn(name))).collect()
        }
        "TagResource" | "UntagResource" | "ListTagsForResource" => {
            vec![Need::new(&action, call.input["resourceArn"].as_str().unwrap_or("*"))]
        }
        operation => {
            let name = call.input["repositoryName"].as_str().unwrap_or_default();
            let need = Need::new(&action, arn(name));
            let registry = world.ecr.registries.get(account);
            // In its own account a repository's policy may allow what the identity's doesn't.
            let granted = registry
                .is_some_and(|r| access::grants(world, &call.caller, r, r.repositories.get(name), &need));
            let mut needs = if granted { Vec::new() } else { vec![need] };
            if operation == "CreateRepository" && call.input["tags"].as_array().is_some_and(|t| !t.is_empty())
            {
                needs.push(Need::new("ecr:TagResource", arn(name)));
            }
            needs
        }
    }
}

pub(crate) fn handle(world: &mut World, call: &Call) -> Answer {
    match call.operation.as_str() {
        "GetAuthorizationToken" => authorization_token(world, call),
        "DescribeRepositories" => repositories::describe(world, call),
        "CreateRepository" => repositories::create(world, call),
        "DeleteRepository" => repositories::delete(world, call),
        "SetRepositoryPolicy" => repositories::set_policy(world, call),
        "GetRepositoryPolicy" => repositories::get_policy(world, call),
        "DeleteRepositoryPolicy" => repositories::delete_policy(world, call),
        "PutLifecyclePolicy" => repositories::put_lifecycle_policy(world, call),
        "GetLifecyclePolicy" => repositories::get_lifecycle_policy(world, call),
        "DeleteLifecyclePolicy" => repositories::delete_lifecycle_policy(world, call),
        "PutImageTagMutability" => repositories::put_mutability(world, call),
        "PutImageScanningConfiguration" => repositories::put_scanning(world, call),
        "TagResource" => repositories::tag(world, call),
        "UntagResource" => repositories::untag(world, call),
        "ListTagsForResource" => repositories::tags(world, call),
        "GetAccountSetting" => repositories::account_setting(world, call),
        "PutAccountSetting" => repositories::put_account_setting(world, call),
        "DescribeRegistry" => repositories::describe_registry(call),
        "BatchGetImage" => images::batch_get(world, call),
        "DescribeImages" => images::describe(world, call),
        "ListImages" => images::list(world, call),
        "PutImage" => images::put(world, call),
        "BatchDeleteImage" => images::batch_delete(world, call),
        "ListImageReferrers" => images::referrers(world, call),
        "BatchCheckLayerAvailability" => layers::check_availability(world, call),
        "GetDownloadUrlForLayer" => layers::download_url(world, call),
        "InitiateLayerUpload" => layers::initiate(world, call),
        "UploadLayerPart" => layers::upload_part(world, call),
        "CompleteLayerUpload" => layers::complete(world, call),
        "DescribeImageScanFindings" => scans::findings(world, call),
        "StartImageScan" => scans::start(world, call),
        _ => Err(ApiError::new("InvalidAction", format!("no operation is named {}", call.operation))),
    }
}

fn authorization_token(world: &mut World, call: &Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Input {
        #[serde(default)]
        registry_ids: Vec<String>,
    }
    let input: Input = read(call)?;
    let accounts =
        if input.registry_ids.is_empty() { vec![call.caller.account.clone()] } else { input.registry_ids };
    let mut data = Vec::new();
    for account in accounts {
        let Some(registry) = world.ecr.registries.get(&account) else {
            return Err(invalid("registryIds", &format!("the registry with id '{account}' does not exist")));
        };
        let endpoint = format!("http://{}", registry.host);
        let (password, expires) = world.ecr.log_in(Who::Session(call.caller.clone()));
        data.push(json!({
            "authorizationToken": STANDARD.encode(format!("AWS:{password}")),
            "expiresAt": timestamp(real(expires)),
            "proxyEndpoint": endpoint,
        }));
    }
    Ok(json!({"authorizationData": data}))
}

/// A moment of real time: of what expires in it.
pub(super) fn real(at: SystemTime) -> Time {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The repository that a call names.
struct Target {
    account: String,
    name: String,
}

impl Target {
    /// Finds it and asks its policy; the identity's policies were asked at the door.
    fn of(world: &World, call: &Call) -> Result<Target, ApiError> {
        let name = call.input["repositoryName"].as_str().unwrap_or_default().to_owned();
        check_name(&name)?;
        Target::named(world, call, name)
    }

    fn named(world: &World, call: &Call, name: String) -> Result<Target, ApiError> {
        let account = registry_id(call)?;
        let registry = world.ecr.registries.get(&account).filter(|r| r.region == call.region);
        let Some(registry) = registry.filter(|r| r.repositories.contains_key(&name)) else {
            return Err(access::no_repository(&account, &name));
        };
        access::by_resource(world, &call.caller, registry, &name, &format!("ecr:{}", call.operation))?;
        Ok(Target { account, name })
    }

    fn registry<'w>(&self, world: &'w World) -> Result<&'w Registry, ApiError> {
        let found = world.ecr.registries.get(&self.account);
        found.ok_or_else(|| access::no_repository(&self.account, &self.name))
    }

    fn registry_mut<'w>(&self, world: &'w mut World) -> Result<&'w mut Registry, ApiError> {
        let found = world.ecr.registries.get_mut(&self.account);
        found.ok_or_else(|| access::no_repository(&self.account, &self.name))
    }

    fn repository<'w>(&self, world: &'w World) -> Result<&'w Repository, ApiError> {
        let found = self.registry(world)?.repositories.get(&self.name);
        found.ok_or_else(|| access::no_repository(&self.account, &self.name))
    }

    fn repository_mut<'w>(&self, world: &'w mut World) -> Result<&'w mut Repository, ApiError> {
        let found = self.registry_mut(world)?.repositories.get_mut(&self.name);
        found.ok_or_else(|| access::no_repository(&self.account, &self.name))
    }

    /// The answer's members that say where, and more.
    fn answer(&self, more: Value) -> Answer {
        let mut answer = json!({"registryId": self.account, "repositoryName": self.name});
        if let (Some(answer), Value::Object(more)) = (answer.as_object_mut(), more) {
            answer.extend(more);
        }
        Ok(answer)
    }
}

fn registry_id(call: &Call) -> Result<String, ApiError> {
    match call.input["registryId"].as_str() {
        None => Ok(call.caller.account.clone()),
        Some(id) if id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit()) => Ok(id.to_owned()),
        Some(_) => Err(invalid("registryId", "must satisfy regular expression '[0-9]{12}'")),
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireId {
    image_digest: Option<String>,
    image_tag: Option<String>,
}

impl WireId {
    fn id(&self) -> ImageId {
        ImageId { digest: self.image_digest.clone(), tag: self.image_tag.clone() }
    }

    fn json(&self) -> Value {
        let mut id = json!({});
        if let Some(digest) = &self.image_digest {
            id["imageDigest"] = json!(digest);
        }
        if let Some(tag) = &self.image_tag {
            id["imageTag"] = json!(tag);
        }
        id
    }
}

fn read<T: DeserializeOwned>(call: &Call) -> Result<T, ApiError> {
    T::deserialize(&call.input).map_err(|e| ApiError::new("SerializationException", e.to_string()))
}

fn invalid(parameter: &str, constraint: &str) -> ApiError {
    ApiError::new(
        "InvalidParameterException",
        format!("Invalid parameter at '{parameter}' failed to satisfy constraint: '{constraint}'"),
    )
}

/// A list that must have something in it, and not too much.
fn some<T>(list: Vec<T>, parameter: &str, limit: usize) -> Result<Vec<T>, ApiError> {
    match list.len() {
        0 => Err(invalid(parameter, "Member must have length greater than or equal to 1")),
        n if n > limit => {
            Err(invalid(parameter, &format!("Member must have length less than or equal to {limit}")))
        }
        _ => Ok(list),
    }
}

/// 2 to 256 characters: words of lowercase letters and digits, joined by `.`, `_`, `__` or dashes,
/// in parts joined by slashes.
fn check_name(name: &str) -> Result<(), ApiError> {
    let part = |part: &str| {
        let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        let joints: Vec<&str> =
            part.split(|c: char| c.is_ascii_alphanumeric()).filter(|joint| !joint.is_empty()).collect();
        edge(part.as_bytes().first())
            && edge(part.as_bytes().last())
            && part.bytes().all(good)
            && joints.iter().all(|j| matches!(*j, "." | "_" | "__") || j.bytes().all(|b| b == b'-'))
    };
    if !(2..=256).contains(&name.len()) || !name.split('/').all(part) {
        let pattern = r"must satisfy regular expression '[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*'";
        return Err(invalid("repositoryName", pattern));
    }
    Ok(())
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Paging {
    next_token: Option<String>,
    max_results: Option<usize>,
}

impl Paging {
    fn is_asked_for(&self) -> bool {
        self.next_token.is_some() || self.max_results.is_some()
    }

    /// One page of the items, and the token of the next.
    fn page<T>(&self, items: Vec<T>, most: usize) -> Result<(Vec<T>, Option<String>), ApiError> {
        let bad = || invalid("nextToken", "The specified token is not valid");
        let from = match &self.next_token {
            None => 0,
            Some(token) => {
                let decoded = STANDARD.decode(token).ok().and_then(|b| String::from_utf8(b).ok());
                let from = decoded.and_then(|t| t.strip_prefix("from:")?.parse::<usize>().ok());
                from.filter(|from| *from <= items.len()).ok_or_else(bad)?
            }
        };
        let size = self.max_results.unwrap_or(100);
        if !(1..=most).contains(&size) {
            return Err(invalid("maxResults", &format!("must be between 1 and {most}")));
        }
        let total = items.len();
        let page: Vec<T> = items.into_iter().skip(from).take(size).collect();
        let to = from + page.len();
        let next = (to < total).then(|| STANDARD.encode(format!("from:{to}")));
        Ok((page, next))
    }
}

#[cfg(test)]
mod tests;
