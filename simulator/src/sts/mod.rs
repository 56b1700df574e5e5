//! Security tokens: AssumeRole, AssumeRoleWithWebIdentity, GetCallerIdentity.

mod assume_role;
mod validate;
mod web_identity;

use crate::Time;
use crate::front::{Answer, ApiError, Call, Need, timestamp};
use crate::iam;
use crate::state::State as World;
use serde_json::{Map, Value, json};

/// None: who may assume a role is for the role's trust policy to say too, which is asked in `handle`.
pub(crate) fn needs(_world: &World, _call: &Call) -> Vec<Need> {
    Vec::new()
}

pub(crate) fn handle(world: &mut World, call: &Call) -> Answer {
    match call.operation.as_str() {
        "GetCallerIdentity" => Ok(json!({
            "UserId": world.iam.unique_id(&call.caller),
            "Account": call.caller.account,
            "Arn": call.caller.arn,
        })),
        "AssumeRole" => assume_role::assume_role(world, call),
        "AssumeRoleWithWebIdentity" => web_identity::assume_role_with_web_identity(world, call),
        other => Err(ApiError::new(
            "InvalidAction",
            format!("Could not find operation {other} for version 2011-06-15"),
        )),
    }
}

/// Opens the session and tells it as both operations do.
fn open(world: &mut World, session: iam::Session) -> Map<String, Value> {
    let caller = session.caller.clone();
    let minted = world.iam.credentials.mint(world.now, session);
    Map::from_iter([
        (
            "Credentials".to_owned(),
            json!({
                "AccessKeyId": minted.access_key,
                "SecretAccessKey": minted.secret,
                "SessionToken": minted.token,
                "Expiration": timestamp(Time(minted.expires.timestamp() * 1000)),
            }),
        ),
        (
            "AssumedRoleUser".to_owned(),
            json!({ "AssumedRoleId": world.iam.unique_id(&caller), "Arn": caller.arn }),
        ),
    ])
}
