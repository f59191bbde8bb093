//! The inner loops of both passes.
//!
//! Every family of cores implements [`Kernels`] over its own arrangement of
//! the weights ([`crate::layout`]); [`Selected`] is the one place where the
//! choice is made. [`naive`] is the oracle: it follows the definitions with no
//! regard for speed, and every kernel is tested against it by the same checks,
//! on the host and on every emulated core (`conformance`).
//!
//! # The operations
//!
//! The **prediction pass** keeps `a = W * hb + b`, one 16-bit number per row,
//! from step to step and applies only the columns whose digit changed
//! ([`Kernels::predict`]). The **update pass** is a dot product of the rows
//! whose gate opened with the remaining bits ([`Kernels::dots`]); the same
//! operation over every row is the dense layer. What surrounds them is
//! [`changes`] (which digits changed), [`mod@gate`] (which rows open) and
//! [`cell`] (the LSTM's nonlinearities).
//!
//! # Bounds
//!
//! - Predictions: `|a| <= 2^15 - 1` for every row and every vector of digits,
//!   because the exporter and the loader require
//!   `max|hb| * sum|w| + |b| <= 32767` ([`crate::layers::Lstm`]). Sums on the
//!   way there may wrap: addition modulo 2^16 is exact in the end.
//! - Dot products: `|sum| <= 2^14 columns * 127 * 2^8 < 2^29`.
//! - How many columns a lane may sum before it must be folded is each
//!   implementation's [`Kernels::chunk`]; the derivation stands there.
//!
//! # Weights of four bits
//!
//! State, lists of changes, gate and cell are the same (feature `weights4`); what
//! differs is how a column is applied (`batch`) and a row multiplied.

#[cfg(feature = "weights4")]
mod batch;
pub mod cell;
pub mod changes;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
#[cfg(feature = "conv")]
pub mod conv;
#[cfg(any(test, pg_isa = "dsp"))]
pub mod dsp;
pub mod gate;
pub mod naive;
#[cfg(pg_isa = "simd")]
pub mod simd;
pub mod swar;

pub use changes::Changes;

use crate::layout::{Target, WeightBits};
use crate::quant::{Split, round_shift, saturate_i16};
use changes::Found;

/// Digits prepared for [`Kernels::dots`].
#[derive(Clone, Copy, Debug)]
pub struct Plane<'p> {
    /// What [`Kernels::plane`] wrote.
    pub words: &'p [u32],
    /// Columns, padding included: [`Target::row_columns`].
    pub columns: usize,
    /// Columns between folds, a multiple of 8.
    pub chunk: usize,
    /// Bits of the weights it is for.
    pub bits: WeightBits,
}

/// Dot products formed at a time where each is used up at once.
const BLOCK: usize = 32;

/// [`Kernels::update`] by way of [`Kernels::dots`].
#[inline(always)]
fn update<K: Kernels>(
    rows: &[u32],
    plane: &Plane<'_>,
    list: &[u16],
    shift: u8,
    values: &mut [i16],
) {
    let mut sums = [0; BLOCK];
    for list in list.chunks(BLOCK) {
        K::dots(rows, plane, list, &mut sums);
        add_sums(list, &sums, shift, values);
    }
}

/// Adds sums to the values of the listed rows, after `round_shift` by `shift`,
/// saturated. Rows without a value are passed over.
#[inline(always)]
pub(crate) fn add_sums(list: &[u16], sums: &[i32], shift: u8, values: &mut [i16]) {
    for (&row, &sum) in list.iter().zip(sums) {
        if let Some(value) = values.get_mut(usize::from(row)) {
            *value = saturate_i16(i32::from(*value) + round_shift(sum, shift));
        }
    }
}

/// The operations a family of cores must provide.
///
/// Slices have the lengths stated; implementations that rely on it check them
/// once per call and do nothing, or write zeros, where one is too short. Slices
/// of 16-bit numbers start on a word, as they do in the arena and the image.
pub trait Kernels: Sized {
    /// The arrangement of the weights these kernels read.
    const TARGET: Target;

    /// Columns that a dot product with digits up to `largest` may sum before
    /// it must fold, for rows with `sum |w| <= row_sum`: a multiple of 8, at
    /// most `columns`.
    fn chunk(bits: WeightBits, largest: u32, row_sum: u32, columns: usize) -> usize;

    /// Prepares digits for [`Self::dots`]. `digits` holds four signed bytes a
    /// word, `columns / 4` words; `words` has [`Target::plane_words`] words.
    fn plane(bits: WeightBits, digits: &[u32], columns: usize, chunk: usize, words: &mut [u32]);

    /// Prediction pass: adds the columns of `changes` to the accumulators of
    /// all panels. `accumulators` has half as many words as there are rows,
    /// rows rounded up to whole panels; `panels` is a matrix of `columns`
    /// columns in panels.
    fn predict(
        bits: WeightBits,
        accumulators: &mut [u32],
        panels: &[u32],
        columns: usize,
        changes: &Changes<'_>,
    );

    /// Reads the accumulators as one number per row, from row 0 on.
    fn load(accumulators: &[u32], predictions: &mut [i16]);

    /// Sets the accumulators, the inverse of [`Self::load`]. Rows beyond
    /// `predictions` become zero.
    fn store(accumulators: &mut [u32], predictions: &[i16]);

    /// Dot products of the listed rows with a plane: `sums[i]` belongs to
    /// `list[i]`. `rows` is a matrix in rows of `plane.columns` columns. A row
    /// number beyond the matrix gives 0.
    fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]);

    /// Adds the dot products of the listed rows to their values, after
    /// `round_shift` by `shift`, saturated. The list has no row twice, and the
    /// dot products stay below 2^22 in magnitude, as those of a narrow layer
    /// do. Rows without a value are passed over.
    fn update(rows: &[u32], plane: &Plane<'_>, list: &[u16], shift: u8, values: &mut [i16]) {
        update::<Self>(rows, plane, list, shift, values);
    }

    /// Finds the digits that changed: see [`changes::scan`].
    fn scan(
        split: Split,
        codes: &[u32],
        applied: &mut [u32],
        rest: &mut [u32],
        lists: &mut [u32],
    ) -> Found {
        let height = Self::TARGET.panel() as u32;
        changes::scan(split, codes, applied, rest, height, lists)
    }

    /// The gate of single rows: writes the rows that open, in ascending
    /// order, to `open` and returns how many; see [`gate::within`].
    fn within(predictions: &[i16], thresholds: &[i16], open: &mut [u16]) -> usize {
        gate::within(predictions, thresholds, open)
    }

    /// [`Self::load`] and [`Self::within`] in one pass over the accumulators,
    /// which hold numbers up to 32767 in magnitude; thresholds are not
    /// negative.
    fn load_within(
        accumulators: &[u32],
        predictions: &mut [i16],
        thresholds: &[i16],
        open: &mut [u16],
    ) -> usize {
        Self::load(accumulators, predictions);
        Self::within(predictions, thresholds, open)
    }

    /// The LSTM's cell: see [`cell::update`].
    fn cells(
        constants: &cell::Constants<'_>,
        preactivations: &[i16],
        state: &mut [i16],
        codes: &mut [i8],
    ) {
        cell::update(constants, preactivations, state, codes);
    }
}

/// The kernels of the target this is compiled for.
#[cfg(pg_isa = "simd")]
pub type Selected = simd::Simd;
/// The kernels of the target this is compiled for.
#[cfg(pg_isa = "dsp")]
pub type Selected = dsp::Dsp;
/// The kernels of the target this is compiled for.
#[cfg(not(any(pg_isa = "simd", pg_isa = "dsp")))]
pub type Selected = swar::Swar;

#[cfg(test)]
mod tests;
