//! Dot products in AVX2.
//!
//! `vpmaddubsw` multiplies the stored `u = w + 128` by digits and adds pairs
//! of products with saturation to 16 bits: exact for |x| <= 64, since
//! `2 * 255 * 64 = 32640`. Sums of pairs are kept in 16 bits modulo 2^16. They
//! start at the offset's share, `-128 * sum x` of the lane, so that a lane
//! ends at the sum of `w x` over its columns: with n vectors of columns at
//! most `n * 2 * 127 * |x|`, or `|x| * sum |w|` of the row, whichever is less.
//! [`chunk`] keeps it within 32767.
//!
//! Larger digits are cut into halves, `x = x0 + 16 x1` with both up to 8,
//! whose sums meet when they are widened. A vector of weights then costs two
//! multiplications and two additions, without widening each product.
//!
//! A plane holds, for every chunk, the start of the lanes and then the digits,
//! vector by vector; with two halves a vector of each in turn. Its room is
//! [`crate::layout::Target::plane_words`].
#![allow(unsafe_code)]

use super::{ROWS, Rows, VECTOR, WORDS, by_fours, load, store};
use crate::kernels::Plane;
use core::arch::x86_64::*;

/// Largest digit that is not cut into halves.
const WHOLE_MAX: u32 = 64;
/// Largest magnitude of a half.
const HALF_MAX: u32 = 8;
/// The chunk of digits in halves: no vector of them fits a lane whole.
const HALVES: usize = 8;
const LANE: u32 = i16::MAX as u32;

/// Vectors of columns whose products with digits up to `largest` fit a lane: 2
/// of whole digits at least, 16 of halves.
const fn vectors(largest: u32) -> usize {
    (LANE / (2 * 127 * largest)) as usize
}

/// See [`crate::kernels::Kernels::chunk`].
pub fn chunk(largest: u32, row_sum: u32, columns: usize) -> usize {
    if largest > WHOLE_MAX {
        HALVES
    } else if largest.saturating_mul(row_sum) <= LANE {
        columns
    } else {
        (VECTOR * vectors(largest)).min(columns)
    }
}

/// Whether digits are in halves, and the vectors of columns between folds.
const fn shape(chunk: usize) -> (bool, usize) {
    if chunk < VECTOR {
        (true, vectors(HALF_MAX))
    } else {
        (false, chunk / VECTOR)
    }
}

/// See [`crate::kernels::Kernels::plane`].
#[target_feature(enable = "avx2")]
pub fn plane(digits: &[u32], columns: usize, chunk: usize, words: &mut [u32]) {
    let digits = digits.get(..columns / 4).unwrap_or(&[]).as_chunks().0;
    let words = words.as_chunks_mut().0;
    match shape(chunk) {
        (false, vectors) => write(digits, vectors, words, |x| [x]),
        (true, vectors) => write(digits, vectors, words, |x| halves(x)),
    }
}

/// `x = x0 + 16 x1` of every byte, both up to 8.
#[inline]
#[target_feature(enable = "avx2")]
fn halves(x: __m256i) -> [__m256i; 2] {
    let low_bits = |v, mask| _mm256_and_si256(v, _mm256_set1_epi8(mask));
    let v = _mm256_xor_si256(x, _mm256_set1_epi8(i8::MIN));
    // Rounded: x1 + 8, 0 to 16.
    let upper = _mm256_add_epi8(
        low_bits(_mm256_srli_epi16::<4>(v), 15),
        low_bits(_mm256_srli_epi16::<3>(v), 1),
    );
    let shifted = _mm256_slli_epi16::<4>(low_bits(upper, 15));
    [
        _mm256_sub_epi8(v, shifted),
        _mm256_sub_epi8(upper, _mm256_set1_epi8(8)),
    ]
}

/// Writes the plane of digits cut by `cut` into P parts.
#[inline]
#[target_feature(enable = "avx2")]
fn write<const P: usize>(
    digits: &[[u32; WORDS]],
    vectors: usize,
    mut words: &mut [[u32; WORDS]],
    cut: impl Fn(__m256i) -> [__m256i; P],
) {
    let ones = _mm256_set1_epi8(1);
    for part in digits.chunks(vectors) {
        let Some((start, rest)) = core::mem::take(&mut words).split_at_mut_checked(P) else {
            return;
        };
        let Some((places, rest)) = rest.split_at_mut_checked(P * part.len()) else {
            return;
        };
        let mut sums = [_mm256_setzero_si256(); P];
        for (x, places) in part.iter().zip(places.as_chunks_mut::<P>().0) {
            for ((x, place), sum) in cut(load(x)).into_iter().zip(places).zip(&mut sums) {
                store(place, x);
                *sum = _mm256_sub_epi16(*sum, _mm256_maddubs_epi16(ones, x));
            }
        }
        for (start, sum) in start.iter_mut().zip(sums) {
            store(start, _mm256_slli_epi16::<7>(sum));
        }
        words = rest;
    }
}

/// See [`crate::kernels::Kernels::dots`].
#[target_feature(enable = "avx2")]
pub fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    let digits = plane.words.as_chunks().0;
    let (halves, vectors) = shape(plane.chunk);
    let parts = 1 + usize::from(halves);
    let columns = plane.columns / VECTOR;
    if digits.len() < parts * (columns + columns.div_ceil(vectors)) {
        return;
    }
    // SAFETY: the plane has a start for every chunk and digits for every vector
    // of a row.
    if halves {
        by_fours(rows, plane.columns, list, sums, |rows| unsafe {
            dot::<2>(rows, columns, digits, vectors)
        });
    } else {
        by_fours(rows, plane.columns, list, sums, |rows| unsafe {
            dot::<1>(rows, columns, digits, vectors)
        });
    }
}

/// Dot products of rows of `length` vectors with digits in P parts.
///
/// # Safety
///
/// The rows have that length, and `plane` starts and digits for it.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn dot<const P: usize>(
    rows: Rows,
    length: usize,
    plane: &[[u32; WORDS]],
    vectors: usize,
) -> [i32; ROWS] {
    let zero = _mm256_setzero_si256();
    let mut sums = [zero; ROWS];
    let mut plane = plane.as_ptr();
    let mut first = 0;
    while first < length {
        let end = length.min(first + vectors);
        let mut lanes = [[zero; P]; ROWS];
        for p in 0..P {
            // SAFETY: the caller's promise; so for all reads below.
            let start = load(unsafe { &*plane.add(p) });
            for lanes in &mut lanes {
                lanes[p] = start;
            }
        }
        // SAFETY: as above.
        plane = unsafe { plane.add(P) };
        for k in first..end {
            // SAFETY: as above.
            let weights = unsafe { rows.vectors(k) };
            for (lanes, u) in lanes.iter_mut().zip(weights) {
                for (p, lane) in lanes.iter_mut().enumerate() {
                    // SAFETY: as above.
                    let x = load(unsafe { &*plane.add(p) });
                    *lane = _mm256_add_epi16(*lane, _mm256_maddubs_epi16(u, x));
                }
            }
            // SAFETY: as above.
            plane = unsafe { plane.add(P) };
        }
        for (sum, lanes) in sums.iter_mut().zip(lanes) {
            for (p, lane) in lanes.into_iter().enumerate() {
                let factor = _mm256_set1_epi16(1 << (4 * p));
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(lane, factor));
            }
        }
        first = end;
    }
    totals(sums)
}

/// The sums over the lanes of four vectors.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn totals([a, b, c, d]: [__m256i; ROWS]) -> [i32; ROWS] {
    let fours = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    let halves = (
        _mm256_castsi256_si128(fours),
        _mm256_extracti128_si256::<1>(fours),
    );
    let mut totals = [0; ROWS];
    let total = _mm_add_epi32(halves.0, halves.1);
    // SAFETY: four numbers are 16 bytes.
    unsafe { _mm_storeu_si128(totals.as_mut_ptr().cast(), total) };
    totals
}
