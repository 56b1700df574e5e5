//! The action's post step: says what a run left that couldn't tell its own end.

use crate::{
    cli::Options,
    event::Event,
    report::Reporter,
    say::post as say,
    surroundings::{Pace, Variables},
};
use std::process::ExitCode;

/// The name that makes this binary the post step: a post entry point takes no arguments.
pub const NAME: &str = "greenlight-post";

pub async fn post(options: &Options, variables: &Variables) -> ExitCode {
    // The main process wrote its outcome as the last thing that it did.
    if variables.get("STATE_outcome").is_none() {
        let report = Reporter::new(options.log_alone(), variables, Pace::of(variables));
        let text = match variables.get("STATE_deployment_id") {
            Some(deployment) => say::left(deployment),
            None => say::nothing_left(variables.get("STATE_task_definition_arn")),
        };
        report.tell(Event::Warning { text });
    }
    ExitCode::SUCCESS
}
