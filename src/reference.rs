//! What action.yml and docs/reference.md say of inputs, options, outputs and exit codes: made from
//! the tool's own, so that neither goes stale.
#![allow(clippy::unwrap_used)]

use crate::{
    cli::command,
    config::schema::{Kind, definition},
    inputs::{
        field::{FIELDS, Field, Section},
        stray,
    },
    outcome::Word,
    report::OUTPUTS,
};
use clap::{Arg, ArgAction};
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::PathBuf};

/// How both are written anew.
const RENEW: &str = "UPDATE=1 cargo test -p greenlight --bin greenlight reference";

/// Commands of a laptop: the action doesn't offer them, nor what only they take.
const LOCAL: [&str; 2] = ["rehearse", "simulator"];

/// Inputs that aren't options, with their defaults.
const BESIDE: [(&str, Option<&str>, &str); 3] = [
    ("command", Some("deploy"), "What to do"),
    (
        "github-token",
        Some("${{ github.token }}"),
        "The token for the check run, the commit status, the comment and the GitHub Deployment. As a \
         command it is GITHUB_TOKEN: a command line can be seen by others.",
    ),
    (
        "secrets",
        None,
        "Secrets of the build, for `RUN --mount=type=secret`. One `ID=VALUE` a line; one of several lines \
         in quotes, `\"ID=…\"`. As a command it is `secret-envs`: a command line can be seen by others.",
    ),
];

/// One option: a flag and, unless only a laptop has it, an input of the action.
struct Row {
    name: String,
    help: String,
    /// Which commands take it.
    commands: Vec<String>,
    /// Its place in greenlight.yml.
    field: Option<String>,
    default: Option<String>,
}

impl Row {
    fn of(arg: &Arg) -> Option<Row> {
        let name = arg.get_long().filter(|_| is_option(arg))?;
        let field = FIELDS.iter().find(|field| field.name == name);
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let mut help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        let told = take_default(&mut help);
        if !help.ends_with(['.', ']']) {
            help.push('.');
        }
        let words: Vec<_> = arg.get_possible_values().iter().map(|v| format!("`{}`", v.get_name())).collect();
        if let Some(at) = help.find(" [possible values: ") {
            let words = help.split_off(at);
            let words = words.trim_start_matches(" [possible values: ").trim_end_matches(']').to_owned();
            help.push_str(&one_of(words.split(", ").map(|word| format!("`{word}`")).collect()));
        } else if !words.is_empty() && !is_boolean(&words) {
            help.push_str(&one_of(words));
        }
        help.push_str(field.map_or("", form));
        let given: Vec<_> = arg.get_default_values().iter().map(|v| v.to_string_lossy()).collect();
        let default = if given.is_empty() { told } else { Some(given.join(" ")) };
        Some(Row { name: name.to_owned(), field: field.map(place), help, commands: Vec::new(), default })
    }

    /// In action.yml.
    fn input(&self) -> String {
        let default = self.default.as_ref().map(|default| format!(" Default: {default}."));
        let default = default.unwrap_or_default();
        let only = match self.commands.iter().any(|command| command == "deploy") {
            true => String::new(),
            false => format!(" Of the command {}.", self.commands.join(" and ")),
        };
        input(&self.name, &format!("{}{only}{default}", self.help), self.fixed_default())
    }

    /// An input that the file can set is empty unless given: it would win over the file.
    fn fixed_default(&self) -> Option<&str> {
        // One that only some commands take would be given to all.
        let everywhere = self.commands.len() == of_action().len();
        let default = self.default.as_deref().filter(|_| self.field.is_none() && everywhere)?;
        (!default.contains(' ')).then_some(default)
    }

    /// In the reference.
    fn line(&self) -> String {
        let code = |text: &Option<String>| text.as_ref().map(|t| format!("`{t}`")).unwrap_or_default();
        let default = match &self.default {
            Some(default) if default.contains(' ') => default.clone(),
            default => code(default),
        };
        format!(
            "| `{}` | {} | {default} | {} |\n",
            self.name,
            code(&self.field),
            self.help.replace('|', "\\|")
        )
    }
}

/// What a text says of the default, taken out of it.
fn take_default(help: &mut String) -> Option<String> {
    let (open, close) =
        [(" (default: ", ')'), (" [default: ", ']')].into_iter().find(|(open, _)| help.contains(open))?;
    let (before, rest) = help.split_once(open)?;
    let (default, after) = rest.split_once(close)?;
    let default = default.to_owned();
    *help = format!("{before}{after}");
    Some(default)
}

fn is_option(arg: &Arg) -> bool {
    !matches!(arg.get_action(), ArgAction::Help | ArgAction::Version) && !arg.is_hide_set()
}

fn is_boolean(words: &[String]) -> bool {
    words == ["`true`", "`false`"]
}

fn one_of(words: Vec<String>) -> String {
    format!(" One of {}.", words.join(", "))
}

fn place(field: &Field) -> String {
    match field.section {
        Section::Environment => format!("environments.NAME.{}", field.key),
        Section::Image => format!("image.{}", field.key),
        Section::BuildAccount => format!("build-account.{}", field.key),
        Section::Top => field.key.to_owned(),
    }
}

/// How a value is written as an input.
fn form(field: &Field) -> &'static str {
    match &field.kind {
        Kind::List(items) if matches!(Kind::of(items), Kind::Text(_)) => " One a line.",
        Kind::Map(_) if field.within == Some("env") => " One `ID=VARIABLE` a line.",
        Kind::Map(_) if field.within.is_some() => " One `ID=FILE` a line.",
        Kind::Map(_) => " One `NAME=VALUE` a line.",
        Kind::NameOr(_) => " A name, or YAML.",
        Kind::Switch { .. } => " A boolean, or YAML.",
        Kind::List(_) | Kind::Object { .. } | Kind::Choice(_) => " As YAML.",
        _ => "",
    }
}

/// The commands that people are told of, with those of the action first.
fn commands() -> Vec<clap::Command> {
    let mut cli = command();
    cli.build();
    let all = cli.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help");
    let mut all: Vec<_> = all.cloned().collect();
    all.sort_by_key(|command| LOCAL.contains(&command.get_name()));
    all
}

/// The options of these commands, each once.
fn rows<'a>(commands: impl Iterator<Item = &'a clap::Command>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for command in commands {
        for row in command.get_arguments().filter_map(Row::of) {
            let at = rows.iter().position(|known| known.name == row.name).unwrap_or_else(|| {
                rows.push(row);
                rows.len() - 1
            });
            rows[at].commands.push(command.get_name().to_owned());
        }
    }
    rows
}

fn inputs() -> Vec<Row> {
    rows(commands().iter().filter(|command| !LOCAL.contains(&command.get_name())))
}

fn of_action() -> Vec<String> {
    let commands = commands();
    let names = commands.iter().map(clap::Command::get_name).filter(|name| !LOCAL.contains(name));
    names.map(str::to_owned).collect()
}

/// `inputs:` and `outputs:` of action.yml.
fn action() -> String {
    let mut text = String::from("inputs:\n");
    for (name, default, help) in BESIDE {
        let help = match name {
            "command" => format!("{help}: {}. Default: deploy.", of_action().join(", ")),
            _ => help.to_owned(),
        };
        text.push_str(&input(name, &help, default));
    }
    text.extend(inputs().iter().map(Row::input));
    text.push_str("outputs:\n");
    for (name, help) in OUTPUTS {
        text.push_str(&format!("  {name}:\n    description: {}\n", Value::from(help)));
    }
    text
}

fn input(name: &str, help: &str, default: Option<&str>) -> String {
    let default = default.map(|default| format!("    default: {}\n", Value::from(default)));
    let help = Value::from(help.replace('`', "'"));
    format!("  {name}:\n    description: {help}\n{}", default.unwrap_or_default())
}

fn command_table() -> String {
    let mut text = String::from("| command | in the action | what it does |\n|---|---|---|\n");
    for command in commands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let action = if LOCAL.contains(&command.get_name()) { "" } else { "yes" };
        text.push_str(&format!("| `{}` | {action} | {about} |\n", command.get_name()));
    }
    text
}

fn option_tables() -> String {
    const HEAD: &str = "| option | in greenlight.yml | default | meaning |\n|---|---|---|---|\n";
    let rows = inputs();
    let mut text = String::new();
    let of_deploy = |row: &Row| row.commands.iter().any(|command| command == "deploy");
    let title = |row: &Row| match (row.field.as_deref(), of_deploy(row)) {
        (_, false) => "Of single commands",
        (None, true) => "The run",
        (Some(field), true) if field.starts_with("environments.") => "The environment",
        (Some(field), true) if field.starts_with("image.") => "The image",
        (Some(_), true) => "Build account and credentials",
    };
    let mut titles: Vec<&str> = rows.iter().map(title).collect();
    titles.dedup();
    for one in titles {
        let lines: String = rows.iter().filter(|row| title(row) == one).map(Row::line).collect();
        text.push_str(&format!("### {one}\n\n{HEAD}{lines}\n"));
    }
    for command in commands().iter().filter(|command| LOCAL.contains(&command.get_name())) {
        let lines = self::rows([command].into_iter());
        let own = lines.iter().filter(|row| rows.iter().all(|input| input.name != row.name));
        let lines: String = own.map(Row::line).collect();
        text.push_str(&format!(
            "### `{}` alone, no inputs of the action\n\n{HEAD}{lines}\n",
            command.get_name()
        ));
    }
    text.trim_end().to_owned() + "\n"
}

/// What stands below fields that hold more than a value, and what only a rehearsal reads.
fn field_tables() -> String {
    const NESTED: [(&str, &str); 11] = [
        ("Under `builder`", "OwnBuilder"),
        ("Under `create-repository`", "NewRepository"),
        ("Under `scan`", "Scan"),
        ("An entry of `registries`", "Registry"),
        ("A check of kind `http`", "HttpCheck"),
        ("A check of kind `run`", "RunCheck"),
        ("A check of kind `load`", "LoadCheck"),
        ("Under `against-blue` of `load`", "AgainstBlue"),
        ("A check of kind `task`, and an entry of `before`", "OneOff"),
        ("Under `rehearse`", "Rehearse"),
        ("Under `before` of `rehearse`", "Before"),
    ];
    let table = |(title, name): (&str, &'static str)| {
        let definition = definition(name);
        let fields = definition["properties"].as_object().unwrap().iter();
        let lines = fields.map(|(field, schema)| {
            let mut help = schema["description"].as_str().unwrap_or_default().replace('\n', " ");
            let default = take_default(&mut help);
            if let Kind::Word(words) = Kind::of(schema) {
                help.push_str(&one_of(words.iter().map(|word| format!("`{word}`")).collect()));
            }
            let needed =
                definition["required"].as_array().is_some_and(|all| all.contains(&field.as_str().into()));
            let default = if needed { "has to be given".to_owned() } else { default.unwrap_or_default() };
            format!("| `{field}` | {default} | {} |\n", help.replace('|', "\\|"))
        });
        let lines: String = lines.collect();
        format!("### {title}\n\n| field | default | meaning |\n|---|---|---|\n{lines}\n")
    };
    NESTED.map(table).concat().trim_end().to_owned() + "\n"
}

fn output_table() -> String {
    let lines = OUTPUTS.iter().map(|(name, help)| format!("| `{name}` | {help} |\n"));
    format!("| output | what it holds |\n|---|---|\n{}", lines.collect::<String>())
}

fn exit_table() -> String {
    use Word::*;
    const WORDS: [Word; 14] = [
        Succeeded,
        Unchanged,
        Planned,
        Held,
        RolledBackOnRequest,
        InternalError,
        Invalid,
        Refused,
        BuildFailed,
        RolledBack,
        NeedsAttention,
        StillRunning,
        Cancelled,
        Superseded,
    ];
    let mut text = String::from("| code | `outcome` | when | production is |\n|---|---|---|---|\n");
    for word in WORDS {
        let (when, production) = match word {
            Succeeded => ("the deployment succeeded, read back after the fact", "on the new version"),
            Unchanged => ("image and task definition are what runs already", "untouched"),
            Planned => ("`plan` has said what would happen", "untouched"),
            Held => ("green waits for approval; the commit status is pending", "on blue"),
            RolledBackOnRequest => ("`rollback` succeeded", "on the version that was asked for"),
            InternalError => ("something that should not happen", "told in the message"),
            Invalid => ("configuration or input is wrong, seen without asking anyone", "untouched"),
            Refused => ("AWS, GitHub or a check before the start said no", "untouched"),
            BuildFailed => ("build or push failed, denial included", "untouched"),
            RolledBack => ("the deployment failed", "on blue, read back"),
            NeedsAttention => ("it failed, and production isn't on blue, or is split", "told exactly"),
            StillRunning => ("the time limit is up; `status` attaches", "as told"),
            Cancelled => ("ended by a signal, after the stated policy ran", "as told"),
            Superseded => ("a newer commit was deployed, or is being deployed", "as told"),
        };
        text.push_str(&format!("| {} | `{word}` | {when} | {production} |\n", word.code()));
    }
    text
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The file with the part between its marks made anew.
fn renewed(text: &str, open: &str, close: &str, made: &str) -> String {
    let (before, rest) = text.split_once(open).unwrap_or_else(|| panic!("there is no `{open}`"));
    let (_, after) = rest.split_once(close).unwrap_or_else(|| panic!("there is no `{close}` after `{open}`"));
    format!("{before}{open}{made}{close}{after}")
}

fn check(name: &str, now: impl Fn(&str) -> String) {
    let stored = fs::read_to_string(path(name)).unwrap();
    let now = now(&stored);
    if std::env::var_os("UPDATE").is_some() {
        return fs::write(path(name), now).unwrap();
    }
    assert!(stored == now, "{name} isn't what the options say: run `{RENEW}`");
}

#[test]
fn the_action_has_the_tools_options() {
    let open = format!("# Made from the tool's own options: {RENEW}\n");
    check("action.yml", |text| renewed(text, &open, "# Made so far.\n", &action()));

    let action: Value = serde_yaml::from_str(&fs::read_to_string(path("action.yml")).unwrap()).unwrap();
    let keys = |section: &str| action[section].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let options = inputs().into_iter().map(|row| row.name);
    assert_eq!(keys("inputs"), options.chain(BESIDE.map(|(name, ..)| name.to_owned())).collect());
    assert_eq!(keys("outputs"), OUTPUTS.map(|(name, _)| name.to_owned()).into());
    for (name, said) in action["inputs"].as_object().unwrap() {
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{name}");
        assert!(said["description"].as_str().unwrap().ends_with('.'), "{name}: {said}");
        let in_file = FIELDS.iter().any(|field| field.name == *name);
        assert!(!(in_file && said.get("default").is_some()), "{name} would win over greenlight.yml");
    }
    assert_eq!(BESIDE.map(|(name, ..)| name), stray::BESIDE);
    assert_eq!(action["runs"]["post-entrypoint"], format!("/usr/local/bin/{}", crate::post::NAME));
}

#[test]
fn a_word_or_boolean_has_a_default_that_is_told() {
    for row in inputs() {
        let field = FIELDS.iter().find(|field| field.name == row.name);
        let needs = field.is_some_and(|field| matches!(field.kind, Kind::Word(_) | Kind::Boolean));
        let told = row.default.is_some() || row.help.contains("when not given");
        assert!(told || !needs, "{} says neither `(default: …)` nor what is so when not given", row.name);
    }
}

#[test]
fn the_reference_has_the_tools_options() {
    let parts = [
        ("commands", command_table()),
        ("options", option_tables()),
        ("fields", field_tables()),
        ("outputs", output_table()),
        ("exit codes", exit_table()),
    ];
    check("docs/reference.md", |text| {
        parts.iter().fold(text.to_owned(), |text, (name, made)| {
            renewed(&text, &format!("<!-- {name} -->\n"), "<!-- made so far -->\n", made)
        })
    });
}

/// Every step that uses the action, in the examples and in what people copy from the docs, has
/// inputs, commands and outputs that there are.
#[test]
fn examples_use_what_there_is() {
    let mut workflows = Vec::new();
    for entry in fs::read_dir(path("examples/workflows")).unwrap() {
        let file = entry.unwrap().path();
        workflows.push((file.display().to_string(), fs::read_to_string(file).unwrap()));
    }
    let pages = fs::read_dir(path("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|page| page.extension().is_some_and(|extension| extension == "md"));
    for page in pages.chain([path("README.md")]) {
        let page = page.display().to_string();
        let text = fs::read_to_string(&page).unwrap();
        let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
        workflows.extend(blocks.map(|block| (page.clone(), block.to_owned())));
    }
    let known: BTreeSet<_> =
        inputs().into_iter().map(|row| row.name).chain(BESIDE.map(|(name, ..)| name.to_owned())).collect();
    let mut seen = 0;
    for (file, text) in &workflows {
        let before = seen;
        let mut steps = Vec::new();
        steps_in(&serde_yaml::from_str(text).unwrap(), &mut steps);
        for step in steps {
            seen += 1;
            let with = step["with"].as_object().cloned().unwrap_or_default();
            let unknown: Vec<_> = with.keys().filter(|name| !known.contains(*name)).collect();
            assert!(unknown.is_empty(), "{file}: there is no input {unknown:?}");
            let command = with.get("command").and_then(Value::as_str).unwrap_or("deploy");
            assert!(of_action().iter().any(|known| known == command), "{file}: there is no `{command}`");
        }
        if seen == before {
            continue;
        }
        for name in text.split(".outputs.").skip(1).filter_map(|rest| rest.split([' ', '}', '\n']).next()) {
            assert!(OUTPUTS.iter().any(|(known, _)| *known == name), "{file}: there is no output `{name}`");
        }
    }
    assert!(seen >= 5, "only {seen} steps use the action");
}

fn steps_in(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Object(object) => {
            let uses = object.get("uses").and_then(Value::as_str).unwrap_or_default();
            if uses.starts_with("greenlight/greenlight@") {
                found.push(value.clone());
            }
            object.values().for_each(|value| steps_in(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| steps_in(value, found)),
        _ => {}
    }
}

/// A variable that the code names is told of, and none that it doesn't.
#[test]
fn the_reference_has_the_variables() {
    let page = fs::read_to_string(path("docs/reference.md")).unwrap();
    let (_, page) = page.split_once("## Environment variables\n").unwrap();
    let page = page.split("\n## ").next().unwrap();
    let told: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .flat_map(|names| names.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect();
    let mut used = BTreeSet::new();
    collect(&path("src"), &mut used);
    let missing: Vec<_> = used.difference(&told).collect();
    assert!(missing.is_empty(), "docs/reference.md doesn't tell of {missing:?}");
    let gone: Vec<_> =
        told.iter().filter(|name| is_ours(name)).filter(|name| !used.contains(*name)).collect();
    assert!(gone.is_empty(), "docs/reference.md tells of {gone:?}, which nothing reads");
}

fn is_ours(name: &str) -> bool {
    ["GREENLIGHT_", "BUILDX_"].iter().any(|prefix| name.starts_with(prefix))
}

/// Names in code, not in tests: what stands in a tests' file or after the tests' mark.
fn collect(folder: &std::path::Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
            continue;
        }
        if ["tests.rs", "github/stub.rs", "rehearse/shim.rs", "rehearse/job.rs", "reference.rs"]
            .iter()
            .any(|name| path.ends_with(name))
        {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let quoted = code.split('"').filter(|word| is_variable(word)).map(str::to_owned);
        found.extend(quoted);
    }
}

fn is_variable(word: &str) -> bool {
    const KINDS: [&str; 8] =
        ["ACTIONS_", "AWS_", "BUILDX_", "DOCKER_", "GITHUB_", "GREENLIGHT_", "RUNNER_", "SSL_"];
    let plain = word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    plain && !word.ends_with('_') && KINDS.iter().any(|kind| word.starts_with(kind)) || word == "NO_COLOR"
}
