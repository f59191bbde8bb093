//! How a case is measured.

mod cycles;
mod markers;

#[cfg(all(target_arch = "arm", not(armv6m)))]
mod dwt;
#[cfg(target_arch = "riscv32")]
mod mcycle;
#[cfg(all(target_arch = "arm", armv6m))]
mod systick;

pub use cycles::{CycleCounter, Cycles};
#[cfg(all(target_arch = "arm", not(armv6m)))]
pub use dwt::Dwt;
pub use markers::{Markers, calibration};
#[cfg(target_arch = "riscv32")]
pub use mcycle::Mcycle;
#[cfg(all(target_arch = "arm", armv6m))]
pub use systick::SysTick;

/// A finished case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub struct Case {
    /// Name, without spaces.
    pub name: &'static str,
    /// Steps that were measured together.
    pub steps: u32,
    /// Multiply-accumulates of one dense step.
    pub macs: u32,
    /// Digest of the outputs: the same on every core.
    pub check: u32,
}

impl Case {
    /// A case that begins.
    pub(crate) const fn new(name: &'static str, macs: u32) -> Self {
        Self {
            name,
            steps: 0,
            macs,
            check: 0,
        }
    }

    /// Adds a word to the digest (FNV-1a on words).
    pub fn digest(&mut self, word: u32) {
        self.check = (self.check ^ word).wrapping_mul(0x0100_0193);
    }
}

/// Measures what runs between `start` and `stop`.
pub trait Meter {
    /// Why a result could not be recorded.
    type Error: defmt::Format;

    /// The measured part begins.
    fn start(&mut self);

    /// The measured part ends. A case may have any number of parts.
    fn stop(&mut self);

    /// The case ends: its parts are summed up under its name.
    ///
    /// # Errors
    /// Whatever the recorder reports; the benches stop.
    fn finish(&mut self, case: &Case) -> Result<(), Self::Error>;
}
