//! Predictions and their gate, four rows at a time.

use super::dsp;
use core::arch::naked_asm;

/// What [`fours`] works on.
#[repr(C)]
struct Job {
    accumulators: *const u32,
    thresholds: *const i16,
    predictions: *mut i16,
    open: *mut u16,
    end: *const u32,
}

/// Copies the accumulators of whole fours of rows and lists those that open;
/// does nothing if a slice has fewer rows than `predictions`, or a number of
/// them that is no multiple of four.
pub fn load_within(
    accumulators: &[u32],
    predictions: &mut [i16],
    thresholds: &[i16],
    open: &mut [u16],
) -> usize {
    let rows = predictions.len();
    let shortest = (2 * accumulators.len())
        .min(thresholds.len())
        .min(open.len());
    if rows == 0 || !rows.is_multiple_of(4) || rows > shortest {
        return 0;
    }
    let Some(words) = accumulators.get(..rows / 2) else {
        return 0;
    };
    let start = open.as_mut_ptr();
    let job = Job {
        accumulators: words.as_ptr(),
        thresholds: thresholds.as_ptr(),
        predictions: predictions.as_mut_ptr(),
        open: start,
        end: words.as_ptr_range().end,
    };
    // SAFETY: all slices hold `rows` rows, a multiple of four and not zero.
    let end = unsafe { fours(&job) };
    (end.addr() - start.addr()) / size_of::<u16>()
}

/// Four rows are 17 cycles if none of them opens, 41 otherwise; two times four
/// a turn. Returns the end of the list.
///
/// With `|a|` by a selection, the lanes of `|a| - t` are negative where a row
/// opens; neither operation wraps, `|a|` and `t` being at most 32767.
///
/// A list entry is written for each of four rows of which one opens, and the list moves on only behind those that open. It never has more
/// entries than rows have been looked at, so there is room.
///
/// # Safety
///
/// Accumulators, thresholds, predictions and list must have as many rows as
/// the accumulators up to `end`, which are four or more, whole fours.
#[unsafe(naked)]
unsafe extern "C" fn fours(job: &Job) -> *mut u16 {
    naked_asm!(
        dsp!(),
        // Four rows; to \\open if one of them opens.
        ".macro PG_ROWS open",
        "ldr r4, [r0], #4",
        "ldr r5, [r0], #4",
        "ldr r6, [r1], #4",
        "ldr r7, [r1], #4",
        "str r4, [r2], #4",
        "str r5, [r2], #4",
        "ssub16 r8, lr, r4",
        "sel r8, r8, r4",
        "ssub16 r9, lr, r5",
        "sel r9, r9, r5",
        "ssub16 r6, r8, r6",
        "ssub16 r7, r9, r7",
        "orrs r4, r6, r7",
        "tst r4, #0x80008000",
        "bne \\open",
        ".endm",
        // Bits 15 and 31 of \\bits are set if rows r10 and r10 + 1 open.
        ".macro PG_TWO bits",
        "strh r10, [r3]",
        "ubfx r4, \\bits, #15, #1",
        "add r3, r3, r4, lsl #1",
        "adds r10, #1",
        "strh r10, [r3]",
        "lsrs r4, \\bits, #31",
        "add r3, r3, r4, lsl #1",
        ".endm",
        ".macro PG_LIST",
        "sub r10, r2, r12",
        "lsr r10, r10, #1",
        "PG_TWO r6",
        "adds r10, #1",
        "PG_TWO r7",
        ".endm",
        "push {{r4-r11, lr}}",
        // r0 accumulators, r1 thresholds, r2 predictions, r3 list, r11 end of
        // the accumulators, r12 what r2 is for row 0 after its turn, lr zero.
        "ldr r11, [r0, #16]",
        "ldm r0, {{r0-r3}}",
        "add r12, r2, #8",
        "mov lr, #0",
        // An odd number of fours starts with the second.
        "sub r4, r11, r0",
        "lsls r4, r4, #28",
        "bmi 2f",
        "1:",
        "PG_ROWS 4f",
        "2:",
        "PG_ROWS 5f",
        "3:",
        "cmp r0, r11",
        "bne 1b",
        "mov r0, r3",
        "pop {{r4-r11, pc}}",
        "4:",
        "PG_LIST",
        "b 2b",
        "5:",
        "PG_LIST",
        "b 3b",
        ".purgem PG_ROWS",
        ".purgem PG_TWO",
        ".purgem PG_LIST",
    )
}
