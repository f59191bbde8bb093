//! The common test of kernels on the core itself: the kernels that this
//! target selects, against the definitions. Ends the emulator with exit code
//! 0, or says which case failed and ends it with 1; a panic or a fault ends
//! it with another.
#![no_std]
#![no_main]

#[cfg(target_arch = "arm")]
use cortex_m_rt::entry;
use pg_emulated::Once;
use pg_runtime::kernels::Selected;
use pg_runtime::kernels::conformance::{SCRATCH_WORDS, check_all, conv};
#[cfg(target_arch = "riscv32")]
use riscv_rt::entry;
use semihosting::{eprintln, process};

/// Cases of every operation. The smallest core takes the longest: it is
/// emulated at the same speed as the others, but multiplies in software what
/// exceeds 32 bits.
const CASES: u32 = 2000;

static SCRATCH: Once<[u32; SCRATCH_WORDS]> = Once::new([0; SCRATCH_WORDS]);

#[entry]
fn main() -> ! {
    let Some(scratch) = SCRATCH.take() else {
        process::exit(2)
    };
    if let Err(failure) = conv::check_all::<Selected>(CASES, scratch) {
        eprintln!("convolutions are wrong in case {}", failure.seed);
        process::exit(1);
    }
    if let Err(failure) = check_all::<Selected>(CASES, scratch) {
        eprintln!("{:?} is wrong in case {}", failure.operation, failure.seed);
        process::exit(1);
    }
    process::exit(0)
}
