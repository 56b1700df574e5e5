//! A service's stopped tasks: listed, described once each, and grouped by what they ended for.

use super::Ended;
use crate::aws::{Clients, Failure};
use aws_sdk_ecs::types::DesiredStatus;
use std::collections::BTreeMap;

/// As many as one call describes.
const PAGE: usize = 100;
/// Of a list that is longer, the rest tells nothing new.
const PAGES: usize = 5;

/// What is known of a service's stopped tasks. ECS shows them for an hour or so; what was read
/// once stays known.
#[derive(Debug, Default)]
pub struct Stopped(BTreeMap<String, Ended>);

impl Stopped {
    /// Takes in those that were not known yet.
    pub async fn read(&mut self, clients: &Clients, cluster: &str, service: &str) -> Result<(), Failure> {
        let mut new = Vec::new();
        let mut token = None;
        for _ in 0..PAGES {
            let answer = clients
                .ecs()
                .list_tasks()
                .cluster(cluster)
                .service_name(service)
                .desired_status(DesiredStatus::Stopped)
                .set_next_token(token)
                .send()
                .await
                .map_err(clients.failed("ecs:ListTasks"))?;
            new.extend(answer.task_arns.unwrap_or_default().into_iter().filter(|a| !self.0.contains_key(a)));
            token = answer.next_token;
            if token.is_none() {
                break;
            }
        }
        for arns in new.chunks(PAGE) {
            let answer =
                clients.ecs().describe_tasks().cluster(cluster).set_tasks(Some(arns.to_vec())).send().await;
            let answer = answer.map_err(clients.failed("ecs:DescribeTasks"))?;
            for task in answer.tasks.unwrap_or_default() {
                // One that is still stopping may not have said all.
                if task.last_status() == Some("STOPPED")
                    && let Some(arn) = task.task_arn()
                {
                    self.0.insert(arn.to_owned(), Ended::of(&task));
                }
            }
        }
        Ok(())
    }

    /// Those of a task set. Where the tasks don't say what started them, the revision tells.
    pub fn of(&self, task_set: Option<&str>, revision: &str) -> Vec<&Ended> {
        self.0
            .values()
            .filter(|task| match task_set {
                Some(id) if task.started_by.starts_with("ecs-svc/") => task.started_by == id,
                _ => task.revision == revision,
            })
            .collect()
    }
}

/// Tasks that ended for one reason.
#[derive(Clone, Debug)]
pub struct Group {
    pub count: usize,
    pub one: Ended,
}

/// Those that failed, by their reason, the most frequent first.
pub fn groups(tasks: &[&Ended]) -> Vec<Group> {
    let mut groups: Vec<(String, Group)> = Vec::new();
    for task in tasks.iter().filter(|task| task.failed()) {
        let kind = task.kind();
        match groups.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, group)) => group.count += 1,
            None => groups.push((kind, Group { count: 1, one: (*task).clone() })),
        }
    }
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.count));
    groups.into_iter().map(|(_, group)| group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Exit;

    fn exited(id: &str, set: &str, code: i32) -> (String, Ended) {
        let app = Exit { name: "app".into(), code: Some(code), ..Exit::default() };
        let task = Ended {
            id: id.into(),
            started_by: set.into(),
            revision: "hello:2".into(),
            stop_code: "EssentialContainerExited".into(),
            reason: "Essential container in task exited".into(),
            containers: vec![app],
        };
        (id.to_owned(), task)
    }

    #[test]
    fn each_reason_is_counted_and_the_most_frequent_comes_first() {
        let green = "ecs-svc/2";
        let known = Stopped(BTreeMap::from([
            exited("a", green, 2),
            exited("b", green, 1),
            exited("c", "ecs-svc/1", 9),
            exited("d", green, 1),
        ]));
        let groups = groups(&known.of(Some(green), "hello:2"));
        let counts: Vec<_> = groups.iter().map(|g| (g.count, g.one.why())).collect();
        assert_eq!(counts, [(2, crate::task::Why::Exited(1)), (1, crate::task::Why::Exited(2))]);
        assert_eq!(known.of(None, "hello:2").len(), 4);
        assert!(known.of(None, "hello:1").is_empty());
    }
}
