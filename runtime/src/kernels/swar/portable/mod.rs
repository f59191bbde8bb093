//! [`super::Swar`] in plain Rust.
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
//! Four operations and a load serve four rows.
//!
//! # Update pass
//!
//! Because `E = U - 2^8 O`, the product `U X0 + O (X1 - 2^8 X0)` is
//! `E X0 + O X1` without extracting E.

mod dots;
mod predict;

pub use super::super::cell::update as cells;
pub use dots::{dots, plane};
#[cfg(pg_isa = "rv32")]
pub use predict::columns_of;
pub use predict::predict;

use super::lanes;
use crate::kernels::gate;
use zerocopy::{FromBytes, IntoBytes};

/// See [`crate::kernels::Kernels::load`].
pub fn load(accumulators: &[u32], predictions: &mut [i16]) {
    let (words, _) = accumulators.as_chunks();
    for (&[a, o], rows) in words.iter().zip(predictions.chunks_mut(4)) {
        let ([s0, s2], [s1, s3]) = (lanes(a.wrapping_sub(o << 8)), lanes(o));
        for (row, value) in rows.iter_mut().zip([s0, s1, s2, s3]) {
            *row = value;
        }
    }
}

/// See [`crate::kernels::Kernels::store`].
pub fn store(accumulators: &mut [u32], predictions: &[i16]) {
    let (words, _) = accumulators.as_chunks_mut();
    let mut rows = predictions.iter();
    for [a, o] in words {
        let mut next = || rows.next().map_or(0, |&p| i32::from(p) as u32);
        let [s0, s1, s2, s3] = [next(), next(), next(), next()];
        *o = s1.wrapping_add(s3 << 16);
        *a = s0.wrapping_add(s2 << 16).wrapping_add(*o << 8);
    }
}

/// See [`crate::kernels::Kernels::load_within`].
///
/// Four rows at a time, two in a register: `t + (2^15 - 1) - |a|` has bit 15
/// if, and only if, `|a| < t`, and no lane overflows while `|a| <= 2^15 - 1`.
#[inline]
pub fn load_within(
    accumulators: &[u32],
    predictions: &mut [i16],
    thresholds: &[i16],
    open: &mut [u16],
) -> usize {
    let whole = predictions.len() / 4 * 4;
    let Some((now, later)) = predictions.split_at_mut_checked(whole) else {
        return 0;
    };
    let words = <[[u32; 2]]>::mut_from_bytes(now.as_mut_bytes());
    let limits =
        (thresholds.get(..whole)).and_then(|t| <[[u32; 2]]>::ref_from_bytes(t.as_bytes()).ok());
    let (Ok(words), Some(limits)) = (words, limits) else {
        // Not aligned to words.
        load(accumulators, predictions);
        return gate::within(predictions, thresholds, open);
    };
    let (fours, _) = accumulators.as_chunks();
    let mut count = 0;
    for (group, ((&[a, o], out), limits)) in fours.iter().zip(words).zip(limits).enumerate() {
        let (even, odd) = (pack(a.wrapping_sub(o << 8)), pack(o));
        *out = [
            (even & 0xffff) | (odd << 16),
            (even >> 16) | (odd & 0xffff_0000),
        ];
        let [first, second] = [below(out[0], limits[0]), below(out[1], limits[1])];
        if (first | second) & SIGNS != 0 {
            let bits = [first << 16, first, second << 16, second];
            for (lane, bits) in bits.into_iter().enumerate() {
                if (bits as i32) < 0
                    && let Some(entry) = open.get_mut(count)
                {
                    *entry = (4 * group + lane) as u16;
                    count += 1;
                }
            }
        }
    }
    // Rows beyond the last whole group.
    load(accumulators.get(whole / 2..).unwrap_or(&[]), later);
    let limits = thresholds.get(whole..).unwrap_or(&[]);
    for (row, (&a, &t)) in later.iter().zip(limits).enumerate() {
        if gate::is_within(a, t)
            && let Some(entry) = open.get_mut(count)
        {
            *entry = (whole + row) as u16;
            count += 1;
        }
    }
    count
}

/// The sign bits of two lanes.
const SIGNS: u32 = 0x8000_8000;

/// `S + 2^16 S'` as two lanes of 16 bits.
#[inline(always)]
const fn pack(sum: u32) -> u32 {
    sum.wrapping_add((sum & 0x8000) << 1)
}

/// Sets the sign bits of the lanes where `|a| < t`.
#[inline(always)]
const fn below(a: u32, t: u32) -> u32 {
    let negative = (a >> 15) & 0x0001_0001;
    let magnitude = (a ^ (negative << 16).wrapping_sub(negative)).wrapping_add(negative);
    t.wrapping_add(0x7fff_7fff).wrapping_sub(magnitude)
}
