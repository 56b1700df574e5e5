//! The world's time: real time, multiplied by a speed, anchored at the world's start.

use std::time::Duration;

/// A moment of the world, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

impl Time {
    pub fn epoch_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// ISO 8601 with milliseconds, as the query services write it.
    pub fn iso(self) -> String {
        chrono::DateTime::from_timestamp_millis(self.0)
            .unwrap_or_default()
            .to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

impl std::ops::Add<Duration> for Time {
    type Output = Time;
    fn add(self, by: Duration) -> Time {
        Time(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

#[derive(Clone, Debug)]
pub struct Clock {
    started: std::time::Instant,
    anchor: Time,
    speed: f64,
}

impl Clock {
    pub fn new(speed: f64) -> Clock {
        Clock {
            started: std::time::Instant::now(),
            anchor: Time(chrono::Utc::now().timestamp_millis()),
            speed,
        }
    }

    pub fn speed(&self) -> f64 {
        self.speed
    }

    pub fn now(&self) -> Time {
        self.anchor + self.started.elapsed().mul_f64(self.speed)
    }

    /// How long a span of the world's time takes on the wall.
    pub fn real(&self, world: Duration) -> Duration {
        world.div_f64(self.speed)
    }

    /// How long it takes on the wall until the world reaches `at`.
    pub fn until(&self, at: Time) -> Duration {
        self.real(at.since(self.now()))
    }

    pub async fn sleep_until(&self, at: Time) {
        tokio::time::sleep(self.until(at)).await;
    }
}
