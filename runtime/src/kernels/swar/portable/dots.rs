//! Dot products of [`crate::kernels::swar::Swar`]: two weights a multiplication.
#![allow(unsafe_code)]

use crate::kernels::Plane;
use crate::kernels::swar::{EVEN, OFFSET};

#[cfg(pg_isa = "rv32")]
use super::rv32::{self, groups};

/// Rows that share the digits.
#[cfg(not(pg_isa = "rv32"))]
const TOGETHER: usize = 4;

/// See [`crate::kernels::Kernels::plane`].
pub fn plane(digits: &[u32], columns: usize, chunk: usize, mut words: &mut [u32]) {
    let digits = digits.get(..columns / 4).unwrap_or(&[]);
    for part in digits.chunks((chunk / 4).max(2)) {
        let Some((start, rest)) = words.split_first_mut() else {
            return;
        };
        let mut sum = 0u32;
        let (pairs, _) = rest.as_chunks_mut::<2>();
        for (&four, [first, second]) in part.iter().zip(pairs) {
            // Bytes with an offset of 128, taken off in both lanes.
            let biased = four ^ 0x8080_8080;
            let [even, odd] = [biased, biased >> 8]
                .map(|bytes| (bytes & EVEN).rotate_left(16).wrapping_sub(OFFSET));
            sum = sum.wrapping_add(even).wrapping_add(odd);
            *first = even;
            *second = odd.wrapping_sub(even << 8);
        }
        *start = sum.wrapping_mul(OFFSET).wrapping_neg();
        words = rest.get_mut(2 * part.len()..).unwrap_or(&mut []);
    }
}

/// See [`crate::kernels::Kernels::dots`].
#[inline]
pub fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    let shape = Shape::new(plane);
    let stored = shape.stored;
    let whole = shape.is_whole(plane);
    let inside = |&row: &u16| whole && (usize::from(row) + 1) * stored <= rows.len();
    let row = |&index: &u16| rows.as_ptr().wrapping_add(usize::from(index) * stored);
    let plane = plane.words.as_ptr();
    // Those loops look at the numbers of rows themselves; of the others, with a
    // row that does not exist, all are taken one by one.
    let mut done = 0;
    if whole && (cfg!(pg_isa = "rv32") || list.iter().all(inside)) {
        // SAFETY: the plane is whole, and the listed rows lie in `rows`, or
        // are looked at.
        done = unsafe { groups(rows, list, sums, plane, shape) };
    }
    for (index, sum) in list.iter().zip(sums).skip(done) {
        *sum = 0;
        if inside(index) {
            // SAFETY: the row lies in `rows`, and the plane is whole.
            [*sum] = unsafe { dot([row(index)], plane, shape) };
        }
    }
}

/// See [`crate::kernels::Kernels::update`].
#[cfg(pg_isa = "rv32")]
pub fn update(rows: &[u32], plane: &Plane<'_>, list: &[u16], shift: u8, values: &mut [i16]) {
    let shape = Shape::new(plane);
    let mut done = 0;
    if shape.is_whole(plane) && shape.chunk >= shape.stored {
        // SAFETY: the plane is whole and one chunk.
        done = unsafe { rv32::update(rows, plane.words.as_ptr(), shape, list, shift, values) };
    }
    let list = list.get(done..).unwrap_or(&[]);
    crate::kernels::update::<crate::kernels::swar::Swar>(rows, plane, list, shift, values);
}

/// Words of a row and of a chunk of it, both even.
#[derive(Clone, Copy)]
pub struct Shape {
    pub stored: usize,
    pub chunk: usize,
}

impl Shape {
    #[inline(always)]
    fn new(plane: &Plane<'_>) -> Self {
        Self {
            stored: plane.columns / 4,
            chunk: (plane.chunk / 4).max(2) & !1,
        }
    }

    /// Words before the chunks of a plane, one for each.
    #[inline(always)]
    pub const fn starts(self) -> usize {
        if self.chunk >= self.stored {
            1
        } else {
            self.stored.div_ceil(self.chunk)
        }
    }

    /// Whether the plane has all words, and an even number of words to a row.
    #[inline(always)]
    fn is_whole(self, plane: &Plane<'_>) -> bool {
        let stored = self.stored;
        stored > 0 && stored.is_multiple_of(2) && plane.words.len() >= 2 * stored + self.starts()
    }
}

/// Dot products of whole groups of rows, over the shorter length; returns the
/// rows done.
///
/// # Safety
///
/// The listed rows of `shape.stored` words lie in `rows`, and the plane is
/// that of as many.
#[cfg(not(pg_isa = "rv32"))]
#[inline(always)]
unsafe fn groups(
    rows: &[u32],
    list: &[u16],
    sums: &mut [i32],
    plane: *const u32,
    shape: Shape,
) -> usize {
    let (list, _) = list.as_chunks::<TOGETHER>();
    let (sums, _) = sums.as_chunks_mut();
    let row = |&index: &u16| {
        rows.as_ptr()
            .wrapping_add(usize::from(index) * shape.stored)
    };
    for (list, sums) in list.iter().zip(sums) {
        // SAFETY: the caller's promise.
        *sums = unsafe { dot(list.each_ref().map(row), plane, shape) };
    }
    TOGETHER * list.len()
}

/// Dot products of N rows.
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
        // SAFETY: each chunk of the plane has a first word and two for every
        // word of a row; the chunks add up to the rows.
        unsafe {
            let mut t = [plane.read(); N];
            plane = plane.add(1);
            let end = plane.add(2 * words);
            while plane != end {
                for k in 0..2 {
                    let (x, y) = (plane.add(2 * k).read(), plane.add(2 * k + 1).read());
                    for (t, row) in t.iter_mut().zip(&rows) {
                        let w = row.add(k).read();
                        let odd = ((w >> 8) & EVEN).wrapping_mul(y);
                        *t = t.wrapping_add(w.wrapping_mul(x)).wrapping_add(odd);
                    }
                }
                plane = plane.add(4);
                rows = rows.map(|row| row.add(2));
            }
            for (sum, t) in sums.iter_mut().zip(t) {
                let low = i32::from(t as i16);
                *sum += (t as i32).wrapping_sub(low) >> 16;
            }
        }
    }
    sums
}
