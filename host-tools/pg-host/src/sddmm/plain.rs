//! The definition, for processors without AVX2 and as the oracle.

use super::element::{Element, sealed::Sum};
use super::{Mask, Operands};
use std::ops::Range;

/// See [`super::element::sealed::Sealed::tile`].
pub fn tile<'a, E: Element>(
    operands: &Operands<'_, E>,
    mask: &Mask,
    part: Range<usize>,
    row: usize,
    out: impl Iterator<Item = &'a mut [E::Sum]>,
) {
    let patches = &operands.plan.patches;
    for (out, row) in out.zip(row..) {
        let weights = &operands.weights[row * patches.columns()..][..patches.columns()];
        for &n in mask.listed(row, &part) {
            let start = operands.plan.starts[n as usize] as usize;
            let mut sum = E::Sum::default();
            for (run, weights) in weights.chunks_exact(patches.length).enumerate() {
                let inputs = &operands.inputs[start + run * patches.stride..];
                for (&weight, x) in weights.iter().zip(inputs) {
                    sum = x.accumulate(sum, weight);
                }
            }
            let out = &mut out[n as usize - part.start];
            *out = out.plus(sum);
        }
    }
}
