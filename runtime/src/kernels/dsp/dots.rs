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
use crate::kernels::{Plane, add_sums};

/// Rows of a matrix, from some column on.
pub struct Rows<'r> {
    /// The words from that column of the first row on.
    pub words: &'r [u32],
    /// Words from row to row.
    pub stride: usize,
    /// How many rows there are.
    pub count: usize,
}

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
    let (groups, rest) = list.as_chunks();
    let (sums, sums_of_rest) = sums
        .split_at_mut_checked(4 * groups.len())
        .unwrap_or_default();
    let (sums, _) = sums.as_chunks_mut();
    let mut done = 0;
    while let (Some(groups @ [_, ..]), Some(sums)) = (groups.get(done..), sums.get_mut(done..)) {
        let first = match whole(rows, plane) {
            Some((rows, words)) => inner::sums(&rows, words, groups, sums),
            None => 0,
        };
        // Where that stopped, the sums are in parts or a number is no row's.
        if let (Some(&group), Some(sums)) = (groups.get(first), sums.get_mut(first)) {
            *sums = four(rows, plane, group);
        }
        done += first + 1;
    }
    if rest.is_empty() {
        return;
    }
    let group = filled(rest);
    let mut last = [[0; 4]];
    let done = whole(rows, plane).map_or(0, |(rows, words)| {
        inner::sums(&rows, words, &[group], &mut last)
    });
    if done == 0 {
        last = [four(rows, plane, group)];
    }
    for (out, sum) in sums_of_rest.iter_mut().zip(last.as_flattened()) {
        *out = *sum;
    }
}

/// See [`crate::kernels::Kernels::update`].
pub fn update(rows: &[u32], plane: &Plane<'_>, list: &[u16], shift: u8, values: &mut [i16]) {
    let (mut groups, rest) = list.as_chunks();
    let some = |groups: &[[u16; 4]], values: &mut [i16]| match whole(rows, plane) {
        Some((rows, words)) => inner::update(&rows, words, groups, shift, values),
        None => 0,
    };
    let one = |group: [u16; 4], used: usize, values: &mut [i16]| {
        let sums = four(rows, plane, group);
        add_sums(group.get(..used).unwrap_or(&[]), &sums, shift, values);
    };
    while !groups.is_empty() {
        let (_, later) = groups
            .split_at_checked(some(groups, values))
            .unwrap_or_default();
        groups = later;
        if let Some((&group, later)) = later.split_first() {
            one(group, 4, values);
            groups = later;
        }
    }
    let group = filled(rest);
    if !rest.is_empty() && some(&[group], values) == 0 {
        one(group, rest.len(), values);
    }
}

/// Fewer rows than are taken together, filled up with the first of them.
pub fn filled<const N: usize>(rest: &[u16]) -> [u16; N] {
    let first = rest.first().copied().unwrap_or(0);
    core::array::from_fn(|k| rest.get(k).copied().unwrap_or(first))
}

/// The matrix and the plane, if no sum has to be formed in parts.
fn whole<'w>(rows: &'w [u32], plane: &Plane<'w>) -> Option<(Rows<'w>, &'w [u32])> {
    let stride = plane.columns / 4;
    let rows = Rows {
        words: rows,
        stride,
        count: rows.len().checked_div(stride)?,
    };
    let words = plane.words.get(..2 * stride)?;
    (plane.chunk >= plane.columns).then_some((rows, words))
}

/// Four rows, any of which may be missing, in as many parts as it takes.
#[inline(never)]
fn four(rows: &[u32], plane: &Plane<'_>, group: [u16; 4]) -> [i32; 4] {
    let stride = plane.columns / 4;
    let count = rows.len().checked_div(stride).unwrap_or(0);
    let is_row = group.map(|row| usize::from(row) < count);
    let group = core::array::from_fn(|k| if is_row[k] { group[k] } else { 0 });
    let mut totals = [0; 4];
    let mut start = 0;
    let words = plane.words.get(..2 * stride).unwrap_or(&[]);
    for part in words.chunks((plane.chunk / 2).max(4)) {
        let rows = Rows {
            words: rows.get(start..).unwrap_or(&[]),
            stride,
            count,
        };
        let mut sums = [[0; 4]];
        inner::sums(&rows, part, &[group], &mut sums);
        for (total, sum) in totals.iter_mut().zip(sums.as_flattened()) {
            *total += sum;
        }
        start += part.len() / 2;
    }
    core::array::from_fn(|k| if is_row[k] { totals[k] } else { 0 })
}
