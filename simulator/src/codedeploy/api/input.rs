//! Reads and checks what a call gave.

use super::super::{
    appspec::{self, AppSpec},
    creation,
    model::{Alarms, Application, Group, Holdings, Place, Rollback},
};
use crate::front::{ApiError, Call, TIMESTAMP};
use crate::state::State as World;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

pub(super) type Result<T> = std::result::Result<T, ApiError>;

pub(super) fn error<T>(code: &str, message: impl Into<String>) -> Result<T> {
    Err(ApiError::new(code, message))
}

/// A text; absent, null and empty are the same.
pub(super) fn text<'a>(input: &'a Value, name: &str) -> Result<Option<&'a str>> {
    match input.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(s)) => Ok(Some(s.as_str()).filter(|s| !s.is_empty())),
        Some(_) => error("SerializationException", format!("{name} must be a string")),
    }
}

pub(super) fn boolean(input: &Value, name: &str) -> Result<Option<bool>> {
    match input.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(b)) => Ok(Some(*b)),
        Some(_) => error("SerializationException", format!("{name} must be a boolean")),
    }
}

pub(super) fn list<'a>(input: &'a Value, name: &str) -> Result<Option<&'a [Value]>> {
    match input.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items)),
        Some(_) => error("SerializationException", format!("{name} must be a list")),
    }
}

pub(super) fn texts<'a>(input: &'a Value, name: &str) -> Result<Option<Vec<&'a str>>> {
    let Some(items) = list(input, name)? else { return Ok(None) };
    let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
    match texts {
        None => error("SerializationException", format!("{name} must be a list of strings")),
        texts => Ok(texts),
    }
}

/// A number of minutes.
pub(super) fn minutes(input: &Value, name: &str) -> Result<Option<u32>> {
    match input.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(n) => match n.as_u64().and_then(|n| u32::try_from(n).ok()) {
            None => error("SerializationException", format!("{name} must be a number")),
            minutes => Ok(minutes),
        },
    }
}

/// Milliseconds since the epoch, in whichever form a protocol writes a time.
pub(super) fn time(input: &Value, name: &str) -> Result<Option<i64>> {
    let millis = match input.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(n)) => n.as_f64().map(|seconds| (seconds * 1000.0).round() as i64),
        Some(Value::String(s)) => {
            chrono::DateTime::parse_from_rfc3339(s).ok().map(|time| time.timestamp_millis())
        }
        Some(other) => other.get(TIMESTAMP).and_then(Value::as_i64),
    };
    match millis {
        None => error("InvalidTimeRangeException", format!("{name} is not a time")),
        millis => Ok(millis),
    }
}

/// A name that must be there and be well-formed. `kind`: `Application`, `DeploymentGroup`, `DeploymentConfig`.
pub(super) fn name<'a>(input: &'a Value, field: &str, kind: &str, what: &str) -> Result<&'a str> {
    let Some(name) = text(input, field)? else {
        return error(&format!("{kind}NameRequiredException"), format!("The {what} name was not specified."));
    };
    well_formed(name, kind, what)
}

pub(super) fn well_formed<'a>(name: &'a str, kind: &str, what: &str) -> Result<&'a str> {
    let good = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if name.len() <= 100 && name.chars().all(good) {
        return Ok(name);
    }
    error(
        &format!("Invalid{kind}NameException"),
        format!("The {what} name must have 1 to 100 characters out of letters, digits and +=,.@_-"),
    )
}

pub(super) fn application_name(input: &Value) -> Result<&str> {
    name(input, "applicationName", "Application", "application")
}

pub(super) fn group_name(input: &Value) -> Result<&str> {
    name(input, "deploymentGroupName", "DeploymentGroup", "deployment group")
}

pub(super) fn deployment_id(input: &Value) -> Result<&str> {
    match text(input, "deploymentId")? {
        None => error("DeploymentIdRequiredException", "At least one deployment ID must be specified."),
        Some(id) => valid_id(id),
    }
}

pub(super) fn valid_id(id: &str) -> Result<&str> {
    let well_formed = id.strip_prefix("d-").is_some_and(|rest| {
        rest.len() == 9 && rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    });
    if well_formed {
        Ok(id)
    } else {
        error("InvalidDeploymentIdException", format!("The deployment ID {id} is not valid."))
    }
}

/// What the caller's account has in the call's region.
pub(super) fn holdings<'a>(world: &'a mut World, call: &Call) -> &'a mut Holdings {
    world.codedeploy.places.entry(Place::of(call)).or_default()
}

pub(super) fn application<'a>(holdings: &'a Holdings, name: &str) -> Result<&'a Application> {
    holdings.applications.get(name).ok_or_else(|| no_application(name))
}

pub(super) fn application_mut<'a>(holdings: &'a mut Holdings, name: &str) -> Result<&'a mut Application> {
    holdings.applications.get_mut(name).ok_or_else(|| no_application(name))
}

fn no_application(name: &str) -> ApiError {
    ApiError::new("ApplicationDoesNotExistException", format!("No application found for name: {name}"))
}

pub(super) fn group<'a>(application: &'a Application, name: &str) -> Result<&'a Group> {
    application.groups.get(name).ok_or_else(|| {
        let message = format!("No Deployment Group found for name: {name}");
        ApiError::new("DeploymentGroupDoesNotExistException", message)
    })
}

pub(super) fn deployment_index(holdings: &Holdings, id: &str) -> Result<usize> {
    holdings.deployments.iter().position(|d| d.id == id).ok_or_else(|| {
        ApiError::new("DeploymentDoesNotExistException", format!("The deployment {id} could not be found"))
    })
}

/// The text of an inline AppSpec, checked.
pub(super) fn revision(input: &Value) -> Result<(String, AppSpec)> {
    let location = revision_location(input)?;
    let content = location.get("appSpecContent").cloned().unwrap_or_default();
    let Some(text) = self::text(&content, "content")? else {
        return error("InvalidRevisionException", "The revision's appSpecContent has no content.");
    };
    if let Some(given) = self::text(&content, "sha256")?
        && given != creation::sha256(text)
    {
        return error(
            "InvalidRevisionException",
            "The SHA256 of the revision's content does not match the given one.",
        );
    }
    match appspec::parse(text) {
        Ok(spec) => Ok((text.to_owned(), spec)),
        Err(message) => error("InvalidRevisionException", message),
    }
}

/// The SHA-256 that a revision is looked up by.
pub(super) fn revision_sha256(location: &Value) -> Result<String> {
    let content = location.get("appSpecContent").cloned().unwrap_or_default();
    match (text(&content, "sha256")?, text(&content, "content")?) {
        (Some(sha256), _) => Ok(sha256.to_owned()),
        (None, Some(content)) => Ok(creation::sha256(content)),
        (None, None) => error("InvalidRevisionException", "The revision has neither a sha256 nor a content."),
    }
}

/// The `revision` of a call, which must be an inline AppSpec.
pub(super) fn revision_location(input: &Value) -> Result<&Value> {
    let Some(location) = input.get("revision").filter(|r| r.as_object().is_some_and(|r| !r.is_empty()))
    else {
        return error("RevisionRequiredException", "RevisionLocation must be specified");
    };
    inline(location)?;
    Ok(location)
}

/// Refuses what isn't an inline AppSpec.
pub(super) fn inline(location: &Value) -> Result<()> {
    match text(location, "revisionType")? {
        Some("AppSpecContent") => Ok(()),
        Some("S3") => error(
            "InvalidRevisionException",
            "This world has no S3: give the AppSpec inline, as revisionType AppSpecContent.",
        ),
        Some(other) => error(
            "InvalidRevisionException",
            format!("The revision type {other} does not fit the ECS compute platform; use AppSpecContent."),
        ),
        None => error("InvalidRevisionException", "The revision has no revisionType."),
    }
}

const ROLLBACK_EVENTS: [&str; 3] =
    ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"];

pub(super) fn rollback(config: &Value) -> Result<Rollback> {
    let enabled = boolean(config, "enabled")?.unwrap_or_default();
    let events = texts(config, "events")?.unwrap_or_default();
    let invalid = |message: String| error("InvalidAutoRollbackConfigException", message);
    if let Some(unknown) = events.iter().find(|event| !ROLLBACK_EVENTS.contains(event)) {
        return invalid(format!("{unknown} is not an event that a rollback can be configured for."));
    }
    if enabled && events.is_empty() {
        return invalid("Automatic rollback is enabled, but no event types were listed.".into());
    }
    Ok(Rollback { enabled, events: events.into_iter().map(str::to_owned).collect() })
}

pub(super) fn alarms(config: &Value) -> Result<Alarms> {
    let enabled = boolean(config, "enabled")?.unwrap_or_default();
    let mut names: Vec<String> = Vec::new();
    for alarm in list(config, "alarms")?.unwrap_or_default() {
        let name = text(alarm, "name")?.filter(|name| name.len() <= 255);
        match name {
            Some(name) if !names.iter().any(|known| known == name) => names.push(name.to_owned()),
            Some(name) => {
                return error("InvalidAlarmConfigException", format!("The alarm {name} is specified twice."));
            }
            None => {
                return error("InvalidAlarmConfigException", "An alarm needs a name of 1 to 255 characters.");
            }
        }
    }
    if names.len() > 10 {
        return error("AlarmsLimitExceededException", "A maximum of 10 alarms can be configured.");
    }
    if enabled && names.is_empty() {
        return error(
            "InvalidAlarmConfigException",
            "The alarm configuration is enabled, but names no alarm.",
        );
    }
    let ignore_poll_failure = boolean(config, "ignorePollAlarmFailure")?.unwrap_or_default();
    Ok(Alarms { enabled, ignore_poll_failure, names })
}

/// At most as many of these as one answer holds, after the one that `nextToken` names.
pub(super) fn page(items: Vec<String>, input: &Value) -> Result<(Vec<String>, Option<String>)> {
    const SIZE: usize = 100;
    let start = match text(input, "nextToken")? {
        None => 0,
        Some(token) => {
            let last = BASE64.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            match items.iter().position(|item| Some(item) == last.as_ref()) {
                Some(position) => position + 1,
                None => return error("InvalidNextTokenException", "The next token is not valid."),
            }
        }
    };
    let more = items.len() > start + SIZE;
    let page: Vec<String> = items.into_iter().skip(start).take(SIZE).collect();
    let token = page.last().filter(|_| more).map(|last| BASE64.encode(last));
    Ok((page, token))
}

/// The items of a batch, at least one and at most 100.
pub(super) fn batch<'a>(input: &'a Value, field: &str, required: &str) -> Result<Vec<&'a str>> {
    let names = texts(input, field)?.unwrap_or_default();
    match names.len() {
        0 => error(required, format!("{field} must name at least one.")),
        1..=100 => Ok(names),
        _ => error("BatchLimitExceededException", "The maximum number of names or IDs is 100."),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_checked() {
        let code = |input: Value| application_name(&input).unwrap_err().code;
        assert_eq!(code(json!({})), "ApplicationNameRequiredException");
        assert_eq!(code(json!({ "applicationName": "" })), "ApplicationNameRequiredException");
        assert_eq!(code(json!({ "applicationName": "a b" })), "InvalidApplicationNameException");
        assert_eq!(code(json!({ "applicationName": "a".repeat(101) })), "InvalidApplicationNameException");
        assert_eq!(code(json!({ "applicationName": 7 })), "SerializationException");
        assert_eq!(application_name(&json!({ "applicationName": "a+=,.@_-1" })).unwrap(), "a+=,.@_-1");
    }

    #[test]
    fn pages_go_on_after_the_last_item_of_the_one_before() {
        let items: Vec<String> = (0..250).map(|n| format!("i{n}")).collect();
        let (first, token) = page(items.clone(), &json!({})).unwrap();
        assert_eq!((first.len(), first[99].as_str()), (100, "i99"));
        let (second, token) = page(items.clone(), &json!({ "nextToken": token })).unwrap();
        assert_eq!(second[0], "i100");
        let (third, token) = page(items.clone(), &json!({ "nextToken": token })).unwrap();
        assert_eq!((third.len(), token), (50, None));
        assert_eq!(
            page(items, &json!({ "nextToken": "nonsense" })).unwrap_err().code,
            "InvalidNextTokenException"
        );
    }

    #[test]
    fn alarm_and_rollback_configurations_are_checked() {
        let alarm = |names: &[&str]| {
            let alarms: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
            alarms_of(json!({ "enabled": true, "alarms": alarms }))
        };
        fn alarms_of(config: Value) -> std::result::Result<Vec<String>, String> {
            alarms(&config).map(|alarms| alarms.names).map_err(|e| e.code)
        }
        assert_eq!(alarm(&["a", "b"]).unwrap(), ["a", "b"]);
        assert_eq!(alarm(&[]).unwrap_err(), "InvalidAlarmConfigException");
        assert_eq!(alarm(&["a", "a"]).unwrap_err(), "InvalidAlarmConfigException");
        let many: Vec<String> = (0..11).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(alarm(&many).unwrap_err(), "AlarmsLimitExceededException");

        assert!(rollback(&json!({ "enabled": true, "events": ["DEPLOYMENT_FAILURE"] })).unwrap().enabled);
        for bad in [json!({ "enabled": true }), json!({ "enabled": true, "events": ["BAD_LUCK"] })] {
            assert_eq!(rollback(&bad).unwrap_err().code, "InvalidAutoRollbackConfigException");
        }
    }
}
