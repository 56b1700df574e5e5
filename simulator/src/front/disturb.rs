//! The faults of the transport: each operation meets them at its first call and at every
//! fifth after it, so that two runs meet the same.

use crate::front::{ApiError, Service, rate::is_read};
use crate::{Fault, state::State as World};

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
    /// The connection is reset after it. Reads alone.
    ResetAfter,
}

pub(crate) fn of(world: &mut World, service: Service, operation: &str) -> Option<Disturbance> {
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
        Fault::Throttling => Disturbance::Refused(ApiError::new("ThrottlingException", "Rate exceeded")),
        Fault::ServerErrors if late => Disturbance::Lost(unavailable()),
        Fault::ServerErrors => Disturbance::Refused(failure()),
        _ if late => Disturbance::ResetAfter,
        _ => Disturbance::Reset,
    })
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
