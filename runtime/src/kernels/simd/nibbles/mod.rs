//! Weights of four bits for vector registers: twice as many in each.
//!
//! # Prediction pass
//!
//! Byte lanes hold the sums of a batch of columns: `A` of whole bytes, `O` of
//! their upper halves, so that the lower ones are `A - 2^4 O` modulo 2^8. Five
//! operations serve two rows a byte, six two rows a 16-bit lane with weights of
//! eight bits. Less `8 * columns` a lane is the signed sum of a row, within
//! 126, and widens to 16 bits in the rows' natural order.
//!
//! # Update pass
//!
//! The halves of a byte, `u = w + 8`, are two bytes after a shift and a mask,
//! three operations for 64 columns, and multiply as bytes do. They are never
//! larger than 15, so no product of any digit saturates.

mod plain;

use super::{Entries, Features, HEIGHT, arch};
use crate::kernels::batch::Batch;
pub use plain::{dots, plane, predict_batch};

/// Words of the accumulators of a panel.
pub const ACCUMULATORS: usize = HEIGHT;
/// What a weight is stored with.
pub const OFFSET: u8 = 8;
/// Bytes whose lower halves are consecutive rows or columns, followed by those
/// of their upper halves.
pub const RUN: usize = 32;

/// See [`crate::kernels::Kernels::predict`].
#[inline]
pub fn predict(features: Features, accumulators: &mut [u32], entries: &Entries<'_>) {
    let mut lists = [entries.plus, entries.minus];
    while let Some(Batch { plus, minus }) = Batch::take(&mut lists) {
        let batch = Entries {
            plus,
            minus,
            ..*entries
        };
        arch::nibbles::predict(features, accumulators, &batch);
    }
}
