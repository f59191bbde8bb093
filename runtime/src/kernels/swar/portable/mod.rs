//! [`crate::kernels::swar::Swar`] in plain Rust.
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
mod gate;
#[cfg(feature = "weights4")]
pub mod nibbles;
mod predict;
#[cfg(pg_isa = "rv32")]
mod rv32;

#[cfg(not(pg_isa = "rv32"))]
pub use super::super::cell::update as cells;
#[cfg(pg_isa = "rv32")]
pub use dots::update;
pub use dots::{dots, plane};
pub use gate::load_within;
pub use predict::predict;
#[cfg(pg_isa = "rv32")]
pub use rv32::cells;

use super::lanes;

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
