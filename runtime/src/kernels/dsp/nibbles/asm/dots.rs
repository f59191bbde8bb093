//! Dot products of listed rows, three at a time.

use super::super::{Rows, TOGETHER};
use crate::kernels::dsp::dsp;
use core::arch::naked_asm;
use core::mem::offset_of;

/// What [`multiply`] works on; it moves `list`, `groups` and `sums` on.
#[repr(C)]
struct Job {
    /// Numbers of the rows, three for every group.
    list: *const [u16; TOGETHER],
    groups: usize,
    /// Where the sums go, or null to add them to `values`.
    sums: *mut [i32; TOGETHER],
    /// A number for every row up to `last`.
    values: *mut i16,
    rows: *const u32,
    /// Bytes from row to row.
    stride: usize,
    /// The largest number of a row.
    last: usize,
    plane: *const u32,
    /// Groups of eight columns.
    blocks: usize,
    /// What a sum starts at: 16 times what is added before the shift, and the
    /// share of the stored offset.
    start: u32,
    shift: u32,
}

/// Dot products of groups of rows, in order; stops at a group with a number
/// that is no row's, and returns how many there are before it.
pub fn sums(
    rows: &Rows<'_>,
    plane: &[u32],
    list: &[[u16; TOGETHER]],
    sums: &mut [[i32; TOGETHER]],
) -> usize {
    let list = list.get(..sums.len()).unwrap_or(list);
    // SAFETY: there is a place for the sums of every group.
    unsafe { run(rows, plane, list, sums.as_mut_ptr(), &mut [], 0) }
}

/// Adds the dot products of groups of rows to their values, rounded after a
/// shift; stops as [`sums`] does.
pub fn update(
    rows: &Rows<'_>,
    plane: &[u32],
    list: &[[u16; TOGETHER]],
    shift: u8,
    values: &mut [i16],
) -> usize {
    // SAFETY: nothing is written but values.
    unsafe { run(rows, plane, list, core::ptr::null_mut(), values, shift) }
}

/// # Safety
///
/// `sums` is null or has a place for every group of the list.
unsafe fn run(
    rows: &Rows<'_>,
    plane: &[u32],
    list: &[[u16; TOGETHER]],
    sums: *mut [i32; TOGETHER],
    values: &mut [i16],
    shift: u8,
) -> usize {
    let Some((&start, plane)) = plane.split_first() else {
        return 0;
    };
    let blocks = plane.len() / 4;
    let count = if sums.is_null() {
        rows.count.min(values.len())
    } else {
        rows.count
    };
    let Some(last) = count.checked_sub(1) else {
        return 0;
    };
    let needed = last.saturating_mul(rows.stride).saturating_add(blocks);
    if blocks == 0 || list.is_empty() || needed > rows.words.len() {
        return 0;
    }
    let mut job = Job {
        list: list.as_ptr(),
        groups: list.len(),
        sums,
        values: values.as_mut_ptr(),
        rows: rows.words.as_ptr(),
        stride: 4 * rows.stride,
        last,
        plane: plane.as_ptr(),
        blocks,
        start: ((1 << (u32::from(shift & 15) + 4)) >> 1 & !0xf_u32).wrapping_add(start),
        shift: u32::from(shift & 15) + 4,
    };
    // SAFETY: the plane and every row up to the last, as far as its words
    // reach, have so many blocks, one or more; there is a group or more, with
    // sums, or values up to the last row.
    unsafe { multiply(&mut job) };
    list.len() - job.groups
}

/// Multiplies groups of listed rows until the list ends or has a number that
/// is too large; `job.groups` is what is left then.
///
/// Three rows, because their sums and addresses leave registers for all four
/// words of the plane: a word of weights is read once. 31 cycles for 8 columns
/// of 3 rows: 21 in arithmetic, the plane's words and the first of weights in
/// one run of loads. The loop is written out twice and entered in the middle
/// for an odd number of blocks. 40 cycles a group beside, 52 where values are
/// updated.
///
/// Rows that stand in a group twice are updated once: all values of a group
/// are read before the first is written.
///
/// # Safety
///
/// The list and, if there are any, the sums are as long as the groups say;
/// otherwise there are values up to row `last`. Up to there are rows with 4
/// bytes for every block, `stride` apart, and the plane has 16 for each.
#[unsafe(naked)]
unsafe extern "C" fn multiply(job: &mut Job) {
    naked_asm!(
        dsp!(),
        // r1 plane, r2 blocks, r4-r6 sums, r7-r9 rows, r10-r12 and lr digits.
        ".macro PG_ROW sum",
        "and r3, r0, #0x000f000f",
        "smlad \\sum, r0, r10, \\sum",
        "sxtb16 r0, r0, ror #8",
        "smlad \\sum, r3, r11, \\sum",
        "and r3, r0, #0x000f000f",
        "smlad \\sum, r0, r12, \\sum",
        "smlad \\sum, r3, lr, \\sum",
        ".endm",
        ".macro PG_EIGHT",
        "ldr r10, [r1], #4",
        "ldr r11, [r1], #4",
        "ldr r12, [r1], #4",
        "ldr lr, [r1], #4",
        "ldr r0, [r7], #4",
        "PG_ROW r4",
        "ldr r0, [r8], #4",
        "PG_ROW r5",
        "ldr r0, [r9], #4",
        "PG_ROW r6",
        ".endm",
        "push {{r0, r4-r11, lr}}",
        "1:",
        // The numbers of the rows.
        "ldr r1, [r0, #{list}]",
        "ldr r3, [r0, #{last}]",
        "ldr r11, [r0, #{stride}]",
        "ldr r12, [r0, #{rows}]",
        "ldr r2, [r0, #{blocks}]",
        "ldrh r7, [r1], #2",
        "ldrh r8, [r1], #2",
        "ldrh r9, [r1], #2",
        // Negative where a number is too large.
        "subs r4, r3, r7",
        "sub r5, r3, r8",
        "sub r6, r3, r9",
        "orrs r4, r5",
        "orrs r4, r6",
        "bmi 4f",
        "str r1, [r0, #{list}]",
        "ldr r1, [r0, #{plane}]",
        "ldr r4, [r0, #{start}]",
        "mla r7, r7, r11, r12",
        "mla r8, r8, r11, r12",
        "mla r9, r9, r11, r12",
        "mov r5, r4",
        "mov r6, r4",
        "lsrs r2, r2, #1",
        "bcs 3f",
        "subs r2, #1",
        "2:",
        "PG_EIGHT",
        "3:",
        "PG_EIGHT",
        "subs r2, #1",
        "bpl 2b",
        // The results.
        "ldr r0, [sp]",
        "ldr r1, [r0, #{sums}]",
        "ldr r2, [r0, #{groups}]",
        "ldr r3, [r0, #{shift}]",
        "asrs r4, r3",
        "asrs r5, r3",
        "asrs r6, r3",
        "cbz r1, 5f",
        "stm r1!, {{r4-r6}}",
        "str r1, [r0, #{sums}]",
        "6:",
        "subs r2, #1",
        "str r2, [r0, #{groups}]",
        "bne 1b",
        "4:",
        "pop {{r0, r4-r11, pc}}",
        "5:",
        "ldr r12, [r0, #{list}]",
        "ldr r1, [r0, #{values}]",
        "ldrh r8, [r12, #-6]",
        "ldrh r9, [r12, #-4]",
        "ldrh r10, [r12, #-2]",
        "ldrsh r3, [r1, r8, lsl #1]",
        "ldrsh r12, [r1, r9, lsl #1]",
        "ldrsh lr, [r1, r10, lsl #1]",
        "add r4, r3",
        "add r5, r12",
        "add r6, lr",
        "ssat r4, #16, r4",
        "ssat r5, #16, r5",
        "ssat r6, #16, r6",
        "strh r4, [r1, r8, lsl #1]",
        "strh r5, [r1, r9, lsl #1]",
        "strh r6, [r1, r10, lsl #1]",
        "b 6b",
        ".purgem PG_ROW",
        ".purgem PG_EIGHT",
        list = const offset_of!(Job, list),
        groups = const offset_of!(Job, groups),
        sums = const offset_of!(Job, sums),
        values = const offset_of!(Job, values),
        rows = const offset_of!(Job, rows),
        stride = const offset_of!(Job, stride),
        last = const offset_of!(Job, last),
        plane = const offset_of!(Job, plane),
        blocks = const offset_of!(Job, blocks),
        start = const offset_of!(Job, start),
        shift = const offset_of!(Job, shift),
    )
}
