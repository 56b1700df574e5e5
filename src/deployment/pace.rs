//! When to look at a deployment again: often where something is about to happen, seldom where
//! nothing can. Pure: all times are spans of the world since the start of the run.

use super::{Shape, observe::Phase};
use std::time::Duration;

/// Between two looks while nothing is expected but an alarm or somebody's stop.
const QUIET: Duration = Duration::from_secs(15);
/// While something that has no known length goes on.
const OPEN: Duration = Duration::from_secs(5);
/// When a change is due.
const DUE: Duration = Duration::from_millis(1500);
/// How long before the earliest possible moment of a change it counts as due.
const GUARD: Duration = Duration::from_secs(1);
/// A change that is later than this is waited for at the open rhythm.
const OVERDUE: Duration = Duration::from_secs(45);

/// What was seen last, and between which two looks it began.
#[derive(Clone, Copy, Debug)]
struct Seen {
    phase: Phase,
    /// Green's share of production traffic: a step of a linear shift begins a new wait.
    green: f64,
    earliest: Duration,
    latest: Duration,
}

#[derive(Clone, Debug)]
pub struct Pacer {
    shape: Shape,
    termination_wait: Duration,
    seen: Option<Seen>,
    last_look: Duration,
}

impl Pacer {
    pub fn new(shape: Shape, termination_wait: Duration) -> Pacer {
        Pacer { shape, termination_wait, seen: None, last_look: Duration::ZERO }
    }

    /// Notes a look that was asked for at `asked` and answered.
    pub fn saw(&mut self, phase: Phase, green: f64, asked: Duration) {
        let same = self.seen.is_some_and(|s| s.phase == phase && (s.green - green).abs() < 0.05);
        if !same {
            let earliest = if self.seen.is_none() { asked } else { self.last_look };
            self.seen = Some(Seen { phase, green, earliest, latest: asked });
        }
        self.last_look = asked;
    }

    /// How long to wait before the next look.
    pub fn next(&self, now: Duration) -> Duration {
        let Some(seen) = self.seen else { return DUE };
        let Some(length) = self.length(&seen) else {
            return match seen.phase {
                Phase::Installing => OPEN,
                _ => 2 * DUE,
            };
        };
        let earliest = seen.earliest + length;
        let latest = seen.latest + length;
        if now + GUARD < earliest {
            (earliest - GUARD - now).min(QUIET).max(Duration::from_millis(200))
        } else if now < latest + OVERDUE {
            DUE
        } else {
            OPEN
        }
    }

    /// How long what was seen lasts, where that is known.
    fn length(&self, seen: &Seen) -> Option<Duration> {
        match (seen.phase, self.shape) {
            (Phase::Shifting, Shape::Canary { interval, .. } | Shape::Linear { interval, .. })
                if (0.05..99.95).contains(&seen.green) =>
            {
                Some(interval)
            }
            (Phase::TerminationWait, _) => Some(self.termination_wait),
            _ => None,
        }
    }

    /// How long the phase has lasted at the most, as far as it was watched.
    pub fn lasted(&self, now: Duration) -> Duration {
        self.seen.map_or(Duration::ZERO, |seen| now.saturating_sub(seen.earliest))
    }

    /// What remains of the phase at the most, for the countdown.
    pub fn remaining(&self, now: Duration) -> Option<Duration> {
        let seen = self.seen.as_ref()?;
        let whole = match (seen.phase, self.shape) {
            // The steps that are still to come, not only the next one.
            (Phase::Shifting, Shape::Linear { percent, interval }) if percent > 0.0 => {
                interval.mul_f64(((100.0 - seen.green) / percent).ceil().max(0.0))
            }
            _ => self.length(seen)?,
        };
        Some((seen.latest + whole).saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Looks as the pacer says until the world's `end`; returns the number of looks and how late
    /// the end was seen.
    fn watch(mut pacer: Pacer, world: impl Fn(Duration) -> (Phase, f64), end: Duration) -> (usize, Duration) {
        let mut now = Duration::ZERO;
        let mut looks = 0;
        loop {
            let (phase, green) = world(now);
            looks += 1;
            pacer.saw(phase, green, now);
            if now >= end {
                return (looks, now - end);
            }
            now += pacer.next(now);
        }
    }

    fn canary(now: Duration) -> (Phase, f64) {
        match now.as_secs() {
            0..3 => (Phase::Starting, 0.0),
            3..61 => (Phase::Installing, 0.0),
            61..63 => (Phase::Testing, 0.0),
            63..363 => (Phase::Shifting, 10.0),
            363..365 => (Phase::Shifted, 100.0),
            _ => (Phase::TerminationWait, 100.0),
        }
    }

    #[test]
    fn a_canary_of_seven_minutes_is_seen_to_its_end_with_few_looks() {
        let shape = Shape::Canary { percent: 10.0, interval: s(300) };
        let (looks, late) = watch(Pacer::new(shape, s(60)), canary, s(425));
        assert!(late <= DUE, "{late:?} late");
        assert!(looks <= 60, "{looks} looks");
    }

    #[test]
    fn a_linear_shift_is_looked_at_around_each_step() {
        let linear = |now: Duration| match now.as_secs() {
            0..541 => (Phase::Shifting, 10.0 * (now.as_secs() / 60 + 1) as f64),
            _ => (Phase::Shifted, 100.0),
        };
        let shape = Shape::Linear { percent: 10.0, interval: s(60) };
        let (looks, late) = watch(Pacer::new(shape, s(60)), linear, s(541));
        assert!(late <= 2 * DUE, "{late:?} late");
        assert!(looks <= 10 * 9, "{looks} looks");
    }

    #[test]
    fn what_is_overdue_is_not_hurried_for_ever() {
        let mut pacer = Pacer::new(Shape::AllAtOnce, s(60));
        pacer.saw(Phase::TerminationWait, 100.0, s(10));
        assert_eq!(pacer.next(s(20)), QUIET);
        assert_eq!(pacer.next(s(70)), DUE);
        assert_eq!(pacer.next(s(10_000)), OPEN);
    }

    #[test]
    fn the_countdown_of_a_linear_shift_counts_all_its_steps() {
        let mut pacer = Pacer::new(Shape::Linear { percent: 10.0, interval: s(60) }, s(60));
        pacer.saw(Phase::Shifting, 20.0, s(100));
        assert_eq!(pacer.remaining(s(130)), Some(s(450)));
    }
}
