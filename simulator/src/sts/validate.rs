//! The constraints on STS's parameters, and the words in which a value is refused.

use crate::front::{ApiError, Call};
use crate::iam::Policy;
use std::collections::BTreeSet;

const DEFAULT_SECONDS: u32 = 3600;

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationError", message)
}

fn constraint(value: &str, name: &str, rule: &str) -> ApiError {
    invalid(format!(
        "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: {rule}"
    ))
}

/// A text of so many characters, each of which is a letter, a digit or one of `others`.
fn checked<'a>(
    call: &'a Call,
    parameter: &str,
    (shortest, longest): (usize, usize),
    others: Option<&str>,
) -> Result<Option<&'a str>, ApiError> {
    let Some(value) = call.text(parameter)? else { return Ok(None) };
    let mut name = parameter.to_owned();
    name[..1].make_ascii_lowercase();
    let length = value.chars().count();
    if length < shortest {
        return Err(constraint(
            value,
            &name,
            &format!("Member must have length greater than or equal to {shortest}"),
        ));
    }
    if length > longest {
        return Err(constraint(
            value,
            &name,
            &format!("Member must have length less than or equal to {longest}"),
        ));
    }
    if let Some(others) = others
        && !value.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
    {
        let set = others.replace('_', "").replace('/', "\\/");
        return Err(constraint(
            value,
            &name,
            &format!("Member must satisfy regular expression pattern: [\\w{set}]*"),
        ));
    }
    Ok(Some(value))
}

fn required<'a>(value: Option<&'a str>, name: &str) -> Result<&'a str, ApiError> {
    value.ok_or_else(|| {
        invalid(format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
        ))
    })
}

pub(super) fn role_arn(call: &Call) -> Result<&str, ApiError> {
    let arn = required(checked(call, "RoleArn", (20, 2048), None)?, "roleArn")?;
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts[..] {
        ["arn", "aws", "iam", "", account, role]
            if account.len() == 12
                && account.bytes().all(|b| b.is_ascii_digit())
                && role.strip_prefix("role/").is_some_and(|name| !name.is_empty()) =>
        {
            Ok(arn)
        }
        _ => Err(invalid(format!("{arn} is invalid"))),
    }
}

pub(super) fn session_name(call: &Call) -> Result<&str, ApiError> {
    required(checked(call, "RoleSessionName", (2, 64), Some("_+=,.@-"))?, "roleSessionName")
}

pub(super) fn external_id(call: &Call) -> Result<Option<&str>, ApiError> {
    checked(call, "ExternalId", (2, 1224), Some("_+=,.@:/-"))
}

pub(super) fn source_identity(call: &Call) -> Result<Option<&str>, ApiError> {
    checked(call, "SourceIdentity", (2, 64), Some("_+=,.@-"))
}

pub(super) fn web_identity_token(call: &Call) -> Result<&str, ApiError> {
    required(checked(call, "WebIdentityToken", (4, 20_000), None)?, "webIdentityToken")
}

/// The length of the session that is asked for, before the role has its say.
pub(super) fn seconds(call: &Call) -> Result<u32, ApiError> {
    let Some(seconds) = call.number("DurationSeconds")? else { return Ok(DEFAULT_SECONDS) };
    let bound = |rule: &str| constraint(&seconds.to_string(), "durationSeconds", rule);
    match u32::try_from(seconds) {
        Ok(900..=43_200) => Ok(u32::try_from(seconds).unwrap_or(DEFAULT_SECONDS)),
        _ if seconds < 900 => Err(bound("Member must have value greater than or equal to 900")),
        _ => Err(bound("Member must have value less than or equal to 43200")),
    }
}

/// The role's own limit.
pub(super) fn within(seconds: u32, longest: u32) -> Result<(), ApiError> {
    if seconds > longest {
        return Err(invalid(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    Ok(())
}

pub(super) fn tags(call: &Call) -> Result<Vec<(String, String)>, ApiError> {
    let Some(members) = call.member("Tags").and_then(|tags| tags.as_array()) else { return Ok(Vec::new()) };
    if members.len() > 50 {
        return Err(constraint("[...]", "tags", "Member must have length less than or equal to 50"));
    }
    let mut keys = BTreeSet::new();
    let mut tags = Vec::new();
    for (index, member) in members.iter().enumerate() {
        let part = |name: &str, longest: usize, shortest: usize| {
            let at = format!("tags.{}.member.{name}", index + 1);
            let mut field = name.to_owned();
            field[..1].make_ascii_uppercase();
            let text = member.get(&field).and_then(|v| v.as_str()).unwrap_or_default();
            let length = text.chars().count();
            if length > longest {
                let rule = format!("Member must have length less than or equal to {longest}");
                return Err(constraint(text, &at, &rule));
            }
            if length < shortest {
                let rule = format!("Member must have length greater than or equal to {shortest}");
                return Err(constraint(text, &at, &rule));
            }
            if !text.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c)) {
                let rule = "Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+";
                return Err(constraint(text, &at, rule));
            }
            Ok(text.to_owned())
        };
        let (key, value) = (part("key", 128, 1)?, part("value", 256, 0)?);
        if !keys.insert(key.to_lowercase()) {
            return Err(ApiError::new(
                "InvalidParameterValue",
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        tags.push((key, value));
    }
    Ok(tags)
}

/// The policy that narrows the session, if one is passed.
pub(super) fn policy(call: &Call) -> Result<Option<Policy>, ApiError> {
    let Some(text) = checked(call, "Policy", (1, 2048), None)? else { return Ok(None) };
    let malformed = || ApiError::new("MalformedPolicyDocument", "This policy contains invalid Json");
    let document = serde_json::from_str(text).map_err(|_| malformed())?;
    let syntax = |_| ApiError::new("MalformedPolicyDocument", "Syntax errors in policy.");
    Policy::parse(&document).map(Some).map_err(syntax)
}
