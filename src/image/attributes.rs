//! Lists of attributes as buildx takes them: `type=gha,scope=x`, in quotes where a value has a comma.

/// A name and, behind `=`, its value.
pub type Attribute = (String, Option<String>);

/// `None` when it is no such list.
pub fn read(text: &str) -> Option<Vec<Attribute>> {
    let mut attributes = Vec::new();
    let mut rest = text.trim();
    loop {
        let (field, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest.get(..end)?.to_owned(), rest.get(end..)?)
            }
        };
        let (name, value) = match field.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (field.as_str(), None),
        };
        if name.trim().is_empty() {
            return None;
        }
        attributes.push((name.trim().to_owned(), value));
        if behind.is_empty() {
            return Some(attributes);
        }
        rest = behind.strip_prefix(',')?;
    }
}

pub fn write(attributes: &[Attribute]) -> String {
    let one = |(name, value): &Attribute| match value {
        Some(value) => field(&format!("{name}={value}")),
        None => field(name),
    };
    attributes.iter().map(one).collect::<Vec<_>>().join(",")
}

/// One field of such a list.
pub fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// What stands before the closing quote, with its doubled quotes undone, and what comes behind.
pub fn quoted_field(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (before, behind) = rest.split_once('"')?;
        field.push_str(before);
        match behind.strip_prefix('"') {
            Some(behind) => {
                field.push('"');
                rest = behind;
            }
            None => return Some((field, behind)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lists_are_read_and_written() {
        let all = [
            "type=gha,scope=main",
            "registry",
            "gha,mode=min",
            "type=registry,ref=h/r:t",
            r#"type=local,"src=/a,b","dest=""x""",empty="#,
        ];
        for text in all {
            assert_eq!(write(&read(text).unwrap()), text);
        }
        let attributes = read(r#""src=/a,b",x"#).unwrap();
        assert_eq!(attributes, [("src".to_owned(), Some("/a,b".to_owned())), ("x".to_owned(), None)]);
        for wrong in ["", ",", "a,,b", "=x", r#""a"#, r#""a"b"#] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
