//! Every sentence that a user reads, made in one place: what happened, what production is on,
//! what to do next.

pub mod deployment;
pub mod line;
pub mod near;
pub mod outcome;
pub mod progress;
pub mod refusals;

pub use line::{Line, Tone};
