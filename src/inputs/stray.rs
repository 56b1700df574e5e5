//! Inputs of the action that its command doesn't take: a name that is mistyped must not be lost
//! without a word.

use crate::{config::facts, outcome::Finding, say, surroundings::Variables};

/// Inputs that aren't options.
pub const BESIDE: [&str; 3] = ["command", "github-token", super::build::SECRETS];

/// What is wrong with such inputs of a job. An empty one isn't given.
pub fn find(cli: &clap::Command, command: &str, variables: &Variables) -> Vec<Finding> {
    if variables.get("GITHUB_ACTIONS") != Some("true") {
        return Vec::new();
    }
    let takes = |command: &clap::Command, name: &str| {
        command.get_arguments().any(|option| option.get_long() == Some(name))
    };
    let given = variables.iter().filter_map(|(name, _)| {
        variables.get(name)?;
        Some(name.strip_prefix("INPUT_")?.to_lowercase())
    });
    let stray = |name: String| {
        let takers: Vec<&str> = cli
            .get_subcommands()
            .filter(|command| takes(command, &name))
            .map(clap::Command::get_name)
            .collect();
        if takers.is_empty() {
            let options = cli.get_subcommands().flat_map(|command| command.get_arguments());
            let options = options.filter_map(clap::Arg::get_long).chain(BESIDE);
            return Some(say::inputs::unknown_input(&name, facts::nearest(&name, options)));
        }
        (!takers.contains(&command)).then(|| say::inputs::input_of_another(&name, &takers, command))
    };
    given.filter(|name| !BESIDE.contains(&name.as_str())).filter_map(stray).collect()
}
