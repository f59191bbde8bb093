//! Dot products of [`super::Dsp`]: four rows at a time.
//!
//! Two weights of a row are a halfword `h = w0 + 256 w1`, two of them a word.
//! The plane has, for every four digits, the pairs `(x1, x3)` and
//! `(256 x0 - x1, 256 x2 - x3)`. One dual multiplication takes the word as it
//! is, one its bytes 0 and 2:
//!
//! ```text
//! h x1 + w0 (256 x0 - x1) = 256 (w0 x0 + w1 x1)
//! ```
//!
//! so that the sum is 256 times the dot product. It fits a register while the
//! dot product stays below 2^23 in magnitude ([`chunk`]); on the way it may
//! wrap.
#![allow(unsafe_code)]

use super::inner;
use crate::kernels::Plane;

/// See [`crate::kernels::Kernels::chunk`].
pub fn chunk(largest: u32, row_sum: u32, columns: usize) -> usize {
    /// Largest magnitude of a sum.
    const LIMIT: u32 = (1 << 23) - 1;
    if largest.saturating_mul(row_sum) <= LIMIT {
        columns
    } else {
        // 512 columns of 127 * 128 stay below.
        let safe = LIMIT / (127 * largest.clamp(1, 128));
        (safe as usize & !7).min(columns)
    }
}

/// See [`crate::kernels::Kernels::dots`].
pub fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    let stored = plane.columns / 4;
    let count = list.len().min(sums.len());
    let (list, sums) = (list.split_at(count).0, sums.split_at_mut(count).0);
    let whole = stored > 0 && stored.is_multiple_of(2) && plane.words.len() >= 2 * stored;
    let inside = |row: u16| whole && (usize::from(row) + 1) * stored <= rows.len();
    let largest = list.iter().copied().max().unwrap_or(0);
    if plane.chunk < plane.columns || !inside(largest) {
        for (&row, sum) in list.iter().zip(sums) {
            *sum = if inside(row) {
                in_chunks(rows, plane, row)
            } else {
                0
            };
        }
        return;
    }
    let (groups, rest) = list.as_chunks();
    let (group_sums, rest_sums) = sums.as_chunks_mut();
    // SAFETY: the largest row, and so every row, lies in `rows`, and the plane
    // is whole.
    unsafe { inner::groups(rows, stored, plane.words, groups, group_sums) };
    if let Some(first) = rest.first() {
        // What is missing to four repeats the first row.
        let four = [0, 1, 2, 3].map(|k| *rest.get(k).unwrap_or(first));
        let mut totals = [[0; 4]];
        // SAFETY: as above.
        unsafe { inner::groups(rows, stored, plane.words, &[four], &mut totals) };
        for (sum, total) in rest_sums.iter_mut().zip(totals.as_flattened()) {
            *sum = *total;
        }
    }
}

/// One row whose sum does not fit a register, folded after every chunk. The
/// row has an even number of words, as a chunk has.
fn in_chunks(rows: &[u32], plane: &Plane<'_>, row: u16) -> i32 {
    let stored = plane.columns / 4;
    let chunk = (plane.chunk / 4 & !1).max(2);
    let start = usize::from(row) * stored;
    let words = rows.get(start..start + stored).unwrap_or(&[]);
    let mut total = 0;
    for (words, plane) in words.chunks(chunk).zip(plane.words.chunks(2 * chunk)) {
        if plane.len() >= 2 * words.len() {
            let mut sums = [[0; 4]];
            // SAFETY: row 0 of `words` is all of it, and the plane is as long.
            unsafe { inner::groups(words, words.len(), plane, &[[0; 4]], &mut sums) };
            total += sums[0][0];
        }
    }
    total
}
