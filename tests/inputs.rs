//! The action's inputs, one by one: what is wrong with one is told in a sentence that names it, with
//! exit code 2, and nothing is written.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, Weak},
};
use support::{Done, Project, World};

/// The world of examples/hello.
fn hello() -> Arc<World> {
    static WORLD: Mutex<Weak<World>> = Mutex::new(Weak::new());
    World::shared(&WORLD, World::hello)
}

/// The action's inputs.
fn inputs() -> BTreeSet<String> {
    let action: Value = serde_yaml::from_str(&std::fs::read_to_string("action.yml").unwrap()).unwrap();
    action["inputs"].as_object().unwrap().keys().cloned().collect()
}

/// A plan as the action's step, with these inputs; the runner passes all others as empty texts.
fn plan(world: &World, given: &[(&str, &str)]) -> Done {
    let mut run = world.run(&[]).env("GITHUB_ACTIONS", "true").input("command", "plan");
    for input in inputs().iter().filter(|input| *input != "command") {
        run = run.input(input, "");
    }
    given.iter().fold(run, |run, (name, value)| run.input(name, value)).end()
}

/// Names that only AWS, GitHub or nobody can judge: any text is one.
const ANY_TEXT: [&str; 9] = [
    "allow-unknown-keys",
    "application",
    "alarms",
    "cluster",
    "deployment-config",
    "deployment-group",
    "github-token",
    "service",
    "target",
];

#[test]
fn unset_inputs_are_empty_and_not_given() {
    let world = hello();
    plan(&world, &[]).expect(0, "planned");
    plan(&world, &[("environment", "  "), ("force", "\n"), ("tags", " \n ")]).expect(0, "planned");
}

#[test]
fn an_input_that_is_wrong_is_named() {
    let world = hello();
    let before = world.written();
    let mut wrong = Vec::new();
    for name in inputs() {
        // A deployment and what to go back to are of other commands: that is what is told of them.
        if ANY_TEXT.contains(&name.as_str()) {
            continue;
        }
        let done = plan(&world, &[(&name, "¿?")]);
        if let Err(why) = is_told(&name, &done) {
            wrong.push(format!("{name}: {why}\n{}", done.ended.said()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(world.written(), before);
}

fn is_told(name: &str, done: &Done) -> Result<(), String> {
    let so = |so: bool, why: &str| if so { Ok(()) } else { Err(why.to_owned()) };
    so(done.ended.code == Some(2), "another exit code")?;
    let findings = done.told("finished")["findings"].as_array().unwrap();
    so(findings.len() == 1, "not one finding")?;
    let text = format!("{} {}", findings[0]["what"], findings[0]["fix"]);
    let named = [format!("`{name}`"), format!("The {name} `"), format!("There is no {name} `")];
    so(named.iter().any(|named| text.contains(named)), "not named")?;
    so(findings[0]["fix"] != "", "not said what to do")?;
    so(done.output("outcome") == "invalid" && done.output("exit-code") == "2", "other outputs")?;
    so(done.ended.said().contains("::error "), "no annotation")?;
    so(done.summary.contains("Invalid configuration"), "not in the summary")
}

/// As people write them in YAML; to GitHub both are texts.
#[test]
fn a_boolean_is_true_or_false() {
    let world = hello();
    let reference = std::fs::read_to_string("docs/reference.md").unwrap();
    let is_boolean = |name: &str| {
        let row = reference.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        row.is_some_and(|row| row.contains("| `true` |") || row.contains("| `false` |"))
    };
    let booleans: Vec<String> = inputs().into_iter().filter(|name| is_boolean(name)).collect();
    assert!(booleans.len() >= 10, "{booleans:?}");
    for name in &booleans {
        let done = plan(&world, &[(name, "yes")]).expect(2, "invalid");
        // Attestations may have attributes, too.
        done.says(&[&format!("The input `{name}` is "), "`yes`", "Write `true`"]);
        plan(&world, &[(name, "True")]).expect(0, "planned");
    }
}

#[test]
fn all_inputs_that_are_wrong_are_told_in_one_go() {
    let given = [("enviroment", "production"), ("force", "on"), ("log-format", "xml"), ("to", "hello:1")];
    plan(&hello(), &given).expect(2, "invalid").says(&[
        "There is no input `enviroment`.",
        "Did you mean `environment`?",
        "The input `to` is for `rollback`, and the command is `plan`.",
        "The input `force` is the text `on`",
        "The input `log-format` can't be `xml`.",
        "The configuration has 4 errors, so nothing was done.",
        "Production is untouched.",
    ]);
}

#[test]
fn contradictions_name_both_sides() {
    let world = hello();
    let contradicts = |given: &[(&str, &str)], parts: &[&str]| {
        plan(&world, given).expect(2, "invalid").says(parts);
    };
    let image = "111111111111.dkr.ecr.eu-central-1.amazonaws.com/hello:1";
    contradicts(
        &[("image", image), ("dockerfile", "Dockerfile")],
        &["The input `image` ships an image as it is, but the input `dockerfile` would build one."],
    );
    contradicts(
        &[("tag-session", "false"), ("session-tags", "team=web")],
        &["The input `session-tags` gives tags, but `tag-session: false` keeps the session without any."],
    );
    contradicts(
        &[("account", "333333333333")],
        &["The input `account` is `333333333333`", "is in another account"],
    );
    contradicts(&[("images", "app=hello:1")], &["The container `app` gets the image of this run"]);
}

/// GitHub is told of nothing then, and the run says so.
#[test]
fn a_job_without_a_token_says_so_once() {
    let world = hello();
    let run = || world.run(&["plan"]).env("GITHUB_ACTIONS", "true").without(&["GITHUB_TOKEN"]);
    let done = run().input("github-token", "").end().expect(0, "planned");
    let said = done.ended.said();
    assert_eq!(said.matches("GitHub was not told: there is no token.").count(), 1, "{said}");
    assert!(done.summary.contains("there is no token"), "{}", done.summary);
    let off = ["check-run", "commit-status", "comment", "github-deployment"];
    let done = off.iter().fold(run(), |run, name| run.input(name, "false")).end().expect(0, "planned");
    done.says_not(&["there is no token"]);
}

/// What is wrong was told, and there is nothing to finish.
#[test]
fn the_post_step_has_nothing_to_add() {
    let world = hello();
    for given in [[("force", "yes")], [("cluster", "")], [("enviroment", "x")], [("region", "nowhere")]] {
        let main = plan(&world, &given);
        let run = world.post(&main).env("GITHUB_ACTIONS", "true");
        let post = given.iter().fold(run, |run, (name, value)| run.input(name, value)).end();
        assert_eq!(post.ended.code, Some(0), "{given:?}: {}", post.ended.said());
        let said = post.ended.said();
        let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with("::add-mask::")).collect();
        assert!(lines.is_empty(), "{given:?}: {lines:?}");
    }
}

/// What a rollback goes back to has a name of its own.
#[test]
fn an_image_means_nothing_to_a_rollback() {
    let world = hello();
    let run =
        world.run(&[]).env("GITHUB_ACTIONS", "true").input("command", "rollback").input("image", "hello:1");
    let done = run.end();
    done.says(&[
        "Nothing is shipped, so the input `image` isn't looked at: `to` names what production goes back to.",
    ]);
}

/// Every field of the file, with what it can't be, stands on a line of its own; that one is told.
#[test]
fn a_value_of_another_kind_is_told_with_its_line() {
    let world = hello();
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string("docs/greenlight.schema.json").unwrap()).unwrap();
    // Neither a text, nor a number, a boolean, a list, nor a mapping of texts.
    let wrong = json!({ "a": { "b": [1] } });
    let all = |definition: &str| -> Value {
        let fields = schema["definitions"][definition]["properties"].as_object().unwrap().keys();
        fields.map(|field| (field.clone(), wrong.clone())).collect()
    };
    let mut parts: Vec<(&str, Value)> = vec![
        ("Environment", json!({ "environments": { "production": all("Environment") } })),
        ("Image", json!({ "image": all("Image") })),
        ("BuildAccount", json!({ "build-account": all("BuildAccount") })),
        ("Rehearse", json!({ "rehearse": all("Rehearse") })),
        ("Scan", json!({ "image": { "scan": all("Scan") } })),
        ("NewRepository", json!({ "image": { "create-repository": all("NewRepository") } })),
        ("OwnBuilder", json!({ "image": { "builder": all("OwnBuilder") } })),
        ("Registry", json!({ "image": { "registries": [all("Registry")] } })),
        ("OneOff", json!({ "environments": { "production": { "before": [all("OneOff")] } } })),
    ];
    for (kind, definition) in [("http", "HttpCheck"), ("run", "RunCheck"), ("load", "LoadCheck")] {
        let check = json!({ kind: all(definition) });
        parts.push((definition, json!({ "environments": { "production": { "verify": [check] } } })));
    }
    let before = world.written();
    for (definition, part) in parts {
        let text = serde_yaml::to_string(&part).unwrap();
        let project = Project::with(|files| files.write("greenlight.yml", &text));
        let done = world.run_in(project.folder(), &["plan"]).end().expect(2, "invalid");
        let findings = done.told("finished")["findings"].as_array().unwrap();
        let lines: BTreeSet<&str> = findings
            .iter()
            .filter_map(|finding| finding["place"]["line"].as_u64())
            .filter_map(|line| text.lines().nth(usize::try_from(line).unwrap() - 1))
            .map(|line| line.trim_start_matches([' ', '-']).split(':').next().unwrap())
            .collect();
        for field in schema["definitions"][definition]["properties"].as_object().unwrap().keys() {
            // What is below a mapping may be what is told.
            let below = ["a", "b"].iter().any(|below| lines.contains(below));
            let told = lines.contains(field.as_str()) || below && MAPPINGS.contains(&field.as_str());
            assert!(told, "{definition}: {field} isn't told\n{text}\n{}", done.ended.said());
        }
    }
    assert_eq!(world.written(), before);
}

/// Their keys are the user's own, or known ones: a key in them is what is wrong.
const MAPPINGS: [&str; 15] = [
    "against-blue",
    "before",
    "build-args",
    "build-contexts",
    "builder",
    "create-repository",
    "driver-opts",
    "environment",
    "headers",
    "images",
    "json",
    "labels",
    "scan",
    "secrets",
    "session-tags",
];
