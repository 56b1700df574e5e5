//! Why a task ended: read from its stop code, its reason and its containers' ends.

use aws_sdk_ecs::types::{Container, HealthStatus, Task, TaskStopCode};

/// A task that has stopped, or is about to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// The last part of its ARN.
    pub id: String,
    /// What started it: a task set's id.
    pub started_by: String,
    /// The task definition's ARN.
    pub revision: String,
    pub stop_code: String,
    pub reason: String,
    pub containers: Vec<Exit>,
}

/// How one container ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    pub name: String,
    /// None when it never ran.
    pub code: Option<i32>,
    pub reason: Option<String>,
    pub unhealthy: bool,
}

/// Why, as far as AWS's words tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    Pull(Pull),
    /// A secret or a parameter that its definition names could not be had.
    Secret,
    /// The log driver could not be set up.
    Log,
    /// A role that ECS could not enter.
    Role,
    /// It didn't start, for another reason.
    NotStarted,
    OutOfMemory,
    /// An essential container's exit code.
    Exited(i32),
    /// An essential container came to its end without an exit code.
    Ended,
    ContainerHealth,
    BalancerHealth,
    /// Spot capacity or the machine below went away.
    Infrastructure,
    /// Somebody called StopTask.
    Asked,
    /// The service has fewer tasks to run: nothing is wrong with it.
    Scaled,
    Other,
}

/// Why an image could not be pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    /// The execution role may not ask for the registry's password, or not pull.
    DeniedToRole,
    /// The repository's policy doesn't let the role in.
    DeniedByRepository,
    /// The key that the repository is encrypted with.
    DeniedByKey,
    /// Denied, and not said by what.
    Denied,
    NotFound,
    Platform,
    Unreachable,
    Other,
}

impl Ended {
    pub fn of(task: &Task) -> Ended {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Ended {
            id: text(task.task_arn().and_then(|arn| arn.rsplit('/').next())),
            started_by: text(task.started_by()),
            revision: text(task.task_definition_arn()),
            stop_code: text(task.stop_code().map(TaskStopCode::as_str)),
            reason: text(task.stopped_reason()),
            containers: task.containers().iter().map(exit).collect(),
        }
    }

    /// The container that the task ended for: that never started for a reason, that ran out of
    /// memory, that failed.
    pub fn culprit(&self) -> Option<&Exit> {
        let find = |which: fn(&&Exit) -> bool| self.containers.iter().find(which);
        find(|c| c.out_of_memory())
            .or_else(|| find(|c| c.code.is_none() && c.reason.is_some()))
            .or_else(|| find(|c| c.code.is_some_and(|code| code != 0)))
            .or_else(|| find(|c| c.unhealthy))
            .or_else(|| self.containers.first().filter(|_| self.containers.len() == 1))
    }

    pub fn why(&self) -> Why {
        let said = |words: &str| self.text().contains(words);
        if self.containers.iter().any(Exit::out_of_memory) || said("OutOfMemoryError") {
            return Why::OutOfMemory;
        }
        if let Some(pull) = Pull::of(&self.text()) {
            return Why::Pull(pull);
        }
        match self.stop_code.as_str() {
            "TaskFailedToStart" if said("unable to assume the role") => Why::Role,
            "TaskFailedToStart" if said("logger args") || said("log stream") => Why::Log,
            "TaskFailedToStart" if said("secret") || said("ssm:GetParameters") => Why::Secret,
            "TaskFailedToStart" => Why::NotStarted,
            "EssentialContainerExited" => match self.culprit().and_then(|c| c.code) {
                Some(code) => Why::Exited(code),
                None => Why::Ended,
            },
            "SpotInterruption" | "TerminationNotice" | "InfrastructureHealth" => Why::Infrastructure,
            "UserInitiated" => Why::Asked,
            _ if said("container health checks") => Why::ContainerHealth,
            _ if said("ELB health checks") => Why::BalancerHealth,
            "ServiceSchedulerInitiated" => Why::Scaled,
            _ => Why::Other,
        }
    }

    /// Whether it ended because something is wrong with what it runs.
    pub fn failed(&self) -> bool {
        !matches!(self.why(), Why::Scaled | Why::Asked | Why::Infrastructure)
    }

    /// The most telling of AWS's words: a container's, where the task's only say that it ended.
    pub fn words(&self) -> &str {
        let of_container = self.culprit().and_then(|c| c.reason.as_deref()).filter(|r| !r.is_empty());
        match of_container {
            Some(reason) if self.reason.is_empty() || self.reason.starts_with("Essential container") => {
                reason
            }
            _ => &self.reason,
        }
    }

    /// What tasks that ended for one reason have in common: the words without what names one
    /// task alone.
    pub fn kind(&self) -> String {
        let code = self.culprit().and_then(|c| c.code);
        let name = self.culprit().map(|c| c.name.as_str()).unwrap_or_default();
        format!("{}|{name}|{code:?}|{}", self.stop_code, without_ids(self.words()))
    }

    fn text(&self) -> String {
        let reasons = self.containers.iter().filter_map(|c| c.reason.as_deref());
        std::iter::once(self.reason.as_str()).chain(reasons).collect::<Vec<_>>().join("\n")
    }
}

impl Exit {
    pub fn out_of_memory(&self) -> bool {
        self.reason.as_deref().is_some_and(|reason| reason.contains("OutOfMemory"))
    }
}

impl Pull {
    /// From the words of a task or of its container; none when they are about something else.
    fn of(text: &str) -> Option<Pull> {
        let said = |words: &str| text.contains(words);
        let pull = said("CannotPull") || said("ecr registry auth") || said("ecr:GetAuthorizationToken");
        let denied = || {
            ["AccessDenied", "403 Forbidden", "pull access denied", "not authorized", "denied: "]
                .iter()
                .any(|words| text.contains(words))
        };
        Some(match pull {
            false => return None,
            _ if said("kms:") || said("KMS") || said("KmsException") => Pull::DeniedByKey,
            _ if said("ecr:GetAuthorizationToken") || said("ecr registry auth") && denied() => {
                Pull::DeniedToRole
            }
            _ if said("no execution role") => Pull::DeniedToRole,
            _ if said("no identity-based policy") => Pull::DeniedToRole,
            _ if said("no resource-based policy") || said("deny in a resource-based policy") => {
                Pull::DeniedByRepository
            }
            _ if denied() => Pull::Denied,
            _ if said("matching platform")
                || said("no match for platform")
                || said("no matching manifest") =>
            {
                Pull::Platform
            }
            _ if said("not found") || said("manifest unknown") || said("does not exist") => Pull::NotFound,
            _ if said("i/o timeout") || said("dial tcp") || said("deadline exceeded") => Pull::Unreachable,
            _ => Pull::Other,
        })
    }
}

fn exit(container: &Container) -> Exit {
    Exit {
        name: container.name().unwrap_or_default().to_owned(),
        code: container.exit_code(),
        reason: container.reason().filter(|reason| !reason.is_empty()).map(str::to_owned),
        unhealthy: container.health_status() == Some(&HealthStatus::Unhealthy),
    }
}

/// Without ids, of requests and of tasks: words of hexadecimal digits.
fn without_ids(text: &str) -> String {
    let id = |word: &str| {
        word.len() >= 12
            && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
            && word.chars().any(|c| c.is_ascii_digit())
    };
    let word_ends = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    text.split(word_ends).filter(|word| !word.is_empty() && !id(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(stop_code: &str, reason: &str, containers: &[(&str, Option<i32>, Option<&str>)]) -> Ended {
        Ended {
            id: "0f3".into(),
            stop_code: stop_code.into(),
            reason: reason.into(),
            containers: containers
                .iter()
                .map(|(name, code, reason)| Exit {
                    name: (*name).into(),
                    code: *code,
                    reason: reason.map(str::to_owned),
                    unhealthy: false,
                })
                .collect(),
            ..Ended::default()
        }
    }

    #[test]
    fn a_container_that_was_killed_ran_out_of_memory_only_where_it_is_said() {
        let essential = "Essential container in task exited";
        let killed =
            task("EssentialContainerExited", essential, &[("log", Some(0), None), ("app", Some(137), None)]);
        assert_eq!(killed.why(), Why::Exited(137));
        let reason = "OutOfMemoryError: Container killed due to memory usage";
        let out_of_memory = task(
            "EssentialContainerExited",
            essential,
            &[("log", Some(143), None), ("app", Some(137), Some(reason))],
        );
        assert_eq!(out_of_memory.why(), Why::OutOfMemory);
        assert_eq!(out_of_memory.culprit().map(|c| c.name.as_str()), Some("app"));
        assert_eq!(out_of_memory.words(), reason);
    }

    #[test]
    fn a_denied_pull_lacks_a_permission_of_somebody() {
        let pull = |reason: &str| match task("TaskFailedToStart", reason, &[]).why() {
            Why::Pull(pull) => pull,
            other => panic!("{other:?}"),
        };
        let auth = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: \
                    unable to retrieve ecr registry auth: service call has been retried 1 time(s): AccessDeniedException: User: x \
                    is not authorized to perform: ecr:GetAuthorizationToken on resource: *";
        assert_eq!(pull(auth), Pull::DeniedToRole);
        let forbidden = "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref h/n: \
                         pulling from host h failed with status code [manifests sha256:1]: 403 Forbidden";
        assert_eq!(pull(forbidden), Pull::Denied);
        let on_ec2 = "CannotPullContainerError: Error response from daemon: pull access denied: User: x is not authorized to \
                      perform: ecr:BatchGetImage on resource: y because no resource-based policy allows the ecr:BatchGetImage action";
        assert_eq!(pull(on_ec2), Pull::DeniedByRepository);
        let key = "CannotPullContainerError: AccessDeniedException: User: x is not authorized to perform: kms:Decrypt";
        assert_eq!(pull(key), Pull::DeniedByKey);
        let missing = "CannotPullContainerError: pull image manifest has been retried 7 time(s): failed to resolve ref h/n@sha256:1: \
                       h/n@sha256:1: not found";
        assert_eq!(pull(missing), Pull::NotFound);
        let platform = "CannotPullContainerError: image Manifest does not contain descriptor matching platform 'linux/amd64'";
        assert_eq!(pull(platform), Pull::Platform);
    }

    #[test]
    fn secrets_roles_and_logs_are_told_apart() {
        let why = |reason: &str| task("TaskFailedToStart", reason, &[]).why();
        assert_eq!(
            why(
                "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable \
                 to retrieve secrets from ssm: AccessDeniedException: … ssm:GetParameters"
            ),
            Why::Secret
        );
        assert_eq!(
            why(
                "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times"
            ),
            Why::Log
        );
        assert_eq!(why("ECS was unable to assume the role 'x' that was provided for this task."), Why::Role);
    }

    #[test]
    fn what_the_scheduler_takes_away_has_not_failed() {
        let scaled =
            task("ServiceSchedulerInitiated", "Scaling activity initiated by (deployment ecs-svc/1)", &[]);
        assert!(!scaled.failed());
        let sick =
            task("ServiceSchedulerInitiated", "Task failed ELB health checks in (target-group arn:x)", &[]);
        assert_eq!(sick.why(), Why::BalancerHealth);
        assert!(sick.failed());
    }

    #[test]
    fn one_reason_is_one_whatever_ids_it_names() {
        let reason =
            |id: &str| task("TaskFailedToStart", &format!("denied, request id: {id}, of h/n@sha256"), &[]);
        let (a, b) = ("0b7f2c1e-8a11-4d6f-9c55-0a1b2c3d4e5f", "77777777-aaaa-4bbb-8ccc-123456789012");
        assert_eq!(reason(a).kind(), reason(b).kind());
        assert_ne!(reason(a).kind(), task("TaskFailedToStart", "not found", &[]).kind());
    }
}
