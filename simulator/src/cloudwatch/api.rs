//! CloudWatch's API: alarms and metrics.

use super::{
    State,
    alarms::{self, Alarm, AlarmState, Comparison, Treatment, UNCHECKED},
    metrics::{Metric, Statistic, unit},
};
use crate::{
    Time,
    front::{Answer, ApiError, Call, Need, timestamp},
    input,
    state::State as World,
};
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) fn needs(_world: &World, call: &Call) -> Vec<Need> {
    let action = format!("cloudwatch:{}", call.operation);
    let alarm = |name: &str| Need::new(&action, alarms::arn(&call.region, &call.caller.account, name));
    match call.operation.as_str() {
        "DescribeAlarms" => vec![alarm("*")],
        "PutMetricAlarm" | "SetAlarmState" => {
            vec![alarm(input::text(&call.input, "AlarmName").unwrap_or_default())]
        }
        "DeleteAlarms" => input::texts(&call.input, "AlarmNames").into_iter().map(alarm).collect(),
        "GetMetricData" | "GetMetricStatistics" | "ListMetrics" => vec![Need::new(&action, "*")],
        // What there isn't needs no permission.
        _ => Vec::new(),
    }
}

pub(crate) fn handle(world: &mut World, call: &Call) -> Answer {
    let (now, state) = (world.now, &mut world.cloudwatch);
    match call.operation.as_str() {
        "DescribeAlarms" => describe_alarms(state, call),
        "PutMetricAlarm" => put_metric_alarm(state, call, now),
        "SetAlarmState" => set_alarm_state(state, call, now),
        "DeleteAlarms" => delete_alarms(state, call),
        "GetMetricData" => get_metric_data(state, call),
        "GetMetricStatistics" => get_metric_statistics(state, call),
        "ListMetrics" => list_metrics(state, call),
        other => Err(ApiError::new("InvalidAction", format!("Could not find operation {other}"))),
    }
}

fn describe_alarms(state: &State, call: &Call) -> Answer {
    let names = input::texts(&call.input, "AlarmNames");
    let prefix = input::text(&call.input, "AlarmNamePrefix");
    let types = input::texts(&call.input, "AlarmTypes");
    if !names.is_empty() && prefix.is_some() {
        let message = "AlarmNames and AlarmNamePrefix cannot be specified together";
        return Err(ApiError::new("InvalidParameterCombination", message));
    }
    if names.len() > 100 {
        return Err(invalid("The collection AlarmNames must not have a size greater than 100"));
    }
    let wanted = match input::text(&call.input, "StateValue") {
        Some(value) => Some(alarms::Value::parse(value).ok_or_else(|| unknown("StateValue", value))?),
        None => None,
    };
    let size = match call.input.get("MaxRecords") {
        Some(_) => input::integer(&call.input, "MaxRecords")
            .filter(|size| (1..=100).contains(size))
            .ok_or_else(|| invalid("MaxRecords must be between 1 and 100"))?,
        None => 50,
    };
    let after = input::text(&call.input, "NextToken");
    let metric_alarms = types.is_empty() || types.contains(&"MetricAlarm");
    let size = if names.is_empty() { size } else { names.len() };
    let mut found = state.of_caller(call).filter(|alarm| {
        metric_alarms
            && (names.is_empty() || names.contains(&alarm.name.as_str()))
            && prefix.is_none_or(|prefix| alarm.name.starts_with(prefix))
            && wanted.is_none_or(|value| alarm.state.value == value)
            && after.is_none_or(|after| alarm.name.as_str() > after)
    });
    let page: Vec<&Alarm> = found.by_ref().take(size).collect();
    let mut answer = json!({
        "MetricAlarms": page.iter().map(|alarm| described(alarm)).collect::<Vec<_>>(),
        // There are none in this world.
        "CompositeAlarms": [],
    });
    if let (Some(last), Some(_)) = (page.last(), found.next()) {
        answer["NextToken"] = json!(last.name);
    }
    Ok(answer)
}

fn described(alarm: &Alarm) -> Value {
    let percentile = matches!(Statistic::parse(&alarm.statistic), Some(Statistic::Percentile(_)));
    let mut described = json!({
        "AlarmName": alarm.name,
        "AlarmArn": alarm.arn,
        "AlarmConfigurationUpdatedTimestamp": timestamp(alarm.configured),
        "ActionsEnabled": alarm.actions_enabled,
        "OKActions": alarm.ok_actions,
        "AlarmActions": alarm.alarm_actions,
        "InsufficientDataActions": alarm.insufficient_data_actions,
        "StateValue": alarm.state.value.name(),
        "StateReason": alarm.state.reason,
        "StateUpdatedTimestamp": timestamp(alarm.state.updated),
        "StateTransitionedTimestamp": timestamp(alarm.state.transitioned),
        "MetricName": alarm.metric.name,
        "Namespace": alarm.metric.namespace,
        "Dimensions": dimensions_of(&alarm.metric),
        "Period": alarm.period.as_secs(),
        "EvaluationPeriods": alarm.evaluation_periods,
        "Threshold": alarm.threshold,
        "ComparisonOperator": alarm.comparison.name(),
    });
    described[if percentile { "ExtendedStatistic" } else { "Statistic" }] = json!(alarm.statistic);
    let optional = [
        ("AlarmDescription", alarm.description.as_ref().map(|d| json!(d))),
        ("StateReasonData", alarm.state.data.as_ref().map(|d| json!(d))),
        ("DatapointsToAlarm", alarm.datapoints_to_alarm.map(|n| json!(n))),
        ("TreatMissingData", alarm.treat_missing.map(|m| json!(m.name()))),
        ("Unit", alarm.unit.as_ref().map(|u| json!(u))),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            described[name] = value;
        }
    }
    described
}

fn put_metric_alarm(state: &mut State, call: &Call, now: Time) -> Answer {
    let given = &call.input;
    let name = input::text(given, "AlarmName").ok_or_else(|| missing("AlarmName"))?;
    if !state.at_home(call) {
        return Err(invalid("This world has no alarms in that region"));
    }
    if given.get("Metrics").is_some() || given.get("EvaluationCriteria").is_some() {
        return Err(invalid("This world evaluates alarms on one metric, not on expressions"));
    }
    let statistic = match (input::text(given, "Statistic"), input::text(given, "ExtendedStatistic")) {
        (Some(statistic), None) | (None, Some(statistic)) => statistic,
        _ => {
            let message = "Exactly one of Statistic or ExtendedStatistic must be specified";
            return Err(ApiError::new("InvalidParameterCombination", message));
        }
    };
    Statistic::parse(statistic).ok_or_else(|| unknown("Statistic", statistic))?;
    let period: u64 = input::integer(given, "Period").ok_or_else(|| missing("Period"))?;
    if !(matches!(period, 10 | 20 | 30) || (period > 0 && period.is_multiple_of(60))) {
        return Err(invalid("The period must be 10, 20, 30 or a multiple of 60"));
    }
    let periods = input::integer::<usize>(given, "EvaluationPeriods").filter(|n| *n > 0);
    let periods = periods.ok_or_else(|| missing("EvaluationPeriods"))?;
    let datapoints = input::integer::<usize>(given, "DatapointsToAlarm");
    if datapoints.is_some_and(|n| n == 0 || n > periods) {
        return Err(invalid("DatapointsToAlarm must be between 1 and EvaluationPeriods"));
    }
    if periods as u64 * period > 7 * 86_400 {
        return Err(invalid("Metrics cannot be checked across more than seven days"));
    }
    let comparison = input::text(given, "ComparisonOperator").ok_or_else(|| missing("ComparisonOperator"))?;
    let comparison = Comparison::ALL
        .into_iter()
        .find(|c| c.name() == comparison)
        .ok_or_else(|| unknown("ComparisonOperator", comparison))?;
    let treat_missing = match input::text(given, "TreatMissingData") {
        Some(treatment) => {
            Some(Treatment::parse(treatment).ok_or_else(|| unknown("TreatMissingData", treatment))?)
        }
        None => None,
    };
    let owned = |name: &str| input::texts(given, name).into_iter().map(str::to_owned).collect();
    let key = (call.caller.account.clone(), name.to_owned());
    let metric = metric(given, call)?;
    let threshold = input::number(given, "Threshold").ok_or_else(|| missing("Threshold"))?;
    // An alarm that is put again keeps its state.
    let kept = state.alarms.remove(&key).map(|before| before.state);
    let mut alarm = Alarm {
        account: call.caller.account.clone(),
        arn: alarms::arn(&call.region, &call.caller.account, name),
        name: name.to_owned(),
        description: input::text(given, "AlarmDescription").map(str::to_owned),
        actions_enabled: input::boolean(given, "ActionsEnabled").unwrap_or(true),
        ok_actions: owned("OKActions"),
        alarm_actions: owned("AlarmActions"),
        insufficient_data_actions: owned("InsufficientDataActions"),
        metric,
        statistic: statistic.to_owned(),
        period: Duration::from_secs(period),
        evaluation_periods: periods,
        datapoints_to_alarm: datapoints,
        threshold,
        comparison,
        treat_missing,
        unit: input::text(given, "Unit").map(str::to_owned),
        configured: now,
        state: kept.unwrap_or_else(|| AlarmState {
            value: alarms::Value::InsufficientData,
            reason: UNCHECKED.to_owned(),
            data: None,
            updated: now,
            transitioned: now,
        }),
        due: now,
    };
    alarm.due = alarms::boundary_after(now, alarm.step());
    state.alarms.insert(key, alarm);
    Ok(json!({}))
}

fn set_alarm_state(state: &mut State, call: &Call, now: Time) -> Answer {
    let name = input::text(&call.input, "AlarmName").ok_or_else(|| missing("AlarmName"))?;
    let value = input::text(&call.input, "StateValue").ok_or_else(|| missing("StateValue"))?;
    let value = alarms::Value::parse(value).ok_or_else(|| unknown("StateValue", value))?;
    let reason = input::text(&call.input, "StateReason").ok_or_else(|| missing("StateReason"))?;
    let data = input::text(&call.input, "StateReasonData");
    if data.is_some_and(|data| serde_json::from_str::<Value>(data).is_err()) {
        return Err(ApiError::new("InvalidFormat", "StateReasonData was not valid JSON"));
    }
    let home = state.at_home(call);
    let alarm = state.alarms.get_mut(&(call.caller.account.clone(), name.to_owned())).filter(|_| home);
    let alarm = alarm.ok_or_else(|| not_found(name))?;
    alarm.set(value, reason.to_owned(), data.map(str::to_owned), now);
    Ok(json!({}))
}

fn delete_alarms(state: &mut State, call: &Call) -> Answer {
    let names = input::texts(&call.input, "AlarmNames");
    let home = state.at_home(call);
    let key = |name: &str| (call.caller.account.clone(), name.to_owned());
    if let Some(unknown) = names.iter().find(|name| !home || !state.alarms.contains_key(&key(name))) {
        return Err(not_found(unknown));
    }
    for name in names {
        state.alarms.remove(&key(name));
    }
    Ok(json!({}))
}

fn get_metric_data(state: &State, call: &Call) -> Answer {
    let (from, to) = span(call)?;
    let ascending = input::text(&call.input, "ScanBy") == Some("TimestampAscending");
    let mut results = Vec::new();
    for query in input::list(&call.input, "MetricDataQueries") {
        let Some(asked) = query.get("MetricStat") else {
            return Err(invalid("This world answers queries for a metric, not expressions"));
        };
        if input::boolean(query, "ReturnData") == Some(false) {
            continue;
        }
        let metric = metric(asked.get("Metric").unwrap_or(&Value::Null), call)?;
        let stat = input::text(asked, "Stat").ok_or_else(|| missing("Stat"))?;
        let statistic = Statistic::parse(stat).ok_or_else(|| unknown("Stat", stat))?;
        let mut points: Vec<(Time, f64)> = state
            .points(call, &metric, from, to, period(asked)?)
            .map(|(at, samples)| (at, samples.get(statistic)))
            .collect();
        if !ascending {
            points.reverse();
        }
        results.push(json!({
            "Id": input::text(query, "Id").ok_or_else(|| missing("Id"))?,
            "Label": input::text(query, "Label").unwrap_or(&metric.name),
            "Timestamps": points.iter().map(|(at, _)| timestamp(*at)).collect::<Vec<_>>(),
            "Values": points.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
            "StatusCode": "Complete",
        }));
    }
    Ok(json!({ "MetricDataResults": results, "Messages": [] }))
}

fn get_metric_statistics(state: &State, call: &Call) -> Answer {
    let (from, to) = span(call)?;
    let metric = metric(&call.input, call)?;
    let plain = input::texts(&call.input, "Statistics");
    let extended = input::texts(&call.input, "ExtendedStatistics");
    if plain.is_empty() && extended.is_empty() {
        return Err(ApiError::new("MissingParameter", "Statistics or ExtendedStatistics must be given"));
    }
    for name in plain.iter().chain(&extended) {
        Statistic::parse(name).ok_or_else(|| unknown("Statistics", name))?;
    }
    let values = |samples: &super::metrics::Samples, names: &[&str]| -> serde_json::Map<String, Value> {
        let parsed = names.iter().filter_map(|name| Some(((*name).to_owned(), Statistic::parse(name)?)));
        parsed.map(|(name, statistic)| (name, json!(samples.get(statistic)))).collect()
    };
    let points = state.points(call, &metric, from, to, period(&call.input)?).map(|(at, samples)| {
        let mut point = values(&samples, &plain);
        point.insert("Timestamp".into(), timestamp(at));
        point.insert("Unit".into(), json!(unit(&metric.name)));
        if !extended.is_empty() {
            point.insert("ExtendedStatistics".into(), values(&samples, &extended).into());
        }
        Value::Object(point)
    });
    Ok(json!({ "Label": metric.name, "Datapoints": points.collect::<Vec<_>>() }))
}

fn list_metrics(state: &State, call: &Call) -> Answer {
    let namespace = input::text(&call.input, "Namespace");
    let name = input::text(&call.input, "MetricName");
    let filters = input::list(&call.input, "Dimensions");
    let account = call.caller.account.as_str();
    let all = if state.at_home(call) { state.metrics.list(account) } else { Vec::new() };
    let listed = all.iter().filter(|metric| {
        namespace.is_none_or(|n| metric.namespace == n)
            && name.is_none_or(|n| metric.name == n)
            && filters.iter().all(|filter| {
                let (key, value) = (input::text(filter, "Name"), input::text(filter, "Value"));
                metric.dimensions.iter().any(|(k, v)| Some(k.as_str()) == key && value.is_none_or(|w| w == v))
            })
    });
    let listed = listed.map(|metric| {
        json!({ "Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions_of(metric) })
    });
    Ok(json!({ "Metrics": listed.collect::<Vec<_>>() }))
}

impl State {
    fn of_caller<'a>(&'a self, call: &'a Call) -> impl Iterator<Item = &'a Alarm> {
        let home = self.at_home(call);
        self.alarms.values().filter(move |alarm| home && alarm.account == call.caller.account)
    }

    /// The periods of a span that have data, the earliest first.
    fn points(
        &self,
        call: &Call,
        metric: &Metric,
        from: Time,
        to: Time,
        period: Duration,
    ) -> impl Iterator<Item = (Time, super::metrics::Samples)> {
        let length = period.as_millis() as i64;
        let from = from.max(self.metrics.since(metric).unwrap_or(to));
        let first = from.0 - from.0.rem_euclid(length);
        let starts = (first..to.0).step_by(length as usize);
        let home = self.at_home(call);
        starts.filter_map(move |at| {
            let samples = self.metrics.samples(metric, Time(at), Time(at + length)).filter(|_| home)?;
            Some((Time(at), samples))
        })
    }
}

/// The metric that a structure names.
fn metric(given: &Value, call: &Call) -> Result<Metric, ApiError> {
    let dimensions = input::list(given, "Dimensions").iter().map(|dimension| {
        let name = input::text(dimension, "Name").ok_or_else(|| missing("Dimensions.member.Name"))?;
        Ok((name.to_owned(), input::text(dimension, "Value").unwrap_or_default().to_owned()))
    });
    Ok(Metric {
        account: call.caller.account.clone(),
        namespace: input::text(given, "Namespace").ok_or_else(|| missing("Namespace"))?.to_owned(),
        name: input::text(given, "MetricName").ok_or_else(|| missing("MetricName"))?.to_owned(),
        dimensions: dimensions.collect::<Result<_, ApiError>>()?,
    })
}

fn dimensions_of(metric: &Metric) -> Vec<Value> {
    metric.dimensions.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect()
}

fn span(call: &Call) -> Result<(Time, Time), ApiError> {
    let from = input::moment(&call.input, "StartTime").ok_or_else(|| missing("StartTime"))?;
    let to = input::moment(&call.input, "EndTime").ok_or_else(|| missing("EndTime"))?;
    if from >= to {
        return Err(invalid("The parameter StartTime must be less than the parameter EndTime"));
    }
    Ok((from, to))
}

fn period(given: &Value) -> Result<Duration, ApiError> {
    let seconds: u64 = input::integer(given, "Period").ok_or_else(|| missing("Period"))?;
    match seconds {
        10 | 20 | 30 => Ok(Duration::from_secs(seconds)),
        0 => Err(invalid("The period must be positive")),
        n if n.is_multiple_of(60) => Ok(Duration::from_secs(seconds)),
        _ => Err(invalid("The period must be 10, 20, 30 or a multiple of 60")),
    }
}

fn invalid(message: &str) -> ApiError {
    ApiError::new("InvalidParameterValue", message)
}

fn missing(parameter: &str) -> ApiError {
    ApiError::new("MissingParameter", format!("The parameter {parameter} is required."))
}

fn unknown(parameter: &str, value: &str) -> ApiError {
    invalid(&format!("'{value}' is not a value of {parameter}"))
}

fn not_found(alarm: &str) -> ApiError {
    ApiError { status: 404, ..ApiError::new("ResourceNotFound", format!("There is no alarm named {alarm}")) }
}
