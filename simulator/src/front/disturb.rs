//! The faults of the transport: each operation meets them at its first call and at every
//! fifth after it, so that two runs meet the same. What the world gives to single calls comes
//! before them.

use crate::faults::{Kind, Trouble};
use crate::front::{ApiError, Service, rate::is_read};
use crate::{Fault, state::State as World};
use std::time::Duration;

const EVERY: u32 = 5;

/// What happens to a call that is otherwise in order.
#[derive(Clone, Debug)]
pub(crate) enum Disturbance {
    /// The call isn't carried out.
    Refused(ApiError),
    /// The call is carried out, and its answer lost. Reads alone.
    Lost(ApiError),
    /// The connection is reset, before the call is carried out.
    Reset,
    /// The connection is reset after it.
    ResetAfter,
    /// The caller's policies don't allow it, whatever they say.
    Denied,
    /// It isn't carried out, and nothing is answered.
    Silent,
    SilentAfter,
    /// The answer comes so much later.
    Late(Duration),
    /// The answer can't be read.
    Mangled,
    MangledAfter,
}

pub(crate) fn of(world: &mut World, service: Service, operation: &str) -> Option<Disturbance> {
    if let Some(trouble) = world.calls.next(service.prefix(), operation) {
        return Some(by_call(service, trouble));
    }
    let faults = [Fault::Throttling, Fault::ServerErrors, Fault::ConnectionResets];
    let mut active = faults.into_iter().filter(|f| world.faults.contains(f)).peekable();
    active.peek()?;
    let count = world.front.counts.entry((service, operation.to_owned())).or_default();
    let turn = *count;
    *count += 1;
    // Several faults take turns, with a call between them that passes.
    let fault = active.zip((0..).step_by(2)).find(|(_, offset)| turn % EVERY == *offset)?.0;
    let late = is_read(operation) && (turn / EVERY) % 2 == 1;
    Some(match fault {
        Fault::Throttling => Disturbance::Refused(throttled()),
        Fault::ServerErrors if late => Disturbance::Lost(unavailable()),
        Fault::ServerErrors => Disturbance::Refused(failure()),
        _ if late => Disturbance::ResetAfter,
        _ => Disturbance::Reset,
    })
}

fn by_call(service: Service, trouble: Trouble) -> Disturbance {
    match (trouble.kind, trouble.after) {
        (Kind::Throttled, _) => Disturbance::Refused(throttled()),
        (Kind::Error, false) => Disturbance::Refused(own_failure(service)),
        (Kind::Error, true) => Disturbance::Lost(own_failure(service)),
        (Kind::Reset, false) => Disturbance::Reset,
        (Kind::Reset, true) => Disturbance::ResetAfter,
        (Kind::Slow, after) => match (trouble.time, after) {
            (Some(late), _) => Disturbance::Late(late),
            (None, true) => Disturbance::SilentAfter,
            (None, false) => Disturbance::Silent,
        },
        (Kind::Malformed, false) => Disturbance::Mangled,
        (Kind::Malformed, true) => Disturbance::MangledAfter,
        // What GitHub alone says is a denial here.
        (Kind::Denied | Kind::NotFound | Kind::Invalid, _) => Disturbance::Denied,
    }
}

fn throttled() -> ApiError {
    ApiError::new("ThrottlingException", "Rate exceeded")
}

/// As the service's model names its own trouble; the code that is common to all where it has none.
fn own_failure(service: Service) -> ApiError {
    let (code, message) = match service {
        Service::Ecs | Service::Ecr | Service::EcrPublic => {
            ("ServerException", "Service Unavailable. Please try again later.")
        }
        Service::CloudWatch => ("InternalServiceFault", "An internal error has occurred."),
        Service::AutoScaling => ("InternalServiceException", "The service encountered an internal error."),
        _ => return failure(),
    };
    ApiError { status: 500, code: code.into(), message: message.into() }
}

fn failure() -> ApiError {
    ApiError {
        status: 500,
        code: "InternalFailure".into(),
        message: "The request processing has failed because of an unknown error, exception or failure."
            .into(),
    }
}

fn unavailable() -> ApiError {
    ApiError {
        status: 503,
        code: "ServiceUnavailableException".into(),
        message: "The request has failed due to a temporary failure of the server.".into(),
    }
}
