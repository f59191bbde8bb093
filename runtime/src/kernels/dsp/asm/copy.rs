//! Accumulators from predictions, and back: they are the same bytes.

use super::dsp;
use core::arch::naked_asm;

/// Numbers that [`copy_lines`] copies at a time.
const TOGETHER: usize = 16;

/// Copies numbers up to where either slice ends.
pub fn copy(to: &mut [i16], from: &[i16]) {
    let count = to.len().min(from.len());
    let (range, start) = (from.as_ptr_range(), to.as_mut_ptr());
    let whole = if range.start.cast::<u32>().is_aligned() && start.cast::<u32>().is_aligned() {
        count - count % TOGETHER
    } else {
        0
    };
    if whole > 0 {
        // SAFETY: both start on a word and have so many numbers.
        unsafe { copy_lines(start, range.start, range.start.wrapping_add(whole)) };
    }
    for index in whole..count {
        if let (Some(to), Some(&from)) = (to.get_mut(index), from.get(index)) {
            *to = from;
        }
    }
}

/// 23 cycles for sixteen numbers.
///
/// # Safety
///
/// From `from` to `end` are one or more times sixteen numbers, and `to` has as
/// many; both start on a word.
#[unsafe(naked)]
unsafe extern "C" fn copy_lines(to: *mut i16, from: *const i16, end: *const i16) {
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
