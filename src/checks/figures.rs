//! What requests under load come to, and whether that keeps the limits. Pure.

use crate::request::{Latencies, LoadCheck};
use crate::say::checks as say;
use std::time::Duration;

/// One request: how long it took, and whether it was answered well.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub took: Duration,
    pub well: bool,
}

/// One side under load. A request that got no answer counts with the time that was waited for it,
/// so that a server can't look fast by not answering.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    pub requests: usize,
    pub errors: usize,
    pub latencies: Latencies<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Green,
    Blue,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Judgement {
    Kept,
    /// In words, each with the figure beside its limit.
    Broken(Vec<String>),
    TooFew {
        side: Side,
        answers: usize,
    },
}

impl Figures {
    pub fn of(mut samples: Vec<Sample>) -> Figures {
        samples.sort_by_key(|sample| sample.took);
        // The nearest rank: a time that a request really took.
        let rank = |share: f64| {
            let rank = (share * samples.len() as f64).ceil() as usize;
            samples.get(rank.max(1) - 1).map(|sample| sample.took)
        };
        Figures {
            requests: samples.len(),
            errors: samples.iter().filter(|sample| !sample.well).count(),
            latencies: Latencies { p50: rank(0.5), p95: rank(0.95), p99: rank(0.99) },
        }
    }

    /// In percent.
    pub fn error_rate(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.errors as f64 / self.requests as f64 * 100.0 }
    }
}

/// Holds the figures against all limits. With too few requests on a side that counts nothing is
/// told from them, neither good nor bad.
pub fn judge(check: &LoadCheck, green: &Figures, blue: Option<&Figures>) -> Judgement {
    let enough = check.min_samples as usize;
    for (side, figures) in [(Side::Green, Some(green)), (Side::Blue, blue)] {
        if let Some(figures) = figures.filter(|figures| figures.requests < enough) {
            return Judgement::TooFew { side, answers: figures.requests };
        }
    }
    let mut broken = Vec::new();
    let errors = green.error_rate();
    if let Some(limit) = check.errors.filter(|limit| errors > *limit) {
        broken.push(say::errors_broken(errors, limit));
    }
    for (name, found, limit) in both(&green.latencies, &check.latencies) {
        if found > limit {
            broken.push(say::latency_broken(name, found, limit));
        }
    }
    if let Some(blue) = blue {
        if let Some(above) = check.errors_above_blue.filter(|above| errors > blue.error_rate() + above) {
            broken.push(say::errors_above_blue_broken(errors, blue.error_rate(), above));
        }
        for (name, found, (theirs, times)) in
            both(&green.latencies, &zipped(&blue.latencies, &check.times_blue))
        {
            if found > theirs.mul_f64(times) {
                broken.push(say::times_blue_broken(name, found, theirs, times));
            }
        }
    }
    if broken.is_empty() { Judgement::Kept } else { Judgement::Broken(broken) }
}

fn zipped<A: Copy, B: Copy>(a: &Latencies<A>, b: &Latencies<B>) -> Latencies<(A, B)> {
    Latencies { p50: a.p50.zip(b.p50), p95: a.p95.zip(b.p95), p99: a.p99.zip(b.p99) }
}

fn both<A: Copy, B: Copy>(a: &Latencies<A>, b: &Latencies<B>) -> Vec<(&'static str, A, B)> {
    zipped(a, b).each().map(|(name, (a, b))| (name, a, b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Ask, Inconclusive};

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn figures(times: impl IntoIterator<Item = u64>, errors: usize) -> Figures {
        let samples = times.into_iter().enumerate();
        Figures::of(samples.map(|(at, n)| Sample { took: millis(n), well: at >= errors }).collect())
    }

    fn check() -> LoadCheck {
        LoadCheck {
            ask: Ask::default(),
            rate: 10,
            time: Duration::from_secs(10),
            connections: 10,
            min_samples: 100,
            errors: None,
            latencies: Latencies::default(),
            errors_above_blue: None,
            times_blue: Latencies::default(),
            inconclusive: Inconclusive::Hold,
        }
    }

    #[test]
    fn percentiles_are_times_that_were_taken() {
        let all = figures(1..=100, 3);
        assert_eq!((all.requests, all.errors, all.error_rate()), (100, 3, 3.0));
        let Latencies { p50, p95, p99 } = all.latencies;
        assert_eq!((p50, p95, p99), (Some(millis(50)), Some(millis(95)), Some(millis(99))));
        let one = figures([7], 0);
        assert_eq!((one.latencies.p50, one.latencies.p99), (Some(millis(7)), Some(millis(7))));
        assert_eq!(figures([], 0).latencies, Latencies::default());
    }

    #[test]
    fn a_limit_is_kept_when_it_is_met_and_broken_beyond_it() {
        let green = figures(1..=100, 2);
        let mut check = check();
        check.errors = Some(2.0);
        check.latencies.p95 = Some(millis(95));
        assert_eq!(judge(&check, &green, None), Judgement::Kept);
        check.errors = Some(1.9);
        check.latencies.p95 = Some(millis(94));
        let Judgement::Broken(broken) = judge(&check, &green, None) else { unreachable!() };
        assert_eq!(broken, ["errors 2%, at most 1.9%", "p95 95ms, at most 94ms"]);
    }

    #[test]
    fn green_is_held_against_blue() {
        let (green, blue) = (figures((1..=100).map(|n| n * 2), 5), figures(1..=100, 2));
        let mut check = check();
        check.times_blue.p95 = Some(2.0);
        check.errors_above_blue = Some(3.0);
        assert_eq!(judge(&check, &green, Some(&blue)), Judgement::Kept);
        check.times_blue.p95 = Some(1.2);
        check.errors_above_blue = Some(2.0);
        let Judgement::Broken(broken) = judge(&check, &green, Some(&blue)) else { unreachable!() };
        assert_eq!(
            broken,
            ["errors 5%, at most 2 points above blue's 2%", "p95 190ms, at most 1.2 × blue's 95ms"]
        );
    }

    #[test]
    fn from_too_few_nothing_is_told() {
        let mut check = check();
        check.errors = Some(0.0);
        let (few, many) = (figures(1..=99, 99), figures(1..=100, 0));
        assert_eq!(judge(&check, &few, None), Judgement::TooFew { side: Side::Green, answers: 99 });
        assert_eq!(judge(&check, &many, Some(&few)), Judgement::TooFew { side: Side::Blue, answers: 99 });
    }
}
