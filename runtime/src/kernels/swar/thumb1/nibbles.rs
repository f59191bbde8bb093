//! 4-bit weights on Thumb-1: columns summed in bytes, and dot products of a
//! row at a time.

use core::arch::naked_asm;

/// Adds the products of a row's weights with a plane, up to its `end`, to `t`.
///
/// 26 cycles for eight columns, 3.2 a multiply-accumulate: 8 for the loads, 14
/// in arithmetic, 4 for the loop. A second row would share the digits, but
/// every low register is in use.
///
/// # Safety
///
/// From `plane` to `end` there are four words, or more, for every word of the
/// row.
#[unsafe(naked)]
pub unsafe extern "C" fn sum(row: *const u32, plane: *const u32, end: *const u32, t: u32) -> u32 {
    naked_asm!(
        // r0 row, r1 plane, lr its end, r12 the sum, r7 mask.
        "push {{r4-r7, lr}}",
        "mov lr, r2",
        "mov r12, r3",
        "movs r7, #15",
        "lsls r6, r7, #8",
        "orrs r7, r6",
        "lsls r6, r7, #16",
        "orrs r7, r6",
        "1:",
        "ldm r0!, {{r2}}",
        "ldm r1!, {{r3, r4}}",
        "movs r5, r2",
        "ands r5, r7",
        "rev16 r6, r5",
        "muls r5, r3, r5",
        "muls r6, r4, r6",
        "add r12, r5",
        "add r12, r6",
        "ldm r1!, {{r3, r4}}",
        "lsrs r2, r2, #4",
        "ands r2, r7",
        "rev16 r6, r2",
        "muls r2, r3, r2",
        "muls r6, r4, r6",
        "add r12, r2",
        "add r12, r6",
        "cmp r1, lr",
        "bne 1b",
        "mov r0, r12",
        "pop {{r4-r7, pc}}",
    )
}

/// Sums of the listed columns of a panel: of the words, and of the upper
/// halves of their bytes.
///
/// 19 cycles a column of 16 rows: 5 for the entry and the words, 2 for the
/// address, 8 in arithmetic, 4 for the loop.
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
        // r0 panel, r1 list, r2 end, r7 mask; r8, r9 words, r10, r11 upper halves.
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r3, r4-r7}}",
        "movs r7, #15",
        "lsls r6, r7, #8",
        "orrs r7, r6",
        "lsls r6, r7, #16",
        "orrs r7, r6",
        "movs r4, #0",
        "mov r8, r4",
        "mov r9, r4",
        "mov r10, r4",
        "mov r11, r4",
        "1:",
        "ldm r1!, {{r4}}",
        "lsrs r4, r4, #1",
        "adds r4, r4, r0",
        "ldm r4!, {{r5, r6}}",
        "add r8, r5",
        "add r9, r6",
        "lsrs r5, r5, #4",
        "lsrs r6, r6, #4",
        "ands r5, r7",
        "ands r6, r7",
        "add r10, r5",
        "add r11, r6",
        "cmp r1, r2",
        "bne 1b",
        "pop {{r3}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "stm r3!, {{r4-r7}}",
        "pop {{r4-r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r4-r7, pc}}",
    )
}
