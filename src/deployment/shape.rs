//! How a deployment config shifts traffic, and how long the whole may take.

use super::{Budget, Shape};
use crate::request::Until;
use aws_sdk_codedeploy::types::TrafficRoutingConfig;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// Pulling, starting and passing the health checks, for a service of one task.
const PROVISIONING: Duration = Duration::from_secs(150);
/// Beyond that, for each further task.
const PROVISIONING_EACH: Duration = Duration::from_secs(5);
/// CodeDeploy gives green so long to become healthy.
const PROVISIONING_LIMIT: Duration = Duration::from_secs(60 * 60);
/// For the steps between the parts.
const MARGIN: Duration = Duration::from_secs(10 * 60);

impl Shape {
    pub fn of(config: Option<&TrafficRoutingConfig>) -> Shape {
        let minutes = |n: i32| MINUTE * u32::try_from(n).unwrap_or_default();
        let canary = config.and_then(|c| c.time_based_canary());
        let linear = config.and_then(|c| c.time_based_linear());
        match (canary, linear) {
            (Some(canary), _) => Shape::Canary {
                percent: f64::from(canary.canary_percentage),
                interval: minutes(canary.canary_interval),
            },
            (None, Some(linear)) if linear.linear_percentage > 0 => Shape::Linear {
                percent: f64::from(linear.linear_percentage),
                interval: minutes(linear.linear_interval),
            },
            _ => Shape::AllAtOnce,
        }
    }

    /// From the first step to the last; there is no wait after it.
    pub fn duration(&self) -> Duration {
        match self {
            Shape::AllAtOnce => Duration::ZERO,
            Shape::Canary { interval, .. } => *interval,
            Shape::Linear { percent, interval } => {
                interval.mul_f64(((100.0 / percent).ceil() - 1.0).max(0.0))
            }
        }
    }
}

impl Budget {
    pub fn of(
        shape: &Shape,
        ready_wait: Option<Duration>,
        termination_wait: Duration,
        tasks: i32,
        until: Until,
    ) -> Budget {
        let more = u32::try_from(tasks.saturating_sub(1)).unwrap_or_default();
        let mut budget = Budget {
            provisioning: (PROVISIONING + PROVISIONING_EACH * more).min(PROVISIONING_LIMIT),
            ready_wait: ready_wait.unwrap_or_default(),
            shift: shape.duration(),
            termination_wait: if until == Until::Terminated { termination_wait } else { Duration::ZERO },
            limit: Duration::ZERO,
        };
        budget.limit = PROVISIONING_LIMIT + budget.waits() + MARGIN;
        budget
    }

    /// What passes by the group's own settings, at the most.
    pub fn waits(&self) -> Duration {
        self.ready_wait + self.shift + self.termination_wait
    }

    /// The likely length, when green is let go on as soon as it is ready.
    pub fn likely(&self) -> Duration {
        self.provisioning + self.shift + self.termination_wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_codedeploy::types::{TimeBasedCanary, TimeBasedLinear};

    fn linear(percentage: i32, interval: i32) -> Shape {
        let linear =
            TimeBasedLinear::builder().linear_percentage(percentage).linear_interval(interval).build();
        Shape::of(Some(&TrafficRoutingConfig::builder().time_based_linear(linear).build()))
    }

    #[test]
    fn shapes_last_from_the_first_step_to_the_last() {
        let canary = TimeBasedCanary::builder().canary_percentage(10).canary_interval(5).build();
        let canary = Shape::of(Some(&TrafficRoutingConfig::builder().time_based_canary(canary).build()));
        assert_eq!(canary, Shape::Canary { percent: 10.0, interval: MINUTE * 5 });
        assert_eq!(canary.duration(), MINUTE * 5);
        assert_eq!(linear(10, 1).duration(), MINUTE * 9);
        assert_eq!(linear(30, 2).duration(), MINUTE * 6);
        assert_eq!(linear(100, 3).duration(), Duration::ZERO);
        assert_eq!(Shape::of(None).duration(), Duration::ZERO);
        assert_eq!(linear(0, 3), Shape::AllAtOnce);
    }

    #[test]
    fn the_limit_covers_what_codedeploy_allows() {
        let shape = linear(10, 1);
        let budget = Budget::of(&shape, Some(MINUTE * 5), MINUTE * 60, 3, Until::Terminated);
        assert_eq!(budget.provisioning, Duration::from_secs(160));
        assert_eq!(budget.waits(), MINUTE * 74);
        assert_eq!(budget.likely(), Duration::from_secs(160) + MINUTE * 69);
        assert_eq!(budget.limit, MINUTE * (60 + 74 + 10));
        let shifted = Budget::of(&shape, None, MINUTE * 60, 3, Until::TrafficShifted);
        assert_eq!(shifted.waits(), MINUTE * 9);
    }
}
