//! 4-bit weights of [`super::Swar`]: eight share a 32-bit register.
//!
//! A weight is stored as `n = w + 8`. A word W of eight gives two words of
//! bytes, `L = W & 0x0f0f0f0f` and `H = (W >> 4) & 0x0f0f0f0f`, each of which
//! is what a word of 8-bit weights is to the kernels for those, but for an
//! offset of 8 instead of 128.
//!
//! # Prediction pass
//!
//! Columns are summed in bytes before they are added to the accumulators:
//!
//! ```text
//! A = sum of W,   h = sum of H;      sum of L = A - 2^4 h   (mod 2^32)
//! ```
//!
//! Bytes of both sums hold for [`COLUMNS`] columns, as 17 * 15 = 255. An entry
//! is then four operations and a load for eight rows: per row and entry 0.79
//! cycles on a two-stage RV32, less than half of what 8-bit weights take, 1.2 on
//! Cortex-M0+, and a widening of four words for every 17 entries.
//!
//! # Update pass
//!
//! L and H meet the plane's words of the 8-bit kernels. For eight columns of
//! a row that is one load and 15 operations where 8-bit weights take two loads
//! and 12.
#![allow(unsafe_code)]

use super::isa;
use crate::kernels::{Changes, Plane};
use crate::layout::Target;

/// What a weight is stored with, in every lane of a plane.
pub const OFFSET: u32 = 0x0008_0008;
/// Columns whose sums fit a byte.
const COLUMNS: usize = 17;
/// The lower halves of the bytes of a word.
#[cfg(not(pg_isa = "thumb1"))]
const LOW: u32 = 0x0f0f_0f0f;
/// What an entry stands for: bytes of a column of 8-bit weights in a panel.
const HEIGHT: usize = Target::Swar.panel();
/// Words of a column in a panel.
const WORDS: usize = HEIGHT / 8;
/// Words of the accumulators of a panel.
const ACCUMULATORS: usize = HEIGHT / 2;
/// Rows that share the digits.
const TOGETHER: usize = 4;

/// See [`crate::kernels::Kernels::predict`].
pub fn predict(accumulators: &mut [u32], panels: &[u32], columns: usize, changes: &Changes<'_>) {
    let lists = [changes.plus, changes.minus].map(Changes::entries);
    let stride = columns * WORDS;
    let inside = |&e: &u32| (e as usize) < columns * HEIGHT && e.is_multiple_of(HEIGHT as u32);
    let (groups, _) = accumulators.as_chunks_mut::<ACCUMULATORS>();
    if panels.len() < groups.len() * stride || !lists.iter().all(|list| list.iter().all(inside)) {
        return;
    }
    let net = (lists[0].len() as u32).wrapping_sub(lists[1].len() as u32);
    let offsets = isa::sums_of(
        net.wrapping_mul(OFFSET | (OFFSET << 8)),
        net.wrapping_mul(OFFSET),
    );
    let mut panel = panels.as_ptr();
    for accumulators in groups {
        let (pairs, _) = accumulators.as_chunks_mut::<2>();
        for [a, b] in pairs.iter_mut() {
            *a = a.wrapping_sub(offsets[0]);
            *b = b.wrapping_sub(offsets[1]);
        }
        for (minus, list) in [false, true].into_iter().zip(lists) {
            for list in list.chunks(COLUMNS) {
                // SAFETY: there are panels for all accumulators, and every
                // entry was found to be the offset of a column.
                let words = unsafe { sum(panel, list) };
                for ([a, b], word) in pairs.iter_mut().zip(words) {
                    let sums = isa::sums(word);
                    if minus {
                        *a = a.wrapping_sub(sums[0]);
                        *b = b.wrapping_sub(sums[1]);
                    } else {
                        *a = a.wrapping_add(sums[0]);
                        *b = b.wrapping_add(sums[1]);
                    }
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
    // SAFETY: the caller's promise.
    let [a, h] = unsafe { columns(panel, list) };
    let low = |j: usize| a[j].wrapping_sub(h[j] << 4);
    [low(0), h[0], low(1), h[1]]
}

/// Sums of the words of columns, and of the upper halves of their bytes.
///
/// # Safety
///
/// As for [`sum`].
#[cfg(not(pg_isa = "thumb1"))]
#[inline(always)]
unsafe fn columns(panel: *const u32, list: &[u32]) -> [[u32; WORDS]; 2] {
    let [mut a, mut h] = [[0u32; WORDS]; 2];
    for &entry in list {
        let column = panel.wrapping_byte_add(entry as usize / 2);
        for j in 0..WORDS {
            // SAFETY: the caller's promise.
            let w = unsafe { column.add(j).read() };
            a[j] = a[j].wrapping_add(w);
            h[j] = h[j].wrapping_add((w >> 4) & LOW);
        }
    }
    [a, h]
}

/// The same in assembly.
///
/// # Safety
///
/// As for [`sum`].
#[cfg(pg_isa = "thumb1")]
#[inline(always)]
unsafe fn columns(panel: *const u32, list: &[u32]) -> [[u32; WORDS]; 2] {
    let mut sums = [[0; WORDS]; 2];
    let ends = list.as_ptr_range();
    // SAFETY: the caller's promise.
    unsafe { isa::add_columns(panel, ends.start, ends.end, &mut sums) };
    sums
}

/// See [`crate::kernels::Kernels::dots`].
pub fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    let stored = plane.columns / 8;
    // A chunk of a plane has an even number of words for four digits.
    let chunk = (plane.chunk / 8).max(1);
    let starts = if chunk >= stored {
        1
    } else {
        stored.div_ceil(chunk)
    };
    let whole = stored > 0 && plane.words.len() >= 4 * stored + starts;
    let inside = |&row: &u16| whole && (usize::from(row) + 1) * stored <= rows.len();
    let row = |&index: &u16| rows.as_ptr().wrapping_add(usize::from(index) * stored);
    let words = plane.words.as_ptr();
    let (groups, rest) = list.as_chunks::<TOGETHER>();
    let (group_sums, _) = sums.as_chunks_mut::<TOGETHER>();
    for (group, sums) in groups.iter().zip(group_sums) {
        if group.iter().all(inside) {
            // SAFETY: the rows lie in `rows`, and the plane is whole.
            *sums = unsafe { dot(group.each_ref().map(row), words, stored, chunk) };
        } else {
            for (index, sum) in group.iter().zip(sums) {
                *sum = 0;
                if inside(index) {
                    // SAFETY: as above.
                    [*sum] = unsafe { dot([row(index)], words, stored, chunk) };
                }
            }
        }
    }
    for (index, sum) in rest
        .iter()
        .zip(sums.iter_mut().skip(TOGETHER * groups.len()))
    {
        *sum = 0;
        if inside(index) {
            // SAFETY: as above.
            [*sum] = unsafe { dot([row(index)], words, stored, chunk) };
        }
    }
}

/// Dot products of N rows of `stored` words.
///
/// # Safety
///
/// Every row has that many words, and the plane is that of as many, with a
/// start for every `chunk` of them.
#[inline(always)]
unsafe fn dot<const N: usize>(
    mut rows: [*const u32; N],
    mut plane: *const u32,
    stored: usize,
    chunk: usize,
) -> [i32; N] {
    let mut sums = [0i32; N];
    let mut left = stored;
    while left > 0 {
        let words = left.min(chunk);
        left -= words;
        // SAFETY: each chunk of the plane has a first word and four for every
        // word of a row; the chunks add up to the rows.
        unsafe {
            let mut t = [plane.read(); N];
            plane = plane.add(1);
            let end = plane.add(4 * words);
            add(rows, plane, end, &mut t);
            plane = end;
            rows = rows.map(|row| row.add(words));
            for (sum, t) in sums.iter_mut().zip(t) {
                let low = i32::from(t as i16);
                *sum += (t as i32).wrapping_sub(low) >> 16;
            }
        }
    }
    sums
}

/// Adds the products of rows with a plane, up to its end, to their sums.
///
/// # Safety
///
/// From `plane` to `end` there are four words for every word of a row, of which
/// there is one or more.
#[cfg(not(pg_isa = "thumb1"))]
#[inline(always)]
unsafe fn add<const N: usize>(
    mut rows: [*const u32; N],
    mut plane: *const u32,
    end: *const u32,
    t: &mut [u32; N],
) {
    while plane != end {
        // SAFETY: the caller's promise.
        unsafe {
            let x: [u32; 4] = plane.cast::<[u32; 4]>().read();
            for (t, row) in t.iter_mut().zip(&mut rows) {
                let w = row.read();
                *row = row.add(1);
                let low = isa::product(w & LOW, x[0], x[1]);
                let high = isa::product((w >> 4) & LOW, x[2], x[3]);
                *t = t.wrapping_add(low).wrapping_add(high);
            }
            plane = plane.add(4);
        }
    }
}

/// The same in assembly, row by row.
///
/// # Safety
///
/// As above.
#[cfg(pg_isa = "thumb1")]
#[inline(always)]
unsafe fn add<const N: usize>(
    rows: [*const u32; N],
    plane: *const u32,
    end: *const u32,
    t: &mut [u32; N],
) {
    for (t, row) in t.iter_mut().zip(rows) {
        // SAFETY: the caller's promise.
        *t = unsafe { isa::sum(row, plane, end, *t) };
    }
}
