//! CYCCNT of Cortex-M3 and later.

use cortex_m::peripheral::{DCB, DWT};

use super::CycleCounter;

/// The data watchpoint unit's cycle counter, 32 bits.
pub struct Dwt(());

impl Dwt {
    /// Starts the counter; `None` if the core was made without it.
    pub fn start(dcb: &mut DCB, mut dwt: DWT) -> Option<Self> {
        dcb.enable_trace();
        if !DWT::has_cycle_counter() {
            return None;
        }
        dwt.enable_cycle_counter();
        Some(Self(()))
    }
}

impl CycleCounter for Dwt {
    const MASK: u32 = u32::MAX;

    #[inline(always)]
    fn now(&mut self) -> u32 {
        DWT::cycle_count()
    }
}
