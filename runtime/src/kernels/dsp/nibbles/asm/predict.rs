//! The prediction pass: sums of 32 rows in registers.

use super::super::ACCUMULATORS;
use crate::kernels::batch::{Batch, Closed};
use crate::kernels::dsp::dsp;
use core::arch::naked_asm;
use core::mem::offset_of;

/// What [`walk`] works on; it moves the accumulators on.
#[repr(C)]
struct Job {
    /// Start of a [`Closed`] list.
    list: *const u32,
    accumulators: *mut [u32; ACCUMULATORS],
    accumulators_end: *mut [u32; ACCUMULATORS],
    panel: *const u32,
    /// Bytes of a panel.
    stride: usize,
    /// What the sums of whole words and of their upper nibbles start at.
    start: [u32; 2],
}

/// Applies a batch of columns to the accumulators of all panels.
///
/// # Safety
///
/// There are as many panels of `stride` words as accumulators, one or more,
/// and every entry of the batch is the offset of a column.
pub unsafe fn apply(
    accumulators: &mut [[u32; ACCUMULATORS]],
    panels: &[u32],
    stride: usize,
    batch: Batch<'_>,
) {
    let mut closed = Closed::EMPTY;
    closed.fill(batch);
    let range = accumulators.as_mut_ptr_range();
    let mut job = Job {
        list: closed.start(),
        accumulators: range.start,
        accumulators_end: range.end,
        panel: panels.as_ptr(),
        stride: 4 * stride,
        start: batch.start(),
    };
    // SAFETY: the caller's promise, and both lists are closed.
    unsafe { walk(&mut job) };
}

/// For every panel: sums the columns in byte lanes, then adds the sums to the
/// accumulators.
///
/// A column is four loads and, for each word, the word, its upper nibbles and
/// their sum: the shift is part of the last addition. r4 to r11 are four pairs
/// of sums.
///
/// 21 cycles a column and a branch for every third; 120 a panel beside.
///
/// # Safety
///
/// As for [`apply`].
#[unsafe(naked)]
unsafe extern "C" fn walk(job: &mut Job) {
    naked_asm!(
        dsp!(),
        // lr panel, r12 list. The end of a list carries past 2^32 with any
        // address of a panel.
        ".macro PG_COLUMN operation, done",
        "ldr r0, [r12], #4",
        "adds r0, r0, lr",
        "bcs \\done",
        "ldr r1, [r0]",
        "ldr r2, [r0, #4]",
        "ldr r3, [r0, #8]",
        "ldr r0, [r0, #12]",
        "\\operation r4, r4, r1",
        "and r1, r1, #0xf0f0f0f0",
        "\\operation r6, r6, r2",
        "and r2, r2, #0xf0f0f0f0",
        "\\operation r8, r8, r3",
        "and r3, r3, #0xf0f0f0f0",
        "\\operation r10, r10, r0",
        "and r0, r0, #0xf0f0f0f0",
        "\\operation r5, r5, r1, lsr #4",
        "\\operation r7, r7, r2, lsr #4",
        "\\operation r9, r9, r3, lsr #4",
        "\\operation r11, r11, r0, lsr #4",
        ".endm",
        // Eight rows: their accumulators are r0 to r3.
        ".macro PG_ROWS a, o",
        "sub \\a, \\a, \\o, lsl #4",
        "eor \\a, \\a, #0x80808080",
        "eor \\o, \\o, #0x80808080",
        "ldm r12, {{r0-r3}}",
        "sxtab16 r0, r0, \\a",
        "sxtab16 r1, r1, \\a, ror #8",
        "sxtab16 r2, r2, \\o",
        "sxtab16 r3, r3, \\o, ror #8",
        "stm r12!, {{r0-r3}}",
        ".endm",
        "push {{r0, r4-r11, lr}}",
        "ldr lr, [r0, #{panel}]",
        "1:",
        "ldr r0, [sp]",
        "ldrd r4, r5, [r0, #{start}]",
        "ldr r12, [r0, #{list}]",
        "mov r6, r4",
        "mov r8, r4",
        "mov r10, r4",
        "mov r7, r5",
        "mov r9, r5",
        "mov r11, r5",
        "2:",
        "PG_COLUMN sub, 3f",
        "PG_COLUMN sub, 3f",
        "PG_COLUMN sub, 3f",
        "b 2b",
        "3:",
        "PG_COLUMN add, 4f",
        "PG_COLUMN add, 4f",
        "PG_COLUMN add, 4f",
        "b 3b",
        "4:",
        "ldr r0, [sp]",
        "ldr r12, [r0, #{accumulators}]",
        "PG_ROWS r4, r5",
        "PG_ROWS r6, r7",
        "PG_ROWS r8, r9",
        "PG_ROWS r10, r11",
        "ldr r0, [sp]",
        "ldr r1, [r0, #{accumulators_end}]",
        "ldr r2, [r0, #{stride}]",
        "str r12, [r0, #{accumulators}]",
        "add lr, r2",
        "cmp r12, r1",
        "bne 1b",
        "pop {{r0, r4-r11, pc}}",
        ".purgem PG_COLUMN",
        ".purgem PG_ROWS",
        list = const offset_of!(Job, list),
        accumulators = const offset_of!(Job, accumulators),
        accumulators_end = const offset_of!(Job, accumulators_end),
        panel = const offset_of!(Job, panel),
        stride = const offset_of!(Job, stride),
        start = const offset_of!(Job, start),
    )
}
