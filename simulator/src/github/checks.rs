//! Check runs.

use super::{
    State,
    input::{Ask, Fields, missing},
    job::SERVER,
    reply::{Answer, Refusal, Reply},
    shapes::{self, node_id},
};
use serde_json::{Value, json};

const STATUSES: &[&str] = &["queued", "in_progress", "completed"];
const CONCLUSIONS: &[&str] =
    &["action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out"];
const TEXT_LIMIT: usize = 65_535;
const ANNOTATIONS_AT_ONCE: usize = 50;
const ANNOTATION_LIMIT: usize = 64 * 1024;
/// So many runs of one name a suite holds.
const RUNS_OF_A_NAME: usize = 1000;
/// The suite of the token's app for the commit.
const SUITE: u64 = 5;

#[derive(Debug, Default)]
pub(super) struct CheckRun {
    id: u64,
    name: String,
    head_sha: String,
    external_id: String,
    details_url: Option<String>,
    status: String,
    conclusion: Option<String>,
    started_at: Option<String>,
    completed_at: Option<String>,
    title: Option<String>,
    summary: Option<String>,
    text: Option<String>,
    annotations: Vec<Value>,
    actions: usize,
    updates: u32,
}

pub(super) fn create(state: &mut State, ask: &Ask) -> Answer {
    let fields = ask.fields()?;
    let name = fields.required("name")?.to_owned();
    let head_sha = fields.required("head_sha")?.to_owned();
    let known = state.resolve(&head_sha).filter(|sha| *sha == head_sha);
    known.ok_or_else(|| Refusal::new(422, format!("No commit found for SHA: {head_sha}")))?;
    let mut run = CheckRun { name, head_sha, status: "queued".into(), ..CheckRun::default() };
    if let Some(output) = fields.object("output")? {
        output.required("title")?;
    }
    run.take(fields, ask)?;
    if run.started_at.is_none() {
        run.started_at = Some(shapes::time(ask.now));
    }
    run.id = state.next_id();
    let named = |other: &CheckRun| other.name == run.name && other.head_sha == run.head_sha;
    if state.checks.iter().filter(|c| named(c)).count() >= RUNS_OF_A_NAME
        && let Some(oldest) = state.checks.iter().position(named)
    {
        state.checks.remove(oldest);
    }
    let shown = show(state, &run);
    state.checks.push(run);
    Ok(Reply::created(shown))
}

pub(super) fn update(state: &mut State, ask: &Ask) -> Answer {
    let (fields, at) = (ask.fields()?, position(state, ask)?);
    let Some(run) = state.checks.get_mut(at) else { return Err(Refusal::not_found()) };
    run.take(fields, ask)?;
    run.updates += 1;
    Ok(Reply::ok(show(state, &state.checks[at])))
}

pub(super) fn get(state: &mut State, ask: &Ask) -> Answer {
    let at = position(state, ask)?;
    Ok(Reply::ok(show(state, &state.checks[at])))
}

pub(super) fn annotations(state: &mut State, ask: &Ask) -> Answer {
    let run = &state.checks[position(state, ask)?];
    let url = format!("{}/annotations", url(state, run));
    Ok(ask.page(&url, run.annotations.clone(), Value::Array))
}

pub(super) fn list_for_ref(state: &mut State, ask: &Ask) -> Answer {
    let asked = ask.capture(0);
    let sha =
        state.resolve(asked).ok_or_else(|| Refusal::new(422, format!("No commit found for SHA: {asked}")))?;
    let every = ask.query("filter") == Some("all");
    let mut shown: Vec<&CheckRun> = Vec::new();
    // The latest run of each name, unless all are wanted. The newest first.
    for run in state.checks.iter().rev().filter(|run| run.head_sha == sha) {
        if every || !shown.iter().any(|newer| newer.name == run.name) {
            shown.push(run);
        }
    }
    shown.retain(|run| {
        ask.query("check_name").is_none_or(|name| name == run.name)
            && ask.query("status").is_none_or(|status| status == run.status)
            && ask.query("app_id").is_none_or(|id| id == shapes::APP_ID.to_string())
    });
    let total = shown.len();
    let runs = shown.into_iter().map(|run| show(state, run)).collect();
    let url = format!("{}/commits/{asked}/check-runs", shapes::api(state));
    Ok(ask.page(&url, runs, |runs| json!({"total_count": total, "check_runs": runs})))
}

/// `checks` of the world's snapshot.
pub(super) fn snapshot(state: &State) -> Value {
    let show = |run: &CheckRun| {
        json!({
            "id": run.id, "name": run.name, "head_sha": run.head_sha, "external_id": run.external_id,
            "details_url": run.details_url, "status": run.status, "conclusion": run.conclusion,
            "started_at": run.started_at, "completed_at": run.completed_at, "title": run.title,
            "summary": run.summary, "text": run.text, "annotations": run.annotations,
            "updates": run.updates,
        })
    };
    state.checks.iter().map(show).collect()
}

impl CheckRun {
    /// Takes over what a request gives, or nothing of it when something in it is wrong.
    fn take(&mut self, fields: Fields<'_>, ask: &Ask) -> Result<(), Refusal> {
        let text = |key| fields.text(key).map(|text| text.map(str::to_owned));
        let status = fields.one_of("status", STATUSES)?.map(str::to_owned);
        let conclusion = fields.one_of("conclusion", CONCLUSIONS)?.map(str::to_owned);
        let started_at = moment(fields, "started_at")?;
        let completed_at = moment(fields, "completed_at")?;
        let (name, external_id, details_url) = (text("name")?, text("external_id")?, text("details_url")?);
        let actions = actions(fields)?;
        let output = fields.object("output")?.map(Output::read).transpose()?;

        let completes = conclusion.is_some() || status.as_deref() == Some("completed");
        if completes && conclusion.is_none() && self.conclusion.is_none() {
            return Err(missing("conclusion"));
        }
        if completes {
            self.status = "completed".into();
            self.conclusion = conclusion.or(self.conclusion.take());
            self.completed_at =
                completed_at.or(self.completed_at.take()).or_else(|| Some(shapes::time(ask.now)));
        } else if let Some(status) = status {
            (self.conclusion, self.completed_at) = (None, None);
            self.status = status;
        }
        self.name = name.unwrap_or(std::mem::take(&mut self.name));
        self.external_id = external_id.unwrap_or(std::mem::take(&mut self.external_id));
        self.details_url = details_url.or(self.details_url.take());
        self.started_at = started_at.or(self.started_at.take());
        self.actions = actions.unwrap_or(self.actions);
        if let Some(output) = output {
            self.title = output.title.or(self.title.take());
            self.summary = Some(output.summary);
            self.text = output.text.or(self.text.take());
            // What came before stays.
            self.annotations.extend(output.annotations);
        }
        Ok(())
    }
}

struct Output {
    title: Option<String>,
    summary: String,
    text: Option<String>,
    annotations: Vec<Value>,
}

impl Output {
    fn read(fields: Fields<'_>) -> Result<Output, Refusal> {
        let summary = fields.limited("summary", TEXT_LIMIT)?.ok_or_else(|| missing("summary"))?;
        let given = fields.list("annotations", ANNOTATIONS_AT_ONCE)?.unwrap_or_default();
        Ok(Output {
            title: fields.text("title")?.map(str::to_owned),
            summary: summary.to_owned(),
            text: fields.limited("text", TEXT_LIMIT)?.map(str::to_owned),
            annotations: given.iter().map(annotation).collect::<Result<_, _>>()?,
        })
    }
}

fn annotation(given: &Value) -> Result<Value, Refusal> {
    let fields = given.as_object().map(Fields);
    let fields = fields.ok_or_else(|| Refusal::malformed(format!("{given} is not an object.")))?;
    let (first, last) = (fields.integer("start_line")?, fields.integer("end_line")?);
    let level = fields.one_of("annotation_level", &["notice", "warning", "failure"])?;
    Ok(json!({
        "path": fields.required("path")?,
        "blob_href": "",
        "start_line": first.ok_or_else(|| missing("start_line"))?,
        "end_line": last.ok_or_else(|| missing("end_line"))?,
        "start_column": fields.integer("start_column")?.filter(|_| first == last),
        "end_column": fields.integer("end_column")?.filter(|_| first == last),
        "annotation_level": level.ok_or_else(|| missing("annotation_level"))?,
        "title": fields.limited("title", 255)?,
        "message": fields.limited("message", ANNOTATION_LIMIT)?.ok_or_else(|| missing("message"))?,
        "raw_details": fields.limited("raw_details", ANNOTATION_LIMIT)?,
    }))
}

fn actions(fields: Fields<'_>) -> Result<Option<usize>, Refusal> {
    let Some(actions) = fields.list("actions", 3)? else { return Ok(None) };
    for action in actions {
        let Some(action) = action.as_object().map(Fields) else {
            return Err(Refusal::malformed(format!("{action} is not an object.")));
        };
        for (key, limit) in [("label", 20), ("description", 40), ("identifier", 20)] {
            action.limited(key, limit)?.ok_or_else(|| missing(key))?;
        }
    }
    Ok(Some(actions.len()))
}

fn moment(fields: Fields<'_>, key: &str) -> Result<Option<String>, Refusal> {
    let Some(text) = fields.text(key)? else { return Ok(None) };
    let parsed = chrono::DateTime::parse_from_rfc3339(text).map_err(|_| {
        Refusal::malformed(format!("For 'properties/{key}', {text} is not a valid date-time."))
    })?;
    Ok(Some(shapes::time(crate::Time(parsed.timestamp_millis()))))
}

fn position(state: &State, ask: &Ask) -> Result<usize, Refusal> {
    let id = ask.number(0)?;
    state.checks.iter().position(|run| run.id == id).ok_or_else(Refusal::not_found)
}

fn url(state: &State, run: &CheckRun) -> String {
    format!("{}/check-runs/{}", shapes::api(state), run.id)
}

fn show(state: &State, run: &CheckRun) -> Value {
    let url = url(state, run);
    let html = format!("{SERVER}/{}/runs/{}", state.job.repository, run.id);
    json!({
        "id": run.id,
        "node_id": node_id("CR", run.id),
        "name": run.name,
        "head_sha": run.head_sha,
        "external_id": run.external_id,
        "url": url,
        "html_url": html,
        "details_url": run.details_url.as_ref().unwrap_or(&html),
        "status": run.status,
        "conclusion": run.conclusion,
        "started_at": run.started_at,
        "completed_at": run.completed_at,
        "output": {
            "title": run.title,
            "summary": run.summary,
            "text": run.text,
            "annotations_count": run.annotations.len(),
            "annotations_url": format!("{url}/annotations"),
        },
        "check_suite": {"id": SUITE},
        "app": shapes::app(state),
        "pull_requests": shapes::mentioned_pulls(state, &run.head_sha),
    })
}
