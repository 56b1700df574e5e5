//! What git says of the work tree: which commit is shipped, and whether it is all of it.

use crate::{job, surroundings::Variables};
use std::{fs, path::Path};
use tokio::process::Command;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkout {
    /// The full SHA; `None` outside of a work tree and of a job.
    pub commit: Option<String>,
    pub branch: Option<String>,
    /// Files under version control differ from the commit.
    pub dirty: bool,
    /// When the commit was made, as RFC 3339 has it.
    pub committed: Option<String>,
}

impl Checkout {
    /// Of the work tree that holds the folder. Outside of one it is the job's own commit. Without
    /// git, as in the action's image, its files tell the commit; that something differs isn't seen.
    pub async fn of(folder: &Path, variables: &Variables) -> Checkout {
        let git = Git { folder, variables };
        let (commit, branch, status, committed) = tokio::join!(
            git.says(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]),
            git.says(&["symbolic-ref", "--quiet", "--short", "HEAD"]),
            // As `git describe --dirty` has it: what a job's earlier steps left beside is not ours.
            git.says(&["status", "--porcelain", "--untracked-files=no"]),
            git.says(&["show", "--no-patch", "--format=%cI", "HEAD"]),
        );
        let text = |name: &str| variables.get(name).map(str::to_owned);
        // A job's checkout is detached: the job knows the branch.
        let of_job =
            || text("GITHUB_HEAD_REF").or_else(|| text("GITHUB_REF_NAME").filter(|_| is_branch(variables)));
        let (commit, branch) = match commit {
            None => head(folder).map_or((None, branch), |(commit, branch)| (Some(commit), branch)),
            commit => (commit, branch),
        };
        let commit = commit.or_else(|| text("GITHUB_SHA"));
        let committed = committed.or_else(|| job::committed(commit.as_deref()?, variables));
        Checkout {
            dirty: commit.is_some() && status.is_some_and(|status| !status.is_empty()),
            commit,
            branch: branch.or_else(of_job),
            committed,
        }
    }
}

/// How a commit stands to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinship {
    Same,
    /// The other one holds it.
    Behind,
    /// It holds the other one.
    Ahead,
    /// Neither holds the other.
    Apart,
}

/// How a commit stands to another one; `None` where the work tree hasn't both, or there is no git.
pub async fn kinship(folder: &Path, variables: &Variables, commit: &str, other: &str) -> Option<Kinship> {
    let git = Git { folder, variables };
    let both = format!("{commit}...{other}");
    let counts = git.says(&["rev-list", "--left-right", "--count", &both, "--"]).await?;
    let (ahead, behind) = counts.split_once('\t')?;
    Some(match (ahead.parse().ok()?, behind.parse().ok()?) {
        (0_u64, 0_u64) => Kinship::Same,
        (0, _) => Kinship::Behind,
        (_, 0) => Kinship::Ahead,
        _ => Kinship::Apart,
    })
}

fn is_branch(variables: &Variables) -> bool {
    variables.get("GITHUB_REF_TYPE").is_none_or(|kind| kind == "branch")
}

/// The commit and the branch that `HEAD` names.
fn head(folder: &Path) -> Option<(String, Option<String>)> {
    let entry = folder.ancestors().map(|folder| folder.join(".git")).find(|entry| entry.exists())?;
    let git = match fs::read_to_string(&entry) {
        // A further work tree of a repository that is elsewhere.
        Ok(link) => entry.parent()?.join(link.strip_prefix("gitdir:")?.trim()),
        Err(_) => entry,
    };
    let head = fs::read_to_string(git.join("HEAD")).ok()?;
    let Some(reference) = head.trim().strip_prefix("ref:").map(str::trim) else {
        return Some((sha(&head)?, None));
    };
    let common = fs::read_to_string(git.join("commondir")).map_or(git.clone(), |path| git.join(path.trim()));
    let loose =
        [&git, &common].into_iter().find_map(|git| sha(&fs::read_to_string(git.join(reference)).ok()?));
    let packed = || {
        let packed = fs::read_to_string(common.join("packed-refs")).ok()?;
        packed.lines().find_map(|line| sha(line.strip_suffix(reference)?))
    };
    Some((loose.or_else(packed)?, reference.strip_prefix("refs/heads/").map(str::to_owned)))
}

fn sha(text: &str) -> Option<String> {
    let text = text.trim();
    (text.len() >= 40 && text.chars().all(|c| c.is_ascii_hexdigit())).then(|| text.to_owned())
}

struct Git<'a> {
    folder: &'a Path,
    variables: &'a Variables,
}

impl Git<'_> {
    /// What a command prints, if it ends well.
    async fn says(&self, args: &[&str]) -> Option<String> {
        let mut command = Command::new("git");
        command.args(args).current_dir(self.folder).kill_on_drop(true);
        // In a container the checkout belongs to somebody else; reading takes no lock.
        let given =
            self.variables.get("GIT_CONFIG_COUNT").and_then(|count| count.parse().ok()).unwrap_or(0_u32);
        command
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_CONFIG_COUNT", (given + 1).to_string())
            .env(format!("GIT_CONFIG_KEY_{given}"), "safe.directory")
            .env(format!("GIT_CONFIG_VALUE_{given}"), "*");
        let output = command.output().await.ok().filter(|output| output.status.success())?;
        Some(String::from_utf8(output.stdout).ok()?.trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::process;
    use tempfile::TempDir;

    fn git(folder: &Path, args: &[&str]) {
        let mut command = process::Command::new("git");
        command.args(["-c", "user.name=x", "-c", "user.email=x@example", "-c", "init.defaultBranch=main"]);
        let status = command.args(args).current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").status();
        assert!(status.unwrap().success());
    }

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        Variables::of(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[tokio::test]
    async fn a_work_tree_is_clean_or_dirty() {
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        let none = variables(&[]);
        fs::write(path.join("a"), "1").unwrap();
        git(path, &["init", "--quiet"]);
        git(path, &["add", "a"]);
        git(path, &["commit", "--quiet", "-m", "x"]);
        let clean = Checkout::of(path, &none).await;
        assert_eq!(
            (clean.commit.as_ref().unwrap().len(), clean.branch.as_deref(), clean.dirty),
            (40, Some("main"), false)
        );

        fs::write(path.join("untracked"), "1").unwrap();
        assert!(!Checkout::of(path, &none).await.dirty);
        fs::write(path.join("a"), "2").unwrap();
        assert_eq!(Checkout::of(path, &none).await, Checkout { dirty: true, ..clean });

        git(path, &["checkout", "--quiet", "--detach"]);
        let job = variables(&[
            ("GITHUB_SHA", "f00"),
            ("GITHUB_REF_NAME", "feature"),
            ("GITHUB_REF_TYPE", "branch"),
        ]);
        let detached = Checkout::of(path, &job).await;
        assert_eq!(detached.branch.as_deref(), Some("feature"));
        assert_ne!(detached.commit.as_deref(), Some("f00"));
    }

    #[test]
    fn the_files_tell_the_commit_as_git_does() {
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        git(path, &["init", "--quiet"]);
        assert_eq!(head(path), None);
        git(path, &["commit", "--quiet", "--allow-empty", "-m", "x"]);
        let (commit, branch) = head(path).unwrap();
        assert_eq!((commit.len(), branch.as_deref()), (40, Some("main")));
        git(path, &["pack-refs", "--all"]);
        assert_eq!(head(&path.join("nothing/below")), Some((commit.clone(), branch)));
        git(path, &["worktree", "add", "--quiet", "-b", "side/way", "side"]);
        assert_eq!(head(&path.join("side")), Some((commit.clone(), Some("side/way".into()))));
        git(path, &["checkout", "--quiet", "--detach"]);
        assert_eq!(head(path), Some((commit, None)));
    }

    #[tokio::test]
    async fn outside_of_a_work_tree_the_job_knows() {
        let folder = TempDir::new().unwrap();
        let job = variables(&[("GITHUB_SHA", "f00"), ("GITHUB_REF_NAME", "v1"), ("GITHUB_REF_TYPE", "tag")]);
        let known = Checkout::of(folder.path(), &job).await;
        assert_eq!(known, Checkout { commit: Some("f00".into()), ..Checkout::default() });
    }
}
