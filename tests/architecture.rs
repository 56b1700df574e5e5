//! The page that leads through the code knows every file of it.

#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path.to_string_lossy().into_owned());
        }
    }
}

#[test]
fn every_file_has_its_paragraph() {
    let page = fs::read_to_string("docs/architecture.md").unwrap();
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    sources(Path::new("simulator/src"), &mut files);
    assert!(files.len() > 100, "only {} files found", files.len());
    let missing: Vec<&String> = files.iter().filter(|file| !page.contains(&format!("`{file}`"))).collect();
    assert!(missing.is_empty(), "docs/architecture.md doesn't tell of {missing:?}");
    let gone: Vec<&str> = page
        .split("**`")
        .skip(1)
        .filter_map(|rest| rest.split('`').next())
        .filter(|file| !Path::new(file).exists())
        .collect();
    assert!(gone.is_empty(), "docs/architecture.md tells of {gone:?}, which are gone");
}
