//! AWS Signature Version 4, the server's side: reads what a request claims to be signed with,
//! and checks the claim against the key's secret.

use crate::front::ApiError;
use crate::spec::Truths;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use hyper::http::{HeaderMap, request::Parts};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ring::hmac;
use sha2::{Digest, Sha256};

/// How far a request's time may lie from ours.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A request's signature as it came, not yet checked.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) access_key: String,
    pub(crate) token: Option<String>,
    pub(crate) region: String,
    pub(crate) service: String,
    day: String,
    at: DateTime<Utc>,
    signature: String,
    string_to_sign: String,
}

/// Why a request's signature isn't taken. Its code depends on the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Missing,
    Incomplete(String),
    UnknownKey,
    Mismatch(String),
    Expired,
}

/// Reads the signature of a request; `None` when it isn't signed.
pub(crate) fn read(parts: &Parts, body: &[u8]) -> Result<Option<Signed>, Refusal> {
    let Some(authorization) = header(&parts.headers, "authorization") else { return Ok(None) };
    let Some(fields) = authorization.strip_prefix(ALGORITHM) else {
        return Err(Refusal::Incomplete(format!(
            "Unsupported AWS 'algorithm': '{}'.",
            authorization.split(' ').next().unwrap_or_default()
        )));
    };
    let field = |name: &str| {
        fields
            .split(',')
            .find_map(|f| f.trim().strip_prefix(name)?.strip_prefix('='))
            .ok_or_else(|| Refusal::Incomplete(format!("Authorization header requires '{name}' parameter.")))
    };
    let (credential, signed_headers, signature) =
        (field("Credential")?, field("SignedHeaders")?, field("Signature")?);
    let scope: Vec<&str> = credential.split('/').collect();
    let [access_key, day, region, service, "aws4_request"] = scope[..] else {
        return Err(Refusal::Incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{credential}'"
        )));
    };
    let Some(stamp) = header(&parts.headers, "x-amz-date") else {
        return Err(Refusal::Incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.".into(),
        ));
    };
    let at = NaiveDateTime::parse_from_str(&stamp, "%Y%m%dT%H%M%SZ")
        .map_err(|_| {
            Refusal::Incomplete(format!(
                "Date must be in ISO-8601 'basic format'. Got '{stamp}'. See http://en.wikipedia.org/wiki/ISO_8601"
            ))
        })?
        .and_utc();
    if !stamp.starts_with(day) {
        return Err(Refusal::Mismatch(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{day}' != '{}', from '{stamp}'.",
            stamp.get(..8).unwrap_or_default()
        )));
    }
    let names: Vec<&str> = signed_headers.split(';').collect();
    if !names.contains(&"host") {
        return Err(Refusal::Mismatch(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".into(),
        ));
    }
    let hash = hex::encode(Sha256::digest(body));
    if header(&parts.headers, "x-amz-content-sha256").is_some_and(|claimed| claimed != hash) {
        return Err(Refusal::Mismatch(
            "The provided 'x-amz-content-sha256' header does not match what was computed.".into(),
        ));
    }
    let request = canonical_request(parts, &names, &hash);
    let string_to_sign = format!(
        "{ALGORITHM}\n{stamp}\n{day}/{region}/{service}/aws4_request\n{}",
        hex::encode(Sha256::digest(request))
    );
    Ok(Some(Signed {
        access_key: access_key.to_owned(),
        token: header(&parts.headers, "x-amz-security-token"),
        region: region.to_owned(),
        service: service.to_owned(),
        day: day.to_owned(),
        at,
        signature: signature.to_owned(),
        string_to_sign,
    }))
}

impl Signed {
    /// Checks the signature against the key's secret, and its time against ours.
    pub(crate) fn check(&self, secret: &str, now: DateTime<Utc>) -> Result<(), Refusal> {
        if self.signature_with(secret) != self.signature {
            return Err(Refusal::Mismatch(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.".into(),
            ));
        }
        let stamp = |at: DateTime<Utc>| at.format("%Y%m%dT%H%M%SZ").to_string();
        if self.at < now - TOLERANCE {
            return Err(Refusal::Mismatch(format!(
                "Signature expired: {} is now earlier than {} ({} - 5 min.)",
                stamp(self.at),
                stamp(now - TOLERANCE),
                stamp(now)
            )));
        }
        if self.at > now + TOLERANCE {
            return Err(Refusal::Mismatch(format!(
                "Signature not yet current: {} is still later than {} ({} + 5 min.)",
                stamp(self.at),
                stamp(now + TOLERANCE),
                stamp(now)
            )));
        }
        Ok(())
    }

    fn signature_with(&self, secret: &str) -> String {
        let start = format!("AWS4{secret}").into_bytes();
        let key = [&self.day, &self.region, &self.service, "aws4_request"]
            .iter()
            .fold(start, |key, part| sign(&key, part.as_bytes()));
        hex::encode(sign(&key, self.string_to_sign.as_bytes()))
    }
}

impl Refusal {
    /// The error as the query services name it, or as all the others do.
    pub(crate) fn error(&self, query: bool, truths: &Truths) -> ApiError {
        let (json_code, query_code, query_status, message) = match self {
            Refusal::Missing => (
                "MissingAuthenticationTokenException",
                "MissingAuthenticationToken",
                403,
                "Request is missing Authentication Token",
            ),
            Refusal::Incomplete(why) => {
                ("IncompleteSignatureException", "IncompleteSignature", 400, why.as_str())
            }
            Refusal::UnknownKey => (
                "UnrecognizedClientException",
                "InvalidClientTokenId",
                403,
                "The security token included in the request is invalid.",
            ),
            Refusal::Mismatch(why) => {
                ("InvalidSignatureException", "SignatureDoesNotMatch", 403, why.as_str())
            }
            Refusal::Expired => (
                "ExpiredTokenException",
                "ExpiredToken",
                403,
                "The security token included in the request is expired",
            ),
        };
        let (code, status) = match self {
            _ if query => (query_code, query_status),
            Refusal::Expired => (json_code, truths.expired_token_status),
            _ => (json_code, 400),
        };
        ApiError { status, code: code.into(), message: message.into() }
    }
}

fn sign(key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref().to_vec()
}

fn canonical_request(parts: &Parts, names: &[&str], hash: &str) -> String {
    let path: Vec<String> =
        parts.uri.path().split('/').map(|s| utf8_percent_encode(s, UNRESERVED).to_string()).collect();
    let headers: String = names
        .iter()
        .map(|name| format!("{name}:{}\n", header(&parts.headers, name).unwrap_or_default()))
        .collect();
    format!(
        "{}\n{}\n{}\n{headers}\n{}\n{hash}",
        parts.method,
        path.join("/"),
        canonical_query(parts.uri.query().unwrap_or_default()),
        names.join(";"),
    )
}

fn canonical_query(query: &str) -> String {
    let again =
        |s: &str| utf8_percent_encode(&percent_decode_str(s).decode_utf8_lossy(), UNRESERVED).to_string();
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (again(name), again(value)))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// A header's values, each with its runs of spaces made one, joined by commas.
fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<String> = headers
        .get_all(name)
        .iter()
        .map(|v| String::from_utf8_lossy(v.as_bytes()).split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}
