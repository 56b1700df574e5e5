//! A log that can be trusted: foreign text is no command to the runner, and no secret is anywhere.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use base64::{
    Engine,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};
use support::{CANARY, Plugin, Project, World, list};

/// What others would have the runner do.
const POISON: [&str; 8] = [
    "::set-output name=outcome::poison",
    "\u{a0}\u{3000}::add-mask::poison",
    "fine\r::set-output name=outcome::poison",
    "in the middle ##[set-env name=PATH]poison",
    "::stop-commands::poison",
    "\u{feff}::save-state name=deployment_id::poison",
    "\u{1b}[2K::error::poison",
    "#\u{200b}#[add-path]poison",
];

/// What the runner would take a line for: its reader ends lines at LF, CR and CRLF; a command begins a
/// line behind any kind of space, or, in the old form, stands anywhere in it.
fn commands(log: &str) -> Vec<(String, String)> {
    let lines = log.split(['\n', '\r']);
    let command = |line: &str| -> Option<(String, String)> {
        if let Some(rest) = line.trim_start().strip_prefix("::")
            && let Some((command, data)) = rest.split_once("::")
        {
            let name = command.split(' ').next().unwrap_or_default();
            return Some((name.to_lowercase(), data.to_owned()));
        }
        let (command, data) = line.split_once("##[")?.1.split_once(']')?;
        Some((format!("##[{command}]"), data.to_owned()))
    };
    lines.filter_map(command).collect()
}

#[test]
fn foreign_text_commands_nothing() {
    let text = POISON.join("\n");
    let project = Project::with(|files| {
        files.write("poison.txt", &text);
        files.replace(
            "greenlight.yml",
            "    validate:\n",
            "    validate:\n      - run: {command: 'cat poison.txt; cat poison.txt >&2; exit 1'}\n",
        );
    });
    let world = World::of(project, &["--speed", "240"]);
    let done = world
        .run(&["deploy"])
        .env("GITHUB_HEAD_REF", POISON[3])
        .env("GITHUB_REF_NAME", POISON[0])
        .env("GITHUB_ACTOR", POISON[2])
        .env("GITHUB_WORKFLOW", POISON[1])
        .end()
        .expect(5, "rolled-back");
    let said = done.ended.said();
    assert!(said.contains("poison"), "the check's output is shown: {said}");
    assert_eq!(done.output("outcome"), "rolled-back");
    for (name, data) in commands(&said) {
        match name.as_str() {
            "group" | "endgroup" | "error" | "warning" => {}
            "add-mask" => assert!(!data.contains("poison"), "{data}"),
            _ => panic!("{name} {data}"),
        }
    }

    // As a wrong word in the configuration, as an option, and as a name that nothing has.
    for text in POISON {
        let broken = Project::with(|files| {
            let key = serde_json::to_string(text).unwrap();
            files.write("greenlight.yml", &format!("{}\n{key}: {key}\n", files.read("greenlight.yml")));
        });
        let in_file = world.run_in(broken.folder(), &["plan"]).end().expect(2, "invalid");
        let as_option = world.run(&["plan", "--environment", text]).end();
        assert_eq!(as_option.ended.code, Some(2), "{}", as_option.ended.said());
        for done in [in_file, as_option] {
            let names: BTreeSet<String> =
                commands(&done.ended.said()).into_iter().map(|(name, _)| name).collect();
            let ours = ["add-mask", "endgroup", "error", "group", "warning"];
            assert!(
                names.iter().all(|name| ours.contains(&name.as_str())),
                "{names:?}\n{}",
                done.ended.said()
            );
        }
    }
}

/// The planted word in a text, or in what a part of it is as Base64: a JWT's claims.
fn leaks(text: &str) -> bool {
    let inside = |part: &str| {
        let decoded = [BASE64_URL_SAFE_NO_PAD.decode(part), BASE64_STANDARD_NO_PAD.decode(part)];
        decoded.into_iter().flatten().any(|bytes| String::from_utf8_lossy(&bytes).contains(CANARY))
    };
    let parts = text.split(|c: char| !c.is_ascii_alphanumeric() && !"+/-_".contains(c));
    text.contains(CANARY) || parts.filter(|part| part.len() >= 16).any(inside)
}

fn files_that_leak(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            files_that_leak(&path, found);
        } else if fs::read(&path).is_ok_and(|bytes| leaks(&String::from_utf8_lossy(&bytes))) {
            found.push(path.display().to_string());
        }
    }
}

/// Command lines with the word, as anyone on the machine can see them.
fn processes_that_leak(seen: &mut BTreeSet<String>) {
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if let Ok(line) = fs::read(entry.path().join("cmdline")) {
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if leaks(&line) {
                seen.insert(line);
            }
        }
    }
}

/// Ends a watch.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_secret_is_nowhere_though_everything_is_told() {
    // Outside of all that is searched for what is left.
    let planted = tempfile::TempDir::with_prefix("greenlight-planted-").unwrap();
    fs::write(planted.path().join("secret"), format!("{CANARY}-in-a-file\n")).unwrap();
    let project = Project::with(|files| {
        let secrets = format!(
            "image:\n  secrets: {{variable: {{env: PLANTED}}, file: {{file: {}}}}}\n  builder: {{driver: docker-container}}\n",
            planted.path().join("secret").display()
        );
        files.replace("greenlight.yml", "image:\n", &secrets);
    });
    let world = World::of(project, &[]);
    // A build that tells all it is given, as a careless step would.
    let tells = format!("[ $1 = build ] && {{ env; cat {}/secret; }}", planted.path().display());
    let plugin = Plugin::new(&world, &tells);
    let left = tempfile::TempDir::with_prefix("greenlight-left-").unwrap();
    let place = |name: &str| {
        fs::create_dir_all(left.path().join(name)).unwrap();
        left.path().join(name).to_string_lossy().into_owned()
    };
    let ended = AtomicBool::new(false);
    let (done, processes) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !ended.load(Ordering::Relaxed) {
                processes_that_leak(&mut seen);
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            seen
        });
        // Also when the run ends otherwise than it should.
        let over = Over(&ended);
        let done = world
            .run(&["deploy"])
            .env("RUST_LOG", "trace")
            .env("RUNNER_DEBUG", "1")
            .env("DOCKER_CONFIG", &plugin.config())
            .env("PLANTED", &format!("{CANARY}-in-a-variable"))
            .input("secrets", &format!("input={CANARY}-in-the-input"))
            .env("HOME", &place("home"))
            .env("TMPDIR", &place("tmp"))
            .env("RUNNER_TEMP", &place("runner"))
            .end()
            .expect(0, "succeeded");
        drop(over);
        (done, watch.join().unwrap())
    });
    assert_eq!(processes, BTreeSet::new(), "on a command line");
    let said = done.ended.said();
    assert!(said.contains(" DEBUG "), "the log is at its most talkative: {said}");
    let masks: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("::add-mask::")).collect();
    assert!(masks.iter().any(|mask| leaks(mask)), "secrets are masked as they come");
    for secret in ["variable", "file", "the-input"] {
        assert!(masks.iter().any(|mask| mask.ends_with(secret)), "{secret} isn't masked: {masks:?}");
    }
    assert!(said.contains("| PLANTED=***"), "the build's output is shown: {said}");
    let leak = said.lines().filter(|line| !line.starts_with("::add-mask::")).find(|line| leaks(line));
    assert_eq!(leak, None, "in the log");
    for (what, text) in [
        ("the summary", done.summary.clone()),
        ("an output", format!("{:?}", done.outputs)),
        ("the state", format!("{:?}", done.state)),
        ("an event", serde_json::to_string(&done.events).unwrap()),
    ] {
        assert!(!leaks(&text), "in {what}: {text}");
    }
    let mut files = Vec::new();
    files_that_leak(left.path(), &mut files);
    files_that_leak(&plugin.path(""), &mut files);
    // The event's payload is the runner's.
    files_that_leak(&world.project.folder(), &mut files);
    assert_eq!(files, [""; 0], "in a file that is left");
    let state = world.state();
    for place in ["checks", "statuses", "comments", "github_deployments", "deployments", "task_definitions"] {
        for told in list(&state, place) {
            assert!(!leaks(&told.to_string()), "in {place}: {told}");
        }
    }
    for exchange in world.github() {
        assert!(!leaks(&exchange.to_string()), "told to GitHub: {exchange}");
    }
}
