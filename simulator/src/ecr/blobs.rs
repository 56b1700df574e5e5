//! Layers and manifests by their digests: bytes lie in a temporary folder, never in memory.

use anyhow::{Context as _, Result};
use ring::digest::{Context, SHA256};
use std::{
    fmt,
    fs::{self, File},
    io::{self, Write as _},
    path::PathBuf,
};

/// `sha256:` and 64 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Digest(String);

impl Digest {
    pub(super) fn parse(text: &str) -> Option<Digest> {
        let hex = text.strip_prefix("sha256:")?;
        let good = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        good.then(|| Digest(text.to_owned()))
    }

    pub(super) fn of(bytes: &[u8]) -> Digest {
        Digest(format!("sha256:{}", hex::encode(ring::digest::digest(&SHA256, bytes))))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    fn file_name(&self) -> &str {
        &self.0["sha256:".len()..]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The folder that holds the bytes of all registries; removed when it is dropped.
#[derive(Debug)]
pub(super) struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    pub(super) fn new() -> Result<Disk> {
        let folder = tempfile::Builder::new()
            .prefix("simulator-registry-")
            .tempdir()
            .context("no temporary folder can be made for the registries' layers")?;
        Ok(Disk { folder })
    }

    pub(super) fn remove(&self) {
        let _ = fs::remove_dir_all(self.folder.path());
    }

    pub(super) fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.path().join(digest.file_name())
    }

    pub(super) fn begin(&self, upload: &str) -> io::Result<Writer> {
        let path = self.folder.path().join(format!("upload-{upload}"));
        let file = File::create(&path)?;
        Ok(Writer { path, file, sum: Context::new(&SHA256), received: 0 })
    }

    /// Keeps what an upload wrote, under its digest.
    pub(super) fn keep(&self, written: Written) -> io::Result<()> {
        fs::rename(&written.path, self.path(&written.digest))
    }

    pub(super) fn put(&self, bytes: &[u8]) -> io::Result<Digest> {
        let digest = Digest::of(bytes);
        fs::write(self.path(&digest), bytes)?;
        Ok(digest)
    }
}

/// An upload's file, hashed as it grows.
pub(super) struct Writer {
    path: PathBuf,
    file: File,
    sum: Context,
    received: u64,
}

impl Writer {
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.sum.update(bytes);
        self.received += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    pub(super) fn finish(self) -> Written {
        let digest = Digest(format!("sha256:{}", hex::encode(self.sum.finish())));
        Written { path: self.path, digest, size: self.received }
    }

    pub(super) fn discard(self) {
        let _ = fs::remove_file(self.path);
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writer({}, {} bytes)", self.path.display(), self.received)
    }
}

/// A finished upload that isn't kept yet.
pub(super) struct Written {
    path: PathBuf,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

impl Written {
    pub(super) fn discard(self) {
        let _ = fs::remove_file(self.path);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_digest_is_sha256_and_lowercase_hex() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").as_str(), empty);
        assert!(Digest::parse(empty).is_some());
        assert!(Digest::parse(&empty.to_uppercase()).is_none());
        assert!(Digest::parse("sha512:00").is_none());
        assert!(Digest::parse("sha256:../../etc/passwd").is_none());
    }

    #[test]
    fn what_is_written_in_parts_has_the_digest_of_the_whole() {
        let disk = Disk::new().unwrap();
        let mut writer = disk.begin("one").unwrap();
        writer.append(b"ab").unwrap();
        writer.append(b"c").unwrap();
        let written = writer.finish();
        assert_eq!((written.digest.clone(), written.size), (Digest::of(b"abc"), 3));
        let path = disk.path(&written.digest);
        disk.keep(written).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"abc");
        drop(disk);
        assert!(!path.exists());
    }
}
