//! Bit planes: additions only.

use crate::kernels::conv::Patch;
use crate::kernels::conv::portable::Layout;
use core::arch::naked_asm;

/// Adds the columns of the patch to the sums, plane after plane by Horner's rule;
/// returns the sum of the digits. Sums are zero before.
///
/// # Safety
///
/// The panel has the columns of the patch, which is of planes.
#[inline(always)]
pub unsafe fn walk(_: Layout, sums: &mut [[u32; 2]; 4], panel: &[u32], patch: &Patch<'_>) -> u32 {
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
