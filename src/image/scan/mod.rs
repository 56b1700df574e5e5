//! ECR's scan of an image: started where nothing else starts it, waited for, and held against what
//! may be deployed. Basic scanning and Inspector's enhanced one answer the same call.

mod findings;

pub use findings::{Level, Verdict, Vulnerability};

use super::{
    Candidate, Image,
    ecr::{Registry, by_digest, by_tag},
    reference::Reference,
};
use crate::{
    aws::{Access, Failure},
    event::{Conclusion, Event},
    outcome::{Finding, Stop},
    plan::ImageStep,
    report::Reporter,
    request::ScanRule,
    say::{refusals, registry, scan as say},
    surroundings::Pace,
};
use aws_sdk_ecr::{
    config::retry::RetryConfig,
    operation::describe_image_scan_findings::DescribeImageScanFindingsOutput,
    types::{ImageIdentifier, ScanStatus},
};
use futures_util::future::try_join_all;
use std::time::Duration;

/// Between two looks, in the world's time. A basic scan takes from seconds to a few minutes.
const LOOK: Duration = Duration::from_secs(5);
/// So long a scan may keep others waiting that we were not let start: one on push comes by itself.
const BY_ITSELF: Duration = Duration::from_secs(120);

/// Why there is nothing to judge an image by.
#[derive(Clone, Debug, PartialEq)]
pub enum Unscanned {
    /// ECR doesn't hold the image.
    NotInEcr,
    /// ECR's own word for it, and what it says of it.
    Ended {
        status: String,
        description: Option<String>,
    },
    /// Nobody started a scan, and we were refused it.
    NotStarted(Failure),
    /// The findings may not be read.
    Denied(Failure),
    TooLong(Duration),
}

/// Sees before anything is written that the findings may be read at all.
pub async fn may_be_seen(
    rule: &ScanRule,
    mut candidate: Candidate,
    access: &Access,
    only_planned: bool,
) -> anyhow::Result<Candidate> {
    let (uri, id) = match &candidate.step {
        ImageStep::Build { create: Some(_), .. } => return Ok(candidate),
        ImageStep::Build { repository_uri, tags, .. } => {
            (repository_uri, tags.first().map(|tag| by_tag(tag)))
        }
        ImageStep::Reuse { uri, digest, .. } | ImageStep::Given { uri, digest } => {
            (uri, Some(by_digest(digest)))
        }
    };
    let (Some(reference), Some(id)) = (Reference::parse(uri), id) else { return Ok(candidate) };
    let unscanned = match Registry::holding(&reference, access).await {
        None => Some(Unscanned::NotInEcr),
        Some(registry) => match look(&registry, &reference.name, id, None).await {
            Err(failure) if failure.is_denied() => Some(Unscanned::Denied(failure)),
            _ => None,
        },
    };
    match unscanned {
        Some(why @ Unscanned::Denied(_)) if only_planned => {
            candidate.notes.push(registry::only_planned(&say::unscanned(uri, &why)));
        }
        Some(why) if rule.allow_unscanned => candidate.notes.push(say::not_scanned(uri, &why)),
        Some(why) => return Err(refused(say::unscanned(uri, &why))),
        None => {}
    }
    Ok(candidate)
}

/// Waits for the scan and judges by it. Nothing has been registered or deployed.
pub async fn judge(
    rule: &ScanRule,
    image: &Image,
    access: &Access,
    report: &Reporter,
    pace: Pace,
) -> anyhow::Result<()> {
    let verdict = scanned(rule, image, access, report, pace).await;
    let verdict = verdict.map_err(|error| match error.downcast::<Failure>() {
        Ok(failure) => refused(refusals::failure(&failure)),
        Err(error) => error,
    })?;
    let check = |conclusion, measured| {
        let (name, limit) = (say::CHECK.to_owned(), say::limit(rule));
        report.tell(Event::Check { name, conclusion, measured, limit });
    };
    match verdict {
        Ok(verdict) if verdict.against.is_empty() => {
            check(Conclusion::Passed, say::counts(&verdict));
            Ok(())
        }
        Ok(verdict) => {
            check(Conclusion::Failed, say::counts(&verdict));
            Err(refused(say::too_much(&image.pinned(), &verdict, rule)))
        }
        Err(why) => {
            let conclusion = if rule.allow_unscanned { Conclusion::Inconclusive } else { Conclusion::Failed };
            check(conclusion, say::NOT_SCANNED.to_owned());
            if !rule.allow_unscanned {
                return Err(refused(say::unscanned(&image.pinned(), &why)));
            }
            report.tell(Event::Warning { text: say::not_scanned(&image.pinned(), &why) });
            Ok(())
        }
    }
}

fn refused(finding: Finding) -> anyhow::Error {
    Stop::refused(vec![finding]).into()
}

async fn scanned(
    rule: &ScanRule,
    image: &Image,
    access: &Access,
    report: &Reporter,
    pace: Pace,
) -> anyhow::Result<Result<Verdict, Unscanned>> {
    let Some(reference) = Reference::parse(&image.uri) else { return Ok(Err(Unscanned::NotInEcr)) };
    let Some(registry) = Registry::holding(&reference, access).await else {
        return Ok(Err(Unscanned::NotInEcr));
    };
    // Of several platforms each image is scanned for itself, and the index that lists them isn't.
    let manifest = registry.manifest(&reference.name, by_digest(&image.digest)).await?;
    let digests = manifest.and_then(|manifest| manifest.images()).filter(|images| !images.is_empty());
    let digests = digests.unwrap_or_else(|| vec![image.digest.clone()]);
    let what = say::waiting(digests.len());
    report.tell(Event::Waiting { what, remaining: Some(rule.timeout) });
    let scan = Scan { registry: &registry, repository: &reference.name, timeout: rule.timeout, pace };
    let found = try_join_all(digests.iter().map(|digest| scan.of(digest))).await?;
    let found: Result<Vec<_>, Unscanned> = found.into_iter().collect();
    Ok(found.map(|found| Verdict::of(found.concat(), rule)))
}

struct Scan<'a> {
    registry: &'a Registry<'a>,
    repository: &'a str,
    timeout: Duration,
    pace: Pace,
}

impl Scan<'_> {
    /// All that is found in one image.
    async fn of(&self, digest: &str) -> Result<Result<Vec<Vulnerability>, Unscanned>, Failure> {
        let begun = self.pace.now();
        let mut asked = false;
        let mut not_let: Option<Failure> = None;
        loop {
            match look(self.registry, self.repository, by_digest(digest), None).await {
                Ok(first) => match State::of(&first) {
                    State::Done => return self.all(digest, first).await.map(Ok),
                    State::Ended(why) => return Ok(Err(why)),
                    State::Running => {}
                },
                Err(failure) if failure.is("ScanNotFoundException") && !asked => {
                    match self.start(digest).await {
                        Ok(()) => asked = true,
                        Err(failure) if failure.may_pass() => {}
                        Err(failure) => (asked, not_let) = (true, Some(failure)),
                    }
                }
                Err(failure) if failure.is("ScanNotFoundException") => {
                    if let Some(failure) = not_let.take_if(|_| self.pace.now() > begun + BY_ITSELF) {
                        return Ok(Err(Unscanned::NotStarted(failure)));
                    }
                }
                Err(failure) if failure.is_denied() => return Ok(Err(Unscanned::Denied(failure))),
                Err(failure) if failure.may_pass() => {}
                Err(failure) => return Err(failure),
            }
            if self.pace.now() > begun + self.timeout {
                return Ok(Err(Unscanned::TooLong(self.timeout)));
            }
            self.pace.sleep(LOOK).await;
        }
    }

    async fn start(&self, digest: &str) -> Result<(), Failure> {
        let clients = self.registry.clients;
        let call = clients.ecr().start_image_scan().repository_name(self.repository);
        let call = call.image_id(by_digest(digest)).set_registry_id(self.registry.account.clone());
        // A scan that there was today is refused in a way that clients take for throttling.
        let once = self.registry.overridden().retry_config(RetryConfig::disabled());
        let answer = call.customize().config_override(once).send().await;
        answer.map(|_| ()).map_err(clients.failed("ecr:StartImageScan"))
    }

    /// The first page and those behind it.
    async fn all(
        &self,
        digest: &str,
        first: DescribeImageScanFindingsOutput,
    ) -> Result<Vec<Vulnerability>, Failure> {
        let mut found = findings::read(&first);
        let mut next = first.next_token;
        let begun = self.pace.now();
        while let Some(token) = next.take() {
            match look(self.registry, self.repository, by_digest(digest), Some(&token)).await {
                Ok(page) => {
                    found.extend(findings::read(&page));
                    next = page.next_token;
                }
                Err(failure) if failure.may_pass() && self.pace.now() < begun + self.timeout => {
                    next = Some(token);
                    self.pace.sleep(LOOK).await;
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(found)
    }
}

/// One page of what is known of an image's scan.
async fn look(
    registry: &Registry<'_>,
    repository: &str,
    image: ImageIdentifier,
    token: Option<&str>,
) -> Result<DescribeImageScanFindingsOutput, Failure> {
    let call = registry.clients.ecr().describe_image_scan_findings().repository_name(repository);
    let call = call.image_id(image).set_registry_id(registry.account.clone());
    let call = call.set_next_token(token.map(str::to_owned));
    let answer = call.customize().config_override(registry.overridden()).send().await;
    answer.map_err(registry.clients.failed("ecr:DescribeImageScanFindings"))
}

#[derive(Debug, PartialEq)]
enum State {
    Running,
    Done,
    Ended(Unscanned),
}

impl State {
    fn of(answer: &DescribeImageScanFindingsOutput) -> State {
        let status = answer.image_scan_status();
        match status.and_then(|status| status.status()) {
            Some(ScanStatus::Complete) => State::Done,
            // Scanned again and again: until the first time has passed, the list is empty for want
            // of knowledge.
            Some(ScanStatus::Active) => {
                let found = answer.image_scan_findings();
                let any = |f: &aws_sdk_ecr::types::ImageScanFindings| {
                    f.image_scan_completed_at().is_some() || !f.enhanced_findings().is_empty()
                };
                if found.is_some_and(any) { State::Done } else { State::Running }
            }
            None | Some(ScanStatus::InProgress | ScanStatus::Pending) => State::Running,
            Some(other) => State::Ended(Unscanned::Ended {
                status: other.as_str().to_owned(),
                description: status.and_then(|status| status.description()).map(str::to_owned),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use aws_sdk_ecr::{
        primitives::DateTime,
        types::{ImageScanFindings, ImageScanStatus},
    };

    fn answer(status: &str, findings: Option<ImageScanFindings>) -> DescribeImageScanFindingsOutput {
        DescribeImageScanFindingsOutput::builder()
            .image_scan_status(ImageScanStatus::builder().status(status.into()).build())
            .set_image_scan_findings(findings)
            .build()
    }

    #[test]
    fn an_empty_list_is_no_result_before_the_first_scan_has_ended() {
        let none = || ImageScanFindings::builder();
        let ended = none().image_scan_completed_at(DateTime::from_secs(1)).build();
        assert_eq!(State::of(&answer("ACTIVE", Some(none().build()))), State::Running);
        assert_eq!(State::of(&answer("ACTIVE", Some(ended))), State::Done);
        assert_eq!(State::of(&answer("COMPLETE", Some(none().build()))), State::Done);
        assert_eq!(State::of(&answer("PENDING", None)), State::Running);
        for status in ["FAILED", "UNSUPPORTED_IMAGE", "SCAN_ELIGIBILITY_EXPIRED", "SOMETHING_NEW"] {
            let ended = State::of(&answer(status, None));
            assert!(matches!(ended, State::Ended(Unscanned::Ended { status: s, .. }) if s == status));
        }
    }
}
