//! `greenlight.yml`: found, read, overlaid with flags and inputs, checked, typed.

pub mod check;
pub mod facts;
pub mod file;
pub mod schema;
pub mod yaml;
