//! Keyword spotting on an emulated Cortex-M33.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use pg_emulated::{Memory, Once, led};

/// Words of the arena: 32 KB.
const ARENA: usize = 8 * 1024;
/// Frequency of SysTick in the emulator.
const HERTZ: u32 = 20_000_000;

static MEMORY: Once<Memory<ARENA>> = Memory::new();

#[entry]
fn main() -> ! {
    pg_emulated::run(&MEMORY, HERTZ, led::Mps2::AN505)
}
