//! Which counter the core has.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(armv6m)");
    // The architecture version is in the target's name alone: the compiler's
    // own conditions do not tell Armv6-M, which has no cycle counter.
    if env::var("TARGET").is_ok_and(|target| target.starts_with("thumbv6m")) {
        println!("cargo:rustc-cfg=armv6m");
    }
}
