//! ECS's names: ARNs in their long form, and the references that calls make with them.

use crate::front::{ApiError, Call};
use serde_json::Value;

pub(super) fn arn(region: &str, account: &str, resource: &str) -> String {
    format!("arn:aws:ecs:{region}:{account}:{resource}")
}

/// An ECS ARN's parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arn<'a> {
    pub(super) region: &'a str,
    pub(super) account: &'a str,
    /// `cluster`, `service`, `task`, `task-definition`, `task-set`, `container-instance`.
    pub(super) kind: &'a str,
    /// What stands after the kind's slash.
    pub(super) path: &'a str,
}

impl<'a> Arn<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Arn<'a>> {
        let mut parts = text.strip_prefix("arn:aws:ecs:")?.splitn(3, ':');
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        let (kind, path) = resource.split_once('/')?;
        Some(Arn { region, account, kind, path })
    }
}

/// The name that a reference (a name, or an ARN of this kind) makes: the last part of its path.
/// An ARN of another account is refused as AWS does.
pub(super) fn name<'a>(call: &Call, reference: &'a str, kind: &str) -> Result<&'a str, ApiError> {
    if !reference.starts_with("arn:") {
        return Ok(reference);
    }
    let arn = Arn::parse(reference).filter(|arn| arn.kind == kind).ok_or_else(|| {
        ApiError::new("InvalidParameterException", format!("Invalid identifier: {reference}"))
    })?;
    same_account(call, &arn)?;
    Ok(arn.path.rsplit('/').next().unwrap_or(arn.path))
}

pub(super) fn same_account(call: &Call, arn: &Arn<'_>) -> Result<(), ApiError> {
    if arn.account != call.caller.account {
        return Err(ApiError::new(
            "InvalidParameterException",
            format!("Identifier is for {}. Your accountId is {}", arn.account, call.caller.account),
        ));
    }
    if arn.region != call.region {
        return Err(ApiError::new(
            "InvalidParameterException",
            format!("Identifier is for {}. The request's Region is {}", arn.region, call.region),
        ));
    }
    Ok(())
}

/// The name of the cluster that a call names, `default` when it names none. For permissions,
/// which are asked before anything is validated; a wrong type is found later.
pub(super) fn cluster_of(input: &Value) -> &str {
    let reference = input.get("cluster").and_then(Value::as_str).unwrap_or("default");
    last(reference)
}

/// What stands after the last slash.
pub(super) fn last(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

/// A task definition's reference: `family`, `family:revision` or the ARN.
pub(super) fn definition<'a>(call: &Call, reference: &'a str) -> Result<(&'a str, Option<u32>), ApiError> {
    let text = if reference.starts_with("arn:") {
        let arn = Arn::parse(reference).filter(|arn| arn.kind == "task-definition").ok_or_else(|| {
            ApiError::new("InvalidParameterException", format!("Invalid identifier: {reference}"))
        })?;
        same_account(call, &arn)?;
        arn.path
    } else {
        reference
    };
    match text.split_once(':') {
        None => Ok((text, None)),
        Some((family, revision)) => match revision.parse() {
            Ok(revision) => Ok((family, Some(revision))),
            Err(_) => {
                Err(ApiError::new("ClientException", format!("Invalid revision number. Number: {revision}")))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::front::{Caller, Service};

    fn call() -> Call {
        Call {
            service: Service::Ecs,
            operation: String::new(),
            input: Value::Null,
            caller: Caller { account: "2".into(), ..Caller::default() },
            region: "r".into(),
        }
    }

    #[test]
    fn a_name_stands_for_itself_and_an_arn_for_its_last_part() {
        assert_eq!(name(&call(), "web", "service").unwrap(), "web");
        assert_eq!(name(&call(), "arn:aws:ecs:r:2:service/prod/web", "service").unwrap(), "web");
        assert!(name(&call(), "arn:aws:ecs:r:2:cluster/prod", "service").is_err());
    }

    #[test]
    fn an_arn_of_another_account_is_refused() {
        let error = name(&call(), "arn:aws:ecs:r:1:service/prod/web", "service").unwrap_err();
        assert_eq!(error.message, "Identifier is for 1. Your accountId is 2");
    }

    #[test]
    fn a_definition_is_named_in_three_ways() {
        assert_eq!(definition(&call(), "web").unwrap(), ("web", None));
        assert_eq!(definition(&call(), "web:7").unwrap(), ("web", Some(7)));
        assert_eq!(definition(&call(), "arn:aws:ecs:r:2:task-definition/web:7").unwrap(), ("web", Some(7)));
        assert_eq!(definition(&call(), "web:x").unwrap_err().code, "ClientException");
    }
}
