//! The walks in plain Rust.

use super::{EVEN, HEIGHT, Layout, WORDS, decode};
use crate::kernels::conv::Patch;

impl Layout {
    /// The word of a row, and the byte of it.
    #[inline(always)]
    const fn byte(self, row: usize) -> usize {
        if self.crossed {
            (row & !3) | ((row & 1) << 1) | ((row >> 1) & 1)
        } else {
            row
        }
    }
}

/// Adds the columns of the patch to the sums of words and of their odd bytes,
/// plane after plane by Horner's rule; returns the sum of the digits.
///
/// # Safety
///
/// The panel has the columns of the patch, which is of planes.
#[inline(always)]
pub unsafe fn walk(
    layout: Layout,
    sums: &mut [[u32; 2]; WORDS],
    panel: &[u32],
    patch: &Patch<'_>,
) -> u32 {
    let mut lanes = *sums;
    let mut digits = 0;
    for plane in patch.split() {
        lanes.as_flattened_mut().iter_mut().for_each(|a| *a <<= 1);
        digits *= 2;
        for run in plane.runs() {
            digits += run.entries.len() as u32;
            // A window left of the map's middle has its columns before those of
            // the row: bases below zero.
            let base = panel
                .as_ptr()
                .wrapping_byte_offset(run.base as i32 as isize);
            for &entry in run.entries {
                let column = base.wrapping_byte_add(entry as usize);
                for (j, [a, o]) in lanes.iter_mut().enumerate() {
                    // SAFETY: the caller's promise, and what holds for every patch.
                    let u = unsafe { column.add(j).read() } ^ layout.flip;
                    *a = a.wrapping_add(u);
                    *o = o.wrapping_add((u >> 8) & EVEN);
                }
            }
        }
    }
    *sums = lanes;
    digits
}

/// Adds the sums of listed rows.
///
/// # Safety
///
/// The panel has the columns of the patch, which is weighted; rows are below the
/// height of a column.
pub unsafe fn rows(
    layout: Layout,
    panel: &[u32],
    patch: &Patch<'_>,
    rows: &[u8],
    sums: &mut [i32; HEIGHT],
) {
    let first = panel.as_ptr().cast::<u8>();
    let byte = |&row: &u8| first.wrapping_add(layout.byte(row.into()));
    let mut add = |row: u8, total: i32| sums[usize::from(row) % HEIGHT] += total;
    let (pairs, rest) = rows.as_chunks::<2>();
    for pair in pairs {
        // SAFETY: the caller's promise.
        let totals = unsafe { gather(layout, patch, pair.each_ref().map(byte)) };
        add(pair[0], totals[0]);
        add(pair[1], totals[1]);
    }
    for row in rest {
        // SAFETY: as above.
        let [total] = unsafe { gather(layout, patch, [byte(row)]) };
        add(*row, total);
    }
}

/// Sums of the rows that start at these bytes of a panel.
///
/// # Safety
///
/// The bytes are those of rows in the first column of a panel that has as many
/// columns as the patch, which is weighted.
#[inline(always)]
unsafe fn gather<const N: usize>(
    layout: Layout,
    patch: &Patch<'_>,
    rows: [*const u8; N],
) -> [i32; N] {
    let mut totals = [0i32; N];
    let mut digits = 0i32;
    for run in patch.runs() {
        let bases = rows.map(|row| row.wrapping_offset(run.base as i32 as isize));
        for &entry in run.entries {
            let (digit, offset) = decode(entry);
            let digit = digit as i32;
            digits = digits.wrapping_add(digit);
            for (total, base) in totals.iter_mut().zip(bases) {
                // SAFETY: the caller's promise, and what holds for every patch.
                let byte = unsafe { base.wrapping_add(offset).read() };
                let u = i32::from(byte ^ layout.flip as u8);
                *total = total.wrapping_add(u.wrapping_mul(digit));
            }
        }
    }
    totals.map(|total| total.wrapping_sub(digits.wrapping_mul(128)))
}
