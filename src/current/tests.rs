//! Against the simulator, with the permissions that a run is documented to need.
#![allow(clippy::unwrap_used)]

use super::{Current, Facts};
use crate::{
    aws::{Access, Limits},
    documents::Documents,
    git::Checkout,
    marker::Marker,
    outcome::{Stop, Word},
    permissions,
    plan::{ImageStep, Plan},
    report::Reporter,
    request::{
        Auth, BuildAccount, Concurrency, Environment, Hold, ImageRequest, Request, Role,
        TaskDefinitionSource, Until,
    },
    surroundings::{Pace, Variables},
    task_definition::{Settled, settle},
};
use serde_json::{Value, json};
use simulator::{Fault, Options, World, spec::WorldSpec};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A world, and what a job in it knows.
struct Scene {
    world: Arc<World>,
    variables: BTreeMap<String, String>,
    request: Request,
    image: String,
}

fn role(account: &str, name: &str) -> Role {
    Role {
        arn: format!("arn:aws:iam::{account}:role/{name}"),
        external_id: None,
        session_tags: BTreeMap::new(),
        tag_session: true,
    }
}

/// The roles get what the documentation says that they need.
fn document_permissions(spec: &mut WorldSpec) {
    let scope = permissions::Scope {
        partition: "aws",
        build_account: "111111111111",
        build_region: "eu-central-1",
        repository: "hello",
        deploy_role: Some("arn:aws:iam::222222222222:role/greenlight-deploy"),
        account: "222222222222",
        region: "eu-central-1",
        cluster: "prod",
        service: "hello",
        application: "hello",
        group: "hello-production",
        passed_roles: ["task", "execution"]
            .map(|r| format!("arn:aws:iam::222222222222:role/hello-{r}"))
            .into(),
    };
    for role in spec.accounts.iter_mut().flat_map(|account| &mut account.roles) {
        match role.name.as_str() {
            "greenlight-build" => role.policies.push(permissions::build_role(&scope)),
            "greenlight-deploy" => {
                role.policies =
                    vec![permissions::deploy_role(&scope), permissions::deploy_role_optional(&scope)];
            }
            _ => {}
        }
    }
}

async fn scene() -> Scene {
    scene_of(|_| {}).await
}

async fn scene_of(change: impl FnOnce(&mut WorldSpec)) -> Scene {
    scene_with(change, Vec::new()).await
}

async fn scene_with(change: impl FnOnce(&mut WorldSpec), faults: Vec<Fault>) -> Scene {
    let mut spec: WorldSpec = serde_yaml::from_str(include_str!("../../tests/worlds/hello.yml")).unwrap();
    document_permissions(&mut spec);
    change(&mut spec);
    let options =
        Options { listen: ([127, 0, 0, 1], 0).into(), speed: 100.0, faults, docker: false, canary: None };
    let world = World::start(spec, options).await.unwrap();
    let config = json!({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}});
    let digest = world.seed_image("111111111111", "hello", "1.0.0", config).unwrap();
    let image = format!("{}/hello@{digest}", world.endpoints().registries["111111111111"]);
    let variables = world.job_environment().into_iter().collect();
    let environment = Environment {
        name: "production".into(),
        account: None,
        role: Some(role("222222222222", "greenlight-deploy")),
        region: "eu-central-1".into(),
        cluster: "prod".into(),
        service: "hello".into(),
        container: None,
        container_port: None,
        images: BTreeMap::new(),
        task_definition: TaskDefinitionSource::Live,
        allow_unknown_keys: Vec::new(),
        application: Some("hello".into()),
        deployment_group: Some("hello-production".into()),
        deployment_config: None,
        appspec: None,
        url: None,
        test_url: None,
        time_limit: None,
        until: Until::Terminated,
        on_cancel: None,
        concurrency: Concurrency::Wait,
        allow_older: false,
        hold: Hold::None,
        alarms: Vec::new(),
        allow_missing_data: false,
        fail_fast: 3,
        before: Vec::new(),
        validate: Vec::new(),
        verify: Vec::new(),
    };
    let build = BuildAccount {
        role: Some(role("111111111111", "greenlight-build")),
        account: None,
        region: "eu-central-1".into(),
    };
    let request = Request {
        service: "hello".into(),
        environment,
        build_account: Some(build),
        image: ImageRequest::Given(image.clone()),
        scan: None,
        auth: Auth::Ambient,
        force: false,
        configuration_hash: "5f3a9c0d11223344".into(),
    };
    Scene { world, variables, request, image }
}

impl Scene {
    fn variables(&self) -> Variables {
        Variables::of(self.variables.clone())
    }

    fn marker(&self) -> Marker {
        Marker {
            repository: "acme/hello".into(),
            commit: Some(COMMIT.into()),
            dirty: false,
            environment: "production".into(),
            configuration: self.request.configuration_hash.clone(),
            run: "4242.1".into(),
        }
    }

    async fn access(&self) -> Result<Access, Stop> {
        let limits = Limits { backoff: Duration::from_millis(5), ..Limits::default() };
        Access::open(&self.request, &self.variables(), &self.marker(), limits, &Reporter::silent()).await
    }

    async fn current(&self) -> Current {
        let access = self.access().await.unwrap();
        let facts = Facts { command: "plan".into(), marker: self.marker() };
        let branch = Some("main".into());
        let checkout = Checkout { commit: Some(COMMIT.into()), branch, ..Checkout::default() };
        let documents = Documents::read(&self.request).unwrap();
        Current::read(&self.request, &access, documents, &checkout, &self.variables(), facts).await.unwrap()
    }

    async fn plan(&self) -> Result<Plan, Stop> {
        Plan::of(&self.request, self.current().await)
    }

    async fn planned(&self) -> Plan {
        self.plan().await.unwrap()
    }

    /// What the refusal says, with what differs from run to run replaced.
    async fn refused(&self) -> String {
        told(self.plan().await.unwrap_err())
    }

    fn calls(&self) -> Vec<String> {
        let snapshot = self.world.snapshot();
        let calls = snapshot["api_calls"].as_array().cloned().unwrap_or_default();
        calls.iter().filter_map(|call| call["operation"].as_str().map(str::to_owned)).collect()
    }
}

fn deploy_role(spec: &mut WorldSpec) -> &mut simulator::spec::Role {
    spec.accounts[1].roles.iter_mut().find(|role| role.name == "greenlight-deploy").unwrap()
}

/// Takes an action out of all policies of all roles.
fn deny(spec: &mut WorldSpec, action: &str) {
    let policies = spec.accounts.iter_mut().flat_map(|a| &mut a.roles).flat_map(|r| &mut r.policies);
    for statement in policies.flat_map(|p| p["Statement"].as_array_mut().unwrap()) {
        if let Some(actions) = statement["Action"].as_array_mut() {
            actions.retain(|a| a != action);
        }
    }
}

fn told(stop: Stop) -> String {
    assert_eq!(stop.word, Word::Refused);
    stop.findings.iter().map(|f| format!("{}\n-> {}", f.what, f.fix)).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_service_is_read_and_planned_from() {
    let scene = scene().await;
    let plan = scene.planned().await;
    let step = &plan.deployment;
    assert_eq!(
        (step.config.as_str(), step.ready_wait),
        ("CodeDeployDefault.ECSCanary10Percent5Minutes", Some(Duration::from_secs(300)))
    );
    let listeners = &scene.world.endpoints().listeners;
    let url = |name: &str| {
        listeners[&("222222222222".to_owned(), name.to_owned())].trim_end_matches('/').to_owned()
    };
    assert_eq!(step.production_url, Some(url("production")));
    assert_eq!(step.test_url, Some(url("test")));
    assert_eq!(step.target_groups, ["blue", "green"]);
    assert_eq!(step.appspec.target(), Some(("app", 8080)));
    let properties = &step.appspec.document["Resources"][0]["TargetService"]["Properties"];
    assert_eq!(properties["NetworkConfiguration"]["AwsvpcConfiguration"]["Subnets"], json!(["subnet-1"]));
    assert_eq!(plan.run.account, "222222222222");
    let ImageStep::Given { uri, digest } = &plan.image else { panic!("{:?}", plan.image) };
    assert_eq!(format!("{uri}@{digest}"), scene.image);
    assert_eq!(plan.notes, Vec::<String>::new());
    assert_eq!(plan.warnings.len(), 1, "{:?}", plan.warnings);
    assert!(plan.warnings[0].contains("hello-cpu"));
}

#[tokio::test]
async fn planning_writes_nothing() {
    let scene = scene().await;
    scene.planned().await;
    let reads = ["Describe", "Get", "List", "BatchGet", "Assume"];
    let calls = scene.calls();
    assert!(calls.len() > 10, "{calls:?}");
    for call in &calls {
        assert!(reads.iter().any(|read| call.starts_with(read)), "{call}");
    }
}

#[tokio::test]
async fn the_group_is_found_by_its_service() {
    let mut scene = scene().await;
    scene.request.environment.application = None;
    scene.request.environment.deployment_group = None;
    let step = scene.planned().await.deployment;
    assert_eq!((step.application.as_str(), step.group.as_str()), ("hello", "hello-production"));
}

#[tokio::test]
async fn without_the_leave_to_list_the_group_must_be_named() {
    let mut scene = scene_of(|spec| deploy_role(spec).policies.truncate(1)).await;
    scene.request.environment.application = None;
    scene.request.environment.deployment_group = None;
    insta::assert_snapshot!(scene.refused().await, @r"
    The deployment group of service `hello` can't be found: listing CodeDeploy's applications isn't granted.
    -> Name `application` and `deployment-group` in the environment, or allow `codedeploy:ListApplications`, `codedeploy:ListDeploymentGroups` and `codedeploy:BatchGetDeploymentGroups`.
    ");
}

#[tokio::test]
async fn names_that_are_not_there_are_told_with_the_near_ones() {
    let mut scene = scene().await;
    scene.request.environment.role = Some(role("222222222222", "greenlight-broad"));
    scene.request.environment.cluster = "prd".into();
    scene.request.environment.deployment_group = Some("hello-prod".into());
    scene.request.environment.deployment_config = Some("CodeDeployDefault.ECSCanary".into());
    scene.request.environment.alarms = vec!["hello-4xx".into(), "hello-slow".into()];
    insta::assert_snapshot!(scene.refused().await, @r"
    There is no cluster `prd` in eu-central-1. There is: `prod`.
    -> Correct the environment's `cluster` or `region`.
    The CodeDeploy application `hello` has no deployment group `hello-prod`. There is: `hello-production`.
    -> Correct the environment's `deployment-group`, or leave it out: it is found from the service then.
    There is no deployment config `CodeDeployDefault.ECSCanary`. There are: `CodeDeployDefault.ECSAllAtOnce`, `CodeDeployDefault.AllAtOnce`, `CodeDeployDefault.ECSCanary10Percent5Minutes`, `CodeDeployDefault.ECSCanary10Percent15Minutes`, `CodeDeployDefault.OneAtATime` and 12 more.
    -> Correct the environment's `deployment-config`, or leave it out: the group's own is taken then.
    There is no alarm `hello-4xx`, so nothing would stop a bad release by it.
    -> Create it, or take it out of the deployment group or of `alarms`.
    Alarm `hello-slow` is in ALARM already: Unchecked: Initial alarm creation. A deployment would be stopped by it.
    -> See to the alarm first, then deploy again.
    ");
    scene.request.environment.cluster = "prod".into();
    scene.request.environment.service = "helo".into();
    scene.request.environment.application = Some("helo".into());
    scene.request.environment.deployment_config = None;
    scene.request.environment.alarms.clear();
    insta::assert_snapshot!(scene.refused().await, @r"
    There is no active service `helo` in cluster `prod`. There is: `hello`.
    -> Correct the environment's `service` or `cluster`.
    There is no CodeDeploy application `helo`. There is: `hello`.
    -> Correct the environment's `application`, or leave it out: it is found from the service then.
    ");
}

#[tokio::test]
async fn a_name_that_the_role_may_not_see_is_told_as_misspelt() {
    let mut scene = scene().await;
    scene.request.environment.service = "helo".into();
    scene.request.environment.deployment_group = Some("hello-prod".into());
    insta::assert_snapshot!(scene.refused().await, @r"
    There is no active service `helo` in cluster `prod`. There is: `hello`.
    -> Correct the environment's `service` or `cluster`.
    The CodeDeploy application `hello` has no deployment group `hello-prod`. There is: `hello-production`.
    -> Correct the environment's `deployment-group`, or leave it out: it is found from the service then.
    ");
}

#[tokio::test]
async fn a_service_of_another_controller_is_refused() {
    let scene = scene_of(|spec| {
        spec.accounts[1].services[0].controller = "ECS".into();
        spec.accounts[1].applications.clear();
    })
    .await;
    insta::assert_snapshot!(scene.refused().await, @r"
    Service `hello` is deployed by the controller ECS, not by CODE_DEPLOY.
    -> This version deploys through CodeDeploy: create the service with the deployment controller CODE_DEPLOY.
    There is no CodeDeploy application `hello`. There is none.
    -> Correct the environment's `application`, or leave it out: it is found from the service then.
    ");
}

#[tokio::test]
async fn a_denied_permission_is_named_with_its_role() {
    let scene = scene_of(|spec| deny(spec, "cloudwatch:DescribeAlarms")).await;
    insta::assert_snapshot!(scene.refused().await, @r"
    The role `greenlight-deploy` of account 222222222222 may not `cloudwatch:DescribeAlarms` on arn:aws:cloudwatch:eu-central-1:222222222222:alarm:*, because no identity-based policy allows the cloudwatch:DescribeAlarms action.
    -> Allow `cloudwatch:DescribeAlarms` on arn:aws:cloudwatch:eu-central-1:222222222222:alarm:* in a policy of role `greenlight-deploy` of account 222222222222.
    ");
}

#[tokio::test]
async fn a_repository_that_keeps_the_tasks_out_is_refused() {
    let scene = scene_of(|spec| spec.accounts[0].repositories[0].policy = None).await;
    insta::assert_snapshot!(scene.refused().await, @r#"
    The policy of repository `hello` in account 111111111111 keeps the tasks of account 222222222222 from pulling.
    -> Add to the repository's policy: {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::222222222222:root"}, "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"]}
    "#);
}

#[tokio::test]
async fn what_is_optional_is_done_without_and_said() {
    let scene = scene_of(|spec| {
        deploy_role(spec).policies.truncate(1);
        deny(spec, "elasticloadbalancing:DescribeLoadBalancers");
        deny(spec, "ecr:GetRepositoryPolicy");
    })
    .await;
    let plan = scene.planned().await;
    insta::assert_snapshot!(plan.notes.join("\n"), @r"
    `application-autoscaling:DescribeScalableTargets` isn't granted: whether a scaling policy may act during the shift is not known.
    `elasticloadbalancing:DescribeLoadBalancers` isn't granted: the load balancer's address is not known.
    `ecr:GetRepositoryPolicy` isn't granted: whether the tasks may pull from `hello` shows only when they start.
    ");
    assert_eq!(plan.deployment.production_url, None);
}

#[tokio::test]
async fn the_document_is_registered_as_it_is_and_only_when_it_says_something_new() {
    let mut scene = scene().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taskdef.json");
    let file = json!({
        "family": "hello",
        "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "256", "memory": "512",
        "executionRoleArn": "arn:aws:iam::222222222222:role/hello-execution",
        "taskRoleArn": "arn:aws:iam::222222222222:role/hello-task",
        "containerDefinitions": [{
            "name": "app", "image": "x", "command": [], "portMappings": [{"containerPort": 8080}],
            "environment": [{"name": "PORT", "value": "8080"}, {"name": "EMPTY", "value": ""}],
        }],
        "tags": [{"key": "team", "value": "web"}],
    });
    std::fs::write(&path, file.to_string()).unwrap();
    scene.request.environment.task_definition = TaskDefinitionSource::File(path);
    let access = scene.access().await.unwrap();
    let plan = scene.planned().await;
    let settled = settle(
        &access.deploy,
        &plan.task_definition,
        &scene.image,
        &Reporter::silent(),
        Pace::of(&Variables::default()),
    )
    .await
    .unwrap();
    let Settled::Registered { arn } = &settled else { panic!("{settled:?}") };
    assert!(arn.ends_with("task-definition/hello:2"), "{arn}");

    // A later run finds it by its marker, and doesn't register it again.
    let again = scene.planned().await;
    assert_eq!(again.task_definition.marked_arn.as_ref(), Some(arn));
    let settled = settle(
        &access.deploy,
        &again.task_definition,
        &scene.image,
        &Reporter::silent(),
        Pace::of(&Variables::default()),
    )
    .await
    .unwrap();
    assert_eq!(settled, Settled::Marked { arn: arn.clone() });
    let registered = again.task_definition.marked.unwrap();
    assert_eq!(registered.image_of("app"), Some(scene.image.as_str()));
    let environment = &registered.0["containerDefinitions"][0]["environment"];
    assert!(
        environment.as_array().unwrap().contains(&json!({"name": "EMPTY", "value": ""})),
        "{environment}"
    );
    assert_eq!(scene.calls().iter().filter(|call| *call == "RegisterTaskDefinition").count(), 1);
}

#[tokio::test]
async fn nothing_is_registered_when_nothing_changed() {
    let scene = scene().await;
    let mut plan = scene.planned().await;
    let live = plan.task_definition.live.image_of("app").unwrap().to_owned();
    let access = scene.access().await.unwrap();
    let settled = settle(
        &access.deploy,
        &plan.task_definition,
        &live,
        &Reporter::silent(),
        Pace::of(&Variables::default()),
    )
    .await
    .unwrap();
    assert_eq!(settled, Settled::Unchanged { arn: plan.task_definition.live_arn.clone() });
    plan.task_definition.force = true;
    let settled = settle(
        &access.deploy,
        &plan.task_definition,
        &live,
        &Reporter::silent(),
        Pace::of(&Variables::default()),
    )
    .await
    .unwrap();
    assert!(matches!(settled, Settled::Registered { .. }));
}

#[tokio::test]
async fn trust_that_forbids_tags_or_asks_for_an_id_is_told() {
    let mut scene = scene().await;
    scene.request.environment.role = Some(role("222222222222", "greenlight-untagged"));
    insta::assert_snapshot!(told(scene.access().await.unwrap_err()), @r"
    Role arn:aws:iam::222222222222:role/greenlight-untagged can't be assumed by arn:aws:iam::111111111111:role/greenlight-build: AccessDenied, User: arn:aws:sts::111111111111:assumed-role/greenlight-build/greenlight-4242.1 is not authorized to perform: sts:TagSession on resource: arn:aws:iam::222222222222:role/greenlight-untagged.
    -> Let the trust policy of arn:aws:iam::222222222222:role/greenlight-untagged allow `sts:TagSession` beside `sts:AssumeRole`, or set `tag-session: false`.
    ");
    scene.request.environment.role.as_mut().unwrap().tag_session = false;
    assert!(scene.access().await.is_ok());

    scene.request.environment.role = Some(role("222222222222", "greenlight-guarded"));
    assert!(told(scene.access().await.unwrap_err()).contains("no `external-id` was sent"));
    scene.request.environment.role.as_mut().unwrap().external_id = Some("wrong".into());
    assert!(told(scene.access().await.unwrap_err()).contains("sts:ExternalId"));
}

#[tokio::test]
async fn the_wrong_account_is_refused() {
    let mut scene = scene().await;
    scene.request.environment.account = Some("333333333333".into());
    insta::assert_snapshot!(told(scene.access().await.unwrap_err()), @r"
    The credentials for `production` are in account 222222222222 (arn:aws:sts::222222222222:assumed-role/greenlight-deploy/greenlight-4242.1), but the configuration names account 333333333333.
    -> Use credentials or a role of account 333333333333, or correct the `role` or `account` of `production`.
    ");
}

#[tokio::test]
async fn a_region_that_nobody_has_is_refused() {
    let mut scene = scene().await;
    scene.request.environment.region = "eu-centrall-1".into();
    let refused = told(scene.access().await.unwrap_err());
    assert!(refused.contains("eu-centrall-1"), "{refused}");
    assert!(refused.contains("Did you mean `eu-central-1`?"), "{refused}");
}

#[tokio::test]
async fn a_wrong_image_is_refused() {
    let mut scene = scene().await;
    let host = scene.world.endpoints().registries["111111111111"].clone();
    scene.request.image = ImageRequest::Given(format!("{host}/hello:2.0.0"));
    assert!(scene.refused().await.contains("2.0.0"));
    let other: Value = json!({"architecture": "arm64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}});
    scene.world.seed_image("111111111111", "hello", "arm", other).unwrap();
    scene.request.image = ImageRequest::Given(format!("{host}/hello:arm"));
    assert!(scene.refused().await.contains("linux/arm64"));
}

#[tokio::test]
async fn what_passes_is_ridden_out() {
    let faults = vec![Fault::Throttling, Fault::ServerErrors, Fault::ConnectionResets];
    let scene = scene_with(|_| {}, faults).await;
    assert_eq!(scene.planned().await.deployment.group, "hello-production");
}

#[tokio::test]
async fn sessions_that_end_early_are_renewed() {
    use aws_sdk_codedeploy::types::{AppSpecContent, RevisionLocation, RevisionLocationType};
    let scene = scene_with(|_| {}, vec![Fault::CredentialsExpire]).await;
    let access = scene.access().await.unwrap();
    let plan = scene.planned().await;
    let (content, sha256) = plan.deployment.appspec.content(&plan.task_definition.live_arn);
    let content = AppSpecContent::builder().content(content).sha256(sha256).build();
    let revision = RevisionLocation::builder()
        .revision_type(RevisionLocationType::AppSpecContent)
        .app_spec_content(content)
        .build();
    let client = access.deploy.codedeploy();
    let create =
        client.create_deployment().application_name("hello").deployment_group_name("hello-production");
    // Every session of the world ends with this answer, the build account's too.
    let id = create.revision(revision).send().await.unwrap().deployment_id.unwrap();
    let seen = client.get_deployment().deployment_id(&id).send().await.unwrap();
    assert_eq!(seen.deployment_info.unwrap().deployment_id, Some(id));
}

#[tokio::test]
async fn the_job_s_token_opens_both_roles() {
    let mut scene = scene().await;
    scene.request.auth = Auth::Oidc;
    let access = scene.access().await.unwrap();
    assert_eq!(
        (access.registry().account.as_str(), access.deploy.account.as_str()),
        ("111111111111", "222222222222")
    );
    assert!(
        access.deploy.caller.contains("assumed-role/greenlight-deploy/greenlight-4242.1"),
        "{}",
        access.deploy.caller
    );
    assert!(access.notes[0].starts_with("Credentials: GitHub's OIDC token, then "), "{:?}", access.notes);
    assert_eq!(access.ends, None);
}

#[tokio::test]
async fn without_a_build_role_the_job_s_token_opens_the_deploy_role_itself() {
    let mut scene = scene_of(|spec| spec.accounts[1].oidc_provider = true).await;
    scene.request.auth = Auth::Auto;
    scene.request.build_account = None;
    scene.request.environment.role = Some(role("222222222222", "greenlight-direct"));
    let access = scene.access().await.unwrap();
    assert!(access.build.is_none());
    assert!(access.deploy.caller.contains("assumed-role/greenlight-direct/"), "{}", access.deploy.caller);
    assert!(!scene.calls().contains(&"AssumeRole".to_owned()));
}

#[tokio::test]
async fn a_role_that_trusts_another_branch_is_told_by_the_token_s_claims() {
    let mut scene = scene().await;
    scene.request.auth = Auth::Auto;
    scene.request.build_account.as_mut().unwrap().role = Some(role("111111111111", "greenlight-release"));
    let refused = told(scene.access().await.unwrap_err());
    insta::assert_snapshot!(refused, @r#"
    The job's OIDC token may not enter role arn:aws:iam::111111111111:role/greenlight-release: AccessDenied, Not authorized to perform sts:AssumeRoleWithWebIdentity. The token says sub `repo:acme@1001/hello@2002:ref:refs/heads/main` and aud `sts.amazonaws.com`.
    -> Check that the role exists, and let its trust policy allow `sts:AssumeRoleWithWebIdentity` to the provider `token.actions.githubusercontent.com` under conditions that this token meets:
        "token.actions.githubusercontent.com:aud": "sts.amazonaws.com"
        "token.actions.githubusercontent.com:sub": "repo:acme@1001/hello@2002:ref:refs/heads/main"
    "#);
}

#[tokio::test]
async fn a_missing_id_token_permission_names_the_line() {
    let mut scene = scene_of(|spec| spec.job.id_token = false).await;
    scene.request.auth = Auth::Oidc;
    let refused = told(scene.access().await.unwrap_err());
    assert!(refused.contains("permissions:\n      id-token: write"), "{refused}");
}
