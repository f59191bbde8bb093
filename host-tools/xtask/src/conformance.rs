//! The common test of kernels on every kind of core, emulated.

use crate::shell::{cargo, run as show};
use anyhow::Result;

/// One for each family of kernels and kind of core; the emulated boards are
/// named in `firmware/conformance/.cargo/config.toml`.
const TARGETS: [&str; 5] = [
    "thumbv6m-none-eabi",
    "thumbv7m-none-eabi",
    "thumbv7em-none-eabihf",
    "thumbv8m.main-none-eabi",
    "riscv32imac-unknown-none-elf",
];

pub fn run() -> Result<()> {
    for target in TARGETS {
        let mut command = cargo();
        command.args(["run", "--locked", "--release", "--target", target]);
        show(command.current_dir("firmware/conformance"))?;
    }
    Ok(())
}
