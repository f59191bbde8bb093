//! The memories of the emulated board that has the target's core, and the
//! linker arguments of every board.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let board = match env::var("TARGET")?.split('-').next() {
        Some("thumbv6m") => "microbit",
        // The Cortex-M3 sits in the same board.
        Some("thumbv7m" | "thumbv7em") => "mps2-an386",
        Some("thumbv8m.main") => "mps2-an505",
        Some("riscv32imac") => "riscv-virt",
        // Not for an emulated board: only checked.
        _ => return Ok(()),
    };
    let memory = Path::new("../boards").join(board).join("memory.x");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::copy(&memory, out.join("memory.x"))?;
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rerun-if-changed={}", memory.display());
    println!("cargo:rustc-link-arg-bins=--nmagic");
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    Ok(())
}
