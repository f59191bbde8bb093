//! Linker arguments: the memory of the machine that emulates this target, the
//! start-up crate's `link.x`, and the section of the log strings.

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let target = env::var("TARGET")?;
    let machine = match target.as_str() {
        t if t.starts_with("thumbv8m") => "an505",
        t if t.starts_with("thumb") => "mps2",
        t if t.starts_with("riscv32") => "virt",
        _ => return Err(format!("no machine emulates {target}").into()),
    };
    let memory = format!("memory/{machine}.x");
    // A copy under the name that link.x includes.
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::copy(&memory, out.join("memory.x"))?;
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={memory}");
    // No page alignment of the segments: flash has no pages to map.
    println!("cargo:rustc-link-arg-bins=--nmagic");
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    Ok(())
}
