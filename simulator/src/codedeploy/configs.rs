//! Deployment configs: the predefined ones, and how each moves the traffic.

use super::model::Holdings;
use crate::Time;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Config {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) created: Time,
    /// `ECS`, `Lambda` or `Server`.
    pub(super) platform: String,
    /// How the traffic moves; servers have none.
    pub(super) shape: Option<Shape>,
    /// `(type, value)` for servers.
    pub(super) minimum_healthy: Option<(String, i64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    AllAtOnce,
    Canary { percentage: u32, minutes: u32 },
    Linear { percentage: u32, minutes: u32 },
}

pub(super) const PREFIX: &str = "CodeDeployDefault.";

impl Shape {
    /// When, counted from the first step, green gets how many per cent.
    pub(super) fn steps(self) -> Vec<(Duration, u32)> {
        let minutes = |minutes: u32| Duration::from_secs(60 * u64::from(minutes));
        match self {
            Shape::AllAtOnce => vec![(Duration::ZERO, 100)],
            Shape::Canary { percentage, minutes: wait } => {
                vec![(Duration::ZERO, percentage), (minutes(wait), 100)]
            }
            Shape::Linear { percentage, minutes: wait } => {
                let steps = 100u32.div_ceil(percentage.max(1));
                (0..steps).map(|n| (minutes(wait * n), ((n + 1) * percentage).min(100))).collect()
            }
        }
    }
}

/// The config of this name: a predefined one, or one of the account's own.
pub(super) fn find(holdings: &Holdings, name: &str) -> Option<Config> {
    predefined(name).or_else(|| holdings.configs.get(name).cloned())
}

/// All names, sorted.
pub(super) fn names(holdings: &Holdings) -> Vec<String> {
    let mut names: Vec<String> = PREDEFINED.iter().map(|(name, _, _)| format!("{PREFIX}{name}")).collect();
    names.extend(holdings.configs.keys().cloned());
    names.sort();
    names
}

/// What every rollback uses.
pub(super) fn all_at_once() -> Config {
    config(ALL_AT_ONCE)
}

fn predefined(name: &str) -> Option<Config> {
    let short = name.strip_prefix(PREFIX)?;
    PREDEFINED.into_iter().find(|(known, _, _)| *known == short).map(config)
}

fn config((short, platform, shape): (&str, &str, Option<Shape>)) -> Config {
    let minimum_healthy = match short {
        "AllAtOnce" => Some(("HOST_COUNT".to_owned(), 0)),
        "HalfAtATime" => Some(("FLEET_PERCENT".to_owned(), 50)),
        "OneAtATime" => Some(("HOST_COUNT".to_owned(), 1)),
        _ => None,
    };
    Config {
        name: format!("{PREFIX}{short}"),
        id: "00000000-0000-0000-0000-000000000001".to_owned(),
        created: Time(1_543_431_490_226),
        platform: platform.to_owned(),
        shape,
        minimum_healthy,
    }
}

const ALL_AT_ONCE: (&str, &str, Option<Shape>) = ("ECSAllAtOnce", "ECS", Some(Shape::AllAtOnce));

const PREDEFINED: [(&str, &str, Option<Shape>); 17] = [
    ("AllAtOnce", "Server", None),
    ("HalfAtATime", "Server", None),
    ("OneAtATime", "Server", None),
    ALL_AT_ONCE,
    ("ECSCanary10Percent5Minutes", "ECS", Some(Shape::Canary { percentage: 10, minutes: 5 })),
    ("ECSCanary10Percent15Minutes", "ECS", Some(Shape::Canary { percentage: 10, minutes: 15 })),
    ("ECSLinear10PercentEvery1Minutes", "ECS", Some(Shape::Linear { percentage: 10, minutes: 1 })),
    ("ECSLinear10PercentEvery3Minutes", "ECS", Some(Shape::Linear { percentage: 10, minutes: 3 })),
    ("LambdaAllAtOnce", "Lambda", Some(Shape::AllAtOnce)),
    ("LambdaCanary10Percent5Minutes", "Lambda", Some(Shape::Canary { percentage: 10, minutes: 5 })),
    ("LambdaCanary10Percent10Minutes", "Lambda", Some(Shape::Canary { percentage: 10, minutes: 10 })),
    ("LambdaCanary10Percent15Minutes", "Lambda", Some(Shape::Canary { percentage: 10, minutes: 15 })),
    ("LambdaCanary10Percent30Minutes", "Lambda", Some(Shape::Canary { percentage: 10, minutes: 30 })),
    ("LambdaLinear10PercentEvery1Minute", "Lambda", Some(Shape::Linear { percentage: 10, minutes: 1 })),
    ("LambdaLinear10PercentEvery2Minutes", "Lambda", Some(Shape::Linear { percentage: 10, minutes: 2 })),
    ("LambdaLinear10PercentEvery3Minutes", "Lambda", Some(Shape::Linear { percentage: 10, minutes: 3 })),
    ("LambdaLinear10PercentEvery10Minutes", "Lambda", Some(Shape::Linear { percentage: 10, minutes: 10 })),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn minutes_and_percent(shape: Shape) -> Vec<(u64, u32)> {
        shape.steps().into_iter().map(|(at, percent)| (at.as_secs() / 60, percent)).collect()
    }

    #[test]
    fn a_canary_has_two_steps() {
        assert_eq!(minutes_and_percent(Shape::AllAtOnce), [(0, 100)]);
        assert_eq!(minutes_and_percent(Shape::Canary { percentage: 10, minutes: 5 }), [(0, 10), (5, 100)]);
    }

    #[test]
    fn a_linear_shift_ends_when_100_is_reached() {
        let tenth = minutes_and_percent(Shape::Linear { percentage: 10, minutes: 1 });
        assert_eq!((tenth.len(), tenth[0], tenth[9]), (10, (0, 10), (9, 100)));
        let uneven = minutes_and_percent(Shape::Linear { percentage: 30, minutes: 3 });
        assert_eq!(uneven, [(0, 30), (3, 60), (6, 90), (9, 100)]);
    }

    #[test]
    fn predefined_configs_are_found_by_their_full_name() {
        let holdings = Holdings::default();
        let found = find(&holdings, "CodeDeployDefault.ECSLinear10PercentEvery3Minutes").unwrap();
        assert_eq!(found.shape, Some(Shape::Linear { percentage: 10, minutes: 3 }));
        assert_eq!(find(&holdings, "ECSAllAtOnce"), None);
        assert_eq!(names(&holdings).len(), 17);
    }
}
