//! Application Auto Scaling: what may change a service's count during a shift.

use crate::Time;
use crate::front::{Answer, ApiError, Call, Need, timestamp};
use crate::spec::{ScalingPolicy, WorldSpec};
use crate::state::{State as World, random_hex};
use serde_json::{Value, json};

const DIMENSION: &str = "ecs:service:DesiredCount";
const LARGEST_PAGE: usize = 50;

#[derive(Debug, Default)]
pub(crate) struct State {
    policies: Vec<Policy>,
}

/// A policy together with the target that it scales; AWS registers the two apart.
#[derive(Debug)]
struct Policy {
    account: String,
    region: String,
    id: String,
    created: Time,
    spec: ScalingPolicy,
}

impl State {
    pub(crate) fn of(spec: &WorldSpec) -> State {
        let created = Time(chrono::Utc::now().timestamp_millis());
        let policies = spec.accounts.iter().flat_map(|account| {
            account.scaling_policies.iter().map(move |policy| Policy {
                account: account.id.clone(),
                region: account.region.clone(),
                id: random_hex(32),
                created,
                spec: policy.clone(),
            })
        });
        State { policies: policies.collect() }
    }
}

pub(crate) fn needs(_world: &World, call: &Call) -> Vec<Need> {
    match call.operation.as_str() {
        "DescribeScalableTargets" | "DescribeScalingPolicies" => {
            vec![Need::new(&format!("application-autoscaling:{}", call.operation), "*")]
        }
        _ => Vec::new(),
    }
}

pub(crate) fn handle(world: &mut World, call: &Call) -> Answer {
    match call.operation.as_str() {
        "DescribeScalableTargets" => {
            let mut targets: Vec<Value> = Vec::new();
            for policy in asked(world, call, &call.texts("ResourceIds")?)? {
                let target = policy.target();
                if !targets.iter().any(|t| t["ResourceId"] == target["ResourceId"]) {
                    targets.push(target);
                }
            }
            page(call, "ScalableTargets", targets)
        }
        "DescribeScalingPolicies" => {
            let names = call.texts("PolicyNames")?;
            let resource: Vec<&str> = call.text("ResourceId")?.into_iter().collect();
            let policies = asked(world, call, &resource)?;
            let named = |p: &&Policy| names.is_empty() || names.contains(&p.spec.name.as_str());
            page(call, "ScalingPolicies", policies.into_iter().filter(named).map(Policy::policy).collect())
        }
        other => Err(ApiError::new("InvalidAction", format!("no operation is named {other}"))),
    }
}

/// `scalable_targets` of the snapshot.
pub(crate) fn snapshot(world: &World) -> Value {
    let targets = world.autoscaling.policies.iter().map(|policy| {
        json!({
            "account": policy.account,
            "resource": policy.resource(),
            "policy": policy.spec.name,
            "suspended": policy.spec.suspended,
        })
    });
    json!({ "scalable_targets": targets.collect::<Vec<_>>() })
}

/// The caller's policies for these resources; for all when none is named.
fn asked<'a>(world: &'a World, call: &Call, resources: &[&str]) -> Result<Vec<&'a Policy>, ApiError> {
    let invalid = |message: String| Err(ApiError::new("ValidationException", message));
    let constraint = |value: &str, name: &str, rule: &str| {
        invalid(format!(
            "1 validation error detected: Value {value} at '{name}' failed to satisfy constraint: {rule}"
        ))
    };
    const NAMESPACES: &[&str] = &[
        "ecs",
        "elasticmapreduce",
        "ec2",
        "appstream",
        "dynamodb",
        "rds",
        "sagemaker",
        "custom-resource",
        "comprehend",
        "lambda",
        "cassandra",
        "kafka",
        "elasticache",
        "neptune",
        "workspaces",
    ];
    let Some(namespace) = call.text("ServiceNamespace")? else {
        return constraint("null", "serviceNamespace", "Member must not be null");
    };
    if !NAMESPACES.contains(&namespace) {
        let rule = format!("Member must satisfy enum value set: [{}]", NAMESPACES.join(", "));
        return constraint(&format!("'{namespace}'"), "serviceNamespace", &rule);
    }
    let dimension = call.text("ScalableDimension")?;
    if dimension.is_some() && resources.is_empty() {
        return invalid("A resource ID must be specified along with a scalable dimension.".into());
    }
    let mine = |p: &&Policy| {
        namespace == "ecs"
            && dimension.is_none_or(|d| d == DIMENSION)
            && p.account == call.caller.account
            && p.region == call.region
            && (resources.is_empty() || resources.contains(&p.resource().as_str()))
    };
    Ok(world.autoscaling.policies.iter().filter(mine).collect())
}

fn page(call: &Call, member: &str, all: Vec<Value>) -> Answer {
    let size = match call.number("MaxResults")?.map(usize::try_from) {
        None => LARGEST_PAGE,
        Some(Ok(size @ 1..)) => size.min(LARGEST_PAGE),
        Some(_) => return Err(ApiError::new("ValidationException", "MaxResults must be at least 1")),
    };
    let start: usize = match call.text("NextToken")? {
        None => 0,
        Some(token) => token
            .parse()
            .map_err(|_| ApiError::new("InvalidNextTokenException", "The next token is invalid."))?,
    };
    let next = (start + size < all.len()).then(|| (start + size).to_string());
    let mut answer = json!({ member: all.into_iter().skip(start).take(size).collect::<Vec<_>>() });
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}

impl Policy {
    fn resource(&self) -> String {
        format!("service/{}/{}", self.spec.cluster, self.spec.service)
    }

    fn target(&self) -> Value {
        let (account, region, suspended) = (&self.account, &self.region, self.spec.suspended);
        json!({
            "ServiceNamespace": "ecs",
            "ResourceId": self.resource(),
            "ScalableDimension": DIMENSION,
            "MinCapacity": self.spec.min_capacity,
            "MaxCapacity": self.spec.max_capacity,
            "RoleARN": format!(
                "arn:aws:iam::{account}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService"
            ),
            "CreationTime": timestamp(self.created),
            "SuspendedState": {
                "DynamicScalingInSuspended": suspended,
                "DynamicScalingOutSuspended": suspended,
                "ScheduledScalingSuspended": suspended,
            },
            "ScalableTargetARN": format!(
                "arn:aws:application-autoscaling:{region}:{account}:scalable-target/{}", self.id
            ),
        })
    }

    fn policy(&self) -> Value {
        let (account, region, resource) = (&self.account, &self.region, self.resource());
        json!({
            "PolicyARN": format!(
                "arn:aws:autoscaling:{region}:{account}:scalingPolicy:{}:resource/ecs/{resource}:policyName/{}",
                self.id, self.spec.name
            ),
            "PolicyName": self.spec.name,
            "ServiceNamespace": "ecs",
            "ResourceId": resource,
            "ScalableDimension": DIMENSION,
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": {
                "TargetValue": self.spec.target,
                "PredefinedMetricSpecification": { "PredefinedMetricType": self.spec.metric },
            },
            "Alarms": [],
            "CreationTime": timestamp(self.created),
        })
    }
}
