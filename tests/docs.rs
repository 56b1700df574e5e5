//! What the pages say is so: links lead somewhere, configurations and commands are taken, policies
//! carry a deployment, and the sentences that are quoted are those that users read.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use support::{Project, World, greenlight, named};

struct Page {
    /// From the repository's root.
    name: PathBuf,
    text: String,
}

/// A fenced block: what its fence says, and its lines.
struct Block<'a> {
    kind: &'a str,
    text: String,
}

fn pages() -> Vec<Page> {
    let docs = fs::read_dir("docs").unwrap().map(|entry| entry.unwrap().path());
    let docs = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let mut names: Vec<PathBuf> = docs.chain(["README.md", "CONTRIBUTING.md"].map(PathBuf::from)).collect();
    names.sort();
    let page = |name: PathBuf| Page { text: fs::read_to_string(&name).unwrap(), name };
    names.into_iter().map(page).collect()
}

fn page(name: &str) -> Page {
    pages().into_iter().find(|page| page.name == Path::new(name)).unwrap()
}

impl Page {
    fn shown(&self) -> String {
        self.name.display().to_string()
    }

    fn blocks(&self) -> Vec<Block<'_>> {
        let mut blocks = Vec::new();
        let mut open: Option<Block<'_>> = None;
        for line in self.text.lines() {
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(kind)) => open = Some(Block { kind, text: String::new() }),
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(block), None) => block.text += &format!("{line}\n"),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a fence isn't closed", self.shown());
        blocks
    }

    /// Its lines outside of fenced blocks.
    fn prose(&self) -> String {
        let mut fenced = false;
        let outside = self.text.lines().filter(|line| {
            let fence = line.starts_with("```");
            fenced ^= fence;
            !fenced && !fence
        });
        outside.collect::<Vec<_>>().join("\n")
    }

    /// Texts between backticks in its prose.
    fn spans(&self) -> Vec<String> {
        let prose = self.prose();
        prose.split("\n\n").flat_map(|part| part.split('`').skip(1).step_by(2)).map(unwrapped).collect()
    }

    /// Where its links lead.
    fn links(&self) -> Vec<String> {
        let prose = self.prose();
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        targets.map(str::to_owned).collect()
    }

    /// The anchors that GitHub gives its headings.
    fn anchors(&self) -> BTreeSet<String> {
        let prose = self.prose();
        let titles =
            prose.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#'));
        let slug = |title: &str| -> String {
            let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
            title.trim().to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
        };
        titles.map(slug).collect()
    }
}

/// A text that was broken over lines.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn links_lead_somewhere() {
    let pages = pages();
    let mut seen = 0;
    for page in &pages {
        for link in page.links().iter().filter(|link| !link.starts_with("https://")) {
            seen += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.name.clone(),
                file => page.name.parent().unwrap().join(file),
            };
            let target = fs::canonicalize(&target).unwrap_or_else(|_| panic!("{}: {link}", page.shown()));
            let there = || {
                let of = pages.iter().find(|other| fs::canonicalize(&other.name).unwrap() == target);
                of.is_some_and(|other| other.anchors().contains(anchor))
            };
            assert!(anchor.is_empty() || there(), "{}: there is no heading for {link}", page.shown());
        }
    }
    assert!(seen > 40, "only {seen} links found");
}

#[test]
fn files_are_where_they_are_said_to_be() {
    const FOLDERS: [&str; 7] =
        ["docs/", "examples/", "script/", "simulator/src/", "simulator/tests/", "src/", "tests/"];
    let mut seen = 0;
    for page in pages() {
        for span in page.spans() {
            let path = span.split_whitespace().next().unwrap_or_default();
            if FOLDERS.iter().any(|folder| path.starts_with(folder)) {
                seen += 1;
                assert!(Path::new(path).exists(), "{}: there is no {path}", page.shown());
            }
        }
    }
    assert!(seen > 100, "only {seen} files found");
}

/// Outcomes with their exit codes, as tables have them.
fn outcomes(page: &Page) -> BTreeMap<String, String> {
    let mut outcomes = BTreeMap::new();
    for line in page.text.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        if let [code, words, ..] = cells[..]
            && code.parse::<u8>().is_ok()
        {
            outcomes
                .extend(words.split('`').skip(1).step_by(2).map(|word| (word.to_owned(), code.to_owned())));
        }
    }
    outcomes
}

#[test]
fn outcomes_have_one_code() {
    let all = outcomes(&page("docs/reference.md"));
    assert_eq!(all.len(), 14, "{all:?}");
    for name in ["README.md", "docs/troubleshooting.md"] {
        let told = outcomes(&page(name));
        assert!(told.len() >= 13, "{name}: {told:?}");
        assert!(told.iter().all(|(word, code)| all.get(word) == Some(code)), "{name}: {told:?}");
    }
}

#[test]
fn the_readme_leads_to_every_page() {
    let readme = page("README.md");
    let links: BTreeSet<PathBuf> =
        readme.links().iter().map(|l| l.split('#').next().unwrap().into()).collect();
    let missing: Vec<_> = pages()
        .into_iter()
        .map(|page| page.name)
        .filter(|name| name != Path::new("README.md") && !links.contains(name))
        .collect();
    assert!(missing.is_empty(), "README.md doesn't lead to {missing:?}");
}

/// Behind `--help` nothing is done, but what stands before it has to be an option with its value.
#[test]
fn commands_are_taken() {
    let mut commands: BTreeMap<String, String> = BTreeMap::new();
    for page in pages() {
        let blocks = page.blocks();
        let typed =
            blocks.iter().filter(|block| block.kind == "console").flat_map(|block| block.text.lines());
        let typed = typed.filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned);
        for command in typed.chain(page.spans()) {
            if command.starts_with("greenlight ") || command.starts_with("script/") {
                commands.insert(command, page.shown());
            }
        }
    }
    assert!(commands.len() > 20, "only {} commands found", commands.len());
    for (command, page) in commands {
        let words = command.split(" #").next().unwrap().split_whitespace();
        let mut words = words.take_while(|word| !["|", ">", "&", "&&"].contains(word));
        let program = words.next().unwrap();
        if program != "greenlight" {
            assert!(Path::new(program).is_file(), "{page}: {command}");
            continue;
        }
        let done = greenlight().args(words).arg("--help").output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{page}: {command}\n{said}");
    }
}

/// Flags in the prose, `--to`. Behind the name of another program they are that one's.
#[test]
fn flags_are_there() {
    let commands = ["deploy", "plan", "status", "approve", "rollback", "rehearse", "simulator"];
    let help: String = commands
        .iter()
        .map(|command| greenlight().args([command, "--help"]).output().unwrap().stdout)
        .map(|help| String::from_utf8_lossy(&help).into_owned())
        .collect();
    let known: BTreeSet<&str> = help
        .split(|c: char| c.is_whitespace() || "[=,".contains(c))
        .filter(|word| word.starts_with("--"))
        .collect();
    // Of BuildKit.
    const OTHERS: [&str; 1] = ["--allow-insecure-entitlement"];
    let mut seen = 0;
    for page in pages() {
        let flags =
            page.spans().into_iter().filter(|span| span.starts_with("--") && !span.starts_with("--NAME"));
        for span in flags {
            seen += 1;
            let flag = span.split([' ', '=']).next().unwrap();
            assert!(
                known.contains(flag) || OTHERS.contains(&flag),
                "{}: no command has {flag}",
                page.shown()
            );
        }
    }
    assert!(seen > 10, "only {seen} flags found");
}

/// What a configuration in the pages leaves out, because it isn't about that.
const USUAL: &str = "
service: hello
image: {repository: hello}
build-account: {role: 'arn:aws:iam::111111111111:role/greenlight-build'}
environments:
  production:
    role: arn:aws:iam::222222222222:role/greenlight-deploy
    region: eu-central-1
    cluster: prod
    application: hello
    deployment-group: hello-production
";

/// A block as a whole configuration; `None` when it is a workflow or a part of one.
fn configuration(block: &str) -> Option<Value> {
    let value: Value = serde_yaml::from_str(block).unwrap_or_else(|error| panic!("{error}:\n{block}"));
    let mut whole: Value = serde_yaml::from_str(USUAL).unwrap();
    let has = |value: &Value, keys: &[&str]| keys.iter().any(|key| value.get(key).is_some());
    match &value {
        Value::Array(items)
            if items.iter().all(|item| has(item, &["uses", "run"]) && !has(item, &["http"])) =>
        {
            // A check of kind `run` is a mapping, a step's a text.
            if items.iter().any(|item| item["uses"].is_string() || item["run"].is_string()) {
                return None;
            }
            whole["environments"]["production"]["validate"] = value;
        }
        Value::Array(items) if items.iter().all(|item| has(item, &["command"])) => {
            whole["environments"]["production"]["before"] = value;
        }
        Value::Array(_) => whole["environments"]["production"]["validate"] = value,
        value if has(value, &["jobs", "permissions", "on", "uses"]) => return None,
        value if has(value, &["service", "image", "build-account", "environments", "rehearse", "auth"]) => {
            merge(&mut whole, value);
        }
        value => merge(&mut whole["environments"]["production"], value),
    }
    Some(whole)
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// The folders, files and variables that a build names.
fn provide(image: &Value, files: &support::Files, run: &mut Command) {
    let texts = |value: &Value| -> Vec<String> {
        let all = value.as_object().map(|all| all.values().cloned().collect()).unwrap_or_default();
        let all = value.as_array().cloned().unwrap_or(all);
        all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
    };
    let text = |key: &str| image[key].as_str().map(str::to_owned);
    let further = texts(&image["build-contexts"]).into_iter().filter(|place| !place.contains("://"));
    for folder in text("context").into_iter().chain(further) {
        fs::create_dir_all(files.path(&folder)).unwrap();
    }
    if image["dockerfile"].is_null()
        && let Some(context) = text("context")
    {
        files.write(&format!("{context}/Dockerfile"), "FROM scratch\n");
    }
    let keys = texts(&image["ssh"]).into_iter().filter_map(|ssh| Some(ssh.split_once('=')?.1.to_owned()));
    for file in text("dockerfile").into_iter().chain(keys) {
        files.write(&file, "FROM scratch\n");
    }
    for secret in image["secrets"].as_object().into_iter().flat_map(|secrets| secrets.values()) {
        match (&secret["file"], &secret["env"]) {
            (Value::String(file), _) => files.write(file, "secret\n"),
            (_, Value::String(variable)) => drop(run.env(variable, "secret")),
            _ => panic!("{secret}"),
        }
    }
}

/// What comes after the configuration is refused here, for want of a token, before anyone is asked.
#[test]
fn configurations_are_taken() {
    let mut seen = 0;
    for page in pages() {
        for block in page.blocks().iter().filter(|block| block.kind == "yaml") {
            let Some(configuration) = configuration(&block.text) else { continue };
            seen += 1;
            let mut plan = greenlight();
            let project = Project::with(|files| {
                files.write("greenlight.yml", &serde_yaml::to_string(&configuration).unwrap());
                files.write("smoke.sh", "#!/bin/sh\n");
                let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
                fs::set_permissions(files.path("smoke.sh"), executable).unwrap();
                provide(&configuration["image"], files, &mut plan);
            });
            plan.args(["plan", "--auth", "oidc"]).env("GITHUB_ACTIONS", "true").current_dir(project.folder());
            let done = plan.output().unwrap();
            let said = String::from_utf8_lossy(&done.stdout);
            assert!(
                said.contains("`id-token: write` is missing"),
                "{}\n{}\n{said}",
                page.shown(),
                block.text
            );
            assert_eq!(done.status.code(), Some(3), "{said}");
        }
    }
    assert!(seen > 5, "only {seen} configurations found");
}

/// The policy that people copy.
fn policy(name: &str) -> Value {
    let path = format!("examples/iam/{name}.json");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn policies_are_shown_as_they_are() {
    let page = page("docs/permissions.md");
    let mut shown = 0;
    let mut rest = page.text.as_str();
    while let Some((before, after)) = rest.split_once("```json\n") {
        let (block, after) = after.split_once("```").unwrap();
        let name = before.rsplit("examples/iam/").next().and_then(|rest| rest.split(".json").next()).unwrap();
        let there: Value = serde_json::from_str(block).unwrap();
        assert_eq!(there, policy(name), "docs/permissions.md shows another {name}.json");
        shown += 1;
        rest = after;
    }
    assert!(shown >= 7, "only {shown} policies are shown");
    for entry in fs::read_dir("examples/iam").unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        assert!(
            page.text.contains(&format!("examples/iam/{name}")),
            "docs/permissions.md doesn't tell of {name}"
        );
    }
}

/// The configuration that the README begins with.
fn first_configuration() -> String {
    let readme = page("README.md");
    let blocks = readme.blocks();
    let first = blocks.iter().find(|block| block.kind == "yaml" && block.text.starts_with("service:"));
    first.expect("README.md has a greenlight.yml").text.clone()
}

fn with(configuration: &str) -> impl FnOnce(&support::Files) {
    let configuration = configuration.to_owned();
    move |files| {
        files.write("greenlight.yml", &configuration);
        files.remove("taskdef.json");
    }
}

/// Two accounts as the README has them: roles that may do what the copied policies say, and no more.
fn accounts(job: Value) -> Value {
    let mut world = support::document();
    world["job"] = job;
    for (account, role, trust, may) in
        [(0, "greenlight-build", "build-trust", "build"), (1, "greenlight-deploy", "deploy-trust", "deploy")]
    {
        let role = named(&mut world["accounts"][account]["roles"], role);
        role["trust"] = policy(trust);
        role["policies"] = json!([policy(may)]);
    }
    let repository = named(&mut world["accounts"][0]["repositories"], "hello");
    repository["policy"] = policy("repository");
    world
}

fn serve(document: &Value, configuration: &str) -> World {
    let project = Project::with(|files| {
        with(configuration)(files);
        files.write("world.yml", &document.to_string());
    });
    World::of_document(project, &[])
}

#[test]
fn the_first_deployment_is_one() {
    for immutable in [false, true] {
        let job = json!({ "environment": "production", "immutable-sub": immutable });
        let world = serve(&accounts(job), &first_configuration());
        world.run(&["plan"]).end().expect(0, "planned").says(&["GitHub's OIDC token"]);
        let done = world.run(&["deploy"]).end().expect(0, "succeeded");
        assert_eq!(world.live(), done.output("task-definition-arn"));
    }
}

/// Another branch's job, or one without the environment, doesn't come in.
#[test]
fn the_roles_trust_no_other_job() {
    let world = serve(&accounts(json!({ "branch": "feature" })), &first_configuration());
    world.run(&["plan"]).end().expect(3, "refused").says(&[
        "may not enter role arn:aws:iam::111111111111:role/greenlight-build",
        "The token says sub `repo:acme@1001/hello@2002:ref:refs/heads/feature` and aud `sts.amazonaws.com`",
    ]);
}

#[test]
fn one_account_is_enough() {
    let mut world = support::document();
    world["job"] = json!({ "environment": "production" });
    let repository = named(&mut world["accounts"][0]["repositories"], "hello").clone();
    let account = &mut world["accounts"][1];
    account["oidc-provider"] = json!(true);
    account["repositories"] = json!([repository]);
    let mut push: Value =
        serde_json::from_str(&policy("build").to_string().replace("111111111111", "222222222222")).unwrap();
    push["Statement"]
        .as_array_mut()
        .unwrap()
        .retain(|statement| !statement.to_string().contains("sts:AssumeRole"));
    let role = named(&mut account["roles"], "greenlight-deploy");
    role["trust"] = policy("deploy-trust-oidc");
    role["policies"] = json!([policy("deploy"), push]);

    let mut configuration: Value = serde_yaml::from_str(&first_configuration()).unwrap();
    configuration.as_object_mut().unwrap().remove("build-account");
    let world = serve(&world, &serde_yaml::to_string(&configuration).unwrap());
    world.run(&["deploy"]).end().expect(0, "succeeded");
}

#[test]
fn a_plan_needs_to_read_alone() {
    let mut document = accounts(json!({ "event": "pull_request" }));
    for (account, trust, may) in [(0, "plan-build-trust", "plan-build"), (1, "plan-trust", "plan")] {
        let role = json!({ "name": "greenlight-plan", "trust": policy(trust), "policies": [policy(may)] });
        document["accounts"][account]["roles"].as_array_mut().unwrap().push(role);
    }
    let world = serve(&document, &first_configuration());
    let roles = |command: &str| {
        let run = world.run(&[command]).input("role", "arn:aws:iam::222222222222:role/greenlight-plan");
        run.input("build-role", "arn:aws:iam::111111111111:role/greenlight-plan")
    };
    roles("plan").end().expect(0, "planned");
    let before = world.written();
    assert_ne!(roles("deploy").end().ended.code, Some(0));
    assert_eq!(world.written()["deployments"], before["deployments"]);
}

#[test]
fn the_faults_are_those_that_there_are() {
    let done = greenlight().args(["rehearse", "--no-docker", "--fault", "x"]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr) + String::from_utf8_lossy(&done.stdout);
    let (_, names) = said.split_once("There are: ").unwrap_or_else(|| panic!("{said}"));
    let there: BTreeSet<&str> = names.split(['.', '\n']).next().unwrap().split(", ").collect();
    let page = page("docs/rehearse.md");
    let (_, table) = page.text.split_once("| fault |").unwrap();
    let table = table.split("\n\n").next().unwrap();
    let told: BTreeSet<&str> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(told, there);
}

/// The sentences of the program, with `{}` where something is put in.
fn sentences() -> String {
    let mut text = String::new();
    for entry in fs::read_dir("src/say").unwrap() {
        let code = fs::read_to_string(entry.unwrap().path()).unwrap();
        let code = code.split("#[cfg(test)]\nmod tests").next().unwrap();
        // A text that is broken over lines goes on without the break.
        let parts: Vec<&str> = code.split("\\\n").collect();
        text += parts[0];
        for part in &parts[1..] {
            text += part.trim_start();
        }
    }
    text.replace("\\\"", "\"")
}

/// How much of a quoted sentence is found in the program's: of its words, those that stand in three
/// that follow one another there, too. What stands for something (backticks, `…`, figures) ends such a
/// row, and rows of one or two words tell nothing.
fn share_said(quote: &str, sentences: &str) -> Option<f64> {
    let mut rows: Vec<Vec<&str>> = vec![Vec::new()];
    for outside in quote.split('`').step_by(2) {
        for word in outside.split_whitespace() {
            match word.contains('…') || word.chars().any(|c| c.is_ascii_digit()) {
                true => rows.push(Vec::new()),
                false => rows.last_mut().unwrap().push(word),
            }
        }
        rows.push(Vec::new());
    }
    let (mut all, mut said) = (0_u32, 0_u32);
    for row in rows.iter().filter(|row| row.len() >= 3) {
        let mut found = vec![false; row.len()];
        for (at, three) in row.windows(3).enumerate() {
            let three = three.join(" ");
            if sentences.contains(three.trim_matches(|c: char| !c.is_alphanumeric())) {
                found[at..at + 3].fill(true);
            }
        }
        all += u32::try_from(row.len()).unwrap();
        said += u32::try_from(found.iter().filter(|found| **found).count()).unwrap();
    }
    (all > 0).then(|| f64::from(said) / f64::from(all))
}

#[test]
fn what_is_quoted_is_said() {
    let sentences = sentences();
    let (mut seen, mut unsaid) = (0, Vec::new());
    for name in ["docs/troubleshooting.md", "docs/permissions.md"] {
        let page = page(name);
        let prose = page.prose();
        let quoted = prose.lines().filter_map(|line| line.strip_prefix("> ")).map(str::to_owned);
        let tables = prose.split("| it says |").skip(1).filter_map(|table| table.split("\n\n").next());
        let cells = tables.flat_map(|table| table.lines().skip(2)).filter_map(|line| line.strip_prefix("| "));
        let cells = cells.filter_map(|line| line.split(" | ").next()).map(str::to_owned);
        for quote in quoted.chain(cells) {
            let Some(share) = share_said(&quote, &sentences) else { continue };
            seen += 1;
            if share < 0.5 {
                unsaid.push(format!("{name}: {share:.2} of {quote}"));
            }
        }
    }
    assert!(unsaid.is_empty(), "nothing says\n{}", unsaid.join("\n"));
    assert!(seen > 60, "only {seen} quotes found");
}
