//! Whether a command can be started at all: asked before anything is written.

use crate::request::RunCheck;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

/// Why a command can't be started; both name its first word.
#[derive(Clone, Debug, PartialEq)]
pub enum Missing {
    NotThere(String),
    NotExecutable(String),
}

/// The command's first word has to be a program that can be started. What begins with anything
/// else is the shell's to understand, and what runs in an image the image's.
pub fn missing(check: &RunCheck) -> Option<Missing> {
    let word = first_word(check.command.as_deref().filter(|_| check.image.is_none())?)?;
    if !word.contains('/') {
        return (!shell_knows(word)).then(|| Missing::NotThere(word.to_owned()));
    }
    match fs::metadata(check.folder.join(word)) {
        Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => None,
        Ok(_) => Some(Missing::NotExecutable(word.to_owned())),
        Err(_) => Some(Missing::NotThere(word.to_owned())),
    }
}

/// The first word of a shell's command, where it is a plain one: no assignment, no quoting, no
/// expansion.
fn first_word(command: &str) -> Option<&str> {
    let line = command.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    let word = line.split_ascii_whitespace().next()?.trim_end_matches(';');
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./+".contains(&b);
    (!word.is_empty() && word.bytes().all(plain)).then_some(word)
}

/// A keyword, a builtin or a program on the search path.
fn shell_knows(word: &str) -> bool {
    let asked = Command::new("sh")
        .args(["-c", "command -v -- \"$1\"", "sh", word])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    // Without a shell to ask the run itself will tell.
    asked.map_or(true, |status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_first_word_is_what_is_started() {
        assert_eq!(first_word("./smoke.sh --fast"), Some("./smoke.sh"));
        assert_eq!(first_word("\n# comment\n  curl -f \"$GREEN_URL\""), Some("curl"));
        assert_eq!(first_word("true; false"), Some("true"));
        for shells in ["A=1 ./x", "\"$HOME/x\"", "( a )", "{ a; }", "[ -n x ]", "`x`", "# nothing", ""] {
            assert_eq!(first_word(shells), None, "{shells}");
        }
    }

    #[test]
    fn a_shell_knows_keywords_builtins_and_programs() {
        for word in ["if", "test", "exec", "sh"] {
            assert!(shell_knows(word), "{word}");
        }
        assert!(!shell_knows("no-such-program-anywhere"));
    }
}
