//! The command line: the commands and their options. An action input of an option's name counts
//! as that option, unless it is given as a flag.

use crate::{
    inputs::{
        field::{FIELDS, Overrides},
        stray,
    },
    outcome::Finding,
    report, say,
    secret::Secret,
    surroundings::Variables,
};
use clap::{Arg, ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, parser::ValueSource};
use std::{collections::BTreeSet, ffi::OsString, net::SocketAddr, path::PathBuf};

/// The command when none is named.
const DEFAULT: &str = "deploy";

/// Ship a container to production on AWS, blue/green, in one step.
#[derive(Clone, Debug, Parser)]
#[command(name = "greenlight", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    deploy: Options,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Build, push, register, deploy blue/green, and follow it to its end (the default).
    Deploy(Options),
    /// Say what `deploy` would do; reads only.
    Plan(Options),
    /// Follow the deployment that runs to its end; reads only.
    Status(Options),
    /// Let a deployment go on that was held for approval, and follow it to its end.
    Approve(Approve),
    /// Take production back: stop what runs, or bring an older revision back.
    Rollback(Rollback),
    /// Run the whole deployment in a local world, with real traffic, and tell what its users saw.
    Rehearse(Rehearse),
    /// Serve that local world until stopped.
    Simulator(Simulator),
    /// Print the JSON Schema of greenlight.yml.
    #[command(hide = true)]
    Schema,
}

/// What every command takes that goes to AWS.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The configuration [default: greenlight.yml, else .github/greenlight.yml].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The environment to deploy to; the only one when there is one.
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// Ship this image as it is and build nothing.
    #[arg(long, value_name = "URI")]
    pub image: Option<String>,
    /// Register and deploy even when nothing changed.
    #[arg(long, value_name = "BOOLEAN", num_args = 0..=1, require_equals = true,
          default_value = "false", default_missing_value = "true", value_parser = boolean, action = ArgAction::Set)]
    pub force: bool,
    /// How the log is written.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: report::Format,
    /// Whether the commit gets a check run.
    #[arg(long, value_name = "BOOLEAN", default_value = "true", value_parser = boolean, action = ArgAction::Set,
          help_heading = "GitHub")]
    pub check_run: bool,
    /// Whether the commit gets a status.
    #[arg(long, value_name = "BOOLEAN", default_value = "true", value_parser = boolean, action = ArgAction::Set,
          help_heading = "GitHub")]
    pub commit_status: bool,
    /// Whether the pull request gets a comment.
    #[arg(long, value_name = "BOOLEAN", default_value = "true", value_parser = boolean, action = ArgAction::Set,
          help_heading = "GitHub")]
    pub comment: bool,
    /// Whether GitHub gets a deployment.
    #[arg(long, value_name = "BOOLEAN", default_value = "true", value_parser = boolean, action = ArgAction::Set,
          help_heading = "GitHub")]
    pub github_deployment: bool,
    #[command(flatten)]
    pub overrides: Overrides,
    /// All arguments of the command, those from inputs among them.
    #[arg(skip)]
    pub arguments: Vec<String>,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Approve {
    /// The deployment that is meant; needed for one that isn't this repository's.
    #[arg(long, value_name = "ID")]
    pub deployment: Option<String>,
    #[command(flatten)]
    pub options: Options,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Rollback {
    /// What to go back to: a revision (`hello:7` or its ARN), an image's digest or tag, a commit, a deployment
    /// [default: what ran before the running deployment, else the last verified revision before the live one].
    #[arg(long, value_name = "WHAT")]
    pub to: Option<String>,
    #[command(flatten)]
    pub options: Options,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Rehearse {
    #[command(flatten)]
    pub options: Options,
    #[command(flatten)]
    pub pace: Pace,
    /// Where the report is written, as JSON.
    #[arg(long, value_name = "FILE", default_value = "rehearsal.json")]
    pub report: PathBuf,
    /// The arguments of the rehearsed job: all but the rehearsal's own.
    #[arg(skip)]
    pub job: Vec<OsString>,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Simulator {
    /// The configuration whose world is served [default: greenlight.yml, else .github/greenlight.yml].
    #[arg(long, value_name = "FILE", conflicts_with = "world")]
    pub config: Option<PathBuf>,
    /// The environment whose world is served; the only one when there is one.
    #[arg(long, value_name = "NAME", conflicts_with = "world")]
    pub environment: Option<String>,
    /// A world of its own, as a document.
    #[arg(long, value_name = "FILE")]
    pub world: Option<PathBuf>,
    /// Where the world's API is served.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    #[command(flatten)]
    pub pace: Pace,
}

/// How a local world runs.
#[derive(Clone, Debug, clap::Args)]
pub struct Pace {
    /// How much faster than AWS the world's waits run.
    #[arg(long, value_name = "N", default_value = "15", value_parser = speed)]
    pub speed: f64,
    /// Something that goes wrong in the world, by name, or trouble with single calls, such as
    /// `codedeploy:CreateDeployment=reset-after@1`; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub fault: Vec<String>,
    /// Use stand-ins in the process instead of containers.
    #[arg(long, value_name = "BOOLEAN", num_args = 0..=1, require_equals = true,
          default_value = "false", default_missing_value = "true", value_parser = boolean, action = ArgAction::Set)]
    pub no_docker: bool,
}

/// Why the command line can't be read.
#[derive(Debug)]
pub enum Unread {
    /// Whoever typed it reads how it is used; or has asked for it.
    Usage(clap::Error),
    /// The action's inputs are at fault.
    Inputs(Vec<Finding>),
}

impl From<clap::Error> for Unread {
    fn from(error: clap::Error) -> Unread {
        Unread::Usage(error)
    }
}

impl Cli {
    /// Parses the arguments, the program's name first, and fills in the action's inputs.
    pub fn read(mut args: Vec<OsString>, variables: &Variables) -> Result<Command, Unread> {
        if args.len() <= 1
            && let Some(name) = input(variables, "command")
        {
            if command().find_subcommand(name).is_none() {
                return Err(Unread::Inputs(vec![no_command(name)]));
            }
            args.push(name.into());
        }
        let given = command().try_get_matches_from(&args)?;
        let named = given.subcommand_name().unwrap_or(DEFAULT);
        let mut findings = stray::find(&command(), named, variables);
        let from_inputs = inputs_not_given(&given, variables);
        findings.extend(from_inputs.iter().filter_map(|(name, value)| not_taken(named, name, value)));
        if !findings.is_empty() {
            return Err(Unread::Inputs(findings));
        }
        for (name, value) in &from_inputs {
            args.push(format!("--{name}={value}").into());
        }
        let cli = Cli::from_arg_matches(&command().try_get_matches_from(&args)?)?;
        let mut command = cli.command.unwrap_or(Command::Deploy(cli.deploy));
        if let Some(options) = command.options_mut() {
            options.overrides.inputs = from_inputs.into_iter().map(|(name, _)| name).collect::<BTreeSet<_>>();
            options.arguments = args.iter().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
        }
        if let Command::Rehearse(rehearse) = &mut command {
            rehearse.job = of_job(args);
        }
        Ok(command)
    }
}

impl Simulator {
    /// What the world is described from.
    pub fn options(&self) -> Options {
        Options { config: self.config.clone(), environment: self.environment.clone(), ..Options::usual() }
    }
}

/// The command line. What only shipping asks for isn't in the help of those that ship nothing: an
/// action's inputs may give it all the same.
pub fn command() -> clap::Command {
    let ships = |arg: &Arg| {
        ["image", "force"].contains(&arg.get_id().as_str()) || arg.get_help_heading() == Some("Image")
    };
    ["status", "approve", "rollback"].into_iter().fold(Cli::command(), |command, name| {
        command.mut_subcommand(name, |subcommand| {
            subcommand.mut_args(|arg| if ships(&arg) { arg.hide(true) } else { arg })
        })
    })
}

/// The arguments of a rehearsal without its name and what only it takes.
fn of_job(args: Vec<OsString>) -> Vec<OsString> {
    const WITH_VALUE: [&str; 3] = ["--speed", "--fault", "--report"];
    let mut job = Vec::new();
    let mut args = args.into_iter().skip(1).filter(|arg| arg != "rehearse");
    while let Some(arg) = args.next() {
        let text = arg.to_string_lossy();
        let (name, value) = text.split_once('=').map_or((&*text, None), |(name, value)| (name, Some(value)));
        if WITH_VALUE.contains(&name) {
            if value.is_none() {
                args.next();
            }
        } else if name != "--no-docker" {
            drop(text);
            job.push(arg);
        }
    }
    job
}

impl Options {
    /// None is given.
    pub fn usual() -> Options {
        let command = Options::augment_args(clap::Command::new("options"));
        let none = command.get_matches_from(["options"]);
        Options::from_arg_matches(&none).unwrap_or_else(|error| error.exit())
    }

    /// Nothing but the log.
    pub fn log_alone(&self) -> report::Options {
        report::Options { format: self.log_format, ..report::Options::default() }
    }

    /// The token is no option: a command line can be seen by others.
    pub fn report(&self, variables: &Variables) -> report::Options {
        let token = input(variables, "github-token").or_else(|| variables.get("GITHUB_TOKEN"));
        report::Options {
            format: self.log_format,
            github: report::GitHub {
                token: token.map(Secret::new),
                expected: self.check_run || self.commit_status || self.comment || self.github_deployment,
                check: self.check_run,
                status: self.commit_status,
                comment: self.comment,
                deployment: self.github_deployment,
                ..report::GitHub::default()
            },
        }
    }
}

impl Command {
    /// What it goes to AWS with, if it does.
    pub fn into_options(mut self) -> Option<Options> {
        self.options_mut().cloned()
    }

    fn options_mut(&mut self) -> Option<&mut Options> {
        match self {
            Command::Deploy(options) | Command::Plan(options) | Command::Status(options) => Some(options),
            Command::Approve(approve) => Some(&mut approve.options),
            Command::Rollback(rollback) => Some(&mut rollback.options),
            Command::Rehearse(rehearse) => Some(&mut rehearse.options),
            Command::Simulator(_) | Command::Schema => None,
        }
    }
}

/// The action's inputs that stand for options of the chosen command and aren't given as flags.
fn inputs_not_given(given: &clap::ArgMatches, variables: &Variables) -> Vec<(String, String)> {
    let command = command();
    let (command, given) = match given.subcommand() {
        Some((name, given)) => (command.find_subcommand(name).cloned().unwrap_or(command), given),
        None => (command, given),
    };
    let flag = |arg: &Arg| given.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    let options = command
        .get_arguments()
        .filter(|arg| !matches!(arg.get_action(), ArgAction::Help | ArgAction::Version));
    options
        .filter(|arg| !flag(arg))
        .filter_map(|arg| Some((arg.get_long()?, input(variables, arg.get_long()?)?)))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn no_command(name: &str) -> Finding {
    let command = command();
    let known = command.get_subcommands().filter(|known| !known.is_hide_set()).map(clap::Command::get_name);
    say::inputs::no_command(name, &known.filter(|known| *known != "help").collect::<Vec<_>>())
}

/// What is wrong with an input that isn't a field of the file: those are checked with the file.
fn not_taken(named: &str, name: &str, value: &str) -> Option<Finding> {
    if FIELDS.iter().any(|field| field.name == name) {
        return None;
    }
    let alone = ["greenlight".to_owned(), named.to_owned(), format!("--{name}={value}")];
    let error = command().try_get_matches_from(alone).err()?;
    let command = command();
    let arg = command.find_subcommand(named)?.get_arguments().find(|arg| arg.get_long() == Some(name))?;
    let words = arg.get_possible_values();
    let words: Vec<&str> = words.iter().map(clap::builder::PossibleValue::get_name).collect();
    let is_boolean = arg.get_default_values().iter().any(|value| value == "true" || value == "false");
    Some(match (is_boolean, words.as_slice()) {
        (true, _) => say::inputs::no_boolean(name, value),
        (false, []) => say::inputs::not_taken(name, value, &error),
        (false, words) => say::inputs::no_such_word(name, value, words),
    })
}

/// An action's input: its name upper-cased, dashes kept; an empty one isn't given.
fn input<'a>(variables: &'a Variables, name: &str) -> Option<&'a str> {
    variables.get(&format!("INPUT_{}", name.to_uppercase())).map(str::trim)
}

/// The words that the Actions toolkit takes, and no others.
pub fn boolean(text: &str) -> Result<bool, &'static str> {
    match text {
        "true" | "True" | "TRUE" => Ok(true),
        "false" | "False" | "FALSE" => Ok(false),
        _ => Err(crate::say::inputs::NOT_A_BOOLEAN),
    }
}

fn speed(text: &str) -> Result<f64, &'static str> {
    let speed = text.parse().ok().filter(|speed: &f64| speed.is_finite() && *speed > 0.0);
    speed.ok_or(crate::say::inputs::NOT_A_SPEED)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(args: &[&str], inputs: &[(&str, &str)]) -> Result<Command, String> {
        let args = ["greenlight"].iter().chain(args).map(OsString::from).collect();
        let variables = inputs.iter().map(|(name, value)| (format!("INPUT_{name}"), (*value).to_owned()));
        Cli::read(args, &Variables::of(variables)).map_err(told)
    }

    fn told(unread: Unread) -> String {
        match unread {
            Unread::Usage(error) => error.to_string(),
            Unread::Inputs(findings) => {
                findings.iter().map(|finding| format!("{} {}\n", finding.what, finding.fix)).collect()
            }
        }
    }

    fn deploy(args: &[&str], inputs: &[(&str, &str)]) -> Options {
        match read(args, inputs).unwrap() {
            Command::Deploy(options) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn deploy_is_the_default() {
        assert_eq!(deploy(&["--image", "x"], &[]).image.as_deref(), Some("x"));
        assert_eq!(deploy(&["deploy", "--image", "x"], &[]).image.as_deref(), Some("x"));
        assert!(matches!(read(&[], &[("COMMAND", "plan")]), Ok(Command::Plan(_))));
        assert!(matches!(read(&["plan"], &[("COMMAND", "deploy")]), Ok(Command::Plan(_))));
    }

    #[test]
    fn a_flag_wins_over_an_input_and_an_empty_input_is_none() {
        let inputs = [
            ("IMAGE", " from-input "),
            ("ENVIRONMENT", ""),
            ("FORCE", "True"),
            ("TASK-DEFINITION", "td.json"),
        ];
        let options = deploy(&[], &inputs);
        assert_eq!(options.image.as_deref(), Some("from-input"));
        assert_eq!(options.environment, None);
        assert!(options.force);
        assert_eq!(options.overrides.given["task-definition"], ["td.json"]);
        assert!(options.overrides.inputs.contains("task-definition"));
        let options = deploy(&["--image=from-flag", "--force=false", "--task-definition", "x"], &inputs);
        assert_eq!(options.image.as_deref(), Some("from-flag"));
        assert!(!options.force);
        assert_eq!(options.overrides.given["task-definition"], ["x"]);
        assert!(!options.overrides.inputs.contains("task-definition"));
    }

    #[test]
    fn only_the_toolkits_booleans_are_booleans() {
        assert!(deploy(&["--force"], &[]).force);
        assert!(read(&["--force=yes"], &[]).unwrap_err().contains("--force"));
        insta::assert_snapshot!(
            read(&[], &[("FORCE", "yes"), ("COMMENT", "off"), ("LOG-FORMAT", "xml")]).unwrap_err(),
            @r"
        The input `force` is the text `yes`, where a boolean is expected. Write `true` or `false`.
        The input `log-format` can't be `xml`. Take one of `text` and `json`.
        The input `comment` is the text `off`, where a boolean is expected. Write `true` or `false`.
        "
        );
    }

    #[test]
    fn a_dash_at_the_start_of_an_input_is_its_value() {
        assert_eq!(deploy(&[], &[("IMAGE", "--force")]).image.as_deref(), Some("--force"));
    }

    #[test]
    fn an_input_that_the_command_does_not_take_is_refused() {
        let refused = |inputs: &[(&str, &str)]| {
            let inputs = inputs.iter().map(|(name, value)| (format!("INPUT_{name}"), (*value).to_owned()));
            let job = Variables::of(inputs).with([("GITHUB_ACTIONS".to_owned(), "true".to_owned())]);
            Cli::read(vec!["greenlight".into()], &job).map_err(told)
        };
        assert!(refused(&[("ENVIRONMENT", "x"), ("GITHUB-TOKEN", "x"), ("SPEED", " ")]).is_ok());
        let error = refused(&[("ENVIROMENT", "x")]).unwrap_err();
        assert!(error.contains("no input `enviroment`") && error.contains("`environment`"), "{error}");
        let error = refused(&[("COMMAND", "shipit")]).unwrap_err();
        assert!(error.contains("The input `command` is `shipit`") && error.contains("`rollback`"), "{error}");
        let error = refused(&[("BUILD_ARGS", "A=1")]).unwrap_err();
        assert!(error.contains("Did you mean `build-args`?"), "{error}");
        let error = refused(&[("SPEED", "2")]).unwrap_err();
        assert!(error.contains("`speed` is for `rehearse` and `simulator`"), "{error}");
    }

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }
}
