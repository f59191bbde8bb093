//! Keyword spotting on an emulated RV32IMAC hart.
#![no_std]
#![no_main]

use pg_emulated::{Memory, Once, led};
use riscv_rt::entry;

/// Words of the arena: 32 KB.
const ARENA: usize = 8 * 1024;
/// Frequency of the instruction counter in the emulator.
const HERTZ: u32 = 1_000_000_000;

static MEMORY: Once<Memory<ARENA>> = Memory::new();

#[entry]
fn main() -> ! {
    pg_emulated::run(&MEMORY, HERTZ, led::NoLed)
}
