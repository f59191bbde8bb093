//! SysTick of Cortex-M0 and M0+, which have no CYCCNT.

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;

use super::CycleCounter;

/// The system timer on the core's clock, 24 bits: 16 million cycles a part.
pub struct SysTick(());

impl SysTick {
    /// Starts the counter.
    pub fn start(mut syst: SYST) -> Self {
        syst.set_clock_source(SystClkSource::Core);
        syst.set_reload(Self::MASK);
        syst.clear_current();
        syst.enable_counter();
        Self(())
    }
}

impl CycleCounter for SysTick {
    const MASK: u32 = 0x00ff_ffff;

    #[inline(always)]
    fn now(&mut self) -> u32 {
        // It counts down.
        SYST::get_current().wrapping_neg()
    }
}
