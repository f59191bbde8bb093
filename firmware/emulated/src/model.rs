//! The region of the model image, from the linker script's symbols.
#![allow(unsafe_code)]

use core::slice;

unsafe extern "C" {
    static __model_start: u8;
    static __model_end: u8;
}

/// The whole region, whatever the loader put there.
pub fn region() -> &'static [u8] {
    let start = &raw const __model_start;
    let length = (&raw const __model_end).addr() - start.addr();
    // SAFETY: memory.x reserves these addresses for the image alone, they are
    // memory of the board on their whole length, any byte is a valid u8, and
    // nothing writes them after the loader, which runs before the core.
    unsafe { slice::from_raw_parts(start, length) }
}
