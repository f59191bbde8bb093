//! Bit planes: additions only.

use super::Job;
use crate::kernels::dsp::dsp;
use core::arch::naked_asm;

/// Sets the 16 sums of a panel: those of each plane's runs, added up by
/// Horner's rule in lanes of 16 bits.
///
/// The lanes are r4 to r11, two rows each; r0 is the place in the list, lr the
/// column of offset 0, r12 the column. The loop over 16 columns is written out
/// and entered where as many are left as remain modulo 16.
///
/// # Safety
///
/// The job is as [`Job::new`] makes it.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn walk(job: &Job) {
    naked_asm!(
        dsp!(),
        // 48 bytes, and 6 with the next entry.
        ".macro PG_COLUMN",
        "ldr.w r1, [r12]",
        "ldr.w r2, [r12, #4]",
        "ldr.w r3, [r12, #8]",
        "ldr.w r12, [r12, #12]",
        "sxtab16 r4, r4, r1",
        "sxtab16 r5, r5, r1, ror #8",
        "sxtab16 r6, r6, r2",
        "sxtab16 r7, r7, r2, ror #8",
        "sxtab16 r8, r8, r3",
        "sxtab16 r9, r9, r3, ror #8",
        "sxtab16 r10, r10, r12",
        "sxtab16 r11, r11, r12, ror #8",
        ".endm",
        ".macro PG_NEXT",
        "ldr r12, [r0], #4",
        "add r12, lr",
        ".endm",
        ".macro PG_SUMS first, second",
        "sxth r1, \\first",
        "asr r2, \\first, #16",
        "sxth r3, \\second",
        "asr r12, \\second, #16",
        "stm r0!, {{r1, r2, r3, r12}}",
        ".endm",
        "push {{r4-r11, lr}}",
        "sub sp, #28",
        // sp: run, end of the runs, entries, panel, sums, bytes of a plane, end of the list.
        "ldm r0, {{r1, r2, r3, r4, r5, r6}}",
        "stm sp, {{r1, r2, r3, r4, r5, r6}}",
        "mov r12, r1",
        "movs r4, #0",
        "movs r5, #0",
        "movs r6, #0",
        "movs r7, #0",
        "mov r8, #0",
        "mov r9, #0",
        "mov r10, #0",
        "mov r11, #0",
        // A plane.
        "1:",
        "ldr r0, [sp, #20]",
        "add r0, r12",
        "str r0, [sp, #24]",
        // A run: r12.
        "2:",
        "ldm r12!, {{r0, r1, r2}}",
        "cmp r1, #0",
        "beq.w 5f",
        "str r12, [sp]",
        "ldrd r3, lr, [sp, #8]",
        "add r0, r3, r0, lsl #2",
        "add lr, r2",
        "add r3, r0, r1, lsl #2",
        "push {{r3}}",
        "subs r1, #1",
        "and r1, r1, #15",
        "movs r2, #54",
        "adr.w r3, 4f",
        "mls r3, r1, r2, r3",
        "adds r3, #1",
        "PG_NEXT",
        "bx r3",
        ".p2align 2",
        "3:",
        "PG_NEXT",
        ".irp entry, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1",
        "PG_COLUMN",
        "PG_NEXT",
        ".endr",
        "4:",
        "PG_COLUMN",
        "ldr r1, [sp]",
        "cmp r0, r1",
        "bne.w 3b",
        "add sp, #4",
        "ldr r12, [sp]",
        "5:",
        "ldr r0, [sp, #24]",
        "cmp r12, r0",
        "bne.w 2b",
        "ldr r0, [sp, #4]",
        "cmp r12, r0",
        "beq.w 6f",
        "sadd16 r4, r4, r4",
        "sadd16 r5, r5, r5",
        "sadd16 r6, r6, r6",
        "sadd16 r7, r7, r7",
        "sadd16 r8, r8, r8",
        "sadd16 r9, r9, r9",
        "sadd16 r10, r10, r10",
        "sadd16 r11, r11, r11",
        "b.w 1b",
        "6:",
        "ldr r0, [sp, #16]",
        "PG_SUMS r4, r5",
        "PG_SUMS r6, r7",
        "PG_SUMS r8, r9",
        "PG_SUMS r10, r11",
        "add sp, #28",
        "pop {{r4-r11, pc}}",
        ".purgem PG_COLUMN",
        ".purgem PG_NEXT",
        ".purgem PG_SUMS",
    )
}
