//! Names that there are, when the one that was meant is not.

/// ` There are: …`: the nearest names first, at most five.
pub fn there_are<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 5;
    let ranked = ranked(wanted, known);
    if ranked.is_empty() {
        return " There is none.".to_owned();
    }
    let names: Vec<String> = ranked.iter().take(SHOWN).map(|(_, name)| format!("`{name}`")).collect();
    let more = match ranked.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(" There {}: {}{more}.", if ranked.len() == 1 { "is" } else { "are" }, names.join(", "))
}

fn ranked<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<(f64, &'a str)> {
    let wanted = wanted.to_lowercase();
    let mut ranked: Vec<(f64, &str)> =
        known.into_iter().map(|name| (strsim::jaro_winkler(&wanted, &name.to_lowercase()), name)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_nearest_first_and_not_endlessly() {
        assert_eq!(there_are("helo", ["world", "hello"]), " There are: `hello`, `world`.");
        assert_eq!(there_are("x", []), " There is none.");
        assert_eq!(there_are("a", ["b"]), " There is: `b`.");
        assert!(there_are("a", ["b", "c", "d", "e", "f", "g"]).ends_with(" and 1 more."));
    }
}
