//! Dot products on RV32: four rows share the digits.

use crate::kernels::Plane;
use crate::kernels::swar::{EVEN, portable};
use core::arch::naked_asm;

/// Rows that [`groups`] takes at a time.
const TOGETHER: usize = 4;

/// What [`groups`] works on.
#[repr(C)]
struct Job {
    rows: *const u32,
    /// Bytes of a row.
    stride: usize,
    list: *const u16,
    sums: *mut i32,
    /// Groups of rows, at least 1.
    count: usize,
    plane: *const u32,
    plane_end: *const u32,
    /// Bytes of a chunk of the plane, without its first word.
    chunk: usize,
    mask: u32,
}

/// See [`crate::kernels::Kernels::dots`].
pub fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    let stored = plane.columns / 4;
    let chunk = (plane.chunk / 4).max(2);
    // Whole chunks need a word each; where there is one, no division.
    let starts = if chunk >= stored {
        1
    } else {
        stored.div_ceil(chunk)
    };
    let inside = |&row: &u16| (usize::from(row) + 1) * stored <= rows.len();
    let (groups_of, few) = list.as_chunks::<TOGETHER>();
    let whole = TOGETHER * groups_of.len();
    let words = plane.words.get(..2 * stored + starts);
    let (Some(words), true, Some((together, rest))) = (
        words.filter(|_| stored > 0 && whole > 0),
        list.iter().all(inside),
        sums.split_at_mut_checked(whole),
    ) else {
        portable::dots(rows, plane, list, sums);
        return;
    };
    let job = Job {
        rows: rows.as_ptr(),
        stride: 4 * stored,
        list: list.as_ptr(),
        sums: together.as_mut_ptr(),
        count: groups_of.len(),
        plane: words.as_ptr(),
        plane_end: words.as_ptr_range().end,
        chunk: 8 * chunk,
        mask: EVEN,
    };
    // SAFETY: list and sums have `count` groups, all rows lie in `rows`, and
    // the plane is complete; rows and chunks are whole pairs of words.
    unsafe { groups(&job) }
    portable::dots(rows, plane, few, rest);
}

/// Dot products of four listed rows at a time.
///
/// Eight columns of four rows take 80 cycles on a two-stage core, 2.5 a
/// multiply-accumulate: the digits 8, for each row twice its word 2, mask 2,
/// two multiplications and two additions, and 8 for the loop. Results are
/// used two instructions later at the earliest, where a longer pipeline would
/// wait.
///
/// # Safety
///
/// As [`dots`] has checked.
#[unsafe(naked)]
unsafe extern "C" fn groups(job: &Job) {
    naked_asm!(
        // The assembler does not know the target's extensions here.
        ".option push",
        ".option arch, +m, +c",
        ".macro pg_rows at, p, s, q, t",
        "lw t0, \\at(\\p)",
        "lw t1, \\at(\\q)",
        "srli t2, t0, 8",
        "srli t3, t1, 8",
        "and t2, t2, a6",
        "and t3, t3, a6",
        "mul t0, t0, a4",
        "mul t2, t2, a5",
        "mul t1, t1, a4",
        "add \\s, \\s, t0",
        "mul t3, t3, a5",
        "add \\s, \\s, t2",
        "add \\t, \\t, t1",
        "add \\t, \\t, t3",
        ".endm",
        ".macro pg_word at, digits",
        "lw a4, \\digits(a1)",
        "lw a5, \\digits+4(a1)",
        "pg_rows \\at, s0, s4, s1, s5",
        "pg_rows \\at, s2, s6, s3, s7",
        ".endm",
        ".macro pg_address to, at",
        "lhu \\to, \\at(t4)",
        "mul \\to, \\to, t1",
        "add \\to, \\to, t0",
        ".endm",
        // total += (sum - sext16(sum)) >> 16
        ".macro pg_fold total, sum",
        "slli t0, \\sum, 16",
        "srai t0, t0, 16",
        "sub \\sum, \\sum, t0",
        "srai \\sum, \\sum, 16",
        "add \\total, \\total, \\sum",
        ".endm",
        "addi sp, sp, -48",
        "sw s0, 0(sp)",
        "sw s1, 4(sp)",
        "sw s2, 8(sp)",
        "sw s3, 12(sp)",
        "sw s4, 16(sp)",
        "sw s5, 20(sp)",
        "sw s6, 24(sp)",
        "sw s7, 28(sp)",
        "sw s8, 32(sp)",
        "sw s9, 36(sp)",
        "sw s10, 40(sp)",
        "sw s11, 44(sp)",
        "lw t4, 8(a0)",
        "lw t5, 12(a0)",
        "lw t6, 16(a0)",
        "lw a3, 24(a0)",
        "lw a7, 28(a0)",
        "lw a6, 32(a0)",
        "1:",
        "lw t0, 0(a0)",
        "lw t1, 4(a0)",
        "pg_address s0, 0",
        "pg_address s1, 2",
        "pg_address s2, 4",
        "pg_address s3, 6",
        "lw a1, 20(a0)",
        "li s8, 0",
        "li s9, 0",
        "li s10, 0",
        "li s11, 0",
        "2:",
        "lw s4, 0(a1)",
        "addi a1, a1, 4",
        "mv s5, s4",
        "mv s6, s4",
        "mv s7, s4",
        "add a2, a1, a7",
        "bleu a2, a3, 3f",
        "mv a2, a3",
        "3:",
        "pg_word 0, 0",
        "pg_word 4, 8",
        "addi a1, a1, 16",
        "addi s0, s0, 8",
        "addi s1, s1, 8",
        "addi s2, s2, 8",
        "addi s3, s3, 8",
        "bne a1, a2, 3b",
        "pg_fold s8, s4",
        "pg_fold s9, s5",
        "pg_fold s10, s6",
        "pg_fold s11, s7",
        "bne a1, a3, 2b",
        "sw s8, 0(t5)",
        "sw s9, 4(t5)",
        "sw s10, 8(t5)",
        "sw s11, 12(t5)",
        "addi t4, t4, 8",
        "addi t5, t5, 16",
        "addi t6, t6, -1",
        "bnez t6, 1b",
        "lw s0, 0(sp)",
        "lw s1, 4(sp)",
        "lw s2, 8(sp)",
        "lw s3, 12(sp)",
        "lw s4, 16(sp)",
        "lw s5, 20(sp)",
        "lw s6, 24(sp)",
        "lw s7, 28(sp)",
        "lw s8, 32(sp)",
        "lw s9, 36(sp)",
        "lw s10, 40(sp)",
        "lw s11, 44(sp)",
        "addi sp, sp, 48",
        "ret",
        ".purgem pg_rows",
        ".purgem pg_word",
        ".purgem pg_address",
        ".purgem pg_fold",
        ".option pop",
    )
}
