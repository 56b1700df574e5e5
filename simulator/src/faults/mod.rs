//! The faults that a world can be given, by their public names. What a fault does stands
//! where it happens: search for `Fault::`. Trouble with single calls stands in `call`.

mod call;
mod hold;
mod http;
mod operations;

pub use call::CallFault;
pub(crate) use call::{Calls, Kind, Trouble, snapshot};
pub(crate) use hold::{Holds, Moment};
pub(crate) use http::{meet, was_reset};

use std::{fmt, str::FromStr};

macro_rules! faults {
    ($($variant:ident = $name:literal: $what:literal),+ $(,)?) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault { $(#[doc = $what] $variant),+ }

        impl Fault {
            pub const ALL: &'static [Fault] = &[$(Fault::$variant),+];

            pub fn name(self) -> &'static str {
                match self { $(Fault::$variant => $name),+ }
            }

            pub fn what(self) -> &'static str {
                match self { $(Fault::$variant => $what),+ }
            }
        }
    };
}

faults! {
    BuildFails = "build-fails": "the image's build ends with an error",
    PushDenied = "push-denied": "the registry denies the push",
    GreenCrashes = "green-crashes": "green's container exits right after its start",
    GreenUnhealthy = "green-unhealthy": "green's container never answers its health check",
    ImageMissing = "image-missing": "the pushed image is gone when green's tasks pull it",
    PullDenied = "pull-denied": "the repository policy keeps green's tasks from pulling",
    ValidationFails = "validation-fails": "green answers its validation wrongly",
    HookFails = "hook-fails": "a lifecycle hook answers Failed",
    Alarm = "alarm": "green answers 5xx under production traffic, until the alarm trips",
    PermissionMissing = "permission-missing": "the deploy role lacks codedeploy:CreateDeployment",
    RollbackDisabled = "rollback-disabled": "green fails in a group that doesn't roll back",
    Throttling = "throttling": "every operation is throttled now and then",
    ServerErrors = "server-errors": "every operation answers 500 now and then",
    ConnectionResets = "connection-resets": "connections are reset now and then",
    CredentialsExpire = "credentials-expire": "session credentials expire in the middle of the deployment",
    GithubReadOnly = "github-read-only": "the job's token may only read",
    GithubDown = "github-down": "GitHub's API answers 503",
    DeploymentActive = "deployment-active": "another deployment is active when ours wants to start",
    StoppedOutside = "stopped-outside": "somebody else stops the deployment with rollback",
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Fault {
    type Err = anyhow::Error;

    fn from_str(s: &str) -> Result<Fault, anyhow::Error> {
        Fault::ALL.iter().copied().find(|f| f.name() == s).ok_or_else(|| {
            let names: Vec<&str> = Fault::ALL.iter().map(|f| f.name()).collect();
            anyhow::anyhow!("no fault is named `{s}`; there are: {}", names.join(", "))
        })
    }
}
