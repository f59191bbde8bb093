//! x86-64: AVX2, and VNNI in either of its encodings.
#![allow(unsafe_code)]

mod cells;
mod detect;
mod dots;
mod lists;
#[cfg(feature = "weights4")]
pub mod nibbles;
mod predict;
mod vnni;

pub use detect::Features;
pub use dots::chunk;

use super::{Entries, plain};
use crate::kernels::changes::{self, Found};
use crate::kernels::{Plane, cell, gate};
use crate::layout::Target;
use crate::quant::Split;
use core::arch::x86_64::*;

/// Columns of a row in a vector register.
const VECTOR: usize = 32;
/// Words of a vector register.
const WORDS: usize = VECTOR / 4;
/// Rows whose dot products are formed at a time: they share the digits.
const ROWS: usize = 4;

/// See [`crate::kernels::Kernels::plane`].
pub fn plane(features: Features, digits: &[u32], columns: usize, chunk: usize, words: &mut [u32]) {
    if features.has(Features::AVX_VNNI | Features::AVX512_VNNI) {
        vnni::plane(digits, columns, words);
    } else if features.has(Features::AVX2) {
        // SAFETY: the processor has AVX2.
        unsafe { dots::plane(digits, columns, chunk, words) };
    } else {
        plain::plane(digits, columns, words);
    }
}

/// See [`crate::kernels::Kernels::predict`].
#[inline]
pub fn predict(features: Features, accumulators: &mut [u32], entries: &Entries<'_>) {
    if features.has(Features::AVX2) {
        // SAFETY: the processor has AVX2.
        unsafe { predict::predict(accumulators, entries) };
    } else {
        plain::predict(accumulators, entries);
    }
}

/// See [`crate::kernels::Kernels::dots`].
#[inline]
pub fn dots(features: Features, rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    if features.has(Features::AVX512_VNNI) {
        // SAFETY: the processor has VNNI in the encoding of AVX-512.
        unsafe { vnni::avx512::dots(rows, plane, list, sums) };
    } else if features.has(Features::AVX_VNNI) {
        // SAFETY: the processor has VNNI in the encoding of AVX.
        unsafe { vnni::avx::dots(rows, plane, list, sums) };
    } else if features.has(Features::AVX2) {
        // SAFETY: the processor has AVX2.
        unsafe { dots::dots(rows, plane, list, sums) };
    } else {
        plain::dots(rows, plane, list, sums);
    }
}

/// See [`crate::kernels::Kernels::within`].
#[inline]
pub fn within(
    features: Features,
    predictions: &[i16],
    thresholds: &[i16],
    open: &mut [u16],
) -> usize {
    if features.has(Features::AVX2) {
        // SAFETY: the processor has AVX2.
        unsafe { lists::within(predictions, thresholds, open) }
    } else {
        gate::within(predictions, thresholds, open)
    }
}

/// See [`crate::kernels::Kernels::cells`].
#[inline]
pub fn cells(
    features: Features,
    constants: &cell::Constants<'_>,
    preactivations: &[i16],
    state: &mut [i16],
    codes: &mut [i8],
) {
    if features.has(Features::AVX2) {
        // SAFETY: the processor has AVX2.
        unsafe { cells::cells(constants, preactivations, state, codes) };
    } else {
        cell::update(constants, preactivations, state, codes);
    }
}

/// See [`crate::kernels::Kernels::scan`].
#[inline]
pub fn scan(
    features: Features,
    split: Split,
    codes: &[u32],
    applied: &mut [u32],
    rest: &mut [u32],
    lists: &mut [u32],
) -> Found {
    if features.has(Features::AVX2) {
        // SAFETY: the processor has AVX2.
        unsafe { lists::scan(split, codes, applied, rest, lists) }
    } else {
        const HEIGHT: u32 = Target::Simd.panel() as u32;
        changes::scan(split, codes, applied, rest, HEIGHT, lists)
    }
}

/// The words of a vector register.
#[inline]
#[target_feature(enable = "avx2")]
fn load(words: &[u32; WORDS]) -> __m256i {
    // SAFETY: the reference is to 32 bytes.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

/// Sixteen numbers of 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn load_i16(lanes: &[i16; 16]) -> __m256i {
    // SAFETY: the reference is to 32 bytes.
    unsafe { _mm256_loadu_si256(lanes.as_ptr().cast()) }
}

/// The inverse of [`load`].
#[inline]
#[target_feature(enable = "avx2")]
fn store(words: &mut [u32; WORDS], vector: __m256i) {
    // SAFETY: the reference is to 32 bytes.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) }
}

/// Four rows of a matrix, and the four that are wanted next.
#[derive(Clone, Copy)]
struct Rows {
    now: [*const [u32; WORDS]; ROWS],
    next: [*const [u32; WORDS]; ROWS],
}

impl Rows {
    /// Vector `k` of every row now; asks for the same of the next ones. A
    /// processor foresees the next line of a row, but not the next row.
    ///
    /// # Safety
    ///
    /// `k` is less than the vectors of a row.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn vectors(&self, k: usize) -> [__m256i; ROWS] {
        for row in self.next {
            _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(k).cast());
        }
        // SAFETY: the caller's promise.
        self.now.map(|row| load(unsafe { &*row.add(k) }))
    }
}

/// The listed rows of a matrix, four at a time; `dot` forms their products.
/// Rows beyond the matrix give 0.
#[inline(always)]
fn by_fours(
    rows: &[u32],
    columns: usize,
    list: &[u16],
    sums: &mut [i32],
    dot: impl Fn(Rows) -> [i32; ROWS],
) {
    let stored = columns / 4;
    let Some(last) = (rows.len().checked_div(stored)).and_then(|count| count.checked_sub(1)) else {
        sums.fill(0);
        return;
    };
    let start = |row: u16| {
        let words = usize::from(row).min(last) * stored;
        // In the matrix: no row is beyond the last.
        rows.as_ptr().wrapping_add(words).cast()
    };
    let four = |first: usize| match list.get(first..).and_then(<[u16]>::first_chunk) {
        Some(four) => *four,
        // Where fewer than four are left, the last is taken again.
        None => core::array::from_fn(|k| list[(first + k).min(list.len() - 1)]),
    };
    for (group, sums) in sums.chunks_mut(ROWS).enumerate() {
        let first = group * ROWS;
        if first >= list.len() {
            break;
        }
        let dots = dot(Rows {
            now: four(first).map(start),
            next: four(first + ROWS).map(start),
        });
        match sums.first_chunk_mut() {
            Some(four) => *four = dots,
            None => sums.copy_from_slice(&dots[..sums.len()]),
        }
    }
    if list.iter().fold(0, |most, &row| most.max(row)) as usize > last {
        for (_, sum) in (list.iter().zip(sums)).filter(|(row, _)| usize::from(**row) > last) {
            *sum = 0;
        }
    }
}
