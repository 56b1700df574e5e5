//! The world's state as `GET /_world` answers it. Every service gives an object; their
//! keys stand side by side in the answer.

use crate::{autoscaling, cloudwatch, codedeploy, ecr, ecs, elb, faults, front, github, state::State};
use serde_json::{Map, Value, json};

pub(crate) fn of(state: &State) -> Value {
    let mut world = Map::new();
    world.insert("now".into(), json!(state.now.iso()));
    world.insert("faults".into(), state.faults.iter().map(|f| f.name()).collect());
    let parts = [
        codedeploy::snapshot(state),
        ecs::snapshot(state),
        elb::snapshot(state),
        cloudwatch::snapshot(state),
        autoscaling::snapshot(state),
        ecr::snapshot(state),
        github::snapshot(state),
        front::snapshot(state),
        faults::snapshot(&state.calls),
    ];
    for part in parts {
        if let Value::Object(part) = part {
            world.extend(part);
        }
    }
    Value::Object(world)
}
