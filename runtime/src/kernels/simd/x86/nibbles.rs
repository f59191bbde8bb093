//! Weights of four bits in AVX2, and in VNNI in either of its encodings.
//!
//! With `vpmaddubsw` pairs of products, `2 * 15 * 128 = 3840`, do not saturate,
//! whatever the digit: none is cut into halves. Lanes of 16 bits start at
//! `-8 * sum x` and end at the sum of `w x` over their columns, with n vectors
//! of 32 digits at most `n * 2 * 7 * |x|`, or `|x| * sum |w|` of the row.
//! [`chunk`] keeps it within 32767: 576 columns or more.
#![allow(unsafe_code)]

use super::dots::totals;
use super::{Features, ROWS, Rows, VECTOR, WORDS, by_fours, load, store};
use crate::kernels::Plane;
use crate::kernels::simd::nibbles::{self as plain, ACCUMULATORS, OFFSET};
use crate::kernels::simd::{Entries, HEIGHT};
use core::arch::x86_64::*;

/// Vectors of a column in a panel.
const VECTORS: usize = HEIGHT / VECTOR;
/// Columns that share a vector of a row.
const SHARED: usize = 2 * VECTOR;
/// Largest digit there is.
const LARGEST: u32 = 128;

/// See [`crate::kernels::Kernels::chunk`].
pub fn chunk(largest: u32, row_sum: u32, columns: usize) -> usize {
    const LANE: u32 = i16::MAX as u32;
    if largest.saturating_mul(row_sum) <= LANE {
        columns
    } else {
        let vectors = LANE / (2 * 7 * largest.clamp(1, LARGEST));
        (VECTOR * vectors as usize / SHARED * SHARED).min(columns)
    }
}

/// See [`crate::kernels::Kernels::plane`].
pub fn plane(features: Features, digits: &[u32], columns: usize, chunk: usize, words: &mut [u32]) {
    let vnni = features.has(Features::AVX_VNNI | Features::AVX512_VNNI);
    if !vnni && features.has(Features::AVX2) {
        // SAFETY: the processor has AVX2.
        unsafe { plane_of_chunks(digits, columns, chunk, words) };
        return;
    }
    plain::plane(digits, columns, words);
    if let (true, Some(start)) = (vnni, words.get_mut(columns / 4)) {
        let digits = digits.iter().take(columns / 4);
        let bytes = digits.flat_map(|four| four.to_le_bytes());
        let sum: i32 = bytes.map(|x| i32::from(x as i8)).sum();
        *start = (-i32::from(OFFSET) * sum) as u32;
    }
}

/// For every chunk the start of the lanes, then its digits.
#[target_feature(enable = "avx2")]
fn plane_of_chunks(digits: &[u32], columns: usize, chunk: usize, words: &mut [u32]) {
    let digits: &[[u32; WORDS]] = digits.get(..columns / 4).unwrap_or(&[]).as_chunks().0;
    let mut words = words.as_chunks_mut().0;
    let ones = _mm256_set1_epi8(1);
    for part in digits.chunks((chunk / VECTOR).max(2)) {
        let Some((start, rest)) = core::mem::take(&mut words).split_first_mut() else {
            return;
        };
        let Some((places, rest)) = rest.split_at_mut_checked(part.len()) else {
            return;
        };
        let mut sum = _mm256_setzero_si256();
        for (x, place) in part.iter().zip(places) {
            let x = load(x);
            store(place, x);
            sum = _mm256_sub_epi16(sum, _mm256_maddubs_epi16(ones, x));
        }
        store(start, _mm256_slli_epi16::<3>(sum));
        words = rest;
    }
}

/// Applies one batch of columns.
#[inline]
pub fn predict(features: Features, accumulators: &mut [u32], entries: &Entries<'_>) {
    if features.has(Features::AVX2) {
        // SAFETY: the processor has AVX2.
        unsafe { predict_avx2(accumulators, entries) };
    } else {
        plain::predict_batch(accumulators, entries);
    }
}

/// See [`crate::kernels::Kernels::dots`].
#[inline]
pub fn dots(features: Features, rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    if features.has(Features::AVX512_VNNI) {
        // SAFETY: the processor has VNNI in the encoding of AVX-512.
        unsafe { avx512::dots(rows, plane, list, sums) };
    } else if features.has(Features::AVX_VNNI) {
        // SAFETY: the processor has VNNI in the encoding of AVX.
        unsafe { avx::dots(rows, plane, list, sums) };
    } else if features.has(Features::AVX2) {
        // SAFETY: the processor has AVX2.
        unsafe { dots_avx2(rows, plane, list, sums) };
    } else {
        plain::dots(rows, plane, list, sums);
    }
}

/// The lower and the upper nibbles of a vector.
#[inline]
#[target_feature(enable = "avx2")]
fn cut(bytes: __m256i) -> [__m256i; 2] {
    let mask = _mm256_set1_epi8(15);
    let upper = _mm256_srli_epi16::<4>(bytes);
    [_mm256_and_si256(bytes, mask), _mm256_and_si256(upper, mask)]
}

#[target_feature(enable = "avx2")]
fn predict_avx2(accumulators: &mut [u32], entries: &Entries<'_>) {
    let (panels, _) = accumulators.as_chunks_mut::<ACCUMULATORS>();
    let stored = entries.panels.chunks_exact(entries.stride);
    for (accumulators, panel) in panels.iter_mut().zip(stored) {
        apply(accumulators, panel, entries);
    }
}

/// Applies a batch to a panel, which has `entries.stride` words.
#[inline]
#[target_feature(enable = "avx2")]
fn apply(accumulators: &mut [u32; ACCUMULATORS], panel: &[u32], entries: &Entries<'_>) {
    let net = (entries.plus.len() as i8).wrapping_sub(entries.minus.len() as i8);
    let start = net.wrapping_mul(OFFSET as i8).wrapping_neg();
    let (a_start, o_start) = (start.wrapping_mul(17), start);
    let mut a = [_mm256_set1_epi8(a_start); VECTORS];
    let mut o = [_mm256_set1_epi8(o_start); VECTORS];
    let column = |entry: u32| {
        let column = panel.as_ptr().wrapping_add(entry as usize / 4);
        // The same column of the next panel: a processor cannot foresee it,
        // since the columns of a list follow no pattern.
        _mm_prefetch::<_MM_HINT_T0>(column.wrapping_add(entries.stride).cast());
        // SAFETY: an entry is the offset of a whole column of a panel.
        let vectors: &[[u32; WORDS]; VECTORS] = unsafe { &*column.cast() };
        vectors.each_ref().map(|vector| load(vector))
    };
    for &entry in entries.plus {
        for (v, bytes) in column(entry).into_iter().enumerate() {
            let [_, upper] = cut(bytes);
            a[v] = _mm256_add_epi8(a[v], bytes);
            o[v] = _mm256_add_epi8(o[v], upper);
        }
    }
    for &entry in entries.minus {
        for (v, bytes) in column(entry).into_iter().enumerate() {
            let [_, upper] = cut(bytes);
            a[v] = _mm256_sub_epi8(a[v], bytes);
            o[v] = _mm256_sub_epi8(o[v], upper);
        }
    }
    let (runs, _) = accumulators.as_chunks_mut::<{ 2 * WORDS }>();
    let (pairs, _) = runs.as_chunks_mut::<2>();
    for ([lower, upper], (a, o)) in pairs.iter_mut().zip(a.into_iter().zip(o)) {
        // 2^4 O byte by byte: what a shift brings over from the next is cleared.
        let shifted = _mm256_slli_epi16::<4>(o);
        let shifted = _mm256_and_si256(shifted, _mm256_set1_epi8(-16));
        add(lower, _mm256_sub_epi8(a, shifted));
        add(upper, o);
    }
}

/// Adds signed bytes to 32 rows.
#[inline]
#[target_feature(enable = "avx2")]
fn add(rows: &mut [u32; 2 * WORDS], sums: __m256i) {
    let halves = [
        _mm256_castsi256_si128(sums),
        _mm256_extracti128_si256::<1>(sums),
    ];
    for (rows, half) in rows.as_chunks_mut().0.iter_mut().zip(halves) {
        store(
            rows,
            _mm256_add_epi16(load(rows), _mm256_cvtepi8_epi16(half)),
        );
    }
}

#[target_feature(enable = "avx2")]
fn dots_avx2(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    let digits = plane.words.as_chunks().0;
    let vectors = (plane.chunk / VECTOR).max(2);
    let columns = plane.columns / VECTOR;
    if !columns.is_multiple_of(2) || digits.len() < columns + columns.div_ceil(vectors) {
        return;
    }
    by_fours(rows, plane.columns / 2, list, sums, |rows| {
        // SAFETY: the plane has a start for every chunk and digits for all
        // columns of a row.
        unsafe { dot(rows, columns, digits, vectors) }
    });
}

/// Dot products of rows of `length` vectors of digits.
///
/// # Safety
///
/// `length` and `vectors` are even; the rows have half as many vectors as
/// `length`, and `plane` starts and digits for it.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn dot(rows: Rows, length: usize, plane: &[[u32; WORDS]], vectors: usize) -> [i32; ROWS] {
    let mut sums = [_mm256_setzero_si256(); ROWS];
    let mut plane = plane.as_ptr();
    let mut first = 0;
    while first < length {
        let end = length.min(first + vectors);
        // SAFETY: the caller's promise; so for all reads below.
        let mut lanes = [load(unsafe { &*plane }); ROWS];
        // SAFETY: as above.
        plane = unsafe { plane.add(1) };
        for k in first / 2..end / 2 {
            // SAFETY: as above.
            let (x, y) = unsafe { (load(&*plane), load(&*plane.add(1))) };
            // SAFETY: as above.
            for (lane, bytes) in lanes.iter_mut().zip(unsafe { rows.vectors(k) }) {
                let [lower, upper] = cut(bytes);
                let products = _mm256_add_epi16(
                    _mm256_maddubs_epi16(lower, x),
                    _mm256_maddubs_epi16(upper, y),
                );
                *lane = _mm256_add_epi16(*lane, products);
            }
            // SAFETY: as above.
            plane = unsafe { plane.add(2) };
        }
        for (sum, lane) in sums.iter_mut().zip(lanes) {
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(lane, _mm256_set1_epi16(1)));
        }
        first = end;
    }
    totals(sums)
}

/// The same function for each of the two encodings of VNNI.
macro_rules! dots {
    ($name:ident, $features:literal, $instruction:ident) => {
        mod $name {
            use super::*;

            /// See [`crate::kernels::Kernels::dots`].
            #[target_feature(enable = $features)]
            pub fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
                let Some((digits, &[start, ..])) = plane.words.split_at_checked(plane.columns / 4)
                else {
                    return;
                };
                let digits = digits.as_chunks().0;
                by_fours(rows, plane.columns / 2, list, sums, |rows| {
                    // SAFETY: the digits are as many as a row has columns.
                    unsafe { dot(rows, digits) }.map(|sum| sum.wrapping_add(start as i32))
                });
            }

            /// # Safety
            ///
            /// The rows have as many columns as there are digits.
            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn dot(rows: Rows, digits: &[[u32; WORDS]]) -> [i32; ROWS] {
                // Two sums a row: the instruction takes longer than four others.
                let mut sums = [[_mm256_setzero_si256(); 2]; ROWS];
                for (k, x) in digits.as_chunks::<2>().0.iter().enumerate() {
                    // SAFETY: the caller's promise.
                    let weights = unsafe { rows.vectors(k) };
                    for (sums, bytes) in sums.iter_mut().zip(weights) {
                        for ((sum, u), x) in sums.iter_mut().zip(cut(bytes)).zip(x) {
                            *sum = $instruction(*sum, u, load(x));
                        }
                    }
                }
                totals(sums.map(|[lower, upper]| _mm256_add_epi32(lower, upper)))
            }
        }
    };
}

dots!(avx, "avx2,avxvnni", _mm256_dpbusd_avx_epi32);
dots!(avx512, "avx2,avx512vnni,avx512vl", _mm256_dpbusd_epi32);
