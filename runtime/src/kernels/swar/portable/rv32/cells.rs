//! The LSTM's cell on RV32: what is constant stays in registers.

use crate::activation::{SIGMOID, TANH, Table};
use crate::kernels::cell::Constants;
use core::arch::naked_asm;

/// What [`units`] works on.
#[repr(C)]
struct Job {
    preactivations: *const [i16; 4],
    mult: *const [u16; 4],
    state: *mut i16,
    codes: *mut i8,
    codes_end: *const i8,
    post: u32,
    /// From `t` to a point of a table.
    offset: u32,
    sigmoid: *const Table,
    tanh: *const Table,
    slope: u32,
    hidden_mult: u32,
    hidden_half: u32,
    hidden_post: u32,
    limit: u32,
    limits: u32,
    half: u32,
}

/// See [`crate::kernels::cell::update`].
pub fn cells(constants: &Constants<'_>, a: &[i16], state: &mut [i16], codes: &mut [i8]) {
    let (units_of_a, _) = a.as_chunks::<4>();
    let (mult, _) = constants.mult.as_chunks::<4>();
    let count = units_of_a.len().min(mult.len()).min(state.len());
    let codes = match codes.get_mut(..count) {
        Some(codes) => codes,
        None => codes,
    };
    if codes.is_empty() {
        return;
    }
    let limit = i32::from(constants.limit) as u32;
    let hidden = constants.hidden;
    let mut job = Job {
        preactivations: units_of_a.as_ptr(),
        mult: mult.as_ptr(),
        state: state.as_mut_ptr(),
        codes: codes.as_mut_ptr(),
        codes_end: codes.as_ptr_range().end,
        post: (constants.post & 31).into(),
        offset: crate::activation::point(0),
        sigmoid: &raw const SIGMOID,
        tanh: &raw const TANH,
        slope: 0xffff,
        hidden_mult: hidden.mult.into(),
        hidden_half: (1 << (hidden.post & 31)) >> 1,
        hidden_post: (hidden.post & 31).into(),
        limit,
        limits: 2 * limit,
        half: 1 << 14,
    };
    // SAFETY: there are as many units as codes, one or more.
    unsafe { units(&mut job) }
}

/// Updates unit after unit, two a turn, 105 cycles each on a two-stage core:
/// 22 for loads and stores of the unit's numbers, 17 to the four points and to
/// see that they lie in the tables, 9 for each of five values, 17 for the
/// state, its point and the code, and 4 to count.
///
/// A value takes 3 cycles to the address of its word, 2 for the word, and 4
/// from there: see [`crate::activation`]. A state beyond 16 bits is beyond the
/// table of its tanh, too: one test finds both.
///
/// # Safety
///
/// As [`cells`] has checked.
#[unsafe(naked)]
unsafe extern "C" fn units(job: &mut Job) {
    naked_asm!(
        ".option push",
        ".option arch, +m",
        #[cfg(target_feature = "c")]
        ".option arch, +c",
        // 0 below the table, 2^24 - 2 above.
        ".macro pg_limit t",
        "srli t0, \\t, 24",
        "beqz t0, 9f",
        "srai \\t, \\t, 31",
        "not \\t, \\t",
        "srli \\t, \\t, 9",
        "slli \\t, \\t, 1",
        "9:",
        ".endm",
        // a0 to a3 are i, f, g and o, from the preactivation on.
        ".macro pg_unit a, c, gates, tanh, code",
        "lh a0, \\a(s0)",
        "lhu a4, \\a(s1)",
        "lh a1, \\a+2(s0)",
        "lhu a5, \\a+2(s1)",
        "lh a2, \\a+4(s0)",
        "lhu a6, \\a+4(s1)",
        "lh a3, \\a+6(s0)",
        "lhu a7, \\a+6(s1)",
        "mul a0, a0, a4",
        "mul a1, a1, a5",
        "mul a2, a2, a6",
        "mul a3, a3, a7",
        "sra a0, a0, s5",
        "sra a1, a1, s5",
        "sra a2, a2, s5",
        "sra a3, a3, s5",
        "add a0, a0, s6",
        "add a1, a1, s6",
        "add a2, a2, s6",
        "add a3, a3, s6",
        "or t0, a0, a1",
        "or t1, a2, a3",
        "or t0, t0, t1",
        "srli t0, t0, 24",
        "bnez t0, \\gates\\()1f",
        "\\gates:",
        "srli t0, a0, 14",
        "srli t1, a1, 14",
        "srli t2, a2, 14",
        "srli t3, a3, 14",
        "andi t0, t0, -4",
        "andi t1, t1, -4",
        "andi t2, t2, -4",
        "andi t3, t3, -4",
        "add t0, t0, s7",
        "add t1, t1, s7",
        "add t2, t2, s8",
        "add t3, t3, s7",
        "lw t0, (t0)",
        "lw t1, (t1)",
        "lw t2, (t2)",
        "lw t3, (t3)",
        "and a4, t0, s9",
        "and a5, t1, s9",
        "and a6, t2, s9",
        "and a7, t3, s9",
        "mul a0, a0, a4",
        "mul a1, a1, a5",
        "mul a2, a2, a6",
        "mul a3, a3, a7",
        "lh a4, \\c(s2)",
        "add a0, a0, t0",
        "add a1, a1, t1",
        "add a2, a2, t2",
        "srai a0, a0, 16",
        "srai a2, a2, 16",
        "srai a1, a1, 16",
        "mul a0, a0, a2",
        "mul a1, a1, a4",
        "add a3, a3, t3",
        // c' = (f c + (i g >> 4) + 2^14) >> 15
        "srai a0, a0, 4",
        "add a1, a1, t6",
        "add a1, a1, a0",
        "srai a1, a1, 15",
        "sh a1, \\c(s2)",
        "slli a1, a1, 9",
        "add a1, a1, s6",
        "srli t0, a1, 24",
        "bnez t0, \\tanh\\()1f",
        "\\tanh:",
        "srli t0, a1, 14",
        "andi t0, t0, -4",
        "add t0, t0, s8",
        "lw t0, (t0)",
        "srai a3, a3, 16",
        "and a4, t0, s9",
        "mul a1, a1, a4",
        "add a1, a1, t0",
        "srai a1, a1, 16",
        // The code, rounded.
        "mul a3, a3, a1",
        "srai a3, a3, 15",
        "mul a3, a3, s10",
        "add a3, a3, s11",
        "sra a3, a3, ra",
        "add t0, a3, t4",
        "bltu t5, t0, \\code\\()1f",
        "\\code:",
        "sb a3, \\c/2(s3)",
        ".endm",
        // What is beyond a limit, at the label with a 1 behind it, and back.
        ".macro pg_beyond c, gates, tanh, code",
        "\\gates\\()1:",
        "pg_limit a0",
        "pg_limit a1",
        "pg_limit a2",
        "pg_limit a3",
        "j \\gates\\()b",
        "\\tanh\\()1:",
        "sub t0, a1, s6",
        "srai t0, t0, 9",
        "slli t1, t0, 16",
        "srai t1, t1, 16",
        "beq t0, t1, 8f",
        "srai t0, t0, 31",
        "srli t1, s9, 1",
        "xor t0, t0, t1",
        "sh t0, \\c(s2)",
        "8:",
        "pg_limit a1",
        "j \\tanh\\()b",
        "\\code\\()1:",
        "srai a3, a3, 31",
        "xor t0, t4, a3",
        "sub a3, t0, a3",
        "j \\code\\()b",
        ".endm",
        enter!(),
        "lw s0, 0(a0)",
        "lw s1, 4(a0)",
        "lw s2, 8(a0)",
        "lw s3, 12(a0)",
        "lw s4, 16(a0)",
        "lw s5, 20(a0)",
        "lw s6, 24(a0)",
        "lw s7, 28(a0)",
        "lw s8, 32(a0)",
        "lw s9, 36(a0)",
        "lw s10, 40(a0)",
        "lw s11, 44(a0)",
        "lw ra, 48(a0)",
        "lw t4, 52(a0)",
        "lw t5, 56(a0)",
        "lw t6, 60(a0)",
        // An odd number of units starts in the middle of the loop.
        "sub t0, s4, s3",
        "andi t0, t0, 1",
        "beqz t0, 1f",
        "addi s0, s0, -8",
        "addi s1, s1, -8",
        "addi s2, s2, -2",
        "addi s3, s3, -1",
        "j 2f",
        "1:",
        "pg_unit 0, 0, 11, 12, 13",
        "2:",
        "pg_unit 8, 2, 21, 22, 23",
        "addi s0, s0, 16",
        "addi s1, s1, 16",
        "addi s2, s2, 4",
        "addi s3, s3, 2",
        "bne s3, s4, 1b",
        leave!(),
        "pg_beyond 0, 11, 12, 13",
        "pg_beyond 2, 21, 22, 23",
        ".purgem pg_limit",
        ".purgem pg_unit",
        ".purgem pg_beyond",
        ".option pop",
    )
}
