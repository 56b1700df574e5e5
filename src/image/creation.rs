//! Creates the repository that images are pushed to, where there is none, and completes one that an
//! earlier run left half done. What is set on one that is there already is never replaced.

use crate::{
    aws::{Clients, Failure},
    event::Event,
    outcome::Stop,
    permissions,
    report::Reporter,
    request::NewRepository,
    say::registry as say,
};
use aws_sdk_ecr::types::{
    EncryptionConfiguration, EncryptionType, ImageScanningConfiguration, ImageTagMutability,
};
use serde_json::{Value, json};

/// The key that AWS makes and manages for ECR.
const MANAGED_KEYS: [&str; 2] = ["aws/ecr", "alias/aws/ecr"];

pub async fn create(
    name: &str,
    wanted: &NewRepository,
    clients: &Clients,
    report: &Reporter,
) -> Result<(), Stop> {
    let made = if wanted.is_there { Ok(false) } else { repository(name, wanted, clients).await };
    let made = made.map_err(|failure| say::not_created(name, &failure));
    let made = made.map_err(Stop::build_failed)?;
    let half_made = |what, failure: &Failure| {
        let finding = say::half_made(name, what, failure, clients);
        Stop::build_failed(finding)
    };
    if let Some(document) = lifecycle(wanted)
        && (made || !has_lifecycle(name, clients).await.map_err(|f| half_made(say::LIFECYCLE, &f))?)
    {
        let put = clients.ecr().put_lifecycle_policy().repository_name(name);
        let put = put.lifecycle_policy_text(document.to_string()).send().await;
        put.map_err(clients.failed("ecr:PutLifecyclePolicy")).map_err(|f| half_made(say::LIFECYCLE, &f))?;
    }
    if !wanted.pull_accounts.is_empty()
        && (made || !has_policy(name, clients).await.map_err(|f| half_made(say::POLICY, &f))?)
    {
        let document = permissions::repository(clients.partition(), &wanted.pull_accounts);
        let set = clients.ecr().set_repository_policy().repository_name(name);
        let set = set.policy_text(document.to_string()).send().await;
        set.map_err(clients.failed("ecr:SetRepositoryPolicy")).map_err(|f| half_made(say::POLICY, &f))?;
    }
    report.tell(Event::Note { text: say::created(name, made, clients) });
    Ok(())
}

/// Whether it is this call that made it: its answer may be lost, and somebody else may be quicker.
async fn repository(name: &str, wanted: &NewRepository, clients: &Clients) -> Result<bool, Failure> {
    let scanning = ImageScanningConfiguration::builder().scan_on_push(wanted.scan_on_push).build();
    let mutability = match wanted.immutable_tags {
        true => ImageTagMutability::Immutable,
        false => ImageTagMutability::Mutable,
    };
    let call = clients
        .ecr()
        .create_repository()
        .repository_name(name)
        .image_scanning_configuration(scanning)
        .image_tag_mutability(mutability)
        .set_encryption_configuration(wanted.kms_key.as_deref().and_then(encryption));
    match call.send().await.map_err(clients.failed("ecr:CreateRepository")) {
        Ok(_) => Ok(true),
        Err(failure) if failure.is("RepositoryAlreadyExistsException") => Ok(false),
        Err(failure) => Err(failure),
    }
}

fn encryption(key: &str) -> Option<EncryptionConfiguration> {
    let own = Some(key).filter(|key| !MANAGED_KEYS.contains(key)).map(str::to_owned);
    EncryptionConfiguration::builder().encryption_type(EncryptionType::Kms).set_kms_key(own).build().ok()
}

async fn has_lifecycle(name: &str, clients: &Clients) -> Result<bool, Failure> {
    let answer = clients.ecr().get_lifecycle_policy().repository_name(name).send().await;
    match answer.map_err(clients.failed("ecr:GetLifecyclePolicy")) {
        Ok(_) => Ok(true),
        Err(failure) if failure.is("LifecyclePolicyNotFoundException") => Ok(false),
        Err(failure) => Err(failure),
    }
}

async fn has_policy(name: &str, clients: &Clients) -> Result<bool, Failure> {
    let answer = clients.ecr().get_repository_policy().repository_name(name).send().await;
    match answer.map_err(clients.failed("ecr:GetRepositoryPolicy")) {
        Ok(_) => Ok(true),
        Err(failure) if failure.is("RepositoryPolicyNotFoundException") => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// What is deleted and when. A rule for any image has to come last.
fn lifecycle(wanted: &NewRepository) -> Option<Value> {
    let untagged = wanted.expire_untagged.map(|days| {
        json!({ "tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": days })
    });
    let any = wanted.keep.map(
        |images| json!({ "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": images }),
    );
    let rules: Vec<Value> = [untagged, any]
        .into_iter()
        .flatten()
        .zip(1..)
        .map(|(selection, priority)| {
            json!({ "rulePriority": priority, "selection": selection, "action": { "type": "expire" } })
        })
        .collect();
    (!rules.is_empty()).then(|| json!({ "rules": rules }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_rule_for_any_image_comes_last() {
        let both = NewRepository { keep: Some(50), expire_untagged: Some(14), ..NewRepository::default() };
        let document = lifecycle(&both).unwrap();
        let kinds: Vec<_> =
            document["rules"].as_array().unwrap().iter().map(|r| &r["selection"]["tagStatus"]).collect();
        assert_eq!(kinds, ["untagged", "any"]);
        assert_eq!(document["rules"][1]["rulePriority"], 2);
        assert!(document.to_string().len() >= 100, "ECR takes no shorter one");
        let one = NewRepository { keep: Some(1), ..NewRepository::default() };
        assert!(lifecycle(&one).unwrap().to_string().len() >= 100);
        assert_eq!(lifecycle(&NewRepository::default()), None);
    }

    #[test]
    fn the_managed_key_is_nobodys_own() {
        assert_eq!(encryption("aws/ecr").unwrap().kms_key(), None);
        assert_eq!(encryption("alias/ours").unwrap().kms_key(), Some("alias/ours"));
    }
}
