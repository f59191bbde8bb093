//! Weights of four bits for [`super::Swar`]: eight of them share a word.
//!
//! # Prediction pass
//!
//! A half of a byte is `u = w + 8`. Per word of eight rows two sums are kept
//! modulo 2^32,
//!
//! ```text
//! A = sum of W                            A += w
//! O = sum of (W >> 4) & 0x0f0f0f0f        O += the upper halves
//! E = A - 2^4 O                           the lower halves
//! ```
//!
//! in which a byte is one row. Started at `128 - 8 * columns`, a byte ends at
//! `128 + sum of w`, 2 to 254 over a batch of 18 columns, whatever wrapped on the
//! way. E and O then are columns of four rows as weights of eight bits are
//! stored, and are added to the predictions as such. Four operations and a
//! load serve eight rows instead of four.
//!
//! # Update pass
//!
//! A word is `W = L0 + 2^4 L1 + 2^8 L2 + 2^12 L3` in 16-bit lanes of two
//! columns each, and wants `L0 X0 + L1 X1 + L2 X2 + L3 X3`, with the digits X
//! as [`super`] has them. Four words of which W itself is one are enough, if
//! the factors make up for what each has too much: which ones depends on the
//! instruction set. The sum is the same number modulo 2^32, and the lanes hold
//! as with eight bits: while `largest |x| * sum |w| <= 32767`, for any weights
//! over `32767 / (7 * largest)` columns.
//!
//! # What the loops take
//!
//! By the same timings as in [`super`]; what is reached includes loops, calls and
//! checks, at 24 columns (two batches) and at 168.
//!
//! | loop | M0+ limit | M0+ | RV32 limit | RV32 |
//! |---|---|---|---|---|
//! | prediction pass, a row and entry | 0.81 | 1.5 | 0.84 | 1.45 |
//! | dot product, a column of one row | 2.4 | 2.9 | 2.25 | 2.9 |

mod plane;
mod predict;

pub use super::isa::nibbles::dots;
pub use plane::plane;
pub use predict::{ACCUMULATORS, predict};
