//! Links into the AWS console, right in every partition.

/// A CodeDeploy deployment's page.
pub fn deployment(region: &str, id: &str) -> String {
    let host = host(region);
    format!("https://{host}/codesuite/codedeploy/deployments/{id}?region={region}")
}

fn host(region: &str) -> String {
    match region.split('-').next() {
        Some("cn") => format!("{region}.console.amazonaws.cn"),
        _ if region.starts_with("us-gov-") => format!("{region}.console.amazonaws-us-gov.com"),
        _ => format!("{region}.console.aws.amazon.com"),
    }
}

#[cfg(test)]
mod tests {
    use super::deployment;

    #[test]
    fn each_partition_has_its_host() {
        insta::assert_snapshot!(deployment("eu-central-1", "d-1"), @"https://eu-central-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-central-1");
        insta::assert_snapshot!(deployment("cn-north-1", "d-1"), @"https://cn-north-1.console.amazonaws.cn/codesuite/codedeploy/deployments/d-1?region=cn-north-1");
        insta::assert_snapshot!(deployment("us-gov-west-1", "d-1"), @"https://us-gov-west-1.console.amazonaws-us-gov.com/codesuite/codedeploy/deployments/d-1?region=us-gov-west-1");
    }
}
