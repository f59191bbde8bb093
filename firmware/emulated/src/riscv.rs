//! RISC-V: emulated instructions from `minstret`, to the single instruction.

use core::arch::asm;

use riscv::register::minstret;

/// The machine's counter of retired instructions.
///
/// Under `-icount shift=0` QEMU counts exactly; without it, the register
/// holds host time, which the calibration at start finds out.
pub struct Counter {
    hertz: u32,
}

impl Counter {
    /// The counter always runs, so this never is `None`. `hertz` is 10^9: one
    /// tick per instruction, one instruction per nanosecond of virtual time.
    pub fn start(hertz: u32) -> Option<Self> {
        Some(Self { hertz })
    }

    /// Ticks per second of virtual time, that is per 10^9 instructions.
    pub fn hertz(&self) -> u32 {
        self.hertz
    }
}

impl pg_app::Clock for Counter {
    fn now(&mut self) -> u64 {
        minstret::read64()
    }
}

/// Executes `2 * iterations` instructions, `iterations >= 1`.
#[allow(unsafe_code)]
#[inline(never)]
pub fn known_loop(iterations: u32) {
    // SAFETY: the loop changes its own register, nothing else.
    unsafe {
        asm!(
            "2:",
            "addi {n}, {n}, -1",
            "bnez {n}, 2b",
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
    unsafe { asm!("mv {}, sp", out(reg) sp, options(nomem, nostack, preserves_flags)) };
    sp
}
