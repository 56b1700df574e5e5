//! What a run finds around it and what is passed in rather than looked up: the variables of the
//! process, the pace of time, the GitHub job.

use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// The process's variables, read once.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    pub fn of_process() -> Variables {
        // A name or value that isn't UTF-8 can't be one of ours.
        Variables(
            std::env::vars_os()
                .filter_map(|(n, v)| Some((n.into_string().ok()?, v.into_string().ok()?)))
                .collect(),
        )
    }

    #[cfg(test)]
    pub fn of(pairs: impl IntoIterator<Item = (String, String)>) -> Variables {
        Variables(pairs.into_iter().collect())
    }

    /// These, with some set anew.
    pub fn with(&self, pairs: impl IntoIterator<Item = (String, String)>) -> Variables {
        let mut variables = self.clone();
        variables.0.extend(pairs);
        variables
    }

    /// An empty value means not given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|v| !v.trim().is_empty())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }
}

/// The pace of the world that is deployed to: 1 for AWS, faster for a rehearsal.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub speed: f64,
    pub started: Instant,
}

impl Pace {
    pub fn of(variables: &Variables) -> Pace {
        let speed = variables.get("GREENLIGHT_SPEED").and_then(|s| s.parse().ok()).filter(|s| *s > 0.0);
        Pace { speed: speed.unwrap_or(1.0), started: Instant::now() }
    }

    /// How long a span of the world takes on the wall.
    pub fn real(&self, world: Duration) -> Duration {
        world.div_f64(self.speed)
    }

    /// How long a span on the wall is in the world.
    pub fn world(&self, real: Duration) -> Duration {
        real.mul_f64(self.speed)
    }

    /// In the world, since the start of the run.
    pub fn now(&self) -> Duration {
        self.world(self.elapsed())
    }

    /// Waits for a span of the world. What is asked meanwhile goes through rate buckets that know
    /// no speed, so the wait on the wall is never shorter than a fifth of a second.
    pub async fn sleep(&self, world: Duration) {
        tokio::time::sleep(self.real(world).max(Duration::from_millis(200).min(world))).await;
    }

    /// On the wall, since the start of the run.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
