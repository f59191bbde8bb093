//! Single rows of a panel: the update pass of those whose gate opened.

use super::Job;
use crate::kernels::dsp::dsp;
use core::arch::naked_asm;

/// Generates a walk over weighted runs for so many rows.
///
/// r0 is the place in the list, r1 the digit, r2 the offset; r4 to r7 are the
/// sums, r8 to r11 the bytes of the rows in the column of offset 0. The loop
/// over eight entries is written out and entered where as many are left as
/// remain modulo 8.
macro_rules! walk {
    ($name:ident, $bytes:literal, [$($load:literal),*], [$($add:literal),*]) => {
        /// Sets the first sums: `sum w digit` of the rows at these bytes of a
        /// column.
        ///
        /// # Safety
        ///
        /// The job is as [`Job::new`] makes it, of a weighted patch, and lanes
        /// are below the height of a column.
        #[unsafe(naked)]
        pub(super) unsafe extern "C" fn $name(job: &Job, lanes: &[u32; 4]) {
            naked_asm!(
                dsp!(),
                ".macro PG_ENTRY",
                "ldr r1, [r0], #4",
                "lsr.w r2, r1, #8",
                "sxtb.w r1, r1",
                $($load,)*
                $($add,)*
                ".endm",
                "push {{r4-r11, lr}}",
                "sub sp, #28",
                // sp: run, end of the runs, entries, panel, sums; end of the list, lanes.
                "ldm r0, {{r2, r3, r4, r5, r6}}",
                "stm sp, {{r2, r3, r4, r5, r6}}",
                "str r1, [sp, #24]",
                "mov r12, r2",
                "movs r4, #0",
                "movs r5, #0",
                "movs r6, #0",
                "movs r7, #0",
                "2:",
                "ldm r12!, {{r0, r1, r2}}",
                "cmp r1, #0",
                "beq.w 5f",
                "str r12, [sp]",
                "ldrd r3, lr, [sp, #8]",
                "ldr r12, [sp, #24]",
                "ldm r12, {{r8, r9, r10, r11}}",
                "add lr, r2",
                "add r8, lr",
                "add r9, lr",
                "add r10, lr",
                "add r11, lr",
                "add r0, r3, r0, lsl #2",
                "add r3, r0, r1, lsl #2",
                "str r3, [sp, #20]",
                "subs r1, #1",
                "and r1, r1, #7",
                concat!("movs r2, #", $bytes),
                "adr.w r3, 4f",
                "mls r3, r1, r2, r3",
                "adds r3, #1",
                "bx r3",
                ".p2align 2",
                "3:",
                ".irp entry, 7, 6, 5, 4, 3, 2, 1",
                "PG_ENTRY",
                ".endr",
                "4:",
                "PG_ENTRY",
                "ldr r1, [sp, #20]",
                "cmp r0, r1",
                "bne.w 3b",
                "ldr r12, [sp]",
                "5:",
                "ldr r0, [sp, #4]",
                "cmp r12, r0",
                "bne.w 2b",
                "ldr r0, [sp, #16]",
                "stm r0, {{r4-r7}}",
                "add sp, #28",
                "pop {{r4-r11, pc}}",
                ".purgem PG_ENTRY",
            )
        }
    };
}

walk!(one, "20", ["ldrsb.w r3, [r8, r2]"], ["mla r4, r3, r1, r4"]);
walk!(
    two,
    "28",
    ["ldrsb.w r3, [r8, r2]", "ldrsb.w r12, [r9, r2]"],
    ["mla r4, r3, r1, r4", "mla r5, r12, r1, r5"]
);
walk!(
    three,
    "36",
    [
        "ldrsb.w r3, [r8, r2]",
        "ldrsb.w r12, [r9, r2]",
        "ldrsb.w lr, [r10, r2]"
    ],
    [
        "mla r4, r3, r1, r4",
        "mla r5, r12, r1, r5",
        "mla r6, lr, r1, r6"
    ]
);
walk!(
    four,
    "44",
    [
        "ldrsb.w r3, [r8, r2]",
        "ldrsb.w r12, [r9, r2]",
        "ldrsb.w lr, [r10, r2]",
        "ldrsb.w r2, [r11, r2]"
    ],
    [
        "mla r4, r3, r1, r4",
        "mla r5, r12, r1, r5",
        "mla r6, lr, r1, r6",
        "mla r7, r2, r1, r7"
    ]
);
