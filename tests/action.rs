//! The action as its users get it: the image, run as GitHub's runner runs it. It is slow, so it is
//! one test, and it needs a Docker engine.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use support::{Image, Project, Step, World, text};

#[test]
fn the_action_ships_and_hands_over_to_its_post_step() {
    let image = Image::build();
    let world = World::with_containers(Project::hello(), &["--speed", "30"]);
    let step =
        Step::new(&image, &world, &[("environment", "production"), ("build-args", "VERSION=from-a-job")]);

    let (ended, main) = step.main().wait();
    assert_eq!(ended.code, Some(0), "{}", ended.said());
    let [deployment] = &world.deployments()[..] else { panic!("{:?}", world.deployments()) };
    assert_eq!(deployment["status"], "Succeeded", "{}", ended.said());
    assert_eq!(text(deployment, "id"), main.outputs["deployment-id"]);
    assert_eq!(world.live(), main.outputs["task-definition-arn"]);
    assert_eq!(main.outputs["outcome"], "succeeded");
    assert_eq!(main.outputs["exit-code"], "0");
    // The image has no git: the commit is told by its files.
    let head = std::fs::read_to_string(world.project.folder().join(".git/refs/heads/main")).unwrap();
    assert!(main.outputs["image-tags"].lines().any(|tag| tag == head.trim()), "{:?}", main.outputs);
    assert!(main.summary.contains("hello"), "{}", main.summary);
    let state = world.state();
    assert!(!support::list(&state, "checks").is_empty(), "the token came as an input: {}", ended.said());
    // Credentials come from the job's OIDC token: the world's keys were not handed in.
    assert!(world.calls("AssumeRoleWithWebIdentity") > 0);

    let post = step.post(&main);
    assert_eq!((post.code, post.said().as_str()), (Some(0), ""));
}
