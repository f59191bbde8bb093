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
    let chunk = (plane.chunk / 4 & !1).max(2);
    let whole = plane.words.get(..2 * stored).unwrap_or(&[]);
    let count = rows.len().checked_div(stored).unwrap_or(0);
    for (list, sums) in list.chunks(4).zip(sums.chunks_mut(4)) {
        // What is missing to four repeats the first row.
        let number = |k: usize| usize::from(list.get(k).or(list.first()).copied().unwrap_or(0));
        let numbers = [number(0), number(1), number(2), number(3)];
        let mut totals = [0; 4];
        let mut start = 0;
        for part in whole.chunks(2 * chunk) {
            let length = part.len() / 2;
            let words = numbers.map(|row| {
                // A row beyond the matrix: any row, its sum is cleared below.
                let first = if row < count { row * stored } else { 0 } + start;
                rows.get(first..first + length).unwrap_or(&[])
            });
            if words.iter().all(|w| w.len() == length) {
                for (total, sum) in totals.iter_mut().zip(inner::four(words, part)) {
                    *total += sum;
                }
            }
            start += length;
        }
        for ((sum, total), row) in sums.iter_mut().zip(totals).zip(numbers) {
            *sum = if row < count { total } else { 0 };
        }
    }
}
