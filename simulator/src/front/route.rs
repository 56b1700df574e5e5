//! Which service, operation and protocol a request means: by target, by path, or by the
//! parameters of the query protocol.

use crate::front::{ApiError, Service, protocol::Protocol, query};
use hyper::Method;
use hyper::http::request::Parts;

#[derive(Debug)]
pub(crate) struct Routed {
    pub(crate) service: Service,
    pub(crate) operation: String,
    pub(crate) protocol: Protocol,
    /// The query protocol's parameters may stand in the URL.
    pub(crate) in_url: bool,
}

/// A request that means nothing here, and the protocol to say so in.
#[derive(Debug)]
pub(crate) struct Stray {
    pub(crate) protocol: Protocol,
    pub(crate) error: ApiError,
}

const TARGETS: &[(&str, Service)] = &[
    ("AmazonEC2ContainerServiceV20141113", Service::Ecs),
    ("AmazonEC2ContainerRegistry_V20150921", Service::Ecr),
    ("SpencerFrontendService", Service::EcrPublic),
    ("CodeDeploy_20141006", Service::CodeDeploy),
    ("GraniteServiceVersion20100801", Service::CloudWatch),
    ("Logs_20140328", Service::Logs),
    ("AnyScaleFrontendService", Service::AutoScaling),
];

const VERSIONS: &[(&str, Service)] =
    &[("2011-06-15", Service::Sts), ("2015-12-01", Service::Elb), ("2010-08-01", Service::CloudWatch)];

/// The one operation that is called without a signature.
pub(crate) const UNSIGNED: (Service, &str) = (Service::Sts, "AssumeRoleWithWebIdentity");

pub(crate) fn route(parts: &Parts, body: &[u8]) -> Result<Routed, Stray> {
    let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let content_type = header("content-type");
    if parts.method != Method::POST && parts.method != Method::GET {
        return Err(stray(Protocol::Json11, 405, "MethodNotAllowedException", "the method isn't allowed"));
    }
    if let Some(call) = parts.uri.path().strip_prefix("/service/") {
        return by_path(parts, call, header("smithy-protocol"));
    }
    if parts.uri.path() != "/" {
        return Err(unknown(Protocol::Json11, 404));
    }
    if let Some(target) = parts.headers.get("x-amz-target") {
        let protocol = if content_type.contains("json-1.0") { Protocol::Json10 } else { Protocol::Json11 };
        if parts.method != Method::POST || !content_type.starts_with("application/x-amz-json-1.") {
            return Err(unknown(protocol, 404));
        }
        let target = target.to_str().unwrap_or_default();
        return by_target(target).map(|(service, operation)| Routed {
            service,
            operation: operation.to_owned(),
            protocol,
            in_url: false,
        });
    }
    let in_url = parts.method == Method::GET;
    if in_url {
        return by_parameters(parts.uri.query().unwrap_or_default().as_bytes(), true);
    }
    if content_type.starts_with("application/x-www-form-urlencoded") {
        return by_parameters(body, false);
    }
    Err(unknown(Protocol::Json11, 404))
}

fn by_path(parts: &Parts, call: &str, spoken: &str) -> Result<Routed, Stray> {
    let segments: Vec<&str> = call.split('/').collect();
    let [target, "operation", operation] = segments[..] else {
        return Err(unknown(Protocol::Cbor, 404));
    };
    let speaks = [Service::CodeDeploy, Service::CloudWatch];
    let service = TARGETS.iter().find(|(name, service)| *name == target && speaks.contains(service));
    match service {
        Some((_, service)) if spoken == "rpc-v2-cbor" && parts.method == Method::POST => Ok(Routed {
            service: *service,
            operation: operation.to_owned(),
            protocol: Protocol::Cbor,
            in_url: false,
        }),
        _ => Err(unknown(Protocol::Cbor, 404)),
    }
}

fn by_target(target: &str) -> Result<(Service, &str), Stray> {
    target
        .rsplit_once('.')
        .and_then(|(prefix, operation)| {
            let (_, service) = TARGETS.iter().find(|(name, _)| *name == prefix)?;
            (!operation.is_empty()).then_some((*service, operation))
        })
        .ok_or_else(|| unknown(Protocol::Json11, 400))
}

fn by_parameters(form: &[u8], in_url: bool) -> Result<Routed, Stray> {
    let parameters = query::parameters(form);
    let parameter = |name: &str| parameters.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let Some(operation) = parameter("Action") else {
        let message = "The request must contain the parameter Action";
        return Err(stray(Protocol::Query, 400, "MissingAction", message));
    };
    let version = parameter("Version").unwrap_or_default();
    match VERSIONS.iter().find(|(v, _)| *v == version) {
        Some((_, service)) => Ok(Routed {
            service: *service,
            operation: operation.to_owned(),
            protocol: Protocol::Query,
            in_url,
        }),
        None => {
            let message = format!("Could not find operation {operation} for version {version}");
            Err(stray(Protocol::Query, 400, "InvalidAction", &message))
        }
    }
}

fn unknown(protocol: Protocol, status: u16) -> Stray {
    stray(
        protocol,
        status,
        "UnknownOperationException",
        "The requested operation is not recognized by the service.",
    )
}

fn stray(protocol: Protocol, status: u16, code: &str, message: &str) -> Stray {
    Stray { protocol, error: ApiError { status, code: code.into(), message: message.into() } }
}
