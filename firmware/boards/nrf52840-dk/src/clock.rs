//! Processor cycles.

use cortex_m::peripheral::{DCB, DWT, Peripherals};
use pg_app::Clock;

/// The core's cycle counter, which does not run while the core sleeps, so what
/// it counts is work. It wraps around every 67 seconds at 64 MHz and must be
/// read more often than that; the application does at every frame.
pub struct Cycles {
    _unit: DWT,
    before: u32,
    wraps: u64,
}

impl Cycles {
    /// Starts the counter; `None` if the core's peripherals are taken.
    pub fn start() -> Option<Self> {
        let mut core = Peripherals::take()?;
        let dcb: &mut DCB = &mut core.DCB;
        dcb.enable_trace();
        core.DWT.enable_cycle_counter();
        Some(Self {
            _unit: core.DWT,
            before: DWT::cycle_count(),
            wraps: 0,
        })
    }
}

impl Clock for Cycles {
    fn now(&mut self) -> u64 {
        let now = DWT::cycle_count();
        self.wraps += u64::from(now < self.before);
        self.before = now;
        self.wraps << 32 | u64::from(now)
    }
}
