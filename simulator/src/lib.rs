//! A local world of AWS and GitHub: accounts and roles that are enforced, registries
//! that hold images, services whose tasks are containers, listeners that forward real
//! traffic, deployments that move by explicit state machines.
//!
//! Every service keeps its state in plain structs (`State` of its module), answers its
//! API in `handle`, says in `needs` which permissions a call takes, and moves on in
//! `advance` when the world's clock does. The world knows nothing of its clients.

mod autoscaling;
mod clock;
mod cloudwatch;
mod codedeploy;
mod conductor;
mod ecr;
mod ecs;
mod elb;
mod engine;
mod faults;
mod front;
mod github;
mod iam;
mod input;
mod serve;
mod snapshot;
pub mod spec;
mod state;
mod sts;
mod world;

pub use clock::{Clock, Time};
pub use faults::{CallFault, Fault};
pub use github::operations as github_operations;
pub use world::{Endpoints, Options, World};
