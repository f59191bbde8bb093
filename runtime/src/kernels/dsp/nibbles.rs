//! 4-bit weights of [`super::Dsp`], stored as `n = w + 8`.
//!
//! # Prediction pass
//!
//! As in [`crate::kernels::swar`], columns are summed in bytes, eight rows a
//! word, and a sum of up to [`COLUMNS`] columns is added to the accumulators
//! as one column of bytes: `uxtab16` twice for four rows. A column of 16 rows
//! is two loads, two masks with a shift, and four additions: 14 cycles a column
//! with all that belongs to it, and some 100 a panel for widening and calls.
//!
//! # Update pass
//!
//! A mask of 0x000f000f, after a shift that costs nothing, leaves two weights
//! in two lanes, and the plane has the digits for them: `(x0, x2)` and
//! `(x1, x3)` for every four, behind a first word of `-8 * sum x`. Eight
//! columns of a row are a load, four masks and four dual multiplications, 9
//! cycles where 8-bit weights take 8, and with the digits, which two rows share
//! here and four there, 13 where they take 10.5. Sums are not scaled: `2^14
//! columns * 15 * 128 < 2^25`.
#![allow(unsafe_code)]

use super::inner;
use crate::kernels::{BLOCK, Changes, Plane, add_sums};
use crate::layout::Target;

/// Columns whose sums fit a byte.
const COLUMNS: usize = 17;
/// What an entry stands for: bytes of a column of 8-bit weights in a panel.
const HEIGHT: usize = Target::Dsp.panel();
/// Words of a column in a panel.
const WORDS: usize = HEIGHT / 8;
/// Words of the accumulators of a panel.
const ACCUMULATORS: usize = HEIGHT / 2;
/// What a weight is stored with.
const OFFSET: i16 = 8;

/// See [`crate::kernels::Kernels::plane`].
pub fn plane(digits: &[u32], words: &mut [u32]) {
    let Some((start, words)) = words.split_first_mut() else {
        return;
    };
    let (pairs, _) = words.as_chunks_mut();
    let mut sum = 0i32;
    for ([even, odd], &four) in pairs.iter_mut().zip(digits) {
        let x = four.to_le_bytes().map(|b| i32::from(b as i8));
        sum += x[0] + x[1] + x[2] + x[3];
        let lanes = |low: i32, high: i32| u32::from(low as u16) | (u32::from(high as u16) << 16);
        (*even, *odd) = (lanes(x[0], x[2]), lanes(x[1], x[3]));
    }
    *start = (-i32::from(OFFSET) * sum) as u32;
}

/// See [`crate::kernels::Kernels::predict`].
pub fn predict(accumulators: &mut [u32], panels: &[u32], columns: usize, changes: &Changes<'_>) {
    let lists = [changes.plus, changes.minus].map(Changes::entries);
    let stride = columns * WORDS;
    let inside = |&e: &u32| (e as usize) < columns * HEIGHT && e.is_multiple_of(HEIGHT as u32);
    let (groups, _) = accumulators.as_chunks_mut::<ACCUMULATORS>();
    if panels.len() < groups.len() * stride || !lists.iter().all(|list| list.iter().all(inside)) {
        return;
    }
    let net = (lists[0].len() as i16).wrapping_sub(lists[1].len() as i16);
    let offset = net.wrapping_mul(OFFSET) as u16;
    let offset = u32::from(offset) | (u32::from(offset) << 16);
    let mut panel = panels.as_ptr();
    for accumulators in groups {
        for acc in accumulators.iter_mut() {
            *acc = inner::subtract_lanes(*acc, offset);
        }
        for (minus, list) in [false, true].into_iter().zip(lists) {
            for list in list.chunks(COLUMNS) {
                // SAFETY: there are panels for all accumulators, and every
                // entry was found to be the offset of a column.
                let words = unsafe { sum(panel, list) };
                let (pairs, _) = accumulators.as_chunks_mut();
                for (pair, word) in pairs.iter_mut().zip(words) {
                    *pair = if minus {
                        inner::subtract_bytes(*pair, word)
                    } else {
                        inner::add_bytes(*pair, word)
                    };
                }
            }
        }
        panel = panel.wrapping_add(stride);
    }
}

/// Sums of up to [`COLUMNS`] columns of a panel, one byte a row.
///
/// # Safety
///
/// There is an entry or more, and each is that of a column of the panel.
#[inline(always)]
unsafe fn sum(panel: *const u32, list: &[u32]) -> [u32; 2 * WORDS] {
    let mut sums = [[0u32; WORDS]; 2];
    let ends = list.as_ptr_range();
    // SAFETY: the caller's promise; a list is cut into parts that are not empty.
    unsafe { inner::add_columns(panel, ends.start, ends.end, &mut sums) };
    let [a, h] = sums;
    let low = |j: usize| a[j].wrapping_sub(h[j] << 4);
    [low(0), h[0], low(1), h[1]]
}

/// See [`crate::kernels::Kernels::dots`].
pub fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    let stored = plane.columns / 8;
    let Some((&start, words)) = plane.words.split_first() else {
        return;
    };
    let whole = stored > 0 && words.len() >= 4 * stored;
    let inside = |&row: &u16| whole && (usize::from(row) + 1) * stored <= rows.len();
    let row = |index: u16| rows.as_ptr().wrapping_add(usize::from(index) * stored);
    for (list, sums) in list.chunks(2).zip(sums.chunks_mut(2)) {
        // A row that is not there or not wanted is computed as its neighbour.
        let there = [list.first(), list.last()].map(|row| row.copied().filter(inside));
        let Some(any) = there[0].or(there[1]) else {
            sums.fill(0);
            continue;
        };
        let mut two = [start as i32; 2];
        let both = there.map(|index| row(index.unwrap_or(any)));
        // SAFETY: both rows lie in `rows`, and the plane is whole.
        unsafe { inner::multiply(&both, words.as_ptr(), stored, &mut two) };
        for ((sum, two), there) in sums.iter_mut().zip(two).zip(there) {
            *sum = if there.is_some() { two } else { 0 };
        }
    }
}

/// See [`crate::kernels::Kernels::update`].
pub fn update(rows: &[u32], plane: &Plane<'_>, list: &[u16], shift: u8, values: &mut [i16]) {
    let mut sums = [0; BLOCK];
    for list in list.chunks(BLOCK) {
        dots(rows, plane, list, &mut sums);
        add_sums(list, &sums, shift, values);
    }
}
