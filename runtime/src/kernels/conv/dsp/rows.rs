//! Single rows of a panel: the update pass of those whose gate opened.

use super::{HEIGHT, run};
use crate::kernels::conv::Patch;
use crate::kernels::dsp::dsp;
use core::arch::naked_asm;

/// Generates a walk over weighted runs for so many rows.
///
/// r0 is the place in the list; r4 to r7 are the sums (`$sums`), r8 to r11 the bytes of the
/// rows in the column of offset 0, the others are free. An entry's lower half is
/// an eighth of its column's offset, its upper one the digit. The loop over eight
/// entries is written out by twos and entered where as many are left as remain
/// modulo 8.
macro_rules! walk {
    ($name:ident, $sums:literal, $load:literal, $rows:literal, $bytes:literal, [$($one:literal),*], [$($two:literal),*]) => {
        /// Adds `sum w digit` to the sums of so many listed rows.
        ///
        /// # Safety
        ///
        /// The panel has the columns of the patch, which is weighted; the list has
        /// so many rows, all below the height of a column.
        #[unsafe(naked)]
        pub(super) unsafe extern "C" fn $name(
            patch: &Patch<'_>,
            panel: *const u32,
            rows: *const u8,
            sums: &mut [i32; HEIGHT],
        ) {
            naked_asm!(
                dsp!(),
                run!(),
                ".macro PG_ONE",
                $($one,)*
                ".endm",
                ".macro PG_TWO",
                $($two,)*
                ".endm",
                // sp: see PG_RUN; end of the list, end of the starts, four bytes of a
                // column; rows, sums.
                "push {{r2-r11, lr}}",
                "sub sp, #44",
                "ldr r4, [r0, #8]",
                "str r4, [sp, #24]",
                // Rows 0, 2, 1, 3 of each four.
                concat!(".irp sum, ", $sums),
                "ldrb r4, [r2, #(\\sum - 4)]",
                "ubfx r5, r4, #1, #1",
                "bfi r5, r4, #1, #1",
                "lsrs r4, r4, #2",
                "bfi r5, r4, #2, #2",
                "str r5, [sp, #(28 + 4 * (\\sum - 4))]",
                ".endr",
                "PG_AIM r0, r1",
                "movs r4, #0",
                "movs r5, #0",
                "movs r6, #0",
                "movs r7, #0",
                "ldr r12, [sp]",
                "2:",
                "PG_RUN 5f",
                $load,
                concat!(".irp row, ", $rows),
                "add \\row, lr",
                ".endr",
                "add r3, r0, r1",
                "str r3, [sp, #20]",
                "lsls r2, r1, #29",
                "bpl 1f",
                "PG_ONE",
                "ldr r3, [sp, #20]",
                "1:",
                "subs r1, r3, r0",
                "beq.w 5f",
                "subs r1, #8",
                "ubfx r1, r1, #3, #2",
                concat!("movs r2, #", $bytes),
                "adr.w r3, 4f",
                "mls r3, r1, r2, r3",

                "mov pc, r3",
                ".p2align 2",
                "3:",
                "PG_TWO",
                "PG_TWO",
                "PG_TWO",
                "4:",
                "PG_TWO",
                "ldr r1, [sp, #20]",
                "cmp r0, r1",
                "bne.w 3b",
                "5:",
                "ldr r12, [sp]",
                "ldr r0, [sp, #24]",
                "cmp r12, r0",
                "bne.w 2b",
                "ldr r12, [sp, #44]",
                "ldr r0, [sp, #48]",
                concat!(".irp sum, ", $sums),
                "ldrb r1, [r12, #(\\sum - 4)]",
                "ldr r2, [r0, r1, lsl #2]",
                "add r2, r\\sum",
                "str r2, [r0, r1, lsl #2]",
                ".endr",
                "add sp, #52",
                "pop {{r4-r11, pc}}",
                ".purgem PG_AIM",
                ".purgem PG_RUN",
                ".purgem PG_ONE",
                ".purgem PG_TWO",
            )
        }
    };
}

walk!(
    one,
    "4",
    "ldr r8, [sp, #28]",
    "r8",
    "24",
    [
        "ldr r1, [r0], #4",
        "uxth r3, r1",
        "ldrsb.w r3, [r8, r3, lsl #3]",
        "smlabt r4, r3, r1, r4"
    ],
    [
        "ldm r0!, {{r1, r2}}",
        "uxth r3, r1",
        "uxth.w r12, r2",
        "ldrsb.w r3, [r8, r3, lsl #3]",
        "ldrsb.w r12, [r8, r12, lsl #3]",
        "smlabt r4, r3, r1, r4",
        "smlabt r4, r12, r2, r4"
    ]
);
walk!(
    two,
    "4, 5",
    "ldrd r8, r9, [sp, #28]",
    "r8, r9",
    "40",
    [
        "ldr r1, [r0], #4",
        "uxth r3, r1",
        "ldrsb.w r12, [r8, r3, lsl #3]",
        "ldrsb.w r3, [r9, r3, lsl #3]",
        "smlabt r4, r12, r1, r4",
        "smlabt r5, r3, r1, r5"
    ],
    [
        "ldm r0!, {{r1, r2}}",
        "uxth r3, r1",
        "uxth.w r12, r2",
        "ldrsb.w r10, [r8, r3, lsl #3]",
        "ldrsb.w r3, [r9, r3, lsl #3]",
        "ldrsb.w r11, [r8, r12, lsl #3]",
        "ldrsb.w r12, [r9, r12, lsl #3]",
        "smlabt r4, r10, r1, r4",
        "smlabt r5, r3, r1, r5",
        "smlabt r4, r11, r2, r4",
        "smlabt r5, r12, r2, r5"
    ]
);
walk!(
    three,
    "4, 5, 6",
    "add r12, sp, #28\nldm r12, {{r8, r9, r10}}",
    "r8, r9, r10",
    "56",
    [
        "ldr r1, [r0], #4",
        "uxth r3, r1",
        "ldrsb.w r12, [r8, r3, lsl #3]",
        "ldrsb.w r11, [r9, r3, lsl #3]",
        "ldrsb.w r3, [r10, r3, lsl #3]",
        "smlabt r4, r12, r1, r4",
        "smlabt r5, r11, r1, r5",
        "smlabt r6, r3, r1, r6"
    ],
    [
        "ldm r0!, {{r1, r2}}",
        "uxth r3, r1",
        "uxth.w r12, r2",
        "ldrsb.w r7, [r8, r3, lsl #3]",
        "ldrsb.w r11, [r9, r3, lsl #3]",
        "ldrsb.w r3, [r10, r3, lsl #3]",
        "ldrsb.w lr, [r8, r12, lsl #3]",
        "smlabt r4, r7, r1, r4",
        "smlabt r5, r11, r1, r5",
        "smlabt r6, r3, r1, r6",
        "ldrsb.w r7, [r9, r12, lsl #3]",
        "ldrsb.w r12, [r10, r12, lsl #3]",
        "smlabt r4, lr, r2, r4",
        "smlabt r5, r7, r2, r5",
        "smlabt r6, r12, r2, r6"
    ]
);
walk!(
    four,
    "4, 5, 6, 7",
    "add r12, sp, #28\nldm r12, {{r8, r9, r10, r11}}",
    "r8, r9, r10, r11",
    "76",
    [
        "ldr r1, [r0], #4",
        "uxth r2, r1",
        "ldrsb.w r3, [r8, r2, lsl #3]",
        "ldrsb.w r12, [r9, r2, lsl #3]",
        "ldrsb.w lr, [r10, r2, lsl #3]",
        "ldrsb.w r2, [r11, r2, lsl #3]",
        "smlabt r4, r3, r1, r4",
        "smlabt r5, r12, r1, r5",
        "smlabt r6, lr, r1, r6",
        "smlabt r7, r2, r1, r7"
    ],
    ["PG_ONE", "PG_ONE"]
);
