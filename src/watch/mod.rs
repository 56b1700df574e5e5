//! What is watched beside a running deployment: alarms, and green's tasks while they start.
//! CodeDeploy acts on its group's own alarms; on the configuration's, and on green that can't
//! start, the run acts itself.

mod alarms;
mod fail_fast;

pub use alarms::{AlarmNow, AlarmWatch, describe};
pub use fail_fast::{FailFast, Green};
