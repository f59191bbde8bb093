//! Source functions of addresses, inlined ones included.

use super::program::Program;
use addr2line::Loader;
use anyhow::{Result, anyhow};
use std::path::Path;

/// How the names of the project's own crates begin. Other functions are put
/// down to their callers: nobody here optimises those of the core library.
const OWN: &str = "pg_";

/// The debug information of a firmware.
pub struct Places(Loader);

impl Places {
    /// Reads the debug information of an ELF.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn read(elf: &Path) -> Result<Self> {
        let loader = Loader::new(elf);
        Ok(Self(loader.map_err(|error| {
            anyhow!("the debug information of {}: {error}", elf.display())
        })?))
    }

    /// The innermost function of the project's own that an address was
    /// compiled from; where there is none, the one it lies in.
    pub fn function(&self, program: &Program, address: u32) -> String {
        self.inlined(address)
            .unwrap_or_else(|| program.function(address))
    }

    fn inlined(&self, address: u32) -> Option<String> {
        let mut frames = self.0.find_frames(u64::from(address)).ok()?;
        while let Some(frame) = frames.next().ok()? {
            let name = frame.function?.raw_name().ok()?.into_owned();
            let name = format!("{:#}", rustc_demangle::demangle(&name));
            // An implementation's name begins with the type, in brackets.
            if name.trim_start_matches(['<', '&']).starts_with(OWN) {
                return Some(name);
            }
        }
        None
    }
}
