//! From what is asked for and what there is to the plan, or to all that stands against it.

use super::{DeploymentStep, ImageStep, Plan, TaskDefinitionStep};
use crate::{
    appspec::{AppSpec, Kept},
    current::{Current, Group, Service, group_name},
    deployment::{Budget, Shape, time_for_checks},
    documents,
    event::Run,
    marker,
    outcome::{Finding, Stop},
    request::{Check, Concurrency, Hold, ImageRequest, OneOff, Request},
    say::{deployment as deployment_say, plan as say},
    task_definition::{Document, Revision, SIZE_LIMIT},
};
use std::{collections::BTreeMap, time::Duration};

/// Below `STOP_DEPLOYMENT`'s wait, nothing is lost when the group does without these.
const ROLLBACK_WHEN: [&str; 3] = ["on failure", "on an alarm", "on request"];

impl Plan {
    pub fn of(request: &Request, mut current: Current) -> Result<Plan, Stop> {
        let mut findings = std::mem::take(&mut current.findings);
        let mut warnings = Vec::new();
        let refused = current.image_refused.take();

        let source = Source::of(request, &current, &mut findings);
        let image = image(request, &mut current, source.as_ref(), &mut findings);
        let target = source.as_ref().and_then(|source| target(request, &current, source, &mut findings));
        if let Some(source) = &source {
            task_findings(request, source, &mut findings);
        }
        service_findings(&current, &mut findings);
        group_findings(request, &current, &mut findings);
        watch_findings(request, &current, &mut findings, &mut warnings);
        let budget = budget(request, &current, &mut findings, &mut warnings);
        let (attach, active) = active(request, &current, &mut findings);
        state_warnings(request, &current, &mut warnings);
        if let (None, Some(stop)) = (&image, refused) {
            // What stands against the image alone keeps its own word.
            if findings.is_empty() {
                return Err(stop);
            }
            findings.extend(stop.findings);
        }

        let supersedes = request.environment.concurrency == Concurrency::Supersede
            && current.active.first().is_some_and(|active| active.makes_way_for(&current.facts.marker));
        let all = (current.service, current.live, current.group, current.config, budget);
        let (
            Some(source),
            Some(image),
            Some(target),
            (Some(service), Some(live), Some(group), Some((config, shape)), Some(budget)),
        ) = (source, image, target, all)
        else {
            return Err(Stop::refused(findings));
        };
        if !findings.is_empty() {
            return Err(Stop::refused(findings));
        }

        let facts = current.facts;
        let environment = &request.environment;
        let url = |given: &Option<String>, listeners: &[crate::current::Listener]| {
            given.clone().or_else(|| listeners.iter().find_map(|l| l.url()))
        };
        let production_url = url(&environment.url, &current.traffic.production);
        let mut tags = source.tags;
        tags.retain(|key, _| !marker::is_ours(key) && !key.starts_with("aws:"));
        tags.extend(facts.marker.tags());
        let marked = current.latest.filter(|latest| is_ours(latest, &facts.marker));
        let (marked_arn, marked) = marked.map(|marked| (marked.arn, marked.document)).unzip();
        let appspec = current.documents.appspec.unwrap_or_else(AppSpec::generated).completed(&target);
        let checks = |checks: &[Check]| checks.iter().map(|c| with_container(c, &source.container)).collect();
        let mut alarms = group.alarms.clone();
        let mut own_alarms = environment.alarms.clone();
        own_alarms.retain(|alarm| !group.alarms.contains(alarm));
        alarms.extend(own_alarms.iter().cloned());
        Ok(Plan {
            run: Run {
                command: facts.command,
                service: request.service.clone(),
                environment: environment.name.clone(),
                account: current.account,
                region: current.region,
                url: production_url.clone(),
                commit: facts.marker.commit.clone(),
            },
            image,
            scan: request.scan.clone(),
            task_definition: TaskDefinitionStep {
                document: source.document,
                pins: source.pins,
                live_arn: live.arn,
                live: live.document,
                live_tags: live.tags,
                marked_arn,
                marked,
                tags,
                force: request.force,
            },
            deployment: DeploymentStep {
                cluster: service.cluster,
                service: service.name,
                application: group.application,
                group: group.name,
                config,
                config_given: environment.deployment_config.is_some(),
                shape,
                ready_wait: group.ready_wait,
                termination_wait: group.termination_wait,
                rollback: group.rollback,
                appspec,
                description: facts.marker.description(),
                production_listeners: group.production_listeners,
                test_url: url(&environment.test_url, &current.traffic.test),
                test_listeners: group.test_listeners,
                target_groups: group.target_groups,
                production_url,
                before: environment.before.iter().map(|task| in_container(task, &source.container)).collect(),
                validate: checks(&environment.validate),
                verify: checks(&environment.verify),
                alarms,
                own_alarms,
                fail_fast: environment.fail_fast,
                attach,
                active,
                supersedes,
                concurrency: environment.concurrency,
                hold: environment.hold,
                until: environment.until,
                on_cancel: environment.on_cancel,
                time_limit: environment.time_limit,
                desired_count: service.desired_count,
            },
            budget,
            warnings,
            notes: current.notes,
        })
    }
}

/// The document that the next revision is made from.
struct Source {
    document: Document,
    tags: BTreeMap<String, String>,
    /// The container that gets this run's image.
    container: String,
    pins: BTreeMap<String, Option<String>>,
}

impl Source {
    fn of(request: &Request, current: &Current, findings: &mut Vec<Finding>) -> Option<Source> {
        let (document, tags) = match (&current.documents.task_definition, &current.live) {
            // The file's containers were checked when it was read.
            (Some(file), _) => (&file.document, &file.tags),
            (None, Some(live)) => {
                findings.extend(documents::container_findings(request, &live.document));
                (&live.document, &live.tags)
            }
            (None, None) => return None,
        };
        let container = documents::container(request, document).ok()?;
        let mut pins: BTreeMap<String, Option<String>> =
            current.images.iter().map(|(name, image)| (name.clone(), Some(image.clone()))).collect();
        pins.insert(container.clone(), None);
        Some(Source { document: document.clone(), tags: tags.clone(), container, pins })
    }
}

fn is_ours(revision: &Revision, marker: &marker::Marker) -> bool {
    revision.marker().is_some_and(|found| marker.owns(&found))
}

/// The image of this run. What an earlier run of the same commit, environment and configuration
/// has already put into a revision is taken from there.
fn image(
    request: &Request,
    current: &mut Current,
    source: Option<&Source>,
    findings: &mut Vec<Finding>,
) -> Option<ImageStep> {
    let marker = &current.facts.marker;
    if let (Some(source), ImageRequest::Build(_), false) = (source, &request.image, request.force) {
        let revisions = [&current.attached, &current.live, &current.latest];
        let ours = revisions.into_iter().flatten().find(|revision| is_ours(revision, marker));
        let pinned =
            ours.and_then(|ours| ours.document.image_of(&source.container)).and_then(|i| i.split_once('@'));
        if let (Some((uri, digest)), Some(commit)) = (pinned, &marker.commit) {
            let more = match current.image.as_ref().map(|candidate| &candidate.step) {
                Some(ImageStep::Reuse { digest: same, more, .. }) if same == digest => more.clone(),
                _ => Vec::new(),
            };
            return Some(ImageStep::Reuse {
                uri: uri.to_owned(),
                digest: digest.to_owned(),
                tag: commit.clone(),
                more,
            });
        }
    }
    let fargate = current.service.as_ref().is_some_and(Service::on_fargate);
    let mut candidate = current.image.take()?;
    let wanted = source.and_then(|source| source.document.platform(fargate));
    findings.extend(wanted.and_then(|wanted| candidate.fit(&wanted)));
    current.notes.append(&mut candidate.notes);
    let step = candidate.step;
    if let (Some(source), ImageStep::Given { uri, digest } | ImageStep::Reuse { uri, digest, .. }) =
        (source, &step)
    {
        let size = source.document.pinned(&source.pins, &format!("{uri}@{digest}")).size();
        if size > SIZE_LIMIT {
            findings.push(say::too_large(size, SIZE_LIMIT));
        }
    }
    Some(step)
}

/// What the AppSpec keeps of the service, with a container and a port that the document has.
fn target(
    request: &Request,
    current: &Current,
    source: &Source,
    findings: &mut Vec<Finding>,
) -> Option<Kept> {
    let service = current.service.as_ref()?;
    let Some(balancer) = service.balancers.first() else {
        findings.push(say::no_balancer(&service.name));
        return None;
    };
    let own = current.documents.appspec.as_ref().and_then(AppSpec::target);
    let (container, port) = match (own, request.environment.container_port) {
        (Some((container, port)), _) => (container.to_owned(), port),
        (None, Some(port)) => (source.container.clone(), port),
        (None, None) if source.document.has_container(&balancer.container) => {
            (balancer.container.clone(), balancer.port)
        }
        // The container behind the load balancer was renamed: it is the one that gets the image.
        (None, None) => (source.container.clone(), balancer.port),
    };
    let names = source.document.container_names();
    let ports = source.document.ports_of(&container);
    if !names.contains(&container.as_str()) {
        findings.push(say::no_container(&container, &names));
    } else if !ports.contains(&port) {
        let finding = say::no_port(&container, port, &ports);
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    let vpc = source.document.network_mode() == "awsvpc";
    Some(Kept {
        container,
        container_port: port,
        platform_version: service.platform_version.clone().filter(|_| service.on_fargate()),
        network: service.network.clone().filter(|_| vpc),
        strategy: service.strategy.clone(),
    })
}

fn service_findings(current: &Current, findings: &mut Vec<Finding>) {
    let Some(service) = &current.service else { return };
    if service.controller != "CODE_DEPLOY" {
        // A service of another controller has no group: that is no second finding.
        findings.retain(|finding| !is_about_missing_group(finding, service));
        findings.insert(0, say::controller(&service.name, &service.controller));
    }
}

fn is_about_missing_group(finding: &Finding, service: &Service) -> bool {
    use crate::say::current as say;
    *finding == say::no_group_of_service(&service.name, &service.cluster, None, None)
        || *finding == say::group_not_found_without_listing(&service.name)
}

fn group_findings(request: &Request, current: &Current, findings: &mut Vec<Finding>) {
    let Some(group) = &current.group else { return };
    if group.platform != "ECS" {
        findings.push(say::group_of_another_platform(&group.name, &group.platform));
        return;
    }
    if let Some(service) = &current.service
        && !group.deploys(service)
    {
        findings.push(say::group_of_another_service(
            &group.name,
            &group.services,
            &service.cluster,
            &service.name,
        ));
    }
    if group.config.is_none() && request.environment.deployment_config.is_none() {
        findings.push(say::no_config(&group.name));
    }
    if group.production_listeners.is_empty() {
        findings.push(say::no_production_listener(&group.name));
    }
    let primary =
        current.service.as_ref().and_then(Service::primary).and_then(|set| set.target_group.as_deref());
    for listener in &current.traffic.production {
        if let Some(primary) = primary
            && !listener.forwards.contains_key(primary)
        {
            findings.push(say::not_behind_listener(group_name(primary), &listener.arn));
        }
        if let Some((config, shape)) = &current.config
            && listener.is_of_network_balancer()
            && *shape != Shape::AllAtOnce
        {
            findings.push(say::only_at_once(config));
        }
    }
    if request.environment.hold == Hold::Approve && group.ready_wait.is_none() {
        findings.push(say::cannot_hold("hold: approve", &group.name));
    }
    check_findings(request, current, group, findings);
}

/// A one-off task runs in the container that gets the image, unless it names another.
fn in_container(task: &OneOff, usual: &str) -> OneOff {
    OneOff { container: Some(task.container.clone().unwrap_or_else(|| usual.to_owned())), ..task.clone() }
}

fn with_container(check: &Check, usual: &str) -> Check {
    match check {
        Check::Task(task) => Check::Task(in_container(task, usual)),
        other => other.clone(),
    }
}

fn task_findings(request: &Request, source: &Source, findings: &mut Vec<Finding>) {
    let environment = &request.environment;
    let of_checks = environment.validate.iter().chain(&environment.verify).filter_map(|check| match check {
        Check::Task(task) => Some(task),
        _ => None,
    });
    let names = source.document.container_names();
    for container in environment.before.iter().chain(of_checks).filter_map(|task| task.container.as_deref()) {
        if !names.contains(&container) {
            findings.push(say::no_container(container, &names));
        }
    }
}

fn check_findings(request: &Request, current: &Current, group: &Group, findings: &mut Vec<Finding>) {
    let environment = &request.environment;
    let (validate, verify) = (&environment.validate, &environment.verify);
    let longest = |checks: &[Check]| checks.iter().map(Check::longest).sum::<Duration>();
    if !validate.is_empty() {
        match group.ready_wait {
            // Told already.
            None if environment.hold == Hold::Approve => {}
            None => findings.push(say::cannot_hold("validate", &group.name)),
            Some(wait) if longest(validate) > time_for_checks(wait) => {
                findings.push(say::checks_beyond_ready_wait(&group.name, longest(validate), wait));
            }
            Some(_) => {}
        }
    }
    let from_here = validate.iter().any(|check| !matches!(check, Check::Task(_)));
    if from_here && group.test_listeners.is_empty() {
        findings.push(say::no_test_listener(&group.name));
    } else if from_here
        && environment.test_url.is_none()
        && current.traffic.test.iter().all(|l| l.url().is_none())
    {
        findings.push(say::no_test_url());
    }
    if longest(verify) > time_for_checks(group.termination_wait) {
        findings.push(say::checks_beyond_termination_wait(
            &group.name,
            longest(verify),
            group.termination_wait,
        ));
    }
    if !verify.is_empty()
        && environment.url.is_none()
        && current.traffic.production.iter().all(|l| l.url().is_none())
    {
        findings.push(say::no_production_url());
    }
    findings.extend(current.unreachable.iter().map(say::unreachable));
    findings.extend(current.no_engine.as_deref().map(say::no_engine));
}

fn watch_findings(
    request: &Request,
    current: &Current,
    findings: &mut Vec<Finding>,
    warnings: &mut Vec<String>,
) {
    findings.extend(current.missing_alarms.iter().map(|alarm| say::alarm_missing(alarm)));
    // What is begun already is followed, whatever its alarms say: it is they that judge it.
    let begun = current.active.iter().any(|active| active.is_of(&current.facts.marker));
    for alarm in current.alarms.iter().filter(|_| !begun) {
        match alarm.state.as_str() {
            "ALARM" => findings.push(say::alarm_in_alarm(alarm)),
            "INSUFFICIENT_DATA" if request.environment.allow_missing_data => {
                warnings.push(say::no_data(&alarm.name));
            }
            "INSUFFICIENT_DATA" => findings.push(say::alarm_without_data(alarm)),
            _ => {}
        }
    }
    warnings.extend(current.scaling.iter().map(say::scaling));
}

fn budget(
    request: &Request,
    current: &Current,
    findings: &mut Vec<Finding>,
    warnings: &mut Vec<String>,
) -> Option<Budget> {
    let (group, (_, shape)) = (current.group.as_ref()?, current.config.as_ref()?);
    let tasks = current.service.as_ref().map_or(1, |s| s.desired_count);
    let environment = &request.environment;
    // The run itself lets green go on: only what is known to pass is held against a limit.
    let mut budget = Budget::of(shape, group.ready_wait, group.termination_wait, tasks, environment.until);
    budget.limit += environment.before.iter().map(|task| task.timeout).sum::<Duration>();
    let certain = budget.shift + budget.termination_wait;
    if let Some(limit) = environment.time_limit.filter(|limit| *limit < certain) {
        findings.push(say::limit_too_short(limit, certain));
    }
    if let Some(hold) = current.credentials_hold {
        let limit = environment.time_limit.unwrap_or(budget.limit);
        if hold < budget.likely() {
            findings.push(say::credentials_too_short(hold, budget.likely()));
        } else if hold < limit {
            warnings.push(say::limit_beyond_credentials(hold));
        }
    }
    Some(budget)
}

/// Our own active deployment to attach to, or somebody else's to wait behind.
fn active(
    request: &Request,
    current: &Current,
    findings: &mut Vec<Finding>,
) -> (Option<String>, Option<String>) {
    let marker = &current.facts.marker;
    if let Some(ours) = current.active.iter().find(|a| a.is_of(marker)) {
        return (Some(ours.id.clone()), None);
    }
    let Some(other) = current.active.first() else { return (None, None) };
    if let (Concurrency::Fail, Some(group)) = (request.environment.concurrency, &current.group) {
        findings.push(deployment_say::slot_taken(&group.name, Some(&other.id)));
    }
    (None, Some(other.id.clone()))
}

fn state_warnings(request: &Request, current: &Current, warnings: &mut Vec<String>) {
    if let Some(group) = &current.group {
        let on = [group.rollback.on_failure, group.rollback.on_alarm, group.rollback.on_request];
        let off: Vec<&str> =
            on.iter().zip(ROLLBACK_WHEN).filter(|(on, _)| !**on).map(|(_, when)| when).collect();
        if !off.is_empty() {
            warnings.push(say::no_rollback(&group.name, &off));
        }
    }
    if let Some(service) = current.service.as_ref().filter(|s| s.desired_count == 0) {
        warnings.push(say::no_tasks(&service.name));
    }
    for (container, image) in current.images.iter().filter(|(_, image)| !image.contains("@sha256:")) {
        warnings.push(say::not_pinned(container, image));
    }
    // While a deployment runs, a split is what it does.
    if current.active.is_empty()
        && let Some(shares) = split(current)
    {
        warnings.push(say::split(&shares));
    }
    if current.facts.marker.dirty && matches!(request.image, ImageRequest::Build(_)) {
        warnings.push(say::dirty());
    }
    if let (None, Some(latest), Some(live)) =
        (&current.documents.task_definition, &current.latest, &current.live)
        && !is_ours(latest, &current.facts.marker)
    {
        let name = deployment_say::revision;
        warnings.push(say::newer_revision(name(&latest.arn), name(&live.arn)));
    }
}

/// Shares of the pair, when both serve.
fn split(current: &Current) -> Option<String> {
    let pair = &current.group.as_ref()?.target_groups;
    let listener = current.traffic.production.first()?;
    let serving: Vec<(&str, u32)> = listener
        .forwards
        .iter()
        .map(|(arn, weight)| (group_name(arn), *weight))
        .filter(|(name, weight)| *weight > 0 && pair.iter().any(|p| p == name))
        .collect();
    let total: u32 = serving.iter().map(|(_, weight)| weight).sum();
    let share = |(name, weight): &(&str, u32)| {
        format!("{:.0}% on `{name}`", f64::from(*weight) / f64::from(total) * 100.0)
    };
    (serving.len() > 1).then(|| serving.iter().map(share).collect::<Vec<_>>().join(", "))
}
