//! A language model on an emulated Cortex-M4F.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use pg_emulated::Once;
use pg_emulated::words::{self, Memory};

/// Frequency of SysTick in the emulator.
const HERTZ: u32 = 25_000_000;

static MEMORY: Once<Memory> = Memory::new();

#[entry]
fn main() -> ! {
    words::run(&MEMORY, HERTZ)
}
