//! Trouble with chosen calls: `SERVICE:OPERATION=KIND[-after][:TIME][@N|@N+]`, such as
//! `codedeploy:CreateDeployment=reset-after@1`. `@N` is the n-th call of the operation, `@N+` that
//! and all later ones; without it every call is meant. `POST /_faults` on the AWS endpoint takes a
//! list of them for a world that runs: they take the place of those before, and calls count anew.

use super::operations;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

/// One operation's calls, and what becomes of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFault {
    service: &'static str,
    /// `*` is any.
    operation: &'static str,
    trouble: Trouble,
    first: u32,
    later_too: bool,
}

/// What becomes of a call that is otherwise in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) kind: Kind,
    /// The call is carried out, and its answer suffers.
    pub(crate) after: bool,
    /// How late a slow answer is (never, if not said), or how long a limit is to be waited for.
    pub(crate) time: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Throttled,
    /// The service's own error: a 5xx.
    Error,
    Reset,
    Slow,
    /// A body that isn't of the protocol; after the call, the half of its answer.
    Malformed,
    Denied,
    /// GitHub's 404: not there, or hidden from the token.
    NotFound,
    /// GitHub's 422.
    Invalid,
}

const KINDS: &[(&str, Kind)] = &[
    ("throttled", Kind::Throttled),
    ("error", Kind::Error),
    ("reset", Kind::Reset),
    ("slow", Kind::Slow),
    ("malformed", Kind::Malformed),
    ("denied", Kind::Denied),
    ("not-found", Kind::NotFound),
    ("invalid", Kind::Invalid),
];
/// Those that say no say it before the call is carried out.
const MAY_BE_AFTER: &[Kind] = &[Kind::Error, Kind::Reset, Kind::Slow, Kind::Malformed];

impl CallFault {
    /// `service:operation` of all that can be named.
    pub fn operations() -> Vec<String> {
        operations::all().map(|(service, operation)| format!("{service}:{operation}")).collect()
    }

    /// The kinds of trouble by their names.
    pub fn kinds() -> Vec<&'static str> {
        KINDS.iter().map(|(name, _)| *name).collect()
    }

    fn means(&self, service: &str, operation: &str, turn: u32) -> bool {
        self.service == service
            && (self.operation == "*" || self.operation == operation)
            && (turn == self.first || self.later_too && turn > self.first)
    }
}

impl FromStr for CallFault {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<CallFault> {
        let form = || anyhow::anyhow!("`{text}` isn't of the form SERVICE:OPERATION=KIND[-after][@N]");
        let (call, what) = text.split_once('=').ok_or_else(form)?;
        let (service, operation) = call.split_once(':').ok_or_else(form)?;
        let (service, operation) = operations::find(service, operation)
            .ok_or_else(|| anyhow::anyhow!("no operation is named `{call}`"))?;
        let (what, turn) = match what.split_once('@') {
            Some((what, turn)) => (what, turn),
            None => (what, "1+"),
        };
        let (number, later_too) = turn.strip_suffix('+').map_or((turn, false), |number| (number, true));
        let first = number.parse().ok().filter(|n| *n > 0).ok_or_else(form)?;
        let (name, time) = match what.split_once(':') {
            Some((name, time)) => (name, Some(span(time).ok_or_else(form)?)),
            None => (what, None),
        };
        let (name, after) = name.strip_suffix("-after").map_or((name, false), |name| (name, true));
        let kind = KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
        let kind = kind.ok_or_else(|| {
            anyhow::anyhow!("no trouble is named `{name}`; there are: {}", CallFault::kinds().join(", "))
        })?;
        if after && !MAY_BE_AFTER.contains(&kind) {
            anyhow::bail!("`{text}`: a call that was answered with `{name}` was not carried out");
        }
        let trouble = Trouble { kind, after, time };
        Ok(CallFault { service, operation, trouble, first, later_too })
    }
}

/// `300ms` or `2s`
fn span(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        _ => None,
    }
}

impl fmt::Display for CallFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Trouble { kind, after, time } = self.trouble;
        let name = KINDS.iter().find(|(_, known)| *known == kind).map_or("", |(name, _)| name);
        write!(f, "{}:{}={name}", self.service, self.operation)?;
        if after {
            f.write_str("-after")?;
        }
        if let Some(time) = time {
            write!(f, ":{}ms", time.as_millis())?;
        }
        write!(f, "@{}{}", self.first, if self.later_too { "+" } else { "" })
    }
}

impl Serialize for CallFault {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CallFault {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<CallFault, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The world's, and how often each operation was called since it began.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    begun: bool,
    /// With how often each was met.
    faults: Vec<(CallFault, u32)>,
    counts: BTreeMap<(&'static str, String), u32>,
}

impl Calls {
    pub(crate) fn of(faults: &[CallFault]) -> Calls {
        Calls {
            begun: false,
            faults: faults.iter().map(|fault| (fault.clone(), 0)).collect(),
            counts: BTreeMap::new(),
        }
    }

    /// What was called until now made the world what it is at its start.
    pub(crate) fn begin(&mut self) {
        self.begun = true;
    }

    /// Takes a list of faults from the wire, and counts calls from here on.
    pub(crate) fn renew(&mut self, body: &[u8]) -> Result<(), String> {
        let faults: Vec<CallFault> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        *self = Calls { begun: self.begun, ..Calls::of(&faults) };
        Ok(())
    }

    /// What becomes of the next call of an operation.
    pub(crate) fn next(&mut self, service: &'static str, operation: &str) -> Option<Trouble> {
        if !self.begun {
            return None;
        }
        let turn = self.counts.entry((service, operation.to_owned())).or_default();
        *turn += 1;
        let (fault, met) =
            self.faults.iter_mut().find(|(fault, _)| fault.means(service, operation, *turn))?;
        *met += 1;
        Some(fault.trouble)
    }
}

/// `calls` and `call_faults` of the snapshot.
pub(crate) fn snapshot(calls: &Calls) -> Value {
    let counts: BTreeMap<String, u32> = calls
        .counts
        .iter()
        .map(|((service, operation), count)| (format!("{service}:{operation}"), *count))
        .collect();
    let faults: Vec<Value> =
        calls.faults.iter().map(|(fault, met)| json!({ "fault": fault, "met": met })).collect();
    json!({ "calls": counts, "call_faults": faults })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parsed(text: &str) -> Result<String, String> {
        text.parse::<CallFault>().map(|fault| fault.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn reads_what_it_writes() {
        for text in [
            "codedeploy:CreateDeployment=reset-after@1",
            "cloudwatch:DescribeAlarms=throttled@2+",
            "github:checks/create=throttled:1000ms@1",
            "registry:put-manifest=slow@3",
            "sts:*=malformed@1+",
        ] {
            assert_eq!(parsed(text).as_deref(), Ok(text));
        }
        assert_eq!(parsed("ecs:DescribeServices=denied").unwrap(), "ecs:DescribeServices=denied@1+");
        assert_eq!(
            parsed("oidc:token=slow:2s@1").as_deref(),
            Ok("oidc:token=slow:2000ms@1"),
            "a name of the operations that aren't AWS's"
        );
    }

    #[test]
    fn what_means_nothing_is_refused() {
        assert!(parsed("ecs:DescribeService=reset").unwrap_err().contains("no operation is named"));
        assert!(parsed("ecs:DescribeServices=rest").unwrap_err().contains("there are: throttled, error,"));
        assert!(parsed("ecs:DescribeServices=denied-after").unwrap_err().contains("not carried out"));
        for text in ["ecs=reset", "ecs:DescribeServices=reset@0", "ecs:DescribeServices=slow:2@1"] {
            assert!(parsed(text).unwrap_err().contains("isn't of the form"), "{text}");
        }
    }

    #[test]
    fn each_operation_has_its_own_count() {
        let faults = ["ecs:*=reset@2", "ecs:TagResource=denied@3+"].map(|text| text.parse().unwrap());
        let mut calls = Calls::of(&faults);
        assert_eq!(calls.next("ecs", "TagResource"), None);
        calls.begin();
        let mut kinds = |operation| {
            (0..4).map(|_| calls.next("ecs", operation).map(|trouble| trouble.kind)).collect::<Vec<_>>()
        };
        let (reset, denied) = (Some(Kind::Reset), Some(Kind::Denied));
        assert_eq!(kinds("TagResource"), [None, reset, denied, denied]);
        assert_eq!(kinds("RunTask"), [None, reset, None, None]);
    }

    #[test]
    fn calls_count_anew_where_others_take_their_place() {
        let mut calls = Calls::of(&["ecs:RunTask=reset@2".parse().unwrap()]);
        calls.begin();
        assert_eq!(calls.next("ecs", "RunTask"), None);
        calls.renew(br#"["ecs:RunTask=denied@1"]"#).unwrap();
        let next = |calls: &mut Calls| calls.next("ecs", "RunTask").map(|trouble| trouble.kind);
        assert_eq!((next(&mut calls), next(&mut calls)), (Some(Kind::Denied), None));
        assert!(calls.renew(br#"["ecs:RunTask=tired"]"#).unwrap_err().contains("no trouble is named"));
        assert_eq!(snapshot(&calls)["calls"]["ecs:RunTask"], 2);
    }
}
