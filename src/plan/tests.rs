#![allow(clippy::unwrap_used)]

use super::{ImageStep, Plan};
use crate::{
    current::{Active, Balancer, Current, Facts, Group, Listener, Scaling, Service, TaskSetNow, Traffic},
    deployment::Shape,
    documents::Documents,
    image::{Candidate, platform::Platform},
    marker::Marker,
    outcome::{Finding, Stop, Word},
    plan::RollbackEvents,
    request::{
        Ask, Auth, Build, Check, Concurrency, Environment, Hold, HttpCheck, ImageRequest, Request,
        TaskDefinitionSource, Until,
    },
    task_definition::{Document, FromFile, Revision},
    watch::AlarmNow,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const BLUE: &str = "arn:aws:elasticloadbalancing:eu-central-1:222222222222:targetgroup/blue/1";
const GREEN: &str = "arn:aws:elasticloadbalancing:eu-central-1:222222222222:targetgroup/green/2";
const REPOSITORY: &str = "111111111111.dkr.ecr.eu-central-1.amazonaws.com/hello";

fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

fn check() -> Check {
    Check::Http(HttpCheck {
        ask: Ask {
            path: "/version".into(),
            method: "GET".into(),
            timeout: Duration::from_secs(5),
            ..Ask::default()
        },
        status: 200,
        contains: None,
        json: BTreeMap::new(),
        latency: None,
        within: minutes(1),
    })
}

fn request() -> Request {
    Request {
        service: "hello".into(),
        environment: Environment {
            name: "production".into(),
            account: None,
            role: None,
            region: "eu-central-1".into(),
            cluster: "prod".into(),
            service: "hello".into(),
            container: Some("app".into()),
            container_port: None,
            images: BTreeMap::new(),
            task_definition: TaskDefinitionSource::Live,
            allow_unknown_keys: Vec::new(),
            application: Some("hello".into()),
            deployment_group: Some("hello-production".into()),
            deployment_config: Some("CodeDeployDefault.ECSCanary10Percent5Minutes".into()),
            appspec: None,
            url: None,
            test_url: None,
            time_limit: None,
            until: Until::Terminated,
            on_cancel: None,
            concurrency: Concurrency::Wait,
            allow_older: false,
            hold: Hold::None,
            alarms: vec!["hello-5xx".into()],
            allow_missing_data: true,
            fail_fast: 3,
            before: Vec::new(),
            validate: vec![check()],
            verify: Vec::new(),
        },
        build_account: None,
        image: ImageRequest::Build(Box::new(Build {
            context: ".".into(),
            repository: "hello".into(),
            ..Build::default()
        })),
        scan: None,
        auth: Auth::Auto,
        force: false,
        configuration_hash: "5f3a9c0d11223344".into(),
    }
}

fn document(image: &str) -> Document {
    let value = json!({
        "family": "hello", "networkMode": "awsvpc", "cpu": "256", "memory": "512",
        "containerDefinitions": [{"name": "app", "image": image, "portMappings": [{"containerPort": 8080}]}],
    });
    match value {
        Value::Object(map) => Document(map),
        _ => Document::default(),
    }
}

fn revision(number: u32, image: &str) -> Revision {
    Revision {
        arn: format!("arn:aws:ecs:eu-central-1:222222222222:task-definition/hello:{number}"),
        document: document(image),
        tags: BTreeMap::from([("team".to_owned(), "web".to_owned())]),
        inactive: false,
    }
}

fn marker() -> Marker {
    Marker {
        repository: "acme/hello".into(),
        commit: Some(COMMIT.into()),
        dirty: false,
        environment: "production".into(),
        configuration: "5f3a9c0d11223344".into(),
        run: "4242.1".into(),
    }
}

fn marked(mut revision: Revision) -> Revision {
    revision.tags.extend(marker().tags());
    revision
}

fn listener(arn: &str, port: u16) -> Listener {
    Listener {
        arn: arn.into(),
        protocol: "HTTP".into(),
        port,
        host: Some("hello.example".into()),
        forwards: BTreeMap::from([(BLUE.to_owned(), 100), (GREEN.to_owned(), 0)]),
        host_header: None,
    }
}

fn build_step() -> ImageStep {
    ImageStep::Build {
        create: None,
        logins: Vec::new(),
        build: Box::new(Build { context: ".".into(), repository: "hello".into(), ..Build::default() }),
        repository_uri: REPOSITORY.into(),
        tags: vec![COMMIT.into()],
        labels: BTreeMap::new(),
        immutable: true,
    }
}

fn current() -> Current {
    Current {
        facts: Facts { command: "deploy".into(), marker: marker() },
        account: "222222222222".into(),
        region: "eu-central-1".into(),
        service: Some(Service {
            name: "hello".into(),
            cluster: "prod".into(),
            controller: "CODE_DEPLOY".into(),
            desired_count: 2,
            launch_type: Some("FARGATE".into()),
            platform_version: Some("1.4.0".into()),
            network: Some(json!({"AwsvpcConfiguration": {"Subnets": ["s-1"], "SecurityGroups": ["sg-1"]}})),
            balancers: vec![Balancer {
                container: "app".into(),
                port: 8080,
                target_group: Some(BLUE.into()),
            }],
            task_sets: vec![TaskSetNow {
                status: "PRIMARY".into(),
                task_definition: "hello:7".into(),
                deployment: None,
                target_group: Some(BLUE.into()),
            }],
            ..Service::default()
        }),
        live: Some(revision(7, &format!("{REPOSITORY}@sha256:old"))),
        group: Some(Group {
            application: "hello".into(),
            name: "hello-production".into(),
            platform: "ECS".into(),
            services: vec![("prod".into(), "hello".into())],
            config: Some("CodeDeployDefault.ECSAllAtOnce".into()),
            ready_wait: Some(minutes(5)),
            termination_wait: minutes(1),
            rollback: RollbackEvents { on_failure: true, on_alarm: true, on_request: true },
            alarms: vec!["hello-5xx".into()],
            production_listeners: vec!["production".into()],
            test_listeners: vec!["test".into()],
            target_groups: vec!["blue".into(), "green".into()],
            last: None,
        }),
        config: Some((
            "CodeDeployDefault.ECSCanary10Percent5Minutes".into(),
            Shape::Canary { percent: 10.0, interval: minutes(5) },
        )),
        traffic: Traffic {
            production: vec![listener("production", 80)],
            test: vec![listener("test", 9001)],
            seen: true,
        },
        alarms: vec![AlarmNow { name: "hello-5xx".into(), state: "OK".into(), ..AlarmNow::default() }],
        image: Some(Candidate { step: build_step(), platforms: None, notes: Vec::new() }),
        ..Current::default()
    }
}

fn service(current: &mut Current) -> &mut Service {
    current.service.as_mut().unwrap()
}

fn group(current: &mut Current) -> &mut Group {
    current.group.as_mut().unwrap()
}

/// What stands against the plan after a change of what there is.
fn refused(change: impl FnOnce(&mut Request, &mut Current)) -> String {
    let (mut request, mut current) = (request(), current());
    change(&mut request, &mut current);
    let stop = Plan::of(&request, current).unwrap_err();
    assert_eq!(stop.word, Word::Refused);
    stop.findings.iter().map(|f| format!("{}\n-> {}", f.what, f.fix)).collect::<Vec<_>>().join("\n")
}

fn planned(change: impl FnOnce(&mut Request, &mut Current)) -> Plan {
    let (mut request, mut current) = (request(), current());
    change(&mut request, &mut current);
    Plan::of(&request, current).unwrap()
}

#[test]
fn a_plan_for_people() {
    insta::assert_snapshot!(planned(|_, _| {}), @r#"
    hello → production (account 222222222222, eu-central-1)

    Image
      build . for linux/amd64, push to 111111111111.dkr.ecr.eu-central-1.amazonaws.com/hello as 0123456789abcdef0123456789abcdef01234567

    Task definition
      a new revision of hello, against hello:7, which runs now:
        - containerDefinitions[app].image: "111111111111.dkr.ecr.eu-central-1.amazonaws.com/hello@sha256:old"
        + containerDefinitions[app].image: "111111111111.dkr.ecr.eu-central-1.amazonaws.com/hello@(digest of this build)"

    Deployment
      CodeDeploy hello / hello-production to prod/hello, CodeDeployDefault.ECSCanary10Percent5Minutes (as the configuration names it)
      1. start green with 2 tasks, wait until it is healthy, give up when 3 tasks fail alike
      2. send test traffic to green at http://hello.example:9001
      3. see that green answers GET /version with status 200, tried for 1m
      4. shift 10% of production traffic at http://hello.example, and the rest after 5m
      5. watch `hello-5xx`
      6. keep blue for 1m, then end it
      production goes back to blue by itself on failure, on an alarm and on request

    Time
      likely 8m 35s: 2m 35s until green is healthy, 5m for the shift and 1m of termination wait
      this run gives up watching after 1h 21m
    "#);
}

#[test]
fn a_plan_with_all_that_can_be_said() {
    let plan = planned(|request, current| {
        request.environment.until = Until::TrafficShifted;
        request.environment.validate.clear();
        current.config = Some(("Linear".into(), Shape::Linear { percent: 10.0, interval: minutes(1) }));
        group(current).rollback = RollbackEvents { on_failure: true, on_alarm: false, on_request: false };
        service(current).desired_count = 0;
        current.alarms[0].state = "INSUFFICIENT_DATA".into();
        current.scaling =
            vec![Scaling { policy: "cpu".into(), kind: "TargetTrackingScaling".into(), min: 2, max: 10 }];
        current.active =
            vec![Active { id: "d-OTHER1234".into(), status: "InProgress".into(), ..Active::default() }];
        current.facts.marker.dirty = true;
        current.notes = vec!["`x` isn't granted: y is not known.".into()];
    });
    insta::assert_snapshot!(plan, @r#"
    hello → production (account 222222222222, eu-central-1)

    Image
      build . for linux/amd64, push to 111111111111.dkr.ecr.eu-central-1.amazonaws.com/hello as 0123456789abcdef0123456789abcdef01234567

    Task definition
      a new revision of hello, against hello:7, which runs now:
        - containerDefinitions[app].image: "111111111111.dkr.ecr.eu-central-1.amazonaws.com/hello@sha256:old"
        + containerDefinitions[app].image: "111111111111.dkr.ecr.eu-central-1.amazonaws.com/hello@(digest of this build)"

    Deployment
      CodeDeploy hello / hello-production to prod/hello, Linear (as the configuration names it)
      waits behind d-OTHER1234, which is active
      1. start green with 0 tasks, wait until it is healthy, give up when 3 tasks fail alike
      2. send test traffic to green at http://hello.example:9001
      3. shift 10% of production traffic at http://hello.example every 1m
      4. watch `hello-5xx`
      5. end here, while blue stands by for another 1m
      production goes back to blue by itself on failure

    Time
      likely 11m 30s: 2m 30s until green is healthy and 9m for the shift
      this run gives up watching after 1h 24m

    Warnings
      Alarm `hello-5xx` has no data: it can't tell a bad release until it has.
      Scaling policy `cpu` (2 to 10 tasks) may act during the shift; CodeDeploy fails a deployment whose service doesn't come to rest within 5 minutes.
      Deployment group `hello-production` doesn't roll back by itself on an alarm and on request: production may be left on green, or split.
      Service `hello` wants 0 tasks: green will be started with none, and nothing will be tested.
      The work tree has changes that no commit has: the image is marked so, and no later run will attach to this one.

    Done without
      `x` isn't granted: y is not known.
    "#);
}

#[test]
fn a_plan_for_programs() {
    let plan = planned(|_, _| {}).json();
    assert_eq!(plan["image"]["step"], "build");
    assert_eq!(
        plan["deployment"]["shape"],
        json!({"kind": "canary", "percent": 10.0, "interval-seconds": 300})
    );
    assert_eq!(plan["deployment"]["test-url"], "http://hello.example:9001");
    assert_eq!(plan["budget-seconds"]["limit"], (60 + 10 + 5 + 5 + 1) * 60);
    assert_eq!(plan["task-definition"]["changes"].as_array().unwrap().len(), 2);
}

#[test]
fn the_appspec_keeps_the_service_as_it_is() {
    let plan = planned(|_, _| {});
    assert_eq!(plan.deployment.appspec.target(), Some(("app", 8080)));
    let properties = &plan.deployment.appspec.document["Resources"][0]["TargetService"]["Properties"];
    assert_eq!(properties["PlatformVersion"], "1.4.0");
    assert_eq!(properties["NetworkConfiguration"]["AwsvpcConfiguration"]["Subnets"], json!(["s-1"]));
    let instances = planned(|_, current| {
        service(current).launch_type = Some("EC2".into());
        current.live.as_mut().unwrap().document.0.insert("networkMode".into(), json!("bridge"));
    });
    let properties = &instances.deployment.appspec.document["Resources"][0]["TargetService"]["Properties"];
    assert_eq!((properties.get("PlatformVersion"), properties.get("NetworkConfiguration")), (None, None));
}

#[test]
fn the_marker_goes_into_description_and_tags_and_the_user_s_tags_stay() {
    let plan = planned(|_, _| {});
    let description = plan.deployment.description;
    assert!(description.starts_with(&format!("{} call=", marker())), "{description}");
    assert_eq!(plan.task_definition.tags["team"], "web");
    assert_eq!(plan.task_definition.tags["greenlight:commit"], COMMIT);
}

#[test]
fn an_image_that_an_earlier_run_deployed_is_not_built_again() {
    let image = format!("{REPOSITORY}@sha256:mine");
    let plan = planned(|_, current| current.live = Some(marked(revision(8, &image))));
    let ImageStep::Reuse { uri, digest, .. } = &plan.image else { panic!("{:?}", plan.image) };
    assert_eq!((uri.as_str(), digest.as_str()), (REPOSITORY, "sha256:mine"));
    let step = &plan.task_definition;
    assert!(step.is_unchanged(&step.document.pinned(&step.pins, &image)));
    let forced = planned(|request, current| {
        request.force = true;
        current.live = Some(marked(revision(8, &image)));
    });
    assert!(matches!(forced.image, ImageStep::Build { .. }));
}

#[test]
fn a_marked_revision_that_was_not_deployed_is_used() {
    let image = format!("{REPOSITORY}@sha256:mine");
    let plan = planned(|_, current| current.latest = Some(marked(revision(8, &image))));
    assert!(matches!(&plan.image, ImageStep::Reuse { digest, .. } if digest == "sha256:mine"));
    assert!(plan.task_definition.marked_arn.as_deref().unwrap().ends_with("hello:8"));
    let dirty = planned(|_, current| {
        current.latest = Some(marked(revision(8, &image)));
        current.facts.marker.dirty = true;
    });
    assert!(matches!(dirty.image, ImageStep::Build { .. }) && dirty.task_definition.marked_arn.is_none());
}

#[test]
fn our_own_active_deployment_is_attached_to_and_others_are_waited_for() {
    let active = |description: String| Active {
        id: "d-A".into(),
        status: "Ready".into(),
        description,
        is_rollback: false,
        ..Active::default()
    };
    let later = Marker { run: "4243.1".into(), ..marker() };
    let ours = planned(|_, current| current.active = vec![active(later.to_string())]);
    assert_eq!((ours.deployment.attach.as_deref(), ours.deployment.active), (Some("d-A"), None));
    let other = planned(|_, current| current.active = vec![active("run 7".into())]);
    assert_eq!((other.deployment.attach, other.deployment.active.as_deref()), (None, Some("d-A")));
    let told = refused(|request, current| {
        request.environment.concurrency = Concurrency::Fail;
        current.active = vec![active("run 7".into())];
    });
    assert!(told.contains("d-A"), "{told}");
}

#[test]
fn a_rollback_of_ours_is_nothing_to_attach_to() {
    let plan = planned(|_, current| {
        current.active = vec![Active {
            id: "d-R".into(),
            description: marker().to_string(),
            is_rollback: true,
            ..Active::default()
        }];
    });
    assert_eq!((plan.deployment.attach, plan.deployment.active.as_deref()), (None, Some("d-R")));
}

#[test]
fn all_that_stands_against_it_is_told_at_once() {
    let told = refused(|request, current| {
        request.environment.container = Some("ap".into());
        request.environment.time_limit = Some(minutes(2));
        group(current).ready_wait = None;
        group(current).test_listeners.clear();
        group(current).services = vec![("prod".into(), "other".into())];
        current.missing_alarms = vec!["gone".into()];
        current.alarms[0].state = "ALARM".into();
        current.alarms[0].reason = "Threshold Crossed: 9 > 5.".into();
    });
    insta::assert_snapshot!(told, @r"
    The task definition has no container `ap`. There is: `app`.
    -> Correct `container` (or `images`) in the environment.
    The deployment group `hello-production` deploys `prod/other`, not `prod/hello`.
    -> Correct the environment's `application` and `deployment-group`, or leave them out: they are found from the service then.
    `validate` is asked for, but deployment group `hello-production` shifts at once and can't hold until green was judged.
    -> Set the group's `deploymentReadyOption` to `{actionOnTimeout: STOP_DEPLOYMENT, waitTimeInMinutes: 10}`, or take `validate` out.
    `validate` is asked for, but deployment group `hello-production` has no test listener to reach green by.
    -> Add a test listener to the group in CodeDeploy, or take `validate` out.
    There is no alarm `gone`, so nothing would stop a bad release by it.
    -> Create it, or take it out of the deployment group or of `alarms`.
    Alarm `hello-5xx` is in ALARM already: Threshold Crossed: 9 > 5. A deployment would be stopped by it.
    -> See to the alarm first, then deploy again.
    `time-limit` is 2m, but the waits and the shift of the deployment take 6m by themselves.
    -> Raise `time-limit`, shorten the group's waits, or set `until: traffic-shifted`.
    ");
}

#[test]
fn ports_platforms_and_controllers_must_fit() {
    insta::assert_snapshot!(refused(|request, _| request.environment.container_port = Some(80)), @r"
    Container `app` doesn't open port 80: it has 8080.
    -> Add the port to its `portMappings`, or correct `container-port` (or the AppSpec's `ContainerPort`).
    ");
    insta::assert_snapshot!(refused(|_, current| service(current).controller = "ECS".into()), @r"
    Service `hello` is deployed by the controller ECS, not by CODE_DEPLOY.
    -> This version deploys through CodeDeploy: create the service with the deployment controller CODE_DEPLOY.
    ");
    let told = refused(|_, current| {
        let arm = Platform::new("linux", "arm64");
        let step = ImageStep::Given { uri: REPOSITORY.into(), digest: "sha256:1".into() };
        current.image = Some(Candidate { step, platforms: Some(vec![arm]), notes: Vec::new() });
    });
    assert!(told.contains("linux/arm64") && told.contains("linux/amd64"), "{told}");
}

#[test]
fn a_group_of_another_platform_is_told_alone() {
    insta::assert_snapshot!(refused(|_, current| group(current).platform = "Lambda".into()), @r"
    The deployment group `hello-production` is for Lambda, not for ECS.
    -> Name a deployment group of an ECS service, or leave it out: it is found from the service then.
    ");
}

#[test]
fn listeners_must_fit() {
    let elsewhere =
        |current: &mut Current| current.traffic.production[0].forwards = BTreeMap::from([(GREEN.into(), 1)]);
    insta::assert_snapshot!(refused(|_, current| elsewhere(current)), @r#"
    The production listener production doesn't forward to `blue`, where the PRIMARY task set is: CodeDeploy would fail with "Primary taskset target group must be behind listener".
    -> Let the listener forward to that target group, and let nothing but CodeDeploy change it after that.
    "#);
    insta::assert_snapshot!(refused(|_, current| current.traffic.production[0].protocol = "TCP".into()), @r"
    `CodeDeployDefault.ECSCanary10Percent5Minutes` shifts step by step, and a network load balancer can only shift all at once.
    -> Name `deployment-config: CodeDeployDefault.ECSAllAtOnce`, or put the service behind an application load balancer.
    ");
    insta::assert_snapshot!(refused(|_, current| current.traffic.test[0].host = None), @r"
    `validate` is asked for, but the test listener's address can't be found out.
    -> Name `test-url` in the environment, or allow `elasticloadbalancing:DescribeListeners` and `elasticloadbalancing:DescribeLoadBalancers`.
    ");
}

#[test]
fn a_split_before_the_start_is_a_warning() {
    let plan = planned(|_, current| {
        current.traffic.production[0].forwards = BTreeMap::from([(BLUE.into(), 3), (GREEN.into(), 1)]);
    });
    assert_eq!(
        plan.warnings,
        ["Production traffic is split before the start: 75% on `blue`, 25% on `green`."]
    );
}

#[test]
fn credentials_that_end_too_soon_are_refused() {
    insta::assert_snapshot!(refused(|_, current| current.credentials_hold = Some(minutes(5))), @r"
    The credentials hold for 5m and can't be renewed, but the deployment is likely to take 8m 35s.
    -> Let the job use GitHub's OIDC token (`auth: oidc`), sign in anew, or set `until: traffic-shifted`.
    ");
    let plan = planned(|_, current| current.credentials_hold = Some(minutes(30)));
    assert_eq!(plan.warnings.len(), 1);
}

#[test]
fn what_stands_against_the_image_alone_keeps_its_word() {
    let mut current = current();
    current.image = None;
    current.image_refused = Some(Stop::build_failed(Finding::new("no buildx", "install it")));
    assert_eq!(Plan::of(&request(), current).unwrap_err().word, Word::BuildFailed);
    let told = refused(|_, current| {
        current.image = None;
        current.image_refused = Some(Stop::build_failed(Finding::new("no buildx", "install it")));
        current.missing_alarms = vec!["gone".into()];
    });
    assert!(told.contains("no buildx") && told.contains("gone"));
}

#[test]
fn what_could_not_be_read_is_what_is_told() {
    let mut current = Current { facts: Facts { marker: marker(), ..Facts::default() }, ..Current::default() };
    current.findings = vec![Finding::new("There is no cluster `prod`.", "Correct it.")];
    let stop = Plan::of(&request(), current).unwrap_err();
    assert_eq!(stop.findings.len(), 1);
}

#[test]
fn the_user_s_file_is_what_is_registered() {
    let plan = planned(|_, current| {
        let document = document("anything");
        current.documents = Documents {
            task_definition: Some(FromFile {
                document,
                tags: BTreeMap::from([("from".into(), "file".into())]),
            }),
            appspec: None,
        };
    });
    assert!(
        plan.task_definition.tags.contains_key("from") && !plan.task_definition.tags.contains_key("team")
    );
}
