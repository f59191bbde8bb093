//! Digits prepared for dot products.

use crate::kernels::dsp::dsp;
use core::arch::naked_asm;

/// Writes the plane of digits, eight at a time: `x1`, `16 x0 - x1`, `x3 - 256
/// x1` and `16 x2 - x3` for both lanes of a word of weights. Stops where either
/// slice ends; returns the sum of the digits but every fourth of a lane.
pub fn plane(digits: &[[u32; 2]], words: &mut [[u32; 4]]) -> u32 {
    let count = digits.len().min(words.len());
    match digits.get(..count).filter(|digits| !digits.is_empty()) {
        Some(digits) => {
            let range = digits.as_ptr_range();
            // SAFETY: there are eight digits or more, and room for as many.
            unsafe { write(range.start, range.end, words.as_mut_ptr()) }
        }
        None => 0,
    }
}

/// 32 cycles for eight digits.
///
/// # Safety
///
/// From `digits` to `end` is one element or more, and `words` has as many.
#[unsafe(naked)]
unsafe extern "C" fn write(
    digits: *const [u32; 2],
    end: *const [u32; 2],
    words: *mut [u32; 4],
) -> u32 {
    naked_asm!(
        dsp!(),
        "push {{r4-r6, lr}}",
        "mov.w r4, #0x00010001",
        "movs r5, #0",
        "1:",
        "ldr r3, [r0], #4",
        "ldr r6, [r0], #4",
        // x1, x0, x3, x2: r12, r3, lr, r6
        "sxtb16 r12, r3, ror #8",
        "sxtb16 r3, r3",
        "sxtb16 lr, r6, ror #8",
        "sxtb16 r6, r6",
        "str r12, [r2], #4",
        "smlad r5, r12, r4, r5",
        "smlad r5, r3, r4, r5",
        "smlad r5, r6, r4, r5",
        // What the lower lane shifts into the upper one is cleared.
        "lsls r3, r3, #4",
        "bic r3, r3, #0x000f0000",
        "ssub16 r3, r3, r12",
        "str r3, [r2], #4",
        "lsl.w r12, r12, #8",
        "bic r12, r12, #0x00ff0000",
        "ssub16 r12, lr, r12",
        "str r12, [r2], #4",
        "lsls r6, r6, #4",
        "bic r6, r6, #0x000f0000",
        "ssub16 r6, r6, lr",
        "str r6, [r2], #4",
        "cmp r0, r1",
        "bne 1b",
        "mov r0, r5",
        "pop {{r4-r6, pc}}",
    )
}
