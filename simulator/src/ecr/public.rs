//! ECR's public registry, as far as it has an API here: the login, in the one region that gives it.
//! The registry itself isn't part of any world.

use super::access::Who;
use crate::{
    front::{Answer, ApiError, Call, Need, timestamp},
    state::State as World,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

const REGION: &str = "us-east-1";

/// A login is a bearer's token that STS makes for the service.
pub(crate) fn needs(_: &World, call: &Call) -> Vec<Need> {
    vec![
        Need::new(&format!("ecr-public:{}", call.operation), "*"),
        Need::new("sts:GetServiceBearerToken", "*"),
    ]
}

pub(crate) fn handle(world: &mut World, call: &Call) -> Answer {
    if call.operation != "GetAuthorizationToken" {
        return Err(ApiError::new("InvalidAction", format!("no operation is named {}", call.operation)));
    }
    if call.region != REGION {
        let message = format!("The operation is not supported in {}.", call.region);
        return Err(ApiError::new("UnsupportedCommandException", message));
    }
    let (password, expires) = world.ecr.log_in(Who::Session(call.caller.clone()));
    Ok(json!({"authorizationData": {
        "authorizationToken": STANDARD.encode(format!("AWS:{password}")),
        "expiresAt": timestamp(super::api::real(expires)),
    }}))
}
