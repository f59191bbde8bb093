//! Panics and processor faults: log where, then end the emulator with a
//! failure, so that no run hangs.
#![allow(unsafe_code)]

use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use semihosting::process;

/// Exit code of a panic, which is always a defect of the firmware.
const PANIC: i32 = 101;
/// Exit code of a processor fault.
const FAULT: i32 = 102;

/// Set by the first failure: a second one, from within the logger, must not
/// log again.
static FAILED: AtomicBool = AtomicBool::new(false);

/// True for the first failure only.
fn first() -> bool {
    // Not a swap, which Armv6-M does not have; failures come one at a time.
    let first = !FAILED.load(Ordering::Relaxed);
    FAILED.store(true, Ordering::Relaxed);
    first
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    if first() {
        match info.location() {
            Some(at) => defmt::error!("panic at {=str}:{=u32}", at.file(), at.line()),
            None => defmt::error!("panic"),
        }
    }
    process::exit(PANIC)
}

// SAFETY: overrides the start-up crate's handler of this name, with the
// signature that it calls; it only reads the frame and never returns.
#[cfg(target_arch = "arm")]
#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    if first() {
        defmt::error!("hard fault at {=u32:#010x}", frame.pc());
    }
    process::exit(FAULT)
}

// SAFETY: riscv-rt calls the handler of this name with this signature; it only
// reads a register and never returns.
#[cfg(target_arch = "riscv32")]
#[unsafe(export_name = "ExceptionHandler")]
fn exception(_: &riscv_rt::TrapFrame) -> ! {
    if first() {
        let cause = riscv::register::mcause::read().code();
        let at = riscv::register::mepc::read();
        defmt::error!("exception {=usize} at {=usize:#010x}", cause, at);
    }
    process::exit(FAULT)
}
