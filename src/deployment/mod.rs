//! The deployment: created, followed by its id to its end, and what is true afterwards.

use std::time::Duration;

/// How a deployment config shifts traffic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    AllAtOnce,
    Canary { percent: f64, interval: Duration },
    Linear { percent: f64, interval: Duration },
}

/// How long a deployment may take, part by part, in the world's time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Until green runs and is healthy: a guess from the service's size.
    pub provisioning: Duration,
    pub ready_wait: Duration,
    pub shift: Duration,
    pub termination_wait: Duration,
    /// Beyond which the run ends with `still-running`.
    pub limit: Duration,
}
