//! Checks from the file's types to the request's: defaults, limits that contradict each other,
//! commands that aren't there.

use super::{Purpose, assemble::Assembly};
use crate::{
    checks,
    config::{facts, file, yaml::Path},
    request::{Ask, Check, HttpCheck, Latencies, LoadCheck, OneOff, RunCheck},
    say::inputs as say,
};
use reqwest::{
    Method,
    header::{HOST, HeaderName, HeaderValue},
};
use std::{collections::BTreeMap, fs, time::Duration};

const TIMEOUT: Duration = Duration::from_secs(5);
const WITHIN: Duration = Duration::from_secs(60);
const RUN: Duration = Duration::from_secs(120);
/// A migration has its time; a check is waited for by a deployment.
const BEFORE: Duration = Duration::from_secs(600);
const LOAD: Duration = Duration::from_secs(30);
const RATE: u32 = 20;
const CONNECTIONS: u32 = 50;
/// Below it a p99 is one request's word.
const MIN_SAMPLES: u32 = 100;

/// The fields of a request, which several kinds have.
struct Fields<'a> {
    path: &'a str,
    method: Option<&'a str>,
    headers: &'a BTreeMap<String, String>,
    host: Option<&'a String>,
    ca: Option<&'a str>,
    timeout: Option<file::Span>,
}

impl Assembly<'_> {
    /// A check with something wrong in it is told of, and taken as it is.
    pub(super) fn checks(&mut self, checks: &[file::Check], section: &Path) -> Vec<Check> {
        let after_the_shift = section.name() == "verify";
        let one = |(at, check): (usize, &file::Check)| {
            let path = section.index(at);
            match check {
                file::Check::Http(check) => Check::Http(self.http(check, &path.key("http"))),
                file::Check::Run(check) => Check::Run(self.run(check, &path.key("run"))),
                file::Check::Load(check) => Check::Load(self.load(check, &path.key("load"), after_the_shift)),
                file::Check::Task(task) => Check::Task(self.one_off(task, RUN, &path.key("task"))),
            }
        };
        checks.iter().enumerate().map(one).collect()
    }

    fn http(&mut self, check: &file::HttpCheck, path: &Path) -> HttpCheck {
        let ask = self.ask(
            &Fields {
                path: &check.path,
                method: check.method.as_deref(),
                headers: &check.headers,
                host: check.host.as_ref(),
                ca: check.ca.as_deref(),
                timeout: check.timeout,
            },
            path,
        );
        if ask.method == Method::HEAD.as_str() {
            let wants_body =
                [("contains", check.contains.is_some()), ("json", !check.json.is_empty())].into_iter();
            for (key, _) in wants_body.filter(|(_, wants)| *wants) {
                self.add(|subject| say::head_has_no_body(key, subject), &path.key(key));
            }
        }
        for pointer in check.json.keys().filter(|pointer| !pointer.is_empty() && !pointer.starts_with('/')) {
            self.add(|subject| say::not_a_pointer(pointer, subject), &path.key("json").key(pointer));
        }
        let latency = check.latency.map(|span| span.0);
        if let Some(latency) = latency.filter(|latency| *latency > ask.timeout) {
            let timeout = ask.timeout;
            self.add(|subject| say::beyond_timeout(latency, timeout, subject), &path.key("latency"));
        }
        HttpCheck {
            status: check.status.unwrap_or(200),
            contains: check.contains.clone(),
            json: check.json.clone(),
            latency,
            within: check.within.map_or(WITHIN, |span| span.0),
            ask,
        }
    }

    fn ask(&mut self, fields: &Fields<'_>, path: &Path) -> Ask {
        let method = fields.method.unwrap_or(Method::GET.as_str()).to_ascii_uppercase();
        // Those are sent as they are written; a word that isn't one of HTTP's is mistyped.
        if !["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&method.as_str()) {
            self.add(|subject| say::not_a_method(&method, subject), &path.key("method"));
        }
        for (name, value) in fields.headers {
            let place = path.key("headers").key(name);
            match (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str())) {
                (Ok(name), Ok(_)) if name == HOST => self.add(say::host_as_header, &place),
                (Ok(_), Ok(_)) => {}
                _ => self.add(|subject| say::not_a_header(name, subject), &place),
            }
        }
        let ca = fields.ca.map(|file| self.file(file, path, "ca"));
        if let Some(text) = ca.as_ref().and_then(|file| fs::read(file).ok())
            && !reqwest::Certificate::from_pem_bundle(&text).is_ok_and(|found| !found.is_empty())
        {
            self.add(say::no_certificates, &path.key("ca"));
        }
        Ask {
            path: fields.path.to_owned(),
            method,
            headers: fields.headers.clone(),
            host: fields.host.cloned(),
            ca,
            timeout: fields.timeout.map_or(TIMEOUT, |span| span.0),
        }
    }

    fn run(&mut self, check: &file::RunCheck, path: &Path) -> RunCheck {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let (command, image) = (given(&check.command), given(&check.image));
        if command.is_none() && image.is_none() {
            self.add(say::nothing_to_run, path);
        }
        let run = RunCheck {
            command,
            image,
            folder: self.source.folder.clone(),
            timeout: check.timeout.map_or(RUN, |span| span.0),
        };
        if self.purpose == Purpose::Ship
            && let Some(missing) = checks::missing(&run)
        {
            self.add(|subject| say::not_to_be_run(&missing, subject), &path.key("command"));
        }
        run
    }

    pub(super) fn before(&mut self, tasks: &[file::OneOff], section: &Path) -> Vec<OneOff> {
        tasks.iter().enumerate().map(|(at, task)| self.one_off(task, BEFORE, &section.index(at))).collect()
    }

    fn one_off(&mut self, task: &file::OneOff, usual: Duration, path: &Path) -> OneOff {
        if task.command.iter().all(|word| word.trim().is_empty()) {
            self.add(say::no_words, &path.key("command"));
        }
        OneOff {
            command: task.command.clone(),
            container: task.container.clone(),
            environment: task.environment.clone(),
            timeout: task.timeout.map_or(usual, |span| span.0),
        }
    }

    fn load(&mut self, check: &file::LoadCheck, path: &Path, after_the_shift: bool) -> LoadCheck {
        let ask = self.ask(
            &Fields {
                path: &check.path,
                method: check.method.as_deref(),
                headers: &check.headers,
                host: check.host.as_ref(),
                ca: check.ca.as_deref(),
                timeout: check.timeout,
            },
            path,
        );
        let span = |span: Option<file::Span>| span.map(|span| span.0);
        let percent = |text: &Option<String>| text.as_deref().and_then(facts::percent);
        let blue = check.against_blue.clone().unwrap_or_default();
        let load = LoadCheck {
            rate: check.rate.unwrap_or(RATE),
            time: span(check.time).unwrap_or(LOAD),
            connections: check.connections.unwrap_or(CONNECTIONS),
            min_samples: check.min_samples.unwrap_or(MIN_SAMPLES),
            errors: percent(&check.errors),
            latencies: Latencies { p50: span(check.p50), p95: span(check.p95), p99: span(check.p99) },
            errors_above_blue: percent(&blue.errors),
            times_blue: Latencies { p50: blue.p50, p95: blue.p95, p99: blue.p99 },
            inconclusive: check.inconclusive.unwrap_or_default(),
            ask,
        };
        self.contradictions(&load, path);
        if load.asks_blue() && after_the_shift {
            self.add(say::no_blue_any_more, &path.key("against-blue"));
        }
        load
    }

    fn contradictions(&mut self, load: &LoadCheck, path: &Path) {
        if load.errors.is_none() && load.latencies.each().next().is_none() && !load.asks_blue() {
            self.add(say::no_limit, path);
        }
        let sent = f64::from(load.rate) * load.time.as_secs_f64();
        if sent < f64::from(load.min_samples) {
            let place = if self.is_given(&path.key("min-samples")) { "min-samples" } else { "for" };
            self.add(|subject| say::never_enough(load, sent, subject), &path.key(place));
        }
        let limits: Vec<_> = load.latencies.each().collect();
        for pair in limits.windows(2) {
            if let [(low, lower), (high, higher)] = pair
                && lower > higher
            {
                self.add(
                    |subject| say::percentiles_cross((low, *lower), (high, *higher), subject),
                    &path.key(low),
                );
            }
        }
        for (name, limit) in limits.iter().filter(|(_, limit)| *limit > load.ask.timeout) {
            self.add(|subject| say::beyond_timeout(*limit, load.ask.timeout, subject), &path.key(name));
        }
        for (name, _) in load.times_blue.each().filter(|(_, times)| *times <= 0.0) {
            self.add(say::not_a_multiple, &path.key("against-blue").key(name));
        }
    }

    fn is_given(&self, path: &Path) -> bool {
        self.source.text_of(path).is_some()
    }
}
