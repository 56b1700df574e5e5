//! What the deployments' machine sees and does of the other services, so that it can be
//! driven in tests without them.

use crate::{
    cloudwatch,
    ecs::{self, NewTaskSet, ServiceKey, TaskSetView},
    elb,
    front::ApiError,
    state::State as World,
};

pub(super) trait Neighbours {
    fn task_sets(&self, service: &ServiceKey) -> Vec<TaskSetView>;
    fn create_task_set(&mut self, service: &ServiceKey, new: NewTaskSet) -> Result<String, ApiError>;
    fn set_primary(&mut self, service: &ServiceKey, id: &str);
    fn drain_task_set(&mut self, service: &ServiceKey, id: &str);
    fn target_group_arn(&self, account: &str, name: &str) -> Option<String>;
    fn weights(&self, listener: &str) -> Vec<(String, u32)>;
    fn set_weights(&mut self, listener: &str, weights: &[(String, u32)]) -> Result<(), ApiError>;
    fn alarm_state(&self, account: &str, name: &str) -> Option<String>;
}

impl Neighbours for World {
    fn task_sets(&self, service: &ServiceKey) -> Vec<TaskSetView> {
        ecs::task_sets(self, service)
    }

    fn create_task_set(&mut self, service: &ServiceKey, new: NewTaskSet) -> Result<String, ApiError> {
        ecs::create_task_set(self, service, new)
    }

    fn set_primary(&mut self, service: &ServiceKey, id: &str) {
        ecs::set_primary(self, service, id);
    }

    fn drain_task_set(&mut self, service: &ServiceKey, id: &str) {
        ecs::drain_task_set(self, service, id);
    }

    fn target_group_arn(&self, account: &str, name: &str) -> Option<String> {
        elb::target_group_arn(self, account, name)
    }

    fn weights(&self, listener: &str) -> Vec<(String, u32)> {
        elb::weights(self, listener)
    }

    fn set_weights(&mut self, listener: &str, weights: &[(String, u32)]) -> Result<(), ApiError> {
        elb::set_weights(self, listener, weights)
    }

    fn alarm_state(&self, account: &str, name: &str) -> Option<String> {
        cloudwatch::alarm_state(self, account, name)
    }
}
