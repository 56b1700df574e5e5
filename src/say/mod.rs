//! Every sentence that a user reads, made in one place: what happened, what production is on,
//! what to do next.

pub mod ages;
pub mod appspec;
pub mod attend;
pub mod back;
pub mod build;
pub mod cancel;
pub mod checks;
pub mod current;
pub mod deployment;
pub mod explain;
pub mod github;
pub mod image;
pub mod inputs;
pub mod line;
pub mod markdown;
pub mod near;
pub mod one_off;
pub mod outcome;
pub mod picture;
pub mod plan;
pub mod planned;
pub mod post;
pub mod progress;
pub mod refusals;
pub mod registry;
pub mod rehearse;
pub mod scan;
pub mod task_definition;
pub mod watch;

pub use line::{Line, Tone};

/// `a`, `b` and `c`.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    and(&names)
}

/// Parts of a sentence, with `and` before the last.
pub fn and(parts: &[String]) -> String {
    match parts.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// A path as it is seen from the working directory: as people and annotations name it.
pub fn from_here(path: &std::path::Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    match path.strip_prefix(&here).unwrap_or(path) {
        inside if inside.as_os_str().is_empty() => ".".to_owned(),
        other => other.display().to_string(),
    }
}

/// What to do about a name that nobody knows.
pub fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match crate::config::facts::nearest(given, known.clone()) {
        Some(name) => format!("Did you mean `{name}`?"),
        None => format!("Known here: {}.", list(known)),
    }
}
