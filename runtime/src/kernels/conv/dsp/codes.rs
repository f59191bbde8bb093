//! From accumulators to unsigned codes.

use crate::kernels::conv::outputs::{Addend, FRACTION, Mixed, Rows, Scale};
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
#[inline(always)]
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

/// What [`walk_added`] works on.
#[derive(Clone, Copy)]
#[repr(C)]
struct AddedJob {
    scales: *const Scale,
    sums: *const i32,
    row: *const u8,
    shift: u32,
    /// `mult * 2^16 + shift` of what is added.
    factor: u32,
    /// Half of `2^shift`, and half a code more.
    half: i32,
    codes: *mut i8,
    /// The code that is added to row 0's.
    added: *const i8,
    /// 8 less the bits of a code.
    spare: u32,
    rows_end: *const u8,
}

/// Largest shift of a product that leaves room for half a code.
const MOST_SHIFT: u8 = 24;

/// Whether [`added`] does it: neighbouring unsigned codes, with neighbouring
/// unsigned ones added.
pub(super) fn can_add((low, high): (i32, i32), mixed: &Mixed<'_>, addend: &Addend) -> bool {
    low == 0
        && (high as u32).wrapping_add(1).is_power_of_two()
        && mixed.step == 1
        && addend.step == 1
        && !addend.signed
        && addend.shift <= MOST_SHIFT
}

/// See [`crate::kernels::conv::ConvKernels::added_codes`], where [`can_add`] holds.
pub(super) fn added(
    scales: &[Scale],
    (sums, shift): (&[i32], u8),
    rows: &Rows,
    high: i32,
    mixed: Mixed<'_>,
    addend: &Addend,
) {
    let (last, list) = (rows.last(), rows.list());
    if last >= scales.len().min(sums.len()) || !mixed.covers(last, addend) {
        return;
    }
    let output = mixed.output.as_mut_ptr();
    let map = mixed.residual.map_or(output.cast_const(), <[i8]>::as_ptr);
    let job = AddedJob {
        scales: scales.as_ptr(),
        sums: sums.as_ptr(),
        row: list.as_ptr(),
        shift: (shift & 31).into(),
        factor: (u32::from(addend.mult) << 16) | u32::from(addend.shift),
        half: addend.half() + (1 << addend.shift << (FRACTION - 1)),
        codes: output.wrapping_add(mixed.index),
        added: map.wrapping_add(addend.index).wrapping_sub(addend.first),
        spare: (high as u32).leading_zeros() - 24,
        rows_end: list.as_ptr_range().end,
    };
    let is_added = |row: &u8| usize::from(*row).wrapping_sub(addend.first) < addend.count;
    // Rows are in ascending order: if the first and the last are, all are.
    if list.first().is_some_and(is_added) && is_added(&(last as u8)) {
        // SAFETY: there is a row, and what the last one reads and writes is there.
        unsafe { walk_added(&job) };
        return;
    }
    for part in list.chunk_by(|a, b| is_added(a) == is_added(b)) {
        let mut job = job;
        (job.row, job.rows_end) = (part.as_ptr(), part.as_ptr_range().end);
        if !part.iter().any(is_added) {
            // Times 0, whatever is read: the codes that are written.
            (job.factor, job.half) = (0, 1 << (FRACTION - 1));
            job.added = job.codes;
        }
        // SAFETY: as above.
        unsafe { walk_added(&job) };
    }
}

/// [`Scale::apply`] of every row, and what is added to it. A code of fewer than 8
/// bits is saturated as one of 8 bits with zeros behind it.
///
/// # Safety
///
/// There is a row, and all have a scale, a sum, a code, and one that is added.
#[unsafe(naked)]
unsafe extern "C" fn walk_added(job: &AddedJob) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}",
        "ldr r12, [r0, #32]",
        "ldr r1, [r0, #36]",
        "push {{r1, r12}}",
        "ldm r0, {{r0-r7}}",
        "1:",
        "ldrb r8, [r2], #1",
        "add r9, r0, r8, lsl #4",
        "ldr r10, [r1, r8, lsl #2]",
        "ldr r11, [r9]",
        "ldr r12, [r9, #4]",
        "ldrb lr, [r7, r8]",
        "lsls r10, r3",
        "add r10, r11",
        "asrs r10, r10, r12",
        "ssat r10, #16, r10",
        "cmn r10, #0x8000",
        "it eq",
        "addeq r10, #1",
        "smlabt lr, lr, r4, r5",
        "asrs lr, lr, r4",
        "ldr r11, [r9, #8]",
        "ldr r9, [r9, #12]",
        "smlabt r10, r10, r12, r11",
        "asrs r10, r10, r9",
        "ssat r10, #16, r10",
        "add r10, lr",
        "ldrd r12, r11, [sp]",
        "lsls r10, r11",
        "usat r10, #8, r10, asr #4",
        "lsrs r10, r11",
        "strb r10, [r6, r8]",
        "cmp r2, r12",
        "bne 1b",
        "add sp, #8",
        "pop {{r4-r11, pc}}",
    )
}
