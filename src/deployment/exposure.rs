//! How much of production's traffic green had, and for how long: what a release that was taken
//! back did to its users. Pure: all times are spans of the world since the start of the run.

use std::time::Duration;

/// The shares of production traffic that green had, each from its moment on.
#[derive(Clone, Debug, Default)]
pub struct Exposure(Vec<(Duration, f64)>);

/// Green's time in production.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// In percent, over the whole time.
    pub mean: f64,
    pub time: Duration,
    /// Each share with the time that it held, in the order of their first appearance.
    pub steps: Vec<(f64, Duration)>,
}

impl Exposure {
    pub fn saw(&mut self, now: Duration, green: f64) {
        if self.0.last().is_none_or(|(_, last)| *last != green) {
            self.0.push((now, green));
        }
    }

    /// `None` when green never had any.
    pub fn until(&self, end: Duration) -> Option<Share> {
        let mut steps: Vec<(f64, Duration)> = Vec::new();
        for (at, (began, share)) in self.0.iter().enumerate() {
            let ended = self.0.get(at + 1).map_or(end, |(next, _)| *next);
            let held = ended.saturating_sub(*began);
            match steps.iter_mut().find(|(known, _)| known == share) {
                Some((_, time)) => *time += held,
                None if *share > 0.0 => steps.push((*share, held)),
                None => {}
            }
        }
        let time: Duration = steps.iter().map(|(_, time)| *time).sum();
        if time.is_zero() {
            return None;
        }
        let weighed: f64 = steps.iter().map(|(share, time)| share * time.as_secs_f64()).sum();
        Some(Share { mean: weighed / time.as_secs_f64(), time, steps })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn s(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_canary_and_what_came_after_it() {
        let mut exposure = Exposure::default();
        for (now, green) in [(0, 0.0), (100, 10.0), (150, 10.0), (400, 100.0), (460, 0.0)] {
            exposure.saw(s(now), green);
        }
        let share = exposure.until(s(1000)).unwrap();
        assert_eq!(share.steps, [(10.0, s(300)), (100.0, s(60))]);
        assert_eq!((share.mean, share.time), (25.0, s(360)));
    }

    #[test]
    fn who_never_had_traffic_did_nothing() {
        let mut exposure = Exposure::default();
        exposure.saw(s(1), 0.0);
        assert_eq!(exposure.until(s(9)), None);
    }

    #[test]
    fn what_goes_on_counts_until_the_end() {
        let mut exposure = Exposure::default();
        exposure.saw(s(10), 100.0);
        assert_eq!(exposure.until(s(15)).unwrap().time, s(5));
    }
}
