//! [`super::Swar`] in Thumb-1 (Armv6-M, Armv8-M Baseline).
//!
//! Two things differ from the portable kernels, in the state and in the plane
//! but not in the image. `rev16` exchanges the bytes in both halves of a word,
//! in one cycle and without a mask, so the sums of the prediction pass are
//!
//! ```text
//! A = sum of U          = S0 + 2^8 S1 + 2^16 S2 + 2^24 S3
//! R = sum of rev16(U)   = S1 + 2^8 S0 + 2^16 S3 + 2^24 S2     (mod 2^32)
//! A - 2^8 R = S0 + 2^16 (S2 - S0),   R - 2^8 A = S1 + 2^16 (S3 - S1)
//! ```
//!
//! three operations a word. In the same way a dot product is
//! `U X + rev16(U) Y`, five operations: with `P = x2 + 2^16 x0` and
//! `Q = x3 + 2^16 x1` the weights must meet
//!
//! ```text
//! X + 2^8 Y = P,   2^8 X + Y = Q     X = (P - 2^8 Q) / (1 - 2^16)
//!                                    Y = (Q - 2^8 P) / (1 - 2^16)
//! ```
//!
//! and `1 / (1 - 2^16) = 1 + 2^16 (mod 2^32)`. The sum is the same number as
//! the portable kernels', so their bounds hold.
#![allow(unsafe_code)]

/// Saves all registers that a function must preserve.
macro_rules! enter {
    () => {
        "push {{r4-r7, lr}}
         mov r4, r8
         mov r5, r9
         mov r6, r10
         mov r7, r11
         push {{r4-r7}}"
    };
}
/// Restores them and returns.
macro_rules! leave {
    () => {
        "pop {{r4-r7}}
         mov r8, r4
         mov r9, r5
         mov r10, r6
         mov r11, r7
         pop {{r4-r7, pc}}"
    };
}
// Below the macros, which they use.
mod cells;
mod dots;
mod gate;
#[cfg(feature = "weights4")]
pub mod nibbles;
mod predict;

pub use cells::cells;
pub use dots::{dots, plane};
pub use gate::load_within;
pub use predict::predict;

use super::lanes;

/// The offset of 128 in four bytes, as both sums hold it.
const RESULT_OFFSET: u32 = 0x8080_8080;

/// `((1 + 2^16) (p - 2^8 q), (1 + 2^16) (q - 2^8 p))`: from lanes to factors,
/// and from sums to lanes.
#[inline(always)]
const fn combine(p: u32, q: u32) -> [u32; 2] {
    let (x, y) = (p.wrapping_sub(q << 8), q.wrapping_sub(p << 8));
    [x.wrapping_add(x << 16), y.wrapping_add(y << 16)]
}

/// See [`crate::kernels::Kernels::load`].
pub fn load(accumulators: &[u32], predictions: &mut [i16]) {
    let (words, _) = accumulators.as_chunks();
    for (&[a, r], rows) in words.iter().zip(predictions.chunks_mut(4)) {
        let ([s0, s2], [s1, s3]) = {
            let [even, odd] = combine(a, r);
            (lanes(even), lanes(odd))
        };
        for (row, value) in rows.iter_mut().zip([s0, s1, s2, s3]) {
            *row = value;
        }
    }
}

/// See [`crate::kernels::Kernels::store`].
pub fn store(accumulators: &mut [u32], predictions: &[i16]) {
    let (words, _) = accumulators.as_chunks_mut();
    let mut rows = predictions.iter();
    for [a, r] in words {
        let mut next = || rows.next().map_or(0, |&p| i32::from(p) as u32);
        let [s0, s1, s2, s3] = [next(), next(), next(), next()];
        let (even, odd) = (s0.wrapping_add(s2 << 16), s1.wrapping_add(s3 << 16));
        *a = even.wrapping_add(odd << 8);
        *r = odd.wrapping_add(even << 8);
    }
}
