//! What a scan found, and whether it is too much. Pure.

use crate::request::{ScanRule, Severity};
use aws_sdk_ecr::{
    operation::describe_image_scan_findings::DescribeImageScanFindingsOutput,
    types::{EnhancedImageScanFinding, ImageScanFinding},
};
use std::collections::BTreeMap;

/// How bad a vulnerability is; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Critical,
    High,
    Medium,
    Low,
    Informational,
    /// Nobody has judged it yet.
    Unjudged,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Vulnerability {
    pub level: Level,
    pub name: String,
    pub package: Option<String>,
    pub version: Option<String>,
    /// The version in which it isn't any more, where that is known.
    pub fixed_in: Option<String>,
}

/// What a scan comes to under a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Of all but what is ignored.
    pub counts: BTreeMap<Level, usize>,
    pub ignored: usize,
    /// What keeps the image from being deployed, the worst first.
    pub against: Vec<Vulnerability>,
}

impl Level {
    fn of(text: &str) -> Level {
        match text {
            "CRITICAL" => Level::Critical,
            "HIGH" => Level::High,
            "MEDIUM" => Level::Medium,
            "LOW" => Level::Low,
            "INFORMATIONAL" => Level::Informational,
            _ => Level::Unjudged,
        }
    }
}

impl From<Severity> for Level {
    fn from(severity: Severity) -> Level {
        match severity {
            Severity::Critical => Level::Critical,
            Severity::High => Level::High,
            Severity::Medium => Level::Medium,
            Severity::Low => Level::Low,
        }
    }
}

impl Verdict {
    pub fn of(mut found: Vec<Vulnerability>, rule: &ScanRule) -> Verdict {
        // The images of several platforms have most of it in common.
        found.sort();
        found.dedup();
        let all = found.len();
        let is_ignored = |name: &str| rule.ignore.iter().any(|ignored| ignored.eq_ignore_ascii_case(name));
        found.retain(|found| !is_ignored(&found.name));
        let mut verdict = Verdict { ignored: all - found.len(), ..Verdict::default() };
        for found in &found {
            *verdict.counts.entry(found.level).or_default() += 1;
        }
        found.retain(|found| found.level <= rule.fail_on.into());
        verdict.against = found;
        verdict
    }
}

/// One page of an answer.
pub fn read(answer: &DescribeImageScanFindingsOutput) -> Vec<Vulnerability> {
    let Some(found) = answer.image_scan_findings() else { return Vec::new() };
    let basic = found.findings().iter().map(basic);
    basic.chain(found.enhanced_findings().iter().flat_map(enhanced)).collect()
}

fn basic(finding: &ImageScanFinding) -> Vulnerability {
    let attribute = |key: &str| {
        let found = finding.attributes().iter().find(|attribute| attribute.key() == key);
        found.and_then(|attribute| attribute.value()).map(str::to_owned)
    };
    Vulnerability {
        level: Level::of(finding.severity().map_or("", |severity| severity.as_str())),
        name: finding.name().unwrap_or_default().to_owned(),
        package: attribute("package_name"),
        version: attribute("package_version"),
        fixed_in: None,
    }
}

/// One for each package that it is in.
fn enhanced(finding: &EnhancedImageScanFinding) -> Vec<Vulnerability> {
    let details = finding.package_vulnerability_details();
    let name = details.and_then(|details| details.vulnerability_id()).or(finding.title());
    let vulnerability = Vulnerability {
        level: Level::of(finding.severity().unwrap_or_default()),
        name: name.unwrap_or_default().to_owned(),
        package: None,
        version: None,
        fixed_in: None,
    };
    let packages = details.map(|details| details.vulnerable_packages()).unwrap_or_default();
    if packages.is_empty() {
        return vec![vulnerability];
    }
    let of = |package: &aws_sdk_ecr::types::VulnerablePackage| Vulnerability {
        package: package.name().map(str::to_owned),
        version: package.version().map(str::to_owned),
        // Inspector's word for a version that there isn't.
        fixed_in: package.fixed_in_version().filter(|v| *v != "NotAvailable").map(str::to_owned),
        ..vulnerability.clone()
    };
    packages.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use aws_sdk_ecr::types::{Attribute, ImageScanFindings, PackageVulnerabilityDetails, VulnerablePackage};
    use std::time::Duration;

    fn rule(fail_on: Severity, ignore: &[&str]) -> ScanRule {
        let ignore = ignore.iter().map(|name| (*name).to_owned()).collect();
        ScanRule { fail_on, timeout: Duration::from_secs(600), ignore, allow_unscanned: false }
    }

    fn vulnerability(level: Level, name: &str) -> Vulnerability {
        Vulnerability { level, name: name.into(), package: None, version: None, fixed_in: None }
    }

    #[test]
    fn what_is_as_bad_as_the_rule_says_or_worse_counts_once() {
        let found = vec![
            vulnerability(Level::Low, "CVE-2026-0004"),
            vulnerability(Level::High, "CVE-2026-0002"),
            vulnerability(Level::Critical, "CVE-2026-0001"),
            vulnerability(Level::High, "CVE-2026-0002"),
            vulnerability(Level::Unjudged, "CVE-2026-0005"),
            vulnerability(Level::High, "CVE-2026-0003"),
        ];
        let verdict = Verdict::of(found.clone(), &rule(Severity::High, &["cve-2026-0003"]));
        let names: Vec<&str> = verdict.against.iter().map(|found| found.name.as_str()).collect();
        assert_eq!(names, ["CVE-2026-0001", "CVE-2026-0002"]);
        assert_eq!(verdict.ignored, 1);
        let counts = [(Level::Critical, 1), (Level::High, 1), (Level::Low, 1), (Level::Unjudged, 1)];
        assert_eq!(verdict.counts, counts.into());
        assert_eq!(Verdict::of(found, &rule(Severity::Low, &[])).against.len(), 4);
    }

    #[test]
    fn both_scanners_name_the_package() {
        let attribute = |key: &str, value: &str| Attribute::builder().key(key).value(value).build().unwrap();
        let basic = ImageScanFinding::builder()
            .name("CVE-2026-0001")
            .severity("HIGH".into())
            .attributes(attribute("package_version", "1.0"))
            .attributes(attribute("package_name", "zlib"))
            .build();
        let package = |name: &str, fixed: &str| {
            VulnerablePackage::builder().name(name).version("3.0").fixed_in_version(fixed).build()
        };
        let details = PackageVulnerabilityDetails::builder()
            .vulnerability_id("CVE-2026-0002")
            .vulnerable_packages(package("openssl", "3.1"))
            .vulnerable_packages(package("libssl", "NotAvailable"))
            .build();
        let enhanced = EnhancedImageScanFinding::builder()
            .severity("CRITICAL")
            .package_vulnerability_details(details)
            .build();
        let answer = DescribeImageScanFindingsOutput::builder()
            .image_scan_findings(
                ImageScanFindings::builder().findings(basic).enhanced_findings(enhanced).build(),
            )
            .build();
        let told: Vec<_> = read(&answer)
            .into_iter()
            .map(|v| (v.level, v.name, v.package.unwrap(), v.version.unwrap(), v.fixed_in))
            .collect();
        let of = |level, name: &str, package: &str, version: &str, fixed: Option<&str>| {
            (level, name.to_owned(), package.to_owned(), version.to_owned(), fixed.map(str::to_owned))
        };
        assert_eq!(
            told,
            [
                of(Level::High, "CVE-2026-0001", "zlib", "1.0", None),
                of(Level::Critical, "CVE-2026-0002", "openssl", "3.0", Some("3.1")),
                of(Level::Critical, "CVE-2026-0002", "libssl", "3.0", None),
            ]
        );
    }
}
