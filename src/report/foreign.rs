//! Text from outside (build output, AWS messages, branch names) made harmless: in the job log,
//! where a line could be a command to the runner, and in Markdown.

use std::borrow::Cow;

/// The lines of a text as the runner would see them: LF, CR and CRLF end one.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.trim_end_matches(['\n', '\r']).split('\n').flat_map(|line| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        line.split('\r')
    })
}

/// One line without control characters (colours included), text that runs backwards, and the
/// runner's old command form, which counts anywhere in a line.
pub fn tame(text: &str) -> Cow<'_, str> {
    if text.chars().any(unprintable) {
        let plain = strip(text);
        return Cow::Owned(plain.replace("##[", "##\\["));
    }
    if text.contains("##[") { Cow::Owned(text.replace("##[", "##\\[")) } else { Cow::Borrowed(text) }
}

/// Whether the runner could take the line for a command: it looks past leading space.
pub fn commands(line: &str) -> bool {
    line.trim_start_matches(|c: char| c.is_whitespace() || unprintable(c)).starts_with("::")
}

/// The message of a workflow command.
pub fn message(text: &str) -> String {
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    tame(&text).into_owned()
}

/// A property of a workflow command.
pub fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

/// A JSON document as one line of the job log: the same document, but no command.
pub fn json(document: &str) -> Cow<'_, str> {
    // Outside of strings `#` can't occur.
    if document.contains("##[") { Cow::Owned(document.replace("##[", "#\\u0023[")) } else { document.into() }
}

/// Running text in Markdown: no mention, no HTML, no markup, one line.
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let line = strip(&lines(text).collect::<Vec<_>>().join(" "));
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // Mentions and references are looked for in what an escape leaves, so only a
            // character between keeps them from being found.
            '@' => out.push_str("@\u{200b}"),
            '#' if chars.peek().is_some_and(char::is_ascii_digit) => out.push_str("#\u{200b}"),
            '#' | '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// The same, where what stands between backticks stays code.
pub fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return markdown(text);
    }
    let part = |(at, part): (usize, &&str)| match (at % 2, part.is_empty()) {
        (_, true) => String::new(),
        (0, _) => markdown(part),
        _ => code(part),
    };
    parts.iter().enumerate().map(part).collect()
}

/// Code in running Markdown or in a table's cell.
pub fn code(text: &str) -> String {
    let text = strip(&lines(text).collect::<Vec<_>>().join(" ")).replace('|', "\u{2502}");
    let ticks = "`".repeat(longest_run(&text, '`') + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// A block of code that its content can't end.
pub fn fence(language: &str, text: &str) -> String {
    let text = lines(text).map(strip).collect::<Vec<_>>().join("\n");
    let ticks = "`".repeat(longest_run(&text, '`').max(2) + 1);
    format!("{ticks}{language}\n{text}\n{ticks}\n")
}

/// Cut at a character, with a sign that it was.
pub fn cut(text: &str, characters: usize) -> Cow<'_, str> {
    match text.char_indices().nth(characters) {
        None => Cow::Borrowed(text),
        Some(_) => {
            let end = text.char_indices().nth(characters.saturating_sub(1)).map_or(0, |(at, _)| at);
            Cow::Owned(format!("{}…", &text[..end]))
        }
    }
}

fn longest_run(text: &str, wanted: char) -> usize {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == wanted { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

fn unprintable(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Without control characters; an escape sequence goes as a whole.
fn strip(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            if !unprintable(c) {
                out.push(c);
            }
            continue;
        }
        match chars.next() {
            Some('[') => while chars.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {},
            Some(']') => {
                while let Some(c) = chars.next() {
                    if c == '\u{7}' {
                        break;
                    }
                    if c == '\u{1b}' {
                        chars.next();
                        break;
                    }
                }
            }
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_end_of_the_runner_ends_a_line() {
        let text = "one\rtwo\r\nthree\n\nfour\r\n";
        assert_eq!(lines(text).collect::<Vec<_>>(), ["one", "two", "three", "", "four"]);
    }

    #[test]
    fn the_old_command_form_is_broken_wherever_it_stands() {
        assert_eq!(tame("a ##[set-env name=X]y"), "a ##\\[set-env name=X]y");
        // Hidden behind what is taken out.
        assert_eq!(tame("#\u{1b}[1m#[set-env]"), "##\\[set-env]");
        assert_eq!(tame("#\u{200b}#[set-env]"), "##\\[set-env]");
        assert_eq!(tame("###[x]"), "###\\[x]");
    }

    #[test]
    fn commands_are_seen_behind_every_kind_of_space() {
        for space in
            ["", " ", "\t", "\u{a0}", "\u{3000}", "\u{2003}", "\u{85}", "\u{feff}", "\u{200b}", "\u{1}"]
        {
            assert!(commands(&format!("{space}::set-output name=a::b")), "{space:?}");
        }
        assert!(!commands("a ::b"));
        assert!(!commands(": :"));
    }

    #[test]
    fn escape_sequences_go_as_a_whole() {
        assert_eq!(tame("\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}done"), "red done");
        assert_eq!(tame("\u{1b}]8;;http://x\u{1b}\\link"), "link");
        assert_eq!(tame("cut \u{1b}["), "cut ");
    }

    #[test]
    fn commands_carry_their_text_escaped() {
        assert_eq!(message("50 % of\r\na, b: c"), "50 %25 of%0D%0Aa, b: c");
        assert_eq!(property("50 % of\na, b: c"), "50 %25 of%0Aa%2C b%3A c");
    }

    #[test]
    fn json_stays_the_same_document() {
        let document = serde_json::json!({ "line": "##[set-env name=X]" }).to_string();
        let line = json(&document);
        assert!(!line.contains("##["));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap()["line"], "##[set-env name=X]");
    }

    #[test]
    fn markdown_has_no_mention_html_or_markup() {
        assert_eq!(
            markdown("@team <img src=x> **bold** `a` #12\n# head | cell"),
            "@\u{200b}team &lt;img src=x&gt; \\*\\*bold\\*\\* \\`a\\` #\u{200b}12 \\# head \\| cell"
        );
        assert_eq!(prose("run `a @b` or *c*"), "run `a @b` or \\*c\\*");
        assert_eq!(prose("an odd ` @b"), "an odd \\` @\u{200b}b");
    }

    #[test]
    fn code_cannot_be_left() {
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`a`"), "`` `a` ``");
        assert_eq!(fence("", "```\n@x\n```"), "````\n```\n@x\n```\n````\n");
    }

    #[test]
    fn cutting_counts_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
    }
}
