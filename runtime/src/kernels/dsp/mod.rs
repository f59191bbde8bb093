//! Two 16-bit lanes a register: cores with Arm's DSP extension.
//!
//! All loops are assembly, because what decides is which loads stand next to
//! each other, and the compiler does not arrange them. On other cores the same
//! layout runs in plain Rust (`plain`), for tests.
//!
//! Cycles below are those of Cortex-M4's documented timings without wait
//! states: 1 an instruction, 1 more for a load unless an independent load or
//! store follows, 1 + N for a multiple load of N, 3 for a taken branch.
//!
//! | loop | work | least | reached |
//! |---|---|---|---|
//! | [`mod@predict`] | 16 rows, a column | 8 additions + 4 loads + 1 | 15 |
//! | [`mod@dots`] | 4 rows, 4 columns | 12 + 6 loads | 20 (1.25 a weight) |
//! | [`mod@gate`] | 4 rows, none open | 9 + 4 loads + 2 stores | 17 |
//! | [`mod@cells`] | a unit | 31 + 10 loads + 2 stores | 49 |
//!
//! The tables' rows are derived where the loop stands.

#[cfg(pg_isa = "dsp")]
#[path = "asm/mod.rs"]
mod inner;
#[cfg(not(pg_isa = "dsp"))]
#[path = "plain.rs"]
mod inner;

mod cells;
mod dots;
mod gate;
mod predict;

use super::{Changes, Kernels, Plane, cell};
use crate::layout::Target;

/// Kernels for [`Target::Dsp`].
pub struct Dsp;

impl Kernels for Dsp {
    const TARGET: Target = Target::Dsp;

    fn chunk(largest: u32, row_sum: u32, columns: usize) -> usize {
        dots::chunk(largest, row_sum, columns)
    }

    fn plane(digits: &[u32], columns: usize, _chunk: usize, words: &mut [u32]) {
        let digits = digits.get(..columns / 4).unwrap_or(&[]);
        inner::plane(digits, words);
    }

    fn predict(accumulators: &mut [u32], panels: &[u32], columns: usize, changes: &Changes<'_>) {
        predict::predict(accumulators, panels, columns, changes);
    }

    fn load(accumulators: &[u32], predictions: &mut [i16]) {
        for (&word, rows) in accumulators.iter().zip(predictions.chunks_mut(2)) {
            for (row, value) in rows.iter_mut().zip([word as i16, (word >> 16) as i16]) {
                *row = value;
            }
        }
    }

    fn store(accumulators: &mut [u32], predictions: &[i16]) {
        let mut rows = predictions.iter();
        let mut next = || rows.next().map_or(0, |&p| u32::from(p as u16));
        for word in accumulators {
            *word = next() | (next() << 16);
        }
    }

    fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
        dots::dots(rows, plane, list, sums);
    }

    fn update(rows: &[u32], plane: &Plane<'_>, list: &[u16], shift: u8, values: &mut [i16]) {
        dots::update(rows, plane, list, shift, values);
    }

    fn load_within(
        accumulators: &[u32],
        predictions: &mut [i16],
        thresholds: &[i16],
        open: &mut [u16],
    ) -> usize {
        gate::load_within(accumulators, predictions, thresholds, open)
    }

    fn cells(
        constants: &cell::Constants<'_>,
        preactivations: &[i16],
        state: &mut [i16],
        codes: &mut [i8],
    ) {
        cells::cells(constants, preactivations, state, codes);
    }
}
