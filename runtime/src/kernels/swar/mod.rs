//! Four weights share a 32-bit register: for cores without SIMD, and the
//! portable kernels of every target.
//!
//! A weight is stored as `u = w + 128`, so that a word of four,
//! `U = u0 + 2^8 u1 + 2^16 u2 + 2^24 u3`, has no borrow between its bytes.
//!
//! # Prediction pass
//!
//! Two sums modulo 2^32 hold the 16-bit predictions of four rows, and a column
//! is applied to them with a few operations on the word; which ones depends on
//! the instruction set.
//!
//! # Update pass
//!
//! One multiplication serves two weights. With `E = bytes 0 and 2` and
//! `O = bytes 1 and 3` of a word of weights, and the digits as
//! `X0 = x2 + 2^16 x0` and `X1 = x3 + 2^16 x1`,
//!
//! ```text
//! T = sum of E X0 + O X1 = L + 2^16 H   (mod 2^32),   H = sum of w x
//! ```
//!
//! Lanes hold while `|L|, |H| <= 32767`; both are at most `largest |x| *
//! sum |w|`, which [`Swar::chunk`] bounds by the row's own sum or, where that
//! is too large, by 127 a weight. The first word of a chunk in a plane takes
//! the offset of 128 off.
//!
//! # What the loops take
//!
//! In cycles by the documented timings, without wait states: Cortex-M0+ (loads
//! 2, multiplication 1), and a two-stage RV32 (loads and stores 2,
//! multiplication 1, a taken branch 3). The limit counts the instructions that
//! the arithmetic needs; what is reached includes loops, calls and checks, at
//! 40 inputs and 128 units.
//!
//! | loop | M0+ limit | M0+ | RV32 limit | RV32 |
//! |---|---|---|---|---|
//! | prediction pass, a row and entry | 1.25 | 1.37 | 1.63 | 1.71 |
//! | the same, a column that stands in a list more than once | | | 2.19 | 2.34 |
//! | dot product, a column of one row | 2.0 | 2.3 | 2.13 | 2.3 |
//! | load and gate, four rows, none open | 41 | 47 | 37 | 40 |
//! | cell, a unit | 122 | 128 | 101 | 109 |
//!
//! What keeps the limits of RV32 where they are: of the 1.5 cycles that a row
//! costs a prediction, 0.5 load it and 1.0 are the four operations on a word.
//! Three would do for the bytes 0 and 2, but `A` and `E` alone leave eight bits
//! of byte 3's sum open. In a dot product two digits share a multiplication,
//! which takes lanes of 16 bits: a third would not fit, and half of the bytes
//! must be cut out by a shift and a mask.

#[cfg(feature = "weights4")]
mod nibbles;
#[cfg(not(pg_isa = "thumb1"))]
mod portable;
#[cfg(pg_isa = "thumb1")]
mod thumb1;

#[cfg(not(pg_isa = "thumb1"))]
use portable as isa;
#[cfg(pg_isa = "thumb1")]
use thumb1 as isa;

use super::cell::Constants;
use super::{Changes, Kernels, Plane};
use crate::layout::{Target, WeightBits};

/// Kernels for [`Target::Swar`].
pub struct Swar;

/// The bytes 0 and 2 of a word.
const EVEN: u32 = 0x00ff_00ff;
/// The offset of 128 in two lanes.
const OFFSET: u32 = 0x0080_0080;

impl Kernels for Swar {
    const TARGET: Target = Target::Swar;

    fn chunk(bits: WeightBits, largest: u32, row_sum: u32, columns: usize) -> usize {
        const LANE: u32 = i16::MAX as u32;
        if largest.saturating_mul(row_sum) <= LANE {
            columns
        } else {
            // Eight columns of 127 and 32, or 36 of 7 and 128, stay below the
            // lane's limit.
            let safe = LANE / (bits.max() * largest.clamp(1, Self::TARGET.plane_max(bits)));
            (safe as usize & !7).min(columns)
        }
    }

    fn plane(bits: WeightBits, digits: &[u32], columns: usize, chunk: usize, words: &mut [u32]) {
        match bits {
            #[cfg(feature = "weights4")]
            WeightBits::Four => nibbles::plane(digits, columns, chunk, words),
            _ => isa::plane(digits, columns, chunk, words),
        }
    }

    #[inline]
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
            _ => isa::predict(accumulators, panels, columns, changes),
        }
    }

    fn load(accumulators: &[u32], predictions: &mut [i16]) {
        isa::load(accumulators, predictions);
    }

    fn store(accumulators: &mut [u32], predictions: &[i16]) {
        isa::store(accumulators, predictions);
    }

    #[inline]
    fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
        match plane.bits {
            #[cfg(feature = "weights4")]
            WeightBits::Four => nibbles::dots(rows, plane, list, sums),
            _ => isa::dots(rows, plane, list, sums),
        }
    }

    #[cfg(pg_isa = "rv32")]
    fn update(rows: &[u32], plane: &Plane<'_>, list: &[u16], shift: u8, values: &mut [i16]) {
        match plane.bits {
            #[cfg(feature = "weights4")]
            WeightBits::Four => super::update::<Self>(rows, plane, list, shift, values),
            _ => isa::update(rows, plane, list, shift, values),
        }
    }

    #[inline]
    fn load_within(
        accumulators: &[u32],
        predictions: &mut [i16],
        thresholds: &[i16],
        open: &mut [u16],
    ) -> usize {
        isa::load_within(accumulators, predictions, thresholds, open)
    }

    #[inline]
    fn cells(constants: &Constants<'_>, a: &[i16], state: &mut [i16], codes: &mut [i8]) {
        isa::cells(constants, a, state, codes);
    }
}

/// The lower and the upper lane of `S + 2^16 S'`.
#[inline(always)]
const fn lanes(word: u32) -> [i16; 2] {
    let low = word as i16;
    [low, (word.wrapping_sub(low as u32) >> 16) as i16]
}
