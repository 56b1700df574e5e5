//! A container's log: where its task definition sends it, and its last lines.

use crate::aws::{Clients, Failure};
use aws_sdk_ecs::types::{ContainerDefinition, LogDriver};

/// Where the output of a container goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogPlace {
    CloudWatch {
        region: Option<String>,
        group: String,
        stream: String,
    },
    /// Another driver, by its name.
    Elsewhere(String),
    /// Its definition names no driver.
    Nowhere,
}

impl LogPlace {
    /// `prefix/container/task-id` is how the awslogs driver names a stream.
    pub fn of(container: &ContainerDefinition, task_id: &str) -> LogPlace {
        let Some(log) = container.log_configuration() else { return LogPlace::Nowhere };
        let option = |name: &str| log.options().and_then(|o| o.get(name)).filter(|v| !v.is_empty()).cloned();
        match (log.log_driver(), option("awslogs-group"), option("awslogs-stream-prefix")) {
            (LogDriver::Awslogs, Some(group), Some(prefix)) => LogPlace::CloudWatch {
                region: option("awslogs-region"),
                group,
                stream: format!("{prefix}/{}/{task_id}", container.name().unwrap_or_default()),
            },
            // Without a prefix the stream has the container's id on its machine for a name.
            (LogDriver::Awslogs, Some(group), None) => LogPlace::Elsewhere(format!("awslogs, group {group}")),
            (driver, ..) => LogPlace::Elsewhere(driver.as_str().to_owned()),
        }
    }
}

/// The last lines of a stream, the oldest first. A stream that nothing was written to doesn't
/// exist, which is no failure.
pub async fn tail(clients: &Clients, group: &str, stream: &str, lines: i32) -> Result<Vec<String>, Failure> {
    let answer = clients
        .cloudwatchlogs()
        .get_log_events()
        .log_group_name(group)
        .log_stream_name(stream)
        .start_from_head(false)
        .limit(lines)
        .send()
        .await
        .map_err(clients.failed("logs:GetLogEvents"));
    match answer {
        Ok(answer) => {
            let message = |e: aws_sdk_cloudwatchlogs::types::OutputLogEvent| e.message;
            Ok(answer.events.unwrap_or_default().into_iter().filter_map(message).collect())
        }
        Err(failure) if failure.is("ResourceNotFound") => Ok(Vec::new()),
        Err(failure) => Err(failure),
    }
}

/// A stream that is read on while it is written.
pub struct Stream {
    group: String,
    stream: String,
    /// Where to read on.
    token: Option<String>,
}

impl Stream {
    pub fn new(group: String, stream: String) -> Stream {
        Stream { group, stream, token: None }
    }

    /// What was written since the last time.
    pub async fn next(&mut self, clients: &Clients) -> Result<Vec<String>, Failure> {
        let mut lines = Vec::new();
        loop {
            let answer = clients
                .cloudwatchlogs()
                .get_log_events()
                .log_group_name(&self.group)
                .log_stream_name(&self.stream)
                .start_from_head(true)
                .set_next_token(self.token.clone())
                .send()
                .await
                .map_err(clients.failed("logs:GetLogEvents"));
            let answer = match answer {
                Ok(answer) => answer,
                Err(failure) if failure.is("ResourceNotFound") => return Ok(lines),
                Err(failure) => return Err(failure),
            };
            lines.extend(answer.events.unwrap_or_default().into_iter().filter_map(|event| event.message));
            // At the end of the stream, the token stays what it was.
            let end = answer.next_forward_token == self.token;
            self.token = answer.next_forward_token;
            if end {
                return Ok(lines);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use aws_sdk_ecs::types::LogConfiguration;

    fn app(driver: LogDriver, options: &[(&str, &str)]) -> ContainerDefinition {
        let mut log = LogConfiguration::builder().log_driver(driver);
        for (name, value) in options {
            log = log.options(*name, *value);
        }
        ContainerDefinition::builder().name("app").log_configuration(log.build().unwrap()).build()
    }

    #[test]
    fn the_driver_names_the_stream_by_prefix_container_and_task() {
        let options = [("awslogs-group", "/ecs/hello"), ("awslogs-stream-prefix", "hello")];
        assert_eq!(
            LogPlace::of(&app(LogDriver::Awslogs, &options), "0f3"),
            LogPlace::CloudWatch { region: None, group: "/ecs/hello".into(), stream: "hello/app/0f3".into() }
        );
        assert_eq!(
            LogPlace::of(&app(LogDriver::Awslogs, &options[..1]), "0f3"),
            LogPlace::Elsewhere("awslogs, group /ecs/hello".into())
        );
        assert_eq!(
            LogPlace::of(&app(LogDriver::Awsfirelens, &[]), "0f3"),
            LogPlace::Elsewhere("awsfirelens".into())
        );
        let silent = ContainerDefinition::builder().name("app").build();
        assert_eq!(LogPlace::of(&silent, "0f3"), LogPlace::Nowhere);
    }
}
