//! From the file's types to the request: defaults, contradictions, files that aren't there.

use super::{
    LIVE, Purpose,
    field::{FIELDS, Section},
    source::{Source, Subject},
};
use crate::{
    cli::Options,
    config::{
        check::{Problem, Wrong},
        facts::{self, RoleArn},
        file,
        yaml::Path,
    },
    image::{reference::Reference, words},
    outcome::Finding,
    request::{
        Auth, Build, BuildAccount, Environment, ImageRequest, Request, Role, SecretSource,
        TaskDefinitionSource,
    },
    say::{image::not_a_reference, inputs as say},
    surroundings::Variables,
};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, path::PathBuf};

/// Tasks of green that stop for one reason: the second may be bad luck.
const FAIL_FAST: u32 = 3;

#[expect(clippy::too_many_arguments, reason = "what there is to know of what is asked for")]
/// Adds what is wrong to the findings; `None` when something that can't be done without is missing.
pub fn request(
    purpose: Purpose,
    file: file::File,
    environment: &str,
    options: &Options,
    source: &Source,
    variables: &Variables,
    problems: &[Problem],
    findings: &mut Vec<Finding>,
) -> Option<Request> {
    let mut assembly = Assembly { purpose, environment, options, source, variables, problems, findings };
    let fields = file.environments.get(environment).cloned().unwrap_or_default();
    let scan = assembly.scan(file.image.as_ref());
    let image = assembly.image(file.image.clone(), &file);
    let environment = assembly.environment(&fields, file.service.as_ref());
    let build_account = assembly.build_account(file.build_account, &fields);
    let auth = file.auth.unwrap_or_default();
    let role = |role: &Option<Role>| role.is_some();
    if auth == Auth::Oidc
        && !role(&environment.role)
        && !build_account.as_ref().is_some_and(|b| role(&b.role))
    {
        assembly.add(say::oidc_without_role, &Section::Top.path("").key("auth"));
    }
    let image = image?;
    let mut request = Request {
        service: file.service.unwrap_or_else(|| environment.service.clone()),
        environment,
        build_account,
        image,
        scan,
        auth,
        force: options.force,
        configuration_hash: String::new(),
    };
    if assembly.findings.is_empty() {
        request.configuration_hash = hash(&request, source);
    }
    Some(request)
}

pub(super) struct Assembly<'a> {
    pub(super) purpose: Purpose,
    pub(super) environment: &'a str,
    options: &'a Options,
    pub(super) source: &'a Source,
    pub(super) variables: &'a Variables,
    problems: &'a [Problem],
    findings: &'a mut Vec<Finding>,
}

impl Assembly<'_> {
    fn image(&mut self, image: Option<file::Image>, file: &file::File) -> Option<ImageRequest> {
        if self.purpose == Purpose::Attend {
            // Nobody looks at it: nothing is shipped.
            return Some(ImageRequest::Given(String::new()));
        }
        let section = Section::Image.path(self.environment);
        if let Some(uri) = &self.options.image {
            let building: Vec<String> = FIELDS
                .iter()
                // What is given is scanned, too.
                .filter(|field| field.section == Section::Image && field.key != "scan")
                .filter_map(|field| self.source.given.get(&section.key(field.key)).cloned())
                .collect();
            if !building.is_empty() {
                let said = say::given_as("image", self.options.overrides.inputs.contains("image"));
                self.findings.push(say::image_and_build(&said, &building));
            }
            if Reference::parse(uri).is_none() {
                self.findings.push(not_a_reference(uri));
            }
            return Some(ImageRequest::Given(uri.clone()));
        }
        let Some(image) = image else {
            if !self.is_told(&section) {
                self.add(say::no_image, &Path::default());
            }
            return None;
        };
        match &image.repository {
            None if self.is_told(&section.key("repository")) => {}
            None => self.add(say::no_repository, &section),
            Some(name) if facts::is_repository(name) => {}
            Some(name) => {
                self.add(|subject| say::not_a_repository(name, subject), &section.key("repository"))
            }
        }
        let context =
            image.context.as_deref().map_or_else(|| self.source.folder.clone(), |path| self.path(path));
        let dockerfile = match &image.dockerfile {
            Some(path) => self.path(path),
            None => context.join("Dockerfile"),
        };
        if !context.is_dir() {
            let context = self.source.shown(&context);
            self.add(|subject| say::no_context(&context, subject), &section.key("context"));
        } else if !dockerfile.is_file() {
            let dockerfile = self.source.shown(&dockerfile);
            self.add(|subject| say::no_dockerfile(&dockerfile, subject), &section.key("dockerfile"));
        }
        for (at, platform) in image.platforms.iter().enumerate().filter(|(_, p)| !facts::is_platform(p)) {
            self.add(|subject| say::not_a_platform(platform, subject), &section.key("platforms").index(at));
        }
        for (at, tag) in image.tags.iter().enumerate() {
            self.tag(tag, &section.key("tags").index(at));
        }
        for (key, texts) in [("build-args", &image.build_args), ("labels", &image.labels)] {
            for (name, text) in texts {
                self.words(text, &section.key(key).key(name));
            }
        }
        self.caches(&image.cache_from, &section.key("cache-from"));
        self.caches(&image.cache_to, &section.key("cache-to"));
        let registries = self.registries(&image.registries, file, &section.key("registries"));
        let create = self.new_repository(image.create_repository.as_ref(), file, &section);
        Some(ImageRequest::Build(Box::new(Build {
            repository: image.repository.unwrap_or_default(),
            context,
            dockerfile,
            build_args: image.build_args,
            target: image.target,
            platforms: image.platforms,
            tags: image.tags,
            labels: image.labels,
            secrets: self.build_secrets(&image.secrets, &section.key("secrets")),
            ssh: self.ssh(&image.ssh, &section.key("ssh")),
            cache_from: image.cache_from,
            cache_to: image.cache_to,
            provenance: self.attestation(image.provenance, &section.key("provenance")),
            sbom: self.attestation(image.sbom, &section.key("sbom")),
            build_contexts: self.contexts(image.build_contexts, &section.key("build-contexts")),
            no_cache: image.no_cache.unwrap_or_default(),
            pull: image.pull.unwrap_or_default(),
            builder: self.builder(image.builder, &section.key("builder")),
            create,
            registries,
        })))
    }

    fn tag(&mut self, tag: &str, path: &Path) {
        if let Some(word) = words::unknown(tag).next() {
            return self.add(|subject| say::unknown_word(word, &words::KNOWN, subject), path);
        }
        // Any word will do to see whether the rest is sound.
        if !words::Words::any().expand(tag).is_ok_and(|tag| facts::is_tag(&tag)) {
            self.add(|subject| say::unsound_tag(tag, subject), path);
        }
    }

    fn environment(&mut self, fields: &file::Environment, service: Option<&String>) -> Environment {
        let section = Section::Environment.path(self.environment);
        let required = [
            ("region", fields.region.clone()),
            ("cluster", fields.cluster.clone()),
            ("service", fields.service.clone().or_else(|| service.cloned())),
        ];
        let [region, cluster, service] =
            required.map(|(key, value)| match value.filter(|v| !v.trim().is_empty()) {
                Some(value) => value,
                None => {
                    if !self.is_told(&section.key(key)) {
                        let environment = self.environment;
                        self.add(|subject| say::missing(key, environment, subject), &section);
                    }
                    String::new()
                }
            });
        self.region(&region, fields.allow_unknown_region, &section, "allow-unknown-region");
        let role = self.role(
            &section,
            &region,
            fields.role.as_deref(),
            fields.account.as_deref(),
            fields.external_id.as_ref(),
            &fields.session_tags,
            fields.tag_session,
        );
        if let Some(container) = fields.container.as_ref().filter(|c| fields.images.contains_key(*c)) {
            let path = section.key("images").key(container);
            self.add(|subject| say::image_twice(container, subject), &path);
        }
        for (container, _) in fields.images.iter().filter(|(_, image)| image.trim().is_empty()) {
            self.add(say::blank, &section.key("images").key(container));
        }
        let task_definition = match fields.task_definition.as_deref() {
            None | Some(LIVE) => TaskDefinitionSource::Live,
            Some(path) => TaskDefinitionSource::File(self.file(path, &section, "task-definition")),
        };
        let appspec = fields.appspec.as_deref().map(|path| self.file(path, &section, "appspec"));
        Environment {
            name: self.environment.to_owned(),
            account: account(fields.account.as_deref(), role.as_ref()),
            role,
            region,
            cluster,
            service,
            container: fields.container.clone(),
            container_port: fields.container_port,
            images: fields.images.clone(),
            task_definition,
            allow_unknown_keys: fields.allow_unknown_keys.clone(),
            application: fields.application.clone(),
            deployment_group: fields.deployment_group.clone(),
            deployment_config: fields.deployment_config.clone(),
            appspec,
            url: fields.url.clone(),
            test_url: fields.test_url.clone(),
            time_limit: fields.time_limit.map(|span| span.0),
            until: fields.until.unwrap_or_default(),
            on_cancel: fields.on_cancel,
            concurrency: fields.concurrency.unwrap_or_default(),
            allow_older: fields.allow_older.unwrap_or_default(),
            hold: fields.hold.unwrap_or_default(),
            alarms: fields.alarms.clone(),
            allow_missing_data: fields.allow_missing_data.unwrap_or_default(),
            fail_fast: fields.fail_fast.unwrap_or(FAIL_FAST),
            before: self.before(&fields.before, &section.key("before")),
            validate: self.checks(&fields.validate, &section.key("validate")),
            verify: self.checks(&fields.verify, &section.key("verify")),
        }
    }

    fn build_account(
        &mut self,
        account_fields: Option<file::BuildAccount>,
        environment: &file::Environment,
    ) -> Option<BuildAccount> {
        let fields = account_fields?;
        let section = Section::BuildAccount.path(self.environment);
        let region = fields.region.clone().or_else(|| environment.region.clone()).unwrap_or_default();
        if fields.region.is_some() {
            self.region(&region, fields.allow_unknown_region, &section, "build-allow-unknown-region");
        }
        let role = self.role(
            &section,
            &region,
            fields.role.as_deref(),
            fields.account.as_deref(),
            fields.external_id.as_ref(),
            &fields.session_tags,
            fields.tag_session,
        );
        Some(BuildAccount { account: account(fields.account.as_deref(), role.as_ref()), role, region })
    }

    pub(super) fn region(&mut self, region: &str, allow_unknown: Option<bool>, section: &Path, option: &str) {
        if !region.is_empty() && allow_unknown != Some(true) && facts::partition(region).is_none() {
            self.add(|subject| say::unknown_region(region, subject, option), &section.key("region"));
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the same fields of two types")]
    fn role(
        &mut self,
        section: &Path,
        region: &str,
        arn: Option<&str>,
        account: Option<&str>,
        external_id: Option<&String>,
        session_tags: &BTreeMap<String, String>,
        tag_session: Option<bool>,
    ) -> Option<Role> {
        for (name, _) in session_tags.iter().filter(|(name, value)| !is_session_tag(name, value)) {
            self.add(|subject| say::session_tag(name, subject), &section.key("session-tags").key(name));
        }
        if tag_session == Some(false) && !session_tags.is_empty() {
            self.add(say::tags_of_no_session, &section.key("session-tags"));
        }
        let Some(arn) = arn else {
            if external_id.is_some() && !self.is_told(&section.key("role")) {
                self.add(say::external_id_without_role, &section.key("external-id"));
            }
            return None;
        };
        let role = RoleArn::parse(arn);
        if let (Some(role), Some(partition)) = (role, facts::partition(region))
            && role.partition != partition
        {
            self.add(|subject| say::other_partition(region, arn, subject), &section.key("role"));
        }
        if let (Some(role), Some(account)) = (role, account)
            && role.account != account
        {
            self.add(|subject| say::other_account(account, arn, subject), &section.key("account"));
        }
        Some(Role {
            arn: arn.to_owned(),
            external_id: external_id.cloned(),
            session_tags: session_tags.clone(),
            tag_session: tag_session.unwrap_or(true),
        })
    }

    pub(super) fn file(&mut self, path: &str, section: &Path, key: &str) -> PathBuf {
        let path = self.path(path);
        if self.purpose != Purpose::Attend && !path.is_file() {
            let shown = self.source.shown(&path);
            self.add(|subject| say::no_file(key, &shown, subject), &section.key(key));
        }
        path
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.source.folder.join(path)
    }

    pub(super) fn tell(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    pub(super) fn add(&mut self, finding: impl FnOnce(&Subject) -> Finding, path: &Path) {
        self.findings.push(finding(&self.source.subject(path)));
    }

    /// Whether the check told about this value already, or about a key beside it that may well be
    /// this one mistyped.
    fn is_told(&self, path: &Path) -> bool {
        self.problems.iter().any(|problem| {
            path.starts_with(&problem.path)
                || matches!(&problem.wrong, Wrong::UnknownKey { known }
                    if problem.path.parent() == path.parent()
                        && facts::nearest(problem.path.name(), known.iter().copied()) == Some(path.name()))
        })
    }
}

fn account(stated: Option<&str>, role: Option<&Role>) -> Option<String> {
    let of_role = || RoleArn::parse(&role?.arn).map(|role| role.account);
    stated.or_else(of_role).map(str::to_owned)
}

fn is_session_tag(name: &str, value: &str) -> bool {
    let sound =
        |text: &str| text.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c));
    (1..=128).contains(&name.chars().count()) && value.chars().count() <= 256 && sound(name) && sound(value)
}

/// What tells one release's configuration from another's: the image, where it goes, how it is
/// shifted. Not how long we watch or who we are; and no path of this machine.
fn hash(request: &Request, source: &Source) -> String {
    let name = |path: &PathBuf| {
        let inside =
            path.strip_prefix(&source.folder).or_else(|_| path.strip_prefix(&source.working_directory));
        inside.unwrap_or(path).to_string_lossy().into_owned()
    };
    // A file of the configuration counts with what stands in it: it may not be under version control.
    let content = |path: &PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let image = match &request.image {
        ImageRequest::Given(uri) => serde_json::json!({ "given": uri }),
        ImageRequest::Build(build) => serde_json::json!({
            "repository": build.repository,
            "context": name(&build.context),
            "dockerfile": name(&build.dockerfile),
            "build-args": build.build_args,
            "target": build.target,
            "platforms": build.platforms,
            "tags": build.tags,
            "contents": contents(build, &name),
        }),
    };
    let environment = &request.environment;
    let canonical = serde_json::json!({
        "service": request.service,
        "image": image,
        "registry": request.build_account.as_ref().map(|build| (&build.account, &build.region)),
        "environment": environment.name,
        "account": environment.account,
        "region": environment.region,
        "cluster": environment.cluster,
        "ecs-service": environment.service,
        "container": environment.container,
        "container-port": environment.container_port,
        "images": environment.images,
        "task-definition": match &environment.task_definition {
            TaskDefinitionSource::Live => None,
            TaskDefinitionSource::File(path) => Some(content(path)),
        },
        "application": environment.application,
        "deployment-group": environment.deployment_group,
        "deployment-config": environment.deployment_config,
        "appspec": environment.appspec.as_ref().map(content),
    });
    hex::encode(Sha256::digest(canonical.to_string()))
}

/// What else gets into an image, and only where something is given, so that what isn't used makes
/// no difference. How it is built, with which caches and where, makes none either.
fn contents(build: &Build, name: &impl Fn(&PathBuf) -> String) -> Option<serde_json::Value> {
    let secrets = build.secrets.iter().map(|secret| match &secret.from {
        SecretSource::Env(variable) => (&secret.id, variable.clone()),
        SecretSource::File(file) => (&secret.id, name(file)),
        SecretSource::Input => (&secret.id, String::new()),
    });
    let secrets: BTreeMap<_, _> = secrets.collect();
    let contexts = build.build_contexts.iter().map(|(key, context)| (key, name(&PathBuf::from(context))));
    let contexts: BTreeMap<_, _> = contexts.collect();
    let ssh: Vec<_> = build.ssh.iter().map(|key| key.split('=').next().unwrap_or_default()).collect();
    let nothing = secrets.is_empty() && contexts.is_empty() && ssh.is_empty() && build.labels.is_empty();
    let attested = build.provenance.is_some() || build.sbom.is_some();
    (!nothing || attested).then(|| {
        serde_json::json!({
            "labels": build.labels,
            "secrets": secrets,
            "ssh": ssh,
            "contexts": contexts,
            "provenance": build.provenance,
            "sbom": build.sbom,
        })
    })
}
