//! A language model on an emulated RV32IMAC hart.
#![no_std]
#![no_main]

use pg_emulated::Once;
use pg_emulated::words::{self, Memory};
use riscv_rt::entry;

/// Frequency of the instruction counter in the emulator.
const HERTZ: u32 = 1_000_000_000;

static MEMORY: Once<Memory> = Memory::new();

#[entry]
fn main() -> ! {
    words::run(&MEMORY, HERTZ)
}
