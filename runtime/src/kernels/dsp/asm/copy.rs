//! Accumulators from predictions, and back: they are the same bytes.

use super::dsp;
use core::arch::naked_asm;

/// Words that [`copy_words`] copies at a time.
const TOGETHER: usize = 8;

/// Copies words up to where either slice ends.
pub fn copy(to: &mut [u32], from: &[u32]) {
    let count = to.len().min(from.len());
    let (Some(to), Some(from)) = (to.get_mut(..count), from.get(..count)) else {
        return;
    };
    let (to, to_rest) = to.as_chunks_mut();
    let (from, from_rest) = from.as_chunks();
    let range = from.as_ptr_range();
    if !from.is_empty() {
        // SAFETY: both have as many words, eight or more.
        unsafe { copy_words(to.as_mut_ptr(), range.start, range.end) };
    }
    for (to, from) in to_rest.iter_mut().zip(from_rest) {
        *to = *from;
    }
}

/// 23 cycles for eight words.
///
/// # Safety
///
/// From `from` to `end` are as many words as `to` has, eight or more.
#[unsafe(naked)]
unsafe extern "C" fn copy_words(
    to: *mut [u32; TOGETHER],
    from: *const [u32; TOGETHER],
    end: *const [u32; TOGETHER],
) {
    naked_asm!(
        dsp!(),
        "push {{r4-r10, lr}}",
        "1:",
        "ldm r1!, {{r3-r10}}",
        "stm r0!, {{r3-r10}}",
        "cmp r1, r2",
        "bne 1b",
        "pop {{r4-r10, pc}}",
    )
}
