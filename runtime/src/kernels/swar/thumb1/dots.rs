//! Dot products on Thumb-1: three rows share the digits.

use super::combine;
use crate::kernels::Plane;
use crate::kernels::swar::{EVEN, OFFSET};
use core::arch::naked_asm;

/// Rows that [`groups`] takes at a time.
const TOGETHER: usize = 3;

/// What [`groups`] works on, and the loop for weights of four bits.
#[repr(C)]
pub struct Job {
    rows: *const u32,
    /// Bytes of a row.
    stride: usize,
    list: *const u16,
    sums: *mut i32,
    /// Rows of the list, at least as many as a loop takes at a time.
    count: usize,
    plane: *const u32,
    plane_end: *const u32,
    /// Bytes of a chunk of the plane, without its first word.
    chunk: usize,
}

/// See [`crate::kernels::Kernels::plane`].
pub fn plane(digits: &[u32], columns: usize, chunk: usize, words: &mut [u32]) {
    let digits = digits.get(..columns / 4).unwrap_or(&[]);
    let mut words = words;
    for part in digits.chunks((chunk / 4).max(2)) {
        let Some((start, rest)) = words.split_first_mut() else {
            return;
        };
        let mut sum = 0u32;
        let (pairs, _) = rest.as_chunks_mut::<2>();
        for (&four, pair) in part.iter().zip(pairs) {
            // Bytes with an offset of 128, taken off in both lanes.
            let biased = four ^ 0x8080_8080;
            let even = (biased & EVEN).rotate_right(16).wrapping_sub(OFFSET);
            let odd = ((biased >> 8) & EVEN).rotate_right(16).wrapping_sub(OFFSET);
            sum = sum.wrapping_add(even).wrapping_add(odd);
            *pair = combine(even, odd);
        }
        *start = sum.wrapping_mul(OFFSET).wrapping_neg();
        words = rest.get_mut(2 * part.len()..).unwrap_or(&mut []);
    }
}

/// See [`crate::kernels::Kernels::dots`].
pub fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    // SAFETY: that is what the loop takes.
    unsafe { listed::<TOGETHER, 2, 2>(rows, plane, list, sums, groups) }
}

/// Dot products of listed rows, by a loop over the words of `ROWS` of them
/// that takes a multiple of `WORDS` words at a time, each with `FACTORS` words
/// of the plane for as many pairs of columns.
///
/// # Safety
///
/// `groups` forms the sums of a [`Job`] with the list and sums of `ROWS` rows or
/// more, which are rows of the matrix, and with a whole plane.
#[inline(always)]
pub unsafe fn listed<const ROWS: usize, const WORDS: usize, const FACTORS: usize>(
    rows: &[u32],
    plane: &Plane<'_>,
    list: &[u16],
    sums: &mut [i32],
    groups: unsafe extern "C" fn(&Job),
) {
    let stored = plane.columns / (2 * FACTORS);
    let chunk = (plane.chunk / (2 * FACTORS)).max(WORDS) / WORDS * WORDS;
    let count = list.len().min(sums.len());
    let (list, _) = list.split_at(count);
    let (sums, _) = sums.split_at_mut(count);
    let words = plane.words;
    // Whole chunks need a word each; where there is one, no division.
    let starts = if chunk >= stored {
        1
    } else {
        stored.div_ceil(chunk)
    };
    let Some(plane) = words
        .get(..FACTORS * stored + starts)
        .filter(|_| stored > 0 && stored.is_multiple_of(WORDS))
    else {
        sums.fill(0);
        return;
    };
    let inside = |&row: &u16| (usize::from(row) + 1) * stored <= rows.len();
    let run = |list: &[u16], sums: &mut [i32]| {
        let job = Job {
            rows: rows.as_ptr(),
            stride: 4 * stored,
            list: list.as_ptr(),
            sums: sums.as_mut_ptr(),
            count: list.len(),
            plane: plane.as_ptr(),
            plane_end: plane.as_ptr_range().end,
            chunk: 4 * FACTORS * chunk,
        };
        // SAFETY: the lists are equally long and have ROWS rows or more, all
        // of which lie in `rows`; the plane is complete.
        unsafe { groups(&job) }
    };
    if list.len() >= ROWS && list.iter().all(inside) {
        run(list, sums);
        return;
    }
    // One by one where a list is short or a row does not exist.
    for (row, sum) in list.iter().zip(sums) {
        let mut some = [0; ROWS];
        if inside(row) {
            run(&[*row; ROWS], &mut some);
        }
        *sum = some.first().copied().unwrap_or(0);
    }
}

/// Dot products of three listed rows at a time; the last three overlap those
/// before them where the list is no multiple of three.
///
/// Four columns of three rows take 24 cycles, 2.0 a multiply-accumulate: the
/// digits 3, and for each row its word 2, `rev16`, two multiplications and two
/// additions; 1.5 more for the loop.
///
/// # Safety
///
/// As for [`listed`].
#[unsafe(naked)]
unsafe extern "C" fn groups(job: &Job) {
    naked_asm!(
        ".macro pg_row row, sum",
        "ldm \\row!, {{r6}}",
        "rev16 r7, r6",
        "muls r6, r4, r6",
        "muls r7, r5, r7",
        "add \\sum, r6",
        "add \\sum, r7",
        ".endm",
        ".macro pg_columns",
        "ldm r0!, {{r4, r5}}",
        "pg_row r1, r8",
        "pg_row r2, r9",
        "pg_row r3, r10",
        ".endm",
        ".macro pg_fold to, from",
        "mov \\to, \\from",
        "sxth r7, \\to",
        "subs \\to, \\to, r7",
        "asrs \\to, \\to, #16",
        ".endm",
        enter!(),
        "ldm r0, {{r0-r7}}",
        "push {{r0-r7}}",
        // sp: rows, stride, list, sums, count, plane, plane end, chunk.
        "2:",
        "mov r7, sp",
        "ldm r7!, {{r4, r5, r6}}",
        "ldrh r1, [r6]",
        "ldrh r2, [r6, #2]",
        "ldrh r3, [r6, #4]",
        "muls r1, r5, r1",
        "muls r2, r5, r2",
        "muls r3, r5, r3",
        "adds r1, r1, r4",
        "adds r2, r2, r4",
        "adds r3, r3, r4",
        "ldr r0, [sp, #20]",
        "ldr r6, [sp, #24]",
        // r12 is 0 in the first chunk of a group.
        "movs r5, #0",
        "mov r12, r5",
        "3:",
        "ldm r0!, {{r4}}",
        "mov r8, r4",
        "mov r9, r4",
        "mov r10, r4",
        "ldr r4, [sp, #28]",
        "adds r4, r4, r0",
        "cmp r4, r6",
        "bls 4f",
        "mov r4, r6",
        "4:",
        "mov r11, r4",
        "5:",
        "pg_columns",
        "pg_columns",
        "cmp r0, r11",
        "bne 5b",
        "pg_fold r4, r8",
        "pg_fold r5, r9",
        "pg_fold r6, r10",
        "mov r7, r12",
        "cmp r7, #0",
        "bne 7f",
        "6:",
        "ldr r7, [sp, #12]",
        "mov r12, r7",
        "stm r7!, {{r4, r5, r6}}",
        "ldr r6, [sp, #24]",
        "cmp r0, r6",
        "bne 3b",
        // The next three rows, as many of them new as there are.
        "ldr r4, [sp, #16]",
        "subs r4, r4, #3",
        "beq 9f",
        "movs r5, #3",
        "cmp r4, r5",
        "bhs 8f",
        "movs r5, r4",
        "movs r4, #3",
        "8:",
        "str r4, [sp, #16]",
        "lsls r5, r5, #1",
        "ldr r4, [sp, #8]",
        "adds r4, r4, r5",
        "str r4, [sp, #8]",
        "lsls r5, r5, #1",
        "ldr r4, [sp, #12]",
        "adds r4, r4, r5",
        "str r4, [sp, #12]",
        "b 2b",
        "7:",
        "mov r8, r0",
        "ldm r7!, {{r0}}",
        "adds r4, r4, r0",
        "ldm r7!, {{r0}}",
        "adds r5, r5, r0",
        "ldm r7!, {{r0}}",
        "adds r6, r6, r0",
        "mov r0, r8",
        "b 6b",
        "9:",
        "add sp, #32",
        leave!(),
        ".purgem pg_row",
        ".purgem pg_columns",
        ".purgem pg_fold",
    )
}
