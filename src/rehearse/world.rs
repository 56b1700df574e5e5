//! The world that a configuration describes: both accounts with their roles and policies, the
//! repository, the service with its load balancer, the deployment group, the GitHub job.

use super::task_definition::TaskDefinition;
use crate::{
    inputs::Inputs,
    outcome::Stop,
    permissions::{self, Scope},
    request::{
        Build, Check, Environment, FurtherRegistry, Hold, HttpCheck, ImageRequest, RegistryLogin, Request,
        Role,
    },
    say::rehearse as say,
};
use anyhow::Result;
use serde_json::{Value, json};
use simulator::spec;
use std::time::Duration;

/// The tag of the image that production runs before the rehearsal.
pub const BEFORE: &str = "before";
pub const PRODUCTION: &str = "production";
pub const TEST: &str = "test";
/// The user whose keys the world hands out.
const CALLER: &str = "developer";
const USUAL_ACCOUNT: &str = "222222222222";
const USUAL_CONFIG: &str = "CodeDeployDefault.ECSCanary10Percent5Minutes";
const USUAL_WAIT: Duration = Duration::from_secs(5 * 60);
/// 5xx answers in a minute.
const USUAL_THRESHOLD: f64 = 10.0;

/// The parts of a world that a rehearsal has to find again.
#[derive(Clone, Debug)]
pub struct Layout {
    pub build_account: String,
    pub deploy_account: String,
}

pub fn describe(
    inputs: &Inputs,
    commit: Option<String>,
    branch: Option<String>,
) -> Result<(spec::WorldSpec, Layout)> {
    let request = &inputs.request;
    let environment = &request.environment;
    let ImageRequest::Build(build) = &request.image else {
        return Err(Stop::invalid(vec![say::builds_the_image()]).into());
    };
    let deploy_account = environment.account.clone().unwrap_or_else(|| USUAL_ACCOUNT.into());
    let build_side = request.build_account.as_ref();
    let build_account = build_side.and_then(|b| b.account.clone()).unwrap_or_else(|| deploy_account.clone());
    let build_region = build_side.map_or_else(|| environment.region.clone(), |b| b.region.clone());
    let layout = Layout { build_account: build_account.clone(), deploy_account: deploy_account.clone() };
    let image = format!("{{registry:{build_account}}}/{}:{BEFORE}", build.repository);
    let task_definition = TaskDefinition::of(inputs, &image, &deploy_account)?;
    let application = environment.application.clone().unwrap_or_else(|| request.service.clone());
    let group = environment
        .deployment_group
        .clone()
        .unwrap_or_else(|| format!("{}-{}", request.service, environment.name));

    let build_role = build_side.and_then(|b| b.role.as_ref());
    let deploy_role = environment.role.as_ref();
    let partition = partition(&environment.region);
    let scope = Scope {
        partition,
        build_account: &build_account,
        build_region: &build_region,
        repository: &build.repository,
        deploy_role: deploy_role.map(|r| r.arn.as_str()),
        account: &deploy_account,
        region: &environment.region,
        cluster: &environment.cluster,
        service: &environment.service,
        application: &application,
        group: &group,
        passed_roles: task_definition.roles.clone(),
    };
    let usual = spec::Job::default();
    let job = spec::Job {
        sha: commit.unwrap_or(usual.sha),
        branch: branch.unwrap_or(usual.branch),
        ..spec::Job::default()
    };
    let caller = format!("arn:{partition}:iam::{build_account}:user/{CALLER}");

    let wanted = build.create.as_ref();
    let pushes = |scope: &Scope<'_>| build_policies(request, build, scope);
    let further = &build.registries;
    let mut build = spec::Account {
        id: build_account.clone(),
        region: build_region.clone(),
        oidc_provider: true,
        users: vec![spec::User {
            name: CALLER.into(),
            policies: vec![caller_policy(
                build_role,
                deploy_role,
                runs_tasks(environment),
                pushes(&scope),
                &scope,
            )],
        }],
        repositories: vec![spec::Repository {
            name: build.repository.clone(),
            immutable_tags: wanted.is_some_and(|wanted| wanted.immutable_tags),
            scan_on_push: wanted.is_some_and(|wanted| wanted.scan_on_push),
            policy: Some(permissions::repository(partition, std::slice::from_ref(&deploy_account))),
            ..Default::default()
        }],
        ..Default::default()
    };
    if let Some(role) = build_role {
        let trust = vec![trusts_github(partition, &build_account, &job), trusts(&caller, role)];
        build.roles.push(role_of(role, trust, pushes(&scope)));
    }
    let mut deploy = service_side(inputs, &application, &group, &deploy_account, task_definition);
    if let Some(role) = deploy_role {
        let trust = match build_role {
            Some(build_role) => vec![trusts(&build_role.arn, role)],
            None => vec![trusts_github(partition, &deploy_account, &job), trusts(&caller, role)],
        };
        let mut policies = vec![permissions::deploy_role(&scope), permissions::deploy_role_optional(&scope)];
        if runs_tasks(environment) {
            policies.push(permissions::deploy_role_tasks(&scope));
        }
        if build_role.is_none() && build_account == deploy_account {
            policies.extend(pushes(&Scope { deploy_role: None, ..scope.clone() }));
        }
        deploy.oidc_provider |= build_role.is_none();
        deploy.roles.push(role_of(role, trust, policies));
    }

    let mut regions = vec![environment.region.clone()];
    if build_region != environment.region {
        regions.push(build_region);
    }
    for registry in further {
        if let RegistryLogin::Ecr { region, .. } = &registry.login
            && !regions.contains(region)
        {
            regions.push(region.clone());
        }
    }
    let mut accounts =
        if build_account == deploy_account { vec![merged(build, deploy)] } else { vec![build, deploy] };
    let pushing = build_role.or(deploy_role.filter(|_| build_side.is_none()));
    add_registries(&mut accounts, further, pushing.map_or(&caller, |role| &role.arn));
    let caller = spec::CallerSpec { account: build_account, user: CALLER.into() };
    let checks = environment.validate.iter().chain(&environment.verify);
    let stand_in = checks.filter_map(stand_in_for).collect();
    Ok((
        spec::WorldSpec {
            regions,
            accounts,
            job,
            caller,
            truths: spec::Truths::default(),
            stand_in,
            stand_in_commands: Vec::new(),
            call_faults: Vec::new(),
        },
        layout,
    ))
}

/// Stand-ins answer a check as it wants to be answered: no application is behind them.
fn stand_in_for(check: &Check) -> Option<(String, spec::StandInAnswer)> {
    let Check::Http(check) = check else { return None };
    let path = check.ask.path.split('?').next().unwrap_or_default().to_owned();
    Some((path, spec::StandInAnswer { status: check.status, body: body(check) }))
}

/// A body with all that a check wants of it.
fn body(check: &HttpCheck) -> String {
    let text = check.contains.clone().unwrap_or_default();
    if check.json.is_empty() {
        return text;
    }
    let mut document = json!({});
    for (pointer, value) in &check.json {
        // What reads as JSON is compared as such.
        let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        put(&mut document, pointer, value);
    }
    let body = document.to_string();
    if body.contains(&text) {
        return body;
    }
    put(&mut document, "/also", json!(text));
    document.to_string()
}

/// Puts a value where a JSON pointer points, making what is on the way.
fn put(document: &mut Value, pointer: &str, value: Value) {
    let mut place = document;
    for step in pointer.split('/').skip(1) {
        let key = step.replace("~1", "/").replace("~0", "~");
        place = match key.parse::<usize>() {
            Ok(at) => {
                if !place.is_array() {
                    *place = json!([]);
                }
                let Value::Array(items) = place else { return };
                if items.len() <= at {
                    items.resize(at + 1, Value::Null);
                }
                &mut items[at]
            }
            Err(_) => {
                if !place.is_object() {
                    *place = json!({});
                }
                let Value::Object(fields) = place else { return };
                fields.entry(key).or_insert(Value::Null)
            }
        };
    }
    *place = value;
}

/// Everything in the deploy account but the deploy role.
fn service_side(
    inputs: &Inputs,
    application: &str,
    group: &str,
    account: &str,
    task_definition: TaskDefinition,
) -> spec::Account {
    let environment = &inputs.request.environment;
    let rehearse = &inputs.rehearse;
    let service = &environment.service;
    let [blue, green] = ["blue", "green"].map(|colour| format!("{service}-{colour}"));
    let load_balancer = format!("{service}-alb");
    let target_group = |name: &String| spec::TargetGroup {
        name: name.clone(),
        port: task_definition.port,
        target_type: if task_definition.awsvpc { "ip" } else { "instance" }.into(),
        health_check_path: rehearse.health_path.clone().unwrap_or_else(|| "/".into()),
        ..Default::default()
    };
    let listener = |name: &str| spec::Listener {
        name: name.into(),
        port: 0,
        forward: vec![
            spec::Weighted { target_group: blue.clone(), weight: 100 },
            spec::Weighted { target_group: green.clone(), weight: 0 },
        ],
    };
    let network = json!({ "awsvpcConfiguration": {
        "subnets": ["subnet-0a1b2c3d", "subnet-4e5f6a7b"],
        "securityGroups": ["sg-0123abcd"],
        "assignPublicIp": "DISABLED",
    }});
    // A check has to have a moment in which it runs.
    let holds = !environment.validate.is_empty() || environment.hold == Hold::Approve;
    let ready_wait = rehearse.ready_wait.map(|s| s.0).or(holds.then_some(USUAL_WAIT));
    spec::Account {
        id: account.to_owned(),
        region: environment.region.clone(),
        roles: task_definition.roles.iter().map(|arn| task_role(arn)).collect(),
        clusters: vec![spec::Cluster {
            name: environment.cluster.clone(),
            capacity_providers: vec!["FARGATE".into(), "FARGATE_SPOT".into()],
            container_instances: if task_definition.fargate { 0 } else { 2 },
        }],
        target_groups: vec![target_group(&blue), target_group(&green)],
        load_balancers: vec![spec::LoadBalancer {
            name: load_balancer.clone(),
            listeners: vec![listener(PRODUCTION), listener(TEST)],
        }],
        services: vec![spec::Service {
            name: service.clone(),
            cluster: environment.cluster.clone(),
            task_definition: task_definition.family,
            desired_count: rehearse.desired_count.unwrap_or(2),
            controller: "CODE_DEPLOY".into(),
            launch_type: if task_definition.fargate { "FARGATE" } else { "EC2" }.into(),
            platform_version: task_definition.fargate.then(|| "1.4.0".into()),
            network_configuration: task_definition.awsvpc.then_some(network),
            target_group: blue.clone(),
            container: task_definition.container,
            container_port: task_definition.port,
            ..Default::default()
        }],
        alarms: environment
            .alarms
            .iter()
            .map(|name| spec::Alarm {
                name: name.clone(),
                load_balancer: load_balancer.clone(),
                threshold: rehearse.alarm_threshold.unwrap_or(USUAL_THRESHOLD),
                ..Default::default()
            })
            .collect(),
        log_groups: task_definition.log_groups,
        applications: vec![spec::Application {
            name: application.to_owned(),
            groups: vec![spec::DeploymentGroup {
                name: group.to_owned(),
                cluster: environment.cluster.clone(),
                service: service.clone(),
                deployment_config: [&rehearse.deployment_config, &environment.deployment_config]
                    .into_iter()
                    .flatten()
                    .next()
                    .map_or_else(|| USUAL_CONFIG.to_owned(), String::clone),
                target_groups: vec![blue, green],
                production_listener: PRODUCTION.into(),
                test_listener: Some(TEST.into()),
                ready_wait_minutes: ready_wait.map(minutes),
                termination_wait_minutes: minutes(rehearse.termination_wait.map_or(USUAL_WAIT, |s| s.0)),
                alarms: environment.alarms.clone(),
                ..Default::default()
            }],
        }],
        task_definitions: vec![task_definition.document],
        ..Default::default()
    }
}

/// A trust statement for the job's OIDC token.
fn trusts_github(partition: &str, account: &str, job: &spec::Job) -> Value {
    const ISSUER: &str = "token.actions.githubusercontent.com";
    let (owner, name) = job.repository.split_once('/').unwrap_or((job.repository.as_str(), ""));
    let sub = if job.immutable_sub {
        format!("repo:{owner}@{}/{name}@{}:*", job.owner_id, job.repository_id)
    } else {
        format!("repo:{owner}/{name}:*")
    };
    json!({
        "Effect": "Allow",
        "Principal": { "Federated": format!("arn:{partition}:iam::{account}:oidc-provider/{ISSUER}") },
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": { format!("{ISSUER}:aud"): "sts.amazonaws.com" },
            "StringLike": { format!("{ISSUER}:sub"): sub },
        },
    })
}

fn trusts(principal: &str, role: &Role) -> Value {
    let mut statement = json!({
        "Effect": "Allow",
        "Principal": { "AWS": principal },
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    });
    if let Some(id) = &role.external_id {
        statement["Condition"] = json!({ "StringEquals": { "sts:ExternalId": id } });
    }
    statement
}

fn role_of(role: &Role, trust: Vec<Value>, policies: Vec<Value>) -> spec::Role {
    spec::Role {
        name: name_of(&role.arn),
        trust: json!({ "Version": "2012-10-17", "Statement": trust }),
        policies,
        max_session_seconds: None,
    }
}

/// The role of a task: it pulls images and writes logs.
fn task_role(arn: &str) -> spec::Role {
    let trust = json!([{
        "Effect": "Allow",
        "Principal": { "Service": "ecs-tasks.amazonaws.com" },
        "Action": "sts:AssumeRole",
    }]);
    let may = json!([{
        "Effect": "Allow",
        "Action": [
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetAuthorizationToken",
            "ecr:GetDownloadUrlForLayer",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        ],
        "Resource": "*",
    }]);
    spec::Role {
        name: name_of(arn),
        trust: json!({ "Version": "2012-10-17", "Statement": trust }),
        policies: vec![json!({ "Version": "2012-10-17", "Statement": may })],
        max_session_seconds: None,
    }
}

/// Whether one-off tasks are part of a run.
fn runs_tasks(environment: &Environment) -> bool {
    let mut checks = environment.validate.iter().chain(&environment.verify);
    !environment.before.is_empty() || checks.any(|check| matches!(check, Check::Task(_)))
}

/// What builds, pushes and has scanned as the configuration asks.
fn build_policies(request: &Request, build: &Build, scope: &Scope<'_>) -> Vec<Value> {
    let mut policies = vec![permissions::build_role(scope)];
    if build.create.is_some() {
        policies.push(permissions::build_role_creation(scope));
    }
    if request.scan.is_some() {
        policies.push(permissions::build_role_scan(scope));
    }
    let roles: Vec<&str> = registry_roles(&build.registries).map(|(_, role)| role.arn.as_str()).collect();
    if !roles.is_empty() {
        let enter =
            json!({ "Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": roles });
        policies.push(json!({ "Version": "2012-10-17", "Statement": [enter] }));
    }
    if build.registries.iter().any(|registry| matches!(registry.login, RegistryLogin::Public)) {
        let actions = ["ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken"];
        let login = json!({ "Effect": "Allow", "Action": actions, "Resource": "*" });
        policies.push(json!({ "Version": "2012-10-17", "Statement": [login] }));
    }
    policies
}

/// The roles that log in to further registries of ECR, with their registry's account.
fn registry_roles(registries: &[FurtherRegistry]) -> impl Iterator<Item = (&str, &Role)> {
    registries.iter().filter_map(|registry| match &registry.login {
        RegistryLogin::Ecr { account, role: Some(role), .. } => Some((account.as_str(), role)),
        _ => None,
    })
}

/// The accounts of further registries of ECR, where they aren't there anyway, and the roles that log
/// in to them.
fn add_registries(accounts: &mut Vec<spec::Account>, registries: &[FurtherRegistry], pushing: &str) {
    for registry in registries {
        let RegistryLogin::Ecr { account, region, .. } = &registry.login else { continue };
        if !accounts.iter().any(|known| known.id == *account) {
            accounts.push(spec::Account {
                id: account.clone(),
                region: region.clone(),
                ..Default::default()
            });
        }
    }
    for (registry, role) in registry_roles(registries) {
        let id = role.arn.split(':').nth(4).unwrap_or(registry);
        if let Some(account) = accounts.iter_mut().find(|account| account.id == id)
            && !account.roles.iter().any(|known| known.name == name_of(&role.arn))
        {
            let may = json!({ "Statement": [
                { "Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*" },
                { "Effect": "Allow", "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], "Resource": "*" },
            ]});
            account.roles.push(role_of(role, vec![trusts(pushing, role)], vec![may]));
        }
    }
}

/// The caller may go where the configuration's roles lead; what has no role it does itself.
fn caller_policy(
    build: Option<&Role>,
    deploy: Option<&Role>,
    tasks: bool,
    pushes: Vec<Value>,
    scope: &Scope<'_>,
) -> Value {
    let mut statements = Vec::new();
    let mut add =
        |policy: Value| statements.extend(policy["Statement"].as_array().into_iter().flatten().cloned());
    let roles: Vec<&str> = [build, deploy].into_iter().flatten().map(|r| r.arn.as_str()).collect();
    if !roles.is_empty() {
        let into =
            json!({ "Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": roles });
        add(json!({ "Statement": [into] }));
    }
    if build.is_none() {
        pushes.into_iter().for_each(&mut add);
    }
    if deploy.is_none() {
        add(permissions::deploy_role(scope));
        add(permissions::deploy_role_optional(scope));
        if tasks {
            add(permissions::deploy_role_tasks(scope));
        }
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// One account that is both.
fn merged(build: spec::Account, mut deploy: spec::Account) -> spec::Account {
    deploy.oidc_provider |= build.oidc_provider;
    deploy.users.extend(build.users);
    deploy.roles.extend(build.roles);
    deploy.repositories.extend(build.repositories);
    deploy
}

fn minutes(span: Duration) -> u32 {
    u32::try_from(span.as_secs().div_ceil(60)).unwrap_or(u32::MAX)
}

fn name_of(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or(arn).to_owned()
}

pub(super) fn partition(region: &str) -> &'static str {
    match region {
        r if r.starts_with("cn-") => "aws-cn",
        r if r.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}
