//! The prediction pass on RV32: 32 rows in registers.

use crate::kernels::swar::portable::columns_of;
use crate::kernels::swar::{EVEN, OFFSET, portable};
use crate::kernels::{Changes, changes};
use crate::layout::Target;
use core::arch::naked_asm;

/// Words of the accumulators of a panel.
const ACCUMULATORS: usize = Target::Swar.panel() / 2;

/// What [`pairs`] works on.
#[repr(C)]
struct Job {
    accumulators: *mut u32,
    panels: *const u32,
    /// Bytes of a panel.
    stride: usize,
    /// Pairs of panels, at least 1.
    count: usize,
    /// Taken off the sums A: the stored offset of the weights.
    a_offset: u32,
    /// Taken off the sums O.
    o_offset: u32,
    plus: *const u32,
    minus: *const u32,
    mask: u32,
}

/// See [`crate::kernels::Kernels::predict`].
pub fn predict(accumulators: &mut [u32], panels: &[u32], columns: usize, lists: &Changes<'_>) {
    let Some((plus, minus)) = columns_of(lists, columns) else {
        return;
    };
    let ends = |list: &[u32]| list.last() == Some(&changes::END);
    if !ends(lists.plus) || !ends(lists.minus) {
        return;
    }
    let stride = columns * Target::Swar.panel() / 4;
    let count = (accumulators.len() / (2 * ACCUMULATORS)).min(panels.len() / (2 * stride));
    if count > 0 {
        let net = (plus.len() as u32).wrapping_sub(minus.len() as u32);
        let job = Job {
            accumulators: accumulators.as_mut_ptr(),
            panels: panels.as_ptr(),
            stride: 4 * stride,
            count,
            a_offset: net.wrapping_mul(OFFSET | (OFFSET << 8)),
            o_offset: net.wrapping_mul(OFFSET),
            plus: lists.plus.as_ptr(),
            minus: lists.minus.as_ptr(),
            mask: EVEN,
        };
        // SAFETY: there are `count` pairs of panels and of their
        // accumulators, every entry lies in a panel and starts a column, and
        // both lists end.
        unsafe { pairs(&job) }
    }
    let rest = accumulators
        .get_mut(2 * ACCUMULATORS * count..)
        .unwrap_or(&mut []);
    let panels = panels.get(2 * stride * count..).unwrap_or(&[]);
    portable::predict(rest, panels, columns, lists);
}

/// Applies both lists to every pair of panels.
///
/// The sums A of 32 rows are s0 to s7, the sums O s8 to s11 and t2 to t5. A
/// column takes 54.5 cycles on a two-stage core, 1.7 a row: eight words 6
/// each, the entry 2, two addresses and the test for the end 3, and half of a
/// jump and a step. Loads come in twos, so that a core with a longer pipeline
/// does not wait for them.
///
/// # Safety
///
/// As [`predict`] has checked.
#[unsafe(naked)]
unsafe extern "C" fn pairs(job: &Job) {
    naked_asm!(
        // The assembler does not know the target's extensions here.
        ".option push",
        ".option arch, +m, +c",
        ".macro pg_words op, at, base, a, o, b, p",
        "lw t0, \\at(\\base)",
        "lw t1, \\at+4(\\base)",
        "\\op \\a, \\a, t0",
        "srli t0, t0, 8",
        "and t0, t0, a5",
        "\\op \\o, \\o, t0",
        "\\op \\b, \\b, t1",
        "srli t1, t1, 8",
        "and t1, t1, a5",
        "\\op \\p, \\p, t1",
        ".endm",
        ".macro pg_column op, entry, done",
        "lw a6, \\entry(a4)",
        "bltz a6, \\done",
        "add a7, a6, t6",
        "add a6, a6, a2",
        "pg_words \\op, 0, a6, s0, s8, s1, s9",
        "pg_words \\op, 8, a6, s2, s10, s3, s11",
        "pg_words \\op, 0, a7, s4, t2, s5, t3",
        "pg_words \\op, 8, a7, s6, t4, s7, t5",
        ".endm",
        ".macro pg_take at, a, o",
        "lw \\a, \\at(a1)",
        "lw \\o, \\at+4(a1)",
        "sub \\a, \\a, t0",
        "sub \\o, \\o, t1",
        ".endm",
        ".macro pg_give at, a, o",
        "sw \\a, \\at(a1)",
        "sw \\o, \\at+4(a1)",
        ".endm",
        "addi sp, sp, -64",
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
        "lw a1, 0(a0)",
        "lw a2, 4(a0)",
        "lw a3, 12(a0)",
        "lw a5, 32(a0)",
        "1:",
        "lw t6, 8(a0)",
        "add t6, t6, a2",
        "lw t0, 16(a0)",
        "lw t1, 20(a0)",
        "pg_take 0, s0, s8",
        "pg_take 8, s1, s9",
        "pg_take 16, s2, s10",
        "pg_take 24, s3, s11",
        "pg_take 32, s4, t2",
        "pg_take 40, s5, t3",
        "pg_take 48, s6, t4",
        "pg_take 56, s7, t5",
        "lw a4, 24(a0)",
        "2:",
        "pg_column add, 0, 3f",
        "pg_column add, 4, 3f",
        "addi a4, a4, 8",
        "j 2b",
        "3:",
        "lw a4, 28(a0)",
        "4:",
        "pg_column sub, 0, 5f",
        "pg_column sub, 4, 5f",
        "addi a4, a4, 8",
        "j 4b",
        "5:",
        "pg_give 0, s0, s8",
        "pg_give 8, s1, s9",
        "pg_give 16, s2, s10",
        "pg_give 24, s3, s11",
        "pg_give 32, s4, t2",
        "pg_give 40, s5, t3",
        "pg_give 48, s6, t4",
        "pg_give 56, s7, t5",
        "addi a1, a1, 64",
        "lw a2, 8(a0)",
        "add a2, a2, t6",
        "addi a3, a3, -1",
        "bnez a3, 1b",
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
        "addi sp, sp, 64",
        "ret",
        ".purgem pg_words",
        ".purgem pg_column",
        ".purgem pg_take",
        ".purgem pg_give",
        ".option pop",
    )
}
