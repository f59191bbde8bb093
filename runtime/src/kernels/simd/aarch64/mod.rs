//! aarch64: NEON, which every 64-bit Arm core has, and its dot product.
#![allow(unsafe_code)]

mod detect;
mod dots;
#[cfg(feature = "weights4")]
pub mod nibbles;
mod predict;

pub use detect::Features;
pub use dots::chunk;

use super::{Entries, plain};
use crate::kernels::changes::{self, Found};
use crate::kernels::{Plane, cell, gate};
use crate::layout::Target;
use crate::quant::Split;

/// See [`crate::kernels::Kernels::plane`]: the digits as they are.
pub fn plane(_: Features, digits: &[u32], columns: usize, _: usize, words: &mut [u32]) {
    plain::plane(digits, columns, words);
}

/// See [`crate::kernels::Kernels::predict`].
#[inline]
pub fn predict(features: Features, accumulators: &mut [u32], entries: &Entries<'_>) {
    if features.has(Features::NEON) {
        predict::predict(accumulators, entries);
    } else {
        plain::predict(accumulators, entries);
    }
}

/// See [`crate::kernels::Kernels::dots`].
#[inline]
pub fn dots(features: Features, rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    if features.has(Features::DOTPROD) {
        // SAFETY: the processor has the dot product.
        unsafe { dots::dotprod(rows, plane, list, sums) };
    } else if features.has(Features::NEON) {
        dots::neon(rows, plane, list, sums);
    } else {
        plain::dots(rows, plane, list, sums);
    }
}

/// See [`crate::kernels::Kernels::within`].
#[inline]
pub fn within(_: Features, predictions: &[i16], thresholds: &[i16], open: &mut [u16]) -> usize {
    gate::within(predictions, thresholds, open)
}

/// See [`crate::kernels::Kernels::cells`].
#[inline]
pub fn cells(
    _: Features,
    constants: &cell::Constants<'_>,
    preactivations: &[i16],
    state: &mut [i16],
    codes: &mut [i8],
) {
    cell::update(constants, preactivations, state, codes);
}

/// See [`crate::kernels::Kernels::scan`].
#[inline]
pub fn scan(
    _: Features,
    split: Split,
    codes: &[u32],
    applied: &mut [u32],
    rest: &mut [u32],
    lists: &mut [u32],
) -> Found {
    const HEIGHT: u32 = Target::Simd.panel() as u32;
    changes::scan(split, codes, applied, rest, HEIGHT, lists)
}
