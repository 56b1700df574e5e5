//! Names that there are, for when the one that was meant is not. `None` when listing isn't granted.

use crate::aws::Clients;

fn names_of(arns: Option<Vec<String>>) -> Vec<String> {
    arns.unwrap_or_default().iter().filter_map(|arn| arn.rsplit('/').next()).map(str::to_owned).collect()
}

pub(super) async fn clusters(clients: &Clients) -> Option<Vec<String>> {
    let answer = clients.ecs().list_clusters().send().await.ok()?;
    Some(names_of(answer.cluster_arns))
}

pub(super) async fn services(clients: &Clients, cluster: &str) -> Option<Vec<String>> {
    let answer = clients.ecs().list_services().cluster(cluster).max_results(100).send().await.ok()?;
    Some(names_of(answer.service_arns))
}

pub(super) async fn applications(clients: &Clients) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut next = None;
    loop {
        let answer = clients.codedeploy().list_applications().set_next_token(next).send().await.ok()?;
        names.extend(answer.applications.unwrap_or_default());
        next = answer.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Some(names);
        }
    }
}

pub(super) async fn groups(clients: &Clients, application: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut next = None;
    loop {
        let answer = clients
            .codedeploy()
            .list_deployment_groups()
            .application_name(application)
            .set_next_token(next)
            .send()
            .await
            .ok()?;
        names.extend(answer.deployment_groups.unwrap_or_default());
        next = answer.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Some(names);
        }
    }
}

pub(super) async fn configs(clients: &Clients) -> Option<Vec<String>> {
    let answer = clients.codedeploy().list_deployment_configs().send().await.ok()?;
    answer.deployment_configs_list
}
