//! Single rows of a panel: the update pass of those whose gate opened.

use crate::kernels::conv::Patch;
use crate::kernels::conv::portable::Layout;
use core::arch::naked_asm;

/// Adds the sums of listed rows.
///
/// # Safety
///
/// The panel has the columns of the patch, which is weighted; rows are below the
/// height of a column.
pub unsafe fn rows(_: Layout, panel: &[u32], patch: &Patch<'_>, rows: &[u8], sums: &mut [i32; 16]) {
    for rows in rows.chunks(2) {
        let (first, last) = (rows[0], rows[rows.len() - 1]);
        let lanes = [first, last].map(u32::from);
        let mut totals = [0; 2];
        // SAFETY: the caller's promise, and what holds for every patch.
        unsafe {
            if rows.len() == 1 {
                one(patch, panel.as_ptr(), &lanes, &mut totals);
            } else {
                two(patch, panel.as_ptr(), &lanes, &mut totals);
                sums[usize::from(last) % 16] += totals[1];
            }
        }
        sums[usize::from(first) % 16] += totals[0];
    }
}

/// Generates a walk over weighted runs for one row or two.
macro_rules! rows {
    ($name:ident, [$($second:literal),*]) => {
        /// Sets the sums of the rows at these bytes of a column.
        ///
        /// # Safety
        ///
        /// The panel has the columns of the patch, which is weighted, and lanes
        /// are below the height of a column.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(
            patch: &Patch<'_>,
            panel: *const u32,
            lanes: &[u32; 2],
            sums: &mut [i32; 2],
        ) {
            naked_asm!(
                run!(),
                // r0 list, r1 and r2 the rows' bytes of the column of offset 0, r6
                // and r7 their sums; the digits add up in r8.
                ".macro pg_entry",
                "ldm r0!, {{r3}}",
                "uxth r4, r3",
                "lsls r4, r4, #3",
                "asrs r3, r3, #16",
                "add r8, r3",
                "ldrb r5, [r1, r4]",
                "muls r5, r3, r5",
                "adds r6, r6, r5",
                $($second,)*
                ".endm",
                "push {{r4-r7, lr}}",
                "mov r4, r8",
                "push {{r4}}",
                // sp: see pg_aim; sums, lanes.
                "sub sp, #40",
                "str r3, [sp, #28]",
                "ldm r2, {{r2, r3}}",
                "str r2, [sp, #32]",
                "str r3, [sp, #36]",
                "pg_aim",
                "movs r6, #0",
                "movs r7, #0",
                "mov r8, r6",
                "5:",
                "pg_run 6f",
                "lsls r3, r5, #28",
                "lsrs r3, r3, #30",
                "ldr r2, [sp, #36]",
                "adds r2, r2, r1",
                "ldr r4, [sp, #32]",
                "adds r1, r1, r4",
                "cmp r3, #2",
                "blo 4f",
                "beq 3f",
                "pg_entry",
                "3:",
                "pg_entry",
                "pg_entry",
                "b 2f",
                "4:",
                "cmp r3, #0",
                "beq 1f",
                "pg_entry",
                "2:",
                "ldr r3, [sp, #24]",
                "cmp r0, r3",
                "beq 6f",
                "1:",
                "pg_entry",
                "pg_entry",
                "pg_entry",
                "pg_entry",
                "b 2b",
                "6:",
                "ldr r2, [sp]",
                "ldr r3, [sp, #4]",
                "cmp r2, r3",
                "beq 7f",
                "b 5b",
                "7:",
                // 128 for every digit.
                "mov r3, r8",
                "lsls r3, r3, #7",
                "subs r6, r6, r3",
                "subs r7, r7, r3",
                "ldr r0, [sp, #28]",
                "stm r0!, {{r6, r7}}",
                "add sp, #40",
                "pop {{r4}}",
                "mov r8, r4",
                "pop {{r4-r7, pc}}",
                ".purgem pg_entry",
                ".purgem pg_aim",
                ".purgem pg_run",
                ".purgem pg_times4",
            )
        }
    };
}

rows!(one, []);
rows!(
    two,
    ["ldrb r5, [r2, r4]", "muls r5, r3, r5", "adds r7, r7, r5"]
);
