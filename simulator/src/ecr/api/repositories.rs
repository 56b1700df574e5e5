//! Repositories and what is set on them.

use super::{Paging, Target, check_name, invalid, lifecycle, read, registry_id, some};
use crate::{
    ecr::{
        access, repository_arn,
        store::{Mutability, Registry, Repository, Scans},
    },
    front::{Answer, ApiError, Call, Need, timestamp},
    iam,
    state::State as World,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const TAG_LIMIT: usize = 50;

pub(super) fn describe(world: &World, call: &Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Input {
        #[serde(default)]
        repository_names: Vec<String>,
        #[serde(flatten)]
        paging: Paging,
    }
    let input: Input = read(call)?;
    let account = registry_id(call)?;
    if input.repository_names.is_empty() {
        let registry = world.ecr.registries.get(&account).filter(|r| r.region == call.region);
        if account != call.caller.account {
            let need = Need::new("ecr:DescribeRepositories", repository_arn(&call.region, &account, "*"));
            return Err(iam::denied(world, &call.caller, &need));
        }
        let all: Vec<Value> = registry
            .into_iter()
            .flat_map(|registry| registry.repositories.values().map(|r| description(registry, r)))
            .collect();
        let (page, next) = input.paging.page(all, 1000)?;
        let mut answer = json!({"repositories": page});
        if let Some(next) = next {
            answer["nextToken"] = json!(next);
        }
        return Ok(answer);
    }
    if input.paging.is_asked_for() {
        return Err(invalid("repositoryNames", "cannot be combined with nextToken or maxResults"));
    }
    let mut found = Vec::new();
    for name in some(input.repository_names, "repositoryNames", 100)? {
        check_name(&name)?;
        let target = Target::named(world, call, name)?;
        found.push(description(target.registry(world)?, target.repository(world)?));
    }
    Ok(json!({"repositories": found}))
}

pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Input {
        #[serde(default)]
        repository_name: String,
        #[serde(default)]
        tags: Vec<Tag>,
        #[serde(flatten)]
        mutability: MutabilityInput,
        #[serde(default)]
        image_scanning_configuration: Scanning,
        encryption_configuration: Option<Value>,
    }
    let input: Input = read(call)?;
    let name = input.repository_name;
    check_name(&name)?;
    let mutability = input.mutability.checked()?.unwrap_or_default();
    let account = registry_id(call)?;
    if account != call.caller.account {
        return Err(invalid("registryId", "a repository is created in the caller's own registry"));
    }
    let encryption = encryption(input.encryption_configuration, &call.region, &account)?;
    let now = world.now;
    let registry = world.ecr.registries.get_mut(&account).filter(|r| r.region == call.region);
    let Some(registry) = registry else {
        return Err(invalid("registryId", "the registry has no storage in this Region"));
    };
    if registry.repositories.contains_key(&name) {
        return Err(ApiError::new(
            "RepositoryAlreadyExistsException",
            format!("The repository with name '{name}' already exists in the registry with id '{account}'"),
        ));
    }
    let mut repository = Repository {
        name: name.clone(),
        created_at: now,
        mutability,
        scan_on_push: input.image_scanning_configuration.scan_on_push,
        scans: Scans { enhanced: registry.enhanced_scanning, ..Scans::default() },
        encryption,
        ..Repository::default()
    };
    put_tags(&mut repository.resource_tags, input.tags)?;
    registry.repositories.insert(name.clone(), repository);
    Ok(json!({"repository": registry.repositories.get(&name).map(|r| description(registry, r))}))
}

/// A key goes with KMS alone; without one it is the key that AWS manages.
fn encryption(asked: Option<Value>, region: &str, account: &str) -> Result<Value, ApiError> {
    let Some(asked) = asked else { return Ok(json!({"encryptionType": "AES256"})) };
    let kind = asked["encryptionType"].as_str().unwrap_or_default();
    let key = asked["kmsKey"].as_str();
    match (kind, key) {
        ("AES256", None) => Ok(json!({"encryptionType": kind})),
        ("AES256", Some(_)) => {
            Err(invalid("encryptionConfiguration", "kmsKey must not be given with encryptionType AES256"))
        }
        ("KMS" | "KMS_DSSE", key) => {
            if key.is_some_and(|key| key.is_empty() || key.len() > 2048) {
                return Err(invalid(
                    "encryptionConfiguration.kmsKey",
                    "Member must have length between 1 and 2048",
                ));
            }
            let arn = match key {
                Some(arn) if arn.starts_with("arn:") => arn.to_owned(),
                Some(name) if name.starts_with("alias/") => format!("arn:aws:kms:{region}:{account}:{name}"),
                Some(id) => format!("arn:aws:kms:{region}:{account}:key/{id}"),
                None => format!("arn:aws:kms:{region}:{account}:key/0ec40000-aa5e-4000-8000-000000000ec4"),
            };
            Ok(json!({"encryptionType": kind, "kmsKey": arn}))
        }
        _ => Err(invalid(
            "encryptionConfiguration.encryptionType",
            "Member must satisfy enum value set: [AES256, KMS, KMS_DSSE]",
        )),
    }
}

pub(super) fn delete(world: &mut World, call: &Call) -> Answer {
    #[derive(Deserialize)]
    struct Input {
        #[serde(default)]
        force: bool,
    }
    let input: Input = read(call)?;
    let target = Target::of(world, call)?;
    let repository = target.repository(world)?;
    if !repository.images.is_empty() && !input.force {
        return Err(ApiError::new(
            "RepositoryNotEmptyException",
            format!(
                "The repository with name '{}' in registry with id '{}' cannot be deleted because it still contains images",
                target.name, target.account
            ),
        ));
    }
    let described = description(target.registry(world)?, repository);
    let registry = target.registry_mut(world)?;
    registry.repositories.remove(&target.name);
    registry.uploads.retain(|_, upload| upload.repository != target.name);
    Ok(json!({"repository": described}))
}

pub(super) fn set_policy(world: &mut World, call: &Call) -> Answer {
    let target = Target::of(world, call)?;
    let text = call.input["policyText"].as_str().unwrap_or_default().to_owned();
    check_policy(&text).map_err(|why| {
        let rule = format!("Invalid repository policy provided: {why:#}");
        invalid("PolicyText", &rule)
    })?;
    target.repository_mut(world)?.policy = Some(text.clone());
    target.answer(json!({"policyText": text}))
}

pub(super) fn get_policy(world: &World, call: &Call) -> Answer {
    let target = Target::of(world, call)?;
    let text = target.repository(world)?.policy.clone().ok_or_else(|| no_policy(&target))?;
    target.answer(json!({"policyText": text}))
}

pub(super) fn delete_policy(world: &mut World, call: &Call) -> Answer {
    let target = Target::of(world, call)?;
    let text = target.repository_mut(world)?.policy.take().ok_or_else(|| no_policy(&target))?;
    target.answer(json!({"policyText": text}))
}

pub(super) fn put_lifecycle_policy(world: &mut World, call: &Call) -> Answer {
    let target = Target::of(world, call)?;
    let text = call.input["lifecyclePolicyText"].as_str().unwrap_or_default().to_owned();
    if !(100..=30720).contains(&text.len()) {
        return Err(invalid("lifecyclePolicyText", "Member must have length between 100 and 30720"));
    }
    lifecycle::check(&text).map_err(|why| {
        let rule = format!("Lifecycle policy validation failure: {why:#}");
        invalid("LifecyclePolicyText", &rule)
    })?;
    target.repository_mut(world)?.lifecycle_policy = Some(text.clone());
    target.answer(json!({"lifecyclePolicyText": text}))
}

pub(super) fn get_lifecycle_policy(world: &World, call: &Call) -> Answer {
    let target = Target::of(world, call)?;
    let text = target.repository(world)?.lifecycle_policy.clone().ok_or_else(|| no_lifecycle(&target))?;
    target.answer(json!({"lifecyclePolicyText": text, "lastEvaluatedAt": timestamp(world.now)}))
}

pub(super) fn delete_lifecycle_policy(world: &mut World, call: &Call) -> Answer {
    let target = Target::of(world, call)?;
    let now = timestamp(world.now);
    let text = target.repository_mut(world)?.lifecycle_policy.take().ok_or_else(|| no_lifecycle(&target))?;
    target.answer(json!({"lifecyclePolicyText": text, "lastEvaluatedAt": now}))
}

pub(super) fn put_mutability(world: &mut World, call: &Call) -> Answer {
    let input: MutabilityInput = read(call)?;
    let target = Target::of(world, call)?;
    let mutability =
        input.checked()?.ok_or_else(|| invalid("imageTagMutability", "Member must not be null"))?;
    let repository = target.repository_mut(world)?;
    repository.mutability = mutability;
    let mut answer = json!({"imageTagMutability": repository.mutability.setting});
    if let Some(filters) = repository.mutability.filters() {
        answer["imageTagMutabilityExclusionFilters"] = filters;
    }
    target.answer(answer)
}

pub(super) fn put_scanning(world: &mut World, call: &Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Input {
        image_scanning_configuration: Option<Scanning>,
    }
    let input: Input = read(call)?;
    let target = Target::of(world, call)?;
    let scanning = input
        .image_scanning_configuration
        .ok_or_else(|| invalid("imageScanningConfiguration", "Member must not be null"))?;
    target.repository_mut(world)?.scan_on_push = scanning.scan_on_push;
    target.answer(json!({"imageScanningConfiguration": {"scanOnPush": scanning.scan_on_push}}))
}

pub(super) fn tag(world: &mut World, call: &Call) -> Answer {
    #[derive(Deserialize)]
    struct Input {
        #[serde(default)]
        tags: Vec<Tag>,
    }
    let input: Input = read(call)?;
    put_tags(&mut by_arn(world, call)?.resource_tags, input.tags)?;
    Ok(json!({}))
}

pub(super) fn untag(world: &mut World, call: &Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Input {
        #[serde(default)]
        tag_keys: Vec<String>,
    }
    let input: Input = read(call)?;
    by_arn(world, call)?.resource_tags.retain(|key, _| !input.tag_keys.contains(key));
    Ok(json!({}))
}

pub(super) fn tags(world: &mut World, call: &Call) -> Answer {
    let repository = by_arn(world, call)?;
    let tags: Vec<Value> =
        repository.resource_tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    Ok(json!({"tags": tags}))
}

/// The settings with their values, the default first.
const SETTINGS: &[(&str, &[&str])] = &[
    ("BASIC_SCAN_TYPE_VERSION", &["AWS_NATIVE", "CLAIR"]),
    ("REGISTRY_POLICY_SCOPE", &["V2", "V1"]),
    ("BLOB_MOUNTING", &["DISABLED", "ENABLED"]),
];

pub(super) fn account_setting(world: &World, call: &Call) -> Answer {
    let (name, values) = setting(call)?;
    let set = world.ecr.registries.get(&call.caller.account).and_then(|r| r.settings.get(name));
    let value = set.map_or(values[0], String::as_str);
    Ok(json!({"name": name, "value": value}))
}

pub(super) fn put_account_setting(world: &mut World, call: &Call) -> Answer {
    let (name, values) = setting(call)?;
    let value = call.input["value"].as_str().unwrap_or_default();
    if !values.contains(&value) {
        return Err(invalid("value", &format!("must be one of {}", values.join(", "))));
    }
    if let Some(registry) = world.ecr.registries.get_mut(&call.caller.account) {
        registry.settings.insert(name.to_owned(), value.to_owned());
    }
    Ok(json!({"name": name, "value": value}))
}

pub(super) fn describe_registry(call: &Call) -> Answer {
    Ok(json!({"registryId": call.caller.account, "replicationConfiguration": {"rules": []}}))
}

fn setting(call: &Call) -> Result<(&'static str, &'static [&'static str]), ApiError> {
    let name = call.input["name"].as_str().unwrap_or_default();
    let names: Vec<&str> = SETTINGS.iter().map(|(name, _)| *name).collect();
    SETTINGS
        .iter()
        .copied()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| invalid("name", &format!("must be one of {}", names.join(", "))))
}

fn description(registry: &Registry, repository: &Repository) -> Value {
    repository.describe(&registry.account, &registry.arn(&repository.name), &registry.host)
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scanning {
    #[serde(default)]
    scan_on_push: bool,
}

#[derive(Debug, Deserialize)]
struct Tag {
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "Value", default)]
    value: String,
}

fn put_tags(all: &mut BTreeMap<String, String>, tags: Vec<Tag>) -> Result<(), ApiError> {
    for tag in &tags {
        if tag.key.is_empty() || tag.key.len() > 128 || tag.value.len() > 256 || tag.key.starts_with("aws:") {
            let message = format!("The tag '{}' is not valid.", tag.key);
            return Err(ApiError::new("InvalidTagParameterException", message));
        }
    }
    let mut after = all.clone();
    after.extend(tags.into_iter().map(|tag| (tag.key, tag.value)));
    if after.len() > TAG_LIMIT {
        let message = format!("A repository can have {TAG_LIMIT} tags at the most.");
        return Err(ApiError::new("TooManyTagsException", message));
    }
    *all = after;
    Ok(())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MutabilityInput {
    image_tag_mutability: Option<String>,
    #[serde(default)]
    image_tag_mutability_exclusion_filters: Vec<Value>,
}

impl MutabilityInput {
    fn checked(self) -> Result<Option<Mutability>, ApiError> {
        let settings = ["MUTABLE", "IMMUTABLE", "IMMUTABLE_WITH_EXCLUSION", "MUTABLE_WITH_EXCLUSION"];
        let filters = self.image_tag_mutability_exclusion_filters;
        let Some(setting) = self.image_tag_mutability else {
            return if filters.is_empty() {
                Ok(None)
            } else {
                Err(invalid("imageTagMutabilityExclusionFilters", "needs a setting with exclusion"))
            };
        };
        if !settings.contains(&setting.as_str()) {
            let all = settings.join(", ");
            return Err(invalid(
                "imageTagMutability",
                &format!("Member must satisfy enum value set: [{all}]"),
            ));
        }
        if setting.ends_with("_WITH_EXCLUSION") == filters.is_empty() || filters.len() > 5 {
            return Err(invalid(
                "imageTagMutabilityExclusionFilters",
                "1 to 5 filters go with a setting with exclusion, none with another",
            ));
        }
        let mut exclusions = Vec::new();
        for filter in &filters {
            match (filter["filterType"].as_str(), filter["filter"].as_str()) {
                (Some("WILDCARD"), Some(pattern)) if (1..=128).contains(&pattern.len()) => {
                    exclusions.push(pattern.to_owned());
                }
                _ => {
                    let parameter = "imageTagMutabilityExclusionFilters";
                    return Err(invalid(parameter, "a filter is of type WILDCARD with a pattern"));
                }
            }
        }
        Ok(Some(Mutability { setting, exclusions }))
    }
}

fn by_arn<'w>(world: &'w mut World, call: &Call) -> Result<&'w mut Repository, ApiError> {
    let arn = call.input["resourceArn"].as_str().unwrap_or_default();
    let name = arn.split_once(":repository/").map(|(_, name)| name).unwrap_or_default().to_owned();
    let account = call.caller.account.clone();
    if arn != repository_arn(&call.region, &account, &name) {
        return Err(invalid("resourceArn", "Invalid ARN"));
    }
    let target = Target::named(world, call, name).map_err(|error| match error.code.as_str() {
        "RepositoryNotFoundException" => access::no_repository(&account, arn),
        _ => error,
    })?;
    target.repository_mut(world)
}

fn check_policy(text: &str) -> anyhow::Result<()> {
    let document: Value = serde_json::from_str(text)?;
    iam::Policy::parse(&document)?;
    let statements = match &document["Statement"] {
        Value::Array(statements) => statements.as_slice(),
        one => std::slice::from_ref(one),
    };
    anyhow::ensure!(!statements.is_empty(), "there is no statement");
    for statement in statements {
        anyhow::ensure!(statement.get("Principal").is_some(), "a statement has no Principal");
        anyhow::ensure!(statement.get("Resource").is_none(), "a repository's policy has no Resource");
    }
    Ok(())
}

fn no_policy(target: &Target) -> ApiError {
    ApiError::new(
        "RepositoryPolicyNotFoundException",
        format!(
            "Repository policy does not exist for the repository with name '{}' in the registry with id '{}'",
            target.name, target.account
        ),
    )
}

fn no_lifecycle(target: &Target) -> ApiError {
    ApiError::new(
        "LifecyclePolicyNotFoundException",
        format!(
            "Lifecycle policy does not exist for the repository with name '{}' in the registry with id '{}'",
            target.name, target.account
        ),
    )
}
