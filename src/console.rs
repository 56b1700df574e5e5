//! Links into the AWS console, right in every partition.

/// A deployment of CodeDeploy.
pub fn deployment(region: &str, id: &str) -> String {
    format!("{}/codesuite/codedeploy/deployments/{id}?region={region}", host(region))
}

/// A region's partition, as ARNs name it.
pub fn partition(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

fn host(region: &str) -> String {
    let domain = match partition(region) {
        "aws-cn" => "console.amazonaws.cn",
        "aws-us-gov" => "console.amazonaws-us-gov.com",
        _ => "console.aws.amazon.com",
    };
    format!("https://{region}.{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_its_own_console() {
        let link = |region| deployment(region, "d-ABCDEF123");
        insta::assert_snapshot!(link("eu-central-1"), @"https://eu-central-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-ABCDEF123?region=eu-central-1");
        insta::assert_snapshot!(link("cn-north-1"), @"https://cn-north-1.console.amazonaws.cn/codesuite/codedeploy/deployments/d-ABCDEF123?region=cn-north-1");
        insta::assert_snapshot!(link("us-gov-west-1"), @"https://us-gov-west-1.console.amazonaws-us-gov.com/codesuite/codedeploy/deployments/d-ABCDEF123?region=us-gov-west-1");
    }
}
