//! The way of one call through the door, under the world's lock: signature, faults, rate,
//! permissions, the service itself, the journal.

use crate::front::{
    Answer, ApiError, Call, Caller, Entry, Need, Service, disturb,
    disturb::Disturbance,
    handle, needs,
    protocol::Protocol,
    route,
    route::Routed,
    signature::{Refusal, Signed},
};
use crate::{Fault, iam, state::State as World};
use chrono::Utc;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What goes back: an answer, or what a fault makes of it.
pub(crate) enum Passage {
    Answered(Answer),
    Late(Answer, Duration),
    Silent,
    Reset,
    Mangled(Answer),
}

pub(crate) fn pass(
    world: &mut World,
    routed: &Routed,
    signed: Result<Option<Signed>, Refusal>,
    input: Result<Value, ApiError>,
) -> Passage {
    let mut caller = Caller::default();
    let passage = match enter(world, routed, signed) {
        Ok((known, region)) => {
            caller = known;
            let call = input.map(|input| Call {
                service: routed.service,
                operation: routed.operation.clone(),
                input,
                caller: caller.clone(),
                region,
            });
            match call {
                Ok(call) => admitted(world, &call),
                Err(error) => Passage::Answered(Err(error)),
            }
        }
        Err(refusal) => {
            let query = routed.protocol == Protocol::Query;
            Passage::Answered(Err(refusal.error(query, &world.truths)))
        }
    };
    let error = match &passage {
        Passage::Answered(Ok(_)) | Passage::Late(Ok(_), _) => None,
        Passage::Answered(Err(error)) | Passage::Late(Err(error), _) => {
            Some(routed.protocol.named(error).code)
        }
        Passage::Silent => Some("NoAnswer".to_owned()),
        Passage::Mangled(_) => Some("Malformed".to_owned()),
        Passage::Reset => Some("ConnectionReset".to_owned()),
    };
    world.front.journal.push(Entry {
        at: world.now,
        service: routed.service,
        operation: routed.operation.clone(),
        caller: caller.arn,
        error,
    });
    passage
}

/// Who calls, and for which region.
fn enter(
    world: &World,
    routed: &Routed,
    signed: Result<Option<Signed>, Refusal>,
) -> Result<(Caller, String), Refusal> {
    if (routed.service, routed.operation.as_str()) == route::UNSIGNED {
        let region = world.regions.first().cloned().unwrap_or_default();
        return Ok((Caller::default(), region));
    }
    let signed = signed?.ok_or(Refusal::Missing)?;
    let caller = iam::authenticate(world, &signed, Utc::now())?;
    if signed.service != routed.service.signing_name() {
        return Err(Refusal::Mismatch(format!(
            "Credential should be scoped to correct service: '{}'.",
            routed.service.signing_name()
        )));
    }
    // STS has a global endpoint besides the regional ones, and its signatures name this region; ECR's
    // public registry is in it alone.
    let global = [Service::Sts, Service::EcrPublic].contains(&routed.service) && signed.region == "us-east-1";
    if !global && !world.regions.contains(&signed.region) {
        return Err(Refusal::Mismatch(format!(
            "Credential should be scoped to a valid region, not '{}'.",
            signed.region
        )));
    }
    Ok((caller, signed.region))
}

fn admitted(world: &mut World, call: &Call) -> Passage {
    let disturbance = disturb::of(world, call.service, &call.operation);
    match disturbance {
        Some(Disturbance::Reset) => return Passage::Reset,
        Some(Disturbance::Silent) => return Passage::Silent,
        Some(Disturbance::Mangled) => return Passage::Mangled(Ok(json!({ "message": "" }))),
        Some(Disturbance::Refused(error)) => return Passage::Answered(Err(error)),
        Some(Disturbance::Denied) => return Passage::Answered(Err(denied(world, call))),
        _ => {}
    }
    let answer = carried_out(world, call);
    match disturbance {
        Some(Disturbance::ResetAfter) => Passage::Reset,
        Some(Disturbance::SilentAfter) => Passage::Silent,
        Some(Disturbance::Late(late)) => Passage::Late(answer, late),
        Some(Disturbance::MangledAfter) => Passage::Mangled(answer),
        Some(Disturbance::Lost(error)) => Passage::Answered(Err(error)),
        _ => Passage::Answered(answer),
    }
}

/// As if no policy allowed the first thing that the call takes.
fn denied(world: &World, call: &Call) -> ApiError {
    let need = needs(world, call).into_iter().next();
    let action = || format!("{}:{}", call.service.prefix(), call.operation);
    let need = need.unwrap_or_else(|| Need::new(&action(), "*"));
    iam::denied(world, &call.caller, &need)
}

fn carried_out(world: &mut World, call: &Call) -> Answer {
    world.front.buckets.take(&world.truths, call, Instant::now())?;
    for mut need in needs(world, call) {
        need.context.push(("aws:RequestedRegion".into(), call.region.clone()));
        if !iam::allows(world, &call.caller, &need) {
            return Err(iam::denied(world, &call.caller, &need));
        }
    }
    let answer = handle(world, call)?;
    if call.operation == "CreateDeployment" && world.has(Fault::CredentialsExpire) {
        iam::expire_sessions(world);
    }
    Ok(answer)
}
