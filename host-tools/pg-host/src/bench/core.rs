//! The table of cores, and the bench firmware of each.

use super::mca::Schedule;
use crate::emulator::firmware_folder;
use anyhow::{Context, Result, ensure};
use pg_runtime::layout::Target;
use serde::Deserialize;
use std::path::PathBuf;
use std::process::Command;

/// A core that benches run on, as `firmware/bench/cores.toml` describes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Core {
    /// Name; also the folder of its records.
    pub name: String,
    /// In words.
    pub description: String,
    /// Rust target.
    pub target: String,
    /// Layout of the weights that the kernels read.
    #[serde(deserialize_with = "crate::emulator::layout")]
    pub layout: Target,
    /// Flags for rustc beyond the target.
    pub flags: Vec<String>,
    /// Features of the bench firmware.
    #[serde(default)]
    pub features: Vec<String>,
    /// Optimisation of the runtime where it is not the profile's: on cores
    /// whose kernels are the compiler's work.
    #[serde(default)]
    pub opt_level: Option<u8>,
    /// Emulator program.
    pub qemu: String,
    /// Arguments that choose the machine.
    pub args: Vec<String>,
    /// Address of the model image.
    pub model: u64,
    /// Cycle models that apply, the one to quote first.
    pub models: Vec<String>,
    /// Schedules of llvm-mca that apply.
    pub mca: Vec<Schedule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    core: Vec<Core>,
}

/// All cores.
///
/// # Errors
///
/// If the table cannot be read.
pub fn cores() -> Result<Vec<Core>> {
    let path = firmware_folder()?.join("bench/cores.toml");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let table: Table =
        toml::from_str(&text).with_context(|| format!("{} is not valid", path.display()))?;
    Ok(table.core)
}

/// The core of this name.
///
/// # Errors
///
/// If there is none; the names are listed.
pub fn find(name: &str) -> Result<Core> {
    let cores = cores()?;
    let names: Vec<_> = cores.iter().map(|c| c.name.clone()).collect();
    (cores.into_iter().find(|c| c.name == name)).with_context(|| {
        format!(
            "there is no core {name:?}; choose from {}",
            names.join(", ")
        )
    })
}

impl Core {
    /// Builds the bench firmware; returns its ELF.
    ///
    /// # Errors
    ///
    /// If cargo fails; its own words are on standard error.
    pub fn build(&self) -> Result<PathBuf> {
        let firmware = firmware_folder()?;
        // One folder per core: two cores may share a target but not flags.
        let folder = firmware.join("target/bench").join(&self.name);
        let level = (self.opt_level)
            .map(|level| format!("--config=profile.release.package.pg-runtime.opt-level={level}"));
        let status = Command::new("cargo")
            .args(["build", "--quiet", "--release", "--locked"])
            .args(level)
            .args(["--features", &self.features.join(",")])
            .args(["--package", "pg-bench-emulated", "--target", &self.target])
            .arg("--target-dir")
            .arg(&folder)
            .current_dir(&firmware)
            // Flags meant for the host must not reach the core's build.
            .env_remove("CARGO_BUILD_TARGET")
            .env("RUSTFLAGS", self.flags.join(" "))
            .status()
            .context("cannot start cargo")?;
        ensure!(
            status.success(),
            "building the benches for {} failed; is the target installed? \
             `rustup target add {}` adds it",
            self.name,
            self.target
        );
        Ok(folder.join(&self.target).join("release/bench"))
    }
}
