//! Tasks of ECS from outside: why they ended, and what their containers said.

mod ended;
mod log;
mod stopped;

pub use ended::{Ended, Exit, Pull, Why};
pub use log::{LogPlace, Stream, tail};
pub use stopped::{Group, Stopped, groups};
