//! Two 16-bit lanes a register: cores with Arm's DSP extension.
//!
//! All loops are assembly (`asm`), because what decides is which loads stand
//! next to each other, and the compiler does not arrange them. On other cores
//! the same layout runs in plain Rust (`plain`), for tests.
//!
//! Cycles are those of Cortex-M4's documented timings without wait states: 1
//! an instruction, 1 more for a load unless an independent load or store
//! follows, 1 + N for a multiple load of N, 3 for a taken branch. The least is
//! what the layout needs when all loads stand together and nothing is spent on
//! addresses, counters and branches.
//!
//! | loop | work | least | reached |
//! |---|---|---|---|
//! | prediction pass | a column of 16 rows: 4 loads, 8 additions | 13 | 15, and 54 a panel |
//! | update pass | 4 columns of 4 rows: 6 loads, 12 in arithmetic | 19 | 21, and 80 for four rows |
//! | gate | 4 rows, none open: 4 loads, 2 stores, 9 in arithmetic | 15 | 17 |
//! | cells | a unit: 10 loads, 2 stores, 30 in arithmetic | 43 | 49 |
//! | changed digits | 4 columns, none changed: 2 loads, 2 stores, 8 in arithmetic | 13 | 18 |
//! | plane | 4 digits: a load, 2 stores, 4 in arithmetic | 8 | 12 |
//! | copy of accumulators | 16 rows: a load and a store of 8 | 18 | 23 |
//!
//! The prediction pass keeps two of fourteen registers busy with addresses;
//! with one more, the update pass would read its six words in one run.

#[cfg(pg_isa = "dsp")]
#[path = "asm/mod.rs"]
mod inner;
#[cfg(not(pg_isa = "dsp"))]
#[path = "plain.rs"]
mod inner;

#[cfg(all(pg_isa = "dsp", any(feature = "conv", feature = "weights4")))]
pub(super) use inner::dsp;

mod cells;
mod dots;
mod gate;
#[cfg(feature = "weights4")]
mod nibbles;
mod predict;

use super::changes::{Found, Lists};
use super::{Changes, Kernels, Plane, cell};
use crate::layout::{Target, WeightBits};
use crate::quant::Split;
use zerocopy::{FromBytes, IntoBytes};

/// Kernels for [`Target::Dsp`].
pub struct Dsp;

impl Kernels for Dsp {
    const TARGET: Target = Target::Dsp;

    fn chunk(bits: WeightBits, largest: u32, row_sum: u32, columns: usize) -> usize {
        match bits {
            // Their sums are not scaled: no row overflows 32 bits.
            WeightBits::Four => columns,
            WeightBits::Eight => dots::chunk(largest, row_sum, columns),
        }
    }

    fn plane(bits: WeightBits, digits: &[u32], columns: usize, _chunk: usize, words: &mut [u32]) {
        let digits = digits.get(..columns / 4).unwrap_or(&[]);
        match bits {
            #[cfg(feature = "weights4")]
            WeightBits::Four => nibbles::plane(digits, words),
            _ => inner::plane(digits, words),
        }
    }

    fn predict(
        bits: WeightBits,
        accumulators: &mut [u32],
        panels: &[u32],
        columns: usize,
        changes: &Changes<'_>,
    ) {
        match bits {
            #[cfg(feature = "weights4")]
            WeightBits::Four => nibbles::predict(accumulators, panels, columns, changes),
            _ => predict::predict(accumulators, panels, columns, changes),
        }
    }

    fn load(accumulators: &[u32], predictions: &mut [i16]) {
        // Two rows a word, in order: the numbers as they are.
        let kept = <[i16]>::ref_from_bytes(accumulators.as_bytes()).unwrap_or(&[]);
        inner::copy(predictions, kept);
    }

    fn store(accumulators: &mut [u32], predictions: &[i16]) {
        let kept = <[i16]>::mut_from_bytes(accumulators.as_mut_bytes()).unwrap_or(&mut []);
        inner::copy(kept, predictions);
        if let Some(padding) = kept.get_mut(predictions.len()..) {
            padding.fill(0);
        }
    }

    fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
        match plane.bits {
            #[cfg(feature = "weights4")]
            WeightBits::Four => nibbles::dots(rows, plane, list, sums),
            _ => dots::dots(rows, plane, list, sums),
        }
    }

    fn update(rows: &[u32], plane: &Plane<'_>, list: &[u16], shift: u8, values: &mut [i16]) {
        match plane.bits {
            #[cfg(feature = "weights4")]
            WeightBits::Four => nibbles::update(rows, plane, list, shift, values),
            _ => dots::update(rows, plane, list, shift, values),
        }
    }

    fn scan(
        split: Split,
        codes: &[u32],
        applied: &mut [u32],
        rest: &mut [u32],
        lists: &mut [u32],
    ) -> Found {
        let mut lists = Lists::new(lists);
        let columns = inner::scan(split, codes, applied, rest, &mut lists);
        lists.finish(columns)
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
