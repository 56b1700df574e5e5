//! References to images: `host/name:tag@digest`, and what an ECR host says of itself.

use super::manifest::is_digest;
use crate::config::facts;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The registry's host; `None` for Docker Hub's short names.
    pub host: Option<String>,
    pub name: String,
    pub tag: Option<String>,
    pub digest: Option<String>,
}

/// An ECR registry's account and region, as its host tells them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EcrHost {
    pub account: String,
    pub region: String,
}

impl Reference {
    pub fn parse(text: &str) -> Option<Reference> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.to_owned())),
            None => (text, None),
        };
        let slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (path, tag) = match rest.get(slash..)?.split_once(':') {
            Some((last, tag)) => (rest.get(..slash + last.len())?, Some(tag.to_owned())),
            None => (rest, None),
        };
        let (host, name) = match path.split_once('/') {
            Some((host, name)) if host.contains(['.', ':']) || host == "localhost" => {
                (Some(host.to_owned()), name)
            }
            _ => (None, path),
        };
        let sound = !name.is_empty()
            && name.split('/').all(|part| {
                !part.is_empty()
                    && part
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
            })
            && tag.as_deref().is_none_or(facts::is_tag)
            && digest.as_deref().is_none_or(is_digest);
        sound.then(|| Reference { host, name: name.to_owned(), tag, digest })
    }

    /// Without tag and digest.
    pub fn repository(&self) -> String {
        match &self.host {
            Some(host) => format!("{host}/{}", self.name),
            None => self.name.clone(),
        }
    }

    pub fn ecr_host(&self) -> Option<EcrHost> {
        let host = self.host.as_deref()?;
        let parts: Vec<&str> = host.split('.').collect();
        let (account, region) = match parts.as_slice() {
            [account, "dkr", "ecr" | "ecr-fips", region, "amazonaws", "com"] => (account, region),
            [account, "dkr", "ecr", region, "amazonaws", "com", "cn"] => (account, region),
            [account, "dkr-ecr" | "dkr-ecr-fips", region, "on", "aws"] => (account, region),
            // Other partitions have domains of their own.
            [account, "dkr", "ecr", region, ..] if parts.len() > 5 => (account, region),
            _ => return None,
        };
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        is_account.then(|| EcrHost { account: (*account).to_owned(), region: (*region).to_owned() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn references_are_taken_apart() {
        let parts = |text: &str| {
            let r = Reference::parse(text).unwrap();
            (r.host, r.name, r.tag, r.digest.map(|_| ()))
        };
        let some = |text: &str| Some(text.to_owned());
        let digest = format!("sha256:{}", "0".repeat(64));
        assert_eq!(
            parts("127.0.0.1:5000/hello:v1"),
            (some("127.0.0.1:5000"), "hello".into(), some("v1"), None)
        );
        assert_eq!(
            parts(&format!("a.example/b/c@{digest}")),
            (some("a.example"), "b/c".into(), None, Some(()))
        );
        assert_eq!(parts("nginx"), (None, "nginx".into(), None, None));
        assert_eq!(parts("library/nginx:1"), (None, "library/nginx".into(), some("1"), None));
        assert_eq!(parts("localhost/x"), (some("localhost"), "x".into(), None, None));
        for wrong in ["", "a.example/", "A", "x:-1", "x@sha256:1", "a.example/b//c", "x y"] {
            assert_eq!(Reference::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ecr_hosts_tell_account_and_region() {
        let ecr =
            |host: &str| Reference::parse(&format!("{host}/hello")).unwrap().ecr_host().map(|e| e.region);
        assert_eq!(ecr("111111111111.dkr.ecr.eu-central-1.amazonaws.com").as_deref(), Some("eu-central-1"));
        assert_eq!(ecr("111111111111.dkr.ecr.cn-north-1.amazonaws.com.cn").as_deref(), Some("cn-north-1"));
        assert_eq!(ecr("111111111111.dkr-ecr.eu-west-1.on.aws").as_deref(), Some("eu-west-1"));
        assert_eq!(ecr("ghcr.io"), None);
        assert_eq!(ecr("127.0.0.1:5000"), None);
        assert_eq!(ecr("public.ecr.aws"), None);
    }
}
