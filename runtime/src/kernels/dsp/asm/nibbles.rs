//! 4-bit weights: columns summed in bytes, and dot products of two rows.

use super::dsp;
use core::arch::naked_asm;

/// Adds to `sums` the dot products of the stored weights of two rows, `blocks`
/// words each, with a plane.
///
/// 26 cycles for eight columns of two rows: 16 in arithmetic, 6 for the
/// plane's words, 2 for the weights, 2 of a loop that is written out twice.
///
/// # Safety
///
/// Both rows have so many words, one or more, and the plane four times as many.
#[unsafe(naked)]
pub unsafe extern "C" fn multiply(
    rows: &[*const u32; 2],
    plane: *const u32,
    blocks: usize,
    sums: &mut [i32; 2],
) {
    naked_asm!(
        dsp!(),
        // r0, r1 rows, r2 plane, r3 blocks, r4, r5 sums, r6 mask, r7-r10 digits.
        ".macro PG_ROW row, sum",
        "and lr, r6, \\row",
        "smlad \\sum, lr, r7, \\sum",
        "and lr, r6, \\row, lsr #8",
        "smlad \\sum, lr, r8, \\sum",
        "and lr, r6, \\row, lsr #4",
        "smlad \\sum, lr, r9, \\sum",
        "and lr, r6, \\row, lsr #12",
        "smlad \\sum, lr, r10, \\sum",
        ".endm",
        ".macro PG_BLOCK",
        "ldm r2!, {{r7-r10}}",
        "ldr r11, [r0], #4",
        "ldr r12, [r1], #4",
        "PG_ROW r11, r4",
        "PG_ROW r12, r5",
        ".endm",
        "push {{r3-r11, lr}}",
        "mov r3, r2",
        "mov r2, r1",
        "ldrd r0, r1, [r0]",
        "ldr r4, [sp]",
        "ldrd r4, r5, [r4]",
        "mov r6, #0x000f000f",
        "lsrs r3, r3, #1",
        "bcc 3f",
        "PG_BLOCK",
        "cmp r3, #0",
        "beq 2f",
        "3:",
        "PG_BLOCK",
        "PG_BLOCK",
        "subs r3, #1",
        "bne 3b",
        "2:",
        "ldr r3, [sp]",
        "strd r4, r5, [r3]",
        "pop {{r3-r11, pc}}",
        ".purgem PG_ROW",
        ".purgem PG_BLOCK",
    )
}

/// Sums of the listed columns of a panel: of the words, and of the upper
/// halves of their bytes.
///
/// 14 cycles a column of 16 rows: 5 for the entry and the words, 1 for the
/// address, 6 in arithmetic, 2 of a loop that is written out twice.
///
/// # Safety
///
/// From `list` to `end` there is an entry or more, each twice the offset of two
/// words of the panel.
#[unsafe(naked)]
pub unsafe extern "C" fn add_columns(
    panel: *const u32,
    list: *const u32,
    end: *const u32,
    sums: &mut [[u32; 2]; 2],
) {
    naked_asm!(
        dsp!(),
        // r4, r5 words, r6, r7 upper halves, r8 mask.
        ".macro PG_COLUMN",
        "ldr r9, [r1], #4",
        "add r9, r0, r9, lsr #1",
        "ldrd r10, r11, [r9]",
        "add r4, r10",
        "add r5, r11",
        "and r10, r8, r10, lsr #4",
        "and r11, r8, r11, lsr #4",
        "add r6, r10",
        "add r7, r11",
        ".endm",
        "push {{r4-r11}}",
        "movs r4, #0",
        "movs r5, #0",
        "movs r6, #0",
        "movs r7, #0",
        "mov r8, #0x0f0f0f0f",
        "subs r12, r2, r1",
        "lsrs r12, r12, #3",
        "bcc 2f",
        "PG_COLUMN",
        "cmp r1, r2",
        "beq 3f",
        "2:",
        "PG_COLUMN",
        "PG_COLUMN",
        "cmp r1, r2",
        "bne 2b",
        "3:",
        "stm r3, {{r4-r7}}",
        "pop {{r4-r11}}",
        "bx lr",
        ".purgem PG_COLUMN",
    )
}
