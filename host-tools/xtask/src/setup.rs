//! What a fresh machine with Rust lacks.

use crate::aarch64;
use crate::shell::{available, output, run};
use anyhow::{Result, bail};
use std::process::Command;

const EMULATORS: [&str; 3] = ["qemu-system-arm", "qemu-system-riscv32", aarch64::EMULATOR];
const PACKAGES: [&str; 3] = ["qemu-system-arm", "qemu-system-misc", "qemu-user"];

/// Rust targets and components, then the emulator.
pub fn all() -> Result<()> {
    rust()?;
    emulator()
}

/// Toolchain, components and targets of `rust-toolchain.toml`.
fn rust() -> Result<()> {
    if !available("rustup") {
        eprintln!(
            "rustup is not here: the targets of rust-toolchain.toml must be installed by hand"
        );
        return Ok(());
    }
    run(Command::new("rustup").args(["toolchain", "install"]))
}

/// The emulator, from Debian's packages.
fn emulator() -> Result<()> {
    if EMULATORS.iter().all(|e| available(e)) {
        return Ok(());
    }
    if !available("apt-get") {
        bail!(
            "the emulator is missing and this is not Debian: install QEMU so that {} are on \
             the path",
            EMULATORS.join(", ")
        );
    }
    run(apt("apt-get").arg("update"))?;
    let install = |extra: &[String]| {
        run(apt("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "-y", "--no-install-recommends"])
            .args(PACKAGES)
            .args(extra))
    };
    if install(&[]).is_err() {
        // Another QEMU package in a newer version than the archive's, from a
        // backport, breaks the install: bring it to the archive's version.
        let version = output(Command::new("apt-cache").args(["madison", PACKAGES[0]]))?;
        let Some(version) = version.split('|').nth(1).map(str::trim) else {
            bail!("Debian's archive has no {}", PACKAGES[0]);
        };
        install(&["--allow-downgrades".into(), format!("qemu-utils={version}")])?;
    }
    match EMULATORS.iter().find(|e| !available(e)) {
        None => Ok(()),
        Some(missing) => bail!("{missing} is still missing after the installation"),
    }
}

/// A package command, with rights.
fn apt(program: &str) -> Command {
    let root = output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if root {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.arg(program);
    command
}
