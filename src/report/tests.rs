//! The reports of a told story.

use super::*;
use crate::{
    event::{Conclusion, Run, Stage, TaskCount},
    explain::{Evidence, Fact, Log},
    outcome::{Finding, Place, Stop, Word},
    say,
};

/// What was written, readable while the reporter holds the other end.
#[derive(Clone, Default)]
pub(super) struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    pub(super) fn text(&self) -> String {
        String::from_utf8(lock(&self.0).clone()).unwrap()
    }
}

pub(super) fn reporter(options: Options, variables: &[(&str, &str)]) -> (Reporter, Written) {
    let written = Written::default();
    let variables = Variables::of(variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
    // A world that stands still, so that no elapsed time is in the text.
    let pace = Pace { speed: 1e-9, started: tokio::time::Instant::now() };
    (Reporter::to(options, &variables, pace, written.clone()), written)
}

pub(super) fn story() -> Vec<Event> {
    let run = Run {
        command: "deploy".into(),
        service: "hello".into(),
        environment: "production".into(),
        account: "222222222222".into(),
        region: "eu-central-1".into(),
        url: Some("https://hello.example".into()),
        commit: Some("5d1c9f0a7e3b4c2d8f6a1b0c9d8e7f6a5b4c3d2e".into()),
    };
    let deployment = || "d-ABCDEF123".to_owned();
    let lifecycle = |name: &str, status: &str| Event::Lifecycle {
        deployment: deployment(),
        name: name.into(),
        status: status.into(),
    };
    let four = |running, pending| Some(TaskCount { running, desired: 4, pending });
    let mut outcome = Outcome::new(
        Word::Succeeded,
        "Deployment d-ABCDEF123 succeeded.",
        "Production is on hello:12, the new version: 100 % of the traffic, 4 tasks running.",
    );
    outcome.previous_task_definition =
        Some("arn:aws:ecs:eu-central-1:222222222222:task-definition/hello:11".into());
    vec![
        Event::Started(Arc::new(run)),
        Event::Stage { stage: Stage::Read },
        Event::Note { text: "Taking GitHub's OIDC token into the deploy role.".into() },
        Event::Stage { stage: Stage::Plan },
        Event::Planned { text: "image  build\nsteps  3\n".into(), plan: serde_json::json!({ "steps": 3 }) },
        Event::Warning { text: "A scaling policy may act\nduring the shift: 50 % of it.".into() },
        Event::Stage { stage: Stage::Image },
        Event::BuildOutput {
            line: "#1 [internal] load\r#1 ##[set-env name=A]b\n::set-output name=x::y".into(),
        },
        Event::ImageReady {
            uri: "111111111111.dkr.ecr.eu-central-1.amazonaws.com/hello".into(),
            digest: "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae".into(),
            tags: vec!["5d1c9f0".into(), "latest".into()],
            built: true,
        },
        Event::Stage { stage: Stage::TaskDefinition },
        Event::TaskDefinitionReady {
            arn: "arn:aws:ecs:eu-central-1:222222222222:task-definition/hello:12".into(),
            registered: true,
        },
        Event::Stage { stage: Stage::Deployment },
        Event::DeploymentCreated {
            id: deployment(),
            application: "hello".into(),
            group: "hello-production".into(),
            config: "CodeDeployDefault.ECSCanary10Percent5Minutes".into(),
            console_url: crate::console::deployment("eu-central-1", "d-ABCDEF123"),
            attached: false,
        },
        Event::DeploymentStatus { deployment: deployment(), status: "InProgress".into() },
        lifecycle("BeforeInstall", "Pending"),
        lifecycle("Install", "Pending"),
        lifecycle("BeforeInstall", "Succeeded"),
        lifecycle("Install", "InProgress"),
        Event::Tasks { blue: four(4, 0), green: None },
        Event::Tasks { blue: four(4, 0), green: four(1, 3) },
        Event::Tasks { blue: four(4, 0), green: four(1, 3) },
        lifecycle("Install", "Succeeded"),
        Event::Eta { remaining: Some(Duration::from_secs(434)) },
        Event::Traffic { blue: 90.0, green: 10.0 },
        Event::Waiting { what: say::deployment::SHIFTING.into(), remaining: Some(Duration::from_secs(300)) },
        Event::Waiting { what: say::deployment::SHIFTING.into(), remaining: Some(Duration::from_secs(200)) },
        Event::Alarm { name: "hello-5xx".into(), state: "OK".into(), reason: None },
        Event::Check {
            name: "GET /health".into(),
            conclusion: Conclusion::Passed,
            measured: "200 in 12 ms".into(),
            limit: "200".into(),
        },
        Event::Traffic { blue: 0.0, green: 100.0 },
        Event::DeploymentStatus { deployment: deployment(), status: "Succeeded".into() },
        Event::Stage { stage: Stage::Outcome },
        Event::Finished(Arc::new(outcome)),
    ]
}

pub(super) fn tell(reporter: &Reporter, events: impl IntoIterator<Item = Event>) {
    for event in events {
        reporter.tell(event);
    }
}

#[test]
fn a_job_log_has_groups_and_a_line_for_each_change() {
    let (reporter, written) = reporter(Options::default(), &[("GITHUB_ACTIONS", "true")]);
    tell(&reporter, story());
    insta::assert_snapshot!(written.text(), @r#"
    Deploying hello to production (account 222222222222, eu-central-1, commit 5d1c9f0)
    ::group::Reading what there is
    Taking GitHub's OIDC token into the deploy role.
    ::endgroup::
    ::group::Plan
    image  build
    steps  3
    ::warning::A scaling policy may act%0Aduring the shift: 50 %25 of it.
    ::endgroup::
    ::group::Image
    | #1 [internal] load
    | #1 ##\[set-env name=A]b
    | ::set-output name=x::y
    image      111111111111.dkr.ecr.eu-central-1.amazonaws.com/hello  built and pushed as 5d1c9f0, latest
    digest     sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    ::endgroup::
    ::group::Task definition
    revision   arn:aws:ecs:eu-central-1:222222222222:task-definition/hello:12  registered
    ::endgroup::
    ::group::Deployment
    00:00  deployment d-ABCDEF123  hello / hello-production, CodeDeployDefault.ECSCanary10Percent5Minutes
    00:00             https://eu-central-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-ABCDEF123?region=eu-central-1
    00:00  status     InProgress
    00:00  lifecycle  BeforeInstall Succeeded
    00:00  lifecycle  Install InProgress
    00:00  tasks      blue 4 of 4 running  green none
    00:00  tasks      blue 4 of 4 running  green 1 of 4 running, 3 pending
    00:00  lifecycle  Install Succeeded
    00:00  traffic    blue 90 %  green 10 %  about 7m 14s to the end
    00:00  waiting    production traffic shifts to green, 5m at most  about 7m 14s to the end
    00:00  alarm      hello-5xx OK
    00:00  check      GET /health passed  measured 200 in 12 ms, wanted 200
    00:00  traffic    blue 0 %  green 100 %  about 7m 14s to the end
    00:00  status     Succeeded
    ::endgroup::
    Deployed  succeeded (exit 0)
    Deployment d-ABCDEF123 succeeded.
    Production is on hello:12, the new version: 100 % of the traffic, 4 tasks running.
    "#);
}

#[test]
fn a_laptop_sees_no_commands() {
    let (reporter, written) = reporter(Options::default(), &[]);
    tell(&reporter, story());
    reporter.mask("hunter2hunter2");
    let text = written.text();
    let commands = text.lines().filter(|line| foreign::commands(line)).count();
    assert_eq!(commands, 0, "{text}");
    insta::assert_snapshot!(text.lines().take(12).collect::<Vec<_>>().join("\n"), @"
    Deploying hello to production (account 222222222222, eu-central-1, commit 5d1c9f0)

    Reading what there is
    Taking GitHub's OIDC token into the deploy role.

    Plan
    image  build
    steps  3
    warning: A scaling policy may act during the shift: 50 % of it.

    Image
    | #1 [internal] load
    ");
}

#[test]
fn json_lines_hold_nothing_but_objects() {
    let options = Options { format: Format::Json, ..Options::default() };
    let (reporter, written) = reporter(options, &[("GITHUB_ACTIONS", "true")]);
    reporter.mask("hunter2hunter2");
    tell(&reporter, story());
    let mut kinds = Vec::new();
    for line in written.text().lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        kinds.push(object["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(kinds.first().map(String::as_str), Some("started"));
    assert_eq!(kinds.iter().filter(|kind| *kind == "tasks").count(), 2);
    assert_eq!(kinds.last().map(String::as_str), Some("finished"));
}

#[test]
fn findings_are_annotations_with_their_place() {
    let (reporter, written) = reporter(Options::default(), &[("GITHUB_ACTIONS", "true")]);
    let stop = Stop::invalid(vec![
        Finding::new("Unknown key `a,b: 100%`.", "Did you mean `image`?").at("dir,1/greenlight.yml", Some(7)),
        Finding::new("No such file.\n::set-output name=a::b", "Add it."),
    ]);
    reporter.tell(Event::Finished(Arc::new(say::outcome::stopped(&stop))));
    insta::assert_snapshot!(written.text(), @"
    ::error file=dir%2C1/greenlight.yml,line=7,title=Invalid configuration::Unknown key `a,b: 100%25`.%0ADid you mean `image`?
    ::error title=Invalid configuration::No such file.%0A::set-output name=a::b%0AAdd it.
    Invalid configuration  invalid (exit 2)
    The configuration has 2 errors, so nothing was done.
    Production is untouched.
    Next: Mend what is listed above and run the same again.
    ");
}

#[test]
fn foreign_text_issues_no_command_wherever_it_comes_from() {
    let hostile =
        "\u{a0}::set-output name=outcome::forged\r::add-mask::a\n##[set-env name=A]b\u{85}::stop-commands::x";
    let word = || hostile.to_owned();
    let run = Run {
        service: word(),
        environment: word(),
        account: word(),
        region: word(),
        commit: Some(word()),
        ..Run::default()
    };
    let mut outcome = Outcome::new(Word::NeedsAttention, word(), word());
    outcome.next = Some(word());
    outcome.console_url = Some(word());
    outcome.findings = vec![Finding::new(word(), word()).at(word(), Some(1))];
    outcome.evidence = Evidence {
        facts: vec![Fact { about: word(), text: word() }],
        log: Some(Log { title: word(), lines: vec![word()] }),
        unseen: vec![word()],
    };
    let events = vec![
        Event::Started(Arc::new(run)),
        Event::Stage { stage: Stage::Read },
        Event::Note { text: word() },
        Event::Warning { text: word() },
        Event::Planned { text: word(), plan: word().into() },
        Event::BuildOutput { line: word() },
        Event::BuildRemark { text: word(), place: Place { file: word(), line: Some(1) } },
        Event::ImageReady { uri: word(), digest: word(), tags: vec![word()], built: true },
        Event::TaskDefinitionReady { arn: word(), registered: true },
        Event::DeploymentCreated {
            id: word(),
            application: word(),
            group: word(),
            config: word(),
            console_url: word(),
            attached: true,
        },
        Event::Lifecycle { deployment: word(), name: word(), status: word() },
        Event::DeploymentStatus { deployment: word(), status: word() },
        Event::Alarm { name: word(), state: word(), reason: Some(word()) },
        Event::Check { name: word(), conclusion: Conclusion::Failed, measured: word(), limit: word() },
        Event::Output { from: word(), line: word() },
        Event::Waiting { what: word(), remaining: None },
        Event::RollbackStarted { deployment: word(), rollback: word(), reason: Some(word()) },
        Event::Finished(Arc::new(outcome)),
    ];
    for format in [Format::Text, Format::Json] {
        let options = Options { format, ..Options::default() };
        let (reporter, written) = reporter(options, &[("GITHUB_ACTIONS", "true")]);
        tell(&reporter, events.clone());
        let text = written.text();
        assert!(text.contains("forged"));
        for line in foreign::lines(&text) {
            assert!(!line.contains("##["), "{line}");
            let ours = ["::group::", "::endgroup::", "::warning::", "::warning file=", "::error "];
            assert!(!foreign::commands(line) || ours.iter().any(|o| line.starts_with(o)), "{line}");
        }
    }
}

#[test]
fn a_masked_secret_is_told_to_the_runner_and_to_nobody_else() {
    let (reporter, written) = reporter(Options::default(), &[("GITHUB_ACTIONS", "true")]);
    reporter.mask("short");
    reporter.mask("hunter2%hunter2\nsecond-line-of-it");
    reporter.mask("hunter2%hunter2");
    reporter.tell(Event::Note { text: "short: got hunter2%hunter2 and second-line-of-it".into() });
    assert_eq!(
        written.text(),
        "::add-mask::hunter2%25hunter2\n::add-mask::second-line-of-it\nshort: got *** and ***\n"
    );
}

#[test]
fn the_runner_keeps_outputs_and_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (output, state) = (path("output"), path("state"));
    let (reporter, _) = reporter(Options::default(), &[("GITHUB_OUTPUT", &output), ("GITHUB_STATE", &state)]);
    tell(&reporter, story());
    let output = std::fs::read_to_string(output).unwrap();
    let delimiter = output.lines().find_map(|line| line.strip_prefix("image-tags<<")).unwrap();
    insta::assert_snapshot!(output.replace(delimiter, "(random)"), @"
    url=https://hello.example
    image=111111111111.dkr.ecr.eu-central-1.amazonaws.com/hello@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    image-digest=sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    image-tags<<(random)
    5d1c9f0
    latest
    (random)
    task-definition-arn=arn:aws:ecs:eu-central-1:222222222222:task-definition/hello:12
    deployment-id=d-ABCDEF123
    console-url=https://eu-central-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-ABCDEF123?region=eu-central-1
    outcome=succeeded
    exit-code=0
    previous-task-definition-arn=arn:aws:ecs:eu-central-1:222222222222:task-definition/hello:11
    ");
    let state = std::fs::read_to_string(state).unwrap();
    let ended = state.lines().find_map(|line| line.strip_prefix("ended=")).unwrap();
    assert_eq!(serde_json::from_str::<Outcome>(ended).unwrap().word, Word::Succeeded);
    insta::assert_snapshot!(state.replace(ended, "(the outcome)"), @r#"
    run={"command":"deploy","service":"hello","environment":"production","account":"222222222222","region":"eu-central-1","url":"https://hello.example","commit":"5d1c9f0a7e3b4c2d8f6a1b0c9d8e7f6a5b4c3d2e"}
    task_definition_arn=arn:aws:ecs:eu-central-1:222222222222:task-definition/hello:12
    deployment_id=d-ABCDEF123
    ended=(the outcome)
    outcome=succeeded
    "#);
}

#[test]
fn the_summary_has_it_all_at_a_glance() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("summary").to_string_lossy().into_owned();
    let (reporter, _) = reporter(Options::default(), &[("GITHUB_STEP_SUMMARY", &path)]);
    tell(&reporter, story());
    insta::assert_snapshot!(std::fs::read_to_string(path).unwrap(), @r#"
    ## ✅ Deployed: hello / production

    **Deployment d-ABCDEF123 succeeded.** Production is on hello:12, the new version: 100 % of the traffic, 4 tasks running.

    **To take it back:** `greenlight rollback --environment production`, or a workflow of yours with `command: rollback`.

    | Revision | `hello:12` |
    |:---|:---|
    | Previous revision | `hello:11` |
    | Image | `111111111111.dkr.ecr.eu-central-1.amazonaws.com/hello` |
    | Digest | `sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae` |
    | Commit | `5d1c9f0` |
    | Account | `222222222222`, `eu-central-1` |
    | URL | https://hello.example |
    | Deployment | [`d-ABCDEF123`](https://eu-central-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-ABCDEF123?region=eu-central-1) in the AWS console |

    | Check |  | Measured | Wanted |
    |:---|:---|:---|:---|
    | GET /health | ✅ passed | 200 in 12 ms | 200 |

    | Alarm | State | Reason |
    |:---|:---|:---|
    | hello-5xx | ✅ OK |  |

    | Traffic at | Blue | Green |
    |:---|:---|:---|
    | 00:00 | 90 % | 10 % |
    | 00:00 | 0 % | 100 % |

    | Lifecycle of `d-ABCDEF123` | Status | Began | Took |
    |:---|:---|:---|:---|
    | BeforeInstall | Succeeded | 00:00 | under 1s |
    | Install | Succeeded | 00:00 | under 1s |

    ### Warnings

    - A scaling policy may act during the shift: 50 % of it.

    <details><summary>Plan</summary>

    ```
    image  build
    steps  3
    ```

    </details>
    "#);
}

#[test]
fn a_failures_summary_begins_with_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("summary").to_string_lossy().into_owned();
    let (reporter, _) = reporter(Options::default(), &[("GITHUB_STEP_SUMMARY", &path)]);
    let mut outcome = Outcome::new(
        Word::RolledBack,
        "Deployment d-ABCDEF123 failed and was rolled back by d-XYZ987654.",
        "Production is on hello:11, the version from before: 100 % of the traffic, 4 tasks running.",
    );
    outcome.next = Some("Mend the cause and run `greenlight deploy` again.".into());
    outcome.took = Duration::from_secs(434);
    outcome.findings = vec![
        Finding::new("ALARM_ACTIVE: <b>@team</b> | #12", "See what `hello-5xx` watches.")
            .at("greenlight.yml", Some(3)),
    ];
    outcome.evidence = Evidence {
        facts: vec![Fact { about: "tasks".into(), text: "3 stopped alike: <exit> code_1".into() }],
        log: Some(Log { title: "the last lines of `app`".into(), lines: vec!["```".into(), "<b>".into()] }),
        unseen: vec!["`ecs:ListTasks` isn't granted.".into()],
    };
    let mut events = story();
    events.truncate(events.len() - 4);
    events.extend([
        Event::RollbackStarted {
            deployment: "d-ABCDEF123".into(),
            rollback: "d-XYZ987654".into(),
            reason: Some("ALARM_ACTIVE".into()),
        },
        Event::Finished(Arc::new(outcome)),
    ]);
    tell(&reporter, events);
    let visible = std::fs::read_to_string(path).unwrap().replace('\u{200b}', "(nothing)");
    insta::assert_snapshot!(visible, @r#"
    ## ❌ Failed and rolled back: hello / production

    > [!CAUTION]
    > `greenlight.yml:3`: **ALARM\_ACTIVE: &lt;b&gt;@(nothing)team&lt;/b&gt; \| #(nothing)12**<br>See what `hello-5xx` watches.

    **Deployment d-ABCDEF123 failed and was rolled back by d-XYZ987654.** Production is on hello:11, the version from before: 100 % of the traffic, 4 tasks running.

    **Next:** Mend the cause and run `greenlight deploy` again.

    - tasks: 3 stopped alike: &lt;exit&gt; code\_1
    - `ecs:ListTasks` isn't granted.

    Log: the last lines of `app`

    ````
    ```
    <b>
    ````

    | Revision | `hello:12` |
    |:---|:---|
    | Image | `111111111111.dkr.ecr.eu-central-1.amazonaws.com/hello` |
    | Digest | `sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae` |
    | Commit | `5d1c9f0` |
    | Account | `222222222222`, `eu-central-1` |
    | URL | https://hello.example |
    | Deployment | [`d-ABCDEF123`](https://eu-central-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-ABCDEF123?region=eu-central-1) in the AWS console |
    | Rollback | [`d-XYZ987654`](https://eu-central-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-XYZ987654?region=eu-central-1) in the AWS console |
    | Took | 7m 14s |

    | Check |  | Measured | Wanted |
    |:---|:---|:---|:---|
    | GET /health | ✅ passed | 200 in 12 ms | 200 |

    | Alarm | State | Reason |
    |:---|:---|:---|
    | hello-5xx | ✅ OK |  |

    | Traffic at | Blue | Green |
    |:---|:---|:---|
    | 00:00 | 90 % | 10 % |

    | Lifecycle of `d-ABCDEF123` | Status | Began | Took |
    |:---|:---|:---|:---|
    | BeforeInstall | Succeeded | 00:00 | under 1s |
    | Install | Succeeded | 00:00 | under 1s |

    ### Warnings

    - A scaling policy may act during the shift: 50 % of it.

    <details><summary>Plan</summary>

    ```
    image  build
    steps  3
    ```

    </details>
    "#);
}

#[test]
fn a_secret_is_in_no_summary() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("summary").to_string_lossy().into_owned();
    let (reporter, _) = reporter(Options::default(), &[("GITHUB_STEP_SUMMARY", &path)]);
    // Markdown writes it otherwise.
    reporter.mask("hunter_2_hunter");
    let outcome = Outcome::new(Word::InternalError, "got hunter_2_hunter", "Production is untouched.");
    reporter.tell(Event::Finished(Arc::new(outcome)));
    let summary = std::fs::read_to_string(path).unwrap();
    assert!(summary.contains("got \\*\\*\\*"), "{summary}");
    assert!(!summary.contains("2"), "{summary}");
}

#[test]
fn a_comment_folds_what_is_long() {
    let (reporter, _) = reporter(Options::default(), &[]);
    tell(&reporter, story());
    insta::assert_snapshot!(say::markdown::comment(&lock(&reporter.0.history), None), @r#"
    <!-- greenlight:hello:production -->
    ## ✅ Deployed: hello / production

    **Deployment d-ABCDEF123 succeeded.** Production is on hello:12, the new version: 100 % of the traffic, 4 tasks running.

    **To take it back:** `greenlight rollback --environment production`, or a workflow of yours with `command: rollback`.

    | Revision | `hello:12` |
    |:---|:---|
    | Previous revision | `hello:11` |
    | Image | `111111111111.dkr.ecr.eu-central-1.amazonaws.com/hello` |
    | Digest | `sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae` |
    | Commit | `5d1c9f0` |
    | Account | `222222222222`, `eu-central-1` |
    | URL | https://hello.example |
    | Deployment | [`d-ABCDEF123`](https://eu-central-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-ABCDEF123?region=eu-central-1) in the AWS console |

    | Check |  | Measured | Wanted |
    |:---|:---|:---|:---|
    | GET /health | ✅ passed | 200 in 12 ms | 200 |

    | Alarm | State | Reason |
    |:---|:---|:---|
    | hello-5xx | ✅ OK |  |

    <details><summary>Traffic and lifecycle</summary>

    | Traffic at | Blue | Green |
    |:---|:---|:---|
    | 00:00 | 90 % | 10 % |
    | 00:00 | 0 % | 100 % |

    | Lifecycle of `d-ABCDEF123` | Status | Began | Took |
    |:---|:---|:---|:---|
    | BeforeInstall | Succeeded | 00:00 | under 1s |
    | Install | Succeeded | 00:00 | under 1s |

    </details>

    <details><summary>Plan</summary>

    ```
    image  build
    steps  3
    ```

    </details>
    "#);
}

#[test]
fn the_panel_shows_the_deployment_at_a_glance() {
    let (reporter, _) = reporter(Options::default(), &[]);
    let mut events = story();
    events.truncate(events.len() - 4);
    tell(&reporter, events);
    let panel = say::progress::panel(&lock(&reporter.0.history), Duration::from_secs(100));
    insta::assert_snapshot!(panel.iter().map(say::Line::text).collect::<Vec<_>>().join("\n"), @"
    deployment d-ABCDEF123  InProgress  01:40  about 5m 34s to the end
    lifecycle  ✔ BeforeInstall  ✔ Install
    traffic    blue  90 % ███████████████████████████▒▒▒ green 10 %
    tasks      blue 4 of 4 running  green 1 of 4 running, 3 pending
    waiting    production traffic shifts to green  01:40
    ");
}

/// The commands that the runner would see: at the start of a line behind any space, or, in their old
/// form, anywhere in it. Lines end at LF, CR and CRLF.
fn commands(log: &str) -> Vec<String> {
    let command = |line: &str| {
        if let Some((command, _)) =
            line.trim_start().strip_prefix("::").and_then(|rest| rest.split_once("::"))
        {
            return command.split(' ').next().map(str::to_lowercase);
        }
        let (command, _) = line.split_once("##[")?.1.split_once(']')?;
        Some(format!("##[{command}]"))
    };
    log.split(['\n', '\r']).filter_map(command).collect()
}

#[test]
fn no_text_of_any_event_is_a_command() {
    let further = [
        Event::Output { from: "smoke".into(), line: "x".into() },
        Event::BuildRemark { text: "x".into(), place: Place { file: "x".into(), line: Some(1) } },
        Event::Waiting { what: "x".into(), remaining: None },
        Event::Alarm { name: "x".into(), state: "ALARM".into(), reason: Some("x".into()) },
        Event::RollbackStarted { deployment: "x".into(), rollback: "x".into(), reason: Some("x".into()) },
        Event::ProductionBack { task_definition: "x".into(), after: Duration::ZERO },
    ];
    let mut failed = Outcome::new(Word::RolledBack, "x", "x");
    failed.next = Some("x".into());
    failed.console_url = Some("x".into());
    failed.findings = vec![Finding::new("x", "x").at("x", Some(1)); 12];
    failed.evidence.facts = vec![Fact { about: "x".into(), text: "x".into() }];
    failed.evidence.unseen = vec!["x".into()];
    failed.evidence.log = Some(Log { title: "x".into(), lines: vec!["x".into(); 2] });
    let events: Vec<Event> =
        story().into_iter().chain(further).chain([Event::Finished(Arc::new(failed))]).collect();
    let told = |event: &Event, text: &str, format: Format| {
        let mut event = event.clone();
        secrets::each_text(&mut event, &mut |place| *place = text.to_owned());
        let options = Options { format, ..Options::default() };
        let (reporter, written) = reporter(options, &[("GITHUB_ACTIONS", "true")]);
        reporter.tell(event);
        written.text()
    };
    for poison in [
        "::set-output name=outcome::forged",
        "\u{a0}\u{3000}\u{2003}::add-mask::forged",
        "fine\r::save-state name=x::forged",
        "fine\n::stop-commands::forged",
        "in the middle ##[set-env name=PATH]forged",
        "\u{feff}\u{200b}::error::forged",
        "\u{1b}[2K::warning::forged",
        "#\u{200b}#[add-path]forged",
        "#",
        "::",
    ] {
        for event in &events {
            for format in [Format::Text, Format::Json] {
                let log = told(event, poison, format);
                // What is ours stays as it was.
                assert_eq!(
                    commands(&log),
                    commands(&told(event, "x", format)),
                    "{poison:?} in {event:?}: {log}"
                );
            }
        }
    }
}
