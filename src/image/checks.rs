//! What BuildKit's checks of the Dockerfile say at a build's end, each with its line.

use crate::report::foreign;

/// Text, and a line of the Dockerfile.
pub fn read(lines: &[String]) -> Vec<(String, Option<usize>)> {
    // The heading is coloured wherever it is printed, and its colour ends in the line below.
    let plain: Vec<_> = lines.iter().map(|line| foreign::tame(line)).collect();
    let head = |line: &str| {
        let line = line.trim_start();
        line.starts_with(|c: char| c.is_ascii_digit())
            && (line.contains(" warning found") || line.contains(" warnings found"))
    };
    let Some(start) = plain.iter().rposition(|line| head(line)) else { return Vec::new() };
    let behind = plain.iter().skip(start + 1);
    behind.map_while(|line| line.strip_prefix(" - ")).map(remark).collect()
}

fn remark(text: &str) -> (String, Option<usize>) {
    let placed = text.strip_suffix(')').and_then(|text| text.rsplit_once(" (line "));
    match placed.and_then(|(text, line)| Some((text, line.parse().ok()?))) {
        Some((text, line)) => (text.to_owned(), Some(line)),
        None => (text.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_warning_has_its_line() {
        let said = "#9 DONE 0.1s\n\n \u{1b}[33m2 warnings found (use docker --debug to expand):\n\u{1b}[0m \
                    - FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)\n \
                    - Something: of all of it\n\nView build details\n - not one of them (line 7)";
        let lines: Vec<String> = said.lines().map(str::to_owned).collect();
        assert_eq!(
            read(&lines),
            [
                ("FromAsCasing: 'as' and 'FROM' keywords' casing do not match".to_owned(), Some(1)),
                ("Something: of all of it".to_owned(), None),
            ]
        );
        assert_eq!(read(&["#3 0.1 no warnings found".to_owned()]), []);
    }
}
