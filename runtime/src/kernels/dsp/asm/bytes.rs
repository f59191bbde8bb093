//! Single instructions on lanes that the compiler does not find.

use super::dsp;
use core::arch::asm;

/// Adds the bytes of a word to four lanes: bytes 0 and 2 to the first two.
#[inline(always)]
pub fn add_bytes([mut even, mut odd]: [u32; 2], word: u32) -> [u32; 2] {
    // SAFETY: reads and writes these registers only.
    unsafe {
        asm!(
            dsp!(),
            "uxtab16 {even}, {even}, {word}",
            "uxtab16 {odd}, {odd}, {word}, ror #8",
            even = inout(reg) even,
            odd = inout(reg) odd,
            word = in(reg) word,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    [even, odd]
}

/// Subtracts the bytes of a word from four lanes.
#[inline(always)]
pub fn subtract_bytes([even, odd]: [u32; 2], word: u32) -> [u32; 2] {
    const BYTES: u32 = 0x00ff_00ff;
    [
        subtract_lanes(even, word & BYTES),
        subtract_lanes(odd, (word >> 8) & BYTES),
    ]
}

/// Subtracts lane by lane.
#[inline(always)]
pub fn subtract_lanes(a: u32, b: u32) -> u32 {
    let lanes;
    // SAFETY: reads and writes these registers only, and the flags GE.
    unsafe {
        asm!(
            dsp!(),
            "usub16 {lanes}, {a}, {b}",
            lanes = lateout(reg) lanes,
            a = in(reg) a,
            b = in(reg) b,
            options(pure, nomem, nostack),
        );
    }
    lanes
}
