//! Facts about names that can be checked without asking anyone: regions, ARNs, ids, tags.

use std::time::Duration;

/// Partitions and their regions.
const REGIONS: [(&str, &[&str]); 8] = [
    (
        "aws",
        &[
            "af-south-1",
            "ap-east-1",
            "ap-east-2",
            "ap-northeast-1",
            "ap-northeast-2",
            "ap-northeast-3",
            "ap-south-1",
            "ap-south-2",
            "ap-southeast-1",
            "ap-southeast-2",
            "ap-southeast-3",
            "ap-southeast-4",
            "ap-southeast-5",
            "ap-southeast-6",
            "ap-southeast-7",
            "ca-central-1",
            "ca-west-1",
            "eu-central-1",
            "eu-central-2",
            "eu-north-1",
            "eu-south-1",
            "eu-south-2",
            "eu-west-1",
            "eu-west-2",
            "eu-west-3",
            "il-central-1",
            "me-central-1",
            "me-south-1",
            "mx-central-1",
            "sa-east-1",
            "us-east-1",
            "us-east-2",
            "us-west-1",
            "us-west-2",
        ],
    ),
    ("aws-cn", &["cn-north-1", "cn-northwest-1"]),
    ("aws-us-gov", &["us-gov-east-1", "us-gov-west-1"]),
    ("aws-iso", &["us-iso-east-1", "us-iso-west-1"]),
    ("aws-iso-b", &["us-isob-east-1", "us-isob-west-1"]),
    ("aws-iso-e", &["eu-isoe-west-1"]),
    ("aws-iso-f", &["us-isof-east-1", "us-isof-south-1"]),
    ("aws-eusc", &["eusc-de-east-1"]),
];

pub fn regions() -> impl Iterator<Item = &'static str> {
    REGIONS.iter().flat_map(|(_, regions)| regions.iter().copied())
}

/// The partition of a region that is known.
pub fn partition(region: &str) -> Option<&'static str> {
    REGIONS.iter().find(|(_, regions)| regions.contains(&region)).map(|(partition, _)| *partition)
}

/// A role's ARN taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleArn<'a> {
    pub partition: &'a str,
    pub account: &'a str,
    /// With its path.
    pub name: &'a str,
}

impl RoleArn<'_> {
    pub fn parse(text: &str) -> Option<RoleArn<'_>> {
        let (partition, rest) = text.strip_prefix("arn:")?.split_once(":iam::")?;
        let (account, name) = rest.split_once(":role/")?;
        let named = !name.is_empty()
            && !name.ends_with('/')
            && name.len() <= 64 + 512
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+=,.@-".contains(&b));
        let known = REGIONS.iter().any(|(name, _)| *name == partition);
        (known && named && is_account(account)).then_some(RoleArn { partition, account, name })
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a text has one of the forms that the schema names.
pub fn has_form(form: &str, text: &str) -> bool {
    match form {
        "account-id" => is_account(text),
        "role-arn" => RoleArn::parse(text).is_some(),
        "external-id" => {
            (2..=1224).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b))
        }
        "time-span" => humantime::parse_duration(text).is_ok_and(|span| span > Duration::ZERO),
        "url" => reqwest::Url::parse(text)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()),
        "url-path" => text.starts_with('/') && !text.contains(char::is_whitespace),
        "path" => !text.is_empty(),
        "host" => {
            text.contains(|c: char| c.is_ascii_alphabetic())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        }
        "percent" => percent(text).is_some(),
        _ => true,
    }
}

/// `1%` as 1.
pub fn percent(text: &str) -> Option<f64> {
    let number: f64 = text.strip_suffix('%')?.trim().parse().ok()?;
    (0.0..=100.0).contains(&number).then_some(number)
}

/// A repository's name as ECR takes it.
pub fn is_repository(text: &str) -> bool {
    let part = |part: &str| {
        let mut words = part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        let edges = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        edges(part.chars().next())
            && edges(part.chars().last())
            && words
                .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|b| b == b'-'))
    };
    (2..=256).contains(&text.len()) && !begins_with_host(text) && text.split('/').all(part)
}

/// What ECR itself would take for a part of the name.
fn begins_with_host(text: &str) -> bool {
    let known =
        |host: &str| host.contains(".dkr.ecr") || ["ghcr.io", "docker.io", "public.ecr.aws"].contains(&host);
    text.split_once('/').is_some_and(|(host, _)| known(host))
}

/// A platform: `os/architecture`, `os/architecture/variant`.
pub fn is_platform(text: &str) -> bool {
    let mut parts = 0;
    let sound = text.split('/').all(|part| {
        parts += 1;
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-()".contains(&b))
    });
    sound && (2..=3).contains(&parts)
}

/// A tag as registries take it.
pub fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// The name that is nearest to a mistyped one, if one is near at all.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase().replace('_', "-");
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&given, &name.to_lowercase()), name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, name)| *distance <= name.len().max(given.len()).div_ceil(3))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_arns_of_all_partitions() {
        let parse = RoleArn::parse;
        let role = |partition, name| Some(RoleArn { partition, account: "222222222222", name });
        assert_eq!(parse("arn:aws:iam::222222222222:role/deploy"), role("aws", "deploy"));
        assert_eq!(parse("arn:aws-cn:iam::222222222222:role/ci/deploy"), role("aws-cn", "ci/deploy"));
        assert_eq!(parse("arn:aws-us-gov:iam::222222222222:role/deploy"), role("aws-us-gov", "deploy"));
        for wrong in [
            "deploy",
            "arn:aws:iam::22222222222:role/deploy",
            "arn:aws:iam::222222222222:user/deploy",
            "arn:aws:sts::222222222222:assumed-role/deploy/me",
            "arn:aws:iam::222222222222:role/",
            "arn:amazon:iam::222222222222:role/deploy",
            "arn:aws:iam::222222222222:role/de ploy",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn forms() {
        assert!(has_form("time-span", "1h 30m") && has_form("time-span", "90s"));
        assert!(
            !has_form("time-span", "90") && !has_form("time-span", "soon") && !has_form("time-span", "0s")
        );
        assert!(has_form("url", "https://hello.example/x") && !has_form("url", "hello.example"));
        assert!(has_form("url-path", "/health?x=1") && !has_form("url-path", "health"));
        assert!(has_form("account-id", "012345678901") && !has_form("account-id", "12345678901"));
        assert!(has_form("external-id", "a:b/c") && !has_form("external-id", "a"));
    }

    #[test]
    fn repositories_tags_and_platforms() {
        assert!(["hello", "team/hello", "a.b_c__d--e/f1"].into_iter().all(is_repository));
        assert!(
            !["h", "Hello", "team//hello", "-a", "a-", "a..b", "a___b", "/ab"].into_iter().any(is_repository)
        );
        assert!(["v1", "_x", "1.2.3-dirty"].into_iter().all(is_tag));
        assert!(!["", "-x", ".x", "a/b", "a b", "ü"].into_iter().any(is_tag));
        assert!(["linux/amd64", "linux/arm64/v8"].into_iter().all(is_platform));
        assert!(!["linux", "linux/", "a/b/c/d", "linux/amd 64"].into_iter().any(is_platform));
    }

    #[test]
    fn nearest_names() {
        assert_eq!(nearest("regoin", ["role", "region", "service"]), Some("region"));
        assert_eq!(nearest("task_definition", ["task-definition", "image"]), Some("task-definition"));
        assert_eq!(nearest("eu-centrl-1", regions()), Some("eu-central-1"));
        assert_eq!(nearest("zzz", ["role", "region"]), None);
    }
}
