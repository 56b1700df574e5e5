//! Request rates: a token bucket for each account, region and category, filled in real time.

use crate::front::{ApiError, Call, Service};
use crate::spec::{Rate, Truths};
use std::collections::HashMap;
use std::time::Instant;

#[derive(Debug, Default)]
pub(crate) struct Buckets(HashMap<(String, String, &'static str), Bucket>);

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Buckets {
    /// Takes a token for the call, or refuses it.
    pub(crate) fn take(&mut self, truths: &Truths, call: &Call, now: Instant) -> Result<(), ApiError> {
        let (category, default) = category(call.service, &call.operation);
        let Rate { burst, refill } = truths.rates.get(category).copied().unwrap_or(default);
        let bucket = self
            .0
            .entry((call.caller.account.clone(), call.region.clone(), category))
            .or_insert(Bucket { tokens: burst, at: now });
        let gained = now.saturating_duration_since(bucket.at).as_secs_f64() * refill;
        bucket.tokens = (bucket.tokens + gained).min(burst);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return Err(ApiError::new("ThrottlingException", "Rate exceeded"));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }
}

/// The operation's bucket. ECS documents its categories, ELB the one for reads; ECR, STS,
/// CloudWatch and Logs document rates a second; the rest publishes none, and what stands here
/// is a guess on the low side.
fn category(service: Service, operation: &str) -> (&'static str, Rate) {
    let rate = |burst: u32, refill: u32| Rate { burst: burst.into(), refill: refill.into() };
    let reads = is_read(operation);
    match (service, operation) {
        (Service::Ecs, "DescribeTaskDefinition" | "ListTaskDefinitions" | "ListTaskDefinitionFamilies") => {
            ("ecs/task-definition-read", rate(50, 20))
        }
        (Service::Ecs, operation) if operation.contains("TaskDefinition") => {
            ("ecs/task-definition-modify", rate(20, 1))
        }
        (Service::Ecs, operation) if operation.contains("ServiceDeployment") && reads => {
            ("ecs/service-deployment-read", rate(50, 20))
        }
        (Service::Ecs, operation) if operation.contains("ServiceRevision") => {
            ("ecs/service-revision-read", rate(50, 20))
        }
        (Service::Ecs, operation) if operation.contains("Service") || operation.contains("TaskSet") => {
            if reads {
                ("ecs/service-read", rate(100, 20))
            } else {
                ("ecs/service-modify", rate(50, 5))
            }
        }
        (Service::Ecs, "TagResource" | "UntagResource") => ("ecs/tags-modify", rate(20, 10)),
        (Service::Ecs, "ListTasks" | "DescribeTasks") => ("ecs/task-read", rate(100, 20)),
        (Service::Ecs, "RunTask" | "StartTask" | "StopTask") => ("ecs/task-modify", rate(100, 20)),
        (Service::Ecs, _) => ("ecs/cluster-read", rate(50, 20)),
        (Service::Ecr, "PutImage") => ("ecr/put-image", rate(10, 10)),
        (Service::Ecr, "InitiateLayerUpload" | "CompleteLayerUpload") => ("ecr/layer-upload", rate(100, 100)),
        (Service::Ecr, "GetAuthorizationToken" | "UploadLayerPart") => ("ecr/token", rate(500, 500)),
        (Service::Ecr, _) => ("ecr", rate(1000, 1000)),
        (Service::EcrPublic, _) => ("ecr-public", rate(200, 200)),
        (Service::Sts, _) => ("sts", rate(600, 600)),
        (Service::CloudWatch, "DescribeAlarms") => ("monitoring/describe-alarms", rate(9, 9)),
        (Service::CloudWatch, _) => ("monitoring", rate(50, 50)),
        (Service::CodeDeploy, _) if reads => ("codedeploy/read", rate(40, 10)),
        (Service::CodeDeploy, _) => ("codedeploy/modify", rate(10, 2)),
        (Service::Elb, _) if reads => ("elasticloadbalancing/read", rate(40, 10)),
        (Service::Elb, _) => ("elasticloadbalancing/modify", rate(20, 3)),
        (Service::Logs, "FilterLogEvents") => ("logs/filter", rate(5, 5)),
        (Service::Logs, _) => ("logs", rate(25, 10)),
        (Service::AutoScaling, _) => ("application-autoscaling", rate(20, 10)),
    }
}

/// Whether an operation changes nothing.
pub(crate) fn is_read(operation: &str) -> bool {
    const READS: &[&str] = &["Describe", "Get", "List", "BatchGet", "BatchCheck", "Filter", "AssumeRole"];
    READS.iter().any(|verb| operation.starts_with(verb))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::Caller;
    use std::time::Duration;

    fn call(account: &str, operation: &str) -> Call {
        Call {
            service: Service::Ecs,
            operation: operation.into(),
            input: serde_json::Value::Null,
            caller: Caller { account: account.into(), ..Caller::default() },
            region: "eu-central-1".into(),
        }
    }

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let (mut buckets, truths, start) = (Buckets::default(), Truths::default(), Instant::now());
        let mut take = |account, operation, at| buckets.take(&truths, &call(account, operation), at).is_ok();
        let granted = (0..30).filter(|_| take("1", "RegisterTaskDefinition", start)).count();
        assert_eq!(granted, 20);
        assert!(!take("1", "DeregisterTaskDefinition", start), "one bucket for the whole category");
        assert!(take("2", "RegisterTaskDefinition", start), "another account has its own");
        assert!(take("1", "DescribeTaskDefinition", start), "and so has another category");
        let later = start + Duration::from_secs(2);
        assert!(take("1", "RegisterTaskDefinition", later) && take("1", "RegisterTaskDefinition", later));
        assert!(!take("1", "RegisterTaskDefinition", later));
    }

    #[test]
    fn the_world_can_say_otherwise() {
        let mut truths = Truths::default();
        truths.rates.insert("ecs/service-read".into(), Rate { burst: 1.0, refill: 0.0 });
        let (mut buckets, now) = (Buckets::default(), Instant::now());
        assert!(buckets.take(&truths, &call("1", "DescribeServices"), now).is_ok());
        let error = buckets.take(&truths, &call("1", "ListServices"), now).unwrap_err();
        assert_eq!((error.code.as_str(), error.message.as_str()), ("ThrottlingException", "Rate exceeded"));
    }
}
