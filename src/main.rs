//! `greenlight`: reads what is asked for, runs it, and ends with its exit code.

mod appspec;
mod aws;
mod cancel;
mod console;
mod deployment;
mod event;
mod marker;
mod outcome;
mod plan;
mod report;
mod request;
mod say;
mod surroundings;
mod task_definition;

fn main() {}
