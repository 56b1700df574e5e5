//! Words in braces that tags and build arguments may name.

/// `{word}` as the configuration writes them.
pub const KNOWN: [&str; 5] = ["commit", "short-commit", "branch", "run-number", "environment"];

/// What the words stand for in this run; `None` where nothing does.
#[derive(Clone, Debug, Default)]
pub struct Words {
    pub commit: Option<String>,
    pub branch: Option<String>,
    pub run_number: Option<String>,
    pub environment: String,
}

impl Words {
    fn value(&self, word: &str) -> Option<&str> {
        match word {
            "commit" => self.commit.as_deref(),
            "short-commit" => self.commit.as_deref().map(|commit| commit.get(..7).unwrap_or(commit)),
            "branch" => self.branch.as_deref(),
            "run-number" => self.run_number.as_deref(),
            "environment" => Some(&self.environment),
            _ => None,
        }
    }

    /// The text with its words replaced, or the first word that stands for nothing here. Braces
    /// around what is no known word stay as they are.
    pub fn expand(&self, text: &str) -> Result<String, String> {
        let mut expanded = String::new();
        for piece in pieces(text) {
            match piece {
                Piece::Word(word) if KNOWN.contains(&word) => {
                    expanded += self.value(word).ok_or(word)?;
                }
                Piece::Word(word) => expanded += &format!("{{{word}}}"),
                Piece::Text(text) => expanded += text,
            }
        }
        Ok(expanded)
    }
}

/// Words in braces that aren't known.
pub fn unknown(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Word(word) if !KNOWN.contains(&word) => Some(word),
        _ => None,
    })
}

/// A text as part of a tag: what a tag can't have becomes a dash.
pub fn tag_safe(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' }).collect()
}

enum Piece<'a> {
    Text(&'a str),
    Word(&'a str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        pieces.push(Piece::Text(before));
        let end = after.find(|c: char| !(c.is_ascii_lowercase() || c == '-')).unwrap_or(after.len());
        let (word, behind) = after.split_at(end);
        match behind.strip_prefix('}') {
            Some(behind) if !word.is_empty() => {
                pieces.push(Piece::Word(word));
                rest = behind;
            }
            _ => {
                pieces.push(Piece::Text("{"));
                rest = after;
            }
        }
    }
    pieces.push(Piece::Text(rest));
    pieces
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_are_replaced_and_other_braces_stay() {
        let words = Words {
            commit: Some("0123456789abcdef".into()),
            branch: Some("feature/x".into()),
            run_number: None,
            environment: "production".into(),
        };
        let expand = |text| words.expand(text);
        assert_eq!(expand("v-{short-commit}-{environment}").unwrap(), "v-0123456-production");
        assert_eq!(expand("{commit}{branch}").unwrap(), "0123456789abcdeffeature/x");
        assert_eq!(expand(r#"{"a": {b}, {}}"#).unwrap(), r#"{"a": {b}, {}}"#);
        assert_eq!(expand("{").unwrap(), "{");
        assert_eq!(expand("x{run-number}").unwrap_err(), "run-number");
        assert_eq!(unknown("{comit} {\"a\"} {branch}").collect::<Vec<_>>(), ["comit"]);
        assert_eq!(tag_safe("feature/x y"), "feature-x-y");
    }
}
