//! Functions that an emulator plugin watches, and a loop of known length.
#![allow(unsafe_code)]

use core::arch::asm;

use super::{Case, Meter};

// Every body holds other text, or the compiler would merge the three into one
// function with three names; and none says `nomem`, so that no access moves
// across a marker.

/// Counting starts when this returns.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn pg_bench_start() {
    // SAFETY: a comment.
    unsafe { asm!("// counting starts", options(nostack, preserves_flags)) };
}

/// Counting stops when this is called.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn pg_bench_stop() {
    // SAFETY: a comment.
    unsafe { asm!("// counting stops", options(nostack, preserves_flags)) };
}

/// What was counted is one case.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn pg_bench_end() {
    // SAFETY: a comment.
    unsafe { asm!("// the case ends", options(nostack, preserves_flags)) };
}

/// A meter whose counting is done by the emulator; `record` is told which
/// case the counts belong to.
pub struct Markers<R>(pub R);

impl<R: FnMut(&Case) -> Result<(), E>, E: defmt::Format> Meter for Markers<R> {
    type Error = E;

    #[inline(always)]
    fn start(&mut self) {
        pg_bench_start();
    }

    #[inline(always)]
    fn stop(&mut self) {
        pg_bench_stop();
    }

    fn finish(&mut self, case: &Case) -> Result<(), E> {
        pg_bench_end();
        (self.0)(case)
    }
}

/// Executes a loop of two instructions `iterations` times, at least once.
#[cfg(target_arch = "arm")]
#[inline(never)]
pub fn calibration(iterations: u32) {
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

/// Executes a loop of two instructions `iterations` times, at least once.
#[cfg(target_arch = "riscv32")]
#[inline(never)]
pub fn calibration(iterations: u32) {
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
