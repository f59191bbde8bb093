//! From accumulators to unsigned codes.

use crate::kernels::conv::outputs::{Rows, Scale};
use crate::kernels::dsp::dsp;
use core::arch::naked_asm;

/// What [`walk`] works on.
#[repr(C)]
struct Job {
    scales: *const Scale,
    sums: *const i32,
    row: *const u8,
    rows_end: *const u8,
    shift: u32,
    high: i32,
    codes: *mut i8,
    step: usize,
}

/// See [`crate::kernels::conv::ConvKernels::codes`]; codes are `0..=high`.
pub(super) fn codes(
    scales: &[Scale],
    (sums, shift): (&[i32], u8),
    rows: &Rows,
    high: i32,
    (codes, step): (&mut [i8], usize),
) {
    let (last, rows) = (rows.last(), rows.list().as_ptr_range());
    if rows.is_empty() || last >= scales.len().min(sums.len()) || last * step >= codes.len() {
        return;
    }
    let job = Job {
        scales: scales.as_ptr(),
        sums: sums.as_ptr(),
        row: rows.start,
        rows_end: rows.end,
        shift: (shift & 31).into(),
        high,
        codes: codes.as_mut_ptr(),
        step,
    };
    // SAFETY: rows are in ascending order, there is one, and the last one has a
    // scale, a sum and a code.
    unsafe { walk(&job) };
}

/// [`Scale::apply`] of every row. An accumulator may be saturated to -32768 rather
/// than -32767: either code is 0.
///
/// # Safety
///
/// There is a row, and all have a scale, a sum and a code.
#[unsafe(naked)]
unsafe extern "C" fn walk(job: &Job) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}",
        "ldm r0, {{r0-r7}}",
        "1:",
        "ldrb r8, [r2], #1",
        "add r9, r0, r8, lsl #4",
        "ldr r10, [r1, r8, lsl #2]",
        "ldr r11, [r9]",
        "ldr r12, [r9, #4]",
        "ldr lr, [r9, #8]",
        "ldr r9, [r9, #12]",
        "lsls r10, r10, r4",
        "add r10, r11",
        "asrs r10, r10, r12",
        "ssat r10, #16, r10",
        "smlabt r10, r10, r12, lr",
        "asrs r10, r10, r9",
        "bic r10, r10, r10, asr #31",
        "cmp r10, r5",
        "it gt",
        "movgt r10, r5",
        "mul r8, r8, r7",
        "strb r10, [r6, r8]",
        "cmp r2, r3",
        "bne 1b",
        "pop {{r4-r11, pc}}",
    )
}
