//! The version of QEMU's plugin interface to announce.

use std::env;

/// Set by whoever knows the emulator that will load the plugin.
const VARIABLE: &str = "PG_QEMU_PLUGIN_API";
/// What QEMU 7 and 8 accept; 9 and later want 2. Nothing that this plugin uses
/// differs between the two.
const OLDEST: &str = "1";

fn main() -> Result<(), String> {
    let version = env::var(VARIABLE).unwrap_or_else(|_| OLDEST.into());
    if version.parse::<u8>().is_err() {
        return Err(format!("{VARIABLE}={version} is not a version number"));
    }
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={VARIABLE}");
    println!("cargo:rustc-env={VARIABLE}={version}");
    // Elsewhere the linker leaves the emulator's symbols open by itself.
    if env::var("CARGO_CFG_TARGET_VENDOR").is_ok_and(|v| v == "apple") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-undefined,dynamic_lookup");
    }
    Ok(())
}
