//! The kernels of 64-bit Arm, tested under user-mode emulation: with the dot
//! product of bytes and without.

use crate::shell::{cargo, run as show};
use anyhow::Result;

/// Statically linked, and with a linker that comes with Rust: no C compiler
/// and no libraries of the other architecture are needed.
const TARGET: &str = "aarch64-unknown-linux-musl";
/// The emulator.
pub const EMULATOR: &str = "qemu-aarch64";
/// Cores that have the dot product, and that do not.
const CORES: [&str; 2] = ["max", "cortex-a53"];

pub fn run() -> Result<()> {
    for core in CORES {
        let runner = format!("{EMULATOR} -cpu {core}");
        show(
            cargo()
                .args(["test", "--locked", "-p", "pg-runtime", "--lib"])
                .args(["--target", TARGET, "kernels"])
                .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER", "rust-lld")
                .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUNNER", runner),
        )?;
    }
    Ok(())
}
