//! Weights of four bits in plain Rust.
//!
//! Six operations take out of W all that a dot product needs,
//!
//! ```text
//! P = (W >> 4) & 0x0f0f0f0f = L1 + 2^8 L3     Q = (W >> 8) & 0x00ff00ff = L2 + 2^4 L3
//! R = (P >> 8) & 0x00ff00ff = L3
//! W Y0 + P Y1 + Q Y2 + R Y3,      Y0 = X0               Y1 = X1 - 2^4 Y0
//!                                 Y2 = X2 - 2^8 Y0      Y3 = X3 - 2^12 Y0 - 2^8 Y1 - 2^4 Y2
//! ```
#![allow(unsafe_code)]

use crate::kernels::Plane;
use crate::kernels::batch::{Batch, NIBBLES};
use crate::kernels::swar::nibbles::ACCUMULATORS;
use crate::kernels::swar::{EVEN, OFFSET};

/// Applies a batch of columns to the accumulators of all panels.
///
/// # Safety
///
/// There are as many panels of `stride` words as accumulators, and every entry
/// of the batch is the offset of a column.
pub unsafe fn apply(
    groups: &mut [[u32; ACCUMULATORS]],
    mut panel: *const u32,
    stride: usize,
    batch: Batch<'_>,
) {
    for accumulators in groups {
        let mut sums = [batch.start(); 4];
        // SAFETY: the caller's promise.
        unsafe {
            walk(&mut sums, panel, batch.plus, u32::wrapping_add);
            walk(&mut sums, panel, batch.minus, u32::wrapping_sub);
        }
        let (rows, _) = accumulators.as_chunks_mut::<4>();
        for (rows, [a, o]) in rows.iter_mut().zip(sums) {
            let (pairs, _) = rows.as_chunks_mut::<2>();
            for (pair, column) in pairs.iter_mut().zip([a.wrapping_sub(o << 4), o]) {
                add_column(pair, column);
            }
        }
        panel = panel.wrapping_add(stride);
    }
}

/// Adds a column of four rows, bytes of `w + 128`, to their sums.
#[inline(always)]
const fn add_column([a, o]: &mut [u32; 2], column: u32) {
    *a = a.wrapping_add(column.wrapping_sub(OFFSET | (OFFSET << 8)));
    *o = o.wrapping_add(((column >> 8) & EVEN).wrapping_sub(OFFSET));
}

/// Applies one list.
///
/// # Safety
///
/// As for [`apply`].
#[inline(always)]
unsafe fn walk(
    sums: &mut [[u32; 2]; 4],
    panel: *const u32,
    list: &[u32],
    add: impl Fn(u32, u32) -> u32,
) {
    for &entry in list {
        let column = panel.wrapping_byte_add(entry as usize);
        for (j, [a, o]) in sums.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            let w = unsafe { column.add(j).read() };
            *a = add(*a, w);
            *o = add(*o, (w >> 4) & NIBBLES);
        }
    }
}

/// What the words that [`dot`] takes out are multiplied with.
pub const fn factors([x0, x1, x2, x3]: [u32; 4]) -> [u32; 4] {
    let y1 = x1.wrapping_sub(x0 << 4);
    let y2 = x2.wrapping_sub(x0 << 8);
    // 2^12 Y0 + 2^8 Y1 + 2^4 Y2 = 2^8 X1 + 2^4 X2 - 2^12 X0
    let rest = (x1 << 8).wrapping_add(x2 << 4).wrapping_sub(x0 << 12);
    [x0, y1, y2, x3.wrapping_sub(rest)]
}

/// Rows that share the digits.
const TOGETHER: usize = 4;

/// See [`crate::kernels::Kernels::dots`].
pub fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    let shape = Shape {
        stored: plane.columns / 8,
        chunk: (plane.chunk / 8).max(1),
    };
    let starts = if shape.chunk >= shape.stored {
        1
    } else {
        shape.stored.div_ceil(shape.chunk)
    };
    let whole = shape.stored > 0 && plane.words.len() >= 4 * shape.stored + starts;
    let inside = |&row: &u16| whole && (usize::from(row) + 1) * shape.stored <= rows.len();
    let row = |index: u16| {
        rows.as_ptr()
            .wrapping_add(usize::from(index) * shape.stored)
    };
    let words = plane.words.as_ptr();
    let one = |index| {
        // SAFETY: only asked for rows that lie in the matrix, and only where
        // the plane is whole.
        let [sum] = unsafe { dot([row(index)], words, shape) };
        sum
    };
    let (groups, rest) = list.as_chunks::<TOGETHER>();
    let (sums, rest_of_sums) = sums
        .split_at_mut_checked(TOGETHER * groups.len())
        .unwrap_or_default();
    for (group, sums) in groups.iter().zip(sums.as_chunks_mut::<TOGETHER>().0) {
        if group.iter().all(inside) {
            // SAFETY: the rows lie in the matrix, and the plane is whole.
            *sums = unsafe { dot(group.map(row), words, shape) };
        } else {
            one_by_one(group, sums, inside, one);
        }
    }
    one_by_one(rest, rest_of_sums, inside, one);
}

/// Sums of single rows; those that do not exist are 0.
#[inline(always)]
fn one_by_one(
    list: &[u16],
    sums: &mut [i32],
    inside: impl Fn(&u16) -> bool,
    dot: impl Fn(u16) -> i32,
) {
    for (row, sum) in list.iter().zip(sums) {
        *sum = if inside(row) { dot(*row) } else { 0 };
    }
}

/// Words of a row and of a chunk of it.
#[derive(Clone, Copy)]
struct Shape {
    stored: usize,
    chunk: usize,
}

/// Dot products of some rows.
///
/// # Safety
///
/// Every row has `shape.stored` words, and the plane is that of as many.
#[inline(always)]
unsafe fn dot<const N: usize>(
    mut rows: [*const u32; N],
    mut plane: *const u32,
    shape: Shape,
) -> [i32; N] {
    let mut sums = [0i32; N];
    let mut left = shape.stored;
    while left > 0 {
        let words = left.min(shape.chunk);
        left -= words;
        // SAFETY: each chunk of the plane has a first word and four for every
        // word of a row; the chunks add up to the rows.
        unsafe {
            let mut lanes = [plane.read(); N];
            plane = plane.add(1);
            let end = plane.add(4 * words);
            while plane != end {
                let [y0, y1, y2, y3] = plane.cast::<[u32; 4]>().read();
                for (lane, row) in lanes.iter_mut().zip(&mut rows) {
                    let w = row.read();
                    *row = row.add(1);
                    let p = (w >> 4) & NIBBLES;
                    let (q, r) = ((w >> 8) & EVEN, (p >> 8) & EVEN);
                    let first = w.wrapping_mul(y0).wrapping_add(p.wrapping_mul(y1));
                    let second = q.wrapping_mul(y2).wrapping_add(r.wrapping_mul(y3));
                    *lane = lane.wrapping_add(first).wrapping_add(second);
                }
                plane = plane.add(4);
            }
            for (sum, t) in sums.iter_mut().zip(lanes) {
                let low = i32::from(t as i16);
                *sum += (t as i32).wrapping_sub(low) >> 16;
            }
        }
    }
    sums
}
