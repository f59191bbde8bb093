//! Keyword spotting on an emulated Cortex-M0.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use pg_emulated::{Memory, Once, led};

/// Words of the arena: 6.5 KB.
const ARENA: usize = 1664;
/// Frequency of SysTick in the emulator.
const HERTZ: u32 = 16_000_000;

static MEMORY: Once<Memory<ARENA>> = Memory::new();

#[entry]
fn main() -> ! {
    pg_emulated::run(&MEMORY, HERTZ, led::Microbit::new())
}
