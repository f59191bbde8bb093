//! Cortex-M: emulated instructions from SysTick.
//!
//! QEMU models neither DWT CYCCNT nor any other instruction counter of these
//! cores. Under `-icount shift=0` its virtual clock moves one nanosecond per
//! instruction, and SysTick counts that clock down at the core's frequency:
//! one tick is `1e9 / hertz` instructions.

use core::arch::asm;

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{Peripherals, SYST};

/// SysTick has 24 bits.
const RELOAD: u32 = 0x00ff_ffff;

/// SysTick, extended to 64 bits in software.
///
/// Two readings must be less than 2^24 ticks apart; at 64 MHz that is 262
/// million emulated instructions, hundreds of audio frames.
pub struct Counter {
    last: u32,
    total: u64,
    hertz: u32,
}

impl Counter {
    /// Starts the counter, `None` when it is already in use. `hertz` is the
    /// core's clock in the emulator.
    pub fn start(hertz: u32) -> Option<Self> {
        let mut syst: SYST = Peripherals::take()?.SYST;
        syst.set_clock_source(SystClkSource::Core);
        syst.set_reload(RELOAD);
        syst.clear_current();
        syst.enable_counter();
        Some(Self {
            last: SYST::get_current(),
            total: 0,
            hertz,
        })
    }

    /// Ticks per second of virtual time, that is per 10^9 instructions.
    pub fn hertz(&self) -> u32 {
        self.hertz
    }
}

impl pg_app::Clock for Counter {
    fn now(&mut self) -> u64 {
        let current = SYST::get_current();
        self.total += u64::from(self.last.wrapping_sub(current) & RELOAD);
        self.last = current;
        self.total
    }
}

/// Executes `2 * iterations` instructions, `iterations >= 1`.
#[allow(unsafe_code)]
#[inline(never)]
pub fn known_loop(iterations: u32) {
    // SAFETY: the loop changes its own register and the flags, nothing else.
    unsafe {
        asm!(
            "2:",
            "subs {n}, {n}, #1",
            "bne 2b",
            n = inout(reg) iterations => _,
            options(nomem, nostack),
        );
    }
}

/// The stack pointer.
#[allow(unsafe_code)]
#[inline(always)]
pub fn stack_pointer() -> usize {
    let sp: usize;
    // SAFETY: reads one register.
    unsafe { asm!("mov {}, sp", out(reg) sp, options(nomem, nostack, preserves_flags)) };
    sp
}
