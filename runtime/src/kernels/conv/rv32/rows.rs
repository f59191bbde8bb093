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
    for rows in rows.chunks(4) {
        let (panel, list) = (panel.as_ptr(), rows.as_ptr());
        // SAFETY: the caller's promise, and what holds for every patch; so many
        // rows are listed.
        unsafe {
            match rows.len() {
                1 => one(patch, panel, list, sums),
                2 => two(patch, panel, list, sums),
                3 => three(patch, panel, list, sums),
                _ => four(patch, panel, list, sums),
            }
        }
    }
}

/// Generates a walk over weighted runs for so many rows: for each its place in
/// the list, and registers for its number, its byte of the column of offset 0 and
/// its sum; and how to save them.
macro_rules! rows {
    ($name:ident, [$($row:literal),*], [$($save:literal),*], [$($restore:literal),*]) => {
        /// Adds `sum w digit` to the sums of so many listed rows.
        ///
        /// # Safety
        ///
        /// The panel has the columns of the patch, which is weighted; the list has
        /// so many rows, all below the height of a column.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(
            patch: &Patch<'_>,
            panel: *const u32,
            rows: *const u8,
            sums: &mut [i32; 16],
        ) {
            naked_asm!(
                ".option push",
                ".option arch, +m",
                run!(),
                ".macro PG_BEGIN place, row, base, sum",
                "lbu \\row, \\place(a2)",
                "li \\sum, 0",
                ".endm",
                ".macro PG_BASE place, row, base, sum",
                "add \\base, \\row, t3",
                ".endm",
                ".macro PG_ADD place, row, base, sum",
                "add t2, \\base, t1",
                "lbu t2, 0(t2)",
                "mul t2, t2, t0",
                "add \\sum, \\sum, t2",
                ".endm",
                ".macro PG_END place, row, base, sum",
                "slli \\row, \\row, 2",
                "add \\row, \\row, a2",
                "lw t0, 0(\\row)",
                "sub \\sum, \\sum, a0",
                "add t0, t0, \\sum",
                "sw t0, 0(\\row)",
                ".endm",
                ".macro PG_ENTRY place",
                "lw t0, \\place(a3)",
                "slli t1, t0, 16",
                "srli t1, t1, 13",
                "srai t0, t0, 16",
                "add a0, a0, t0",
                $(concat!("PG_ADD ", $row),)*
                ".endm",
                "addi sp, sp, -48",
                $($save,)*
                "sw a3, 0(sp)",
                $(concat!("PG_BEGIN ", $row),)*
                "PG_AIM",
                // The digits add up in a0.
                "li a0, 0",
                "2:",
                "PG_RUN 5f",
                $(concat!("PG_BASE ", $row),)*
                "sub t0, a4, a3",
                "andi t0, t0, 4",
                "beqz t0, 3f",
                "PG_ENTRY 0",
                "addi a3, a3, 4",
                "beq a3, a4, 5f",
                "3:",
                "PG_ENTRY 0",
                "PG_ENTRY 4",
                "addi a3, a3, 8",
                "bne a3, a4, 3b",
                "5:",
                "bne t4, t5, 2b",
                // 128 for every digit.
                "slli a0, a0, 7",
                "lw a2, 0(sp)",
                $(concat!("PG_END ", $row),)*
                $($restore,)*
                "addi sp, sp, 48",
                "ret",
                ".purgem PG_BEGIN",
                ".purgem PG_BASE",
                ".purgem PG_ADD",
                ".purgem PG_END",
                ".purgem PG_ENTRY",
                ".purgem PG_AIM",
                ".purgem PG_RUN",
                ".option pop",
            )
        }
    };
}

rows!(
    one,
    ["0, s0, s1, s2"],
    ["sw s0, 4(sp)", "sw s1, 8(sp)", "sw s2, 12(sp)"],
    ["lw s0, 4(sp)", "lw s1, 8(sp)", "lw s2, 12(sp)"]
);
rows!(
    two,
    ["0, s0, s1, s2", "1, s3, s4, a5"],
    [
        "sw s0, 4(sp)",
        "sw s1, 8(sp)",
        "sw s2, 12(sp)",
        "sw s3, 16(sp)",
        "sw s4, 20(sp)"
    ],
    [
        "lw s0, 4(sp)",
        "lw s1, 8(sp)",
        "lw s2, 12(sp)",
        "lw s3, 16(sp)",
        "lw s4, 20(sp)"
    ]
);
rows!(
    three,
    ["0, s0, s1, s2", "1, s3, s4, a5", "2, s5, s6, s7"],
    [
        "sw s0, 4(sp)",
        "sw s1, 8(sp)",
        "sw s2, 12(sp)",
        "sw s3, 16(sp)",
        "sw s4, 20(sp)",
        "sw s5, 24(sp)",
        "sw s6, 28(sp)",
        "sw s7, 32(sp)"
    ],
    [
        "lw s0, 4(sp)",
        "lw s1, 8(sp)",
        "lw s2, 12(sp)",
        "lw s3, 16(sp)",
        "lw s4, 20(sp)",
        "lw s5, 24(sp)",
        "lw s6, 28(sp)",
        "lw s7, 32(sp)"
    ]
);
rows!(
    four,
    [
        "0, s0, s1, s2",
        "1, s3, s4, a5",
        "2, s5, s6, s7",
        "3, s8, s9, s10"
    ],
    [
        "sw s0, 4(sp)",
        "sw s1, 8(sp)",
        "sw s2, 12(sp)",
        "sw s3, 16(sp)",
        "sw s4, 20(sp)",
        "sw s5, 24(sp)",
        "sw s6, 28(sp)",
        "sw s7, 32(sp)",
        "sw s8, 36(sp)",
        "sw s9, 40(sp)",
        "sw s10, 44(sp)"
    ],
    [
        "lw s0, 4(sp)",
        "lw s1, 8(sp)",
        "lw s2, 12(sp)",
        "lw s3, 16(sp)",
        "lw s4, 20(sp)",
        "lw s5, 24(sp)",
        "lw s6, 28(sp)",
        "lw s7, 32(sp)",
        "lw s8, 36(sp)",
        "lw s9, 40(sp)",
        "lw s10, 44(sp)"
    ]
);
