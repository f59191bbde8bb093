//! Predictions and the gate of [`super::super::Swar`], four rows at a time.

use crate::kernels::gate;
use core::hint::cold_path;
use zerocopy::{FromBytes, IntoBytes};

/// 1 in both lanes of a word.
const ONES: u32 = 0x0001_0001;
/// The largest 16-bit number in both lanes.
const LARGEST: u32 = 0x7fff_7fff;
/// Bit 15 of both lanes.
const SIGNS: u32 = 0x8000_8000;

/// See [`crate::kernels::Kernels::load_within`].
pub fn load_within(
    accumulators: &[u32],
    predictions: &mut [i16],
    thresholds: &[i16],
    open: &mut [u16],
) -> usize {
    let pairs = <[u32]>::mut_from_bytes(predictions.as_mut_bytes());
    let (Ok(pairs), Ok(limits)) = (pairs, <[u32]>::ref_from_bytes(thresholds.as_bytes())) else {
        // An odd number of rows, or not on a word.
        super::load(accumulators, predictions);
        return gate::within(predictions, thresholds, open);
    };
    let (sums, _) = accumulators.as_chunks();
    let groups = pairs.chunks_mut(2).zip(limits.chunks(2)).zip(sums);
    let mut count = 0;
    for (group, ((pairs, limits), &[a, o])) in groups.enumerate() {
        let even = a.wrapping_sub(o << 8);
        // Half of the upper lane's unit makes up for a negative lower lane.
        let upper = [even, o].map(|lanes| lanes.wrapping_add(1 << 15));
        let values = [
            (even & 0xffff) | (o << 16),
            (upper[0] >> 16) | (upper[1] & 0xffff_0000),
        ];
        let mut opens = [0; 2];
        let each = pairs.iter_mut().zip(values).zip(limits).zip(&mut opens);
        for (((pair, value), &limit), opens) in each {
            *pair = value;
            *opens = within(value, limit);
        }
        if (opens[0] | opens[1]) & SIGNS != 0 {
            cold_path();
            for row in 0..4 {
                if (opens[row / 2] >> (16 * (row % 2))) & (1 << 15) != 0
                    && let Some(entry) = open.get_mut(count)
                {
                    *entry = (4 * group + row) as u16;
                    count += 1;
                }
            }
        }
    }
    count
}

/// Whether `|a| < t`, in bit 15 of both lanes.
///
/// It is the carry of `t + (2^15 - 1 - |a|)`, which stays in its lane while
/// both are at most `2^15 - 1`. The complement of a negative number is one
/// less than its magnitude.
#[inline(always)]
const fn within(a: u32, t: u32) -> u32 {
    let negative = (a >> 15) & ONES;
    let rest = (a ^ (LARGEST + negative)).wrapping_sub(negative);
    t.wrapping_add(rest)
}
