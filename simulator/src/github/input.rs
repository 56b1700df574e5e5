//! Reads a request's body and query as GitHub's schemas have them.

use super::reply::{Refusal, Reply};
use serde_json::{Map, Value};

/// One request, past the door.
#[derive(Debug, Default)]
pub(super) struct Ask {
    /// What the route's open segments hold, the repository apart.
    pub(super) captures: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Value,
    pub(super) now: crate::Time,
}

impl Ask {
    pub(super) fn capture(&self, at: usize) -> &str {
        self.captures.get(at).map_or("", String::as_str)
    }

    /// A captured number; what isn't one is found nowhere.
    pub(super) fn number(&self, at: usize) -> Result<u64, Refusal> {
        self.capture(at).parse().map_err(|_| Refusal::not_found())
    }

    pub(super) fn query(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    }

    pub(super) fn fields(&self) -> Result<Fields<'_>, Refusal> {
        match &self.body {
            Value::Object(fields) => Ok(Fields(fields)),
            other => Err(Refusal::malformed(format!("{other} is not an object."))),
        }
    }

    /// One page of a listing, with the `Link` that leads to the others. `wrap` puts the items where
    /// the answer has them.
    pub(super) fn page(&self, url: &str, items: Vec<Value>, wrap: impl Fn(Vec<Value>) -> Value) -> Reply {
        let number = |key| self.query(key).and_then(|v| v.parse::<usize>().ok());
        let size = number("per_page").unwrap_or(30).clamp(1, 100);
        let page = number("page").unwrap_or(1).max(1);
        let last = items.len().div_ceil(size).max(1);
        let shown = items.into_iter().skip((page - 1) * size).take(size).collect();
        let link = |to: usize, rel: &str| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            for (key, value) in self.query.iter().filter(|(k, _)| k != "page") {
                query.append_pair(key, value);
            }
            query.append_pair("page", &to.to_string());
            format!("<{url}?{}>; rel=\"{rel}\"", query.finish())
        };
        let mut links = Vec::new();
        if page > 1 {
            links.push(link((page - 1).min(last), "prev"));
        }
        if page < last {
            links.push(link(page + 1, "next"));
            links.push(link(last, "last"));
        }
        if page > 1 {
            links.push(link(1, "first"));
        }
        let reply = Reply::ok(wrap(shown));
        if links.is_empty() { reply } else { reply.with("link", links.join(", ")) }
    }
}

/// The members of an object. What is `null` counts as not given.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub(super) fn get(self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn text(self, key: &str) -> Result<Option<&'a str>, Refusal> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let text = value.as_str();
        text.map(Some)
            .ok_or_else(|| Refusal::malformed(format!("For 'properties/{key}', {value} is not a string.")))
    }

    pub(super) fn required(self, key: &str) -> Result<&'a str, Refusal> {
        self.text(key)?.ok_or_else(|| missing(key))
    }

    /// A text of at most so many characters.
    pub(super) fn limited(self, key: &str, limit: usize) -> Result<Option<&'a str>, Refusal> {
        let text = self.text(key)?;
        match text.map(|t| t.chars().count()) {
            Some(count) if count > limit => Err(Refusal::malformed(format!(
                "For 'properties/{key}', only {limit} characters are allowed; {count} were supplied."
            ))),
            _ => Ok(text),
        }
    }

    pub(super) fn one_of(self, key: &str, members: &[&str]) -> Result<Option<&'a str>, Refusal> {
        let text = self.text(key)?;
        match text {
            Some(text) if !members.contains(&text) => {
                let all = members.join("\", \"");
                Err(Refusal::malformed(format!(
                    "For 'properties/{key}', {text} is not a member of [\"{all}\"]."
                )))
            }
            text => Ok(text),
        }
    }

    pub(super) fn boolean(self, key: &str) -> Result<Option<bool>, Refusal> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let boolean = value.as_bool();
        boolean
            .map(Some)
            .ok_or_else(|| Refusal::malformed(format!("For 'properties/{key}', {value} is not a boolean.")))
    }

    pub(super) fn integer(self, key: &str) -> Result<Option<i64>, Refusal> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let integer = value.as_i64();
        integer
            .map(Some)
            .ok_or_else(|| Refusal::malformed(format!("For 'properties/{key}', {value} is not an integer.")))
    }

    pub(super) fn object(self, key: &str) -> Result<Option<Fields<'a>>, Refusal> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let object = value.as_object();
        object
            .map(|fields| Some(Fields(fields)))
            .ok_or_else(|| Refusal::malformed(format!("For 'properties/{key}', {value} is not an object.")))
    }

    /// A list of at most so many items.
    pub(super) fn list(self, key: &str, limit: usize) -> Result<Option<&'a [Value]>, Refusal> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let Some(items) = value.as_array() else {
            return Err(Refusal::malformed(format!("For 'properties/{key}', {value} is not an array.")));
        };
        if items.len() > limit {
            return Err(Refusal::malformed(format!(
                "For 'properties/{key}', no more than {limit} items are allowed; {} were supplied.",
                items.len()
            )));
        }
        Ok(Some(items))
    }
}

pub(super) fn missing(key: &str) -> Refusal {
    Refusal::malformed(format!("\"{key}\" wasn't supplied."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn links(total: usize, query: &[(&str, &str)]) -> (usize, String) {
        let query = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let ask = Ask { query, ..Ask::default() };
        let reply = ask.page("http://x/c", (0..total).map(|n| json!(n)).collect(), Value::Array);
        let link = reply.headers.first().map(|(_, value)| value.clone()).unwrap_or_default();
        (reply.body.unwrap().as_array().unwrap().len(), link)
    }

    #[test]
    fn pages_lead_to_each_other() {
        assert_eq!(links(30, &[]), (30, String::new()));
        let (shown, link) = links(61, &[]);
        assert_eq!(
            (shown, link.as_str()),
            (30, "<http://x/c?page=2>; rel=\"next\", <http://x/c?page=3>; rel=\"last\"")
        );
        let (shown, link) = links(61, &[("per_page", "1000"), ("page", "1")]);
        assert_eq!((shown, link.as_str()), (61, ""));
        let (shown, link) = links(61, &[("per_page", "20"), ("page", "4")]);
        assert_eq!(shown, 1);
        assert_eq!(
            link,
            "<http://x/c?per_page=20&page=3>; rel=\"prev\", <http://x/c?per_page=20&page=1>; rel=\"first\""
        );
        assert_eq!(links(61, &[("page", "9")]).0, 0);
    }

    #[test]
    fn what_has_the_wrong_form_is_told() {
        let body = json!({"name": 5, "list": [1, 2, 3], "state": "odd", "nothing": null, "long": "äbcd"});
        let fields = Fields(body.as_object().unwrap());
        let why = |refusal: Refusal| refusal.message.split("\n\n").nth(1).unwrap().to_owned();
        assert_eq!(why(fields.required("head_sha").unwrap_err()), "\"head_sha\" wasn't supplied.");
        assert_eq!(why(fields.text("name").unwrap_err()), "For 'properties/name', 5 is not a string.");
        assert!(why(fields.list("list", 2).unwrap_err()).contains("no more than 2 items"));
        assert!(why(fields.one_of("state", &["a"]).unwrap_err()).contains("is not a member of"));
        assert!(why(fields.limited("long", 3).unwrap_err()).contains("4 were supplied"));
        assert_eq!(fields.limited("long", 4).unwrap(), Some("äbcd"));
        assert_eq!(fields.text("nothing").unwrap(), None);
    }
}
