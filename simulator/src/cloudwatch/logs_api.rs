//! CloudWatch Logs' API.

use super::{
    State,
    logs::{Event, Group, Stream, size},
};
use crate::{
    Time,
    front::{Answer, ApiError, Call, Need},
    input,
    state::State as World,
};
use serde_json::{Value, json};

/// The most events, and bytes of them, in one answer.
const MOST: usize = 10_000;
const MOST_BYTES: usize = 1 << 20;

pub(crate) fn needs(_world: &World, call: &Call) -> Vec<Need> {
    let (group, stream) = match call.operation.as_str() {
        "DescribeLogGroups" => ("", None),
        "GetLogEvents" | "PutLogEvents" => (group_name(call), input::text(&call.input, "logStreamName")),
        "CreateLogGroup" | "CreateLogStream" | "DescribeLogStreams" | "FilterLogEvents" => {
            (group_name(call), None)
        }
        // What there isn't needs no permission.
        _ => return Vec::new(),
    };
    // A group is named by its streams here, so a policy on the bare group doesn't match.
    let resource = format!(
        "arn:aws:logs:{}:{}:log-group:{group}:log-stream:{}",
        call.region,
        call.caller.account,
        stream.unwrap_or_default()
    );
    vec![Need::new(&format!("logs:{}", call.operation), resource)]
}

pub(crate) fn handle(world: &mut World, call: &Call) -> Answer {
    let (now, state) = (world.now, &mut world.cloudwatch);
    match call.operation.as_str() {
        "CreateLogGroup" => create_log_group(state, call, now),
        "CreateLogStream" => create_log_stream(state, call, now),
        "DescribeLogGroups" => describe_log_groups(state, call),
        "DescribeLogStreams" => describe_log_streams(state, call),
        "PutLogEvents" => put_log_events(state, call, now),
        "GetLogEvents" => get_log_events(state, call),
        "FilterLogEvents" => filter_log_events(state, call),
        other => Err(ApiError::new("UnknownOperationException", format!("no operation is named {other}"))),
    }
}

fn create_log_group(state: &mut State, call: &Call, now: Time) -> Answer {
    let name = input::text(&call.input, "logGroupName").ok_or_else(|| missing("logGroupName"))?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/#".contains(c);
    if name.len() > 512 || !name.chars().all(allowed) {
        return Err(invalid("A log group's name has up to 512 letters, digits and any of . _ - / #"));
    }
    let new = state.at_home(call) && state.logs.create(&call.caller.account, &call.region, name, now);
    if new { Ok(json!({})) } else { Err(already_exists("log group")) }
}

fn create_log_stream(state: &mut State, call: &Call, now: Time) -> Answer {
    let name = input::text(&call.input, "logStreamName").ok_or_else(|| missing("logStreamName"))?;
    let name = name.to_owned();
    let group = state.group_mut(call)?;
    if group.streams.contains_key(&name) {
        return Err(already_exists("log stream"));
    }
    group.streams.insert(name, Stream::new(now));
    Ok(json!({}))
}

fn describe_log_groups(state: &State, call: &Call) -> Answer {
    let prefix = input::text(&call.input, "logGroupNamePrefix").unwrap_or_default();
    let pattern = input::text(&call.input, "logGroupNamePattern").unwrap_or_default();
    let after = input::text(&call.input, "nextToken").unwrap_or_default();
    let limit = limit(call, 50)?;
    let home = state.at_home(call);
    let mut found = state.logs.groups.iter().filter(|((account, name), _)| {
        home && *account == call.caller.account
            && name.starts_with(prefix)
            && name.contains(pattern)
            && name.as_str() > after
    });
    let page: Vec<_> = found.by_ref().take(limit).collect();
    let described = page.iter().map(|((_, name), group)| {
        json!({
            "logGroupName": name,
            "creationTime": group.created.0,
            "metricFilterCount": 0,
            "arn": format!("{}:*", group.arn),
            "logGroupArn": group.arn,
            "storedBytes": group.streams.values().map(|s| s.bytes).sum::<usize>(),
            "logGroupClass": "STANDARD",
        })
    });
    let mut answer = json!({ "logGroups": described.collect::<Vec<_>>() });
    if let (Some(((_, last), _)), Some(_)) = (page.last(), found.next()) {
        answer["nextToken"] = json!(last);
    }
    Ok(answer)
}

fn describe_log_streams(state: &State, call: &Call) -> Answer {
    let group = state.group(call)?;
    let prefix = input::text(&call.input, "logStreamNamePrefix").unwrap_or_default();
    let limit = limit(call, 50)?;
    let mut streams: Vec<(&String, &Stream)> =
        group.streams.iter().filter(|(name, _)| name.starts_with(prefix)).collect();
    if input::text(&call.input, "orderBy") == Some("LastEventTime") {
        if !prefix.is_empty() {
            return Err(invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
        }
        streams.sort_by_key(|(_, stream)| stream.events.back().map(|e| e.at));
    }
    if input::boolean(&call.input, "descending") == Some(true) {
        streams.reverse();
    }
    let from = place(call)?;
    let described = streams.iter().skip(from).take(limit).map(|(name, stream)| {
        let mut described = json!({
            "logStreamName": name,
            "creationTime": stream.created.0,
            "arn": format!("{}:log-stream:{name}", group.arn),
            "storedBytes": 0,
        });
        if let (Some(first), Some(last)) = (stream.events.front(), stream.events.back()) {
            described["firstEventTimestamp"] = json!(first.at.0);
            described["lastEventTimestamp"] = json!(last.at.0);
            described["lastIngestionTime"] = json!(last.ingested.0);
        }
        described
    });
    let mut answer = json!({ "logStreams": described.collect::<Vec<_>>() });
    if streams.len() > from + limit {
        answer["nextToken"] = json!((from + limit).to_string());
    }
    Ok(answer)
}

fn put_log_events(state: &mut State, call: &Call, now: Time) -> Answer {
    let stream = input::text(&call.input, "logStreamName").ok_or_else(|| missing("logStreamName"))?;
    if !state.group(call)?.streams.contains_key(stream) {
        return Err(not_found("log stream"));
    }
    let mut events = Vec::new();
    for event in input::list(&call.input, "logEvents") {
        let at = input::integer(event, "timestamp").ok_or_else(|| missing("timestamp"))?;
        let message = input::text(event, "message").ok_or_else(|| missing("message"))?;
        events.push((Time(at), message.to_owned()));
    }
    if !events.is_sorted_by_key(|(at, _)| *at) {
        return Err(invalid("Log events in a single PutLogEvents request must be in chronological order."));
    }
    let group = group_name(call).to_owned();
    for (at, message) in events {
        state.logs.write(&call.caller.account, &group, stream, at, now, message);
    }
    Ok(json!({ "nextSequenceToken": format!("{:056}", now.0) }))
}

fn get_log_events(state: &State, call: &Call) -> Answer {
    let name = input::text(&call.input, "logStreamName").ok_or_else(|| missing("logStreamName"))?;
    let stream = state.group(call)?.streams.get(name).ok_or_else(|| not_found("log stream"))?;
    let limit = limit(call, MOST)?;
    let (from, to) = times(call);
    // Places count what was dropped too, so that a token stays right.
    let all: Vec<(usize, &Event)> = stream
        .events
        .iter()
        .enumerate()
        .map(|(index, event)| (index + stream.dropped, event))
        .filter(|(_, event)| from.is_none_or(|from| event.at >= from) && to.is_none_or(|to| event.at < to))
        .collect();
    let forward = |place: usize| {
        let events = all.iter().skip_while(|(at, _)| *at < place).take(limit).copied();
        fitting(events)
    };
    let backward = |place: usize| {
        let events = all.iter().rev().skip_while(|(at, _)| *at >= place).take(limit).copied();
        let mut events = fitting(events);
        events.reverse();
        events
    };
    let token = input::text(&call.input, "nextToken");
    let place = |text: &str| text.parse().map_err(|_| invalid("The specified nextToken is invalid."));
    let (events, place) = match token.and_then(|t| t.split_once('/')) {
        Some(("f", at)) => (forward(place(at)?), place(at)?),
        Some(("b", at)) => (backward(place(at)?), place(at)?),
        _ if token.is_some() => return Err(invalid("The specified nextToken is invalid.")),
        _ if input::boolean(&call.input, "startFromHead") == Some(true) => (forward(0), 0),
        _ => (backward(usize::MAX), stream.dropped + stream.events.len()),
    };
    // At an end the token that came is given back: so a client sees that it has all.
    let next = events.last().map_or(place, |(at, _)| at + 1);
    let before = events.first().map_or(place, |(at, _)| *at);
    Ok(json!({
        "events": events.iter().map(|(_, event)| described(event)).collect::<Vec<_>>(),
        "nextForwardToken": format!("f/{next:056}"),
        "nextBackwardToken": format!("b/{before:056}"),
    }))
}

fn filter_log_events(state: &State, call: &Call) -> Answer {
    let group = state.group(call)?;
    let names = input::texts(&call.input, "logStreamNames");
    let prefix = input::text(&call.input, "logStreamNamePrefix");
    if !names.is_empty() && prefix.is_some() {
        return Err(invalid("logStreamNames and logStreamNamePrefix cannot be given together."));
    }
    let pattern = Pattern::parse(input::text(&call.input, "filterPattern").unwrap_or_default())?;
    let limit = limit(call, MOST)?;
    let (from, to) = times(call);
    let after: Option<(Time, u64)> = match input::text(&call.input, "nextToken") {
        Some(token) => {
            let parsed =
                token.split_once('-').and_then(|(at, id)| Some((Time(at.parse().ok()?), id.parse().ok()?)));
            Some(parsed.ok_or_else(|| invalid("The specified nextToken is invalid."))?)
        }
        None => None,
    };
    let searched = group.streams.iter().filter(|(name, _)| {
        (names.is_empty() || names.contains(&name.as_str())) && prefix.is_none_or(|p| name.starts_with(p))
    });
    let mut found: Vec<(&str, &Event)> = searched
        .flat_map(|(name, stream)| stream.events.iter().map(|event| (name.as_str(), event)))
        .filter(|(_, event)| {
            from.is_none_or(|from| event.at >= from)
                && to.is_none_or(|to| event.at <= to)
                && after.is_none_or(|after| (event.at, event.id) > after)
                && pattern.matches(&event.message)
        })
        .collect();
    found.sort_by_key(|(_, event)| (event.at, event.id));
    let more = found.len() > limit;
    found.truncate(limit);
    let events = found.iter().map(|(stream, event)| {
        let mut described = described(event);
        described["logStreamName"] = json!(stream);
        described["eventId"] = json!(format!("{:056}", event.id));
        described
    });
    let mut answer = json!({ "events": events.collect::<Vec<_>>(), "searchedLogStreams": [] });
    if let (Some((_, last)), true) = (found.last(), more) {
        answer["nextToken"] = json!(format!("{}-{}", last.at.0, last.id));
    }
    Ok(answer)
}

/// A filter pattern of terms: `error`, `"two words"`, `?any ?of`, `-without`.
#[derive(Debug, Default, PartialEq)]
struct Pattern {
    all: Vec<String>,
    any: Vec<String>,
    none: Vec<String>,
}

impl Pattern {
    fn parse(text: &str) -> Result<Pattern, ApiError> {
        let mut pattern = Pattern::default();
        let mut rest = text.trim();
        if rest.starts_with(['{', '[', '%']) {
            return Err(invalid("This world filters by terms, not by fields or expressions"));
        }
        while !rest.is_empty() {
            let (to, bare) = match rest.strip_prefix(['?', '-']) {
                Some(bare) if rest.starts_with('?') => (&mut pattern.any, bare),
                Some(bare) => (&mut pattern.none, bare),
                None => (&mut pattern.all, rest),
            };
            let (term, after) = match bare.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').ok_or_else(|| invalid("Invalid filter pattern"))?,
                None => bare.split_once(char::is_whitespace).unwrap_or((bare, "")),
            };
            to.push(term.to_owned());
            rest = after.trim_start();
        }
        Ok(pattern)
    }

    fn matches(&self, message: &str) -> bool {
        self.all.iter().all(|term| message.contains(term.as_str()))
            && (self.any.is_empty() || self.any.iter().any(|term| message.contains(term.as_str())))
            && !self.none.iter().any(|term| message.contains(term.as_str()))
    }
}

impl State {
    fn group(&self, call: &Call) -> Result<&Group, ApiError> {
        let key = (call.caller.account.clone(), group_name(call).to_owned());
        self.logs.groups.get(&key).filter(|_| self.at_home(call)).ok_or_else(|| not_found("log group"))
    }

    fn group_mut(&mut self, call: &Call) -> Result<&mut Group, ApiError> {
        let key = (call.caller.account.clone(), group_name(call).to_owned());
        let home = self.at_home(call);
        self.logs.groups.get_mut(&key).filter(|_| home).ok_or_else(|| not_found("log group"))
    }
}

/// The group that a call names, by its name or its ARN.
fn group_name(call: &Call) -> &str {
    let name = input::text(&call.input, "logGroupName");
    let name = name.or_else(|| input::text(&call.input, "logGroupIdentifier")).unwrap_or_default();
    let name = name.split_once(":log-group:").map_or(name, |(_, name)| name);
    name.trim_end_matches(":*")
}

fn times(call: &Call) -> (Option<Time>, Option<Time>) {
    let time = |name| input::integer(&call.input, name).map(Time);
    (time("startTime"), time("endTime"))
}

fn limit(call: &Call, most: usize) -> Result<usize, ApiError> {
    let Some(_) = call.input.get("limit") else { return Ok(most) };
    let limit = input::integer(&call.input, "limit").filter(|limit| (1..=most).contains(limit));
    limit.ok_or_else(|| invalid(&format!("The limit must be between 1 and {most}")))
}

fn place(call: &Call) -> Result<usize, ApiError> {
    let Some(token) = input::text(&call.input, "nextToken") else { return Ok(0) };
    token.parse().map_err(|_| invalid("The specified nextToken is invalid."))
}

/// As many events as an answer takes.
fn fitting<'a>(events: impl Iterator<Item = (usize, &'a Event)>) -> Vec<(usize, &'a Event)> {
    let mut bytes = 0;
    events
        .take_while(|(_, event)| {
            bytes += size(event);
            bytes <= MOST_BYTES
        })
        .collect()
}

fn described(event: &Event) -> Value {
    json!({ "timestamp": event.at.0, "message": event.message, "ingestionTime": event.ingested.0 })
}

fn not_found(what: &str) -> ApiError {
    ApiError::new("ResourceNotFoundException", format!("The specified {what} does not exist."))
}

fn already_exists(what: &str) -> ApiError {
    ApiError::new("ResourceAlreadyExistsException", format!("The specified {what} already exists"))
}

fn invalid(message: &str) -> ApiError {
    ApiError::new("InvalidParameterException", message)
}

fn missing(parameter: &str) -> ApiError {
    invalid(&format!("{parameter} is required"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn patterns_are_of_terms() {
        let matches = |pattern: &str, message: &str| Pattern::parse(pattern).unwrap().matches(message);
        assert!(matches("", "anything"));
        assert!(matches("error timeout", "timeout after error"));
        assert!(!matches("error timeout", "error"));
        assert!(matches(r#""no answer" -debug"#, "there was no answer"));
        assert!(!matches(r#""no answer" -debug"#, "debug: no answer"));
        assert!(matches("?panic ?fatal", "fatal: it ended"));
        assert!(!matches("?panic ?fatal", "it ended"));
        assert!(Pattern::parse("{ $.level = 1 }").is_err());
        assert!(Pattern::parse("\"open").is_err());
    }
}
