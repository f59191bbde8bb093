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
use pg_runtime::kernels::conformance::{SCRATCH_WORDS, check_all};
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
    let failure = match SCRATCH.take() {
        Some(scratch) => check_all::<Selected>(CASES, scratch).err(),
        None => process::exit(2),
    };
    if let Some(failure) = failure {
        eprintln!("{:?} is wrong in case {}", failure.operation, failure.seed);
        process::exit(1);
    }
    process::exit(0)
}
