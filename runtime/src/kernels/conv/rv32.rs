//! Both walks on RV32IM.
//!
//! | loop | work | reached (two stages) |
//! |---|---|---|
//! | planes | an entry, 16 rows: 5 loads, 16 in arithmetic, an address | 27, and 1 for the loop, 40 a run |
//! | rows | an entry, 1 to 4 rows: 2 to 5 loads, 2 to 8 in arithmetic, 1 to 4 addresses, digit | 11 to 26, and 2 for the loop, 35 a run |
//!
//! The sums of 16 rows stay in registers, as in [`super::portable`].
#![allow(unsafe_code)]

use super::Patch;
use super::portable::Layout;
use core::arch::naked_asm;

/// Defines `PG_AIM`, which begins a walk over the patch in a0 and the panel in
/// a1, and `PG_RUN`, which takes the next of the patch's starts: it leaves the
/// first entry in a3, the end in a4 and the column of offset 0 in t3, or goes to
/// a label if there are none.
///
/// t4 is the next start, t5 their end; a6 is an index's start moved to the
/// window's first pixel, a7 the same moved to the one after its last, t6 the
/// store; a1 is the column of offset 0 of the window's first row. t0 to t2 are
/// overwritten.
macro_rules! run {
    () => {
        ".macro PG_AIM
        lw t6, 0(a0)
        lw t4, 4(a0)
        lw t5, 8(a0)
        lw a6, 16(a0)
        lw a7, 20(a0)
        lw t0, 24(a0)
        add a6, a6, t6
        add a7, a7, t6
        sub a1, a1, t0
        .endm
        .macro PG_RUN empty
        lw t0, 0(t4)
        lw t3, 4(t4)
        addi t4, t4, 8
        add t1, a6, t0
        lw a3, 0(t1)
        add t2, a7, t0
        lw a4, 0(t2)
        add t3, t3, a1
        beq a3, a4, \\empty
        add a3, a3, t6
        add a4, a4, t6
        .endm"
    };
}

/// Adds the columns of the patch to the sums, plane after plane by Horner's rule;
/// returns the sum of the digits. Sums are zero before.
///
/// # Safety
///
/// The panel has the columns of the patch, which is of planes.
#[inline(always)]
pub(super) unsafe fn walk(
    _: Layout,
    sums: &mut [[u32; 2]; 4],
    panel: &[u32],
    patch: &Patch<'_>,
) -> u32 {
    // SAFETY: the caller's promise, and what holds for every patch.
    unsafe { columns(patch, panel.as_ptr(), sums) / 4 }
}

/// Sets the sums, and returns four times the sum of the digits.
///
/// # Safety
///
/// As [`walk`].
#[unsafe(naked)]
unsafe extern "C" fn columns(
    patch: &Patch<'_>,
    panel: *const u32,
    sums: &mut [[u32; 2]; 4],
) -> u32 {
    naked_asm!(
        run!(),
        // Sums in s0 to s7, the bytes 0 and 2 of a word in a5.
        ".macro PG_WORD word, all, odd",
        "add \\all, \\all, \\word",
        "srli \\word, \\word, 8",
        "and \\word, \\word, a5",
        "add \\odd, \\odd, \\word",
        ".endm",
        ".macro PG_COLUMN place",
        "lw ra, \\place(a3)",
        "add ra, ra, t3",
        "lw t0, 0(ra)",
        "lw t1, 4(ra)",
        "lw t2, 8(ra)",
        "lw ra, 12(ra)",
        "PG_WORD t0, s0, s1",
        "PG_WORD t1, s2, s3",
        "PG_WORD t2, s4, s5",
        "PG_WORD ra, s6, s7",
        ".endm",
        "addi sp, sp, -64",
        "sw ra, 0(sp)",
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
        "PG_AIM",
        // Bytes of a plane's starts in s8, their end in s9, bytes of entries in a0.
        "lw s8, 12(a0)",
        "li a0, 0",
        "li a5, 0x00ff00ff",
        "li s0, 0",
        "li s1, 0",
        "li s2, 0",
        "li s3, 0",
        "li s4, 0",
        "li s5, 0",
        "li s6, 0",
        "li s7, 0",
        "1:",
        "add s9, t4, s8",
        "2:",
        "PG_RUN 5f",
        "sub t0, a4, a3",
        "add a0, a0, t0",
        // Entries until a multiple of four is left, then fours.
        "andi t1, t0, 4",
        "beqz t1, 3f",
        "PG_COLUMN 0",
        "addi a3, a3, 4",
        "beq a3, a4, 5f",
        "sub t0, a4, a3",
        "3:",
        "andi t1, t0, 8",
        "beqz t1, 4f",
        "PG_COLUMN 0",
        "PG_COLUMN 4",
        "addi a3, a3, 8",
        "beq a3, a4, 5f",
        "4:",
        "PG_COLUMN 0",
        "PG_COLUMN 4",
        "PG_COLUMN 8",
        "PG_COLUMN 12",
        "addi a3, a3, 16",
        "bne a3, a4, 4b",
        "5:",
        "bne t4, s9, 2b",
        "beq t4, t5, 6f",
        "slli a0, a0, 1",
        "slli s0, s0, 1",
        "slli s1, s1, 1",
        "slli s2, s2, 1",
        "slli s3, s3, 1",
        "slli s4, s4, 1",
        "slli s5, s5, 1",
        "slli s6, s6, 1",
        "slli s7, s7, 1",
        "j 1b",
        "6:",
        "sw s0, 0(a2)",
        "sw s1, 4(a2)",
        "sw s2, 8(a2)",
        "sw s3, 12(a2)",
        "sw s4, 16(a2)",
        "sw s5, 20(a2)",
        "sw s6, 24(a2)",
        "sw s7, 28(a2)",
        "lw ra, 0(sp)",
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
        "addi sp, sp, 64",
        "ret",
        ".purgem PG_WORD",
        ".purgem PG_COLUMN",
        ".purgem PG_AIM",
        ".purgem PG_RUN",
    )
}

/// Adds the sums of listed rows.
///
/// # Safety
///
/// The panel has the columns of the patch, which is weighted; rows are below the
/// height of a column.
pub(super) unsafe fn rows(
    _: Layout,
    panel: &[u32],
    patch: &Patch<'_>,
    rows: &[u8],
    sums: &mut [i32; 16],
) {
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
