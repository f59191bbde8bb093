//! Building the counting plugin for the emulator at hand.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Builds `host-tools/emulator-plugin` with the interface version that `qemu`
/// accepts; returns the shared library.
///
/// # Errors
///
/// If the emulator is missing or the build fails.
pub fn build(qemu: &str, root: &Path) -> Result<PathBuf> {
    let api = interface(&version(qemu)?);
    let output = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--locked"])
        .args([
            "--package",
            "pg-emulator-plugin",
            "--message-format",
            "json",
        ])
        .current_dir(root)
        .env_remove("CARGO_BUILD_TARGET")
        .env("PG_QEMU_PLUGIN_API", api)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(
        output.status.success(),
        "building the emulator plugin failed"
    );
    artifact(&String::from_utf8_lossy(&output.stdout))
        .context("cargo built the emulator plugin but named no shared library")
}

/// The shared library among cargo's messages.
fn artifact(messages: &str) -> Option<PathBuf> {
    let messages = messages
        .lines()
        .filter_map(|l| serde_json::from_str(l).ok());
    (messages.into_iter())
        .filter(|m: &Value| m["target"]["name"] == "pg_emulator_plugin")
        .filter_map(|m| Some(m["filenames"].as_array()?.first()?.as_str()?.into()))
        .next_back()
}

/// What the emulator says of its version, on one line.
///
/// # Errors
///
/// If it cannot be started.
pub fn version(qemu: &str) -> Result<String> {
    let output = Command::new(qemu)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .with_context(|| {
            format!(
                "cannot start {qemu}; on Debian, `apt-get install qemu-system-arm \
                 qemu-system-misc` installs it"
            )
        })?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// Version of the plugin interface: 9.0 raised the oldest it accepts to 2.
fn interface(version: &str) -> &'static str {
    let major = (version.split_whitespace())
        .filter_map(|word| word.split('.').next()?.parse::<u32>().ok())
        .next();
    if major.is_some_and(|m| m < 9) {
        "1"
    } else {
        "2"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_by_version() {
        for (line, api) in [
            ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)", "1"),
            ("QEMU emulator version 8.2.2", "1"),
            ("QEMU emulator version 9.0.0", "2"),
            ("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)", "2"),
            ("no number at all", "2"),
        ] {
            assert_eq!(interface(line), api, "{line}");
        }
    }

    #[test]
    fn missing_emulator() {
        let error = version("qemu-system-nothing").expect_err("no such program");
        let words = error.to_string();
        assert!(
            words.contains("cannot start qemu-system-nothing"),
            "{words}"
        );
        assert!(words.contains("apt-get install"), "{words}");
    }

    #[test]
    fn artifact_of_the_plugin() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"other"},"filenames":["/x/o.so"]}"#,
            "\nnot json\n",
            r#"{"target":{"name":"pg_emulator_plugin"},"filenames":["/x/libp.so"]}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(artifact(messages), Some("/x/libp.so".into()));
    }
}
