//! `mcycle` of RISC-V cores.

use riscv::register::mcycle;

use super::CycleCounter;

/// The machine's cycle counter, its low 32 bits.
pub struct Mcycle;

impl CycleCounter for Mcycle {
    const MASK: u32 = u32::MAX;

    #[inline(always)]
    fn now(&mut self) -> u32 {
        mcycle::read() as u32
    }
}
