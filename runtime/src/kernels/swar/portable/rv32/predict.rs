//! The prediction pass on RV32: two panels in registers.

use core::arch::naked_asm;

/// What [`apply`] works on; it moves the accumulators on.
#[repr(C)]
struct Job {
    accumulators: *mut [u32; 16],
    panel: *const u32,
    /// Bytes of a panel.
    stride: usize,
    accumulators_end: *const [u32; 16],
    /// Taken off both sums: the stored offset of the weights.
    offsets: [u32; 2],
    plus: *const u32,
    plus_end: *const u32,
    minus: *const u32,
    minus_end: *const u32,
}

/// Applies the lists to pairs of panels.
///
/// # Safety
///
/// From `panel` on there are twice as many panels of `stride` words as there
/// are pairs of accumulators, and every entry is the byte offset of a column.
pub unsafe fn pairs(
    accumulators: &mut [[u32; 16]],
    panel: *const u32,
    stride: usize,
    [plus, minus]: [&[u32]; 2],
    offsets: [u32; 2],
) {
    if accumulators.is_empty() {
        return;
    }
    let mut job = Job {
        accumulators: accumulators.as_mut_ptr(),
        panel,
        stride: 4 * stride,
        accumulators_end: accumulators.as_ptr_range().end,
        offsets,
        plus: plus.as_ptr(),
        plus_end: plus.as_ptr_range().end,
        minus: minus.as_ptr(),
        minus_end: minus.as_ptr_range().end,
    };
    // SAFETY: the caller's promise; there is one pair or more.
    unsafe { apply(&mut job) }
}

/// Applies both lists to every pair of panels.
///
/// A column of two panels takes 54.5 cycles on a two-stage core, 1.70 a row:
/// eight words 2 each, four operations a word, the entry and the addresses 4,
/// and 2.5 for the loop, which takes two columns a turn.
///
/// # Safety
///
/// As [`pairs`] promises.
#[unsafe(naked)]
unsafe extern "C" fn apply(job: &mut Job) {
    naked_asm!(
        ".option push",
        #[cfg(target_feature = "c")]
        ".option arch, +c",
        // Two words at a time, so that no instruction waits for the one before.
        ".macro pg_words operation, at, column, a0, o0, a1, o1",
        "lw s0, \\at(\\column)",
        "lw t0, \\at+4(\\column)",
        "\\operation \\a0, \\a0, s0",
        "srli s1, s0, 8",
        "\\operation \\a1, \\a1, t0",
        "srli t1, t0, 8",
        "and s1, s1, a3",
        "and t1, t1, a3",
        "\\operation \\o0, \\o0, s1",
        "\\operation \\o1, \\o1, t1",
        ".endm",
        ".macro pg_column operation, at",
        "lw a5, \\at(a1)",
        "add a5, a5, a4",
        "add t2, a5, ra",
        "pg_words \\operation, 0, a5, s2, s3, s4, s5",
        "pg_words \\operation, 8, a5, s6, s7, s8, s9",
        "pg_words \\operation, 0, t2, s10, s11, t3, t4",
        "pg_words \\operation, 8, t2, t5, t6, a6, a7",
        ".endm",
        // From a1 to a2; an odd entry comes first, through the second half.
        ".macro pg_walk operation",
        "beq a1, a2, 4f",
        "sub a5, a2, a1",
        "andi a5, a5, 4",
        "beqz a5, 2f",
        "addi a1, a1, -4",
        "j 3f",
        "2:",
        "pg_column \\operation, 0",
        "3:",
        "pg_column \\operation, 4",
        "addi a1, a1, 8",
        "bne a1, a2, 2b",
        "4:",
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
        "lw a4, 4(a0)",
        "lw ra, 8(a0)",
        "1:",
        "lw t0, (a0)",
        "lw s0, 16(a0)",
        "lw s1, 20(a0)",
        "lw s2, 0(t0)",
        "lw s3, 4(t0)",
        "lw s4, 8(t0)",
        "lw s5, 12(t0)",
        "lw s6, 16(t0)",
        "lw s7, 20(t0)",
        "lw s8, 24(t0)",
        "lw s9, 28(t0)",
        "lw s10, 32(t0)",
        "lw s11, 36(t0)",
        "lw t3, 40(t0)",
        "lw t4, 44(t0)",
        "lw t5, 48(t0)",
        "lw t6, 52(t0)",
        "lw a6, 56(t0)",
        "lw a7, 60(t0)",
        "sub s2, s2, s0",
        "sub s3, s3, s1",
        "sub s4, s4, s0",
        "sub s5, s5, s1",
        "sub s6, s6, s0",
        "sub s7, s7, s1",
        "sub s8, s8, s0",
        "sub s9, s9, s1",
        "sub s10, s10, s0",
        "sub s11, s11, s1",
        "sub t3, t3, s0",
        "sub t4, t4, s1",
        "sub t5, t5, s0",
        "sub t6, t6, s1",
        "sub a6, a6, s0",
        "sub a7, a7, s1",
        "lw a1, 24(a0)",
        "lw a2, 28(a0)",
        "pg_walk add",
        "lw a1, 32(a0)",
        "lw a2, 36(a0)",
        "pg_walk sub",
        "lw t0, (a0)",
        "lw s0, 12(a0)",
        "sw s2, 0(t0)",
        "sw s3, 4(t0)",
        "sw s4, 8(t0)",
        "sw s5, 12(t0)",
        "sw s6, 16(t0)",
        "sw s7, 20(t0)",
        "sw s8, 24(t0)",
        "sw s9, 28(t0)",
        "sw s10, 32(t0)",
        "sw s11, 36(t0)",
        "sw t3, 40(t0)",
        "sw t4, 44(t0)",
        "sw t5, 48(t0)",
        "sw t6, 52(t0)",
        "sw a6, 56(t0)",
        "sw a7, 60(t0)",
        "addi t0, t0, 64",
        "sw t0, (a0)",
        "add a4, a4, ra",
        "add a4, a4, ra",
        "bne t0, s0, 1b",
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
        ".purgem pg_words",
        ".purgem pg_column",
        ".purgem pg_walk",
        ".option pop",
    )
}
