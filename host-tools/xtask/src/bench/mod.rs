//! Benches on emulated cores.

mod table;

use crate::setup;
use crate::shell::{cargo, json, run as show};
use anyhow::{Context, Result, bail};
use std::process::Command;

/// Builds `pg-host` without training, then runs its benches. With `--record`
/// the README's table is written as well.
pub fn run(options: &[String]) -> Result<()> {
    if let Some(unknown) = options.iter().find(|o| !OPTIONS.contains(&o.as_str())) {
        bail!(
            "unknown option {unknown}; choose from {}",
            OPTIONS.join(", ")
        );
    }
    setup::all()?;
    if options.iter().any(|o| o == "--record") {
        let report = json(benches(options).arg("--json"))?;
        let readme = std::fs::read_to_string("README.md").context("reading README.md")?;
        return crate::results::write("README.md".as_ref(), table::insert(&readme, &report)?);
    }
    show(&mut benches(options))
}

fn benches(options: &[String]) -> Command {
    let mut command = cargo();
    command.args(["run", "--release", "--locked", "--package", "pg-host"]);
    command.args(["--no-default-features", "--features", "bench", "--"]);
    command.arg("bench").args(options);
    command
}

/// Passed on to `pg-host bench`.
const OPTIONS: [&str; 4] = ["--record", "--check", "--mca", "--functions"];
