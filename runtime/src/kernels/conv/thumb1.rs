//! Bit planes on Thumb-1, 16 rows in registers.
//!
//! As in [`crate::kernels::swar`], the second sum is that of the words with the
//! bytes of both halves exchanged, which takes one instruction and no mask.
//! A column takes 22 cycles of Cortex-M0+, and a branch and a test for every
//! fourth: 23.5, 1.47 a row. The least is 20: entry and address 3, four words 5,
//! three operations a word.
#![allow(unsafe_code)]

use super::Run;
use super::portable::Layout;
use core::arch::naked_asm;

/// What [`columns`] works on.
#[repr(C)]
struct Job {
    sums: *mut [[u32; 2]; 4],
    /// The column of offset 0.
    base: *const u32,
    entries: *const u32,
    entries_end: *const u32,
}

/// Adds the columns of a run to the sums.
///
/// # Safety
///
/// The panel has as many columns as the patch.
pub(super) unsafe fn walk(_: Layout, sums: &mut [[u32; 2]; 4], panel: &[u32], run: Run<'_>) {
    let entries = run.entries.as_ptr_range();
    if entries.is_empty() {
        return;
    }
    let job = Job {
        sums,
        base: panel.as_ptr().wrapping_byte_add(run.base as usize),
        entries: entries.start,
        entries_end: entries.end,
    };
    // SAFETY: the caller's promise, and what holds for every patch; there is an
    // entry or more.
    unsafe { columns(&job) };
}

/// Sums of words and of exchanged words as sums of words and of their odd bytes.
pub(super) fn uncross(sums: &mut [[u32; 2]; 4]) {
    for [a, r] in sums {
        let lanes = |x: u32| x.wrapping_add(x << 16);
        let even = lanes(a.wrapping_sub(*r << 8));
        let odd = lanes(r.wrapping_sub(*a << 8));
        (*a, *r) = (even.wrapping_add(odd << 8), odd);
    }
}

/// Adds the columns of one run, which is not empty.
///
/// # Safety
///
/// Every entry is the offset of a whole column from the base.
#[unsafe(naked)]
unsafe extern "C" fn columns(job: &Job) {
    naked_asm!(
        // r0 list, r1 base; sums in r8 to r12, lr, r6, r7.
        ".macro pg_column",
        "ldm r0!, {{r2}}",
        "adds r2, r2, r1",
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
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r4-r7}}",
        "ldm r0, {{r0, r1, r2, r3}}",
        // sp: sums, end of the list, base.
        "sub sp, #12",
        "str r0, [sp]",
        "str r3, [sp, #4]",
        "str r1, [sp, #8]",
        "mov lr, r2",
        "ldm r0!, {{r4-r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "ldm r0!, {{r4-r7}}",
        "mov r12, r4",
        "mov r0, lr",
        "mov lr, r5",
        // Columns until a multiple of four is left, then fours.
        "subs r3, r3, r0",
        "lsls r3, r3, #28",
        "lsrs r3, r3, #30",
        "beq 3f",
        "cmp r3, #2",
        "blo 2f",
        "beq 1f",
        "pg_column",
        "1:",
        "pg_column",
        "2:",
        "pg_column",
        "ldr r2, [sp, #4]",
        "cmp r0, r2",
        "beq 4f",
        "3:",
        "pg_column",
        "pg_column",
        "pg_column",
        "pg_column",
        "ldr r2, [sp, #4]",
        "cmp r0, r2",
        "bne 3b",
        "4:",
        "ldr r0, [sp]",
        "mov r2, r8",
        "mov r3, r9",
        "mov r4, r10",
        "mov r5, r11",
        "stm r0!, {{r2-r5}}",
        "mov r2, r12",
        "mov r3, lr",
        "stm r0!, {{r2, r3, r6, r7}}",
        "add sp, #12",
        "pop {{r4-r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r4-r7, pc}}",
        ".purgem pg_column",
    )
}
