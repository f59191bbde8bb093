//! Digits prepared for dot products.

use super::dsp;
use core::arch::naked_asm;

/// Writes the plane of digits, four a word: two words for each, `(x1, x3)` and
/// `(256 x0 - x1, 256 x2 - x3)`. Stops where either slice ends.
pub fn plane(digits: &[u32], words: &mut [u32]) {
    let count = digits.len().min(words.len() / 2);
    if let Some(digits) = digits.get(..count).filter(|digits| !digits.is_empty()) {
        let range = digits.as_ptr_range();
        // SAFETY: there is one word of digits or more, and room for twice as
        // many.
        unsafe { write(range.start, range.end, words.as_mut_ptr()) };
    }
}

/// 12 cycles for four digits.
///
/// # Safety
///
/// From `digits` to `end` are one or more words, and `words` has twice as many.
#[unsafe(naked)]
unsafe extern "C" fn write(digits: *const u32, end: *const u32, words: *mut u32) {
    naked_asm!(
        dsp!(),
        "1:",
        "ldr r3, [r0], #4",
        "sxtb16 r12, r3, ror #8",
        "str r12, [r2], #4",
        // Bytes 0 and 2 times 256, modulo 2^16.
        "lsls r3, r3, #8",
        "bic r3, r3, #0x00ff00ff",
        "ssub16 r3, r3, r12",
        "str r3, [r2], #4",
        "cmp r0, r1",
        "bne 1b",
        "bx lr",
    )
}
