//! Dot products on RV32IM: eight rows share the digits. The compiler, given
//! more than four rows, runs out of registers by loading far ahead.

use crate::kernels::swar::portable::dots::Shape;
use core::arch::naked_asm;

/// Rows that share the digits.
pub const TOGETHER: usize = 8;

/// What [`eights`] works on; it moves the lists on.
#[repr(C)]
struct Job {
    rows: *const u32,
    /// Bytes of a row.
    stride: usize,
    list: *const [u16; TOGETHER],
    sums: *mut [i32; TOGETHER],
    /// Groups of rows, at least 1.
    count: usize,
    plane: *const u32,
    plane_end: *const u32,
    /// Bytes of a chunk of the plane, without its first word.
    chunk: usize,
}

/// Dot products of groups of rows, over the shorter length.
///
/// # Safety
///
/// The listed rows of `shape.stored` words lie in `rows`, and the plane is
/// that of as many.
pub unsafe fn groups(
    rows: &[u32],
    list: &[[u16; TOGETHER]],
    sums: &mut [[i32; TOGETHER]],
    plane: *const u32,
    shape: Shape,
) {
    let count = list.len().min(sums.len());
    if count == 0 {
        return;
    }
    let starts = match shape.chunk >= shape.stored {
        true => 1,
        false => shape.stored.div_ceil(shape.chunk),
    };
    let mut job = Job {
        rows: rows.as_ptr(),
        stride: 4 * shape.stored,
        list: list.as_ptr(),
        sums: sums.as_mut_ptr(),
        count,
        plane,
        plane_end: plane.wrapping_add(2 * shape.stored + starts),
        chunk: 8 * shape.chunk,
    };
    // SAFETY: the caller's promise; there is one group or more.
    unsafe { eights(&mut job) }
}

/// Dot products of eight listed rows at a time.
///
/// Four columns of eight rows take 71 cycles on a two-stage core, 2.22 a
/// multiply-accumulate: the digits 4, for every row its word 2, shift, mask,
/// two multiplications and two additions, and 3 for the loop. A core of five
/// stages, one instruction a cycle, finds no dependence to wait for.
///
/// # Safety
///
/// As [`groups`] promises.
#[unsafe(naked)]
unsafe extern "C" fn eights(job: &mut Job) {
    naked_asm!(
        // Assembly outside of functions does not know the target's features.
        ".option push",
        ".option arch, +m",
        #[cfg(target_feature = "c")]
        ".option arch, +c",
        // Two rows at a time, so that no instruction waits for the one before.
        ".macro pg_rows at, row0, sum0, row1, sum1",
        "lw a4, \\at(\\row0)",
        "lw s0, \\at(\\row1)",
        "srli a5, a4, 8",
        "srli s1, s0, 8",
        "and a5, a5, a3",
        "and s1, s1, a3",
        "mul a4, a4, t0",
        "mul a5, a5, t1",
        "add \\sum0, \\sum0, a4",
        "mul s0, s0, t0",
        "add \\sum0, \\sum0, a5",
        "mul s1, s1, t1",
        "add \\sum1, \\sum1, s0",
        "add \\sum1, \\sum1, s1",
        ".endm",
        ".macro pg_columns at",
        "lw t0, 2*\\at(a2)",
        "lw t1, 2*\\at+4(a2)",
        "pg_rows \\at, t3, s2, t4, s3",
        "pg_rows \\at, t5, s4, t6, s5",
        "pg_rows \\at, a1, s6, a6, s7",
        "pg_rows \\at, a7, s8, ra, s9",
        ".endm",
        ".macro pg_row at, row",
        "lhu s1, \\at(s0)",
        "mul s1, s1, a5",
        "add \\row, s1, a4",
        ".endm",
        ".macro pg_fold sum",
        "slli a4, \\sum, 16",
        "srai a4, a4, 16",
        "sub \\sum, \\sum, a4",
        "srai \\sum, \\sum, 16",
        ".endm",
        ".macro pg_add at, sum",
        "lw a4, \\at(s0)",
        "add \\sum, \\sum, a4",
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
        "sw s10, 44(sp)",
        "sw s11, 48(sp)",
        "li a3, 0x00ff00ff",
        "1:",
        "lw a4, (a0)",
        "lw a5, 4(a0)",
        "lw s0, 8(a0)",
        "pg_row 0, t3",
        "pg_row 2, t4",
        "pg_row 4, t5",
        "pg_row 6, t6",
        "pg_row 8, a1",
        "pg_row 10, a6",
        "pg_row 12, a7",
        "pg_row 14, ra",
        "addi s0, s0, 16",
        "sw s0, 8(a0)",
        "lw a2, 20(a0)",
        "lw s10, 24(a0)",
        // s11 is 0 in the first chunk of a group.
        "li s11, 0",
        "2:",
        "lw s2, (a2)",
        "addi a2, a2, 4",
        "mv s3, s2",
        "mv s4, s2",
        "mv s5, s2",
        "mv s6, s2",
        "mv s7, s2",
        "mv s8, s2",
        "mv s9, s2",
        "lw t2, 28(a0)",
        "add t2, t2, a2",
        "bleu t2, s10, 3f",
        "mv t2, s10",
        "3:",
        // An odd number of eights of columns starts in the middle of the loop.
        "sub a4, t2, a2",
        "andi a4, a4, 16",
        "beqz a4, 5f",
        "addi a2, a2, -16",
        "addi t3, t3, -8",
        "addi t4, t4, -8",
        "addi t5, t5, -8",
        "addi t6, t6, -8",
        "addi a1, a1, -8",
        "addi a6, a6, -8",
        "addi a7, a7, -8",
        "addi ra, ra, -8",
        "j 6f",
        "5:",
        "pg_columns 0",
        "pg_columns 4",
        "6:",
        "pg_columns 8",
        "pg_columns 12",
        "addi t3, t3, 16",
        "addi t4, t4, 16",
        "addi t5, t5, 16",
        "addi t6, t6, 16",
        "addi a1, a1, 16",
        "addi a6, a6, 16",
        "addi a7, a7, 16",
        "addi ra, ra, 16",
        "addi a2, a2, 32",
        "bne a2, t2, 5b",
        "pg_fold s2",
        "pg_fold s3",
        "pg_fold s4",
        "pg_fold s5",
        "pg_fold s6",
        "pg_fold s7",
        "pg_fold s8",
        "pg_fold s9",
        "lw s0, 12(a0)",
        "beqz s11, 4f",
        "pg_add 0, s2",
        "pg_add 4, s3",
        "pg_add 8, s4",
        "pg_add 12, s5",
        "pg_add 16, s6",
        "pg_add 20, s7",
        "pg_add 24, s8",
        "pg_add 28, s9",
        "4:",
        "sw s2, 0(s0)",
        "sw s3, 4(s0)",
        "sw s4, 8(s0)",
        "sw s5, 12(s0)",
        "sw s6, 16(s0)",
        "sw s7, 20(s0)",
        "sw s8, 24(s0)",
        "sw s9, 28(s0)",
        "li s11, 1",
        "bne a2, s10, 2b",
        "addi s0, s0, 32",
        "sw s0, 12(a0)",
        "lw a4, 16(a0)",
        "addi a4, a4, -1",
        "sw a4, 16(a0)",
        "bnez a4, 1b",
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
        "lw s10, 44(sp)",
        "lw s11, 48(sp)",
        "addi sp, sp, 64",
        "ret",
        ".purgem pg_rows",
        ".purgem pg_columns",
        ".purgem pg_row",
        ".purgem pg_fold",
        ".purgem pg_add",
        ".option pop",
    )
}
