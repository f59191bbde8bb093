//! The prediction pass on Thumb-1: sixteen rows in registers.

use super::RESULT_OFFSET;
use crate::kernels::{Changes, changes};
use crate::layout::Target;
use core::arch::naked_asm;

/// Bytes of a column in a panel.
const HEIGHT: usize = Target::Swar.panel();
/// Words of the accumulators of a panel.
const ACCUMULATORS: usize = HEIGHT / 2;

/// What [`panels`] works on.
#[repr(C)]
struct Job {
    accumulators: *mut u32,
    panel: *const u32,
    /// Bytes of a panel.
    stride: usize,
    /// Number of panels, at least 1.
    count: usize,
    /// Taken off every accumulator: the stored offset of the weights.
    offset: u32,
    plus: *const u32,
    /// Just behind the end mark of the list.
    plus_end: *const u32,
    minus: *const u32,
}

/// See [`crate::kernels::Kernels::predict`].
pub fn predict(accumulators: &mut [u32], weights: &[u32], columns: usize, lists: &Changes<'_>) {
    let stride = columns * (HEIGHT / 4);
    let count = accumulators.len() / ACCUMULATORS;
    if count == 0 || weights.len() < count * stride {
        return;
    }
    // The loop stops at the marks at the end.
    let closed = |list: &[u32]| list.last() == Some(&changes::END);
    let closed = closed(lists.plus) && closed(lists.minus);
    if !closed || lists.checked(columns, HEIGHT).is_none() {
        return;
    }
    // Lists that end together share memory: both are empty.
    let plus_end = lists.plus.as_ptr_range().end;
    if plus_end == lists.minus.as_ptr_range().end {
        return;
    }
    let net = (lists.plus.len() as u32).wrapping_sub(lists.minus.len() as u32);
    let job = Job {
        accumulators: accumulators.as_mut_ptr(),
        panel: weights.as_ptr(),
        stride: 4 * stride,
        count,
        offset: net.wrapping_mul(RESULT_OFFSET),
        plus: lists.plus.as_ptr(),
        plus_end,
        minus: lists.minus.as_ptr(),
    };
    // SAFETY: there are `count` panels and accumulators for as many, every
    // entry lies in a panel and starts a column, and both lists end.
    unsafe { panels(&job) }
}

/// Applies both lists to every panel.
///
/// The accumulators `A0 R0 .. A2 R2` of a panel are r8 to r12 and lr, `A3 R3`
/// r6 and r7: adding to a high register takes one cycle and no low one. A
/// column takes 21.5 cycles, 1.34 a row: the entry 2, its address and the test
/// for the end 2, four words 5, three operations a word, and a branch for
/// every fourth. Thumb-1 cannot subtract from high registers, so the columns
/// to subtract are added between two negations.
///
/// # Safety
///
/// As [`predict`] has checked.
#[unsafe(naked)]
unsafe extern "C" fn panels(job: &Job) {
    naked_asm!(
        // r0 list, r1 panel. The mark carries past 2^32 with any address.
        ".macro pg_column",
        "ldm r0!, {{r2}}",
        "adds r2, r2, r1",
        "bcs 3f",
        "ldm r2, {{r2, r3, r4, r5}}",
        "add r8, r2",
        "rev16 r2, r2",
        "add r9, r2",
        "add r10, r3",
        "rev16 r3, r3",
        "add r11, r3",
        "add r12, r4",
        "rev16 r4, r4",
        "add lr, r4",
        "adds r6, r6, r5",
        "rev16 r5, r5",
        "adds r7, r7, r5",
        ".endm",
        ".macro pg_negate register",
        "mov r2, \\register",
        "rsbs r2, r2, #0",
        "mov \\register, r2",
        ".endm",
        enter!(),
        "ldm r0, {{r0-r7}}",
        "push {{r0-r7}}",
        "1:",
        "ldr r0, [sp]",
        "ldr r1, [sp, #4]",
        "ldr r6, [sp, #16]",
        "ldm r0!, {{r2-r5}}",
        "subs r2, r2, r6",
        "mov r8, r2",
        "subs r3, r3, r6",
        "mov r9, r3",
        "subs r4, r4, r6",
        "mov r10, r4",
        "subs r5, r5, r6",
        "mov r11, r5",
        "ldm r0!, {{r2-r5}}",
        "subs r2, r2, r6",
        "mov r12, r2",
        "subs r3, r3, r6",
        "mov lr, r3",
        "subs r7, r5, r6",
        "subs r6, r4, r6",
        "ldr r0, [sp, #20]",
        "2:",
        "pg_column",
        "pg_column",
        "pg_column",
        "pg_column",
        "b 2b",
        "3:",
        "ldr r2, [sp, #24]",
        "cmp r0, r2",
        "bne 4f",
        "pg_negate r8",
        "pg_negate r9",
        "pg_negate r10",
        "pg_negate r11",
        "pg_negate r12",
        "pg_negate lr",
        "rsbs r6, r6, #0",
        "rsbs r7, r7, #0",
        "ldr r0, [sp, #28]",
        "b 2b",
        "4:",
        "ldr r0, [sp]",
        "mov r2, r8",
        "rsbs r2, r2, #0",
        "mov r3, r9",
        "rsbs r3, r3, #0",
        "mov r4, r10",
        "rsbs r4, r4, #0",
        "mov r5, r11",
        "rsbs r5, r5, #0",
        "stm r0!, {{r2-r5}}",
        "mov r2, r12",
        "rsbs r2, r2, #0",
        "mov r3, lr",
        "rsbs r3, r3, #0",
        "rsbs r4, r6, #0",
        "rsbs r5, r7, #0",
        "stm r0!, {{r2-r5}}",
        "str r0, [sp]",
        "ldr r0, [sp, #8]",
        "adds r1, r1, r0",
        "str r1, [sp, #4]",
        "ldr r0, [sp, #12]",
        "subs r0, r0, #1",
        "str r0, [sp, #12]",
        "beq 5f",
        "b 1b",
        "5:",
        "add sp, #32",
        leave!(),
        ".purgem pg_column",
        ".purgem pg_negate",
    )
}
