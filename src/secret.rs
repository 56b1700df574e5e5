//! Secrets that can't print themselves, and folders for those that have to be in a file.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};
use tempfile::TempDir;

/// A text that appears in no log, error or dump: reading it takes `expose`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// For the one place that hands it on; never for a sentence.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

const PREFIX: &str = "greenlight-";

/// A folder that nobody else may enter, gone with its contents when this is dropped.
#[derive(Debug)]
pub struct PrivateFolder(TempDir);

/// Those that exist, for an end that drops nothing.
static EXISTING: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

impl PrivateFolder {
    pub fn new() -> io::Result<PrivateFolder> {
        use std::os::unix::fs::PermissionsExt;
        let only_ours = fs::Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix(PREFIX).permissions(only_ours).tempdir()?;
        existing().push(folder.path().to_owned());
        Ok(PrivateFolder(folder))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Deletes all of them, before the process ends on the spot.
    pub fn delete_all() {
        for folder in existing().drain(..) {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// Deletes one that a process left which died; nothing else has its place and its name.
pub fn delete_left(folder: &Path) {
    let name = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
    if name && folder.parent() == Some(&std::env::temp_dir()) {
        let _ = fs::remove_dir_all(folder);
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        existing().retain(|folder| folder != self.0.path());
    }
}

fn existing() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    EXISTING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_does_not_print_itself() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some(Secret(…))");
    }

    #[test]
    fn a_private_folder_is_ours_alone_and_goes() {
        let folder = PrivateFolder::new().unwrap();
        let path = folder.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(path.join("x"), "secret").unwrap();
        drop(folder);
        assert!(!path.exists());
    }
}
