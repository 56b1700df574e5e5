//! The simulator stands on its own: nothing of the tool, and nothing of AWS's own code, may be
//! among what it is built from, or the two would agree with each other instead of with AWS.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::process::Command;

#[test]
fn neither_the_tool_nor_an_aws_crate_is_among_them() {
    let tree = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "--locked", "--prefix", "none", "--format", "{p}"])
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().filter_map(|line| line.split(' ').next().map(str::to_owned)).collect::<BTreeSet<_>>()
    };
    let foreign = |names: &BTreeSet<String>| -> Vec<String> {
        names.iter().filter(|n| n.starts_with("aws-") || *n == "greenlight").cloned().collect()
    };
    let ours = tree(&["--package", "simulator", "--edges", "normal,build,dev"]);
    assert!(ours.contains("simulator") && ours.contains("hyper"), "{ours:?}");
    assert_eq!(foreign(&ours), Vec::<String>::new());
    // The same look at the tool finds both, so it can find them.
    let tools = tree(&["--package", "greenlight", "--edges", "normal"]);
    assert!(foreign(&tools).iter().any(|n| n == "aws-sdk-ecs") && tools.contains("greenlight"));
}
