//! Four weights share a 32-bit register: for cores without SIMD, and the
//! portable kernels of every target.
//!
//! A weight is stored as `u = w + 128`, so that a word of four,
//! `U = u0 + 2^8 u1 + 2^16 u2 + 2^24 u3`, has no borrow between its bytes.
//!
//! # Prediction pass
//!
//! Per word and applied column two sums are kept modulo 2^32,
//!
//! ```text
//! A = sum of U                            A += w
//! O = sum of (U >> 8) & 0x00ff00ff        O += the bytes 1 and 3
//! ```
//!
//! from which the four rows follow, whatever wrapped on the way: the bytes 1
//! and 3 are `O = S1 + 2^16 S3`, the bytes 0 and 2 are `A - 2^8 O = S0 +
//! 2^16 S2`, and every S is the 16-bit prediction itself (the layer's bound).
//! The offset of 128 is taken off once a panel: it is the same for all rows.
//! Four operations and a load serve four rows: on a Cortex-M0+ (documented
//! timings, zero wait states) 6.5 cycles with the load shared by two words,
//! 1.6 a row; on a two-stage RV32 6 cycles, 1.5 a row.
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
//! and because `E = U - 2^8 O`, the product `U X0 + O (X1 - 2^8 X0)` is the
//! same number without extracting E. Lanes hold while `|L|, |H| <= 32767`;
//! both are at most `largest |x| * sum |w|`, which [`Swar::chunk`] bounds by
//! the row's own sum or, where that is too large, by 127 a weight. The first
//! word of a chunk in a plane takes the offset of 128 off.

mod dots;
mod predict;

use super::{Changes, Kernels, Plane};
use crate::layout::Target;

/// Kernels for [`Target::Swar`].
pub struct Swar;

/// The bytes 0 and 2 of a word.
const EVEN: u32 = 0x00ff_00ff;
/// The offset of 128 in two lanes.
const OFFSET: u32 = 0x0080_0080;

impl Kernels for Swar {
    const TARGET: Target = Target::Swar;

    fn chunk(largest: u32, row_sum: u32, columns: usize) -> usize {
        const LANE: u32 = i16::MAX as u32;
        if largest.saturating_mul(row_sum) <= LANE {
            columns
        } else {
            // Eight columns of 127 and the largest digit, 32, stay below the lane's limit.
            let safe = LANE / (127 * largest.clamp(1, Self::TARGET.plane_max()));
            (safe as usize & !7).min(columns)
        }
    }

    fn plane(digits: &[u32], columns: usize, chunk: usize, words: &mut [u32]) {
        dots::plane(digits, columns, chunk, words);
    }

    #[inline]
    fn predict(accumulators: &mut [u32], panels: &[u32], columns: usize, changes: &Changes<'_>) {
        predict::predict(accumulators, panels, columns, changes);
    }

    fn load(accumulators: &[u32], predictions: &mut [i16]) {
        let (words, _) = accumulators.as_chunks();
        for (&[a, o], rows) in words.iter().zip(predictions.chunks_mut(4)) {
            let ([s0, s2], [s1, s3]) = (lanes(a.wrapping_sub(o << 8)), lanes(o));
            for (row, value) in rows.iter_mut().zip([s0, s1, s2, s3]) {
                *row = value;
            }
        }
    }

    fn store(accumulators: &mut [u32], predictions: &[i16]) {
        let (words, _) = accumulators.as_chunks_mut();
        let mut rows = predictions.iter();
        for [a, o] in words {
            let mut next = || rows.next().map_or(0, |&p| i32::from(p) as u32);
            let [s0, s1, s2, s3] = [next(), next(), next(), next()];
            *o = s1.wrapping_add(s3 << 16);
            *a = s0.wrapping_add(s2 << 16).wrapping_add(*o << 8);
        }
    }

    #[inline]
    fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
        dots::dots(rows, plane, list, sums);
    }
}

/// The lower and the upper lane of `S + 2^16 S'`.
#[inline(always)]
const fn lanes(word: u32) -> [i16; 2] {
    let low = word as i16;
    [low, (word.wrapping_sub(low as u32) >> 16) as i16]
}
