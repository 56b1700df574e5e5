//! Platforms: what an image is built for, and what a task runs on.

use serde_json::Value;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    /// Told, but not compared: `arm64` and `arm64/v8` are one.
    pub variant: Option<String>,
}

impl Platform {
    pub fn new(os: &str, architecture: &str) -> Platform {
        Platform { os: os.into(), architecture: architecture.into(), variant: None }
    }

    /// `linux/amd64`, `linux/arm64/v8`
    pub fn parse(text: &str) -> Option<Platform> {
        let mut parts = text.split('/');
        let platform = Platform::new(parts.next()?, normal(parts.next()?));
        Some(Platform { variant: parts.next().map(str::to_owned), ..platform })
    }

    /// From a manifest list's entry or an image's config. Attestations say `unknown`: they are no
    /// image.
    pub fn of(value: &Value) -> Option<Platform> {
        let text = |key: &str| value[key].as_str().filter(|text| !text.is_empty() && *text != "unknown");
        let platform = Platform::new(text("os")?, normal(text("architecture")?));
        Some(Platform { variant: text("variant").map(str::to_owned), ..platform })
    }

    /// From a task definition's `runtimePlatform`; what AWS takes when a part is missing on Fargate.
    pub fn of_runtime(runtime_platform: &Value) -> Platform {
        let text = |key: &str| runtime_platform[key].as_str().unwrap_or_default();
        let architecture =
            if text("cpuArchitecture").eq_ignore_ascii_case("ARM64") { "arm64" } else { "amd64" };
        let windows = text("operatingSystemFamily").to_ascii_uppercase().starts_with("WINDOWS");
        Platform::new(if windows { "windows" } else { "linux" }, architecture)
    }

    pub fn runs_on(&self, wanted: &Platform) -> bool {
        self.os == wanted.os && self.architecture == wanted.architecture
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

/// An architecture by the name that registries use.
fn normal(architecture: &str) -> &str {
    match architecture {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn of_images_and_of_tasks() {
        let runtime = |value| Platform::of_runtime(&value).to_string();
        assert_eq!(runtime(Value::Null), "linux/amd64");
        assert_eq!(runtime(json!({"cpuArchitecture": "ARM64"})), "linux/arm64");
        let windows =
            json!({"cpuArchitecture": "X86_64", "operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"});
        assert_eq!(runtime(windows), "windows/amd64");
        let arm = Platform::of(&json!({"os": "linux", "architecture": "arm64", "variant": "v8"})).unwrap();
        assert_eq!(arm.to_string(), "linux/arm64/v8");
        assert!(
            arm.runs_on(&Platform::new("linux", "arm64")) && !arm.runs_on(&Platform::new("linux", "amd64"))
        );
        assert_eq!(Platform::of(&json!({"os": "unknown", "architecture": "unknown"})), None);
        assert!(Platform::parse("linux/x86_64").unwrap().runs_on(&Platform::new("linux", "amd64")));
    }
}
