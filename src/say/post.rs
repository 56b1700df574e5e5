//! What the post step says of a run that didn't tell its own end.

use super::deployment::{look_at_console, revision};

pub fn left(deployment: &str) -> String {
    format!(
        "The run ended without an outcome; deployment {deployment} may go on by itself. {}",
        look_at_console(deployment)
    )
}

pub fn nothing_left(task_definition: Option<&str>) -> String {
    match task_definition {
        Some(arn) => format!(
            "The run ended without an outcome, before a deployment was started: production is untouched. \
             It registered {}, which the same run uses when it is repeated.",
            revision(arn)
        ),
        None => "The run ended without an outcome, before it changed anything: production is untouched."
            .to_owned(),
    }
}
