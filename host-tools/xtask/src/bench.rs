//! Benches on emulated cores.

use crate::setup;
use crate::shell::{cargo, run as show};
use anyhow::{Result, bail};

/// Builds `pg-host` without training, then runs its benches.
pub fn run(options: &[String]) -> Result<()> {
    if let Some(unknown) = options.iter().find(|o| !OPTIONS.contains(&o.as_str())) {
        bail!(
            "unknown option {unknown}; choose from {}",
            OPTIONS.join(", ")
        );
    }
    setup::all()?;
    show(
        cargo()
            .args(["run", "--release", "--locked", "--package", "pg-host"])
            .args([
                "--no-default-features",
                "--features",
                "bench",
                "--",
                "bench",
            ])
            .args(options),
    )
}

/// Passed on to `pg-host bench`.
const OPTIONS: [&str; 4] = ["--record", "--check", "--mca", "--functions"];
