//! Weights of four bits for [`super::Dsp`]: eight of them share a word.
//!
//! # Prediction pass
//!
//! As on [`crate::kernels::swar`]: a batch of columns is summed in byte lanes,
//! from `A += w` and `O += (w >> 4) & 0x0f0f0f0f`, and the sums of its 32 rows,
//! signed bytes, are added to the predictions by `sxtab16`.
//!
//! # Update pass
//!
//! A lane of 16 bits is `W = u0 + 2^4 u1 + 2^8 u2 + 2^12 u3`, signed, with `u = w +
//! 8` but `u3 = w3`. One dual multiplication takes it as it is, three others
//! its upper byte and the lower halves of its bytes:
//!
//! ```text
//! B = W >> 8 = u2 + 2^4 u3
//! W x1 + u0 (16 x0 - x1) + B (x3 - 256 x1) + u2 (16 x2 - x3)
//!     = 16 (u0 x0 + u1 x1 + u2 x2 + u3 x3)
//! ```
//!
//! so that the sum is 16 times the dot product, and begins at `-16 * 8 * sum x` of
//! the digits but every fourth, the first word of a plane. It ends below `16 *
//! 2^14 * 7 * 127 < 2^28` in magnitude: a chunk is a whole row. Seven
//! operations serve eight weights, where eight bits take six.
//!
//! # What the loops take
//!
//! In the cycles of [`super`]:
//!
//! | loop | work | least | reached |
//! |---|---|---|---|
//! | prediction pass | a column of 32 rows: 4 loads, 12 additions and masks | 17 | 22, and about 130 a panel and batch |
//! | update pass | 8 columns of 3 rows: 7 loads, 21 in arithmetic | 29 | 33, and 60 for three rows |
//!
//! With eight bits the same rows and columns take 30 and 31.5.

#[cfg(pg_isa = "dsp")]
#[path = "asm/mod.rs"]
mod inner;
#[cfg(not(pg_isa = "dsp"))]
#[path = "plain.rs"]
mod inner;

use super::dots::{Rows, filled};
use crate::kernels::batch::Batch;
use crate::kernels::{Changes, Plane, add_sums};
use crate::layout::Target;

/// Bytes of a column in a panel.
const HEIGHT: usize = Target::Dsp.panel();
/// Words of a column in a panel, of eight rows each.
const WORDS: usize = HEIGHT / 4;
/// Words of the accumulators of a panel.
const ACCUMULATORS: usize = HEIGHT;
/// Rows that share the digits.
const TOGETHER: usize = 3;

/// See [`crate::kernels::Kernels::plane`].
pub fn plane(digits: &[u32], words: &mut [u32]) {
    if let Some((start, words)) = words.split_first_mut() {
        let sum = inner::plane(digits.as_chunks().0, words.as_chunks_mut().0);
        *start = (sum << 7).wrapping_neg();
    }
}

/// See [`crate::kernels::Kernels::predict`].
pub fn predict(accumulators: &mut [u32], panels: &[u32], columns: usize, changes: &Changes<'_>) {
    let Some(mut lists) = changes.checked(columns, HEIGHT) else {
        return;
    };
    let stride = columns * WORDS;
    let (groups, _) = accumulators.as_chunks_mut::<ACCUMULATORS>();
    if groups.is_empty() || panels.len() < groups.len() * stride {
        return;
    }
    while let Some(batch) = Batch::take(&mut lists) {
        // SAFETY: there are as many panels as accumulators, one or more, and
        // every entry was found to be the offset of a column.
        #[allow(unsafe_code)]
        unsafe {
            inner::apply(groups, panels, stride, batch);
        }
    }
}

/// See [`crate::kernels::Kernels::dots`].
pub fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    let (groups, rest) = list.as_chunks();
    let (sums, sums_of_rest) = sums
        .split_at_mut_checked(TOGETHER * groups.len())
        .unwrap_or_default();
    let (sums, _) = sums.as_chunks_mut();
    let Some((rows, plane)) = operands(rows, plane) else {
        return;
    };
    let mut done = 0;
    while let (Some(groups @ [_, ..]), Some(sums)) = (groups.get(done..), sums.get_mut(done..)) {
        let first = inner::sums(&rows, plane, groups, sums);
        // Where that stopped, a number is no row's.
        if let (Some(&group), Some(sums)) = (groups.get(first), sums.get_mut(first)) {
            *sums = some(&rows, plane, group);
        }
        done += first + 1;
    }
    if !rest.is_empty() {
        let last = some(&rows, plane, filled(rest));
        for (out, sum) in sums_of_rest.iter_mut().zip(last) {
            *out = sum;
        }
    }
}

/// See [`crate::kernels::Kernels::update`].
pub fn update(rows: &[u32], plane: &Plane<'_>, list: &[u16], shift: u8, values: &mut [i16]) {
    let Some((rows, plane)) = operands(rows, plane) else {
        return;
    };
    let (mut groups, rest) = list.as_chunks();
    let one = |group: [u16; TOGETHER], used: usize, values: &mut [i16]| {
        let sums = some(&rows, plane, group);
        add_sums(group.get(..used).unwrap_or(&[]), &sums, shift, values);
    };
    while !groups.is_empty() {
        let done = inner::update(&rows, plane, groups, shift, values);
        groups = groups.get(done..).unwrap_or(&[]);
        if let Some((&group, later)) = groups.split_first() {
            one(group, TOGETHER, values);
            groups = later;
        }
    }
    let group = filled(rest);
    if !rest.is_empty() && inner::update(&rows, plane, &[group], shift, values) == 0 {
        one(group, rest.len(), values);
    }
}

/// The matrix and the words of the plane, if both are whole.
fn operands<'w>(rows: &'w [u32], plane: &Plane<'w>) -> Option<(Rows<'w>, &'w [u32])> {
    let stride = plane.columns / 8;
    let rows = Rows {
        words: rows,
        stride,
        count: rows.len().checked_div(stride)?,
    };
    Some((rows, plane.words.get(..4 * stride + 1)?))
}

/// Some rows, any of which may be missing.
#[inline(never)]
fn some(rows: &Rows<'_>, plane: &[u32], group: [u16; TOGETHER]) -> [i32; TOGETHER] {
    let is_row = group.map(|row| usize::from(row) < rows.count);
    let group = core::array::from_fn(|k| if is_row[k] { group[k] } else { 0 });
    let mut sums = [[0; TOGETHER]];
    inner::sums(rows, plane, &[group], &mut sums);
    let [sums] = sums;
    core::array::from_fn(|k| if is_row[k] { sums[k] } else { 0 })
}
