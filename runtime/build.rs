//! Names the instruction set that the kernels are chosen by, where the
//! compiler's own `cfg`s do not tell: Arm's DSP extension, Thumb-1, RV32 with
//! multiplication, 64-bit hosts with vectors; and whether the assembler must be told of the first.

use std::env;

fn main() {
    println!("cargo:rustc-check-cfg=cfg(pg_isa, values(\"dsp\", \"rv32\", \"simd\", \"thumb1\"))");
    println!("cargo:rustc-check-cfg=cfg(pg_dsp, values(\"optional\"))");
    println!("cargo:rerun-if-changed=build.rs");
    let target = env::var("TARGET").unwrap_or_default();
    let architecture = target.split('-').next().unwrap_or_default();
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let has = |name: &str| features.split(',').any(|feature| feature == name);
    let isa = match architecture {
        "thumbv7em" => Some("dsp"),
        // Optional in this architecture: the firmware says whether its core has it.
        "thumbv8m.main" if env::var_os("CARGO_FEATURE_DSP").is_some() => Some("dsp"),
        // Thumb-2 includes Thumb-1, whose kernels beat the portable ones there.
        name if name.starts_with("thumb") => Some("thumb1"),
        "riscv32imc" | "riscv32imac" => Some("rv32"),
        "x86_64" if has("sse2") => Some("simd"),
        // The layout is little-endian, as is the image.
        "aarch64" if has("neon") => Some("simd"),
        _ => None,
    };
    if let Some(isa) = isa {
        println!("cargo:rustc-cfg=pg_isa=\"{isa}\"");
        if architecture == "thumbv8m.main" {
            println!("cargo:rustc-cfg=pg_dsp=\"optional\"");
        }
    }
}
