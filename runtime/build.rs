//! Names the instruction set that the kernels are chosen by, where the
//! compiler's own `cfg`s do not tell in a word: Arm's DSP extension, Thumb-1,
//! RV32 with multiplication, vectors of 64-bit hosts; and whether the assembler must be told of the first.

use std::env;

fn main() {
    println!("cargo:rustc-check-cfg=cfg(pg_isa, values(\"dsp\", \"rv32\", \"simd\", \"thumb1\"))");
    println!("cargo:rustc-check-cfg=cfg(pg_dsp, values(\"optional\"))");
    println!("cargo:rerun-if-changed=build.rs");
    let target = env::var("TARGET").unwrap_or_default();
    let architecture = target.split('-').next().unwrap_or_default();
    let isa = match architecture {
        "thumbv7em" => Some("dsp"),
        // Optional in this architecture: the firmware says whether its core has it.
        "thumbv8m.main" if env::var_os("CARGO_FEATURE_DSP").is_some() => Some("dsp"),
        // Thumb-2 includes Thumb-1, whose kernels beat the portable ones there.
        name if name.starts_with("thumb") => Some("thumb1"),
        "riscv32imc" | "riscv32imac" => Some("rv32"),
        _ if has_vectors() => Some("simd"),
        _ => None,
    };
    if let Some(isa) = isa {
        println!("cargo:rustc-cfg=pg_isa=\"{isa}\"");
        if architecture == "thumbv8m.main" {
            println!("cargo:rustc-cfg=pg_dsp=\"optional\"");
        }
    }
}

/// Whether the target has the vectors that all 64-bit hosts have: targets of
/// kernels and boot loaders may go without.
fn has_vectors() -> bool {
    let value = |name| env::var(name).unwrap_or_default();
    let features = value("CARGO_CFG_TARGET_FEATURE");
    let has = |name| features.split(',').any(|feature| feature == name);
    match value("CARGO_CFG_TARGET_ARCH").as_str() {
        "x86_64" => has("sse2"),
        "aarch64" => has("neon") && value("CARGO_CFG_TARGET_ENDIAN") == "little",
        _ => false,
    }
}
