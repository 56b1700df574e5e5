//! Where what is asked for was said: the file with its lines, a flag, an input.

use super::FILES;
use crate::{
    config::yaml::{self, Path, Step},
    outcome::{Finding, Place, Stop},
    say,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{self, PathBuf},
};

pub struct Source {
    /// The file as the user would name it, if there is one.
    pub file: Option<PathBuf>,
    pub text: Option<String>,
    pub folder: PathBuf,
    pub working_directory: PathBuf,
    /// What came as a flag or an input instead, and how a sentence names that.
    pub given: BTreeMap<Path, String>,
}

/// How a sentence names a value, and where the user finds it.
#[derive(Debug)]
pub struct Subject {
    pub said: String,
    pub place: Option<Place>,
}

impl Source {
    /// The named file, or the first of those that are looked for, or none.
    pub fn find(named: Option<&path::Path>, working_directory: &path::Path) -> anyhow::Result<Source> {
        let misnamed = FILES.map(|file| file.replace(".yml", ".yaml"));
        let candidates = named.map_or(FILES.map(path::Path::new).to_vec(), |named| vec![named]);
        let mut source = Source {
            file: None,
            text: None,
            folder: working_directory.to_owned(),
            working_directory: working_directory.to_owned(),
            given: BTreeMap::new(),
        };
        for candidate in candidates {
            let full = working_directory.join(candidate);
            match fs::read_to_string(&full) {
                Ok(text) => {
                    source.folder = full.parent().unwrap_or(working_directory).to_owned();
                    source.file = Some(candidate.to_owned());
                    source.text = Some(text);
                    return Ok(source);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {}
                Err(error) => {
                    return Err(Stop::invalid(vec![say::inputs::unreadable(candidate, &error)]).into());
                }
            }
        }
        match misnamed.iter().find(|file| working_directory.join(file).is_file()) {
            Some(file) => Err(Stop::invalid(vec![say::inputs::misnamed(file)]).into()),
            None => Ok(source),
        }
    }

    pub fn parse(&self) -> anyhow::Result<Value> {
        yaml::parse(self.text.as_deref().unwrap_or_default()).map_err(|malformed| {
            Stop::invalid(vec![say::inputs::malformed(&self.file_name(), &malformed)]).into()
        })
    }

    pub fn file_name(&self) -> String {
        self.file.as_deref().unwrap_or(path::Path::new(FILES[0])).display().to_string()
    }

    pub fn subject(&self, path: &Path) -> Subject {
        if let Some((given, said)) = self.given.iter().find(|(given, _)| path.starts_with(given)) {
            let said = match path.0.get(given.0.len()..) {
                // An entry of a list is told by its value.
                None | Some([] | [Step::Index(_)]) => said.clone(),
                Some(inside) => format!("`{}` in {said}", Path(inside.to_vec())),
            };
            return Subject { said, place: None };
        }
        let text = self.text.as_deref();
        // A value that was merged in from elsewhere has the line of what holds it.
        let line = (1..=path.0.len())
            .rev()
            .find_map(|depth| yaml::line_of(text?, &Path(path.0.get(..depth)?.to_vec())));
        let place = text.map(|_| Place { file: self.file_name(), line });
        let said = if path.0.is_empty() { self.file_name() } else { format!("`{path}`") };
        Subject { said, place }
    }

    /// A scalar as the file has it.
    pub fn text_of(&self, path: &Path) -> Option<String> {
        yaml::text_of(self.text.as_deref()?, path)
    }

    /// A path as a sentence shows it: from the working directory on.
    pub fn shown(&self, path: &path::Path) -> String {
        path.strip_prefix(&self.working_directory).unwrap_or(path).display().to_string()
    }
}

impl Subject {
    /// One of the action's.
    pub fn input(name: &str) -> Subject {
        Subject { said: say::inputs::given_as(name, true), place: None }
    }

    pub fn finding(&self, what: String, fix: impl Into<String>) -> Finding {
        Finding { what, fix: fix.into(), place: self.place.clone() }
    }
}
