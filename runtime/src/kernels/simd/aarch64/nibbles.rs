//! Weights of four bits: in plain Rust, whose loops the compiler turns into
//! NEON, which every 64-bit Arm core has. Sums have 32 bits: a chunk is a whole
//! row.

use super::Features;
use crate::kernels::Plane;
use crate::kernels::simd::Entries;
use crate::kernels::simd::nibbles as plain;

pub use super::dots::chunk;

/// See [`crate::kernels::Kernels::plane`]: the digits as they are.
pub fn plane(_: Features, digits: &[u32], columns: usize, _: usize, words: &mut [u32]) {
    plain::plane(digits, columns, words);
}

/// Applies one batch of columns.
#[inline]
pub fn predict(_: Features, accumulators: &mut [u32], entries: &Entries<'_>) {
    plain::predict_batch(accumulators, entries);
}

/// See [`crate::kernels::Kernels::dots`].
#[inline]
pub fn dots(_: Features, rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    plain::dots(rows, plane, list, sums);
}
