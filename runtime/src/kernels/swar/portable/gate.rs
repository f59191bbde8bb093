//! Predictions and the gate of [`crate::kernels::swar::Swar`], eight rows at a time.

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
    let groups = predictions.len().is_multiple_of(4);
    let (true, Ok(pairs), Ok(limits)) = (
        groups,
        <[u32]>::mut_from_bytes(predictions.as_mut_bytes()),
        <[u32]>::ref_from_bytes(thresholds.as_bytes()),
    ) else {
        super::load(accumulators, predictions);
        return gate::within(predictions, thresholds, open);
    };
    let count = (accumulators.len() / 2 * 2)
        .min(pairs.len())
        .min(limits.len());
    let (accumulators, pairs) = (accumulators.split_at(count).0, pairs.split_at_mut(count).0);
    let limits = limits.split_at(count).0;
    let (sums, sums_rest) = accumulators.as_chunks::<4>();
    let (eights, pairs_rest) = pairs.as_chunks_mut::<4>();
    let (eight_limits, limits_rest) = limits.as_chunks::<4>();
    let mut list = List { open, count: 0 };
    for (eight, ((pairs, limits), sums)) in
        eights.iter_mut().zip(eight_limits).zip(sums).enumerate()
    {
        list.add(8 * eight, unpack(sums, limits, pairs));
    }
    let rest = pairs_rest.as_chunks_mut::<2>().0.iter_mut();
    let rest = rest
        .zip(limits_rest.as_chunks::<2>().0)
        .zip(sums_rest.as_chunks::<2>().0);
    for ((pairs, limits), sums) in rest {
        list.add(8 * eights.len(), unpack(sums, limits, pairs));
    }
    list.count
}

/// The rows that open.
struct List<'o> {
    open: &'o mut [u16],
    count: usize,
}

impl List<'_> {
    /// Lists the rows from `first` on whose bit is set; two rows a word.
    #[inline(always)]
    fn add<const N: usize>(&mut self, first: usize, opens: [u32; N]) {
        if opens.iter().fold(0, |any, opens| any | opens) & SIGNS == 0 {
            return;
        }
        cold_path();
        let mut first = first;
        for &opens in opens.as_chunks().0 {
            self.four(first, opens);
            first += 4;
        }
    }

    #[inline(always)]
    fn four(&mut self, first: usize, [a, b]: [u32; 2]) {
        if (a | b) & SIGNS == 0 {
            return;
        }
        for (row, opens) in (first as u16..).zip([a << 16, a, b << 16, b]) {
            if (opens as i32) < 0
                && let Some(entry) = self.open.get_mut(self.count)
            {
                *entry = row;
                self.count += 1;
            }
        }
    }
}

/// Predictions of two rows a word, and which of them open.
#[inline(always)]
fn unpack<const N: usize>(sums: &[u32; N], limits: &[u32; N], pairs: &mut [u32; N]) -> [u32; N] {
    for (sums, pairs) in sums
        .as_chunks::<2>()
        .0
        .iter()
        .zip(pairs.as_chunks_mut::<2>().0)
    {
        let &[a, o] = sums;
        let even = a.wrapping_sub(o << 8);
        // Half of the upper lane's unit makes up for a negative lower lane.
        let [upper_even, upper_odd] = [even, o].map(|lanes| lanes.wrapping_add(1 << 15));
        *pairs = [
            (even & 0xffff) | (o << 16),
            (upper_even >> 16) | (upper_odd & 0xffff_0000),
        ];
    }
    core::array::from_fn(|k| within(pairs[k], limits[k]))
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
