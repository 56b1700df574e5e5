//! The action as its users get it: the image, run as GitHub's runner runs it. It is slow, so it is
//! one test, and it needs a Docker engine.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use support::{Image, Project, Step, World, list};

#[test]
fn a_job_is_cancelled_and_run_again() {
    let image = Image::build();
    let world = World::with_containers(Project::hello(), &["--speed", "30"]);
    let before = world.live();
    let step =
        Step::new(&image, &world, &[("environment", "production"), ("build-args", "VERSION=from-a-job")]);

    // The runner's signals go by way of Docker's command line to the container's first process.
    let container = step.main();
    container.until(|event| event["event"] == "deployment-created");
    let (ended, main, gone) = container.cancel();
    assert!(gone, "the container outlived the runner's patience: {}", ended.said());
    assert_eq!((ended.code, main.outputs["outcome"].as_str()), (Some(8), "cancelled"), "{}", ended.said());
    assert!(main.outputs.contains_key("deployment-id"), "{:?}", main.outputs);
    let post = step.post(&main);
    assert_eq!(post.code, Some(0), "{}", post.said());
    let [stopped] = &world.deployments()[..] else { panic!("{:?}", world.deployments()) };
    assert_eq!(stopped["status"], "Stopped", "{}{}", ended.said(), post.said());
    assert_eq!(world.live(), before);

    let step = step.again();
    let (ended, main) = step.main().wait();
    assert_eq!(ended.code, Some(0), "{}", ended.said());
    let deployments = world.deployments();
    let deployment = deployments.iter().find(|d| d["id"] == main.outputs["deployment-id"]);
    assert_eq!(deployment.expect("the deployment is there")["status"], "Succeeded", "{}", ended.said());
    assert_eq!(world.live(), main.outputs["task-definition-arn"]);
    assert_eq!(main.outputs["outcome"], "succeeded");
    assert_eq!(main.outputs["exit-code"], "0");
    // The image has no git: the commit is told by its files.
    let head = std::fs::read_to_string(world.project.folder().join(".git/refs/heads/main")).unwrap();
    assert!(main.outputs["image-tags"].lines().any(|tag| tag == head.trim()), "{:?}", main.outputs);
    assert!(main.summary.contains("hello"), "{}", main.summary);
    // The token came as an input, the credentials by the job's OIDC token: neither is in the surroundings.
    assert!(!list(&world.state(), "checks").is_empty(), "{}", ended.said());
    assert!(world.calls("AssumeRoleWithWebIdentity") > 0);
    let post = step.post(&main);
    assert_eq!((post.code, post.said().as_str()), (Some(0), ""));

    // A later job takes the image by its digest: it is what runs already, so nothing is done.
    let promotion =
        Step::new(&image, &world, &[("environment", "production"), ("image", &main.outputs["image"])]);
    let (ended, promoted) = promotion.main().wait();
    assert_eq!(
        (ended.code, promoted.outputs["outcome"].as_str()),
        (Some(0), "unchanged"),
        "{}",
        ended.said()
    );
    assert_eq!(world.deployments().len(), deployments.len());
}
