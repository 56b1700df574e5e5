//! GitHub's limits: requests by the hour, and the secondary ones by the minute. All in real time.

use std::collections::VecDeque;

/// What a job's token has for all of a repository.
pub(super) const PER_HOUR: u32 = 1000;
const HOUR: i64 = 3600;
const MINUTE: i64 = 60;
const POINTS_PER_MINUTE: u32 = 900;
const CONTENT_PER_MINUTE: usize = 80;
const CONTENT_PER_HOUR: usize = 500;

/// The buckets; moments are seconds since the epoch.
#[derive(Debug, Default)]
pub(super) struct Limits {
    resets_at: i64,
    used: u32,
    points: VecDeque<(i64, u32)>,
    content: VecDeque<i64>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Limited {
    Primary,
    Secondary { retry_after: i64 },
}

impl Limits {
    /// Counts a request that costs so many points and may create content.
    pub(super) fn take(&mut self, now: i64, points: u32, content: bool) -> Result<(), Limited> {
        self.turn(now);
        if self.used >= PER_HOUR {
            return Err(Limited::Primary);
        }
        self.points.retain(|(at, _)| *at > now - MINUTE);
        self.content.retain(|at| *at > now - HOUR);
        let spent: u32 = self.points.iter().map(|(_, points)| points).sum();
        let in_a_minute = self.content.iter().filter(|at| **at > now - MINUTE).count();
        let too_much_content =
            content && (in_a_minute >= CONTENT_PER_MINUTE || self.content.len() >= CONTENT_PER_HOUR);
        if spent + points > POINTS_PER_MINUTE || too_much_content {
            return Err(Limited::Secondary { retry_after: MINUTE });
        }
        self.used += 1;
        self.points.push_back((now, points));
        if content {
            self.content.push_back(now);
        }
        Ok(())
    }

    /// Gives the latest request back: it was answered with "not modified".
    pub(super) fn refund(&mut self) {
        self.used = self.used.saturating_sub(1);
    }

    /// Used, remaining, and when the hour is over.
    pub(super) fn read(&mut self, now: i64) -> (u32, u32, i64) {
        self.turn(now);
        (self.used, PER_HOUR - self.used.min(PER_HOUR), self.resets_at)
    }

    fn turn(&mut self, now: i64) {
        if now >= self.resets_at {
            self.resets_at = now + HOUR;
            self.used = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_holds_a_thousand_requests() {
        let mut limits = Limits::default();
        for n in 0..1000 {
            assert_eq!(limits.take(n, 1, false), Ok(()));
        }
        assert_eq!(limits.take(1000, 1, false), Err(Limited::Primary));
        assert_eq!(limits.read(1000), (1000, 0, 3600));
        limits.refund();
        assert_eq!(limits.take(1001, 1, false), Ok(()));
        assert_eq!(limits.take(3600, 1, false), Ok(()));
        assert_eq!(limits.read(3600), (1, 999, 7200));
    }

    #[test]
    fn a_minute_holds_180_writes_and_80_pieces_of_content() {
        let mut limits = Limits::default();
        for _ in 0..180 {
            assert_eq!(limits.take(0, 5, false), Ok(()));
        }
        assert_eq!(limits.take(0, 1, false), Err(Limited::Secondary { retry_after: 60 }));
        assert_eq!(limits.take(60, 1, false), Ok(()));
        let mut limits = Limits::default();
        for _ in 0..80 {
            assert_eq!(limits.take(0, 5, true), Ok(()));
        }
        assert!(limits.take(0, 5, true).is_err());
        assert_eq!(limits.take(0, 5, false), Ok(()));
    }
}
