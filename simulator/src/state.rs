//! All that the world knows at one moment, as plain structs. Held under one lock; `now`
//! is stamped whenever the lock is taken.

use crate::{
    Fault, Time, autoscaling, cloudwatch, codedeploy, ecr, ecs, elb, faults::Calls, front, github, iam,
    spec::Truths,
};
use std::collections::BTreeSet;

pub(crate) struct State {
    pub(crate) now: Time,
    pub(crate) truths: Truths,
    pub(crate) faults: BTreeSet<Fault>,
    pub(crate) calls: Calls,
    pub(crate) regions: Vec<String>,
    pub(crate) iam: iam::State,
    pub(crate) ecr: ecr::State,
    pub(crate) ecs: ecs::State,
    pub(crate) elb: elb::State,
    pub(crate) cloudwatch: cloudwatch::State,
    pub(crate) autoscaling: autoscaling::State,
    pub(crate) codedeploy: codedeploy::State,
    pub(crate) github: github::State,
    pub(crate) front: front::State,
}

impl State {
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }
}

/// Nine uppercase letters and digits, as CodeDeploy's ids have; other lengths for other ids.
pub(crate) fn random_id(length: usize) -> String {
    use rand::Rng;
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut rng = rand::rng();
    (0..length).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
}

/// Lowercase hex, as task ids have.
pub(crate) fn random_hex(length: usize) -> String {
    use rand::Rng;
    let mut rng = rand::rng();
    (0..length).map(|_| char::from_digit(rng.random_range(0..16), 16).unwrap_or('0')).collect()
}

/// Decimal digits, as task set ids have.
pub(crate) fn random_digits(length: usize) -> String {
    use rand::Rng;
    let mut rng = rand::rng();
    (0..length).map(|i| char::from(b'0' + rng.random_range(u8::from(i == 0)..10))).collect()
}
