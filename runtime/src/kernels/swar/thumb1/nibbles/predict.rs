//! The prediction pass on Thumb-1: the sums of 32 rows in registers.

use crate::kernels::batch::{Batch, Closed};
use crate::kernels::swar::nibbles::ACCUMULATORS;
use core::arch::naked_asm;

/// What [`columns`] works on.
#[repr(C)]
struct Job {
    /// Start of a [`Closed`] list.
    list: *const u32,
    panel: *const u32,
    list_end: *const u32,
    start: [u32; 2],
    accumulators: *mut [u32; ACCUMULATORS],
    /// Bytes of a panel.
    stride: usize,
    /// Panels, 1 or more.
    count: usize,
}

/// Applies a batch of columns to the accumulators of all panels.
///
/// # Safety
///
/// There are as many panels of `stride` words as accumulators, one or more,
/// and every entry of the batch is the offset of a column.
pub unsafe fn apply(
    groups: &mut [[u32; ACCUMULATORS]],
    panel: *const u32,
    stride: usize,
    batch: Batch<'_>,
) {
    let mut closed = Closed::EMPTY;
    closed.fill(batch);
    let job = Job {
        list: closed.start(),
        panel,
        list_end: closed.end(),
        start: batch.start(),
        accumulators: groups.as_mut_ptr(),
        stride: 4 * stride,
        count: groups.len(),
    };
    // SAFETY: the caller's promise; there are two lists, and both end.
    unsafe { columns(&job) };
}

/// For every panel: sums the columns of two lists in byte lanes, then adds the
/// sums to the accumulators.
///
/// The sums are r8 to r12, lr, r6 and r7: adding to a high register takes one
/// cycle and no low one. A column takes 26.5 cycles, 0.83 a row: the entry 2,
/// its address and the test for the end 2, four words 6, four operations a
/// word, and a branch for every fourth; 190 a panel beside. Thumb-1 cannot
/// subtract from high registers: the columns to subtract come first and the
/// sums are negated.
///
/// # Safety
///
/// As for [`apply`].
#[unsafe(naked)]
unsafe extern "C" fn columns(job: &Job) {
    naked_asm!(
        // r0 list, r1 panel, r5 mask. The mark carries past 2^32 with any
        // address.
        ".macro pg_word word, a, o",
        "add \\a, \\word",
        "lsrs \\word, \\word, #4",
        "ands \\word, \\word, r5",
        "add \\o, \\word",
        ".endm",
        ".macro pg_column",
        "ldm r0!, {{r2}}",
        "adds r2, r2, r1",
        "bcs 3f",
        "ldm r2!, {{r3, r4}}",
        "pg_word r3, r8, r9",
        "pg_word r4, r10, r11",
        "ldm r2!, {{r3, r4}}",
        "pg_word r3, r12, lr",
        "pg_word r4, r6, r7",
        ".endm",
        ".macro pg_negate from, register",
        "mov r4, \\register",
        "subs r4, \\from, r4",
        "mov \\register, r4",
        ".endm",
        // Four times a byte.
        ".macro pg_bytes to, scratch, byte",
        "movs \\to, #\\byte",
        "lsls \\scratch, \\to, #8",
        "orrs \\to, \\scratch",
        "lsls \\scratch, \\to, #16",
        "orrs \\to, \\scratch",
        ".endm",
        // Sums of four rows; r5 their offset.
        ".macro pg_four from",
        "ldr r1, [r0]",
        "adds r1, r1, \\from",
        "subs r1, r1, r5",
        "rev16 \\from, \\from",
        "ldr r2, [r0, #4]",
        "adds r2, r2, \\from",
        "subs r2, r2, r5",
        "stm r0!, {{r1, r2}}",
        ".endm",
        // Sums of eight rows: r3 lower, r4 upper halves.
        ".macro pg_rows a, o",
        "mov r3, \\a",
        "mov r4, \\o",
        "lsls r2, r4, #4",
        "subs r3, r3, r2",
        "pg_four r3",
        "pg_four r4",
        ".endm",
        enter!(),
        "ldm r0, {{r0-r7}}",
        "push {{r0-r7}}",
        // sp: list, panel, end of the list, starts, accumulators, stride, count.
        "1:",
        "ldr r0, [sp]",
        "ldr r1, [sp, #4]",
        "pg_bytes r5, r6, 15",
        "movs r6, #0",
        "movs r7, #0",
        "mov r8, r6",
        "mov r9, r6",
        "mov r10, r6",
        "mov r11, r6",
        "mov r12, r6",
        "mov lr, r6",
        "2:",
        "pg_column",
        "pg_column",
        "pg_column",
        "pg_column",
        "b 2b",
        "3:",
        "ldr r2, [sp, #8]",
        "cmp r0, r2",
        "beq 4f",
        "ldr r2, [sp, #12]",
        "ldr r3, [sp, #16]",
        "pg_negate r2, r8",
        "pg_negate r3, r9",
        "pg_negate r2, r10",
        "pg_negate r3, r11",
        "pg_negate r2, r12",
        "pg_negate r3, lr",
        "subs r6, r2, r6",
        "subs r7, r3, r7",
        "b 2b",
        "4:",
        "ldr r0, [sp, #20]",
        "pg_bytes r5, r1, 128",
        "pg_rows r8, r9",
        "pg_rows r10, r11",
        "pg_rows r12, lr",
        "pg_rows r6, r7",
        "str r0, [sp, #20]",
        "ldr r1, [sp, #4]",
        "ldr r2, [sp, #24]",
        "adds r1, r1, r2",
        "str r1, [sp, #4]",
        "ldr r2, [sp, #28]",
        "subs r2, r2, #1",
        "str r2, [sp, #28]",
        "beq 5f",
        "b 1b",
        "5:",
        "add sp, #32",
        leave!(),
        ".purgem pg_word",
        ".purgem pg_column",
        ".purgem pg_negate",
        ".purgem pg_bytes",
        ".purgem pg_four",
        ".purgem pg_rows",
    )
}
