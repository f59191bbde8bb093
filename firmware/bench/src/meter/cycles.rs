//! The core's own cycle counter: the meter of boards on a desk.

use core::convert::Infallible;

use super::{Case, Meter};

/// A free-running counter of processor cycles.
pub trait CycleCounter {
    /// Cycles so far; the bits above [`Self::MASK`] mean nothing.
    fn now(&mut self) -> u32;

    /// The counter's bits, all set: readings wrap there.
    const MASK: u32;
}

/// Counts cycles and logs them, case by case.
///
/// A measured part must be shorter than the counter's period. Reading the
/// counter twice costs a few cycles per part, which are measured once and
/// taken off.
pub struct Cycles<C> {
    counter: C,
    overhead: u32,
    begin: u32,
    total: u64,
}

impl<C: CycleCounter> Cycles<C> {
    /// Takes a counter that runs.
    pub fn new(counter: C) -> Self {
        let mut meter = Self {
            counter,
            overhead: 0,
            begin: 0,
            total: 0,
        };
        meter.start();
        meter.stop();
        meter.overhead = meter.total as u32;
        meter.total = 0;
        meter
    }
}

impl<C: CycleCounter> Meter for Cycles<C> {
    type Error = Infallible;

    #[inline(always)]
    fn start(&mut self) {
        self.begin = self.counter.now();
    }

    #[inline(always)]
    fn stop(&mut self) {
        let passed = self.counter.now().wrapping_sub(self.begin) & C::MASK;
        self.total += u64::from(passed.saturating_sub(self.overhead));
    }

    fn finish(&mut self, case: &Case) -> Result<(), Infallible> {
        let steps = u64::from(case.steps.max(1));
        defmt::info!(
            "{=str}: {=u64} cycles a step, {=u32} steps, {=u32} MACs, check {=u32:08x}",
            case.name,
            self.total / steps,
            case.steps,
            case.macs,
            case.check,
        );
        self.total = 0;
        Ok(())
    }
}
